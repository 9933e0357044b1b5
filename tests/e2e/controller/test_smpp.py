"""SMS by SMPP against another's message centre, in a process of its own that can be killed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.notify.port import MaybeSentError, Medium, Message, NotSentError, UndeliverableError
from controller.notify.smpp import SmppNotifier
from tests.e2e.controller.processes import Child, start
from tests.e2e.mosquitto import free_port

pytestmark = pytest.mark.e2e


@dataclass
class Centre:
    """A running message centre and what it accepted."""

    child: Child
    file: Path

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []


@asynccontextmanager
async def centre(directory: Path) -> AsyncIterator[Centre]:
    file = directory / "messages.jsonl"
    child = await start(["-m", "tests.e2e.controller.smsc", str(file)], directory / "smsc.log")
    try:
        yield Centre(child, file)
    finally:
        await child.kill()


@asynccontextmanager
async def notifier(port: int, deadline_s: float = 20) -> AsyncIterator[SmppNotifier]:
    made = SmppNotifier("127.0.0.1", port, system_id="hubs", password="secret", source="MiniHub", deadline_s=deadline_s)
    yield made
    await made.close()


def sms(text: str, to: str = "+447700900123", key: str = "k-1") -> Message:
    return Message(key=key, medium=Medium.SMS, to=to, subject="", text=text)


async def test_what_a_message_centre_takes_and_refuses(tmp_path: Path) -> None:
    async with centre(tmp_path) as there, notifier(there.child.announced["port"]) as sender:
        # One after the other over one session: GSM-7 with its extension, UCS-2, and one longer than a short_message.
        texts = ["Your hub is on. £1 = €1.20 [ok]", "Twój hub działa", "x" * 300, "ł" * 300]
        references = [await sender.send(sms(text, key=f"k-{n}")) for n, text in enumerate(texts)]
        assert references == ["m-1", "m-2", "m-3", "m-4"]
        kept = there.messages()
        assert [(each["coding"], each["payload"]) for each in kept] == [(0, False), (8, False), (0, True), (8, True)]
        assert bytes.fromhex(kept[1]["body"]).decode("utf-16-be") == texts[1]
        assert bytes.fromhex(kept[3]["body"]).decode("utf-16-be") == texts[3]
        assert bytes.fromhex(kept[2]["body"]) == b"x" * 300
        # 3GPP TS 23.038 section 6.2.1: pound 0x01, euro and brackets escaped.
        assert bytes.fromhex(kept[0]["body"]) == b"Your hub is on. \x011 = \x1be1.20 \x1b<ok\x1b>"
        assert {each["to"] for each in kept} == {"447700900123"}
        assert {each["from"] for each in kept} == {"MiniHub"}
        # The same key, the same reference: a second copy is recognisable.
        await sender.send(sms(texts[0], key="k-0"))
        assert there.messages()[-1]["reference"] == kept[0]["reference"] != kept[1]["reference"]

        with pytest.raises(NotSentError, match="THROTTLED"):
            await sender.send(sms("throttled", to="+447700900088"))
        assert await sender.send(sms("throttled", to="+447700900088")) == "m-6"
        with pytest.raises(NotSentError, match="MSGQFUL"):
            await sender.send(sms("full", to="+447700900020"))
        for number in ("+447700900011", "07700900123", "+44 7700", "ann@example.org"):
            with pytest.raises(UndeliverableError):
                await sender.send(sms("nobody", to=number))


async def test_what_is_never_answered_may_have_been_sent(tmp_path: Path) -> None:
    async with centre(tmp_path) as there, notifier(there.child.announced["port"], deadline_s=0.5) as sender:
        with pytest.raises(MaybeSentError):
            await sender.send(sms("never answered", to="+447700900000"))


async def test_many_at_once_get_their_own_answers(tmp_path: Path) -> None:
    async with centre(tmp_path) as there, notifier(there.child.announced["port"]) as sender:
        told = await asyncio.gather(*(sender.send(sms(f"text {n}", key=f"k-{n}")) for n in range(40)))
        assert sorted(told) == sorted(f"m-{n}" for n in range(1, 41))
        assert {bytes.fromhex(each["body"]) for each in there.messages()} == {f"text {n}".encode() for n in range(40)}


async def test_a_killed_message_centre_leaves_it_open_and_a_new_one_is_found(tmp_path: Path) -> None:
    port = 0
    async with centre(tmp_path) as there:
        port = there.child.announced["port"]
        async with notifier(port) as sender:
            await sender.send(sms("before"))
            waiting = asyncio.create_task(sender.send(sms("held", to="+447700900000")))
            while len(there.messages()) < 2:
                await asyncio.sleep(0.01)
            await there.child.kill()
            with pytest.raises(MaybeSentError):
                await waiting
            with pytest.raises(NotSentError):
                await sender.send(sms("down"))
            again = await start(["-m", "tests.e2e.controller.smsc", str(there.file), str(port)], tmp_path / "smsc.log")
            try:
                await sender.send(sms("after"))
            finally:
                await again.kill()
    bodies = [bytes.fromhex(each["body"]) for each in there.messages()]
    # What could not be sent while it was down was told so, and is not sent behind its owner's back.
    assert bodies == [b"before", b"held", b"after"]


async def test_nobody_there_is_not_sent() -> None:
    async with notifier(free_port()) as sender:
        with pytest.raises(NotSentError):
            await sender.send(sms("nobody"))
