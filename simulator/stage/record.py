"""What the demo saw: steps with evidence, printed live and kept for the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Step:
    """One observed step, or the one that failed and why. `since_report_s` is None before the customer's report."""

    name: str
    who: str
    what: str
    ok: bool
    at: datetime
    since_report_s: float | None
    evidence: dict[str, Any]
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The step as the JSON document shows it."""
        shown: dict[str, Any] = {
            "name": self.name,
            "who": self.who,
            "what": self.what,
            "ok": self.ok,
            "at": self.at.isoformat(timespec="milliseconds"),
            "since_report_s": None if self.since_report_s is None else round(self.since_report_s, 3),
            "evidence": self.evidence,
        }
        return shown if self.reason is None else {**shown, "reason": self.reason}


class StepFailedError(Exception):
    """A step was not observed; the reason is one line for people."""

    def __init__(self, reason: str, evidence: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = evidence or {}


@dataclass(slots=True)
class Record:
    """The steps so far. `console` None prints nothing (the JSON form prints once, at the end)."""

    now: Callable[[], datetime]
    console: Console | None
    steps: list[Step] = field(default_factory=list)
    reported_at: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether every step so far was observed."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    def start_clock(self, reported_at: datetime) -> None:
        """The customer reported: from here on steps are timed against the promise."""
        self.reported_at = reported_at

    def saw(self, name: str, who: str, what: str, evidence: dict[str, Any]) -> None:
        """Add a step that was observed."""
        self._add(name, who, what, evidence, None)

    def failed(self, name: str, reason: str, evidence: dict[str, Any]) -> None:
        """Add the step that was not."""
        self._add(name, "", reason, evidence, reason)

    def as_json(self) -> dict[str, Any]:
        """The whole record as one document."""
        return {"steps": [step.as_json() for step in self.steps], "ok": self.ok}

    def print_table(self) -> None:
        """Print the end's table."""
        if self.console is None:
            return
        table = Table(title="What was observed", title_justify="left", show_lines=False)
        for heading in ("", "step", "who", "what", "seen since report"):
            table.add_column(heading, overflow="fold")
        for step in self.steps:
            table.add_row("✓" if step.ok else "✗", step.name, step.who, step.what, _since(step), style=_style(step))
        self.console.print()
        self.console.print(table)

    def _add(self, name: str, who: str, what: str, evidence: dict[str, Any], reason: str | None) -> None:
        at = self.now()
        since = None if self.reported_at is None else (at - self.reported_at).total_seconds()
        step = Step(name, who, what, reason is None, at, since, evidence, reason)
        self.steps.append(step)
        if self.console is not None:
            self._print(step)

    def _print(self, step: Step) -> None:
        assert self.console is not None
        mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
        clock = step.at.astimezone().strftime("%H:%M:%S")
        who = f"[cyan]{step.who}[/] " if step.who else ""
        self.console.print(
            f"{mark} [dim]{clock} {_since(step):>8}[/]  [bold]{step.name}[/]  {who}{escape(step.what)}", soft_wrap=True
        )
        for key, value in step.evidence.items():
            words = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            self.console.print(f"      [dim]{key}:[/] {escape(words)}", highlight=False, soft_wrap=True)


def _since(step: Step) -> str:
    return "" if step.since_report_s is None else f"+{step.since_report_s:.1f} s"


def _style(step: Step) -> str:
    return "" if step.ok else "red"
