"""The doorbell of a whole agent, and the certificate's lane, in virtual time."""

import asyncio
import datetime as dt
import itertools
import random
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device_agent.clock import Clock
from device_agent.config import Broker
from device_agent.config.enrolled import keep
from device_agent.facts import CertificateFacts, CertificateStatus, GateFacts, Goal, ModemFacts, Reason
from device_agent.lanes.board import Board
from device_agent.lanes.certificate import NOTICE_S, RECONNECT_MOST_S, CertificateLane, Renewal
from device_agent.protocol.doorbell import ring
from device_agent.report import Whole, conditions
from firmware_bridge.errors import CommandError, UnsupportedError
from tests.unit.agent.memory_modem import START
from tests.unit.agent.virtual_hub import HUB, START_MS, VirtualHub, a_hub, now_s, play

KEY = bytes(range(32))
DAY_S = 86_400


def with_bell(story: Callable[[VirtualHub], Coroutine[Any, Any, None]]) -> None:
    """A hub that is open and has a doorbell key."""

    async def told() -> None:
        async with a_hub() as hub:
            keep(Path(hub.config.state), {"doorbell.key": KEY})
            hub.publish(hub.wish())
            await hub.until(lambda: hub.open)
            await story(hub)

    play(told())


def sessions(hub: VirtualHub) -> int:
    return max(report.session for report in hub.reports())


def test_a_signed_message_ends_the_wait_for_the_broker() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.broker.available = False
        hub.broker.restart(keep_store=True)
        await asyncio.sleep(240.0)
        hub.broker.available = True
        before = sessions(hub)
        hub.modem.deliver(ring(KEY, HUB, 1))
        assert await hub.until(lambda: sessions(hub) > before) < 1.0
        assert hub.modem.mail == []

    with_bell(story)


def test_a_ring_makes_a_connected_hub_connect_anew_at_most_once_a_minute() -> None:
    async def story(hub: VirtualHub) -> None:
        before = sessions(hub)
        for counter in range(1, 7):
            hub.modem.deliver(ring(KEY, HUB, counter))
            await asyncio.sleep(10.0)
        assert sessions(hub) == before + 1
        hub.modem.deliver(ring(KEY, HUB, 99))
        await hub.until(lambda: sessions(hub) == before + 2)
        assert hub.open
        await hub.until(lambda: hub.reports()[-1].doorbell.rung == 7)

    with_bell(story)


def test_unsigned_and_replayed_messages_are_ignored_counted_and_deleted() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.deliver(ring(KEY, HUB, 5))
        await hub.until(lambda: hub.agent._doorbell.rung_times == 1)
        await asyncio.sleep(90.0)
        before = sessions(hub)
        bad = ("look", "MH1 9 AAAAAAAAAAAAAAAA", ring(bytes(32), HUB, 9), ring(KEY, HUB, 5), ring(KEY, HUB, 4))
        for text in bad:
            hub.modem.deliver(text)
        await hub.until(lambda: not hub.modem.mail)
        await asyncio.sleep(70.0)
        assert sessions(hub) == before
        assert (hub.agent._doorbell.rung_times, hub.agent._doorbell.ignored) == (1, len(bad))
        # The counter outlives the agent, so a recorded message is worth nothing after a power cut either.
        await hub.pull_the_plug()
        hub.modem.deliver(ring(KEY, HUB, 5))
        hub.plug_in()
        await hub.until(lambda: hub.agent._doorbell.ignored == 1)
        assert hub.modem.mail == []
        hub.modem.deliver(ring(KEY, HUB, 6))
        await hub.until(lambda: hub.agent._doorbell.rung_times == 1)

    with_bell(story)


def test_a_hub_without_a_key_ignores_every_message() -> None:
    async def told() -> None:
        async with a_hub() as hub:
            await hub.until(lambda: hub.reports())
            before = sessions(hub)
            hub.modem.deliver(ring(KEY, HUB, 1))
            await hub.until(lambda: hub.agent._doorbell.ignored == 1)
            await asyncio.sleep(5.0)
            assert sessions(hub) == before

    play(told())


def test_a_modem_that_cannot_tell_its_messages_yet_is_asked_again() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.fails["receive_sms"] = CommandError("AT+CMGL", text="SIM busy")
        hub.modem.deliver(ring(KEY, HUB, 1))
        await asyncio.sleep(5.0)
        hub.modem.fails.clear()
        await hub.until(lambda: hub.agent._doorbell.rung_times == 1, within_s=40.0)
        hub.modem.fails["receive_sms"] = UnsupportedError("memory sms", kind="no such command")
        hub.modem.deliver("x")
        await asyncio.sleep(65.0)
        asked = hub.modem.calls.count("receive_sms")
        await asyncio.sleep(120.0)
        assert hub.modem.calls.count("receive_sms") == asked
        assert hub.open

    with_bell(story)


