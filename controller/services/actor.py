"""Who acts: every transaction is given one, and every mutation is audited under it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Role(StrEnum):
    """What an actor may do; each role includes the ones before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor: `name` is a key's or a loop's name, never a person's contact data."""

    name: str
    role: Role = Role.OPERATOR

    @classmethod
    def system(cls, name: str) -> Self:
        """Name one of the controller's own loops."""
        return cls(name, Role.SYSTEM)
