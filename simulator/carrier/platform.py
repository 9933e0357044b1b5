"""The platform's state machine: services, changes on their way, monitors, and what the network lets attach.

Theory of operation: a PATCH makes a *change* with a due time; `advance(now)` carries out what is due, in that order,
and returns the webhooks to post now; `next_due_s` says when to call again. The network's truth (`attach`) changes at
once with the effect; what reads show may lag behind it. Time is Unix seconds and given; every draw comes from one
seeded source, so the same calls at the same times give the same answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal
from uuid import UUID

import msgspec

from simulator.carrier.manners import GOOD, Manners, draw
from simulator.carrier.services import (
    ProvisioningError,
    RequestRefusedError,
    Service,
    ServicePatch,
    SimOrder,
    apply_patch,
    changes_nothing,
    count_use,
    provision,
    read_patch,
    render_service,
    rfc3339,
)
from simulator.carrier.webhooks import Delivery, Outbox

PAGE_LIMIT: Final = 50
# Monitors are forgotten an hour after they ended (docs/carrier.md).
MONITOR_LIFE_S: Final = 3600.0

# EMM causes, TS 24.301 §9.9.3.9.
CAUSE_EPS_AND_NON_EPS_NOT_ALLOWED: Final = 8
CAUSE_EPS_NOT_ALLOWED: Final = 7


@dataclass(frozen=True, slots=True)
class AttachVerdict:
    """What the network answers an attach: accepted for `bearer`, or refused with an EMM cause."""

    accepted: bool
    cause: int | None = None
    bearer: Literal["internet", "management"] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `lost`: the caller must not receive it."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False


class Change(msgspec.Struct):
    """One PATCH on its way, and its monitor. `due_s` is when it takes effect (or fails)."""

    id: str
    iccid: str
    request: object
    patch: ServicePatch
    begins_s: float
    due_s: float
    fails: bool = False
    ended: bool = False


class View(msgspec.Struct):
    """What reads show from `visible_s` on."""

    visible_s: float
    service: Service


class Platform:
    """One platform. `base` is the absolute URL of the TMF640 API that hrefs are made with."""

    def __init__(self, *, manners: Manners = GOOD, random: Random, base: str, started_s: float) -> None:
        self.manners = manners
        self.base = base
        self.started_s = started_s
        self.services: dict[str, Service] = {}
        self.changes: dict[str, Change] = {}
        # The webhooks have a source of their own: how many listeners there are must not alter the changes' fates.
        self._random = random
        self.outbox = Outbox(Random(random.getrandbits(64)))
        self._views: dict[str, list[View]] = {}
        # Told the ICCID of a SIM that the network treats differently from now on: what an HLR tells an MME.
        self.subscription_listeners: list[Callable[[str], None]] = []

    # The side door.

    def provision(self, order: SimOrder, now_s: float) -> Service:
        """Add a SIM; the same order again changes nothing. Raises ProvisioningError."""
        known = self.services.get(order.iccid)
        if known is not None:
            if (known.imsi, known.category) != (order.imsi, order.category):
                raise ProvisioningError(f"SIM {order.iccid} is there already with another IMSI or category")
            return known
        service = provision(order, management_bearer=self.manners.management_bearer, now_s=now_s)
        self.restore(service)
        return service

    def restore(self, service: Service) -> None:
        """Take a service as it is, from a state file."""
        self.services[service.iccid] = service
        self._views[service.iccid] = [View(0.0, service)]

    def attach(self, iccid: str, imei: str, now_s: float) -> AttachVerdict:
        """Let a SIM in or refuse it, as the network stands now; a SIM let in is seen with this IMEI."""
        self._take_effects(now_s)
        service = self.services.get(iccid)
        if service is None or service.state in {"suspended", "terminated"}:
            return AttachVerdict(accepted=False, cause=CAUSE_EPS_AND_NON_EPS_NOT_ALLOWED)
        parked = service.state == "inactive"
        if parked and service.values.get("managementBearer") != "true":
            return AttachVerdict(accepted=False, cause=CAUSE_EPS_NOT_ALLOWED)
        if imei and imei != service.seen_imei:
            self._store(msgspec.structs.replace(service, seen_imei=imei), now_s)
        return AttachVerdict(accepted=True, bearer="management" if parked else "internet")

    def count_use(self, iccid: str, megabytes: float, now_s: float) -> Service:
        """Count a SIM's traffic. Raises RequestRefusedError (404)."""
        self._take_effects(now_s)
        used = count_use(self._find(f"sim-{iccid}"), megabytes)
        self._store(used, now_s)
        return used

    # The API.

    def list_services(self, query: Mapping[str, str], now_s: float) -> Answer:
        """A page of services; `offset`, `limit` (at most 50), `state`, `category`, `id` (several by commas)."""
        self._take_effects(now_s)
        shown = [self._shown(iccid, now_s) for iccid in self.services]
        for name in ("state", "category", "id"):
            if name in query:
                wanted = set(query[name].split(","))
                shown = [service for service in shown if getattr(service, name) in wanted]
        offset, limit = _whole(query, "offset", 0), min(PAGE_LIMIT, _whole(query, "limit", PAGE_LIMIT))
        page = shown[offset : offset + limit]
        headers = {"X-Total-Count": str(len(shown)), "X-Result-Count": str(len(page))}
        return Answer(200, [render_service(service, self.base) for service in page], headers)

    def read_service(self, service_id: str, now_s: float) -> Answer:
        """One service, as reads show it now. Raises RequestRefusedError (404)."""
        self._take_effects(now_s)
        return Answer(200, render_service(self._shown(self._find(service_id).iccid, now_s), self.base))

    def read_monitor(self, monitor_id: str, now_s: float) -> Answer:
        """One monitor. Raises RequestRefusedError (404), also when it was forgotten."""
        self._take_effects(now_s)
        change = self.changes.get(monitor_id)
        if change is None:
            raise RequestRefusedError(404, f"no monitor {monitor_id}")
        return Answer(200, self._render_monitor(change, now_s))

    def change_service(self, service_id: str, body: object, now_s: float) -> Answer:
        """Start a change. Raises RequestRefusedError (400, 404, 409).

        What the caller is told is a matter of manners: 202, 200 when it is done at once, 500 without an effect, 500
        that hides one, or nothing at all.
        """
        self._take_effects(now_s)
        service = self._find(service_id)
        patch = read_patch(service, body)
        if self._running(service.iccid) is not None:
            raise RequestRefusedError(409, "another change of this service is running")
        if service.state == "terminated":
            raise RequestRefusedError(409, "a terminated service stays terminated")
        fate = {name: self._random.random() for name in ("server_error", "at_once", "hidden_success", "lost_answer")}
        if fate["server_error"] < self.manners.server_error:
            return SERVER_ERROR
        at_once = changes_nothing(service, patch) or fate["at_once"] < self.manners.at_once
        answer = self._start(service, patch, body, at_once=at_once, now_s=now_s)
        if fate["hidden_success"] < self.manners.hidden_success:
            return SERVER_ERROR
        lost = fate["lost_answer"] < self.manners.lost_answer
        return Answer(answer.status, answer.body, answer.headers, lost=lost)

    def draw_call_time(self) -> float:
        """Draw how long this call takes, in seconds."""
        return draw(self._random, self.manners.call_takes_s)

    def describe(self) -> dict[str, object]:
        """Everything, the network's truth, for the side door: services, changes on their way, what is owed."""
        return {
            "services": [render_service(service, self.base) for service in self.services.values()],
            "changes": [msgspec.to_builtins(change) for change in self.changes.values()],
            "listeners": [
                {"id": each.id, "callback": each.callback, "eventTypes": each.event_types}
                for each in self.outbox.listeners.values()
            ],
            "webhooksOwed": len(self.outbox.deliveries),
            "manners": msgspec.to_builtins(self.manners),
        }

    def read_fails(self) -> bool:
        """Draw whether this read is answered 5xx."""
        return self._random.random() < self.manners.server_error

    # Time.

    def advance(self, now_s: float) -> list[Delivery]:
        """Carry out what is due and return the webhooks to post now."""
        self._take_effects(now_s)
        return self.outbox.due(now_s)

    def advance_effects(self, now_s: float) -> None:
        """Carry out what is due; the webhooks stay owed."""
        self._take_effects(now_s)

    def next_due_s(self) -> float | None:
        """When `advance` has something to do next, or None."""
        times = [change.due_s for change in self.changes.values() if not change.ended]
        webhook_s = self.outbox.next_due_s()
        return min([*times, webhook_s] if webhook_s is not None else times, default=None)

    # Inside.

    def _find(self, service_id: str) -> Service:
        service = self.services.get(service_id.removeprefix("sim-"))
        if service is None or not service_id.startswith("sim-"):
            raise RequestRefusedError(404, f"no service {service_id}")
        return service

    def _running(self, iccid: str) -> Change | None:
        return next((c for c in self.changes.values() if c.iccid == iccid and not c.ended), None)

    def _start(self, service: Service, patch: ServicePatch, request: object, *, at_once: bool, now_s: float) -> Answer:
        delay = 0.0 if at_once else draw(self._random, self.manners.effect_delay_s)
        fails = not at_once and self._random.random() < self.manners.change_fails
        change_id = str(UUID(int=self._random.getrandbits(128), version=4))
        change = Change(change_id, service.iccid, request, patch, now_s + delay / 4, now_s + delay, fails)
        if changes_nothing(service, patch):
            return Answer(200, render_service(service, self.base))
        self.changes[change_id] = change
        if at_once:
            self._take_effects(now_s)
            return Answer(200, render_service(self.services[service.iccid], self.base))
        location = {"Location": f"{self.base}/monitor/{change_id}"}
        return Answer(202, self._render_monitor(change, now_s), location)

    def _take_effects(self, now_s: float) -> None:
        due = [change for change in self.changes.values() if not change.ended and change.due_s <= now_s]
        touched: list[str] = []
        for change in sorted(due, key=lambda each: each.due_s):
            before = self.services[change.iccid].state
            self._end(change)
            if self.services[change.iccid].state != before:
                touched.append(change.iccid)
        for iccid in touched:
            for listener in list(self.subscription_listeners):
                listener(iccid)
        for change in list(self.changes.values()):
            if change.ended and change.due_s + MONITOR_LIFE_S <= now_s:
                del self.changes[change.id]

    def _end(self, change: Change) -> None:
        change.ended = True
        if not change.fails:
            before = self.services[change.iccid]
            after = apply_patch(before, change.patch, change.due_s)
            self._store(after, change.due_s)
            self._announce_service(before, after, change.due_s)
        self._announce("MonitorStateChangeEvent", {"monitor": self._render_monitor(change, change.due_s)}, change.due_s)

    def _store(self, service: Service, now_s: float) -> None:
        self.services[service.iccid] = service
        views = self._views[service.iccid]
        visible_s = max(views[-1].visible_s, now_s + draw(self._random, self.manners.read_lag_s))
        views.append(View(visible_s, service))

    def _shown(self, iccid: str, now_s: float) -> Service:
        views = self._views[iccid]
        while len(views) > 1 and views[1].visible_s <= now_s:
            views.pop(0)
        return views[0].service

    def _announce_service(self, before: Service, after: Service, now_s: float) -> None:
        # The state is an attribute too, so a listener to attribute changes alone hears of everything.
        event = {"service": render_service(after, self.base)}
        if after.state != before.state:
            self._announce("ServiceStateChangeEvent", event, now_s)
        self._announce("ServiceAttributeValueChangeEvent", event, now_s)

    def _announce(self, event_type: str, event: object, now_s: float) -> None:
        document = {
            "eventId": str(UUID(int=self._random.getrandbits(128), version=4)),
            "eventTime": rfc3339(now_s),
            "eventType": event_type,
            "event": event,
        }
        self.outbox.announce(event_type, msgspec.json.encode(document), self.manners, now_s)

    def _render_monitor(self, change: Change, now_s: float) -> dict[str, object]:
        state = "acknowledged" if now_s < change.begins_s else "inProgress"
        if change.ended:
            state = "failed" if change.fails else "completed"
        return {
            "id": change.id,
            "href": f"{self.base}/monitor/{change.id}",
            "sourceHref": f"{self.base}/service/sim-{change.iccid}",
            "state": state,
            "request": {"method": "PATCH", "body": change.request},
            "response": {"statusCode": "500" if change.fails else "200"} if change.ended else {},
        }


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise RequestRefusedError(400, f"{name} must be a whole number, not {text[:20]!r}")
    return int(text)


def render_error(status: int, reason: str) -> dict[str, str]:
    """A TMF630 error body."""
    return {"code": str(status), "reason": reason, "status": str(status), "@type": "Error"}


SERVER_ERROR: Final = Answer(500, render_error(500, "internal error"))
