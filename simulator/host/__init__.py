"""A hub's host without root: stand-ins for nft, dnsmasq and hostapd_cli with their real command lines.

What they play is what the conformance table lists (tests/data/host_conformance.toml), each row proven on the real
tool; everything else is refused in words. Written from the tools' manuals, not from the code that calls them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.host.install import forget_kernel_state, install_standins, let_dns_die

__all__ = ["forget_kernel_state", "install_standins", "let_dns_die"]


def __getattr__(name: str) -> Any:
    """Import on demand: a shim that starts as `nft` should not load the DNS server."""
    if name not in __all__:
        raise AttributeError(name)
    return getattr(importlib.import_module("simulator.host.install"), name)
