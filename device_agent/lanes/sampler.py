"""Telemetry: samples at the interval the document asks for, batches, and byte counts that never go back."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from msgspec import structs

from device_agent.facts import ModemFacts
from device_agent.lanes.board import Alarm, Board
from device_agent.observe import Modem, observe_sample
from device_agent.protocol import Channel, Reporting, Sample, Telemetry, encode
from device_agent.report import sample
from device_agent.store import Spooled, Store, StoreError
from firmware_bridge.errors import BridgeError
from firmware_bridge.types import Signal

_log = logging.getLogger(__name__)

# What waits in memory is put on the disk this often (s), if it still waits.
FLUSH_S: Final = 60.0
# Byte counts are put on the disk at most this often, however often they are asked for: a commit wears the flash.
KEEP_LEAST_MS: Final = 30_000
# A batch never holds more than this; with a spool nearly full only every fifth sample is kept.
BATCH_MOST: Final = 300
_THINNED: Final = 5
# On a poor link every fourth sample is kept and batches wait four times as long: a quarter of the bytes, in as many
# fewer messages. Poor is near the end of a cell's reach (TS 36.133 reports RSRP down to -140 dBm); 5 dB of hysteresis.
POOR_STRETCH: Final = 4
POOR_RSRP_DBM: Final = -115.0
POOR_RSSI_DBM: Final = -105.0
HYSTERESIS_DB: Final = 5.0


def is_poor(signal: Signal | None, *, was_poor: bool) -> bool:
    """Whether the link is to be spared; what is not known changes nothing."""
    if signal is None:
        return was_poor
    level, limit = signal.rsrp_dbm, POOR_RSRP_DBM
    if level is None:
        level, limit = signal.rssi_dbm, POOR_RSSI_DBM
    if level is None:
        return was_poor
    return level < limit + (HYSTERESIS_DB if was_poor else 0.0)


class Sampler:
    """Runs until cancelled. `reporting` may be changed at any time; `sent` hears of each batch."""

    def __init__(self, board: Board, store: Store, modem: Callable[[], Modem | None], sent: Callable[[], None]) -> None:
        self.alarm = Alarm()
        self.reporting = Reporting()
        self._board = board
        self._store = store
        self._modem = modem
        self._sent = sent
        self._samples: list[Sample] = []
        self._batched_ms: int | None = None
        self._taken = 0
        self._poor = False
        self._served = False
        self._send_now = False
        self._last: tuple[object, int, int] | None = None
        kept = json.loads(store.kept("traffic") or b"[0, 0]")
        self._total = (int(kept[0]), int(kept[1]))
        self._kept_total, self._kept_ms = self._total, -KEEP_LEAST_MS
        board.total_bytes = self._total

    @property
    def waits_for_first(self) -> bool:
        """Whether this life has not sampled a bearer that is up: that first sample is sent at once."""
        return not self._served

    async def run(self) -> None:
        """Sample, batch, wait; for ever."""
        while True:
            await self._take()
            self._batch_if_due()
            await self.alarm.sleep(self.reporting.sample_interval_s)

    async def flush(self) -> None:
        """Write what waits in memory, once a minute; for ever."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self.write_down()

    def write_down(self) -> None:
        """Put on the disk what waits, and the least that time can be."""
        try:
            self._store.flush()
        except StoreError as error:
            _log.error("history lost", extra={"error": str(error)})

    async def _take(self) -> None:
        modem = self._modem()
        if modem is None:
            return
        try:
            seen = await observe_sample(modem, self._board.modem)
        except BridgeError as error:
            _log.debug("no sample", extra={"error": str(error)})
            return
        if self._modem() is not modem:
            return
        self._board.modem = replace(
            self._board.modem, signal=seen.signal, counters=seen.counters, temperature=seen.temperature
        )
        self._add_traffic(modem, seen)
        self._taken += 1
        bearer = self._board.modem.bearer
        is_whole = seen.signal is not None and seen.signal.rsrp_dbm is not None and seen.counters is not None
        if not self._served and is_whole and bearer is not None and bearer.up:
            self._served = self._send_now = True
        self._poor = is_poor(seen.signal, was_poor=self._poor)
        if self._taken % (_THINNED if self._store.nearly_full else 1) or (self._taken % self._stretch and self._served):
            return
        clock = self._board.clock
        total = None if seen.counters is None else self._total
        self._samples.append(sample(seen, uptime_ms=clock.uptime_ms(), at_ms=clock.now_ms(), sent_bytes=total))
        del self._samples[:-BATCH_MOST]

    @property
    def _stretch(self) -> int:
        return POOR_STRETCH if self._poor else 1

    def _add_traffic(self, modem: Modem, seen: ModemFacts) -> None:
        """Add what moved since the last look; a driver counts from its own making, so a new one starts at nothing."""
        if seen.counters is None:
            return
        now = (seen.counters.tx_bytes, seen.counters.rx_bytes)
        before = self._last[1:] if self._last is not None and self._last[0] is modem else (0, 0)
        self._total = (self._total[0] + max(0, now[0] - before[0]), self._total[1] + max(0, now[1] - before[1]))
        self._last = (modem, *now)

    def _batch_if_due(self) -> None:
        now = self._board.clock.uptime_ms()
        if self._batched_ms is None:
            self._batched_ms = now
        interval_ms = (
            self.reporting.telemetry_interval_s * 1000 * self._stretch - self.reporting.sample_interval_s * 500
        )
        if not self._samples or (now - self._batched_ms < interval_ms and not self._send_now):
            return
        self._send_now = False
        self._batched_ms = now
        self._keep_total(now)
        samples = tuple(map(self._tellable, self._samples))
        batch = Telemetry(boot=self._store.boot, seq=self._store.next_seq(), samples=samples)
        self._samples.clear()
        self._store.spool_telemetry(Spooled(batch.boot, batch.seq, Channel.TELEMETRY.value, now, encode(batch)))
        self._sent()

    def _keep_total(self, now: int) -> None:
        """Kept before it is told: what was told once is never taken back by a power cut."""
        if now - self._kept_ms < KEEP_LEAST_MS:
            return
        try:
            self._store.keep("traffic", json.dumps(self._total).encode())
        except StoreError as error:
            _log.error("the byte counts are not kept", extra={"error": str(error)})
        self._kept_total, self._kept_ms = self._total, now
        self._board.total_bytes = self._total

    def _tellable(self, taken: Sample) -> Sample:
        """The sample with no more bytes than are kept; what has moved since is told with a later one."""
        if taken.tx_bytes is None or taken.rx_bytes is None:
            return taken
        sent, received = self._kept_total
        return structs.replace(taken, tx_bytes=min(taken.tx_bytes, sent), rx_bytes=min(taken.rx_bytes, received))
