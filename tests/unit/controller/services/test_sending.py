"""What is written goes together and is waited for later: in its order, as one whole, and with its errors."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from controller.services import owed, rows, sending
from controller.services.errors import DatabaseUnreachableError
from controller.tables.accounts import Account
from controller.tables.journal import FeedEntry
from controller.tables.owed import Owed
from tests.unit.controller.household import START, Household

Work = Callable[[Session], Any]


def run(home: Household, work: Work) -> Any:
    return home.run(lambda session, _actor, _now: work(session))


def fed(key: str) -> dict[str, Any]:
    return {"at": START, "noun": "n", "key": key, "action": "a", "facts": {}}


def keys(home: Household) -> list[str]:
    statement = select(FeedEntry.key).where(FeedEntry.noun == "n").order_by(col(FeedEntry.sequence))
    found: list[str] = run(home, lambda session: list(session.exec(statement)))
    return found


def mark(session: Session, key: str) -> None:
    owed.mark(session, "test", key, now=START)


def test_writes_happen_in_their_order_also_to_one_row(home: Household) -> None:
    def work(session: Session) -> None:
        rows.add(session, FeedEntry, [fed("a"), fed("b")])
        mark(session, "gone")
        owed.withdraw(session, "test", "gone")
        mark(session, "back")
        rows.add(session, FeedEntry, [fed("c")])
        owed.withdraw(session, "test", "back")
        mark(session, "back")
        owed.withdraw(session, "test", "nothing")

    run(home, work)
    assert keys(home) == ["a", "b", "c"]
    left = run(home, lambda session: session.exec(select(Owed.key).where(Owed.noun == "test")).all())
    assert list(left) == ["back"]


@pytest.mark.parametrize("look", ["orm", "rows", "fetch", "driver"])
def test_whoever_reads_finds_what_was_written_before(home: Household, look: str) -> None:
    def work(session: Session) -> int:
        rows.add(session, FeedEntry, [fed("a")])
        if look == "orm":
            return session.exec(select(func.count()).where(FeedEntry.noun == "n")).one()
        if look == "rows":
            return len(rows.read(session, FeedEntry, "key", ["a"], noun="n"))
        if look == "driver":
            return int(session.connection().execute(text("SELECT count(*) FROM feed WHERE noun = 'n'")).scalar_one())
        return int(sending.fetch(session, "SELECT count(*) FROM feed WHERE noun = 'n'", {})[0][0])

    assert run(home, work) == 1


def test_what_was_written_is_gone_with_its_transaction(home: Household) -> None:
    class OutOfLuckError(Exception):
        pass

    def work(session: Session) -> None:
        rows.add(session, FeedEntry, [fed("a")])
        if rows.is_postgresql(session):
            sending.send(session, "SELECT pg_advisory_xact_lock(%s)", (1,))
        rows.add(session, FeedEntry, [fed("b")])
        raise OutOfLuckError

    for _ in range(2):
        with pytest.raises(OutOfLuckError):
            run(home, work)
    run(home, lambda session: rows.add(session, FeedEntry, [fed("c")]))
    assert keys(home) == ["c"]


def test_an_error_of_what_was_written_ends_the_transaction_before_it_commits(home: Household) -> None:
    def work(session: Session) -> None:
        rows.add(session, FeedEntry, [fed("a")])
        account = {"id": "twice", "recorded_at": START, "holder_name": "A", "email": None, "mobile": None}
        # At most one version of an account is present.
        rows.add(session, Account, [account, account])
        rows.add(session, FeedEntry, [fed("b")])

    with pytest.raises(DBAPIError):
        run(home, work)
    assert keys(home) == []
    run(home, lambda session: rows.add(session, FeedEntry, [fed("c")]))
    assert keys(home) == ["c"]


def write_and_look(session: Session, account: dict[str, Any]) -> None:
    rows.add(session, Account, [account, account])
    rows.read(session, FeedEntry, "key", ["a"])


def test_an_error_is_told_to_the_first_who_asks(home: Household) -> None:
    def work(session: Session) -> None:
        account = {"id": "twice", "recorded_at": START, "holder_name": "A", "email": None, "mobile": None}
        with pytest.raises(DBAPIError):
            write_and_look(session, account)
        raise LookupError

    with pytest.raises(LookupError):
        run(home, work)
    assert keys(home) == []


def test_a_lost_connection_fails_its_transaction_and_no_other(home: Household) -> None:
    def work(session: Session) -> None:
        (own,) = sending.fetch(session, "SELECT pg_backend_pid()", {})
        with home.database.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own[0]})
        rows.add(session, FeedEntry, [fed("a")])

    if home.database.is_sqlite:
        pytest.skip("SQLite has no connection to lose")
    with pytest.raises(DatabaseUnreachableError):
        run(home, work)
    run(home, lambda session: rows.add(session, FeedEntry, [fed("b")]))
    assert keys(home) == ["b"]


WRITES = {
    "a1": "INSERT INTO a (x) SELECT x FROM r(%s)",
    "a2": "UPDATE a SET x = 1 FROM r(%s)",
    "b": "DELETE FROM b WHERE x IN (SELECT x FROM r(%s))",
}


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ([], []),
        (["a1"], [["a1"]]),
        (["a1", "b"], [["a1", "b"]]),
        (["a1", "a2"], [["a1"], ["a2"]]),
        (["b", "a1", "a2", "b"], [["b", "a1"], ["a2", "b"]]),
    ],
)
def test_no_statement_writes_a_table_twice(names: list[str], groups: list[list[str]]) -> None:
    found = sending.statements([(WRITES[name], name) for name in names])
    assert [parameters for _, parameters in found] == groups
    for statement, parameters in found:
        assert [f"${n + 1}" in statement for n in range(3)] == [n < len(parameters) for n in range(3)]
        assert statement.startswith("WITH") == (len(parameters) > 1)
