"""+CREG, +CGREG and +CEREG, asked and unasked (TS 27.007 clauses 7.2, 10.1.20 and 10.1.22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.radio import Stat

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem
    from simulator.modem.port import Port

NAMES = ("+CREG", "+CGREG", "+CEREG")
_E_UTRAN = 7


class RegistrationReports:
    """Renders the three reports in the form each port asked for, and sends a line only when it changed."""

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem
        self._sent: dict[tuple[str, str], str] = {}

    def fields(self, name: str, n: int) -> str:
        """Status and, as far as `n` asks, location and cause."""
        registration, quirk = self._modem.registration, self._modem.personality.quirk
        stat = registration.stat
        if stat is Stat.DENIED and registration.silenced and not registration.cell:
            stat = Stat.DENIED
        text = str(int(stat))
        cell = registration.cell
        if n >= 2 and cell is not None:
            mark = "" if quirk("unquoted_location") else '"'
            width = 7 if quirk("padded_cell_id") else 0
            text += f",{mark}{cell.tac:04X}{mark},{mark}{cell.cell_id:0{width}X}{mark},{_E_UTRAN}"
        elif n >= 3 and registration.cause is not None:
            text += ",,,"
        if n >= 3 and registration.cause is not None and name == "+CEREG":
            text += f",0,{registration.cause}"
        return text

    def asked_for(self, port: Port, name: str) -> None:
        """A port chose a form: what holds now is no news to it."""
        self._sent[port.name, name] = self._line(port, name)

    def _line(self, port: Port, name: str) -> str:
        return f"{name}: {self.fields(name, port.settings.reports.get(name, 0))}"

    def send(self) -> None:
        """Tell every port that wants to know and was not told the same before."""
        modem = self._modem
        for port in modem.at_ports():
            for name in NAMES:
                if not port.settings.reports.get(name, 0):
                    continue
                line = self._line(port, name)
                if self._sent.get((port.name, name)) != line and modem.listening:
                    self._sent[port.name, name] = line
                    port.urc(line)
