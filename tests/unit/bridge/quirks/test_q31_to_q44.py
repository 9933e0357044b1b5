"""Q31 to Q44: the families' calls, clocks, addresses, messages, early OKs, ports."""

import asyncio
from datetime import UTC, datetime

import pytest

from firmware_bridge.detect import at_ports, find_again, open_modem
from firmware_bridge.errors import CommandError, CommandTimeoutError, PortLostError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.simcom import SimcomModem
from firmware_bridge.types import AccessTechnology, BearerSettings, ModemEventKind, NetworkTime, PortIdentity
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted, open_driver
from tests.unit.bridge.modem_parse.rows_sms import PDU
from tests.unit.bridge.quirks.shown import LEVEL_DBM, lost_its_place, shows

INTERNET = BearerSettings("internet")
CONTEXT = '+CGDCONT: 1,"IPV4V6","internet"'
UP: dict[str, Answer] = {"AT+CGACT?": "+CGACT: 1,1", "AT+CGDCONT?": CONTEXT, "AT+CGATT?": "+CGATT: 1"}
DHCP = "^DHCP: CCDB080A,F8FFFFFF,C9DB080A,C9DB080A,8080808,4040808,150000000,150000000"


@pytest.mark.parametrize(
    "answer",
    [
        "^NDISSTATQry:1",
        "^ndisstatqry: 1",
        '^NDISSTATQRY: 1,,,"IPV4",0,,,"IPV6"',
        '^NDISSTATQRY: 0,33,,"IPV4",1,,,"IPV6"',
        '^NDISSTATQry: 0,,,"IPV6"\n^NDISSTATQry: 1,,,"IPV4"',
        '^NDISSTATQRY: 0,,,"IPV4",0,,,"IPV6"',
        "^NDISSTATQry:0",
    ],
)
def test_q31_the_state_of_a_call_has_mixed_case_and_one_line_or_two(answer: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.bearer()).up is ("1" in answer)
        assert not lost_its_place(port)

    shows({**UP, "AT^NDISSTATQRY?": answer}, scenario, driver=HuaweiModem)


def test_q32_dhcp_is_little_endian_hex_with_zeros_dropped() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        found = await modem.bearer()
        assert (found.addresses, found.dns) == (("10.8.219.204",), ("8.8.8.8", "8.8.4.4"))
        for lease in (
            "^DHCP: 1010A0A,FFFFFF,FE010A0A,FE010A0A,8080808,0",
            "^DHCP: 0x1010A0A,0xFFFFFF,0xFE010A0A,0xFE010A0A,0x08080808,0x0",
        ):
            port.says["AT^DHCP?"] = lease
            found = await modem.bearer()
            assert (found.addresses, found.dns) == (("10.10.1.1",), ("8.8.8.8",))

    shows({**UP, "AT^NDISSTATQRY?": "^NDISSTATQRY:1", "AT^DHCP?": DHCP}, scenario, driver=HuaweiModem)


@pytest.mark.parametrize("answer", ['^SYSINFOEX:2,3,0,1,,6,"LTE",101,"LTE"', "^SYSINFOEX:2,3,0,1,,6,LTE,101,LTE"])
def test_q33_sysinfoex_has_an_empty_field_and_bare_names(answer: str) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.signal()).technology is AccessTechnology.E_UTRAN

    shows({"AT^SYSINFOEX": answer}, scenario, driver=HuaweiModem)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('+CCLK: "26/11/21,22:40:00+00"', NetworkTime(datetime(2026, 11, 21, 22, 40, tzinfo=UTC), zone_known=True)),
        ('+CCLK: "26/11/21,22:40:00"', NetworkTime(datetime(2026, 11, 21, 22, 40, tzinfo=UTC), zone_known=False)),
        ("+CCLK: 26/11/21,23:40:00+04", NetworkTime(datetime(2026, 11, 21, 22, 40, tzinfo=UTC), zone_known=True)),
        ('+CCLK: "26/11/21,19:10:00-14"', NetworkTime(datetime(2026, 11, 21, 22, 40, tzinfo=UTC), zone_known=True)),
        ('+CCLK: "26/11/22,04:25:00+23"', NetworkTime(datetime(2026, 11, 21, 22, 40, tzinfo=UTC), zone_known=True)),
        ('+CCLK: "XX/XX/XX,XX:XX:XX"', None),
        ('+CCLK: "80/01/06,00:00:10+00"', None),
        ('+CCLK: "04/01/01,00:00:10"', None),
        ('+CCLK: "70/01/01,00:00:10"', None),
    ],
)
def test_q34_a_clock_may_lack_zone_quotes_or_sense(answer: str, expected: NetworkTime | None) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert await modem.network_time() == expected

    shows({"AT+CCLK?": answer}, scenario)


