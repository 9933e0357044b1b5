"""The remedy of an address that can't be listened on is that of its very reason."""

import errno
import socket

import pytest

from controller.cli.failures import Exit, cannot_listen


@pytest.mark.parametrize(
    ("error", "code", "remedy"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use"), Exit.PORT_IN_USE, "another --port"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), Exit.SETTINGS, "with --host"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Exit.SETTINGS, "with --host"),
        (OSError(errno.EACCES, "Permission denied"), Exit.SETTINGS, "--port above 1023"),
    ],
)
def test_an_address_that_cannot_be_listened_on_gets_its_own_remedy(error: OSError, code: Exit, remedy: str) -> None:
    failure = cannot_listen("203.0.113.9", 80, error)
    assert (failure.code, remedy in failure.remedy, "203.0.113.9:80" in failure.message) == (code, True, True)
