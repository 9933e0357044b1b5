"""What a request makes the hub do, and what it may not interrupt."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from device_agent.lanes.board import Board
from device_agent.logs import mask
from device_agent.observe import Modem
from device_agent.protocol import RequestKind
from device_agent.requests import Handler, RejectedError
from firmware_bridge.errors import BridgeError, HostToolError
from firmware_bridge.host import Host
from firmware_bridge.host.hostapd import Hostapd

_LOG_LINES: Final = 40
_BLINKS: Final = 10


class RecentLogs(logging.Handler):
    """The last lines of our own log, masked, in memory."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line with the few fields that explain it."""
        fields = {
            key: getattr(record, key) for key in ("reason", "state", "problem", "error", "step") if hasattr(record, key)
        }
        self.lines.append(mask(f"{record.levelname} {record.name}: {record.getMessage()} {fields}")[:400])


async def _wifi(access_point: Hostapd) -> str:
    """The access point in a few words; its name and its stations' addresses stay in the home."""
    try:
        seen = await access_point.status()
    except HostToolError as error:
        return str(error)
    return f"{'on' if seen.enabled else 'off'}, channel {seen.channel}, {seen.stations} stations"


@dataclass(frozen=True, slots=True)
class Errands:
    """The handlers of requests. `restart` ends this life of the agent; `more` adds facts to a diagnosis."""

    board: Board
    host: Host
    modem: Callable[[], Modem | None]
    logs: RecentLogs
    restart: Callable[[], None]
    more: Callable[[], dict[str, object]]

    def handlers(self) -> dict[RequestKind, Handler]:
        """By kind of request."""
        return {
            RequestKind.RESTART_MODEM: self._restart_modem,
            RequestKind.RESTART_AGENT: self._restart_agent,
            RequestKind.DIAGNOSE: self._diagnose,
            RequestKind.LOCATE: self._locate,
            RequestKind.COLLECT_LOGS: self._collect_logs,
            RequestKind.RESCAN_NETWORK: self._rescan,
        }

    async def _restart_modem(self) -> dict[str, str]:
        modem = self.modem()
        if modem is None:
            raise RejectedError("there is no modem to restart")
        await modem.reboot()
        return {}

    async def _restart_agent(self) -> dict[str, str]:
        """Ended by the next life, which finds it begun: see Requests."""
        self.restart()
        await asyncio.Event().wait()
        return {}

    async def _diagnose(self) -> dict[str, str]:
        modem, gate = self.board.modem, self.board.gate
        signal = modem.signal
        facts = {
            "reason": self.board.reason,
            "modem": modem.problem or modem.family,
            "sim": modem.sim.state if modem.sim else None,
            "registration": modem.registration.state.name.lower() if modem.registration else None,
            "operator": modem.operator.name if modem.operator else None,
            "rsrp_dbm": signal.rsrp_dbm if signal else None,
            "bearer": modem.bearer.up if modem.bearer else None,
            "filter": gate.problem or gate.filter_status,
            "clock": self.board.clock.trusted,
            **self.more(),
        }
        if self.host.access_point is not None:
            facts["wifi"] = await _wifi(self.host.access_point)
        return {name: "unknown" if value is None else mask(str(value)) for name, value in facts.items()}

    async def _locate(self) -> dict[str, str]:
        if not self.host.light.present:
            raise RejectedError("this hub has no light")
        await self.host.light.blink(_BLINKS)
        return {}

    async def _collect_logs(self) -> dict[str, str]:
        return {f"{number:02}": line for number, line in enumerate(self.logs.lines)}

    async def _rescan(self) -> dict[str, str]:
        modem, firewall = self.modem(), self.board.gate.firewall
        if firewall is None or firewall.open_for_s is not None:
            raise RejectedError("a scan would interrupt the home's internet")
        if modem is None:
            raise RejectedError("there is no modem")
        try:
            found = await modem.scan()
        except BridgeError as error:
            raise RejectedError(str(error)) from None
        return {f"{item.operator.mcc}-{item.operator.mnc}": item.availability.name.lower() for item in found[:64]}
