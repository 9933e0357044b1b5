"""Levels and serving cells."""

from dataclasses import replace

from firmware_bridge.modem.parse.cell import (
    ServingCell,
    SystemInfo,
    parse_cnsmod,
    parse_cpsi,
    parse_qeng,
    parse_qnwinfo,
    parse_sysinfoex,
    parse_zpas,
)
from firmware_bridge.modem.parse.signal import parse_cesq, parse_csq, parse_hcsq, parse_qcsq
from firmware_bridge.types import AccessTechnology, Signal
from tests.unit.bridge.modem_parse.row import FAILS, table

_LTE = AccessTechnology.E_UTRAN
_GSM = AccessTechnology.GSM
_WCDMA = AccessTechnology.UTRAN


def _dbm(rssi: float | None) -> Signal:
    return Signal(rssi_dbm=rssi)


def _lte(rssi: float | None, rsrp: float | None, sinr: float | None, rsrq: float | None) -> Signal:
    return Signal(rssi, rsrp, rsrq, sinr, _LTE)


_REAL_CELL = Signal(-54, -85, -10, 17, _LTE, band=3, earfcn=1850, cell_id=0xB57DE33, tac=0xB504, pci=63)
_QENG = '+QENG: "servingcell","NOCONN","LTE","FDD",460,01,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,38'
_LEVELLESS = Signal(None, None, None, None, _LTE, band=3, earfcn=1850, cell_id=0xB57DE33, tac=0xB504, pci=63)
_NSA = replace(_REAL_CELL, technology=AccessTechnology.E_UTRA_NR)
_CPSI = Signal(-54.5, -85.0, -9.4, 15, _LTE, band=3, earfcn=1850, cell_id=187214780, tac=0x5A1E, pci=257)
_CPSI_NEW = Signal(None, None, None, None, _LTE, band=3, earfcn=1850, cell_id=187214780, tac=0x5A1E, pci=257)

