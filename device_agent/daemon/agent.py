"""The agent: everything outside is injected, everything inside is wired here.

`Agent.run` supervises the lanes, the session, the sampler and the requests in one task group. A task that fails is a
bug: the group ends, the program exits, the service manager starts it anew, and the kernel has closed by then.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

from device_agent import report
from device_agent.clock import Clock
from device_agent.config import Config, doorbell_key
from device_agent.daemon.errands import Errands, RecentLogs
from device_agent.facts import FILTERING
from device_agent.lanes.board import Board, Change
from device_agent.lanes.certificate import CertificateLane, Renew
from device_agent.lanes.doorbell import Doorbell
from device_agent.lanes.gate import GateLane
from device_agent.lanes.modem import ModemLane, OpenModem
from device_agent.lanes.sampler import Sampler
from device_agent.link import LinkPort
from device_agent.lists import Fetch, ListError, Lists, https_fetch
from device_agent.protocol import (
    Channel,
    Condition,
    Desired,
    Event,
    ProtocolError,
    Reported,
    Severity,
    decode,
    encode,
)
from device_agent.requests import Requests
from device_agent.session import Session
from device_agent.store import Spooled, Store, StoreError
from firmware_bridge.host import Host

_log = logging.getLogger(__name__)

GOODBYE_S: Final = 2.0
# The gate looks every half minute at the least; a tool may take its deadline (ms).
HEALTHY_MS: Final = 90_000
# A list that could not be had is asked for again after this (s), doubling.
LIST_RETRY_S: Final = 5.0
LIST_RETRY_MOST_S: Final = 3600.0
# A doorbell makes the hub look at most this often (s).
DOORBELL_S: Final = 60.0


def agent_version() -> str:
    """The installed version, "0" when run from nowhere."""
    try:
        return version("minihub")
    except PackageNotFoundError:
        return "0"


def written_bytes() -> int | None:
    """What this process has had written to its disks (proc(5), /proc/pid/io), None where that is not told."""
    try:
        text = Path("/proc/self/io").read_text("ascii")
        return int(text.partition("\nwrite_bytes:")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return None


class Agent:
    """One hub. `run` returns after `stop`; `restart_wanted` tells whether a request asked for a new life."""

    def __init__(
        self,
        config: Config,
        *,
        link_port: LinkPort,
        open_modem: OpenModem,
        host: Host,
        clock: Clock,
        store: Store,
        random: random.Random,  # the name of what is injected
        evidence: Mapping[str, str] | None = None,
        fetch: Fetch | None = None,
        renew: Renew | None = None,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self.restart_wanted = False
        self.board = Board(clock)
        self._config = config
        self._store = store
        self._clock = clock
        self._host = host
        self._evidence = evidence or {}
        self._stop = asyncio.Event()
        self._told: tuple[Condition, ...] = ()
        self._last_report: Reported | None = None
        self._report_seq = 0
        self._rang_at: float | None = None
        self._document: Desired | None = None
        self._version = agent_version()
        self._logs = RecentLogs()
        self._lists = Lists(
            Path(config.state) / "lists",
            store,
            fetch or https_fetch(config.lists.ca),
            weekly_bytes=config.lists.weekly_bytes,
        )
        self._gate = GateLane(config, self.board, host, self._lists)
        self._doorbell = Doorbell(config.hub, lambda: doorbell_key(Path(config.state)), store, self._rang)
        self._modem = ModemLane(config, self.board, open_modem, random, self._doorbell)
        self._certificate = CertificateLane(
            config.broker.certificate, self.board, random, renew=renew, renewed=renewed, reconnect=self._reconnect
        )
        self._sampler = Sampler(self.board, store, lambda: self._modem.modem, self._history_grew)
        self.session = Session(config.hub, link_port, store, render=self._render, accept=self.accept, rng=random)
        errands = Errands(self.board, host, lambda: self._modem.modem, self._logs, self._restart, self._more_facts)
        self._requests = Requests(store, clock, errands.handlers(), lambda: self._changed(Change.HISTORY))
        self._fetch_lists = asyncio.Event()
        self._random = random
        self.board.listeners.append(self._changed)
        self._remember()

    async def run(self) -> None:
        """Run until `stop`; then close, say goodbye, and write down what waits."""
        logging.getLogger("device_agent").addHandler(self._logs)
        self._event("started", Severity.INFO)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(coroutine, name=name)
                    for name, coroutine in (
                        ("gate", self._gate.run()),
                        ("filter watch", self._gate.watch_filter()),
                        ("rule set watch", self._gate.watch_rule_set()),
                        ("modem", self._modem.run()),
                        ("sampler", self._sampler.run()),
                        ("flush", self._keep_time()),
                        ("requests", self._requests.run()),
                        ("lists", self._keep_lists()),
                        ("certificate", self._certificate.run()),
                    )
                ]
                talking = group.create_task(self.session.run(), name="session")
                await self._stop.wait()
                for task in tasks:
                    task.cancel()
                await self._end(talking)
        finally:
            logging.getLogger("device_agent").removeHandler(self._logs)
            self._sampler.write_down()

    def healthy(self) -> bool:
        """Whether the gate looked at the hub lately: what a watchdog is fed on."""
        return self._gate.looked_within(HEALTHY_MS)

    def reload(self, config: Config) -> Config:
        """Follow those settings that need no new life; returns what is in force now."""
        modem = msgspec.structs.replace(
            config.modem, baudrate=self._config.modem.baudrate, power_line=self._config.modem.power_line
        )
        self._config = msgspec.structs.replace(self._config, network=config.network, dns=config.dns, modem=modem)
        self._config = msgspec.structs.replace(self._config, logging=config.logging)
        self._gate.reload(self._config)
        self._modem.reload(self._config)
        self._certificate.alarm.wake()
        return self._config

    def show_certificate(self, fallback: str) -> None:
        """The next connection shows the newest certificate (""), or an earlier one, and why: it is reported."""
        self._certificate.show(fallback)

    def stop(self) -> None:
        """End in good order; a second call does nothing."""
        self._stop.set()

    async def _end(self, talking: asyncio.Task[None]) -> None:
        await self._gate.stop()
        self.session.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.shield(talking)
        talking.cancel()

    # Documents.

    def accept(self, desired: Desired) -> None:
        """Take a document: keep it, then follow it. One with a lower revision is refused."""
        current = self._document.revision if self._document is not None else -1
        if desired.revision <= current:
            if desired.revision == current:
                # It asks what we are: our hello may have reached nobody.
                self.session.report()
            else:
                _log.warning("an older document was refused", extra={"revision": desired.revision, "current": current})
            return
        try:
            self._store.keep("document", encode(desired))
        except StoreError as error:
            # It is followed all the same; after a power cut the controller sends it again, since revisions differ.
            _log.error("the document is not kept", extra={"error": str(error)})
        _log.info("document", extra={"revision": desired.revision, "on": desired.internet.on})
        self._clock.raise_floor(desired.issued_at)
        self._keep_floor()
        self._follow(desired)

    def _remember(self) -> None:
        """Take up the document of an earlier life."""
        kept = self._store.kept("document")
        if kept is None:
            return
        try:
            document = decode(Channel.DESIRED, kept)
        except ProtocolError as error:
            _log.error("the kept document is not understood", extra={"error": str(error)})
            return
        if isinstance(document, Desired):
            self._follow(document)

    def _follow(self, desired: Desired) -> None:
        self._document = desired
        goal = report.goal_of(desired)
        if goal.controls != self.board.goal.controls:
            # True from this moment on, and what a report sent before the gate has looked must say.
            self.board.gate = replace(self.board.gate, changing=True)
        self.board.goal = goal
        reporting = desired.reporting
        if reporting != self._sampler.reporting:
            self._sampler.reporting = reporting
            self._sampler.alarm.wake()
        self.session.report_interval_s = float(reporting.report_interval_s)
        self._requests.ask(desired.requests)
        self._fetch_lists.set()
        self.board.tell(Change.GOAL)

    # Reports.

    def _changed(self, change: Change) -> None:
        """Facts changed: whom it concerns looks again, and the hub is reported if it would say anything new."""
        if change in {Change.GOAL, Change.MODEM, Change.CLOCK}:
            self._gate.alarm.wake()
            self._requests.look()
        if change is Change.GOAL:
            self._modem.alarm.wake()
        bearer = self.board.modem.bearer
        if self._sampler.waits_for_first and bearer is not None and bearer.up:
            self._sampler.alarm.wake()
        if change is Change.CLOCK:
            # A week's budget of lists needs to know the week, and a certificate's end the day.
            self._fetch_lists.set()
            self._certificate.alarm.wake()
        if self._last_report is None or _comparable(self._whole_report(0, 0)) != _comparable(self._last_report):
            self.session.report()

    def _render(self, session: int) -> Reported:
        """The hub whole, numbered."""
        self._report_seq += 1
        told = self._whole_report(self._report_seq, session)
        self._told, self._last_report = told.conditions, told
        return told

    def _whole_report(self, seq: int, session: int) -> Reported:
        uptime = self._clock.uptime_ms()
        board = self.board
        rows = self._store.requests()
        asked = self._document.requests if self._document is not None else ()
        whole = report.Whole(
            goal=board.goal,
            modem=board.modem,
            gate=board.gate,
            reason=board.reason,
            clock_trusted=self._clock.trusted,
            evidence=self._evidence,
            requests=report.outcomes(rows[request.id] for request in asked if request.id in rows),
            waiting=_waiting(board),
            sent_bytes=board.total_bytes,
            certificate=board.certificate,
            doorbell=(self._doorbell.rung_times, self._doorbell.ignored),
            refused_names=self._host.names.counts() if self._host.names is not None else {},
        )
        return report.reported(
            whole,
            report.conditions(whole, self._told, uptime),
            boot=self._store.boot,
            seq=seq,
            session=session,
            uptime_ms=uptime,
            sent_at=self._clock.now_ms(),
            spool=self._store.spool_reports(),
            version=self._version,
        )

    def status(self) -> dict[str, Any]:
        """What `hub-agent status` shows: the report, every condition in full, and the conversation's state."""
        told = self._whole_report(self._report_seq, 0)
        shown: dict[str, Any] = msgspec.to_builtins(told)
        shown["conditions"] = [msgspec.structs.asdict(condition) for condition in told.conditions]
        shown["session"] = {"state": str(self.session.state), "problem": self.session.problem}
        shown["reason"] = str(self.board.reason)
        shown["modem_problem"] = self.board.modem.problem
        shown["flash"] = {"commits": self._store.commits, "bytes": written_bytes()}
        return shown

    # History.

    def _event(self, kind: str, severity: Severity, **facts: str) -> None:
        event = Event(
            boot=self._store.boot,
            seq=self._store.next_seq(),
            uptime_ms=self._clock.uptime_ms(),
            kind=kind,
            severity=severity,
            at=self._clock.now_ms(),
            facts=facts,
        )
        try:
            self._store.spool_event(Spooled(event.boot, event.seq, Channel.EVENT.value, event.uptime_ms, encode(event)))
        except StoreError as error:
            _log.error("an event is lost", extra={"kind": kind, "error": str(error)})
        self.session.send_history()

    def _history_grew(self) -> None:
        self.session.send_history()
        self._changed(Change.HISTORY)

    async def _keep_time(self) -> None:
        flushing = asyncio.create_task(self._sampler.flush(), name="spool flush")
        try:
            while True:
                await asyncio.sleep(3600)
                self._keep_floor()
        finally:
            flushing.cancel()

    def _keep_floor(self) -> None:
        try:
            self._store.keep("floor_ms", str(self._clock.floor_ms).encode())
        except StoreError as error:
            _log.error("the time is not kept", extra={"error": str(error)})

    # Lists, doorbell, requests.

    async def _keep_lists(self) -> None:
        """Fetch what the document wants and is not here; again with growing waits while something lacks."""
        wait_s = LIST_RETRY_S
        while True:
            controls, now = self.board.goal.controls, self._clock.now_ms()
            try:
                if controls is not None and now is not None and await self._lists.fetch(controls.lists, now):
                    self._gate.lists_changed()
                wait_s = LIST_RETRY_MOST_S
            except (ListError, StoreError) as error:
                _log.warning("a list could not be had", extra={"error": str(error), "again_in_s": wait_s})
                if isinstance(error, ListError) and error.fetched:
                    self._gate.lists_changed()
            came = await self._asked_for_lists(wait_s * self._random.uniform(0.5, 1.0))
            wait_s = LIST_RETRY_S if came else min(LIST_RETRY_MOST_S, wait_s * 2)

    async def _asked_for_lists(self, seconds: float) -> bool:
        """Wait for a new document or the clock, at most so long; returns whether one came."""
        try:
            async with asyncio.timeout(seconds):
                await self._fetch_lists.wait()
        except TimeoutError:
            return False
        self._fetch_lists.clear()
        return True

    def _restart(self) -> None:
        self.restart_wanted = True
        self.stop()

    def _more_facts(self) -> dict[str, object]:
        return {"session": self.session.state, "flash_commits": self._store.commits, "flash_bytes": written_bytes()}

    def _reconnect(self) -> None:
        self.session.knock()

    def _rang(self) -> None:
        now = self._clock.uptime_ms() / 1000
        if self._rang_at is None or now - self._rang_at >= DOORBELL_S:
            self._rang_at = now
            self.session.knock()


def _waiting(board: Board) -> str:
    """What the hub waits for, "" when it is what the document says."""
    modem, gate = board.modem, board.gate
    if board.goal.revision is None:
        return "a document"
    if not board.goal.internet_on:
        return ""
    if gate.firewall is not None and gate.firewall.open_for_s is not None and gate.filter_status in FILTERING:
        return ""
    return modem.problem or gate.problem or str(board.reason)


def _comparable(told: Reported) -> object:
    """A report without what changes by itself: numbers, times, byte counts, the open element's rest."""
    return (
        told.observed_revision,
        told.identity,
        told.network,
        told.requests,
        told.bearer.up,
        told.bearer.apn,
        told.filter.state,
        told.filter.digest,
        told.filter.level,
        told.filter.reason,
        told.doorbell.rung,
        tuple((c.type, c.status, c.reason) for c in told.conditions),
    )
