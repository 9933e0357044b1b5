"""A modem on a clock that moves only when told, and a terminal that waits in simulated time."""

from random import Random

from simulator.clock import ManualClock
from simulator.faults import FaultBoard, Value, make_fault
from simulator.modem import SimulatedModem, default_card, load
from simulator.radio import Air, AskNetwork, Network, cells_of
from simulator.uicc import Uicc

FINALS = ("OK", "ERROR", "NO CARRIER", "COMMAND NOT SUPPORT", "> ")


class Terminal:
    """Types lines at one port and collects what comes back."""

    def __init__(self, modem: SimulatedModem, clock: ManualClock, faults: FaultBoard, port: str = "first") -> None:
        self.modem = modem
        self.clock = clock
        self.faults = faults
        self.port = port

    def pass_time(self, seconds: float, *, step: float = 0.1) -> str:
        """Let time pass; what the modem said meanwhile."""
        out = b""
        for _ in range(max(1, round(seconds / step))):
            self.clock.advance(step)
            self.modem.settle()
            out += self.modem.ports[self.port].take()
        return out.decode("latin-1")

    def type(self, data: bytes) -> str:
        """Bytes, without waiting."""
        return self.modem.feed(self.port, data).decode("latin-1")

    def raw(self, line: str, *, within: float = 90.0) -> str:
        """A line with its CR, until a final result code comes or time is up."""
        out = self.type(line.encode("latin-1") + b"\r")
        waited = 0.0
        while not ended(out) and waited < within:
            out += self.pass_time(0.05, step=0.05)
            waited += 0.05
        return out

    def ask(self, line: str, *, within: float = 90.0) -> list[str]:
        """The same as a list of lines without the echo; the last is the final result code."""
        lines = [part for part in self.raw(line, within=within).replace("\r", "\n").split("\n") if part]
        return lines[1:] if lines and lines[0] == line else lines

    def value(self, line: str) -> str:
        """The one information line of a command that ends with OK, without its prefix."""
        lines = self.ask(line)
        assert lines[-1] == "OK", lines
        assert len(lines) == 2, lines
        return lines[0].partition(": ")[2] or lines[0]

    def inject(self, kind: str, **parameters: Value) -> int:
        """Pin a fault up."""
        return self.faults.inject(make_fault(kind, parameters=parameters, at_s=self.modem.agenda.now))

    def other(self, name: str = "second") -> "Terminal":
        """Another port of the same modem."""
        self.modem.open_port(name)
        return Terminal(self.modem, self.clock, self.faults, name)


def ended(text: str) -> bool:
    """Whether some line is a final result code or a prompt."""
    lines = text.replace("\r", "\n").split("\n")
    return any(line in FINALS or line.startswith(("+CME ERROR", "+CMS ERROR", "CONNECT")) for line in lines)


def terminal(
    personality: str = "quectel-ec25",
    *,
    card: Uicc | None = None,
    no_card: bool = False,
    air: Air | None = None,
    network: Network | AskNetwork | None = None,
    seed: int = 1,
    up: bool = True,
) -> Terminal:
    """A modem with one port; `up` lets it register first, otherwise it has only its power."""
    clock, faults = ManualClock(), FaultBoard()
    modem = SimulatedModem(
        load(personality), clock=clock, random=Random(seed), card=None if no_card else card or default_card(),
        air=air or Air(cells_of(), seed=seed), network=network, faults=faults,
    )  # fmt: skip
    modem.open_port("first")
    modem.power_on(boot=not up)
    made = Terminal(modem, clock, faults)
    if up:
        made.pass_time(8)
    return made
