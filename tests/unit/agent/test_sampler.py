"""Byte counts: the sum of what moved, whatever the modem or its driver begins anew, and never backwards."""

import asyncio

from device_agent.clock import Clock
from device_agent.lanes.board import Board
from device_agent.lanes.sampler import Sampler
from device_agent.protocol import Reporting
from device_agent.store import Store
from firmware_bridge.types import Counters
from tests.unit.agent.memory_modem import MemoryModem
from tests.unit.agent.virtual_hub import now_s, play


def test_what_moved_is_added_up_over_drivers_and_counters_that_fall() -> None:
    async def told() -> None:
        with Store(":memory:") as store:
            board, modems = Board(Clock(now_s)), [MemoryModem()]
            sampler = Sampler(board, store, lambda: modems[-1], lambda: None)
            sampler.reporting = Reporting(sample_interval_s=60, telemetry_interval_s=60)
            running = asyncio.create_task(sampler.run())
            totals = []
            for modem, sent in ((0, 100), (0, 250), (1, 5), (1, 3), (1, 10)):
                if modem == len(modems):
                    modems.append(MemoryModem())
                modems[modem].moved = Counters(sent, sent * 10)
                await asyncio.sleep(1.0)
                sampler.alarm.wake()
                await asyncio.sleep(59.0)
                totals.append(board.total_bytes)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            # Another driver counts from its own making; a count that falls has moved nothing that can be told.
            assert totals[-1] == (250 + 5 + 7, 2500 + 50 + 70)
            assert totals == sorted(totals)
            # The next life goes on from there.
            board.total_bytes = (0, 0)
            Sampler(board, store, lambda: None, lambda: None)
            assert board.total_bytes == totals[-1]

    play(told())
