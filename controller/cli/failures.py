"""What goes wrong at the command line: one line that names the thing and the remedy, and an exit code of its own."""

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer


class Exit(IntEnum):
    """Exit codes; 2 is the usual one for a wrong command line."""

    USAGE = 2
    SETTINGS = 3
    DATABASE = 4
    DATABASE_NEWER = 5
    DATABASE_OLDER = 6
    PORT_IN_USE = 7
    BROKER = 8
    REFUSED = 9


class CliError(Exception):
    """A failure to show. `remedy` says what to do."""

    def __init__(self, code: Exit, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy = code, message, remedy


def cannot_listen(host: str, port: int, error: OSError) -> CliError:
    """Why an address can't be listened on, with the remedy for that very reason."""
    why = f"{host}:{port} can't be listened on ({error.strerror})"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return CliError(Exit.SETTINGS, why, "name an address of this machine with --host")
    if error.errno == errno.EACCES:
        return CliError(Exit.SETTINGS, why, "name a --port above 1023")
    return CliError(Exit.PORT_IN_USE, why, "stop what uses it, or name another --port")


@contextmanager
def one_line() -> Iterator[None]:
    """Show failures that a user can mend as one line on stderr, and exit with their code."""
    from controller.services.errors import DatabaseError, NewerDatabaseError, OlderDatabaseError, ServiceError

    codes: tuple[tuple[type[ServiceError], Exit], ...] = (
        (NewerDatabaseError, Exit.DATABASE_NEWER),
        (OlderDatabaseError, Exit.DATABASE_OLDER),
        (DatabaseError, Exit.DATABASE),
        (ServiceError, Exit.REFUSED),
    )
    try:
        yield
    except CliError as error:
        _fail(error.code, error.message, error.remedy)
    except ServiceError as error:
        _fail(next(code for kind, code in codes if isinstance(error, kind)), error.message, error.remedy)


def _fail(code: Exit, message: str, remedy: str) -> None:
    line = " ".join(f"hub-controller: {message}: {remedy}".split()) if remedy else f"hub-controller: {message}"
    sys.stderr.write(line + "\n")
    raise typer.Exit(code)
