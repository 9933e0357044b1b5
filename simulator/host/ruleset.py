"""What nft's JSON interface does to a rule set (libnftables-json(5)), for the vocabulary of the conformance table.

Pure: time is given in seconds, the state is plain JSON. A transaction takes effect whole or not at all. Whatever the
table lacks is refused in words, since a stand-in that accepts what it does not understand proves nothing.
"""

import copy
import ipaddress
import json
from typing import Any, Final

Json = dict[str, Any]

METAINFO: Final = {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}
NOT_THERE: Final = "Error: Could not process rule: No such file or directory"

_HOOKS: Final = {"prerouting", "input", "forward", "output", "postrouting"}
_TYPES: Final = {"ifname", "ipv4_addr", "ipv6_addr"}
_PLAIN_STATEMENTS: Final = {"accept", "drop", "masquerade", "counter"}
# What a match may look at: the left side as canonical JSON, and the operator it is used with.
_LEFT_SIDES: Final = {
    '{"meta":{"key":"iifname"}}': "==",
    '{"meta":{"key":"oifname"}}': "==",
    '{"meta":{"key":"l4proto"}}': "==",
    '{"payload":{"field":"dport","protocol":"th"}}': "==",
    '{"payload":{"field":"daddr","protocol":"ip"}}': "==",
    '{"payload":{"field":"daddr","protocol":"ip6"}}': "==",
    '{"ct":{"key":"state"}}': "in",
}


class RulesetError(Exception):
    """The transaction is refused and nothing of it took effect; the text is what nft writes to stderr."""


class UnknownToStandInError(RulesetError):
    """Real nft might accept this; the stand-in does not play it: add a row to the conformance table first."""

    def __init__(self, what: str) -> None:
        super().__init__(f"stand-in nft: not in the conformance table: {what[:200]}")


class Ruleset:
    """The tables of one network namespace. `state` is JSON and can be kept in a file."""

    def __init__(self, state: Json | None = None) -> None:
        self.state: Json = state or {"handle": 0, "tables": {}}

    def apply(self, document: object, now: float) -> None:
        """Carry out one `{"nftables": [...]}` transaction. Raises RulesetError, and then nothing has changed."""
        if not isinstance(document, dict) or not isinstance(document.get("nftables"), list):
            raise RulesetError("Error: Object item not found: nftables")
        before = copy.deepcopy(self.state)
        try:
            for command in document["nftables"]:
                self._carry_out(command, now)
        except (RulesetError, KeyError, TypeError, ValueError, AttributeError) as error:
            self.state = before
            if isinstance(error, RulesetError):
                raise
            raise RulesetError(f"Error: Parsing command array failed: {error!r}") from None

    def list_table(self, family: str, name: str, now: float) -> Json:
        """The `list table` document. Raises RulesetError when there is no such table."""
        table = self._table({"family": family, "table": name}, "Error: No such file or directory")
        objects: list[Json] = [{"table": {"family": family, "name": name, "handle": table["handle"]}}]
        objects += [{"set": _list_set(each, now)} for each in table["sets"].values()]
        objects += [{"chain": body} for body in table["chains"].values()]
        objects += [{"rule": body} for chain in table["chains"] for body in table["rules"] if body["chain"] == chain]
        return {"nftables": [{"metainfo": METAINFO}, *copy.deepcopy(objects)]}

    def list_set(self, family: str, table: str, name: str, now: float) -> Json:
        """The `list set` document. Raises RulesetError when there is no such set."""
        missing = "Error: No such file or directory"
        found = self._table({"family": family, "table": table}, missing)["sets"].get(name)
        if found is None:
            raise RulesetError(missing)
        return {"nftables": [{"metainfo": METAINFO}, {"set": _list_set(found, now)}]}

    def elements(self, family: str, table: str, name: str, now: float) -> list[str]:
        """The live elements of a set, by value; empty when there is no such set."""
        found = self.state["tables"].get(f"{family} {table}", {}).get("sets", {}).get(name)
        return [] if found is None else [value for value, life in found["elements"].items() if _lives(life, now)]

    # One command.

    def _carry_out(self, command: Json, now: float) -> None:
        if "metainfo" in command:
            return
        ((verb, subject),) = command.items()
        ((noun, body),) = subject.items()
        act = getattr(self, f"_{verb}_{noun}", None)
        if act is None:
            raise UnknownToStandInError(f"{verb} {noun}")
        act(body, now)

    def _add_table(self, body: Json, _now: float) -> None:
        if body["family"] != "inet":
            raise UnknownToStandInError(f"family {body['family']}")
        key = f"inet {body['name']}"
        if key not in self.state["tables"]:
            self.state["handle"] += 1
            self.state["tables"][key] = {
                "handle": self.state["handle"],
                "last": 0,
                "sets": {},
                "chains": {},
                "rules": [],
            }

    def _delete_table(self, body: Json, _now: float) -> None:
        if self.state["tables"].pop(f"{body['family']} {body['name']}", None) is None:
            raise RulesetError(NOT_THERE)

    def _add_set(self, body: Json, now: float) -> None:
        table = self._table(body)
        if body["type"] not in _TYPES or set(body.get("flags", [])) - {"timeout"}:
            raise UnknownToStandInError(f"set of {body['type']} {body.get('flags', [])}")
        strange = set(body) - {"family", "table", "name", "type", "flags", "elem"}
        if strange:
            raise UnknownToStandInError(f"set with {min(strange)}")
        kept = {key: value for key, value in body.items() if key != "elem"}
        table["sets"].setdefault(body["name"], {"body": {**kept, "handle": _next_handle(table)}, "elements": {}})
        self._add_element(body, now)

    def _add_chain(self, body: Json, _now: float) -> None:
        table = self._table(body)
        if set(body) != {"family", "table", "name", "type", "hook", "prio", "policy"} or body["hook"] not in _HOOKS:
            raise UnknownToStandInError(f"chain {json.dumps(body)}")
        table["chains"].setdefault(body["name"], {**body, "handle": _next_handle(table)})

    def _add_rule(self, body: Json, _now: float) -> None:
        table = self._table(body)
        if body["chain"] not in table["chains"]:
            raise RulesetError(NOT_THERE)
        for statement in body["expr"]:
            _check_statement(statement, table)
        counted = [{"counter": {"packets": 0, "bytes": 0}} if "counter" in part else part for part in body["expr"]]
        table["rules"].append({**body, "expr": counted, "handle": _next_handle(table)})

    def _add_element(self, body: Json, now: float) -> None:
        target = self._set(body)
        for item in body.get("elem", []):
            value, timeout = _read_element(item, target["body"])
            life = target["elements"].get(value)
            # A plain add does not refresh an element that is there.
            if life is None or not _lives(life, now):
                target["elements"][value] = {"timeout": timeout, "until": None if timeout is None else now + timeout}

    def _delete_element(self, body: Json, now: float) -> None:
        target = self._set(body)
        for item in body["elem"]:
            value, _ = _read_element(item, target["body"])
            life = target["elements"].pop(value, None)
            if life is None or not _lives(life, now):
                raise RulesetError(NOT_THERE)

    def _flush_set(self, body: Json, _now: float) -> None:
        self._set(body)["elements"].clear()

    def _set(self, body: Json) -> Json:
        found: Json | None = self._table(body)["sets"].get(body["name"])
        if found is None:
            raise RulesetError(NOT_THERE)
        return found

    def _table(self, body: Json, missing: str = NOT_THERE) -> Json:
        found: Json | None = self.state["tables"].get(f"{body['family']} {body['table']}")
        if found is None:
            raise RulesetError(missing)
        return found


