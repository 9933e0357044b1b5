"""The hub's memory over power cuts: ONE SQLite file with the document, requests begun, the boot counter and the spool.

Calls are short and synchronous. journal_mode=WAL with synchronous=FULL: when a call that writes has returned, its
commit is on the disk. The spool is history under (boot, seq); it ends by the controller's acknowledgement only, or by
its bounds (bytes, age), oldest telemetry first and events last. What is lost shows as a gap in `spool_reports`.
"""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

SCHEMA_VERSION: Final = 1
DEFAULT_SPOOL_BYTES: Final = 4 * 1024 * 1024
DEFAULT_SPOOL_AGE_MS: Final = 14 * 24 * 3600 * 1000
# How many ended requests are remembered after the document dropped them.
REQUESTS_KEPT: Final = 256
_REPORTED_BOOTS: Final = 64

_SCHEMA: Final = """
CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE requests (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
  result TEXT NOT NULL DEFAULT '{}', boot INTEGER NOT NULL, place INTEGER NOT NULL);
CREATE TABLE spool (
  boot INTEGER NOT NULL, seq INTEGER NOT NULL, channel TEXT NOT NULL, uptime_ms INTEGER NOT NULL,
  payload BLOB NOT NULL, PRIMARY KEY (boot, seq)) WITHOUT ROWID;
"""


# What a person does about it, by SQLite's primary result code (sqlite.org/rescode.html).
_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "free space on that disk",
    sqlite3.SQLITE_READONLY: "let this user write to it",
    sqlite3.SQLITE_CANTOPEN: "let this user write to its folder, and see that no folder has its name",
    sqlite3.SQLITE_BUSY: "stop what else has it open",
    sqlite3.SQLITE_IOERR: "the disk fails: replace it",
    # Its counters order all that this hub ever said: a hub that began anew under its old name would not be believed.
    sqlite3.SQLITE_NOTADB: "it is damaged: move it away and enrol this hub anew",
    sqlite3.SQLITE_CORRUPT: "it is damaged: move it away and enrol this hub anew",
}


class StoreError(Exception):
    """The file cannot be used: `path` and why; a person must act (full, read-only, damaged, newer than this code)."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    @classmethod
    def of(cls, path: Path | str, error: sqlite3.Error) -> Self:
        """SQLite's word with the remedy."""
        remedy = _REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
        return cls(path, f"{error}; {remedy}" if remedy else str(error))