def test_q34_qlts_keeps_the_summer_time_inside_its_quotes() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.network_time()
        assert found is not None
        assert found.at == datetime(2026, 10, 12, 19, 40, 48, tzinfo=UTC)

    shows({"AT+QLTS=2": '+QLTS: "2026/10/13,03:40:48+32,0"'}, scenario)


def test_q34_a_clock_that_was_never_set_leaves_the_word_to_the_next_one() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        found = await modem.network_time()
        assert found is not None
        assert found.at == datetime(2026, 11, 21, 22, 40, tzinfo=UTC)
        assert not lost_its_place(port)

    shows({"AT+QLTS=2": '+QLTS: ""', "AT+CCLK?": '+CCLK: "26/11/21,23:40:00+04"'}, scenario)
    huawei: dict[str, Answer] = {"AT^NWTIME?": "^NWTIME: 26/11/21,22:40:00+04,00"}
    shows(huawei, scenario, driver=HuaweiModem)


@pytest.mark.parametrize(
    "layout",
    [
        '"10.1.2.3.255.255.255.0","10.1.2.1","8.8.8.8","8.8.4.4"',
        '"10.1.2.3","255.255.255.0","10.1.2.1","8.8.8.8","8.8.4.4"',
        '"10.1.2.3","10.1.2.1","8.8.8.8","8.8.4.4"',
    ],
)
def test_q35_dynamic_parameters_have_three_layouts_and_dotted_ipv6(layout: str) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.bearer()
        assert found.addresses == ("10.1.2.3", "2001:db8::1")
        assert found.dns == ("8.8.8.8", "8.8.4.4")

    octets = "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1"
    mask = "255.255.255.255.255.255.255.255.0.0.0.0.0.0.0.0"
    for six in (f'"{octets}"', f'"{octets}.{mask}"', '"2001:db8::1/64"', '"2001:DB8:0:0:0:0:0:1"'):
        answer = f'+CGCONTRDP: 1,5,"internet",{layout}\n+CGCONTRDP: 1,5,"internet",{six}'
        shows({**UP, "AT+CGCONTRDP=1": answer}, scenario)
    bare = f"+CGCONTRDP: 1,5,internet,{layout},,,,\n+CGCONTRDP: 1,5,internet,{octets},,,".replace('"', "")
    shows({**UP, "AT+CGCONTRDP=1": bare}, scenario)


@pytest.mark.parametrize(
    ("answer", "addresses"),
    [
        ("+CGPADDR: 1", ()),
        ('+CGPADDR: 1,"0.0.0.0"', ()),
        ("+CGPADDR: 1,10.1.2.3", ("10.1.2.3",)),
        ('+CGPADDR: 1,"10.1.2.3","32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1"', ("10.1.2.3", "2001:db8::1")),
    ],
)
def test_q36_a_context_has_no_address_one_or_two(answer: str, addresses: tuple[str, ...]) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.bearer()).addresses == addresses

    shows({**UP, "AT+CGPADDR=1": answer}, scenario)


