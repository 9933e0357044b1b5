"""Is a unit BT-branded (T§10c)? Evidence becomes scored signals, signals a verdict.

Strategy: each piece of evidence is read alone into a signal with a weight and the *family* it comes from. One family
can be faked at once (a flashed firmware changes model, version and branding together), so `bt_branded` asks for two
families that agree and nothing against them. Evidence that can't belong to one unit is a verdict of its own.
"""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from stdnum import imei as imei_numbers
from stdnum import luhn

from controller.domain.errors import BadTableError
from controller.domain.facts import BrandVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a depot or a hub reported of a unit; None: not seen.

    `iccid` is the SIM found in it, `expected_iccid` the one assigned to it. `certificate_issuer` counts only where the
    caller verified the chain.
    """

    imei: str | None = None
    model: str | None = None
    firmware: str | None = None
    mac: str | None = None
    usb_id: str | None = None
    branding_file: str | None = None
    certificate_issuer: str | None = None
    iccid: str | None = None
    expected_iccid: str | None = None
    operator_verdict: BrandVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TacEntry:
    """One row of the operator's table: a TAC (8 digits), its model, and whether that model is BT-branded."""

    tac: str
    model: str
    bt_branded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandTable:
    """What operators know: TACs, and patterns per kind of evidence for and against BT branding."""

    tacs: Mapping[str, TacEntry]
    bt_patterns: Mapping[str, tuple[str, ...]]
    other_patterns: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One piece of evidence, read: its weight for (+) or against (-) BT branding, and what it is faked with."""

    name: str
    family: str
    weight: int
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandJudgement:
    """A verdict with what it rests on; `confidence` from 0 to 1."""

    verdict: BrandVerdict
    confidence: float
    signals: tuple[Signal, ...]
    contradictions: tuple[str, ...]
    needs_review: bool
    alarm: bool
    reason: str


WEIGHTS: Mapping[str, tuple[str, int]] = {
    "imei": ("modem", 3),
    "certificate_issuer": ("certificate", 3),
    "model": ("software", 2),
    "branding_file": ("software", 2),
    "firmware": ("software", 1),
    "mac": ("hardware", 1),
    "usb_id": ("hardware", 1),
}
ENOUGH_FOR = 4
ENOUGH_AGAINST = -2
CERTAIN = 8

# The test ranges of the TAC space (reporting body 00): no real unit has one. Operators import their own table.
TEST_TABLE = BrandTable(
    tacs={
        "00100111": TacEntry(tac="00100111", model="TEST-HUB-BT", bt_branded=True),
        "00100222": TacEntry(tac="00100222", model="TEST-HUB-OTHER", bt_branded=False),
        "00100333": TacEntry(tac="00100333", model="TEST-HUB-BT-2", bt_branded=True),
    },
    bt_patterns={
        "model": (r"TEST-HUB-BT(-\d+)?",),
        "firmware": (r"BT[-_ ].*",),
        "branding_file": (r"BT",),
        "mac": (r"00005E.*",),
        "usb_id": (r"f055:b7.*",),
        "certificate_issuer": (r"CN=BT Mini Hub Manufacturing( Test)? CA",),
    },
    other_patterns={
        "model": (r"EE40VB.*", r"EE7[01].*", r"4GEE .*", r"TEST-HUB-OTHER"),
        "firmware": (r"EE40_.*", r"EE40VB.*", r"OTHER[-_ ].*"),
        "branding_file": (r"EE", r"Plusnet", r"none"),
        "mac": (r"00005F.*",),
        "usb_id": (r"f055:ee.*",),
        "certificate_issuer": (r"CN=Other .* CA",),
    },
)


def read_tac_table(text: str) -> Mapping[str, TacEntry]:
    """Read an operator's table: CSV with columns tac, model, bt_branded (yes/no); raises BadTableError with the row."""
    rows = csv.DictReader(text.splitlines())
    if not {"tac", "model", "bt_branded"} <= set(rows.fieldnames or ()):
        raise BadTableError(1, "the columns tac, model and bt_branded are needed in the first line")
    table: dict[str, TacEntry] = {}
    for number, row in enumerate(rows, start=2):
        entry = _tac_entry(number, row)
        if table.setdefault(entry.tac, entry) != entry:
            raise BadTableError(number, f"TAC {entry.tac} stands for two things: keep one of them")
    return table


def _tac_entry(number: int, row: Mapping[str, str | None]) -> TacEntry:
    tac, model, branded = ((row.get(name) or "").strip() for name in ("tac", "model", "bt_branded"))
    if not re.fullmatch(r"[0-9]{8}", tac):
        raise BadTableError(number, f"TAC {tac!r} is not 8 digits")
    if not model:
        raise BadTableError(number, "the model is empty")
    if branded.lower() not in {"yes", "no"}:
        raise BadTableError(number, f"bt_branded is {branded!r}: write yes or no")
    return TacEntry(tac=tac, model=model, bt_branded=branded.lower() == "yes")


def plain_mac(mac: str) -> str | None:
    """Return a MAC as 12 upper-case hex digits, or None where it identifies no maker.

    Locally administered and group addresses never match an OUI.
    """
    digits = re.sub(r"[:.\-]", "", mac).upper()
    if not re.fullmatch(r"[0-9A-F]{12}", digits):
        return None
    return None if int(digits[:2], 16) & 0b11 else digits


def _matches(table: BrandTable, name: str, value: str) -> int:
    """Return 1, -1 or 0 for a value that speaks for, against or not at all; both ways is not at all."""
    speaks_for = any(re.fullmatch(each, value, re.IGNORECASE) for each in table.bt_patterns.get(name, ()))
    against = any(re.fullmatch(each, value, re.IGNORECASE) for each in table.other_patterns.get(name, ()))
    return speaks_for - against


