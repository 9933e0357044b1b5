"""PDP contexts and addresses (TS 27.007 10.1.1, 10.1.14, 10.1.23) and the families' data calls."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.modem.parse.fields import at, failure, fields, first_payload, hexadecimal, number, payloads

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# TS 23.003 9.1.2: the operator identifier a modem may append to the APN it reads back.
_OPERATOR_SUFFIX = re.compile(r"\.mnc\d{3}\.mcc\d{3}\.gprs$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PdpContext:
    """One defined context. `apn` is without the operator identifier."""

    cid: int
    pdp_type: str
    apn: str


@dataclass(frozen=True, slots=True)
class DynamicParameters:
    """What the network gave a context: address text forms, the prefix length where told."""

    cid: int
    apn: str = ""
    address: str | None = None
    prefix_length: int | None = None
    gateway: str | None = None
    dns: tuple[str, ...] = ()


def parse_cgdcont(lines: Sequence[str]) -> tuple[PdpContext, ...]:
    """Every `+CGDCONT: <cid>,<type>,<apn>,…` of the read form; empty when none is defined (Q17)."""
    found = []
    for text in payloads(lines, "+CGDCONT"):
        values = fields(text)
        cid = number(values[0])
        if cid is None:
            raise failure("+CGDCONT", text, "no <cid>")
        found.append(PdpContext(cid, at(values, 1).upper(), _OPERATOR_SUFFIX.sub("", at(values, 2))))
    return tuple(found)


def parse_cid_ranges(lines: Sequence[str]) -> frozenset[int]:
    """The cids of `+CGDCONT=?`: `(1-24)`, `(1-17,101-116)`, `( 1 )`, one line for each PDP type."""
    cids: set[int] = set()
    for text in payloads(lines, "+CGDCONT"):
        for low, high in re.findall(r"(\d{1,3})\s*(?:-\s*(\d{1,3}))?", text[: text.find(")")]):
            cids.update(range(int(low), int(high or low) + 1))
    return frozenset(cids)


def parse_cgact(lines: Sequence[str]) -> dict[int, bool]:
    """`+CGACT: <cid>,<state>` for each context; empty when none is defined."""
    found = {}
    for text in payloads(lines, "+CGACT"):
        values = [number(field) for field in fields(text)]
        if len(values) < 2 or values[0] is None or values[1] not in {0, 1}:
            raise failure("+CGACT", text, "no <cid>,<state>")
        found[values[0]] = values[1] == 1
    return found


def parse_cgatt(lines: Sequence[str]) -> bool:
    """`+CGATT: <state>`."""
    state = number(fields(first_payload(lines, "+CGATT"))[0])
    if state not in {0, 1}:
        raise failure("+CGATT", " | ".join(lines), "no <state>")
    return state == 1


def _dotted(text: str) -> bytes | None:
    """Octets of a dotted-decimal string of 4, 8, 16 or 32 (TS 27.007 10.1.1 with +CGPIAF=0)."""
    parts = text.split(".")
    if len(parts) not in {4, 8, 16, 32} or not all(
        part.isascii() and part.isdigit() and int(part) < 256 for part in parts
    ):
        return None
    return bytes(int(part) for part in parts)


def parse_address(text: str) -> Address | None:
    """An IPv4 or IPv6 address, the latter in either notation; None when it is none, or the unspecified one."""
    raw = _dotted(text)
    try:
        address = ipaddress.ip_address(raw if raw is not None else text)
    except ValueError:
        return None
    return None if address.is_unspecified else address


def _address_text(text: str) -> str | None:
    address = parse_address(text)
    return None if address is None else str(address)


def parse_cgpaddr(lines: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """`+CGPADDR: <cid>[,<addr>[,<addr>]]`, quoted or bare; no address and 0.0.0.0 give none (Q36)."""
    found = {}
    for text in payloads(lines, "+CGPADDR"):
        values = fields(text)
        cid = number(values[0])
        if cid is None:
            raise failure("+CGPADDR", text, "no <cid>")
        told = " ".join(values[1:]).replace(",", " ").split()  # some put both stacks into one pair of quotes
        found[cid] = tuple(address for value in told if (address := _address_text(value)) is not None)
    return found


def _prefix_of_mask(raw: bytes) -> int | None:
    """Ones of a contiguous mask, None when it is no mask."""
    bits = "".join(f"{octet:08b}" for octet in raw)
    ones = len(bits.rstrip("0"))
    return ones if "0" not in bits[:ones] and ones else None


def _split_address_and_mask(text: str) -> tuple[str | None, int | None]:
    """`ip`, `ip.mask` in one dotted string, `ip/prefix`, or `ip mask` with a blank (+CGPIAF)."""
    raw = _dotted(text)
    if raw is not None and len(raw) in {8, 32}:
        half = len(raw) // 2
        address = ipaddress.ip_address(raw[:half])
        return (None if address.is_unspecified else str(address)), _prefix_of_mask(raw[half:])
    parts = text.replace("/", " ").split()
    if len(parts) == 2:
        mask = parse_address(parts[1])
        prefix = number(parts[1]) if mask is None else _prefix_of_mask(mask.packed)
        return _address_text(parts[0]), prefix
    return _address_text(text), None


def _is_mask(text: str) -> bool:
    address = parse_address(text)
    return address is not None and address.packed[0] == 255 and _prefix_of_mask(address.packed) is not None


def _parameters(text: str) -> DynamicParameters:
    values = fields(text)
    cid = number(values[0])
    if cid is None:
        raise failure("+CGCONTRDP", text, "no <cid>")
    address, prefix = _split_address_and_mask(at(values, 3))
    rest = values[4:]
    if prefix is None and rest and _is_mask(rest[0]):
        mask = parse_address(rest[0])
        prefix = _prefix_of_mask(mask.packed) if mask else None
        rest = rest[1:]
    dns = tuple(server for value in rest[1:3] if (server := _address_text(value)) is not None)
    gateway = _address_text(at(rest, 0))
    return DynamicParameters(cid, _OPERATOR_SUFFIX.sub("", at(values, 2)), address, prefix, gateway, dns)


def parse_cgcontrdp(lines: Sequence[str]) -> tuple[DynamicParameters, ...]:
    """`+CGCONTRDP: cid,bearer,apn,address…,gw,dns1,dns2,…` in three layouts; dual stack has two lines (Q35)."""
    return tuple(_parameters(text) for text in payloads(lines, "+CGCONTRDP"))


@dataclass(frozen=True, slots=True)
class DataCall:
    """One IP family of a family's own data call. `reason` is the modem's number for why it is down."""

    up: bool
    reason: int | None = None
    family: str | None = None


def parse_ndisstat(lines: Sequence[str]) -> tuple[DataCall, ...]:
    """Huawei `^NDISSTAT: 1,,,"IPV4"` and ^NDISSTATQRY, both stacks on one line or two, or the state alone (Q31)."""
    calls = []
    for text in payloads(lines, "^NDISSTAT", "^NDISSTATQRY"):
        values = fields(text)
        for start in range(0, len(values), 4):
            if start and not any(values[start:]):
                break  # empty fields behind the last call
            state = number(values[start])
            if state is None:
                raise failure("^NDISSTAT", text, "no <stat>")
            calls.append(DataCall(state == 1, number(at(values, start + 1)), at(values, start + 3).upper() or None))
    if not calls:
        raise failure("^NDISSTAT", " | ".join(lines), "no such line in the reply")
    return tuple(calls)


def _little_endian(field: str) -> str | None:
    value = hexadecimal(field)
    if not value or value > 0xFFFFFFFF:
        return None
    return str(ipaddress.IPv4Address(value.to_bytes(4, "little")))


def parse_dhcp(lines: Sequence[str]) -> DynamicParameters:
    """Huawei `^DHCP: ip,mask,gw,server,dns1,dns2,…`: little-endian hex, leading zeros dropped, 0x at will (Q32)."""
    values = fields(first_payload(lines, "^DHCP"))
    if len(values) < 3 or hexadecimal(values[0]) is None:
        raise failure("^DHCP", " | ".join(lines), "ip, mask and gateway are due")
    mask = _little_endian(values[1])
    return DynamicParameters(
        cid=1,
        address=_little_endian(values[0]),
        prefix_length=_prefix_of_mask(ipaddress.IPv4Address(mask).packed) if mask else None,
        gateway=_little_endian(values[2]),
        dns=tuple(server for value in values[4:6] if (server := _little_endian(value)) is not None),
    )


def parse_qiact(lines: Sequence[str]) -> dict[int, tuple[bool, str | None]]:
    """Quectel `+QIACT: <cid>,<state>,<type>[,<addr>]`; a bare OK is no active context."""
    found = {}
    for text in payloads(lines, "+QIACT"):
        values = fields(text)
        cid, state = number(values[0]), number(at(values, 1))
        if cid is None or state is None:
            raise failure("+QIACT", text, "no <cid>,<state>")
        found[cid] = (state == 1, _address_text(at(values, 3)))
    return found


def parse_qcrmcall(lines: Sequence[str]) -> tuple[DataCall, ...]:
    """Quectel `$QCRMCALL: 1,V4`, `1, V4` or `1,4` (Q24), a line for each IP family; none is down."""
    calls = []
    for text in payloads(lines, "$QCRMCALL"):
        values = fields(text)
        family = {"4": "IPV4", "6": "IPV6"}.get(at(values, 1).upper().removeprefix("V"))
        calls.append(DataCall(number(values[0]) == 1, family=family))
    return tuple(calls)


def parse_netopen_state(lines: Sequence[str]) -> bool:
    """SIMCom `+NETOPEN?` -> `+NETOPEN: 1,0` or `1`: here 1 is open; in the URC 0 is success (Q39)."""
    state = number(fields(first_payload(lines, "+NETOPEN"))[0])
    if state not in {0, 1}:
        raise failure("+NETOPEN", " | ".join(lines), "no state")
    return state == 1


def parse_netopen_result(line: str) -> int | None:
    """SIMCom's `+NETOPEN: <err>` after the OK: 0 is success."""
    return number(fields(first_payload([line], "+NETOPEN", "+NETCLOSE"))[0])
