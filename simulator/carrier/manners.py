"""How a platform behaves towards its callers, as data. Two sets ship: `good` and `real`; a TOML file gives any other.

Chances lie within 0..1; a span is `[low, high]` in seconds, drawn log-uniformly, so that short times are common and
the longest do come.
"""

import math
from pathlib import Path
from random import Random
from typing import Annotated, Final

import msgspec

from simulator.faults import SimulatorError

Chance = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86400)]
Span = tuple[Seconds, Seconds]


class MannersError(SimulatorError):
    """The file does not describe manners: correct the named line or field."""

    exit_code = 3


class Maintenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A window in which every call is answered 503. `at_s` counts from the platform's start."""

    at_s: Seconds
    for_s: Seconds


class Manners(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that may differ between platforms. The defaults are the good manners."""

    management_bearer: bool = True
    # Admission, per account.
    calls_per_second: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    calls_at_a_time: Annotated[int, msgspec.Meta(ge=1)] = 1
    call_takes_s: Span = (0.0, 0.0)
    maintenance: tuple[Maintenance, ...] = ()
    # Changes.
    at_once: Chance = 0.0
    effect_delay_s: Span = (0.1, 0.5)
    change_fails: Chance = 0.0
    # Reads may lag behind the network's truth by this much.
    read_lag_s: Span = (0.0, 0.0)
    # A 5xx without an effect, a 5xx that hides an effect, and an answer that never arrives.
    server_error: Chance = 0.0
    hidden_success: Chance = 0.0
    lost_answer: Chance = 0.0
    lost_answer_after_s: Seconds = 0.0
    # Webhooks.
    webhook_delay_s: Span = (0.0, 0.1)
    webhook_lost: Chance = 0.0
    webhook_twice: Chance = 0.0
    webhook_late: Chance = 0.0
    webhook_late_s: Span = (30.0, 600.0)
    webhook_attempts: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10

    def __post_init__(self) -> None:
        """Refuse spans that run backwards."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name.endswith("_s") and isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name} must be [low, high], not {list(value)}")


GOOD: Final = Manners()
REAL: Final = Manners(
    call_takes_s=(0.05, 0.8),
    at_once=0.1,
    effect_delay_s=(0.0, 1800.0),
    change_fails=0.01,
    read_lag_s=(0.0, 60.0),
    server_error=0.02,
    hidden_success=0.03,
    lost_answer=0.02,
    lost_answer_after_s=5.0,
    webhook_delay_s=(0.0, 20.0),
    webhook_lost=0.05,
    webhook_twice=0.1,
    webhook_late=0.1,
)


def load_manners(name: str) -> Manners:
    """Return the manners called `good` or `real`, or those of a TOML file. Raises MannersError."""
    if name in {"good", "real"}:
        return GOOD if name == "good" else REAL
    path = Path(name)
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Manners)
    except FileNotFoundError:
        raise MannersError(f"no manners {name!r}", remedy="say good, real, or the path of a TOML file") from None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise MannersError(f"{path}: {error}", remedy="docs/simulator.md lists the fields") from None


def draw(random: Random, span: Span) -> float:
    """Draw from a span, log-uniformly over 1 + seconds; both ends can come."""
    low, high = span
    return math.expm1(random.uniform(math.log1p(low), math.log1p(high)))
