"""A handover: the waiting task goes on in the callback that brings the result, and is cancelled like any other."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import Command, Prefixed
from firmware_bridge.at.handover import Handover

from .clock import run

CSQ = Command("AT+CSQ", Prefixed("+CSQ"), deadline_s=3.0)
ANSWER = b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n"


class PushPort:
    """A transport that hands over what the test says, in the very call."""

    name = "push"

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.answers_at_once = False

    def listen(self, received: Callable[[bytes], None], lost: Callable[[Exception], None]) -> None:
        self.say = received
        self.lose = lost

    async def read(self) -> bytes:
        raise AssertionError("the channel listens")

    def write(self, data: bytes) -> None:
        self.written.append(data)
        if self.answers_at_once:
            self.say(ANSWER)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        """Nothing is held."""


def with_waiter(body: Callable[[Handover[int], list[object]], Awaitable[None]]) -> list[object]:
    """What a task that waits for a handover came to."""

    async def test() -> list[object]:
        handover: Handover[int] = Handover(asyncio.get_running_loop())
        seen: list[object] = []

        async def wait() -> None:
            try:
                seen.append(await handover)
            except BaseException as error:
                seen.append(type(error))
                raise

        task = asyncio.create_task(wait())
        seen.append(task)
        await asyncio.sleep(0)
        await body(handover, seen)
        await asyncio.wait([task])
        return seen[1:]

    return run(test())


def test_the_task_goes_on_before_the_callback_ends() -> None:
    async def body(handover: Handover[int], seen: list[object]) -> None:
        def callback() -> None:
            handover.give(5)
            seen.append("the callback ends")

        asyncio.get_running_loop().call_soon(callback)

    assert with_waiter(body) == [5, "the callback ends"]


def test_a_result_from_another_task_waits_for_the_loops_next_turn() -> None:
    async def body(handover: Handover[int], seen: list[object]) -> None:
        handover.give(5)
        seen.append("the other task goes on")

    assert with_waiter(body) == ["the other task goes on", 5]


def test_the_first_result_counts() -> None:
    async def body(handover: Handover[int], _: list[object]) -> None:
        handover.give(5)
        handover.give(6)
        handover.fail(ValueError())
        assert handover.done()
        assert not handover.cancel()

    assert with_waiter(body) == [5]


def test_a_cancelled_task_ends_cancelled_and_a_late_result_is_ignored() -> None:
    async def body(handover: Handover[int], seen: list[object]) -> None:
        task = seen[0]
        assert isinstance(task, asyncio.Task)
        task.cancel("for a reason")
        asyncio.get_running_loop().call_soon(handover.give, 5)
        with pytest.raises(asyncio.CancelledError):
            await task

    assert with_waiter(body) == [asyncio.CancelledError]


def test_a_failure_reaches_the_task_and_nobody_else() -> None:
    async def body(handover: Handover[int], seen: list[object]) -> None:
        task = seen[0]
        assert isinstance(task, asyncio.Task)
        handover.fail(ValueError("said"))
        with pytest.raises(ValueError, match="said"):
            await task

    assert with_waiter(body) == [ValueError]


def test_what_is_there_already_needs_no_waiting() -> None:
    async def test() -> int:
        handover: Handover[int] = Handover(asyncio.get_running_loop())
        handover.give(5)
        return await handover

    assert run(test()) == 5


def test_a_deadline_around_a_handover_holds() -> None:
    async def test() -> None:
        async with asyncio.timeout(0.5):
            await Handover(asyncio.get_running_loop())

    with pytest.raises(TimeoutError):
        run(test())


def test_the_callers_next_command_is_out_when_the_transport_has_delivered() -> None:
    async def test() -> None:
        port = PushPort()
        channel = Channel(port, in_step=True)

        async def ask_twice() -> list[str]:
            return [(await channel.execute(CSQ)).line for _ in range(2)]

        asking = asyncio.create_task(ask_twice())
        await asyncio.sleep(0)
        assert len(port.written) == 1
        written_after: list[int] = []

        def deliver() -> None:
            port.say(ANSWER)
            written_after.append(len(port.written))

        asyncio.get_running_loop().call_soon(deliver)
        await asyncio.sleep(0)
        assert written_after == [2]
        port.say(ANSWER)
        assert await asking == ["+CSQ: 21,99"] * 2
        await channel.close()

    run(test())


def test_a_port_that_answers_inside_the_write_is_served() -> None:
    async def test() -> None:
        port = PushPort()
        port.answers_at_once = True
        channel = Channel(port, in_step=True)
        assert [(await channel.execute(CSQ)).line for _ in range(3)] == ["+CSQ: 21,99"] * 3
        await channel.close()

    run(test())


def test_events_in_the_octets_of_an_answer_are_there_when_the_caller_goes_on() -> None:
    async def test() -> None:
        port = PushPort()
        channel = Channel(port, in_step=True)
        events = channel.events()

        async def ask() -> object:
            await channel.execute(CSQ)
            async with asyncio.timeout(0.1):
                return await anext(events)

        asking = asyncio.create_task(ask())
        await asyncio.sleep(0)
        port.say(ANSWER + b'\r\n+CMTI: "ME",5\r\n')
        event = await asking
        assert getattr(event, "line", None) == '+CMTI: "ME",5'
        await channel.close()

    run(test())
