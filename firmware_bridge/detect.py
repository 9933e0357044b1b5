"""Finding a modem: its serial ports by USB identity, which of them speak AT, and which family answers.

A port's number changes when the modem re-enumerates; its USB interface and place do not, so a port is known by these.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import LINES, Bare, Command
from firmware_bridge.at.validators import is_text
from firmware_bridge.errors import (
    BridgeError,
    CommandError,
    CommandTimeoutError,
    ModemRebootedError,
    ModemSilentError,
    PortError,
    PortNotFoundError,
    ReplyError,
)
from firmware_bridge.modem.dialect import IMEI
from firmware_bridge.modem.families import ALL_URCS, family_of
from firmware_bridge.modem.generic import Modem
from firmware_bridge.transport import TransportOpener, open_transport
from firmware_bridge.types import PortIdentity

_log = logging.getLogger(__name__)

_NO_ANSWER = (CommandError, CommandTimeoutError, ModemRebootedError, ReplyError)
PROBES = 5  # AT until OK: the first ones after a boot or a sleep are swallowed (Q3, Q41)
PROBE_S = 1.0
PORTS_MOST = 2  # the second AT port is for slow commands and for fail-over; more would be noise

# Interface numbers that speak AT, best first. Others on the same stick are diagnostics and NMEA (Q42).
ROLES: dict[str, tuple[int, ...]] = {
    "2c7c:0125": (2, 3),  # EC25, EG25
    "2c7c:0121": (2, 3),  # EC21
    "2c7c:0191": (2, 3),  # EG91
    "2c7c:0195": (2, 3),  # EG95
    "1e0e:9001": (2, 3),  # SIM7600
}
_NAMES = ("ttyUSB*", "ttyACM*")


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip().lower() or None
    except OSError:
        return None


def _identity(entry: Path, root: Path, by_path: dict[str, str]) -> PortIdentity:
    """The port behind /sys/class/tty/<name>: its interface and device are directories above (ABI sysfs-bus-usb)."""
    usb_id: str | None = None
    interface: int | None = None
    place: str | None = None
    for folder in entry.resolve().parents:
        number = _text(folder / "bInterfaceNumber")
        if number is not None and interface is None:
            interface, place = int(number, 16), f"usb-{folder.name}"
        vendor, product = _text(folder / "idVendor"), _text(folder / "idProduct")
        if vendor and product:
            usb_id = f"{vendor}:{product}"
            break
    device = f"/{(root / 'dev' / entry.name).relative_to(root)}"
    return PortIdentity(device, usb_id, interface, by_path.get(entry.name, place))


def _by_path(root: Path) -> dict[str, str]:
    """What udev calls the ports by their place, by kernel name."""
    folder = root / "dev/serial/by-path"
    links = sorted(folder.iterdir()) if folder.is_dir() else []
    return {link.readlink().name: link.name for link in links if link.is_symlink()}


def _order(port: PortIdentity) -> tuple[str, int, str]:
    return port.usb_id or "", -1 if port.interface is None else port.interface, port.device


def find_ports(root: Path = Path("/")) -> tuple[PortIdentity, ...]:
    """Every USB serial port by what it is, in order of USB id, interface and name. `root` holds sys and dev."""
    folder = root / "sys/class/tty"
    entries = [entry for pattern in _NAMES for entry in folder.glob(pattern)]
    by_path = _by_path(root)
    return tuple(sorted((_identity(entry, root, by_path) for entry in entries), key=_order))


def at_ports(ports: Iterable[PortIdentity]) -> tuple[PortIdentity, ...]:
    """The ports worth probing, best first: the AT interfaces of known devices, then all of devices not known."""
    found = list(ports)
    known = [port for port in found if port.usb_id in ROLES and port.interface in ROLES[port.usb_id]]
    known.sort(key=lambda port: ROLES[port.usb_id or ""].index(port.interface or 0))
    return tuple(known + [port for port in found if port.usb_id not in ROLES])


def find_again(wanted: PortIdentity, ports: Iterable[PortIdentity]) -> PortIdentity | None:
    """The same port after renumbering: by its place, else by USB id and interface where only one port has them."""
    found = list(ports)
    if wanted.by_path is not None:
        for port in found:
            if port.by_path == wanted.by_path and port.interface == wanted.interface:
                return port
    if wanted.usb_id is None:
        return next((port for port in found if port.device == wanted.device), None)
    alike = [port for port in found if (port.usb_id, port.interface) == (wanted.usb_id, wanted.interface)]
    return alike[0] if len(alike) == 1 else None


async def _answers(channel: Channel) -> None:
    """Send AT until OK. A modem that refuses it each time is there all the same (Q20).

    Raises ModemSilentError after `PROBES` tries, PortLostError.
    """
    refusals = 0
    for _ in range(PROBES):
        try:
            await channel.execute(Command("AT", deadline_s=PROBE_S))
        except _NO_ANSWER as error:
            _log.debug("%s: no OK yet: %s", channel.name, error)
            refusals += isinstance(error, CommandError)
        else:
            return
    if refusals == PROBES:
        return
    raise ModemSilentError(channel.name, PROBES)


async def _said(channel: Channel, command: Command) -> str:
    try:
        return " ".join((await channel.execute(command)).lines)
    except _NO_ANSWER:
        return ""


async def _imei(channel: Channel) -> str | None:
    try:
        return IMEI.parse((await channel.execute(IMEI.command)).lines)
    except _NO_ANSWER:
        return None


async def _open(port: str, opener: TransportOpener) -> Channel:
    """A channel on a port that answers AT; closed again when it does not."""
    channel = Channel(opener(port), urcs=ALL_URCS)
    try:
        await _answers(channel)
    except BaseException:
        await channel.close()
        raise
    return channel


async def _open_answering(ports: Sequence[str], opener: TransportOpener) -> list[Channel]:
    """Up to two channels to one modem, in the order of the ports. Raises the first port's error if none answers."""
    channels: list[Channel] = []
    failures: list[BridgeError] = []
    imei: str | None = None
    try:
        for port in ports:
            try:
                channel = await _open(port, opener)
            except (PortError, ModemSilentError) as error:
                _log.info("not used: %s", error)
                failures.append(error)
                continue
            channels.append(channel)
            found = await _imei(channel)
            if len(channels) > 1 and (found is None or found != imei):
                channels.remove(channel)
                await channel.close()
            imei = imei or found
            if len(channels) == PORTS_MOST:
                break
    except BaseException:
        await asyncio.gather(*(channel.close() for channel in channels))
        raise
    if not channels:
        raise failures[0] if failures else PortNotFoundError("no port", "plug the modem in or name its AT port")
    return channels


async def open_modem(
    ports: Sequence[str],
    *,
    open_transport: TransportOpener = open_transport,
    jitter: Callable[[], float] = random.random,
) -> Modem:
    """The modem behind the ports: each is probed with AT, the family chosen by what the modem says of itself.

    A second port of the same modem is used for slow commands and when the first fails. Not yet initialised. `jitter`
    gives 0..1 and spreads the tries at a modem that is busy.

    Raises:
        PortError: no port could be opened (the first port's error).
        ModemSilentError: ports opened, none answered.
    """
    channels = await _open_answering(ports, open_transport)
    try:
        said = await _said(channels[0], Command("ATI", LINES))
        maker = await _said(channels[0], Command("AT+CGMI", Bare(is_text, ("+CGMI",))))
    except BaseException:
        await asyncio.gather(*(channel.close() for channel in channels))
        raise
    return family_of(said, maker)(channels, jitter=jitter)
