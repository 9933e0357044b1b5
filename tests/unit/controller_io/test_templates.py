import re
from datetime import UTC, datetime

import pytest

from controller.notify.adapters import email_of
from controller.notify.port import Medium, Message, UndeliverableError
from controller.notify.templates import TEMPLATES, local_time, render

KEY = "01890000-0000-7000-8000-000000000042"
FACTS = {"at": "2026-07-01T12:30:00+00:00", "reason": "A reason.", "contest": "Call us.", "estimate": "on Friday"}


def notice(kind: str, medium: Medium, facts: dict[str, object] | None = None) -> Message:
    to = "ann@example.org" if medium is Medium.EMAIL else "+447700900123"
    return render(kind, key=KEY, medium=medium, to=to, name="Ann Holder", facts=FACTS if facts is None else facts)


@pytest.mark.parametrize("kind", TEMPLATES)
@pytest.mark.parametrize("medium", list(Medium))
@pytest.mark.parametrize("facts", [FACTS, {}, {"at": None, "unknown": 1}])
def test_every_notice_renders_without_a_hole(kind: str, medium: Medium, facts: dict[str, object]) -> None:
    message = notice(kind, medium, facts)
    assert not re.search(r"[{}]|None", message.text + message.subject)
    assert "  " not in message.text


@pytest.mark.parametrize("kind", TEMPLATES)
def test_an_sms_names_nobody_and_stays_short(kind: str) -> None:
    message = notice(kind, Medium.SMS)
    assert "Ann" not in message.text
    assert len(message.text) <= 306  # two segments of GSM-7 (3GPP TS 23.038)
    assert message.text.isascii()
    assert KEY[-6:] in message.text


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_service_notice_promotes_nothing(kind: str) -> None:
    words = re.compile(r"offer|upgrade|deal|save|buy|discount|http|www", re.IGNORECASE)
    assert not words.search(notice(kind, Medium.EMAIL).text + notice(kind, Medium.SMS).text)


def test_times_are_told_in_london() -> None:
    assert local_time(datetime(2026, 7, 1, 12, 30, tzinfo=UTC)) == "at 13:30 on Wednesday 1 July"
    assert "13:30" in notice("online", Medium.SMS).text
    assert local_time(datetime(2026, 12, 1, 12, 30, tzinfo=UTC)) == "at 12:30 on Tuesday 1 December"


def test_an_unknown_kind_needs_an_operator() -> None:
    with pytest.raises(UndeliverableError):
        notice("gossip", Medium.SMS)


def test_a_second_copy_of_an_email_is_recognisable() -> None:
    first, second = (email_of(notice("online", Medium.EMAIL), "service@minihub.invalid") for _ in range(2))
    assert first["Message-ID"] == second["Message-ID"] == f"<{KEY}@minihub.invalid>"
    assert first["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b, c@d", "a@b\nBcc: c@d", "Ann <a@b>", "@b", "a@", "a b@c", "a@b;c"]
)
def test_what_is_no_address_is_undeliverable(address: str) -> None:
    message = render("online", key=KEY, medium=Medium.EMAIL, to=address, name=None, facts={})
    with pytest.raises(UndeliverableError):
        email_of(message, "service@minihub.invalid")
