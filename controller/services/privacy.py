"""What may be done with somebody's data: decided by the rules, written down, and nothing stored or sent here (P).

The systems that answer, disclose or mark ask first. What was asked in words stays out of the audit.
"""

from datetime import date, datetime

from sqlmodel import Session

from controller.domain import privacy
from controller.domain.decisions import Decision
from controller.domain.facts import Jurisdiction
from controller.domain.privacy import (
    DisclosureRequest,
    MessageKind,
    PowerOfAttorney,
    RefusalGround,
    RequestKind,
    VulnerableGround,
)
from controller.domain.rule_sets import RuleSet
from controller.services import journal, versions
from controller.services.actor import Actor
from controller.services.errors import UnprocessableError
from controller.tables.accounts import Account


def data_request(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    account_id: str,
    kind: RequestKind,
    received_at: datetime | None = None,
    is_complex: bool = False,
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES,
) -> Decision:
    """Decide by when a request for a copy or a correction is owed its answer. Raises NotFoundError."""
    del actor
    rules = _asked_about(session, account_id, now)
    if received_at is not None and received_at > now:
        raise UnprocessableError("a request can't lie in the future", remedy="send received_at up to now")
    due = privacy.request_due(kind, received_at or now, is_complex=is_complex, jurisdiction=jurisdiction)
    return _written_down(session, account_id, privacy.answer_owed(account_id, due, now, rules))


def refusal(
    session: Session, actor: Actor, now: datetime, *, account_id: str, ground: RefusalGround | None, explanation: str
) -> Decision:
    """Decide whether such a request may be refused. Raises NotFoundError."""
    del actor
    rules = _asked_about(session, account_id, now)
    return _written_down(session, account_id, privacy.may_refuse(account_id, ground, explanation, now, rules))


def vulnerable_marker(
    session: Session, actor: Actor, now: datetime, *, account_id: str, ground: VulnerableGround | None
) -> Decision:
    """Decide whether a vulnerable marker may be recorded. Raises NotFoundError."""
    del actor
    rules = _asked_about(session, account_id, now)
    return _written_down(session, account_id, privacy.may_mark_vulnerable(account_id, ground, now, rules))


def fraud_marker(session: Session, actor: Actor, now: datetime, *, account_id: str, placed_on: date) -> Decision:
    """Decide whether a fraud marker may still be kept. Raises NotFoundError."""
    del actor
    rules = _asked_about(session, account_id, now)
    return _written_down(session, account_id, privacy.may_keep_fraud_marker(account_id, placed_on, now, rules))


def attorney(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    account_id: str,
    person: str,
    action: str,
    powers: tuple[PowerOfAttorney, ...],
) -> Decision:
    """Decide whether somebody else may act on an account, by the powers that are recorded. Raises NotFoundError."""
    del actor
    rules = _asked_about(session, account_id, now)
    decision = privacy.may_act_for(powers, account_id, person, action, at=now, rules=rules)
    return _written_down(session, account_id, decision)


def message(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    account_id: str,
    kind: MessageKind,
    opted_in: bool = False,
    promotes: bool = False,
) -> Decision:
    """Decide whether a message may go to an account's holder. Raises NotFoundError."""
    del actor
    rules = _asked_about(session, account_id, now)
    decision = privacy.may_send(account_id, kind, now, rules, opted_in=opted_in, promotes=promotes)
    return _written_down(session, account_id, decision)


def disclosure(
    session: Session, actor: Actor, now: datetime, *, account_id: str, request: DisclosureRequest
) -> Decision:
    """Decide whether somebody outside may be given an account's data. Raises NotFoundError."""
    del actor
    rules = _asked_about(session, account_id, now)
    return _written_down(session, account_id, privacy.may_disclose(request, now, rules))


def _asked_about(session: Session, account_id: str, now: datetime) -> RuleSet:
    versions.present(session, Account, account_id)
    return journal.policy_of(session).rules_at(now)


def _written_down(session: Session, account_id: str, decision: Decision) -> Decision:
    what = {"question": decision.question.value, "outcome": decision.outcome.value, "code": decision.code}
    journal.audited(session, "account", account_id, "privacy_asked", **what)
    return decision
