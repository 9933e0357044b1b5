"""dnsmasq's configuration file, for the options of the conformance table, and what a dnsmasq with it decides.

Pure. An option the table lacks is a bad option, as an unknown one is to dnsmasq itself.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from simulator.host.dns import AAAA, NXDOMAIN, PTR, REFUSED, TXT, A, Reply

# Options that change nothing a question can see.
_WITHOUT_EFFECT: Final = {"bind-interfaces", "bind-dynamic", "no-resolv", "no-hosts", "no-poll", "quiet-dhcp"}
_VALUES_WITHOUT_EFFECT: Final = {"dhcp-range"}

# Exit codes, dnsmasq(8) "EXIT CODES".
BAD_CONFIGURATION: Final = 1
NETWORK_TROUBLE: Final = 2
FILE_TROUBLE: Final = 3
MEMORY_TROUBLE: Final = 4


class ConfigurationError(Exception):
    """What dnsmasq writes to stderr about its configuration, and its exit code."""

    def __init__(self, message: str, code: int = BAD_CONFIGURATION) -> None:
        super().__init__(f"dnsmasq: {message}")
        self.code = code


@dataclass(slots=True)
class Configuration:
    """A parsed file. `names`: addresses for a name and what is under it, () to refuse it, None to forward it.

    `targets`: the one server that such a name has, in place of `servers`.
    """

    port: int = 53
    listen: list[str] = field(default_factory=list)
    interface: str = ""
    servers: list[tuple[str, int]] = field(default_factory=list)
    names: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    targets: dict[str, tuple[str, int]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    domain_needed: bool = False
    bogus_priv: bool = False

    def decide(self, name: str, kind: int) -> Reply | None:
        """The reply of this configuration to a question, or None to ask upstream."""
        name = name.lower()
        if kind == TXT and name in self.texts:
            return Reply(texts=(self.texts[name],), authoritative=True)
        suffix = self._longest(name)
        found = self.names.get(suffix)
        if found == () and suffix not in self.targets:
            return Reply(NXDOMAIN)
        if found and kind in {A, AAAA}:
            version = 4 if kind == A else 6
            right = tuple(item for item in found if ipaddress.ip_address(item).version == version)
            # A kind of address the name was not given is asked upstream, as any other name.
            if right:
                return Reply(addresses=right, authoritative=True)
        if self.domain_needed and kind in {A, AAAA} and "." not in name:
            return Reply(NXDOMAIN)
        if self.bogus_priv and kind == PTR and _is_private(name):
            return Reply(NXDOMAIN, authoritative=True)
        return None if self.servers_of(name) else Reply(REFUSED)

    def servers_of(self, name: str) -> list[tuple[str, int]]:
        """Who is asked for a name: its own server and no other, or the standard ones."""
        target = self.targets.get(self._longest(name.lower()))
        return self.servers if target is None else [target]

    def _longest(self, name: str) -> str:
        """The longest name with a rule that this name is, or is under; "" for none."""
        labels = name.split(".")
        suffixes = (".".join(labels[at:]) for at in range(len(labels)))
        return next((suffix for suffix in suffixes if suffix in self.names or suffix in self.targets), "")


def parse_configuration(lines: Iterable[str], path: str) -> Configuration:
    """Parse a configuration file. Raises ConfigurationError in dnsmasq's words."""
    parsed = Configuration()
    for number, raw in enumerate(lines, 1):
        line = raw.split("#", 1)[0].strip() if raw.lstrip().startswith("#") else raw.strip()
        if not line:
            continue
        option, _, value = line.partition("=")
        where = f"at line {number} of {path}"
        try:
            known = _take(parsed, option, value)
        except ValueError as error:
            raise ConfigurationError(f"{error} {where}" if str(error).startswith("Bad") else f"error {where}") from None
        if not known:
            raise ConfigurationError(f"bad option {where}")
    return parsed


def _take(parsed: Configuration, option: str, value: str) -> bool:
    match option:
        case "port":
            parsed.port = _whole(value, 65535)
        case "cache-size":
            _whole(value, 1_000_000)
        case "listen-address":
            parsed.listen.append(str(ipaddress.ip_address(value)))
        case "interface" if value:
            parsed.interface = value
        case "domain-needed" if not value:
            parsed.domain_needed = True
        case "bogus-priv" if not value:
            parsed.bogus_priv = True
        case "server":
            _take_server(parsed, value)
        case "address":
            _take_address(parsed, value)
        case "txt-record":
            name, _, text = value.partition(",")
            parsed.texts[name.lower()] = text
        case _:
            return option in (_VALUES_WITHOUT_EFFECT if value else _WITHOUT_EFFECT)
    return True


def _take_server(parsed: Configuration, value: str) -> None:
    if not value.startswith("/"):
        address, _, port = value.partition("#")
        parsed.servers.append((str(ipaddress.ip_address(address)), _whole(port or "53", 65535)))
        return
    _, name, target = value.split("/")
    name = name.lower()
    if target == "#":
        parsed.names[name] = None
        return
    address, _, port = target.partition("#")
    parsed.targets[name] = (str(ipaddress.ip_address(address)), _whole(port, 65535))


def _take_address(parsed: Configuration, value: str) -> None:
    empty, name, address = value.split("/")
    if empty or not name:
        raise ValueError("wanted: address=/name/[address]")
    name = name.lower()
    known = parsed.names.get(name) or ()
    if not address:
        parsed.names[name] = known
        return
    try:
        parsed.names[name] = (*known, str(ipaddress.ip_address(address)))
    except ValueError:
        raise ValueError("Bad address in --address") from None


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= most):
        raise ValueError(f"not a whole number: {text[:20]!r}")
    return int(text)


def _is_private(name: str) -> bool:
    labels = name.removesuffix(".in-addr.arpa").split(".")
    if not name.endswith(".in-addr.arpa") or len(labels) != 4:
        return False
    try:
        return ipaddress.ip_address(".".join(reversed(labels))).is_private
    except ValueError:
        return False
