"""The store: at most once, numbered, bounded, and on the disk when a call has returned."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agent.store import REQUESTS_KEPT, SCHEMA_VERSION, Spooled, SpoolSpan, Store, StoreError

ROOT = Path(__file__).parents[3]


def event(store: Store, size: int = 10, uptime_ms: int = 0) -> Spooled:
    return Spooled(store.boot, store.next_seq(), "event", uptime_ms, b"e" * size)


def telemetry(store: Store, size: int = 10) -> Spooled:
    return Spooled(store.boot, store.next_seq(), "telemetry", 0, b"t" * size)


def test_every_life_has_a_higher_boot_and_it_is_committed_before_use(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        with Store(tmp_path / "s.db") as store:
            assert store.boot == expected
            with sqlite3.connect(tmp_path / "s.db") as other:
                assert other.execute("SELECT value FROM kept WHERE name = 'boot'").fetchone()[0] == b"%d" % expected
            other.close()


def test_commits_are_on_the_disk_when_a_call_returns(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        assert store.synchronous() == 2
        assert (tmp_path / "s.db-wal").exists()


def test_a_request_is_begun_once_in_all_lives(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        assert store.begin_request("a", "locate")
        assert not store.begin_request("a", "locate")
    with Store(tmp_path / "s.db") as store:
        assert not store.begin_request("a", "locate")
        assert store.requests()["a"].state == "begun"
        store.end_request("a", "done", "blinked", {"times": "10"})
        assert store.requests()["a"].result == {"times": "10"}


def test_acknowledged_history_goes_and_the_rest_is_sent_again_in_order(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        for _ in range(5):
            store.spool_event(event(store))
        store.acknowledge(1, 3)
        assert [m.seq for m in store.history((0, 0))] == [4, 5]
    with Store(tmp_path / "s.db") as store:
        store.spool_event(event(store))
        assert [(m.boot, m.seq) for m in store.history((0, 0))] == [(1, 4), (1, 5), (2, 1)]
        assert [(s.boot, s.oldest, s.newest) for s in store.spool_reports()] == [(1, 4, 5), (2, 1, 1)]
        # Each boot is acknowledged for itself, also what waits in memory.
        store.spool_telemetry(telemetry(store))
        store.acknowledge(1, 4)
        assert [(m.boot, m.seq) for m in store.history((0, 0))] == [(1, 5), (2, 1), (2, 2)]
        store.acknowledge(2, 5)
        assert [(m.boot, m.seq) for m in store.history((0, 0))] == [(1, 5)]


def test_telemetry_waits_in_memory_and_costs_no_write_when_acknowledged_first(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        store.spool_telemetry(telemetry(store))
        assert store.spool_reports() == (SpoolSpan(1, 1, 1),)
        store.acknowledge(1, 1)
        store.flush()
        assert store.history((0, 0)) == []


def test_an_event_takes_the_telemetry_before_it_to_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    store.spool_telemetry(telemetry(store))
    store.spool_event(event(store))
    with sqlite3.connect(tmp_path / "s.db") as other:
        assert other.execute("SELECT count(*) FROM spool").fetchone()[0] == 2
    other.close()
    store.close()


def test_beyond_the_bound_the_oldest_telemetry_goes_first_and_the_gap_shows(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db", spool_bytes=64 * 1024) as store:
        store.spool_event(event(store, 1000))
        for _ in range(100):
            store.spool_telemetry(telemetry(store, 1000))
            store.flush()
        held = store.history((0, 0), limit=200)
        assert sum(len(m.payload) for m in held) <= 64 * 1024
        assert held[0].channel == "event"
        assert held[1].seq > 2
        assert held[-1].seq == 101
        assert store.nearly_full
    # What is held is counted anew by the next life.
    with Store(tmp_path / "s.db", spool_bytes=64 * 1024) as store:
        assert store.nearly_full


def test_what_a_failing_disk_did_not_take_is_not_counted(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db", spool_bytes=2000) as store:
        store.spool_event(event(store, 500))
        disk = sqlite3.connect(tmp_path / "s.db")
        disk.execute("CREATE TRIGGER fails BEFORE DELETE ON spool BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END")
        with pytest.raises(StoreError):
            store.spool_event(event(store, 1600))
        disk.execute("DROP TRIGGER fails")
        disk.close()
        assert [m.seq for m in store.history((0, 0))] == [1]
        for _ in range(4):
            store.spool_event(event(store, 500))
            assert sum(len(m.payload) for m in store.history((0, 0))) <= 2000


def test_what_was_acknowledged_makes_room_again() -> None:
    with Store(":memory:", spool_bytes=1000) as store:
        for _ in range(17):
            store.spool_event(event(store, size=50))
        full = store.nearly_full
        store.acknowledge(store.boot, 17)
        assert (full, store.nearly_full) == (True, False)
        for _ in range(10):
            store.spool_event(event(store, size=50))
        assert len(store.history((0, 0))) == 10


def test_with_nothing_held_the_span_begins_after_what_was_numbered_last() -> None:
    with Store(":memory:") as store:
        assert store.spool_reports() == (SpoolSpan(1, 1, 0),)
        store.spool_event(event(store))
        assert store.spool_reports() == (SpoolSpan(1, 1, 1),)
        store.acknowledge(1, 1)
        assert store.spool_reports() == (SpoolSpan(1, 2, 1),)


def test_ended_requests_are_forgotten_oldest_first_and_one_that_is_under_way_never() -> None:
    with Store(":memory:") as store:
        store.begin_request("under way", "locate")
        for number in range(REQUESTS_KEPT + 3):
            store.begin_request(str(number), "locate")
            store.end_request(str(number), "done")
        kept = list(store.requests())
        assert kept == ["under way", *map(str, range(3, REQUESTS_KEPT + 3))]


def test_age_is_a_bound_too(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db", spool_age_ms=1000) as store:
        store.spool_event(event(store, uptime_ms=0))
        store.spool_event(event(store, uptime_ms=5000))
        assert [m.seq for m in store.history((0, 0))] == [2]
    with Store(tmp_path / "s.db", spool_age_ms=1000) as store:
        # How long a hub was without power nobody knows: another boot's uptime tells no age.
        store.spool_event(event(store, uptime_ms=9000))
        assert [(m.boot, m.seq) for m in store.history((0, 0))] == [(1, 2), (2, 1)]


def test_of_more_boots_than_a_report_holds_the_newest_are_told() -> None:
    with Store(":memory:") as store:
        for boot in range(-70, 1):
            store.spool_event(Spooled(boot, 1, "event", 0, b"e"))
        assert [span.boot for span in store.spool_reports()] == list(range(-62, 2))


def test_a_file_of_newer_code_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "s.db")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer"):
        Store(tmp_path / "s.db")


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="enrol this hub anew") as refused:
        Store(tmp_path / "s.db")
    assert "\n" not in str(refused.value)
    assert (tmp_path / "s.db").read_bytes() == b"not a database" * 100


def test_a_file_damaged_in_the_middle_is_refused_at_the_start_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        for _ in range(40):
            store.spool_event(event(store, size=500))
    body = bytearray(path.read_bytes())
    body[12_000:24_000] = b"\xaa" * 12_000
    path.write_bytes(body)
    with pytest.raises(StoreError, match="it is damaged: move it away and enrol this hub anew") as refused:
        Store(path)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == body


def test_damage_that_nothing_reads_at_the_start_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path):
        other = sqlite3.connect(path)
        rows = [(str(number), "locate", "done", "x" * 400, "{}", 1, number) for number in range(100)]
        other.executemany("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        other.commit()
        other.close()
    body = bytearray(path.read_bytes())
    body[-12_000:] = b"\xaa" * 12_000
    path.write_bytes(body)
    with pytest.raises(StoreError, match="it is damaged"):
        Store(path)


def test_what_cannot_be_read_in_the_middle_of_a_life_is_the_stores_error_too(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        other = sqlite3.connect(tmp_path / "s.db")
        other.executescript("DROP TABLE spool; DROP TABLE kept; DROP TABLE requests;")
        other.close()
        for read in (store.requests, store.spool_reports, lambda: store.history((0, 0)), lambda: store.kept("boot")):
            with pytest.raises(StoreError, match="no such table"):
                read()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SQLITE_FULL", "free space"),
        ("SQLITE_READONLY_DIRECTORY", "let this user write to it"),
        ("SQLITE_IOERR_WRITE", "replace it"),
    ],
)
def test_what_the_disk_says_comes_with_its_remedy(name: str, said: str) -> None:
    error = sqlite3.OperationalError("disk")
    error.sqlite_errorcode = getattr(sqlite3, name)
    assert said in str(StoreError.of("s.db", error))


@settings(max_examples=30, deadline=None)
@given(doings=st.lists(st.sampled_from(["event", "telemetry", "flush", "ack", "reopen"]), max_size=25))
def test_nothing_acknowledged_comes_back_and_nothing_else_is_lost(doings: list[str]) -> None:
    """A clean close writes everything down; what a cut loses is shown by the SIGKILL test."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "s.db")
        held: list[tuple[int, int]] = []
        for doing in doings:
            if doing == "event":
                store.spool_event(event(store))
                held.append((store.boot, store._seq))
            elif doing == "telemetry":
                store.spool_telemetry(telemetry(store))
                held.append((store.boot, store._seq))
            elif doing == "flush":
                store.flush()
            elif doing == "ack" and held:
                boot, seq = held[len(held) // 2]
                store.acknowledge(boot, seq)
                held = [(b, s) for b, s in held if b != boot or s > seq]
            elif doing == "reopen":
                store.close()
                store = Store(Path(directory) / "s.db")
            assert [(m.boot, m.seq) for m in store.history((0, 0), limit=99)] == held
        store.close()


CHILD = """
    import sys
    from device_agent.store import Spooled, Store
    store = Store(sys.argv[1])
    print("boot", store.boot, flush=True)
    n = 0
    while True:
        n += 1
        name = f"{store.boot}-{n}"
        assert store.begin_request(name, "locate")
        print("begun", name, flush=True)
        message = Spooled(store.boot, store.next_seq(), "event", n, b"x" * 100)
        store.spool_event(message)
        print("spooled", message.boot, message.seq, flush=True)
        store.end_request(name, "done")
        print("done", name, flush=True)
"""


@pytest.mark.parametrize("seed", range(12))
def test_a_killed_process_keeps_everything_it_was_told_was_kept(tmp_path: Path, seed: int) -> None:
    told: list[list[str]] = []
    for life in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path / "s.db")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        told += [child.stdout.readline().split() for _ in range(1 + (seed * 7 + life * 13) % 40)]
        os.kill(child.pid, signal.SIGKILL)
        # The kill may have cut the last line.
        told += [line.split() for line in child.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    boots = [int(words[1]) for words in told if words[0] == "boot"]
    assert boots == sorted(set(boots))
    with Store(tmp_path / "s.db") as store:
        assert store.boot > boots[-1]
        kept = {(m.boot, m.seq) for m in store.history((0, 0), limit=100_000)}
        assert {(int(w[1]), int(w[2])) for w in told if w[0] == "spooled"} <= kept
        requests = store._db.execute("SELECT id, state FROM requests").fetchall()
        states = dict(requests)
        last = [w[1] for w in told if w[0] == "begun"][-200:]
        assert all(name in states for name in last)
        assert all(states.get(w[1]) == "done" for w in told if w[0] == "done" and w[1] in last)
