"""A data call on a port: its octets belong to a PPP session, but for three plus signs between two silences (V.250)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from simulator.clock import Timer
from simulator.modem.ppp import Account, Addresses, Session
from simulator.modem.ppp.lcp import Login

if TYPE_CHECKING:
    from simulator.modem.port import Port

GUARD_S = 1.0  # V.250 leaves the escape guard to the maker; one second is everybody's


class DataCall:
    """One call, from CONNECT to its end. While the port is in command mode, what the session says is lost."""

    def __init__(self, port: Port, cid: int) -> None:
        self.cid = cid
        self._port = port
        self._agenda = port.modem.agenda
        self._plus = 0
        self._quiet_since = self._agenda.now
        self._escape: Timer | None = None
        self._due: Timer | None = None
        self._session = _session(port, cid)

    def receive(self, data: bytes) -> None:
        """Octets from the terminal."""
        now = self._agenda.now
        if self._escape is not None:
            self._escape.cancel()
            self._escape = None
        silent = now - self._quiet_since >= GUARD_S
        self._quiet_since = now
        if data.strip(b"+") == b"" and (silent or self._plus) and self._plus + len(data) <= 3:
            self._plus += len(data)
            if self._plus == 3:
                self._escape = self._agenda.after(GUARD_S, self._escaped)
            return
        data, self._plus = b"+" * self._plus + data, 0
        self._session.receive(data, now)
        self._follow()

    def resume(self) -> None:
        """The port is back in data mode."""
        self._plus, self._quiet_since = 0, self._agenda.now

    def hang_up(self) -> None:
        """The network ends the call and says so."""
        self._session.hang_up(self._agenda.now)
        self._port.send_data(self._session.take())
        self.forget()

    def forget(self) -> None:
        """The call is over: no timer of it runs any more."""
        for timer in (self._escape, self._due):
            if timer is not None:
                timer.cancel()

    def _escaped(self) -> None:
        self._plus, self._escape = 0, None
        self._port.escape()

    def _follow(self) -> None:
        """Send what the session says, wake it when it wants to be, and let the bearer go when it has ended."""
        self._port.send_data(self._session.take())
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._session.ended:
            self._port.modem.release_bearer(self.cid)
        elif (deadline := self._session.deadline) is not None:
            self._due = self._agenda.at(deadline, self._come_due)

    def _come_due(self) -> None:
        self._due = None
        self._session.due(self._agenda.now)
        self._follow()


def _session(port: Port, cid: int) -> Session:
    modem = port.modem
    context, bearer = modem.bearers.contexts[cid], modem.bearers.active[cid]
    account = Account(Login(context.auth), context.user, context.password)
    dns = tuple(IPv4Address(each) for each in bearer.dns)
    addresses = Addresses(bearer.ipv4, bearer.gateway, dns, bearer.ipv6)
    return Session(account, addresses, modem.random, modem.bearers.traffic.carry)
