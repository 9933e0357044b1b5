"""The command table: which function answers which command, at what pace, and what it needs first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from simulator.modem.answers import Answer
from simulator.modem.results import Cme, Refusal
from simulator.modem.syntax import Call, Op

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem
    from simulator.modem.port import Port


class BadParameterError(Cme):
    """A parameter is missing or out of its range; each family of commands has its own word for it."""

    def __init__(self) -> None:
        super().__init__(50)


@dataclass(slots=True)
class Request:
    """One call on one port of one modem: what a handler is given."""

    modem: SimulatedModem
    port: Port
    call: Call

    @property
    def args(self) -> tuple[str | None, ...]:
        """The parameters; omitted ones are None."""
        return self.call.args

    def text(self, place: int, default: str | None = None) -> str:
        """A parameter as text. Raises BadParameterError when it is missing and has no default."""
        value = self.args[place] if place < len(self.args) else None
        if value is None:
            if default is None:
                raise BadParameterError
            return default
        return value

    def number(self, place: int, default: int | None = None, *, low: int = 0, high: int = 2**31) -> int:
        """A parameter as a decimal number within bounds. Raises BadParameterError for anything else."""
        value = self.args[place] if place < len(self.args) else None
        if value is None or not value:
            if default is None:
                raise BadParameterError
            return default
        if not value.isascii() or not value.isdecimal() or not low <= int(value) <= high:
            raise BadParameterError
        return int(value)


Handler: TypeAlias = Callable[[Request], Answer]
Blame: TypeAlias = "Callable[[Port], Refusal]"
Table: TypeAlias = Mapping[tuple[str, Op], "Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in one of its four forms. `pace` is a latency class; `needs` is sim or radio or nothing."""

    name: str
    handler: Handler
    pace: str = "plain"
    needs: str = ""
    abortable: bool = False
    blame: Blame | None = None

    def run(self, port: Port, call: Call) -> Answer:
        """Answer the call. Raises Refusal."""
        if self.needs:
            port.modem.require(self.needs)
        try:
            return self.handler(Request(port.modem, port, call))
        except BadParameterError:
            if self.blame is None:
                raise
            raise self.blame(port) from None


@dataclass(slots=True)
class Commands:
    """A set of commands under construction; modules fill one each.

    `blame` words a wrong parameter where it is not +CME ERROR: 50.
    """

    blame: Blame | None = None
    entries: dict[tuple[str, Op], Entry] = field(default_factory=dict)

    def on(
        self, name: str, *ops: Op, pace: str = "plain", needs: str = "", abortable: bool = False
    ) -> Callable[[Handler], Handler]:
        """Register the decorated function for a command in the given forms (EXECUTE when none is given)."""

        def register(handler: Handler) -> Handler:
            for op in ops or (Op.EXECUTE,):
                self.entries[name, op] = Entry(name, handler, pace, needs, abortable, self.blame)
            return handler

        return register

    def fixed(self, name: str, op: Op, lines: tuple[str, ...]) -> None:
        """Register a reply that never changes; no line means a bare OK."""
        self.entries[name, op] = Entry(name, lambda _request: lines)
