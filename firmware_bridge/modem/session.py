"""The conversation behind a driver: questions, what this modem cannot do, its init, its events."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from firmware_bridge.at.channel import Channel, Execute
from firmware_bridge.at.commands import ChannelEvent, Command, Priority, Rebooted, Reply, Unsolicited
from firmware_bridge.errors import (
    BridgeError,
    CommandError,
    CommandTimeoutError,
    ModemSilentError,
    PortLostError,
    ReplyError,
    UnsupportedError,
)
from firmware_bridge.modem.mailbox import EventMailbox
from firmware_bridge.modem.query import Query, Step
from firmware_bridge.types import ModemEvent, ModemEventKind

T = TypeVar("T")
_log = logging.getLogger(__name__)

# TS 27.007 9.2 and TS 27.005 3.2.5: answers that ask for patience. 14 and 314 SIM busy, 515 please wait.
BUSY_CODES = frozenset({14, 314, 515})
BUSY_TRIES = 12
DIRECT_MOST = 16
# Some modems refuse with ERROR whatever needs a SIM, so a change of SIM makes every refusal worth asking again.
_SIM_CHANGES = frozenset({"+CPIN", "+QSIMSTAT", "^SIMST", "+SIMCARD"})
BUSY_WAIT_S = (0.25, 2.0)  # first and longest wait; 12 tries span about 17 s, a SIM at boot takes up to 10
# Codes by which a modem says that it does not know a command or never will: 4 not supported, 3 not allowed is a state.
_UNKNOWN_CODES = frozenset({4})


def busy_wait_s(tries: int, jitter: float) -> float:
    """Seconds before try number `tries` + 1: doubling, bounded, at most a quarter more by `jitter` in 0..1."""
    return min(BUSY_WAIT_S[1], BUSY_WAIT_S[0] * 2.0 ** (tries - 1)) * (1 + jitter / 4)


def is_unsupported(error: CommandError) -> bool:
    """Whether the answer means the command itself: a plain ERROR to a question without parameters, or CME 4."""
    return isinstance(error, UnsupportedError) or error.standard_code in _UNKNOWN_CODES or error.kind == "ERROR"


class Session:
    """Channels to one modem: the first carries the questions, a second (if any) the slow ones and the fail-over.

    Owns the channels. Events of all of them go to one mailbox in which a newer fact replaces an unread one of its kind.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        init: Sequence[Step],
        translate: Callable[[ChannelEvent], Sequence[ModemEvent]],
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._opened = tuple(channels)
        self._channels = list(channels)
        self._init = tuple(init)
        self._translate = translate
        self._jitter = jitter
        self._unsupported: set[str] = set()
        self._refused: list[Step] = []
        self._waiters: list[tuple[Callable[[ChannelEvent], bool], asyncio.Future[ChannelEvent]]] = []
        self.mailbox = EventMailbox()
        # PDUs that came past the storage (+CMT, class 0); the oldest gives way.
        self.direct: deque[str] = deque(maxlen=DIRECT_MOST)
        for channel in self._channels:
            channel.set_init(self._replay)
        self._pumps = [
            asyncio.create_task(self._pump(channel), name=f"modem events {index}")
            for index, channel in enumerate(self._channels)
        ]

    async def execute(self, command: Command, *, priority: Priority = Priority.NORMAL) -> Reply:
        """One command; when the first port is silent the second takes over (the ladder's third rung).

        Raises:
            BridgeError: what `Channel.execute` raises. After PortLostError a second port takes the next command: the
                lost one may have been carried out.
        """
        channel = self._channels[0]
        try:
            return await channel.execute(command, priority=priority)
        except PortLostError:
            self._change_port(channel)
            raise
        except ModemSilentError:  # the command was not sent
            if not self._change_port(channel):
                raise
        return await self._channels[0].execute(command, priority=priority)

    def _change_port(self, failed: Channel) -> bool:
        """Prefer another port to the failed one; False when there is none."""
        others = [channel for channel in self._channels if channel is not failed]
        if others and self._channels[0] is failed:
            _log.warning("the first AT port does not answer, using the second")
            self._channels = [*others, failed]
        return bool(others)

    async def execute_slowly(self, command: Command) -> Reply:
        """A command of minutes (a scan), on the second port when there is one, so that questions go on meanwhile.

        On the first when the second is silent.
        """
        channel = self._channels[-1]
        try:
            return await channel.execute(command, priority=Priority.BACKGROUND)
        except ModemSilentError:  # the command was not sent
            if channel is self._channels[0]:
                raise
        return await self._channels[0].execute(command, priority=Priority.BACKGROUND)

    async def patiently(self, command: Command) -> Reply:
        """The command, asked again while the SIM or the modem is busy: for commands that may be sent twice."""
        for tries in range(1, BUSY_TRIES):
            try:
                return await self.execute(command)
            except CommandError as error:
                if error.standard_code not in BUSY_CODES:
                    raise
            await asyncio.sleep(busy_wait_s(tries, self._jitter()))
        return await self.execute(command)

    async def ask(self, query: Query[T]) -> T:
        """The answer as a typed value.

        Raises:
            UnsupportedError: at once, without a word to the modem, when it has refused this question since its start.
            BridgeError: what the channel raises; ReplyError when the answer does not parse.
        """
        text = query.command.text
        if text in self._unsupported:
            raise UnsupportedError(query.command.shown, kind="not supported by this modem")
        try:
            reply = await self.patiently(query.command)
        except CommandError as error:
            if query.learnable and is_unsupported(error):
                self._unsupported.add(text)
                raise UnsupportedError(error.command, kind=error.kind, code=error.code, text=error.text) from error
            raise
        return query.parse(reply.lines)

    async def ask_first(self, queries: Sequence[Query[T]]) -> T | None:
        """The first answer that can be had; None when the modem refuses them all.

        Raises:
            CommandTimeoutError: none was answered, and one not even by a refusal.
            BridgeError: ModemSilentError, ModemRebootedError, PortLostError: what ends every question.
        """
        late: CommandTimeoutError | None = None
        for query in queries:
            try:
                return await self.ask(query)
            except CommandTimeoutError as error:
                late = error
            except (CommandError, ReplyError) as error:
                _log.debug("no answer to %s: %s", query.command.shown, error)
        if late is not None:
            raise late
        return None

    def knows(self, command: str) -> bool:
        """Whether the modem has not refused this command text since its start."""
        return command not in self._unsupported

    async def initialise(self) -> None:
        """Run the init sequence on every port: echo and error form belong to a port, the rest is harmless twice.

        A second port that does not answer is no failure of the modem.
        """
        for channel in self._channels:
            try:
                await self._replay(channel.execute)
            except (CommandTimeoutError, ModemSilentError, PortLostError) as error:
                if channel is self._channels[0]:
                    raise
                _log.warning("the second AT port took no init: %s", error)

    async def complete_init(self) -> None:
        """Take the refused steps once more: some are refused only until the SIM is ready (+CNMI is the doorbell).

        Call it when the SIM is ready; it says nothing to the modem when nothing was refused since its start.
        """
        while self._refused:
            step = self._refused[0]
            await self._accept_first(self.execute, step)
            if self._refused and self._refused[0] is step:  # a reboot meanwhile made a list of its own
                self._refused.pop(0)

    async def _replay(self, execute: Callable[[Command], Awaitable[Reply]]) -> None:
        self._unsupported.clear()
        self._refused.clear()
        refused = [step for step in self._init if not await self._accept_first(execute, step)]
        self._refused = refused

    @staticmethod
    async def _accept_first(execute: Execute, step: Step) -> bool:
        for command in step.alternatives:
            try:
                await execute(command)
            except CommandError as error:
                _log.debug("init step refused: %s", error)
            else:
                return True
        return False

    async def synchronise(self) -> None:
        """Prove the place in the conversation. Raises ModemSilentError, PortLostError."""
        await self._channels[0].synchronise()

    async def _pump(self, channel: Channel) -> None:
        try:
            async for event in channel.events():
                self._dispatch(event)
        except BridgeError as error:
            self._dispatch_loss(channel, error)

    def _dispatch(self, event: ChannelEvent) -> None:
        for matches, future in self._waiters:
            if not future.done() and matches(event):
                future.set_result(event)
        if isinstance(event, Unsolicited) and event.name == "+CMT" and event.body is not None:
            self.direct.append(event.body)
        if isinstance(event, Rebooted) or (isinstance(event, Unsolicited) and event.name in _SIM_CHANGES):
            self._unsupported.clear()
        for translated in self._translate(event):
            self.mailbox.put(translated)

    def _dispatch_loss(self, channel: Channel, error: BridgeError) -> None:
        """The last port's loss is the modem's; another port's loss is only noted."""
        others = [other for other in self._channels if other is not channel]
        if others:
            _log.warning("lost one of the AT ports: %s", error)
            self._channels = others
            return
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(error)
        self.mailbox.put(ModemEvent(ModemEventKind.PORT_LOST, str(error)))
        self.mailbox.end()

    @contextmanager
    def expecting(self, matches: Callable[[ChannelEvent], bool]) -> Iterator["asyncio.Future[ChannelEvent]"]:
        """A future for the first matching event: enter before the command whose OK comes too early (Q39)."""
        future: asyncio.Future[ChannelEvent] = asyncio.get_running_loop().create_future()
        entry = (matches, future)
        self._waiters.append(entry)
        try:
            yield future
        finally:
            self._waiters.remove(entry)
            if future.done() and not future.cancelled():
                future.exception()  # retrieved: a loss nobody waits for any more is told by the next command
            future.cancel()

    def events(self) -> AsyncIterator[ModemEvent]:
        """What the modem says unasked; ends after PORT_LOST. For one reader."""
        return self.mailbox.read()

    async def close(self) -> None:
        """Close the ports and end the events. Idempotent."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for channel in self._opened:
            await channel.close()
        self.mailbox.end()


def unsolicited(*names: str) -> Callable[[ChannelEvent], bool]:
    """Matches an unsolicited line of one of the names."""
    return lambda event: isinstance(event, Unsolicited) and event.name in names
