"""osmo-hlr 1.5: a home location register as a carrier's platform (docs/carrier.md).

Theory of operation. The register is read over CTRL and switched over the VTY's network-access-mode, because only that
path tells the serving node to drop a subscriber who is attached: a CTRL write of the same value ends nothing. A VTY
command for a mode that is already set does nothing either (hlr.c skips equal values), so a SIM that somebody else
switched off over CTRL is switched on and off in one write, which cuts what still lives; the register works one
command after the other, so that whoever attaches in between is cut too. Each switch is confirmed by a CTRL read.

The register has no tokens, no webhooks, no plans and no management bearer: a parked SIM reaches nobody. It must listen
on loopback or a private network only, since its interfaces know no passwords.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeVar

from controller.carrier.osmo_pipes import ControlPipe, LostError, Pipe, Pipes, TerminalPipe
from controller.carrier.osmo_wire import WireError, read_info
from controller.carrier.port import (
    Accepted,
    Done,
    HubSetting,
    NotUnderstoodError,
    Observation,
    OperationState,
    RefusedError,
    Setting,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
    UntrustedWebhookError,
    Webhook,
)
from controller.domain.sim import SimState

P = TypeVar("P", bound=Pipe)

CONTROL_PORT: Final = 4259
TERMINAL_PORT: Final = 4258
DEADLINE_S: Final = 10.0
# How many reads of one `read_many` are under way at a time.
READS_AT_ONCE: Final = 64

_MODES: Final = {SimState.ACTIVE: "cs+ps", SimState.PARKED: "cs", SimState.BARRED: "none"}
_STATES: Final = {("1", "1"): SimState.ACTIVE, ("1", "0"): SimState.PARKED, ("0", "0"): SimState.BARRED}
_ABSENT: Final = frozenset({"No such subscriber.", "Invalid value part of 'by-xxx-value' selector."})


class OsmoHlrCarrier:
    """The adapter; one register, two connections, opened when first needed and again after a loss.

    Args:
        host: where the register listens; its ports are fixed in osmo-hlr 1.5, others are for tests.
        imsi_of: returns the IMSI recorded for an ICCID, since a register knows no ICCIDs; None if there is none.
        now: stamps observations. A read is never older than the register, so its instant is its version.
        create: make subscribers the register doesn't know; else asking for one is an UnknownSimError.
    """

    def __init__(
        self,
        host: str,
        *,
        imsi_of: Callable[[str], Awaitable[str | None]],
        now: Callable[[], datetime],
        create: bool = False,
        control_port: int = CONTROL_PORT,
        terminal_port: int = TERMINAL_PORT,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._imsi_of, self._now, self._create, self._deadline_s = imsi_of, now, create, deadline_s
        self._control = Pipes(ControlPipe, host, control_port)
        self._terminal = Pipes(TerminalPipe, host, terminal_port)
        self._version = 0

    @property
    def management_bearer(self) -> bool:
        """A register knows on and off only: a parked SIM reaches nobody."""
        return False

    async def close(self) -> None:
        """Close both connections. Safe to call twice."""
        self._control.close()
        self._terminal.close()
        # The loop tells an aborted transport in its next turn.
        await asyncio.sleep(0)

    async def ask(self, iccid: str, setting: Setting) -> Accepted | Done:
        """Switch the SIM and read it back. Raises RefusedError for a plan: a register has none."""
        if not isinstance(setting, HubSetting):
            raise RefusedError("a home location register knows no plans and no allowances")
        imsi = await self._imsi(iccid)
        is_off = setting.state is not SimState.ACTIVE
        before = await self._state_or_create(imsi) if is_off or self._create else None
        if before is not setting.state:
            await self._switch(imsi, _MODES[setting.state])
        elif is_off:
            await self._switch(imsi, _MODES[SimState.ACTIVE], _MODES[setting.state])
        try:
            return Done(self._observation(iccid, imsi, await self._state(imsi)))
        except UnreachableError as error:
            raise UnknownOutcomeError("the register was switched and could not be read") from error

    async def read(self, iccid: str) -> Observation:
        """Read one SIM; never lags."""
        imsi = await self._imsi(iccid)
        return self._observation(iccid, imsi, await self._state(imsi))

    async def read_many(self, iccids: Sequence[str]) -> tuple[Observation, ...]:
        """Read several SIMs, pipelined on one connection; unknown ones are left out."""
        found: list[Observation] = []
        for start in range(0, len(iccids), READS_AT_ONCE):
            reads = (self._read_known(iccid) for iccid in iccids[start : start + READS_AT_ONCE])
            found += [each for each in await asyncio.gather(*reads) if each is not None]
        return tuple(found)

    async def progress(self, operation: str) -> OperationState:
        """A register is done when it answers, and remembers nothing."""
        del operation
        return OperationState.FORGOTTEN

    async def listen(self, callback: str, secret: str) -> None:
        """Raise RefusedError: a register sends no webhooks, so it is read."""
        del callback, secret
        raise RefusedError("a home location register sends no webhooks: use --callback-url none")

    def read_webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Webhook:
        """Raise UntrustedWebhookError: whoever sent this is not the register."""
        del headers, body, secret
        raise UntrustedWebhookError("a home location register sends no webhooks")

    async def _read_known(self, iccid: str) -> Observation | None:
        try:
            return await self.read(iccid)
        except UnknownSimError:
            return None

    async def _imsi(self, iccid: str) -> str:
        imsi = await self._imsi_of(iccid)
        # Digits only: it becomes a part of a command.
        if imsi is None or not (imsi.isascii() and imsi.isdigit()):
            raise UnknownSimError("no IMSI is recorded for this SIM: record it, a register knows nothing else")
        return imsi

    async def _state_or_create(self, imsi: str) -> SimState:
        try:
            return await self._state(imsi)
        except UnknownSimError:
            if not self._create:
                raise
        # A new subscriber may use everything until switched: parked at once, in the order of the two connections.
        await self._control_call("SET", "subscriber.create", imsi, changes=True)
        await self._switch(imsi, _MODES[SimState.PARKED])
        return await self._state(imsi)

    async def _state(self, imsi: str) -> SimState:
        info = read_info(await self._control_call("GET", f"subscriber.by-imsi-{imsi}.info"))
        if info.get("imsi") != imsi:
            raise NotUnderstoodError("the register told of another subscriber")
        # Packet service alone is a mode that nobody here sets; whoever did wants data to flow.
        return _STATES.get((info.get("nam_cs", ""), info.get("nam_ps", "")), SimState.ACTIVE)

    async def _switch(self, imsi: str, *modes: str) -> None:
        """Set the modes one after the other, in one write."""
        lines = [f"subscriber imsi {imsi} update network-access-mode {mode}" for mode in modes]
        pipe = await self._open(self._terminal)
        with _no_answer(pipe, changes=True):
            async with asyncio.timeout(self._deadline_s):
                answers = await asyncio.gather(*(pipe.send(line) for line in lines))
        for answer in answers:
            # The text names the IMSI, so it is not repeated.
            if "No subscriber" in answer:
                raise UnknownSimError("the register knows no such subscriber")
            if answer:
                raise RefusedError("the register's terminal refused to switch the subscriber")

    async def _control_call(self, verb: str, variable: str, value: str = "", *, changes: bool = False) -> str:
        pipe = await self._open(self._control)
        with _no_answer(pipe, changes=changes):
            async with asyncio.timeout(self._deadline_s):
                reply = await pipe.send(verb, variable, value)
        if reply.error:
            if reply.value in _ABSENT:
                raise UnknownSimError("the register knows no such subscriber")
            raise RefusedError(f"the register refused: {reply.value[:80]}")
        return reply.value

    async def _open(self, pipes: Pipes[P]) -> P:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await pipes.open()
        except (OSError, LostError, WireError) as error:  # TimeoutError is an OSError
            raise UnreachableError(f"the register can't be reached ({type(error).__name__}: {error})") from error

    def _observation(self, iccid: str, imsi: str, state: SimState) -> Observation:
        now = self._now()
        self._version = max(self._version + 1, int(now.timestamp() * 1_000_000))
        return Observation(iccid=iccid, setting=HubSetting(state), version=self._version, at=now, imsi=imsi)


@contextmanager
def _no_answer(pipe: Pipe, *, changes: bool) -> Iterator[None]:
    """Translate the loss of an answer; a connection that is silent for too long is given up with all who wait."""
    try:
        yield
    except WireError as error:
        kind = UnknownOutcomeError if changes else NotUnderstoodError
        raise kind(f"the register's answer is not understood: {error}") from error
    except (LostError, TimeoutError) as error:
        if isinstance(error, TimeoutError):
            pipe.fail(LostError("the register is silent"))
        lost = UnknownOutcomeError if changes else UnreachableError
        raise lost(f"the register's answer was lost ({type(error).__name__})") from error
