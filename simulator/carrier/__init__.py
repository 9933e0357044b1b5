"""A carrier's SIM platform with real manners: TMF640 (docs/carrier.md), and a side door for the rest of the simulator.

`Platform` is the pure state machine (time and randomness are given), `Carrier` its HTTP shell and timers, and
`InProcessTransport` lets an httpx client reach the shell without a socket.
"""

from simulator.carrier.admission import Account
from simulator.carrier.api import Carrier
from simulator.carrier.inprocess import InProcessTransport
from simulator.carrier.manners import GOOD, REAL, Manners, MannersError, load_manners
from simulator.carrier.platform import AttachVerdict, Platform
from simulator.carrier.services import ProvisioningError, SimOrder

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
