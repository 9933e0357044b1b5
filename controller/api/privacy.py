"""What may be done with somebody's data: each answer is a decision with clause, reason, and how to contest it (P)."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from controller.api import schemas
from controller.api.doors import OperatorDep, Services, ServicesDep
from controller.domain.decisions import to_json
from controller.domain.facts import Jurisdiction
from controller.domain.privacy import (
    DisclosureRequest,
    MessageKind,
    PowerOfAttorney,
    RefusalGround,
    RequestKind,
    VulnerableGround,
    in_subjects_copy,
)
from controller.services import privacy
from controller.services.actor import Actor

router = APIRouter(prefix="/v1/accounts/{account_id}/privacy", tags=["privacy"])


class DataRequest(BaseModel):
    """A request for a copy of somebody's data, or for its correction."""

    model_config = schemas.example(kind="copy", received_at="2026-11-20T09:00:00+00:00")
    kind: RequestKind
    received_at: schemas.Instant | None = None
    is_complex: bool = False
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES


class Refusal(BaseModel):
    """On what ground such a request would be refused, and what the requester would be told."""

    model_config = schemas.example(ground="repetitive", explanation="You were sent the same copy last week.")
    ground: RefusalGround | None = None
    explanation: schemas.LongText = ""


class VulnerableMarker(BaseModel):
    """On what a vulnerable marker would rest."""

    model_config = schemas.example(ground="permission")
    ground: VulnerableGround | None = None


class FraudMarker(BaseModel):
    """When a fraud marker was placed."""

    model_config = schemas.example(placed_on="2024-02-29")
    placed_on: schemas.Day


class Power(BaseModel):
    """A Power of Attorney as recorded; no `actions` are all of them."""

    model_config = schemas.example(attorney="C. Attorney", from_at="2026-01-05T00:00:00+00:00")
    attorney: schemas.Text
    from_at: schemas.Instant
    until: schemas.Instant | None = None
    actions: list[schemas.Word] = []


class Acting(BaseModel):
    """Who would act for the holder, and what they would do."""

    model_config = schemas.example(
        person="C. Attorney",
        action="report_fault",
        powers=[{"attorney": "C. Attorney", "from_at": "2026-01-05T00:00:00+00:00"}],
    )
    person: schemas.Text
    action: schemas.Word
    powers: list[Power] = []


class Message(BaseModel):
    """A message that would go out."""

    model_config = schemas.example(kind="service", promotes=False)
    kind: MessageKind
    opted_in: bool = False
    promotes: bool = False


class Disclosure(BaseModel):
    """Who outside asks for what, on which basis, and what they assure in writing."""

    model_config = schemas.example(
        requester="a police force", scope="name and address", approver="J. Reviewer", legal_basis="an order of a court"
    )
    requester: schemas.LongText
    scope: schemas.LongText
    approver: schemas.LongText
    legal_basis: schemas.LongText = ""
    is_compulsory: bool = False
    is_lawful: bool = False
    is_proportionate: bool = False
    assures_security: bool = False
    assures_use: bool = False
    assures_keeping: bool = False
    is_vital_interest: bool = False
    is_secret: bool = False


@router.post("/data-requests")
async def data_request(
    account_id: schemas.Id, body: DataRequest, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Say by when a request is owed its answer, free of charge."""
    return await _ask(door, actor, privacy.data_request, account_id=account_id, **body.model_dump())


@router.post("/refusals")
async def refusal(account_id: schemas.Id, body: Refusal, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Say whether such a request may be refused: only on a ground of the list, and explained to who asked."""
    return await _ask(door, actor, privacy.refusal, account_id=account_id, **body.model_dump())


@router.post("/vulnerable-markers")
async def vulnerable_marker(
    account_id: schemas.Id, body: VulnerableMarker, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Say whether a vulnerable marker may be recorded: by permission, or a legal or regulatory reason."""
    return await _ask(door, actor, privacy.vulnerable_marker, account_id=account_id, **body.model_dump())


@router.post("/fraud-markers")
async def fraud_marker(
    account_id: schemas.Id, body: FraudMarker, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Say whether a fraud marker may still be kept."""
    return await _ask(door, actor, privacy.fraud_marker, account_id=account_id, **body.model_dump())


@router.post("/attorneys")
async def attorney(account_id: schemas.Id, body: Acting, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Say whether somebody else may act on an account."""
    powers = tuple(
        PowerOfAttorney(
            account_id=account_id,
            attorney=each.attorney,
            from_at=each.from_at,
            until=each.until,
            actions=frozenset(each.actions),
        )
        for each in body.powers
    )
    asked = {"person": body.person, "action": body.action, "powers": powers}
    return await _ask(door, actor, privacy.attorney, account_id=account_id, **asked)


@router.post("/messages")
async def message(account_id: schemas.Id, body: Message, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Say whether a message may go out: a service notice always, and it promotes nothing."""
    return await _ask(door, actor, privacy.message, account_id=account_id, **body.model_dump())


@router.post("/disclosures")
async def disclosure(account_id: schemas.Id, body: Disclosure, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Say whether data may be disclosed, what is still missing, and whether the subject's own copy shows it."""
    request = DisclosureRequest(request_id=account_id, **body.model_dump())
    answer = await _ask(door, actor, privacy.disclosure, account_id=account_id, request=request)
    return answer | {"in_subjects_copy": in_subjects_copy(request)}


async def _ask(door: Services, actor: Actor, f: Any, **asked: Any) -> dict[str, Any]:
    return {"decision": to_json(await door.run(f, actor, **asked))}
