"""Signal levels: +CSQ, +CESQ (TS 27.007 8.5, 8.69), Quectel +QCSQ, Huawei ^HCSQ. Each class gives its lower edge."""

from collections.abc import Sequence

from firmware_bridge.modem.parse.fields import at, coded, failure, fields, first_payload, number, within
from firmware_bridge.types import AccessTechnology, Signal

RSRP_DBM = (-156.0, -31.0)
RSRQ_DB = (-43.0, 20.0)
RSSI_DBM = (-120.0, -10.0)
SINR_DB = (-23.0, 40.0)

_MODES = {
    "LTE": AccessTechnology.E_UTRAN,
    "CAT-M1": AccessTechnology.E_UTRAN,
    "CAT-NB1": AccessTechnology.NB_IOT,
    "EMTC": AccessTechnology.E_UTRAN,
    "NBIOT": AccessTechnology.NB_IOT,
    "WCDMA": AccessTechnology.UTRAN,
    "TDSCDMA": AccessTechnology.UTRAN,
    "TD-SCDMA": AccessTechnology.UTRAN,
    "GSM": AccessTechnology.GSM,
    "NR5G": AccessTechnology.NR_5GCN,
    "NR5G-SA": AccessTechnology.NR_5GCN,
    "NR5G-NSA": AccessTechnology.E_UTRA_NR,
    "CDMA": AccessTechnology.CDMA,
}
# What +QNWINFO and +ZPAS say besides.
_WORDS = {
    **_MODES,
    "UMTS": AccessTechnology.UTRAN,
    "HSDPA": AccessTechnology.HSDPA,
    "HSUPA": AccessTechnology.HSUPA,
    "HSPA": AccessTechnology.HSPA,
    "HSPA+": AccessTechnology.HSPA,
    "DC-HSPA+": AccessTechnology.HSPA,
    "GPRS": AccessTechnology.GSM,
    "EDGE": AccessTechnology.EGPRS,
}


def technology_of_mode(name: str) -> AccessTechnology | None:
    """The technology behind a family's word for it; None for NOSERVICE and words not known."""
    return _MODES.get(name.strip().upper())


def technology_of_word(name: str) -> AccessTechnology | None:
    """The technology behind a word that may name a service of it (HSPA+, EDGE); None for words not known."""
    return _WORDS.get(name.strip().upper())


def parse_csq(lines: Sequence[str]) -> Signal:
    """`+CSQ: <rssi>,<ber>`: 0..31 is -113 + 2n dBm; 99 is unknown, 100..199 is a TD-SCDMA RSCP and no RSSI."""
    values = fields(first_payload(lines, "+CSQ"))
    if number(values[0]) is None:
        raise failure("+CSQ", " | ".join(lines), "no <rssi>")
    return Signal(rssi_dbm=coded(values[0], 31, -113, 2))


def parse_cesq(lines: Sequence[str]) -> Signal:
    """`+CESQ: rxlev,ber,rscp,ecno,rsrq,rsrp`: rsrp -141 + n, rsrq -20 + n/2, rxlev -111 + n; 99 and 255 unknown."""
    values = fields(first_payload(lines, "+CESQ"))
    if len(values) < 6:
        raise failure("+CESQ", " | ".join(lines), "six fields are due")
    return Signal(
        rssi_dbm=coded(values[0], 63, -111), rsrq_db=coded(values[4], 34, -20, 0.5), rsrp_dbm=coded(values[5], 97, -141)
    )


def parse_qcsq(lines: Sequence[str]) -> Signal:
    """Quectel `+QCSQ: "LTE",<rssi>,<rsrp>,<sinr>,<rsrq>`: sinr is 0..250 for -20..30 dB (Q25)."""
    values = fields(first_payload(lines, "+QCSQ"))
    technology = technology_of_mode(values[0])
    rssi = within(number(at(values, 1)), *RSSI_DBM)
    if technology is not AccessTechnology.E_UTRAN:
        return Signal(rssi_dbm=rssi if technology is not None else None, technology=technology)
    return Signal(
        rssi_dbm=rssi,
        rsrp_dbm=within(number(at(values, 2)), *RSRP_DBM),
        sinr_db=coded(at(values, 3), 250, -20, 0.2),
        rsrq_db=within(number(at(values, 4)), *RSRQ_DB),
        technology=technology,
    )


def parse_hcsq(lines: Sequence[str]) -> Signal:
    """Huawei `^HCSQ: "LTE",<rssi>,<rsrp>,<sinr>,<rsrq>`, in classes; 255 is unknown (Q28). So is the URC."""
    values = fields(first_payload(lines, "^HCSQ"))
    technology = technology_of_mode(values[0])
    rssi = coded(at(values, 1), 96, -121)
    if technology is not AccessTechnology.E_UTRAN:
        return Signal(rssi_dbm=rssi if technology is not None else None, technology=technology)
    return Signal(
        rssi_dbm=rssi,
        rsrp_dbm=coded(at(values, 2), 97, -141),
        sinr_db=coded(at(values, 3), 251, -20.2, 0.2),
        rsrq_db=coded(at(values, 4), 34, -20, 0.5),
        technology=technology,
    )
