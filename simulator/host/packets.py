"""What a rule set does to a packet: the kernel's part, for worlds that have no kernel of their own.

Walks the chains of a hook in the order of their priority, counts in the rules' counters, and returns the verdict.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any

from simulator.host.ruleset import Json, Ruleset


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet that is routed through the hub. `state` is conntrack's word for its connection."""

    iif: str
    oif: str
    daddr: str
    dport: int
    protocol: str = "tcp"
    state: str = "new"
    size: int = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """`accept`, `drop`, `reject` or `redirect` (to `port` on the hub itself), and the comment of the rule."""

    word: str
    rule: str = ""
    port: int | None = None


def judge(ruleset: Ruleset, packet: Packet, now: float) -> Verdict:
    """Route the packet: prerouting may redirect it to the hub, forward lets it pass or not. No table: accept."""
    for hook in ("prerouting", "forward"):
        for table in ruleset.state["tables"].values():
            verdict = _walk(table, hook, packet, now)
            if verdict.word != "accept":
                return verdict
    return Verdict("accept")


def _walk(table: Json, hook: str, packet: Packet, now: float) -> Verdict:
    chains = [chain for chain in table["chains"].values() if chain["hook"] == hook]
    for chain in sorted(chains, key=lambda each: each["prio"]):
        verdict = _walk_chain(table, chain, packet, now)
        if verdict.word != "accept":
            return verdict
    return Verdict("accept")


def _walk_chain(table: Json, chain: Json, packet: Packet, now: float) -> Verdict:
    for rule in table["rules"]:
        if rule["chain"] == chain["name"]:
            verdict = _apply_rule(table, rule, packet, now)
            if verdict is not None:
                return verdict
    return Verdict(chain["policy"], rule=f"policy of {chain['name']}")


def _apply_rule(table: Json, rule: Json, packet: Packet, now: float) -> Verdict | None:
    for statement in rule["expr"]:
        ((kind, body),) = statement.items()
        if kind == "match":
            if not _matches(table, body, packet, now):
                return None
        elif kind == "counter":
            body["packets"] += 1
            body["bytes"] += packet.size
        elif kind != "masquerade":
            return Verdict(kind, rule=rule.get("comment", ""), port=body["port"] if kind == "redirect" else None)
    return None


def _matches(table: Json, match: Json, packet: Packet, now: float) -> bool:
    left, right = _left(match["left"], packet), match["right"]
    if left is None:
        return False
    if isinstance(right, str) and right.startswith("@"):
        life = table["sets"][right[1:]]["elements"].get(left)
        return life is not None and (life["until"] is None or now < life["until"])
    options = right["set"] if isinstance(right, dict) else right
    return left in options if isinstance(options, list) else bool(left == options)


def _left(left: Json, packet: Packet) -> Any:
    if "ct" in left:
        return packet.state
    if "meta" in left:
        return {"iifname": packet.iif, "oifname": packet.oif, "l4proto": packet.protocol}[left["meta"]["key"]]
    field = left["payload"]
    if field["field"] == "dport":
        return packet.dport
    address = ipaddress.ip_address(packet.daddr)
    return str(address) if address.version == (4 if field["protocol"] == "ip" else 6) else None
