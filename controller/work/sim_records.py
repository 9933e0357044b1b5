"""What is written of SIMs before and after a call: what is owed of each, the operation, its outcome, what was seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import update
from sqlmodel import Session, col, select

from controller.carrier.port import Accepted, Done, HubSetting, Observation, PlanSetting, Setting
from controller.domain.sim import SimState as State
from controller.services import owed, sims
from controller.services.actor import Actor
from controller.services.bulk import Bulk
from controller.services.owed import Claim
from controller.tables.owed import Owed
from controller.tables.sims import Operation, SimState


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


def prepare(session: Session, actor: Actor, now: datetime, *, claims: Sequence[Claim]) -> list[Step | None]:
    """Say what to do for SIMs now, and write the operation of each call; None, and settled, where nothing is owed."""
    del actor
    found = sims.look_many(session, [claim.key for claim in claims])
    asked = {id_: work.intended for id_, work in found.items() if _is_to_ask(work)}
    begun = sims.begin_many(session, now, asked)
    steps = [_step(found.get(claim.key), begun.get(claim.key)) for claim in claims]
    over = {claim: None for claim, step in zip(claims, steps, strict=True) if step is None}
    owed.settle_many(session, over)
    return steps


def _is_to_ask(work: sims.SimWork) -> bool:
    # An open operation's outcome is not known: it is read before anything is asked again.
    return work.open_operation is None and bool(work.intended) and not work.matches


def _step(work: sims.SimWork | None, operation_id: str | None) -> Step | None:
    if work is None:
        return None
    if work.open_operation is not None:
        return Read(work, work.open_operation)
    if operation_id is None:
        return None
    return Ask(operation_id, work.iccid, setting_of(work.intended), work.is_safe_direction)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the carrier answered to a call, and when to look at an accepted change without a webhook."""

    claim: Claim
    operation_id: str
    told: Accepted | Done
    again: datetime


def record_answers(session: Session, actor: Actor, now: datetime, *, items: Sequence[Answer]) -> list[None]:
    """Record what the carrier did, or will."""
    outcomes = {each.operation_id: _outcome(each.told) for each in items}
    sims.end_many(session, now, outcomes)
    _wait(session, {each.claim: each.again for each in items if isinstance(each.told, Accepted)})
    # First the claims, then the observations: one that does not match owes a new look.
    owed.settle_many(session, {each.claim: None for each in items if isinstance(each.told, Done)})
    shown = [each.told.observation for each in items if isinstance(each.told, Done)]
    sims.observe_many(session, actor, now, [seen_of(observation) for observation in shown])
    return [None] * len(items)


def _outcome(told: Accepted | Done) -> sims.Outcome:
    return sims.Outcome("accepted", told.operation) if isinstance(told, Accepted) else sims.Outcome("done")


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
        sims.observe_many(session, actor, now, [seen_of(observation)])
        return
    if again is None:
        sims.end(session, actor, now, operation_id=step.operation.id, outcome="refused", error="read: not in effect")
    undisturbed = _wait(session, {claim: again or now})
    if observed_words(observation) != step.work.observed:
        # News that is not what is intended owes a look at once; the same words again must not, or it would spin.
        sims.observe_many(session, actor, now, [seen_of(observation)])
    if undisturbed and again is not None:
        # What was asked for is on its way all the same: the look keeps its time.
        _plan(session, claim, again)


def waiting_for_effect(
    session: Session, actor: Actor, now: datetime, *, until: datetime, beside: str, limit: int
) -> list[str]:
    """Return the ICCIDs of other SIMs whose accepted change is to be looked at by `until`, the most urgent first."""
    del actor, now
    statement = (
        select(SimState.iccid)
        .join(Owed, (col(Owed.noun) == sims.NOUN) & (col(Owed.key) == SimState.id))
        .join(Operation, col(Operation.sim_id) == SimState.id)
        .where(col(Operation.ended_at).is_(None), Operation.outcome == "accepted", SimState.id != beside)
        .where(Owed.due <= until, col(Owed.parked_at).is_(None))
        .order_by(col(Owed.deadline).is_(None), col(Owed.deadline), SimState.iccid)
    )
    # One SIM may have two changes under way; the page holds it once.
    return list(dict.fromkeys(session.exec(statement.limit(2 * limit))))[:limit]


def seen_of(observation: Observation) -> sims.Seen:
    """Translate an observation; late and repeated ones are told by their version."""
    return sims.Seen(
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
        return HubSetting(State(words["state"]))
    return PlanSetting(words["allowance_mb"], words["tier"], words["backup"])


def observed_words(observation: Observation) -> dict[str, Any]:
    """Translate the port's words into the services'."""
    setting = observation.setting
    if isinstance(setting, HubSetting):
        return {"state": setting.state.value}
    return {"allowance_mb": setting.allowance_mb, "tier": setting.speed_tier, "backup": setting.backup}


def _wait(session: Session, looks: Mapping[Claim, datetime]) -> bool:
    """End claims until their next looks; False if one was marked meanwhile.

    They keep their deadlines: what may have to be asked anew is as urgent.
    """
    given = [(held.noun, held.key, held.version, held.until, at, held.deadline) for held, at in looks.items()]
    undisturbed = not given or _WAIT.run(session, given).rowcount == len(given)
    if not undisturbed:
        # Those that were marked meanwhile are let go, and stay due; the others are held no more.
        owed.settle_many(session, dict.fromkeys(looks))
    return undisturbed


def _plan(session: Session, claim: Claim, at: datetime) -> None:
    mine = (col(Owed.noun) == claim.noun) & (col(Owed.key) == claim.key)
    session.connection().execute(update(Owed).where(mine).values(due=at, deadline=claim.deadline))


_WAIT: Final = Bulk(
    {
        "noun": "text",
        "key": "text",
        "version": "bigint",
        "until": "instant",
        "again": "instant",
        "deadline": "instant",
    },
    "UPDATE owed SET due = r.again, deadline = r.deadline, claimed_until = NULL, attempts = 0, last_error = NULL"
    " FROM {rows} WHERE owed.noun = r.noun AND owed.key = r.key AND owed.claimed_until = r.until"
    " AND owed.version = r.version",
)
