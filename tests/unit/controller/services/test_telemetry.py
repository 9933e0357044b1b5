"""Telemetry: series that never show an old bucket, roll-up, ageing, partitions, and the alarm of a weak signal."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, func, select

from controller.services import alarms, audit, history, hubs, partitions, retention, samples, telemetry
from controller.services.history import BootAck, HubHistory
from controller.services.samples import SAMPLE
from controller.tables.telemetry import FiveMinutes, Hour, TelemetryDue, TelemetrySample
from tests.unit.controller.household import Household

_seqs = itertools.count(1)


@pytest.fixture
def hub(home: Household) -> Household:
    home.hub_id = home.run(hubs.enrol, serial="S1", iccid=home.card()).id
    return home


def sample(at: datetime | None, **known: Any) -> tuple[Any, ...]:
    told = {"uptime_ms": 1, "at": at and int(at.timestamp() * 1000), **known}
    return tuple(told.get(name) for name in SAMPLE)


def send(home: Household, *batch: tuple[Any, ...], seq: int = 0) -> tuple[BootAck, ...]:
    message = HubHistory(home.hub_id, 1, seq or next(_seqs), tuple(batch))
    acks: dict[str, tuple[BootAck, ...]] = home.run(history.record, batch=[message])
    return acks.get(home.hub_id, ())


def series(home: Household, span: str) -> tuple[dict[str, Any], ...]:
    found: telemetry.Series = home.run(telemetry.series, hub_id=home.hub_id, span=span)
    return found.samples


def age(home: Household, key: str) -> datetime | None:
    return home.run(lambda session, _actor, now: retention.age(session, key, now))  # type: ignore[no-any-return]  # run is untyped


def count(home: Household, model: type) -> int:
    found: int = home.run(lambda session, _actor, _now: session.exec(select(func.count()).select_from(model)).one())
    return found


def test_a_series_is_the_same_before_and_after_the_roll_up(hub: Household) -> None:
    start = hub.now - timedelta(hours=9)
    send(hub, *(sample(start + timedelta(minutes=7 * n), rsrp_dbm=-90.0 - n % 5, tx_bytes=n) for n in range(70)))
    before = {span: series(hub, span) for span in ("day", "month")}
    assert count(hub, FiveMinutes) == 0
    assert age(hub, retention.ROLL_UP) == hub.now + telemetry.ROLL_UP_EVERY
    assert count(hub, Hour) > 0
    assert {span: series(hub, span) for span in ("day", "month")} == before
    assert sum(each["count"] for each in before["month"]) == 70


def test_a_bucket_tells_mean_least_most_and_last(hub: Household) -> None:
    start = hub.now.replace(minute=0) - timedelta(hours=3)
    rows = [(-100.0, "EE", 5), (-90.0, None, 9), (None, "BT", None)]
    send(
        hub,
        *(sample(start + timedelta(seconds=n), rsrp_dbm=r, operator=o, tx_bytes=b) for n, (r, o, b) in enumerate(rows)),
    )
    (bucket,) = series(hub, "month")
    assert (bucket["at"], bucket["count"]) == (start.isoformat(), 3)
    assert (bucket["rsrp_dbm"], bucket["rsrp_dbm_min"], bucket["rsrp_dbm_max"]) == (-95.0, -100.0, -90.0)
    assert (bucket["operator"], bucket["tx_bytes"], bucket["band"]) == ("BT", 9, None)


def test_late_samples_show_at_once_and_are_rolled_up_again(hub: Household) -> None:
    start = hub.now - timedelta(hours=5)
    send(hub, sample(start, rsrp_dbm=-90.0))
    age(hub, retention.ROLL_UP)
    assert count(hub, TelemetryDue) == 0
    send(hub, sample(start + timedelta(seconds=1), rsrp_dbm=-100.0))
    shown = series(hub, "day")
    assert [(each["count"], each["rsrp_dbm"]) for each in shown] == [(2, -95.0)]
    age(hub, retention.ROLL_UP)
    assert count(hub, TelemetryDue) == 0
    assert series(hub, "day") == shown


def test_an_hour_that_still_runs_is_not_rolled_up(hub: Household) -> None:
    send(hub, sample(hub.now - timedelta(minutes=1)))
    age(hub, retention.ROLL_UP)
    assert (count(hub, FiveMinutes), count(hub, TelemetryDue)) == (0, 1)
    assert sum(each["count"] for each in series(hub, "day")) == 1


def test_a_time_from_the_future_is_no_time(hub: Household) -> None:
    send(hub, sample(hub.now + timedelta(days=400)), sample(None))
    assert [each["at"] for each in series(hub, "hour")] == [hub.now.isoformat()] * 2


def test_what_is_older_than_is_kept_is_acknowledged_and_left_out(hub: Household) -> None:
    acks = send(hub, sample(hub.now - samples.KEPT - timedelta(hours=1)), seq=1)
    assert acks == (BootAck(boot=1, seq=1),)
    assert count(hub, TelemetrySample) == 0


def test_samples_age_and_their_buckets_stay_longer(hub: Household) -> None:
    for _ in range(4):
        send(hub, sample(hub.now - timedelta(hours=2)))
        hub.pass_time(days=6)
        age(hub, retention.ROLL_UP)
    for table in partitions.RULES:
        age(hub, table)
    assert count(hub, TelemetrySample) == 2
    assert (count(hub, FiveMinutes), count(hub, Hour)) == (4, 4)
    hub.pass_time(days=61)
    for table in partitions.RULES:
        age(hub, table)
    assert [count(hub, model) for model in (TelemetrySample, FiveMinutes, Hour)] == [0, 0, 4]


def test_an_hour_that_has_begun_to_age_away_keeps_its_bucket(hub: Household) -> None:
    start = hub.now - timedelta(hours=3)
    send(hub, sample(start), sample(start + timedelta(seconds=1)))
    age(hub, retention.ROLL_UP)
    hub.pass_time(days=13, hours=20)
    send(hub, sample(start + timedelta(seconds=2)))
    hub.pass_time(hours=12)
    age(hub, "telemetry")
    age(hub, retention.ROLL_UP)
    assert [each["count"] for each in series(hub, "month")] == [2]


def test_partitions_are_made_ahead_and_take_over_what_came_before(hub: Household) -> None:
    if hub.database.is_sqlite:
        pytest.skip("SQLite has no partitions: services/partitions.py says why")
    send(hub, sample(hub.now - timedelta(days=3)), sample(hub.now))

    def look(session: Session, _actor: Any, _now: datetime) -> tuple[int, int, int]:
        connection = session.connection()
        default = connection.execute(text("SELECT count(*) FROM telemetry_partitions.telemetry_default")).scalar_one()
        whole = connection.execute(text("SELECT count(*) FROM telemetry")).scalar_one()
        return default, whole, len(partitions._made(session, "telemetry"))

    assert hub.run(look) == (2, 2, 0)
    age(hub, "telemetry")
    assert hub.run(look) == (0, 2, 5)
    send(hub, sample(hub.now + timedelta(minutes=1)))
    assert hub.run(look) == (0, 3, 5)
    age(hub, "telemetry")
    hub.pass_time(days=40)
    age(hub, "telemetry")
    assert hub.run(look) == (0, 0, 4)


def signal(home: Household, *rsrp: float | None) -> str | None:
    send(home, *(sample(home.now, rsrp_dbm=each) for each in rsrp))
    found = home.run(alarms.list_open)
    return found[0].kind if found else None


def test_a_weak_signal_is_raised_by_a_whole_batch_and_cleared_well_above(hub: Household) -> None:
    assert signal(hub, -119.0, -117.0) is None
    assert signal(hub, -119.0, None, -125.0) == "signal"
    assert signal(hub, -115.0) == "signal"
    assert signal(hub, None) == "signal"
    assert signal(hub, -112.0) is None
    assert signal(hub, -115.0) is None


def test_of_messages_that_came_in_any_order_the_newest_tells_the_signal(hub: Household) -> None:
    def message(seq: int, rsrp: float) -> HubHistory:
        return HubHistory(hub.hub_id, 1, seq, (sample(hub.now, rsrp_dbm=rsrp),))

    hub.run(history.record, batch=[message(901, -100.0), message(900, -125.0)])
    assert hub.run(alarms.list_open) == ()
    hub.run(history.record, batch=[message(903, -125.0), message(902, -100.0)])
    assert [alarm.kind for alarm in hub.run(alarms.list_open)] == ["signal"]


def test_every_figure_is_kept_as_it_was_told_and_what_was_not_told_stays_unknown(hub: Household) -> None:
    whole = sample(
        hub.now - timedelta(milliseconds=995),
        **dict.fromkeys(telemetry.MEASURED, -1.5),
        **{name: "" if name in {"operator", "technology"} else 0 for name in telemetry.LAST},
    )
    bare = sample(hub.now)
    for some in ([whole, whole], [bare, bare], [whole, bare, whole], [bare, *[whole] * 700]):
        send(hub, *some, seq=(seq := next(_seqs)))
        assert hub.run(_told, seq=seq) == some


def test_what_is_erased_is_gone_at_every_resolution_and_does_not_come_back(hub: Household) -> None:
    other = hub.run(hubs.enrol, serial="S2", iccid=hub.card()).id
    old, new = sample(hub.now - timedelta(hours=3)), sample(hub.now)
    hub.run(history.record, batch=[HubHistory(other, 1, 1, (old, new))])
    send(hub, old, new, seq=1)
    age(hub, retention.ROLL_UP)
    assert all(series(hub, span) for span in telemetry.SPANS)
    gone = {"telemetry": 2, "telemetry_due": 1, "telemetry_five_minutes": 1, "telemetry_hours": 1}
    assert hub.run(telemetry.erase, hub_id=hub.hub_id) == gone
    send(hub, old, new, seq=1)
    age(hub, retention.ROLL_UP)
    assert not any(series(hub, span) for span in telemetry.SPANS)
    assert [count(hub, model) for model in (TelemetrySample, TelemetryDue, FiveMinutes, Hour)] == [2, 1, 1, 1]
    entries = hub.run(lambda session, _actor, _now: audit.entries_of(session, "hub", hub.hub_id))
    steps = [entry.action for entry in entries]
    assert steps.count("telemetry_erased") == 1
    assert steps.count("telemetry_read") == 6


def _told(session: Session, _actor: Any, _now: datetime, *, seq: int) -> list[tuple[Any, ...]]:
    rows = session.exec(select(TelemetrySample).where(TelemetrySample.seq == seq)).all()
    return [
        (row.uptime_ms, int(row.at.timestamp() * 1000), *(getattr(row, name) for name in SAMPLE[2:]))
        for row in sorted(rows, key=lambda row: row.position)
    ]
