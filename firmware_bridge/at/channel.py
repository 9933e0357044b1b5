"""The one place of `at` that knows asyncio: a port, its commands one at a time, and its events in order."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, TypeAlias

from firmware_bridge.at.assembly import Counts
from firmware_bridge.at.commands import (
    ChannelEvent,
    Command,
    Priority,
    Rebooted,
    Reply,
    Resynchronised,
    Unsolicited,
    UrcTable,
)
from firmware_bridge.at.connection import (
    Answered,
    Connection,
    ProbeAnswered,
    PromptSeen,
)
from firmware_bridge.at.deadlines import deadline_for
from firmware_bridge.at.event_buffer import LIMIT, EventBuffer
from firmware_bridge.at.handover import Handover
from firmware_bridge.at.judgement import judged
from firmware_bridge.at.resync import Outcome, ResyncTiming
from firmware_bridge.at.turns import Turns
from firmware_bridge.at.urcs import GENERIC
from firmware_bridge.errors import (
    BridgeError,
    CommandTimeoutError,
    ModemRebootedError,
    ModemSilentError,
    PortLostError,
)
from firmware_bridge.transport import LookingTransport, PushTransport, Transport

Execute: TypeAlias = Callable[[Command], Awaitable[Reply]]
InitHook: TypeAlias = Callable[[Execute], Awaitable[None]]

_STARTS = frozenset({"RDY", "^SYSSTART"})  # the first words of a start: a command in flight is lost
REBOOT_GRACE_S = 5.0  # a command in flight at a later word of a start (APP RDY) is answered soon or not at all
INIT_TRIES = 3  # runs of the init hook after one reboot; then commands go on without it
TICK_S = 1e-6  # a timer may come a rounding error before its time
# While answers come within QUICK_S, the next is looked for on the spot: a turn of the loop costs more than a quick
# modem takes. Such a row ends ROW_S after the loop's last turn, and a look after GLANCE_S: other tasks wait for the sum
# of both at most, 7 ms, and a modem that turned slow makes them wait once.
QUICK_S = 1e-3
ROW_S = 2e-3
ESCAPE_GUARD_S = 1.1  # silence before and behind +++ (V.250 S12 is 1 s)

_read_deadline = lru_cache(maxsize=64)(deadline_for)


@dataclass(slots=True)
class ChannelCounts:
    """Counters of the channel itself; `connection` has those of the conversation."""

    connection: Counts
    timeouts: int = 0
    cancelled: int = 0
    silent: int = 0
    init_failures: int = 0


class Channel:
    """A port and the modem behind it: made inside a running loop; owns the transport from then on.

    await channel.execute(Command("AT+CSQ", Prefixed("+CSQ")))    one command in flight, others wait their turn
    async for event in channel.events(): ...    Unsolicited | Rebooted | Resynchronised | EventsLost, in order
    channel.set_init(hook)    after a recognised reboot `await hook(execute)` runs before the next command

    A command that timed out or was cancelled after it was written leaves the port quarantined: the next caller first
    proves the place (`at.resync`), so that no late answer is ever taken for another command's. `in_step=True` asserts
    that nothing is owed when the port is opened (a scripted peer); by default the first command proves that too.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        urcs: UrcTable = GENERIC,
        timing: ResyncTiming | None = None,
        in_step: bool = False,
        first_probe: int | None = None,
        events_limit: int = LIMIT,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._timing = timing or ResyncTiming()
        number = Random().getrandbits(16) if first_probe is None else first_probe
        self._connection = Connection(urcs, timing=self._timing, first_probe=number, in_step=in_step)
        self._turns = Turns()
        self._buffer = EventBuffer(urcs, events_limit)
        self._arrived = asyncio.Event()
        self._answer: Handover[Answered] | None = None
        self._asked = Command("AT")
        self._outcome: asyncio.Future[Outcome] | None = None
        self._deadline = 0.0
        self._watched = float("inf")
        self._watchdog: asyncio.TimerHandle | None = None
        self._loss: PortLostError | None = None
        self._init: InitHook | None = None
        self._init_tries = 0
        self._initialised_at = 0
        self._pump: asyncio.Task[None] | None = None
        self._glance = transport.look if isinstance(transport, LookingTransport) else None
        self._quick_s = QUICK_S if self._glance is not None else 0.0
        self._row_ends = 0.0
        self.counts = ChannelCounts(self._connection.counts)
        if isinstance(transport, PushTransport):
            transport.listen(self._received, self._port_lost)
        else:
            self._pump = self._loop.create_task(self._read_on(), name=f"read {transport.name}")

    @property
    def name(self) -> str:
        """The port's name."""
        return self._transport.name

    @property
    def healthy(self) -> bool:
        """Whether the port is there and the place in the conversation is known."""
        return self._loss is None and not self._connection.quarantined

    @property
    def coalesced_events(self) -> int:
        """Events that gave way to a newer one of their kind before they were read."""
        return self._buffer.coalesced

    @property
    def lost_events(self) -> int:
        """Events that did not fit; each loss was also told in the stream by EventsLost."""
        return self._buffer.lost

    async def execute(self, command: Command, *, priority: Priority = Priority.NORMAL) -> Reply:
        """Send and wait for the final result; the reply always ended in OK or CONNECT.

        Safe to cancel at any await: a command that was already written is then treated like one that timed out. The
        deadline counts from the write; waiting for the turn and finding the place are not in it.

        Raises:
            CommandError: a failure result (code and text in it); UnsupportedError for an unknown command.
            CommandTimeoutError: no final result in time; the effect is unknown.
            ModemRebootedError: the modem started anew meanwhile; the effect is unknown.
            ReplyError: OK came without the declared lines.
            ModemSilentError: the port could not be resynchronised before this command, which was not sent.
            PortLostError: the port hung up.
        """
        start = self._loop.time()
        heard = None
        if start < self._row_ends and self._is_free:
            heard = self._ask_on_the_spot(command)
            if (reply := self._connection.reply_at_once(command, heard)) is not None:
                return reply
        if not self._turns.take_free():
            await self._turns.take(priority)
        try:
            if heard is not None:
                return await self._exchange(command, start, heard)
            connection = self._connection
            if connection.quarantined or connection.online or (self._init_tries and self._init_due):
                await self._prepare()
            return await self._exchange(command, self._loop.time())
        finally:
            self._turns.give()

    async def synchronise(self) -> None:
        """See to it that the next answer is the next command's; a probe proves it unless it is known.

        Raises ModemSilentError, PortLostError.
        """
        await self._turns.take(Priority.URGENT)
        try:
            await self._find_place()
        finally:
            self._turns.give()

    def events(self) -> "Events":
        """The ordered, bounded stream of events, for one reader; ends by raising PortLostError at hang-up."""
        return Events(self)

    def set_init(self, hook: InitHook) -> None:
        """What to run on this port after a recognised reboot, before anything else (ATE0, +CMEE=1, +CREG=2 …).

        The hook must use the `execute` it is given: it has the port's turn already.
        """
        self._init = hook

    async def close(self) -> None:
        """Close the port; whoever waits gets PortLostError. Idempotent."""
        self._port_lost(PortLostError(self._transport.name, "closed"))
        if self._watchdog is not None:
            self._watchdog.cancel()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.wait([pump])
        self._transport.close()

    async def next_event(self) -> ChannelEvent:
        """The next event; raises PortLostError when the port is gone and all events were taken."""
        while (event := self._buffer.take()) is None:
            if self._loss is not None:
                raise self._loss
            self._arrived.clear()
            await self._arrived.wait()
        return event

    # One exchange

    @property
    def _is_free(self) -> bool:
        """Whether a command may be written here and now; until the next await nobody else can come in between."""
        connection = self._connection
        return not (self._turns.busy or connection.quarantined or connection.online or self._init_tries)

    def _ask_on_the_spot(self, command: Command) -> bytes:
        """Write, and what a glance then sees. The connection learns of the command only when that is not all of it."""
        assert self._glance is not None
        self._write(command.wire)
        try:
            return self._glance()
        except BaseException:
            self._connection.send(command)
            self._connection.abandon()
            raise

    async def _exchange(self, command: Command, start: float, heard: bytes | None = None) -> Reply:
        """One exchange from `start`; `heard` is what came since, None when the command is yet to be written."""
        if self._loss is not None:
            raise self._loss
        connection = self._connection
        answer = self._expect(command, start)
        try:
            data = connection.send(command)
            if heard is None:
                # No drain: an answer proves that the command has left, and the deadline covers a port that takes none.
                self._write(data)
            elif heard:
                self._received(heard)
                if answer.done():
                    return judged(answer.result())
            answered = await answer
            now = self._loop.time()
            self._row_ends = now + ROW_S if now - start < self._quick_s else 0.0
            return judged(answered)
        except TimeoutError:
            self.counts.timeouts += 1
            raise CommandTimeoutError(command.shown, _allowed_s(command)) from None
        except asyncio.CancelledError:
            self.counts.cancelled += 1
            raise
        finally:
            self._answer = None
            connection.abandon()

    def _expect(self, command: Command, start: float) -> Handover[Answered]:
        """Where the answer is handed over, by the deadline."""
        self._asked = command
        self._answer = answer = Handover[Answered](self._loop)
        self._deadline = start + _allowed_s(command)
        if self._deadline < self._watched:
            self._watch(self._deadline)
        return answer

    def _watch(self, deadline: float) -> None:
        """One timer serves all commands: it is moved only when a deadline lies before it."""
        self._deadline = deadline
        if deadline < self._watched:
            if self._watchdog is not None:
                self._watchdog.cancel()
            self._watched = deadline
            self._watchdog = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._watched = float("inf")
        if self._answer is None or self._answer.done():
            return
        if self._loop.time() + TICK_S >= self._deadline:
            self._answer.fail(TimeoutError())
        else:
            self._watch(self._deadline)

    def _write(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except PortLostError as loss:
            self._port_lost(loss)
            raise

    # Before an exchange

    @property
    def _init_due(self) -> bool:
        return self._init_tries > 0 and self._init is not None

    async def _prepare(self) -> None:
        await self._find_place()
        for _ in range(INIT_TRIES):
            if not self._init_due or self._init is None:
                return
            self._init_tries -= 1
            reboots = self._connection.counts.reboots
            try:
                await self._init(self._execute_now)
            except (PortLostError, ModemSilentError, ModemRebootedError):
                raise  # the next command tries again
            except BridgeError:
                self.counts.init_failures += 1
            else:
                self._init_tries = 0 if reboots == self._connection.counts.reboots else INIT_TRIES
            await self._find_place()

    async def _execute_now(self, command: Command) -> Reply:
        """What the init hook gets: the port is already its own."""
        await self._find_place()
        return await self._exchange(command, self._loop.time())

    async def _find_place(self) -> None:
        if self._loss is not None:
            raise self._loss
        if not (self._connection.quarantined or self._connection.online):
            return
        self._connection.start_proof()
        probes = 0
        try:
            async with asyncio.timeout(self._timing.total_s):
                while self._connection.quarantined or self._connection.online:
                    probes += await self._probe(probes)
        except TimeoutError:
            raise self._silent(probes) from None

    async def _probe(self, probes: int) -> int:
        if self._connection.online:
            await self._leave_data_mode()
        probe = self._connection.next_probe()
        if probe is None:
            raise self._silent(probes)
        self._outcome = self._loop.create_future()
        self._write(probe.data)
        await self._transport.drain()
        await self._await_outcome(probe.window_s)
        return 1

    async def _await_outcome(self, window_s: float) -> None:
        """Until the probe is answered rightly, or its window has passed; something else heard grants a little more."""
        while True:
            assert self._outcome is not None
            try:
                async with asyncio.timeout(window_s):
                    outcome = await self._outcome
            except TimeoutError:
                self._connection.probe_unanswered()
                return
            if outcome is not Outcome.MISFIT or self._connection.online:
                return
            self._outcome = self._loop.create_future()
            window_s = self._timing.settle_s

    async def _leave_data_mode(self) -> None:
        """V.250 5.2 and the Hayes escape: silence, +++, silence."""
        await asyncio.sleep(ESCAPE_GUARD_S)
        self._write(b"+++")
        await self._transport.drain()
        await asyncio.sleep(ESCAPE_GUARD_S)
        self._connection.leave_data_mode()

    def _silent(self, probes: int) -> ModemSilentError:
        self.counts.silent += 1
        return ModemSilentError(self._transport.name, probes)

    # What arrives

    def _received(self, data: bytes) -> None:
        connection = self._connection
        connection.receive_data(data)
        events = connection.events
        answered = None
        while events:
            event = events.popleft()
            if isinstance(event, Answered):
                answered = event
            else:
                self._dispatch(event)
        if answered is not None and self._answer is not None:
            self._answer.give(answered)  # at the end: whoever waits goes on before this returns

    def _dispatch(self, event: ProbeAnswered | PromptSeen | Unsolicited | Rebooted | Resynchronised) -> None:
        if isinstance(event, ProbeAnswered):
            self._probe_answered(event.outcome)
        elif isinstance(event, PromptSeen):
            self._send_payload(event.payload)
        else:
            if isinstance(event, Rebooted):
                self._rebooted(event)
            self._buffer.put(event)
            self._arrived.set()

    def _probe_answered(self, outcome: Outcome) -> None:
        if self._outcome is not None:
            if self._outcome.done():  # several results in one chunk: the newest counts
                self._outcome = self._loop.create_future()
            self._outcome.set_result(outcome)

    def _send_payload(self, payload: bytes) -> None:
        try:
            self._transport.write(payload)
        except PortLostError as loss:
            self._port_lost(loss)

    def _rebooted(self, event: Rebooted) -> None:
        self._init_tries = INIT_TRIES
        if self._answer is None or self._answer.done() or event.evidence == "echo":
            return
        if event.evidence in _STARTS:
            # Soon, not now: an answer that came in the same octets counts.
            error = ModemRebootedError(self._asked.shown, event.evidence)
            self._loop.call_soon(self._answer.fail, error)
        else:
            self._watch(min(self._deadline, self._loop.time() + REBOOT_GRACE_S))

    def _port_lost(self, loss: PortLostError) -> None:
        self._row_ends = 0.0
        if self._loss is None:
            self._loss = loss
            if self._answer is not None:
                self._answer.fail(loss)
            _fail(self._outcome, loss)
            self._arrived.set()

    async def _read_on(self) -> None:
        try:
            while True:
                self._received(await self._transport.read())
        except PortLostError as loss:
            self._port_lost(loss)


class Events:
    """An endless iterator over a channel's events; needs no closing."""

    __slots__ = ("_channel",)

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> ChannelEvent:
        return await self._channel.next_event()


def _fail(waiting: asyncio.Future[Any] | None, error: BridgeError) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_exception(error)
        waiting.exception()  # whoever waits gets it; if nobody does, it is no accident worth a log line


def _allowed_s(command: Command) -> float:
    if command.deadline_s is not None:
        return command.deadline_s
    # Parameters may be secret, so only a text without them is remembered.
    return deadline_for(command.text) if "=" in command.text else _read_deadline(command.text)
