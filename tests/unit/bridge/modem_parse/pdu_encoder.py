"""An SMS-DELIVER encoder for these tests, written from TS 23.040 and apart from the decoder."""

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
GSM7_TEXT = "".join(char for char in BASIC if char != "\x1b") + "".join(EXTENSION)
STAMP = bytes.fromhex("62111222040000")


def septets(text: str) -> list[int]:
    out: list[int] = []
    for char in text:
        out += [0x1B, EXTENSION[char]] if char in EXTENSION else [BASIC.index(char)]
    return out


def _packed(values: list[int], offset_bits: int) -> bytes:
    bits = "0" * 0
    for value in values:
        bits = f"{value:07b}" + bits
    bits += "0" * offset_bits
    bits = "0" * (-len(bits) % 8) + bits
    return bytes(int(bits[at : at + 8], 2) for at in range(len(bits) - 8, -1, -8)) if bits else b""


def _semi_octets(digits: str) -> bytes:
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2)))


def deliver(text: str, *, coding: int = 0, header: bytes = b"", sender: str = "+447700900123") -> str:
    """The PDU in hex. `header` is the user data header without its length; coding 0, 4 (octets) or 8 (UCS-2)."""
    digits = sender.removeprefix("+")
    kind = 0x91 if sender.startswith("+") else 0x81
    head = bytes([len(header)]) + header if header else b""
    if coding == 0:
        fill = -len(head) * 8 % 7
        values = septets(text)
        length = (len(head) * 8 + fill) // 7 + len(values)
        body = head + _packed(values, fill)
    else:
        encoded = text.encode("utf-16-be") if coding == 8 else text.encode("latin-1")
        length, body = len(head) + len(encoded), head + encoded
    pdu = bytes([0x44 if header else 0x04, len(digits), kind]) + _semi_octets(digits) + bytes([0, coding]) + STAMP
    return (b"\0" + pdu + bytes([length]) + body).hex().upper()
