"""What customers are told, in plain English: one template for each kind of notice.

Service notices only (P "How we use it"): they name what was done or will be done and when, and promote nothing. No
template names more of a person than the greeting needs; an SMS names nobody.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from controller.domain.decisions import CONTEST
from controller.notify.port import Medium, Message, UndeliverableError

LONDON: Final = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Template:
    """`subject` and `text` of the e-mail; `sms` stands alone.

    Fields: {name}, {at}, {reason}, {contest}, {estimate}, {level}.
    """

    subject: str
    text: str
    sms: str


TEMPLATES: Final[Mapping[str, Template]] = {
    "ready_plug_in": Template(
        "Your Mini Hub is ready: please plug it in",
        "Your Mini Hub was switched on for use {at}. Please plug it in, place it near a window, and wait a few minutes."
        " Connect your devices to the Wi-Fi name on its label. It stays on while your fault is being fixed.",
        "Your Mini Hub is ready ({at}). Plug it in near a window and connect to the Wi-Fi name on its label.",
    ),
    "online": Template(
        "You are connected through your Mini Hub",
        "Your Mini Hub has been connected to the internet since {at}. You can use it until your broadband is fixed."
        " We will tell you before it is switched off.",
        "Your Mini Hub is connected ({at}). We will tell you before it is switched off.",
    ),
    "backup_on": Template(
        "Broadband Backup is on",
        "Broadband Backup has been on since {at} for the mobile plans on your account. While it is on, mobile data in"
        " the UK is free and does not count towards your allowance. We will tell you before it ends.",
        "Broadband Backup is on ({at}): UK mobile data is free and uncounted until your broadband is fixed.",
    ),
    "switch_off": Template(
        "What we switched on for your fault ends soon",
        "{reason} What we switched on for your broadband fault will be switched off {at}. If your broadband still"
        " doesn't work, please tell us before then. {contest}",
        "{reason} What we switched on for your broadband fault will be switched off {at}.",
    ),
    "fault_resolved": Template(
        "Your broadband fault has been resolved",
        "The broadband fault that you reported was resolved {at}, before anything was switched on for it. So nothing"
        " more will be. If your broadband still doesn't work, please report it again.",
        "Your broadband fault was resolved {at}, before anything was switched on. No broadband yet? Report it again.",
    ),
    "switch_off_withdrawn": Template(
        "Nothing will be switched off for now",
        "We told you that what we switched on for your fault would be switched off. That no longer holds: you still"
        " need it, so everything stays on. We will write again before anything is switched off.",
        "Please ignore our earlier message: nothing will be switched off for now.",
    ),
    "switched_off": Template(
        "Your Mini Hub has been switched off",
        "{reason} So your Mini Hub was switched off {at}. If you have it, please keep it for another time: we can"
        " switch the same one on again. {contest}",
        "{reason} So your Mini Hub was switched off ({at}). {contest}",
    ),
    "backup_off": Template(
        "Broadband Backup has ended",
        "{reason} So Broadband Backup ended {at}. Your mobile plans are back to their usual allowances. What you used"
        " while it was on is free. {contest}",
        "{reason} So Broadband Backup ended ({at}). Your mobile plans are back to their usual allowances. {contest}",
    ),
    "hub_dispatched": Template(
        "A Mini Hub is on its way",
        "We are sending you a Mini Hub. It usually arrives {estimate}, through the letterbox, without a signature.",
        "We are sending you a Mini Hub. It usually arrives {estimate}, through the letterbox.",
    ),
    "hub_ordered_again": Template(
        "Another Mini Hub is on order for you",
        "{reason} We are sending you a Mini Hub as soon as we can. It usually arrives {estimate}, through the"
        " letterbox, without a signature. We will tell you when it is on its way.",
        "{reason} We are sending you a Mini Hub. It usually arrives {estimate}, through the letterbox.",
    ),
    "order_spare": Template(
        "You have a Mini Hub, so the other one is not sent",
        "The Mini Hub that we took for lost has turned up and can be used for your fault. So we have cancelled the"
        " other one that was on order. If you don't have it, please tell us.",
        "Your Mini Hub has turned up after all, so the other one on order was cancelled. If you don't have it, please"
        " tell us.",
    ),
    "order_cancelled": Template(
        "No Mini Hub is needed after all",
        "Your broadband fault has been resolved, so we have cancelled the Mini Hub that was on order. If your broadband"
        " still doesn't work, please report it again.",
        "Your broadband fault is resolved, so the Mini Hub on order was cancelled. No broadband yet? Report it again.",
    ),
    "controls_changed": Template(
        "Your Mini Hub's parental controls were changed",
        "The parental controls of your Mini Hub were changed {at}, as somebody in your household asked us to. They are"
        " now set to: {level}. They may differ from those of your home hub. If you did not ask for this, please call"
        " us.",
        "Your Mini Hub's parental controls were changed ({at}), now: {level}. If you did not ask us, please call.",
    ),
    "refused": Template(
        "About your fault report",
        "We looked at your fault report. {reason} {contest}",
        "We looked at your fault report. {reason} {contest}",
    ),
}
_GREETING: Final = "Dear {name},\n\n"
_ENDING: Final = "\n\nThis is a message about your service. Message reference: {key}\n"
# Sensible words where a fact is absent: a notice is never sent with a hole in it.
_WITHOUT: Final = {
    "at": "now",
    "level": "as you asked",
    "estimate": "on the next working day",
    "reason": "Your fault does not bring it at this time.",
    "contest": CONTEST,
}
# An SMS has no room for the whole; both things that T§15 asks for are in it.
_CONTEST_SMS: Final = "If you disagree, tell us: a person will look again. Your legal rights stay as they are."
_CLAUSE: Final = re.compile(r"\(T§(\w+)\)")


def render(kind: str, *, key: str, medium: Medium, to: str, name: str | None, facts: Mapping[str, object]) -> Message:
    """Render a notice. Raises UndeliverableError for a kind without a template: an operator must look."""
    template = TEMPLATES.get(kind)
    if template is None:
        raise UndeliverableError(f"no template for notices of kind {kind!r}")
    values = {**_WITHOUT, **{field: _plain(value) for field, value in facts.items() if value is not None}}
    if medium is Medium.SMS:
        brief = {"contest": _CONTEST_SMS} if values["contest"] == CONTEST else {}
        text = _for_customers(template.sms.format_map(values | brief)) + f" Ref {key[-6:]}"
        return Message(key=key, medium=medium, to=to, subject="", text=text)
    greeting, ending = _GREETING.format(name=name or "customer"), _ENDING.format(key=key)
    text = greeting + _for_customers(template.text.format_map(values)) + ending
    return Message(key=key, medium=medium, to=to, subject=template.subject, text=text)


def _for_customers(text: str) -> str:
    """Name a clause as who reads the terms knows it."""
    return _CLAUSE.sub(r"(paragraph \1 of the BT Plus terms)", text)


def local_time(instant: datetime) -> str:
    """Say an instant as people do, in London's time: "at 14:05 on Sunday 22 November"."""
    local = instant.astimezone(LONDON)
    return f"at {local:%H:%M} on {local:%A} {local.day} {local:%B}"


def _plain(value: object) -> str:
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            return value
        return local_time(instant) if instant.tzinfo is not None else value
    return local_time(value) if isinstance(value, datetime) else str(value)
