"""What a run tells: one JSON object a line, in the order it happened. The same seed gives the same bytes."""

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="deterministic")


class TraceLine(msgspec.Struct, frozen=True):
    """One thing that happened: seconds since the run began, a word, its facts."""

    t: float
    what: str
    facts: dict[str, Any]

    def encode(self) -> bytes:
        """The line's bytes, with its line feed."""
        return _ENCODER.encode(self) + b"\n"
