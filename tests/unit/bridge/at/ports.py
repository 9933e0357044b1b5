"""A modem on an in-memory port, on the loop's time."""

import asyncio
from collections.abc import Callable

from firmware_bridge.errors import PortLostError

Delay = Callable[[int, str], float]


class MemoryModem:
    """A transport whose other end answers each line with `answer(line)` after `delay(number, line)` seconds.

    Answers keep their order, as a modem's do: a slow one holds those behind it. `answer` giving None answers nothing.
    """

    name = "memory"

    def __init__(self, answer: Callable[[str], str | None], *, delay: Delay | None = None, echo: bool = False) -> None:
        self._answer = answer
        self._delay = delay or (lambda number, line: 0.0)
        self._echo = echo
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._waiting = bytearray()
        self._partial = ""
        self._free_at = 0.0
        self._loss: PortLostError | None = None
        self.lines: list[str] = []
        self.written = b""

    def write(self, data: bytes) -> None:
        if self._loss:
            raise self._loss
        self.written += data
        *lines, self._partial = (self._partial + data.decode("latin-1").replace("\x1b", "")).split("\r")
        for line in lines:
            self.lines.append(line)
            text = self._answer(line)
            delay = self._delay(len(self.lines), line)
            self._free_at = max(self._free_at, self._loop.time() + delay)
            echoed = line + "\r" if self._echo else ""
            if text is not None:
                self._loop.call_at(self._free_at, self.say, echoed + text)

    def stall(self, seconds: float) -> None:
        """No answer leaves before so many seconds have passed."""
        self._free_at = max(self._free_at, self._loop.time() + seconds)

    def say(self, text: str) -> None:
        self._waiting += text.encode("latin-1")
        self._arrived.set()

    def hang_up(self) -> None:
        self._loss = PortLostError(self.name, "hung up")
        self._arrived.set()

    async def read(self) -> bytes:
        while not self._waiting:
            if self._loss:
                raise self._loss
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._waiting)
        self._waiting.clear()
        return data

    async def drain(self) -> None:
        if self._loss:
            raise self._loss
        await asyncio.sleep(0)

    def close(self) -> None:
        self.hang_up()


READS = {
    "AT+CSQ": "+CSQ: 21,99",
    "AT+CMEE?": "+CMEE: 1",
    "AT+CFUN?": "+CFUN: 1",
    "AT+CIMI": "234304100000001",
    "AT+CGATT?": "+CGATT: 1",
}


def well_behaved(line: str) -> str:
    """A modem that knows chains and a handful of commands."""
    answer = ""
    for part in line[2:].split(";"):
        if f"AT{part}" in READS:
            answer += f"\r\n{READS[f'AT{part}']}\r\n"
        elif part not in {"", "E0", "+CFUN=1", "+CMEE=1"}:
            return answer + "\r\nERROR\r\n"
    return answer + "\r\nOK\r\n"
