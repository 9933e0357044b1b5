"""SIMs at the carrier: what is owed now, one call within the account's lane, what was observed.

The operation is written before the call, so a crash after the effect leaves a call without an outcome: that, like a
lost answer, is read before anything is asked again. An accepted change is waited for by webhook, and polled ever more
rarely.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlmodel import Session

from controller.carrier.lane import Lane
from controller.carrier.port import (
    Accepted,
    BusyError,
    Carrier,
    CarrierError,
    Done,
    HubSetting,
    NotUnderstoodError,
    Observation,
    OperationState,
    PlanSetting,
    RefusedError,
    Setting,
    ThrottledError,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
)
from controller.domain.sim import SimState
from controller.services import lanes, owed, sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.errors import NotFoundError
from controller.services.owed import Claim
from controller.work.loop import settle

ACTOR: Final = Actor.system("work.sims")
BUSY_PAUSE: Final = timedelta(seconds=5)
LONGEST_POLL: Final = timedelta(minutes=5)
# A change that is not in effect by then is asked about: the platform may have dropped it.
ASK_PROGRESS_AFTER: Final = timedelta(seconds=60)
# A platform takes up to half an hour until a change is in effect (docs/carrier.md).
EFFECT_BY: Final = timedelta(minutes=35)
FAILED: Final = frozenset({OperationState.FAILED, OperationState.FORGOTTEN})
ENDED: Final = FAILED | {OperationState.COMPLETED}
LANE_LEASE: Final = timedelta(seconds=30)
LANE_RETRY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the carrier for the setting, under this operation."""

    operation_id: str
    iccid: str
    setting: Setting
    never_parks: bool


@dataclass(frozen=True, slots=True)
class Read:
    """Read the SIM: the outcome of `operation` is not known."""

    work: sims.SimWork
    operation: sims.OperationView

    @property
    def is_asked_for(self) -> bool:
        """Whether the operation asked for what is still intended; another may yet take effect against it."""
        return self.operation.asked == self.work.intended


Step = Ask | Read


class Sims:
    """Handles one row of noun "sims". `first_poll` is how soon an accepted change is looked at without a webhook."""

    def __init__(
        self,
        database: Database,
        carrier: Carrier,
        lane: Lane,
        now: Callable[[], datetime],
        *,
        account: str,
        holder: str,
        first_poll: timedelta,
    ) -> None:
        self._database, self._carrier, self._lane, self._now = database, carrier, lane, now
        self._account, self._holder, self._first_poll = account, holder, first_poll
        self._held_until: datetime | None = None
        self._log = structlog.get_logger("controller.work").bind(noun=sims.NOUN)

    async def gate(self) -> float:
        """Return how long to wait before claiming: the lane is held back, or another process holds it."""
        if (closed := self._lane.held_for()) > 0:
            return closed
        now = self._now()
        if self._held_until is not None and self._held_until - now > LANE_LEASE / 2:
            return 0.0
        held = await self._database.run(
            lanes.hold, actor=ACTOR, now=now, account=self._account, holder=self._holder, lease=LANE_LEASE
        )
        self._held_until = now + LANE_LEASE if held else None
        return 0.0 if held else LANE_RETRY_S

    async def release(self) -> None:
        """Let the lane go, so that another process need not wait for the lease."""
        if self._held_until is not None:
            self._held_until = None
            await self._run(lanes.release, account=self._account, holder=self._holder)

    async def handle(self, claim: Claim) -> None:
        """Do the next step for one SIM."""
        async with self._lane.turn():
            step = await self._run(prepare, claim=claim)
            if step is None:
                self._lane.give_back()
            elif isinstance(step, Ask):
                await self._ask(claim, step)
            else:
                await self._read(claim, step)

    async def _ask(self, claim: Claim, step: Ask) -> None:
        try:
            result = await self._carrier.ask(step.iccid, step.setting)
        except (UnknownOutcomeError, NotUnderstoodError) as error:
            self._lane.failed()
            self._log.warning("carrier_outcome_unknown", operation=step.operation_id, error=str(error))
            # Due at once: the next look reads.
            await self._run(record_unknown, claim=claim, operation_id=step.operation_id, error=str(error))
        except CarrierError as error:
            self._blame(error)
            await self._run(
                record_refused,
                claim=claim,
                operation_id=step.operation_id,
                error=str(error),
                never_parks=step.never_parks or _passes(error),
                after=_pause(error),
            )
        else:
            self._lane.worked()
            again = self._now() + self._first_poll
            await self._run(record_answer, claim=claim, operation_id=step.operation_id, answer=result, again=again)

    async def _read(self, claim: Claim, step: Read) -> None:
        try:
            progress = await self._progress(step)
            observation = await self._carrier.read(step.work.iccid)
        except CarrierError as error:
            self._blame(error)
            safe = step.work.is_safe_direction or _passes(error)
            await self._run(record_failure, claim=claim, error=str(error), never_parks=safe, after=_pause(error))
            return
        self._lane.worked()
        as_intended = observed_words(observation) == step.work.intended
        settled = as_intended and (step.is_asked_for or progress in ENDED)
        again = None if settled else self._poll(step, progress, as_intended=as_intended)
        await self._run(record_read, claim=claim, step=step, observation=observation, settled=settled, again=again)

    async def _progress(self, step: Read) -> OperationState | None:
        """Say how an accepted change goes, once it is late or no longer wanted; None: not asked."""
        operation = step.operation
        late = self._now() - operation.begun_at >= ASK_PROGRESS_AFTER
        if operation.reference is None or not (late or not step.is_asked_for):
            return None
        progress = await self._carrier.progress(operation.reference)
        await self._lane.pace()  # for the second call of this turn
        return progress

    def _poll(self, step: Read, progress: OperationState | None, *, as_intended: bool) -> datetime | None:
        """Return when to look again; None: now, by asking anew."""
        now = self._now()
        if step.operation.outcome == "accepted":
            over = progress in (FAILED if step.is_asked_for else ENDED)
        else:
            # As it should be, but a call of another intent may still take effect: watch until it no longer can.
            over = not as_intended or now - step.operation.begun_at > EFFECT_BY
        if over:
            return None
        return now + min(max(now - step.operation.begun_at, self._first_poll), LONGEST_POLL)

    def _blame(self, error: CarrierError) -> None:
        if isinstance(error, ThrottledError):
            self._lane.hold(error.retry_after_s)
        elif isinstance(error, UnreachableError):
            self._lane.failed()
        else:
            self._lane.worked()
        self._log.warning("carrier_call_failed", kind=type(error).__name__, error=str(error))

    async def _run(self, f: Callable[..., Any], **kwargs: Any) -> Any:
        return await self._database.run(f, actor=ACTOR, now=self._now(), **kwargs)


