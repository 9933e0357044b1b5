"""The faults of the host, played on real processes and files: DNS that dies, a full disk, a power cut."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.faults import BoardChange, Fault, FaultBoard, SimulatorError
from simulator.host.install import forget_kernel_state, let_dns_die

# A file system larger than this is nobody's test disk: filling it would hurt the machine.
LARGEST_DISK: Final = 256 * 1024 * 1024
BALLAST: Final = "ballast"


class HostFaultError(SimulatorError):
    """The fault cannot be played on this host: the message says what it needs."""

    exit_code = 3


@dataclass(slots=True)
class HostFaults:
    """Plays host faults. `state_dir` is the stand-ins'; `agent_pid_file` names the process a power cut kills.

    `disk` is the folder that a full disk is played in: it must lie on a small file system of its own.
    """

    state_dir: Path
    agent_pid_file: Path | None = None
    disk: Path | None = None

    def subscribe(self, board: FaultBoard) -> None:
        """Play what is pinned up on this board from now on."""
        board.subscribe(self._changed)

    def check(self, fault: Fault) -> None:
        """Raise HostFaultError when the fault cannot be played here."""
        if fault is not Fault.DISK_FULL:
            return
        if self.disk is None:
            raise HostFaultError("disk_full: no disk was named", remedy="start with --disk, a small file system")
        held = os.statvfs(self.disk)
        if held.f_blocks * held.f_frsize > LARGEST_DISK:
            wanted = f"mount a tmpfs of at most {LARGEST_DISK // 1024**2} MiB there"
            raise HostFaultError(f"disk_full: {self.disk} lies on a large file system", remedy=wanted)

    def _changed(self, change: BoardChange) -> None:
        match change.fault.kind:
            case Fault.DNS_DIES:
                running = let_dns_die(self.state_dir, dies=change.injected)
                if change.injected and running is not None:
                    _kill(running, signal.SIGKILL)
            case Fault.DISK_FULL:
                self.check(Fault.DISK_FULL)
                self._fill_disk(full=change.injected)
            case Fault.POWER_CUT if change.injected:
                self.cut_power()

    def cut_power(self) -> None:
        """Kill the agent and the host's processes at once; what the kernel held is gone."""
        running = let_dns_die(self.state_dir, dies=(self.state_dir / "dnsmasq.dies").exists())
        for pid in (running, _read_pid(self.agent_pid_file)):
            if pid is not None:
                _kill(pid, signal.SIGKILL)
        forget_kernel_state(self.state_dir)

    def _fill_disk(self, *, full: bool) -> None:
        assert self.disk is not None
        ballast = self.disk / BALLAST
        if not full:
            ballast.unlink(missing_ok=True)
            return
        with ballast.open("wb", buffering=0) as out, contextlib.suppress(OSError):
            for size in (65536, 512, 1):
                with contextlib.suppress(OSError):
                    while out.write(b"\0" * size):
                        pass


def _read_pid(path: Path | None) -> int | None:
    if path is None:
        return None
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
