"""What an ended command means to the one who asked: its reply, or an error of the room's tree."""

from firmware_bridge.at.commands import Command, FinalKind, Reply
from firmware_bridge.at.connection import Answered
from firmware_bridge.errors import CommandError, ReplyError, UnsupportedError

_UNSUPPORTED = {4, 303}  # +CME ERROR 4 and +CMS ERROR 303: operation not supported (TS 27.007 9.2, TS 27.005 3.2.5)


def judged(answered: Answered) -> Reply:
    """The reply of a command that did what it was asked.

    Raises CommandError (UnsupportedError for an unknown command), ReplyError for an OK without the declared lines or
    with too many.
    """
    command, reply, fits = answered
    if not reply.final.succeeded:
        raise _command_error(command, reply)
    if not fits:
        raise ReplyError(command.shown, "OK", "the declared information line is missing")
    if reply.truncated:
        raise ReplyError(command.shown, "", "longer than any answer may be")
    return reply


def _command_error(command: Command, reply: Reply) -> CommandError:
    kind, code, text = reply.final
    unsupported = kind is FinalKind.NOT_SUPPORTED or (kind in {FinalKind.CME, FinalKind.CMS} and code in _UNSUPPORTED)
    error = UnsupportedError if unsupported else CommandError
    return error(command.shown, kind=kind.value, code=code, text=text)
