"""What a request makes the hub do: nothing that interrupts a home, and nothing that names a person."""

import asyncio
import logging
from pathlib import Path

import pytest

from device_agent.clock import Clock
from device_agent.daemon.errands import Errands, RecentLogs
from device_agent.facts import GateFacts, ModemFacts
from device_agent.lanes.board import Board
from device_agent.protocol import RequestKind
from device_agent.requests import RejectedError
from firmware_bridge.host import open_host
from firmware_bridge.host.state import FirewallState
from tests.unit.agent.memory_modem import MemoryModem
from tests.world.host import MemoryHost


def errands(
    tmp_path: Path, modem: MemoryModem | None, gate: GateFacts | None = None, seen: ModemFacts | None = None
) -> Errands:
    tools = MemoryHost()
    board = Board(Clock(lambda: 1.0), modem=seen or ModemFacts(), gate=gate or GateFacts())
    host = open_host(tmp_path, runner=tools, resolver=tools, names=tools.names)
    return Errands(board, host, lambda: modem, RecentLogs(), lambda: None, lambda: {"session": "connected"})


def carried_out(what: Errands, kind: RequestKind) -> dict[str, str]:
    async def told() -> dict[str, str]:
        return await what.handlers()[kind]()

    return asyncio.run(told())


@pytest.mark.parametrize(
    ("firewall", "scans"),
    [
        # What cannot be read may forward.
        (None, False),
        (FirewallState(installed=True, open_for_s=20), False),
        (FirewallState(installed=True), True),
    ],
)
def test_a_scan_never_interrupts_a_home(tmp_path: Path, firewall: FirewallState | None, *, scans: bool) -> None:
    modem = MemoryModem()
    what = errands(tmp_path, modem, gate=GateFacts(firewall=firewall))
    if scans:
        assert carried_out(what, RequestKind.RESCAN_NETWORK) == {}
    else:
        with pytest.raises(RejectedError, match="interrupt"):
            carried_out(what, RequestKind.RESCAN_NETWORK)
    assert (modem.calls == ["scan"]) is scans


@pytest.mark.parametrize(
    "kind", [RequestKind.RESTART_MODEM, RequestKind.RESCAN_NETWORK, RequestKind.LOCATE], ids=lambda kind: kind.value
)
def test_what_this_hub_does_not_have_is_rejected(tmp_path: Path, kind: RequestKind) -> None:
    what = errands(tmp_path, None, gate=GateFacts(firewall=FirewallState(installed=True)))
    with pytest.raises(RejectedError):
        carried_out(what, kind)


def test_a_diagnosis_and_collected_logs_name_nobody(tmp_path: Path) -> None:
    what = errands(tmp_path, None, seen=ModemFacts(problem="SIM 8944300000000000001 is locked"))
    told = carried_out(what, RequestKind.DIAGNOSE)
    assert told["modem"] == "SIM 894430*** is locked"
    assert told["sim"] == "unknown"
    assert told["session"] == "connected"
    what.logs.emit(logging.makeLogRecord({"msg": "no modem", "error": "SIM 8944300000000000001 is locked"}))
    assert "894430***" in carried_out(what, RequestKind.COLLECT_LOGS)["00"]