def test_q37_nothing_in_a_message_ends_the_list_of_messages() -> None:
    """In PDU mode a body of `OK` is hex; a PDU on a line of its own and lines between messages are what remains."""

    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.receive_sms()
        assert [sms.indexes for sms in found] == [(1,), (2,)]
        assert {sms.body for sms in found} == {"wake"}
        assert "wake" not in repr(found)
        events = modem.events()
        assert {(await anext(events)).kind for _ in range(2)} == {ModemEventKind.SMS, ModemEventKind.REGISTRATION}

    octets = len(PDU) // 2 - 8
    body = (
        f'\r\n+CMGL: 1,0,,{octets}\r\n\r\n{PDU}\r\n\r\n+CMTI: "ME",3\r\n'
        f"+CMGL: 2,1,,{octets}\r\n\r\n+CREG: 5\r\n\r\n{PDU}\r\n\r\nOK\r\n"
    ).encode()
    shows({"AT+CMGL=4": body, "AT+CPMS?": '+CPMS: "ME",2,255,"ME",2,255,"ME",2,255'}, scenario)


def test_q37_a_line_that_is_no_pdu_is_taken_for_none() -> None:
    """A PDU that never came hides neither the next message nor the end of the list."""

    async def scenario(modem: Modem, port: Scripted) -> None:
        found = await modem.receive_sms()
        assert [(sms.indexes, sms.body) for sms in found] == [((3,), "wake")]
        assert not lost_its_place(port)

    octets = len(PDU) // 2 - 8
    told = f"+CMGL: 1,0,,{octets}\n{PDU[:-4]}\n+CMGL: 2,0,,{octets}\nCALL READY\n+CMGL: 3,0,,{octets}\n{PDU}"
    shows({"AT+CMGL=4": told}, scenario)


@pytest.mark.parametrize("line", ["+CMTI: SM,12", '+CMTI: "SM", 12', '+CMTI: "SM",12', "+CMTI:SM, 12"])
def test_q38_the_storage_of_a_new_message_may_be_bare(line: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say(line)
        event = await anext(modem.events())
        assert (event.kind, event.value) == (ModemEventKind.SMS, 12)

    shows({}, scenario)


def test_q39_the_ok_of_netopen_is_not_its_success() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        asyncio.get_running_loop().call_later(2, port.say, "+NETOPEN: 0")
        asyncio.get_running_loop().call_later(1, port.says.update, {"AT+NETOPEN?": "+NETOPEN: 1,0"})
        assert (await modem.connect(INTERNET)).up

    shows({**UP, "AT+NETOPEN?": "+NETOPEN: 0", "AT+NETOPEN": ""}, scenario, driver=SimcomModem)


def test_q39_when_asked_one_is_open_and_nought_is_closed() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert not (await modem.bearer()).up  # the context is active, the network is not open
        for opened in ("+NETOPEN: 1,0", "+NETOPEN: 1"):
            port.says["AT+NETOPEN?"] = opened
            assert (await modem.bearer()).up

    shows({**UP, "AT+NETOPEN?": "+NETOPEN: 0"}, scenario, driver=SimcomModem)


def test_q39_a_result_other_than_nought_is_a_failure_and_already_open_a_success() -> None:
    async def refused(modem: Modem, port: Scripted) -> None:
        asyncio.get_running_loop().call_later(2, port.say, "+NETOPEN: 4")
        with pytest.raises(CommandError) as failure:
            await modem.connect(INTERNET)
        assert failure.value.code == 4

    async def already(modem: Modem, port: Scripted) -> None:
        port.says["AT+NETOPEN?"] = ["+NETOPEN: 0", "+NETOPEN: 1"]
        port.says["AT+NETOPEN"] = b"\r\n+IP ERROR: Network is already opened\r\n\r\nERROR\r\n"
        assert (await modem.connect(INTERNET)).up

    says: dict[str, Answer] = {**UP, "AT+NETOPEN?": "+NETOPEN: 0", "AT+NETOPEN": ""}
    shows(says, refused, driver=SimcomModem)
    shows(says, already, driver=SimcomModem)


def test_q39_the_ok_of_ndisdup_is_not_its_success() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        def dialled() -> None:
            port.says["AT^NDISSTATQRY?"] = '^NDISSTATQRY: 1,,,"IPV4"'
            port.say('^NDISSTAT: 1,,,"IPV4"')

        asyncio.get_running_loop().call_later(3, dialled)
        assert (await modem.connect(INTERNET)).up

    says: dict[str, Answer] = {**UP, "AT^NDISSTATQRY?": "^NDISSTATQRY: 0", 'AT^NDISDUP=1,1,"internet"': ""}
    shows(says, scenario, driver=HuaweiModem)


def test_q39_power_is_down_when_the_modem_says_so() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        asyncio.get_running_loop().call_later(40, port.say, "POWERED DOWN")
        await modem.power_off()
        assert asyncio.get_running_loop().time() >= 40

    shows({"AT+QPOWD": ""}, scenario)


def test_q40_no_carrier_of_nobody_s_call_is_a_lost_bearer() -> None:
    """The driver never dials on an AT port; CONNECT cannot come to it. NO CARRIER can."""

    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say("NO CARRIER")
        assert (await anext(modem.events())).kind is ModemEventKind.BEARER_LOST

    shows({}, scenario)


def test_q40_nor_does_it_end_a_command_that_makes_no_call() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.temperature()).hottest == 33
        assert (await anext(modem.events())).kind is ModemEventKind.BEARER_LOST
        assert not lost_its_place(port)

    shows({"AT+QTEMP": b"\r\nNO CARRIER\r\n\r\n+QTEMP: 33,31,29\r\n\r\nNO CARRIER\r\n\r\nOK\r\n"}, scenario)


