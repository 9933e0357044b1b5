"""The links that the conformance suite runs on, each with its broker and a way to break the network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.link import port as controller_port
from controller.link.gmqtt import GmqttPort
from simulator.virtual.mqtt import LinkErrors, MemoryBroker, MemoryLinkPort
from tests.e2e.mosquitto import Mosquitto, free_port

KINDS = ("controller", "hub", "memory")


@dataclass(frozen=True, slots=True)
class Peer:
    """One client's way to the broker; `hush` drops what it sends, `cut` breaks it as a lost network does."""

    port: Any
    cut: Callable[[str], Awaitable[None]]
    hush: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """`settles`: deliveries are acknowledged by `settle`, not by arrival. `bound`: the most unsettled ones it holds."""

    kind: str
    peer: Callable[[], Awaitable[Peer]]
    restart: Callable[[bool], Awaitable[None]]
    nowhere: Any
    lost: type[Exception]
    unreachable: type[Exception]
    settles: bool
    bound: int | None


class Relay:
    """A TCP relay that can be cut: both sides see a reset. While it is hushed, what clients send is dropped."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.hushed = False

    def hush(self) -> None:
        self.hushed = True

    async def cut(self, _client_id: str) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            await self.cut("")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers += [writer, far_writer]
        for source, sink, dropped in ((reader, far_writer, lambda: self.hushed), (far_reader, writer, lambda: False)):
            task = asyncio.create_task(_copy(source, sink, dropped))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, dropped: Callable[[], bool]) -> None:
    try:
        while data := await source.read(65536):
            if not dropped():
                sink.write(data)
                await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


@asynccontextmanager
async def open_bench(kind: str, directory: Path) -> AsyncIterator[Bench]:
    """Start the broker of one kind and say how its links are made."""
    if kind == "memory":
        yield memory_bench()
        return
    make, errors = _controller_link() if kind == "controller" else _hub_link()
    broker = Mosquitto(directory)
    await broker.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(broker.stop)

        async def peer() -> Peer:
            relay = Relay(broker.port)
            await stack.enter_async_context(relay.serve())
            return Peer(make(relay.port), relay.cut, relay.hush)

        async def restart(keep: bool) -> None:  # a callback of one argument
            await broker.restart(keep_store=keep)

        settles = kind == "controller"
        nowhere = make(free_port())
        yield Bench(kind, peer, restart, nowhere, errors[0], errors[1], settles, 50 if settles else None)


def memory_bench() -> Bench:
    """The broker and links of the virtual world, here in real time."""
    broker = MemoryBroker(latency_s=0.0005)
    refused, unreachable = controller_port.LinkRefusedError, controller_port.LinkUnreachableError
    errors = LinkErrors(refused=refused, unreachable=unreachable, lost=controller_port.LinkLostError)
    away = MemoryBroker()
    away.available = False

    async def cut(client_id: str) -> None:
        broker.cut(client_id)

    def hush() -> None:
        broker.latency_s = 0.5

    async def peer() -> Peer:
        return Peer(MemoryLinkPort(broker, errors), cut, hush)

    async def restart(keep: bool) -> None:  # a callback of one argument
        broker.restart(keep_store=keep)

    nowhere = MemoryLinkPort(away, errors)
    return Bench("memory", peer, restart, nowhere, errors.lost, unreachable, True, 100)  # type: ignore[arg-type]


def _controller_link() -> tuple[Callable[[int], Any], tuple[type[Exception], type[Exception]]]:
    errors = (controller_port.LinkLostError, controller_port.LinkUnreachableError)
    return lambda port: GmqttPort("127.0.0.1", port, bound=50), errors


def _hub_link() -> tuple[Callable[[int], Any], tuple[type[Exception], type[Exception]]]:
    from device_agent import link

    errors = (link.LinkLostError, link.LinkUnreachableError)
    return lambda port: link.AiomqttPort("127.0.0.1", port), errors
