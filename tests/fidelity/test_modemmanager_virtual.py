"""ModemManager drives the simulated modem on its virtual port, with each plugin that such a port allows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulator.faults import make_fault
from simulator.modem import default_card
from simulator.uicc import Uicc
from tests.fidelity.modem_manager import ModemManager, add_virtual_port, modem_manager
from tests.fidelity.programs import Bench, bench, check_side_by_side, need, until

pytestmark = [pytest.mark.fidelity, pytest.mark.slow]
PLUGINS = {
    "quectel": "quectel-ec25",
    "simtech": "simcom-sim7600",
    "zte": "zte-mf833",
    "generic": "quectel-ec25",
}


@asynccontextmanager
async def managed(plugin: str, *, card: Uicc | None = None) -> AsyncIterator[tuple[Bench, ModemManager]]:
    need("ModemManager", "mmcli", "dbus-daemon", "gdbus")
    async with (
        bench(PLUGINS[plugin], "unix:{d}/modem.sock", card=card) as simulated,
        modem_manager(simulated.directory, ["--test-enable"]) as manager,
    ):
        await add_virtual_port(manager, plugin, simulated.addresses[0])
        yield simulated, manager


async def test_lists_enables_connects_and_disconnects() -> None:
    await check_side_by_side(_walk, sorted(PLUGINS))


async def _walk(plugin: str) -> None:
    async with managed(plugin) as (simulated, manager):
        facts = await manager.until("modem.generic.state", "disabled")
        assert facts["modem.3gpp.imei"] == simulated.modem.imei
        assert facts["modem.generic.plugin"] == plugin
        sim = await manager.facts("-i", facts["modem.generic.sim"])
        assert (sim["sim.properties.iccid"], sim["sim.properties.imsi"]) == ("8944300000000000008", "234300000000001")
        assert sim["sim.properties.operator-code"] == "23430"
        await manager.modem("--enable")
        facts = await manager.until("modem.generic.state", "registered")
        assert (facts["modem.3gpp.registration-state"], facts["modem.3gpp.operator-code"]) == ("home", "23430")
        assert facts["modem.3gpp.operator-name"] == "EE"
        assert await until(lambda: _sees_lte(manager), within_s=15)
        await manager.modem("--signal-setup=2")
        await asyncio.sleep(1)
        signal = await manager.modem_facts("--signal-get")
        assert -125 < float(signal["modem.signal.lte.rsrp"]) < -70
        await manager.modem("--simple-connect=apn=internet,ip-type=ipv4v6")
        await manager.until("modem.generic.state", "connected")
        assert simulated.modem.bearers.active
        await manager.modem("--simple-disconnect")
        await manager.until("modem.generic.state", "registered")
        assert simulated.modem.personality.model in await manager.modem("--command=AT+CGMM")


async def _sees_lte(manager: ModemManager) -> bool:
    facts = await manager.modem_facts()
    return "lte" in {value for key, value in facts.items() if key.startswith("modem.generic.access-technologies.")}


async def test_a_roaming_report_changes_its_state_at_once() -> None:
    async with managed("quectel") as (simulated, manager):
        await manager.modem("--enable")
        await manager.until("modem.generic.state", "registered")
        simulated.faults.inject(make_fault("roaming", parameters={"plmn": "20801"}))
        facts = await manager.until("modem.3gpp.registration-state", "roaming")
        assert facts["modem.3gpp.operator-code"] == "20801"


async def test_unlocks_a_card_with_its_pin() -> None:
    card = default_card()
    card.pin1.enabled = True
    async with managed("quectel", card=card) as (_, manager):
        facts = await manager.until("modem.generic.state", "locked")
        assert facts["modem.generic.unlock-required"] == "sim-pin"
        assert "sim-pin (3)" in facts["modem.generic.unlock-retries.value[1]"]
        sim = facts["modem.generic.sim"]
        wrong = await manager.mmcli("-i", sim, "--pin=9999", check=False)
        assert "ncorrect" in wrong
        assert card.pin1.tries == 2
        await manager.mmcli("-i", sim, "--pin=1234")
        await manager.appear()
        facts = await manager.until("modem.generic.state", "disabled")
        assert card.pin1.tries == 3


async def test_reads_a_short_message_and_dials_a_code() -> None:
    async with managed("quectel") as (simulated, manager):
        await manager.modem("--enable")
        await manager.until("modem.generic.state", "registered")
        simulated.modem.deliver_sms("+447700900123", "Wake up: it's 07:30, £5 left {ok}")
        listed = ""

        async def arrived() -> bool:
            nonlocal listed
            listed = await manager.modem("--messaging-list-sms")
            return "/SMS/" in listed

        assert await until(arrived, within_s=20)
        message = await manager.facts("-s", listed.split("/SMS/")[1].split(maxsplit=1)[0])
        assert message["sms.content.number"] == "+447700900123"
        text = message["sms.content.text"].encode().decode("unicode_escape").encode("latin-1").decode()
        assert text == "Wake up: it's 07:30, £5 left {ok}"
        told = await manager.modem("--3gpp-ussd-initiate=*#100#")
        assert "Your number is +447700900001" in told


async def test_scans_for_networks() -> None:
    async with managed("quectel") as (_, manager):
        await manager.modem("--enable")
        await manager.until("modem.generic.state", "registered")
        found = await manager.modem("--3gpp-scan", "--timeout=60")
        assert "23430 - EE (lte, current)" in found
        assert "23420 - 3 UK" in found
