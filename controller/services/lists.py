"""Category lists: imported, compiled, content-addressed, named by level, served by digest (T§19).

Compiled means: names in one form, each once, none below another, in order, so that the same names are the same bytes.
Lists stay apart by category: levels share them, a hub fetches each once, and reports what it refused by category. What
a level, or all categories together, come to is within a byte budget, or the import is refused: a list that was cut
would be a control that only seems to be there.
"""

import hashlib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlmodel import Session, col, select

from controller.services import journal, owed
from controller.services.actor import Actor
from controller.services.errors import NotFoundError, UnprocessableError
from controller.services.list_formats import FORMATS, ListReport, read_list
from controller.tables.hubs import HubState
from controller.tables.lists import FilterLevel, FilterList

EXAMPLES: Final = Path(__file__).parents[1] / "tables" / "example_lists"
EXAMPLE_SOURCE: Final = "example shipped with the software"
MOST_BYTES: Final = 64 * 1024 * 1024
# What one hub may be asked to hold: a hub of 64 MiB a week fetches it within one, dnsmasq holds some 80 MB for it.
BUDGET: Final = 24 * 1024 * 1024
LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
CUSTOM: Final = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """A list as a document names it; `size` in bytes."""

    category: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import led to."""

    category: str
    digest: str
    size: int
    report: ListReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelView:
    """A level: its categories, where that comes from, the lists there are for them, and their bytes of the budget."""

    level: str
    categories: tuple[str, ...]
    source: str
    lists: tuple[ListView, ...]
    size: int
    budget: int = BUDGET


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Names in one form, one a line, and what became of each line they came from."""

    digest: str
    body: bytes
    report: ListReport


def compile_list(body: bytes, format_: str = "auto") -> Compiled:
    """Read a list; takes seconds for a million names. Raises UnprocessableError if nothing in it is a name."""
    names, report = _read(body, format_)
    compiled = "".join(f"{name}\n" for name in names).encode()
    return Compiled(digest="sha256:" + hashlib.sha256(compiled).hexdigest(), body=compiled, report=report)


def import_body(
    session: Session, actor: Actor, now: datetime, *, category: str, body: bytes, source: str, format_: str = "auto"
) -> Imported:
    """Compile and import, see both."""
    compiled = compile_list(body, format_)
    return import_list(session, actor, now, category=category, compiled=compiled, source=source)


def import_list(
    session: Session, actor: Actor, now: datetime, *, category: str, compiled: Compiled, source: str
) -> Imported:
    """Take a list in; it is in force from now on for its category, and hubs concerned are owed a document.

    Raises UnprocessableError if it exceeds the budget, or is the list of another category.
    """
    digest, report = compiled.digest, compiled.report
    row = session.get(FilterList, digest)
    if row is not None and row.category != category:
        raise UnprocessableError("the same list is imported as another category", remedy=f"it is {row.category}")
    row = row or _row(compiled, category, source, now)
    row.imported_at, row.report, row.source = now, report.as_json(), source[:200]
    session.add(row)
    session.flush()
    _refuse_over_budget(session)
    counted = {"names": row.names, "refused": report.counts.get("refused", 0)}
    journal.audited(session, "filter_list", digest[7:43], "imported", by=actor.name, category=category, **counted)
    _owe_documents(session, now)
    return Imported(category=category, digest=digest, size=row.size, report=report)


def seed_examples(session: Session, actor: Actor, now: datetime) -> int:
    """Put the shipped examples in where a category has no list or a level no categories; returns how many were new."""
    del actor, now
    known = set(session.exec(select(FilterList.category).distinct()))
    rows: list[FilterList | FilterLevel] = []
    for path in sorted(EXAMPLES.glob("*.txt")):
        compiled = compile_list(path.read_bytes(), "plain")
        if path.stem not in known:
            rows.append(_row(compiled, path.stem, EXAMPLE_SOURCE, LONG_AGO))
    there = set(session.exec(select(FilterLevel.level)))
    for level, categories in tomllib.loads((EXAMPLES / "levels.toml").read_text(encoding="utf-8"))["levels"].items():
        if level not in there:
            rows.append(FilterLevel(level=level, categories=categories, source=EXAMPLE_SOURCE, set_at=LONG_AGO))
    session.add_all(rows)
    session.flush()
    return len(rows)


