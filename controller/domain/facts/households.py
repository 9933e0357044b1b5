"""Billing accounts, the lines and services they have, and what may be held against them (T§2, 6, 10e iv)."""

from datetime import date, datetime
from enum import StrEnum

from controller.domain.facts.version import Fact


class Jurisdiction(StrEnum):
    """The three sets of bank holidays of the United Kingdom."""

    ENGLAND_AND_WALES = "england_and_wales"
    SCOTLAND = "scotland"
    NORTHERN_IRELAND = "northern_ireland"


class Account(Fact, frozen=True, kw_only=True, gc=False):
    """A billing account; mobile plans and Broadband Backup hang on it (T§3)."""

    account_id: str
    email: str | None = None
    mobile: str | None = None


class Line(Fact, frozen=True, kw_only=True, gc=False):
    """A line at a place; `remote` marks a place a courier usually needs an extra working day for (T§10d)."""

    line_id: str
    landline: str | None = None
    postcode: str | None = None
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES
    remote: bool = False


class Service(Fact, frozen=True, kw_only=True, gc=False):
    """One product on one line and one account for one period.

    A regrade, a move to another account or to another line ends one row (`last_day`) and starts another with the same
    `service_id` on the next day. `last_day` None: no end known.
    """

    service_id: str
    account_id: str
    line_id: str
    product: str
    starts_on: date
    last_day: date | None = None


class LeaveRequest(Fact, frozen=True, kw_only=True, gc=False):
    """A request to leave Plus on one service (T§6); `to_product` None: to another provider or to nothing."""

    service_id: str
    requested_at: datetime
    to_product: str | None = None
    withdrawn_at: datetime | None = None


class SuspicionKind(StrEnum):
    """The grounds of T§10e(iv) and 12d(iii) other than an unpaid bill."""

    NOT_GENUINE = "not_genuine"
    FRAUD = "fraud"
    TERMS_BROKEN = "terms_broken"


class Suspicion(Fact, frozen=True, kw_only=True, gc=False):
    """A reasonable suspicion: it needs recorded grounds and a named person, else it excludes nobody.

    `fault_id` None: it concerns the whole account.
    """

    suspicion_id: str
    account_id: str
    kind: SuspicionKind
    grounds: str
    by: str
    raised_at: datetime
    fault_id: str | None = None
    cleared_at: datetime | None = None


class BillPastDue(Fact, frozen=True, kw_only=True, gc=False):
    """A bill unpaid after its due day (T§10e iv); holds from the day after `due_on` until `paid_at`."""

    bill_id: str
    account_id: str
    due_on: date
    by: str
    grounds: str = "bill unpaid after its due date"
    paid_at: datetime | None = None
