"""The doorbell: a signed SMS that means only "look" (`MH1 <counter> <mac>`), for a hub that no longer listens.

The mac is HMAC-SHA256 (RFC 2104) over `MH1|<hub>|<counter>`, its first 10 bytes in base32 (RFC 4648); the key is the
hub's own, given at enrolment. A counter is used once and only grows: a hub ignores one it has heard before. The text
is 7-bit and far below one message's 160 characters (3GPP TS 23.038).
"""

import base64
import hashlib
import hmac
import re
from typing import Final

from device_agent.protocol.topics import TopicError, is_hub_id

KEY_BYTES: Final = 32
COUNTER_MOST: Final = 2**53 - 1
_MAC_BYTES: Final = 10
_TEXT = re.compile(r"MH1 ([1-9][0-9]{0,15}) ([A-Z2-7]{16})")


def ring(key: bytes, hub: str, counter: int) -> str:
    """The text that rings at `hub`. Raises TopicError for no hub id, ValueError for a bad counter or a short key."""
    if not is_hub_id(hub):
        raise TopicError(hub)
    if not 1 <= counter <= COUNTER_MOST:
        raise ValueError(f"a doorbell's counter is 1 to {COUNTER_MOST}, not {counter}")
    if len(key) < KEY_BYTES:
        raise ValueError(f"a doorbell's key has {KEY_BYTES} bytes, not {len(key)}")
    return f"MH1 {counter} {_mac(key, hub, counter)}"


def heard(key: bytes, hub: str, text: str) -> int | None:
    """The counter of a text that was signed for this hub, None for any other text; never raises for a text."""
    found = _TEXT.fullmatch(text.strip())
    if found is None or len(key) < KEY_BYTES:
        return None
    counter = int(found.group(1))
    good = counter <= COUNTER_MOST and hmac.compare_digest(found.group(2), _mac(key, hub, counter))
    return counter if good else None


def _mac(key: bytes, hub: str, counter: int) -> str:
    digest = hmac.digest(key, f"MH1|{hub}|{counter}".encode("ascii"), hashlib.sha256)
    return base64.b32encode(digest[:_MAC_BYTES]).decode("ascii")
