"""`hub-controller serve`: the real parts, assembled; signals; an orderly end."""

import asyncio
import gc
import hashlib
import hmac
import json
import random as random_module
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import structlog
import uvicorn
from fastapi import FastAPI

from controller.app import Controller, Options
from controller.carrier.lane import LaneLimits
from controller.carrier.tmf640 import Tmf640Carrier
from controller.cli.authority import AuthorityOptions, open_identity
from controller.cli.broker import LIMITS, embedded_broker
from controller.cli.failures import CliError, Exit, cannot_listen
from controller.cli.logs import configure
from controller.cli.outside import (
    check_carrier_url,
    open_carrier,
    open_courier,
    open_notifier,
    sends_webhooks,
    split_url,
)
from controller.link.gmqtt import GmqttPort
from controller.services.database import Database
from controller.services.policy import Policy
from controller.work.webhooks import PATH, carrier_router

STOP_DEADLINE_S: Final = 10.0
LEVELS: Final = ("debug", "info", "warning", "error")
# Containers made and not gone, before the youngest are looked through (Python's default is 700, which a batch of
# messages passes many times, each time in vain: they go by their reference counts).
COLLECT_AFTER: Final = (20_000, 20, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of `serve`, as given."""

    database_url: str
    broker_url: str | None
    broker_ca: Path | None
    broker_certificate: Path | None
    broker_key: Path | None
    carrier_url: str | None
    carrier_token: str
    carrier_rate: float
    carrier_concurrency: int
    callback_url: str | None
    lists_base_url: str | None
    hubs_broker_url: str | None
    ca_certificate: Path | None
    ca_key: Path | None
    ca_key_pem: str | None
    ca_command: str | None
    ca_url: str | None
    host: str
    port: int
    name: str
    share_group: str | None
    outbox: Path | None
    smtp_url: str | None
    sender: str
    sms_url: str | None
    courier_url: str | None
    quiet_window: str
    log_level: str
    as_json: bool


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: one place decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: Settings) -> None:
    """Serve until a signal. Raises CliError or ServiceError for what a user can mend."""
    if settings.log_level not in LEVELS:
        raise CliError(Exit.SETTINGS, f"there is no log level {settings.log_level!r}", f"use {', '.join(LEVELS)}")
    configure(settings.log_level)
    asyncio.run(_serve(settings))


def openapi_document() -> dict[str, Any]:
    """Return the API's OpenAPI document, without a database or a carrier."""
    from controller.api import create_api

    database = Database("sqlite://")
    carrier = Tmf640Carrier(httpx.AsyncClient())
    api: FastAPI = create_api(database, now=_now, include=[carrier_router(database, carrier, "", _now)])
    return api.openapi()


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stopping.set)
    async with AsyncExitStack() as stack:
        # What a user may have to mend comes first, before anything is started.
        check_carrier_url(settings.carrier_url)
        notifier = await open_notifier(
            outbox=settings.outbox,
            smtp_url=settings.smtp_url,
            sender=settings.sender,
            sms_url=settings.sms_url,
            stack=stack,
        )
        courier = await open_courier(settings.courier_url, settings.outbox, stack)
        if settings.broker_url is not None:
            link_port(settings.broker_url, settings)
        identity = await open_identity(_authority_options(settings), stack)
        listener = stack.enter_context(_listen(settings.host, settings.port))
        database = await stack.enter_async_context(_database(settings))
        carrier = await open_carrier(settings.carrier_url, settings.carrier_token, database, _now, stack)
        broker_url = settings.broker_url or await _embedded(stack)
        address = _url(settings.host, listener.getsockname()[1])
        controller = Controller(
            _options(settings, address),
            database=database,
            link_port=link_port(broker_url, settings),
            carrier=carrier,
            notifier=notifier,
            courier=courier,
            identity=identity,
            now=_now,
            random=random_module.Random(),
        )
        await _run(
            controller, listener, stopping, announce={"listening": address, "broker": broker_url}, settings=settings
        )


