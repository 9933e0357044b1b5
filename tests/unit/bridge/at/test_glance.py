"""A quick modem is looked at on the spot, a slow one never twice, and other tasks always get their turn."""

import asyncio
import os
import socket

from firmware_bridge.at.channel import GLANCE_S, LOOKS_IN_A_ROW, Channel
from firmware_bridge.at.commands import Command, Prefixed
from firmware_bridge.errors import PortLostError
from firmware_bridge.transport.port import DataReceiver, DescriptorTransport, LossReceiver

from .clock import run

CSQ = Command("AT+CSQ", Prefixed("+CSQ"))
ANSWER = b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n"


class Modem:
    """A modem that answers within a glance, or `slow_s` later; counts the looks at it."""

    name = "modem"

    def __init__(self) -> None:
        self.slow_s = 0.0
        self.looks = 0
        self._owes = False

    def listen(self, received: DataReceiver, lost: LossReceiver) -> None:
        del lost
        self._received = received

    async def read(self) -> bytes:
        raise AssertionError("it pushes")

    def write(self, data: bytes) -> None:
        del data
        self._owes = True
        asyncio.get_running_loop().call_later(self.slow_s, self._answer)

    async def drain(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""

    def look(self, within_s: float) -> None:
        self.looks += 1
        if self.slow_s < within_s:
            self._answer()

    def _answer(self) -> None:
        if self._owes:
            self._owes = False
            self._received(ANSWER)


def test_a_modem_that_stays_quick_is_looked_at_and_others_have_their_turn() -> None:
    run(_a_modem_that_stays_quick_is_looked_at_and_others_have_their_turn())


async def _a_modem_that_stays_quick_is_looked_at_and_others_have_their_turn() -> None:
    modem = Modem()
    channel = Channel(modem, in_step=True)
    await channel.execute(CSQ)
    assert modem.looks == 0, "nothing is known of it yet"
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "another's")
    for exchange in range(1, LOOKS_IN_A_ROW):
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert (modem.looks, turns) == (exchange, [])
    await channel.execute(CSQ)
    assert (modem.looks, turns) == (LOOKS_IN_A_ROW - 1, ["another's"])
    await channel.close()


def test_a_slow_modem_is_not_looked_at_twice() -> None:
    run(_a_slow_modem_is_not_looked_at_twice())


async def _a_slow_modem_is_not_looked_at_twice() -> None:
    modem = Modem()
    channel = Channel(modem, in_step=True)
    await channel.execute(CSQ)
    modem.slow_s = 0.002
    for _ in range(5):
        await channel.execute(CSQ)
    assert modem.looks == 1
    modem.slow_s = 0.0
    await channel.execute(CSQ)
    await channel.execute(CSQ)
    assert modem.looks == 2
    await channel.close()


class Peer:
    """One end of a socket pair as a transport, the other in hand."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.heard: list[bytes] = []
        self.lost: list[PortLostError] = []
        self.transport = DescriptorTransport("pair", ours.fileno(), ours.close)
        self.transport.listen(self.heard.append, self.lost.append)


async def test_a_look_hands_over_what_is_there_before_it_returns() -> None:
    peer = Peer()
    peer.theirs.send(b"OK")
    peer.transport.look(GLANCE_S)
    assert peer.heard == [b"OK"]
    peer.transport.look(GLANCE_S)
    assert peer.heard == [b"OK"]
    peer.transport.close()
    peer.transport.look(GLANCE_S)
    peer.theirs.close()


async def test_a_look_at_a_port_that_hung_up_tells_the_loss() -> None:
    peer = Peer()
    peer.theirs.close()
    peer.transport.look(GLANCE_S)
    await asyncio.sleep(0)
    assert len(peer.lost) == 1
    peer.transport.look(GLANCE_S)


async def test_a_descriptor_that_select_does_not_know_is_left_to_the_loop() -> None:
    ours, theirs = socket.socketpair()
    high = os.dup2(ours.fileno(), 2000)
    ours.close()
    os.set_blocking(high, False)
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    transport = DescriptorTransport("high", high, lambda: os.close(high))
    transport.listen(heard.set_result, lambda _loss: None)
    theirs.send(b"OK")
    transport.look(GLANCE_S)
    assert not heard.done()
    async with asyncio.timeout(5):
        assert await heard == b"OK"
    transport.close()
    theirs.close()
