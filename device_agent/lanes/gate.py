"""The gate: firewall, filter and forwarding."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, assert_never

from device_agent.act import Gate
from device_agent.config import Config
from device_agent.facts import ControlsWanted, GateFacts, NetworkPolicy, Reason
from device_agent.lanes.board import Alarm, Board, Change
from device_agent.lists import Lists, Resolved, countable
from device_agent.plan import (
    ApplyFilter,
    Close,
    GateStep,
    GateView,
    InstallFirewall,
    Open,
    Stability,
    Wait,
    follow,
    next_gate_step,
)
from device_agent.policy import Inputs, decide
from device_agent.report import knows_sim
from firmware_bridge.errors import HostToolError
from firmware_bridge.host import Host
from firmware_bridge.host.dnsmasq import DnsSettings, FilterRules, render
from firmware_bridge.host.nft import FirewallSettings
from firmware_bridge.host.state import Rendered

_log = logging.getLogger(__name__)

# The running filter is asked once a second while the hub forwards: dead is closed within two.
FILTER_LOOK_S: Final = 1.0
# The rule set in the kernel is compared this often, and whenever the kernel tells of a change. While the hub is open
# each refresh reads it back, every 30 s, and this is not reached.
FIREWALL_LOOK_MS: Final = 31_000
RULE_SET_BURST_S: Final = 0.5
# A tool that failed is tried again after this, doubling (ms).
RETRY_FIRST_MS: Final = 500
RETRY_MOST_MS: Final = 60_000


class GateLane:
    """Runs until cancelled; `stop` is the clean end. `alarm.wake()` makes it look again."""

    def __init__(self, config: Config, board: Board, host: Host, lists: Lists) -> None:
        self.alarm = Alarm()
        self._config = config
        self._board = board
        self._gate = Gate(host)
        self._lists = lists
        self._network = _network_policy(config)
        self._stability = Stability()
        self._opened = False
        self._round_ms = board.clock.uptime_ms()
        self._refreshed_ms = 0
        self._open_until_ms = 0
        self._looked_ms: int | None = None
        self._retry_ms = 0
        self._retry_step_ms = 0
        self._rendered_for: object = None
        self._filter_started = asyncio.Event()
        self._told_upstream: tuple[str, ...] = ()
        self._dns = self._dns_settings()

    async def run(self) -> None:
        """Look, act, wait; for ever."""
        while True:
            wake_ms = await self._round()
            self._round_ms = self._uptime()
            await self.alarm.sleep(self._pause_s(wake_ms))

    def reload(self, config: Config) -> None:
        """Follow new settings: networks and DNS at once."""
        self._config, self._network = config, _network_policy(config)
        self.alarm.wake()

    def looked_within(self, span_ms: int) -> bool:
        """Whether the lane went round in that time."""
        return self._uptime() - self._round_ms <= span_ms

    async def watch_filter(self) -> None:
        """Wake the lane the moment the running filter ends; for ever."""
        while True:
            await self._filter_started.wait()
            self._filter_started.clear()
            await self._gate.filter_ended()
            if not self._board.gate.changing:
                _log.warning("the filter has ended")
            self.alarm.wake()

    async def watch_rule_set(self) -> None:
        """Have the rule set compared the moment anybody else changes it; for ever. A burst is one look."""
        while True:
            await self._gate.rule_set_changed()
            await asyncio.sleep(RULE_SET_BURST_S)
            if self._gate.has_unread_change:
                self._looked_ms = None
                self.alarm.wake()

    async def stop(self) -> None:
        """Close, then end the filter."""
        try:
            await self._gate.stop()
        except HostToolError as error:
            # The kernel closes by itself when the open element times out.
            _log.warning("not closed by hand", extra={"error": str(error)})

    def lists_changed(self) -> None:
        """Category lists came: render anew."""
        self._rendered_for = None
        self.alarm.wake()

    async def _round(self) -> int | None:
        """Steps until the plan says wait; returns when to wake (uptime ms)."""
        try:
            await self._observe()
            while True:
                view = self._view()
                step = next_gate_step(view)
                if isinstance(step, Wait):
                    return self._nothing_to_do(step)
                await self._perform(step)
        except HostToolError as error:
            return await self._failed(error)

    def _nothing_to_do(self, step: Wait) -> int | None:
        if self._uptime() >= self._retry_ms:
            self._retry_step_ms = 0
            self._set(replace(self._board.gate, problem=""))
        return step.wake_ms

    async def _failed(self, error: HostToolError) -> int:
        """Closed as well as can be: what is in the kernel now is not known, and unknown is closed."""
        self._retry_step_ms = min(RETRY_MOST_MS, max(RETRY_FIRST_MS, self._retry_step_ms * 2))
        self._retry_ms = self._uptime() + self._retry_step_ms
        self._looked_ms = None
        _log.error("a host tool failed", extra={"error": str(error), "retry_ms": self._retry_step_ms})
        gate = replace(self._board.gate, problem=str(error), changing=False)
        # A firewall that does not answer is an unknown one, and a hub that was open has flapped.
        self._set(replace(gate, firewall=None) if error.tool == "nft" else gate)
        self._judge()
        if self._board.gate.open:
            await self._close_anyhow(is_readable=error.tool != "nft")
        self._opened = False
        return self._retry_ms

    async def _close_anyhow(self, *, is_readable: bool) -> None:
        """Stop forwarding, unseen if the rule set cannot be read; where that fails, the kernel's timeout closes."""
        try:
            if is_readable:
                self._set(await self._gate.close(self._board.gate, self._firewall()))
            else:
                await self._gate.close_unseen()
        except HostToolError as error:
            _log.warning("not closed by hand", extra={"error": str(error)})
            self._set(replace(self._board.gate, firewall=None))

    async def _observe(self) -> None:
        await self._follow_goal()
        now = self._uptime()
        if self._looked_ms is None or now - self._looked_ms >= FIREWALL_LOOK_MS:
            self._set(await self._gate.observe(self._board.gate, self._firewall(), self._dns))
            self._looked_ms = now
        else:
            self._set(await self._gate.observe_filter(self._board.gate, self._dns))

    async def _follow_goal(self) -> None:
        """Render the filter that the document wants, if it changed; forwarding closes until it is in force."""
        controls, dns = self._board.goal.controls, self._dns_settings()
        if controls is None:
            # A document that names no controls says nothing of what may be open: nothing is wanted, so nothing is.
            self._rendered_for = None
            self._set(replace(self._board.gate, wanted=None, level=None, changing=False))
            return
        if (controls, dns) == self._rendered_for:
            if self._in_force():
                self._set(replace(self._board.gate, changing=False))
            return
        ports = await self._ports(controls)
        if controls is not self._board.goal.controls:
            # A document came meanwhile: what it wants is rendered by the round that it woke.
            return
        resolved = self._lists.resolve(controls.lists)
        rules = _rules(controls, resolved, ports)
        before = self._board.gate.wanted
        wanted = self._render(dns, rules)
        self._dns, self._rendered_for, self._looked_ms = dns, (controls, dns), None
        changed = before is None or before.witness != wanted.witness or self._board.gate.changing
        gate = replace(self._board.gate, wanted=wanted, level=controls.level, missing=resolved.missing)
        self._board.gate = replace(gate, stale=resolved.stale)
        self._set(replace(self._board.gate, changing=changed and not self._in_force()))
        self._board.tell(Change.GATE)

    def _render(self, dns: DnsSettings, rules: FilterRules) -> Rendered:
        """The filter on the disk. While it cannot be written nothing wanted is in force. Raises HostToolError."""
        try:
            return render(dns, rules, Path(self._config.state) / "dnsmasq.conf")
        except HostToolError:
            self._rendered_for = None
            self._board.gate = replace(self._board.gate, wanted=None)
            raise

    async def _ports(self, controls: ControlsWanted) -> dict[str, int]:
        """Where the refused names of each category are counted; what has no port is refused all the same."""
        wanted = countable(controls.lists, self._config.lists.counted_bytes) if controls.enabled else ()
        ports = await self._gate.count_names(wanted)
        uncounted = {item.category for item in controls.lists} - ports.keys()
        if uncounted and controls.enabled:
            _log.warning("refused names are not counted", extra={"categories": ", ".join(sorted(uncounted))[:256]})
        return ports

    def _in_force(self) -> bool:
        """Whether the running filter is the wanted one, as last read back."""
        gate = self._board.gate
        return gate.wanted is not None and gate.filter is not None and gate.filter.witness == gate.wanted.witness

    def _view(self) -> GateView:
        reason = self._judge()
        until, now = self._board.goal.until_ms, self._board.clock.now_ms()
        return GateView(
            reason=reason,
            gate=self._board.gate,
            now_ms=self._uptime(),
            lease_left_ms=0 if until is None or now is None else max(0, until - now),
            refreshed_ms=self._refreshed_ms,
            open_until_ms=self._open_until_ms,
            retry_ms=self._retry_ms,
            stability=self._stability,
            bearer_up=self._board.modem.bearer is not None and self._board.modem.bearer.up,
        )

    def _judge(self) -> Reason:
        """The policy's word on the facts of this moment."""
        uptime = self._uptime()
        bare = decide(self._inputs(settled=True))
        self._stability = follow(self._stability, bare, uptime, was_open=self._opened)
        reason = decide(self._inputs(settled=self._stability.settled(uptime)))
        if reason is not self._board.reason:
            _log.info("verdict", extra={"reason": str(reason), "was": str(self._board.reason)})
            self._board.reason = reason
            self._board.tell(Change.GATE)
        return reason

    def _inputs(self, *, settled: bool) -> Inputs:
        goal, modem, clock = self._board.goal, self._board.modem, self._board.clock
        now = clock.now_ms()
        return Inputs(
            document_on=None if goal.revision is None else goal.internet_on,
            supported=not goal.unsupported,
            clock_trusted=now is not None,
            lease_live=None if goal.until_ms is None or now is None else now < goal.until_ms,
            known_sim=knows_sim(self._config.hub, goal, modem.sim),
            uk_network=self._network.allows(modem.operator, modem.registration),
            filter=self._board.gate.filter_status,
            settled=settled,
        )

    async def _perform(self, step: GateStep) -> None:
        gate, firewall = self._board.gate, self._firewall()
        match step:
            case Close():
                self._opened = False
                self._set(await self._gate.close(gate, firewall))
            case InstallFirewall():
                self._opened = False
                self._set(await self._gate.install(gate, firewall))
            case ApplyFilter():
                self._set(await self._gate.apply_filter(gate, self._dns))
                self._filter_started.set()
            case Open(timeout_s):
                self._open_until_ms = self._uptime() + timeout_s * 1000
                self._set(await self._gate.open(gate, firewall, timeout_s))
                self._opened, self._refreshed_ms = True, self._uptime()
                self._looked_ms = self._refreshed_ms
            case Wait():
                return
            case _:
                assert_never(step)
        _log.debug("step", extra={"step": repr(step)})

    def _set(self, gate: GateFacts) -> None:
        if gate != self._board.gate:
            self._board.gate = gate
            self._board.tell(Change.GATE)

    def _pause_s(self, wake_ms: int | None) -> float:
        # While closed, somebody who installs his own rules still has the filter and the table compared.
        look = FILTER_LOOK_S if self._opened else FIREWALL_LOOK_MS / 1000
        return look if wake_ms is None else max(0.0, min(look, (wake_ms - self._uptime()) / 1000))

    def _firewall(self) -> FirewallSettings:
        controls = self._board.goal.controls or ControlsWanted(level="unknown")
        config = self._config
        return FirewallSettings(config.lan.interface, config.wan.interface, config.dns.port, controls.enabled)

    def _dns_settings(self) -> DnsSettings:
        dns = self._config.dns
        bearer = self._board.modem.bearer
        if bearer is not None and bearer.dns:
            self._told_upstream = bearer.dns
        return DnsSettings(
            lan=self._config.lan.interface,
            port=dns.port,
            listen=dns.listen,
            upstream=dns.upstream or self._told_upstream,
            dhcp_range=dns.dhcp_range,
            cache_size=dns.cache_size,
        )

    def _uptime(self) -> int:
        return self._board.clock.uptime_ms()


def _rules(controls: ControlsWanted, resolved: Resolved, ports: Mapping[str, int]) -> FilterRules:
    """What is refused; the names of a category without a port are refused without being counted."""
    by_category = zip(resolved.categories, resolved.paths, strict=True)
    counters = {path: ports[category] for category, path in by_category if category in ports}
    return FilterRules(controls.enabled, resolved.paths, controls.allow, controls.deny, controls.safe_search, counters)


def _network_policy(config: Config) -> NetworkPolicy:
    return NetworkPolicy(frozenset(config.network.countries), frozenset(config.network.excluded))
