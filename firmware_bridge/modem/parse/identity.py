"""Identifiers (TS 23.003): IMEI, IMEISV, ICCID, IMSI, MSISDN, and who made the modem."""

import re
from collections.abc import Sequence

from firmware_bridge.at.validators import is_imei, is_imeisv, is_imsi
from firmware_bridge.modem.parse.fields import at, failure, fields, number, octets, payload, payloads, unquoted

# Some put the software version behind a comma: 490154203237518,01.
_IDENTIFIER = re.compile(r'"?\s*(\d{14,17})\s*"?\s*(?:,\s*"?\d{1,2}"?)?')
_ICCID = re.compile(r"89\d{4}[0-9A-F]{12,14}")
_NAME = re.compile(r"[A-Za-z0-9][\x20-\x7e]{1,99}")
_MAKER = re.compile(r"[A-Za-z]")
_MSISDN = re.compile(r"\+?\d{3,20}")
_INTERNATIONAL = 145  # TS 24.008 10.5.4.7 type of address
_IMEI_NAMES = ("+CGSN", "+GSN", "+EGMR", "+SIMEI", "IMEI")
_ICCID_NAMES = ("+QCCID", "+ICCID", "+CICCID", "+CCID", "^ICCID", "+ZICCID", "+ZGETICCID", "#CCID", "ICCID", "CCID")


def _candidates(lines: Sequence[str], *names: str) -> list[str]:
    """Digit strings of bare lines and of lines with one of the names."""
    texts = [payload(line, *names) if ":" in line else line for line in lines]
    matches = [_IDENTIFIER.fullmatch(text.strip()) for text in texts if text]
    return [match[1] for match in matches if match]


def parse_imei(lines: Sequence[str]) -> str:
    """The IMEI of +CGSN, +CGSN=1, +GSN, +EGMR=0,7 or +SIMEI?: 15 digits that pass Luhn (TS 23.003 6.2.1).

    Raises:
        ReplyError: when no line holds one; a line that fails Luhn is somebody else's line (Q16).
    """
    for digits in _candidates(lines, *_IMEI_NAMES):
        if is_imei(digits):
            return digits
    raise failure("+CGSN", " | ".join(lines), "no IMEI")


def tells_imei(text: str) -> bool:
    """Whether a line holds an IMEI, bare or behind a name."""
    return any(is_imei(digits) for digits in _candidates([text], *_IMEI_NAMES))


def parse_imeisv(lines: Sequence[str]) -> str:
    """The IMEISV of +CGSN=2: 16 digits, no check digit (TS 23.003 6.2.2)."""
    for digits in _candidates(lines, "+CGSN"):
        if is_imeisv(digits):
            return digits
    raise failure("+CGSN", " | ".join(lines), "no IMEISV")


def swap_nibbles(text: str) -> str:
    """Semi-octets in reading order: `98` becomes `89` (TS 31.102 4.2.1 EF ICCID)."""
    return "".join(text[index : index + 2][::-1] for index in range(0, len(text), 2))


def normalise_iccid(text: str) -> str | None:
    """An ICCID in reading order without padding, or None.

    ITU-T E.118: 89, 18 to 20 digits. Letters A-F occur after the issuer (seen on CMCC), F pads, `98` is swapped.
    """
    digits = unquoted(text).upper().replace(" ", "")
    if digits.startswith("98") and len(digits) % 2 == 0:
        digits = swap_nibbles(digits)
    if len(digits) == 20:
        digits = digits.rstrip("F")
    return digits if _ICCID.fullmatch(digits) else None


def parse_iccid(lines: Sequence[str]) -> str:
    """The ICCID of any command that tells it: +QCCID, +CICCID (which answers +ICCID), +CCID, ^ICCID, +ZGETICCID.

    Raises:
        ReplyError: when none is told.
    """
    for line in lines:
        iccid = _told_iccid(line)
        if iccid is not None:
            return iccid
    raise failure("+ICCID", " | ".join(lines), "no ICCID")


def _told_iccid(line: str) -> str | None:
    found = payload(line, *_ICCID_NAMES)
    return normalise_iccid(line if found is None else found)


def tells_iccid(text: str) -> bool:
    """Whether a line holds an ICCID, bare or behind a name."""
    return _told_iccid(text) is not None


