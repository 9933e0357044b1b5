"""The firewall of a hub, through nftables' JSON interface (libnftables-json(5)).

One table in family inet, so that IPv6 is filtered like IPv4. Forwarding is an element of the set `forwarding_open`
with a timeout: whoever refreshes it may die, and the kernel closes by itself. Nothing is accepted before that
element is asked, not even established connections.

The vocabulary is four commands: `nft -j -f -` with the rule set, with flush-and-add of the element (one
transaction: a plain add does not refresh an element that is there), with the flush alone; and
`nft -j list table inet minihub`.
"""

import json
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from firmware_bridge.errors import HostToolError
from firmware_bridge.host.process import Runner
from firmware_bridge.host.state import MAX_OPEN_S, FirewallState

TABLE: Final = "minihub"
OPEN_SET: Final = "forwarding_open"
DEADLINE_S: Final = 5.0

_FAMILY_TABLE: Final = {"family": "inet", "table": TABLE}
_REJECT: Final = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
_TCP_UDP: Final = {"set": ["tcp", "udp"]}


@dataclass(frozen=True, slots=True)
class FirewallSettings:
    """What the rule set is rendered from. `filtering` false is the level Off: DNS is still the hub's own."""

    lan: str
    wan: str
    dns_port: int = 53
    filtering: bool = True


@cache
def known_resolvers() -> dict[str, list[str]]:
    """The public DNS-over-HTTPS resolvers by `names`, `ipv4`, `ipv6` (data file resolvers.toml)."""
    table: dict[str, list[str]] = tomllib.loads((files(__package__) / "resolvers.toml").read_text("utf-8"))
    return table


def render(settings: FirewallSettings) -> dict[str, Any]:
    """Render the whole rule set as one transaction that replaces what was there."""
    table = {"family": "inet", "name": TABLE}
    reset = [{"add": {"table": table}}, {"delete": {"table": table}}, {"add": {"table": table}}]
    objects = [*_sets(), *_chains(), *_rules(settings)]
    return {"nftables": [*reset, *({"add": item} for item in objects)]}


