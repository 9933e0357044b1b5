"""Received messages in PDU mode (TS 27.005). Bodies go to the caller alone."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from firmware_bridge.at.commands import Command, Messages, Prefixed
from firmware_bridge.errors import CommandError
from firmware_bridge.modem.parse.sms import Stored, direct, join_parts, parse_cmgl, parse_cpms
from firmware_bridge.modem.query import Query
from firmware_bridge.modem.session import Session
from firmware_bridge.types import Sms

_log = logging.getLogger(__name__)

ALL_MESSAGES = Query(Command("AT+CMGL=4", Messages("+CMGL", pdu=True)), parse_cmgl, learnable=False)
STORAGE = Query(Command("AT+CPMS?", Prefixed("+CPMS")), parse_cpms)
# The rest of a long message that never came must not fill the storage and silence the doorbell.
ORPHANS_MOST = 10
_EMPTY_PLACE = 321  # TS 27.005 3.2.5: invalid memory index


async def receive(session: Session) -> tuple[Sms, ...]:
    """Every whole message in the storage that +CMTI names, the oldest place first; parts still missing wait.

    Places that belong to no whole message are emptied from the lowest when there are more than `ORPHANS_MOST`.
    """
    await session.patiently(Command("AT+CMGF=0"))
    storage, _, _ = await session.ask_first([STORAGE]) or (None, 0, 0)
    stored = await session.ask(ALL_MESSAGES)
    _, orphans = join_parts(stored)
    for index in orphans[: max(0, len(orphans) - ORPHANS_MOST)]:
        _log.warning("deleting a message part whose rest never came, place %d", index)
        await delete_place(session, index)
    return _with_direct(session, stored, storage)


def _with_direct(session: Session, stored: Sequence[Stored], storage: str | None) -> tuple[Sms, ...]:
    """Whole messages out of the storage and of what came past it; the latter is told once."""
    unstored = direct(session.direct)
    messages, waiting = join_parts([*unstored, *stored], storage)
    kept = [session.direct[found.index] for found in unstored if found.index in waiting and found.deliver]
    session.direct.clear()
    session.direct.extend(kept)
    return tuple(replace(sms, indexes=tuple(index for index in sms.indexes if index >= 0)) for sms in messages)


async def delete_place(session: Session, index: int) -> None:
    """Empty one place; an empty one is as good (the command may be sent twice)."""
    try:
        await session.patiently(Command(f"AT+CMGD={index}"))
    except CommandError as error:
        if error.standard_code != _EMPTY_PLACE:
            raise


async def delete(session: Session, sms: Sms) -> None:
    """Empty every place of a message."""
    for index in sms.indexes:
        await delete_place(session, index)
