"""A hub's SIM seen in equipment it was not assigned to: suspended until a person has looked."""

from dataclasses import dataclass
from datetime import datetime

from controller.domain.facts import DeterminationKind, EquipmentAssignment, Facts, SimSighting, utc
from controller.domain.lookup import is_open_between, latest_determination
from controller.domain.rule_sets import RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityAlarm:
    """A SIM is suspended: where it was seen, since when, and until when a person must have looked."""

    hub_id: str
    imei: str
    seen_at: datetime
    expected: tuple[str, ...]
    review_due_at: datetime
    reason: str


def same_equipment(one: str, other: str) -> bool:
    """Compare two IMEIs or IMEISVs by TAC and serial number; what follows is a check digit or a software version."""
    return one.strip()[:14] == other.strip()[:14]


def _assigned(facts: Facts, sighting: SimSighting) -> list[EquipmentAssignment]:
    return [
        each
        for each in facts.equipment
        if each.hub_id == sighting.hub_id and is_open_between(each.from_at, each.until, sighting.at)
    ]


def identity_alarm(facts: Facts, hub_id: str, at: datetime, rules: RuleSet) -> IdentityAlarm | None:
    """Return the alarm that holds at `at`, if any (policy).

    It holds from the first sighting in an IMEI that was not the hub's at that moment until a named person releases the
    SIM. An assignment recorded later that covers the sighting explains it. Where no IMEI was ever assigned, the first
    one seen is taken as the hub's.
    """
    at = utc(at)
    seen = sorted(
        (each for each in facts.sim_sightings if each.hub_id == hub_id and each.at <= at),
        key=lambda each: (each.at, each.imei),
    )
    if not seen:
        return None
    release = latest_determination(facts, hub_id, frozenset({DeterminationKind.RELEASE_HUB_SIM}), at)
    for each in seen:
        expected = _expected(facts, each, seen)
        is_known = not expected or any(same_equipment(each.imei, imei) for imei in expected)
        if not is_known and (release is None or release.at < each.at):
            return IdentityAlarm(
                hub_id=hub_id,
                imei=each.imei,
                seen_at=each.at,
                expected=expected,
                review_due_at=each.at + rules.identity_review,
                reason="The hub's SIM was seen in equipment it is not assigned to.",
            )
    return None


def _expected(facts: Facts, sighting: SimSighting, seen: list[SimSighting]) -> tuple[str, ...]:
    if any(each.hub_id == sighting.hub_id for each in facts.equipment):
        return tuple(sorted(each.imei for each in _assigned(facts, sighting))) or ("none",)
    return (seen[0].imei,)
