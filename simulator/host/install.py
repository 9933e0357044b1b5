"""Put the stand-ins for nft, dnsmasq and hostapd_cli into a directory for an agent's PATH."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from simulator.host.dnsmasq import ANSWERS_FILE, DIES_FILE, RUNNING_FILE
from simulator.host.hostapd_cli import STATE_FILE as HOSTAPD_STATE
from simulator.host.hostapd_cli import new_access_point
from simulator.host.nft import STATE_FILE as NFT_STATE

TOOLS: Final = ("nft", "dnsmasq", "hostapd_cli")

_SHIM: Final = """\
#!/bin/sh
# Stand-in for {tool}: see docs/simulator.md.
PYTHONPATH={root}${{PYTHONPATH:+:$PYTHONPATH}} exec {python} -m simulator.host {tool} {state} "$@"
"""


def install_standins(
    directory: Path,
    state_dir: Path,
    *,
    interface: str = "wlan0",
    ssid: str = "Mini Hub",
    bssid: str = "02:00:00:00:00:01",
    answers: Mapping[str, str] | None = None,
) -> None:
    """Write one executable per tool into `directory`; what they keep lies in `state_dir`.

    `interface` is where hostapd is played; `answers` are names the DNS stand-in knows without asking upstream. A
    second call keeps the rule set and renews the rest.
    """
    directory.mkdir(parents=True, exist_ok=True)
    state_dir.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).resolve().parents[2]
    for tool in TOOLS:
        shim = directory / tool
        shim.write_text(
            _SHIM.format(
                tool=tool,
                root=shlex.quote(str(root)),
                python=shlex.quote(sys.executable),
                state=shlex.quote(str(state_dir.resolve())),
            )
        )
        shim.chmod(0o755)
    point = new_access_point(interface, ssid=ssid, bssid=bssid, channel=6)
    (state_dir / HOSTAPD_STATE).write_text(json.dumps(point))
    (state_dir / ANSWERS_FILE).write_text(json.dumps(dict(answers or {})))


def forget_kernel_state(state_dir: Path) -> None:
    """What a power cut takes from a host: the kernel's rule set and the running processes' files."""
    for name in (NFT_STATE, RUNNING_FILE):
        (state_dir / name).unlink(missing_ok=True)


def let_dns_die(state_dir: Path, *, dies: bool) -> int | None:
    """Make the DNS stand-in end whenever it starts, or not any more; returns the id of the one that runs now."""
    marker = state_dir / DIES_FILE
    if dies:
        marker.touch()
    else:
        marker.unlink(missing_ok=True)
    try:
        return int((state_dir / RUNNING_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None
