"""Migrations up and down, with data, on both engines; a database newer than the code is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import column, inspect, table, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from controller.services import decisions, outages, schema
from controller.services.database import Database
from controller.services.errors import (
    DatabaseError,
    DatabaseUnreachableError,
    NewerDatabaseError,
    OlderDatabaseError,
)
from controller.tables import METADATA
from controller.tables.columns import INSTANT
from controller.tables.faults import DispatchOrder, LineEvent
from controller.tables.sims import CarrierLane
from tests.unit.controller.household import Household


def test_migrations_make_exactly_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_down_and_up_again_with_data(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.broken()
    engine = home.database.engine
    schema.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version", "sqlite_sequence"}
    schema.upgrade(engine)
    schema.check(engine)
    home.move_in()


def test_the_newest_order_of_a_fault_survives_the_way_back_and_a_withdrawn_event_does_not(database: Database) -> None:
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    of_fault: dict[str, Any] = {"account_id": "a", "line_id": "l", "fault_id": "f", "ordered_at": at}
    event: dict[str, Any] = {"line_id": "l", "kind": "sync_lost", "source": "dslam", "recorded_at": at}
    with Session(database.engine) as session:
        session.add(DispatchOrder(id="1", sequence=1, state="lost", **of_fault))
        session.add(DispatchOrder(id="2", sequence=2, state="ordered", **of_fault))
        session.add(LineEvent(at=at, **event))
        session.add(LineEvent(at=at + timedelta(hours=1), superseded_at=at + timedelta(hours=2), **event))
        session.commit()
    schema.downgrade(database.engine, "0007")
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM dispatch_orders")).scalars().all() == ["2"]
        assert connection.execute(text("SELECT count(*) FROM line_events")).scalar() == 1
    schema.upgrade(database.engine)
    with Session(database.engine) as session:
        assert [(row.id, row.sequence) for row in session.exec(select(DispatchOrder))] == [("2", 1)]
        session.add(DispatchOrder(id="3", sequence=1, state="ordered", **of_fault))
        with pytest.raises(IntegrityError):
            session.commit()


def test_an_event_recorded_again_survives_the_way_back_as_one_and_a_lane_goes_both_ways(database: Database) -> None:
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    event: dict[str, Any] = {"line_id": "l", "kind": "sync_lost", "source": "dslam", "at": at}
    with Session(database.engine) as session:
        session.add(LineEvent(recorded_at=at, superseded_at=at + timedelta(hours=1), **event))
        session.add(LineEvent(recorded_at=at + timedelta(hours=2), edition=2, **event))
        session.add(CarrierLane(id="a", holder="one", held_until=at))
        session.commit()
    schema.downgrade(database.engine, "0009")
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT superseded_at FROM line_events")).scalars().all() == [None]
        assert connection.execute(text("SELECT holder, calls FROM carrier_lanes")).all() == [("one", 0)]
    schema.upgrade(database.engine)
    with Session(database.engine) as session:
        assert [row.edition for row in session.exec(select(LineEvent))] == [1]
        assert [row.holder for row in session.exec(select(CarrierLane))] == ["one"]
        session.add(LineEvent(recorded_at=at, **event))
        with pytest.raises(IntegrityError):
            session.commit()


def test_when_a_decision_was_replaced_is_worked_out_on_the_way_back(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    fault_id = home.broken()
    home.pass_time(minutes=1)
    home.run(outages.declare, line_ids=[home.line_id], from_at=home.now - timedelta(hours=30), override="J. R.")
    history = home.run(lambda session, actor, now: decisions.of_fault(session, fault_id))
    replaced = {each.row.id: each.superseded_at for each in history}
    assert {None, home.now} == set(replaced.values())
    schema.downgrade(home.database.engine, "0010")
    rows = table("decisions", column("id"), column("superseded_at", INSTANT))
    with home.database.engine.connect() as connection:
        assert dict(connection.execute(select(rows.c.id, rows.c.superseded_at)).all()) == replaced
    schema.upgrade(home.database.engine)
    assert home.run(lambda session, actor, now: decisions.of_fault(session, fault_id)) == history


async def test_an_empty_database_is_created_and_then_fits(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(OlderDatabaseError, match="schema none"):
        await database.check()
    await database.create()
    await database.create()
    await database.check()
    await database.close()
    await database.close()


def test_a_newer_database_is_refused_untouched(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (schema.check, schema.upgrade):
        with pytest.raises(NewerDatabaseError) as caught:
            attempt(database.engine)
        assert "9999" in caught.value.message
        assert caught.value.remedy
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    ["mysql://x/y", "no url at all", "sqlite:////nowhere/at/all.db", "sqlite:////"],
)
def test_what_cannot_be_opened_is_one_clear_line(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        Database(url).create_now()
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    database = Database("postgresql://postgres@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(DatabaseUnreachableError) as caught:
        database.create_now()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, whatever its name says " * 50)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnreachableError) as caught:
        database.create_now()
    assert "\n" not in str(caught.value)
    database.engine.dispose()
