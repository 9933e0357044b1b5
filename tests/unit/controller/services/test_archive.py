"""Backup and restore: every row comes back, nothing half, and revisions still grow."""

import gzip
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import Session

from controller.services import archive, audit, retention
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.errors import ConflictError, UnprocessableError
from controller.tables import METADATA
from controller.tables.hubs import Quarantined
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import START, Household


@pytest.fixture
def lived_in(home: Household) -> Household:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.broken()
    home.outside_follows()
    return home


def rows(database: Database) -> dict[str, set[str]]:
    with database.engine.connect() as connection:
        return {t.name: {str(row) for row in connection.execute(select(t))} for t in METADATA.sorted_tables}


def new_sqlite(path: Path, home: Household) -> Household:
    other = Household(Database(f"sqlite:///{path}", policy=home.database.policy))
    other.__dict__ |= {name: value for name, value in home.__dict__.items() if name != "database"}
    return other


def test_every_row_comes_back_on_either_engine(lived_in: Household, tmp_path: Path) -> None:
    path = tmp_path / "controller.backup"
    assert archive.backup(lived_in.database.engine, path, START) > 50
    restored = new_sqlite(tmp_path / "restored.db", lived_in)
    archive.restore(restored.database.engine, path)
    assert rows(restored.database) == rows(lived_in.database)
    assert restored.run(lambda session, actor, now: audit.verify(session)) is None
    restored.database.engine.dispose()


def test_a_restored_controller_catches_up_and_its_revisions_still_grow(lived_in: Household, tmp_path: Path) -> None:
    path = tmp_path / "controller.backup"
    archive.backup(lived_in.database.engine, path, START)
    ahead = int(lived_in.now.timestamp() * 1000) + 5_000
    restored = new_sqlite(tmp_path / "restored.db", lived_in)
    archive.restore(restored.database.engine, path)
    restored.run(archive.catch_up)
    assert [held.key for held in restored.claim("hubs", 5)] == [lived_in.hub_id]
    assert restored.hub_reports(is_open=True, boot=9, observed_revision=ahead).document_owed
    assert restored.document().revision == ahead + 1
    absurd = restored.hub_reports(is_open=True, boot=9, seq=2, observed_revision=2**52)
    assert absurd.document_owed
    assert restored.document().revision == ahead + 1
    restored.outside_follows()
    restored.pass_time(minutes=1)
    restored.look()
    assert restored.document().internet_on is True
    restored.database.engine.dispose()


def test_a_database_that_holds_something_is_not_overwritten(lived_in: Household, tmp_path: Path) -> None:
    path = tmp_path / "controller.backup"
    archive.backup(lived_in.database.engine, path, START)
    before = rows(lived_in.database)
    with pytest.raises(ConflictError):
        archive.restore(lived_in.database.engine, path)
    assert rows(lived_in.database) == before


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "foreign"])
def test_half_a_backup_restores_nothing(lived_in: Household, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "controller.backup"
    archive.backup(lived_in.database.engine, path, START)
    if damage == "missing":
        path.unlink()
    elif damage == "text":
        path.write_text("not a backup")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        path.write_bytes(gzip.compress(b'{"format": 99}\n'))
    restored = new_sqlite(tmp_path / "restored.db", lived_in)
    with pytest.raises(UnprocessableError) as caught:
        archive.restore(restored.database.engine, path)
    assert "\n" not in str(caught.value)
    restored.database.create_now()
    assert not rows(restored.database)["accounts"]
    restored.database.engine.dispose()


def test_what_is_too_old_is_deleted_and_looked_at_daily(make_database: MakeDatabase) -> None:
    home = Household(make_database())

    def put(session: Session, actor: Actor, now: datetime) -> None:
        del actor
        for days, key in ((29, "young"), (31, "old")):
            at = now.replace(hour=0) - timedelta(days=days)
            session.add(Quarantined(id=key, at=at, topic="t", payload=b"", reason="r"))

    home.run(put)
    home.look()
    with home.database.engine.connect() as connection:
        assert connection.execute(select(METADATA.tables["quarantine"].c.id)).scalars().all() == ["young"]
    assert home.claim(retention.NOUN, 50) == ()
    home.pass_time(days=1)
    assert len(home.claim(retention.NOUN, 50)) == 13
