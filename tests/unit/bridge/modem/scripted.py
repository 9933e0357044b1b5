"""A port whose modem says what a table tells it to: the boundary is bytes, everything above is the real thing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from firmware_bridge.at.channel import Channel
from firmware_bridge.errors import PortLostError
from firmware_bridge.modem.families import ALL_URCS
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.quectel import QuectelModem
from simulator.virtual.loop import run_virtual

T = TypeVar("T")

Said: TypeAlias = str | bytes | None
"""Text: information lines, then OK unless the last line is a final itself. Bytes: exactly these. None: silence."""
Answer: TypeAlias = Said | Sequence[Said] | Callable[[], Said]
"""A sequence is said one by one, its last element for ever."""

_FINALS = ("OK", "ERROR", "+CME ERROR", "+CMS ERROR", "+EXT ERROR", "+IP ERROR", "COMMAND NOT SUPPORT", "NO CARRIER")

SETTINGS = (
    "AT",
    "ATE0",
    "ATV1",
    "AT+CMEE=1",
    "AT+CREG=2",
    "AT+CGREG=2",
    "AT+CEREG=3",
    "AT+CMGF=0",
    "AT+CNMI=2,1,0,0,0",
    "AT+CTZU=1",
    "AT+CTZR=2",
    "AT+CGEREP=2,1",
    "AT+COPS=3,0",
    "AT+COPS=3,2",
    "AT+CFUN=1",
    "AT+CFUN=4",
    "AT+CGATT=1",
    "AT+CGACT=1,1",
    "AT+CGACT=0,1",
)
READS = {"AT+CMEE?": "+CMEE: 1", "AT+CFUN?": "+CFUN: 1", "AT+CSQ": "+CSQ: 21,99", "AT+CPIN?": "+CPIN: READY"}
BASE: Mapping[str, Answer] = {**dict.fromkeys(SETTINGS, ""), **READS}


def spelt(said: str) -> bytes:
    """V.250 5.7.1: every line in CR LF on both sides."""
    lines = said.split("\n") if said else []
    if not lines or not lines[-1].startswith(_FINALS):
        lines.append("OK")
    return "".join(f"\r\n{line}\r\n" for line in lines).encode("latin-1")


class Scripted:
    """A transport. `sent` is what the driver wrote, command by command; unknown commands bring ERROR.

    `closed` counts how often it was given back.
    """

    def __init__(
        self, says: Mapping[str, Answer], *, echo: bool = False, mute: bool = False, name: str = "scripted"
    ) -> None:
        self.name = name
        self.says: dict[str, Answer] = {**BASE, **says}
        self.sent: list[str] = []
        self.echo = echo
        self.mute = mute
        self.closed = 0
        self._turns: dict[str, int] = {}
        self._partial = b""
        self._received: Callable[[bytes], None] = lambda _: None
        self._lost: Callable[[PortLostError], None] = lambda _: None
        self._loss: PortLostError | None = None

    def listen(self, received: Callable[[bytes], None], lost: Callable[[PortLostError], None]) -> None:
        self._received, self._lost = received, lost

    async def read(self) -> bytes:
        raise AssertionError("the channel listens")

    def write(self, data: bytes) -> None:
        if self._loss is not None:
            raise self._loss
        *commands, self._partial = (self._partial + data).split(b"\r")
        for command in commands:
            self._take(command.decode().removeprefix("\x1b"))

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self.closed += 1
        self._received = lambda _: None

    def say(self, said: str | bytes) -> None:
        """Something unasked, delivered at the loop's next turn."""
        data = said if isinstance(said, bytes) else f"\r\n{said}\r\n".encode("latin-1")
        asyncio.get_running_loop().call_soon(lambda: self._received(data))

    def hang_up(self) -> None:
        self._loss = PortLostError(self.name, "hung up")
        self._lost(self._loss)

    def _take(self, command: str) -> None:
        self.sent.append(command)
        echo = f"{command}\r".encode() if self.echo else b""
        if command in {"ATE0", "ATE0V1"}:
            self.echo = False
        answer = None if self.mute else self._answer(command)
        if answer is not None:
            self.say(echo + answer)

    def _answer(self, command: str) -> bytes | None:
        parts = command.split(";")
        if command in self.says or len(parts) == 1:
            said = self._next(command)
            return spelt(said) if isinstance(said, str) else said
        lines: list[str] = []
        for part in [parts[0], *(f"AT{part}" for part in parts[1:])]:
            said = self._next(part)
            if not isinstance(said, str):
                return said
            if said.rpartition("\n")[2].startswith(_FINALS):
                return spelt("\n".join([*lines, said]))
            lines += [said] if said else []
        return spelt("\n".join(lines))

    def _next(self, command: str) -> Said:
        answer = self.says.get(command, "ERROR")
        if callable(answer):
            return answer()
        if answer is None or isinstance(answer, str | bytes):
            return answer
        turn = self._turns.get(command, 0)
        self._turns[command] = turn + 1
        return answer[min(turn, len(answer) - 1)]


Scenario: TypeAlias = Callable[[Modem, Scripted], Awaitable[T]]


def open_driver(*ports: Scripted, driver: type[Modem] = QuectelModem) -> Modem:
    """A driver on channels that owe nothing; inside a running loop."""
    channels = [Channel(port, urcs=ALL_URCS, in_step=True, first_probe=1) for port in ports]
    return driver(channels, jitter=lambda: 0.0)


def drive(
    says: Mapping[str, Answer], scenario: "Scenario[T]", *, driver: type[Modem] = QuectelModem, echo: bool = False
) -> T:
    """Run the scenario in virtual time; the next command must work behind it."""

    async def main() -> T:
        port = Scripted(says, echo=echo)
        modem = open_driver(port, driver=driver)
        try:
            return await scenario(modem, port)
        finally:
            await modem.close()

    return run_virtual(main())
