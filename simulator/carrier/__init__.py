"""A carrier's SIM platform with real manners: TMF640 (docs/carrier.md), and a side door for the rest of the simulator.

`Platform` is the pure state machine (time and randomness are given), `Carrier` its HTTP shell and timers, and
`InProcessTransport` lets an httpx client reach the shell without a socket.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from simulator.carrier.admission import Account
from simulator.carrier.manners import GOOD, REAL, Manners, MannersError, load_manners
from simulator.carrier.platform import AttachVerdict, Platform
from simulator.carrier.services import ProvisioningError, SimOrder

if TYPE_CHECKING:
    from simulator.carrier.api import Carrier
    from simulator.carrier.inprocess import InProcessTransport

__all__ = [
    "GOOD",
    "REAL",
    "Account",
    "AttachVerdict",
    "Carrier",
    "InProcessTransport",
    "Manners",
    "MannersError",
    "Platform",
    "ProvisioningError",
    "SimOrder",
    "load_manners",
]

# Imported on demand: the extra `hil` plays modems with neither FastAPI nor httpx installed.
_WITH_HTTP: Final = {"Carrier": "simulator.carrier.api", "InProcessTransport": "simulator.carrier.inprocess"}


def __getattr__(name: str) -> Any:
    """Import what needs HTTP libraries when it is asked for."""
    if name not in _WITH_HTTP:
        raise AttributeError(name)
    return getattr(importlib.import_module(_WITH_HTTP[name]), name)
