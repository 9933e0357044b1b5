"""The only bridge between the event loop and the database.

Transactions are synchronous functions `f(session, actor, now, **kwargs)` (decision 9): nothing can be awaited inside
one, by construction. On SQLite a single thread writes; on PostgreSQL a bounded pool does. A transaction is retried,
bounded and jittered, only where the database says that it took no effect (busy, serialization failure, deadlock).
"""

import asyncio
import os
import random as random_module
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session
from uuid6 import uuid7

from controller.services import journal, lists, retention, schema, sending
from controller.services.actor import Actor
from controller.services.errors import DatabaseBusyError, DatabaseError, DatabaseUnreachableError
from controller.services.policy import Policy

T = TypeVar("T")

ATTEMPTS: Final = 6
POSTGRESQL_THREADS: Final = 8
SQLITE_BUSY_MS: Final = 5_000
_FIRST_DELAY_S: Final = 0.01
_ENCODER: Final = msgspec.json.Encoder()
# PostgreSQL: serialization_failure, deadlock_detected (Appendix A of its manual).
_RETRIED_STATES: Final = frozenset({"40001", "40P01"})


def new_id() -> str:
    """Return a UUIDv7 as text: ids sort by the time they were made."""
    return str(uuid7())


@dataclass(frozen=True, slots=True)
class Committed:
    """What a committed transaction touched: the nouns it marked as owed, from when on, and whether the feed grew."""

    due: Mapping[str, datetime]
    feed: bool

    @property
    def nouns(self) -> frozenset[str]:
        """The nouns marked as owed, whenever they are due."""
        return frozenset(self.due)


class Database:
    """A SQLite file (WAL) or a PostgreSQL 15 database.

    Args:
        url: `sqlite:///path`, `sqlite://` (memory, tests only) or `postgresql://…` (psycopg 3).
        ids: the source of ids; one call, one new id.
        random: jitter of retries.
        policy: the rule sets and our own choices beside them.
        session_type: the session class; tests inject failing ones.
        threads: how many transactions run beside each other on PostgreSQL.
        engine: an engine of `open_engine(url)` that several databases use after one another: what one compiled, the
            next need not.
    """

    def __init__(
        self,
        url: str,
        *,
        ids: Callable[[], str] = new_id,
        random: random_module.Random | None = None,
        policy: Policy | None = None,
        session_type: type[Session] = Session,
        threads: int = POSTGRESQL_THREADS,
        engine: Engine | None = None,
    ) -> None:
        self.url = normalise_url(url)
        self._ids = ids
        self.policy = policy or Policy()
        self._random = random or random_module.Random()
        self._session_type = session_type
        self.is_sqlite = self.url.startswith("sqlite")
        workers = 1 if self.is_sqlite else threads
        self.engine = engine or open_engine(self.url, workers)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="database")
        self._subscribers: list[Callable[[Committed], None]] = []

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call `callback` on the loop after each commit that owed work or fed the feed; returns its cancellation.

        A wake-up only: it may be missed (another process committed), so a loop also looks by itself.
        """
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    async def run(self, f: Callable[..., T], *, actor: Actor, now: datetime, **kwargs: Any) -> T:
        """Run `f(session, actor, now, **kwargs)` in one transaction and return its result once committed.

        `f` may run more than once; it must have no effect but the session's. A cancelled caller stops waiting, the
        transaction itself still ends as it ends. Raises what `f` raises (rolled back), or a DatabaseError.
        """
        for attempt in range(ATTEMPTS):
            try:
                result, committed = await self._in_executor(lambda: self._transact(f, actor, now, kwargs))
            except _ContendedError:
                await asyncio.sleep(_FIRST_DELAY_S * 2**attempt * (0.5 + self._random.random()))
                continue
            self._announce(committed)
            return result
        raise DatabaseBusyError("the database stayed busy", remedy="try again; see whether something holds a lock")

    def run_now(self, f: Callable[..., T], *, actor: Actor, now: datetime, **kwargs: Any) -> T:
        """Run `f` in one transaction on this thread, without a loop and without retries: command lines and tests."""
        try:
            return self._transact(f, actor, now, kwargs)[0]
        except _ContendedError as error:
            raise DatabaseBusyError("the database is busy", remedy="stop what holds it, or try again") from error

    async def create(self) -> None:
        """Bring the database to this code's schema, creating it if need be. Raises DatabaseError."""
        await self._in_executor(self.create_now)

    upgrade = create

    def create_now(self) -> None:
        """Do what `create` does on this thread, without a loop: command lines and tests."""
        schema.upgrade(self.engine)
        self.run_now(lists.seed_examples, actor=Actor.system("database"), now=lists.LONG_AGO)
        self.run_now(retention.begin, actor=Actor.system("database"), now=lists.LONG_AGO)

    async def check(self) -> None:
        """Raise NewerDatabaseError or OlderDatabaseError unless the schema is exactly this code's."""
        await self._in_executor(lambda: schema.check(self.engine))

    async def close(self) -> None:
        """Let the threads and connections go. Safe to call twice."""
        self._executor.shutdown(wait=True)
        self.engine.dispose()

    async def _in_executor(self, f: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, f)

    def _announce(self, committed: Committed) -> None:
        if committed.due or committed.feed:
            for callback in tuple(self._subscribers):
                callback(committed)

    def _transact(
        self, f: Callable[..., T], actor: Actor, now: datetime, kwargs: dict[str, Any]
    ) -> tuple[T, Committed]:
        try:
            with self._session_type(self.engine, expire_on_commit=False) as session:
                journal.open_journal(session, self._ids, self.policy)
                with session.begin():
                    result = f(session, actor, now, **kwargs)
                    journal.write(session, actor, now)
                return result, Committed(journal.marked_due(session), journal.has_fed(session))
        except DBAPIError as error:
            raise _translated(error) from error


