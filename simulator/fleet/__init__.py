"""A fleet of hubs that speaks only the wire contract, over an MQTT 5 client of its own."""

from simulator.fleet.fleet import Broker, BrokerError, Fleet, FleetError, possible_hubs, read_hub_ids
from simulator.fleet.hub import Counts, FleetHub, Habits, make_hub_id

__all__ = [
    "Broker",
    "BrokerError",
    "Counts",
    "Fleet",
    "FleetError",
    "FleetHub",
    "Habits",
    "make_hub_id",
    "possible_hubs",
    "read_hub_ids",
]
