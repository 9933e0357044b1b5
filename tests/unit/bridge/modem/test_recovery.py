"""The ladder at work: a silent modem is restarted, then its power is cut; a busy or healthy one is left alone."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from firmware_bridge.detect import open_modem
from firmware_bridge.errors import (
    BridgeError,
    HostToolError,
    ModemRebootedError,
    ModemSilentError,
    PortBusyError,
    PortError,
    PortNotFoundError,
)
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.recovery import RecoveringOpener
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Scripted

PORTS = ("usb2", "usb3")


class _Board:
    """Ports that fail as told, and what was done about it."""

    def __init__(self, failure: Callable[[], BridgeError] | None) -> None:
        self.failure = failure
        self.port = Scripted({"ATI": "Quectel"})
        self.cuts = 0

    async def open_ports(self, ports: Sequence[str]) -> Modem:
        if self.failure is not None:
            raise self.failure()
        return await open_modem(ports[:1], open_transport=lambda _: self.port)

    async def cut_power(self) -> None:
        self.cuts += 1
        raise HostToolError("power", "the line cannot be written")  # and still the failed opening is what is told

    @property
    def restarts(self) -> int:
        return self.port.sent.count("AT+CFUN=1,1")

    async def fail_for(self, opener: RecoveringOpener, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            with pytest.raises((PortError, ModemSilentError, ModemRebootedError)):
                await opener(PORTS)
            await asyncio.sleep(5)


def _opener(board: _Board, *, power: bool = True) -> RecoveringOpener:
    return RecoveringOpener(board.open_ports, cut_power=board.cut_power if power else None, opener=lambda _: board.port)


def test_a_silent_modem_is_restarted_before_its_power_is_cut() -> None:
    async def main() -> None:
        board = _Board(lambda: ModemSilentError("usb2", 5))
        opener = _opener(board)
        await board.fail_for(opener, 15)
        assert (board.restarts, board.cuts) == (0, 0)
        await board.fail_for(opener, 10)
        assert board.restarts == len(PORTS), "the second port was tried by the opening itself"
        await board.fail_for(opener, 50)
        assert board.cuts == 0
        await board.fail_for(opener, 300)
        assert board.cuts == 1
        board.failure = None
        modem = await opener(PORTS)
        assert modem.family == "quectel"
        await modem.close()

    run_virtual(main())


def test_after_a_success_the_ladder_begins_at_its_foot() -> None:
    async def main() -> None:
        board = _Board(lambda: ModemSilentError("usb2", 5))
        opener = _opener(board)
        await board.fail_for(opener, 75)
        assert board.restarts > 0
        failure, board.failure = board.failure, None
        await (await opener(PORTS)).close()
        await asyncio.sleep(120)
        board.failure, board.port.sent = failure, []
        await board.fail_for(opener, 15)
        assert (board.restarts, board.cuts) == (0, 0)

    run_virtual(main())


def test_without_a_power_line_the_ladder_ends_at_the_restart() -> None:
    async def main() -> None:
        board = _Board(lambda: ModemSilentError("usb2", 5))
        await board.fail_for(_opener(board, power=False), 600)
        assert board.restarts > 0
        assert board.cuts == 0

    run_virtual(main())


@pytest.mark.parametrize("failure", [PortBusyError("usb2", "held"), ModemRebootedError("AT", "RDY")], ids=repr)
def test_a_busy_port_or_a_start_is_no_reason_to_touch_the_modem(failure: BridgeError) -> None:
    async def main() -> None:
        board = _Board(lambda: failure)
        await board.fail_for(_opener(board), 900)
        assert (board.restarts, board.cuts) == (0, 0)

    run_virtual(main())


def test_a_modem_that_left_the_bus_gets_its_power_cut_and_the_attempts_are_few() -> None:
    async def main() -> None:
        board = _Board(lambda: PortNotFoundError("usb2", "gone"))
        await board.fail_for(_opener(board), 3600)
        assert 1 <= board.cuts <= 12

    run_virtual(main())


def test_cancelled_while_it_opens_it_passes_the_cancellation_on() -> None:
    async def main() -> None:
        async def never(_ports: Sequence[str]) -> Modem:
            await asyncio.sleep(3600)
            raise AssertionError

        task = asyncio.create_task(RecoveringOpener(never)(PORTS))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    run_virtual(main())


class _Deaf(Scripted):
    """A port that takes what is written, or none of it, and says nothing."""

    def __init__(self, *, takes: bool) -> None:
        super().__init__({}, mute=True)
        self.takes = takes
        self.heard = b""
        self.closed = 0

    def write(self, data: bytes) -> None:
        self.heard += data

    async def drain(self) -> None:
        if not self.takes:
            await asyncio.sleep(86_400)

    def close(self) -> None:
        self.closed += 1


def test_every_port_is_told_to_restart_out_of_whatever_it_was_in_and_none_is_waited_for() -> None:
    """ESC drops a message that was begun, CR ends a line: then the restart is a command of its own."""

    async def main() -> None:
        ports = {"usb2": _Deaf(takes=False), "usb3": _Deaf(takes=True)}
        board = _Board(lambda: ModemSilentError("usb2", 5))
        opener = RecoveringOpener(board.open_ports, opener=lambda name: ports[name])
        started = asyncio.get_running_loop().time()
        while not ports["usb3"].heard and asyncio.get_running_loop().time() - started < 60:
            with pytest.raises(ModemSilentError):
                await opener(PORTS)
            await asyncio.sleep(5)
        assert asyncio.get_running_loop().time() - started < 60
        assert {port.heard for port in ports.values()} == {b"\x1b\rAT+CFUN=1,1\r"}
        assert [port.closed for port in ports.values()] == [1, 1]

    run_virtual(main())
