"""SMS by SMPP 3.4, over aiosmpplib: one bound session, used until it is lost, then replaced by the next message.

aiosmpplib would connect, slow down and wait by itself; here it may not, since retries belong to owed rows: a session
ends with its connection, a throttled message is an error at once, and a message that its sender gave up on is never
sent later. What was accepted (submit_sm_resp with ESME_ROK) is the message centre's to deliver; no receipts are asked.
"""

import asyncio
import logging
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiosmpplib import (
    ESME,
    NPI,
    TON,
    AbstractBroker,
    AbstractHook,
    AbstractRetryTimer,
    AbstractThrottleHandler,
    BindMode,
    OptionalParam,
    PhoneNumber,
    SmppCommandStatus,
    SmppSessionState,
    SubmitSm,
    SubmitSmResp,
)
from aiosmpplib.correlator import SimpleCorrelator
from aiosmpplib.state import USER_MESSAGE_REFERENCE

from controller.notify.port import MaybeSentError, Message, NotSentError, UndeliverableError

BIND_DEADLINE_S: Final = 10.0
DEADLINE_S: Final = 20.0
ENQUIRE_LINK_S: Final = 30.0
MOST_WAITING: Final = 64
# SMPP 3.4 section 4.1.1: the fields of a bind.
LONGEST_SYSTEM_ID: Final = 15
LONGEST_PASSWORD: Final = 8

# SMPP 3.4 section 5.1.3: this address or this message will never be taken. Any other refusal may pass.
PERMANENT: Final = frozenset(
    {
        SmppCommandStatus.ESME_RINVMSGLEN,
        SmppCommandStatus.ESME_RINVDSTADR,
        SmppCommandStatus.ESME_RINVNUMDESTS,
        SmppCommandStatus.ESME_RINVDSTTON,
        SmppCommandStatus.ESME_RINVDSTNPI,
    }
)


