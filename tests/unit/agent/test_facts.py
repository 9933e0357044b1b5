"""What the facts say of themselves: which filter is in force, and where a hub may be used."""

from dataclasses import replace
from pathlib import Path

import pytest

from device_agent.facts import FilterStatus, GateFacts, NetworkPolicy
from firmware_bridge.host.state import FilterReadBack, FirewallState, Rendered
from firmware_bridge.types import Operator, Registration, RegistrationState

GOOD = GateFacts(
    firewall=FirewallState(installed=True),
    filter=FilterReadBack(running=True, witness="wanted", refuses=True),
    wanted=Rendered(Path("f"), "sha256:0", "wanted", 3, (), enabled=True),
)
HOME = Registration(RegistrationState.HOME)


@pytest.mark.parametrize(
    ("gate", "status"),
    [
        (GOOD, FilterStatus.IN_FORCE),
        (replace(GOOD, stale=True), FilterStatus.STALE),
        (replace(GOOD, stale=True, missing=("adult",)), FilterStatus.DEGRADED),
        (replace(GOOD, changing=True), FilterStatus.CHANGING),
        (replace(GOOD, filter=None), FilterStatus.ABSENT),
        (replace(GOOD, wanted=None), FilterStatus.ABSENT),
        (replace(GOOD, firewall=None), FilterStatus.ABSENT),
        (replace(GOOD, firewall=FirewallState(installed=False)), FilterStatus.ABSENT),
        (replace(GOOD, filter=FilterReadBack(running=False, witness="wanted", refuses=True)), FilterStatus.ABSENT),
        (replace(GOOD, filter=FilterReadBack(running=True, witness="older", refuses=True)), FilterStatus.ABSENT),
        (replace(GOOD, filter=FilterReadBack(running=True, witness="wanted", refuses=False)), FilterStatus.ABSENT),
    ],
)
def test_a_filter_is_in_force_only_as_wanted_and_behind_its_rule_set(gate: GateFacts, status: FilterStatus) -> None:
    assert gate.filter_status is status


@pytest.mark.parametrize(
    ("operator", "registration", "allowed"),
    [
        (Operator("234", "30"), HOME, True),
        (Operator("235", "30"), HOME, True),
        (Operator("234", "50"), HOME, False),
        (Operator("272", "01"), HOME, False),
        # A part of the name of a network may be that of one left out.
        (Operator("234", None), HOME, None),
        (Operator("272", None), HOME, False),
        (Operator(None, "30"), HOME, None),
        (None, HOME, None),
        (Operator("234", "30"), None, None),
        (Operator("234", "30"), Registration(RegistrationState.SEARCHING), None),
    ],
)
def test_where_a_hub_may_be_used(
    operator: Operator | None, registration: Registration | None, allowed: bool | None
) -> None:
    assert NetworkPolicy(excluded=frozenset({"23450"})).allows(operator, registration) is allowed
