"""Every column says what it is for and how long its content is kept (P, minimisation)."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, make_url

from controller.tables import METADATA
from controller.tables.columns import Retention, UtcDateTime

COLUMNS = [column for table in METADATA.sorted_tables for column in table.columns]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_a_column_states_purpose_and_retention(column: Column[Any]) -> None:
    assert len(column.info.get("purpose", "").split()) >= 2
    assert column.info.get("retention") in set(Retention)


def test_there_are_no_columns_without_a_bound_on_text() -> None:
    unbounded = [
        str(c) for c in COLUMNS if hasattr(c.type, "length") and c.type.length is None and "BLOB" not in str(c.type)
    ]
    assert not [name for name in unbounded if not name.endswith((".payload", ".body"))]


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_an_instant_comes_back_as_the_same_instant(name: str) -> None:
    type_, dialect = UtcDateTime(), make_url(f"{name}://").get_dialect()()
    instant = datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=1)))
    stored = type_.process_bind_param(instant, dialect)
    found = type_.process_result_value(stored, dialect)
    assert found == instant
    assert found is not None
    assert found.tzinfo is UTC


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), make_url("sqlite://").get_dialect()())  # noqa: DTZ001  # what is refused
