"""Who may call now: the rate, the calls at a time, and the maintenance windows of one account.

Real platforms limit the account, not the connection: five calls a second and one at a time is a common contract.
"""

from dataclasses import dataclass, field

from simulator.carrier.manners import Manners


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status and the seconds of its Retry-After."""

    status: int
    reason: str
    retry_after_s: int


@dataclass(slots=True)
class Account:
    """The token bucket and the running calls of one account."""

    name: str
    running: int = 0
    _tokens: float = 0.0
    _filled_s: float | None = field(default=None)

    def admit(self, manners: Manners, *, started_s: float, now_s: float) -> Refusal | None:
        """Count a call in, or say why not. What was admitted is ended by `release`."""
        for window in manners.maintenance:
            ends_s = started_s + window.at_s + window.for_s
            if started_s + window.at_s <= now_s < ends_s:
                return Refusal(503, "the platform is in maintenance", max(1, round(ends_s - now_s)))
        if self.running >= manners.calls_at_a_time:
            return Refusal(429, "another call of this account is running", 1)
        if not self._take_token(manners.calls_per_second, now_s):
            return Refusal(429, "too many calls of this account in a second", 1)
        self.running += 1
        return None

    def release(self) -> None:
        """Count an admitted call out."""
        self.running -= 1

    def _take_token(self, per_second: float, now_s: float) -> bool:
        burst = max(1.0, per_second)
        elapsed = now_s - self._filled_s if self._filled_s is not None else burst
        self._tokens = min(burst, self._tokens + max(0.0, elapsed) * per_second)
        self._filled_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
