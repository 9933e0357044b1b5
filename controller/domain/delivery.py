"""When a Mini Hub that is sent usually arrives (T§10d)."""

from dataclasses import dataclass
from datetime import date, datetime

from controller.domain.facts import Line, utc
from controller.domain.london import LONDON, local_day
from controller.domain.rule_sets import RuleSet
from controller.domain.working_days import is_working_day, working_days_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An estimate, never a promise: the words say so. Through the letterbox, nobody signs."""

    usually_on: date
    wording: str
    by_letterbox: bool = True
    needs_signature: bool = False

    @property
    def by_day(self) -> str:
        """The day as an order and its notices name it."""
        return f"by {self.usually_on:%A} {self.usually_on.day} {self.usually_on:%B}"


def delivery_estimate(line: Line, reported_at: datetime, diagnostics_ended_at: datetime, rules: RuleSet) -> Delivery:
    """Estimate the delivery of a hub sent at the end of diagnostics (T§10d).

    Usually the next working day after diagnostics; a day later where the fault was reported after the cut-off or on no
    working day and diagnostics ended that same day, and for a remote place. Bank holidays are the destination's.
    """
    reported = utc(reported_at).astimezone(LONDON)
    ended_on = local_day(utc(diagnostics_ended_at))
    is_late = reported.time() > rules.delivery.cut_off or not is_working_day(reported.date(), line.jurisdiction)
    days = rules.delivery.days + (1 if is_late and reported.date() == ended_on else 0)
    days += rules.delivery.remote_extra_days if line.remote else 0
    day = working_days_after(ended_on, days, line.jurisdiction)
    return Delivery(usually_on=day, wording=f"It usually arrives by {day:%A} {day.day} {day:%B %Y}.")
