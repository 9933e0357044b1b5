"""SIMs at the carrier: one call within the account's lane for what is owed now, and what was observed.

The operation is written before the call, so a crash after the effect leaves a call without an outcome: that, like a
lost answer, is read before anything is asked again. An accepted change is waited for by webhook, and polled ever more
rarely. What is written before and after a call is `controller.work.sim_records`.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from controller.carrier.lane import Lane
from controller.carrier.port import (
    BusyError,
    Carrier,
    CarrierError,
    NotUnderstoodError,
    Observation,
    OperationState,
    RefusedError,
    ThrottledError,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
)
from controller.services import lanes, sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.owed import Claim
from controller.work.loop import Work
from controller.work.sim_records import (
    Answer,
    Ask,
    Read,
    Step,
    observed_words,
    prepare,
    record_answers,
    record_failure,
    record_read,
    record_refused,
    record_unknown,
    waiting_for_effect,
)
from controller.work.together import Together, each

ACTOR: Final = Actor.system("work.sims")
BUSY_PAUSE: Final = timedelta(seconds=5)
LONGEST_POLL: Final = timedelta(minutes=5)
# A change that is not in effect by then is asked about: the platform may have dropped it.
ASK_PROGRESS_AFTER: Final = timedelta(minutes=5)
# A platform takes up to half an hour until a change is in effect (docs/carrier.md).
EFFECT_BY: Final = timedelta(minutes=35)
FAILED: Final = frozenset({OperationState.FAILED, OperationState.FORGOTTEN})
ENDED: Final = FAILED | {OperationState.COMPLETED}
LANE_LEASE: Final = timedelta(seconds=30)
LANE_RETRY_S: Final = 2.0
LANE_HELD: Final = "the carrier's lane is held"
# How long before its call a row is claimed: what claiming and preparing take.
LEAD_S: Final = 0.05
# A claim is not kept over a longer pause of the lane: it would run out.
LONGEST_WAIT_S: Final = 5.0
# One list page, of SIMs that are to be looked at by then; what it shows of the others is believed so long.
PAGE: Final = 50
CALLS_A_PAGE: Final = 20
PAGE_AHEAD: Final = timedelta(seconds=1)
PAGE_LASTS: Final = timedelta(seconds=5)


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
        self._records = Together(database, ACTOR, now, each)
        self._answers = Together(database, ACTOR, now, record_answers)
        self._account, self._holder, self._first_poll = account, holder, first_poll
        self._held_until: datetime | None = None
        # What the last list page showed of others than the SIM it was read for.
        self._page: dict[str, tuple[Observation, datetime]] = {}
        self._log = structlog.get_logger("controller.work").bind(noun=sims.NOUN)

    def work(self) -> Work:
        """Return the loop's description: as many at a time as the account allows."""
        return Work(sims.NOUN, self._lane.limits.concurrency, self.handle, self.gate, prepare)

    async def gate(self) -> float:
        """Return how long to wait before claiming: the lane is not due yet, or another process holds it.

        What is claimed only when its call may begin is what is nearest to its deadline by then.
        """
        if not self._page and (early := self._lane.due_in() - LEAD_S) > 0:
            return early
        now = self._now()
        if self._held_until is not None and self._held_until - now > LANE_LEASE / 2:
            return 0.0
        held = await self._database.run(
            lanes.hold, actor=ACTOR, now=now, account=self._account, holder=self._holder, lease=LANE_LEASE
        )
        if held and self._held_until is None and self._lane.limits.calls_per_s is not None:
            # Whoever held it before may have called a moment ago.
            self._lane.hold(1 / self._lane.limits.calls_per_s)
        self._held_until = now + LANE_LEASE if held else None
        return 0.0 if held else LANE_RETRY_S

    async def release(self) -> None:
        """Let the lane go, so that another process need not wait for the lease."""
        if self._held_until is not None:
            self._held_until = None
            await self._database.run(
                lanes.release, actor=ACTOR, now=self._now(), account=self._account, holder=self._holder
            )

    async def handle(self, claim: Claim, step: Step) -> None:
        """Do the next step for one SIM, or give it back if the lane was held meanwhile."""
        async with self._lane.place():
            if isinstance(step, Read) and (seen := self._seen(step)) is not None:
                await self._record_read(claim, step, None, seen)
            elif not await self._lane.pace(within_s=LONGEST_WAIT_S):
                await self._give_back(claim, step)
            elif isinstance(step, Ask):
                await self._ask(claim, step)
            else:
                await self._read(claim, step)

    async def _give_back(self, claim: Claim, step: Step) -> None:
        """Nothing was asked; look again when the lane opens."""
        after = timedelta(seconds=self._lane.due_in())
        if isinstance(step, Read):
            await self._record(record_failure, claim=claim, error=LANE_HELD, never_parks=True, after=after)
            return
        operation = {"operation_id": step.operation_id, "error": LANE_HELD}
        await self._record(record_refused, claim=claim, **operation, never_parks=True, after=after)

    async def _ask(self, claim: Claim, step: Ask) -> None:
        try:
            result = await self._carrier.ask(step.iccid, step.setting)
        except (UnknownOutcomeError, NotUnderstoodError) as error:
            self._lane.failed()
            self._log.warning("carrier_outcome_unknown", operation=step.operation_id, error=str(error))
            # Due at once: the next look reads.
            await self._record(record_unknown, claim=claim, operation_id=step.operation_id, error=str(error))
        except CarrierError as error:
            self._blame(error)
            await self._record(
                record_refused,
                claim=claim,
                operation_id=step.operation_id,
                error=str(error),
                never_parks=step.never_parks or _passes(error),
                after=_pause(error),
            )
        else:
            self._lane.worked()
            again = self._on_the_grid(self._now() + self._first_poll)
            await self._answers.add(Answer(claim, step.operation_id, result, again))

    async def _read(self, claim: Claim, step: Read) -> None:
        try:
            progress = await self._progress(step)
            observation = await self._look_at(step)
        except CarrierError as error:
            self._blame(error)
            safe = step.work.is_safe_direction or _passes(error)
            await self._record(record_failure, claim=claim, error=str(error), never_parks=safe, after=_pause(error))
            return
        self._lane.worked()
        await self._record_read(claim, step, progress, observation)

    async def _record_read(
        self, claim: Claim, step: Read, progress: OperationState | None, observation: Observation
    ) -> None:
        as_intended = observed_words(observation) == step.work.intended
        settled = as_intended and (step.is_asked_for or progress in ENDED)
        again = None if settled else self._poll(step, progress, as_intended=as_intended)
        await self._record(record_read, claim=claim, step=step, observation=observation, settled=settled, again=again)

    async def _look_at(self, step: Read) -> Observation:
        """Read the SIM: alone when an outcome is unknown, else on one page with others whose change is waited for."""
        if step.operation.outcome != "accepted":
            return await self._carrier.read(step.work.iccid)
        until = self._now() + PAGE_AHEAD
        wanted = {"until": until, "beside": step.work.sim_id, "limit": PAGE - 1}
        others = await self._database.run(waiting_for_effect, actor=ACTOR, now=self._now(), **wanted)
        page = await self._carrier.read_many([step.work.iccid, *others])
        found = {each.iccid: (each, self._now()) for each in page}
        mine = found.pop(step.work.iccid, None)
        self._page = found
        if mine is None:
            raise UnknownSimError("the carrier's list leaves the SIM out")
        return mine[0]

    def _seen(self, step: Read) -> Observation | None:
        """Return what the last page showed of this SIM, if its change was waited for then; each is used once."""
        now = self._now()
        self._page = {iccid: each for iccid, each in self._page.items() if now - each[1] <= PAGE_LASTS}
        seen = self._page.pop(step.work.iccid, None)
        usable = seen is not None and step.operation.outcome == "accepted" and step.operation.begun_at <= seen[1]
        return seen[0] if seen is not None and usable and not self._asks_progress(step) else None

    async def _progress(self, step: Read) -> OperationState | None:
        """Say how an accepted change goes, once it is late or no longer wanted; None: not asked."""
        reference = step.operation.reference
        if reference is None or not self._asks_progress(step):
            return None
        progress = await self._carrier.progress(reference)
        await self._lane.pace()  # for the second call of this turn
        return progress

    def _asks_progress(self, step: Read) -> bool:
        late = self._now() - step.operation.begun_at >= ASK_PROGRESS_AFTER
        return step.operation.reference is not None and (late or not step.is_asked_for)

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
        return self._on_the_grid(now + min(max(now - step.operation.begun_at, self._first_poll), LONGEST_POLL))

    def _on_the_grid(self, at: datetime) -> datetime:
        """Return the next common instant for looking: those who look together share a page."""
        rate = self._lane.limits.calls_per_s
        if rate is None:
            return at
        grid = CALLS_A_PAGE / rate
        return datetime.fromtimestamp(math.ceil(at.timestamp() / grid) * grid, UTC)

    def _blame(self, error: CarrierError) -> None:
        if isinstance(error, ThrottledError):
            self._lane.hold(error.retry_after_s)
        elif isinstance(error, UnreachableError):
            self._lane.failed()
        else:
            self._lane.worked()
        self._log.warning("carrier_call_failed", kind=type(error).__name__, error=str(error))

    async def _record(self, f: Callable[..., Any], **arguments: Any) -> None:
        await self._records.add((f, arguments))


def _passes(error: CarrierError) -> bool:
    """Say that the error passes by itself: such work is never set aside."""
    return not isinstance(error, RefusedError | UnknownSimError)


def _pause(error: CarrierError) -> timedelta | None:
    if isinstance(error, ThrottledError):
        return timedelta(seconds=error.retry_after_s)
    return BUSY_PAUSE if isinstance(error, BusyError) else None
