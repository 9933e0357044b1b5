"""A claim code makes one key one hub; the old key renews it; revocation ends it."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from controller.pki.port import SigningRequest
from controller.pki.reading import read_certificate, read_request
from controller.services import audit, enrolment, hubs
from controller.services.errors import ConflictError, NoAuthorityError, UnauthenticatedError, UnprocessableError
from controller.tables.enrolment import ClaimCode
from controller.work.enrolment import Enrolment
from tests.unit.controller.enrolment.depot import BROKER_URL, Authority, Depot, new_key, request_of, signed, subject_of
from tests.unit.controller.household import Household


@pytest.fixture
def depot(home: Household) -> Depot:
    return Depot(home)


def actions(depot: Depot, hub_id: str) -> list[str]:
    rows = depot.home.run(lambda session, actor, now: audit.entries_of(session, "hub", hub_id))
    return [row.action for row in rows]


async def test_a_code_and_a_key_become_a_hub(depot: Depot) -> None:
    hub_id = depot.new_hub()
    answer = await depot.enrolment.claim(code=depot.code(hub_id), csr_pem=request_of(new_key(), "not my name"))
    assert (answer.hub_id, answer.broker_url, len(answer.doorbell_key)) == (hub_id, BROKER_URL, 32)
    assert subject_of(answer.certificate_pem) == f"CN={hub_id}"
    assert {"claim_made", "claimed", "certificate_issued"} <= set(actions(depot, hub_id))


async def test_the_same_request_again_has_the_same_answer(depot: Depot) -> None:
    code, request = depot.code(depot.new_hub()), request_of(new_key())
    first = await depot.enrolment.claim(code=code, csr_pem=request)
    again = await depot.enrolment.claim(code=code.lower().replace("-", " "), csr_pem=request)
    assert again == first
    assert len(depot.authority.asked) == 1


async def test_a_crash_before_the_signature_costs_nothing(depot: Depot) -> None:
    code, request = depot.code(depot.new_hub()), request_of(new_key())
    depot.authority.is_down = True
    with pytest.raises(NoAuthorityError):
        await depot.enrolment.claim(code=code, csr_pem=request)
    depot.authority.is_down = False
    assert (await depot.enrolment.claim(code=code, csr_pem=request)).certificate_pem


async def test_the_same_request_twice_at_once_has_one_certificate(depot: Depot) -> None:
    hub_id = depot.new_hub()
    code, request = depot.code(hub_id), request_of(new_key())
    first, second = await asyncio.gather(*(depot.enrolment.claim(code=code, csr_pem=request) for _ in range(2)))
    assert first == second
    assert len(depot.home.run(enrolment.view, hub_id=hub_id)) == 1


async def test_a_code_is_for_one_key(depot: Depot) -> None:
    hub_id = depot.new_hub()
    code = depot.code(hub_id)
    await depot.enrolment.claim(code=code, csr_pem=request_of(new_key()))
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.claim(code=code, csr_pem=request_of(new_key()))
    assert "enrolment_refused" in actions(depot, hub_id)


async def test_a_key_is_for_one_hub(depot: Depot) -> None:
    key = new_key()
    await depot.enrolment.claim(code=depot.code(depot.new_hub()), csr_pem=request_of(key))
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.claim(code=depot.code(depot.new_hub("SN-2")), csr_pem=request_of(key))


async def test_a_code_ends(depot: Depot) -> None:
    hub_id = depot.new_hub()
    old, code = depot.code(hub_id), depot.code(hub_id)
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.claim(code=old, csr_pem=request_of(new_key()))
    depot.home.pass_time(days=7)
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.claim(code=code, csr_pem=request_of(new_key()))


async def test_a_guess_is_refused_and_audited(depot: Depot) -> None:
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.claim(code="AAAAAA-AAAAAA-AAAAAA-AAAAAA", csr_pem=request_of(new_key()))
    assert actions(depot, "unknown") == ["enrolment_refused"]


def test_a_code_is_kept_as_a_digest(depot: Depot) -> None:
    code = depot.code(depot.new_hub())

    def rows(session: Session, actor: object, now: object) -> list[dict[str, object]]:
        return [row.model_dump() for row in session.exec(select(ClaimCode))]

    assert len(code.replace("-", "")) == 24
    assert code not in str(depot.home.run(rows))
    assert code.replace("-", "") not in str(depot.home.run(rows))


async def test_a_hub_that_is_in_gets_no_second_code(depot: Depot) -> None:
    hub_id = depot.new_hub()
    await depot.enrol(hub_id)
    with pytest.raises(ConflictError):
        depot.code(hub_id)


@pytest.mark.parametrize("lasts", [timedelta(0), timedelta(days=91)])
def test_a_code_lasts_a_bounded_time(depot: Depot, lasts: timedelta) -> None:
    with pytest.raises(UnprocessableError):
        depot.home.run(enrolment.make_claim, hub_id=depot.new_hub(), lasts=lasts)


async def test_the_old_key_renews_even_after_its_certificates_end(depot: Depot) -> None:
    hub_id = depot.new_hub()
    key, pem = await depot.enrol(hub_id)
    bell = await depot.enrolment.renew(csr_pem=(r := request_of(key)), certificate_pem=pem, signature=signed(key, r))
    depot.home.pass_time(days=11 * 365)
    assert read_certificate(pem).not_after < depot.home.now
    request = request_of(new := new_key())
    answer = await depot.enrolment.renew(csr_pem=request, certificate_pem=pem, signature=signed(key, request))
    assert subject_of(answer.certificate_pem) == f"CN={hub_id}"
    assert read_certificate(answer.certificate_pem).not_after > depot.home.now
    assert answer.doorbell_key == bell.doorbell_key
    # Lost on the way: asked again, and then the new key renews in its turn.
    again = await depot.enrolment.renew(csr_pem=request, certificate_pem=pem, signature=signed(key, request))
    assert again == answer
    request = request_of(new_key())
    proof = signed(new, request)
    await depot.enrolment.renew(csr_pem=request, certificate_pem=answer.certificate_pem, signature=proof)


async def test_only_the_old_key_renews(depot: Depot) -> None:
    _, pem = await depot.enrol(depot.new_hub())
    thief = new_key()
    request = request_of(thief)
    with pytest.raises(UnprocessableError):
        await depot.enrolment.renew(csr_pem=request, certificate_pem=pem, signature=signed(thief, request))


async def test_a_proof_is_for_one_request(depot: Depot) -> None:
    key, pem = await depot.enrol(depot.new_hub())
    proof = signed(key, request_of(key))
    with pytest.raises(UnprocessableError):
        await depot.enrolment.renew(csr_pem=request_of(new_key()), certificate_pem=pem, signature=proof)


async def test_a_certificate_that_we_never_gave_renews_nothing(depot: Depot) -> None:
    hub_id = depot.new_hub()
    key = new_key()
    # Signed by our authority, with a hub's name: but not recorded, so not ours to believe.
    pem = await Authority().issue(read_request(request_of(key)), hub_id=hub_id, now=depot.home.now)
    request = request_of(key)
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.renew(csr_pem=request, certificate_pem=pem, signature=signed(key, request))


async def test_without_an_authority_nothing_is_signed_and_no_code_is_used(depot: Depot) -> None:
    code, key = depot.code(depot.new_hub()), new_key()
    other = Enrolment(depot.home.database, None, lambda: depot.home.now)
    with pytest.raises(NoAuthorityError):
        await other.claim(code=code, csr_pem=request_of(key))
    assert (await depot.enrolment.claim(code=code, csr_pem=request_of(new_key()))).certificate_pem


async def test_a_hub_renews_a_bounded_number_of_times_a_day(depot: Depot) -> None:
    hub_id = depot.new_hub()
    key, pem = await depot.enrol(hub_id)
    requests = [request_of(new_key()) for _ in range(10)]
    for request in requests[:9]:
        await depot.enrolment.renew(csr_pem=request, certificate_pem=pem, signature=signed(key, request))
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.renew(csr_pem=requests[9], certificate_pem=pem, signature=signed(key, requests[9]))
    depot.home.pass_time(days=1, minutes=1)
    await depot.enrolment.renew(csr_pem=requests[9], certificate_pem=pem, signature=signed(key, requests[9]))


async def test_a_revoked_hub_neither_claims_nor_renews(depot: Depot) -> None:
    hub_id = depot.new_hub()
    key, pem = await depot.enrol(hub_id)
    other = depot.new_hub("SN-2")
    code = depot.code(other)
    for each in (hub_id, other):
        depot.home.run(enrolment.revoke, hub_id=each)
    request = request_of(new_key())
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.renew(csr_pem=request, certificate_pem=pem, signature=signed(key, request))
    with pytest.raises(UnauthenticatedError):
        await depot.enrolment.claim(code=code, csr_pem=request)
    with pytest.raises(ConflictError):
        depot.code(hub_id)
    assert [row.revoked_at for row in depot.home.run(enrolment.view, hub_id=hub_id)] == [depot.home.now]


async def test_a_hub_that_is_revoked_while_it_is_signed_gets_nothing(depot: Depot) -> None:
    hub_id = depot.new_hub()

    class Slow(Authority):
        async def issue(self, request: SigningRequest, *, hub_id: str, now: datetime) -> str:
            depot.home.run(enrolment.revoke, hub_id=hub_id)
            return await super().issue(request, hub_id=hub_id, now=now)

    slow = Depot(depot.home, Slow())
    with pytest.raises(UnauthenticatedError):
        await slow.enrolment.claim(code=depot.code(hub_id), csr_pem=request_of(new_key()))
    assert depot.home.run(enrolment.view, hub_id=hub_id) == ()


async def test_refurbished_is_revoked_and_enrolled_anew(depot: Depot) -> None:
    home = depot.home
    home.move_in()
    first = home.put_hub_in_drawer()
    serial = home.run(hubs.view, hub_id=first).hub.serial
    card = home.run(hubs.view, hub_id=first).sims[0].iccid
    with pytest.raises(ConflictError):
        depot.new_hub(serial, home.card())
    with pytest.raises(ConflictError):
        depot.new_hub("another", card)
    home.broken()
    assert home.document().internet_on
    home.run(enrolment.revoke, hub_id=first)
    home.look()
    seen = home.run(hubs.view, hub_id=first)
    assert (seen.assignment, seen.state.desired["internet_on"], seen.state.desired["iccids"]) == (None, False, [])
    second = depot.new_hub(serial, card)
    assert second != first
    assert [sim.iccid for sim in home.run(hubs.view, hub_id=second).sims] == [card]
    assert home.run(hubs.view, hub_id=second).sims[0].intended == {"state": "parked"}
    assert not home.run(lambda session, actor, now: hubs.is_known(session, first))
    _, pem = await depot.enrol(second)
    assert subject_of(pem) == f"CN={second}"
    home.run(enrolment.revoke, hub_id=first)  # twice is once
