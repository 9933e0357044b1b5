"""A tee that writes what passes a port as a replayable, redacted trace.

One JSON array a line: seconds since the start, direction (">" to the modem, "<" from it), text with its line end. The
first line names format and version. Only whole lines are written, since half an identifier could not be recognised.
"""

import asyncio
import json
import re
from collections.abc import Callable

from firmware_bridge.errors import PortLostError
from firmware_bridge.transport.port import DataReceiver, LossReceiver, PushTransport, Transport
from firmware_bridge.transport.redact import Redactor, redact_body

FORMAT = "minihub-at-trace"
VERSION = 1
MAX_PARTIAL = 8192  # characters of a line without end; longer ones are written as asterisks

_PIECE = re.compile("[^\r\n]*[\r\n]+")


class _Direction:
    """Cuts one direction into whole lines and redacts them."""

    def __init__(self, mark: str, write: Callable[[str, str], None]) -> None:
        self._mark = mark
        self._write = write
        self._redactor = Redactor()
        self._partial = ""

    def pass_on(self, data: bytes) -> None:
        text = self._partial + data.decode("latin-1")
        end = max(text.rfind("\r"), text.rfind("\n")) + 1  # the pattern would look for it from every place anew
        for match in _PIECE.finditer(text, 0, end):
            content = match[0].rstrip("\r\n")
            self._write(self._mark, self._redactor.line(content) + match[0][len(content) :])
        self._partial = text[end:]
        if self._partial.strip() == ">" or self._partial.endswith("\x1a") or len(self._partial) > MAX_PARTIAL:
            self.flush()

    def flush(self) -> None:
        partial, self._partial = self._partial, ""
        if partial:
            self._write(self._mark, partial if partial.strip() == ">" else redact_body(partial))


class TracingTransport:
    """The transport `inner`, with each line that passes given to `sink` (text ending in LF); owns `inner`.

    Use it in place of the inner one: it pushes or is read, as the inner one does.
    """

    def __init__(self, inner: Transport, sink: Callable[[str], None]) -> None:
        self._inner = inner
        self._sink = sink
        self._start = asyncio.get_running_loop().time()
        self._sent = _Direction(">", self._record)
        self._heard = _Direction("<", self._record)
        self._received: DataReceiver | None = None
        sink(json.dumps({"format": FORMAT, "version": VERSION, "port": inner.name}) + "\n")

    @property
    def name(self) -> str:
        """The inner port's name."""
        return self._inner.name

    def listen(self, received: DataReceiver, lost: LossReceiver) -> None:
        """Hand octets over as they come; for an inner transport that only reads, a task reads it."""
        self._received = received
        if isinstance(self._inner, PushTransport):
            self._inner.listen(self._pass_on, lost)
        else:
            self._reader = asyncio.get_running_loop().create_task(self._read_on(lost), name=f"trace {self.name}")

    async def read(self) -> bytes:
        """The next octets, never empty. Raises PortLostError at hang-up."""
        data = await self._inner.read()
        self._heard.pass_on(data)
        return data

    def write(self, data: bytes) -> None:
        """Send soon. Raises PortLostError when the port is gone."""
        self._sent.pass_on(data)
        self._inner.write(data)

    async def drain(self) -> None:
        """Return when what was written has left this process."""
        await self._inner.drain()

    def close(self) -> None:
        """Close the port and end the trace; idempotent."""
        self._inner.close()
        self._sent.flush()
        self._heard.flush()

    def _pass_on(self, data: bytes) -> None:
        self._heard.pass_on(data)
        if self._received is not None:
            self._received(data)

    async def _read_on(self, lost: LossReceiver) -> None:
        try:
            while True:
                self._pass_on(await self._inner.read())
        except PortLostError as loss:
            lost(loss)

    def _record(self, mark: str, text: str) -> None:
        elapsed = asyncio.get_running_loop().time() - self._start
        self._sink(json.dumps([round(elapsed, 4), mark, text], ensure_ascii=True) + "\n")
