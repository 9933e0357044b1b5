"""The platform's state file: services, changes on their way and listeners survive a restart of the simulator."""

from pathlib import Path

import msgspec

from simulator.carrier.platform import Change, Platform
from simulator.carrier.services import Service, SimOrder
from simulator.carrier.webhooks import Listener
from simulator.faults import SimulatorError


class StateFileError(SimulatorError):
    """The state file is not one of this program: correct it or start without it."""

    exit_code = 3


class SavedState(msgspec.Struct, frozen=True):
    """What the file holds. Times are Unix seconds, so a change that came due meanwhile takes effect at once."""

    services: list[Service]
    changes: list[Change]
    listeners: list[Listener]
    webhook_serial: int = 0


def load_state(platform: Platform, path: Path) -> None:
    """Restore the platform from the file; a file that is not there is a platform without SIMs."""
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=SavedState)
    except FileNotFoundError:
        return
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateFileError(f"{path}: {error}", remedy="correct it, remove it, or name another --state") from None
    for service in saved.services:
        platform.restore(service)
    platform.changes = {change.id: change for change in saved.changes}
    platform.outbox.listeners = {listener.id: listener for listener in saved.listeners}
    platform.outbox.serial = saved.webhook_serial


def save_state(platform: Platform, path: Path) -> None:
    """Write the file in one step: a reader sees the old one or the new one. Raises StateFileError."""
    saved = SavedState(
        services=list(platform.services.values()),
        changes=list(platform.changes.values()),
        listeners=list(platform.outbox.listeners.values()),
        webhook_serial=platform.outbox.serial,
    )
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_bytes(msgspec.json.encode(saved))
        draft.replace(path)
    except OSError as error:
        raise StateFileError(f"{path}: {error.strerror}", remedy="name a --state that can be written") from None


def load_orders(path: Path) -> list[SimOrder]:
    """Read a JSON list of SIMs to provision. Raises StateFileError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[SimOrder])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateFileError(f"{path}: {error}", remedy="docs/simulator.md shows the fields of a SIM") from None
