"""Rights and duties about personal data (P; UK GDPR where marked)."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import partial

from msgspec.structs import replace

from controller.domain.decisions import Decision, Outcome, Question
from controller.domain.facts import Fact, Jurisdiction, utc
from controller.domain.london import add_months, day_ends, day_starts, local_day
from controller.domain.lookup import is_open_between
from controller.domain.permission import decide_permission
from controller.domain.rule_sets import RuleSet

ACCESS = 'P "Accessing and updating"'
SERVICES = 'P "To provide you with products and services"'
FRAUD_CHECKS = 'P "To run credit and fraud prevention checks"'
LEGAL = 'P "To meet our legal and regulatory obligations"'
MARKETING = 'P "To market to you"'
FRAUD_MARKER_YEARS = 6


_permit = partial(
    decide_permission,
    contest="If you disagree, tell us or our data protection officer, and a person will look at it again. You can also"
    " complain to the Information Commissioner's Office. This does not affect your other legal rights.",
)


class RequestKind(StrEnum):
    """What a person asks about their data; both run on the same clock."""

    COPY = "copy"
    CORRECTION = "correction"


class RefusalGround(StrEnum):
    """The only grounds on which such a request may be refused (P "Accessing and updating")."""

    REPETITIVE = "repetitive"
    NO_RIGHT = "no_right"
    EXCESSIVE = "excessive"
    HARMFUL_TO_OTHERS = "harmful_to_others"
    FORBIDDEN_BY_LAW = "forbidden_by_law"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequestDue:
    """The clock of one request; it is free of charge. `acknowledge_with` is the date to tell the requester."""

    kind: RequestKind
    received_on: date
    due_on: date
    acknowledge_with: date
    is_extended: bool
    charge_pence: int = 0


def request_due(
    kind: RequestKind,
    received_at: datetime,
    *,
    is_complex: bool = False,
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES,
) -> DataRequestDue:
    """Return when a request must be answered (UK GDPR Art. 12(3)).

    The corresponding date one month on, clamped to the month's end, three for a complex one, counted in one step from
    receipt; then the next working day.
    """
    # The bank holidays' tables are large, and few processes ever need them.
    from controller.domain.working_days import working_day_from

    received_on = local_day(utc(received_at))
    due_on = working_day_from(add_months(received_on, 3 if is_complex else 1), jurisdiction)
    return DataRequestDue(
        kind=kind, received_on=received_on, due_on=due_on, acknowledge_with=due_on, is_extended=is_complex
    )


def answer_owed(request_id: str, due: DataRequestDue, at: datetime, rules: RuleSet) -> Decision:
    """Decide that a request is owed an answer, free, and by when: what the acknowledgement says (UK GDPR Art. 12)."""
    decision = _permit(
        Question.DATA_REQUEST,
        request_id,
        is_permitted=True,
        clause=ACCESS,
        code="answer_due",
        reason=f"We answer free of charge by {due.acknowledge_with:%A} {due.due_on.day} {due.due_on:%B %Y}.",
        at=at,
        rules=rules,
    )
    inputs = {"kind": due.kind.value, "received_on": due.received_on.isoformat(), "is_extended": due.is_extended}
    return replace(decision, outcome=Outcome.OWED, due_at=day_ends(due.due_on), inputs=inputs)


def may_extend(due: DataRequestDue, told_on: date) -> bool:
    """Say whether an extension may still be made: the person must be told within the first month (Art. 12(3))."""
    return told_on <= request_due(due.kind, day_starts(due.received_on)).due_on


def may_refuse(
    request_id: str, ground: RefusalGround | None, explanation: str, at: datetime, rules: RuleSet
) -> Decision:
    """Decide whether a request may be refused: on a ground of the list, and explained to the requester."""
    code = "no_ground" if ground is None else ground.value if explanation.strip() else "not_explained"
    reason = {
        "no_ground": "There is no ground to refuse this request.",
        "not_explained": "A refusal must be explained to the person who asked.",
    }.get(code, explanation)
    is_allowed = ground is not None and bool(explanation.strip())
    return _permit(
        Question.DATA_REQUEST,
        request_id,
        is_permitted=is_allowed,
        clause=ACCESS,
        code=code,
        reason=reason,
        at=at,
        rules=rules,
    )


def fraud_marker_ends_on(placed_on: date) -> date:
    """Return the last day a fraud marker may be kept: six years on, 29 February clamped down."""
    return add_months(placed_on, 12 * FRAUD_MARKER_YEARS)


def may_keep_fraud_marker(subject: str, placed_on: date, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether a fraud marker may still be kept: six years at most."""
    is_kept, last = keeps_fraud_marker(placed_on, at), fraud_marker_ends_on(placed_on)
    return _permit(
        Question.DATA_REQUEST,
        subject,
        is_permitted=is_kept,
        clause=FRAUD_CHECKS,
        code="marker_kept" if is_kept else "marker_expired",
        reason=f"A fraud marker placed on {placed_on.isoformat()} is kept until {last.isoformat()} at the latest.",
        at=at,
        rules=rules,
    )


def keeps_fraud_marker(placed_on: date, at: datetime) -> bool:
    """Say whether a fraud marker may still be kept at `at`; suspicion of one fault never becomes one."""
    return utc(at) < day_ends(fraud_marker_ends_on(placed_on))


