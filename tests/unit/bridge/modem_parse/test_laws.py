"""Laws of the parsers: any text gives a value or a ReplyError; what was encoded reads back."""

from datetime import datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import ReplyError
from firmware_bridge.modem.parse.bearer import parse_cgpaddr, parse_dhcp
from firmware_bridge.modem.parse.clock import parse_cclk
from firmware_bridge.modem.parse.counters import CounterAccumulator, RawCounters
from firmware_bridge.modem.parse.fields import fields, masked
from firmware_bridge.modem.parse.identity import normalise_iccid, swap_nibbles
from firmware_bridge.modem.parse.registration import parse_registration, parse_registration_urc
from firmware_bridge.modem.parse.signal import parse_hcsq
from tests.unit.bridge.modem_parse.row import Row
from tests.unit.bridge.modem_parse.test_rows import ROWS

FIRST, LAST = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2069-12-31")
PARSERS = {id(row.parse): row for row in ROWS if ":" in row.text and row.lines}
# An octet is drawn far more cheaply than a character: it stands for itself, or for a word that parsers look for.
NASTY = [
    *',,,,"\n',
    '","',
    "255",
    "-1",
    "0x1F",
    "FFFE",
    "99999999999999999999",
    "LTE",
    "0.0.0.0",
    "-",
    "(",
    "26/11/21,",
]
NASTY += [chr(octet) for octet in range(256 - len(NASTY))]


@settings(max_examples=600)
@given(row=st.sampled_from(list(PARSERS.values())), octets=st.binary(max_size=90))
def test_any_fields_behind_the_right_name_give_a_value_or_a_reply_error(row: Row, octets: bytes) -> None:
    name = row.lines[0].partition(":")[0]
    tail, *more = "".join([NASTY[octet] for octet in octets]).split("\n")
    try:
        row.parse([f"{name}: {tail}", *more])
    except ReplyError as error:
        assert error.remedy is not None


@given(
    st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"'), max_size=9), min_size=1
    )
)
def test_quoted_fields_survive_whatever_they_hold(values: list[str]) -> None:
    assert fields(",".join(f'"{value}"' for value in values)) == [value.strip() for value in values]


@given(st.integers(0, 5), st.integers(0, 11), st.integers(1, 0xFFFD), st.integers(0, 0xFFFFFFE), st.booleans())
def test_a_registration_reads_back_in_both_forms(mode: int, stat: int, tac: int, cell: int, quoted: bool) -> None:
    mark = '"' if quoted else ""
    rest = f"{stat},{mark}{tac:04X}{mark},{mark}{cell:07X}{mark},7"
    read = parse_registration([f"+CEREG: {mode},{rest}"])
    assert (read.state.value, read.tac, read.cell_id) == (stat, tac, cell)
    assert parse_registration_urc(f"+CEREG: {rest}") == read


@given(st.datetimes(FIRST, LAST), st.integers(-48, 56))
def test_a_clock_reads_back_to_the_second_with_its_zone(when: datetime, quarters: int) -> None:
    found = parse_cclk([f'+CCLK: "{when:%y/%m/%d,%H:%M:%S}{quarters:+03d}"'])
    assert found is not None
    assert found.zone_known
    zone = timezone(timedelta(minutes=15 * quarters))
    assert found.at == when.replace(microsecond=0, tzinfo=zone)


@given(st.ip_addresses(v=4))
def test_addresses_read_back_in_every_notation(address: object) -> None:
    octets = bytes(int(part) for part in str(address).split("."))
    little = f"{int.from_bytes(octets, 'little'):X}"
    expected = None if not any(octets) else str(address)
    assert parse_dhcp([f"^DHCP: {little},FFFFFF,0"]).address == expected
    assert parse_cgpaddr([f'+CGPADDR: 1,"{address}"']) == {1: (expected,) if expected else ()}


@given(st.integers(min_value=-300, max_value=400), st.integers(min_value=-300, max_value=400))
def test_a_level_outside_its_classes_is_unknown(rssi: int, rsrp: int) -> None:
    found = parse_hcsq([f'^HCSQ: "LTE",{rssi},{rsrp},255,255'])
    assert (found.rssi_dbm is not None) == (0 <= rssi <= 96)
    assert (found.rsrp_dbm is not None) == (0 <= rsrp <= 97)


@given(st.from_regex(r"89[0-9]{17}[0-9]?", fullmatch=True))
def test_an_iccid_reads_the_same_in_all_its_forms(iccid: str) -> None:
    padded = iccid.ljust(20, "F")
    for form in (iccid, f'"{iccid}"', padded, swap_nibbles(padded), swap_nibbles(padded).lower()):
        assert normalise_iccid(form) == iccid


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans()), max_size=30))
def test_counters_never_fall_and_never_tell_more_than_flowed(steps: list[tuple[int, int, bool]]) -> None:
    accumulator = CounterAccumulator()
    raw_tx = raw_rx = flowed_tx = flowed_rx = 0
    told = accumulator.update(RawCounters(0, 0))
    for tx, rx, reset in steps:
        if reset:
            raw_tx = raw_rx = 0
        raw_tx, raw_rx = raw_tx + tx, raw_rx + rx
        flowed_tx, flowed_rx = flowed_tx + tx, flowed_rx + rx
        now = accumulator.update(RawCounters(raw_tx, raw_rx))
        assert told[0] <= now[0] <= flowed_tx
        assert told[1] <= now[1] <= flowed_rx
        told = now


WRAP = 1 << 20


@given(st.lists(st.tuples(st.integers(0, WRAP - 1), st.integers(0, WRAP - 1)), max_size=30))
def test_a_counter_that_wraps_alone_makes_the_other_tell_no_more_than_flowed(steps: list[tuple[int, int]]) -> None:
    accumulator = CounterAccumulator()
    flowed_tx = flowed_rx = 0
    accumulator.update(RawCounters(0, 0))
    for tx, rx in steps:
        flowed_tx, flowed_rx = flowed_tx + tx, flowed_rx + rx
        told = accumulator.update(RawCounters(flowed_tx % WRAP, flowed_rx))
        assert told[0] <= flowed_tx
        assert told[1] == flowed_rx


@given(st.text('0123456789ABCDEF ,":', max_size=60))
def test_no_identifier_survives_masking(text: str) -> None:
    runs = masked(text).replace("digits", "")
    assert not any(len(run) > 5 for run in "".join(c if c in "0123456789ABCDEF" else " " for c in runs).split())
