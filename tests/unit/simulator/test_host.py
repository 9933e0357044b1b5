"""The stand-ins' pure parts: what a rule set does to packets, what dnsmasq decides, DNS messages, a full disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.control.host_faults import HostFaultError, HostFaults
from simulator.faults import Fault
from simulator.host import dns
from simulator.host.dnsmasq_config import ConfigurationError, parse_configuration
from simulator.host.nft import run
from simulator.host.packets import Packet, judge
from simulator.host.ruleset import Ruleset

T = {"family": "inet", "table": "t"}
LAN = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lan0"}}
OPEN = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "@open"}}
DNS = {"match": {"op": "==", "left": {"payload": {"protocol": "th", "field": "dport"}}, "right": 53}}
KNOWN = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "@known"}}
BACK = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
REJECT = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}


def chain(name: str, kind: str, hook: str, policy: str) -> dict[str, Any]:
    return {"add": {"chain": {**T, "name": name, "type": kind, "hook": hook, "prio": 0, "policy": policy}}}


def rule(where: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"add": {"rule": {**T, "chain": where, "expr": list(parts), "comment": where}}}


def hub() -> Ruleset:
    made = Ruleset()
    commands: list[dict[str, Any]] = [
        {"add": {"table": {"family": "inet", "name": "t"}}},
        {"add": {"set": {**T, "name": "open", "type": "ifname", "flags": ["timeout"]}}},
        {"add": {"set": {**T, "name": "known", "type": "ipv4_addr", "elem": ["192.0.2.53"]}}},
        chain("dns", "nat", "prerouting", "accept"),
        chain("forward", "filter", "forward", "drop"),
        rule("dns", LAN, DNS, {"redirect": {"port": 53}}),
        rule("forward", KNOWN, {"counter": None}, REJECT),
        rule("forward", OPEN, {"counter": None}, {"accept": None}),
        rule("forward", BACK, {"accept": None}),
    ]
    made.apply({"nftables": commands}, 0.0)
    return made


def open_for(made: Ruleset, seconds: float, now: float) -> None:
    element = {"element": {**T, "name": "open", "elem": [{"elem": {"val": "lan0", "timeout": seconds}}]}}
    made.apply({"nftables": [{"flush": {"set": {**T, "name": "open"}}}, {"add": element}]}, now)


def web(**other: Any) -> Packet:
    return Packet(**{"iif": "lan0", "oif": "wan0", "daddr": "192.0.2.80", "dport": 443, **other})


def test_packets_pass_only_while_the_element_lives() -> None:
    made = hub()
    assert judge(made, web(), 0).word == "drop"
    open_for(made, 60, 0)
    assert judge(made, web(), 59.9).word == "accept"
    assert judge(made, web(), 60).word == "drop"


def test_dns_is_turned_to_the_hub_and_known_resolvers_are_rejected_and_counted() -> None:
    made = hub()
    open_for(made, 60, 0)
    assert judge(made, web(dport=53, protocol="udp"), 1).port == 53
    assert judge(made, web(daddr="192.0.2.53"), 1).word == "reject"
    assert judge(made, web(iif="wan0", oif="lan0", state="established"), 1).word == "accept"
    assert judge(made, web(iif="wan0", oif="lan0"), 1).word == "drop"
    listed = made.list_table("inet", "t", 1)["nftables"]
    counts = [
        part["counter"]["packets"]
        for item in listed
        for part in item.get("rule", {}).get("expr", [])
        if "counter" in part
    ]
    assert counts == [1, 0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["open", "close", "bad", "wait"]), st.integers(1, 90)), max_size=20))
def test_the_set_is_open_exactly_for_what_was_last_asked(steps: list[tuple[str, int]]) -> None:
    made, now, until = hub(), 0.0, 0.0
    for word, number in steps:
        if word == "open":
            open_for(made, number, now)
            until = now + number
        elif word == "close":
            made.apply({"nftables": [{"flush": {"set": {**T, "name": "open"}}}]}, now)
            until = now
        elif word == "wait":
            now += number
        else:
            before = json.dumps(made.state)
            broken = {"nftables": [{"flush": {"set": {**T, "name": "open"}}}, {"flush": {"set": {**T, "name": "no"}}}]}
            assert run(["-j", "-f", "-"], json.dumps(broken), made, now)[0] == 1
            assert json.dumps(made.state) == before
        assert (judge(made, web(), now).word == "accept") is (now < until)


WORDS = st.sampled_from(["nftables", "add", "table", "set", "element", "flush", "rule", "family", "name", "expr"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_any_document_is_carried_out_or_refused(document: Any) -> None:
    code, _, err = run(["-j", "-f", "-"], json.dumps(document), hub(), 0.0)
    assert code in {0, 1, 64}
    assert bool(err) is (code != 0)


def test_the_longest_rule_decides_about_a_name() -> None:
    lines = ["address=/bad.test/", "server=/fine.bad.test/#", "address=/worst.fine.bad.test/", "server=192.0.2.1"]
    decided = parse_configuration(lines, "f")
    assert [decided.decide(name, dns.A) for name in ("bad.test", "x.bad.test", "worst.fine.bad.test")] == [
        dns.Reply(dns.NXDOMAIN)
    ] * 3
    assert [decided.decide(name, dns.A) for name in ("fine.bad.test", "a.fine.bad.test", "notbad.test")] == [None] * 3


def test_a_name_with_a_server_of_its_own_has_no_other() -> None:
    lines = ["server=192.0.2.1", "server=/bad.test/127.0.0.1#4001", "server=/fine.bad.test/#", "address=/no.bad.test/"]
    lines += ["address=/bad.test/192.0.2.9"]
    decided = parse_configuration(lines, "f")
    assert decided.servers_of("www.BAD.test") == [("127.0.0.1", 4001)]
    assert decided.servers_of("a.fine.bad.test") == decided.servers_of("notbad.test") == [("192.0.2.1", 53)]
    assert decided.decide("bad.test", dns.A) == dns.Reply(addresses=("192.0.2.9",), authoritative=True)
    assert decided.decide("bad.test", dns.AAAA) is None
    assert decided.decide("no.bad.test", dns.A) == dns.Reply(dns.NXDOMAIN)


@pytest.mark.parametrize(
    "line", ["log-queries", "port=-1", "address=bad.test", "server=/x.test/1.2.3.4", "server=nowhere", "no-resolv=1"]
)
def test_what_the_table_lacks_is_a_bad_option_with_its_line(line: str) -> None:
    with pytest.raises(ConfigurationError, match="at line 2 of f"):
        parse_configuration(["port=53", line], "f")


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True), min_size=1, max_size=5),
    st.integers(0, 65535),
    st.lists(st.ip_addresses().map(str), max_size=4),
    st.text(max_size=300),
)
def test_dns_messages_come_back_as_they_were(labels: list[str], number: int, addresses: list[str], text: str) -> None:
    name = ".".join(labels)
    question = dns.read_question(dns.write_question(number, name, dns.A))
    assert (question.name, question.id) == (name, number)
    reply = dns.Reply(dns.NOERROR, tuple(addresses), (text,))
    found = dns.read_reply(dns.write_reply(question, reply))
    assert found[0] == number
    assert sorted(found[1].addresses) == sorted(addresses)
    assert found[1].texts == (text,)


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_a_dns_message_or_an_error(data: bytes) -> None:
    readers: tuple[tuple[Callable[[bytes], object], type], ...] = (
        (dns.read_question, dns.Question),
        (dns.read_reply, tuple),
    )
    for read, kind in readers:
        try:
            told = read(data)
        except dns.DnsMessageError:
            continue
        assert isinstance(told, kind)


def test_a_large_disk_is_never_filled(tmp_path: Path) -> None:
    with pytest.raises(HostFaultError, match="no disk was named"):
        HostFaults(tmp_path).check(Fault.DISK_FULL)
    with pytest.raises(HostFaultError, match="large file system"):
        HostFaults(tmp_path, disk=Path("/")).check(Fault.DISK_FULL)
    HostFaults(tmp_path).check(Fault.DNS_DIES)


@pytest.mark.parametrize("command", [{}, {"add": {}}, {"add": {"table": {}}, "flush": {}}])
def test_a_command_is_one_verb_on_one_noun(command: dict[str, Any]) -> None:
    code, _, err = run(["-j", "-f", "-"], json.dumps({"nftables": [command]}), hub(), 0.0)
    assert code == 1
    assert err.startswith("Error: Parsing command array failed")
