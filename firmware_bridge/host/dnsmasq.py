"""The hub's DNS and its filter: dnsmasq(8), started in the foreground from a file rendered here.

What is in force is read back over DNS from the running dnsmasq itself: a TXT record in its configuration carries the
digest of the rules, and a blocked name has to be refused. Its query log is never on.

The vocabulary is two commands: `dnsmasq --test --conf-file=F` and
`dnsmasq --keep-in-foreground --conf-file=F --pid-file=P`.
"""

import asyncio
import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Final, TextIO

from firmware_bridge.errors import HostToolError
from firmware_bridge.host.dns import NXDOMAIN, TXT, A, Resolver
from firmware_bridge.host.nft import known_resolvers
from firmware_bridge.host.process import Child, Runner
from firmware_bridge.host.refused_names import ADDRESS
from firmware_bridge.host.state import FilterReadBack, Rendered

# The name under which a running dnsmasq tells which rules it has loaded (RFC 6761: .invalid never resolves).
WITNESS: Final = "in-force.filter.minihub.invalid"
# A name that every rule set with filtering on refuses by a rule of ours.
CANARY: Final = "blocked.filter.minihub.invalid"
ASK_DEADLINE_S: Final = 0.5
# A million names take seconds to load on a hub.
START_DEADLINE_S: Final = 30.0
_TEST_DEADLINE_S: Final = 30.0
_START_POLL_S: Final = 0.02

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Where dnsmasq listens and whom it asks. `listen` empty means every address of the LAN interface.

    `upstream`: addresses, with `#port` where it is not 53. `dhcp_range` is dnsmasq's own syntax, "" for none.
    """

    lan: str
    port: int = 53
    listen: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    dhcp_range: str = ""
    cache_size: int = 1000

    @property
    def server(self) -> tuple[str, int]:
        """Where to ask it."""
        return (self.listen[0] if self.listen else "127.0.0.1", self.port)


@dataclass(frozen=True, slots=True)
class FilterRules:
    """What is refused: the names in `lists` (files, one name a line) and `deny`, without `allow`.

    `counters`: of some lists, the loopback port where their names are refused and counted (refused_names.py).
    """

    enabled: bool
    lists: tuple[Path, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    safe_search: bool = False
    counters: Mapping[Path, int] = field(default_factory=dict)


@cache
def safe_search_rewrites() -> dict[str, list[str]]:
    """The search engines' enforcing addresses by name (data file safe_search.toml)."""
    table: dict[str, list[str]] = tomllib.loads((files(__package__) / "safe_search.toml").read_text("utf-8"))[
        "rewrites"
    ]
    return table


def normalise_name(name: str) -> str | None:
    """The name in lower-case ASCII, or None when it is not a host name (and so could not be a rule)."""
    text = name.strip().rstrip(".").lower()
    try:
        text = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    if not 0 < len(text) <= 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        return None
    return text


def render(settings: DnsSettings, rules: FilterRules, path: Path) -> Rendered:
    """Write the configuration file, line by line so that a million names need no memory; atomic by rename.

    The digest covers the rules alone, so that another upstream or counter does not look like another filter.
    Raises HostToolError when a list file cannot be read or the file not written.
    """
    digest, counted, unusable = (
        hashlib.sha256(),
        0,
        [name for name in rules.deny + rules.allow if not normalise_name(name)],
    )
    part = path.with_suffix(".part")
    try:
        with part.open("w", encoding="ascii") as out:
            head = "".join(f"{line}\n" for line in _head(settings))
            out.write(head)
            for rule, line in _rule_lines(rules):
                out.write(line)
                digest.update(rule.encode("ascii"))
                counted += rule.startswith("address=")
            witness = _sign(out, digest.hexdigest(), head + _counters(rules))
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except (OSError, UnicodeError) as error:
        raise HostToolError("dnsmasq", f"the configuration cannot be written: {error}") from None
    return Rendered(path, "sha256:" + digest.hexdigest(), witness, counted, tuple(unusable), rules.enabled)