def _imei_sign(table: BrandTable, value: str) -> int:
    entry = table.tacs.get(_digits(value)[:8])
    if entry is None or not imei_numbers.is_valid(value):
        return 0
    return 1 if entry.bt_branded else -1


def _digits(value: str) -> str:
    return re.sub(r"[^0-9]", "", value)


def _sign(table: BrandTable, name: str, value: str) -> int:
    if name == "imei":
        return _imei_sign(table, value)
    if name == "mac":
        plain = plain_mac(value)
        return _matches(table, name, plain) if plain else 0
    return _matches(table, name, value.strip())


def read_signals(evidence: Evidence, table: BrandTable) -> tuple[Signal, ...]:
    """Read each piece of evidence by itself; what no table knows has weight 0."""
    found = []
    for name, (family, weight) in WEIGHTS.items():
        value: str | None = getattr(evidence, name)
        if value:
            sign = _sign(table, name, value)
            says = {1: "bt", 0: "nothing", -1: "not_bt"}[sign]
            found.append(Signal(name=name, family=family, weight=sign * weight, says=says))
    return tuple(found)


def _seen(evidence: Evidence) -> Evidence:
    """Take what was left blank as not seen, and the blanks out of SIM numbers, which are printed in groups."""
    told: dict[str, Any] = {
        each.name: value
        for each in fields(Evidence)
        if not isinstance(value := getattr(evidence, each.name), str) or value.strip()
    }
    for name in {"iccid", "expected_iccid"} & told.keys():
        told[name] = re.sub(r"\s", "", told[name] or "") or None
    return Evidence(**told)


def _bad_imei(evidence: Evidence, table: BrandTable) -> str | None:
    del table
    bad = evidence.imei is not None and not imei_numbers.is_valid(evidence.imei)
    return "the IMEI's check digit or length is wrong" if bad else None


def _tac_of_another_model(evidence: Evidence, table: BrandTable) -> str | None:
    entry = table.tacs.get(_digits(evidence.imei or "")[:8])
    if entry is None or evidence.model is None or entry.model.casefold() == evidence.model.strip().casefold():
        return None
    return f"the IMEI's TAC belongs to the model {entry.model}, the unit says {evidence.model}"


def _sim_of_another(evidence: Evidence, table: BrandTable) -> str | None:
    del table
    if evidence.iccid is None or evidence.expected_iccid is None:
        return None
    same = evidence.iccid.upper().rstrip("F") == evidence.expected_iccid.upper().rstrip("F")
    return None if same else "the SIM in the unit is not the one assigned to it"


def _bad_iccid(evidence: Evidence, table: BrandTable) -> str | None:
    del table
    if evidence.iccid is None:
        return None
    digits = evidence.iccid.upper().rstrip("F")
    is_sound = digits.isdecimal() and 18 <= len(digits) <= 20 and luhn.is_valid(digits)
    return None if is_sound else "the SIM's number is malformed"


_IMPOSSIBLE: tuple[Callable[[Evidence, BrandTable], str | None], ...] = (
    _bad_imei,
    _tac_of_another_model,
    _sim_of_another,
    _bad_iccid,
)


def _disagreements(signals: tuple[Signal, ...]) -> tuple[str, ...]:
    speak_for = [each.name for each in signals if each.weight > 0]
    against = [each.name for each in signals if each.weight < 0]
    return (f"{', '.join(speak_for)} against {', '.join(against)}",) if speak_for and against else ()


def judge_brand(evidence: Evidence, table: BrandTable) -> BrandJudgement:
    """Judge a unit (T§10c): bt_branded, not_bt_branded, undetermined or inconsistent.

    What is blank was not seen. `inconsistent` comes with an alarm: bad check digit, TAC of another model, SIM of
    another hub. `undetermined` and contradictions go to the review queue. A person's verdict prevails, with whatever
    contradicts it listed.
    """
    evidence = _seen(evidence)
    signals = read_signals(evidence, table)
    impossible = tuple(problem for check in _IMPOSSIBLE if (problem := check(evidence, table)))
    contradictions = (*impossible, *_disagreements(signals))
    score = sum(each.weight for each in signals)
    if evidence.operator_verdict is not None:
        verdict, confidence, reason = evidence.operator_verdict, 1.0, "A named person examined the unit."
    elif impossible:
        verdict, confidence, reason = BrandVerdict.INCONSISTENT, 1.0, "The evidence can't belong to one unit."
    else:
        verdict, reason = _weigh(signals, score, is_disputed=bool(contradictions))
        confidence = min(1.0, abs(score) / CERTAIN)
    return BrandJudgement(
        verdict=verdict,
        confidence=confidence,
        signals=signals,
        contradictions=contradictions,
        needs_review=bool(contradictions) or verdict in {BrandVerdict.UNDETERMINED, BrandVerdict.INCONSISTENT},
        alarm=bool(impossible) and evidence.operator_verdict is None,
        reason=reason,
    )


def _weigh(signals: tuple[Signal, ...], score: int, *, is_disputed: bool) -> tuple[BrandVerdict, str]:
    families = {each.family for each in signals if each.weight > 0}
    if is_disputed:
        return BrandVerdict.UNDETERMINED, "The evidence points both ways."
    if score >= ENOUGH_FOR and len(families) > 1:
        return BrandVerdict.BT_BRANDED, "Independent pieces of evidence agree that the unit is BT-branded."
    if score <= ENOUGH_AGAINST:
        return BrandVerdict.NOT_BT_BRANDED, "The evidence says that the unit is not BT-branded, and none says it is."
    return BrandVerdict.UNDETERMINED, "There is too little evidence to say."