class VulnerableGround(StrEnum):
    """On what a vulnerable marker may rest (P "To provide you with products and services")."""

    PERMISSION = "permission"
    LEGAL = "legal"
    REGULATORY = "regulatory"


def may_mark_vulnerable(subject: str, ground: VulnerableGround | None, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether a vulnerable marker may be recorded: by permission, or a legal or regulatory reason."""
    code = "no_ground" if ground is None else ground.value
    reason = "Ask for permission first." if ground is None else f"Recorded on this ground: {code}."
    return _permit(
        Question.DATA_REQUEST,
        subject,
        is_permitted=ground is not None,
        clause=SERVICES,
        code=code,
        reason=reason,
        at=at,
        rules=rules,
    )


def shows_vulnerable_marker(*, is_own_copy: bool, is_demanded_by_law: bool) -> bool:
    """Say whether a copy of data shows the marker: the person's own does, another only where law demands."""
    return is_own_copy or is_demanded_by_law


class PowerOfAttorney(Fact, frozen=True, kw_only=True, gc=False):
    """An attorney recorded against an account, for the actions named (empty: all)."""

    account_id: str
    attorney: str
    from_at: datetime
    until: datetime | None = None
    actions: frozenset[str] = frozenset()


def may_act(powers: tuple[PowerOfAttorney, ...], account_id: str, person: str, action: str, at: datetime) -> bool:
    """Say whether a person other than the holder may act on an account (P, glossary of Power of Attorney).

    Where a power is in force only its attorneys act, each within what it names; without one nobody else does.
    """
    return any(
        each.account_id == account_id
        and each.attorney == person
        and is_open_between(each.from_at, each.until, utc(at))
        and (not each.actions or action in each.actions)
        for each in powers
    )


def may_act_for(
    powers: tuple[PowerOfAttorney, ...], account_id: str, person: str, action: str, *, at: datetime, rules: RuleSet
) -> Decision:
    """Decide `may_act`, with its reason."""
    is_permitted = may_act(powers, account_id, person, action, at)
    return _permit(
        Question.ACTING,
        account_id,
        is_permitted=is_permitted,
        clause=SERVICES,
        code="attorney" if is_permitted else "no_power",
        reason="A Power of Attorney that covers this is recorded."
        if is_permitted
        else "No Power of Attorney that covers this is recorded for this person.",
        at=at,
        rules=rules,
    )


class MessageKind(StrEnum):
    """Two kinds of message that never mix."""

    SERVICE = "service"
    MARKETING = "marketing"


def may_send(
    recipient: str, kind: MessageKind, at: datetime, rules: RuleSet, *, opted_in: bool, promotes: bool
) -> Decision:
    """Decide whether a message may go out.

    A service notice goes whatever somebody opted out of, but may promote nothing. Marketing needs an opt-in, and this
    system has no path that sends any.
    """
    code = "service_notice" if kind is MessageKind.SERVICE else "opted_in" if opted_in else "opted_out"
    if kind is MessageKind.SERVICE and promotes:
        code = "promotes"
    is_allowed = code in {"service_notice", "opted_in"}
    reason = {
        "service_notice": "It tells the customer about their service.",
        "promotes": "A service notice may promote nothing.",
        "opted_in": "The person agreed to marketing.",
        "opted_out": "The person did not agree to marketing.",
    }[code]
    clause = SERVICES if kind is MessageKind.SERVICE else MARKETING
    return _permit(
        Question.NOTICE, recipient, is_permitted=is_allowed, clause=clause, code=code, reason=reason, at=at, rules=rules
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureRequest:
    """Somebody outside asks for personal data. The assurances are what the requester gave in writing."""

    request_id: str
    requester: str
    scope: str
    approver: str
    legal_basis: str = ""
    is_compulsory: bool = False
    is_lawful: bool = False
    is_proportionate: bool = False
    assures_security: bool = False
    assures_use: bool = False
    assures_keeping: bool = False
    is_vital_interest: bool = False
    is_secret: bool = False


def missing_for(request: DisclosureRequest) -> tuple[str, ...]:
    """Name what a disclosure still lacks (P "To meet our legal and regulatory obligations")."""
    needed = ["requester", "scope", "approver"]
    if request.is_compulsory:
        needed.append("legal_basis")
    elif not request.is_vital_interest:
        needed += ["is_lawful", "is_proportionate", "assures_security", "assures_use", "assures_keeping"]
    return tuple(name for name in needed if not str(getattr(request, name) or "").strip())


def may_disclose(request: DisclosureRequest, at: datetime, rules: RuleSet) -> Decision:
    """Decide on a disclosure: compulsory, to protect a life, or lawful, proportionate and assured."""
    missing = missing_for(request)
    ground = "compulsory" if request.is_compulsory else "vital_interest" if request.is_vital_interest else "assured"
    reason = f"Still missing: {', '.join(missing)}." if missing else f"Disclosed on this ground: {ground}."
    code = "incomplete" if missing else ground
    return _permit(
        Question.DISCLOSURE,
        request.request_id,
        is_permitted=not missing,
        clause=LEGAL,
        code=code,
        reason=reason,
        at=at,
        rules=rules,
    )


def in_subjects_copy(request: DisclosureRequest) -> bool:
    """Say whether a disclosure stands in the subject's own copy: a secret one does not."""
    return not request.is_secret
