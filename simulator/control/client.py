"""The other end of the control socket."""

import socket
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from simulator.faults import SimulatorError

DEADLINE_S: Final = 10.0


class ControlError(SimulatorError):
    """No simulator answers: start one, or name its socket."""

    exit_code = 6


class CommandRefusedError(ControlError):
    """The simulator refused the command and says why: correct it."""

    exit_code = 3


class ControlClient:
    """Speaks to a running simulator; blocking, with a deadline, for command lines and test fixtures."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(DEADLINE_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ControlError(
                f"no simulator answers on {path}: {error.strerror or error}",
                remedy="start one: hub-sim run SCENARIO --control PATH",
            ) from None
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._lines.close()
        self._socket.close()

    def send(self, do: str, **fields: Any) -> dict[str, Any]:
        """Send one command and return its result. Raises ControlError."""
        command = {"do": do, **{name: value for name, value in fields.items() if value is not None}}
        try:
            self._socket.sendall(msgspec.json.encode(command) + b"\n")
            line = self._lines.readline()
            answer: dict[str, Any] = msgspec.json.decode(line)
        except (OSError, msgspec.DecodeError) as error:
            raise ControlError(f"{self._path}: no answer ({error})", remedy="is the simulator still running?") from None
        if not answer.pop("ok"):
            raise CommandRefusedError(str(answer.get("error")), remedy=str(answer.get("remedy", "")))
        return answer
