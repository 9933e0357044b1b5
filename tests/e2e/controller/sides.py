"""The platforms of the carrier contract: what a test may do to each, behind one door."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import httpx

from controller.carrier.osmo_hlr import OsmoHlrCarrier
from controller.carrier.osmo_wire import control_request
from controller.carrier.port import Carrier
from tests.e2e.controller.processes import Platform
from tests.e2e.controller.register import CONTROL, Relay

_numbers = itertools.count(1)
FAST = {"calls_per_second": 1000.0, "calls_at_a_time": 20}


def fresh_iccid() -> str:
    """Return an ICCID that no test used before."""
    return f"89441000001{next(_numbers):08d}"


def imsi_of(iccid: str) -> str:
    """Return the IMSI that goes with a test's ICCID."""
    return "23430" + iccid[-10:]


class Side(Protocol):
    """One platform with an adapter before it."""

    @property
    def carrier(self) -> Carrier:
        """The adapter."""

    async def provision(self) -> str:
        """Make a parked SIM; returns its ICCID."""

    async def lose_answers(self) -> None:
        """From now on changes take effect and their answers are lost."""

    async def lose_requests(self) -> None:
        """From now on nothing has an effect, and nobody is told."""

    async def talk_nonsense(self) -> None:
        """From now on answers are not of the protocol."""

    async def behave(self) -> None:
        """From now on all is well."""

    async def changes(self, iccid: str) -> int:
        """Count the changes that were ever begun for a SIM."""


@dataclass
class Tmf640Side:
    """The simulated platform of docs/carrier.md, in a process of its own."""

    platform: Platform
    carrier: Carrier
    nonsense: Callable[[bool], None]

    async def provision(self) -> str:
        iccid = fresh_iccid()
        await self.platform.provision(iccid, state="inactive")
        return iccid

    async def lose_answers(self) -> None:
        await self.platform.manners(**FAST, lost_answer=1.0, at_once=1.0)

    async def lose_requests(self) -> None:
        await self.platform.manners(**FAST, server_error=1.0)

    async def talk_nonsense(self) -> None:
        self.nonsense(True)

    async def behave(self) -> None:
        self.nonsense(False)
        await self.platform.manners(**FAST, effect_delay_s=[0.0, 0.0])

    async def changes(self, iccid: str) -> int:
        return await self.platform.changes(iccid)


class Scrambler(httpx.AsyncHTTPTransport):
    """Real HTTP, but for what is said when it talks nonsense."""

    scrambled = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if not self.scrambled:
            return response
        await response.aread()
        return httpx.Response(200, json={"id": "sim-1", "state": "purple"})


@dataclass
class HlrSide:
    """A real osmo-hlr behind two relays."""

    address: str
    control: Relay
    terminal: Relay
    carrier: OsmoHlrCarrier

    async def provision(self) -> str:
        iccid = fresh_iccid()
        await ask_register(self.address, "SET", "subscriber.create", imsi_of(iccid))
        await ask_register(self.address, "SET", f"subscriber.by-imsi-{imsi_of(iccid)}.ps-enabled", "0")
        return iccid

    async def lose_answers(self) -> None:
        self.terminal.lose_answers_to = b"network-access-mode"

    async def lose_requests(self) -> None:
        self.terminal.lose_requests_with = b"network-access-mode"

    async def talk_nonsense(self) -> None:
        self.control.garble_answers = True

    async def behave(self) -> None:
        for relay in (self.control, self.terminal):
            relay.lose_answers_to = relay.lose_requests_with = b""
            relay.garble_answers = False

    async def changes(self, iccid: str) -> int:
        del iccid  # one test, one SIM
        return self.terminal.switches


async def ask_register(address: str, verb: str, variable: str, value: str = "") -> str:
    """Ask a register past the adapter, as another operator's tool would."""
    reader, writer = await asyncio.open_connection(address, CONTROL)
    writer.write(control_request(1, verb, variable, value))
    size = int.from_bytes((await reader.readexactly(4))[:2], "big") - 1
    reply = (await reader.readexactly(size)).decode()
    writer.close()
    await writer.wait_closed()
    return reply


def known_imsi(*, unknown: str = "") -> Callable[[str], Awaitable[str | None]]:
    """Return a directory of IMSIs that lacks one."""

    async def find(iccid: str) -> str | None:
        return None if iccid == unknown else imsi_of(iccid)

    return find


def clock() -> datetime:
    """Return the wall's time."""
    return datetime.now(UTC)
