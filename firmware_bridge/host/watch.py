"""Hearing of every change of the kernel's rule set, whoever made it (nfnetlink(7), group NFNLGRP_NFTABLES).

A notification only means "look"; what it says is not read.
"""

import asyncio
import logging
import socket
from typing import Final

_log = logging.getLogger(__name__)

NETLINK_NETFILTER: Final = 12
NFNLGRP_NFTABLES: Final = 7
_SOL_NETLINK: Final = 270
_NETLINK_ADD_MEMBERSHIP: Final = 1
_NOTIFICATION_MOST: Final = 65536
# One transaction is several notifications; what is beyond this many is the next change.
_AT_ONCE_MOST: Final = 256


class RuleSetWatch:
    """Waits for changes. Where the kernel gives no such socket (no right to it), it waits for ever."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    async def changed(self) -> None:
        """Return after the next change; all that was notified by then is one."""
        listener = self._listener()
        if listener is None:
            await asyncio.Event().wait()
            return
        try:
            await asyncio.get_running_loop().sock_recv(listener, _NOTIFICATION_MOST)
            for _ in range(_AT_ONCE_MOST):
                listener.recv(_NOTIFICATION_MOST)
        except BlockingIOError:
            return
        except OSError as error:
            # ENOBUFS: more happened than the socket holds, which is a change too.
            _log.debug("rule set notifications were lost", extra={"error": str(error)})

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _listener(self) -> socket.socket | None:
        if self._socket is not None:
            return self._socket
        try:
            listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
            listener.settimeout(0)
            listener.bind((0, 0))
            listener.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        except OSError as error:
            _log.info("the rule set is only polled", extra={"error": str(error)})
            return None
        self._socket = listener
        return listener
