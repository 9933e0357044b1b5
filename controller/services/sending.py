"""Statements sent to PostgreSQL without waiting for the answer of each, and writes that go together as one.

Of what a transaction writes nothing is asked back. So a write is put aside until something else is executed, or the
transaction commits; then what was put aside goes as few statements: one for as many as write different tables, since
such have no order among themselves. What is sent goes through the pipeline of the protocol: the server runs it in
order, each statement with a snapshot of its own, just as if each had been waited for, and whoever asks for something
waits for all of it together. One that fails makes those behind it fail: its error is raised by whoever waits next, at
the latest before COMMIT is sent, and the transaction is rolled back.

SQLite works in this process: there every statement is executed at once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

# Statements that a connection keeps prepared: more than there are here, or those used least would be prepared anew.
KEPT: Final = 400
_STATE: Final = "sending"
_CONNECTION: Final = "sending.connection"
_PLACES: Final = re.compile(r"%(?:\((\w+)\)s|s|%)")
_TABLE: Final = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")


@dataclass(slots=True)
class _Sending:
    """What a transaction has put aside: (statement, its one parameter), and the pipeline that it sends through."""

    aside: list[tuple[str, str]] = field(default_factory=list)
    pipeline: Any = None


def watch(engine: Engine) -> None:
    """Let everything that an engine executes by itself come behind what was written before it."""
    event.listen(engine, "connect", _keep_prepared)
    event.listen(engine, "before_cursor_execute", _before_execution)
    event.listen(engine, "commit", wait)
    event.listen(engine, "rollback", _abandon)


def _keep_prepared(connection: Any, _record: Any) -> None:
    connection.prepared_max = KEPT


def connection_of(session: Session) -> Connection:
    """Return the connection of a session's transaction, remembered from statement to statement."""
    known: Connection | None = session.info.get(_CONNECTION)
    if known is None or known.closed:
        known = session.info[_CONNECTION] = session.connection()
    return known


def write(session: Session, text: str, parameter: str) -> None:
    """Write by a statement with one parameter, `%s` (`?` on SQLite), before anything else is executed."""
    connection = connection_of(session)
    if connection.dialect.name == "postgresql":
        _state(connection).aside.append((text, parameter))
    else:
        connection.exec_driver_sql(text, (parameter,))


def send(session: Session, text: str, parameters: Sequence[Any]) -> None:
    """Execute a statement of PostgreSQL of which nothing is asked back, behind what was written."""
    connection = connection_of(session)
    with _translated(connection, text):
        _send(connection, _state(connection), _numbered(text)[0], parameters)


def fetch(session: Session, text: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement with named parameters, `%(name)s` (`:name` on SQLite), behind what was written."""
    connection = connection_of(session)
    if connection.dialect.name != "postgresql":
        return list(connection.exec_driver_sql(text, dict(parameters)).all())
    numbered, names = _numbered(text)
    return _fetch(connection, numbered, [parameters[name] for name in names])


def fetch_with(session: Session, text: str, parameter: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement with one parameter, `%s` (`?` on SQLite), behind what was written."""
    connection = connection_of(session)
    if connection.dialect.name != "postgresql":
        return list(connection.exec_driver_sql(text, (parameter,)).all())
    return _fetch(connection, _numbered(text)[0], [parameter])


def _fetch(connection: Connection, numbered: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with _translated(connection, numbered):
        _send_aside(connection, _state(connection))
        found: list[tuple[Any, ...]] = _execute(connection, numbered, parameters).fetchall()
    return found


def wait(connection: Connection) -> None:
    """Wait for all that was written and sent. Raises the first error among it, as SQLAlchemy does."""
    if connection.invalidated:
        return
    state: _Sending | None = connection.info.get(_STATE)
    if state is None:
        return
    with _translated(connection, "what was written before"):
        groups = _taken(state)
        if state.pipeline is None and len(groups) == 1:
            _execute(connection, *groups[0])
        else:
            for text, parameters in groups:
                _send(connection, state, text, parameters)
        pipeline, state.pipeline = state.pipeline, None
        if pipeline is not None:
            pipeline.__exit__(None, None, None)


def _state(connection: Connection) -> _Sending:
    found: _Sending | None = connection.info.get(_STATE)
    if found is None:
        found = connection.info[_STATE] = _Sending()
    return found


def _before_execution(connection: Connection, *_: Any) -> None:
    wait(connection)


def _abandon(connection: Connection) -> None:
    """Forget what is rolled back; an error among the answers is the reason, or is overtaken by it."""
    if not connection.invalidated and _STATE in connection.info:
        connection.info[_STATE].aside.clear()
        try:
            wait(connection)
        except DBAPIError:
            return


def _send_aside(connection: Connection, state: _Sending) -> None:
    for text, parameters in _taken(state):
        _send(connection, state, text, parameters)


def _send(connection: Connection, state: _Sending, text: str, parameters: Sequence[Any]) -> None:
    _send_aside(connection, state)
    if state.pipeline is None:
        raw: Any = connection.connection.driver_connection
        pipeline = raw.pipeline()
        pipeline.__enter__()
        state.pipeline = pipeline
    _execute(connection, text, parameters)


def _execute(connection: Connection, text: str, parameters: Sequence[Any]) -> Any:
    # Texts never change here, so each is prepared by its first execution, not by its sixth.
    driver: Any = connection.dialect.loaded_dbapi
    return driver.RawCursor(connection.connection.driver_connection).execute(text, parameters, prepare=True)


def statements(writes: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return writes, (statement, parameter) each, as few statements: in their order, no table twice in one of them."""
    groups: list[tuple[list[str], list[str]]] = []
    tables: set[str] = set()
    for text, parameter in writes:
        table = _table(text)
        if not groups or table in tables:
            groups.append(([], []))
            tables.clear()
        tables.add(table)
        groups[-1][0].append(text)
        groups[-1][1].append(parameter)
    return [(_joined(tuple(texts)), parameters) for texts, parameters in groups]


def _taken(state: _Sending) -> list[tuple[str, list[str]]]:
    aside, state.aside = state.aside, []
    return statements(aside)


@cache
def _table(text: str) -> str:
    found = _TABLE.match(text)
    assert found is not None, "a write names its table first"
    return found[1]


@cache
def _joined(texts: tuple[str, ...]) -> str:
    if len(texts) == 1:
        return _numbered(texts[0])[0]
    parts = ", ".join(f"w{place} AS ({text})" for place, text in enumerate(texts))
    return _numbered(f"WITH {parts} SELECT 1")[0]


@cache
def _numbered(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a statement with its parameters as PostgreSQL numbers them, and their names in that order.

    The driver would do so anew for each execution of a long statement.
    """
    names: list[str] = []

    def number(place: re.Match[str]) -> str:
        if place[0] == "%%":
            return "%"
        name = place[1] or str(len(names))
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PLACES.sub(number, text), tuple(names)


@contextmanager
def _translated(connection: Connection, text: str) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy does, and give a connection up that is lost."""
    driver: Any = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        raw = connection.connection.driver_connection
        is_lost = connection.dialect.is_disconnect(error, raw, None)
        if is_lost:
            connection.info.pop(_STATE, None)
            connection.invalidate(error)
        raise DBAPIError.instance(
            text, None, error, driver.Error, connection_invalidated=is_lost, dialect=connection.dialect
        ) from error
