"""Requests: each at most once in all lives, judged by trusted time only, its outcome always told."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from device_agent.clock import Clock
from device_agent.protocol import Request, RequestKind
from device_agent.requests import REQUEST_DEADLINE_S, Handler, RejectedError, Requests
from device_agent.store import Store
from tests.unit.agent.virtual_hub import now_s, play

AT_MS = 1_800_000_000_000


class Desk:
    """Requests over a store in memory, and what was done for them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock(now_s)
        self.done: list[str] = []
        self.told = 0
        self.on_locate: Callable[[], None] = lambda: None
        kinds = (RequestKind.LOCATE, RequestKind.DIAGNOSE, RequestKind.COLLECT_LOGS, RequestKind.RESCAN_NETWORK)
        does = (self.locate, self.fail, self.no, self.hang)
        handlers: dict[RequestKind, Handler] = dict(zip(kinds, does, strict=True))
        self.requests = Requests(store, self.clock, handlers, self.tell)

    def tell(self) -> None:
        self.told += 1

    async def locate(self) -> dict[str, str]:
        self.done.append("locate")
        self.on_locate()
        return {"light": "blinked"}

    async def fail(self) -> dict[str, str]:
        raise RuntimeError("a lamp broke")

    async def no(self) -> dict[str, str]:
        raise RejectedError("not now")

    async def hang(self) -> dict[str, str]:
        await asyncio.sleep(1e6)
        return {}

    def outcome(self, request_id: str) -> tuple[str, str]:
        row = self.store.requests()[request_id]
        return row.state, row.message

    async def settle(self, seconds: float = 1.0) -> None:
        running = asyncio.create_task(self.requests.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def request(request_id: str, kind: str = "locate", expires_at: int = AT_MS + 60_000) -> Request:
    return Request(id=request_id, kind=kind, expires_at=expires_at)


def at_the_desk(story: Any) -> None:
    async def told() -> None:
        with Store(":memory:") as store:
            await story(Desk(store))

    coroutine: Coroutine[Any, Any, None] = told()
    play(coroutine)


def test_without_trusted_time_a_request_waits_and_one_that_was_withdrawn_is_never_done() -> None:
    async def story(desk: Desk) -> None:
        desk.requests.ask([request("withdrawn")])
        await desk.settle()
        assert desk.store.requests() == {}
        desk.requests.ask([request("kept")])
        desk.clock.offer(AT_MS)
        desk.requests.look()
        await desk.settle()
        assert set(desk.store.requests()) == {"kept"}
        assert desk.outcome("kept") == ("done", "")
        assert desk.done == ["locate"]
        # That it has begun, and how it ended.
        assert desk.told == 2

    at_the_desk(story)


def test_a_request_that_is_withdrawn_while_another_is_carried_out_is_not_begun() -> None:
    async def story(desk: Desk) -> None:
        desk.clock.offer(AT_MS)
        desk.requests.ask([request("a"), request("b")])
        desk.on_locate = lambda: desk.requests.ask([request("a")])
        await desk.settle()
        assert set(desk.store.requests()) == {"a"}

    at_the_desk(story)


@pytest.mark.parametrize(("late_ms", "state"), [(-1, "done"), (0, "expired"), (60_000, "expired")])
def test_a_request_that_comes_at_its_end_or_later_is_expired_and_not_done(late_ms: int, state: str) -> None:
    async def story(desk: Desk) -> None:
        desk.clock.offer(AT_MS)
        desk.requests.ask([request("a", expires_at=AT_MS - late_ms)])
        await desk.settle()
        assert desk.outcome("a")[0] == state
        assert bool(desk.done) is (state == "done")

    at_the_desk(story)


def test_every_outcome_is_told_and_none_is_tried_again() -> None:
    async def story(desk: Desk) -> None:
        desk.clock.offer(AT_MS)
        asked = [request("a"), request("b", "diagnose"), request("c", "collect_logs"), request("d", "dance")]
        desk.requests.ask(asked)
        await desk.settle()
        assert desk.outcome("b") == ("failed", "RuntimeError: a lamp broke")
        assert desk.outcome("c") == ("rejected", "not now")
        assert desk.outcome("d")[0] == "rejected"
        desk.requests.ask([request("a"), *asked])
        await desk.settle()
        assert desk.done == ["locate"]

    at_the_desk(story)


def test_a_request_that_never_ends_is_given_up_and_the_next_is_carried_out() -> None:
    async def story(desk: Desk) -> None:
        desk.clock.offer(AT_MS)
        expires_at = AT_MS + 600_000
        desk.requests.ask([request("a", "rescan_network", expires_at), request("b", expires_at=expires_at)])
        await desk.settle(REQUEST_DEADLINE_S + 1)
        assert desk.outcome("a") == ("failed", "no end within 240 s")
        assert desk.outcome("b") == ("done", "")

    at_the_desk(story)


@pytest.mark.parametrize(("kind", "state"), [("restart_agent", "done"), ("restart_modem", "failed"), ("x", "failed")])
def test_what_an_earlier_life_began_is_ended_by_the_next_and_only_a_restart_is_done(kind: str, state: str) -> None:
    async def story(desk: Desk) -> None:
        desk.store.begin_request("a", kind)
        Requests(desk.store, desk.clock, {}, desk.tell)
        assert desk.outcome("a")[0] == state

    at_the_desk(story)
