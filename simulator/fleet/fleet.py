"""Many hubs in one process: dialled by a few workers, each then on its own timer; storms on demand."""

import asyncio
import contextlib
import resource
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Self
from urllib.parse import urlsplit

from device_agent.protocol import is_hub_id
from simulator.faults import SimulatorError
from simulator.fleet.connections import Connections
from simulator.fleet.hub import Counts, FleetHub, Habits, Shared, make_hub_id
from simulator.fleet.wheel import Rounds, Wheel

# Descriptors the process keeps for everything but hubs.
DESCRIPTORS_KEPT: Final = 1000
DIALLERS: Final = 64
DIAL_DEADLINE_S: Final = 20.0
CLOSING_S: Final = 5.0


class FleetError(SimulatorError):
    """The fleet cannot be as it was asked for."""

    exit_code = 2


class BrokerError(SimulatorError):
    """The broker cannot be reached, or refuses."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the fleet connects. `certificates`: a folder of `{hub id}.crt` and `{hub id}.key`, for mutual TLS."""

    host: str
    port: int
    tls: bool = False
    ca: Path | None = None
    certificates: Path | None = None

    @classmethod
    def parse(cls, url: str, *, ca: Path | None = None, certificates: Path | None = None) -> "Broker":
        """Read `mqtt://host:port` or `mqtts://host:port`. Raises FleetError."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or port == -1:
            raise FleetError(f"{url!r} is no broker", remedy="write mqtt://HOST:PORT or mqtts://HOST:PORT")
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, port or (8883 if tls else 1883), tls, ca, certificates)

    def context_for(self, hub_id: str) -> ssl.SSLContext | None:
        """The TLS context of one hub. Raises FleetError when its certificate is not there."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificates is not None:
                context.load_cert_chain(self.certificates / f"{hub_id}.crt", self.certificates / f"{hub_id}.key")
        except (OSError, ssl.SSLError) as error:
            raise FleetError(f"hub {hub_id}: no usable certificate ({error})", remedy="see --certificates") from None
        return context


def possible_hubs() -> int:
    """How many hubs the descriptor limit of this process allows; raises the soft limit to the hard one first."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, soft - DESCRIPTORS_KEPT)


def read_hub_ids(path: Path) -> list[str]:
    """The enrolled hubs of a file, one id a line. Raises FleetError with the line that holds none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: {error}", remedy="name a file of hub ids, one a line") from None
    ids = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    for number, hub_id in ids:
        if not is_hub_id(hub_id):
            raise FleetError(f"{path}:{number}: {hub_id[:60]!r} is no hub id", remedy="a canonical lower-case UUID")
    if len({hub_id for _, hub_id in ids}) != len(ids):
        raise FleetError(f"{path}: a hub id stands there twice", remedy="one client can't be connected twice")
    return [hub_id for _, hub_id in ids]


class Fleet:
    """A fleet, made of given hub ids or of ids minted from the seed. Use `async with`: it dials on entering.

    With `sampling=False` hubs say hello and wait for `begin_sampling`.
    """

    def __init__(
        self,
        broker: Broker,
        count: int,
        *,
        seed: int,
        habits: Habits,
        hub_ids: Iterable[str] | None = None,
        sampling: bool = True,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.counts = Counts()
        self._broker = broker
        self._random = Random(seed)
        self._waiting: deque[FleetHub] = deque()
        self._more = asyncio.Event()
        wheel = Wheel(loop)
        rounds = Rounds(wheel, habits.interval_s)
        self._shared = Shared(loop, wheel, rounds, habits, self.counts, self._enqueue, sampling=sampling)
        self._connections = Connections(loop, self._shared.buffer)
        ids = list(hub_ids) if hub_ids is not None else [make_hub_id(seed, number) for number in range(count)]
        self.hubs = [FleetHub(self._shared, hub_id, number, seed) for number, hub_id in enumerate(ids[:count])]
        self._diallers: list[asyncio.Task[None]] = []
        self._complaint: Exception | None = None

    async def __aenter__(self) -> Self:
        """Begin to dial."""
        for hub in self.hubs:
            self._enqueue(hub)
        workers = min(DIALLERS, len(self.hubs))
        self._diallers = [asyncio.create_task(self._dial_on(), name=f"dialler {n}") for n in range(workers)]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Say goodbye and close every connection."""
        self._shared.stopping = True
        for task in self._diallers:
            task.cancel()
        await asyncio.gather(*self._diallers, return_exceptions=True)
        for hub in self.hubs:
            hub.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                while self.counts.connected:  # noqa: ASYNC110 - transports tell only their own protocol
                    await asyncio.sleep(0.02)
        for hub in self.hubs:
            hub.drop()
        self._shared.wheel.stop()
        self._connections.close()
        await asyncio.sleep(0)

    async def connected(self, deadline_s: float) -> None:
        """Return once every hub is connected. Raises BrokerError with the last complaint after the deadline."""
        try:
            async with asyncio.timeout(deadline_s):
                while self.counts.connected < len(self.hubs):  # noqa: ASYNC110 - a poll costs nothing here
                    await asyncio.sleep(0.05)
        except TimeoutError:
            told = f"{self.counts.connected} of {len(self.hubs)} hubs connected within {deadline_s:g} s"
            reason = f" ({self._complaint})" if self._complaint else ""
            remedy = "is the broker there, and does it let these hubs in?"
            raise BrokerError(f"{told}{reason}", remedy=remedy) from None

    def begin_sampling(self) -> None:
        """Let the hubs of a fleet that was made with `sampling=False` sample from now on."""
        self._shared.sampling = True
        for hub in self.hubs:
            if hub.ready:
                hub.begin_sampling()

    def storm(self, share: float) -> int:
        """Cut the connections of a share of the hubs at once; they come back by themselves. Returns how many."""
        struck = self._random.sample(self.hubs, round(len(self.hubs) * share))
        for hub in struck:
            hub.drop()
        return len(struck)

    def _enqueue(self, hub: FleetHub) -> None:
        self._waiting.append(hub)
        self._more.set()

    async def _dial_on(self) -> None:
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            await self._dial(self._waiting.popleft())

    async def _dial(self, hub: FleetHub) -> None:
        loop, broker = self._shared.loop, self._broker
        connection = None
        try:
            async with asyncio.timeout(DIAL_DEADLINE_S):
                connection = await _open_socket(loop, broker)
                context = broker.context_for(hub.id)
                if context is None:
                    self._connections.open(connection, hub)
                else:  # only asyncio's own transports speak TLS
                    await loop.create_connection(lambda: hub, sock=connection, ssl=context, server_hostname=broker.host)
        except (OSError, ssl.SSLError, TimeoutError, FleetError) as error:
            self._complaint = error
            if connection is not None:
                connection.close()
            self.counts.refused += 1
            hub.retry()


async def _open_socket(loop: asyncio.AbstractEventLoop, broker: Broker) -> socket.socket:
    family = socket.AF_INET6 if ":" in broker.host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)  # noqa: FBT003 - the socket module's signature
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        await loop.sock_connect(connection, (broker.host, broker.port))
    except BaseException:
        connection.close()
        raise
    return connection
