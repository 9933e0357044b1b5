"""PPP behind CONNECT: against an exchange recorded with others' software, and against a small caller of its own."""

import hashlib
from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.modem.ppp import Account, Addresses, Session
from simulator.modem.ppp.automaton import Action, Event, State, step
from simulator.modem.ppp.framing import ALL_CONTROLS, Deframer, Frame, encode
from simulator.modem.ppp.lcp import Login
from tests.unit.simulator.modem.talk import Terminal, terminal

LCP, PAP, CHAP, IPCP, IPV6CP, IPV4, CCP = 0xC021, 0xC023, 0xC223, 0x8021, 0x8057, 0x21, 0x80FD
REQUEST, ACK, NAK, REJECT, TERMINATE, TERMINATED = range(1, 7)
V4 = Addresses(
    IPv4Address("10.40.83.133"),
    IPv4Address("10.40.83.132"),
    (IPv4Address("109.249.185.224"), IPv4Address("109.249.186.32")),
)
BOTH = Addresses(V4.ipv4, V4.gateway, V4.dns, IPv6Address("2a01:4c8:0:1::1"))
# The exchange of lwIP 2.1.3's client (its PPP is pppd's) with this session: link, CHAP, addresses, one ping, the end.
RECORDED = [
    (
        "7eff7d23c0217d217d217d207d347d227d267d207d207d207d207d257d263b54a26d7d277d227d287d22217d337e",
        (
            "7eff7d23c0217d217d217d207d357d227d267d207d207d207d207d237d25c2237d257d257d26f5b1652270267e7eff7d23c0"
            "217d227d217d207d347d227d267d207d207d207d207d257d263b54a26d7d277d227d287d22ca7a7e"
        ),
    ),
    (
        (
            "ff7d23c0217d227d217d207d357d227d267d207d207d207d207d237d25c2237d257d257d26f5b16522c47f7eff03c0210900"
            "00083b54a26d72267e"
        ),
        (
            "7eff03c2230101001c104a58b791df6af1d8303e61cdc4bb86c36e6574776f726bed4d7e7eff7d23c0217d2a7d207d207d28"
            "f5b1652274347e"
        ),
    ),
    (
        "ff03c2230201001810a30d9acf4a255145a4852746609b5cf5687562ef9a7e",
        (
            "7eff03c2230301000b77656c636f6d6537a37e7eff0380210101000a03060a285384f70a7e7eff0380570101000e010a0000"
            "0000000000feec4b7e"
        ),
    ),
    (
        (
            "ff0380210101001c0206002d0f0103060000000081060000000083060000000055157eff0380570101000e010a2dca98bfc3"
            "82e0472cdb7eff0380210201000a03060a2853849e7d5e7eff0380570201000e010a00000000000000fed2c87e"
        ),
        "7eff0380210401000a0206002d0f0186de7e7eff0380570301000e010a000000000000000140b97e",
    ),
    (
        "ff03802101020016030600000000810600000000830600000000da827eff0380570102000e010a0000000000000001634a7e",
        ("7eff0380210302001603060a28538581066df9b9e083066df9ba20cc1f7e7eff0380570202000e010a00000000000000015dc97e"),
    ),
    (
        "ff0380210103001603060a28538581066df9b9e083066df9ba200b727e",
        "7eff0380210203001603060a28538581066df9b9e083066df9ba20fd817e",
    ),
    (
        (
            "ff0300214500003c00000000ff014e040a285385080808080800c3ec34120001000000000000000000000000000000000000"
            "0000000000000000000000000000970b7e"
        ),
        (
            "7eff0300214500003c0000000040010d05080808080a2853850000cbec341200010000000000000000000000000000000000"
            "000000000000000000000000000000af1f7e"
        ),
    ),
    (
        "7eff7d23c0217d257d227d207d3055736572207265717565737453337e",
        "7eff7d23c0217d267d227d207d24947d2d7e",
    ),
]


def test_the_recorded_exchange_with_lwip_is_repeated_octet_for_octet() -> None:
    carried: list[tuple[int, int]] = []
    account = Account(Login.CHAP, "hub", "pass7")
    session = Session(account, BOTH, Random(1), lambda sent, received: carried.append((sent, received)))
    for heard, said in RECORDED:
        session.receive(bytes.fromhex(heard), 0.0)
        assert session.take().hex() == said
    assert session.ended
    assert carried == [(60, 60)]


def checked(body: bytes) -> bytes:
    """The frame check sequence bit by bit, as RFC 1662 draws the polynomial."""
    register = 0xFFFF
    for octet in body:
        for bit in range(8):
            mixed = (register ^ octet >> bit) & 1
            register = register >> 1 ^ (0x8408 if mixed else 0)
    return body + (register ^ 0xFFFF).to_bytes(2, "little")


