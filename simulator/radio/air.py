"""Cells and what a receiver measures of them at a moment.

A measurement is a pure function of (seed, cell, time): slow fading as two sine waves, fast fading as noise held for two
seconds. So nothing ticks while nobody looks, and the same seed gives the same readings.
"""

import math
from dataclasses import dataclass, field
from random import Random

REFERENCE_POWER_DBM = 18.0  # per resource element: 46 dBm over 20 MHz
NOISE_FLOOR_DBM = -125.0  # thermal noise in 15 kHz plus a receiver's noise figure
SERVICE_FLOOR_DBM = -128.0  # below this RSRP a cell cannot be camped on
_FADING_HOLD_S = 2.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One E-UTRA cell. `cell_id` is the 28-bit identity, `bandwidth_rb` its width in resource blocks."""

    plmn: str
    tac: int
    cell_id: int
    pci: int
    band: int
    earfcn: int
    path_loss_db: float
    bandwidth_rb: int = 100
    load: float = 0.4  # share of resource blocks busy, 0 to 1: what RSRQ feels
    congested: bool = False  # refuses attach with EMM cause 22

    @property
    def bandwidth_index(self) -> int:
        """0 to 5 for 1.4 to 20 MHz, as Qualcomm firmware prints it."""
        return (6, 15, 25, 50, 75, 100).index(self.bandwidth_rb)

    @property
    def downlink_mhz(self) -> float:
        """Bandwidth in MHz."""
        return (1.4, 3, 5, 10, 15, 20)[self.bandwidth_index]


@dataclass(frozen=True, slots=True)
class Measurement:
    """dBm, dB, dBm, dB (TS 36.214)."""

    rsrp: float
    rsrq: float
    rssi: float
    sinr: float


@dataclass(slots=True)
class Air:
    """All cells in reach of one antenna. `attenuation_db` is what walls add; `drift_db` scales the fading."""

    cells: tuple[Cell, ...]
    seed: int = 0
    attenuation_db: float = 0.0
    drift_db: float = 3.0
    _waves: dict[Cell, tuple[float, float, float, float]] = field(default_factory=dict)
    _last: tuple[Cell, int, float, Measurement] | None = None  # receivers are read many times in one moment

    def fading(self, cell: Cell, now: float) -> float:
        """DB above or below the path loss at `now`."""
        if (wave := self._waves.get(cell)) is None:
            source = Random(f"{self.seed}/{cell.plmn}/{cell.cell_id}")
            wave = (source.uniform(240, 900), source.uniform(0, 6.28), source.uniform(20, 60), source.uniform(0, 6.28))
            self._waves[cell] = wave
        slow, slow_phase, quick, quick_phase = wave
        noise = _held_noise(self.seed ^ cell.cell_id, int(now / _FADING_HOLD_S))
        sines = math.sin(6.2832 * now / slow + slow_phase) + 0.4 * math.sin(6.2832 * now / quick + quick_phase)
        return self.drift_db * (sines + 0.5 * noise)

    def measure(self, cell: Cell, now: float) -> Measurement:
        """What a receiver would report of `cell` at `now`, to a tenth of a second."""
        moment, last = int(now * 10), self._last
        if last is not None and last[0] is cell and last[1] == moment and last[2] == self.attenuation_db:
            return last[3]
        measured = self._measure(cell, moment / 10)
        self._last = (cell, moment, self.attenuation_db, measured)
        return measured

    def _measure(self, cell: Cell, now: float) -> Measurement:
        rsrp = REFERENCE_POWER_DBM - cell.path_loss_db - self.attenuation_db + self.fading(cell, now)
        sinr = min(30.0, max(-20.0, rsrp - NOISE_FLOOR_DBM - 8.0 - 12.0 * cell.load))
        rsrq = max(-19.5, min(-6.0, -7.0 - 5.0 * cell.load - max(0.0, 8.0 - sinr) * 0.5))
        rssi = rsrp - rsrq + 10 * math.log10(cell.bandwidth_rb)
        return Measurement(rsrp, rsrq, rssi, sinr)

    def usable(self, now: float) -> list[Cell]:
        """Cells one could camp on at `now`, strongest first."""
        heard = [(self.measure(cell, now).rsrp, cell) for cell in self.cells]
        strong = [entry for entry in heard if entry[0] >= SERVICE_FLOOR_DBM]
        return [cell for _, cell in sorted(strong, key=lambda entry: -entry[0])]


def _held_noise(seed: int, step: int) -> float:
    """A repeatable value in -1..1 for one hold interval (a 32-bit integer mix, no state)."""
    value = (seed * 0x9E3779B1 ^ step * 0x85EBCA77) & 0xFFFFFFFF
    value = ((value ^ (value >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF
    value = ((value ^ (value >> 12)) * 0x297A2D39) & 0xFFFFFFFF
    return (value ^ (value >> 15)) / 0x7FFFFFFF - 1.0
