"""The proof of place, against modems that are late, deaf or poor: proved means that nothing is owed any more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.at.commands import Command, Prefixed, Resynchronised, UrcTable
from firmware_bridge.at.connection import NEED_DATA, Answered, Connection, ProbeAnswered
from firmware_bridge.at.results import ERROR, OK
from firmware_bridge.at.resync import MAX_JUDGED, MAX_LEARNED, MAX_MISFITS, Outcome, Resynchroniser, ResyncTiming

from .modems import READS, LateModem

CSQ = Command("AT+CSQ", Prefixed("+CSQ"))


def events_of(connection: Connection, data: bytes) -> list[object]:
    connection.receive_data(data)
    events: list[object] = []
    while (event := connection.next_event()) is not NEED_DATA:
        events.append(event)
    return events


def prove(connection: Connection, modem: LateModem, releases: list[int]) -> tuple[bool, int]:
    """Drive the proof as the channel does; `releases` are the answers let go at each step, then all of them."""
    connection.start_proof()
    steps = iter(releases)
    probes = 0
    while connection.quarantined and (probe := connection.next_probe()) is not None:
        probes += 1
        assert probes < 500
        heard = events_of(connection, modem.take(probe.data))
        heard += events_of(connection, modem.release(next(steps, 99)))
        while not _is_over(connection, heard):
            more = next(steps, 99)
            if not modem.owed or not more:
                connection.probe_unanswered()
                break
            heard = events_of(connection, modem.release(more))
    return not connection.quarantined, probes


def _is_over(connection: Connection, heard: list[object]) -> bool:
    return not connection.quarantined or _last(heard) is Outcome.NEXT


def _last(events: list[object]) -> Outcome | None:
    outcomes = [event.outcome for event in events if isinstance(event, ProbeAnswered)]
    return outcomes[-1] if outcomes else None


def abandoned(modem: LateModem, commands: int = 1) -> Connection:
    connection = Connection(UrcTable(), in_step=True)
    for number in range(commands):
        if connection.quarantined:
            # A second command can only be lost if the place had been found between: let the proof be lost as well.
            connection.start_proof()
            probe = connection.next_probe()
            assert probe is not None
            modem.take(probe.data)
            connection.probe_unanswered()
        else:
            modem.take(connection.send(CSQ if number % 2 == 0 else Command("AT+SET=1")))
            connection.abandon()
    return connection


def test_one_round_trip_when_the_modem_answers_after_the_deadline() -> None:
    modem = LateModem()
    connection = abandoned(modem)
    late = events_of(connection, modem.release(1))
    assert connection.quarantined
    assert [type(event) for event in late] == [ProbeAnswered]
    proved, probes = prove(connection, modem, [])
    assert proved
    assert probes == 1


def test_two_commands_late_delivers_nothing_to_the_wrong_command() -> None:
    for echo in (False, True):
        modem = LateModem(echo=echo)
        connection = abandoned(modem, 3)
        assert len(modem.owed) == 3
        proved, _ = prove(connection, modem, [0, 1, 1, 0, 1, 1, 1])
        assert proved
        assert not modem.owed
        modem.take(connection.send(Command("AT+CMEE?", Prefixed("+CMEE"))))
        (answer,) = events_of(connection, modem.release(1))
        assert isinstance(answer, Answered)
        assert answer.reply.lines == ("+CMEE: 1",)


def test_a_modem_that_stays_two_commands_late_is_never_trusted() -> None:
    poor = LateModem(reads=frozenset()), LateModem(verdict=False), LateModem(refuses=True)
    for modem in (LateModem(), LateModem(chains=False), *poor):
        connection = abandoned(modem)
        connection.start_proof()
        while (probe := connection.next_probe()) is not None:
            modem.take(probe.data)
            events_of(connection, modem.release(max(0, len(modem.owed) - 2)))
            connection.probe_unanswered()
        assert connection.quarantined
        assert len(modem.owed) == 2


def test_an_echo_alone_proves_nothing() -> None:
    modem = LateModem(echo=True)
    connection = abandoned(modem)
    connection.start_proof()
    probe = connection.next_probe()
    assert probe is not None
    events_of(connection, modem.take(probe.data))  # the echo, at once
    events_of(connection, modem.release(1))  # and the late answer of the command before
    assert connection.quarantined


def test_every_poor_modem_is_found_by_the_means_it_has() -> None:
    poor = [
        LateModem(chains=False),
        LateModem(chains=False, reads=frozenset({"+CSQ"})),
        LateModem(reads=frozenset()),
        LateModem(chains=False, reads=frozenset(), echo=True),
    ]
    for modem in poor:
        connection = abandoned(modem)
        assert prove(connection, modem, [])[0]
        assert connection.resync.weak_proofs == 0
        connection.send(CSQ)
        connection.abandon()
        modem.take(b"AT+CSQ\r")
        again, probes = prove(connection, modem, [])
        assert again
        assert probes <= 12  # what this modem knows is remembered


def test_a_modem_that_says_the_same_to_everything_is_only_counted() -> None:
    for modem in (LateModem(verdict=False, reads=frozenset()), LateModem(refuses=True)):
        connection = abandoned(modem)
        proved, probes = prove(connection, modem, [])
        assert proved
        assert connection.resync.weak_proofs == 1
        modem.take(connection.send(CSQ))
        connection.abandon()
        again, fewer = prove(connection, modem, [])
        assert (again, connection.resync.weak_proofs) == (True, 2)
        assert fewer < probes / 3, "what it is like is remembered"


@pytest.mark.parametrize("others", ["an ERROR among them", "a line before one"])
def test_a_modem_that_does_not_say_the_same_to_everything_is_not_counted(others: str) -> None:
    proof = Resynchroniser(ResyncTiming())
    proof.begin(owed=1)
    proof.heard_final(OK)
    probes = 0
    while proof.next_probe() is not None:
        probes += 1
        if probes == 3 and others == "a line before one":
            proof.heard_line("+CSQ")
        proof.heard_final(ERROR if probes == 3 and others == "an ERROR among them" else OK)
        assert not proof.window_passed()
    assert probes > len(ResyncTiming().windows_s)
    assert proof.weak_proofs == 0


def test_finals_that_nobody_owed_are_no_credit_for_the_count() -> None:
    modem = LateModem(verdict=False, reads=frozenset())
    connection = Connection(UrcTable(), in_step=True)
    events_of(connection, b"\r\nOK\r\n" * 3)  # the first is a stray, two more are heard before any probe
    assert prove(connection, modem, [])[0]


def test_a_deaf_modem_costs_a_bounded_number_of_probes() -> None:
    modem = LateModem(swallow=10_000)
    connection = abandoned(modem)
    proved, probes = prove(connection, modem, [])
    assert not proved
    assert probes == len(connection.resync.timing.windows_s)
    modem.swallow = 0
    assert prove(connection, modem, [])[0]  # a later caller tries anew


def test_the_first_command_after_opening_is_preceded_by_a_proof() -> None:
    connection = Connection(UrcTable())
    modem = LateModem()
    modem.take(b"AT+CSQ\rAT+CSQ\r")  # left behind by another program
    assert connection.quarantined
    assert prove(connection, modem, [1, 1, 1])[0]
    assert not modem.owed


def test_late_lines_are_counted_and_told_once() -> None:
    modem = LateModem()
    connection = abandoned(modem)
    connection.start_proof()
    probe = connection.next_probe()
    assert probe is not None
    modem.take(probe.data)
    events = events_of(connection, modem.release(2))
    assert [event for event in events if isinstance(event, Resynchronised)] == [Resynchronised(1, 1)]
    assert connection.counts.late_replies == 1


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=80).map(lambda octets: [octet % 5 for octet in octets]),
    st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from(sorted(READS))),
    st.lists(st.integers(0, 30), max_size=3),
    st.integers(0, 300),
)
def test_proved_means_nothing_is_owed(
    releases: list[int],
    lost: int,
    chains: bool,
    echo: bool,
    reads: set[str],
    swallowed: list[int],
    first: int,
) -> None:
    modem = LateModem(chains=chains, echo=echo, reads=frozenset(reads))
    connection = Connection(UrcTable(), in_step=True, first_probe=first)
    modem.take(connection.send(CSQ))
    connection.abandon()
    modem.take(b"AT+CSQ\r" * (lost - 1))
    for where in swallowed:
        if where == 0:
            modem.swallow += 1
    proved, _ = prove(connection, modem, releases)
    if proved and connection.resync.weak_proofs == 0:
        assert not modem.owed
    assert len(modem.received) < 12 * (MAX_MISFITS + 8)


def test_what_is_learnt_of_a_modem_has_a_bound() -> None:
    proof = Resynchroniser(ResyncTiming())
    known = proof.names
    for number in range(2 * MAX_JUDGED):
        proof.judge(f"AT+X{number}?", f"+X{number}")
    assert proof.names - known == {f"+X{number}" for number in range(MAX_LEARNED)}
    assert len(proof.judged) == MAX_JUDGED


def test_a_word_in_which_something_else_was_heard_proves_nothing_any_more() -> None:
    proof = Resynchroniser(ResyncTiming())
    proof.begin(owed=1)
    proof.next_probe()
    proof.window_passed()  # no chain is answered: a word is spelt
    probe = proof.next_probe()
    assert probe is not None
    assert probe.data == b"AT\r"
    assert proof.heard_final(ERROR) is Outcome.MISFIT
    assert proof.heard_final(OK) is Outcome.MISFIT  # whose answer this is nobody can say


def test_no_two_words_in_a_row_are_the_same_and_none_overlaps_itself() -> None:
    words = set()
    for number in range(20):
        proof = Resynchroniser(ResyncTiming(), first=number)
        proof.begin(owed=1)
        proof.next_probe()
        proof.window_passed()
        spelt = []
        for _ in range(10):
            probe = proof.next_probe()
            assert probe is not None
            spelt.append(probe.data)
            if probe.data == b"AT\r":
                proof.heard_final(OK)
            else:
                proof.heard_line("+CMEE")
                proof.heard_final(OK)
        words.add(tuple(spelt))
        assert all(spelt[shift:] != spelt[:-shift] for shift in range(1, 10))
    assert len(words) == 15
