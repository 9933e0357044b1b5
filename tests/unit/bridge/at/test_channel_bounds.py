"""What bounds a channel: its patience with an init that never works and a port that takes nothing; unread events."""

import asyncio
import weakref

import pytest

from firmware_bridge.at.assembly import MAX_REPLY_LINES
from firmware_bridge.at.channel import INIT_TRIES, Channel, Execute
from firmware_bridge.at.commands import Arrival, Command, EventsLost, Prefixed, Unsolicited, Urc, UrcTable
from firmware_bridge.at.event_buffer import EventBuffer
from firmware_bridge.errors import CommandTimeoutError, ModemSilentError, ReplyError, UnsupportedError
from tests.unit.bridge.at.clock import run
from tests.unit.bridge.at.ports import MemoryModem, well_behaved

CSQ = Command("AT+CSQ", Prefixed("+CSQ"))


class StuckModem(MemoryModem):
    """A port whose flow control never lets anything out."""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        await asyncio.sleep(86_400)


def test_an_init_that_is_always_refused_is_tried_so_often_and_no_more() -> None:
    async def body() -> None:
        runs = 0
        modem = MemoryModem(well_behaved)
        channel = Channel(modem, in_step=True)

        async def init(execute: Execute) -> None:
            nonlocal runs
            runs += 1
            await execute(Command("AT+NEVER"))

        channel.set_init(init)
        modem.say("\r\nRDY\r\n")
        await asyncio.sleep(0.1)
        for _ in range(3):
            assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert runs == INIT_TRIES
        assert channel.counts.init_failures == INIT_TRIES
        await channel.close()

    run(body())


def test_a_port_that_takes_nothing_is_silent_after_a_minute() -> None:
    async def body() -> None:
        channel = Channel(StuckModem(well_behaved))
        start = asyncio.get_running_loop().time()
        with pytest.raises(ModemSilentError):
            await channel.execute(CSQ)
        assert asyncio.get_running_loop().time() - start == pytest.approx(60, abs=0.1)
        assert not channel.healthy
        await channel.close()

    run(body())


@pytest.mark.parametrize("filling", ["x", "x" * 40, "+CSQ: 1,2"])
def test_a_quote_that_never_closes_swallows_so_many_lines_and_no_more(filling: str) -> None:
    async def body() -> None:
        answers = iter(['\r\n+CSQ: "open' + f"\r\n{filling}" * 300 + "\r\n\r\nOK\r\n"])
        channel = Channel(MemoryModem(lambda line: next(answers, well_behaved(line))), in_step=True)
        if filling.startswith("+CSQ"):
            assert (await channel.execute(CSQ)).line == filling  # behind the bound lines are lines again
        else:
            with pytest.raises(ReplyError):
                await channel.execute(CSQ)
        assert asyncio.get_running_loop().time() < 1
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        await channel.close()

    run(body())


def test_a_reply_longer_than_any_answer_is_none_and_the_next_is_whole() -> None:
    async def body() -> None:
        answers = iter(["\r\n+CSQ: 1,99" * (MAX_REPLY_LINES + 1) + "\r\n\r\nOK\r\n"])
        channel = Channel(MemoryModem(lambda line: next(answers, well_behaved(line))), in_step=True)
        with pytest.raises(ReplyError, match="longer"):
            await channel.execute(CSQ)
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        await channel.close()

    run(body())


class Watched(str):
    """A text of which a test can tell whether anything still holds it."""

    __slots__ = ("__weakref__",)


def test_a_secret_is_forgotten_when_the_next_command_has_gone() -> None:
    async def body() -> weakref.ref[Watched]:
        channel = Channel(MemoryModem(lambda _: "\r\nOK\r\n"), in_step=True)
        text = Watched('AT+CPIN="1234"')
        await channel.execute(Command(text, secret=True))
        await channel.execute(Command("AT"))
        await channel.close()
        return weakref.ref(text)

    secret = run(body())
    assert secret() is None


@pytest.mark.parametrize("final", ["+CMS ERROR: 303", "+CMS ERROR: operation not supported", "+CME ERROR: 4"])
def test_what_a_modem_does_not_support_is_no_failure_to_repeat(final: str) -> None:
    async def body() -> None:
        channel = Channel(MemoryModem(lambda _: f"\r\n{final}\r\n"), in_step=True)
        with pytest.raises(UnsupportedError):
            await channel.execute(Command("AT+CMGL=4"))
        await channel.close()

    run(body())


FLOOD = UrcTable([Urc("^RSSI", Arrival.LATEST), "+CMTI"])


def said(name: str, number: int) -> Unsolicited:
    return Unsolicited(name, (str(number),), f"{name}: {number}")


def test_only_an_unread_event_gives_way_to_a_newer_one_which_takes_the_newer_s_place() -> None:
    buffer = EventBuffer(FLOOD)
    buffer.put(said("^RSSI", 1))
    assert buffer.take() == said("^RSSI", 1)
    for number in (2, 3):
        buffer.put(said("^RSSI", number))
        buffer.put(said("+CMTI", number))
    assert buffer.coalesced == 1  # 2 gave way to 3; 1 had been read
    assert [buffer.take() for _ in range(4)] == [said("+CMTI", 2), said("^RSSI", 3), said("+CMTI", 3), None]


def test_the_oldest_events_are_dropped_and_their_number_told_first() -> None:
    buffer = EventBuffer(FLOOD, limit=3)
    for number in range(5):
        buffer.put(said("+CMTI", number))
    assert (len(buffer), buffer.lost) == (4, 2)
    assert [buffer.take() for _ in range(5)] == [EventsLost(2), *(said("+CMTI", number) for number in (2, 3, 4)), None]
    buffer.put(said("+CMTI", 9))
    assert buffer.take() == said("+CMTI", 9)


def test_a_channel_that_is_closed_leaves_no_timer() -> None:
    async def body() -> None:
        channel = Channel(MemoryModem(lambda _: "\r\nOK\r\n"), in_step=True)
        await channel.execute(Command("AT+COPS=?", deadline_s=300.0))
        await channel.close()
        timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]  # asyncio shows them nowhere else
        assert all(timer.cancelled() for timer in timers)

    run(body())


def test_a_later_word_of_the_start_gives_no_command_more_time() -> None:
    async def body() -> None:
        modem = MemoryModem(lambda _: None)
        channel = Channel(modem, in_step=True)
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_at(began + 1, modem.say, "\r\nAPP RDY\r\n")
        with pytest.raises(CommandTimeoutError):
            await channel.execute(CSQ)
        assert loop.time() - began == pytest.approx(3.0, abs=0.01)
        await channel.close()

    run(body())
