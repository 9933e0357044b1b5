"""Scenarios: what happens to one household's hub, as TOML with a schema, and errors that name the line.

A scenario is data; playing it is the stage's and `hub-sim run`'s work. Times are seconds since the run began.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from simulator.faults import FaultError, InjectedFault, SimulatorError, make_fault

Seconds = Annotated[float, msgspec.Meta(ge=0, le=31 * 86400)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=31 * 86400)]
Chance = Annotated[float, msgspec.Meta(ge=0, le=1)]
Digits = Annotated[str, msgspec.Meta(pattern="^[0-9]{4,22}$")]
Span = tuple[Seconds, Seconds]

FOLDER: Final = "scenarios"


class ScenarioError(SimulatorError):
    """The scenario is not there or not right; the message names file, line and field."""

    exit_code = 3


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: by name, and nothing that the schema does not know."""


class ModemPart(_Part, frozen=True, kw_only=True):
    """The modem and its card. `pin` is the card's; None needs none. `boots`: play the start-up, or be up at once."""

    personality: str = "quectel-ec25"
    iccid: Digits = "8944300000000000008"
    imsi: Digits = "234300000000001"
    msisdn: str = "+447700900001"
    pin: Digits | None = None
    boots: bool = True


class CarrierPart(_Part, frozen=True, kw_only=True):
    """The platform behind the network: its manners, and the state this hub's SIM begins in."""

    manners: str = "good"
    state: Literal["active", "inactive", "suspended"] = "active"
    management_bearer: bool = True


class LinePart(_Part, frozen=True, kw_only=True):
    """The broadband line. `late_s`: how late the sources tell; `seen_twice`: a source tells the same again."""

    line_id: str = "line-1"
    pattern: Literal["steady", "flapping", "dead"] = "steady"
    drops_per_day: Positive = 8.0
    drop_s: Span = (20.0, 180.0)
    dies_at_s: Seconds = 60.0
    late_s: Span = (0.0, 0.0)
    seen_twice: Chance = 0.0


class FaultPart(_Part, frozen=True, kw_only=True):
    """One injected fault; `with` holds its parameters (`hub-sim faults` lists them)."""

    kind: str
    at_s: Seconds = 0.0
    point: str | None = None
    for_s: float | None = None
    times: int | None = None
    given: dict[str, int | float | str | bool] = msgspec.field(name="with", default_factory=dict)

    def injected(self) -> InjectedFault:
        """The fault, checked. Raises FaultError."""
        return make_fault(
            self.kind, point=self.point, parameters=self.given, at_s=self.at_s, for_s=self.for_s, times=self.times
        )


class _Event(_Part, frozen=True, kw_only=True, tag_field="do"):
    """Something somebody does."""

    at_s: Seconds = 0.0


class PowerButton(_Event, frozen=True, kw_only=True, tag="power_button"):
    """The customer presses the hub's button: off when it is on, on when it is off."""


class SendSms(_Event, frozen=True, kw_only=True, tag="sms"):
    """A short message to the hub's SIM."""

    text: str
    sender: str = "+447700900002"


class MoveCells(_Event, frozen=True, kw_only=True, tag="move"):
    """The hub is put elsewhere: every cell at this path loss, dB."""

    path_loss_db: Annotated[float, msgspec.Meta(ge=40, le=200)]


class CarryTraffic(_Event, frozen=True, kw_only=True, tag="traffic"):
    """Bytes through the bearer."""

    tx_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    rx_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0


class SwapSim(_Event, frozen=True, kw_only=True, tag="sim"):
    """The card is taken out, or another put in (without `iccid`: the same again)."""

    inserted: bool
    iccid: Digits | None = None
    imsi: Digits | None = None


class TouchLine(_Event, frozen=True, kw_only=True, tag="line"):
    """Something happens to the line: a drop, its death or repair, the router restarted by the customer or by us."""

    what: Literal["drop", "die", "recover", "customer_restart", "our_restart"]


class SetSimState(_Event, frozen=True, kw_only=True, tag="carrier"):
    """Somebody has the platform change the hub's SIM."""

    state: Literal["active", "inactive", "suspended"]


