"""History of hubs: each message once, acknowledged as far as nothing is missing, gaps visible (decision 5)."""

import itertools
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from controller.services import history, owed, reported, telemetry
from controller.services.actor import Actor
from controller.services.history import BootAck, HubHistory, Spooled
from controller.services.samples import SAMPLE
from controller.tables.hubs import HubBoot, HubEvent, HubMessage
from controller.tables.telemetry import TelemetrySample
from tests.unit.controller.household import Household

# Examples share a hub, so each has a boot of its own.
_boots = itertools.count(10)


@pytest.fixture
def hub(home: Household) -> Household:
    home.move_in()
    home.put_hub_in_drawer()
    return home


def event(home: Household, seq: int, boot: int = 1) -> HubHistory:
    return HubHistory(hub_id=home.hub_id, boot=boot, seq=seq, event={"kind": "attached", "uptime_ms": seq})


def sample(**known: Any) -> tuple[Any, ...]:
    return tuple(known.get(name) for name in SAMPLE)


def samples(home: Household, seq: int, count: int = 3) -> HubHistory:
    now_ms = int(home.now.timestamp() * 1000)
    rows = tuple(sample(uptime_ms=n, at=now_ms - n * 1000, rsrp_dbm=-90.0) for n in range(count))
    return HubHistory(hub_id=home.hub_id, boot=1, seq=seq, samples=rows)


def send(home: Household, *batch: HubHistory) -> tuple[BootAck, ...]:
    acks: dict[str, tuple[BootAck, ...]] = home.run(history.record, batch=batch)
    return acks.get(home.hub_id, ())


def count(home: Household, model: type) -> int:
    return len(home.run(lambda session, actor, now: session.exec(select(model)).all()))


def test_the_acknowledgement_stops_before_what_is_missing(hub: Household) -> None:
    assert send(hub, event(hub, 1), samples(hub, 2), event(hub, 4)) == (BootAck(boot=1, seq=2),)
    assert send(hub, event(hub, 5)) == (BootAck(boot=1, seq=2),)
    assert send(hub, event(hub, 3)) == (BootAck(boot=1, seq=5),)
    assert count(hub, HubMessage) == 0
    assert (count(hub, HubEvent), count(hub, TelemetrySample)) == (4, 3)


def test_the_same_message_twice_is_once_and_is_acknowledged_again(hub: Household) -> None:
    send(hub, event(hub, 1), event(hub, 3))
    assert send(hub, event(hub, 1), event(hub, 3), event(hub, 3)) == (BootAck(boot=1, seq=1),)
    assert count(hub, HubEvent) == 2


def test_what_a_hub_no_longer_holds_is_a_gap_and_does_not_block(hub: Household) -> None:
    send(hub, event(hub, 2), event(hub, 6))
    found = hub.hub_reports(is_open=False, spool=(Spooled(boot=1, oldest=6, newest=7),))
    assert found.acks == (BootAck(boot=1, seq=6),)
    (boot,) = hub.run(lambda session, actor, now: session.exec(select(HubBoot)).all())
    # 1, 3, 4 and 5 never came.
    assert boot.lost == 4
    assert send(hub, event(hub, 7)) == (BootAck(boot=1, seq=7),)


def test_boots_are_acknowledged_each_for_itself(hub: Household) -> None:
    assert send(hub, event(hub, 1, boot=1), event(hub, 1, boot=2), event(hub, 3, boot=2)) == (
        BootAck(boot=1, seq=1),
        BootAck(boot=2, seq=1),
    )


def test_a_hub_is_told_only_what_is_new(hub: Household) -> None:
    acks = send(hub, event(hub, 1))
    assert hub.run(history.owed_acks) == {hub.hub_id: acks}
    hub.run(history.acknowledged, told={hub.hub_id: {ack.boot: ack.seq for ack in acks}})
    assert hub.run(history.owed_acks) == {}


def test_a_stranger_s_history_is_left_out(hub: Household) -> None:
    stranger = HubHistory(hub_id="01990000-0000-7000-8000-999999999999", boot=1, seq=1, event={"kind": "x"})
    assert hub.run(history.record, batch=[stranger]) == {}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), size=st.integers(1, 12))
def test_any_order_with_repeats_ends_whole(seed: int, size: int, hub: Household) -> None:
    order = random.Random(seed)
    boot = next(_boots)
    arriving = [seq for seq in range(1, size + 1) for _ in range(order.randint(1, 2))]
    order.shuffle(arriving)
    seen: set[int] = set()
    while arriving:
        cut = order.randint(1, len(arriving))
        batch, arriving = arriving[:cut], arriving[cut:]
        seen |= set(batch)
        acks = send(hub, *(event(hub, seq, boot) for seq in batch))
        whole = next(n for n in range(size + 1) if n + 1 not in seen)
        assert {ack.boot: ack.seq for ack in acks}.get(boot, 0) == whole


def test_series_pick_the_resolution(hub: Household) -> None:
    send(hub, samples(hub, 1, 120))
    assert len(hub.run(telemetry.series, hub_id=hub.hub_id, span="hour").samples) == 120
    day = hub.run(telemetry.series, hub_id=hub.hub_id, span="day")
    assert day.resolution_s == 300
    assert sum(each["count"] for each in day.samples) == 120


def test_an_older_report_changes_nothing(hub: Household) -> None:
    hub.hub_reports(is_open=True, boot=2, seq=5)
    assert hub.hub_reports(is_open=False, boot=2, seq=4).stale
    assert hub.hub_reports(is_open=False, boot=1, seq=99).stale
    assert not hub.hub_reports(is_open=False, boot=3, seq=1).stale


def test_a_stale_will_does_not_take_a_hub_away(hub: Household) -> None:
    hub.hub_reports(is_open=True, boot=2, seq=1, session=7)

    def lost(connection: int) -> bool:
        gone: bool = hub.run(reported.presence, hub_id=hub.hub_id, state="lost", boot=2, connection=connection)
        return gone

    assert lost(6) is False
    assert lost(7) is True


def test_a_hub_whose_document_is_not_the_latest_is_owed_it(hub: Household) -> None:
    revision = hub.document().revision
    hub.run(_settle_all)
    assert hub.hub_reports(is_open=False, seq=1, observed_revision=revision).document_owed is False
    assert hub.claim("hubs", 5) == ()
    assert hub.hub_reports(is_open=False, seq=2, observed_revision=0).document_owed is True
    assert [held.key for held in hub.claim("hubs", 5)] == [hub.hub_id]


def _settle_all(session: Session, actor: Actor, now: datetime) -> None:
    del actor
    for held in owed.claim(session, "hubs", now=now, limit=9, lease=timedelta(seconds=1)):
        owed.settle(session, held)