class Nft:
    """The kernel's rule set. Every method raises HostToolError when nft refuses, is missing, or is late."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def install(self, settings: FirewallSettings) -> None:
        """Replace the table in one transaction; forwarding is closed afterwards."""
        await self._apply(render(settings)["nftables"])

    async def open_forwarding(self, settings: FirewallSettings, timeout_s: int) -> None:
        """Let the LAN out for `timeout_s` seconds (1 to MAX_OPEN_S), counted anew from now."""
        seconds = max(1, min(timeout_s, MAX_OPEN_S))
        element = {"elem": {"val": settings.lan, "timeout": seconds}}
        opened = {"element": {**_FAMILY_TABLE, "name": OPEN_SET, "elem": [element]}}
        await self._apply([_flush(), {"add": opened}])

    async def close_forwarding(self) -> None:
        """Stop forwarding now, established connections included."""
        await self._apply([_flush()])

    async def read_back(self, settings: FirewallSettings) -> FirewallState:
        """Read the table; `installed` only if it is rule by rule what `render` asks for."""
        done = await self._runner.run(["nft", "-j", "list", "table", "inet", TABLE], deadline_s=DEADLINE_S)
        if done.returncode != 0:
            if b"No such file or directory" in done.stderr:
                return FirewallState(installed=False)
            raise HostToolError("nft", f"list failed with {done.returncode}", done.stderr.decode(errors="replace"))
        try:
            listed = json.loads(done.stdout)["nftables"]
            return _state(listed, settings)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HostToolError("nft", f"the listing is not understood ({error})") from None

    async def _apply(self, commands: list[dict[str, Any]]) -> None:
        text = json.dumps({"nftables": commands}).encode()
        done = await self._runner.run(["nft", "-j", "-f", "-"], stdin=text, deadline_s=DEADLINE_S)
        if done.returncode != 0:
            raise HostToolError("nft", f"refused with {done.returncode}", done.stderr.decode(errors="replace"))


def _flush() -> dict[str, Any]:
    return {"flush": {"set": {**_FAMILY_TABLE, "name": OPEN_SET}}}


def _sets() -> list[dict[str, Any]]:
    resolvers = known_resolvers()
    return [
        {"set": {**_FAMILY_TABLE, "name": OPEN_SET, "type": "ifname", "flags": ["timeout"]}},
        {"set": {**_FAMILY_TABLE, "name": "resolvers4", "type": "ipv4_addr", "elem": resolvers["ipv4"]}},
        {"set": {**_FAMILY_TABLE, "name": "resolvers6", "type": "ipv6_addr", "elem": resolvers["ipv6"]}},
    ]


def _chains() -> list[dict[str, Any]]:
    hooks = (
        ("dns", "nat", "prerouting", -100),
        ("forward", "filter", "forward", 0),
        ("nat", "nat", "postrouting", 100),
    )
    return [
        {
            "chain": {
                **_FAMILY_TABLE,
                "name": name,
                "type": kind,
                "hook": hook,
                "prio": priority,
                "policy": "drop" if name == "forward" else "accept",
            }
        }
        for name, kind, hook, priority in hooks
    ]


def _rules(settings: FirewallSettings) -> list[dict[str, Any]]:
    lan, wan = _meta("iifname", settings.lan), _meta("oifname", settings.wan)
    tcp_udp = _meta("l4proto", _TCP_UDP)
    rules = [
        _rule(
            "dns",
            "dns_redirected",
            lan,
            tcp_udp,
            _port(53),
            {"counter": None},
            {"redirect": {"port": settings.dns_port}},
        ),
        # A flow that was translated before this rule set existed does not pass the redirect again.
        _rule("forward", "dns_elsewhere", lan, tcp_udp, _port(53), {"counter": None}, _REJECT),
    ]
    if settings.filtering:
        rules += _bypass_rules(lan, tcp_udp)
    return [
        *rules,
        _rule("forward", "out", _meta("iifname", f"@{OPEN_SET}"), wan, {"counter": None}, {"accept": None}),
        _rule(
            "forward",
            "back",
            _meta("iifname", settings.wan),
            _meta("oifname", f"@{OPEN_SET}"),
            {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}},
            {"counter": None},
            {"accept": None},
        ),
        _rule("nat", "masquerade", wan, {"masquerade": None}),
    ]


def _bypass_rules(lan: dict[str, Any], tcp_udp: dict[str, Any]) -> list[dict[str, Any]]:
    """DNS over TLS and QUIC (RFC 7858, RFC 9250: port 853), and DNS over HTTPS to resolvers known by address."""
    rules = [_rule("forward", "dns_over_tls", lan, tcp_udp, _port(853), {"counter": None}, _REJECT)]
    for family, name in (("ip", "resolvers4"), ("ip6", "resolvers6")):
        address = {"payload": {"protocol": family, "field": "daddr"}}
        known = {"match": {"op": "==", "left": address, "right": f"@{name}"}}
        rules.append(
            _rule("forward", f"dns_over_https_{name[-1]}", lan, known, tcp_udp, _port(443), {"counter": None}, _REJECT)
        )
    return rules


def _rule(chain: str, comment: str, *expr: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {**_FAMILY_TABLE, "chain": chain, "comment": comment, "expr": list(expr)}}


def _meta(key: str, value: object) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": value}}


def _port(number: int) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "th", "field": "dport"}}, "right": number}}


def _state(listed: list[dict[str, Any]], settings: FirewallSettings) -> FirewallState:
    present = [item for item in listed if "metainfo" not in item]
    return FirewallState(
        installed=_wanted(settings) == _canonical(present),
        open_for_s=_open_for(present, settings.lan),
        refused=_refused(present),
    )


@lru_cache(maxsize=4)
def _wanted(settings: FirewallSettings) -> list[str]:
    return _canonical([item["add"] for item in render(settings)["nftables"][2:]])


def _canonical(items: list[dict[str, Any]]) -> list[str]:
    """The objects without what the kernel adds (handles, counts, live elements); rules keep their order."""
    texts = [json.dumps(_stripped(item), sort_keys=True) for item in items]
    return sorted(text for text in texts if '"rule"' not in text) + [text for text in texts if '"rule"' in text]


def _stripped(item: dict[str, Any]) -> dict[str, Any]:
    ((kind, body),) = item.items()
    body = {key: value for key, value in body.items() if key != "handle"}
    if kind == "set":
        elements = [] if body["name"] == OPEN_SET else sorted(map(str, body.get("elem", [])))
        body["elem"] = elements
    if kind == "rule":
        body["expr"] = [{"counter": None} if "counter" in part else part for part in body["expr"]]
    return {kind: body}


def _open_for(items: list[dict[str, Any]], lan: str) -> int | None:
    for item in items:
        if item.get("set", {}).get("name") == OPEN_SET:
            for element in item["set"].get("elem", []):
                body = element.get("elem", {}) if isinstance(element, dict) else {"val": element, "expires": MAX_OPEN_S}
                if body.get("val") == lan:
                    return int(body.get("expires", body.get("timeout", MAX_OPEN_S)))
    return None


def _refused(items: list[dict[str, Any]]) -> dict[str, int]:
    refused: dict[str, int] = {}
    for item in items:
        rule = item.get("rule")
        if rule is None or rule["chain"] != "forward" or _REJECT not in rule["expr"]:
            continue
        name = rule["comment"].removesuffix("_4").removesuffix("_6")
        counts = [part["counter"]["packets"] for part in rule["expr"] if isinstance(part.get("counter"), dict)]
        refused[name] = refused.get(name, 0) + sum(counts)
    return refused
