"""Playing a scenario and meddling with it while it runs.

`World` is one household: modem, SIM platform and line. `play_virtual` runs it in no time, `play_live` on ports and in
real or faster time, with a control socket (`ControlClient`, `hub-sim control`).
"""

from simulator.control.client import CommandRefusedError, ControlClient, ControlError
from simulator.control.commands import Command, perform
from simulator.control.live import LiveOptions, play_live
from simulator.control.trace import TraceLine
from simulator.control.virtual import play_virtual
from simulator.control.world import World, WorldClock

__all__ = [
    "Command",
    "CommandRefusedError",
    "ControlClient",
    "ControlError",
    "LiveOptions",
    "TraceLine",
    "World",
    "WorldClock",
    "perform",
    "play_live",
    "play_virtual",
]
