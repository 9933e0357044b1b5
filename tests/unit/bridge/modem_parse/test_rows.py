import pytest

from firmware_bridge.errors import ReplyError
from tests.unit.bridge.modem_parse import (
    rows_bearer,
    rows_clock,
    rows_identity,
    rows_registration,
    rows_signal,
    rows_sim,
    rows_sms,
    rows_unknown,
)
from tests.unit.bridge.modem_parse.row import Fails, Row

MODULES = (rows_identity, rows_sim, rows_registration, rows_signal, rows_bearer, rows_clock, rows_sms, rows_unknown)
ROWS = [row for module in MODULES for row in module.ROWS]
ROWS_LEAST = 400


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.text[:60])
def test_a_reply_reads_as_its_row_says(row: Row) -> None:
    if isinstance(row.expected, Fails):
        with pytest.raises(ReplyError):
            row.parse(row.lines)
    else:
        assert row.parse(row.lines) == row.expected


def test_the_tables_are_large_enough() -> None:
    assert len(ROWS) >= ROWS_LEAST
