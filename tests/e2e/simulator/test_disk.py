"""A full disk on a small file system of its own, in a private mount namespace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

PROGRAM = """
import errno, sys
from pathlib import Path
from simulator.control.host_faults import HostFaults
from simulator.faults import FaultBoard, make_fault
disk = Path(sys.argv[1])
board = FaultBoard()
host = HostFaults(disk, disk=disk)
host.subscribe(board)
number = board.inject(make_fault("disk_full"))
try:
    (disk / "spool").write_bytes(b"x" * 4096)
except OSError as error:
    print(error.errno == errno.ENOSPC)
board.clear(number)
(disk / "spool").write_bytes(b"x" * 4096)
print((disk / "spool").stat().st_size)
"""


def test_writing_fails_for_want_of_space_and_works_again_when_the_fault_is_cleared(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root: run the tests as root")
    mount = f'mount -t tmpfs -o size=1m tmpfs {tmp_path} && exec "$0" -c "$1" {tmp_path}'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, sys.executable, PROGRAM],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["True", "4096"], done.stderr
