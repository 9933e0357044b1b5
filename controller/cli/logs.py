"""Structured logs: one JSON object a line on stderr, with identifiers masked."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

# IMEI, IMSI, ICCID: 14 to 20 digits; telephone numbers: 9 to 13, which next to a hyphen may be a part of a UUID. The
# last four are enough to recognise one.
_IDENTIFIER: Final = re.compile(
    r"(?<![0-9A-Za-z])\d{10,16}(?P<long>\d{4})(?![0-9A-Za-z])|(?<![0-9A-Za-z-])\+?\d{5,9}(?P<short>\d{4})(?![0-9A-Za-z-])"
)
_ADDRESS: Final = re.compile(r"[^\s@<>]+@([^\s@<>]+)")
# Numbers that say nothing of a person although they are long.
_PLAIN: Final = frozenset({"revision", "seq", "boot", "uptime_ms"})


def mask(text: str) -> str:
    """Mask identifiers and addresses in free text."""
    return _ADDRESS.sub(r"…@\1", _IDENTIFIER.sub(lambda found: "…" + (found["long"] or found["short"]), text))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each) for each in value]
    return value


def _mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value if name in _PLAIN or name == "timestamp" else _masked(value) for name, value in event.items()}


def configure(level: str) -> None:
    """Send structlog's and the libraries' records to stderr as JSON, masked."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # gmqtt tells of each acknowledgement that dies with its connection, and of not reconnecting, both of which are
    # meant; httpx would log URLs with ids.
    for noisy in ("gmqtt", "httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
