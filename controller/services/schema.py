"""The schema's version: migrations up and down, and the refusal of a database newer than the code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from controller.services.errors import DatabaseUnreachableError, NewerDatabaseError, OlderDatabaseError

MIGRATIONS: Final = Path(__file__).parents[1] / "tables" / "migrations"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply the missing migrations, each in a transaction. Raises NewerDatabaseError, DatabaseUnreachableError."""
    from alembic import command

    _refuse_newer(current(engine))
    with _connection(engine) as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take migrations back down to `revision` ("base" for an empty database)."""
    from alembic import command

    _refuse_newer(current(engine))
    with _connection(engine) as connection:
        command.downgrade(_config(connection), revision)


def check(engine: Engine) -> None:
    """Raise NewerDatabaseError or OlderDatabaseError unless the database is exactly at this code's schema."""
    found = current(engine)
    _refuse_newer(found)
    if found != head():
        raise OlderDatabaseError(
            f"the database is at schema {found or 'none'}, this code needs {head()}",
            remedy="run hub-controller migrate",
        )


def current(engine: Engine) -> str | None:
    """Return the schema version the database says it has, or None."""
    from alembic.runtime.migration import MigrationContext

    with _connection(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the schema version of this code."""
    revision = _scripts().get_current_head()
    return str(revision)


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in {script.revision for script in _scripts().walk_revisions()}:
        raise NewerDatabaseError(
            f"the database is at schema {found}, which this code doesn't know",
            remedy="start the version of hub-controller that wrote it, or a newer one",
        )


def _scripts() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(MIGRATIONS))


def _config(connection: Any) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connection(engine: Engine) -> Iterator[Connection]:
    """Open a connection in one transaction; failures are one clear line."""
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        text = str(error.orig).strip().splitlines()[0]
        raise DatabaseUnreachableError(
            f"the database can't be opened: {text}", remedy="check --database-url, and that the server runs"
        ) from error
