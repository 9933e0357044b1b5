"""Ports on real ptys and sockets: raw, exclusive, non-blocking; every loss typed."""

import asyncio
import errno
import fcntl
import os
import pty
import socket
import struct
import tty
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import serial

from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import Command, Prefixed
from firmware_bridge.errors import PortBusyError, PortError, PortLostError, PortNotFoundError, Remedy
from firmware_bridge.transport import open_transport
from firmware_bridge.transport.port import DescriptorTransport
from firmware_bridge.transport.serial import _port_error

CSQ = Command("AT+CSQ", Prefixed("+CSQ"))
TIOCGEXCL = 0x80045440  # asks what TIOCEXCL has set (linux/asm-generic/ioctls.h)
REPLY = b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    """The master of a pty and the path of its other end."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    try:
        os.close(master)
    except OSError:  # the test has closed it
        return


async def answer_once(master: int, reply: bytes = REPLY) -> bytes:
    """Wait for one command on the master, then answer."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(master, ready.set)
    await ready.wait()
    loop.remove_reader(master)
    command = os.read(master, 4096)
    os.write(master, reply)
    return command


async def test_a_command_over_a_pty(ends: tuple[int, str]) -> None:
    master, path = ends
    channel = Channel(open_transport(path), in_step=True)
    async with asyncio.timeout(5):
        reply, command = await asyncio.gather(channel.execute(CSQ), answer_once(master))
    assert command == b"AT+CSQ\r"  # raw: no echo, no CR turned into LF
    assert reply.parameters == ("21", "99")
    await channel.close()
    await channel.close()


async def test_reading_without_a_listener(ends: tuple[int, str]) -> None:
    master, path = ends
    port = open_transport(path)
    os.write(master, b"RDY\r\n")
    async with asyncio.timeout(5):
        assert await port.read() == b"RDY\r\n"
    port.close()
    with pytest.raises(PortLostError, match="closed"):
        await port.read()
    with pytest.raises(PortLostError):
        port.write(b"AT\r")


async def test_a_port_is_ours_alone(ends: tuple[int, str]) -> None:
    _, path = ends
    port = open_transport(path)
    with pytest.raises(PortBusyError) as caught:
        open_transport(path)
    assert caught.value.remedy is Remedy.FIX_SETUP
    assert caught.value.port == path
    port.close()
    open_transport(path).close()


async def test_a_port_is_closed_to_programs_that_do_not_lock(ends: tuple[int, str]) -> None:
    _, path = ends
    port = open_transport(path)
    try:
        other = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as refused:
        assert refused.errno == errno.EBUSY
    else:
        assert struct.unpack("i", fcntl.ioctl(other, TIOCGEXCL, bytes(4))) == (1,)
        os.close(other)
    port.close()


@pytest.mark.parametrize(
    ("numbers", "error", "remedy"),
    [
        ((errno.ENOENT, errno.ENXIO, errno.EIO, errno.ENODEV), PortNotFoundError, Remedy.WAIT),
        ((errno.EBUSY,), PortBusyError, Remedy.FIX_SETUP),
        ((errno.EACCES, errno.EPERM), PortError, Remedy.FIX_SETUP),
        ((errno.ENOTTY, None), PortError, Remedy.WAIT),
    ],
)
def test_why_a_port_cannot_be_opened(numbers: tuple[int | None, ...], error: type[PortError], remedy: Remedy) -> None:
    for number in numbers:
        told = _port_error("/dev/ttyUSB2", serial.SerialException(number, "no"))
        assert (type(told), told.remedy) == (error, remedy)


async def test_a_loss_before_anybody_listened_is_told_to_who_then_does() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    port = DescriptorTransport("pair", ours.fileno(), ours.close)
    theirs.send(b"RDY\r\n")
    theirs.close()
    async with asyncio.timeout(5):
        assert await port.read() == b"RDY\r\n"
        with pytest.raises(PortLostError):
            await port.read()
    losses: list[PortLostError] = []
    port.listen(lambda _: None, losses.append)
    assert [loss.reason for loss in losses] == ["hung up"]


async def test_a_command_over_tcp_is_not_held_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = open_transport(f"socket://127.0.0.1:{listener.getsockname()[1]}")
        with socket.socket(fileno=os.dup(port._fd)) as link:  # type: ignore[attr-defined]  # a descriptor's
            assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        port.close()


async def test_a_hang_up_is_told(ends: tuple[int, str]) -> None:
    master, path = ends
    channel = Channel(open_transport(path), in_step=True)
    waiting = asyncio.create_task(channel.execute(CSQ))
    await asyncio.sleep(0)
    os.close(master)
    async with asyncio.timeout(5):
        with pytest.raises(PortLostError):
            await waiting
        with pytest.raises(PortLostError):
            await channel.next_event()
        with pytest.raises(PortLostError):
            await channel.execute(CSQ)
    await channel.close()


async def test_a_stale_pty_neither_opens_nor_blocks() -> None:
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    os.close(master)
    with pytest.raises(PortNotFoundError):
        open_transport(path)
    os.close(slave)
    with pytest.raises(PortNotFoundError):
        open_transport(path)


async def test_what_is_no_port(tmp_path: Path) -> None:
    plain = tmp_path / "file"
    plain.write_text("x")
    with pytest.raises(PortError):
        open_transport(str(plain))
    with pytest.raises(PortNotFoundError):
        open_transport(str(tmp_path / "ttyUSB9"))
    with pytest.raises(PortError, match="unknown kind"):
        open_transport("gopher://x")
    with pytest.raises(PortError, match="socket://host:port"):
        open_transport("socket://nowhere")
    with pytest.raises(PortNotFoundError):
        open_transport(f"unix:{tmp_path}/nobody")


