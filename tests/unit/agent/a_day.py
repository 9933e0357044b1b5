"""A day of a whole agent in virtual time: `python -m tests.unit.agent.a_day [HOURS]` prints how its memory grew.

Everything of the agent is real but its broker, modem and host tools. Memory is compared with that after the first
hour, when every cache is warm; what the doubles keep for a test is thrown away on the way.
"""

import asyncio
import gc
import json
import sys
from pathlib import Path
from typing import Any

from device_agent.protocol import Internet
from tests.unit.agent.virtual_hub import HOUR_MS, START_MS, VirtualHub, an_open_hub, play


def rss_mb() -> float:
    gc.collect()
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


async def hours(hub: VirtualHub, count: int) -> list[float]:
    """Memory after each hour, the hub open all the time."""
    found = []
    for _ in range(count):
        await asyncio.sleep(3600.0)
        assert hub.open
        hub.said.clear()
        hub.modem.calls.clear()
        found.append(rss_mb())
    return found


async def live(count: int) -> dict[str, Any]:
    async with an_open_hub() as hub:
        hub.publish(hub.wish(2, internet=Internet(on=True, until=START_MS + (count + 2) * HOUR_MS)))
        found = await hours(hub, count)
    first, last = found[0], max(found[-2:])
    return {
        "hours": count,
        "first_mb": round(first, 2),
        "last_mb": round(last, 2),
        "growth": round(last / first - 1, 4),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(play(live(int(sys.argv[1]) if len(sys.argv) > 1 else 24))) + "\n")
