"""The platform as a server of its own: a socket, uvicorn, and the timers beside it."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import httpx
import uvicorn

from simulator.carrier.api import API, Carrier
from simulator.carrier.manners import Manners
from simulator.carrier.platform import Platform
from simulator.carrier.services import SimOrder
from simulator.carrier.store import load_state, save_state
from simulator.faults import SimulatorError


class ListenError(SimulatorError):
    """The address cannot be listened on: choose another, or end what holds it."""

    exit_code = 4


def bind(host: str, port: int) -> socket.socket:
    """Listen on a TCP address; port 0 takes a free one. Raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ListenError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", remedy="choose another --port"
        ) from None
    return listener


class _QuietServer(uvicorn.Server):
    """Leaves signals to the program that runs it, and says when it listens."""

    ready: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        self.ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change no signal handler."""
        yield


async def serve_carrier(
    listener: socket.socket,
    stop: asyncio.Event,
    *,
    manners: Manners,
    tokens: Mapping[str, str],
    seed: int,
    state: Path | None = None,
    orders: Sequence[SimOrder] = (),
    ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until `stop` is set; `ready` gets the platform's URL. Everything is closed on return."""
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    offset = time.time() - asyncio.get_running_loop().time()

    def now() -> float:
        return asyncio.get_running_loop().time() + offset

    platform = Platform(manners=manners, random=Random(seed), base=url + API, started_s=now())
    if state is not None:
        load_state(platform, state)
    for order in orders:
        platform.provision(order, now())
    if state is not None:
        save_state(platform, state)
    async with httpx.AsyncClient(trust_env=False) as client:
        carrier = Carrier(platform, tokens=tokens, now=now, client=client)
        if state is not None:
            carrier.saved = lambda: save_state(platform, state)
        await _serve(carrier, listener, stop, lambda: ready(url))
    if state is not None:
        save_state(platform, state)


async def _serve(carrier: Carrier, listener: socket.socket, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(
        carrier.app, log_level="critical", lifespan="off", timeout_graceful_shutdown=2, access_log=False
    )
    server = _QuietServer(config)
    server.ready = ready
    async with asyncio.TaskGroup() as group:
        timers = group.create_task(carrier.run(), name="carrier timers")
        serving = group.create_task(server.serve(sockets=[listener]), name="carrier http")
        await stop.wait()
        server.should_exit = True
        await serving
        timers.cancel()
