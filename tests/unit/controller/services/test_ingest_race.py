"""Two controllers take in the same messages at once: each counts once, whatever the order and whoever comes first."""

import asyncio
import random
from datetime import timedelta

from sqlmodel import Session, col, func, select

from controller.ingest.decode import Incoming, decode_message
from controller.ingest.record import take_in
from controller.services import hubs
from controller.services.actor import Actor
from controller.services.database import Database
from controller.tables.hubs import HubBoot, HubEvent, HubMessage
from controller.tables.telemetry import TelemetrySample
from device_agent import protocol
from device_agent.protocol import Channel, topic
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import START, Household

HUBS = 6
MESSAGES = 40
ACTOR = Actor.system("a test")


def messages(hub_ids: list[str]) -> list[Incoming]:
    """Return each hub's history, an event every fourth, and a report now and then."""
    found: list[Incoming] = []
    for hub_id in hub_ids:
        for seq in range(1, MESSAGES + 1):
            if seq % 4 == 0:
                event = protocol.Event(boot=1, seq=seq, uptime_ms=seq, kind="test", at=seq)
                found.append(decode_message(topic(hub_id, Channel.EVENT), protocol.encode(event)))
            else:
                at = int((START - timedelta(minutes=seq)).timestamp() * 1000)
                samples = (protocol.Sample(uptime_ms=seq, at=at, rsrp_dbm=-125.0),)
                message = protocol.Telemetry(boot=1, seq=seq, samples=samples)
                found.append(decode_message(topic(hub_id, Channel.TELEMETRY), protocol.encode(message)))
            if seq % 10 == 0:
                report = protocol.Reported(boot=1, seq=seq, uptime_ms=seq, observed_revision=0)
                found.append(decode_message(topic(hub_id, Channel.REPORTED), protocol.encode(report)))
    return found


async def controller(database: Database, received: list[Incoming], seed: int) -> None:
    """Take everything in, in an order and in batches of its own."""
    order = random.Random(seed)
    waiting = list(received)
    order.shuffle(waiting)
    while waiting:
        cut = order.randint(1, 60)
        batch, waiting = waiting[:cut], waiting[cut:]
        await database.run(take_in, actor=ACTOR, now=START, received=batch)


def count(session: Session, _actor: Actor, _now: object) -> tuple[int, ...]:
    models = (HubEvent, TelemetrySample, HubMessage)
    rows = [session.exec(select(func.count()).select_from(model)).one() for model in models]
    return (*rows, *session.exec(select(HubBoot.contiguous).order_by(col(HubBoot.hub_id))))


async def test_two_controllers_with_the_same_messages_leave_each_once(
    make_database: MakeDatabase, home: Household
) -> None:
    ids = [home.run(hubs.enrol, serial=f"S{n}", iccid=home.card()).id for n in range(HUBS)]
    received = messages(ids)
    one, other = make_database(), make_database()
    async with asyncio.timeout(60):
        await asyncio.gather(controller(one, received, 1), controller(other, received, 2))
    events = HUBS * (MESSAGES // 4)
    assert home.run(count) == (events, HUBS * MESSAGES - events, 0, *[MESSAGES] * HUBS)
