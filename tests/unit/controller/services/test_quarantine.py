"""The quarantine: kept and counted, bounded, told as an alarm that grows, replayed once it can be read."""

import json
from datetime import datetime
from typing import Any

import pytest
from sqlmodel import Session, col, select

from controller.ingest.decode import decode_message
from controller.ingest.record import Taken, take_in
from controller.ingest.replay import replay
from controller.services import alarms, hubs, quarantine
from controller.services.errors import ConflictError, NotFoundError
from controller.tables.hubs import HubEvent, Quarantined
from device_agent import protocol
from device_agent.protocol import Channel, topic
from tests.unit.controller.household import Household


@pytest.fixture
def hub(home: Household) -> Household:
    home.hub_id = home.run(hubs.enrol, serial="S1", iccid=home.card()).id
    return home


def arrive(home: Household, channel: Channel, *payloads: bytes) -> Taken:
    received = [decode_message(topic(home.hub_id, channel), each) for each in payloads]
    taken: Taken = home.run(take_in, received=received)
    return taken


def event(seq: int, **more: Any) -> bytes:
    return json.dumps({"boot": 1, "seq": seq, "uptime_ms": 5, "kind": "attached", **more}).encode()


def mend(session: Session, _actor: Any, _now: datetime, *, payload: bytes) -> None:
    row = session.exec(select(Quarantined)).one()
    row.payload = payload
    session.add(row)


def test_history_that_cannot_be_read_counts_as_kept_here(hub: Household) -> None:
    taken = arrive(hub, Channel.EVENT, event(1), event(2, severity="odd"), event(3))
    assert taken.quarantined == 1
    assert taken.acks == {hub.hub_id: {1: 3}}
    # A hello asks how far that is, and is answered at once.
    hello = protocol.encode(protocol.Reported(boot=2, seq=1, uptime_ms=1, observed_revision=0))
    told = arrive(hub, Channel.REPORTED, hello)
    assert (told.acks, told.at_once) == ({hub.hub_id: {1: 3}}, {hub.hub_id})


def test_a_mended_message_is_replayed_once_and_whole(hub: Household) -> None:
    arrive(hub, Channel.EVENT, event(1), event(2, severity="odd"))
    (row,) = hub.run(quarantine.newest)
    assert hub.run(replay, message_id=row.id).replayed_at is None
    hub.run(mend, payload=event(2, severity="minor"))
    assert hub.run(replay, message_id=row.id).replayed_at == hub.now
    events = hub.run(lambda session, _actor, _now: session.exec(select(HubEvent).order_by(col(HubEvent.seq))).all())
    assert [(each.seq, each.severity) for each in events] == [(1, "info"), (2, "minor")]
    with pytest.raises(ConflictError):
        hub.run(replay, message_id=row.id)
    assert hub.run(alarms.list_open) == ()


def test_a_stranger_s_message_is_taken_in_once_its_hub_is_known(hub: Household) -> None:
    hub.run(hubs.revoke, hub_id=hub.hub_id)
    assert arrive(hub, Channel.EVENT, event(1)).acks == {}
    (row,) = hub.run(quarantine.newest)
    again = hub.run(replay, message_id=row.id)
    assert ("enrolled" in again.reason, again.replayed_at) == (True, None)
    assert len(hub.run(quarantine.newest)) == 1
    with pytest.raises(NotFoundError):
        hub.run(replay, message_id="nothing")


def test_it_grows_into_worse_alarms_and_is_bounded(hub: Household) -> None:
    def put(count: int) -> int:
        ids: tuple[str, ...] = hub.run(quarantine.put, messages=[("t", b"x", "no reason")] * count)
        return len(ids)

    def severity() -> str:
        (alarm,) = hub.run(alarms.list_open)
        return str(alarm.severity)

    assert (put(1), severity()) == (1, "warning")
    assert (put(99), severity()) == (99, "minor")
    assert (put(quarantine.MOST_KEPT), severity()) == (quarantine.MOST_KEPT - 100, "critical")
    assert put(5) == 0


def test_what_is_not_kept_here_stays_with_the_hub(hub: Household) -> None:
    hub.run(quarantine.put, messages=[("t", b"x", "no reason")] * quarantine.MOST_KEPT)
    assert arrive(hub, Channel.EVENT, event(1, severity="odd")).acks == {}


def test_numbers_of_a_report_are_none_of_history(hub: Household) -> None:
    message = decode_message(topic(hub.hub_id, Channel.REPORTED), b'{"boot": 1, "seq": 9}')
    assert getattr(message, "number", ()) is None
    assert protocol.LIMITS[Channel.EVENT] == 8192
