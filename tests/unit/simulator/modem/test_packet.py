"""Contexts, bearers, addresses, dialling and counters."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.radio import Traffic
from tests.unit.simulator.modem.talk import Terminal, terminal


def connected(personality: str = "quectel-ec25", kind: str = "IP") -> Terminal:
    modem = terminal(personality)
    modem.ask(f'AT+CGDCONT=1,"{kind}","everywhere"')
    assert modem.ask("AT+CGACT=1,1") == ["OK"]
    return modem


def test_contexts_are_kept_and_forgotten() -> None:
    modem = terminal()
    assert modem.ask("AT+CGDCONT?") == ["OK"]
    modem.ask('AT+CGDCONT=2,"IPV4V6","a"')
    modem.ask('AT+CGDCONT=1,"ip","b"')
    assert [line.split(",")[:3] for line in modem.ask("AT+CGDCONT?")[:-1]] == [
        ["+CGDCONT: 1", '"IP"', '"b"'],
        ["+CGDCONT: 2", '"IPV4V6"', '"a"'],
    ]
    modem.ask("AT+CGDCONT=1")
    assert modem.value("AT+CGDCONT?").startswith("2,")
    assert modem.ask('AT+CGDCONT=99,"IP","x"') == ["+CME ERROR: 50"]
    assert modem.ask('AT+CGDCONT=1,"X25","x"') == ["+CME ERROR: 50"]


def test_an_active_context_has_addresses_and_resolvers() -> None:
    modem = connected(kind="IPV4V6")
    address = modem.value("AT+CGPADDR=1")
    assert re.fullmatch(r'1,"10(\.\d+){3}","42\.1\.4\.200(\.\d+){12}"', address)
    four, six, final = modem.ask("AT+CGCONTRDP=1")
    assert final == "OK"
    assert '"109.249.185.224","109.249.186.32"' in four
    assert six.count(".") > 60
    assert modem.value("AT+CGACT?") == "1,1"
    assert modem.ask("AT+CGACT=0,1") == ["OK"]
    assert modem.value("AT+CGPADDR=1") == '1,"0.0.0.0"'


def test_no_service_no_bearer() -> None:
    modem = terminal()
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    modem.ask("AT+CFUN=4")
    assert modem.ask("AT+CGACT=1,1") == ["+CME ERROR: 30"]
    assert modem.ask("ATD*99#") == ["NO CARRIER"]
    modem.ask("AT+CFUN=1")
    modem.pass_time(8)
    assert modem.ask("AT+CGACT=1,7") == ["+CME ERROR: 50"]


def test_authentication_is_stored_but_not_told() -> None:
    modem = terminal()
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    modem.ask('AT+CGAUTH=1,1,"eesecure","secure"')
    assert modem.value("AT+CGAUTH?") == '1,1,"eesecure",""'


def test_a_lost_bearer_ends_the_call() -> None:
    modem = terminal()
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    other = modem.other()
    assert modem.ask("ATD*99***1#")[-1] == "CONNECT 150000000"
    assert other.ask("AT+CGACT=0,1") == ["OK"]
    assert modem.pass_time(0.1) == "\r\nNO CARRIER\r\n"


def test_closing_the_terminal_ends_the_call() -> None:
    modem = terminal()
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    modem.ask("ATD*99#")
    modem.modem.ports["first"].terminal_gone()
    assert modem.value("AT+CGACT?") == "1,0"


def test_counters_move_with_traffic_and_reset_at_a_restart() -> None:
    modem = connected()
    before = [int(part) for part in modem.value("AT+QGDCNT?").split(",")]
    modem.pass_time(100, step=10)
    after = [int(part) for part in modem.value("AT+QGDCNT?").split(",")]
    assert after[0] - before[0] > 200_000
    assert after[1] - before[1] > 10 * (after[0] - before[0])
    modem.modem.bearers.traffic.carry(5, 7)
    modem.ask("AT+CFUN=1,1")
    modem.pass_time(40)
    modem.raw("AT", within=1)
    assert modem.value("AT+QGDCNT?") == "0,0"


def test_saved_counters_survive() -> None:
    modem = connected()
    modem.pass_time(10)
    modem.ask("AT+CGACT=0,1")
    held = modem.value("AT+QGDCNT?")
    modem.ask("AT+QGDCNT=1")
    modem.ask("AT+CFUN=1,1")
    modem.pass_time(40)
    modem.raw("AT", within=1)
    assert modem.value("AT+QGDCNT?") == held
    modem.ask("AT+QGDCNT=0")
    assert modem.value("AT+QGDCNT?") == "0,0"


def test_the_counter_reset_fault() -> None:
    modem = connected()
    modem.pass_time(10)
    modem.inject("counter_reset")
    assert int(modem.value("AT+QGDCNT?").split(",")[0]) < 2_500


def test_network_open_says_ok_first_and_its_polarities_differ() -> None:
    modem = terminal("simcom-sim7600")
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    assert modem.value("AT+NETOPEN?") == "0"
    assert modem.ask("AT+NETOPEN") == ["OK"]
    assert "\r\n+NETOPEN: 0\r\n" in modem.pass_time(3)
    assert modem.value("AT+NETOPEN?") == "1,0"
    assert modem.ask("AT+NETOPEN") == ["+IP ERROR: Network is already opened", "ERROR"]


def test_ndis_call_lease_and_flow() -> None:
    modem = terminal("huawei-me909")
    assert modem.ask('AT^NDISDUP=1,1,"everywhere"') == ["OK"]
    assert '^NDISSTAT:1,,,"IPV4"' in modem.pass_time(3)
    modem.ask("AT^CURC=0")
    assert modem.value("AT^NDISSTATQRY?") == '1,,,"IPV4",0,,,"IPV6"'
    address = modem.value("AT+CGPADDR=1").split('"')[1]
    lease = int(modem.value("AT^DHCP?").split(",")[0], 16).to_bytes(4, "little")
    assert ".".join(str(octet) for octet in lease) == address
    name, values, final = modem.ask("AT^DSFLOWQRY")
    assert (name, final) == ("^DSFLOWQRY:", "OK")
    assert [len(part) for part in values.split(",")] == [8, 16, 16] * 2


@given(st.lists(st.tuples(st.floats(0, 1e4), st.booleans()), max_size=20))
def test_traffic_never_runs_backwards(steps: list[tuple[float, bool]]) -> None:
    traffic, now, last = Traffic(tx_rate=3.0, rx_rate=70.0), 0.0, (0, 0)
    for seconds, running in steps:
        traffic.run(now, running=running)
        now += seconds
        totals = traffic.totals(now)
        assert totals >= last
        assert running or totals == last
        last = totals


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        ("*99#", "CONNECT"),
        ("*99***1#", "CONNECT"),
        ("T*99***1#", "CONNECT"),
        ("*99*10.0.0.1*PPP*1#", "CONNECT"),
        ("*99***2#", "NO CARRIER"),  # no such context
        ("*99***x#", "NO CARRIER"),
        ("*98*1#", "NO CARRIER"),
        ("07700900123;", "NO CARRIER"),
        ("", "NO CARRIER"),
    ],
)
def test_what_can_be_dialled(number: str, outcome: str) -> None:
    modem = terminal()
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    assert modem.ask(f"ATD{number}")[-1].startswith(outcome)


def test_quectels_socket_contexts_are_the_contexts_everybody_knows() -> None:
    modem = terminal()
    assert modem.ask("AT+QICSGP=2") == ['+QICSGP: 0,"","","",0', "OK"]
    assert modem.ask('AT+QICSGP=2,3,"everywhere","user","secret",2') == ["OK"]
    assert modem.ask("AT+QICSGP=2") == ['+QICSGP: 3,"everywhere","user","secret",2', "OK"]
    assert '+CGDCONT: 2,"IPV4V6","everywhere"' in "\n".join(modem.ask("AT+CGDCONT?"))
    assert '+CGAUTH: 2,2,"user",""' in modem.ask("AT+CGAUTH?")
    assert modem.ask("AT+QIACT=2") == ["OK"]
    assert modem.ask("AT+QIACT?")[0].startswith('+QIACT: 2,1,1,"10.')
    assert modem.ask('AT+QICSGP=2,4,"x"') == ["+CME ERROR: 50"]


def test_traffic_moves_only_while_a_bearer_is_up() -> None:
    traffic = Traffic(tx_rate=1.0, rx_rate=10.0)
    traffic.run(0.0, running=True)
    traffic.run(10.0, running=False)
    assert traffic.totals(100.0) == (10, 100)
    traffic.run(200.0, running=True)
    assert traffic.totals(201.0) == (11, 110)
