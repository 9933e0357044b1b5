"""What a make says unasked: the hooks a vendor fills in. The base says only what TS 27.007 says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem


class Habits:
    """Hooks called by the modem after something happened. Each may send unsolicited lines."""

    def __init__(self, modem: SimulatedModem) -> None:
        self.modem = modem

    def started(self) -> None:
        """The ports have appeared and the boot script begins."""

    def registration_changed(self) -> None:
        """Registration, cell or cause changed."""

    def sim_changed(self) -> None:
        """A card was put in, taken out, unlocked or locked."""

    def bearer_changed(self, cid: int, *, up: bool, by_network: bool = False) -> None:
        """A packet connection came up or went down, by the network's hand or at the terminal's word."""

    def time_received(self) -> None:
        """The network told the time."""

    def sample(self) -> str:
        """A line this make sends now and then: what a flood is made of when none is named."""
        return "+CREG: 1"