def framed(protocol: int, information: bytes) -> bytes:
    body = checked(b"\xff\x03" + protocol.to_bytes(2, "big") + information)
    return b"~" + b"".join(bytes((125, o ^ 32)) if o < 32 or o in b"}~" else bytes((o,)) for o in body) + b"~"


def packet(code: int, identifier: int, data: bytes = b"") -> bytes:
    return bytes((code, identifier)) + (len(data) + 4).to_bytes(2, "big") + data


def unframed(data: bytes) -> list[tuple[int, bytes]]:
    """(protocol, information) of each frame."""
    found = []
    for piece in filter(None, data.split(b"~")):
        body, at = bytearray(), 0
        while at < len(piece):
            escaped = piece[at] == 125
            body.append(piece[at + 1] ^ 32 if escaped else piece[at])
            at += 1 + escaped
        assert checked(bytes(body[:-2])) == body
        assert body[:2] == b"\xff\x03"
        found.append((int.from_bytes(body[2:4], "big"), bytes(body[4:-2])))
    return found


class Caller:
    """Speaks to a session and reads what comes back."""

    def __init__(self, account: Account | None = None, addresses: Addresses = V4) -> None:
        self.carried: list[tuple[int, int]] = []
        self.session = Session(
            account or Account(), addresses, Random(1), lambda sent, received: self.carried.append((sent, received))
        )
        self.now = 0.0

    def say(self, protocol: int, information: bytes) -> list[tuple[int, bytes]]:
        self.session.receive(framed(protocol, information), self.now)
        return unframed(self.session.take())

    def link(self, options: bytes = b"") -> list[tuple[int, bytes]]:
        """Agree on the link; what came after the session's own request was acknowledged."""
        heard = {info[0]: info for _, info in self.say(LCP, packet(REQUEST, 1, options))}
        assert heard[ACK] == packet(ACK, 1, options)
        return self.say(LCP, packet(ACK, heard[REQUEST][1], heard[REQUEST][4:]))

    def wait(self, seconds: float) -> list[tuple[int, bytes]]:
        self.now += seconds
        self.session.due(self.now)
        return unframed(self.session.take())


