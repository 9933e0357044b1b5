"""USSD (TS 27.007 clause 7.15): codes a subscriber dials, answered by the network after a while."""

from __future__ import annotations

from simulator.modem.answers import Answer
from simulator.modem.commands.basic import decoded, encoded
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request

COMMANDS = Commands()
OWN_NUMBER = "*#100#"  # a UK code for one's own number
_GSM_CODING = 15  # TS 23.038 clause 5: GSM alphabet, language unspecified
_DONE, _NOT_SUPPORTED = 0, 4  # <m> of the unsolicited line
_SETTING = "+CUSD"


@COMMANDS.on("+CUSD", Op.READ)
def presentation(request: Request) -> Answer:
    """+CUSD?: whether answers are shown."""
    return (f"+CUSD: {request.port.settings.parameters.get(_SETTING, '0')}",)


COMMANDS.fixed("+CUSD", Op.TEST, ("+CUSD: (0-2)",))


@COMMANDS.on("+CUSD", Op.SET)
def dial_code(request: Request) -> Answer:
    """+CUSD=n[,code[,coding]]: OK now, and if n is 1 the network's answer as +CUSD; 2 ends a session."""
    mode = request.number(0, 0, high=2)
    if mode != 2:
        request.port.settings.parameters[_SETTING] = str(mode)
    if mode == 2 or len(request.args) < 2:
        return None
    code = decoded(request, request.text(1))
    request.number(2, _GSM_CODING, high=255)
    if not code or not set(code) <= set("0123456789*#+"):
        raise Cme(50)
    request.modem.require("service")
    request.modem.plan(request.modem.latency("network"), lambda: _answer(request, code))
    return None


def _answer(request: Request, code: str) -> None:
    if request.port.settings.parameters.get(_SETTING) != "1":
        return
    card = request.modem.card
    if code != OWN_NUMBER or card is None:
        request.port.urc(f"+CUSD: {_NOT_SUPPORTED}")
        return
    text = encoded(request, f"Your number is {card.subscription.msisdn}")
    request.port.urc(f'+CUSD: {_DONE},"{text}",{_GSM_CODING}')
