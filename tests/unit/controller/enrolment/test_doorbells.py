"""A silent hub is rung: signed, seldom, not for ever, and only while it should be online."""

import itertools
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from controller.notify.port import Medium, Message, NotSentError
from controller.services import desired, doorbells, enrolment
from controller.services.actor import Actor
from controller.tables.enrolment import Doorbell
from controller.tables.hubs import HubSim, HubState
from controller.work.doorbells import Doorbells, NotifierRinger
from controller.work.hubs import Publication, published
from device_agent.protocol.doorbell import heard
from tests.unit.controller.enrolment.depot import Depot
from tests.unit.controller.household import BT_BRANDED, Household

NUMBER = "+447700900555"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine is enough: what is asked of the database here, others ask of both."""
    return sqlite_url


class Sms:
    """A notifier that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.is_down = False

    async def send(self, message: Message) -> str:
        self.sent.append(message)
        if self.is_down:
            raise NotSentError("the gateway is down")
        return "taken"


class Street:
    """A home whose hub was told to be online a moment ago and says nothing."""

    def __init__(self, home: Household, *, management_bearer: bool = False) -> None:
        self.home, self.sms = home, Sms()
        ringer = NotifierRinger(self.sms)
        self.work = Doorbells(home.database, ringer, lambda: home.now, management_bearer=management_bearer)
        home.move_in()
        self.hub_id = home.put_hub_in_drawer(BT_BRANDED)
        self._give_number()
        self.key = home.run(doorbells.key_of, hub_id=self.hub_id)
        self.fault_id = home.broken()
        home.carrier_does_as_told()
        self.publish()

    def _give_number(self) -> None:
        def give(session: Session, actor: Actor, now: datetime) -> None:
            session.exec(select(HubSim).where(HubSim.hub_id == self.hub_id)).one().msisdn = NUMBER

        self.home.run(give)

    def publish(self) -> None:
        document = self.home.document()
        for claim in self.home.claim(desired.NOUN, 10):
            self.home.run(published, items=[Publication(claim, document.revision, document.renew_at)])

    async def wait(self, **span: float) -> int:
        """Let time pass and do what is due; returns how many rings there were."""
        before = len(self.sms.sent)
        self.home.pass_time(**span)
        while held := self.home.claim(doorbells.NOUN, 10):
            for claim in held:
                await self.work.handle(claim)
        return len(self.sms.sent) - before


@pytest.fixture
def street(home: Household) -> Street:
    return Street(home)


async def test_a_silent_hub_is_rung_with_a_signed_sms(street: Street) -> None:
    assert await street.wait(seconds=59) == 0
    assert await street.wait(seconds=1) == 1
    message = street.sms.sent[0]
    assert (message.medium, message.to) == (Medium.SMS, NUMBER)
    counter = heard(street.key, street.hub_id, message.text)
    assert counter == int(street.home.now.timestamp() * 1000)


async def test_it_is_rung_at_most_once_a_minute_and_not_for_ever(street: Street) -> None:
    rung = [await street.wait(seconds=30) for _ in range(80)] + [await street.wait(hours=1) for _ in range(8)]
    assert sum(rung) == doorbells.MOST_RINGS
    assert all(first + second <= 1 for first, second in itertools.pairwise(rung))
    counters = [heard(street.key, street.hub_id, each.text) or 0 for each in street.sms.sent]
    assert counters == sorted(set(counters))


async def test_one_that_was_heard_of_is_left_alone_until_it_is_silent_again(street: Street) -> None:
    await street.wait(minutes=1)
    street.home.hub_reports(is_open=True)
    assert await street.wait(minutes=14) == 0
    assert await street.wait(minutes=2) == 1


async def test_a_word_lets_it_be_rung_again(street: Street) -> None:
    for _ in range(12):
        await street.wait(minutes=16)
    assert len(street.sms.sent) == doorbells.MOST_RINGS
    street.home.hub_reports(is_open=True)
    assert await street.wait(minutes=20) + await street.wait(minutes=20) > 0


async def test_one_that_need_not_be_online_is_not_rung(street: Street) -> None:
    street.home.resolve(street.fault_id)
    street.home.post_is_delivered()
    street.home.pass_time(seconds=1)
    street.home.look()
    assert not street.home.document().internet_on
    assert await street.wait(minutes=1) + await street.wait(hours=1) == 0


async def test_a_revoked_one_is_not_rung(street: Street) -> None:
    street.home.run(enrolment.revoke, hub_id=street.hub_id)
    assert await street.wait(minutes=1) + await street.wait(hours=1) == 0


async def test_where_a_management_bearer_reaches_it_it_is_given_time_to_answer(home: Household) -> None:
    street = Street(home, management_bearer=True)
    made = home.document().issued_at
    assert await street.wait(seconds=(made - home.now).total_seconds() + 299) == 0
    assert await street.wait(seconds=1) == 1


async def test_a_ring_that_fails_is_one_of_the_few(street: Street) -> None:
    street.sms.is_down = True
    for _ in range(12):
        await street.wait(minutes=16)
    assert len(street.sms.sent) == doorbells.MOST_RINGS


async def test_a_counter_grows_after_a_clock_that_went_back(street: Street) -> None:
    await street.wait(minutes=1)
    first = heard(street.key, street.hub_id, street.sms.sent[0].text)
    back = street.home.now - timedelta(days=2)

    def look(session: Session, actor: Actor, now: datetime) -> doorbells.Ring | datetime | None:
        bell, state = session.get(Doorbell, street.hub_id), session.get(HubState, street.hub_id)
        assert bell is not None
        assert state is not None
        bell.rung_at, state.composed_at = None, back - timedelta(hours=1)
        return doorbells.look(session, actor, back, hub_id=street.hub_id, management_bearer=False)

    ring = street.home.database.run_now(look, actor=Actor("a test"), now=back)
    assert isinstance(ring, doorbells.Ring)
    assert first is not None
    assert ring.counter == first + 1


async def test_a_hub_without_a_number_is_not_rung(home: Household) -> None:
    depot = Depot(home)
    hub_id = depot.new_hub(msisdn=None)
    home.run(doorbells.key_of, hub_id=hub_id)
    found = home.run(doorbells.look, hub_id=hub_id, management_bearer=False)
    assert found is None
