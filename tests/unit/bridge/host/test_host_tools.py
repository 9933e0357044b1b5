"""The wrappers over a runner in memory: what is asked of the tools, and what is believed of their answers."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import HostToolError
from firmware_bridge.host import dns, dnsmasq, nft
from firmware_bridge.host.dnsmasq import CANARY, WITNESS, DnsSettings, FilterRules, normalise_name
from firmware_bridge.host.hostapd import Hostapd
from firmware_bridge.host.nft import FirewallSettings, Nft
from firmware_bridge.host.power import Line
from firmware_bridge.host.process import Completed, SystemRunner
from firmware_bridge.host.state import Rendered
from simulator.virtual.loop import run_virtual

SETTINGS = FirewallSettings("lan0", "wan0", 5353)


class Script:
    """A runner that answers by the first word, and keeps what it was asked."""

    def __init__(self, **answers: Completed) -> None:
        self.answers = answers
        self.asked: list[tuple[tuple[str, ...], bytes]] = []

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline_s: float) -> Completed:
        self.asked.append((tuple(argv), stdin))
        return self.answers.get(argv[0], Completed(0, b"", b""))

    async def spawn(self, argv: Sequence[str]) -> Any:
        raise NotImplementedError

    async def stop_leftover(self, pid_file: Path, marker: str) -> None:
        raise NotImplementedError


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return run_virtual(story)


def test_opening_is_one_transaction_that_starts_the_time_anew() -> None:
    script = Script()
    run(Nft(script).open_forwarding(SETTINGS, 500))
    ((argv, stdin),) = script.asked
    assert argv == ("nft", "-j", "-f", "-")
    flush, add = json.loads(stdin)["nftables"]
    assert "flush" in flush
    assert add["add"]["element"]["elem"] == [{"elem": {"val": "lan0", "timeout": 90}}]


def test_no_rule_accepts_before_the_open_element_is_asked() -> None:
    rules = [i["add"]["rule"] for i in nft.render(SETTINGS)["nftables"] if "rule" in i.get("add", {})]
    for rule in (r for r in rules if r["chain"] == "forward" and {"accept": None} in r["expr"]):
        assert "@forwarding_open" in json.dumps(rule["expr"])
    chains = [i["add"]["chain"] for i in nft.render(SETTINGS)["nftables"] if "chain" in i.get("add", {})]
    assert [c["policy"] for c in chains if c["hook"] == "forward"] == ["drop"]


def test_level_off_keeps_the_dns_redirect_and_drops_the_rest() -> None:
    off = json.dumps(nft.render(FirewallSettings("lan0", "wan0", filtering=False)))
    assert "dns_redirected" in off
    assert "dns_over_tls" not in off


@pytest.mark.parametrize("answer", [b"{}", b"not json", b'{"nftables": [{"set": 3}]}'])
def test_a_listing_that_is_not_understood_is_an_error(answer: bytes) -> None:
    with pytest.raises(HostToolError):
        run(Nft(Script(nft=Completed(0, answer, b""))).read_back(SETTINGS))


def test_a_missing_table_is_a_fact_and_another_failure_an_error() -> None:
    absent = Script(nft=Completed(1, b"", b"Error: No such file or directory\n"))
    assert not run(Nft(absent).read_back(SETTINGS)).installed
    with pytest.raises(HostToolError, match="Operation not permitted"):
        run(Nft(Script(nft=Completed(1, b"", b"Operation not permitted"))).read_back(SETTINGS))


def test_a_refused_transaction_carries_the_tools_own_word() -> None:
    with pytest.raises(HostToolError) as refused:
        run(Nft(Script(nft=Completed(1, b"", b"syntax error"))).close_forwarding())
    assert refused.value.stderr == "syntax error"


def rendered(tmp_path: Path, rules: FilterRules, **settings: Any) -> tuple[Rendered, list[str]]:
    made = dnsmasq.render(DnsSettings("lan0", **settings), rules, tmp_path / "dnsmasq.conf")
    return made, made.path.read_text().splitlines()


def test_the_rendered_filter_refuses_lists_and_deny_without_allow(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# adult\nBad.Example\nads.good.example\n\nxn--bcher-kva.example\n")
    rules = FilterRules(True, (tmp_path / "list",), allow=("good.example",), deny=("denied.example.", "bücher.example"))
    made, lines = rendered(tmp_path, rules)
    assert "address=/bad.example/" in lines
    assert "address=/denied.example/" in lines
    assert "address=/xn--bcher-kva.example/" in lines
    assert "address=/ads.good.example/" not in lines
    assert "server=/good.example/#" in lines
    assert f"address=/{CANARY}/" in lines
    assert f"txt-record={WITNESS},{made.witness}" in lines
    assert not any(line.startswith("log-") for line in lines)


def test_the_digest_is_of_the_rules_and_the_witness_of_everything(tmp_path: Path) -> None:
    rules = FilterRules(True, deny=("a.example",))
    one, _ = rendered(tmp_path, rules, upstream=("192.0.2.1",))
    two, _ = rendered(tmp_path, rules, upstream=("192.0.2.2",))
    three, _ = rendered(tmp_path, FilterRules(True, deny=("b.example",)))
    assert one.rules_digest == two.rules_digest != three.rules_digest
    assert one.witness != two.witness


def test_a_counted_list_goes_to_its_port_and_is_the_same_filter(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a.example\nfine.example\n")
    other.write_text("b.example\n")
    rules = FilterRules(True, (one, other), allow=("fine.example",), deny=("c.example",))
    plain, before = rendered(tmp_path, rules)
    counted, lines = rendered(tmp_path, replace(rules, counters={one: 4001}))
    moved, _ = rendered(tmp_path, replace(rules, counters={one: 4002}))
    assert "server=/a.example/127.0.0.1#4001" in lines
    assert "address=/a.example/" not in lines
    assert not any("#4001" in line for line in lines if "fine.example" in line)
    assert {"address=/b.example/", "address=/c.example/", f"address=/{CANARY}/"} <= set(lines)
    # What is refused is the same, so the digest is; another port is another configuration, so the witness is not.
    assert plain.rules_digest == counted.rules_digest
    assert plain.refused_names == counted.refused_names == len([line for line in before if "address=" in line])
    assert len({plain.witness, counted.witness, moved.witness}) == 3


def test_level_off_refuses_nothing(tmp_path: Path) -> None:
    made, lines = rendered(tmp_path, FilterRules(False, deny=("a.example",)))
    assert not [line for line in lines if line.startswith("address=")]
    assert made.refused_names == 0


def test_safe_search_leaves_no_other_family_of_address(tmp_path: Path) -> None:
    _, lines = rendered(tmp_path, FilterRules(True, safe_search=True))
    for name in dnsmasq.safe_search_rewrites():
        mine = [line for line in lines if line.startswith(f"address=/{name}/")]
        assert any("." in line.rsplit("/", 1)[1] for line in mine)
        assert any(":" in line.rsplit("/", 1)[1] for line in mine)


@given(st.text(max_size=60))
def test_a_name_is_a_host_name_or_nothing(text: str) -> None:
    name = normalise_name(text)
    if name is not None:
        assert name.isascii()
        assert not set(name) & set("/\n\r #,=")
        assert normalise_name(name) == name


def test_an_unusable_entry_is_told_and_never_written(tmp_path: Path) -> None:
    made, lines = rendered(tmp_path, FilterRules(True, deny=("a.example\nlog-queries", "two words")))
    assert len(made.unusable) == 2
    assert "log-queries" not in lines


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_an_error(data: bytes) -> None:
    try:
        dns.decode_answer(data)
    except HostToolError as error:
        assert error.tool == "dns"


def test_an_answer_with_compression_and_two_families_is_read() -> None:
    head = bytes.fromhex("4d4881800001000200000000") + b"\x01a\x07example\x00\x00\x01\x00\x01"
    one = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07"
    two = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x06\x05hello"
    found = dns.decode_answer(head + one + two)
    assert found.addresses == ("192.0.2.7",)
    assert found.texts == ("hello",)
    assert found.rcode == 0


def test_the_access_point_is_read_and_renamed() -> None:
    status = b"state=ENABLED\nchannel=6\nssid[0]=Home\nbssid[0]=02:00:00:00:00:01\nnum_sta[0]=2\n"
    point = run(Hostapd(Script(hostapd_cli=Completed(0, status, b"")), "wlan0").status())
    assert (point.enabled, point.ssid, point.channel, point.stations) == (True, "Home", 6, 2)
    script = Script(hostapd_cli=Completed(0, b"OK\n", b""))
    run(Hostapd(script, "wlan0").set_ssid("New name"))
    assert [argv[3:] for argv, _ in script.asked] == [("set", "ssid", "New name"), ("reload",)]
    for bad in ("", "x" * 33, "a\nb"):
        with pytest.raises(HostToolError):
            run(Hostapd(script, "wlan0").set_ssid(bad))


def test_a_line_is_on_again_whatever_happens(tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_text("1")

    async def cancelled() -> None:
        cycling = asyncio.create_task(Line(str(path)).cycle())
        await asyncio.sleep(1.0)
        assert path.read_text() == "0"
        cycling.cancel()
        await asyncio.gather(cycling, return_exceptions=True)

    run(cancelled())
    assert path.read_text() == "1"
    assert not Line("").present
    with pytest.raises(HostToolError):
        Line("").set(on=True)


async def test_a_missing_tool_is_named_with_its_package() -> None:
    with pytest.raises(HostToolError, match="not found on PATH"):
        await SystemRunner().run(["no-such-tool-here"], deadline_s=1)


async def test_a_tool_beyond_its_deadline_is_ended() -> None:
    with pytest.raises(HostToolError, match="no end within"):
        await SystemRunner().run(["sleep", "60"], deadline_s=0.05)


async def test_a_child_is_stopped_once_and_its_complaint_kept() -> None:
    child = await SystemRunner().spawn(["sh", "-c", "echo trouble >&2; exit 3"])
    assert await child.wait() == 3
    assert "trouble" in child.complaint()
    await child.stop()
    await child.stop()


async def test_a_leftover_is_recognised_by_its_command_line_only(tmp_path: Path) -> None:
    runner = SystemRunner()
    child = await runner.spawn(["sleep", "60"])
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(child.pid))
    await runner.stop_leftover(pid_file, "another program")
    assert child.running
    stopping = asyncio.create_task(runner.stop_leftover(pid_file, "sleep"))
    assert await child.wait() != 0
    await stopping
    await child.stop()
