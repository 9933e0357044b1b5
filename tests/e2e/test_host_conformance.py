"""One table of the host tools' behaviour, run on the stand-ins and on the real tools: neither may differ from it."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.host import open_host
from firmware_bridge.host.dnsmasq import DnsSettings, FilterRules, render
from firmware_bridge.host.nft import FirewallSettings
from simulator.host import dns
from simulator.host.install import install_standins, let_dns_die
from tests.e2e.host_benches import OPEN_SET, Bench, Host, RealTools, StandIns, serve_the_internet

pytestmark = pytest.mark.e2e

TABLE = Path(__file__).parents[1] / "data" / "host_conformance.toml"
CASES: list[dict[str, Any]] = tomllib.loads(TABLE.read_text())["case"]
KINDS = {"A": dns.A, "AAAA": dns.AAAA, "TXT": dns.TXT, "PTR": dns.PTR}
RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
NOT_PLAYED = 64


@pytest.fixture(params=[StandIns, RealTools], ids=["standin", "real"])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Host]:
    bench: Bench = request.param()
    made = Host(bench, tmp_path)
    await bench.open(tmp_path)
    try:
        async with serve_the_internet() as port:
            made.upstream = port
            yield made
            if made.dnsmasq is not None:
                await made.stop_dnsmasq()
    finally:
        await bench.close()


@pytest.mark.parametrize("case", [c for c in CASES if not c.get("refused")], ids=lambda case: case["name"])
async def test_the_tool_does_what_the_table_says(host: Host, case: dict[str, Any]) -> None:
    if case.get("setup") == "open-set":
        assert (await host.run(["nft", "-j", "-f", "-"], OPEN_SET))[0] == 0
    for step in case["steps"]:
        await play(host, step)


@pytest.mark.parametrize("case", [c for c in CASES if c.get("refused")], ids=lambda case: case["name"])
async def test_the_standin_refuses_in_words_what_the_table_lacks(tmp_path: Path, case: dict[str, Any]) -> None:
    bench = StandIns()
    await bench.open(tmp_path)
    made = Host(bench, tmp_path)
    if case.get("setup") == "open-set":
        await made.run(["nft", "-j", "-f", "-"], OPEN_SET)
    for step in case["steps"]:
        code, _, err = await made.run(step["run"], step.get("stdin", ""))
        assert code == NOT_PLAYED
        assert "not in the conformance table" in err


async def play(host: Host, step: dict[str, Any]) -> None:
    match step:
        case {"run": argv}:
            check(host, step, *await host.run(argv, step.get("stdin", "")))
        case {"write": name, "text": text}:
            (host.directory / name).write_text(host.fill(text))
        case {"start": name}:
            await host.start_dnsmasq(name)
        case {"stop": _}:
            assert await host.stop_dnsmasq() == 0
        case {"hup": _}:
            await host.hang_up()
        case {"wait": seconds}:
            await asyncio.sleep(seconds)
        case {"ask": question, "reply": expected}:
            check_reply(await host.ask(question["name"], KINDS[question["kind"]]), expected)
        case _:
            pytest.fail(f"the table has a step nobody understands: {step}")


def check(host: Host, step: dict[str, Any], code: int, out: str, err: str) -> None:
    assert code == step["exit"], err
    assert host.fill(step.get("err", "")) in err
    for text in step.get("out", []):
        assert host.fill(text) in out
    if {"lists", "lacks", "expires"} & set(step):
        listed = json.loads(out)["nftables"]
        for wanted in step.get("lists", []):
            assert any(holds(item, wanted) for item in listed), f"not listed: {wanted}"
        for unwanted in step.get("lacks", []):
            assert not any(holds(item, unwanted) for item in listed), f"listed: {unwanted}"
        if "expires" in step:
            low, high = step["expires"]
            assert low <= only_element(listed)["expires"] <= high


def only_element(listed: list[dict[str, Any]]) -> dict[str, Any]:
    elements = [each for item in listed if "set" in item for each in item["set"].get("elem", [])]
    (element,) = [each["elem"] for each in elements if isinstance(each, dict)]
    assert isinstance(element, dict)
    return element


def holds(item: Any, part: Any) -> bool:
    """Whether `part` is a part of `item`: fewer keys, same values; an empty list stands for any list."""
    if isinstance(part, dict):
        return isinstance(item, dict) and all(key in item and holds(item[key], value) for key, value in part.items())
    if part == []:
        return isinstance(item, list)
    return bool(item == part)


def check_reply(reply: dns.Reply | None, expected: dict[str, Any]) -> None:
    if expected["rcode"] == "none":
        assert reply is None
        return
    assert reply is not None, "no answer"
    assert RCODES[reply.rcode] == expected["rcode"]
    if "addresses" in expected:
        assert sorted(reply.addresses) == sorted(expected["addresses"])
    if "texts" in expected:
        assert list(reply.texts) == expected["texts"]


async def test_the_hubs_own_tools_find_what_they_need_on_the_standins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_standins(tmp_path / "bin", tmp_path / "state", answers={"allowed.test": "192.0.2.80"})
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    tools = open_host(tmp_path, wifi="wlan0")
    firewall = FirewallSettings(lan="br0", wan="wwan0")
    await tools.nft.install(firewall)
    assert (await tools.nft.read_back(firewall)).installed
    await tools.nft.open_forwarding(firewall, 30)
    assert (await tools.nft.read_back(firewall)).open_for_s in {29, 30}
    await tools.nft.close_forwarding()
    assert (await tools.nft.read_back(firewall)).open_for_s is None
    assert not (await tools.nft.read_back(FirewallSettings(lan="br1", wan="wwan0"))).installed
    made = Host(StandIns(), tmp_path)
    settings = DnsSettings(lan="br0", port=made.port, listen=("127.0.0.1",))
    try:
        seen = await tools.dnsmasq.start(
            settings, render(settings, FilterRules(enabled=True, deny=("bad.test",)), tmp_path / "hub.conf")
        )
        assert seen.refuses
        allowed, refused = await made.ask("allowed.test", dns.A), await made.ask("www.bad.test", dns.A)
        assert allowed == dns.Reply(addresses=("192.0.2.80",))
        assert refused is not None
        assert refused.rcode == dns.NXDOMAIN
        assert let_dns_die(tmp_path / "state", dies=True) is not None
    finally:
        await tools.dnsmasq.stop()
    assert tools.access_point is not None
    await tools.access_point.set_ssid("Kitchen")
    assert await tools.access_point.configured_ssid() == "Kitchen"
    assert (await tools.access_point.status()).enabled
