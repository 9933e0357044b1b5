"""The doorbell: reads the SMS that came, believes those that are signed and new, and deletes every one of them."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from device_agent.observe import Modem
from device_agent.protocol.doorbell import heard
from device_agent.store import StoreError

_log = logging.getLogger(__name__)

# A full SIM holds 255 messages; a modem that takes longer than this (s) is asked again at the next look.
READ_DEADLINE_S: Final = 60.0
_COUNTER: Final = "doorbell"


class Memory(Protocol):
    """The small part of the store that a doorbell needs."""

    def keep(self, name: str, value: bytes) -> None:
        """Keep a value."""

    def kept(self, name: str) -> bytes | None:
        """The value kept."""
        ...


class Doorbell:
    """`rung` is called once for each look at the messages that found a signed, unheard one.

    A text is never logged or sent. The counter is kept before the bell is heard, so that a power cut makes one ring
    lost and never one heard twice.
    """

    def __init__(self, hub: str, key: Callable[[], bytes], memory: Memory, rung: Callable[[], None]) -> None:
        self.rung_times = 0
        self.ignored = 0
        self._hub = hub
        self._key = key
        self._memory = memory
        self._rung = rung
        self._highest = int(memory.kept(_COUNTER) or b"0")

    async def look(self, modem: Modem) -> bool:
        """Read, judge and delete what is there; returns whether it rang. Raises PortError and ModemSilentError only."""
        rang = False
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                for message in await modem.receive_sms():
                    rang = self.judge(message.body) or rang
                    await modem.delete_sms(message)
        except TimeoutError:
            _log.warning("messages took too long")
        if rang:
            self._rung()
        return rang

    def judge(self, text: str) -> bool:
        """Whether a text is signed for this hub and newer than every one before; others are counted."""
        counter = heard(self._key(), self._hub, text)
        if counter is None or counter <= self._highest:
            self.ignored += 1
            _log.info("a message that is no ring was ignored", extra={"signed": counter is not None})
            return False
        self._highest = counter
        try:
            self._memory.keep(_COUNTER, str(counter).encode())
        except StoreError as error:
            # Heard all the same: at worst it is heard once more after a restart, and a ring means only "look".
            _log.error("the doorbell's counter is not kept", extra={"error": str(error)})
        self.rung_times += 1
        _log.info("the doorbell rang", extra={"counter": counter})
        return True
