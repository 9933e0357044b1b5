"""The audit chain is one, whoever writes to it at once."""

from typing import Any

from controller.services import audit, journal
from controller.services.journal import Entry
from tests.unit.controller.household import Household


def test_two_who_meet_over_a_new_thing_give_it_one_name_and_follow_on_each_other(home: Household) -> None:
    def other(session: Any, *_: Any) -> None:
        journal.audited(session, "thing", "new", "second")

    def work(session: Any, actor: Any, now: Any) -> None:
        met: list[bool] = []

        def hold() -> None:
            """Wait for the lock, as behind another transaction; SQLite has one writer, who is not waited for."""
            if not met and not home.database.is_sqlite:
                home.run(other)
            met.append(True)

        audit.append(session, [Entry("thing", "new", "first", {})], actor, now, hold)

    home.run(work)
    if home.database.is_sqlite:
        home.run(other)
    found = home.run(lambda session, *_: [each.action for each in audit.entries_of(session, "thing", "new")])
    assert sorted(found) == ["first", "second"]
    assert home.run(lambda session, *_: audit.verify(session)) is None