def test_q40_but_it_ends_one_that_does() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        with pytest.raises(CommandError) as failure:
            await modem.connect(INTERNET)
        assert failure.value.kind == "NO CARRIER"

    down: dict[str, Answer] = {"AT+CGACT?": "", "AT+CGDCONT?": CONTEXT, "AT+CGATT?": "+CGATT: 1"}
    shows({**down, "AT+CGACT=1,1": "NO CARRIER"}, scenario)


def test_q41_a_hang_up_is_told_once_and_the_port_is_found_under_its_new_number() -> None:
    async def main() -> None:
        port = Scripted({})
        modem = open_driver(port)
        reading = asyncio.create_task(modem.temperature())
        port.says["AT+QTEMP"] = None
        await asyncio.sleep(0.1)
        port.hang_up()
        with pytest.raises(PortLostError):
            await reading
        assert [event.kind async for event in modem.events()] == [ModemEventKind.PORT_LOST]
        await modem.close()

        again = find_again(
            PortIdentity("/dev/ttyUSB2", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:1:1.2-port0"),
            [
                PortIdentity("/dev/ttyUSB5", "2c7c:0125", 3, "pci-0000:00:14.0-usb-0:1:1.3-port0"),
                PortIdentity("/dev/ttyUSB4", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:1:1.2-port0"),
            ],
        )
        assert again is not None
        assert again.device == "/dev/ttyUSB4"
        woken = Scripted({"AT": [None, ""], "ATI": "Quectel\nEC25"})
        modem = await open_modem([again.device], open_transport=lambda _: woken)
        assert (await modem.signal()).rssi_dbm == LEVEL_DBM
        await modem.close()

    run_virtual(main())


WAS = PortIdentity("/dev/ttyUSB2", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:1:1.2-port0")


@pytest.mark.parametrize(
    ("ports", "found"),
    [
        # The name went to another stick's port, the place did not.
        (
            [
                PortIdentity("/dev/ttyUSB2", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:2:1.2-port0"),
                PortIdentity("/dev/ttyUSB6", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:1:1.2-port0"),
            ],
            "/dev/ttyUSB6",
        ),
        # Another place: the only port of its kind and role.
        (
            [
                PortIdentity("/dev/ttyUSB1", "2c7c:0125", 1, "pci-0000:00:14.0-usb-0:3:1.1-port0"),
                PortIdentity("/dev/ttyUSB4", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:3:1.2-port0"),
                PortIdentity("/dev/ttyUSB5", "1e0e:9001", 2, "pci-0000:00:14.0-usb-0:4:1.2-port0"),
            ],
            "/dev/ttyUSB4",
        ),
        # Two alike in other places: neither is known to be the one.
        (
            [
                PortIdentity("/dev/ttyUSB2", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:2:1.2-port0"),
                PortIdentity("/dev/ttyUSB6", "2c7c:0125", 2, "pci-0000:00:14.0-usb-0:3:1.2-port0"),
            ],
            None,
        ),
        # The place now shows another role: it is not the same port.
        ([PortIdentity("/dev/ttyUSB2", "2c7c:0125", 3, "pci-0000:00:14.0-usb-0:1:1.2-port0")], None),
        ([], None),
    ],
)
def test_q41_a_port_is_its_place_then_its_kind_and_never_its_number(
    ports: list[PortIdentity], found: str | None
) -> None:
    again = find_again(WAS, ports)
    assert (again and again.device) == found


def test_q42_diagnostics_and_nmea_ports_are_not_probed() -> None:
    quectel = [PortIdentity(f"/dev/ttyUSB{number}", "2c7c:0125", number) for number in range(4)]
    assert [port.interface for port in at_ports(quectel)] == [2, 3]
    simcom = [PortIdentity(f"/dev/ttyUSB{number}", "1e0e:9001", number) for number in range(5)]
    assert [port.interface for port in at_ports(simcom)] == [2, 3]
    unknown = [PortIdentity(f"/dev/ttyUSB{number}", "19d2:1405", number) for number in range(3)]
    assert [port.interface for port in at_ports(unknown)] == [0, 1, 2]


@pytest.mark.parametrize(("number", "codes"), [("310150", ("310", "150")), ("23403", ("234", "03"))])
def test_q43_a_network_code_keeps_its_zeros_and_its_length(number: str, codes: tuple[str, str]) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.operator()
        assert (found.mcc, found.mnc) == codes

    numeric, named = "AT+COPS=3,2;+COPS?", "AT+COPS=3,0;+COPS?"
    shows({numeric: f'+COPS: 0,2,"{number}",7', named: '+COPS: 0,0,"EE",7'}, scenario)


@pytest.mark.parametrize(
    ("content", "length"), [("00000002", 2), ("00000003", 3), ("000000", None), ("0000000F", None)]
)
def test_q43_the_sim_says_how_long_the_code_in_its_imsi_is(content: str, length: int | None) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.sim()).mnc_length == length

    shows({"AT+CRSM=176,28589,0,0,4": f'+CRSM: 144,0,"{content}"'}, scenario)


def test_q44_a_port_that_answers_nothing_gives_way_to_the_second() -> None:
    async def main() -> None:
        first, second = Scripted(dict.fromkeys(("AT+QTEMP", "AT+CMEE?"))), Scripted({"AT+QTEMP": "+QTEMP: 33,31,29"})
        modem = open_driver(first, second)
        first.says.update(dict.fromkeys(first.says))
        with pytest.raises(CommandTimeoutError):
            await modem.temperature()
        assert (await modem.temperature()).hottest == 33
        await modem.close()

    run_virtual(main())


def test_q44_the_radio_is_switched_off_by_four_and_never_by_nought() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.set_radio(False)
        await modem.set_radio(True)
        await modem.cycle_radio()
        switched = [command for command in port.sent if command.startswith("AT+CFUN=")]
        assert switched == ["AT+CFUN=4", "AT+CFUN=1", "AT+CFUN=4", "AT+CFUN=1"]

    shows({}, scenario)
