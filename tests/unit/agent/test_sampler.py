"""Byte counts: the sum of what moved, whatever the modem or its driver begins anew, and never backwards."""

import asyncio
from typing import cast

from device_agent.clock import Clock
from device_agent.lanes.board import Board
from device_agent.lanes.sampler import BATCH_MOST, Sampler
from device_agent.protocol import Channel, Reporting, Telemetry, decode
from device_agent.store import Spooled, Store
from firmware_bridge.errors import CommandError
from firmware_bridge.types import Counters
from tests.unit.agent.memory_modem import MemoryModem
from tests.unit.agent.virtual_hub import now_s, play


def sampled(reporting: Reporting, for_s: float, *, is_full: bool = False) -> list[Telemetry]:
    """Sample a modem that tells no counters; returns the batches."""

    async def told() -> list[Telemetry]:
        with Store(":memory:", spool_bytes=100 if is_full else 10**6) as store:
            modem = MemoryModem()
            modem.fails["counters"] = CommandError("AT+CGDCONT?", text="ERROR")
            sampler = Sampler(Board(Clock(now_s)), store, lambda: modem, lambda: None)
            sampler.reporting = reporting
            if is_full:
                store.spool_event(Spooled(1, store.next_seq(), "event", 0, b"e" * 95))
            running = asyncio.create_task(sampler.run())
            await asyncio.sleep(for_s)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            held = [message for message in store.history((0, 0)) if message.channel == "telemetry"]
            return [cast("Telemetry", decode(Channel.TELEMETRY, message.payload)) for message in held]

    found: list[Telemetry] = play(told())
    return found


def test_a_batch_never_holds_more_than_the_contract_takes_and_what_is_not_told_is_absent() -> None:
    (batch,) = sampled(Reporting(sample_interval_s=1, telemetry_interval_s=600), 601.0)
    assert len(batch.samples) == BATCH_MOST
    assert (batch.samples[-1].tx_bytes, batch.samples[-1].rssi_dbm) == (None, -64.0)


def test_with_a_spool_nearly_full_every_fifth_sample_is_kept() -> None:
    (batch,) = sampled(Reporting(sample_interval_s=1, telemetry_interval_s=100), 101.0, is_full=True)
    assert len(batch.samples) == 20


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
