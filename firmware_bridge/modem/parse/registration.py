"""Registration, operator and scan (TS 27.007 7.2, 7.3, 10.1.20, 10.1.22)."""

import re
from collections.abc import Sequence

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
    raw_fields,
)
from firmware_bridge.types import (
    AccessTechnology,
    Operator,
    OperatorAvailability,
    Registration,
    RegistrationState,
    ScannedOperator,
)

NAMES = ("+CEREG", "+CGREG", "+CREG", "+C5GREG")
_TECHNOLOGIES = frozenset(AccessTechnology)
_DECIMAL = re.compile(r"\d{1,2}")
# One tuple of a scan; names may hold anything but a quote, the number may be UCS-2 hex (Q12).
_TUPLE = re.compile(
    r"\(\s*(?P<status>\d?)\s*,\s*(?P<long>\"[^\"]*\"|[^,()\"]*)\s*,\s*(?P<short>\"[^\"]*\"|[^,()\"]*)\s*,"
    r"\s*\"?(?P<number>[0-9A-Fa-f]{5,24})\"?\s*(?:,\s*(?P<act>\d*)\s*)?"
)


def access_technology(field: str) -> AccessTechnology | None:
    """An <AcT> number, None for an empty or unknown one."""
    value = number(field)
    return AccessTechnology(value) if value is not None and value in _TECHNOLOGIES else None


def registration_state(field: str) -> RegistrationState:
    """A <stat>, zero padding allowed (`001`, `0011`); a number no release defines is UNKNOWN."""
    value = number(field)
    return RegistrationState(value) if value is not None and 0 <= value <= 11 else RegistrationState.UNKNOWN


def _is_rac_before_cell(rest: Sequence[str]) -> bool:
    """`tac,rac,ci,AcT` (release 8) against `lac,ci,AcT,rac`: the third field is then no AcT but a cell."""
    if len(rest) != 4 or rest[3].startswith('"'):
        return False
    return not (_DECIMAL.fullmatch(rest[2]) and len(rest[1].strip('"')) > 2)


def _is_rac_after_technology(rest: Sequence[str]) -> bool:
    """+CGREG: `lac,ci,AcT,rac[,cause_type,cause[,timers]]`: a quoted fourth field, or exactly four."""
    return len(rest) == 4 or (len(rest) > 4 and rest[3].startswith('"'))


def _ordered(rest: Sequence[str]) -> list[str]:
    """tac, ci, AcT, cause type, cause, whatever the layout."""
    if _is_rac_before_cell(rest):
        return [rest[0], rest[2], rest[3]]
    if _is_rac_after_technology(rest):
        return [*rest[:3], *rest[4:]]
    return list(rest)


def _registration(state: str, rest: Sequence[str]) -> Registration:
    values = _ordered(rest)
    area = area_code(at(values, 0))
    # <cause_type> 0 is a standard cause in decimal; 1 is the manufacturer's and means nothing here.
    cause = number(at(values, 4)) if number(at(values, 3)) == 0 else None
    return Registration(
        state=registration_state(state),
        technology=access_technology(at(values, 2)),
        tac=area,
        cell_id=cell_identity(hexadecimal(at(values, 1)), area),
        reject_cause=cause or None,
    )


def parse_registration(lines: Sequence[str]) -> Registration:
    """The read form: `+CEREG: <n>,<stat>[,tac,ci[,AcT[,cause_type,cause[,timers]]]]`, hex quoted or bare.

    Raises:
        ReplyError: when there is no such line, or it is not a read form.
    """
    text = first_payload(lines, *NAMES)
    values = raw_fields(text)
    if len(values) < 2 or number(values[0]) is None or number(values[1]) is None:
        raise failure("+CEREG", text, "no <n>,<stat>")
    return _registration(values[1], values[2:])


def parse_registration_urc(line: str) -> Registration:
    """The unsolicited form, the same without <n>."""
    text = first_payload([line], *NAMES)
    values = raw_fields(text)
    if number(values[0]) is None:
        raise failure("+CEREG", text, "no <stat>")
    return _registration(values[0], values[1:])


def _ucs2_decoded(text: str) -> str:
    """A name some modems give as UCS-2 hex (+CSCS), decoded; any other text unchanged."""
    if len(text) < 8 or len(text) % 4 or not re.fullmatch(r"[0-9A-Fa-f]+", text):
        return text
    decoded = bytes.fromhex(text).decode("utf-16-be", errors="replace")
    return decoded if decoded.isprintable() and "�" not in decoded else text


def _name(text: str) -> str | None:
    name = _ucs2_decoded(text.strip().strip('"').strip())
    return name if name and name.lower() != "unknown" else None


def network_code(digits: str) -> tuple[str, str] | None:
    """MCC and MNC of a numeric operator: five or six digits, the MNC's leading zero and length kept (Q43)."""
    text = _ucs2_decoded(digits.strip().strip('"'))
    if len(text) in {5, 6} and text.isascii() and text.isdigit() and country_code(text[:3]):
        return text[:3], text[3:]
    return None


def parse_operator(lines: Sequence[str]) -> Operator:
    """`+COPS: <mode>[,<format>,<oper>[,<AcT>]]`; not registered, empty and `Unknown` give an empty Operator (Q13)."""
    values = fields(first_payload(lines, "+COPS"))
    if number(values[0]) is None:
        raise failure("+COPS", " | ".join(lines), "no <mode>")
    technology = access_technology(at(values, 3))
    oper = at(values, 2)
    if number(at(values, 1)) == 2:
        code = network_code(oper)
        return Operator(technology=technology) if code is None else Operator(*code, technology=technology)
    return Operator(name=_name(oper), technology=technology)


def _scanned(match: re.Match[str]) -> ScannedOperator | None:
    code = network_code(match["number"])
    if code is None:
        return None
    status = int(match["status"] or 0)
    return ScannedOperator(
        OperatorAvailability(status) if status <= 3 else OperatorAvailability.UNKNOWN,
        Operator(
            *code, name=_name(match["long"]) or _name(match["short"]), technology=access_technology(match["act"] or "")
        ),
    )


def parse_scan(lines: Sequence[str]) -> tuple[ScannedOperator, ...]:
    """The tuples of +COPS=?, on one line or many, with or without AcT, junk between them ignored (Q12)."""
    found = (_scanned(match) for match in _TUPLE.finditer("\n".join(lines)))
    return tuple(operator for operator in found if operator is not None)