def parse_imsi(lines: Sequence[str]) -> str:
    """The IMSI of +CIMI: 14 or 15 digits on a line of their own (TS 23.003 2.2; shorter ones are not in use)."""
    for digits in _candidates(lines, "+CIMI", "#CIMI"):
        if is_imsi(digits):
            return digits
    raise failure("+CIMI", " | ".join(lines), "no IMSI")


def parse_msisdn(lines: Sequence[str]) -> str | None:
    """The first number of +CNUM, with + when its type is international; None when the list is empty (Q17)."""
    for text in payloads(lines, "+CNUM"):
        values = fields(text)
        digits = at(values, 1)
        if _MSISDN.fullmatch(digits):
            plus = number(at(values, 2)) == _INTERNATIONAL and not digits.startswith("+")
            return "+" + digits if plus else digits
    return None


def is_name(text: str) -> bool:
    """A maker's, model's or firmware's name: printable ASCII that begins with a letter or digit; noise seldom is."""
    return _NAME.fullmatch(text) is not None


def parse_line(lines: Sequence[str], *names: str) -> str:
    """The name in +CGMI, +CGMM or +CGMR, whose prefix is optional.

    Raises:
        ReplyError: for none, and for several without prefix: noise and advertising look like a name.
    """
    named = payloads(lines, *names)
    texts = [text for line in named or lines if is_name(text := _first_quoted(line))]
    if len(set(texts)) != 1:
        raise failure(names[0], " | ".join(lines), "no text" if not texts else "more than one text")
    return texts[0]


def _first_quoted(text: str) -> str:
    """`"NL668","NL668-EU"` is NL668; a comma outside quotes belongs to the name (Huawei Technologies Co., Ltd.)."""
    return fields(text)[0] if text.strip().startswith('"') else text.strip()


def parse_ati(lines: Sequence[str]) -> tuple[str | None, str | None, str | None]:
    """Manufacturer, model and firmware of ATI: labelled (SIMCom, Huawei, ZTE) or two bare lines (Quectel).

    One bare line may be a model (u-blox) or a product number (Telit), three may be anything: they name nobody.
    """
    labelled: dict[str, str] = {}
    bare: list[str] = []
    for line in lines:
        label, colon, value = line.partition(":")
        if colon:
            labelled[label.strip().lower()] = value.strip()
        elif is_name(line.strip()):
            bare.append(line.strip())
    maker, model = bare if len(bare) == 2 and _MAKER.match(bare[0]) else (None, None)
    maker, model = labelled.get("manufacturer") or maker, labelled.get("model") or model
    return maker, model, labelled.get("revision") or None


def parse_crsm(lines: Sequence[str]) -> bytes:
    """The file content of +CRSM (TS 27.007 8.18). Status words 0x90, 0x91, 0x9F are success.

    Raises:
        ReplyError: on any other status word or a body that is not hex.
    """
    for text in payloads(lines, "+CRSM"):
        values = fields(text)
        body = octets(at(values, 2))
        if number(at(values, 0)) in {0x90, 0x91, 0x9F} and body is not None:
            return body
        raise failure("+CRSM", text, "the SIM refused or the body is no hex")
    raise failure("+CRSM", " | ".join(lines), "no such line in the reply")


def parse_csim(lines: Sequence[str]) -> tuple[bytes, int]:
    """The response of +CSIM (TS 27.007 8.17): data and the status word, e.g. 0x63C3 for three PIN tries left."""
    for text in payloads(lines, "+CSIM"):
        body = octets(at(fields(text), 1))
        if body is not None and len(body) >= 2:
            return body[:-2], int.from_bytes(body[-2:], "big")
    raise failure("+CSIM", " | ".join(lines), "no response APDU")


def mnc_length(administrative_data: bytes) -> int | None:
    """Digits of the MNC in the IMSI from EF AD byte 4 (TS 31.102 4.2.18); None where the SIM does not say."""
    length = administrative_data[3] & 0x0F if len(administrative_data) >= 4 else 0
    return length if length in {2, 3} else None


def iccid_from_file(content: bytes) -> str | None:
    """The ICCID in EF ICCID (12258), stored with swapped nibbles."""
    return normalise_iccid(swap_nibbles(content.hex().upper()))
