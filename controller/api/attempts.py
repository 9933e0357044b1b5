"""How often who has no key yet may be wrong: refused attempts cost, accepted ones are free.

A bucket for each address (an IPv6 /64) and one for all of them. It lives in the process: what it protects is a code of
120 random bits, so it only has to keep guessing, and the audit rows of guesses, cheap.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

EACH: Final = 10
ALL: Final = 120
REFILL_S: Final = 60.0
ADDRESSES_MOST: Final = 4096


@dataclass(slots=True)
class _Bucket:
    most: int
    left: float
    at: float

    def refill(self, now_s: float) -> None:
        self.left = min(self.most, self.left + (now_s - self.at) * self.most / REFILL_S)
        self.at = now_s


class Attempts:
    """Counts refused attempts by the event loop's time. Full, it forgets the address that was wrong longest ago."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(ALL, ALL, 0.0)

    def wait_s(self, address: str, now_s: float) -> float:
        """Return for how long (s) this address must wait; 0 when it may try."""
        waits = [self._wait(self._all, now_s)]
        bucket = self._addresses.get(_network(address))
        if bucket is not None:
            waits.append(self._wait(bucket, now_s))
        return max(waits)

    def refused(self, address: str, now_s: float) -> None:
        """Charge an attempt that was refused."""
        name = _network(address)
        bucket = self._addresses.setdefault(name, _Bucket(EACH, EACH, now_s))
        self._addresses.move_to_end(name)
        for each in (bucket, self._all):
            each.refill(now_s)
            each.left = max(0.0, each.left - 1)
        while len(self._addresses) > ADDRESSES_MOST:
            self._addresses.popitem(last=False)

    @staticmethod
    def _wait(bucket: _Bucket, now_s: float) -> float:
        bucket.refill(now_s)
        return max(0.0, (1 - bucket.left) * REFILL_S / bucket.most)


def _network(address: str) -> str:
    """Return what one customer of a provider holds: an IPv4 address, or an IPv6 /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(parsed) >> 64 << 64)) if isinstance(parsed, IPv6Address) else str(parsed)