class _ContendedError(Exception):
    """The transaction took no effect; it may be run again."""


def normalise_url(url: str) -> str:
    """Name the drivers we use. Raises DatabaseUnreachableError for anything but SQLite and PostgreSQL."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise DatabaseUnreachableError(
            "the database URL can't be read",
            remedy="give --database-url as sqlite:///path or postgresql://user@host/name",
        ) from error
    driver = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}.get(backend)
    if driver is None:
        raise DatabaseUnreachableError(
            f"{backend} is not supported", remedy="use sqlite:///path or postgresql://user@host/name"
        )
    return parsed.set(drivername=driver).render_as_string(hide_password=False)


def open_engine(url: str, pool_size: int = POSTGRESQL_THREADS) -> Engine:
    """Return an engine with our settings for a normalised URL. Raises DatabaseUnreachableError for a path of no use."""
    documents = {"json_serializer": _document, "json_deserializer": msgspec.json.decode}
    if url.startswith("postgresql"):
        engine = create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True, **documents)
        sending.watch(engine)
        return engine
    database = make_url(url).database
    in_memory = database in {None, "", ":memory:"}
    if not in_memory:
        _check_sqlite_path(Path(str(database)))
    connect = {"check_same_thread": False, "timeout": SQLITE_BUSY_MS / 1000}
    pool = {"poolclass": StaticPool} if in_memory else {}
    engine = create_engine(url, connect_args=connect, **pool, **documents)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _document(value: object) -> str:
    return _ENCODER.encode(value).decode()


def _check_sqlite_path(path: Path) -> None:
    if not path.parent.is_dir():
        raise DatabaseUnreachableError(f"there is no directory {path.parent}", remedy="create it, or name another path")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise DatabaseUnreachableError(f"{path} can't be written", remedy="check its owner and mode, or name another")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # BEGIN is ours (below), so that a transaction holds the write lock from its first read.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _translated(error: DBAPIError) -> Exception:
    state = getattr(error.orig, "sqlstate", None)
    text = str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
    if state in _RETRIED_STATES or "database is locked" in text:
        return _ContendedError(text)
    if "no such table" in text or state == "42P01":
        return DatabaseError(f"the schema is missing: {text}", remedy="run hub-controller migrate")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return DatabaseUnreachableError(f"the database failed: {text}", remedy="check that it is there and reachable")
    return error
