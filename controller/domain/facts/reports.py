"""What customers report, what was found about it, decided by people, and told (T§10, 12)."""

from datetime import datetime
from enum import StrEnum

from controller.domain.facts.version import Fact


class Symptom(StrEnum):
    """What the customer says is wrong."""

    NO_SERVICE = "no_service"
    DROPPING = "dropping"
    OTHER = "other"


class Fault(Fact, frozen=True, kw_only=True, gc=False):
    """What a customer, or someone for them, reported; a line event never opens one."""

    fault_id: str
    line_id: str
    reported_at: datetime
    symptom: Symptom = Symptom.OTHER
    channel: str = "phone"
    reporter: str = "account_holder"
    resolved_at: datetime | None = None


class Observation(Fact, frozen=True, kw_only=True, gc=False):
    """A result of diagnostics; `rule_sets.OBSERVATION_MEANINGS` says what a (kind, result) bears on."""

    fault_id: str
    kind: str
    result: str
    at: datetime


class DiagnosticsFinished(Fact, frozen=True, kw_only=True, gc=False):
    """The tests of a fault are done; a visit still to come (`engineer_booked`) holds no benefit up (T§10d, 12c)."""

    fault_id: str
    at: datetime
    engineer_booked: bool = False


class DeterminationKind(StrEnum):
    """What a named person may determine."""

    FAULT_QUALIFIES = "fault_qualifies"
    FAULT_DOES_NOT_QUALIFY = "fault_does_not_qualify"
    CAUSE_IS_LINE = "cause_is_line"
    CAUSE_IS_OUTAGE = "cause_is_outage"
    CAUSE_IS_HOME = "cause_is_home"
    CAUSE_IS_EQUIPMENT = "cause_is_equipment"
    GOODWILL_REACTIVATION = "goodwill_reactivation"
    GRANT_REPLACEMENT = "grant_replacement"
    SEND_NEW_HUB = "send_new_hub"
    WITHDRAW_DESPITE_USE = "withdraw_despite_use"
    RELEASE_HUB_SIM = "release_hub_sim"


class Determination(Fact, frozen=True, kw_only=True, gc=False):
    """A named person's discretion with a reason.

    `subject_id` is a fault for most kinds; a line for GRANT_REPLACEMENT; a hub for RELEASE_HUB_SIM. Without a name or a
    reason it has no effect.
    """

    determination_id: str
    kind: DeterminationKind
    subject_id: str
    by: str
    reason: str
    at: datetime
    withdrawn_at: datetime | None = None


class NoticeKind(StrEnum):
    """The service notices an ending depends on."""

    SWITCH_OFF_ANNOUNCED = "switch_off_announced"
    SWITCHED_OFF = "switched_off"


class EndingNotice(Fact, frozen=True, kw_only=True, gc=False):
    """The customer is told that a benefit ends, and when (T§10f, 12e); `names_time` is the switch-off it names."""

    fault_id: str
    sent_at: datetime
    delivered_at: datetime | None = None
    undeliverable_at: datetime | None = None
    names_time: datetime | None = None
    kind: NoticeKind = NoticeKind.SWITCH_OFF_ANNOUNCED