# The certificate.


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(begin: dt.datetime, days: float) -> bytes:
    issuer, subject = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Mini Hub CA", HUB))
    made = x509.CertificateBuilder(issuer, subject, key().public_key(), 7, begin, begin + dt.timedelta(days=days))
    return made.sign(key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Office:
    """What a renewal comes to, and when it was asked for."""

    def __init__(self, path: Path, life_days: float = 90) -> None:
        self.path = path
        self.life_days = life_days
        self.outcome, self.problem = Renewal.DONE, ""
        self.asked: list[float] = []
        self.taken_up = 0
        self.reconnected: list[float] = []

    async def renew(self) -> tuple[Renewal, str]:
        self.asked.append(now_s())
        if self.outcome is Renewal.DONE:
            self.path.write_bytes(certificate(START + dt.timedelta(seconds=now_s()), self.life_days))
        return self.outcome, self.problem

    def renewed(self) -> None:
        self.taken_up += 1

    def reconnect(self) -> None:
        self.reconnected.append(now_s())


async def until(holds: Callable[[], object], days: float) -> None:
    for _ in range(int(days * 24)):
        if holds():
            return
        await asyncio.sleep(3600.0)
    raise AssertionError(f"not within {days} days")


def with_lane(
    story: Callable[[Board, CertificateLane, Office], Coroutine[Any, Any, None]],
    *,
    age_days: float = 0,
    life_days: float = 90,
    may_renew: bool = True,
    trusted: bool = True,
) -> None:
    """The lane alone, with a certificate of `life_days` that was made `age_days` ago."""

    async def told() -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "hub.pem"
            path.write_bytes(certificate(START - dt.timedelta(days=age_days), life_days))
            board, office = Board(Clock(now_s)), Office(path, life_days)
            if trusted:
                board.clock.offer(START_MS)
            renew = office.renew if may_renew else None
            lane = CertificateLane(
                *(str(path), board, random.Random(1)),
                renew=renew,
                renewed=office.renewed,
                reconnect=office.reconnect,
            )
            running = asyncio.create_task(lane.run())
            await asyncio.sleep(1.0)
            try:
                await story(board, lane, office)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    play(told())


def status(board: Board) -> str:
    assert board.certificate is not None
    return str(board.certificate.status)


def test_a_certificate_is_renewed_when_a_third_of_its_life_is_left() -> None:
    async def story(board: Board, _: CertificateLane, office: Office) -> None:
        assert status(board) == "good"
        await until(lambda: office.asked, 7)
        assert 6 * DAY_S <= office.asked[0] <= 6.3 * DAY_S
        assert status(board) == "renewed"
        assert office.taken_up == 1
        assert len(office.reconnected) == 1
        assert 0 < office.reconnected[0] - office.asked[0] <= RECONNECT_MOST_S
        # The new one has two thirds of its own life before it is due.
        await asyncio.sleep(5.8 * DAY_S)
        assert len(office.asked) == 1
        await until(lambda: len(office.asked) == 2, 1)

    with_lane(story, life_days=9)


def test_a_refused_renewal_is_told_and_asked_again_seldom_until_it_comes() -> None:
    async def story(board: Board, lane: CertificateLane, office: Office) -> None:
        office.outcome, office.problem = Renewal.REFUSED, "the controller refused"
        await until(lambda: office.asked, 3)
        assert status(board) == "refused"
        for _ in range(240):
            await asyncio.sleep(3600.0)
            # The clock's hourly word wakes the lane: that is no reason to ask.
            lane.alarm.wake()
        # An hour, doubling to a day, with jitter.
        assert 8 <= len(office.asked) <= 26
        assert 1800 <= min(b - a for a, b in itertools.pairwise(office.asked)) < 3600
        office.outcome = Renewal.FAILED
        await until(lambda: status(board) == "expired", 30)
        office.outcome = Renewal.DONE
        await until(lambda: status(board) == "renewed", 2)
        assert office.taken_up == 1

    with_lane(story, age_days=59)


@pytest.mark.parametrize("is_woken", [False, True])
def test_a_certificate_that_a_person_renewed_is_shown_soon(is_woken: bool) -> None:
    async def story(board: Board, lane: CertificateLane, office: Office) -> None:
        await asyncio.sleep(2 * DAY_S)
        assert office.taken_up == 0
        office.path.write_bytes(certificate(START + dt.timedelta(seconds=now_s()), 90))
        if is_woken:
            lane.alarm.wake()
        await asyncio.sleep(RECONNECT_MOST_S + (1 if is_woken else NOTICE_S + 1))
        assert len(office.reconnected) == 1
        await asyncio.sleep(2 * DAY_S)
        assert (office.taken_up, len(office.reconnected), office.asked) == (1, 1, [])
        assert status(board) == "good"

    with_lane(story)


def test_a_controller_that_is_away_leaves_it_expiring() -> None:
    async def story(board: Board, _: CertificateLane, office: Office) -> None:
        office.outcome, office.problem = Renewal.FAILED, "no answer"
        await until(lambda: office.asked, 2)
        assert status(board) == "expiring"
        assert board.certificate is not None
        assert board.certificate.problem == "no answer"

    # However long it lives: hubs are spread over a day, not over a share of years.
    with_lane(story, age_days=1999, life_days=3000)


def test_without_trusted_time_nothing_is_renewed() -> None:
    async def story(board: Board, lane: CertificateLane, office: Office) -> None:
        await asyncio.sleep(DAY_S)
        assert office.asked == []
        office.outcome, office.problem = Renewal.REFUSED, "the controller refused"
        board.clock.offer(START_MS)
        lane.alarm.wake()
        await asyncio.sleep(1.0)
        # One that has expired is renewed as soon as it is known to have; that it is refused changes nothing of that.
        assert len(office.asked) == 1
        assert status(board) == "expired"

    with_lane(story, age_days=100, trusted=False)


@pytest.mark.parametrize(("age_days", "wanted"), [(10, "good"), (80, "expiring"), (91, "expired")])
def test_a_certificate_that_somebody_else_renews_is_told_of_only(age_days: int, wanted: str) -> None:
    async def story(board: Board, _: CertificateLane, office: Office) -> None:
        assert status(board) == wanted
        await asyncio.sleep(3 * DAY_S)
        assert office.asked == []

    with_lane(story, age_days=age_days, may_renew=False)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        *(("good", "true"), ("expiring", "true"), ("renewed", "true")),
        *(("refused", "false"), ("expired", "false"), ("unreadable", "false")),
    ],
)
def test_the_condition_is_false_when_a_person_must_act(status: str, wanted: str) -> None:
    facts = CertificateFacts(CertificateStatus(status), START_MS, "Mini Hub CA", "no answer")
    assert condition_of(facts) == (wanted, status, "until 2026-01-05; no answer")
    fallen = replace(facts, fallback="the broker refused")
    told = "until 2026-01-05; an earlier one is shown: the broker refused; no answer"
    assert condition_of(fallen) == ("false", "fallback", told)


