"""What a modem remembers: what it loses at a reboot, and what it keeps."""

import copy
from dataclasses import dataclass, field

from simulator.modem.port import PortSettings
from simulator.radio.bearers import PdpContext
from simulator.uicc import PhonebookEntry


@dataclass(slots=True)
class StoredMessage:
    """A short message in a store: `pdu` is the TPDU without SMSC, `status` as +CMGL numbers it (0 to 3)."""

    status: int
    pdu: bytes
    smsc: str
    reference: int = 0


@dataclass(slots=True)
class Volatile:
    """Shared by all ports, gone at a reboot."""

    functionality: int = 1  # +CFUN
    operator_format: int = 0  # +COPS=3,n: sticky and shared between clients
    operator_mode: int = 0
    new_message: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)  # +CNMI
    memories: list[str] = field(default_factory=lambda: ["ME", "ME", "ME"])
    packet_events: int = 0  # +CGEREP
    time_updates: int = 1  # +CTZU
    time_reports: int = 0  # +CTZR
    message_service: int = 0  # +CSMS
    text_parameters: tuple[int, int, int, int] = (17, 167, 0, 0)  # +CSMP
    message_reference: int = 0
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Stored:
    """Kept in flash."""

    profile: PortSettings | None = None  # AT&W
    contexts: dict[int, PdpContext] = field(default_factory=dict)
    messages: dict[str, dict[int, StoredMessage]] = field(default_factory=lambda: {"ME": {}, "SM": {}, "SR": {}})
    phonebook: dict[int, PhonebookEntry] = field(default_factory=dict)
    service_centre: str = ""
    saved_counters: tuple[int, int] = (0, 0)
    flags: dict[str, str] = field(default_factory=dict)

    def profile_copy(self) -> PortSettings | None:
        """A copy of the stored profile, if one was stored."""
        return copy.deepcopy(self.profile)
