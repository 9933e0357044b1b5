"""Category lists: verified before use, kept for later, bounded by the week."""

import asyncio
import hashlib
from collections.abc import Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from device_agent.facts import ListWanted
from device_agent.lists import WEEK_MS, ListError, Lists, https_fetch
from device_agent.protocol import ListReference, ParentalControls
from device_agent.store import Store
from tests.unit.agent.virtual_hub import VirtualHub, an_open_hub, now_s, play

OLD, NEW = b"old.example\n", b"new.example\n"


def digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def wanted(body: bytes, category: str = "adult") -> ListWanted:
    return ListWanted(category, digest(body), len(body), "https://lists.example/x")


class Source:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.asked = 0

    async def __call__(self, url: str, size: int) -> bytes:
        self.asked += 1
        return self.body


def lists(tmp_path: Path, store: Store, source: Source, budget: int = 1000) -> Lists:
    return Lists(tmp_path / "lists", store, source, weekly_bytes=budget)


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return play(story)


def test_a_list_is_used_only_with_the_bytes_its_digest_names(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        made = lists(tmp_path, store, Source(b"something else"))
        with pytest.raises(ListError, match="digest"):
            run(made.fetch([wanted(NEW)], 0))
        assert made.resolve([wanted(NEW)]).missing == ("adult",)


def test_a_fetched_list_survives_and_a_damaged_file_does_not(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        source = Source(NEW)
        assert run(lists(tmp_path, store, source).fetch([wanted(NEW)], 0))
        assert not run(lists(tmp_path, store, source).fetch([wanted(NEW)], 0))
        found = lists(tmp_path, store, source).resolve([wanted(NEW)])
        assert [p.read_bytes() for p in found.paths] == [NEW]
        found.paths[0].write_bytes(b"tampered\n")
        assert lists(tmp_path, store, source).resolve([wanted(NEW)]).missing == ("adult",)
        assert source.asked == 1


def test_an_older_verified_list_is_stale_and_used(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        made = lists(tmp_path, store, Source(OLD))
        run(made.fetch([wanted(OLD)], 0))
        found = made.resolve([wanted(NEW)])
        assert found.stale
        assert [p.read_bytes() for p in found.paths] == [OLD]


def test_a_list_that_is_here_already_becomes_its_categorys_latest(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        source = Source(NEW)
        made = lists(tmp_path, store, source)
        run(made.fetch([wanted(NEW, "gambling")], 0))
        source.body = OLD
        run(made.fetch([wanted(OLD)], 0))
        assert not run(made.fetch([wanted(NEW)], 0))
        found = made.resolve([wanted(b"later.example\n")])
        assert found.stale
        assert [p.read_bytes() for p in found.paths] == [NEW]


def test_a_list_that_no_category_uses_any_more_leaves_the_disk(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        source = Source(OLD)
        made = lists(tmp_path, store, source)
        run(made.fetch([wanted(OLD), wanted(OLD, "gambling")], 0))
        source.body = NEW
        held = []
        for category in ("adult", "gambling"):
            run(made.fetch([wanted(NEW, category)], WEEK_MS))
            held.append(sorted(path.read_bytes() for path in (tmp_path / "lists").iterdir()))
        assert held == [[NEW, OLD], [NEW]]


async def nothing_fetched() -> None:
    await https_fetch("/nowhere/ca.pem")("https://lists.example/x", 3)


def test_an_authority_that_cannot_be_read_is_a_list_that_cannot_be_had() -> None:
    with pytest.raises(ListError, match=r"lists\.example"):
        run(nothing_fetched())


def test_a_week_has_a_budget(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        made = lists(tmp_path, store, Source(NEW), budget=len(NEW))
        run(made.fetch([wanted(NEW)], 0))
        with pytest.raises(ListError, match="week"):
            run(made.fetch([wanted(OLD, "other")], 1))
        with pytest.raises(ListError, match="digest"):
            run(made.fetch([wanted(OLD, "other")], WEEK_MS))


def test_a_category_that_is_here_is_fetched_anew_once_a_week_and_a_missing_one_at_once(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        source = Source(OLD)
        made = lists(tmp_path, store, source, budget=10**6)
        assert run(made.fetch([wanted(OLD)], 5))
        source.body = NEW
        assert not run(made.fetch([wanted(NEW)], WEEK_MS))
        assert made.resolve([wanted(NEW)]).stale
        assert run(made.fetch([wanted(NEW, "drugs"), wanted(NEW)], WEEK_MS))
        assert not made.resolve([wanted(NEW), wanted(NEW, "drugs")]).missing
        third = b"third.example\n"
        source.body = third
        # The week is counted over restarts, and over a list that turned up by another category's name.
        again = lists(tmp_path, store, source, budget=10**6)
        assert not run(again.fetch([wanted(third)], 2))
        assert run(again.fetch([wanted(third)], WEEK_MS + 5))
        assert source.asked == 3


def test_one_list_that_cannot_be_had_does_not_keep_the_others_out(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        made = lists(tmp_path, store, Source(NEW))
        with pytest.raises(ListError, match="digest") as refused:
            run(made.fetch([wanted(OLD, "first"), wanted(NEW, "second")], 0))
        assert refused.value.fetched
        assert made.resolve([wanted(OLD, "first"), wanted(NEW, "second")]).missing == ("first",)


def test_bytes_that_came_in_vain_are_spent(tmp_path: Path) -> None:
    class Broken(Source):
        async def __call__(self, url: str, size: int) -> bytes:
            self.asked += 1
            raise ListError("cut short", came=size - 1)

    with Store(tmp_path / "s.db") as store:
        made = lists(tmp_path, store, Broken(b""), budget=3 * len(NEW))
        for _ in range(2):
            with pytest.raises(ListError, match="cut short"):
                run(made.fetch([wanted(NEW)], 0))
        with pytest.raises(ListError, match="cut short"):
            run(made.fetch([wanted(NEW)], 1))
        with pytest.raises(ListError, match="week"):
            run(made.fetch([wanted(NEW)], 2))


def test_a_server_that_is_away_spends_nothing(tmp_path: Path) -> None:
    class Away(Source):
        async def __call__(self, url: str, size: int) -> bytes:
            raise ListError("no answer")

    with Store(tmp_path / "s.db") as store:
        made = lists(tmp_path, store, Away(b""), budget=len(NEW))
        for _ in range(3):
            with pytest.raises(ListError, match="no answer"):
                run(made.fetch([wanted(NEW)], 0))


def test_a_hub_with_a_missing_list_stays_closed_until_it_comes() -> None:
    controls = ParentalControls(
        level="light",
        lists=(ListReference(category="adult", digest=digest(NEW), size=len(NEW), url="https://l.example/n"),),
    )

    async def story() -> None:
        async with an_open_hub() as hub:
            source = Source(b"not it")
            hub.fetch = source  # type: ignore[method-assign]  # what the internet offers
            await hub.unplug()
            hub.plug_in()
            await hub.until(lambda: hub.open)
            hub.publish(hub.wish(2, parental_controls=controls))
            await hub.until(lambda: not hub.open)
            await hub.until(lambda: hub.reports()[-1].filter.state == "degraded")
            assert hub.reports()[-1].filter.reason == "lists missing: adult"
            source.body = NEW
            await open_again(hub)
            assert (await hub.host.ask(("", 53), "new.example", 1, deadline_s=1)).rcode == 3
            assert hub.reports()[-1].filter.state == "in_force"

    play(story())


def test_lists_are_fetched_when_the_time_comes_those_that_can_be_had_are_used_and_others_asked_for_again() -> None:
    lists = tuple(
        ListReference(category=name, digest=digest(NEW + name.encode()), size=len(NEW) + len(name), url=name)
        for name in ("adult", "gambling")
    )
    asked: list[float] = []

    async def fetch(url: str, size: int) -> bytes:
        if url == "gambling":
            asked.append(now_s())
            raise ListError("not there")
        return NEW + url.encode()

    async def story() -> None:
        async with an_open_hub() as hub:
            await hub.unplug()
            hub.fetch, hub.modem.tells_time = fetch, False  # type: ignore[method-assign]  # what the internet offers
            hub.plug_in()
            hub.publish(hub.wish(2, parental_controls=ParentalControls(level="light", lists=lists)))
            await asyncio.sleep(20.0)
            assert hub.agent.board.gate.missing == ("adult", "gambling")
            hub.modem.tells_time = True
            # The clock is looked at every two seconds while nothing is known of it.
            await hub.until(lambda: hub.agent.board.gate.missing == ("gambling",), within_s=3.0)
            await asyncio.sleep(36.0)
            waits = [later - sooner for sooner, later in pairwise(asked)]
            assert 2.5 <= waits[0] < 5.0 <= waits[1] < 10.0 <= waits[2]

    play(story())


async def open_again(hub: VirtualHub) -> None:
    await hub.until(lambda: hub.open, within_s=4000.0)
    await hub.until(lambda: hub.reports()[-1].filter.state == "in_force")
