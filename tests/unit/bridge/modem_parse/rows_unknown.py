"""Forms that say nothing, on lines that look full: unknown is unknown and never a number."""

from firmware_bridge.modem.parse.bearer import parse_cgpaddr
from firmware_bridge.modem.parse.cell import ServingCell, parse_cpsi, parse_qeng, parse_qnwinfo
from firmware_bridge.modem.parse.registration import parse_operator, parse_registration, parse_registration_urc
from firmware_bridge.modem.parse.sim import parse_cpin
from firmware_bridge.types import AccessTechnology, Operator, Registration, RegistrationState, Signal, SimState
from tests.unit.bridge.modem_parse.row import of_line, table

_LTE = AccessTechnology.E_UTRAN
_HOME = RegistrationState.HOME
_CPSI_LEVELS = Signal(rssi_dbm=-54.5, rsrp_dbm=-85.0, rsrq_db=-9.4, sinr_db=15, technology=_LTE, pci=257, earfcn=1850)

ROWS = [
    *table(
        parse_qeng,
        (
            '+QENG: "servingcell","LIMSRV","LTE","FDD",460,01,FFFFFFF,-,-,-,-,-,FFFE,-,-,-,-,-',
            ServingCell(Signal(technology=_LTE), "460", "01", service=False),
        ),
        (
            '+QENG: "servingcell","NOCONN","LTE","FDD",000,00,0,12,1650,3,5,5,0,-100,-12,-68,11,27',
            ServingCell(
                Signal(-68, -100, -12, 11, _LTE, band=3, earfcn=1650, pci=12),
                None,
                "00",
                service=True,
            ),
        ),
        (
            '+QENG: "servingcell","NOCONN","GSM",460,01,FFFE,2B07,26,122,-,-80,255,255,0,38,38,1',
            ServingCell(Signal(technology=AccessTechnology.GSM), "460", "01", service=True),
        ),
        (
            '+QENG: "servingcell","NOCONN","NR5G-SA","TDD",460,11,4DB9D5001,100,690E0F,627264,78,12,-80,-11,20,1,-',
            ServingCell(Signal(technology=AccessTechnology.NR_5GCN), service=True),
        ),
    ),
    *table(
        parse_cpsi,
        (
            "+CPSI: LTE,Online,000-00,0x0000,0,0,EUTRAN-BAND0,0,0,0,0,0,0,0",
            ServingCell(Signal(technology=_LTE), service=False),
        ),
        (
            "+CPSI: LTE,Online,505-01,0xFFFE,268435455,257,EUTRAN-BAND0,1850,5,5,-94,-850,-545,15",
            ServingCell(_CPSI_LEVELS, "505", "01", service=True),
        ),
        (
            "+CPSI: WCDMA,Online,001-01,0x0000,268435455,WCDMA IMT 2000,400,10838,0,9.5,72,30,33,500",
            ServingCell(Signal(technology=AccessTechnology.UTRAN), "001", "01", service=True),
        ),
    ),
    *table(
        parse_qnwinfo,
        (
            '+QNWINFO: "FDD LTE","00000","LTE BAND 0",1650',
            ServingCell(Signal(technology=_LTE, earfcn=1650), service=True),
        ),
    ),
    *table(
        parse_operator,
        ('+COPS: 0,2,"00000",7', Operator(technology=_LTE)),
        ('+COPS: 0,2,"000000"', Operator()),
    ),
    *table(
        parse_registration,
        ('+CREG: 2,1,"ffff","ffffffff"', Registration(_HOME)),
        ('+CEREG: 2,1,"0000","01234567",7', Registration(_HOME, _LTE)),
        ('+CEREG: 5,1,"1A2B","FFFFFFF",7,,,"00000000","11100000"', Registration(_HOME, _LTE, 0x1A2B)),
        ("+CEREG: 3,0,,,,0,7", Registration(RegistrationState.IDLE, reject_cause=7)),
        ("+CEREG: 3,0,,,,1,7", Registration(RegistrationState.IDLE)),
    ),
    *table(
        of_line(parse_registration_urc),
        (
            '+CEREG: 1,"1A2B","01234567",7,,,"00000000","11100000"',
            Registration(_HOME, _LTE, 0x1A2B, 0x01234567),
        ),
        ('+CGREG: 5,"1F00","79D903",7,"01"', Registration(RegistrationState.ROAMING, _LTE, 0x1F00, 0x79D903)),
    ),
    *table(
        parse_cgpaddr,
        ('+CGPADDR: 1,"10.1.2.3,2001:db8::1"', {1: ("10.1.2.3", "2001:db8::1")}),
        ('+CGPADDR: 1,"10.1.2.3 32.1.4.200.1.2.3.4.0.0.0.0.0.0.0.1"', {1: ("10.1.2.3", "2001:4c8:102:304::1")}),
        ('+CGPADDR: 1,"0.0.0.0","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"', {1: ()}),
    ),
    *table(
        parse_cpin,
        ("+CPIN: SIM not inserted", SimState.ABSENT),
        ("+CPIN: PH_SIM PIN", SimState.LOCKED),
    ),
]
