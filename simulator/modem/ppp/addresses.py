"""The addresses a network gives: IPCP (RFC 1332), its name servers (RFC 1877), and IPV6CP (RFC 5072)."""

from ipaddress import IPv4Address
from typing import Final

from simulator.modem.ppp.packets import Option

ADDRESS, FIRST_DNS, SECOND_DNS = 3, 129, 131
IDENTIFIER = 1


class Ipv4Rules:
    """The caller gets the bearer's address and name servers, whatever it asked for; the rest of IPCP is rejected."""

    def __init__(self, own: IPv4Address, given: IPv4Address, dns: tuple[IPv4Address, ...]) -> None:
        self._own = own.packed
        servers = zip((FIRST_DNS, SECOND_DNS), (server.packed for server in dns), strict=False)
        self._values: Final = {ADDRESS: given.packed, **dict(servers)}
        self._silent = False

    def wishes(self) -> tuple[Option, ...]:
        """The gateway's own address."""
        return () if self._silent else (Option(ADDRESS, self._own),)

    def nakked(self, options: tuple[Option, ...]) -> None:
        """A caller does not choose the gateway's address: then it goes without saying."""
        self._silent |= any(option.kind == ADDRESS for option in options)

    rejected = nakked

    def unwanted(self, option: Option) -> bool:
        """Header compression, NetBIOS name servers, malformed options."""
        return option.kind not in self._values or len(option.value) != 4

    def hint(self, option: Option) -> Option | None:
        """The network's value where the caller's is another."""
        value = self._values.get(option.kind, option.value)
        return None if option.value == value else Option(option.kind, value)

    def settled(self, options: tuple[Option, ...]) -> None:
        """Nothing follows from it: the caller has what it was given."""


class Ipv6Rules:
    """The caller gets the interface identifier of the bearer's address (RFC 5072 clause 4.1)."""

    def __init__(self, own: bytes, given: bytes) -> None:
        self._own = own
        self._given = given
        self._silent = False

    def wishes(self) -> tuple[Option, ...]:
        """The gateway's own identifier."""
        return () if self._silent else (Option(IDENTIFIER, self._own),)

    def nakked(self, options: tuple[Option, ...]) -> None:
        """As for the address."""
        self._silent |= any(option.kind == IDENTIFIER for option in options)

    rejected = nakked

    def unwanted(self, option: Option) -> bool:
        """Header compression, malformed options."""
        return option.kind != IDENTIFIER or len(option.value) != 8

    def hint(self, option: Option) -> Option | None:
        """The network's identifier where the caller's is another."""
        return None if option.value == self._given else Option(IDENTIFIER, self._given)

    def settled(self, options: tuple[Option, ...]) -> None:
        """Nothing follows from it."""
