"""Every route the application has: who may, what is written down. A new route is covered by being there.

A route is called with its own documented example, its ids exchanged for those of one furnished home.
"""

import itertools
import random
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from sqlmodel import Session, col, select

from controller.api import create_api
from controller.api.doors import Services
from controller.carrier.tmf640 import Tmf640Carrier
from controller.domain.facts import SuspicionKind
from controller.services import (
    accounts,
    alarms,
    dispatch,
    history,
    hubs,
    keys,
    lines,
    lists,
    outages,
    quarantine,
    tasks,
)
from controller.services.actor import Actor, Role
from controller.services.database import Database
from controller.services.history import HubHistory
from controller.services.policy import Policy
from controller.services.samples import SAMPLE
from controller.tables.journal import AuditEntry
from controller.tables.tasks import OperatorTask
from controller.work.webhooks import PATH as WEBHOOK
from controller.work.webhooks import carrier_router
from tests.unit.controller.household import IMEI, START, Household, numbered_ids

Name = tuple[str, str]

# Who has no key may do this, and why.
PUBLIC: Final[dict[Name, str]] = {
    ("GET", "/healthz"): "a balancer asks; it tells nothing but that the database answers",
    ("GET", "/metrics"): "Prometheus asks; counts alone",
    ("GET", "/lists/{digest}"): "hubs fetch a list whose digest their document names; the content is public",
    ("POST", "/v1/enrolments/claim"): "the claim code is the key",
    ("POST", "/v1/enrolments/renew"): "the old certificate's signature is the key",
    ("GET", "/v1/enrolments/crl"): "signed, for brokers",
    ("POST", WEBHOOK): "the carrier's own secret is the key",
    ("GET", "/openapi.json"): "the contract itself",
    ("GET", "/docs"): "the same, to read",
    ("GET", "/docs/oauth2-redirect"): "the same",
}
# What an operator may not do: who may, what every hub is given, what cannot be taken back, and what nobody could read.
ADMINS: Final[frozenset[Name]] = frozenset(
    {
        ("POST", "/v1/keys"),
        ("DELETE", "/v1/keys/{key_id}"),
        ("POST", "/v1/hubs/{hub_id}/revocation"),
        ("DELETE", "/v1/hubs/{hub_id}/telemetry"),
        ("PUT", "/v1/tacs/{tac}"),
        ("POST", "/v1/lists/{category}"),
        ("PUT", "/v1/lists/levels/{level}"),
        ("GET", "/v1/quarantine"),
        ("POST", "/v1/quarantine/{message_id}/replay"),
    }
)
# An account's id alone names nobody: who it is takes another read, which is audited. These are looked at all day.
IDS_ALONE: Final = {"/v1/late": "who is late, for the wall screen", "/v1/feed": "what changed, followed for ever"}
# What takes something back is called after that was done.
FIRST: Final[dict[Name, tuple[Name, ...]]] = {
    ("DELETE", "/v1/hubs/{hub_id}/losses"): (("POST", "/v1/hubs/{hub_id}/losses"),),
    ("DELETE", "/v1/faults/{fault_id}/resolution"): (("POST", "/v1/faults/{fault_id}/resolution"),),
    ("DELETE", "/v1/sims/{sim_id}/journeys"): (("POST", "/v1/sims/{sim_id}/journeys"),),
    ("POST", "/v1/lines/{line_id}/event-restorations"): (("POST", "/v1/lines/{line_id}/event-withdrawals"),),
}
# Where the documented example contradicts the home, or there is none.
OTHER: Final = "the other account"
BODIES: Final[dict[Name, dict[str, Any]]] = {
    ("PATCH", "/v1/outages/{outage_id}"): {"until": "2026-11-29T12:00:00+00:00"},
    ("POST", "/v1/calls"): {"caller": "+447700900124"},
    ("POST", "/v1/hubs/{hub_id}/determinations"): {"kind": "release_hub_sim"},
    ("POST", "/v1/lines/{line_id}/determinations"): {"kind": "grant_replacement"},
    ("POST", "/v1/line-events"): {
        "events": [{"line_id": "", "kind": "sync_lost", "at": "2026-11-20T04:00:00Z", "source": "another"}]
    },
    ("POST", "/v1/plans/{plan_id}/move"): {"account_id": OTHER},
}
BYTES: Final = {("POST", "/v1/lists/{category}"): b"0.0.0.0 bet.example\n"}
PERSONAL: Final = (
    *("A. Customer", "a@example.org", "+447700900123", "+447700900124", "AB1 2CD", "234100000000001"),
    *(IMEI, IMEI.encode().hex()),
)


@dataclass
class Home:
    """A home with one of everything, in a file that each call gets a copy of."""

    path: Path
    house: Household
    ids: dict[str, str]
    keys: dict[Role, str]


