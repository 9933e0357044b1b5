"""`hub-controller crl`: the revocation list, signed or fetched, checked, and put where a broker reads it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from controller.cli.authority import own_authority, read_text, write_file
from controller.cli.failures import CliError, Exit
from controller.cli.main import transact
from controller.pki.port import AuthorityBrokenError, Revoked
from controller.pki.reading import read_revocation_list
from controller.services import revocations

DEADLINE_S: Final = 20.0
LARGEST: Final = 16 * 1024 * 1024


async def sign(database_url: str, certificate: Path, key: Path | None) -> None:
    """Sign the list into the database if it is due. Raises CliError, ServiceError."""
    authority = own_authority(certificate, key, None)
    wanted = transact(database_url, revocations.look)
    if isinstance(wanted, datetime):
        return
    pem = await authority.revocation_list(
        [Revoked(serial, at) for serial, at in wanted.revoked],
        number=wanted.number,
        now=datetime.now(UTC),
        next_update=wanted.next_update,
    )
    transact(database_url, revocations.record, wanted=wanted, pem=pem)


def read(database_url: str) -> bytes:
    """Return the list in force from the database. Raises ServiceError."""
    pem: bytes = transact(database_url, revocations.in_force).pem
    return pem


def fetch(url: str) -> bytes:
    """Return the list in force from a controller. Raises CliError."""
    try:
        answer = httpx.get(url, timeout=DEADLINE_S)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = f"the list can't be fetched from {url} ({type(error).__name__})"
        raise CliError(
            Exit.REFUSED, why, "see that the controller answers; the broker keeps the list it has"
        ) from error
    if len(answer.content) > LARGEST:
        raise CliError(Exit.REFUSED, f"{url} is no revocation list (too large)", "check --url")
    return answer.content


def put(pem: bytes, out: Path, authority: Path | None, now: datetime) -> dict[str, Any]:
    """Put a list into place unless the one there is as new; returns what is there now. Raises CliError.

    A list that has ended is refused: a broker with it refuses every hub.
    """
    trusted = None if authority is None else read_text(authority)
    try:
        number, ends = read_revocation_list(pem, trusted)
    except AuthorityBrokenError as error:
        raise CliError(Exit.REFUSED, str(error), "check --authority and where the list came from") from error
    if ends <= now:
        why = f"the revocation list ended at {ends.isoformat()}"
        raise CliError(
            Exit.REFUSED, why, "serve with the authority, or sign it here with --ca-certificate and --ca-key"
        )
    present = _number(out)
    changed = present is None or present < number
    if changed:
        write_file(out, pem.decode("ascii"), replace=True)
    return {"file": str(out), "number": number, "ends": ends.isoformat(), "changed": changed}


def _number(path: Path) -> int | None:
    if not path.exists():
        return None
    try:
        return read_revocation_list(path.read_bytes())[0]
    except (OSError, AuthorityBrokenError):
        return None
