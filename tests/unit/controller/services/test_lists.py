"""Block lists: formats with a report by line, compiled, content-addressed, by level and household, within a budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.services import controls, lists
from controller.services.errors import UnprocessableError
from controller.services.list_formats import detect, read_list
from tests.unit.controller.household import Household

HOSTS = """# a comment
127.0.0.1 localhost
0.0.0.0 Bad.example  worse.example # both
0.0.0.0 bad.example
:: six.example
192.0.2.1 elsewhere.example
bad.example
"""
RPZ = """$TTL 300
$ORIGIN rpz.example.
@ IN SOA ns.example. admin.example. (
  1 2 3
  4 5 )
  IN NS ns.example.
bad.example CNAME .
*.worse.example.rpz.example. 300 IN CNAME *.
good.example CNAME rpz-passthru.
own.example A 192.0.2.1
32.1.2.0.192.rpz-ip CNAME .
moved.example CNAME garden.example.
"""
ADBLOCK = """[Adblock Plus 2.0]
! a comment
||bad.example^
||worse.example^$important
||track.example^$third-party
||site.example/path
@@||good.example^
site.example##.advert
plain.example
"""


def refused(text: str, format_: str) -> dict[int, str]:
    _, report = read_list(text, format_)
    return {each["line"]: each["reason"] for each in report.refused}


@pytest.mark.parametrize(
    ("text", "format_", "names", "lines"),
    [
        (HOSTS, "hosts", ("bad.example", "six.example", "worse.example"), {6: "elsewhere", 7: "begin with an address"}),
        (
            RPZ,
            "rpz",
            ("bad.example", "worse.example"),
            {9: "exception", 10: "data of its own", 11: "address", 12: "elsewhere"},
        ),
        (
            ADBLOCK,
            "adblock",
            ("bad.example", "plain.example", "worse.example"),
            {5: "limited by third-party", 6: "part of a site", 7: "exception", 8: "parts of pages"},
        ),
        ("a.example\n# no\nb c\n192.0.2.1\nCOM\n", "plain", ("a.example",), {3: "no name", 4: "address", 5: "no name"}),
    ],
)
def test_each_format_is_detected_and_told_line_by_line(
    text: str, format_: str, names: tuple[str, ...], lines: dict[int, str]
) -> None:
    assert detect(text.splitlines()) == format_
    found, report = read_list(text)
    assert (found, report.format) == (names, format_)
    told = refused(text, format_)
    assert told.keys() == lines.keys()
    assert all(word in told[number] for number, word in lines.items())


def test_what_lies_below_a_name_is_covered_by_it() -> None:
    names, report = read_list("x.a.example\na.example\nA.example.\nb.example\nba.example\n", "plain")
    assert names == ("a.example", "b.example", "ba.example")
    assert {word: count for word, count in report.counts.items() if count} == {"taken": 3, "duplicate": 1, "covered": 1}


def test_a_name_of_another_script_is_its_ascii_form() -> None:
    assert read_list("bücher.example\n", "plain")[0] == ("xn--bcher-kva.example",)


@given(st.text(max_size=300), st.sampled_from(["auto", "plain", "hosts", "rpz", "adblock"]))
def test_no_text_breaks_a_reader_and_every_line_is_accounted_for(text: str, format_: str) -> None:
    names, report = read_list(text, format_)
    assert report.lines == len(text.splitlines())
    assert list(names) == sorted(set(names))


def put(home: Household, category: str, body: str, format_: str = "auto") -> lists.Imported:
    done: lists.Imported = home.run(
        lists.import_body, category=category, body=body.encode(), source="a test", format_=format_
    )
    return done


@pytest.fixture
def hub(home: Household) -> Household:
    home.move_in()
    home.put_hub_in_drawer()
    return home


def categories(home: Household) -> dict[str, str]:
    return {each.category: each.digest for each in home.document().controls.lists}


def test_the_same_names_are_the_same_bytes_whatever_they_came_in(home: Household) -> None:
    plain = put(home, "gambling", "b.example\na.example\n")
    assert put(home, "gambling", "0.0.0.0 a.example b.example x.a.example\n").digest == plain.digest
    assert home.run(lists.body_of, digest=plain.digest) == b"a.example\nb.example\n"
    with pytest.raises(UnprocessableError, match="another category"):
        put(home, "adult", "a.example\nb.example\n")


def test_an_import_changes_the_documents_of_hubs_it_concerns(hub: Household) -> None:
    before = hub.document()
    done = put(hub, "adult", "new.example\n")
    after = hub.document()
    assert categories(hub)["adult"] == done.digest
    assert after.revision > before.revision


def test_a_level_is_data_and_a_household_may_differ_from_it(hub: Household) -> None:
    assert set(categories(hub)) == {"adult", "self-harm", "drugs"}
    hub.run(lists.set_level, level="light", categories=["adult", "gambling"])
    assert set(categories(hub)) == {"adult", "gambling"}
    hub.run(controls.set_controls, hub_id=hub.hub_id, controls={"overrides": {"adult": False, "weapons": True}})
    assert set(categories(hub)) == {"gambling", "weapons"}
    hub.run(controls.set_controls, hub_id=hub.hub_id, controls={"level": "off"})
    assert categories(hub) == {}


def test_what_ships_is_marked_as_an_example(home: Household) -> None:
    found: tuple[lists.LevelView, ...] = home.run(lists.levels)
    assert {view.level for view in found} == {"off", "light", "moderate", "strict"}
    assert {view.source for view in found} == {lists.EXAMPLE_SOURCE}
    assert {row.source for row in home.run(lists.all_lists)} == {lists.EXAMPLE_SOURCE}


@pytest.mark.parametrize(
    ("body", "format_", "problem"),
    [
        (b"", "auto", "empty"),
        (b"\xff\xfe", "auto", "UTF-8"),
        (b"com\n", "plain", "line 1"),
        (b"a.b\n", "odd", "format"),
    ],
)
def test_a_body_without_a_name_is_refused(body: bytes, format_: str, problem: str) -> None:
    with pytest.raises(UnprocessableError, match=problem):
        lists.compile_list(body, format_)


def test_lists_are_within_the_budget_of_a_hub_or_refused(home: Household) -> None:
    length = len("00000000." + "x" * 60 + ".example\n")
    body = "".join(f"{n:08d}.{'x' * 60}.example\n" for n in range(lists.BUDGET // length + 1))
    compiled = lists.Compiled(digest="sha256:" + "0" * 64, body=body.encode(), report=read_list("a.example")[1])
    with pytest.raises(UnprocessableError, match="a hub holds"):
        home.run(lists.import_list, category="adult", compiled=compiled, source="a test")
    assert "adult" in {row.category for row in home.run(lists.all_lists)}
