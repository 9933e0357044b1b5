"""Which port the stand-in of a name server listens on."""

import asyncio
import errno
import socket
from collections.abc import Coroutine
from typing import Any

import pytest

from simulator.host.dns import Question
from simulator.host.dns_server import PORTS_TRIED, serve_dns

HERE = "127.0.0.1"


class Choosing(asyncio.SelectorEventLoop):
    """A loop on a kernel that gives these ports, one after the other, to who wants any for UDP."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__()
        self.ports = ports

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> Any:
        address, port = options["local_addr"]
        options["local_addr"] = (address, port or self.ports.pop(0))
        return await super().create_datagram_endpoint(*args, **options)


def run(ports: list[int], main: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=lambda: Choosing(ports)) as runner:
        return runner.run(main)


async def nothing(question: Question, data: bytes) -> bytes | None:
    del question, data
    return None


async def port_of(port: int) -> int:
    async with serve_dns([HERE], port, nothing) as found:
        return found


def test_a_port_that_tcp_has_already_gives_way_to_another_but_a_wanted_one_does_not() -> None:
    with socket.create_server((HERE, 0)) as other:
        taken = other.getsockname()[1]
        assert run([taken, taken, 0], port_of(0)) != taken
        for ports, wanted in (([taken] * PORTS_TRIED, 0), ([], taken)):
            with pytest.raises(OSError, match="in use") as error:
                run(ports, port_of(wanted))
            assert error.value.errno == errno.EADDRINUSE
            assert ports == []