class SmppNotifier:
    """SMS through a message centre. The key's last characters stand in the text, and its hash is the user reference."""

    def __init__(
        self, host: str, port: int, *, system_id: str, password: str, source: str, deadline_s: float = DEADLINE_S
    ) -> None:
        self._deadline_s = deadline_s
        self._arguments = {
            "smsc_host": host,
            "smsc_port": port,
            "system_id": system_id,
            "password": password,
            "bind_mode": BindMode.TRANSMITTER,
        }
        self._source = _source(source)
        self._session: _Session | None = None
        self._opening = asyncio.Lock()
        self._places = asyncio.Semaphore(MOST_WAITING)

    async def send(self, message: Message) -> str:
        """Submit one SMS; returns the message centre's id."""
        submit = submit_sm(message, self._source)
        async with self._places:
            session = await self._bound()
            return await session.submit(submit, self._deadline_s)

    async def close(self) -> None:
        """End the session. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _bound(self) -> "_Session":
        async with self._opening:
            if self._session is None or self._session.is_over:
                await self.close()
                self._session = _Session(self._arguments)
                try:
                    await self._session.bound()
                except BaseException:
                    await self.close()
                    raise
            return self._session


def submit_sm(message: Message, source: PhoneNumber) -> SubmitSm:
    """Write the message: GSM-7 where it can be, else UCS-2; over 254 octets as message_payload (SMPP 3.4 5.3.2.32).

    Raises UndeliverableError for what is no telephone number.
    """
    digits = message.to.removeprefix("+")
    # E.164: a country code and at most fifteen digits.
    if not (digits.isascii() and digits.isdigit() and message.to.startswith("+") and 7 <= len(digits) <= 15):
        raise UndeliverableError("the number is not an international telephone number")
    reference = zlib.crc32(message.key.encode()) & 0xFFFF
    return SubmitSm(
        short_message=message.text,
        source=source,
        destination=PhoneNumber(digits, TON.INTERNATIONAL, NPI.ISDN),
        registered_delivery=0,
        optional_params=[OptionalParam(USER_MESSAGE_REFERENCE, reference)],
        log_id=message.key,
    )


def _source(source: str) -> PhoneNumber:
    if source.removeprefix("+").isdigit():
        return PhoneNumber(source.removeprefix("+"), TON.INTERNATIONAL, NPI.ISDN)
    # 3GPP TS 23.040 section 9.1.2.5: at most eleven characters.
    return PhoneNumber(source[:11], TON.ALPHANUMERIC, NPI.UNKNOWN)


class _SessionOverError(Exception):
    """The connection ended, and this session with it."""


class _Session(AbstractHook):  # type: ignore[misc]  # aiosmpplib is untyped
    """One connection: bound once, then submitting, then over. Its end is told to everybody who waits."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._pending: dict[str, _Pending] = {}
        self._queue = _Queue()
        correlator = _Correlator("smpp", max_ttl_response=DEADLINE_S)
        self._esme = ESME(
            **arguments,
            enquire_link_interval=ENQUIRE_LINK_S,
            socket_timeout=BIND_DEADLINE_S,
            # Its log lines hold numbers and texts.
            log_level=logging.CRITICAL,
            log_handler=logging.NullHandler(),
            hook=self,
            broker=self._queue,
            retry_timer=_NoRetry(),
            throttle_handler=_NoThrottling(),
            correlator=correlator,
        )
        self._bound = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.create_task(self._esme.start(), name="SMPP session")
        self._task.add_done_callback(self._ended)

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def bound(self) -> None:
        """Return once bound. Raises NotSentError."""
        waiting = asyncio.create_task(self._bound.wait())
        try:
            await asyncio.wait({waiting, self._task}, timeout=BIND_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._esme.session_state is SmppSessionState.CLOSED or not self._bound.is_set():
            raise NotSentError("the message centre can't be reached, or refuses to bind")

    async def submit(self, message: SubmitSm, deadline_s: float) -> str:
        """Submit and return the message centre's id."""
        pending = _Pending(message, asyncio.get_running_loop().create_future())
        self._pending[message.log_id] = pending
        self._queue.put(pending)
        try:
            async with asyncio.timeout(deadline_s):
                return await pending.answer
        except TimeoutError as error:
            raise pending.lost() from error
        finally:
            # The queue skips what nobody waits for any more.
            pending.answer.cancel()
            self._pending.pop(message.log_id, None)

    async def close(self) -> None:
        """Unbind as far as that goes, and end."""
        with suppress(TimeoutError, OSError, AttributeError):
            async with asyncio.timeout(1):
                await self._esme.stop()
        self._task.cancel()
        with suppress(asyncio.CancelledError, _SessionOverError):
            await self._task

    async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        """Remember that a message may have left."""
        del pdu, client_id
        # aiosmpplib never closes its socket; whoever ends the session does.
        self._writer = self._esme._writer  # noqa: SLF001  # there is no other way to it
        if isinstance(smpp_message, SubmitSm) and smpp_message.log_id in self._pending:
            self._pending[smpp_message.log_id].has_left = True

    async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        """Take the bind's or a message's answer in."""
        del pdu, client_id
        if isinstance(smpp_message, SubmitSmResp):
            if (pending := self._pending.get(smpp_message.log_id)) is not None:
                pending.take(smpp_message)
        elif type(smpp_message).__name__.startswith("Bind"):
            self._bound.set()

    async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None:
        """Tell the sender of a message that can't be written, or whose connection broke."""
        del client_id
        pending = self._pending.get(smpp_message.log_id)
        if pending is not None and not pending.answer.done():
            never = isinstance(error, ValueError)
            pending.answer.set_exception(
                UndeliverableError(f"the message can't be written: {error}") if never else pending.lost()
            )

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            task.exception()
        if self._writer is not None:
            self._writer.transport.abort()
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(pending.lost())


@dataclass(slots=True)
class _Pending:
    """A message and who waits for its answer."""

    message: SubmitSm
    answer: "asyncio.Future[str]"
    has_left: bool = False

    def take(self, response: SubmitSmResp) -> None:
        """Answer the sender."""
        if self.answer.done():
            return
        status = response.command_status
        if status == SmppCommandStatus.ESME_ROK:
            self.answer.set_result(response.message_id)
        else:
            kind = UndeliverableError if status in PERMANENT else NotSentError
            self.answer.set_exception(kind(f"the message centre refused with {status.name}"))

    def lost(self) -> NotSentError | MaybeSentError:
        """Return what is known of a message whose connection ended."""
        if self.has_left:
            return MaybeSentError("the message centre's answer was lost")
        return NotSentError("the connection to the message centre was lost")


class _Queue(AbstractBroker):  # type: ignore[misc]  # aiosmpplib is untyped
    """Messages of one session; bounded by its senders' places, and skipping what its sender gave up."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Pending] = asyncio.Queue()

    def put(self, pending: _Pending) -> None:
        self._waiting.put_nowait(pending)

    async def enqueue(self, message: Any) -> None:
        """Refuse: aiosmpplib asks for this method and never calls it. Without a sender who waits nothing is sent."""
        raise NotSentError(f"{type(message).__name__} was not handed over by its sender")

    async def dequeue(self) -> Any:
        while True:
            pending = await self._waiting.get()
            if not pending.answer.done():
                return pending.message


class _NoRetry(AbstractRetryTimer):  # type: ignore[misc]  # aiosmpplib is untyped
    """Ends the session where aiosmpplib would connect again."""

    async def wait(self) -> None:
        raise _SessionOverError

    def reset(self) -> None:
        pass

    def next_delay(self) -> float:
        return 0.0


class _NoThrottling(AbstractThrottleHandler):  # type: ignore[misc]  # aiosmpplib is untyped
    """Holds nothing back: the owed row of a throttled message does."""

    async def throttled(self) -> None:
        pass

    async def not_throttled(self) -> None:
        pass

    async def allow_request(self) -> bool:
        return True

    async def throttle_delay(self) -> float:
        return 0.0


class _Correlator(SimpleCorrelator):  # type: ignore[misc]  # aiosmpplib is untyped
    """Keeps no texts for receipts, since none are asked for."""

    async def put_delivery(self, smsc_message_id: str, submit_sm: Any) -> None:
        pass