class JumpClock(_Event, frozen=True, kw_only=True, tag="clock_jump"):
    """The time of day that the network tells jumps."""

    seconds: float


Event = PowerButton | SendSms | MoveCells | CarryTraffic | SwapSim | TouchLine | SetSimState | JumpClock


class OutagePart(_Part, frozen=True, kw_only=True):
    """An outage and when it is declared: before or at `from_s` is on time, after it is late."""

    from_s: Seconds
    to_s: Seconds | None = None
    declared_at_s: Seconds = 0.0
    planned: bool = False
    whose: Literal["ours", "third_party"] = "ours"


class Scenario(_Part, frozen=True, kw_only=True):
    """One scenario. `speed` 1 is real time; `seed` None: a new one each run, printed."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    description: Annotated[str, msgspec.Meta(min_length=1)]
    duration_s: Positive = 600.0
    speed: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] | None = None
    modem: ModemPart = ModemPart()
    carrier: CarrierPart = CarrierPart()
    line: LinePart = LinePart()
    fault: tuple[FaultPart, ...] = ()
    event: tuple[Event, ...] = ()
    outage: tuple[OutagePart, ...] = ()

    def faults(self) -> tuple[InjectedFault, ...]:
        """The faults in the order of their time."""
        return tuple(sorted((part.injected() for part in self.fault), key=lambda fault: fault.at_s))


def parse_scenario(text: str, source: str) -> Scenario:
    """Parse and check a scenario. Raises ScenarioError with `source`, the line and what is wrong there."""
    try:
        scenario = msgspec.convert(tomllib.loads(text), Scenario)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        told, _, path = str(error).partition(" - at `")
        raise _wrong(source, text, path.rstrip("`"), told) from None
    for number, part in enumerate(scenario.fault):
        try:
            part.injected()
        except FaultError as error:
            raise _wrong(source, text, f"$.fault[{number}].kind", str(error)) from None
    return scenario


def load_scenario(name: str) -> Scenario:
    """Load a shipped scenario by name, or one by the path of its file. Raises ScenarioError."""
    shipped = shipped_scenarios()
    path = Path(name)
    if name not in shipped and not path.is_file():
        raise ScenarioError(f"no scenario {name!r}", remedy=f"the path of a TOML file, or one of {', '.join(shipped)}")
    try:
        text = shipped[name] if name in shipped else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{name}: {error}", remedy="name a readable UTF-8 file") from None
    return parse_scenario(text, name)


def shipped_scenarios() -> dict[str, str]:
    """The text of every scenario that ships, by name, in order."""
    folder = files("simulator") / FOLDER
    found = {item.name.removesuffix(".toml"): item for item in folder.iterdir() if item.name.endswith(".toml")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def _wrong(source: str, text: str, path: str, told: str) -> ScenarioError:
    line = line_of(text, path, told)
    field = path.removeprefix("$").lstrip(".") or "the document"
    return ScenarioError(f"{source}:{line}: {field}: {told}", remedy="docs/simulator.md has the schema")


def line_of(text: str, path: str, told: str = "") -> int:
    """The line of the text that a path such as `$.fault[2].for_s` points at, or the nearest above it."""
    wanted: tuple[str | int, ...] = tuple(
        int(step[1:-1]) if step.startswith("[") else step for step in re.findall(r"[A-Za-z_]\w*|\[\d+\]", path)
    )
    if unknown := re.search(r"unknown field `(\w+)`", told):
        wanted = (*wanted, unknown[1])
    best, line = 0, 1
    for number, place in _places(text):
        same = len(place) if place == wanted[: len(place)] else 0
        if same > best:
            best, line = same, number
    return line


def _places(text: str) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Where each table and key of the text stands, as a path: `[[fault]]` the third time is ("fault", 2)."""
    table: tuple[str | int, ...] = ()
    counted: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.]+)", line):
            first, *rest = header[2].split(".")
            if header[1] == "[[" and not rest:
                counted[first] = counted.get(first, -1) + 1
            table = (first, *((counted[first],) if first in counted else ()), *rest)
            yield number, table
        elif key := re.match(r"\s*[\"']?(\w+)[\"']?\s*=", line):
            yield number, (*table, key[1])
