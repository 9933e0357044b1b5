"""ModemManager probes real pseudo-terminals it believes to be a USB modem's, and picks the plugin from VID:PID."""

import pytest

from simulator.modem import load
from tests.fidelity import fake_sysfs
from tests.fidelity.modem_manager import modem_manager
from tests.fidelity.programs import bench, check_side_by_side, need, private_namespace

pytestmark = [pytest.mark.fidelity, pytest.mark.slow, pytest.mark.root]


PLUGINS = {"quectel-ec25": "quectel", "simcom-sim7600": "simtech", "huawei-me909": "huawei", "zte-mf833": "zte"}


async def test_probing_picks_the_plugin_and_a_scan_runs_beside_a_connection() -> None:
    need("ModemManager", "mmcli", "dbus-daemon", "unshare", "mount")
    await check_side_by_side(_probe, sorted(PLUGINS))


async def _probe(personality: str) -> None:
    namespace = private_namespace()
    made, plugin = load(personality), PLUGINS[personality]
    ports = [entry for entry in made.interfaces if entry.role in {"at", "modem"}]
    listens = [f"pty:{{d}}/port{entry.number},role={entry.role}" for entry in ports]
    async with bench(personality, *listens, factor=6.0) as simulated:
        numbers = [entry.number for entry in ports]
        terminals = {number: f"{simulated.directory}/port{number}" for number in numbers}
        fake_sysfs.build(simulated.directory / "sys", made, numbers)
        fake_sysfs.kernel_events(simulated.directory / "events", numbers)
        script = fake_sysfs.enter_script(simulated.directory, terminals)
        extra = [f"--initial-kernel-events={simulated.directory}/events"]
        wrapper = [*namespace, "sh", "-c", script, "sh"]
        async with modem_manager(simulated.directory, extra, wrapper=wrapper) as manager:
            await manager.appear()
            facts = await manager.until("modem.generic.state", "disabled")
            assert facts["modem.generic.plugin"] == plugin
            assert facts["modem.generic.equipment-identifier"] == simulated.modem.imei
            await manager.modem("--enable")
            await manager.until("modem.generic.state", "registered")
            await manager.modem("--simple-connect=apn=internet")
            await manager.until("modem.generic.state", "connected")
            found = await manager.modem("--3gpp-scan", "--timeout=60")
            assert "23430" in found
            assert "23410" in found
            await manager.modem("--simple-disconnect")
            await manager.until("modem.generic.state", "registered")
