"""What the host tools read back, as values: no process, no loop."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# The longest life of the open element (s): a dead agent closes within this.
MAX_OPEN_S: Final = 90


@dataclass(frozen=True, slots=True)
class FirewallState:
    """The table read back. `open_for_s` is what is left of the open element, None when forwarding is closed."""

    installed: bool
    open_for_s: int | None = None
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A configuration on disk: the digest of its rules, how many names it refuses, and what it could not express."""

    path: Path
    rules_digest: str
    witness: str
    refused_names: int
    unusable: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True, slots=True)
class FilterReadBack:
    """What the running dnsmasq answers. `witness` is None when it does not answer or is not ours."""

    running: bool
    witness: str | None = None
    refuses: bool = False
