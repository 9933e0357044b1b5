"""Which decisions stand: the newest about each thing. Their ids tell their order, and none is ever written again.

An account's decisions are made one transaction after the other, so ids grow from one to the next.
"""

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar
from uuid import UUID

from controller.domain.decisions import Question

# Of an id's 128 bits the first 48 are its instant in milliseconds (RFC 9562, version 7).
_REST: Final = 80
# What a decision answers: the fault, the question, and for Backup the SIM (None: the fault as a whole).
About = tuple[str, str, str | None]


class Answer(Protocol):
    """A decision on record, as far as what it answers and its place among others are concerned."""

    @property
    def id(self) -> str: ...  # noqa: D102  # the table says what it is
    @property
    def fault_id(self) -> str: ...  # noqa: D102
    @property
    def question(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str | None: ...  # noqa: D102


A = TypeVar("A", bound=Answer)


def about(fault_id: str, question: str, target: str | None) -> About:
    """Name what a decision answers: Backup is decided for the fault and for each SIM, the hub may change."""
    return fault_id, question, target if question == Question.BACKUP else None


def following(before: str, fresh: str) -> str:
    """Return an id behind another as ids are ordered: of the next millisecond, and otherwise as the fresh one."""
    instant = (UUID(before).int >> _REST) + 1
    return str(UUID(int=(instant << _REST) | (UUID(fresh).int & (1 << _REST) - 1)))


def standing_among(found: Iterable[A]) -> dict[About, A]:
    """Return the decisions that stand among all of some faults, by what they answer."""
    standing: dict[About, A] = {}
    for row in found:
        key = about(row.fault_id, row.question, row.target)
        other = standing.get(key)
        if other is None or other.id < row.id:
            standing[key] = row
    return standing
