import tomllib
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from controller.domain.brand import (
    CERTAIN,
    TEST_TABLE,
    WEIGHTS,
    BrandTable,
    Evidence,
    TacEntry,
    judge_brand,
    plain_mac,
    read_signals,
    read_tac_table,
)
from controller.domain.errors import BadTableError, DomainError
from controller.domain.facts import BrandVerdict

from .tables import DATA


def checked(digits: str) -> str:
    return digits + luhn.calc_check_digit(digits)


NAMES = {
    "@bt": checked("00100111000001"),
    "@other": checked("00100222000002"),
    "@bt2": checked("00100333000003"),
    "@unknown": checked("00100999000004"),
    "@sim1": checked("894430000000000001"),
    "@sim1F": checked("894430000000000001") + "F",
    "@sim2": checked("894430000000000002"),
    "@sim1spaced": "8944 3000 0000 0000 01" + luhn.calc_check_digit("894430000000000001"),
    "@btdashed": "-".join(
        (checked("00100111000001")[:8], checked("00100111000001")[8:14], checked("00100111000001")[14:])
    ),
}
ROWS = tomllib.loads((DATA / "brand.toml").read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_what_evidence_says(row: dict[str, str]) -> None:
    seen: dict[str, Any] = {
        name: NAMES.get(value, value) for name, value in row.items() if name not in {"name", "expect"}
    }
    if "operator_verdict" in seen:
        seen["operator_verdict"] = BrandVerdict(seen["operator_verdict"])
    found = judge_brand(Evidence(**seen), TEST_TABLE)
    marks = ("?" if found.needs_review else "") + ("!" if found.alarm else "")
    assert f"{found.verdict.value} {marks}".strip() == row["expect"], found
    assert 0 <= found.confidence <= 1
    assert found.reason
    assert bool(found.contradictions) == ("!" in marks or found.reason == "The evidence points both ways.") or (
        "operator_verdict" in seen
    )


def test_there_are_at_least_forty_sets() -> None:
    assert len(ROWS) >= 40


VALUES = {
    "imei": [*(NAMES[n] for n in ("@bt", "@other", "@bt2", "@unknown")), "001001110000014"],
    "model": ["TEST-HUB-BT", "TEST-HUB-BT-2", "EE40VB", "4GEE WiFi", "unheard of"],
    "firmware": ["BT_1", "EE40_1", "x"],
    "mac": ["00:00:5E:00:53:01", "02:00:5E:00:53:01", "00:00:5F:00:53:01"],
    "usb_id": ["f055:b701", "f055:ee01", "1234:5678"],
    "branding_file": ["BT", "EE", "Plusnet"],
    "certificate_issuer": ["CN=BT Mini Hub Manufacturing CA", "CN=Other Maker CA"],
}
EVIDENCE = st.builds(Evidence, **{name: st.none() | st.sampled_from(values) for name, values in VALUES.items()})


@settings(deadline=None)
@given(EVIDENCE, st.sampled_from(sorted(VALUES)), st.data())
def test_no_single_signal_makes_a_unit_bt_branded(evidence: Evidence, name: str, data: st.DataObject) -> None:
    spoofed = data.draw(st.sampled_from(VALUES[name]))
    fake: dict[str, Any] = {name: spoofed}
    alone = Evidence(**fake)
    assert judge_brand(alone, TEST_TABLE).verdict is not BrandVerdict.BT_BRANDED
    rest: dict[str, Any] = {f.name: None if f.name == name else getattr(evidence, f.name) for f in fields(evidence)}
    without = Evidence(**rest)
    for_bt = {s.family for s in read_signals(without, TEST_TABLE) if s.weight > 0}
    faked = Evidence(**(rest | fake))
    if not for_bt:
        assert judge_brand(faked, TEST_TABLE).verdict is not BrandVerdict.BT_BRANDED


@settings(deadline=None)
@given(EVIDENCE)
def test_bt_branded_needs_two_families_and_nothing_against(evidence: Evidence) -> None:
    found = judge_brand(evidence, TEST_TABLE)
    if found.verdict is BrandVerdict.BT_BRANDED:
        assert len({s.family for s in found.signals if s.weight > 0}) >= 2
        assert not [s for s in found.signals if s.weight < 0]
        assert not found.contradictions


def test_confidence_is_the_share_of_certainty() -> None:
    found = judge_brand(Evidence(imei=NAMES["@bt"], model="TEST-HUB-BT"), TEST_TABLE)
    assert found.confidence == 5 / CERTAIN
    assert [(s.name, s.family, s.weight, s.says) for s in found.signals] == [
        ("imei", "modem", 3, "bt"),
        ("model", "software", 2, "bt"),
    ]
    everything = Evidence(
        imei=NAMES["@bt"],
        model="TEST-HUB-BT",
        firmware="BT 1",
        branding_file=" BT ",
        certificate_issuer="CN=BT Mini Hub Manufacturing CA",
    )
    assert judge_brand(everything, TEST_TABLE).confidence == 1.0
    assert judge_brand(Evidence(operator_verdict=BrandVerdict.UNDETERMINED), TEST_TABLE).confidence == 1.0
    assert judge_brand(Evidence(imei="1"), TEST_TABLE).confidence == 1.0


def test_a_contradiction_names_both_sides() -> None:
    found = judge_brand(Evidence(imei=NAMES["@bt"], branding_file="EE", usb_id="f055:ee01"), TEST_TABLE)
    assert found.contradictions == ("imei against branding_file, usb_id",)
    found = judge_brand(Evidence(imei=NAMES["@bt"], model="EE40VB"), TEST_TABLE)
    assert "TEST-HUB-BT" in found.contradictions[0]
    assert "EE40VB" in found.contradictions[0]


def test_signals_that_say_nothing_weigh_nothing() -> None:
    (signal,) = read_signals(Evidence(model="unheard of"), TEST_TABLE)
    assert (signal.weight, signal.says) == (0, "nothing")
    (signal,) = read_signals(Evidence(branding_file="EE"), TEST_TABLE)
    assert (signal.weight, signal.says) == (-2, "not_bt")


def test_a_pattern_for_both_sides_says_nothing() -> None:
    table = BrandTable(tacs={}, bt_patterns={"model": ("X.*",)}, other_patterns={"model": (".*Y",)})
    assert read_signals(Evidence(model="XY"), table)[0].weight == 0
    assert read_signals(Evidence(model="xz"), table)[0].weight == 2
    assert read_signals(Evidence(usb_id="f055:b701"), table)[0].weight == 0


BT, CERTIFICATE = NAMES["@bt"], "CN=BT Mini Hub Manufacturing CA"


@pytest.mark.parametrize(
    ("evidence", "reason", "contradictions"),
    [
        (Evidence(), "There is too little evidence to say.", ()),
        (Evidence(imei=BT), "There is too little evidence to say.", ()),
        (
            Evidence(imei=BT, certificate_issuer=CERTIFICATE),
            "Independent pieces of evidence agree that the unit is BT-branded.",
            (),
        ),
        (
            Evidence(branding_file="EE"),
            "The evidence says that the unit is not BT-branded, and none says it is.",
            (),
        ),
        (
            Evidence(imei=NAMES["@other"], usb_id="f055:b701", firmware="BT_1", mac="AC:DE:48:00:11:22"),
            "The evidence points both ways.",
            ("firmware, usb_id against imei",),
        ),
        (
            Evidence(imei="001001110000014", iccid="8944", expected_iccid=NAMES["@sim1"]),
            "The evidence can't belong to one unit.",
            (
                "the IMEI's check digit or length is wrong",
                "the SIM in the unit is not the one assigned to it",
                "the SIM's number is malformed",
            ),
        ),
        (Evidence(operator_verdict=BrandVerdict.UNDETERMINED), "A named person examined the unit.", ()),
    ],
)
def test_a_judgement_in_words(evidence: Evidence, reason: str, contradictions: tuple[str, ...]) -> None:
    found = judge_brand(evidence, TEST_TABLE)
    assert (found.reason, found.contradictions) == (reason, contradictions)


@pytest.mark.parametrize(
    ("mac", "plain"),
    [
        ("00:00:5e:00:53:01", "00005E005301"),
        ("0000.5E00.5301", "00005E005301"),
        ("02:00:5E:00:53:01", None),
        ("01:00:5E:00:53:01", None),
        ("04:00:5E:00:53:01", "04005E005301"),
        ("00:00:5E:00:53", None),
        ("00:00:5E:00:53:0G", None),
    ],
)
def test_addresses_that_identify_a_maker(mac: str, plain: str | None) -> None:
    assert plain_mac(mac) == plain


@pytest.mark.parametrize(
    ("iccid", "is_sound"),
    [
        (checked("89443000000000001"), True),
        (checked("8944300000000000"), False),
        (checked("8944300000000000001"), True),
        (checked("89443000000000000001"), False),
        ("89443000000000000x", False),
        (NAMES["@sim1"] + "f", True),
    ],
)
def test_sim_numbers(iccid: str, is_sound: bool) -> None:
    found = judge_brand(Evidence(iccid=iccid), TEST_TABLE)
    assert found.alarm is not is_sound


def test_an_operators_table_is_read() -> None:
    table = read_tac_table("tac,model,bt_branded\n00100444, Hub A ,YES\n00100555,Hub B,no\n00100444,Hub A,yes\n")
    assert table == {
        "00100444": TacEntry(tac="00100444", model="Hub A", bt_branded=True),
        "00100555": TacEntry(tac="00100555", model="Hub B", bt_branded=False),
    }


@pytest.mark.parametrize(
    ("text", "row", "problem"),
    [
        ("", 1, "columns"),
        ("tac,model\n", 1, "columns"),
        ("tac,model,bt_branded\n1234567,M,yes\n", 2, "8 digits"),
        ("tac,model,bt_branded\n123456789,M,yes\n", 2, "8 digits"),
        ("tac,model,bt_branded\n00100444,,yes\n", 2, "model"),
        ("tac,model,bt_branded\n00100444,M,maybe\n", 2, "yes or no"),
        ("tac,model,bt_branded\n00100444,M\n", 2, "yes or no"),
        ("tac,model,bt_branded\n00100444,M,yes\n00100444,M,no\n", 3, "two things"),
    ],
)
def test_a_broken_table_names_its_row(text: str, row: int, problem: str) -> None:
    with pytest.raises(BadTableError, match=problem) as caught:
        read_tac_table(text)
    assert isinstance(caught.value, DomainError)
    assert caught.value.row == row
    assert str(caught.value).startswith(f"row {row}: ")


def test_shipped_data_holds_only_test_ranges() -> None:
    assert all(tac.startswith("001") and tac == entry.tac for tac, entry in TEST_TABLE.tacs.items())
    assert set(TEST_TABLE.bt_patterns) | {"imei"} == set(WEIGHTS)
