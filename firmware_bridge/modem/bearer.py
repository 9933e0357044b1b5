"""The bearer by TS 27.007: define, authenticate, attach, activate, read back. Families replace how a call is made."""

import asyncio
from collections.abc import Awaitable, Callable

from firmware_bridge.at.commands import Command
from firmware_bridge.at.tokens import join_parameters
from firmware_bridge.errors import CommandError
from firmware_bridge.modem.dialect import ACTIVE, ADDRESSES, ATTACHED, CONTEXTS, PARAMETERS
from firmware_bridge.modem.parse.bearer import DynamicParameters
from firmware_bridge.modem.session import Session
from firmware_bridge.types import Authentication, Bearer, BearerSettings

CID = 1
UP_WITHIN_S = 30.0  # from the modem's OK to the call being up; TS 27.007 gives none, families take up to 15 s
_POLL_S = 1.0


def define_context(settings: BearerSettings) -> Command:
    """+CGDCONT for context 1 (TS 27.007 10.1.1)."""
    return Command("AT+CGDCONT=" + join_parameters(CID, settings.pdp_type.value, settings.apn))


def authenticate(settings: BearerSettings) -> Command:
    """+CGAUTH (TS 27.007 10.1.31): user name, then password."""
    if settings.authentication is Authentication.NONE:
        return Command(f"AT+CGAUTH={CID},0")
    values = join_parameters(CID, int(settings.authentication), settings.username, settings.password)
    return Command(f"AT+CGAUTH={values}", secret=True)


async def prepare(session: Session, settings: BearerSettings, credentials: Command) -> None:
    """Context 1 as wanted, read first: writing it again would cost some modems their attach."""
    contexts = {context.cid: context for context in await session.ask(CONTEXTS)}
    present = contexts.get(CID)
    if present is None or (present.apn.lower(), present.pdp_type) != (settings.apn.lower(), settings.pdp_type.value):
        if (await session.ask(ACTIVE)).get(CID):
            await session.execute(Command(f"AT+CGACT=0,{CID}"))
        await session.patiently(define_context(settings))
    if settings.authentication is not Authentication.NONE:
        await session.patiently(credentials)


async def attach(session: Session) -> None:
    """Attach to packet service unless attached."""
    if await session.ask_first([ATTACHED]) is False:
        await session.patiently(Command("AT+CGATT=1"))


async def activate(session: Session) -> None:
    """Activate context 1 unless active."""
    if not (await session.ask(ACTIVE)).get(CID):
        await session.patiently(Command(f"AT+CGACT=1,{CID}"))


async def deactivate(session: Session) -> None:
    """Deactivate context 1 if active."""
    if (await session.ask(ACTIVE)).get(CID):
        await session.patiently(Command(f"AT+CGACT=0,{CID}"))


def _united(
    parameters: tuple[DynamicParameters, ...], addresses: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses and DNS servers over both stacks, each once, in the order told."""
    told = [found.address for found in parameters if found.address] + list(addresses)
    dns = [server for found in parameters for server in found.dns]
    return tuple(dict.fromkeys(told)), tuple(dict.fromkeys(dns))


async def read_bearer(session: Session) -> Bearer:
    """Context 1 as it is: up by +CGACT, addresses by +CGCONTRDP and +CGPADDR. A bearer that is down has no address."""
    if not (await session.ask(ACTIVE)).get(CID):
        return Bearer(up=False)
    parameters = tuple(found for found in await session.ask_first([PARAMETERS]) or () if found.cid == CID)
    paged = (await session.ask_first([ADDRESSES]) or {}).get(CID, ())
    addresses, dns = _united(parameters, paged)
    apn = next((found.apn for found in parameters if found.apn), None)
    return Bearer(up=True, cid=CID, apn=apn or await _defined_apn(session), addresses=addresses, dns=dns)


async def _defined_apn(session: Session) -> str | None:
    return next((context.apn for context in await session.ask(CONTEXTS) if context.cid == CID), None)


async def settle(read: Callable[[], Awaitable[bool]], command: str, *, within_s: float = UP_WITHIN_S) -> None:
    """Wait until `read` says yes: a modem's OK may come before the fact (Q39).

    Raises:
        CommandError: it has not come within `within_s`.
    """
    waited = 0.0
    while not await read():
        if waited >= within_s:
            raise CommandError(command, kind=f"accepted, but without effect for {within_s:g} s")
        await asyncio.sleep(_POLL_S)
        waited += _POLL_S
