"""Refused names, counted by category: what the hub tells, and what stays refused when nobody counts."""

from pathlib import Path
from typing import Any

import pytest

from device_agent.config import Lists
from device_agent.facts import FILTERING
from device_agent.lists import countable
from device_agent.protocol import ListReference, ParentalControls
from firmware_bridge.errors import HostToolError
from tests.unit.agent.test_lists import digest
from tests.unit.agent.virtual_hub import VirtualHub, a_hub, play

BODIES = {"adult": b"adult.example\nshared.example\n", "gambling": b"bets.example\nshared.example\n"}


def wanted(*categories: str, **changes: Any) -> ParentalControls:
    return ParentalControls(
        level="light",
        lists=tuple(
            ListReference(category=name, digest=digest(BODIES[name]), size=len(BODIES[name]), url=f"https://l/{name}")
            for name in categories
        ),
        **changes,
    )


async def offer(hub: VirtualHub, revision: int, controls: ParentalControls) -> None:
    """Have the hub open with these controls, their lists fetched before."""
    folder = Path(hub.config.state) / "lists"
    folder.mkdir(exist_ok=True)
    for body in BODIES.values():
        (folder / f"{digest(body).removeprefix('sha256:')}.txt").write_bytes(body)
    hub.publish(hub.wish(revision, parental_controls=controls))
    await hub.until(lambda: hub.open and hub.reports()[-1].filter.state == "in_force")


async def asked(hub: VirtualHub, name: str) -> int:
    return (await hub.host.ask(("", 53), name, 1, deadline_s=1)).rcode


async def told(hub: VirtualHub) -> dict[str, int]:
    """What the hub counts, as a report says it that the controller asked for."""
    before = len(hub.reports())
    hub.agent.session.report()
    await hub.until(lambda: len(hub.reports()) > before)
    return hub.reports()[-1].filter.refused_by_category


def test_each_category_is_counted_and_only_the_number_is_told() -> None:
    async def story() -> None:
        async with a_hub() as hub:
            await offer(hub, 1, wanted("adult", "gambling", deny=("denied.example",)))
            assert [await asked(hub, name) for name in ("adult.example", "www.adult.example", "bets.example")] == [
                3
            ] * 3
            assert await asked(hub, "denied.example") == 3
            assert await asked(hub, "www.allowed.example") == 0
            counts = await told(hub)
            assert (counts["adult"], counts["gambling"]) == (2, 1)
            assert "dns_over_tls" in counts
            assert not any("adult.example" in repr(message) for message in hub.said)

    play(story())


def test_a_change_of_the_controls_keeps_the_counts_of_what_stays() -> None:
    async def story() -> None:
        async with a_hub() as hub:
            await offer(hub, 1, wanted("adult", "gambling"))
            assert await asked(hub, "adult.example") == 3
            await offer(hub, 2, wanted("adult", deny=("denied.example",)))
            assert await asked(hub, "adult.example") == 3
            counts = await told(hub)
            assert counts["adult"] == 2
            assert "gambling" not in counts

    play(story())


def test_names_stay_refused_while_the_agent_is_dead_and_count_in_its_next_life() -> None:
    async def story() -> None:
        async with a_hub() as hub:
            await offer(hub, 1, wanted("adult"))
            await hub.kill()
            with pytest.raises(HostToolError, match="did not answer"):
                await asked(hub, "adult.example")
            assert await asked(hub, "www.allowed.example") == 0
            hub.plug_in()
            await hub.until(lambda: hub.agent.board.gate.filter_status in FILTERING)
            assert await asked(hub, "adult.example") == 3
            assert (await told(hub))["adult"] == 1

    play(story())


def test_lists_beyond_the_bound_are_refused_without_being_counted() -> None:
    async def story() -> None:
        async with a_hub(lists=Lists(counted_bytes=len(BODIES["adult"]))) as hub:
            await offer(hub, 1, wanted("adult", "gambling"))
            assert [await asked(hub, name) for name in ("adult.example", "bets.example")] == [3, 3]
            counts = await told(hub)
            assert counts["adult"] == 1
            assert "gambling" not in counts

    play(story())


def test_level_off_counts_nothing() -> None:
    async def story() -> None:
        async with a_hub() as hub:
            await offer(hub, 1, wanted("adult", enabled=False))
            assert await asked(hub, "adult.example") == 0
            assert "adult" not in await told(hub)

    play(story())


def test_what_is_counted_fits_and_keeps_the_documents_order() -> None:
    lists = wanted("adult", "gambling", "adult").lists
    size = len(BODIES["adult"])
    assert countable(lists, 0) == ()
    assert countable(lists, size) == ("adult",)
    assert countable(lists, 10_000) == ("adult", "gambling", "adult")
