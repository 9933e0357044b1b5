"""A scenario in no time: the clock jumps from one deadline to the next, and an observer talks to the modem.

The observer asks for signal, registration and operator at a steady pace, so that the trace holds the modem's bytes.
"""

from collections.abc import Callable
from typing import Final

from simulator.clock import ManualClock
from simulator.control.commands import perform
from simulator.control.trace import TraceLine
from simulator.control.world import World
from simulator.scenario import Scenario

OBSERVER: Final = "observer"
_OPENING: Final = ("ATE0", "AT+CMEE=1", "AT+CEREG=2")
_ROUND: Final = ("AT+CSQ", "AT+CEREG?", "AT+COPS?")
# Rounds in a run, and the shortest time between two (s).
ROUNDS: Final = 100
ROUND_S: Final = 30.0


def play_virtual(scenario: Scenario, *, seed: int, on_trace: Callable[[TraceLine], None]) -> None:
    """Play the whole scenario; the same seed tells the same trace."""
    clock = ManualClock()
    world = World(scenario, clock=clock, seed=seed, on_event=perform, on_trace=on_trace)
    port = world.modem.open_port(OBSERVER)
    port.sink = lambda data: world.trace("modem_says", bytes=data.decode("latin-1"))
    world.trace("begins", title=scenario.title, seed=seed)
    world.begin()
    _observe(world, _OPENING + _ROUND)
    deadline = world.settle()
    while deadline is not None and deadline <= scenario.duration_s:
        clock.advance(max(0.0, deadline - clock.now()))
        deadline = world.settle()
    clock.advance(max(0.0, scenario.duration_s - clock.now()))
    world.settle()
    world.trace("ends")


def _observe(world: World, lines: tuple[str, ...]) -> None:
    pace = max(ROUND_S, world.scenario.duration_s / ROUNDS)
    first, *rest = lines
    world.modem.feed(OBSERVER, first.encode() + b"\r")
    if rest:
        world.agenda.after(2.0, lambda: _observe(world, tuple(rest)))
    else:
        world.agenda.after(pace, lambda: _observe(world, _ROUND))
