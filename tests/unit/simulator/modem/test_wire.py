"""The front ends: real pseudo-terminals and sockets on a real loop, a modem that answers at once."""

import asyncio
import os
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from simulator.clock import LoopClock
from simulator.faults import FaultBoard, make_fault
from simulator.modem import SimulatedModem, default_card, load
from simulator.modem.pty import PtyHub
from simulator.modem.wire import Listen, ListenError, UsageError, Wire, parse_listen

FAST = 50.0


@asynccontextmanager
async def wired(*listens: str) -> AsyncIterator[tuple[SimulatedModem, Wire]]:
    loop = asyncio.get_running_loop()
    hub = PtyHub(loop)
    clock = LoopClock(loop.time, factor=FAST)
    modem = SimulatedModem(
        load("quectel-ec25"), clock=clock, random=Random(1), card=default_card(), faults=FaultBoard()
    )
    try:
        async with Wire(modem, clock, tuple(parse_listen(listen) for listen in listens), hub=hub) as wire:
            modem.power_on(boot=False)
            yield modem, wire
    finally:
        hub.close()


class HungUpError(Exception):
    """The device went away: a read gives nothing, or EIO."""


class Serial:
    """The terminal side of a pseudo-terminal."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    async def read_until(self, end: bytes, *, within_s: float = 5.0) -> bytes:
        loop, out = asyncio.get_running_loop(), b""
        async with asyncio.timeout(within_s):
            while not out.endswith(end):
                ready = asyncio.Event()
                loop.add_reader(self.number, ready.set)
                try:
                    await ready.wait()
                finally:
                    loop.remove_reader(self.number)
                piece = os.read(self.number, 4096)
                if not piece:
                    raise HungUpError
                out += piece
        return out

    async def ask(self, line: bytes) -> bytes:
        os.write(self.number, line + b"\r")
        return await self.read_until(b"OK\r\n")

    def close(self) -> None:
        os.close(self.number)


async def wait_until(holds: asyncio.Event, *, within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        await holds.wait()


async def service(modem: SimulatedModem) -> None:
    changed = asyncio.Event()
    modem.registration_listeners.append(changed.set)
    while not modem.registration.registered:
        await wait_until(changed)
        changed.clear()


async def test_a_pseudo_terminal_answers_again_and_again(tmp_path: Path) -> None:
    link = tmp_path / "usb2"
    async with wired(f"pty:{link}"):
        for _ in range(3):
            serial = Serial(link)
            assert await serial.ask(b"AT+CGMM") == b"AT+CGMM\r\r\nEC25\r\n\r\nOK\r\n"
            serial.close()
    assert not link.is_symlink()


async def test_a_terminal_that_closes_drops_the_call(tmp_path: Path) -> None:
    async with wired(f"pty:{tmp_path}/usb3") as (modem, _):
        await service(modem)
        serial = Serial(tmp_path / "usb3")
        await serial.ask(b'AT+CGDCONT=1,"IP","everywhere"')
        os.write(serial.number, b"ATD*99#\r")
        await serial.read_until(b"CONNECT 150000000\r\n")
        assert modem.bearers.active
        gone = asyncio.Event()
        modem.bearer_listeners.append(lambda _cid, _up: gone.set())
        serial.close()
        await wait_until(gone)
        assert not modem.bearers.active


async def test_a_restart_hangs_up_and_the_name_comes_back(tmp_path: Path) -> None:
    link = tmp_path / "usb2"
    async with wired(f"pty:{link}") as (modem, _):
        serial = Serial(link)
        back = asyncio.Event()
        modem.usb_listeners.append(lambda attached, _shift: back.set() if attached else None)
        os.write(serial.number, b"AT+CFUN=1,1\r")  # on a busy machine the port is gone before its OK is read
        with pytest.raises((OSError, HungUpError)):
            await serial.read_until(b"never")
        serial.close()
        await wait_until(back)
        again = Serial(link)
        assert b"PB DONE" in await again.read_until(b"PB DONE\r\n")
        again.close()


async def test_renumbering_changes_the_name(tmp_path: Path) -> None:
    async with wired(f"pty:{tmp_path}/ttyUSB2") as (modem, wire):
        back = asyncio.Event()
        modem.usb_listeners.append(lambda attached, _shift: back.set() if attached else None)
        modem.faults.inject(make_fault("usb_renumber", parameters={"seconds": 5.0}))
        assert not (tmp_path / "ttyUSB2").is_symlink()
        await wait_until(back)
        assert wire.addresses == (f"{tmp_path}/ttyUSB3",)
        serial = Serial(tmp_path / "ttyUSB3")
        assert b"OK" in await serial.ask(b"AT")
        serial.close()


async def test_nobody_reading_costs_nothing_but_the_lines(tmp_path: Path) -> None:
    async with wired(f"pty:{tmp_path}/usb2") as (modem, _):
        for _ in range(20_000):
            modem.urc("+CREG: 5")
        modem.settle()
        serial = Serial(tmp_path / "usb2")
        assert b"EC25" in await serial.ask(b"AT+CGMM")
        serial.close()


async def test_a_slow_reader_loses_the_newest(tmp_path: Path) -> None:
    async with wired(f"pty:{tmp_path}/usb2") as (modem, _):
        serial = Serial(tmp_path / "usb2")
        assert b"OK" in await serial.ask(b"ATE0")
        for _ in range(30_000):
            modem.urc("+CREG: 5")
            modem.settle()
        text = b""
        try:
            while True:
                text += await serial.read_until(b"\n", within_s=0.3)
        except TimeoutError:
            pass
        assert 4096 <= len(text) <= 3 * 65536 + 4096
        assert b"OK" in await serial.ask(b"AT")
        serial.close()


async def test_a_busy_port_cannot_be_locked(tmp_path: Path) -> None:
    import fcntl

    async with wired(f"pty:{tmp_path}/usb2") as (modem, _):
        number = modem.faults.inject(make_fault("port_busy"))
        held = os.open(tmp_path / "usb2", os.O_RDWR | os.O_NOCTTY) if os.geteuid() == 0 else None
        if held is not None:  # the kernel lets root in; a lock still says no
            with pytest.raises(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(held)
        else:
            with pytest.raises(OSError, match="busy"):
                os.open(tmp_path / "usb2", os.O_RDWR | os.O_NOCTTY)
        modem.faults.clear(number)
        serial = Serial(tmp_path / "usb2")
        assert b"OK" in await serial.ask(b"AT")
        serial.close()


async def test_speed_nought_is_a_hang_up(tmp_path: Path) -> None:
    async with wired(f"pty:{tmp_path}/usb3") as (modem, _):
        await service(modem)
        serial = Serial(tmp_path / "usb3")
        await serial.ask(b'AT+CGDCONT=1,"IP","everywhere"')
        os.write(serial.number, b"ATD*99#\r")
        await serial.read_until(b"CONNECT 150000000\r\n")
        gone = asyncio.Event()
        modem.bearer_listeners.append(lambda _cid, _up: gone.set())
        settings = termios.tcgetattr(serial.number)
        settings[4] = settings[5] = termios.B0
        termios.tcsetattr(serial.number, termios.TCSANOW, settings)
        await wait_until(gone)
        assert gone.is_set()
        serial.close()


async def test_sockets_share_the_modem_with_the_terminal(tmp_path: Path) -> None:
    async with wired(f"pty:{tmp_path}/usb2", f"unix:{tmp_path}/at.sock", "tcp:127.0.0.1:0") as (_, wire):
        host, port = wire.addresses[2].split(":")
        serial = Serial(tmp_path / "usb2")
        await serial.ask(b"AT+COPS=3,2")
        for reader, writer in (
            await asyncio.open_unix_connection(tmp_path / "at.sock"),
            await asyncio.open_connection(host, int(port)),
        ):
            writer.write(b"AT+CGMM\r\n")
            async with asyncio.timeout(5):
                assert b"EC25" in await reader.readuntil(b"OK\r\n")
            writer.close()
            await writer.wait_closed()
        serial.close()
    assert not (tmp_path / "at.sock").exists()


async def test_the_newest_socket_terminal_has_the_port(tmp_path: Path) -> None:
    async with wired(f"unix:{tmp_path}/at.sock"):
        first_reader, first = await asyncio.open_unix_connection(tmp_path / "at.sock")
        first.write(b"AT\r")
        async with asyncio.timeout(5):
            await first_reader.readuntil(b"OK\r\n")
        reader, second = await asyncio.open_unix_connection(tmp_path / "at.sock")
        second.write(b"AT\r")
        async with asyncio.timeout(5):
            assert b"OK" in await reader.readuntil(b"OK\r\n")
            assert await first_reader.read() == b""
        for writer in (first, second):
            writer.close()
            await writer.wait_closed()


async def test_a_taken_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "usb2").write_text("")
    with pytest.raises(ListenError, match="usb2 is there already"):
        async with wired(f"pty:{tmp_path}/usb2"):
            pass
    with pytest.raises(ListenError, match="cannot listen"):
        async with wired(f"unix:{tmp_path}/nowhere/at.sock"):
            pass


def test_listen_addresses() -> None:
    assert parse_listen("pty:/tmp/x,role=diag") == Listen("pty", "/tmp/x", "diag")
    assert parse_listen("tcp:[::1]:0") == Listen("tcp", "[::1]:0")
    for wrong in ("serial:/x", "pty:", "tcp:host", "unix:/x,role=king"):
        with pytest.raises(UsageError):
            parse_listen(wrong)
