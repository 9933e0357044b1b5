"""Facts into the words of the wire: what is, not what may be; since when; and which SIM is the document's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from device_agent.facts import GateFacts, Goal, ModemFacts, Reason
from device_agent.lanes.sampler import BATCH_MOST
from device_agent.protocol import (
    LIMITS,
    Channel,
    Condition,
    Reported,
    Telemetry,
    decode,
    digest_identifier,
    encode,
)
from device_agent.report import Whole, conditions, knows_sim, outcomes, reported, sample
from device_agent.store import RequestRow
from firmware_bridge.host.state import FilterReadBack, FirewallState, Rendered
from firmware_bridge.types import Bearer, Identity, Operator, Sim, SimState
from tests.unit.agent.memory_modem import ICCID
from tests.unit.agent.virtual_hub import HUB

CLOSED = GateFacts(firewall=FirewallState(installed=True))
WHOLE = Whole(Goal(), ModemFacts(), CLOSED, Reason.INTERNET_OFF, clock_trusted=True, evidence={})


def told(whole: Whole, kind: str, before: tuple[Condition, ...] = (), uptime_ms: int = 0) -> Condition:
    return next(c for c in conditions(whole, before, uptime_ms) if c.type == kind)


def test_since_when_is_kept_while_status_and_reason_stay() -> None:
    before = conditions(WHOLE, (), 1000)
    assert told(WHOLE, "forwarding_open", before, 2000).since_ms == 1000
    assert told(replace(WHOLE, reason=Reason.LEASE_ENDED), "forwarding_open", before, 2000).since_ms == 2000
    assert told(replace(WHOLE, clock_trusted=False), "clock_trusted", before, 2000).since_ms == 2000
    assert told(replace(WHOLE, reason=Reason.LEASE_ENDED), "clock_trusted", before, 2000).since_ms == 1000


@pytest.mark.parametrize(
    ("verdict", "firewall", "status", "reason"),
    [
        (Reason.OPEN, FirewallState(installed=True, open_for_s=30), "true", "open"),
        (Reason.OPEN, FirewallState(installed=True), "false", "bearer_down"),
        (Reason.SIM_FOREIGN, FirewallState(installed=True), "false", "sim_foreign"),
        # Not closed yet: what is, is told.
        (Reason.SIM_FOREIGN, FirewallState(installed=True, open_for_s=30), "true", "open"),
        (Reason.SIM_FOREIGN, None, "unknown", "sim_foreign"),
    ],
)
def test_the_report_is_a_word_about_what_is(
    verdict: Reason, firewall: FirewallState | None, status: str, reason: str
) -> None:
    found = told(replace(WHOLE, reason=verdict, gate=GateFacts(firewall=firewall)), "forwarding_open")
    assert (str(found.status), found.reason) == (status, reason)


def wire(whole: Whole) -> Reported:
    """The report as its reader has it."""
    numbers = {"boot": 1, "seq": 1, "session": 1, "uptime_ms": 0}
    message = reported(whole, conditions(whole, (), 0), **numbers, sent_at=None, spool=(), version="1")
    found = decode(Channel.REPORTED, encode(message))
    assert isinstance(found, Reported)
    return found


def test_whatever_a_modem_says_of_itself_the_report_can_be_read() -> None:
    long = "x" * 4000
    modem = ModemFacts(
        present=True,
        identity=Identity(long, long, long, "8" * 40),
        sim=Sim(SimState.READY, "8" * 40),
        operator=Operator("234", "30", long),
        bearer=Bearer(up=True, apn=long),
        problem=long,
    )
    evidence = dict.fromkeys(("serial", "hub_model", "hub_firmware", "usb_id", "lan_mac", "branding"), long)
    told = wire(replace(WHOLE, modem=modem, evidence=evidence))
    # A text is cut; of a number a part would be another number.
    assert (told.identity.modem_firmware, told.identity.imei) == ("x" * 256, None)
    taken = sample(modem, uptime_ms=0, at_ms=None, sent_bytes=None)
    assert len(encode(Telemetry(boot=1, seq=1, samples=(taken,) * BATCH_MOST))) < LIMITS[Channel.TELEMETRY]


@pytest.mark.parametrize(
    ("changes", "state", "digest"),
    [
        ({}, "in_force", True),
        ({"stale": True}, "stale", True),
        ({"missing": ("adult",)}, "degraded", True),
        # What is being changed is not in force, and has no digest that somebody could take for it.
        ({"changing": True}, "absent", False),
    ],
)
def test_of_the_filter_what_is_in_force_is_told(changes: dict[str, Any], state: str, *, digest: bool) -> None:
    wanted = Rendered(Path("f"), "sha256:" + "0" * 64, "wanted", 3, (), enabled=True)
    seen = FilterReadBack(running=True, witness="wanted", refuses=True)
    told = wire(replace(WHOLE, gate=replace(CLOSED, wanted=wanted, filter=seen, **changes))).filter
    assert (told.state, told.digest is not None) == (state, digest)


def test_results_that_do_not_fit_together_are_told_one_report_after_the_other() -> None:
    lines = {f"{n:02}": "é" * 400 for n in range(40)}
    rows = [RequestRow(str(n), "collect_logs", "done", "", lines, 1) for n in range(32)]
    told = outcomes(rows)
    assert [each.id for each in told] == ["0"]
    assert wire(replace(WHOLE, requests=told)).requests == tuple(told)
    # What the document holds no more has made room.
    assert [each.id for each in outcomes(rows[1:])] == ["1"]
    (huge,) = outcomes([replace(rows[0], result={"0": "é" * 30_000})])
    assert (huge.state, huge.result) == ("done", {})
    assert len(outcomes([replace(row, result={}) for row in rows])) == 32


@pytest.mark.parametrize(
    ("sim", "known"),
    [
        (Sim(SimState.READY, ICCID), True),
        # 19 digits are padded to ten bytes on the card (ITU-T E.118, TS 31.102 4.2.1).
        (Sim(SimState.READY, f"{ICCID}F"), True),
        (Sim(SimState.READY, f"{ICCID}f"), True),
        (Sim(SimState.READY, f"{ICCID[:-1]}9"), False),
        (Sim(SimState.READY, None), None),
        (Sim(SimState.PIN, ICCID), None),
        (None, None),
    ],
)
def test_a_sim_is_known_by_its_digest_without_the_pad(sim: Sim | None, known: bool | None) -> None:
    goal = Goal(revision=1, sims=frozenset({digest_identifier(HUB, ICCID)}))
    assert knows_sim(HUB, goal, sim) is known
