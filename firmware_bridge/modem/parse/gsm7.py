"""The GSM 7-bit default alphabet and its packing (TS 23.038 6.1.2, 6.2.1)."""

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_ESCAPE = 0x1B


def unpack_septets(packed: bytes, count: int, *, skip_bits: int = 0) -> list[int]:
    """`count` septets, least significant bits first, after `skip_bits` of header and fill (TS 23.040 9.2.3.24)."""
    value = int.from_bytes(packed, "little") >> skip_bits
    return [(value >> 7 * index) & 0x7F for index in range(count)]


def decode_septets(septets: list[int]) -> str:
    """Characters of the default alphabet; an escape to an undefined extension shows the basic character (6.2.1.1).

    A second escape leads to a table that nobody has defined: a space.
    """
    text: list[str] = []
    escaped = False
    for septet in septets:
        if escaped:
            text.append(" " if septet == _ESCAPE else _EXTENSION.get(septet, _BASIC[septet]))
            escaped = False
        elif septet == _ESCAPE:
            escaped = True
        else:
            text.append(_BASIC[septet])
    return "".join(text)
