"""Ask a DNS server for a name's address: `python -m simulator.host.ask SERVER PORT NAME` prints `RCODE [address…]`."""

import asyncio
import sys
from typing import Final

from simulator.host.dns import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, A, DnsMessageError, read_reply, write_question
from simulator.host.dns_server import exchange

DEADLINE_S: Final = 3.0
_WORDS: Final = {NOERROR: "NOERROR", SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN", REFUSED: "REFUSED"}


async def ask(server: str, port: int, name: str) -> str:
    """The RCODE and the addresses, or `TIMEOUT` when nothing that makes sense came within DEADLINE_S."""
    data = await exchange((server, port), write_question(1, name, A), deadline_s=DEADLINE_S)
    try:
        reply = read_reply(data)[1] if data is not None else None
    except DnsMessageError:
        reply = None
    if reply is None:
        return "TIMEOUT"
    return " ".join((_WORDS.get(reply.rcode, f"RCODE{reply.rcode}"), *reply.addresses))


def main() -> int:
    """Run as a program."""
    try:
        server, port, name = sys.argv[1:]
        told = asyncio.run(ask(server, int(port), name))
    except (ValueError, DnsMessageError):
        sys.stderr.write("usage: python -m simulator.host.ask SERVER PORT NAME\n")
        return 2
    sys.stdout.write(told + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