def condition_of(facts: CertificateFacts) -> tuple[str, str, str]:
    whole = Whole(Goal(), ModemFacts(), GateFacts(), Reason.NO_DOCUMENT, True, {}, certificate=facts)
    found = next(c for c in conditions(whole, (), 0) if c.type == "certificate")
    return str(found.status), found.reason, found.message


def test_an_earlier_certificate_that_is_shown_is_reported_until_the_newest_is() -> None:
    async def told() -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "hub.pem"
            path.write_bytes(certificate(START, 90))
            async with a_hub(broker=Broker(certificate=str(path))) as hub:
                await hub.until(lambda: hub.reports() and told_of(hub) == ("true", "good"))
                hub.agent.show_certificate("the broker refused")
                await hub.until(lambda: told_of(hub) == ("false", "fallback"), 2.0)
                hub.agent.show_certificate("")
                await hub.until(lambda: told_of(hub) == ("true", "good"), 2.0)
                assert told_of(hub) == ("true", "good")

    play(told())


def test_a_certificate_that_is_none_is_told_until_it_is_one() -> None:
    async def story(board: Board, lane: CertificateLane, office: Office) -> None:
        good = office.path.read_bytes()
        office.path.write_text("nothing")
        await asyncio.sleep(NOTICE_S + RECONNECT_MOST_S + 1)
        assert status(board) == "unreadable"
        lane.show("it cannot be used")
        office.path.write_bytes(good)
        await asyncio.sleep(NOTICE_S + RECONNECT_MOST_S + 1)
        assert status(board) == "good"
        assert board.certificate is not None
        assert board.certificate.fallback == "it cannot be used"

    with_lane(story)


def test_a_whole_agent_tells_issuer_and_renewal() -> None:
    async def told() -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "hub.pem"
            path.write_bytes(certificate(START - dt.timedelta(days=80), 90))
            async with a_hub(broker=Broker(certificate=str(path))) as hub:
                await hub.unplug()
                hub.renew = Office(path).renew
                hub.plug_in()
                await hub.until(
                    lambda: hub.reports() and hub.reports()[-1].boot == 2 and told_of(hub) == ("true", "renewed")
                )
                assert hub.reports()[-1].identity.certificate_issuer == "Mini Hub CA"
                # The connection that showed the old one ends soon, for one that shows the new.
                assert await hub.until(lambda: sessions(hub) > 1, within_s=RECONNECT_MOST_S + 5) <= RECONNECT_MOST_S + 5

    play(told())


def told_of(hub: VirtualHub) -> tuple[str, str]:
    found = next(c for c in hub.reports()[-1].conditions if c.type == "certificate")
    return str(found.status), found.reason


def test_a_hub_without_a_certificate_tells_nothing_of_one() -> None:
    async def told() -> None:
        async with a_hub() as hub:
            await hub.until(lambda: hub.reports())
            assert "certificate" not in {str(c.type) for c in hub.reports()[-1].conditions}

    play(told())
