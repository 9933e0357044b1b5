"""The demo's story in a world of one process: `python -m tests.world.one_hub SEED` prints its trace.

The same seed gives the same trace, byte for byte, in every process (with a fixed PYTHONHASHSEED).
"""

import json
import sys
from typing import Any

import structlog

from simulator.stage.demo import Demo
from simulator.stage.parts import Break
from simulator.stage.record import Record
from simulator.virtual.loop import run_virtual
from tests.world.stage import open_world, world_now


async def play(seed: int, broken: Break | None = None) -> tuple[dict[str, Any], list[tuple[float, str, str]]]:
    """Play the story; returns its record and everything that was published."""
    async with open_world(seed, broken=broken) as world:
        record = Record(world_now, None)
        await Demo(world, record).play()
        return record.as_json(), world.trace


def main() -> None:
    """Print the record and the trace as JSON lines; logs, which carry the machine's time, go to standard error."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    record, trace = run_virtual(play(int(sys.argv[1])))
    for step in record["steps"]:
        sys.stdout.write(json.dumps(step) + "\n")
    for line in trace:
        sys.stdout.write(json.dumps(line) + "\n")
    sys.exit(0 if record["ok"] else 1)


if __name__ == "__main__":
    main()
