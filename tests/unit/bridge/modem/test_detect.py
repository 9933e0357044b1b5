"""Ports by what they are, families by what they say."""

from pathlib import Path

import pytest

from firmware_bridge.detect import at_ports, find_again, find_ports, open_modem
from firmware_bridge.errors import ModemSilentError, PortBusyError, PortError, PortNotFoundError
from firmware_bridge.modem.families import family_of
from firmware_bridge.types import PortIdentity
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted

IMEI = "490154203237518"
QUECTEL: dict[str, Answer] = {"ATI": "Quectel\nEC25", "AT+CGSN": IMEI, "AT+CGMI": "Quectel"}
PCI = "sys/devices/pci0000:00/0000:00:14.0/usb1"


def plug(root: Path, place: str, usb_id: str, names: dict[int, str]) -> None:
    """A USB device as sysfs shows it, its interfaces with one serial port each."""
    device = root / PCI / place
    device.mkdir(parents=True)
    vendor, product = usb_id.split(":")
    (device / "idVendor").write_text(f"{vendor}\n")
    (device / "idProduct").write_text(f"{product}\n")
    for interface, name in names.items():
        folder = device / f"{place}:1.{interface}"
        (folder / name / "tty" / name).mkdir(parents=True)
        (folder / "bInterfaceNumber").write_text(f"{interface:02x}\n")
        link = root / "sys/class/tty" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder / name / "tty" / name)


def test_ports_are_known_by_usb_id_interface_and_place(tmp_path: Path) -> None:
    plug(tmp_path, "1-1", "2c7c:0125", {number: f"ttyUSB{number}" for number in range(4)})
    plug(tmp_path, "1-2", "12d1:1573", {0: "ttyACM0"})
    (tmp_path / "sys/class/tty/ttyS0").mkdir()
    found = find_ports(tmp_path)
    assert [(port.device, port.usb_id, port.interface, port.by_path) for port in found] == [
        ("/dev/ttyACM0", "12d1:1573", 0, "usb-1-2:1.0"),
        ("/dev/ttyUSB0", "2c7c:0125", 0, "usb-1-1:1.0"),
        ("/dev/ttyUSB1", "2c7c:0125", 1, "usb-1-1:1.1"),
        ("/dev/ttyUSB2", "2c7c:0125", 2, "usb-1-1:1.2"),
        ("/dev/ttyUSB3", "2c7c:0125", 3, "usb-1-1:1.3"),
    ]
    assert [port.device for port in at_ports(found)] == ["/dev/ttyUSB2", "/dev/ttyUSB3", "/dev/ttyACM0"]


def test_the_identity_is_the_modem_s_and_not_its_hub_s(tmp_path: Path) -> None:
    plug(tmp_path, "1-1", "2c7c:0125", {10: "ttyUSB2"})
    hub = tmp_path / PCI
    (hub / "idVendor").write_text("1d6b\n")
    (hub / "idProduct").write_text("0002\n")
    (hub / "bInterfaceNumber").write_text("00\n")
    (found,) = find_ports(tmp_path)
    assert (found.usb_id, found.interface) == ("2c7c:0125", 10)  # 0a in sysfs


def test_the_names_of_udev_are_used_where_there_are_any(tmp_path: Path) -> None:
    plug(tmp_path, "1-1", "2c7c:0125", {2: "ttyUSB2"})
    link = tmp_path / "dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.2-port0"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../ttyUSB2")
    assert find_ports(tmp_path)[0].by_path == "pci-0000:00:14.0-usb-0:1:1.2-port0"


def test_a_host_without_serial_ports_has_none(tmp_path: Path) -> None:
    assert find_ports(tmp_path) == ()


def test_a_port_is_found_again_after_renumbering(tmp_path: Path) -> None:
    plug(tmp_path / "before", "1-1", "2c7c:0125", {2: "ttyUSB2", 3: "ttyUSB3"})
    plug(tmp_path / "after", "1-1", "2c7c:0125", {2: "ttyUSB6", 3: "ttyUSB7"})
    wanted = find_ports(tmp_path / "before")[0]
    again = find_again(wanted, find_ports(tmp_path / "after"))
    assert again is not None
    assert again.device == "/dev/ttyUSB6"


def test_a_port_that_moved_is_found_by_its_identity_only_where_that_is_unique() -> None:
    wanted = PortIdentity("/dev/ttyUSB2", "2c7c:0125", 2, "usb-1-1:1.2")
    moved = PortIdentity("/dev/ttyUSB8", "2c7c:0125", 2, "usb-1-4:1.2")
    twin = PortIdentity("/dev/ttyUSB9", "2c7c:0125", 2, "usb-1-5:1.2")
    assert find_again(wanted, [moved]) == moved
    assert find_again(wanted, [moved, twin]) is None
    assert find_again(wanted, []) is None
    sibling = PortIdentity("/dev/ttyUSB3", "2c7c:0125", 3, "usb-1-1:1.2")
    assert find_again(wanted, [sibling]) is None
    assert find_again(wanted, [sibling, moved]) == moved
    named = PortIdentity("/dev/pts/3")
    assert find_again(named, [named]) == named


