"""nftables, dnsmasq, hostapd and the board's lines on a hub, as typed wrappers over tools found on PATH.

`Host` is the bundle that an agent is given; `process.Runner` and `dns.Resolver` are the boundary to replace in a test.
"""

from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.host.dns import Resolver, UdpResolver
from firmware_bridge.host.dnsmasq import Dnsmasq
from firmware_bridge.host.hostapd import Hostapd
from firmware_bridge.host.nft import Nft
from firmware_bridge.host.power import Line
from firmware_bridge.host.process import Runner, SystemRunner
from firmware_bridge.host.refused_names import LoopbackCounter, NameCounter
from firmware_bridge.host.watch import RuleSetWatch


@dataclass(frozen=True, slots=True)
class Host:
    """The tools of one hub. `access_point` is None on a hub whose Wi-Fi is not ours to look after."""

    nft: Nft
    dnsmasq: Dnsmasq
    access_point: Hostapd | None
    modem_power: Line
    light: Line
    # None where the kernel is not ours to listen to: the rule set is then only looked at from time to time.
    watch: RuleSetWatch | None = None
    # None where refused names are not counted.
    names: NameCounter | None = None


def open_host(
    directory: Path,
    *,
    wifi: str = "",
    modem_power: str = "",
    light: str = "",
    runner: Runner | None = None,
    resolver: Resolver | None = None,
    names: NameCounter | None = None,
) -> Host:
    """Assemble the tools; `directory` holds what they need written. Starts nothing."""
    run = runner or SystemRunner()
    return Host(
        nft=Nft(run),
        dnsmasq=Dnsmasq(run, resolver or UdpResolver(), directory),
        access_point=Hostapd(run, wifi) if wifi else None,
        modem_power=Line(modem_power),
        light=Line(light),
        watch=RuleSetWatch() if runner is None else None,
        names=names or (LoopbackCounter() if runner is None else None),
    )
