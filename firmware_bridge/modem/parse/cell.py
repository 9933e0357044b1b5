"""The serving cell: Quectel +QENG and +QNWINFO, SIMCom +CPSI and +CNSMOD, Huawei ^SYSINFOEX, ZTE +ZPAS."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from firmware_bridge.modem.parse.fields import (
    area_code,
    at,
    cell_identity,
    country_code,
    failure,
    fields,
    first_payload,
    hexadecimal,
    number,
    payloads,
    within,
)
from firmware_bridge.modem.parse.signal import (
    RSRP_DBM,
    RSRQ_DB,
    RSSI_DBM,
    SINR_DB,
    technology_of_mode,
    technology_of_word,
)
from firmware_bridge.types import AccessTechnology, Signal

_BAND = re.compile(r"BAND\s*(\d{1,4})", re.IGNORECASE)
_PLMN = re.compile(r"(\d{3})-(\d{2,3})")


@dataclass(frozen=True, slots=True)
class ServingCell:
    """The cell the modem camps on. `service` is None where the reply does not tell; `mnc` keeps its leading zero."""

    signal: Signal = field(default_factory=Signal)
    mcc: str | None = None
    mnc: str | None = None
    service: bool | None = None


def _code(text: str, *sizes: int) -> str | None:
    return text if text.isascii() and text.isdigit() and len(text) in sizes else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _channel(field: str) -> int | None:
    """An EARFCN (TS 36.101 5.7.3: up to 18 bits)."""
    return _whole(within(number(field), 0, 262143))


def _band(name: str) -> int | None:
    """The number in `LTE BAND 3` or `EUTRAN-BAND3`; there is no band 0."""
    match = _BAND.search(name)
    return _whole(within(int(match[1]), 1, 255)) if match else None


def _qeng_lte(values: Sequence[str], service: bool) -> ServingCell:  # noqa: FBT001 - a reading, passed by position
    """`mcc,mnc,cell,pci,earfcn,band,ul,dl,tac,rsrp,rsrq,rssi,sinr,srxlev,…`: PCI first, against the manual (Q24)."""
    area = area_code(at(values, 8))
    signal = Signal(
        rsrp_dbm=within(number(at(values, 9)), *RSRP_DBM),
        rsrq_db=within(number(at(values, 10)), *RSRQ_DB),
        rssi_dbm=within(number(at(values, 11)), *RSSI_DBM),
        sinr_db=within(number(at(values, 12)), *SINR_DB),
        technology=AccessTechnology.E_UTRAN,
        cell_id=cell_identity(hexadecimal(at(values, 2)), area),
        pci=_whole(within(number(at(values, 3)), 0, 503)),
        earfcn=_channel(at(values, 4)),
        band=_whole(within(number(at(values, 5)), 1, 255)),
        tac=area,
    )
    return ServingCell(signal, country_code(at(values, 0)), _code(at(values, 1), 2, 3), service)


def _qeng_older(values: Sequence[str], technology: AccessTechnology | None, service: bool) -> ServingCell:  # noqa: FBT001
    """WCDMA and GSM: `mcc,mnc,lac,cell,…`; levels are left out, their places differ between firmwares."""
    area = area_code(at(values, 2))
    signal = Signal(technology=technology, tac=area, cell_id=cell_identity(hexadecimal(at(values, 3)), area))
    return ServingCell(signal, country_code(at(values, 0)), _code(at(values, 1), 2, 3), service)


def _qeng_cell(mode: str, values: Sequence[str], service: bool) -> ServingCell:  # noqa: FBT001
    technology = technology_of_mode(mode)
    if technology is AccessTechnology.E_UTRAN:
        return _qeng_lte(values[1:], service)
    if technology in {AccessTechnology.GSM, AccessTechnology.UTRAN}:
        return _qeng_older(values, technology, service)
    return ServingCell(Signal(technology=technology), service=service)


def parse_qeng(lines: Sequence[str]) -> ServingCell:
    """Quectel `+QENG: "servingcell",…`: two fields while searching, one line for LTE, several for EN-DC (Q23).

    `CONNECT` and its misspelling `CONECT` are both served; LIMSRV camps without service.
    """
    rows = [fields(text) for text in payloads(lines, "+QENG")]
    if not rows or rows[0][0].lower() != "servingcell":
        raise failure("+QENG", " | ".join(lines), "no serving cell")
    service = at(rows[0], 1).upper() in {"NOCONN", "CONNECT", "CONECT"}
    if len(rows[0]) > 3:
        return _qeng_cell(rows[0][2], rows[0][3:], service)
    anchors = [_qeng_cell(row[0], row[1:], service) for row in rows[1:] if row[0].upper() == "LTE"]
    if not anchors:
        return ServingCell(service=service)
    if any(row[0].upper() == "NR5G-NSA" for row in rows[1:]):
        return replace(anchors[0], signal=replace(anchors[0].signal, technology=AccessTechnology.E_UTRA_NR))
    return anchors[0]


def parse_qnwinfo(lines: Sequence[str]) -> ServingCell:
    """Quectel `+QNWINFO: "FDD LTE","46001","LTE BAND 3",1650`, operator quoted or not, or `No Service`."""
    values = fields(first_payload(lines, "+QNWINFO"))
    if len(values) < 4:
        return ServingCell(service=False)
    words = values[0].upper().split()
    technology = next((found for word in words if (found := technology_of_word(word)) is not None), None)
    if technology is None:
        return ServingCell(service=False)
    digits = (_code(values[1], 5, 6) or "") if country_code(values[1][:3]) else ""
    signal = Signal(technology=technology, band=_band(values[2]), earfcn=_channel(values[3]))
    return ServingCell(signal, digits[:3] or None, digits[3:] or None, service=True)


def _tenths(field: str, limits: tuple[float, float]) -> float | None:
    """SIM7600 gives tenths, always negative; A76xx gives small positive classes that no manual explains: unknown."""
    value = number(field)
    return None if value is None or value >= 0 else within(value / 10, *limits)


def _cpsi_lte(values: Sequence[str]) -> Signal:
    known = _tenths(at(values, 11), RSRP_DBM) is not None
    area = area_code(at(values, 3))
    return Signal(
        technology=AccessTechnology.E_UTRAN,
        tac=area,
        cell_id=cell_identity(number(at(values, 4)), area),
        pci=_whole(within(number(at(values, 5)), 0, 503)),
        band=_band(at(values, 6)),
        earfcn=_channel(at(values, 7)),
        rsrq_db=_tenths(at(values, 10), RSRQ_DB),
        rsrp_dbm=_tenths(at(values, 11), RSRP_DBM),
        rssi_dbm=_tenths(at(values, 12), RSSI_DBM),
        sinr_db=within(number(at(values, 13)), *SINR_DB) if known else None,
    )


def parse_cpsi(lines: Sequence[str]) -> ServingCell:
    """SIMCom `+CPSI: LTE,Online,505-01,0x5A1E,187214780,…`: the cell is decimal, the TAC hex (Q11)."""
    values = fields(first_payload(lines, "+CPSI"))
    technology = technology_of_mode(values[0].split("-")[0])
    if technology is None or len(values) < 5:
        return ServingCell(service=False)
    plmn = _PLMN.fullmatch(values[2])
    area = area_code(values[3])
    signal = Signal(technology=technology, tac=area, cell_id=cell_identity(number(values[4]), area))
    if technology is AccessTechnology.E_UTRAN:
        signal = _cpsi_lte(values)
    if plmn is None or country_code(plmn[1]) is None:  # the cell of no network: its zeros are placeholders
        return ServingCell(replace(signal, pci=None, earfcn=None), service=False)
    return ServingCell(signal, plmn[1], plmn[2], service=values[1].lower() == "online")


_CNSMOD = {
    1: AccessTechnology.GSM,
    2: AccessTechnology.GSM,
    3: AccessTechnology.EGPRS,
    4: AccessTechnology.UTRAN,
    5: AccessTechnology.HSDPA,
    6: AccessTechnology.HSUPA,
    7: AccessTechnology.HSPA,
    8: AccessTechnology.E_UTRAN,
}


def parse_cnsmod(lines: Sequence[str]) -> AccessTechnology | None:
    """SIMCom `+CNSMOD: <n>,<stat>`; 0 is no service."""
    values = fields(first_payload(lines, "+CNSMOD"))
    return _CNSMOD.get(number(values[-1]) or 0)


# ^SYSINFOEX <sysmode> and the last field of ^SYSINFO differ (ME909 AT specification).
_SYSMODE_EX = {
    1: AccessTechnology.GSM,
    3: AccessTechnology.UTRAN,
    4: AccessTechnology.UTRAN,
    6: AccessTechnology.E_UTRAN,
}
_SYSMODE = {
    3: AccessTechnology.GSM,
    5: AccessTechnology.UTRAN,
    15: AccessTechnology.UTRAN,
    17: AccessTechnology.E_UTRAN,
}


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """Huawei's service state: `service` is full service, `roaming` None where not told."""

    service: bool
    roaming: bool | None
    technology: AccessTechnology | None


def parse_sysinfoex(lines: Sequence[str]) -> SystemInfo:
    """`^SYSINFOEX:2,3,0,1,,6,"LTE",101,"LTE"`, fields empty and names bare at will (Q33); ^SYSINFO is older."""
    extended = bool(payloads(lines, "^SYSINFOEX"))
    values = fields(first_payload(lines, "^SYSINFOEX", "^SYSINFO"))
    status = number(values[0])
    if status is None:
        raise failure("^SYSINFOEX", " | ".join(lines), "no <srv_status>")
    mode = number(at(values, 5 if extended else 3)) or 0
    roaming = number(at(values, 2))
    technology = _SYSMODE_EX.get(mode) if extended else _SYSMODE.get(mode)
    return SystemInfo(status == 2, None if roaming not in {0, 1} else roaming == 1, technology)


def parse_zpas(lines: Sequence[str]) -> ServingCell:
    """ZTE `+ZPAS: "LTE","CS_PS"`, `"No Service"`, or `+BEARTYPE: "Limited Service"`."""
    values = fields(first_payload(lines, "+ZPAS", "+BEARTYPE"))
    technology = technology_of_word(values[0])
    return ServingCell(Signal(technology=technology), service=technology is not None and "PS" in at(values, 1).upper())
