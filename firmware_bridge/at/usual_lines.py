"""The lines that come most, taken in as few steps as it can be done."""

from abc import abstractmethod
from collections import deque
from collections.abc import Container, Iterable

from firmware_bridge.at import results
from firmware_bridge.at.assembly import ReplyAssembly
from firmware_bridge.at.commands import Command, Final, Reply, Unsolicited, UrcTable
from firmware_bridge.at.connection_events import Answered, ConnectionEvent
from firmware_bridge.at.tokens import split_parameters

_make = tuple.__new__  # what a NamedTuple's own constructor calls, without its frame

_NO_NAMES: frozenset[str] = frozenset()


class UsualLines(ReplyAssembly):
    """The part of a conversation that is quick: it comes to what a line at a time would come to."""

    __slots__ = ("_judged", "_simple", "_steady", "events", "online")

    def __init__(self, urcs: UrcTable) -> None:
        self.online = False
        self.events: deque[ConnectionEvent] = deque()  # those not taken yet, the oldest first
        self._steady = False  # whether an OK can tell nothing new of the port: it speaks words, no echo is due to end
        self._judged: Container[str] = ()  # the reads of which it is known whether they can prove a place
        super().__init__(urcs)
        self._simple = frozenset(urc.name for urc in urcs.entries.values() if urc.plain and urc.form is None)

    @abstractmethod
    def _finish(self, final: Final) -> None:
        """The end of the command in flight."""

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
        heads, form, info = (() if self._command is None else self._heads), self._form, self._info
        simple, put = self._simple, self.events.append
        unread = iter(lines)
        for line in filter(None, unread):
            if line == "OK":
                if self._command is None:
                    break
                self._succeed_usually(self._command, info)
                if self._take is not self._to_idle:
                    return self._take_each(unread)
                heads = ()
            elif line.startswith(heads) and (form is None or form(line)):
                if line.count('"') & 1:
                    break
                info.append(line)
            else:
                name, colon, rest = line.partition(":")
                if not (colon and (name in simple or self._is_formed(name, line))):
                    break
                put(_make(Unsolicited, (name, split_parameters(rest), line, None)))
                self.counts.unsolicited += 1
        else:
            return None
        self._take(line)
        return self._take_each(unread)

    def _is_formed(self, name: str, line: str) -> bool:
        """Whether a line is an unsolicited one by its form, all of it."""
        urc = self._urcs.get(name)
        return urc is not None and urc.plain and urc.form is not None and urc.form(line)

    def _succeed_usually(self, command: Command, info: list[str]) -> None:
        """OK to a command: nothing but its lines, or what `_finish` sees in it."""
        if self._steady and info and not self._rare and (not command.reads or command.text in self._judged):
            self.events.append(
                _make(Answered, (command, _make(Reply, (tuple(info), results.OK, self._truncated)), True))
            )
            self._command = None
            self._take = self._to_idle
        else:
            self._finish(results.OK)