def set_level(session: Session, actor: Actor, now: datetime, *, level: str, categories: Collection[str]) -> LevelView:
    """Say what a level refuses; hubs on it are owed a document. Raises UnprocessableError."""
    if level == CUSTOM:
        raise UnprocessableError("the categories of custom are each household's own", remedy="set them on the hub")
    row = session.get(FilterLevel, level) or FilterLevel(level=level, categories=[], source="", set_at=now)
    row.categories, row.source, row.set_at = sorted(set(categories)), actor.name[:200], now
    session.add(row)
    session.flush()
    journal.audited(session, "filter_level", level, "set", by=actor.name, categories=row.categories)
    _owe_documents(session, now)
    return _view(session, row)


def levels(session: Session, actor: Actor, now: datetime) -> tuple[LevelView, ...]:
    """Return every level."""
    del actor, now
    return tuple(_view(session, row) for row in session.exec(select(FilterLevel).order_by(col(FilterLevel.level))))


def all_lists(session: Session, actor: Actor, now: datetime) -> tuple[FilterList, ...]:
    """Return the newest list of each category, with its report and without its bytes."""
    del actor, now
    digests = [view.digest for view in in_force(session)]
    found = session.exec(select(FilterList).where(col(FilterList.digest).in_(digests)))
    return tuple(sorted(found, key=lambda row: row.category))


def in_force(session: Session, categories: Collection[str] | None = None) -> tuple[ListView, ...]:
    """Return the newest list of each of these categories that has one (None: of all), in order of category."""
    statement = select(FilterList.category, FilterList.digest, FilterList.size).order_by(
        col(FilterList.category), col(FilterList.imported_at), col(FilterList.digest)
    )
    if categories is not None:
        statement = statement.where(col(FilterList.category).in_(sorted(categories)))
    newest = {
        category: ListView(category=category, digest=digest, size=size)
        for category, digest, size in session.exec(statement)
    }
    return tuple(newest.values())


def refused_categories(
    level: str, picked: Collection[str], overrides: Mapping[str, bool], levels: Mapping[str, Collection[str]]
) -> set[str]:
    """Return the categories a level refuses, or those picked under the level custom.

    `overrides` of a household say of a category that it is refused (true) or not (false), whatever the level says;
    `levels` are those there are, each with its categories.
    """
    refused = set(picked if level == CUSTOM else levels.get(level, ()))
    for category, is_refused in overrides.items() if level != "off" else ():
        (refused.add if is_refused else refused.discard)(category)
    return refused


def body_of(session: Session, actor: Actor, now: datetime, *, digest: str) -> bytes:
    """Return the bytes a digest names. Raises NotFoundError."""
    del actor, now
    row = session.get(FilterList, digest)
    if row is None:
        raise NotFoundError("list", digest)
    return row.body


def _read(body: bytes, format_: str) -> tuple[tuple[str, ...], ListReport]:
    if len(body) > MOST_BYTES:
        raise UnprocessableError("the list is too long", remedy=f"at most {MOST_BYTES} bytes")
    if format_ not in FORMATS:
        raise UnprocessableError(f"there is no list format {format_}", remedy=f"use one of {', '.join(FORMATS)}")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnprocessableError(f"byte {error.start} of the list is no UTF-8", remedy="send UTF-8") from error
    names, report = read_list(text, format_)
    if not names:
        first = f"line {report.refused[0]['line']}: {report.refused[0]['reason']}" if report.refused else "it is empty"
        raise UnprocessableError(f"nothing in the list is a name to refuse ({first})", remedy="name its format")
    return names, report


def _row(compiled: Compiled, category: str, source: str, at: datetime) -> FilterList:
    return FilterList(
        digest=compiled.digest,
        category=category,
        size=len(compiled.body),
        names=compiled.report.names,
        body=compiled.body,
        source=source,
        report=compiled.report.as_json(),
        imported_at=at,
    )


def _refuse_over_budget(session: Session) -> None:
    # A household may pick all categories, and what every level refuses is among them.
    size = sum(view.size for view in in_force(session))
    if size > BUDGET:
        raise UnprocessableError(
            f"all categories together would be {size} bytes, a hub holds {BUDGET}", remedy="import a shorter list"
        )


def _view(session: Session, row: FilterLevel) -> LevelView:
    found = in_force(session, row.categories) if row.categories else ()
    size = sum(view.size for view in found)
    return LevelView(level=row.level, categories=tuple(row.categories), source=row.source, lists=found, size=size)


def _owe_documents(session: Session, now: datetime) -> None:
    """A changed list changes documents; each hub's is composed when its row is worked on."""
    ids = session.exec(select(HubState.hub_id)).all()
    owed.mark_many(session, "hubs", [(hub_id, None, now) for hub_id in ids], now=now)