ROWS = [
    *table(
        parse_csq,
        ("+CSQ: 0,99", _dbm(-113)),
        ("+CSQ: 1,99", _dbm(-111)),
        ("+CSQ: 21,99", _dbm(-71)),
        ("+CSQ:21,99", _dbm(-71)),
        ("+CSQ: 21, 99", _dbm(-71)),
        ("+CSQ: 31,0", _dbm(-51)),
        ("+CSQ: 021,099", _dbm(-71)),
        ("+CSQ: 21", _dbm(-71)),
        ("+CSQ: 99,99", _dbm(None)),
        ("+CSQ: 32,99", _dbm(None)),
        ("+CSQ: 98,99", _dbm(None)),
        ("+CSQ: 100,99", _dbm(None)),
        ("+CSQ: 150,99", _dbm(None)),
        ("+CSQ: 199,99", _dbm(None)),
        ("+CSQ: 255,255", _dbm(None)),
        ("+CSQ: -1,99", _dbm(None)),
        ("+CSQ: ,", FAILS),
        ("+CSQ:", FAILS),
        ("+CSQ: x,99", FAILS),
        ("+CESQ: 21,99", FAILS),
        ("", FAILS),
    ),
    *table(
        parse_cesq,
        ("+CESQ: 99,99,255,255,20,56", Signal(rsrq_db=-10, rsrp_dbm=-85)),
        ("+CESQ: 99,99,255,255,0,0", Signal(rsrq_db=-20, rsrp_dbm=-141)),
        ("+CESQ: 99,99,255,255,34,97", Signal(rsrq_db=-3, rsrp_dbm=-44)),
        ("+CESQ: 63,0,255,255,255,255", Signal(rssi_dbm=-48)),
        ("+CESQ: 30,99,255,255,255,255", Signal(rssi_dbm=-81)),
        ("+CESQ: 99,99,255,255,255,255", Signal()),
        ("+CESQ: 99,99,40,30,255,255", Signal()),
        ("+CESQ: 99,99,255,255,35,98", Signal()),
        ("+CESQ: 99,99,255,255,-,-", Signal()),
        ("+CESQ: 99,99,255,255,,", Signal()),
        ("+CESQ:99,99,255,255,13,40", Signal(rsrq_db=-13.5, rsrp_dbm=-101)),
        ("+CESQ: 99,99,255,255,20,56,255,255,255", Signal(rsrq_db=-10, rsrp_dbm=-85)),
        ("+CESQ: 99, 99, 255, 255, 20, 56", Signal(rsrq_db=-10, rsrp_dbm=-85)),
        ("+CESQ: 0,0,255,255,255,255", Signal(rssi_dbm=-111)),
        ("+CESQ: 64,99,255,255,255,255", Signal()),
        ("+CESQ: 99,99,255", FAILS),
        ("+CESQ:", FAILS),
        ("", FAILS),
    ),
    *table(
        parse_qcsq,
        ('+QCSQ: "LTE",-52,-81,195,-10', _lte(-52, -81, 19, -10)),
        ('+QCSQ: "LTE",-60,-90,150,-12', _lte(-60, -90, 10, -12)),
        ('+QCSQ: "LTE",-60,-90,0,-12', _lte(-60, -90, -20, -12)),
        ('+QCSQ: "LTE",-60,-90,250,-12', _lte(-60, -90, 30, -12)),
        ('+QCSQ: "LTE",-60,-90,251,-12', _lte(-60, -90, None, -12)),
        ('+QCSQ: "LTE",-60,-90,-5,-12', _lte(-60, -90, None, -12)),
        ('+QCSQ: "LTE",-60,-90,-,-12', _lte(-60, -90, None, -12)),
        ('+QCSQ: "LTE",0,0,150,0', _lte(None, None, 10, 0)),
        ('+QCSQ: "LTE",-60', _lte(-60, None, None, None)),
        ("+QCSQ: LTE,-60,-90,150,-12", _lte(-60, -90, 10, -12)),
        ('+QCSQ:"LTE",-60,-90,150,-12', _lte(-60, -90, 10, -12)),
        ('+QCSQ: "LTE",77,-116,76,-17', _lte(None, -116, -4.8, -17)),  # EG21-G: a magnitude
        ('+QCSQ: "LTE",-121,-157,150,-44', _lte(None, None, 10, None)),
        ('+QCSQ: "LTE",-120,-156,150,-43', _lte(-120, -156, 10, -43)),
        ('+QCSQ: "LTE",-9,-30,150,21', _lte(None, None, 10, None)),
        ('+QCSQ: "TDSCDMA",-67,-72,-5', Signal(rssi_dbm=-67, technology=_WCDMA)),
        ('+QCSQ: "CDMA",-67,-72,-5', Signal(rssi_dbm=-67, technology=AccessTechnology.CDMA)),
        ('+QCSQ: "GSM",-63', Signal(rssi_dbm=-63, technology=_GSM)),
        ('+QCSQ: "WCDMA",-67,-72,-5', Signal(rssi_dbm=-67, technology=_WCDMA)),
        ('+QCSQ: "NOSERVICE"', Signal()),
        ('+QCSQ: "NOSERVICE",-60', Signal()),
        ("+CSQ: 1,2", FAILS),
        ("", FAILS),
    ),
    *table(
        parse_hcsq,
        ('^HCSQ: "LTE",48,35,86,14', _lte(-73, -106, -3, -13)),
        ('^HCSQ:"LTE",48,35,86,14', _lte(-73, -106, -3, -13)),
        ('^HCSQ: "LTE",255,255,255,255', _lte(None, None, None, None)),
        ('^HCSQ: "LTE",48,255,86,255', _lte(-73, None, -3, None)),
        ('^HCSQ: "LTE",0,0,0,0', _lte(-121, -141, -20.2, -20)),
        ('^HCSQ: "LTE",96,97,251,34', _lte(-25, -44, 30, -3)),
        ('^HCSQ: "LTE",48', _lte(-73, None, None, None)),
        ("^HCSQ:LTE,48,35,86,14", _lte(-73, -106, -3, -13)),
        ('^HCSQ: "WCDMA",40,35,50', Signal(rssi_dbm=-81, technology=_WCDMA)),
        ('^HCSQ: "GSM",36', Signal(rssi_dbm=-85, technology=_GSM)),
        ('^HCSQ: "GSM",36,255', Signal(rssi_dbm=-85, technology=_GSM)),
        ('^HCSQ: "GSM",255', Signal(technology=_GSM)),
        ('^HCSQ: "LTE",97,98,252,35', _lte(None, None, None, None)),
        ('^HCSQ: "WCDMA",255,255,255', Signal(technology=_WCDMA)),
        ('^HCSQ: "TD-SCDMA",40,35,50', Signal(rssi_dbm=-81, technology=_WCDMA)),
        ('^HCSQ: "CDMA",40,35', Signal(rssi_dbm=-81, technology=AccessTechnology.CDMA)),
        ('^HCSQ: "NR",60,200,30', Signal()),
        ('^HCSQ: "NOSERVICE"', Signal()),
        ('^HCSQ: "NOSERVICE",255,255,255,255', Signal()),
        ("^RSSI: 20", FAILS),
    ),
    *table(
        parse_qeng,
        (_QENG, ServingCell(_REAL_CELL, "460", "01", service=True)),
        (_QENG + ",10,200,-,5", ServingCell(_REAL_CELL, "460", "01", service=True)),
        (_QENG.replace("NOCONN", "CONNECT"), ServingCell(_REAL_CELL, "460", "01", service=True)),
        (_QENG.replace("NOCONN", "CONECT"), ServingCell(_REAL_CELL, "460", "01", service=True)),
        (_QENG.replace("NOCONN", "LIMSRV"), ServingCell(_REAL_CELL, "460", "01", service=False)),
        (_QENG.replace("-85,-10,-54,17", "-,-,-,-"), ServingCell(_LEVELLESS, "460", "01", service=True)),
        (_QENG.replace("-85,-10,-54,17", "0,50,0,99"), ServingCell(_LEVELLESS, "460", "01", service=True)),
        (_QENG.replace("460,01", "310,410"), ServingCell(_REAL_CELL, "310", "410", service=True)),
        (_QENG.replace("460,01", "-,-"), ServingCell(_REAL_CELL, None, None, service=True)),
        (
            _QENG.replace("460,01", "234,010").replace("-85,-10,-54,17", "-131,-20,-102,-9"),
            ServingCell(
                replace(_REAL_CELL, rsrp_dbm=-131, rsrq_db=-20, rssi_dbm=-102, sinr_db=-9), "234", "010", service=True
            ),
        ),
        (
            '+QENG: "servingcell","LIMSRV","LTE","TDD",234,20,B57DE33,63,40936,41,5,5,B504,-85,-10,-54,17,38',
            ServingCell(replace(_REAL_CELL, band=41, earfcn=40936), "234", "20", service=False),
        ),
        (
            '+QENG: "servingcell","LIMSRV","WCDMA",234,20,A1B2,C3D4E5F,10663,100,16,-80,-5,-,-,-,-,-',
            ServingCell(Signal(technology=_WCDMA, tac=0xA1B2, cell_id=0xC3D4E5F), "234", "20", service=False),
        ),
        (
            (
                '+QENG: "servingcell","CONNECT"\n'
                '+QENG: "LTE","FDD",460,01,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,38,10,-,-\n'
                '+QENG:"NR5G-NSA",460,01,65535,-32768,-32768,-32768'
            ),
            ServingCell(_NSA, "460", "01", service=True),
        ),
        ("+QENG: servingcell,SEARCH", ServingCell(service=False)),
        ('+QENG: "servingcell","SEARCH"', ServingCell(service=False)),
        ('+QENG: "servingcell","LIMSRV"', ServingCell(service=False)),
        ('+QENG: "servingcell","NOCONN"', ServingCell(service=True)),
        (
            (
                '+QENG: "servingcell","NOCONN"\n'
                '+QENG: "LTE","FDD",460,01,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,38\n'
                '+QENG: "NR5G-NSA",460,01,120,-90,15,-11,627264,78'
            ),
            ServingCell(_NSA, "460", "01", service=True),
        ),
        (
            '+QENG: "servingcell","NOCONN"\n+QENG: "LTE","FDD",460,01,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,38',
            ServingCell(_REAL_CELL, "460", "01", service=True),
        ),
        (
            '+QENG: "servingcell","NOCONN","WCDMA",460,01,A1B2,C3D4E5F,10663,100,16,-80,-5,-,-,-,-,-',
            ServingCell(Signal(technology=_WCDMA, tac=0xA1B2, cell_id=0xC3D4E5F), "460", "01", service=True),
        ),
        (
            '+QENG: "servingcell","NOCONN","GSM",460,01,A1B2,C3D4,20,80,0,-70,0,0,0',
            ServingCell(Signal(technology=_GSM, tac=0xA1B2, cell_id=0xC3D4), "460", "01", service=True),
        ),
        ('+QENG: "neighbourcell intra","LTE",1850,63,-10,-85', FAILS),
        ("", FAILS),
    ),
    *table(
        parse_qnwinfo,
        (
            '+QNWINFO: "FDD LTE","46001","LTE BAND 3",1650',
            ServingCell(Signal(technology=_LTE, band=3, earfcn=1650), "460", "01", service=True),
        ),
        (
            '+QNWINFO: "FDD LTE",46001,"LTE BAND 3",1650',
            ServingCell(Signal(technology=_LTE, band=3, earfcn=1650), "460", "01", service=True),
        ),
        (
            '+QNWINFO: "TDD LTE","310410","LTE BAND 40",39150',
            ServingCell(Signal(technology=_LTE, band=40, earfcn=39150), "310", "410", service=True),
        ),
        (
            '+QNWINFO: "WCDMA","46001","WCDMA 2100",10663',
            ServingCell(Signal(technology=_WCDMA, earfcn=10663), "460", "01", service=True),
        ),
        (
            '+QNWINFO: "HSPA+","23430","WCDMA 2100",10713',
            ServingCell(Signal(technology=AccessTechnology.HSPA, earfcn=10713), "234", "30", service=True),
        ),
        (
            '+QNWINFO: "EDGE","23430","GSM 900",62',
            ServingCell(Signal(technology=AccessTechnology.EGPRS, earfcn=62), "234", "30", service=True),
        ),
        (
            '+QNWINFO: "GPRS","23430","GSM 1800",0',
            ServingCell(Signal(technology=_GSM, earfcn=0), "234", "30", service=True),
        ),
        ('+QNWINFO: "NONE","","",0', ServingCell(service=False)),
        ("+QNWINFO: No Service", ServingCell(service=False)),
        ('+QNWINFO: "No Service"', ServingCell(service=False)),
        (
            '+QNWINFO: "FDD LTE","","LTE BAND 3",-',
            ServingCell(Signal(technology=_LTE, band=3), None, None, service=True),
        ),
        ("", FAILS),
    ),
    *table(
        parse_cpsi,
        (
            "+CPSI: LTE,Online,505-01,0x5A1E,187214780,257,EUTRAN-BAND3,1850,5,5,-94,-850,-545,15",
            ServingCell(_CPSI, "505", "01", service=True),
        ),
        (
            "+CPSI: LTE,Online,505-01,0x5A1E,187214780,257,EUTRAN-BAND3,1850,5,0,12,36,42,5",
            ServingCell(_CPSI_NEW, "505", "01", service=True),
        ),
        (
            "+CPSI: LTE,Low Power Mode,505-01,0x5A1E,187214780,257,EUTRAN-BAND3,1850,5,5,-94,-850,-545,15",
            ServingCell(_CPSI, "505", "01", service=False),
        ),
        (
            "+CPSI: LTE,Online,234-10,0x5A1E,187214780,257,EUTRAN-BAND20,6300,3,3,-117,-1026,-733,-5",
            ServingCell(
                Signal(-73.3, -102.6, -11.7, -5, _LTE, band=20, earfcn=6300, cell_id=187214780, tac=0x5A1E, pci=257),
                "234",
                "10",
                service=True,
            ),
        ),
        (
            "+CPSI: LTE,Offline,310-410,0x5A1E,187214780,503,EUTRAN-BAND66,66661,5,5,-94,-850,-545,15",
            ServingCell(replace(_CPSI, pci=503, band=66, earfcn=66661), "310", "410", service=False),
        ),
        ("+CPSI: NO SERVICE,Low Power Mode", ServingCell(service=False)),
        ("+CPSI: NO SERVICE,Online", ServingCell(service=False)),
        ("+CPSI: NO SERVICE", ServingCell(service=False)),
        (
            "+CPSI: WCDMA,Online,505-01,0xA809,11122855,WCDMA IMT 2000,279,10663,0,1.5,62,33,52,500",
            ServingCell(Signal(technology=_WCDMA, tac=0xA809, cell_id=11122855), "505", "01", service=True),
        ),
        (
            "+CPSI: GSM,Online,310-410,0x182d,12401,27 EGSM 900,-64,2110,42-42",
            ServingCell(Signal(technology=_GSM, tac=0x182D, cell_id=12401), "310", "410", service=True),
        ),
        ("+CPSI: LTE,Online", ServingCell(service=False)),
        ("", FAILS),
    ),
    *table(
        parse_cnsmod,
        ("+CNSMOD: 0,8", _LTE),
        ("+CNSMOD: 1,4", _WCDMA),
        ("+CNSMOD: 1,7", AccessTechnology.HSPA),
        ("+CNSMOD: 0,1", _GSM),
        ("+CNSMOD: 0,0", None),
        ("+CNSMOD: 0,99", None),
        ("+CNSMOD: 8", _LTE),
        ("", FAILS),
    ),
    *table(
        parse_sysinfoex,
        ('^SYSINFOEX:2,3,0,1,,6,"LTE",101,"LTE"', SystemInfo(service=True, roaming=False, technology=_LTE)),
        ("^SYSINFOEX:2,3,0,1,,6,LTE,101,LTE", SystemInfo(service=True, roaming=False, technology=_LTE)),
        ('^SYSINFOEX: 2,3,1,1,,3,"WCDMA",41,"WCDMA"', SystemInfo(service=True, roaming=True, technology=_WCDMA)),
        ('^SYSINFOEX: 1,0,0,1,,6,"LTE",101,"LTE"', SystemInfo(service=False, roaming=False, technology=_LTE)),
        ('^SYSINFOEX: 0,0,0,255,,0,"NO SERVICE",0,"NO SERVICE"', SystemInfo(False, False, None)),
        ("^SYSINFOEX: 2,3", SystemInfo(service=True, roaming=None, technology=None)),
        ("^SYSINFO:2,4,5,3,1,,6", SystemInfo(service=True, roaming=None, technology=_GSM)),
        ("^SYSINFO: 2,3,1,5,1", SystemInfo(service=True, roaming=True, technology=_WCDMA)),
        ("^SYSINFOEX:", FAILS),
        ("", FAILS),
    ),
    *table(
        parse_zpas,
        ('+ZPAS: "LTE","CS_PS"', ServingCell(Signal(technology=_LTE), service=True)),
        ('+ZPAS: "LTE","PS_ONLY"', ServingCell(Signal(technology=_LTE), service=True)),
        ('+ZPAS: "UMTS","CS_ONLY"', ServingCell(Signal(technology=_WCDMA), service=False)),
        ('+ZPAS: "HSPA","CS_PS"', ServingCell(Signal(technology=AccessTechnology.HSPA), service=True)),
        ('+ZPAS: "HSPA+","CS_PS"', ServingCell(Signal(technology=AccessTechnology.HSPA), service=True)),
        ('+ZPAS: "DC-HSPA+","PS_ONLY"', ServingCell(Signal(technology=AccessTechnology.HSPA), service=True)),
        ('+ZPAS: "HSDPA","CS_PS"', ServingCell(Signal(technology=AccessTechnology.HSDPA), service=True)),
        ('+ZPAS: "EDGE","CS_PS"', ServingCell(Signal(technology=AccessTechnology.EGPRS), service=True)),
        ('+ZPAS: "No Service"', ServingCell(service=False)),
        ('+ZPAS: "Limited Service"', ServingCell(service=False)),
        ('+BEARTYPE: "Limited Service"', ServingCell(service=False)),
        ("+ZPAS:", ServingCell(service=False)),
        ("", FAILS),
    ),
]
