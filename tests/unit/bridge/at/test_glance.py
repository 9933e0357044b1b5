"""A quick modem is looked at on the spot, a slow one never twice, and other tasks always get their turn."""

import asyncio
import os
import socket
import time

import pytest

from firmware_bridge.at.channel import QUICK_S, ROW_S, Channel
from firmware_bridge.at.commands import Command, Prefixed, Priority, Unsolicited
from firmware_bridge.errors import CommandError, CommandTimeoutError, ModemRebootedError, PortLostError, ReplyError
from firmware_bridge.transport.port import GLANCE_S, DataReceiver, DescriptorTransport, LossReceiver

from .clock import JumpingLoop, run

CSQ = Command("AT+CSQ", Prefixed("+CSQ"), deadline_s=3.0)
ATTACHED = Command("AT+CGATT?", Prefixed("+CGATT"), deadline_s=3.0)
ANSWER = b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n"


class Modem:
    """A modem that answers at once or `slow_s` later; counts the looks at it. Each takes `glance_s`."""

    name = "modem"

    def __init__(self, *, glance_s: float = 0.0) -> None:
        self.slow_s = 0.0
        self.looks = 0
        self.written: list[bytes] = []
        self.answers = [ANSWER]  # what each look finds, the last again and again
        self._glance_s = glance_s

    def listen(self, received: DataReceiver, lost: LossReceiver) -> None:
        self.say, self.lose = received, lost

    async def read(self) -> bytes:
        raise AssertionError("it pushes")

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self._due = asyncio.get_running_loop().call_later(self.slow_s, self.say, ANSWER)

    async def drain(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""

    def look(self) -> bytes:
        self.looks += 1
        pass_by(self._glance_s)
        if self.slow_s >= GLANCE_S:
            return b""
        self._due.cancel()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def pass_by(seconds: float) -> None:
    """So much of the loop's time passes in one call."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    loop.pass_by(seconds)


async def quick(modem: Modem) -> Channel:
    """A channel that has seen that the modem is quick."""
    channel = Channel(modem, in_step=True, first_probe=7)
    await channel.execute(CSQ)
    assert modem.looks == 0, "nothing is known of it yet"
    return channel


def test_other_tasks_have_their_turn_when_a_row_of_glances_has_taken_its_time() -> None:
    async def body() -> None:
        modem = Modem(glance_s=ROW_S / 4)
        channel = await quick(modem)
        turns: list[str] = []
        asyncio.get_running_loop().call_soon(turns.append, "another's")
        for exchange in range(1, 5):
            assert (await channel.execute(CSQ)).parameters == ("21", "99")
            assert (modem.looks, turns) == (exchange, [])
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert (modem.looks, turns) == (4, ["another's"])
        await channel.execute(CSQ)
        assert modem.looks == 5, "a new row"
        await channel.close()

    run(body())


def test_a_row_ends_although_nothing_was_seen_in_the_loop_for_long() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        pass_by(ROW_S)
        await channel.execute(CSQ)
        assert modem.looks == 0
        await channel.close()

    run(body())


def test_a_slow_modem_is_not_looked_at_twice() -> None:
    async def body() -> None:
        modem = Modem(glance_s=GLANCE_S)
        channel = await quick(modem)
        modem.slow_s = 2 * GLANCE_S
        for _ in range(5):
            await channel.execute(CSQ)
        assert modem.looks == 1
        modem.slow_s = 0.0
        await channel.execute(CSQ)
        await channel.execute(CSQ)
        assert modem.looks == 2
        await channel.close()

    run(body())


def test_a_modem_that_answers_within_a_look_but_not_quickly_is_left_to_the_loop() -> None:
    async def body() -> None:
        modem = Modem(glance_s=2 * QUICK_S)
        channel = await quick(modem)
        modem.slow_s = 2 * QUICK_S
        for _ in range(5):
            await channel.execute(CSQ)
        assert modem.looks == 1
        await channel.close()

    run(body())


def test_what_a_look_finds_is_judged_like_all_else() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.answers = [
            b"\r\n+CREG: 5\r\n" + ANSWER + b"\r\nRING\r\n",
            b"\r\n+CME ERROR: 14\r\n",
            b"\r\nRDY\r\n",
            ANSWER,
        ]
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert [await channel.next_event(), await channel.next_event()] == [
            Unsolicited("+CREG", ("5",), "+CREG: 5"),
            Unsolicited("RING", (), "RING"),
        ]
        with pytest.raises(CommandError):
            await channel.execute(CSQ)
        with pytest.raises(ModemRebootedError):
            await channel.execute(CSQ)
        assert (modem.looks, channel.healthy) == (3, False)
        await channel.close()

    run(body())


def test_the_rest_of_a_reply_that_a_look_began_comes_through_the_loop() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.answers = [ANSWER[:11], ANSWER]
        asyncio.get_running_loop().call_later(1.0, modem.say, ANSWER[11:])
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        await channel.execute(CSQ)
        assert modem.looks == 1, "that answer was slow"
        await channel.close()

    run(body())


def test_the_rest_of_a_line_a_look_finds_goes_with_its_beginning() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.say(b"\r\n+CMTI: ")
        modem.answers = [b'"ME",3\r\n' + ANSWER]
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert await channel.next_event() == Unsolicited("+CMTI", ("ME", "3"), '+CMTI: "ME",3')
        modem.say(b"\r\n+CMT: ,24\r")
        modem.answers = [ANSWER]
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert await channel.next_event() == Unsolicited("+CMT", (None, "24"), "+CMT: ,24")
        await channel.close()

    run(body())


def test_another_s_answer_is_not_taken_on_the_spot() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        with pytest.raises(ReplyError):
            await channel.execute(ATTACHED)  # the modem answers with +CSQ: noise, and an OK without its line
        assert not channel.healthy
        await channel.close()

    run(body())


def test_a_command_cancelled_after_a_vain_look_leaves_the_port_quarantined() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.slow_s = 2.0
        task = asyncio.create_task(channel.execute(CSQ))
        await asyncio.sleep(0)
        assert modem.looks == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (channel.healthy, channel.counts.cancelled) == (False, 1)
        modem.say(ANSWER)
        assert channel.counts.connection.late_replies == 1
        await channel.close()

    run(body())


def test_the_deadline_holds_after_a_vain_look() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.slow_s = 3.5
        began = asyncio.get_running_loop().time()
        with pytest.raises(CommandTimeoutError):
            await channel.execute(CSQ)
        assert asyncio.get_running_loop().time() - began == pytest.approx(3.0, abs=0.001)
        await channel.close()

    run(body())


def test_who_waits_with_more_urgency_goes_before_the_next_glance() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.slow_s, done = 0.5, []

        async def ask(name: str, priority: Priority) -> None:
            await channel.execute(Command(f"AT+{name}", Prefixed("+CSQ")), priority=priority)
            done.append(name)

        async with asyncio.TaskGroup() as group:
            for name, priority in (("FIRST", 10), ("LATER", 20), ("NORMAL", 10), ("URGENT", 0)):
                group.create_task(ask(name, Priority(priority)))
            await asyncio.sleep(0.1)
            modem.slow_s = 0.0
        assert done == ["FIRST", "URGENT", "NORMAL", "LATER"]
        await channel.close()

    run(body())


def test_a_port_that_is_lost_in_a_look_ends_the_command() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.slow_s = 2.0
        asyncio.get_running_loop().call_soon(modem.lose, PortLostError("modem", "gone"))
        with pytest.raises(PortLostError):
            await channel.execute(CSQ)
        await channel.close()

    run(body())


def test_nothing_is_written_to_a_port_that_was_lost_in_a_row() -> None:
    async def body() -> None:
        modem = Modem()
        channel = await quick(modem)
        modem.lose(PortLostError("modem", "gone"))
        with pytest.raises(PortLostError):
            await channel.execute(CSQ)
        assert (len(modem.written), modem.looks) == (1, 0)
        await channel.close()

    run(body())


def test_an_answer_that_is_owed_after_a_look_that_was_broken_off_reaches_nobody() -> None:
    class Broken(Modem):
        def look(self) -> bytes:
            raise KeyboardInterrupt

    async def body() -> None:
        modem = Broken()
        channel = await quick(modem)
        with pytest.raises(KeyboardInterrupt):
            await channel.execute(CSQ)
        assert not channel.healthy
        await asyncio.sleep(0.01)
        assert channel.counts.connection.late_replies == 1
        await channel.close()

    run(body())


class Peer:
    """One end of a socket pair as a transport, the other in hand."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.heard: list[bytes] = []
        self.lost: list[PortLostError] = []
        self.transport = DescriptorTransport("pair", ours.fileno(), ours.close)
        self.transport.listen(self.heard.append, self.lost.append)


async def test_a_look_gives_what_is_there_and_hands_none_of_it_over() -> None:
    peer = Peer()
    peer.theirs.send(b"OK")
    assert peer.transport.look() == b"OK"
    assert peer.transport.look() == b""
    peer.transport.close()
    assert peer.transport.look() == b""
    assert peer.heard == []
    peer.theirs.close()


async def test_a_look_lasts_so_many_milliseconds_and_a_row_with_it_keeps_others_waiting_for_seven() -> None:
    peer = Peer()
    began = time.monotonic()
    assert peer.transport.look() == b""
    assert GLANCE_S * 0.9 < time.monotonic() - began < GLANCE_S * 100
    assert pytest.approx(0.007) == GLANCE_S + ROW_S
    peer.transport.close()
    peer.theirs.close()


async def test_a_look_at_a_port_that_hung_up_tells_the_loss() -> None:
    peer = Peer()
    peer.theirs.close()
    assert peer.transport.look() == b""
    await asyncio.sleep(0)
    assert len(peer.lost) == 1
    assert peer.transport.look() == b""


async def test_a_descriptor_beyond_those_of_select_is_looked_at_too() -> None:
    ours, theirs = socket.socketpair()
    high = os.dup2(ours.fileno(), 2000)
    ours.close()
    os.set_blocking(high, False)
    transport = DescriptorTransport("high", high, lambda: os.close(high))
    theirs.send(b"OK")
    assert transport.look() == b"OK"
    transport.close()
    theirs.close()
