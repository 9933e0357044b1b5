"""The demo's story on virtual time: every step, every seed, every way to break, byte for byte."""

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator.stage.parts import Break
from simulator.virtual.loop import run_virtual
from tests.world.one_hub import play

# `make world` plays many.
SEEDS = int(os.environ.get("MINIHUB_WORLD_SEEDS", "1"))
STEPS = ["accounts", "fault", "ready", "online", "telemetry", "resolved", "not-branded"]


def trace_of(seed: int) -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    argv = [sys.executable, "-m", "tests.world.one_hub", str(seed)]
    done = subprocess.run(argv, capture_output=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:]
    return done.stdout


@pytest.mark.parametrize("seed", range(1, 1 + SEEDS))
def test_the_story_plays_and_every_step_is_observed(seed: int) -> None:
    record, _ = run_virtual(play(seed))
    assert [(step["name"], step["ok"]) for step in record["steps"]] == [(name, True) for name in STEPS], record


def test_a_seed_gives_its_own_trace_and_the_same_in_fresh_processes() -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second, other = pool.map(trace_of, (7, 7, 8))
    assert first == second
    assert len(first.splitlines()) > len(STEPS)
    assert first != other


@pytest.mark.parametrize(
    ("broken", "step", "words"),
    [
        (Break.CARRIER, "ready", "SIM"),
        (Break.BROKER, "online", "document"),
        (Break.MODEM, "online", "modem"),
        (Break.CLOCK, "online", "clock"),
    ],
)
def test_what_is_broken_fails_at_its_step_with_its_reason(broken: Break, step: str, words: str) -> None:
    record, _ = run_virtual(play(1, broken))
    last: dict[str, Any] = record["steps"][-1]
    assert (last["name"], last["ok"]) == (step, False), json.dumps(record, indent=1)
    assert words in last["reason"]


def test_nothing_is_left_running_when_the_world_ends() -> None:
    async def main() -> int:
        await play(3)
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1