@dataclass(frozen=True, slots=True)
class Spooled:
    """One message of history."""

    boot: int
    seq: int
    channel: str
    uptime_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request that was begun; `boot` is the boot that began it."""

    id: str
    kind: str
    state: str
    message: str
    result: dict[str, str]
    boot: int


@dataclass(frozen=True, slots=True)
class SpoolSpan:
    """What is held of one boot."""

    boot: int
    oldest: int
    newest: int


class Store:
    """The open file. `boot` was raised and committed before the constructor returned (its first use comes later)."""

    def __init__(
        self, path: Path | str, *, spool_bytes: int = DEFAULT_SPOOL_BYTES, spool_age_ms: int = DEFAULT_SPOOL_AGE_MS
    ) -> None:
        """Open or create. Raises StoreError."""
        self._path = path
        self._spool_bytes = spool_bytes
        self._spool_age_ms = spool_age_ms
        self._pending: list[Spooled] = []
        # Commits since this life began: each is a write to the flash.
        self.commits = 0
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError.of(path, error) from None
        try:
            self._prepare()
            self._bytes = self._read("SELECT coalesce(sum(length(payload)), 0) FROM spool")[0][0]
            self.boot = self._raise_boot()
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError.of(path, error) from None
        except StoreError:
            self._db.close()
            raise
        self._seq = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits and close; a second call does nothing."""
        self.flush()
        self._db.close()

    def _prepare(self) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=2000", "temp_store=MEMORY"):
            self._db.execute(f"PRAGMA {pragma}")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(self._path, f"written by newer code (schema {version}); update hub-agent")
        # Damage that is found here is told in one line; found later, in the middle of a life, it would be a crash.
        problem = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            told = " ".join(str(problem).split())[:120]
            raise StoreError(self._path, f"{told}; {_REMEDIES[sqlite3.SQLITE_CORRUPT]}")
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")

    def _raise_boot(self) -> int:
        boot = self._counter("boot") + 1
        self.keep("boot", str(boot).encode())
        return boot

    def synchronous(self) -> int:
        """SQLite's `synchronous` in force: 2 is FULL (what a test asserts)."""
        return int(self._db.execute("PRAGMA synchronous").fetchone()[0])

    # What is kept by name.

    def keep(self, name: str, value: bytes) -> None:
        """Keep a value under a name, over the earlier one. Raises StoreError (disk full, read-only)."""
        self._write(
            "INSERT INTO kept VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        """One statement, committed; returns how many rows it touched. Raises StoreError."""
        try:
            touched = self._db.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise StoreError.of(self._path, error) from None
        self.commits += 1
        return touched

    def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Every row of a question. Raises StoreError."""
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError.of(self._path, error) from None

    def kept(self, name: str) -> bytes | None:
        """The value kept under a name."""
        rows = self._read("SELECT value FROM kept WHERE name = ?", (name,))
        return bytes(rows[0][0]) if rows else None

    def count(self, name: str) -> int:
        """The next number of a persistent counter, committed before it is returned."""
        value = self._counter(name) + 1
        self.keep(name, str(value).encode())
        return value

    def _counter(self, name: str) -> int:
        return int(self.kept(name) or b"0")

    # Requests: begun at most once per id.

    def begin_request(self, request_id: str, kind: str) -> bool:
        """Claim a request for good; False if any life of this hub ever began it. Raises StoreError."""
        place = "(SELECT coalesce(max(place), 0) + 1 FROM requests)"
        claimed = self._write(
            f"INSERT INTO requests (id, kind, state, boot, place) VALUES (?, ?, 'begun', ?, {place}) "  # noqa: S608  # a constant
            "ON CONFLICT (id) DO NOTHING",
            (request_id, kind, self.boot),
        )
        return claimed == 1

    def end_request(self, request_id: str, state: str, message: str = "", result: dict[str, str] | None = None) -> None:
        """Keep how it ended, and forget the oldest beyond REQUESTS_KEPT. Raises StoreError."""
        self._write(
            "UPDATE requests SET state = ?, message = ?, result = ? WHERE id = ?",
            (state, message, json.dumps(result or {}, sort_keys=True), request_id),
        )
        self._write(
            "DELETE FROM requests WHERE state != 'begun' AND place <= (SELECT max(place) FROM requests) - ?",
            (REQUESTS_KEPT,),
        )

    def requests(self) -> dict[str, RequestRow]:
        """Every request remembered, by id."""
        rows = self._read("SELECT id, kind, state, message, result, boot FROM requests ORDER BY place")
        return {row[0]: RequestRow(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5]) for row in rows}

    # The spool.

    def next_seq(self) -> int:
        """The next sequence number of this boot."""
        self._seq += 1
        return self._seq

    def spool_event(self, message: Spooled) -> None:
        """Put an event, and any telemetry waiting in memory, on the disk now."""
        self._pending.append(message)
        self.flush()

    def spool_telemetry(self, message: Spooled) -> None:
        """Hold a batch in memory until `flush`; it is lost if the power fails before, which shows as a gap."""
        self._pending.append(message)

    def flush(self) -> None:
        """Write what waits in memory, in one transaction, and keep the bounds."""
        if not self._pending:
            return
        rows = [(m.boot, m.seq, m.channel, m.uptime_ms, m.payload) for m in self._pending]
        before = self._bytes
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO spool VALUES (?, ?, ?, ?, ?)", rows)
                self._bytes += sum(len(m.payload) for m in self._pending)
                self._keep_bounds(self._pending[-1].uptime_ms)
            self.commits += 1
        except sqlite3.Error as error:
            # What is rolled back is not held: bytes counted all the same would fill the bound with nothing.
            self._bytes = before
            raise StoreError.of(self._path, error) from None
        finally:
            # On a full disk the memory must not grow instead: what could not be written is lost, and shows as a gap.
            self._pending.clear()

    @property
    def nearly_full(self) -> bool:
        """Over four fifths of the bound: telemetry is to be thinned before it gets a number."""
        return bool(self._bytes > self._spool_bytes * 4 // 5)

    def history(self, after: tuple[int, int], limit: int = 32) -> list[Spooled]:
        """What is held after (boot, seq), in order, memory included."""
        rows = self._read(
            "SELECT boot, seq, channel, uptime_ms, payload FROM spool WHERE (boot, seq) > (?, ?) "
            "ORDER BY boot, seq LIMIT ?",
            (*after, limit),
        )
        # What waits in memory was numbered after all that is on the disk.
        return ([Spooled(*row) for row in rows] + [m for m in self._pending if (m.boot, m.seq) > after])[:limit]

    def acknowledge(self, boot: int, seq: int) -> None:
        """The controller has everything of `boot` up to `seq`: forget it. Raises StoreError (ask again later)."""
        self._pending = [m for m in self._pending if m.boot != boot or m.seq > seq]
        (gone,) = self._read(
            "SELECT coalesce(sum(length(payload)), 0), count(*) FROM spool WHERE boot = ? AND seq <= ?", (boot, seq)
        )
        if gone[1]:
            self._write("DELETE FROM spool WHERE boot = ? AND seq <= ?", (boot, seq))
            self._bytes -= gone[0]

    def spool_reports(self) -> tuple[SpoolSpan, ...]:
        """What is held per boot, newest boots first where there are more than a report may carry.

        The present boot is always there: with nothing held, `oldest` is one above what was numbered last.
        """
        rows = self._read(
            "SELECT boot, min(seq), max(seq) FROM spool GROUP BY boot ORDER BY boot DESC LIMIT ?", (_REPORTED_BOOTS,)
        )
        spans = {row[0]: SpoolSpan(*row) for row in rows}
        mine = [m.seq for m in self._pending] + ([spans[self.boot].oldest] if self.boot in spans else [])
        spans[self.boot] = SpoolSpan(self.boot, min(mine, default=self._seq + 1), self._seq)
        return tuple(sorted(spans.values(), key=lambda span: span.boot))[-_REPORTED_BOOTS:]

    def _keep_bounds(self, now_ms: int) -> None:
        self._drop("boot = ? AND uptime_ms < ?", (self.boot, now_ms - self._spool_age_ms))
        for channel in ("telemetry", "event"):
            while self._bytes > self._spool_bytes and self._drop_oldest(channel):
                pass

    def _drop_oldest(self, channel: str) -> bool:
        rows = self._db.execute(
            "SELECT boot, seq FROM spool WHERE channel = ? ORDER BY boot, seq LIMIT 16", (channel,)
        ).fetchall()
        if rows:
            self._drop("channel = ? AND (boot, seq) <= (?, ?)", (channel, *rows[-1]))
        return bool(rows)

    def _drop(self, where: str, values: tuple[object, ...]) -> None:
        size = self._db.execute(f"SELECT coalesce(sum(length(payload)), 0) FROM spool WHERE {where}", values)  # noqa: S608  # constants
        self._bytes -= size.fetchone()[0]
        self._db.execute(f"DELETE FROM spool WHERE {where}", values)  # noqa: S608  # constants of this file
