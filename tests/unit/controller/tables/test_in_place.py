"""Rows that change often change in their place on PostgreSQL: there is no index over what changes of them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, SQLModel

from controller.services import rows, sending
from controller.tables.faults import ReasonRow
from controller.tables.hubs import HubState
from controller.tables.owed import Owed
from controller.tables.sims import SimState
from tests.unit.controller.household import START, Household

LATER = START + timedelta(minutes=1)
CHANGES: dict[type[SQLModel], dict[str, Any]] = {
    HubState: {"desired": {}, "revision": 7, "composed_at": LATER, "version": 2},
    Owed: {"version": 7, "deadline": LATER, "claimed_until": LATER},
    ReasonRow: {"closed_at": LATER},
    SimState: {"intended": {}, "intended_at": LATER, "version": 2},
}


def test_no_index_is_over_what_changes_often(home: Household) -> None:
    if home.database.is_sqlite:
        pytest.skip("SQLite changes every row in its place")
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.broken()

    def change(session: Session) -> list[tuple[str, int, int]]:
        for model, values in CHANGES.items():
            table = rows.table_of(model)
            settings = ", ".join(f"{name} = %({name})s" for name in values)
            text = f"UPDATE {table.name} SET {settings}"  # names of ours
            given = {name: "{}" if isinstance(value, dict) else value for name, value in values.items()}
            sending.fetch(session, f"{text} RETURNING 1", given)
        counted = "pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)"
        names = [rows.table_of(model).name for model in CHANGES]
        listed = ", ".join(f"'{name}'" for name in names)
        statement = f"SELECT relname::text, {counted} FROM pg_class WHERE relname IN ({listed})"  # ours
        return [(name, all_, in_place) for name, all_, in_place in sending.fetch(session, statement, {})]

    found = home.run(lambda session, _actor, _now: change(session))
    assert {name for name, _, _ in found} == {rows.table_of(model).name for model in CHANGES}
    assert [(name, all_ > 0, in_place) for name, all_, in_place in found] == [
        (name, True, all_) for name, all_, _ in found
    ]
