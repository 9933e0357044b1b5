"""A controller process killed in the middle of its transactions leaves whole ones, and another goes on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.services import audit, feed
from controller.services.database import Database
from tests.unit.controller.household import ACTOR, START

pytestmark = pytest.mark.e2e

PROGRAM = """
import sys
from controller.services import accounts
from controller.services.database import Database
from tests.unit.controller.household import ACTOR, START
database = Database(sys.argv[1])
print("ready", flush=True)
while True:
    made = database.run_now(accounts.create, actor=ACTOR, now=START, holder_name="A", email=None, mobile=None)
    print(made.id, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3])
def test_what_was_told_as_committed_is_there_and_whole(tmp_path: Path, kills: int) -> None:
    url = f"sqlite:///{tmp_path / 'controller.db'}"
    database = Database(url)
    database.create_now()
    told: set[str] = set()
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        lines = [process.stdout.readline() for _ in range(5)]
        deadline = time.monotonic() + 0.2
        while time.monotonic() < deadline:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=20)
        told |= {line.strip() for line in [*lines, *rest.splitlines(keepends=True)] if line.endswith("\n")}
    entries = database.run_now(
        lambda session, actor, now: feed.read(session, after=0, limit=100_000), actor=ACTOR, now=START
    )
    assert told <= {entry.key for entry in entries}
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert database.run_now(lambda session, actor, now: audit.verify(session), actor=ACTOR, now=START) is None
    database.engine.dispose()
