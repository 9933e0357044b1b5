"""The revocation list: at once after a revocation, before a broker would refuse it, and never in silence."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from controller.pki.reading import read_certificate, read_revocation_list
from controller.services import alarms, enrolment, revocations
from controller.tables.enrolment import RevocationList
from controller.work.revocations import Revocations
from tests.unit.controller.enrolment.depot import HUBS_CA, Authority, Depot
from tests.unit.controller.household import Household


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine is enough: what is asked of the database here, others ask of both."""
    return sqlite_url


class Office:
    """Signs what is owed, as the work loop would."""

    def __init__(self, home: Household) -> None:
        self.home, self.authority = home, Authority()
        self.work = Revocations(home.database, self.authority, lambda: home.now)
        home.run(revocations.begin)

    async def sign(self) -> int:
        """Do what is owed; returns how many rows were due."""
        held = self.home.claim(revocations.NOUN, 10)
        for claim in held:
            await self.work.handle(claim)
        self.home.look()
        return len(held)

    @property
    def row(self) -> RevocationList:
        found: RevocationList = self.home.run(revocations.in_force)
        return found

    @property
    def serials(self) -> set[str]:
        return {f"{each.serial_number:x}" for each in x509.load_pem_x509_crl(self.row.pem)}

    @property
    def alarms(self) -> dict[str, str]:
        return {row.kind: row.severity for row in self.home.run(alarms.list_open)}


@pytest.fixture
async def office(home: Household) -> Office:
    office = Office(home)
    await office.sign()
    return office


def told(office: Office) -> datetime:
    return read_revocation_list(office.row.pem, HUBS_CA.certificate_pem)[1]


async def test_the_first_list_is_signed_at_the_start(office: Office) -> None:
    assert office.serials == set()
    assert told(office) == office.home.now + revocations.LIVES


async def test_a_revoked_certificate_is_on_the_list_at_once(office: Office) -> None:
    depot = Depot(office.home)
    hub_id = depot.new_hub()
    _, pem = await depot.enrol(hub_id)
    _, other = await depot.enrol(depot.new_hub("SN-2"))
    before = office.row.number
    office.home.pass_time(minutes=1)
    office.home.run(enrolment.revoke, hub_id=hub_id)
    assert await office.sign() == 1
    assert office.serials == {read_certificate(pem).serial}
    assert read_certificate(other).serial not in office.serials
    assert office.row.number > before


async def test_a_list_is_renewed_long_before_its_end(office: Office) -> None:
    office.home.pass_time(days=7, seconds=-1)
    assert await office.sign() == 0
    office.home.pass_time(seconds=1)
    assert await office.sign() == 1
    assert told(office) == office.home.now + revocations.LIVES


async def test_a_list_that_nobody_renews_raises_the_alarm_and_a_new_one_clears_it(office: Office) -> None:
    office.home.pass_time(days=21, seconds=-1)
    office.home.look()
    assert "crl_ending" not in office.alarms
    office.home.pass_time(seconds=1)
    office.home.look()
    assert office.alarms["crl_ending"] == "major"
    office.home.pass_time(days=7)
    office.home.look()
    assert office.alarms["crl_ending"] == "critical"
    await office.sign()
    assert "crl_ending" not in office.alarms


async def test_an_authority_that_fails_is_asked_until_it_signs(office: Office) -> None:
    office.authority.is_down = True
    office.home.pass_time(days=7)
    for _ in range(5):
        office.home.pass_time(minutes=15)
        assert await office.sign() == 1
    assert office.alarms["work_failing"] == "major"
    office.authority.is_down = False
    office.home.pass_time(minutes=15)
    await office.sign()
    assert "work_failing" not in office.alarms
    assert told(office) == office.home.now + revocations.LIVES


async def test_a_list_that_ends_too_soon_is_no_list(office: Office) -> None:
    sign = office.authority.revocation_list
    before = office.row.number

    class Hasty(Authority):
        async def revocation_list(self, revoked: Any, *, number: int, now: datetime, next_update: datetime) -> bytes:
            return await sign(revoked, number=number, now=now, next_update=now + timedelta(days=1))

    office.work = Revocations(office.home.database, Hasty(), lambda: office.home.now)
    office.home.pass_time(days=7)
    await office.sign()
    assert office.row.number == before


async def test_an_ended_certificate_leaves_the_list(office: Office) -> None:
    depot = Depot(office.home)
    hub_id = depot.new_hub()
    await depot.enrol(hub_id)
    office.home.run(enrolment.revoke, hub_id=hub_id)
    await office.sign()
    assert len(office.serials) == 1
    office.home.pass_time(days=3649)
    await office.sign()
    assert len(office.serials) == 1
    office.home.pass_time(days=8)
    await office.sign()
    assert office.serials == set()
