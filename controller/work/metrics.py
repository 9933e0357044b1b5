"""What the controller counts, in a registry of its own: no global state, and no identifier in a label."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """Prometheus metrics of one controller."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._messages = Counter("minihub_ingest_messages", "Messages committed", registry=self._registry)
        self._quarantined = Counter("minihub_ingest_quarantined", "Messages set aside", registry=self._registry)

    def taken(self, messages: int, quarantined: int) -> None:
        """Count a committed batch."""
        self._messages.inc(messages)
        self._quarantined.inc(quarantined)

    def watch(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show a number that is read when somebody looks."""
        Gauge(f"minihub_{name}", meaning, registry=self._registry).set_function(read)

    def render(self) -> str:
        """Return the text exposition."""
        return generate_latest(self._registry).decode()
