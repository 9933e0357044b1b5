"""The audit chain is one, whoever writes to it at once."""

import hashlib
import json
from typing import Any

from sqlmodel import Session, col, select

from controller.services import audit, journal
from controller.services.journal import Entry
from controller.tables.journal import AuditEntry
from tests.unit.controller.household import START, Household


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


def test_a_chain_begun_in_the_former_form_goes_on_and_is_verified_whole(home: Household) -> None:
    words = [START.isoformat(), "an operator", "thing", "p" * 64, "named"]

    def begin(session: Session, *_: Any) -> None:
        digest = audit.GENESIS
        for name in ("Zoë", "Bob"):
            facts = {"name": name, "all": [1, 2.5, None]}
            digest = hashlib.sha256(json.dumps([digest, *words, facts], sort_keys=True).encode()).hexdigest()
            at, actor, noun, pseudonym, action = START, *words[1:]
            session.add(
                AuditEntry(
                    at=at, actor=actor, noun=noun, pseudonym=pseudonym, action=action, facts=facts, digest=digest
                )
            )
            session.flush()

    home.run(lambda session, *_: [session.delete(row) for row in session.exec(select(AuditEntry))])
    home.run(begin)
    home.run(lambda session, *_: journal.audited(session, "thing", "new", "seen", name="Zoë", all=[1, 2.5, None]))
    assert home.run(lambda session, *_: audit.verify(session)) is None
    with Session(home.database.engine) as session:
        sequences = [row.sequence for row in session.exec(select(AuditEntry).order_by(col(AuditEntry.sequence)))]
        assert [_broken_at(session, sequence) for sequence in sequences] == sequences


def _broken_at(session: Session, sequence: int | None) -> int | None:
    """Return where the chain breaks when somebody adds to the facts of one entry."""
    row = session.get(AuditEntry, sequence)
    assert row is not None
    row.facts = {**row.facts, "more": "by nobody"}
    session.flush()
    found = audit.verify(session)
    session.rollback()
    return found
