"""What an idle hub spares, and that it misses nothing by it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from device_agent.act import Gate
from device_agent.facts import GateFacts
from firmware_bridge.host import open_host
from firmware_bridge.host.dnsmasq import DnsSettings
from firmware_bridge.host.nft import FirewallSettings
from firmware_bridge.host.process import Completed
from tests.unit.agent.virtual_hub import VirtualHub, WatchedHost, in_an_open_hub, play


def test_an_idle_hub_starts_two_tools_each_half_minute() -> None:
    async def story(hub: VirtualHub) -> None:
        await asyncio.sleep(5)
        hub.host.ran.clear()
        await asyncio.sleep(90)
        # The refresh of the open element and its read-back: what the kernel tells of the hub's own doing is no news.
        assert hub.host.ran == {"nft -j -f": 3, "nft -j list": 3}
        assert hub.open

    in_an_open_hub(story)


# Beside a refresh: while its transaction runs, while it is read back, while the watch waits out the burst.
@pytest.mark.parametrize("after_s", [0.002, 0.007, 0.2])
def test_a_rule_that_somebody_removes_closes_the_hub_within_a_second_also_beside_a_refresh(after_s: float) -> None:
    async def story(hub: VirtualHub) -> None:
        await asyncio.sleep(29.5)
        before = hub.host.ran.total()
        await hub.until(lambda: hub.host.ran.total() > before, look_s=0.001)
        await asyncio.sleep(after_s)
        hub.host.ruleset.state["tables"]["inet minihub"]["rules"].pop()
        hub.host.watch.tell()
        assert await hub.until(lambda: not hub.open) <= 1.1

    in_an_open_hub(story)


def test_a_change_during_a_read_back_is_not_in_it(tmp_path: Path) -> None:
    async def told() -> None:
        tools = WatchedHost()
        host = replace(open_host(tmp_path, runner=tools, resolver=tools, names=tools.names), watch=tools.watch)
        gate, firewall, dns = Gate(host), FirewallSettings("lan0", "wan0"), DnsSettings("lan0")
        reading = asyncio.create_task(gate.observe(GateFacts(), firewall, dns))
        await asyncio.sleep(0.002)
        tools.watch.tell()
        await gate.rule_set_changed()
        await reading
        assert gate.has_unread_change
        await gate.observe(GateFacts(), firewall, dns)
        assert not gate.has_unread_change

    play(told())


def test_an_agent_that_no_longer_looks_at_the_hub_is_not_healthy() -> None:
    async def story(hub: VirtualHub) -> None:
        async def hang(argv: Sequence[str], *, stdin: bytes = b"", deadline_s: float) -> Completed:
            await asyncio.sleep(1e6)
            raise AssertionError(argv)

        hub.host.run = hang  # type: ignore[method-assign]  # tools that never end
        await asyncio.sleep(60.0)
        assert hub.agent.healthy()
        await asyncio.sleep(65.0)
        assert not hub.agent.healthy()

    in_an_open_hub(story)
