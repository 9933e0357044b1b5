"""`hub-controller serve`: the adapters to carriers, people and couriers, made from their URLs."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import httpx

from controller.carrier.osmo_hlr import OsmoHlrCarrier
from controller.carrier.port import Carrier
from controller.carrier.tmf640 import Tmf640Carrier
from controller.cli.failures import CliError, Exit
from controller.notify.adapters import HttpSmsNotifier, OutboxNotifier, Routes, SmtpNotifier
from controller.notify.courier import Courier, FileCourier, HttpCourier
from controller.notify.port import Medium, Notifier
from controller.services import subscriptions
from controller.services.actor import Actor
from controller.services.database import Database

OSMO_HLR: Final = "osmo-hlr"
_ACTOR: Final = Actor.system("carrier.osmo_hlr")
_CARRIER: Final = "--carrier-url http://HOST:PORT, https://HOST:PORT or osmo-hlr://HOST[?create=yes]"

_SMS: Final = "--sms-url http://HOST/PATH, https://HOST/PATH or smpp://SYSTEM_ID:PASSWORD@HOST:PORT[?from=SENDER]"


def sends_webhooks(carrier_url: str | None) -> bool:
    """Tell whether the carrier of this URL can call back; a home location register is only read."""
    return carrier_url is not None and urlsplit(carrier_url).scheme != OSMO_HLR


def check_carrier_url(url: str | None) -> None:
    """Raise CliError for a URL that names no carrier."""
    if url is not None:
        parts = split_url(url, {"http": 80, "https": 443, OSMO_HLR: 4259}, _CARRIER)
        if parts.scheme == OSMO_HLR:
            _creates(parts)


async def open_carrier(
    url: str | None, token: str, database: Database, now: Callable[[], datetime], stack: AsyncExitStack
) -> Carrier | None:
    """Make the carrier's adapter; the stack closes what it holds."""
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme == OSMO_HLR:
        find = _imsi_directory(database, now)
        register = OsmoHlrCarrier(str(parts.hostname), imsi_of=find, now=now, create=_creates(parts))
        stack.push_async_callback(register.close)
        return register
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    http = httpx.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=None)  # noqa: S113  # the adapter sets a deadline on every call
    return Tmf640Carrier(await stack.enter_async_context(http))


async def open_notifier(
    *, outbox: Path | None, smtp_url: str | None, sender: str, sms_url: str | None, stack: AsyncExitStack
) -> Notifier | None:
    """Make a notifier for each medium that has a URL; the outbox takes the rest."""
    routes: dict[Medium, Notifier] = {}
    if outbox is not None:
        routes = dict.fromkeys(Medium, _outbox(outbox))
    if smtp_url is not None:
        parts = split_url(smtp_url, {"smtp": 25}, "--smtp-url smtp://[USER:PASSWORD@]HOST:PORT")
        routes[Medium.EMAIL] = SmtpNotifier(
            host=str(parts.hostname),
            port=parts.port or 25,
            sender=sender,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )
    if sms_url is not None:
        routes[Medium.SMS] = await _open_sms(sms_url, stack)
    return Routes(routes) if routes else None


async def _open_sms(url: str, stack: AsyncExitStack) -> Notifier:
    parts = split_url(url, {"http": 80, "https": 443, "smpp": 2775}, _SMS)
    if parts.scheme != "smpp":
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))  # noqa: S113  # the adapter sets it
        return HttpSmsNotifier(http, url)
    # Half a second of imports that only this needs.
    from controller.notify.smpp import LONGEST_PASSWORD, LONGEST_SYSTEM_ID, SmppNotifier

    system_id, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not 0 < len(system_id) <= LONGEST_SYSTEM_ID or len(password) > LONGEST_PASSWORD:
        why = f"SMPP takes a system id of 1 to {LONGEST_SYSTEM_ID} characters, a password of {LONGEST_PASSWORD}"
        raise CliError(Exit.SETTINGS, why, f"write {_SMS}")
    source = parse_qs(parts.query).get("from", ["MiniHub"])[-1]
    centre = SmppNotifier(
        str(parts.hostname), parts.port or 2775, system_id=system_id, password=password, source=source
    )
    stack.push_async_callback(centre.close)
    return centre


def _outbox(directory: Path) -> Notifier:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CliError(Exit.SETTINGS, f"{directory} can't be made ({error.strerror})", "name a directory") from error
    return OutboxNotifier(directory / "notices.jsonl")


async def open_courier(url: str | None, outbox: Path | None, stack: AsyncExitStack) -> Courier | None:
    """Make the courier: HTTP where a URL is given, else a file in the outbox, else none."""
    if url is not None:
        split_url(url, {"http": 80, "https": 443}, "--courier-url http://HOST/PATH or https://HOST/PATH")
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))  # noqa: S113  # the adapter sets it
        return HttpCourier(http, url)
    return FileCourier(outbox / "orders.jsonl") if outbox is not None else None


def split_url(url: str, schemes: Mapping[str, int], remedy: str) -> SplitResult:
    """Split a URL of one of the schemes. Raises CliError, without what may be secret in it."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        shown = url.rpartition("@")[2]
        raise CliError(Exit.SETTINGS, f"{shown!r} is not a URL of the kind wanted here", f"write {remedy}")
    return parts


def _creates(parts: SplitResult) -> bool:
    wanted = parse_qs(parts.query).get("create", ["no"])[-1]
    if wanted not in {"yes", "no"} or parts.port is not None:
        why = "an osmo-hlr has fixed ports" if parts.port is not None else f"create={wanted!r} is neither yes nor no"
        raise CliError(Exit.SETTINGS, why, f"write {_CARRIER}")
    return wanted == "yes"


def _imsi_directory(database: Database, now: Callable[[], datetime]) -> Callable[[str], Awaitable[str | None]]:
    async def find(iccid: str) -> str | None:
        return await database.run(subscriptions.imsi_of, actor=_ACTOR, now=now(), iccid=iccid)

    return find