class Dnsmasq:
    """One supervised dnsmasq. Methods raise HostToolError; `exited` is how its end is noticed at once."""

    def __init__(self, runner: Runner, resolver: Resolver, directory: Path) -> None:
        self._runner = runner
        self._resolver = resolver
        self._pid_file = directory / "dnsmasq.pid"
        self._child: Child | None = None

    async def start(self, settings: DnsSettings, rendered: Rendered) -> FilterReadBack:
        """Check the file, end the present dnsmasq, start anew, and return once it answers with these rules."""
        await self._check(rendered.path)
        await self.stop()
        command = ["dnsmasq", "--keep-in-foreground", f"--conf-file={rendered.path}", f"--pid-file={self._pid_file}"]
        self._child = await self._runner.spawn(command)
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                return await self._answering(self._child, settings, rendered)
        except TimeoutError:
            raise HostToolError("dnsmasq", f"does not answer {START_DEADLINE_S:g} s after its start") from None

    async def stop(self) -> None:
        """End it, and one that an earlier life of ours left behind. A second call does nothing."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()
        await self._runner.stop_leftover(self._pid_file, str(self._pid_file))

    async def exited(self) -> None:
        """Return when the present dnsmasq has ended; at once when there is none."""
        if self._child is not None:
            await self._child.wait()

    async def read_back(self, settings: DnsSettings) -> FilterReadBack:
        """Ask it what it has in force; an unanswered question is an answer, not an error."""
        if self._child is None or not self._child.running:
            return FilterReadBack(running=False)
        try:
            told = await self._resolver.ask(settings.server, WITNESS, TXT, deadline_s=ASK_DEADLINE_S)
            refused = await self._resolver.ask(settings.server, CANARY, A, deadline_s=ASK_DEADLINE_S)
        except HostToolError:
            return FilterReadBack(running=True)
        return FilterReadBack(running=True, witness="".join(told.texts) or None, refuses=refused.rcode == NXDOMAIN)

    async def _check(self, path: Path) -> None:
        done = await self._runner.run(["dnsmasq", "--test", f"--conf-file={path}"], deadline_s=_TEST_DEADLINE_S)
        if done.returncode != 0:
            raise HostToolError("dnsmasq", "refuses its configuration", done.stderr.decode(errors="replace"))

    async def _answering(self, child: Child, settings: DnsSettings, rendered: Rendered) -> FilterReadBack:
        while True:
            seen = await self.read_back(settings)
            if seen.witness == rendered.witness:
                return seen
            if not child.running:
                code = await child.wait()
                raise HostToolError("dnsmasq", f"ended at once with {code}", child.complaint())
            await asyncio.sleep(_START_POLL_S)


def _head(settings: DnsSettings) -> Iterator[str]:
    yield f"port={settings.port}"
    if settings.listen:
        yield from (f"listen-address={address}" for address in settings.listen)
        yield "bind-interfaces"
    else:
        yield f"interface={settings.lan}"
        yield "bind-dynamic"
    yield from ("no-resolv", "no-hosts", "no-poll", "domain-needed", "bogus-priv", f"cache-size={settings.cache_size}")
    yield from (f"server={server}" for server in settings.upstream)
    if settings.dhcp_range:
        yield f"dhcp-range={settings.dhcp_range}"
        yield "quiet-dhcp"


def _rule_lines(rules: FilterRules) -> Iterator[tuple[str, str]]:
    """Each rule and the line that carries it out: the same, but for names that a counter refuses."""
    if not rules.enabled:
        return
    allowed = {name for name in map(normalise_name, rules.allow) if name}
    for name in chain((CANARY,), known_resolvers()["names"]):
        yield _same(f"address=/{name}/\n")
    for path in rules.lists:
        port = rules.counters.get(path)
        for name in _refused_names(_listed(path), allowed):
            rule = f"address=/{name}/\n"
            # An entry of its own server is never asked elsewhere (dnsmasq(8), --server), nor when that one is silent.
            yield rule, rule if port is None else f"server=/{name}/{ADDRESS}#{port}\n"
    for name in _refused_names(rules.deny, allowed):
        yield _same(f"address=/{name}/\n")
    for name in sorted(allowed):
        # The more specific name wins in dnsmasq: this one is asked upstream although a parent is refused.
        yield _same(f"server=/{name}/#\n")
    if rules.safe_search:
        yield from map(_same, _rewrites())


def _rewrites() -> Iterator[str]:
    for name, addresses in safe_search_rewrites().items():
        yield from (f"address=/{name}/{address}\n" for address in addresses)
        if not any(":" in address for address in addresses):
            # An address of one family leaves the other to be asked upstream: this one goes nowhere.
            yield f"address=/{name}/::\n"


def _same(line: str) -> tuple[str, str]:
    return line, line


def _counters(rules: FilterRules) -> str:
    return "".join(f"{path.name} {port}\n" for path, port in sorted(rules.counters.items()))


def _refused_names(names: Iterable[str], allowed: set[str]) -> Iterator[str]:
    for name in names:
        usable = normalise_name(name)
        if usable and not _covered(usable, allowed):
            yield usable


def _listed(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from (line for line in lines if line.strip() and not line.startswith("#"))


def _covered(name: str, allowed: set[str]) -> bool:
    """Whether the name or one of its parents is allowed."""
    labels = name.split(".")
    return any(".".join(labels[at:]) in allowed for at in range(len(labels)))


def _sign(out: TextIO, rules_digest: str, head: str) -> str:
    """Add the witness record; returns its text, which changes with the rules and with the settings."""
    witness = f"{rules_digest}.{hashlib.sha256(head.encode()).hexdigest()[:16]}"
    out.write(f"txt-record={WITNESS},{witness}\n")
    return witness
