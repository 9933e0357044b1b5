import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from simulator.stage.parts import Break
from simulator.virtual.loop import run_virtual
from tests.world.one_hub import play

STEPS = ["accounts", "fault", "ready", "online", "telemetry", "resolved", "not-branded"]


def trace_of(seed: int) -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    argv = [sys.executable, "-m", "tests.world.one_hub", str(seed)]
    done = subprocess.run(argv, capture_output=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:]
    return done.stdout


def test_the_story_plays_and_every_step_is_observed() -> None:
    record, _ = run_virtual(play(1))
    assert [(step["name"], step["ok"]) for step in record["steps"]] == [(name, True) for name in STEPS], record


def test_the_same_seed_gives_the_same_trace_in_fresh_processes() -> None:
    first, second = trace_of(7), trace_of(7)
    assert first == second
    assert len(first.splitlines()) > len(STEPS)


def test_another_seed_gives_another_trace() -> None:
    assert trace_of(7) != trace_of(8)


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
