"""The lines that come most, taken in as few steps as it can be done."""

from collections import deque
from collections.abc import Container, Iterable

from firmware_bridge.at import results
from firmware_bridge.at.assembly import ReplyAssembly
from firmware_bridge.at.commands import Reply, Unsolicited, UrcTable
from firmware_bridge.at.connection_events import Answered, ConnectionEvent
from firmware_bridge.at.tokens import split_parameters

_make = tuple.__new__  # what a NamedTuple's own constructor calls, without its frame


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
        unread = iter(lines)
        usual = filter(None, unread)
        command, put = self._command, self.events.append
        if command is not None:
            heads, form, info = self._heads, self._form, self._info
            for line in usual:
                if line == "OK":
                    break
                if not (line.startswith(heads) and (form is None or form(line))) or line.count('"') & 1:
                    return self._take_rest(line, unread)
                info.append(line)
            else:
                return None
            if not (self._steady and info and not self._rare) or (command.reads and command.text not in self._judged):
                return self._take_rest("OK", unread)
            # Nothing but its lines is left of it: `_finish` would see no more in it.
            put(_make(Answered, (command, _make(Reply, (tuple(info), results.OK, self._truncated)), True)))
            self._command = None
            self._take = self._to_idle
        simple, told = self._simple, 0
        for line in usual:
            name, colon, rest = line.partition(":")
            if not (colon and (name in simple or self._is_formed(name, line))):
                self.counts.unsolicited += told
                return self._take_rest(line, unread)
            put(_make(Unsolicited, (name, split_parameters(rest), line, None)))
            told += 1
        self.counts.unsolicited += told
        return None

    def _take_rest(self, line: str, unread: Iterable[str]) -> None:
        """A line that is not usual, and all behind it."""
        self._take(line)
        self._take_each(unread)

    def _is_formed(self, name: str, line: str) -> bool:
        """Whether a line is an unsolicited one by its form, all of it."""
        urc = self._urcs.get(name)
        return urc is not None and urc.plain and urc.form is not None and urc.form(line)
