"""What the story needs of a stage: met by real processes (`stage`, `hub`) and by a virtual world in one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Any, Protocol

from simulator.stage.home import Lookup
from simulator.stage.watch import Admin, Watched


class Break(StrEnum):
    """What the demo may break on purpose, to show that it notices."""

    FILTER = "filter"
    CARRIER = "carrier"
    MODEM = "modem"
    BROKER = "broker"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class HubModel:
    """What the unit and its SIM are."""

    serial: str
    iccid: str
    imsi: str
    imei: str
    personality: str = "quectel-ec25"
    name: str = "Mini Hub 4G"
    firmware: str = "MH4G-1.0"
    branding: str = "BT"


class Server(Watched, Protocol):
    """Something that runs and can be stopped, killed and started again."""

    async def start(self) -> None:
        """Start it."""

    async def stop(self) -> None:
        """Stop it in good order."""

    async def kill(self) -> None:
        """Cut it off."""


class Place(Protocol):
    """The home of a hub, as far as the story asks it."""

    @property
    def kind(self) -> str:
        """What the host tools are here."""

    async def ask(self, name: str) -> Lookup:
        """Ask the hub's DNS for a name, as a device in the home does."""

    async def reaches_internet(self) -> bool | None:
        """Whether a home device's packet comes back from outside; None where there is no network to try."""


class Unit(Protocol):
    """One hub in a home."""

    @property
    def home(self) -> Place:
        """Where it is."""

    @property
    def port(self) -> PurePath:
        """The modem's AT port."""

    @property
    def processes(self) -> Sequence[Watched]:
        """What it is made of while it is on."""

    async def plug_in(self) -> None:
        """Power on."""

    async def unplug(self) -> None:
        """Power off."""

    async def status(self) -> dict[str, Any] | None:
        """What the running agent tells of itself, None while it does not answer."""


class Set(Protocol):
    """The stage that the story is played on."""

    @property
    def broken(self) -> Break | None:
        """What is to be broken."""

    @property
    def admin(self) -> Admin:
        """The admin API."""

    @property
    def carrier(self) -> Server:
        """The carrier's platform."""

    @property
    def broker(self) -> Server:
        """The MQTT broker."""

    @property
    def controller(self) -> Server:
        """The controller."""

    async def provision(self, orders: list[dict[str, Any]]) -> None:
        """Give the carrier's platform its SIMs, as a supplier's order would have."""

    async def place_hub(self, hub: str, model: HubModel) -> Unit:
        """Put a hub into a home: powered off, its SIM inserted."""
