"""The air: cells that fade in time, networks that accept or refuse, registration and bearers.

Pure: time comes from an injected agenda, chance from an injected `random.Random`.
"""

from simulator.radio.air import Air, Cell, Measurement
from simulator.radio.bearers import Bearer, Bearers, Traffic
from simulator.radio.network import AskNetwork, Network, OpenNetwork, Service, Verdict
from simulator.radio.operators import Operator, cells_of, operator_of
from simulator.radio.registration import Registration, Stat

__all__ = [
    "Air",
    "AskNetwork",
    "Bearer",
    "Bearers",
    "Cell",
    "Measurement",
    "Network",
    "OpenNetwork",
    "Operator",
    "Registration",
    "Service",
    "Stat",
    "Traffic",
    "Verdict",
    "cells_of",
    "operator_of",
]
