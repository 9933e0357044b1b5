"""Category lists: imported, content-addressed, named by level, served by digest (T§19).

Which categories a level blocks is data of ours, marked as an example: the terms name no table.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlmodel import Session, col, select

from controller.services import journal, owed
from controller.services.actor import Actor
from controller.services.errors import NotFoundError, UnprocessableError
from controller.tables.hubs import HubState
from controller.tables.lists import FilterList

EXAMPLES: Final = Path(__file__).parents[1] / "tables" / "example_lists"
EXAMPLE_SOURCE: Final = "example shipped with the software"
MOST_BYTES: Final = 64 * 1024 * 1024
LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NAME: Final = re.compile(rb"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")

# An example, not BT's table: what each level blocks.
LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "off": (),
    "light": ("adult", "self-harm", "drugs"),
    "moderate": ("adult", "self-harm", "drugs", "gambling", "violence"),
    "strict": ("adult", "self-harm", "drugs", "gambling", "violence", "weapons"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """A list as a document names it; `size` in bytes."""

    category: str
    digest: str
    size: int


def import_list(
    session: Session, actor: Actor, now: datetime, *, category: str, body: bytes, source: str = "operator"
) -> str:
    """Take a list in: names one a line, `#` begins a comment; returns the digest. Hubs concerned are owed a document.

    Raises UnprocessableError naming the first line that is no name.
    """
    del actor
    plain = _plain(body)
    digest = "sha256:" + hashlib.sha256(plain).hexdigest()
    row = session.get(FilterList, digest)
    if row is None:
        row = FilterList(
            digest=digest, category=category, size=len(plain), body=plain, source=source, imported_at=now, report={}
        )
    elif row.category != category:
        raise UnprocessableError("the same list is imported as another category", remedy=f"it is {row.category}")
    row.imported_at = now
    session.add(row)
    session.flush()
    journal.audited(session, "filter_list", digest[7:43], "imported", category=category, size=len(plain))
    _owe_documents(session, now)
    return digest


def seed_examples(session: Session, actor: Actor, now: datetime) -> int:
    """Put the shipped examples in where a category has no list; returns how many were new."""
    del actor, now
    known = set(session.exec(select(FilterList.category).distinct()))
    new = 0
    for path in sorted(EXAMPLES.glob("*.txt")):
        if path.stem in known:
            continue
        body = _plain(path.read_bytes())
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        session.add(
            FilterList(
                digest=digest,
                category=path.stem,
                size=len(body),
                body=body,
                source=EXAMPLE_SOURCE,
                report={},
                imported_at=LONG_AGO,
            )
        )
        new += 1
    session.flush()
    return new


def in_force(session: Session, categories: Sequence[str]) -> tuple[ListView, ...]:
    """Return the newest list of each category that has one, in order of category."""
    if not categories:
        return ()
    statement = (
        select(FilterList.category, FilterList.digest, FilterList.size)
        .where(col(FilterList.category).in_(categories))
        .order_by(col(FilterList.category), col(FilterList.imported_at), col(FilterList.digest))
    )
    newest = {
        category: ListView(category=category, digest=digest, size=size)
        for category, digest, size in session.exec(statement)
    }
    return tuple(newest.values())


def of_level(session: Session, level: str, categories: Sequence[str]) -> tuple[ListView, ...]:
    """Return the lists a level blocks, or those of the categories picked under the level custom."""
    return in_force(session, categories if level == "custom" else LEVELS.get(level, ()))


def body_of(session: Session, actor: Actor, now: datetime, *, digest: str) -> bytes:
    """Return the bytes a digest names. Raises NotFoundError."""
    del actor, now
    row = session.get(FilterList, digest)
    if row is None:
        raise NotFoundError("list", digest)
    return row.body


def _plain(body: bytes) -> bytes:
    if len(body) > MOST_BYTES:
        raise UnprocessableError("the list is too long", remedy=f"at most {MOST_BYTES} bytes")
    names: set[bytes] = set()
    for number, line in enumerate(body.lower().splitlines(), start=1):
        name = line.split(b"#", 1)[0].strip().rstrip(b".")
        if name and _NAME.fullmatch(name) is None:
            raise UnprocessableError(f"line {number} is no name", remedy="one host name a line, # begins a comment")
        if name:
            names.add(name)
    return b"".join(name + b"\n" for name in sorted(names))


def _owe_documents(session: Session, now: datetime) -> None:
    """A changed list changes documents; each hub's is composed when its row is worked on."""
    ids = session.exec(select(HubState.hub_id)).all()
    owed.mark_many(session, "hubs", [(hub_id, None, now) for hub_id in ids], now=now)
