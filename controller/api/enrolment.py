"""Enrolment of hubs: claim codes for the depot, the two requests of a hub without a connection, the revocation list."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints

from controller.api import schemas, views
from controller.api.attempts import Attempts
from controller.api.doors import OperatorDep, ServicesDep, ViewerDep
from controller.services import enrolment, revocations
from controller.services.actor import Actor
from controller.services.errors import TooManyRequestsError, UnauthenticatedError, UnprocessableError
from controller.work.enrolment import Enrolled, Enrolment

router = APIRouter(prefix="/v1", tags=["enrolment"])

_CRL: Final = Actor.system("api.crl")
_PEM: Final = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
# Printable ASCII and line ends: all that PEM, base64 and a code are made of.
_PLAIN: Final = r"^[\x20-\x7e\r\n\t]+$"
Pem = Annotated[str, StringConstraints(max_length=16384, pattern=_PLAIN)]


class NewClaim(BaseModel):
    """A claim code to make for a hub."""

    model_config = schemas.example(lasts_h=168)
    lasts_h: Annotated[int, Field(ge=1, le=90 * 24)] = 168


class ClaimRequest(BaseModel):
    """A hub's first request: the code it was given, and a request for its own key."""

    model_config = schemas.example(claim_code="ABCDEF-GHIJKL-MNOPQR-STUVWX", csr_pem=_PEM.replace("E-", "E REQUEST-"))
    claim_code: Annotated[str, StringConstraints(max_length=64, pattern=_PLAIN)]
    csr_pem: Pem


class RenewalRequest(BaseModel):
    """A hub's next request: signed by the key of a certificate it was given before, ended or not."""

    model_config = schemas.example(
        csr_pem=_PEM.replace("E-", "E REQUEST-"), certificate_pem=_PEM, signature="MEUCIQ…base64 over the request's DER"
    )
    csr_pem: Pem
    certificate_pem: Pem
    signature: Annotated[str, StringConstraints(max_length=1024, pattern=_PLAIN)]


@router.post("/enrolments/claim", status_code=201)
async def claim(body: ClaimRequest, request: Request) -> dict[str, Any]:
    """Give a hub its certificate for a claim code; the same code and key again get the same answer. Needs no key."""
    async with _counted(request):
        return _answer(await _enrolment(request).claim(code=body.claim_code, csr_pem=body.csr_pem))


@router.post("/enrolments/renew", status_code=201)
async def renew(body: RenewalRequest, request: Request) -> dict[str, Any]:
    """Give a hub a new certificate for its old one, ended or not, unless it was revoked. Needs no key."""
    async with _counted(request):
        return _answer(
            await _enrolment(request).renew(
                csr_pem=body.csr_pem, certificate_pem=body.certificate_pem, signature=body.signature
            )
        )


@router.get("/enrolments/crl", response_class=Response)
async def get_crl(door: ServicesDep) -> Response:
    """Return the hubs' revocation list (PEM) for brokers. Needs no key: it is signed."""
    row = await door.run(revocations.in_force, _CRL)
    return Response(row.pem, media_type="application/x-pem-file", headers={"Cache-Control": "no-cache"})


@router.post("/hubs/{hub_id}/claims", status_code=201)
async def make_claim(hub_id: schemas.Id, body: NewClaim, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Make the code with which a hub enrols; it is shown this once, and an older one ends."""
    code, expires_at = await door.run(enrolment.make_claim, actor, hub_id=hub_id, lasts=timedelta(hours=body.lasts_h))
    return {"hub_id": hub_id, "claim_code": code, "expires_at": views.value(expires_at)}


@router.get("/hubs/{hub_id}/certificates")
async def list_certificates(hub_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return every certificate a hub was given, the newest first."""
    rows = await door.run(enrolment.view, actor, hub_id=hub_id)
    return {"hub_id": hub_id, "certificates": [views.plain(row, without=("pem",)) for row in rows]}


def _enrolment(request: Request) -> Enrolment:
    found: Enrolment = request.app.state.enrolment
    return found


@asynccontextmanager
async def _counted(request: Request) -> AsyncIterator[None]:
    """Refuse who was refused too often; charge a refusal. Raises TooManyRequestsError."""
    attempts: Attempts = request.app.state.attempts
    address, now_s = request.client.host if request.client else "unknown", asyncio.get_running_loop().time()
    wait_s = attempts.wait_s(address, now_s)
    if wait_s > 0:
        raise TooManyRequestsError(
            "too many refused enrolments", remedy="wait, then try again", retry_after_s=int(wait_s) + 1
        )
    try:
        yield
    except (UnauthenticatedError, UnprocessableError):
        attempts.refused(address, now_s)
        raise


def _answer(enrolled: Enrolled) -> dict[str, Any]:
    return {
        "hub_id": enrolled.hub_id,
        "certificate_pem": enrolled.certificate_pem,
        "ca_pem": enrolled.ca_pem,
        "broker_url": enrolled.broker_url,
        "doorbell_key": base64.b64encode(enrolled.doorbell_key).decode(),
    }
