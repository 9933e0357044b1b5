"""What is said unasked: its meaning, and that no line of any content stops the events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.at.commands import EventsLost, Rebooted, Resynchronised, Unsolicited
from firmware_bridge.at.tokens import parameters
from firmware_bridge.modem.families import ALL_URCS
from firmware_bridge.modem.urcs import translate
from firmware_bridge.types import (
    AccessTechnology,
    ModemEvent,
    ModemEventKind,
    Registration,
    RegistrationState,
    Signal,
    Sim,
    SimState,
)

NAMES = sorted(ALL_URCS.entries)


def said(line: str) -> Unsolicited:
    name = line.partition(":")[0]
    return Unsolicited(name if name in ALL_URCS.entries else line, parameters(line), line)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            '+CEREG: 5,"1F00","79D903",7',
            ModemEvent(
                ModemEventKind.REGISTRATION,
                Registration(RegistrationState.ROAMING, AccessTechnology.E_UTRAN, 0x1F00, 0x79D903),
            ),
        ),
        ("+CREG: 1", ModemEvent(ModemEventKind.REGISTRATION)),
        ("+CPIN: NOT INSERTED", ModemEvent(ModemEventKind.SIM, Sim(SimState.ABSENT))),
        ("+QSIMSTAT: 1,0", ModemEvent(ModemEventKind.SIM)),
        ('+CMTI: "ME",5', ModemEvent(ModemEventKind.SMS, 5)),
        ("+CGEV: NW DETACH", ModemEvent(ModemEventKind.BEARER_LOST)),
        ('^NDISSTAT: 0,33,,"IPV4"', ModemEvent(ModemEventKind.BEARER_LOST)),
        ('+QNETDEVSTATUS: 1,0,"IPV4",0', ModemEvent(ModemEventKind.BEARER_LOST)),
        ("^RSSI:20", ModemEvent(ModemEventKind.SIGNAL)),
        ("+CSQ: 21,99", ModemEvent(ModemEventKind.SIGNAL, Signal(rssi_dbm=-71))),
        ('+CTZE: "+32",0,"2026/11/04,06:51:13"', ModemEvent(ModemEventKind.TIME)),
        ("^NWTIME: 26/08/05,04:00:21+40,00", ModemEvent(ModemEventKind.TIME)),
        ('*PSUTTZ: 2026,11,26,3,22,48,"+32",0', ModemEvent(ModemEventKind.TIME)),
        ("^TIME: 26/08/05 04:00:21", ModemEvent(ModemEventKind.TIME)),
        ("+CMTI: x", ModemEvent(ModemEventKind.SMS)),
        ("+CEREG: garbled", ModemEvent(ModemEventKind.REGISTRATION)),
        ("+CSQ: ", ModemEvent(ModemEventKind.SIGNAL)),
    ],
)
def test_a_line_means(line: str, event: ModemEvent) -> None:
    assert list(translate(said(line))) == [event]


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (("+CGREG: 1", "+C5GREG: 1", "^SRVST:2", "^MODE:5,4", "+ZPASR: LTE"), ModemEventKind.REGISTRATION),
        (("+QUSIM: 1", "^SIMST:1", "+SIMCARD: NOT AVAILABLE", "+ZUSIMR:2"), ModemEventKind.SIM),
        (("+CMT: ,24",), ModemEventKind.SMS),
        (
            ("NO CARRIER", "^NDISEND:1,0", "+CIPEVENT: NETWORK CLOSED UNEXPECTEDLY", '+QIURC: "pdpdeact",1'),
            ModemEventKind.BEARER_LOST,
        ),
        (("+CTZV: +4", "+NITZ: 2026,1,2"), ModemEventKind.TIME),
        (("+ZRSSI: 20", '+QIND: "csq",21,99', '^HCSQ:"NOSERVICE"'), ModemEventKind.SIGNAL),
    ],
)
def test_other_names_for_the_same(lines: tuple[str, ...], kind: ModemEventKind) -> None:
    for line in lines:
        assert [event.kind for event in translate(said(line))] == [kind], line


@pytest.mark.parametrize("line", ['+QIND: "FOTA","END",0', "+CGEV: ME PDN ACT 1", "^NDISSTAT: 1", "+CLIP: x", "RING"])
def test_what_means_nothing_to_the_agent(line: str) -> None:
    assert list(translate(said(line))) == []


@pytest.mark.parametrize(
    "line", ["+CGEV: ME PDN ACT 1", '^NDISSTAT: 1,,,"IPV4"', "^NDISSTAT:", "RING", '+QIND: "act","LTE"']
)
def test_a_line_means_nothing_to_the_agent(line: str) -> None:
    assert list(translate(said(line))) == []


def test_a_start_is_told_and_doubt_means_look_at_everything() -> None:
    assert [event.kind for event in translate(Rebooted("RDY"))] == [ModemEventKind.REBOOTED]
    looks = [ModemEventKind.REGISTRATION, ModemEventKind.SIM, ModemEventKind.SMS]
    assert [event.kind for event in translate(Resynchronised(1, 1))] == looks
    assert [event.kind for event in translate(EventsLost(7))] == looks


@settings(max_examples=400)
@given(name=st.sampled_from(NAMES), octets=st.binary(max_size=60))
def test_no_content_of_a_line_stops_the_events(name: str, octets: bytes) -> None:
    line = f"{name}: " + octets.decode("latin-1").replace("~", ",")
    assert all(isinstance(event, ModemEvent) for event in translate(Unsolicited(name, parameters(line), line)))
