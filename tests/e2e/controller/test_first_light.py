"""A customer's fault becomes a working hub, and back, over real interfaces."""

from pathlib import Path

import pytest

from tests.e2e.controller.processes import until
from tests.e2e.controller.stage import HUB_SIM, PLAN_SIMS, Hub, open_stage, plugged_in

pytestmark = pytest.mark.e2e


async def test_fault_ready_online_resolved(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        child = await stage.serve()
        _, line_id, hub_id = await stage.customer()
        fault_id = await stage.report_fault(line_id)

        async def ready() -> bool:
            fault = await stage.admin.get(f"/v1/faults/{fault_id}")
            return bool(fault["promises"]) and all(each["ready_at"] for each in fault["promises"])

        await until(ready)
        assert (await stage.platform.service(HUB_SIM))["state"] == "active"
        for iccid in PLAN_SIMS:
            values = {c["name"]: c["value"] for c in (await stage.platform.service(iccid))["serviceCharacteristic"]}
            assert values["backup"] == "on"

        async def told(word: str) -> bool:
            return {each["medium"] for each in stage.notices() if word in each["text"]} == {"email", "sms"}

        await until(lambda: told("Mini Hub"))
        async with plugged_in(Hub(hub_id, stage.broker.port)) as hub:

            async def online() -> bool:
                fault = await stage.admin.get(f"/v1/faults/{fault_id}")
                return any(each["online_at"] for each in fault["promises"])

            await until(online)
            await until(lambda: told("connected"))
            await stage.admin.post(f"/v1/faults/{fault_id}/resolution", note="cable replaced")

            async def closed() -> bool:
                return hub.desired is not None and not hub.desired.internet.on

            await until(closed)

            async def parked() -> bool:
                services = [await stage.platform.service(iccid) for iccid in PLAN_SIMS]
                values = [{c["name"]: c["value"] for c in each["serviceCharacteristic"]} for each in services]
                hub_parked = (await stage.platform.service(HUB_SIM))["state"] == "inactive"
                return hub_parked and all((v["backup"], v["allowanceMb"]) == ("off", "20000") for v in values)

            await until(parked)
            await until(lambda: told("fixed"))
            await until(lambda: told("switched off"))
        keys = [each["key"] for each in stage.notices()]
        assert len(keys) == len(set(keys))
        assert await child.terminate() == 0
