"""Structured logs with the standard library: one JSON object a line, identifiers masked.

structlog is not used here: it imports rich where rich is installed, 7 MB that a hub does not have to spare.
"""

import json
import logging
import re
import sys
from typing import Any, Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# IMEI, IMSI, ICCID and MSISDN are runs of 10 to 22 digits; the first six name a country and a maker, not a person.
_IDENTIFIER: Final = re.compile(r"(?<![0-9a-fA-F-])(\+?[0-9]{6})[0-9]{4,16}[Ff]?(?![0-9a-fA-F-])")
_SECRET: Final = re.compile(r"(?i)(password|pin|key)([=:]\s*)\S+")


def mask(text: str) -> str:
    """The text with identifiers of people and equipment, and secrets, made unreadable."""
    return _SECRET.sub(r"\1\2***", _IDENTIFIER.sub(r"\1***", text))


class JsonFormatter(logging.Formatter):
    """`extra` fields become keys; every string is masked."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": mask(record.getMessage()),
        }
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line.update((key, mask(str(value)) if isinstance(value, str) else value) for key, value in extra.items())
        if record.exc_info:
            line["traceback"] = mask(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Send everything to standard error as JSON. Replaces earlier handlers; a second call changes the level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("mqtt").setLevel(logging.ERROR)
