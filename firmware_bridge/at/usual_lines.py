"""The lines that come most, taken in as few steps as it can be done."""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable

from firmware_bridge.at import results
from firmware_bridge.at.assembly import ReplyAssembly
from firmware_bridge.at.commands import Command, Final, Reply, Unsolicited, UrcTable
from firmware_bridge.at.connection_events import Answered, ConnectionEvent
from firmware_bridge.at.tokens import split_parameters

_make = tuple.__new__  # what a NamedTuple's own constructor calls, without its frame

_NO_NAMES: frozenset[str] = frozenset()


class UsualLines(ReplyAssembly):
    """The part of a conversation that is quick: it comes to what a line at a time would come to."""

    __slots__ = ("_simple", "events", "online")

    def __init__(self, urcs: UrcTable) -> None:
        self.online = False
        self.events: deque[ConnectionEvent] = deque()  # those not taken yet, the oldest first
        super().__init__(urcs)
        self._simple = frozenset(urc.name for urc in urcs.entries.values() if urc.plain and urc.form is None)

    @abstractmethod
    def _idle(self, line: str) -> None:
        """A line while no command is in flight."""

    @abstractmethod
    def _finish(self, final: Final) -> None:
        """The end of the command in flight."""

    @abstractmethod
    def _is_noteworthy(self, command: Command) -> bool:
        """Whether the command's success may tell something of the port or the modem, which `_finish` notes."""

    def _take_each(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line:
                self._take(line)
            elif self._minds_blanks:
                self._blank()

    def _take_usual(self, lines: list[str]) -> None:
        """Take lines as `_pending` and `_idle` would, those that come most in as few steps as it can be done.

        The first that is none of them leaves the rest to `_take_each`.
        """
        names, form, info = (_NO_NAMES if self._command is None else self._names), self._form, self._info
        simple, put = self._simple, self.events.append
        unread = iter(lines)
        for line in unread:
            if not line:
                continue
            name, colon, rest = line.partition(":")
            if not colon:
                if line != "OK" or self._command is None:
                    break
                if info and not self._is_noteworthy(self._command):
                    put(
                        _make(Answered, (self._command, _make(Reply, (tuple(info), results.OK, self._truncated)), True))
                    )
                    self._command = None
                    self._take = self._idle
                else:
                    self._finish(results.OK)
                    if self.quarantined or self.online:
                        return self._take_each(unread)
                names = _NO_NAMES
            elif name in names and (form is None or form(line)):
                if '"' in line and line.count('"') & 1:
                    break
                info.append(line)
            elif name in simple or ((urc := self._urcs.get(name)) and urc.plain and urc.form and urc.form(line)):
                put(_make(Unsolicited, (name, split_parameters(rest), line, None)))
                self.counts.unsolicited += 1
            else:
                break
        else:
            return None
        self._take(line)
        return self._take_each(unread)
