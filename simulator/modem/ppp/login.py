"""Who is calling: the asking side of PAP (RFC 1334) and of CHAP with MD5 (RFC 1994)."""

import hashlib
import hmac
from typing import Final

from simulator.modem.ppp.packets import Packet

PAP_REQUEST, PAP_ACK, PAP_NAK = 1, 2, 3
CHALLENGE, RESPONSE, SUCCESS, FAILURE = 1, 2, 3, 4
NETWORK_NAME: Final = b"network"


def challenge(identifier: int, value: bytes) -> Packet:
    """What a caller is to answer."""
    return Packet(CHALLENGE, identifier, bytes((len(value),)) + value + NETWORK_NAME)


def is_right_response(packet: Packet, value: bytes, user: bytes, password: bytes) -> bool:
    """Whether a caller's Response fits the challenge: MD5 over identifier, secret and challenge."""
    size = packet.data[0] if packet.data else 0
    digest, name = packet.data[1 : 1 + size], packet.data[1 + size :]
    right = hashlib.md5(bytes((packet.identifier,)) + password + value, usedforsecurity=False).digest()
    return name == user and hmac.compare_digest(digest, right)


def verdict(packet: Packet, *, right: bool) -> Packet:
    """Success or Failure, under the Response's identifier."""
    return Packet(SUCCESS if right else FAILURE, packet.identifier, b"welcome" if right else b"authentication failed")


def is_right_request(packet: Packet, user: bytes, password: bytes) -> bool:
    """Whether an Authenticate-Request names this user and password."""
    data = packet.data
    size = data[0] if data else 0
    name, rest = data[1 : 1 + size], data[1 + size :]
    secret = rest[1 : 1 + rest[0]] if rest else b""
    return bool(rest) and name == user and hmac.compare_digest(secret, password)


def pap_verdict(packet: Packet, *, right: bool) -> Packet:
    """Authenticate-Ack or -Nak with its message."""
    words = b"welcome" if right else b"authentication failed"
    return Packet(PAP_ACK if right else PAP_NAK, packet.identifier, bytes((len(words),)) + words)
