"""The attach question to a carrier in another process, over a socket and with its failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulator.modem.attach_client import AttachClient
from simulator.modem.gsup_client import GsupClient
from simulator.radio import Service, Verdict
from simulator.uicc import swap_nibbles

IMSI = "234300000000001"
PACKED = swap_nibbles(IMSI, 8)


@asynccontextmanager
async def answering(reply: bytes, *, heard: list[bytes]) -> AsyncIterator[int]:
    """A server that answers whatever it is asked with the same octets."""

    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.write(reply)
        await writer.drain()
        heard.append(await reader.read(4096))
        writer.close()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            await served.wait()


def http(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (http("200 OK", '{"accepted": true, "cause": null}'), Verdict(accepted=True)),
        (http("200 OK", '{"accepted": false, "cause": 8}'), Verdict(accepted=False, cause=8)),
        (
            http("200 OK", '{"accepted": true, "cause": null, "bearer": "management"}'),
            Verdict(accepted=True, service=Service.MANAGEMENT),
        ),
        (http("200 OK", '{"accepted": true, "bearer": "tunnel"}'), None),
        (http("500 Internal Server Error", "{}"), None),
        (http("200 OK", "not json"), None),
        (b"nonsense\r\n\r\n", None),
    ],
)
async def test_asks_a_platform(reply: bytes, verdict: Verdict | None) -> None:
    heard: list[bytes] = []
    answers: list[Verdict] = []
    async with answering(reply, heard=heard) as port:
        client = AttachClient(f"http://127.0.0.1:{port}/")
        client.ask_attach(answers.append, iccid="8944300000000000008", imsi=IMSI, imei="001009010000008")
        await client.idle()
        await client.close()
    assert b"GET /sim/attach?iccid=8944300000000000008&imsi=234300000000001&imei=" in heard[0]
    assert answers == ([] if verdict is None else [verdict])


class Register:
    """A home location register of a few frames: who are you, then whatever a test sends."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue(100)
        self._writers: list[asyncio.StreamWriter] = []
        self._met = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._met.set()
        while head := await reader.read(3):
            self.heard.put_nowait(head + await reader.readexactly(int.from_bytes(head[:2], "big")))
        self.heard.put_nowait(b"")

    def send(self, kind: int, more: str = "", imsi: bytes = PACKED) -> None:
        """One GSUP message about a subscriber."""
        body = bytes([5, kind, 1, 8]) + imsi + bytes.fromhex(more)
        self._writers[-1].write(len(body).to_bytes(2, "big") + b"\xee" + body)

    async def meet(self) -> None:
        """Ask who is there, once somebody is, and hear the answer."""
        async with asyncio.timeout(5):
            await self._met.wait()
        self._writers[-1].write(bytes.fromhex("0001fe00" + "0001fe04"))  # PING and ID_GET
        assert await self.next() == bytes.fromhex("0001fe01")
        assert b"SGSN-simulated\0" in await self.next()

    async def next(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.heard.get()

    def hang_up(self) -> None:
        self._met.clear()
        while self._writers:
            self._writers.pop().close()


@asynccontextmanager
async def registered() -> AsyncIterator[tuple[Register, GsupClient, list[int]]]:
    """A register and a client of it, with the causes of the detaches it was told."""
    register, causes = Register(), list[int]()
    server = await asyncio.start_server(register.serve, "127.0.0.1", 0)
    client = GsupClient("127.0.0.1", server.sockets[0].getsockname()[1])
    client.on_detach = causes.append
    try:
        yield register, client, causes
    finally:
        await client.close()
        register.hang_up()
        server.close()
        await server.wait_closed()


def ask(client: GsupClient, imsi: str = IMSI) -> "asyncio.Future[Verdict]":
    answered: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    client.ask_attach(answered.set_result, iccid="", imsi=imsi, imei="")
    return answered


UPDATE = bytes.fromhex("000f ee 05 04 01 08") + PACKED + bytes.fromhex("280101")


@pytest.mark.parametrize(
    ("kind", "more", "verdict"),
    [
        (0x06, "", Verdict(accepted=True)),
        (0x05, "020107", Verdict(accepted=False, cause=7)),
        (0x05, "020102", Verdict(accepted=False, cause=8)),
    ],
)
async def test_asks_a_register_once_it_knows_who_asks(kind: int, more: str, verdict: Verdict) -> None:
    async with registered() as (register, client, causes):
        answered = ask(client)
        await register.meet()
        assert await register.next() == UPDATE
        register.send(0x10)  # InsertSubscriberData comes before the result
        assert await register.next() == bytes.fromhex("000c ee 05 12 01 08") + PACKED
        register.send(0x06, imsi=swap_nibbles("234300000000002", 8))  # somebody else's
        register.send(kind, more)
        async with asyncio.timeout(5):
            assert await answered == verdict
        assert causes == []


@pytest.mark.parametrize(
    ("kind", "more", "result", "cause"),
    [
        (0x14, "280101", 0x16, 7),  # DeleteSubscriberData: packet service is gone
        (0x1C, "060101", 0x1E, 8),  # LocationCancel, withdrawn
        (0x1C, "060100", 0x1E, None),  # LocationCancel, attached elsewhere
        (0x10, "", 0x12, None),  # InsertSubscriberData
    ],
)
async def test_what_a_register_pushes_is_acknowledged_and_ends_the_service(
    kind: int, more: str, result: int, cause: int | None
) -> None:
    async with registered() as (register, client, causes):
        answered = ask(client)
        await register.meet()
        await register.next()
        register.send(0x06)
        await answered
        register.send(kind, more)
        assert await register.next() == bytes([0, 12, 0xEE, 5, result, 1, 8]) + PACKED
        assert causes == ([] if cause is None else [cause])


async def test_a_lost_register_is_dialled_again_by_the_next_question() -> None:
    async with registered() as (register, client, _):
        ask(client)
        await register.meet()
        assert await register.next() == UPDATE
        register.hang_up()
        assert await register.next() == b""  # the client closed too
        answered = ask(client)
        await register.meet()
        assert await register.next() == UPDATE
        register.send(0x06)
        async with asyncio.timeout(5):
            assert (await answered).accepted


async def test_nobody_there_is_no_verdict() -> None:
    answers: list[Verdict] = []
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    platform, register = AttachClient(f"http://127.0.0.1:{port}"), GsupClient("127.0.0.1", port)
    for client in (platform, register):
        client.ask_attach(answers.append, iccid="8944300000000000008", imsi=IMSI, imei="001009010000008")
        await client.idle()
        await client.close()
    assert not answers
