"""Every fault that touches a port, on every personality, for many seeds: the truth, unknown, or a typed error."""

import os

import pytest

from simulator.faults import Fault
from simulator.modem import names
from tests.e2e.bridge.fault_run import PORT_FAULTS, assert_no_wrong_value

# MINIHUB_FAULT_SEEDS=1000 is the full run (an hour and more); every run is named by its seed and can be repeated.
SEEDS = int(os.environ.get("MINIHUB_FAULT_SEEDS", "2"))
FIRST_SEED = int(os.environ.get("MINIHUB_FAULT_FIRST_SEED", "1"))


@pytest.mark.e2e
@pytest.mark.parametrize("kind", PORT_FAULTS)
@pytest.mark.parametrize("personality", names())
def test_no_fault_on_a_port_brings_a_wrong_value(personality: str, kind: Fault) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        try:
            assert_no_wrong_value(personality, kind, seed)
        except BaseException as error:
            error.add_note(
                f"repeat with MINIHUB_FAULT_FIRST_SEED={seed} MINIHUB_FAULT_SEEDS=1 -k '{personality} and {kind}'"
            )
            raise
