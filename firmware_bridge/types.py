"""Hardware words: what a modem says, as typed values where unknown is None and never a number.

Sources: 3GPP TS 27.007 (commands), TS 24.008 and TS 24.301 (causes), TS 23.003 (identifiers).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum, StrEnum


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the modem says it is. `imei` has passed its Luhn check; `imeisv` has none (TS 23.003 6.2.2)."""

    manufacturer: str | None = None
    model: str | None = None
    firmware: str | None = None
    imei: str | None = None
    imeisv: str | None = None


class SimState(StrEnum):
    """TS 27.007 8.3 +CPIN, and what modems say instead."""

    READY = "ready"
    PIN = "pin"
    PUK = "puk"
    PIN2 = "pin2"
    PUK2 = "puk2"
    LOCKED = "locked"
    ABSENT = "absent"
    BUSY = "busy"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sim:
    """The SIM and what it carries. `pin_tries` and `puk_tries` are tries left, None where the modem does not tell."""

    state: SimState = SimState.UNKNOWN
    iccid: str | None = None
    imsi: str | None = None
    msisdn: str | None = None
    mnc_length: int | None = None
    pin_tries: int | None = None
    puk_tries: int | None = None


class RegistrationState(Enum):
    """TS 27.007 10.1.22 <stat> of +CEREG."""

    IDLE = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5
    HOME_SMS_ONLY = 6
    ROAMING_SMS_ONLY = 7
    EMERGENCY_ONLY = 8
    HOME_NO_CSFB = 9
    ROAMING_NO_CSFB = 10
    RESTRICTED_LOCAL = 11

    @property
    def attached(self) -> bool:
        """Whether packet data can be had."""
        return self in {self.HOME, self.ROAMING, self.HOME_NO_CSFB, self.ROAMING_NO_CSFB}


class AccessTechnology(IntEnum):
    """TS 27.007 10.1.22 <AcT>."""

    GSM = 0
    GSM_COMPACT = 1
    UTRAN = 2
    EGPRS = 3
    HSDPA = 4
    HSUPA = 5
    HSPA = 6
    E_UTRAN = 7
    EC_GSM_IOT = 8
    NB_IOT = 9
    E_UTRA_5GCN = 10
    NR_5GCN = 11
    NG_RAN = 12
    E_UTRA_NR = 13
    CDMA = 100


@dataclass(frozen=True, slots=True)
class Registration:
    """Where the modem stands with the network; `reject_cause` is the EMM/GMM cause (TS 24.301 9.9.3.9)."""

    state: RegistrationState = RegistrationState.UNKNOWN
    technology: AccessTechnology | None = None
    tac: int | None = None
    cell_id: int | None = None
    reject_cause: int | None = None

    @property
    def needs_radio_cycle(self) -> bool:
        """EMM causes 3, 6, 7 and 8: the modem will not try again until its radio is cycled (TS 24.301 5.5.1.2.5)."""
        return self.reject_cause in {3, 6, 7, 8}


@dataclass(frozen=True, slots=True)
class Operator:
    """The network in use. `mnc` keeps its leading zero and its length."""

    mcc: str | None = None
    mnc: str | None = None
    name: str | None = None
    technology: AccessTechnology | None = None


class OperatorAvailability(Enum):
    """TS 27.007 7.3 +COPS=? <stat>."""

    UNKNOWN = 0
    AVAILABLE = 1
    CURRENT = 2
    FORBIDDEN = 3


@dataclass(frozen=True, slots=True)
class ScannedOperator:
    """One tuple of a network scan."""

    availability: OperatorAvailability
    operator: Operator


@dataclass(frozen=True, slots=True)
class Signal:
    """RSSI, RSRP in dBm; RSRQ, SINR in dB. Cell and band where the modem tells them."""

    rssi_dbm: float | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    technology: AccessTechnology | None = None
    band: int | None = None
    earfcn: int | None = None
    cell_id: int | None = None
    tac: int | None = None
    pci: int | None = None


class PdpType(StrEnum):
    """TS 27.007 10.1.1 <PDP_type>."""

    IP = "IP"
    IPV6 = "IPV6"
    IPV4V6 = "IPV4V6"


class Authentication(IntEnum):
    """TS 27.007 10.1.31 +CGAUTH <auth_prot>."""

    NONE = 0
    PAP = 1
    CHAP = 2


@dataclass(frozen=True, slots=True)
class BearerSettings:
    """What to bring up. The password never appears in a repr."""

    apn: str
    pdp_type: PdpType = PdpType.IPV4V6
    username: str = ""
    password: str = field(default="", repr=False)
    authentication: Authentication = Authentication.NONE


@dataclass(frozen=True, slots=True)
class Bearer:
    """The bearer read back. Addresses in the usual text form, empty when the modem tells none."""

    up: bool
    cid: int | None = None
    apn: str | None = None
    addresses: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """Bytes since the driver was made, monotonic across resets of the modem."""

    tx_bytes: int
    rx_bytes: int


@dataclass(frozen=True, slots=True)
class NetworkTime:
    """The network's clock (NITZ): an aware datetime, and whether the modem told its zone."""

    at: datetime
    zone_known: bool


@dataclass(frozen=True, slots=True)
class Temperature:
    """Degrees Celsius by sensor; the hottest is what matters."""

    sensors: dict[str, float]

    @property
    def hottest(self) -> float | None:
        """The highest reading, None without any."""
        return max(self.sensors.values(), default=None)


@dataclass(frozen=True, slots=True)
class Sms:
    """A whole received message (parts joined). The body is for the doorbell alone: shown to nobody, in no repr."""

    sender: str
    at: datetime | None
    body: str = field(repr=False)
    indexes: tuple[int, ...] = ()
    storage: str | None = None


class ModemEventKind(StrEnum):
    """What a modem says unasked."""

    REGISTRATION = "registration"
    SIM = "sim"
    SMS = "sms"
    BEARER_LOST = "bearer_lost"
    REBOOTED = "rebooted"
    PORT_LOST = "port_lost"
    TIME = "time"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class ModemEvent:
    """An unsolicited fact: its kind and, where it carries one, the typed value."""

    kind: ModemEventKind
    value: Registration | Sim | Signal | NetworkTime | str | int | None = None


@dataclass(frozen=True, slots=True)
class PortIdentity:
    """A serial port by what it is, not by its number. `usb_id` is "vid:pid" in lower-case hex."""

    device: str
    usb_id: str | None = None
    interface: int | None = None
    by_path: str | None = None
