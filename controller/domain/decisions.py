"""A decision: what was asked, what came out, on which clause and why, in words a customer understands."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from msgspec import Struct, field

CONTEST = (
    "If you disagree, tell us what we have missed and a person will look at it again. "
    "This does not affect your statutory or other legal rights (T§15)."
)


class Basis(StrEnum):
    """Where an outcome comes from."""

    TEXT = "text"
    READING = "reading"
    OPERATOR = "operator"
    POLICY = "policy"


class Question(StrEnum):
    """What a decision answers."""

    BROADBAND_BENEFITS = "broadband_benefits"
    MOBILE_BENEFITS = "mobile_benefits"
    QUALIFIES = "qualifies"
    MINI_HUB = "mini_hub"
    BACKUP = "backup"
    PRICE_RISE = "price_rise"
    HUB_SIM = "hub_sim"
    ENDING = "ending"
    SUPPORT = "support"
    DATA_REQUEST = "data_request"
    DISCLOSURE = "disclosure"
    NOTICE = "notice"
    ACTING = "acting"
    CHANGE = "change"


class Outcome(StrEnum):
    """Every outcome there is; `reason` says which of the ways to it was taken."""

    ENTITLED = "entitled"
    NOT_ENTITLED = "not_entitled"
    QUALIFIES = "qualifies"
    DOES_NOT_QUALIFY = "does_not_qualify"
    NOT_YET_KNOWN = "not_yet_known"
    PERSON_DECIDES = "person_decides"
    DISPATCH = "dispatch"
    REACTIVATE = "reactivate"
    HOLD = "hold"
    REFUSED = "refused"
    OWED = "owed"
    NOT_OWED = "not_owed"
    NOT_USABLE_ABROAD = "not_usable_abroad"
    PERMITTED = "permitted"
    FORBIDDEN = "forbidden"


InputValue = str | int | bool | None | tuple[str, ...]


class Decision(Struct, frozen=True, kw_only=True, gc=False):
    """One answer at one instant.

    `code` is a stable word for the reason (`outage`, `fewer_than_threshold`, …), `target` the hub or SIM it acts on,
    `flags` what a person should look at without holding the outcome up, `due_at` a deadline the outcome carries,
    `inputs` what it rests on.
    """

    question: Question
    subject: str
    outcome: Outcome
    clause: str
    basis: Basis
    code: str
    reason: str
    at: datetime
    rule_set: str
    target: str | None = None
    due_at: datetime | None = None
    flags: tuple[str, ...] = ()
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    contest: str = CONTEST

    def aimed_at(self, target: str) -> "Decision":
        """Return the same answer for one hub or SIM; `replace` takes three times as long, and every SIM asks."""
        return Decision(
            question=self.question,
            subject=self.subject,
            outcome=self.outcome,
            clause=self.clause,
            basis=self.basis,
            code=self.code,
            reason=self.reason,
            at=self.at,
            rule_set=self.rule_set,
            target=target,
            due_at=self.due_at,
            flags=self.flags,
            inputs=self.inputs,
            contest=self.contest,
        )


_PLAIN = frozenset({str, int, bool, float, type(None)})
JsonValue = str | int | float | bool | list["JsonValue"] | dict[str, "JsonValue"] | None


def to_json(value: object) -> JsonValue:
    """Turn a value of this room into plain JSON data; instants become RFC 3339, sets become sorted lists."""
    if type(value) in _PLAIN:
        return value  # type: ignore[return-value]  # what is of these very types is JSON already
    if isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, StrEnum) else value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        # Most of what a decision rests on is plain: it needs no step of its own.
        return {str(key): item if type(item) in _PLAIN else to_json(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return [to_json(item) for item in sorted(value)]
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, Struct):
        return {name: to_json(getattr(value, name)) for name in value.__struct_fields__}
    if is_dataclass(value):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form here")
