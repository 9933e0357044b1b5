"""The two interfaces of osmo-hlr as values in, values out: its control interface (CTRL) and its terminal (VTY).

CTRL is IPA framing (OsmoIPA: u16 length, protocol 0xEE, extension 0x00) around `VERB ID VARIABLE[ VALUE]`; replies
carry the request's ID, and TRAPs may come in between. The VTY is a telnet session that echoes each line and ends each
answer with its prompt; answers come in the order of the commands, so both can be pipelined.
"""

import re
from dataclasses import dataclass
from typing import Final

OSMO: Final = 0xEE
CONTROL: Final = 0x00
LARGEST_ANSWER: Final = 64 * 1024
_HEADER: Final = 3
# Telnet (RFC 854): IAC WILL/WONT/DO/DONT option.
_NEGOTIATION: Final = re.compile(rb"\xff[\xfb-\xfe].", re.DOTALL)
_GREETED: Final = re.compile(rb"(?:^|[\r\n])([\x21-\x7e]{1,64})> \Z")


class WireError(Exception):
    """What came is not of the protocol: the connection can't be used any more."""


@dataclass(frozen=True, slots=True)
class ControlReply:
    """One reply; `error` is set when the register refused."""

    id: int
    value: str
    error: bool


def control_request(id_: int, verb: str, variable: str, value: str = "") -> bytes:
    """Frame one GET or SET."""
    text = f"{verb} {id_} {variable}{' ' + value if value else ''}".encode()
    return (len(text) + 1).to_bytes(2, "big") + bytes([OSMO, CONTROL]) + text


class ControlStream:
    """Bytes of a control connection in, replies out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[ControlReply]:
        """Take bytes in; return the replies they complete. Raises WireError."""
        self._buffer += data
        found: list[ControlReply] = []
        while len(self._buffer) >= _HEADER:
            size = int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < _HEADER + size:
                break
            protocol, payload = self._buffer[2], bytes(self._buffer[_HEADER : _HEADER + size])
            del self._buffer[: _HEADER + size]
            if protocol == OSMO and payload[:1] == bytes([CONTROL]) and (reply := _control_reply(payload[1:])):
                found.append(reply)
        return found


def _control_reply(payload: bytes) -> ControlReply | None:
    """Read `GET_REPLY ID VARIABLE VALUE`, `SET_REPLY …` or `ERROR ID TEXT`; None for a TRAP."""
    verb, _, rest = payload.decode("ascii", "replace").partition(" ")
    if verb == "TRAP":
        return None
    id_, _, rest = rest.partition(" ")
    if verb not in {"GET_REPLY", "SET_REPLY", "ERROR"} or not (id_.isascii() and id_.isdigit()):
        raise WireError("not a reply of a control interface")
    return ControlReply(int(id_), rest if verb == "ERROR" else rest.partition(" ")[2], error=verb == "ERROR")


class TerminalStream:
    """Bytes of a VTY connection in, answers out. The first answer is the greeting (empty)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._prompt: bytes | None = None

    def feed(self, data: bytes) -> list[str]:
        """Take bytes in; return the answers they complete, each beginning with the echo of its line.

        The greeting ends with the view prompt (`name> `); from then on answers end with the privileged one (`name# `),
        so the caller's next line must be `enable`. Raises WireError.
        """
        self._buffer += data
        if self._prompt is None:
            return self._greeting()
        *answers, self._buffer = self._buffer.split(self._prompt)
        self._check_size()
        return [answer.decode("ascii", "replace") for answer in answers]

    def _greeting(self) -> list[str]:
        found = _GREETED.search(_NEGOTIATION.sub(b"", self._buffer))
        if found is None:
            if self._buffer.rstrip().endswith(b"assword:"):
                raise WireError("the terminal asks for a password")
            self._check_size()
            return []
        self._buffer, self._prompt = b"", found[1] + b"# "
        return [""]

    def _check_size(self) -> None:
        if len(self._buffer) > LARGEST_ANSWER:
            raise WireError("the terminal does not end its answer")


def answer_to(line: str, answer: str) -> str:
    """Return what the terminal said to a line, without the echo. Raises WireError when it echoed another line."""
    echo, _, text = answer.partition("\r\n")
    if echo.strip() != line:
        raise WireError("the terminal answered another line")
    return text.strip()


def read_info(value: str) -> dict[str, str]:
    """Read the lines `name TAB value` of a subscriber's info."""
    pairs = (line.partition("\t") for line in value.splitlines())
    return {name: rest for name, separator, rest in pairs if separator}
