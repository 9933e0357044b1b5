"""The GSM 7-bit default alphabet and its packing (3GPP TS 23.038 clause 6)."""

from typing import Final

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
_EXTENDED: Final = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}
_TO_SEPTET: Final = {character: code for code, character in enumerate(_BASIC) if code != 0x1B}
_FROM_EXTENDED: Final = {code: character for character, code in _EXTENDED.items()}


def to_septets(text: str) -> list[int] | None:
    """The septets of a text, or None when a character needs UCS-2."""
    septets: list[int] = []
    for character in text:
        if character in _TO_SEPTET:
            septets.append(_TO_SEPTET[character])
        elif character in _EXTENDED:
            septets += [0x1B, _EXTENDED[character]]
        else:
            return None
    return septets


def from_septets(septets: list[int]) -> str:
    """The text of septets; an unknown extension shows as a space (TS 23.038 clause 6.2.1.1)."""
    out, escaped = "", False
    for septet in septets:
        if escaped:
            out += _FROM_EXTENDED.get(septet, " ")
            escaped = False
        elif septet == 0x1B:
            escaped = True
        else:
            out += _BASIC[septet]
    return out


def pack(septets: list[int], *, fill_bits: int = 0) -> bytes:
    """Septets into octets, low bits first, after `fill_bits` empty ones that align a header."""
    value, place = 0, fill_bits
    for septet in septets:
        value |= septet << place
        place += 7
    return value.to_bytes((place + 7) // 8, "little")


def unpack(octets: bytes, count: int, *, fill_bits: int = 0) -> list[int]:
    """The reverse of `pack` for `count` septets."""
    value = int.from_bytes(octets, "little") >> fill_bits
    return [(value >> (7 * place)) & 0x7F for place in range(count)]
