"""Packet data: contexts that stay, bearers that come and go, and the bytes they carried.

Traffic is integrated when somebody looks: octets a second for as long as a bearer is up, plus what `carry` adds.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from random import Random

from simulator.radio.operators import operator_of


@dataclass(slots=True)
class Traffic:
    """Octets sent (by the modem) and received, moving at a rate while `running`."""

    tx_rate: float = 0.0
    rx_rate: float = 0.0
    _tx: float = 0.0
    _rx: float = 0.0
    _since: float = 0.0
    running: bool = False

    def settle(self, now: float) -> None:
        """Bring the totals up to `now`."""
        if self.running:
            self._tx += self.tx_rate * (now - self._since)
            self._rx += self.rx_rate * (now - self._since)
        self._since = now

    def run(self, now: float, *, running: bool) -> None:
        """Start or stop the flow."""
        self.settle(now)
        self.running = running

    def carry(self, tx: int, rx: int) -> None:
        """Count octets that really passed."""
        self._tx += tx
        self._rx += rx

    def totals(self, now: float) -> tuple[int, int]:
        """(sent, received) up to `now`."""
        self.settle(now)
        return int(self._tx), int(self._rx)

    def reset(self, now: float) -> None:
        """Both counters to zero."""
        self.settle(now)
        self._tx = self._rx = 0.0


@dataclass(slots=True)
class PdpContext:
    """One line of +CGDCONT with its +CGAUTH."""

    cid: int
    kind: str
    apn: str
    address: str = ""
    auth: int = 0
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Bearer:
    """An active PDN connection."""

    cid: int
    apn: str
    ipv4: IPv4Address | None
    ipv6: IPv6Address | None
    gateway: IPv4Address | None
    dns: tuple[str, ...]
    dns6: tuple[str, ...]
    since: float


@dataclass(slots=True)
class Bearers:
    """All contexts of one modem and those that are up; `traffic` runs while any is."""

    random: Random
    contexts: dict[int, PdpContext] = field(default_factory=dict)
    active: dict[int, Bearer] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)
    session_started: float = 0.0

    def activate(self, cid: int, *, plmn: str, now: float) -> Bearer:
        """Bring a context up and give it addresses; an active one is returned as it is."""
        if cid in self.active:
            return self.active[cid]
        context = self.contexts[cid]
        operator = operator_of(plmn)
        wants4, wants6 = context.kind != "IPV6", context.kind in {"IPV6", "IPV4V6"}
        host = self.random.randrange(0x0A200002, 0x0A3FFFF0)
        bearer = Bearer(
            cid=cid,
            apn=context.apn or operator.apn,
            ipv4=IPv4Address(host) if wants4 else None,
            ipv6=IPv6Address((0x2A0104C8 << 96) | (self.random.getrandbits(32) << 64) | 1) if wants6 else None,
            gateway=IPv4Address(host ^ 1) if wants4 else None,
            dns=operator.dns if wants4 else (),
            dns6=("2a01:4c8::53", "2a01:4c8::54") if wants6 else (),
            since=now,
        )
        if not self.active:
            self.session_started = now
        self.active[cid] = bearer
        self.traffic.run(now, running=True)
        return bearer

    def deactivate(self, cid: int, now: float) -> bool:
        """Take a bearer down; False when it was not up."""
        gone = self.active.pop(cid, None) is not None
        if not self.active:
            self.traffic.run(now, running=False)
        return gone

    def deactivate_all(self, now: float) -> list[int]:
        """Take everything down; the cids that were up."""
        cids = list(self.active)
        for cid in cids:
            self.deactivate(cid, now)
        return cids
