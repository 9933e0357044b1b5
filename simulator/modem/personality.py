"""Personalities: what sets one make of modem apart, as data. The files stand in `personalities/*.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from simulator.faults import SimulatorError

FOLDER = Path(__file__).with_name("personalities")


class PersonalityError(SimulatorError):
    """A personality is not known or its file is wrong."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class BootLine:
    """An unsolicited line of the boot script: `after_s` seconds after the ports appear, if `when` holds."""

    after_s: float
    line: str
    when: str = "always"
    repeat_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Interface:
    """One USB interface and what its port is for: at, modem, diag or nmea."""

    number: int
    role: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A setting that is stored and read back and has no further effect here."""

    default: str
    values: str = ""
    form: str = "{}"
    per_port: bool = False


@dataclass(frozen=True, slots=True)
class Personality:
    """One make of modem. Latencies are (shortest, longest) in seconds by class of command."""

    name: str
    vendor: str
    manufacturer: str
    model: str
    revision: str
    identification: tuple[str, ...]
    imei_tac: str
    usb: Mapping[str, str]
    interfaces: tuple[Interface, ...]
    ports_after_s: tuple[float, float]
    reboot_gap_s: float
    ready_after_s: float
    swallowed: int
    boot: tuple[BootLine, ...]
    latency_s: Mapping[str, tuple[float, float]]
    replies: Mapping[str, tuple[str, ...]]
    parameters: Mapping[str, Parameter]
    unsupported: frozenset[str]
    quirks: Mapping[str, Any]

    def quirk(self, name: str, default: Any = None) -> Any:
        """A quirk's value; quirks that a file leaves out are off."""
        return self.quirks.get(name, default)


def names() -> tuple[str, ...]:
    """All personalities that ship."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml") if not path.stem.startswith("_")))


@cache
def load(name: str) -> Personality:
    """Read a personality by name. Raises PersonalityError with the names there are."""
    path = FOLDER / f"{name}.toml"
    if name.startswith("_") or not path.is_file():
        raise PersonalityError(f"no personality is called {name!r}", remedy=f"one of {', '.join(names())}")
    generic = tomllib.loads((FOLDER / "_generic.toml").read_text())
    own = tomllib.loads(path.read_text())
    return _build(name, _merged(generic, own))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        held = out.get(key)
        deeper = isinstance(value, dict) and isinstance(held, dict) and key != "boot"
        out[key] = _merged(held, value) if deeper and isinstance(held, dict) else value
    return out


def _build(name: str, data: Mapping[str, Any]) -> Personality:
    try:
        return Personality(
            name=name,
            vendor=data["vendor"],
            manufacturer=data["manufacturer"],
            model=data["model"],
            revision=data["revision"],
            identification=tuple(data["identification"]),
            imei_tac=data["imei_tac"],
            usb=data["usb"],
            interfaces=tuple(Interface(**entry) for entry in data["interface"]),
            ports_after_s=(data["boot"]["ports_after_s"][0], data["boot"]["ports_after_s"][1]),
            reboot_gap_s=data["boot"]["reboot_gap_s"],
            ready_after_s=data["boot"]["ready_after_s"],
            swallowed=data["boot"].get("swallowed_commands", 0),
            boot=tuple(BootLine(**entry) for entry in data["boot"]["line"]),
            latency_s={key: (low / 1000, high / 1000) for key, (low, high) in data["latency_ms"].items()},
            replies={_key(key): _lines(value) for key, value in data["replies"].items()},
            parameters={key: Parameter(**value) for key, value in data["parameters"].items()},
            unsupported=frozenset(data.get("unsupported", ())),
            quirks=data.get("quirks", {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PersonalityError(f"personality {name}: {error}", remedy="correct its file") from error


def _key(command: str) -> str:
    return command.upper()


def _lines(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
