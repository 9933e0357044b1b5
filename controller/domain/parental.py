"""Light parental controls of the Mini Hub (T§19).

BT Mobile's own controls apply to Broadband Backup; this system neither sets nor reads those.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from controller.domain.errors import DomainError
from controller.domain.facts import utc
from controller.domain.rule_sets import RuleSet

MAY_DIFFER = "The Mini Hub's parental controls may differ from those of your home hub."
CUSTOM = "custom"

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class ParentalSettingError(DomainError):
    """A setting can't be applied; the caller corrects the named part."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}")
        self.part = part


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentalSetting:
    """What a hub filters: a level, categories where the level is custom, and names allowed or denied beyond it."""

    level: str
    categories: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentalChange:
    """A change by an operator who was called: audited, and the account holder is told."""

    before: ParentalSetting
    after: ParentalSetting
    by: str
    at: datetime
    tell_account_holder: bool = True
    note: str = MAY_DIFFER


def setting_due(kept: ParentalSetting | None, rules: RuleSet) -> ParentalSetting:
    """Return the setting of a unit: the customer's on reactivation, Light on a new unit (T§19).

    `kept` is the setting of that very unit; a replacement is a new unit and has none.
    """
    return ParentalSetting(level=rules.new_unit_level) if kept is None else kept


def categories_of(setting: ParentalSetting, rules: RuleSet) -> frozenset[str]:
    """Return the categories a setting refuses: its own where custom, else its level's; raises for no such level."""
    if setting.level == CUSTOM:
        return setting.categories
    if setting.level not in rules.level_categories:
        raise ParentalSettingError("level", f"{setting.level!r} is no level")
    return rules.level_categories[setting.level]


def plain_name(name: str) -> str:
    """Return a host name in lower-case ASCII (IDNA), without a final dot; raises ParentalSettingError."""
    try:
        plain = name.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        plain = ""
    labels = plain.split(".")
    if len(labels) < 2 or len(plain) > 253 or not all(_LABEL.fullmatch(each) for each in labels):
        raise ParentalSettingError(repr(name), "is no name of a site: write it like example.org")
    return plain


def checked_setting(setting: ParentalSetting, rules: RuleSet) -> ParentalSetting:
    """Return the setting in plain form; raises ParentalSettingError: unknown level, lone categories, clashing names."""
    levels = (*rules.level_categories, CUSTOM)
    if setting.level not in levels:
        raise ParentalSettingError("level", f"{setting.level!r} is none of {', '.join(levels)}")
    if setting.categories and setting.level != CUSTOM:
        raise ParentalSettingError("categories", f"they go with the level {CUSTOM} only")
    unknown = setting.categories - rules.categories
    if unknown:
        raise ParentalSettingError("categories", f"there is no {', '.join(sorted(unknown))}")
    allow, deny = (frozenset(plain_name(each) for each in names) for names in (setting.allow, setting.deny))
    if allow & deny:
        raise ParentalSettingError("allow", f"{', '.join(sorted(allow & deny))} is denied too: keep one of them")
    return ParentalSetting(level=setting.level, categories=setting.categories, allow=allow, deny=deny)


def change_setting(
    before: ParentalSetting, after: ParentalSetting, *, by: str, at: datetime, rules: RuleSet
) -> ParentalChange:
    """Return an operator's change for a customer who called (T§19); raises ParentalSettingError."""
    if not by.strip():
        raise ParentalSettingError("by", "the operator's name is needed")
    return ParentalChange(before=before, after=checked_setting(after, rules), by=by, at=utc(at))
