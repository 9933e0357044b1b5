"""The link to the broker: the port, and its adapter over aiomqtt."""

from device_agent.link.aiomqtt_port import AiomqttPort
from device_agent.link.identity import IdentifiedPort, ShownIdentity
from device_agent.link.port import (
    Delivery,
    Link,
    LinkError,
    LinkLostError,
    LinkPort,
    LinkRefusedError,
    LinkUnreachableError,
    Will,
)

__all__ = [
    "AiomqttPort",
    "Delivery",
    "IdentifiedPort",
    "Link",
    "LinkError",
    "LinkLostError",
    "LinkPort",
    "LinkRefusedError",
    "LinkUnreachableError",
    "ShownIdentity",
    "Will",
]
