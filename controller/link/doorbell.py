"""The text of a doorbell's SMS, in the words of the wire contract."""

from device_agent.protocol import doorbell


def render_ring(key: bytes, hub_id: str, counter: int) -> str:
    """Sign a ring for its hub. Raises ValueError for a key or a counter that is none."""
    return doorbell.ring(key, hub_id, counter)