@contextmanager
def opened(path: Path, first_id: int) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}", ids=numbered_ids(first_id), random=random.Random(1), policy=Policy())
    try:
        yield database
    finally:
        database._executor.shutdown(wait=True)
        database.engine.dispose()


@pytest.fixture(scope="module")
def home(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    path = tmp_path_factory.mktemp("home") / "controller.db"
    shutil.copy(sqlite_template, path)
    with opened(path, 0) as database:
        house = Household(database)
        made = {role: house.run(keys.create, name=role.value, role=role) for role in Role if role is not Role.SYSTEM}
        ids = _furnish(house) | {"key_id": made[Role.OPERATOR][0]}
        return Home(path, house, ids, {role: key for role, (_, key) in made.items()})


def _furnish(house: Household) -> dict[str, str]:
    account = {"account_id": house.move_in(allowances=(1000,))}
    fault_id = house.broken()
    house.outside_follows()
    hub_id = house.run(hubs.enrol, serial="S1", iccid=house.card(), imsi="234100000000001").id
    told = {"uptime_ms": 1, "at": int(house.now.timestamp() * 1000), "rsrp_dbm": -125.0}
    house.run(history.record, batch=[HubHistory(hub_id, 1, 1, (tuple(told.get(name) for name in SAMPLE),))])
    house.run(quarantine.put, messages=[("minihub/v1/nobody/event", IMEI.encode(), "at the time")])
    grounds = {"kind": SuspicionKind.FRAUD, "grounds": "three reports", "by": "J. Reviewer"}
    scope = {"line_ids": [house.line_id], "from_at": house.now + timedelta(days=1)}
    outage_id = house.run(outages.declare, **scope).id
    task = house.run(_open_task, fault_id=fault_id, **account)
    # Of somebody else: it would end what this home has.
    other = {"account_id": house.run(accounts.create, holder_name="B", email=None, mobile=None).id}
    return {
        **account,
        "event_id": str(house.run(lines.of_line, line_id=house.line_id)[0].id),
        "plan_id": house.plan_ids[0],
        "sim_id": house.mybt()[0].sim_id,
        "line_id": house.line_id,
        "service_id": house.service_id,
        "fault_id": fault_id,
        "decision_id": house.view(fault_id).decisions[0].id,
        "hub_id": hub_id,
        "order_id": house.run(dispatch.of_account, **account)[0].id,
        "request_id": house.run(accounts.request_leave, service_id=house.service_id).id,
        "bill_id": house.run(accounts.bill_past_due, due_on=house.now.date(), **other).id,
        "suspicion_id": house.run(accounts.suspect, **other, **grounds).id,
        "outage_id": outage_id,
        "task_id": task.id,
        "alarm_id": house.run(alarms.find, wanted=alarms.AlarmFilter(kind="signal"))[0].id,
        "message_id": house.run(quarantine.newest)[0].id,
        "digest": house.run(lists.all_lists)[0].digest,
        "other_id": other["account_id"],
        "category": "gambling",
        "level": "light",
        "tac": "00100111",
    }


def _open_task(session: Session, actor: Actor, now: datetime, *, account_id: str, fault_id: str) -> OperatorTask:
    return tasks.open_task(
        session, tasks.PARCEL_FAILED, "an order", now, account_id=account_id, fault_id=fault_id, reason="came back"
    )


class Door:
    """The application over a copy of the home, taken anew for each call."""

    def __init__(self, home: Home, directory: Path) -> None:
        self.home, self.directory = home, directory
        self._now = lambda: home.house.now
        self._ids = itertools.count(1_000_000, 1000)
        carrier = Tmf640Carrier(httpx.AsyncClient())
        hooks = carrier_router(home.house.database, carrier, "secret", self._now)
        self.api = create_api(home.house.database, now=self._now, include=[hooks])
        self.document = self.api.openapi()

    def routes(self) -> list[Name]:
        found = [(method, each.path) for each in iter_route_contexts(self.api.routes) for method in each.methods or ()]
        return sorted((method, path) for method, path in found if method != "HEAD" and path is not None)

    def changes(self) -> list[Name]:
        return [name for name in self.routes() if name not in PUBLIC and name[0] != "GET"]

    async def call(self, *names: Name) -> tuple[httpx.Response, list[AuditEntry]]:
        """Call some routes, one after the other; returns the last answer and what that wrote down."""
        with self._copied() as database:
            for name in names:
                before = len(_audit(database))
                answer = await self._call(name, Role.ADMIN)
            return answer, _audit(database)[before:]

    async def refusals(self, names: Iterable[Name], role: Role | None) -> dict[Name, int]:
        """Call routes that should change nothing; returns their answers. Fails if anything was written down."""
        with self._copied() as database:
            before = len(_audit(database))
            answers = {name: (await self._call(name, role)).status_code for name in names}
            assert _audit(database)[before:] == []
            return answers

    @contextmanager
    def _copied(self) -> Iterator[Database]:
        path = self.directory / "controller.db"
        shutil.copy(self.home.path, path)
        with opened(path, next(self._ids)) as database:
            self.api.state.services = Services(database, self._now)
            yield database

    async def _call(self, name: Name, role: Role | None) -> httpx.Response:
        method, path = name
        operation = self.document["paths"].get(path, {}).get(method.lower(), {})
        required = [each["name"] for each in operation.get("parameters", ()) if each.get("required")]
        asked = {word: self.home.ids[word] for word in required if f"{{{word}}}" not in path}
        url = re.sub(r"\{(\w+)\}", lambda match: self.home.ids[match[1]], path)
        headers = {"Authorization": f"Bearer {self.home.keys[role]}"} if role is not None else {}
        transport = httpx.ASGITransport(self.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://controller", headers=headers) as client:
            if name in BYTES:
                return await client.request(method, url, params=asked, content=BYTES[name])
            return await client.request(method, url, params=asked, json=self._body(name, operation))

    def _body(self, name: Name, operation: dict[str, Any]) -> Any:
        if "requestBody" not in operation:
            return None
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        model = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        example = {**model.get("examples", [{}])[0], **BODIES.get(name, {})}
        return self._own("", example)

    def _own(self, word: str, value: Any) -> Any:
        """The same value, about this home."""
        if isinstance(value, dict):
            return {inner: self._own(inner, each) for inner, each in value.items()}
        if isinstance(value, list):
            return [self._own(word.removesuffix("s"), each) for each in value]
        return self.home.ids["other_id"] if value == OTHER else self.home.ids.get(word, value)


def _audit(database: Database) -> list[AuditEntry]:
    def read(session: Session, actor: Actor, now: Any) -> list[AuditEntry]:
        del actor, now
        return list(session.exec(select(AuditEntry).order_by(col(AuditEntry.sequence))))

    found: list[AuditEntry] = database.run_now(read, actor=Actor("a test"), now=START)
    return found


def is_read(entry: AuditEntry) -> bool:
    return entry.action == "read" or entry.action.startswith("read_")


@pytest.fixture(scope="module")
def door(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Door:
    return Door(home, tmp_path_factory.mktemp("door"))


def test_what_is_public_is_a_route(door: Door) -> None:
    assert len(door.routes()) > 60
    assert PUBLIC.keys() - set(door.routes()) == set()


async def test_without_a_key_nothing_but_the_public_is_answered(door: Door) -> None:
    answers = await door.refusals(door.routes(), None)
    # An unsigned webhook is refused by its own route.
    refused = {name for name in door.routes() if name not in PUBLIC or name[1] == WEBHOOK}
    assert {name for name, status in answers.items() if status == 401} == refused


async def test_the_lowest_role_changes_nothing(door: Door) -> None:
    answers = await door.refusals(door.changes(), Role.VIEWER)
    assert {name: status for name, status in answers.items() if status != 403} == {}


async def test_what_is_an_administrators_is_refused_to_an_operator(door: Door) -> None:
    answers = await door.refusals(ADMINS, Role.OPERATOR)
    assert {name: status for name, status in answers.items() if status != 403} == {}


async def test_every_change_is_written_down_under_the_keys_name(door: Door) -> None:
    wrong = []
    for name in door.changes():
        answer, written = await door.call(*FIRST.get(name, ()), name)
        done = [entry for entry in written if not is_read(entry)]
        if not answer.is_success or not done or {entry.actor for entry in written} != {Role.ADMIN.value}:
            wrong.append((name, answer.status_code, answer.text[:200], written))
    assert wrong == []


async def test_every_read_of_personal_data_is_written_down(door: Door) -> None:
    wrong, reads = [], []
    for name in door.routes():
        if name in PUBLIC or name[0] != "GET":
            continue
        answer, written = await door.call(name)
        is_personal = any(word in answer.text for word in PERSONAL)
        is_personal |= '"account_id"' in answer.text and name[1] not in IDS_ALONE
        reads += [name[1]] if is_personal else []
        if not answer.is_success or is_personal is not any(is_read(entry) for entry in written):
            wrong.append((name, answer.status_code, answer.text[:200], [entry.action for entry in written]))
    assert wrong == []
    # The home has something to show at each of these.
    assert {path.rpartition("/")[2] for path in reads} >= {"mybt", "notices", "tasks", "dispatch-orders", "{hub_id}"}
