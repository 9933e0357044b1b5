"""A sysfs in which a simulated modem is a USB device with serial interfaces, for a private mount namespace."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from simulator.modem import Personality

_DEVICE = "devices/pci0000:00/0000:00:14.0/usb1/1-1"
_PLAIN_DEVICES = ("null", "zero", "random", "urandom")


def build(root: Path, personality: Personality, interfaces: Sequence[int]) -> None:
    """Write the tree under `root`: one tty for each interface number, named ttyUSB with that number."""
    usb = personality.usb
    device = root / _DEVICE
    for bus in ("bus/usb", "bus/usb-serial", "bus/usb-serial/drivers/option1", "bus/usb/drivers/usb", "class/tty"):
        (root / bus).mkdir(parents=True, exist_ok=True)
    (root / "bus/usb/drivers/option").mkdir(parents=True, exist_ok=True)
    _write(
        device,
        {
            "idVendor": usb["vendor_id"],
            "idProduct": usb["product_id"],
            "bcdDevice": usb["revision"],
            "manufacturer": usb["manufacturer"],
            "product": usb["product"],
        },
    )
    _link(device / "subsystem", root / "bus/usb")
    _link(device / "driver", root / "bus/usb/drivers/usb")
    for number in interfaces:
        _interface(root, device, number)


def _interface(root: Path, device: Path, number: int) -> None:
    interface = device / f"1-1:1.{number}"
    codes = {"bInterfaceClass": "ff", "bInterfaceSubClass": "ff", "bInterfaceProtocol": "ff"}
    _write(interface, {"bInterfaceNumber": f"{number:02x}", **codes})
    _link(interface / "subsystem", root / "bus/usb")
    _link(interface / "driver", root / "bus/usb/drivers/option")
    name = f"ttyUSB{number}"
    port = interface / name
    tty = port / "tty" / name
    tty.mkdir(parents=True)
    _link(port / "subsystem", root / "bus/usb-serial")
    _link(port / "driver", root / "bus/usb-serial/drivers/option1")
    _link(tty / "subsystem", root / "class/tty")
    _link(tty / "device", port)
    _link(root / "class/tty" / name, tty)


def _write(folder: Path, values: Mapping[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")


def _link(link: Path, target: Path) -> None:
    """A relative link, since the tree is mounted elsewhere."""
    link.symlink_to(Path(_up(link.parent, target)))


def _up(start: Path, target: Path) -> str:
    common = next(parent for parent in (start, *start.parents) if target.is_relative_to(parent))
    return "/".join([".."] * len(start.relative_to(common).parts) + [str(target.relative_to(common))])


def kernel_events(path: Path, interfaces: Sequence[int]) -> None:
    """The file ModemManager reads in place of udev."""
    lines = [f"action=add,subsystem=tty,name=ttyUSB{number},uid=/sim/modem1\n" for number in interfaces]
    path.write_text("".join(lines))


def enter_script(directory: Path, terminals: Mapping[int, str]) -> str:
    """Shell commands that put the tree on /sys and the terminals into a small /dev, then run the rest."""
    dev = directory / "dev"
    (dev / "pts").mkdir(parents=True)
    lines = ["set -e"]
    for name in _PLAIN_DEVICES:
        (dev / name).touch()
        lines.append(f"mount --bind /dev/{name} {dev}/{name}")
    for number, terminal in terminals.items():
        (dev / f"ttyUSB{number}").symlink_to(terminal)
    lines += [f"mount --bind /dev/pts {dev}/pts", f"mount --bind {directory}/sys /sys", f"mount --rbind {dev} /dev"]
    return "\n".join([*lines, 'exec "$@"'])
