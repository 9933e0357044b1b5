"""What customers read: every kind on every channel, with what really stands in the notices, and what the terms ask."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlmodel import Session, select

from controller.domain import backup, ending, exclusions, hub_benefit, qualifying
from controller.domain.decisions import CONTEST as CONTEST_IN_FULL
from controller.domain.facts import SuspicionKind
from controller.notify.port import Medium
from controller.notify.templates import TEMPLATES, render
from controller.services import accounts, controls, dispatch, hubs
from controller.services.actor import Actor
from controller.tables.faults import Notice
from tests.unit.controller.household import Household

quickly = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# Kind → what an e-mail of it must say, and an SMS. T§10d: usually, letterbox. T§10f, 12e: told first, with the time.
# T§12c: e-mail and SMS confirm Backup. T§15: why not, and how to contest. T§19: what the controls are now.
WHEN: Final = r"at \d\d:\d\d on \w+day \d+ \w+"
CONTEST: Final = "If you disagree, tell us.*(person will look|legal rights)"
MUST_SAY: Final[dict[str, tuple[str, ...]]] = {
    "ready_plug_in": (WHEN, "[Pp]lug it in", "Wi-Fi name on its label"),
    "online": (WHEN, "We will tell you before it is switched off"),
    "backup_on": (WHEN, "Broadband Backup", "UK", "free", "(not count|uncounted)"),
    "switch_off": (WHEN, "has been resolved|no longer|not", "switched off"),
    "fault_resolved": (WHEN, "resolved", "before anything was switched on", "[Rr]eport it again|report it again"),
    "switch_off_withdrawn": ("(Nothing|nothing|stays on)",),
    "switched_off": (WHEN, "grounds to suspect|lost|any more", CONTEST),
    "backup_off": (WHEN, "Broadband Backup ended", "usual allowances", CONTEST),
    "hub_dispatched": (r"usually arrives by \w+day \d+ \w+", "letterbox"),
    "hub_ordered_again": (r"usually arrives by \w+day \d+ \w+", "letterbox", "lost on its way|still need"),
    "order_spare": ("turned up", "cancelled", "tell us"),
    "order_cancelled": ("resolved", "cancelled", "[Rr]eport it again|report it again"),
    "controls_changed": (WHEN, "moderate", "call"),
    "refused": ("fault report", r"\. \w", CONTEST),
}
LONGEST_SMS: Final = 306  # two segments of GSM-7 (3GPP TS 23.038)
KEY: Final = "01890000-0000-7000-8000-000000000042"
CODE_WORDS: Final = re.compile(r"[a-z]+_[a-z]+|T§|None|[{}]|\bUTC\b|\+00:00|\bPlusnet\b|%\(|\bfault [0-9a-f-]{36}|  ")


def every_kind(home: Household) -> None:
    """Live through what makes each notice."""
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    first = home.broken()
    home.outside_follows()
    home.hub_reports(is_open=True)
    home.run(controls.set_controls, hub_id=home.hub_id, controls={"level": "moderate"})
    home.pass_time(minutes=5)
    home.resolve(first)
    home.post_is_delivered()
    # Told, and another fault of the line holds it before anybody looks.
    home.diagnose(home.report())
    home.outside_follows()
    home.pass_time(minutes=1)
    word = {"kind": SuspicionKind.FRAUD, "grounds": "three handsets", "by": "J. Reviewer"}
    home.run(accounts.suspect, account_id=home.account_id, **word)
    # Another home, that has no hub yet.
    home.move_in()
    home.broken()
    unit = home.run(hubs.enrol, serial="SENT", iccid=home.card())
    [order] = home.run(dispatch.of_account, account_id=home.account_id)
    home.run(dispatch.record, order_id=order.id, state="dispatched", hub_id=unit.id)
    home.run(dispatch.record, order_id=order.id, state="lost")
    home.post_is_delivered()
    home.run(dispatch.record, order_id=order.id, state="delivered")
    # A third one, whose fault is fixed before its hub leaves.
    home.move_in()
    home.resolve(home.broken())
    # A fourth one, whose fault is fixed before the carrier came to it.
    home.move_in()
    home.put_hub_in_drawer()
    home.resolve(home.broken())


def written(session: Session, actor: Actor, now: Any) -> list[Notice]:
    return list(session.exec(select(Notice)))


@quickly
def test_every_notice_says_what_the_terms_ask_and_no_word_of_ours(home: Household) -> None:
    every_kind(home)
    found = {(row.kind, row.channel): row for row in home.run(written)}
    assert MUST_SAY.keys() == TEMPLATES.keys()
    assert {kind for kind, _ in found} == TEMPLATES.keys(), "a template that nothing owes"
    for (kind, channel), row in sorted(found.items()):
        medium, given = Medium(channel), {"at": row.owed_at.isoformat(), **row.facts}
        # Whatever a template fills in is among the facts, or is the standing way to contest.
        template = TEMPLATES[kind]
        fields = set(re.findall(r"\{(\w+)\}", template.sms if medium is Medium.SMS else template.text))
        assert fields - {"contest", "name"} <= given.keys(), (kind, channel)
        message = render(kind, key=row.id, medium=medium, to="x", name="Ann", facts=given)
        said = f"{message.subject} {message.text}"
        for wanted in MUST_SAY[kind]:
            assert re.search(wanted, said), (kind, channel, wanted, said)
        assert not CODE_WORDS.search(said.replace(row.id, "")), (kind, channel, said)
        assert medium is Medium.EMAIL or len(message.text) <= LONGEST_SMS, (kind, len(message.text))


def reasons() -> Iterator[str]:
    """Every reason that the rules may give to a customer."""
    for module in (backup, ending, hub_benefit, qualifying):
        for name in ("_REASONS", "_AT_ONCE"):
            yield from vars(module).get(name, {}).values()
    for name in ("_BY_CAUSE", "_BY_SUSPICION"):
        yield from (words[-1] for words in vars(exclusions)[name].values())


@pytest.mark.parametrize("medium", list(Medium))
@pytest.mark.parametrize("kind", ["refused", "switched_off", "backup_off", "switch_off"])
def test_every_reason_fits_and_comes_with_how_to_contest_it(kind: str, medium: Medium) -> None:
    known = [each.replace("{detail}", "the line was seen to fail") for each in reasons()]
    assert len(known) > 30
    for reason in known:
        facts = {"reason": reason, "contest": CONTEST_IN_FULL, "at": "2026-11-22T09:00:00+00:00"}
        text = render(kind, key=KEY, medium=medium, to="x", name=None, facts=facts).text
        assert reason in text
        assert not CODE_WORDS.search(text.replace(KEY, "")), text
        assert medium is Medium.EMAIL or (text.isascii() and len(text) <= LONGEST_SMS), text
        if (kind, medium) != ("switch_off", Medium.SMS):
            assert re.search(CONTEST, text), text
            assert re.search("legal rights", text), text