def options(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(bytes((kind, len(value) + 2)) + value for kind, value in pairs)


def test_a_caller_is_given_its_address_and_name_servers_whatever_it_asks_for() -> None:
    caller = Caller()
    ((_, own),) = caller.link()
    assert own[4:] == options((3, V4.gateway.packed))  # type: ignore[union-attr]
    asked = options((2, b"\0\x2d\x0f\1"), (3, bytes(4)), (129, bytes(4)), (130, bytes(4)), (131, bytes(4)))
    ((_, refused),) = caller.say(IPCP, packet(REQUEST, 7, asked))
    assert refused == packet(REJECT, 7, options((2, b"\0\x2d\x0f\1"), (130, bytes(4))))
    given = options((3, V4.ipv4.packed), (129, V4.dns[0].packed), (131, V4.dns[1].packed))  # type: ignore[union-attr]
    wrong = options((3, b"\1\2\3\4"), (129, bytes(4)), (131, V4.dns[1].packed))
    ((_, hint),) = caller.say(IPCP, packet(REQUEST, 8, wrong))
    assert hint == packet(NAK, 8, given[:12])
    ((_, agreed),) = caller.say(IPCP, packet(REQUEST, 9, given))
    assert agreed == packet(ACK, 9, given)


@pytest.mark.parametrize("password", ["pass7", "wrong"])
@pytest.mark.parametrize("login", [Login.PAP, Login.CHAP])
def test_a_caller_shows_who_it_is_and_a_wrong_one_is_hung_up_on(login: Login, password: str) -> None:
    caller = Caller(Account(login, "hub", "pass7"))
    after = caller.link()
    if login is Login.CHAP:
        ((_, challenge),) = after
        digest = hashlib.md5(challenge[1:2] + password.encode() + challenge[5:21], usedforsecurity=False).digest()
        (_, verdict), *rest = caller.say(CHAP, packet(2, challenge[1], b"\x10" + digest + b"hub"))
        assert verdict[0] == (3 if password == "pass7" else 4)
    else:
        assert after == []
        (_, verdict), *rest = caller.say(PAP, packet(1, 5, b"\3hub\5" + password.encode()))
        assert verdict[0] == (2 if password == "pass7" else 3)
    if password == "pass7":
        assert [protocol for protocol, _ in rest] == [IPCP]
        assert not caller.session.ended
    else:
        assert [(protocol, info[0]) for protocol, info in rest] == [(LCP, TERMINATE)]
        assert caller.session.ended


def test_nothing_of_the_network_opens_before_the_login() -> None:
    caller = Caller(Account(Login.PAP, "hub", "pass7"))
    caller.link()
    assert caller.say(IPCP, packet(REQUEST, 1, options((3, bytes(4))))) == []
    assert caller.say(IPV4, b"E" + bytes(30)) == []
    assert caller.carried == []


def test_either_login_will_do_where_the_context_says_so_and_none_ends_the_call() -> None:
    caller = Caller(Account(Login.EITHER, "hub", "pass7"))
    heard = caller.say(LCP, packet(REQUEST, 1))
    own = next(info for _, info in heard if info[0] == REQUEST)
    assert b"\x03\x05\xc2\x23\x05" in own
    ((_, again),) = caller.say(LCP, packet(NAK, own[1], options((3, b"\xc0\x23"))))
    assert b"\x03\x04\xc0\x23" in again
    ((_, end),) = (
        each for each in caller.say(LCP, packet(REJECT, again[1], options((3, b"\xc0\x23")))) if each[1][0] == 5
    )
    assert end[0] == TERMINATE
    assert caller.session.ended


def test_it_waits_for_the_callers_first_frame_then_asks_ten_times_and_gives_up() -> None:
    caller = Caller()
    assert caller.wait(60) == []
    assert caller.say(LCP, b"no packet") == []
    first = caller.say(LCP, packet(REQUEST, 1, options((13, b"\6"))))
    assert [(info[0], info[4:]) for _, info in first if info[0] == REJECT] == [(REJECT, options((13, b"\6")))]
    requests = 1
    while not caller.session.ended:
        assert caller.wait(2.9) == []
        requests += [info[0] for _, info in caller.wait(0.1)].count(REQUEST)
    assert requests == 10


def test_an_opened_link_answers_echoes_and_names_what_it_does_not_speak() -> None:
    caller = Caller()
    own = next(info for _, info in caller.say(LCP, packet(REQUEST, 1)) if info[0] == REQUEST)
    assert caller.say(LCP, packet(9, 3, b"\0\0\0\1hello")) == []  # not yet
    caller.say(LCP, packet(ACK, own[1], own[4:]))
    ((_, echo),) = caller.say(LCP, packet(9, 4, b"\0\0\0\1hello"))
    assert echo == packet(10, 4, own[-4:] + b"hello")
    ((_, unknown),) = caller.say(CCP, packet(REQUEST, 1))
    assert (unknown[0], unknown[4:]) == (8, b"\x80\xfd" + packet(REQUEST, 1))
    ((_, code),) = caller.say(LCP, packet(99, 6))
    assert (code[0], code[4:]) == (7, packet(99, 6))
    assert caller.say(IPV6CP, packet(REQUEST, 1))[0][1][4:6] == b"\x80\x57"  # the bearer has no IPv6


def test_a_caller_that_begins_anew_is_followed() -> None:
    caller = Caller()
    caller.link()
    heard = caller.say(LCP, packet(REQUEST, 9))
    assert {info[0] for _, info in heard} == {REQUEST, ACK}
    assert caller.say(IPCP, packet(REQUEST, 1, options((3, bytes(4))))) == []


def test_a_link_that_loops_back_is_noticed() -> None:
    caller = Caller()
    own = next(info for _, info in caller.say(LCP, packet(REQUEST, 1)) if info[0] == REQUEST)
    ((_, hint),) = caller.say(LCP, packet(REQUEST, 2, options((5, own[-4:]))))
    assert hint[0] == NAK
    assert hint[6:] != own[-4:]


@settings(max_examples=30)
@given(st.integers(0, 0x7FFF), st.binary(max_size=200), st.sampled_from((0, 0x000A0000, ALL_CONTROLS)))
def test_frames_come_back_however_they_are_cut(number: int, information: bytes, controls: int) -> None:
    frame = Frame(number << 8 & 0xFE00 | number & 0xFE | 1, information)
    deframer = Deframer()
    deframer.controls = controls
    assert [each for octet in encode(frame, controls) for each in deframer.feed(bytes((octet,)))] == [frame]
    assert deframer.discarded == 0


def test_damaged_frames_are_discarded_and_stray_controls_dropped() -> None:
    deframer = Deframer()
    good = framed(LCP, packet(REQUEST, 1))
    for damaged in (good[:9] + b"x" + good[10:], good[:-1] + b"}~", b"~\xff\x03~", b"~" + b"x" * 3000 + b"~"):
        assert list(deframer.feed(damaged)) == []
    assert deframer.discarded == 4
    assert list(deframer.feed(b"\x11".join(bytes((octet,)) for octet in good))) == [Frame(LCP, packet(REQUEST, 1))]
    assert list(deframer.feed(b"~" + checked(b"\x21abc") + b"~")) == [Frame(IPV4, b"abc")]  # both fields compressed


def test_the_automaton_opens_only_when_both_sides_are_acknowledged() -> None:
    opening = {(event, state) for event in Event for state in State if Action.UP in step(event, state)[0]}
    assert opening == {(Event.ACK, State.ACK_SENT), (Event.GOOD_REQUEST, State.ACK_RCVD)}
    for event in Event:
        for state in State:
            actions, following = step(event, state)
            left = state is State.OPENED and following is not State.OPENED
            assert (Action.DOWN in actions) == left
            assert (Action.UP in actions) == (following is State.OPENED and state is not State.OPENED)


# On a port.


def dialled() -> Terminal:
    modem = terminal()
    modem.ask('ATE0;+CGDCONT=1,"IP","everywhere"')
    assert modem.ask("ATD*99***1#")[-1] == "CONNECT 150000000"
    heard = unframed(modem.type(framed(LCP, packet(REQUEST, 1))).encode("latin-1"))
    own = next(info for _, info in heard if info[0] == REQUEST)
    modem.type(framed(LCP, packet(ACK, own[1], own[4:])))
    address = modem.modem.bearers.active[1].ipv4
    assert address is not None
    modem.type(framed(IPCP, packet(REQUEST, 1, options((3, address.packed)))))
    modem.type(framed(IPCP, packet(ACK, 1, options((3, (modem.modem.bearers.active[1].gateway or address).packed)))))
    return modem


def test_the_bearers_counters_move_with_what_passes() -> None:
    modem = dialled()
    bearer, traffic = modem.modem.bearers.active[1], modem.modem.bearers.traffic
    traffic.tx_rate = traffic.rx_rate = 0
    before = traffic.totals(modem.clock.now())
    assert bearer.ipv4 is not None
    ping = bytes.fromhex("4500001e00010000400100000000000008080808") + b"\x08\0\0\0\0\1\0\1ab"
    ping = ping[:12] + bearer.ipv4.packed + ping[16:]
    ((protocol, answer),) = unframed(modem.type(framed(IPV4, ping)).encode("latin-1"))
    assert (protocol, answer[20], answer[28:]) == (IPV4, 0, b"ab")
    assert (answer[12:16], answer[16:20]) == (b"\x08" * 4, bearer.ipv4.packed)
    assert modem.type(framed(IPV4, ping[:9] + b"\x11" + ping[10:])) == ""  # sent into a silent world
    after = traffic.totals(modem.clock.now())
    assert (after[0] - before[0], after[1] - before[1]) == (60, 30)


def test_a_caller_that_terminates_gets_no_carrier_and_the_bearer_goes() -> None:
    modem = dialled()
    said = modem.type(framed(LCP, packet(TERMINATE, 2)))
    frame, _, rest = said.partition("~\r")
    assert unframed(frame.encode("latin-1") + b"~") == [(LCP, packet(TERMINATED, 2))]
    assert rest == "\nNO CARRIER\r\n"
    assert modem.value("AT+CGACT?") == "1,0"
    assert modem.ask("ATO") == ["NO CARRIER"]


def test_a_bearer_that_the_network_ends_terminates_the_link() -> None:
    modem = dialled()
    modem.modem.release_bearer(1, by_network=True)
    frame, _, rest = modem.pass_time(0.1).partition("~\r")
    ((protocol, end),) = unframed(frame.encode("latin-1") + b"~")
    assert (protocol, end[0]) == (LCP, TERMINATE)
    assert rest.startswith("\nNO CARRIER\r\n")


def test_an_escaped_call_is_silent_and_goes_on_where_it_was() -> None:
    modem = dialled()
    modem.pass_time(1.1)
    modem.type(b"+++")
    assert modem.pass_time(1.2) == "\r\nOK\r\n"
    assert modem.ask("AT+CGACT?") == ["+CGACT: 1,1", "OK"]
    assert modem.ask("ATO")[-1] == "CONNECT"
    assert unframed(modem.type(framed(LCP, packet(9, 8, bytes(4)))).encode("latin-1"))[0][1][0] == 10
    modem.type(b"+")  # a plus sign that is none of an escape belongs to the frame
    assert modem.pass_time(2) == ""


def test_a_context_with_a_login_asks_the_caller_for_it() -> None:
    modem = terminal()
    modem.ask('ATE0;+CGDCONT=1,"IP","everywhere";+CGAUTH=1,2,"hub","pass7"')
    modem.ask("ATD*99#")
    heard = unframed(modem.type(framed(LCP, packet(REQUEST, 1))).encode("latin-1"))
    assert any(b"\x03\x05\xc2\x23\x05" in info for _, info in heard if info[0] == REQUEST)
    assert modem.pass_time(40, step=1).endswith("\r\nNO CARRIER\r\n")  # it asks ten times, then hangs up
    assert modem.value("AT+CGACT?") == "1,0"