async def modem(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r"):
        writer.write(REPLY)
        break
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_a_modem_behind_a_socket(tmp_path: Path) -> None:
    tcp = await asyncio.start_server(modem, "127.0.0.1", 0)
    unix = await asyncio.start_unix_server(modem, tmp_path / "modem")
    address = tcp.sockets[0].getsockname()
    async with tcp, unix, asyncio.timeout(5):
        for url in (f"socket://{address[0]}:{address[1]}", f"unix:{tmp_path}/modem"):
            channel = Channel(open_transport(url), in_step=True)
            assert (await channel.execute(CSQ)).parameters == ("21", "99")
            with pytest.raises(PortLostError):
                await channel.next_event()
            await channel.close()


async def test_a_refused_connection_is_a_lost_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        channel = Channel(open_transport(f"socket://127.0.0.1:{taken.getsockname()[1]}"), in_step=True)
        async with asyncio.timeout(5):
            with pytest.raises(PortLostError):
                await channel.execute(CSQ)
        await channel.close()


async def test_a_port_that_takes_nothing_is_lost_before_memory_grows() -> None:
    ours, theirs = socket.socketpair()
    from firmware_bridge.transport.port import MAX_UNWRITTEN, DescriptorTransport

    ours.setblocking(False)
    port = DescriptorTransport("full", ours.fileno(), ours.close)

    def fill() -> None:
        for _ in range(1000):
            port.write(b"x" * (MAX_UNWRITTEN // 2))

    with pytest.raises(PortLostError, match="takes no data"):
        fill()
    theirs.close()


async def test_what_a_full_port_did_not_take_follows_in_order() -> None:
    from firmware_bridge.transport.port import MAX_UNWRITTEN, DescriptorTransport

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    for end, option in ((ours, socket.SO_SNDBUF), (theirs, socket.SO_RCVBUF)):
        end.setsockopt(socket.SOL_SOCKET, option, 4096)
    port = DescriptorTransport("slow", ours.fileno(), ours.close)
    wanted = bytes(range(256)) * (MAX_UNWRITTEN // 512)
    port.write(wanted)
    port.write(b"behind it\r")
    wanted += b"behind it\r"
    got = b""
    async with asyncio.timeout(5):
        while len(got) < len(wanted):
            with suppress(BlockingIOError):
                got += theirs.recv(1000)
            await asyncio.sleep(0)
        await port.drain()
    assert got == wanted
    theirs.close()
    port.close()


async def test_unread_octets_stay_in_the_kernel() -> None:
    from firmware_bridge.transport.port import CHUNK, MAX_UNREAD, DescriptorTransport

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    port = DescriptorTransport("slow reader", ours.fileno(), ours.close)
    sent = 0
    for _ in range(200):
        with suppress(BlockingIOError):
            sent += theirs.send(b"x" * CHUNK)
        await asyncio.sleep(0)
    assert sent > MAX_UNREAD
    assert len(port._unread) <= MAX_UNREAD + CHUNK
    got = 0
    async with asyncio.timeout(5):
        while got < sent:
            got += len(await port.read())
    theirs.close()
    port.close()


async def test_a_hang_up_that_a_look_or_a_write_finds_is_told_in_the_loop_s_next_turn_and_once() -> None:
    """Whoever looks has not yet said what it waits for: the listener must not be called under it."""
    for find in ("look", "write"):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        released = [0]
        port = DescriptorTransport("pair", ours.fileno(), partial(released.append, 1))
        losses: list[PortLostError] = []
        port.listen(lambda _: None, losses.append)
        theirs.close()
        if find == "look":
            assert port.look() == b""
        else:
            with pytest.raises(PortLostError):
                port.write(b"AT\r")
        assert losses == []
        await asyncio.sleep(0)
        assert [loss.port for loss in losses] == ["pair"]
        port.close()
        await asyncio.sleep(0)
        assert (len(losses), sum(released)) == (1, 1)
        ours.close()


async def test_a_unix_listener_whose_queue_is_full_is_a_busy_port(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "modem"))
        listener.listen(0)
        first = open_transport(f"unix:{tmp_path}/modem")
        with pytest.raises(PortBusyError, match="no more connections"):
            open_transport(f"unix:{tmp_path}/modem")
        first.close()


async def test_an_error_of_the_device_is_a_lost_port() -> None:
    """EIO is what a read of a vanished USB port says; the upper end of a pty says it when the lower one is gone."""
    upper, lower = pty.openpty()
    os.set_blocking(upper, False)
    port = DescriptorTransport("usb2", upper, lambda: os.close(upper))
    os.close(lower)
    async with asyncio.timeout(5):
        with pytest.raises(PortLostError, match="EIO"):
            await port.read()
    port.close()


async def test_a_socket_may_be_abstract_and_a_port_number_is_one() -> None:
    name = f"minihub-{os.getpid()}-{id(object())}"
    server = await asyncio.start_unix_server(modem, path=f"\0{name}")
    async with server:
        channel = Channel(open_transport(f"unix:@{name}"), in_step=True)
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        await channel.close()
    with pytest.raises(PortError, match="socket://host:port"):
        open_transport("socket://127.0.0.1:65536")
