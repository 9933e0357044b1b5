"""Questions over a real loopback socket: whose answer is believed, and what silence and nobody are called."""

import asyncio
from pathlib import Path

import pytest

from firmware_bridge.errors import HostToolError
from firmware_bridge.host.dns import NXDOMAIN, A, Answer, UdpResolver


class Server(asyncio.DatagramProtocol):
    """Answers NXDOMAIN, after a stray reply to somebody else's question; or keeps silent."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._silent:
            for number, flags in ((b"\0\0", b"\x81\x80"), (data[:2], b"\x81\x83")):
                self._transport.sendto(number + flags + data[4:], addr)  # type: ignore[attr-defined]  # a datagram's


async def asked(*, address: str = "127.0.0.1", silent: bool = False, gone: bool = False) -> Answer:
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(lambda: Server(silent=silent), local_addr=(address, 0))
    port = server.get_extra_info("sockname")[1]
    if gone:
        server.close()
        await asyncio.sleep(0)
    try:
        return await UdpResolver().ask((address, port), "a.example", A, deadline_s=0.05 if silent else 5)
    finally:
        server.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_only_the_reply_to_its_own_question_is_believed(address: str) -> None:
    if ":" in address and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this kernel has no IPv6")
    assert asyncio.run(asked(address=address)).rcode == NXDOMAIN


def test_silence_is_told_after_the_deadline() -> None:
    with pytest.raises(HostToolError, match="did not answer"):
        asyncio.run(asked(silent=True))


def test_nobody_there_is_told_at_once() -> None:
    with pytest.raises(HostToolError, match="is not reachable"):
        asyncio.run(asked(gone=True))
