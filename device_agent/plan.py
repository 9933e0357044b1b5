"""The next step, or the next time to look: pure, computed anew from what is wanted and what was read.

Two lanes. The gate (firewall, filter, forwarding) never waits for a modem; the modem lane takes the time modems take.
An empty plan, Wait, means converged or waiting for what `wake_ms` or an event brings. Times are uptime milliseconds.
"""

from dataclasses import dataclass
from typing import Final

from device_agent.facts import PLANNED, FilterStatus, GateFacts, Goal, ModemFacts, Reason
from firmware_bridge.host.state import MAX_OPEN_S
from firmware_bridge.types import BearerSettings, SimState

# The open element is given this much anew when a third of it is gone.
REFRESH_MS: Final = MAX_OPEN_S * 1000 // 3
SETTLE_MS: Final = 60_000
# A radio that was refused, or finds nothing, is cycled this often (decision 13): doubling from the first to the second.
RADIO_CYCLE_FIRST_MS: Final = 5 * 60_000
RADIO_CYCLE_MOST_MS: Final = 30 * 60_000


def longer_radio_wait_ms(wait_ms: int) -> int:
    """How long to wait after the next cycle of a radio that still finds nothing."""
    return min(RADIO_CYCLE_MOST_MS, wait_ms * 2)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `wake_ms` (None: until something changes)."""

    wake_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Stop forwarding now."""


@dataclass(frozen=True, slots=True)
class InstallFirewall:
    """Replace the rule set, closed."""


@dataclass(frozen=True, slots=True)
class ApplyFilter:
    """Start the wanted filter; forwarding is closed meanwhile."""


@dataclass(frozen=True, slots=True)
class Open:
    """Forward for so many seconds, counted anew."""

    timeout_s: int


@dataclass(frozen=True, slots=True)
class Unlock:
    """Give the SIM its configured PIN."""


@dataclass(frozen=True, slots=True)
class CycleRadio:
    """Radio off and on, so that the modem asks the network again."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Bring the bearer up."""

    settings: BearerSettings


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Take the bearer down."""


GateStep = Close | InstallFirewall | ApplyFilter | Open | Wait
ModemStep = Unlock | CycleRadio | Connect | Disconnect | Wait


@dataclass(frozen=True, slots=True)
class Stability:
    """Whether the hub flapped: `waiting` after an unplanned close, `good_since_ms` while all else says open."""

    waiting: bool = False
    good_since_ms: int | None = None

    def settled(self, now_ms: int) -> bool:
        """Whether reopening is due."""
        if not self.waiting:
            return True
        return self.good_since_ms is not None and now_ms - self.good_since_ms >= SETTLE_MS

    @property
    def wake_ms(self) -> int | None:
        """When it will have settled."""
        return None if not self.waiting or self.good_since_ms is None else self.good_since_ms + SETTLE_MS


def follow(stability: Stability, reason: Reason, now_ms: int, *, was_open: bool) -> Stability:
    """The stability after a verdict. `reason` is the verdict as if settled; `was_open`: the gate was open before it."""
    if reason is not Reason.OPEN:
        flapped = was_open and reason not in PLANNED
        return Stability(waiting=stability.waiting or flapped)
    since = now_ms if stability.good_since_ms is None else stability.good_since_ms
    followed = Stability(waiting=stability.waiting, good_since_ms=since)
    return Stability(good_since_ms=since) if followed.settled(now_ms) else followed


@dataclass(frozen=True, slots=True)
class GateView:
    """What the gate's next step depends on. `lease_left_ms` counts from `now_ms`; `retry_ms` is the back-off's end.

    `refreshed_ms`: when the open element was last given anew; `open_until_ms`: how long it lasts by that.
    """

    reason: Reason
    gate: GateFacts
    now_ms: int
    lease_left_ms: int = 0
    refreshed_ms: int = 0
    open_until_ms: int = 0
    retry_ms: int = 0
    stability: Stability = Stability()
    bearer_up: bool = True


def next_gate_step(view: GateView) -> GateStep:
    """Closing first, then the rule set, then the filter, and only then forwarding."""
    gate, may_open = view.gate, view.reason is Reason.OPEN
    if gate.firewall is not None and gate.firewall.open_for_s is not None and not may_open:
        return Close()
    if view.now_ms < view.retry_ms:
        return Wait(view.retry_ms)
    if gate.firewall is None or not gate.firewall.installed:
        return InstallFirewall()
    if gate.wanted is not None and gate.filter_status in {FilterStatus.ABSENT, FilterStatus.CHANGING}:
        return ApplyFilter()
    if not may_open:
        return Wait(view.stability.wake_ms)
    if gate.firewall.open_for_s is None and not view.bearer_up:
        # Nothing to forward over yet; the bearer may still bring other DNS servers for the filter to ask.
        return Wait()
    due_ms = view.refreshed_ms + REFRESH_MS
    # The lease became shorter: a dead agent would leave the element there after it. An element has a second at least.
    outlives_lease = view.open_until_ms > view.now_ms + view.lease_left_ms + 1000
    if gate.firewall.open_for_s is None or view.now_ms >= due_ms or outlives_lease:
        return Open(max(1, min(MAX_OPEN_S, view.lease_left_ms // 1000)))
    return Wait(min(due_ms, view.now_ms + view.lease_left_ms))


@dataclass(frozen=True, slots=True)
class ModemView:
    """What the modem's next step depends on.

    `radio_ms`: when the next cycle is allowed; `retry_ms`: the back-off's end; `asked`: what the present bearer was
    brought up with, None when an earlier life of the agent did it.
    """

    goal: Goal
    modem: ModemFacts
    now_ms: int
    bearer: BearerSettings | None = None
    radio_ms: int = 0
    retry_ms: int = 0
    may_unlock: bool = False
    asked: BearerSettings | None = None


def next_modem_step(view: ModemView) -> ModemStep:
    """SIM, then network, then bearer. A PIN is tried only while a wrong one would leave another try."""
    modem = view.modem
    sim, registration = modem.sim, modem.registration
    if not modem.present or sim is None or registration is None:
        return Wait()
    if view.now_ms < view.retry_ms:
        return Wait(view.retry_ms)
    if sim.state is SimState.PIN and view.may_unlock and (sim.pin_tries is None or sim.pin_tries > 1):
        return Unlock()
    if sim.state is not SimState.READY:
        return Wait()
    if not registration.state.attached:
        return CycleRadio() if view.now_ms >= view.radio_ms else Wait(view.radio_ms)
    return _bearer_step(view)


def _bearer_step(view: ModemView) -> ModemStep:
    bearer, wanted = view.modem.bearer, view.bearer
    if bearer is None:
        return Wait()
    if wanted is None:
        return Disconnect() if bearer.up else Wait()
    if not bearer.up:
        return Connect(wanted)
    if view.asked is not None:
        return Wait() if view.asked == wanted else Disconnect()
    # A network may add its own suffix to the name it was asked for: ".mnc001.mcc214.gprs" (TS 23.003 9.1).
    same = bearer.apn is None or not wanted.apn or bearer.apn.lower().split(".mnc")[0] == wanted.apn.lower()
    return Wait() if same else Disconnect()