def prepare(session: Session, actor: Actor, now: datetime, *, claim: Claim) -> Step | None:
    """Say what to do for the SIM now, and write the operation of a call; None, and settled, if nothing is owed."""
    try:
        work = sims.look(session, actor, now, sim_id=claim.key)
    except NotFoundError:
        settle(session, actor, now, claim=claim)
        return None
    if work.open_operation is not None:
        return Read(work, work.open_operation)
    if work.matches or not work.intended:
        settle(session, actor, now, claim=claim)
        return None
    operation_id = sims.begin(session, actor, now, sim_id=work.sim_id, asked=work.intended)
    return Ask(operation_id, work.iccid, setting_of(work.intended), work.is_safe_direction)


def record_answer(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    claim: Claim,
    operation_id: str,
    answer: Accepted | Done,
    again: datetime,
) -> None:
    """Record that the carrier did it, or will."""
    if isinstance(answer, Accepted):
        sims.end(session, actor, now, operation_id=operation_id, outcome="accepted", reference=answer.operation)
        owed.settle(session, claim, again=again)
        return
    sims.end(session, actor, now, operation_id=operation_id, outcome="done")
    # First the claim, then the observation: one that does not match owes a new look.
    owed.settle(session, claim)
    observe(session, actor, now, observation=answer.observation)


def record_unknown(
    session: Session, actor: Actor, now: datetime, *, claim: Claim, operation_id: str, error: str
) -> None:
    """Record that nobody knows whether it happened."""
    sims.end(session, actor, now, operation_id=operation_id, outcome="unknown", error=error)
    owed.postpone(session, claim, error, now, safe_direction=True)


def record_refused(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    claim: Claim,
    operation_id: str,
    error: str,
    never_parks: bool,
    after: timedelta | None,
) -> None:
    """Record that nothing happened, and why."""
    sims.end(session, actor, now, operation_id=operation_id, outcome="refused", error=error)
    owed.postpone(session, claim, error, now, safe_direction=never_parks, after=after)


def record_failure(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    claim: Claim,
    error: str,
    never_parks: bool,
    after: timedelta | None,
) -> None:
    """Record that the SIM could not be read."""
    del actor
    owed.postpone(session, claim, error, now, safe_direction=never_parks, after=after)


def record_read(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    claim: Claim,
    step: Read,
    observation: Observation,
    settled: bool,
    again: datetime | None,
) -> None:
    """Record what was read of a SIM with an open operation, which is over if the SIM is not looked at `again`."""
    if settled:
        sims.end(session, actor, now, operation_id=step.operation.id, outcome="done")
        owed.settle(session, claim)
        observe(session, actor, now, observation=observation)
        return
    if again is None:
        sims.end(session, actor, now, operation_id=step.operation.id, outcome="refused", error="read: not in effect")
    owed.settle(session, claim, again=again or now)
    if observed_words(observation) != step.work.observed:
        # News that is not what is intended owes a look at once; the same words again must not, or it would spin.
        observe(session, actor, now, observation=observation)


def observe(session: Session, actor: Actor, now: datetime, *, observation: Observation) -> bool:
    """Take one observation in; late and repeated ones are told by their version."""
    return sims.observe(
        session,
        actor,
        now,
        iccid=observation.iccid,
        observed=observed_words(observation),
        version=observation.version,
        at=observation.at,
        seen_imei=observation.seen_imei,
        counted_mb=observation.counted_use_mb,
        uncounted_mb=observation.uncounted_use_mb,
    )


def setting_of(words: dict[str, Any]) -> Setting:
    """Translate the services' words into the port's."""
    if "state" in words:
        return HubSetting(SimState(words["state"]))
    return PlanSetting(words["allowance_mb"], words["tier"], words["backup"])


def observed_words(observation: Observation) -> dict[str, Any]:
    """Translate the port's words into the services'."""
    setting = observation.setting
    if isinstance(setting, HubSetting):
        return {"state": setting.state.value}
    return {"allowance_mb": setting.allowance_mb, "tier": setting.speed_tier, "backup": setting.backup}


def _passes(error: CarrierError) -> bool:
    """Say that the error passes by itself: such work is never set aside."""
    return not isinstance(error, RefusedError | UnknownSimError)


def _pause(error: CarrierError) -> timedelta | None:
    if isinstance(error, ThrottledError):
        return timedelta(seconds=error.retry_after_s)
    return BUSY_PAUSE if isinstance(error, BusyError) else None