async def _run(
    controller: Controller,
    listener: socket.socket,
    stopping: asyncio.Event,
    *,
    announce: Mapping[str, str],
    settings: Settings,
) -> None:
    log = structlog.get_logger("controller")
    config = uvicorn.Config(controller.api, log_config=None, lifespan="off", timeout_graceful_shutdown=3)
    server = _Server(config)
    tasks = {
        asyncio.create_task(server.serve(sockets=[listener]), name="api"),
        asyncio.create_task(controller.run(), name="controller"),
    }
    waiting = asyncio.create_task(stopping.wait(), name="signals")
    gc.freeze()  # what start-up made stays as long as the process
    gc.set_threshold(*COLLECT_AFTER)
    _announce(announce, as_json=settings.as_json)
    try:
        await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        server.should_exit = True
        await controller.stop()
        await asyncio.wait(tasks, timeout=STOP_DEADLINE_S)
    finally:
        waiting.cancel()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    log.info("stopped")


def _announce(fields: Mapping[str, str], *, as_json: bool) -> None:
    line = json.dumps(fields) if as_json else f"hub-controller listens on {fields['listening']}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options(settings: Settings, address: str) -> Options:
    callback = settings.callback_url or (address + PATH)
    return Options(
        name=settings.name,
        share_group=settings.share_group,
        lists_base_url=settings.lists_base_url or address,
        lane=LaneLimits(settings.carrier_rate or None, settings.carrier_concurrency),
        callback_url=callback if callback != "none" and sends_webhooks(settings.carrier_url) else None,
        webhook_secret=_webhook_secret(settings.carrier_token),
        # SQLite has one process; other processes' marks on PostgreSQL are seen within seconds.
        poll_s=5.0,
    )


def _authority_options(settings: Settings) -> AuthorityOptions:
    return AuthorityOptions(
        **{each.name: getattr(settings, each.name) for each in fields(AuthorityOptions)},
    )


def _webhook_secret(token: str) -> str:
    """Derive the secret, so that it outlives a restart and every controller of the account knows it."""
    if not token:
        return secrets.token_hex(32)
    return hmac.new(token.encode(), b"minihub carrier webhook", hashlib.sha256).hexdigest()


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    policies = {"policy": Policy(), "immediate": Policy().with_immediate_switch_off()}
    if settings.quiet_window not in policies:
        raise CliError(Exit.SETTINGS, f"there is no quiet window {settings.quiet_window!r}", "use policy or immediate")
    database = Database(settings.database_url, policy=policies[settings.quiet_window])
    try:
        await (database.create() if database.is_sqlite else database.check())
        yield database
    finally:
        await database.close()


async def _embedded(stack: AsyncExitStack) -> str:
    structlog.get_logger("controller").warning("embedded_broker", limits=LIMITS)
    port = await stack.enter_async_context(embedded_broker())
    return f"mqtt://127.0.0.1:{port}"


def link_port(url: str, settings: Settings) -> GmqttPort:
    """Make the link of a broker's URL. Raises CliError."""
    parts = split_url(url, {"mqtt": 1883, "mqtts": 8883}, "--broker-url mqtt://HOST:PORT or mqtts://HOST:PORT")
    tls = None
    if parts.scheme == "mqtts":
        try:
            tls = ssl.create_default_context(cafile=str(settings.broker_ca) if settings.broker_ca else None)
            # TLS 1.3 tells a refused certificate only after the handshake, as silence.
            tls.maximum_version = ssl.TLSVersion.TLSv1_2
            if settings.broker_certificate is not None:
                tls.load_cert_chain(settings.broker_certificate, settings.broker_key)
        except (OSError, ssl.SSLError) as error:
            raise CliError(Exit.SETTINGS, f"the broker's certificates can't be used ({error})", "check them") from error
    return GmqttPort(str(parts.hostname), parts.port or (1883 if tls is None else 8883), tls)


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise cannot_listen(host, port, error) from error
        yield listener


def _url(host: str, port: int) -> str:
    reachable = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _now() -> datetime:
    return datetime.now(UTC)