def _next_handle(table: Json) -> int:
    table["last"] += 1
    return int(table["last"])


def _lives(life: Json, now: float) -> bool:
    return life["until"] is None or now < life["until"]


def _read_element(item: object, target: Json) -> tuple[str, float | None]:
    timeout = None
    if isinstance(item, dict):
        body = item["elem"]
        if set(body) - {"val", "timeout"}:
            raise UnknownToStandInError(f"element {json.dumps(item)}")
        item, timeout = body["val"], body.get("timeout")
        if timeout is not None and "timeout" not in target.get("flags", []):
            raise RulesetError("Error: Could not process rule: Invalid argument")
    if not isinstance(item, str):
        raise UnknownToStandInError(f"element {json.dumps(item)}")
    if target["type"] == "ifname":
        if not 0 < len(item) < 16:
            raise RulesetError("Error: String exceeds maximum length of 15")
        return item, timeout
    try:
        address = ipaddress.ip_address(item)
    except ValueError:
        raise RulesetError(f"Error: Could not resolve hostname: {item}") from None
    if address.version != (4 if target["type"] == "ipv4_addr" else 6):
        raise RulesetError(f"Error: Could not resolve hostname: {item}")
    return str(address), timeout


def _list_set(target: Json, now: float) -> Json:
    live = [(value, life) for value, life in target["elements"].items() if _lives(life, now)]
    if target["body"]["type"] != "ifname":
        live.sort(key=lambda pair: int(ipaddress.ip_address(pair[0])))
    listed = [_list_element(value, life, now) for value, life in live]
    return {**target["body"], "elem": listed} if listed else dict(target["body"])


def _list_element(value: str, life: Json, now: float) -> object:
    if life["until"] is None:
        return value
    return {"elem": {"val": value, "timeout": life["timeout"], "expires": int(life["until"] - now)}}


def _check_statement(statement: Json, table: Json) -> None:
    ((kind, body),) = statement.items()
    if kind in _PLAIN_STATEMENTS and body is None:
        return
    if kind == "match" and set(body) == {"op", "left", "right"}:
        left = json.dumps(body["left"], sort_keys=True, separators=(",", ":"))
        if _LEFT_SIDES.get(left) == body["op"]:
            _check_right(body["right"], table)
            return
    if kind == "redirect" and set(body) == {"port"} and isinstance(body["port"], int):
        return
    if kind == "reject" and body == {"type": "icmpx", "expr": "admin-prohibited"}:
        return
    raise UnknownToStandInError(json.dumps(statement))


def _check_right(right: object, table: Json) -> None:
    if isinstance(right, str) and right.startswith("@") and right[1:] not in table["sets"]:
        raise RulesetError(NOT_THERE)
    if isinstance(right, dict) and set(right) != {"set"}:
        raise UnknownToStandInError(json.dumps(right))
