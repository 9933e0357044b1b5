"""A parked SIM: what a carrier with a management bearer grants, what one without refuses, and a SIM parked live."""

from random import Random
from typing import Literal

import pytest

from simulator.carrier import Manners, Platform, SimOrder
from simulator.clock import EPOCH
from simulator.modem import default_card
from simulator.radio import Service, Verdict
from tests.unit.simulator.modem.talk import Terminal, terminal

State = Literal["active", "inactive", "suspended"]
CARD = default_card().subscription
START = EPOCH.timestamp()


class Carrier:
    """A platform in the same process, asked about attaches and telling the modem of changes."""

    def __init__(self, state: State, *, management_bearer: bool) -> None:
        manners = Manners(management_bearer=management_bearer, effect_delay_s=(0, 0))
        self.platform = Platform(manners=manners, random=Random(1), base="http://carrier", started_s=START)
        self.platform.provision(SimOrder(iccid=CARD.iccid, imsi=CARD.imsi, state=state), START)
        self.asked = 0
        self.now = START

    def may_attach(self, *, iccid: str, imsi: str, imei: str) -> Verdict:
        assert imsi == CARD.imsi
        self.asked += 1
        answer = self.platform.attach(iccid, imei, self.now)
        return Verdict(answer.accepted, answer.cause, Service(answer.bearer or "internet"))

    def change(self, state: str) -> None:
        """Have the platform change the SIM; nobody tells the modem unless `tell` said so."""
        self.now += 10
        self.platform.change_service(f"sim-{CARD.iccid}", {"state": state}, self.now)
        self.now += 10
        self.platform.advance(self.now)

    def tell(self, modem: Terminal) -> None:
        self.platform.subscription_listeners.append(lambda _iccid: modem.modem.subscription_changed())


def attached(
    state: State, *, management_bearer: bool = True, personality: str = "quectel-ec25"
) -> tuple[Terminal, Carrier]:
    carrier = Carrier(state, management_bearer=management_bearer)
    modem = terminal(personality, network=carrier)
    modem.ask('AT+CMEE=1;+CGDCONT=1,"IP","internet"')
    modem.ask('AT+CGDCONT=2,"IP","Management.mnc030.mcc234.gprs"')
    return modem, carrier


def test_with_a_management_bearer_it_attaches_for_management_alone() -> None:
    modem, _ = attached("inactive")
    assert modem.value("AT+CREG?") == "0,1"
    assert modem.ask("AT+CGACT=1,1") == ["+CME ERROR: 133"]
    assert modem.ask("ATD*99***1#") == ["NO CARRIER"]
    assert modem.ask("AT+CGACT=1,2") == ["OK"]
    assert modem.ask("AT+CGACT?")[:2] == ["+CGACT: 1,0", "+CGACT: 2,1"]
    assert modem.value("AT+CGPADDR=2").startswith('2,"10.')


def test_an_access_point_that_is_only_called_alike_is_refused() -> None:
    modem, _ = attached("inactive")
    modem.ask('AT+CGDCONT=3,"IP","managementx.internet"')
    assert modem.ask("AT+CGACT=1,3") == ["+CME ERROR: 133"]


def test_without_one_it_is_refused_and_stays_quiet_until_its_radio_is_cycled() -> None:
    modem, carrier = attached("inactive", management_bearer=False)
    modem.ask("AT+CEREG=3")
    assert modem.value("AT+CEREG?") == "3,3,,,,0,7"
    carrier.tell(modem)
    asked = carrier.asked
    carrier.change("active")
    modem.pass_time(7200, step=60)
    assert modem.value("AT+CEREG?") == "3,3,,,,0,7"
    assert carrier.asked == asked  # it does not even ask
    modem.ask("AT+CFUN=4")
    modem.ask("AT+CFUN=1")
    modem.pass_time(8)
    assert modem.value("AT+CEREG?").startswith("3,1")
    assert modem.ask("AT+CGACT=1,1") == ["OK"]


def test_made_active_it_gets_the_internet_when_it_next_asks_for_it() -> None:
    modem, carrier = attached("inactive")
    assert modem.ask("AT+CGACT=1,1") == ["+CME ERROR: 133"]
    carrier.change("active")  # nobody tells the modem: the bearer request itself is what the network looks at
    assert modem.ask("AT+CGACT=1,1") == ["OK"]


def test_parked_live_it_loses_the_internet_and_keeps_management() -> None:
    modem, carrier = attached("active")
    carrier.tell(modem)
    modem.ask("AT+CREG=2;+CGEREP=2;+CGACT=1,1;+CGACT=1,2")
    carrier.change("inactive")
    said = modem.pass_time(1)
    assert "+CREG" not in said  # it stays where it is, and that is not told twice
    assert "+CGEV: NW PDN DEACT 1" in said
    assert '+QIURC: "pdpdeact",1' in said
    assert "DEACT 2" not in said
    assert modem.ask("AT+CGACT?")[:2] == ["+CGACT: 1,0", "+CGACT: 2,1"]
    assert modem.value("AT+CREG?").startswith("2,1")


@pytest.mark.parametrize(("state", "cause"), [("inactive", 7), ("suspended", 8)])
def test_parked_live_without_one_it_is_thrown_out_with_the_cause(state: str, cause: int) -> None:
    modem, carrier = attached("active", management_bearer=False)
    carrier.tell(modem)
    modem.ask("AT+CEREG=3;+CGACT=1,1")
    carrier.change(state)
    assert f"+CEREG: 3,,,,0,{cause}" in modem.pass_time(1)
    assert modem.ask("AT+CGACT?")[0] == "+CGACT: 1,0"
    assert modem.ask("ATD*99***1#") == ["NO CARRIER"]


def test_what_the_terminal_takes_down_is_not_called_the_networks_doing() -> None:
    modem, _ = attached("active")
    modem.ask("AT+CGEREP=2;+CGACT=1,1")
    modem.type(b"AT+CGACT=0,1\r")
    said = modem.pass_time(3)
    assert "+CGEV: ME PDN DEACT 1" in said
    assert "pdpdeact" not in said


@pytest.mark.parametrize(
    ("personality", "ask", "refused"),
    [
        ("huawei-me909", 'AT^NDISDUP=1,1,"internet"', '^NDISSTAT:0,33,,"IPV4"'),
        ("simcom-sim7600", "AT+NETOPEN", "+NETOPEN: 1"),
    ],
)
def test_calls_that_answer_ok_first_tell_the_refusal_later(personality: str, ask: str, refused: str) -> None:
    modem, carrier = attached("inactive", personality=personality)
    assert modem.ask(ask) == ["OK"]
    assert refused in modem.pass_time(3)
    carrier.change("active")
    assert modem.ask(ask)[-1] == "OK"
    assert refused not in modem.pass_time(3)
    assert modem.modem.bearers.active
