"""Registration lines in read and unsolicited form, operators and scans."""

from firmware_bridge.modem.parse.registration import (
    parse_operator,
    parse_registration,
    parse_registration_urc,
    parse_scan,
)
from firmware_bridge.types import (
    AccessTechnology,
    Operator,
    OperatorAvailability,
    Registration,
    RegistrationState,
    ScannedOperator,
)
from tests.unit.bridge.modem_parse.row import FAILS, of_line, table

_HOME = RegistrationState.HOME
_LTE = AccessTechnology.E_UTRAN


def _reg(
    state: RegistrationState,
    tac: int | None = None,
    cell: int | None = None,
    technology: AccessTechnology | None = None,
    cause: int | None = None,
) -> Registration:
    return Registration(state, technology, tac, cell, cause)


def _seen(
    status: OperatorAvailability, code: str, name: str | None, technology: AccessTechnology | None = None
) -> ScannedOperator:
    return ScannedOperator(status, Operator(code[:3], code[3:], name, technology))


_DENIED = RegistrationState.DENIED
_READ = [
    ("+CEREG: 0,0", _reg(RegistrationState.IDLE)),
    ("+CEREG: 0,1", _reg(_HOME)),
    ("+CREG: 1,3", _reg(_DENIED)),
    ("+CEREG:0,1", _reg(_HOME)),
    ("+CEREG: 2,2", _reg(RegistrationState.SEARCHING)),
    ("+CEREG: 2,4", _reg(RegistrationState.UNKNOWN)),
    ("+CEREG: 0,5", _reg(RegistrationState.ROAMING)),
    ("+CREG: 0,6", _reg(RegistrationState.HOME_SMS_ONLY)),
    ("+CREG: 0,7", _reg(RegistrationState.ROAMING_SMS_ONLY)),
    ("+CEREG: 0,8", _reg(RegistrationState.EMERGENCY_ONLY)),
    ("+CREG: 0,9", _reg(RegistrationState.HOME_NO_CSFB)),
    ("+CREG: 0,10", _reg(RegistrationState.ROAMING_NO_CSFB)),
    ("+CEREG: 0,11", _reg(RegistrationState.RESTRICTED_LOCAL)),
    ("+CEREG: 0,77", _reg(RegistrationState.UNKNOWN)),
    ('+CEREG: 2,1,"1F00","79D903",7', _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ("+CEREG: 2,1,1F00,79D903,7", _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ("+CEREG: 2,1, 1F00, 79D903, 7", _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ("+CEREG: 2,1, 1F00, 20 ,79D903 ,7", _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ('+CEREG: 2,1,"1F00","20","79D903",7', _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ('+CEREG: 2,1,"0502","00001234",7', _reg(_HOME, 0x0502, 0x1234, _LTE)),
    ('+CREG: 2,1,"0502","1234"', _reg(_HOME, 0x0502, 0x1234)),
    ('+CREG:002,001,"18d8","ffff"', _reg(_HOME, 0x18D8, 0xFFFF)),
    ('+CREG: 2,0011,"18d8","0001"', _reg(RegistrationState.RESTRICTED_LOCAL, 0x18D8, 1)),
    ("+CREG: 2,2,,", _reg(RegistrationState.SEARCHING)),
    ('+CREG: 2,0,"",""', _reg(RegistrationState.IDLE)),
    ('+CREG: 2,1,"FFFE","FFFFFFF"', _reg(_HOME)),
    ('+CEREG: 2,1,"1F00","FFFFFFF",7', _reg(_HOME, 0x1F00, None, _LTE)),
    ('+CEREG: 2,1,"1F00","FFFFFFFF",7', _reg(_HOME, 0x1F00, None, _LTE)),
    ('+CEREG: 2,1,"FFFF","79D903",7', _reg(_HOME, None, None, _LTE)),
    ('+CREG: 2,0,"0000","0000",0', _reg(RegistrationState.IDLE, technology=AccessTechnology.GSM)),
    ('+CEREG: 2,1,"1F00","79D903"', _reg(_HOME, 0x1F00, 0x79D903)),
    ('+CEREG: 2,1,"1F00","79D903",', _reg(_HOME, 0x1F00, 0x79D903)),
    ('+CEREG: 2,1,"1F00","79D903",9', _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.NB_IOT)),
    ('+CEREG: 2,1,"1F00","79D903",13', _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.E_UTRA_NR)),
    ('+CEREG: 2,1,"1F00","79D903",55', _reg(_HOME, 0x1F00, 0x79D903)),
    ("+CEREG: 3,3,,,,0,7", _reg(_DENIED, cause=7)),
    ('+CEREG: 3,3,"","",,0,8', _reg(_DENIED, cause=8)),
    ('+CEREG: 3,3,"1F00","79D903",7,0,11', _reg(_DENIED, 0x1F00, 0x79D903, _LTE, 11)),
    ("+CEREG: 3,3,,,,1,4711", _reg(_DENIED)),
    ("+CEREG: 3,2,,,,0,0", _reg(RegistrationState.SEARCHING)),
    ('+CEREG: 4,1,"1F00","79D903",7,,,"00000110","10000110"', _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ('+CEREG: 5,3,"1F00","79D903",7,0,15,"00000110","10000110"', _reg(_DENIED, 0x1F00, 0x79D903, _LTE, 15)),
    ('+CGREG: 2,1,"1F00","79D903",2,"01"', _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.UTRAN)),
    ("+CGREG: 2,1,1F00,79D903,2,01", _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.UTRAN)),
    ('+CGREG: 3,3,"1F00","79D903",2,"01",0,7', _reg(_DENIED, 0x1F00, 0x79D903, AccessTechnology.UTRAN, 7)),
    ('+CGREG: 2,1,"1F00","A1",2,"01"', _reg(_HOME, 0x1F00, 0xA1, AccessTechnology.UTRAN)),
    ('+CGREG: 2,1,"1F00","79D903",6,""', _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.HSPA)),
    (
        '+CGREG: 5,3,"1F00","79D903",6,"00",0,7,"00000110","10000110"',
        _reg(_DENIED, 0x1F00, 0x79D903, AccessTechnology.HSPA, 7),
    ),
    (
        '+CGREG: 4,1,"1F00","79D903",6,"00",,,"00000110","10000110"',
        _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.HSPA),
    ),
    ('+CEREG: 5,1,"5A1E","0B28A17C",7,,,"00100011","11100000"', _reg(_HOME, 0x5A1E, 0xB28A17C, _LTE)),
    ('+CEREG: 3,2,"5A1E","0B28A17C",7,0,22', _reg(RegistrationState.SEARCHING, 0x5A1E, 0xB28A17C, _LTE, 22)),
    ('+CEREG: 2,1,"1f00","0079d903",10', _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.E_UTRA_5GCN)),
    ('+C5GREG: 2,1,"1F00","79D903",11', _reg(_HOME, 0x1F00, 0x79D903, AccessTechnology.NR_5GCN)),
    ("+CEREG: 3", FAILS),
    ('+CEREG: 1,"1F00","79D903",7', FAILS),
    ("+CEREG: ,1", FAILS),
    ("+CEREG:", FAILS),
    ("+CEREG: x,y", FAILS),
    ("+CSQ: 1,99", FAILS),
    ("", FAILS),
]
_URC = [
    ("+CEREG: 1", _reg(_HOME)),
    ("+CREG: 3", _reg(_DENIED)),
    ("+CREG:5", _reg(RegistrationState.ROAMING)),
    ("+CGREG: 0", _reg(RegistrationState.IDLE)),
    ('+CEREG: 5,"1F00","79D903",7', _reg(RegistrationState.ROAMING, 0x1F00, 0x79D903, _LTE)),
    ("+CEREG: 1,1F00,79D903,7", _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ("+CEREG: 1, 1F00, 20, 79D903, 7", _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ('+CREG: 1,"0502","00001234"', _reg(_HOME, 0x0502, 0x1234)),
    ("+CREG: 2,,", _reg(RegistrationState.SEARCHING)),
    ("+CEREG: 3,,,,0,7", _reg(_DENIED, cause=7)),
    ("+CEREG: 3,,,,0,3", _reg(_DENIED, cause=3)),
    ("+CEREG: 4", _reg(RegistrationState.UNKNOWN)),
    ("+CEREG: 001", _reg(_HOME)),
    ('+CEREG: 0,"FFFE","FFFFFFF"', _reg(RegistrationState.IDLE)),
    ('+CEREG: 1,"1F00","79D903",7,,,"00000110","10000110"', _reg(_HOME, 0x1F00, 0x79D903, _LTE)),
    ("+CEREG:", FAILS),
    ("+CEREG: home", FAILS),
]
_OPERATOR = [
    ("+COPS: 0", Operator()),
    ("+COPS: 2", Operator()),
    ("+COPS: 0,0,", Operator()),
    ('+COPS: 0,0,""', Operator()),
    ('+COPS: 0,0,"Unknown"', Operator()),
    ('+COPS: 0,0,"UNKNOWN",7', Operator(technology=_LTE)),
    ('+COPS: 0,0,"CHN-UNICOM",7', Operator(name="CHN-UNICOM", technology=_LTE)),
    ('+COPS: 0,0,"EE"', Operator(name="EE")),
    ('+COPS: 1,0,"O2, UK",7', Operator(name="O2, UK", technology=_LTE)),
    ('+COPS: 0,1,"EE",2', Operator(name="EE", technology=AccessTechnology.UTRAN)),
    ('+COPS: 0,2,"23430",7', Operator("234", "30", None, _LTE)),
    ("+COPS: 0,2,23430,7", Operator("234", "30", None, _LTE)),
    ('+COPS: 0,2,"310150",7', Operator("310", "150", None, _LTE)),
    ('+COPS: 0,2,"46001",7', Operator("460", "01", None, _LTE)),
    ('+COPS: 0,2,"00101"', Operator("001", "01")),
    ('+COPS: 0,2,"2343",7', Operator(technology=_LTE)),
    ('+COPS: 0,2,"",7', Operator(technology=_LTE)),
    ('+COPS: 0,0,"00540065007300740031",7', Operator(name="Test1", technology=_LTE)),
    ('+COPS: 0,2,"23430",13', Operator("234", "30", None, AccessTechnology.E_UTRA_NR)),
    ('+COPS: 1,2,"310260",0', Operator("310", "260", None, AccessTechnology.GSM)),
    ('+COPS: 4,2,"23430",77', Operator("234", "30")),
    ("+COPS: 0,0,EE,7", Operator(name="EE", technology=_LTE)),
    ('+COPS: 0,0,"vodafone UK  ",7', Operator(name="vodafone UK", technology=_LTE)),
    ('+COPS: 0,0,"BT Mobile",13', Operator(name="BT Mobile", technology=AccessTechnology.E_UTRA_NR)),
    ("+COPS: ", FAILS),
    ("", FAILS),
]
_CURRENT, _AVAILABLE = OperatorAvailability.CURRENT, OperatorAvailability.AVAILABLE
_FORBIDDEN, _NOT_KNOWN = OperatorAvailability.FORBIDDEN, OperatorAvailability.UNKNOWN
_TAIL = ",,(0,1,2,3,4),(0,1,2)"
_SCAN = [
    (f'+COPS: (2,"EE","EE","23430",7){_TAIL}', (_seen(_CURRENT, "23430", "EE", _LTE),)),
    (
        f'+COPS: (2,"EE","EE","23430",7),(3,"O2 - UK","O2","23410",7){_TAIL}',
        (_seen(_CURRENT, "23430", "EE", _LTE), _seen(_FORBIDDEN, "23410", "O2 - UK", _LTE)),
    ),
    ('+COPS: (1,"EE","EE","23430")', (_seen(_AVAILABLE, "23430", "EE"),)),
    ('+COPS: (1,"EE","EE",23430,2)', (_seen(_AVAILABLE, "23430", "EE", AccessTechnology.UTRAN),)),
    ('+COPS: (1,"","","23430",7)', (_seen(_AVAILABLE, "23430", None, _LTE),)),
    ('+COPS: (1,,,"23430",7)', (_seen(_AVAILABLE, "23430", None, _LTE),)),
    ('+COPS: (1,"","EE","23430",7)', (_seen(_AVAILABLE, "23430", "EE", _LTE),)),
    ('+COPS: (,"EE","EE","23430",7)', (_seen(_NOT_KNOWN, "23430", "EE", _LTE),)),
    ('+COPS: (9,"EE","EE","23430",7)', (_seen(_NOT_KNOWN, "23430", "EE", _LTE),)),
    ('+COPS: (1,"Tele (2), x","T2","24007",7)', (_seen(_AVAILABLE, "24007", "Tele (2), x", _LTE),)),
    ('+COPS: (1,"@","@","310410",7)', (_seen(_AVAILABLE, "310410", "@", _LTE),)),
    (
        '+COPS: (1,"T-Mobile","TMO","31026",2)),(0,1,2,3)',
        (_seen(_AVAILABLE, "31026", "T-Mobile", AccessTechnology.UTRAN),),
    ),
    (
        '+COPS: (2,"EE","EE","23430",7)\n+COPS: (1,"3 UK","3","23420",7)',
        (_seen(_CURRENT, "23430", "EE", _LTE), _seen(_AVAILABLE, "23420", "3 UK", _LTE)),
    ),
    (
        '+COPS:\n(2,"EE","EE","23430",7)\n(1,"3 UK","3","23420",7)',
        (_seen(_CURRENT, "23430", "EE", _LTE), _seen(_AVAILABLE, "23420", "3 UK", _LTE)),
    ),
    ('+COPS: (1,"00540065007300740031","","00320033003400330030",7)', (_seen(_AVAILABLE, "23430", "Test1", _LTE),)),
    ('+COPS: ( 1 , "EE" , "EE" , "23430" , 7 )', (_seen(_AVAILABLE, "23430", "EE", _LTE),)),
    ("+COPS: (0,1,2,3,4),(0,1,2)", ()),
    ("+COPS: ", ()),
    ("", ()),
]

ROWS = [
    *table(parse_registration, *_READ),
    *table(of_line(parse_registration_urc), *_URC),
    *table(parse_operator, *_OPERATOR),
    *table(parse_scan, *_SCAN),
]
