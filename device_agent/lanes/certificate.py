"""The certificate: tells how it stands, and has it renewed when a third of its life is left.

The renewal itself is a process of its own that the caller gives, since it needs a cryptography library. Whoever put a
new certificate there, this lane or a person with `hub-agent renew`, the hub connects anew with it.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Final

from device_agent.config import Certificate, CertificateError, read_certificate
from device_agent.facts import CertificateFacts, CertificateStatus
from device_agent.lanes.board import Alarm, Board, Change

_log = logging.getLogger(__name__)

# It is looked at this often (s) when nothing is due.
LOOK_S: Final = 24 * 3600.0
# A renewal that did not come about is tried again after this (s), doubling, with jitter.
RETRY_FIRST_S: Final = 3600.0
RETRY_MOST_S: Final = 24 * 3600.0
# A certificate that somebody else put there is noticed within this (s), or at SIGHUP.
NOTICE_S: Final = 300.0
# A new one is shown within this (s) at the latest; the jitter keeps hubs apart that were renewed together.
RECONNECT_MOST_S: Final = 60.0
# Hubs enrolled on one day do not ask at one hour: each waits up to this share of its certificate's life, a day at most.
_SPREAD_SHARE: Final = 1 / 30
_SPREAD_MOST_MS: Final = 24 * 3600 * 1000


class Renewal(Enum):
    """How an attempt ended."""

    DONE = auto()
    REFUSED = auto()
    FAILED = auto()


Renew = Callable[[], Awaitable[tuple[Renewal, str]]]


class CertificateLane:
    """Runs until cancelled. `renew` None: the certificate is somebody else's to renew, and is only told of.

    `renewed` makes the next connection show what is on the disk; `reconnect` makes that connection.
    """

    def __init__(
        self,
        path: str,
        board: Board,
        rng: random.Random,
        *,
        renew: Renew | None,
        renewed: Callable[[], None],
        reconnect: Callable[[], None] = lambda: None,
    ) -> None:
        self.alarm = Alarm()
        self._path = Path(path) if path else None
        self._board = board
        self._rng = rng
        self._renew = renew
        self._renewed = renewed
        self._reconnect = reconnect
        self._shown = self._mark()
        self._share = rng.uniform(0, 1)
        self._retry_s = RETRY_FIRST_S
        self._retry_ms = 0
        self._read()

    def show(self, fallback: str) -> None:
        """The next connection shows the newest certificate (""), or an earlier one, and why."""
        if self._path is not None:
            told = self._board.certificate or CertificateFacts(CertificateStatus.UNREADABLE, 0)
            self._set(replace(told, fallback=fallback[:160]))

    async def run(self) -> None:
        """Look, renew when due, wait; for ever."""
        while True:
            await self._wait(await self._look())
            if self._mark() != self._shown:
                await self._show()

    async def _wait(self, seconds: float | None) -> None:
        """Until then (None: for ever), a wake-up, or another certificate."""
        rest_s = math.inf if seconds is None else seconds
        while rest_s > 0 and self._mark() == self._shown:
            if await self.alarm.sleep(min(NOTICE_S, rest_s)):
                return
            rest_s -= NOTICE_S

    async def _look(self) -> float | None:
        """Returns how long to wait (s); None: for the clock."""
        certificate, now = self._read(), self._board.clock.now_ms()
        if certificate is None:
            return LOOK_S
        if now is None:
            return None
        due_ms = self._due_ms(certificate)
        if now < certificate.renewal_ms:
            if self._status is not CertificateStatus.RENEWED:
                self._tell(CertificateStatus.GOOD)
            return min(LOOK_S, (certificate.renewal_ms - now) / 1000)
        expired = now >= certificate.not_after_ms
        if self._status is not CertificateStatus.REFUSED or expired:
            self._tell(CertificateStatus.EXPIRED if expired else CertificateStatus.EXPIRING, self._problem)
        wait_ms = max(due_ms - now, self._retry_ms - self._board.clock.uptime_ms())
        if wait_ms > 0:
            return min(LOOK_S, wait_ms / 1000)
        return LOOK_S if self._renew is None else await self._try(self._renew, expired=expired)

    async def _try(self, renew: Renew, *, expired: bool) -> float:
        outcome, problem = await renew()
        if outcome is Renewal.DONE:
            _log.info("certificate renewed")
            self._read()
            self._tell(CertificateStatus.RENEWED)
            await self._show()
            self._retry_s = RETRY_FIRST_S
            return self._after(RETRY_FIRST_S)
        _log.warning("certificate not renewed", extra={"error": problem, "again_in_s": self._retry_s})
        if outcome is Renewal.REFUSED and not expired:
            self._tell(CertificateStatus.REFUSED, problem)
        else:
            self._tell(self._status, problem)
        wait_s, self._retry_s = self._retry_s, min(RETRY_MOST_S, self._retry_s * 2)
        return self._after(wait_s)

    async def _show(self) -> None:
        """Take up what is on the disk, and connect anew with it, soon."""
        self._shown = self._mark()
        self._renewed()
        await asyncio.sleep(self._rng.uniform(0, RECONNECT_MOST_S))
        self._reconnect()

    def _mark(self) -> tuple[int, int] | None:
        """What changes with the file."""
        try:
            told = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if told is None else (told.st_ino, told.st_mtime_ns)

    def _after(self, seconds: float) -> float:
        """No attempt before then, whatever wakes the lane."""
        wait_s = seconds * self._rng.uniform(0.5, 1.0)
        self._retry_ms = self._board.clock.uptime_ms() + int(wait_s * 1000)
        return wait_s

    def _due_ms(self, certificate: Certificate) -> int:
        spread = min(_SPREAD_MOST_MS, (certificate.not_after_ms - certificate.not_before_ms) * _SPREAD_SHARE)
        return certificate.renewal_ms + int(self._share * spread)

    def _read(self) -> Certificate | None:
        """The certificate as it is on the disk; told of for the first time as good until the clock says more."""
        if self._path is None:
            return None
        try:
            certificate = read_certificate(self._path)
        except CertificateError as error:
            _log.error("the certificate cannot be read", extra={"error": str(error)})
            told = self._board.certificate or CertificateFacts(CertificateStatus.UNREADABLE, 0)
            self._set(replace(told, status=CertificateStatus.UNREADABLE, not_after_ms=0, problem=str(error)[:200]))
            return None
        told = self._board.certificate or CertificateFacts(CertificateStatus.GOOD, 0)
        if told.status is CertificateStatus.UNREADABLE:
            told = replace(told, status=CertificateStatus.GOOD, problem="")
        self._set(replace(told, not_after_ms=certificate.not_after_ms, issuer=certificate.issuer))
        return certificate

    @property
    def _status(self) -> CertificateStatus:
        return self._board.certificate.status if self._board.certificate else CertificateStatus.GOOD

    @property
    def _problem(self) -> str:
        return self._board.certificate.problem if self._board.certificate else ""

    def _tell(self, status: CertificateStatus, problem: str = "") -> None:
        if self._board.certificate is not None:
            self._set(replace(self._board.certificate, status=status, problem=problem[:200]))

    def _set(self, facts: CertificateFacts) -> None:
        if facts != self._board.certificate:
            self._board.certificate = facts
            self._board.tell(Change.CERTIFICATE)
