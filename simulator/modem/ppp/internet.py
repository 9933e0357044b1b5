"""The little there is behind the network: every host answers an ICMP echo (RFC 792); the rest is silence."""

from ipaddress import IPv4Address

_ICMP = 1
_ECHO_REQUEST, _ECHO_REPLY = 8, 0


def answer(packet: bytes, caller: IPv4Address) -> bytes:
    """The reply to an IPv4 packet of the caller's; nothing for what is no echo or comes from a borrowed address."""
    header = (packet[0] & 0x0F) * 4 if packet else 0
    size = int.from_bytes(packet[2:4], "big")
    if packet[:1] < b"\x45" or packet[0] >> 4 != 4 or not header + 8 <= size <= len(packet):
        return b""
    fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF
    source, target = packet[12:16], packet[16:20]
    if fragment or packet[9] != _ICMP or packet[header] != _ECHO_REQUEST or source != caller.packed:
        return b""
    body = _with_checksum(bytes((_ECHO_REPLY,)) + packet[header + 1 : size], 2)
    start = b"\x45" + packet[1:2] + (20 + len(body)).to_bytes(2, "big") + packet[4:6] + b"\x00\x00\x40\x01\x00\x00"
    return _with_checksum(start + target + source, 10) + body


def _with_checksum(data: bytes, place: int) -> bytes:
    """The same with the Internet checksum (RFC 1071) at `place`."""
    bare = data[:place] + b"\x00\x00" + data[place + 2 :]
    total = sum(int.from_bytes(bare[at : at + 2].ljust(2, b"\x00"), "big") for at in range(0, len(bare), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:place] + (total ^ 0xFFFF).to_bytes(2, "big") + data[place + 2 :]