@pytest.mark.parametrize(
    ("said", "family"),
    [
        ("Quectel EC25 Revision: EC25EFAR06A03M4G", "quectel"),
        ("Manufacturer: SIMCOM INCORPORATED", "simcom"),
        ("Manufacturer: Huawei Technologies Co., Ltd.", "huawei"),
        ("huawei", "huawei"),
        ("Manufacturer: ZTE CORPORATION", "zte"),
        ("Telit LE910", "generic"),
        ("", "generic"),
    ],
)
def test_the_family_is_the_maker_s(said: str, family: str) -> None:
    assert family_of(said).dialect.family == family


def _opened(ports: dict[str, Scripted]) -> tuple[str, list[list[str]]]:
    async def main() -> tuple[str, list[list[str]]]:
        modem = await open_modem(list(ports), open_transport=lambda name: ports[name])
        await modem.initialise()
        await modem.close()
        return modem.family, [port.sent for port in ports.values()]

    return run_virtual(main())


def test_the_maker_is_known_by_either_word() -> None:
    assert _opened({"usb2": Scripted({**QUECTEL, "ATI": "ERROR"})})[0] == "quectel"
    assert _opened({"usb2": Scripted({**QUECTEL, "AT+CGMI": "ERROR"})})[0] == "quectel"
    assert _opened({"usb2": Scripted({})})[0] == "generic"


def test_a_second_port_of_the_same_modem_is_initialised_too() -> None:
    family, sent = _opened({"usb2": Scripted(QUECTEL), "usb3": Scripted(QUECTEL)})
    assert family == "quectel"
    assert all("ATE0" in commands for commands in sent)


def test_more_than_two_ports_are_not_held() -> None:
    _, sent = _opened({f"usb{number}": Scripted(QUECTEL) for number in range(4)})
    assert [bool(commands) for commands in sent] == [True, True, False, False]


def test_a_port_of_another_modem_is_left_alone() -> None:
    other = Scripted({**QUECTEL, "AT+CGSN": "353490069873368"})
    family, sent = _opened({"usb2": Scripted(QUECTEL), "usb9": other})
    assert family == "quectel"
    assert "ATE0" not in sent[1]


def test_a_port_that_does_not_tell_whose_it_is_is_left_alone_and_the_next_is_asked() -> None:
    imeis = {"usb2": IMEI, "usb3": "ERROR", "usb8": "353490069873368", "usb4": IMEI}
    _, sent = _opened({name: Scripted({**QUECTEL, "AT+CGSN": imei}) for name, imei in imeis.items()})
    assert ["ATE0" in commands for commands in sent] == [True, False, False, True]


def test_a_port_that_refuses_once_and_falls_silent_is_no_modem_s() -> None:
    async def main() -> None:
        with pytest.raises(ModemSilentError):
            await open_modem(["usb2"], open_transport=lambda _: Scripted({**QUECTEL, "AT": ["ERROR", None]}))

    run_virtual(main())


def test_the_at_ports_of_known_devices_come_in_their_order() -> None:
    for usb_id in ("2c7c:0125", "2c7c:0121", "2c7c:0191", "2c7c:0195", "1e0e:9001"):
        ports = [PortIdentity(f"/dev/ttyUSB{9 - number}", usb_id, number) for number in (4, 3, 2, 1, 0)]
        assert [port.interface for port in at_ports(ports)] == [2, 3]


def test_a_port_that_answers_nothing_is_passed_over() -> None:
    family, _ = _opened({"usb1": Scripted({}, mute=True), "usb2": Scripted(QUECTEL)})
    assert family == "quectel"


def test_without_any_port_that_answers_the_first_failure_is_told() -> None:
    def refuse(name: str) -> Scripted:
        raise PortBusyError(name, "another program holds it")

    async def main() -> None:
        with pytest.raises(PortBusyError):
            await open_modem(["usb2", "usb3"], open_transport=refuse)
        with pytest.raises(PortNotFoundError):
            await open_modem([])
        with pytest.raises(ModemSilentError):
            await open_modem(["usb1"], open_transport=lambda _: Scripted({}, mute=True))
        assert issubclass(PortBusyError, PortError)

    run_virtual(main())


def test_a_port_that_was_no_modem_s_is_given_back() -> None:
    async def main() -> None:
        port = Scripted({}, mute=True)
        with pytest.raises(ModemSilentError):
            await open_modem(["usb1"], open_transport=lambda _: port)
        assert port.closed == 1

    run_virtual(main())
