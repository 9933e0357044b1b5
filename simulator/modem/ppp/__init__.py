"""The network's end of a PPP call: framing, link, authentication, addresses. Octets in, octets out; no I/O.

Written from RFC 1661 (PPP), 1662 (framing), 1332 and 1877 (IPv4 and its name servers), 5072 (IPv6), 1334 (PAP) and
1994 (CHAP).
"""

from simulator.modem.ppp.session import Account, Addresses, Session

__all__ = ["Account", "Addresses", "Session"]
