"""The notifiers against a real SMTP server, a real HTTP gateway and a real file."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP

from controller.notify.adapters import HttpSmsNotifier, OutboxNotifier, Routes, SmtpNotifier
from controller.notify.courier import CourierError, FileCourier, HttpCourier, Parcel
from controller.notify.port import MaybeSentError, Medium, Message, NotSentError, UndeliverableError
from tests.e2e.mosquitto import free_port

pytestmark = pytest.mark.e2e

EMAIL = Message(key="k-1", medium=Medium.EMAIL, to="ann@example.org", subject="Subject", text="Text — with a dash\n")
SMS = Message(key="k-2", medium=Medium.SMS, to="+447700900123", subject="", text="Text")
PARCEL = Parcel("r-1", "Ann Holder", "AB12 3CD")


class Mailbox:
    """Keeps what comes; answers with `reply` if there is one."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.reply: str | None = None
        self.recipient_reply: str | None = None

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if self.recipient_reply is None:
            envelope.rcpt_tos.append(address)
        return self.recipient_reply or "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.reply is None:
            self.envelopes.append(envelope)
        return self.reply or "250 queued as 42"


@asynccontextmanager
async def mail_server(mailbox: Mailbox) -> AsyncIterator[SmtpNotifier]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield SmtpNotifier(host="127.0.0.1", port=port, sender="service@minihub.invalid", start_tls=False)
    finally:
        server.close()
        await server.wait_closed()


async def test_an_email_arrives_with_its_key() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as notifier:
        reference = await notifier.send(EMAIL)
    [envelope] = mailbox.envelopes
    assert envelope.rcpt_tos == ["ann@example.org"]
    assert b"Message-ID: <k-1@minihub.invalid>" in envelope.content
    assert "42" in reference


@pytest.mark.parametrize(("reply", "error"), [("451 later", NotSentError), ("554 never", UndeliverableError)])
async def test_what_the_mail_server_says_decides_what_comes_next(reply: str, error: type[Exception]) -> None:
    mailbox = Mailbox()
    for field in ("reply", "recipient_reply"):
        setattr(mailbox, field, reply)
        async with mail_server(mailbox) as notifier:
            with pytest.raises(error):
                await notifier.send(EMAIL)
        setattr(mailbox, field, None)


async def test_no_mail_server_is_not_sent() -> None:
    with pytest.raises(NotSentError):
        await SmtpNotifier(host="127.0.0.1", port=free_port(), sender="a@b.invalid").send(EMAIL)


async def test_a_mail_server_that_hangs_up_may_have_sent() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while not (line := await reader.readline()).startswith(b"DATA"):
            if not line:
                break
            writer.write(b"250 OK\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(MaybeSentError):
        await SmtpNotifier(host="127.0.0.1", port=port, sender="a@b.invalid", start_tls=False).send(EMAIL)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, UndeliverableError), (422, UndeliverableError), (429, NotSentError), (503, NotSentError)],
)
async def test_what_the_gateway_says_decides_what_comes_next(status: int, error: type[Exception]) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(status))) as http:
        with pytest.raises(error):
            await HttpSmsNotifier(http, "http://gateway/sms").send(SMS)


async def test_the_gateway_gets_the_key_and_nothing_more() -> None:
    got: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return httpx.Response(202, headers={"X-Reference": "g-7"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(take)) as http:
        assert await HttpSmsNotifier(http, "http://gateway/sms").send(SMS) == "g-7"
    assert json.loads(got[0].content) == {"key": "k-2", "to": "+447700900123", "text": "Text"}
    assert got[0].headers["Idempotency-Key"] == "k-2"


async def test_an_answer_that_is_lost_may_have_sent() -> None:
    def lose(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("lost", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(lose)) as http:
        with pytest.raises(MaybeSentError):
            await HttpSmsNotifier(http, "http://gateway/sms").send(SMS)
        with pytest.raises(CourierError):
            await HttpCourier(http, "http://courier/orders").order(PARCEL)


async def test_the_outbox_and_the_courier_file_hold_a_line_each(tmp_path: Path) -> None:
    outbox, orders = tmp_path / "notices.jsonl", tmp_path / "orders.jsonl"
    notifier = Routes({Medium.EMAIL: OutboxNotifier(outbox)})
    await notifier.send(EMAIL)
    await notifier.send(EMAIL)
    assert [json.loads(line)["key"] for line in outbox.read_text().splitlines()] == ["k-1", "k-1"]
    with pytest.raises(NotSentError):
        await notifier.send(SMS)
    await FileCourier(orders).order(PARCEL)
    assert json.loads(orders.read_text()) == {"reference": "r-1", "name": "Ann Holder", "postcode": "AB12 3CD"}


async def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotSentError):
        await OutboxNotifier(tmp_path / "absent" / "notices.jsonl").send(EMAIL)
    with pytest.raises(CourierError):
        await FileCourier(tmp_path / "absent" / "orders.jsonl").order(PARCEL)
