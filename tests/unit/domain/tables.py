"""Reads decision tables (tests/data/decisions) and answers their rows with the public functions of the domain.

A row is one inline table. Offsets such as "-24h", "+1d2h30m0.5s" are relative to `report`, the row's or the file's.
Short forms: drops ["-1h"], lost/gained ["source:kind@-1h"], obs ["kind:result@+5m"], det ["kind[:subject]@+1h"],
outage ["from..until"], susp ["fraud@+1h..+2h"] (`fraud*` for the whole account), bills ["2026-01-31..+2h"],
hubs ["h1@-30d"] (`~` still in the post), loss ["h1:stolen@-1d"], brand ["h1:not_bt_branded@-1d"], told ["+2h"],
abroad ["m1@-1d..+1d"]; anything else as facts = {kind = [{…}]}. `known` evaluates with what was known then; a trailing
" !+3h" is the recording instant.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

from msgspec.structs import fields

from controller.domain import facts as f
from controller.domain.rule_sets import RuleSet, rules_at

DATA = Path(__file__).parents[2] / "data" / "decisions"
KINDS: dict[str, type[f.Fact]] = {
    each.name: get_args(get_type_hints(f.Facts)[each.name])[0] for each in fields(f.Facts)
}
_OFFSET = re.compile(r"([+-])(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?")


def offset(text: str) -> timedelta:
    found = _OFFSET.fullmatch(text)
    assert found, f"{text!r} is no offset"
    sign, days, hours, minutes, seconds = found.groups()
    span = timedelta(days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0))
    return span if sign == "+" else -span


class Row:
    """One row: its facts, its instants, its expectation."""

    def __init__(self, raw: dict[str, Any], header: dict[str, Any], worlds: dict[str, Any]) -> None:
        self.raw = raw
        self.name: str = raw["name"]
        self.expect: str = raw["expect"]
        self.report: datetime = raw.get("report", header["report"])
        self.ask: str = raw.get("ask", header.get("ask", ""))
        self.at = self.instant(raw.get("at", header.get("at", "+0m")))
        self.world: dict[str, Any] = worlds[raw.get("world", header["world"])]

    def instant(self, value: object) -> datetime:
        if isinstance(value, datetime):
            return value
        return self.report.astimezone(UTC) + offset(str(value))

    @property
    def rules(self) -> RuleSet:
        return rules_at(self.report)

    def facts(self) -> f.Facts:
        found: dict[str, list[Any]] = {name: [] for name in KINDS}
        skipped = set(self.raw.get("without", ()))
        for source in (self.world, self.raw.get("facts", {})):
            for name, rows in source.items():
                if source is not self.world or name not in skipped:
                    found[name] += [self._fact(KINDS[name], row) for row in rows]
        if self.raw.get("symptom") != "none":
            found["faults"].append(self._fault())
        for key, make in self._short_forms().items():
            for text in self.raw.get(key, ()):
                for name, fact in make(text):
                    found[name].append(fact)
        facts = f.Facts(**{name: tuple(rows) for name, rows in found.items()})
        known = self.raw.get("known")
        return facts if known is None else facts.as_known(self.instant(known))

    def _fault(self) -> f.Fault:
        resolved = self.raw.get("resolved")
        return f.Fault(
            fault_id="f",
            line_id=self.raw.get("line", "l"),
            reported_at=self.report,
            symptom=f.Symptom(self.raw.get("symptom", "dropping")),
            resolved_at=None if resolved is None else self.instant(resolved),
        )

    def _fact(self, kind: type[f.Fact], row: dict[str, Any]) -> f.Fact:
        hints = get_type_hints(kind)
        return kind(**{name: self._value(hints[name], value) for name, value in row.items()})

    def _value(self, hint: Any, value: Any) -> Any:
        options = get_args(hint) or (hint,)
        for option in options:
            if isinstance(option, type) and issubclass(option, StrEnum):
                return option(value)
        if datetime in options and isinstance(value, str):
            return self.instant(value)
        if isinstance(value, list) and hint == tuple[f.AllowanceFrom, ...]:
            return tuple(
                f.AllowanceFrom(effective_from=self.instant(at), allowance_mb=None if mb == "unlimited" else mb)
                for at, mb in value
            )
        return frozenset(value) if isinstance(value, list) else value

    def _recorded(self, text: str) -> tuple[str, dict[str, Any]]:
        body, _, recorded = text.partition(" !")
        return body, {"recorded_at": self.instant(recorded)} if recorded else {}

    def _span(self, text: str) -> tuple[datetime, datetime | None]:
        start, _, end = text.partition("..")
        return self.instant(start), self.instant(end) if end else None

    def _short_forms(self) -> dict[str, Callable[[str], Iterator[tuple[str, f.Fact]]]]:
        return {
            "drops": self._drop,
            "lost": self._line_event,
            "gained": self._line_event,
            "obs": self._observation,
            "diag": self._diagnostics,
            "det": self._determination,
            "outage": self._outage,
            "susp": self._suspicion,
            "bills": self._bill,
            "hubs": self._hub,
            "loss": self._loss,
            "brand": self._brand,
            "told": self._told,
            "abroad": self._abroad,
            "faults": self._other_fault,
            "restarts": self._restart,
        }

    def _drop(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        body, _, cause = text.partition("=")
        line, _, when = body.rpartition(":")
        at = self.instant(when)
        kinds = ((f.LineEventKind.PPP_LOST, at), (f.LineEventKind.PPP_GAINED, at + timedelta(seconds=1)))
        for kind, moment in kinds:
            yield (
                "line_events",
                f.LineEvent(line_id=line or "l", kind=kind, at=moment, source="radius", cause=cause or None),
            )

    def _line_event(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        body, recorded = self._recorded(text)
        what, _, when = body.partition("@")
        source, kind = what.split(":")
        kind, _, cause = kind.partition("=")
        yield (
            "line_events",
            f.LineEvent(
                line_id="l",
                kind=f.LineEventKind(kind),
                at=self.instant(when),
                source=source,
                cause=cause or None,
                **recorded,
            ),
        )

    def _observation(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        body, recorded = self._recorded(text)
        what, _, when = body.partition("@")
        kind, result = what.split(":")
        yield (
            "observations",
            f.Observation(fault_id="f", kind=kind, result=result, at=self.instant(when), **recorded),
        )

    def _diagnostics(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        when = text.removesuffix(" engineer")
        yield (
            "diagnostics_finished",
            f.DiagnosticsFinished(fault_id="f", at=self.instant(when), engineer_booked=when != text),
        )

    def _determination(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        what, _, when = text.partition("@")
        kind, _, subject = what.partition(":")
        start, end = self._span(when)
        yield (
            "determinations",
            f.Determination(
                determination_id=text,
                kind=f.DeterminationKind(kind),
                subject_id=subject or "f",
                by="J. Smith",
                reason="looked at it",
                at=start,
                withdrawn_at=end,
            ),
        )

    def _outage(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        body, recorded = self._recorded(text)
        start, end = self._span(body)
        declared = recorded.get("recorded_at", start)
        yield (
            "outages",
            f.Outage(
                outage_id=f"o{text}",
                line_ids=frozenset({"l"}),
                from_at=start,
                until=end,
                declared_at=declared,
                **recorded,
            ),
        )

    def _suspicion(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        what, _, when = text.partition("@")
        start, end = self._span(when)
        kind, _, named = what.partition(":")
        fault = None if kind.endswith("*") else named or "f"
        yield (
            "suspicions",
            f.Suspicion(
                suspicion_id=text,
                account_id="a",
                kind=f.SuspicionKind(kind.rstrip("*")),
                grounds="a report of misuse",
                by="J. Smith",
                raised_at=start,
                cleared_at=end,
                fault_id=fault,
            ),
        )

    def _bill(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        due, _, paid = text.partition("..")
        yield (
            "bills_past_due",
            f.BillPastDue(
                bill_id=text,
                account_id="a",
                due_on=date.fromisoformat(due),
                by="billing",
                paid_at=self.instant(paid) if paid else None,
            ),
        )

    def _hub(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        hub, _, when = text.partition("@")
        in_post = when.endswith("~")
        sent, ended = self._span(when.rstrip("~"))
        hub, _, fault = hub.partition(":")
        yield (
            "hub_assignments",
            f.HubAssignment(
                hub_id=hub,
                line_id="l",
                dispatched_at=sent,
                delivered_at=None if in_post else sent + timedelta(days=1),
                ended_at=ended,
                for_fault_id=fault or None,
            ),
        )

    def _loss(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        what, _, when = text.partition("@")
        hub, fate = what.split(":")
        start, end = self._span(when)
        yield "hub_losses", f.HubLoss(hub_id=hub, fate=f.HubFate(fate), at=start, undone_at=end)

    def _brand(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        what, _, when = text.partition("@")
        hub, verdict = what.split(":")
        yield (
            "brand_findings",
            f.BrandFinding(hub_id=hub, verdict=f.BrandVerdict(verdict), found_at=self.instant(when)),
        )

    def _told(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        when, _, names = text.partition(" names ")
        at = self.instant(when)
        yield (
            "ending_notices",
            f.EndingNotice(
                fault_id="f", sent_at=at, delivered_at=at, names_time=self.instant(names) if names else None
            ),
        )

    def _abroad(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        sim, _, when = text.partition("@")
        start, end = self._span(when)
        yield "sims_abroad", f.SimAbroad(sim_id=sim, from_at=start, until=end)

    def _other_fault(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        """`id:line@reported..resolved`, a line that is down by test."""
        what, _, when = text.partition("@")
        fault, line = what.split(":")
        start, end = self._span(when)
        yield "faults", f.Fault(fault_id=fault, line_id=line, reported_at=start, resolved_at=end)
        yield "observations", f.Observation(fault_id=fault, kind="line_test", result="no_sync", at=start)
        yield "diagnostics_finished", f.DiagnosticsFinished(fault_id=fault, at=start)

    def _restart(self, text: str) -> Iterator[tuple[str, f.Fact]]:
        start, end = self._span(text)
        assert end is not None
        yield "asked_restarts", f.AskedRestart(line_id="l", at=start, until=end)


def rows_of(name: str) -> list[Row]:
    raw = tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))
    worlds = tomllib.loads((DATA / "worlds.toml").read_text(encoding="utf-8"))
    return [Row(row, raw, worlds) for row in raw["rows"]]
