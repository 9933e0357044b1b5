"""Enrolment over HTTP: its shapes, who may, and how often who has no key may be wrong."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from controller.api import serve
from controller.api.attempts import ALL, EACH, Attempts
from controller.services import audit, enrolment, keys, revocations
from controller.services.actor import Role
from controller.work.revocations import Revocations
from tests.unit.controller.enrolment.depot import BROKER_URL, Authority, Depot, identity, new_key, request_of, signed
from tests.unit.controller.household import Household


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine is enough: what is asked of the database here, others ask of both."""
    return sqlite_url


@pytest.fixture
def depot(home: Household) -> Depot:
    return Depot(home)


@pytest.fixture
async def hub(depot: Depot, routes: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A hub on the internet: it has no key of the API."""
    serve(routes, depot.home.database, now=lambda: depot.home.now, identity=identity(depot.authority))
    transport = httpx.ASGITransport(routes)
    async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
        yield client


def bearer(depot: Depot, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {depot.home.run(keys.create, name=role.value, role=role)[1]}"}


async def test_from_the_depots_code_to_the_renewed_certificate(depot: Depot, hub: httpx.AsyncClient) -> None:
    hub_id = depot.new_hub()
    made = await hub.post(f"/v1/hubs/{hub_id}/claims", json={}, headers=bearer(depot, Role.OPERATOR))
    key = new_key()
    claim = {"claim_code": made.json()["claim_code"], "csr_pem": request_of(key)}
    first = await hub.post("/v1/enrolments/claim", json=claim)
    answer = first.json()
    assert (made.status_code, first.status_code) == (201, 201)
    assert set(answer) == {"hub_id", "certificate_pem", "ca_pem", "broker_url", "doorbell_key"}
    assert (answer["hub_id"], answer["broker_url"], answer["ca_pem"]) == (hub_id, BROKER_URL, "the broker's CA")
    assert len(base64.b64decode(answer["doorbell_key"])) == 32
    assert (await hub.post("/v1/enrolments/claim", json=claim)).json() == answer
    request = request_of(new_key())
    renewal = {"csr_pem": request, "certificate_pem": answer["certificate_pem"], "signature": signed(key, request)}
    renewed = await hub.post("/v1/enrolments/renew", json=renewal)
    assert renewed.status_code == 201
    assert renewed.json()["doorbell_key"] == answer["doorbell_key"]
    shown = await hub.get(f"/v1/hubs/{hub_id}/certificates", headers=bearer(depot, Role.VIEWER))
    assert [each["issued_by"] for each in shown.json()["certificates"]] in (["claim", "renewal"], ["renewal", "claim"])
    assert "BEGIN" not in shown.text
    depot.home.run(enrolment.revoke, hub_id=hub_id)
    assert (await hub.post("/v1/enrolments/renew", json=renewal)).status_code == 401


async def test_every_reason_to_refuse_a_code_looks_alike(depot: Depot, hub: httpx.AsyncClient) -> None:
    used, expired = depot.code(depot.new_hub()), depot.code(depot.new_hub("SN-2"))
    guesses = [{"claim_code": code, "csr_pem": request_of(new_key())} for code in (used, used, "nothing", expired)]
    first = await hub.post("/v1/enrolments/claim", json=guesses[0])
    assert first.status_code == 201
    depot.home.pass_time(days=8)
    answers = [await hub.post("/v1/enrolments/claim", json=guess) for guess in guesses[1:]]
    assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("claim", {"claim_code": "x", "csr_pem": "no request"}),
        ("claim", {"claim_code": "x" * 65, "csr_pem": "no request"}),
        ("claim", {"claim_code": "x", "csr_pem": "x" * 16385}),
        ("claim", {"claim_code": "x\x00", "csr_pem": "x"}),
        ("renew", {"csr_pem": "x", "certificate_pem": "x", "signature": "x"}),
        ("renew", {"csr_pem": "x", "certificate_pem": "x", "signature": "x", "more": 1}),
    ],
)
async def test_nonsense_is_422(hub: httpx.AsyncClient, path: str, body: dict[str, object]) -> None:
    answer = await hub.post(f"/v1/enrolments/{path}", json=body)
    assert (answer.status_code, set(answer.json())) == (422, {"error"})


@pytest.mark.parametrize(("path", "most"), [("/v1/enrolments/claim", 64 * 1024), ("/v1/accounts", 8 * 1024 * 1024)])
async def test_a_body_is_bounded_with_a_key_or_without(
    depot: Depot, hub: httpx.AsyncClient, path: str, most: int
) -> None:
    headers = {**bearer(depot, Role.OPERATOR), "Content-Type": "application/json"}
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 16 * 1024
            yield b" " * 16 * 1024

    answer = await hub.post(path, content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert read <= most + 32 * 1024
    fits = await hub.post(path, content=b" " * (most - 2) + b"{}", headers=headers)
    assert fits.status_code == 422


async def test_without_an_authority_it_is_503(depot: Depot, routes: FastAPI) -> None:
    code = depot.code(depot.new_hub())
    serve(routes, depot.home.database, now=lambda: depot.home.now)
    transport = httpx.ASGITransport(routes)
    async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
        answer = await client.post("/v1/enrolments/claim", json={"claim_code": code, "csr_pem": request_of(new_key())})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_authority")


async def test_who_is_wrong_too_often_has_to_wait(depot: Depot, hub: httpx.AsyncClient) -> None:
    guess = {"claim_code": "AAAAAA", "csr_pem": request_of(new_key())}
    nonsense = {**guess, "csr_pem": "no request"}
    guesses = [guess, nonsense] * (EACH // 2)
    found = [(await hub.post("/v1/enrolments/claim", json=each)).status_code for each in guesses]
    assert found == [401, 422] * (EACH // 2)
    good = {"claim_code": depot.code(depot.new_hub()), "csr_pem": request_of(new_key())}
    answer = await hub.post("/v1/enrolments/claim", json=good)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    rows = depot.home.run(lambda session, actor, now: audit.entries_of(session, "hub", "unknown"))
    assert len(rows) == EACH // 2


@pytest.mark.parametrize(("method", "path"), [("POST", "claims"), ("GET", "certificates")])
async def test_an_operators_routes_need_a_key_of_that_role(
    depot: Depot, hub: httpx.AsyncClient, method: str, path: str
) -> None:
    url = f"/v1/hubs/{depot.new_hub()}/{path}"
    assert (await hub.request(method, url, json={})).status_code == 401
    allowed = (await hub.request(method, url, json={}, headers=bearer(depot, Role.VIEWER))).status_code
    assert allowed == (403 if method == "POST" else 200)


async def test_revoking_over_http_revokes_the_certificates(depot: Depot, hub: httpx.AsyncClient) -> None:
    hub_id = depot.new_hub()
    await depot.enrol(hub_id)
    headers = bearer(depot, Role.ADMIN)
    assert (await hub.post(f"/v1/hubs/{hub_id}/revocation", headers=headers)).status_code == 200
    shown = await hub.get(f"/v1/hubs/{hub_id}/certificates", headers=headers)
    assert [each["revoked_at"] is not None for each in shown.json()["certificates"]] == [True]


async def test_the_list_is_for_anybody(depot: Depot, hub: httpx.AsyncClient) -> None:
    assert (await hub.get("/v1/enrolments/crl")).status_code == 404
    depot.home.run(revocations.begin)
    for claim in depot.home.claim(revocations.NOUN, 1):
        await Revocations(depot.home.database, Authority(), lambda: depot.home.now).handle(claim)
    answer = await hub.get("/v1/enrolments/crl")
    assert answer.text.startswith("-----BEGIN X509 CRL-----")


def test_attempts_come_back_with_time_and_are_counted_by_network() -> None:
    attempts = Attempts()
    for _ in range(EACH):
        assert attempts.wait_s("2001:db8::1", 0.0) == 0
        attempts.refused("2001:db8::1", 0.0)
    assert attempts.wait_s("2001:db8::ffff", 0.0) == pytest.approx(6.0)
    assert attempts.wait_s("2001:db8:0:1::1", 0.0) == 0
    assert attempts.wait_s("2001:db8::1", 6.0) == 0


def test_all_together_are_bounded_too_and_addresses_are_forgotten() -> None:
    attempts = Attempts()
    for number in range(ALL):
        attempts.refused(f"192.0.2.{number}", 0.0)
    assert attempts.wait_s("198.51.100.1", 0.0) > 0
    assert attempts.wait_s("198.51.100.1", 60.0) == 0
    for number in range(5000):
        attempts.refused(f"10.0.{number // 256}.{number % 256}", 0.0)
    assert len(attempts._addresses) == 4096
    # The one that was wrong longest ago is forgotten, not the one that is wrong now.
    for _ in range(EACH):
        attempts.refused("203.0.113.9", 100.0)
    assert attempts.wait_s("203.0.113.9", 101.0) > 0
