"""QoS 1 publishes out of a stream of MQTT 5 packets, as fast as Python slices bytes; every other packet is left whole.

Sans-io: bytes in, values and bytes out. Sections are those of MQTT 5.
"""

from typing import Final

# What CONNECT offers as Maximum Packet Size (3.1.2.11.4); the wire contract's largest document is an eighth of it.
MOST_PACKET: Final = 1024 * 1024
_QOS_1: Final = 0x32  # 3.3.1: type 3, QoS 1
_BUT_DUP_AND_RETAIN: Final = 0xF6
_LAST: Final = 0x7F  # 1.5.5: a byte beyond it says that another byte of the number follows

# Packet identifier, topic, payload; properties are left out. Not a class: there are thousands of them a second.
Publish = tuple[int, bytes, bytes]


class MalformedError(Exception):
    """The stream is no MQTT 5 any more, or a packet is larger than was offered: close the connection (4.13.1)."""


class PublishSplitter:
    """Splits what a broker sends. One for a connection: it keeps the packet whose rest is still to come."""

    def __init__(self, most_packet: int = MOST_PACKET) -> None:
        self._most_packet = most_packet
        self._kept = b""

    def receive_data(self, data: bytes) -> tuple[list[Publish], bytes]:
        """Return the QoS 1 publishes that are now whole, in their order, and all other whole packets as they came.

        Raises MalformedError, after which the splitter is of no use.
        """
        if self._kept:
            data = self._kept + data
        publishes: list[Publish] = []
        others: list[bytes] = []
        at, end = 0, len(data)
        # A stream that ends within a fixed header, or within a publish that lies about its size, is read on from there.
        try:
            while True:
                size, body = data[at + 1], at + 2
                if size > _LAST:
                    if (more := data[at + 2]) > _LAST:
                        size, body = _number(data, at + 1)
                    else:  # most packets: read here, since a call costs as much as the rest
                        size, body = size + (more << 7) - 128, at + 3
                if (after := body + size) > end:
                    break
                if data[at] & _BUT_DUP_AND_RETAIN == _QOS_1:
                    publishes.append(_publish(data, body, after))
                else:
                    others.append(data[at:after])
                at = after
        except IndexError:
            size = 0
        if size > self._most_packet:
            raise MalformedError(f"a packet of {size} bytes: {self._most_packet} were offered")
        self._kept = data[at:]
        return publishes, b"".join(others)


def _publish(data: bytes, body: int, after: int) -> Publish:
    name = body + 2
    mid = name + (data[body] << 8) + data[body + 1]
    size, properties = data[mid + 2], mid + 3
    if size > _LAST:
        size, properties = _number(data, mid + 2)
    payload = properties + size
    if payload > after or name == mid:
        # No topic alias was offered (3.1.2.11.5), so a publish has a name.
        raise MalformedError("a publish without a name, or whose parts are longer than itself")
    return data[mid] << 8 | data[mid + 1], data[name:mid], data[payload:after]


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a Variable Byte Integer (1.5.5) and where it ends. Raises IndexError where its rest is still to come."""
    value = 0
    for place in range(4):
        value |= (data[at + place] & _LAST) << 7 * place
        if data[at + place] <= _LAST:
            return value, at + place + 1
    raise MalformedError("a length of more than four bytes")
