"""The access point, through hostapd_cli(8): what it is, and its name.

The vocabulary: `hostapd_cli -i IF status`, `get_config`, `set ssid NAME`, `reload`.
"""

from dataclasses import dataclass
from typing import Final

from firmware_bridge.errors import HostToolError
from firmware_bridge.host.process import Runner

DEADLINE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """The access point read back; `bssid` is its radio's MAC address."""

    enabled: bool
    ssid: str | None = None
    bssid: str | None = None
    channel: int | None = None
    stations: int | None = None


class Hostapd:
    """One hostapd, by interface. Methods raise HostToolError."""

    def __init__(self, runner: Runner, interface: str) -> None:
        self._runner = runner
        self._interface = interface

    async def status(self) -> AccessPoint:
        """Read what is on the air."""
        values = _values(await self._ask("status"))
        channel, stations = values.get("channel", ""), values.get("num_sta[0]", "")
        return AccessPoint(
            enabled=values.get("state") == "ENABLED",
            ssid=values.get("ssid[0]"),
            bssid=values.get("bssid[0]"),
            channel=int(channel) if channel.isdigit() else None,
            stations=int(stations) if stations.isdigit() else None,
        )

    async def configured_ssid(self) -> str | None:
        """The name in its configuration."""
        return _values(await self._ask("get_config")).get("ssid")

    async def set_ssid(self, ssid: str) -> None:
        """Rename the network and put it on the air. The name is at most 32 bytes (IEEE 802.11 9.4.2.2)."""
        if not 0 < len(ssid.encode()) <= 32 or not ssid.isprintable():
            raise HostToolError("hostapd_cli", "an SSID is 1 to 32 printable bytes")
        for words in (("set", "ssid", ssid), ("reload",)):
            answer = await self._ask(*words)
            if answer.strip() != "OK":
                raise HostToolError("hostapd_cli", f"{words[0]} was answered {answer.strip()[:40]!r}")

    async def _ask(self, *words: str) -> str:
        done = await self._runner.run(["hostapd_cli", "-i", self._interface, *words], deadline_s=DEADLINE_S)
        if done.returncode != 0:
            raise HostToolError(
                "hostapd_cli", f"{words[0]} failed", (done.stderr or done.stdout).decode(errors="replace")
            )
        return done.stdout.decode(errors="replace")


def _values(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, equals, value in pairs if equals}
