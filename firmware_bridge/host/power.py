"""Lines of the board: the modem's supply and a light, as sysfs value files.

A missing file means that this board has no such line; the ladder then skips the rung.
"""

import asyncio
from pathlib import Path
from typing import Final

from firmware_bridge.errors import HostToolError

# Long enough for a modem's capacitors to empty (s).
OFF_S: Final = 3.0


class Line:
    """One output line: a file that takes "1" and "0". `path` empty means that the board has none."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None

    @property
    def present(self) -> bool:
        """Whether the board has it."""
        return self._path is not None and self._path.exists()

    def set(self, *, on: bool) -> None:
        """Drive it. Raises HostToolError when the board has none or refuses."""
        if self._path is None:
            raise HostToolError("power", "this hub has no such line")
        try:
            self._path.write_text("1" if on else "0", encoding="ascii")
        except OSError as error:
            raise HostToolError("power", f"{self._path} cannot be written: {error.strerror}") from None

    async def cycle(self, off_s: float = OFF_S) -> None:
        """Off, wait, on; on again also when cancelled in between."""
        self.set(on=False)
        try:
            await asyncio.sleep(off_s)
        finally:
            self.set(on=True)

    async def blink(self, times: int, half_period_s: float = 0.25) -> None:
        """Show where the hub is; the line is left on."""
        try:
            for turn in range(times * 2):
                self.set(on=bool(turn % 2))
                await asyncio.sleep(half_period_s)
        finally:
            self.set(on=True)
