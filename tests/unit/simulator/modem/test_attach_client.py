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


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (bytes.fromhex("000c ee 05 06 01 08") + PACKED, Verdict(accepted=True)),
        (bytes.fromhex("000f ee 05 05 01 08") + PACKED + bytes.fromhex("020107"), Verdict(accepted=False, cause=7)),
        (bytes.fromhex("000f ee 05 05 01 08") + PACKED + bytes.fromhex("020102"), Verdict(accepted=False, cause=8)),
    ],
)
async def test_asks_a_register(reply: bytes, verdict: Verdict) -> None:
    heard: list[bytes] = []
    answered: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    hello = bytes.fromhex("0001fe00" + "0001fe04")  # PING and ID_GET
    insert = bytes.fromhex("000c ee 05 10 01 08") + PACKED
    async with answering(hello + insert + reply, heard=heard) as port:
        client = GsupClient("127.0.0.1", port)
        client.ask_attach(answered.set_result, iccid="", imsi=IMSI, imei="")
        async with asyncio.timeout(5):
            assert await answered == verdict
        await client.close()
    assert heard[0] == bytes.fromhex("000f ee 05 04 01 08") + PACKED + bytes.fromhex("280101")
    assert heard[1].startswith(bytes.fromhex("0001fe01"))
    assert b"SGSN-simulated\0" in heard[1]
    assert heard[1].endswith(bytes.fromhex("000c ee 05 12 01 08") + PACKED)


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
