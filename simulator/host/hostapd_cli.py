"""The stand-in for hostapd_cli(8): `-i IF status | get_config | set ssid NAME | reload | ping`, in hostapd's words."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STATE_FILE = "hostapd.json"
NO_HOSTAPD = 255
NOT_PLAYED = 64

_STATUS = """\
state={state}
phy=
freq=0
num_sta_non_erp=0
num_sta_no_short_slot_time=0
num_sta_no_short_preamble=0
olbc=0
num_sta_ht_no_gf=0
num_sta_no_ht=0
num_sta_ht_20_mhz=0
num_sta_ht40_intolerant=0
olbc_ht=0
ht_op_mode=0x0
cac_time_seconds=0
cac_time_left_seconds=N/A
channel={channel}
edmg_enable=0
edmg_channel=0
secondary_channel=0
ieee80211n=0
ieee80211ac=0
ieee80211ax=0
beacon_int=100
dtim_period=2
bss[0]={interface}
bssid[0]={bssid}
ssid[0]={ssid}
num_sta[0]={stations}
"""
_CONFIG = "bssid={bssid}\nssid={ssid}\nwps_state=disabled\n"


def new_access_point(interface: str, *, ssid: str, bssid: str, channel: int) -> dict[str, Any]:
    """The state of a fresh access point."""
    return {
        "state": "ENABLED",
        "interface": interface,
        "ssid": ssid,
        "bssid": bssid,
        "channel": channel,
        "stations": 0,
    }


def run(argv: Sequence[str], point: dict[str, Any] | None) -> tuple[int, str, str]:
    """Carry out one command line; `point` is changed in place, None where no hostapd runs."""
    if len(argv) < 3 or argv[0] != "-i":
        return NOT_PLAYED, "", f"stand-in hostapd_cli: not in the conformance table: {' '.join(argv)}\n"
    if point is None or argv[1] != point["interface"]:
        return NO_HOSTAPD, "", "Failed to connect to hostapd - wpa_ctrl_open: No such file or directory\n"
    match list(argv[2:]):
        case ["status"]:
            return 0, _STATUS.format(**point), ""
        case ["get_config"]:
            return 0, _CONFIG.format(**point), ""
        case ["ping"]:
            return 0, "PONG\n", ""
        case ["reload"]:
            return 0, "OK\n", ""
        case ["set", "ssid", name]:
            if not 0 < len(name.encode()) <= 32:
                return 0, "FAIL\n", ""
            point["ssid"] = name
            return 0, "OK\n", ""
        case ["set", *_]:
            return 0, "Invalid SET command: needs two arguments (variable name and value)\n", ""
        case _:
            return NOT_PLAYED, "", f"stand-in hostapd_cli: not in the conformance table: {' '.join(argv)}\n"


def main(state_dir: Path, argv: Sequence[str]) -> int:
    """Run as an executable; returns the exit code."""
    path = state_dir / STATE_FILE
    try:
        point = json.loads(path.read_text())
    except FileNotFoundError:
        point = None
    code, out, err = run(argv, point)
    if point is not None:
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(point))
        draft.replace(path)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code
