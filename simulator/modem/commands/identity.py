"""Who the modem and the subscriber are (V.250 clause 6.1, TS 27.007 clauses 5 and 7.1)."""

from __future__ import annotations

from simulator.modem.answers import Answer
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.uicc import Subscription

COMMANDS = Commands()
_SVN = "01"  # software version number of the IMEISV


@COMMANDS.on("I")
def identification(request: Request) -> Answer:
    """ATI: the make's own block of lines."""
    made = request.modem.personality
    facts = {
        "manufacturer": made.manufacturer,
        "model": made.model,
        "revision": made.revision,
        "imei": request.modem.imei,
        "svn": _SVN,
    }
    return ("\r\n".join(line.format(**facts) for line in made.identification),)


def _bare(attribute: str, *names: str) -> None:
    def answer(request: Request) -> Answer:
        prefix = request.modem.personality.quirk("identity_prefix")
        value = str(getattr(request.modem.personality, attribute))
        return (f"{request.call.name}: {value}" if prefix and attribute == "revision" else value,)

    for name in names:
        COMMANDS.on(name)(answer)
        COMMANDS.fixed(name, Op.TEST, ())


_bare("manufacturer", "+CGMI", "+GMI")
_bare("model", "+CGMM", "+GMM")
_bare("revision", "+CGMR", "+GMR")


@COMMANDS.on("+CGSN")
@COMMANDS.on("+GSN")
def serial_number(request: Request) -> Answer:
    """+CGSN: the IMEI, bare."""
    return (request.modem.imei,)


@COMMANDS.on("+CGSN", Op.SET)
def serial_number_kind(request: Request) -> Answer:
    """+CGSN=n: 1 the IMEI, 2 the IMEISV, 3 its version digits."""
    imei = request.modem.imei
    values = (imei, imei, imei[:14] + _SVN, _SVN)
    kind = request.number(0, 0, high=3)
    return (imei,) if kind == 0 else (f'+CGSN: "{values[kind]}"',)


COMMANDS.fixed("+CGSN", Op.TEST, ("+CGSN: (0-3)",))
COMMANDS.fixed("+GSN", Op.TEST, ())


@COMMANDS.on("+CIMI", pace="sim", needs="sim")
def imsi(request: Request) -> Answer:
    """+CIMI: the IMSI, bare."""
    return (subscription_of(request).imsi,)


COMMANDS.fixed("+CIMI", Op.TEST, ())


@COMMANDS.on("+CNUM", pace="sim", needs="sim")
def own_number(request: Request) -> Answer:
    """+CNUM: the number, if the issuer wrote one on the card; otherwise nothing."""
    number = subscription_of(request).msisdn
    if not number:
        return None
    kind = 145 if number.startswith("+") else 129
    return (f'+CNUM: ,"{number}",{kind}',)


COMMANDS.fixed("+CNUM", Op.TEST, ())


@COMMANDS.on("+CLAC")
def commands(request: Request) -> Answer:
    """+CLAC: every command there is."""
    return tuple(f"AT{name}" for name in sorted({name for name, _ in request.modem.table}))


COMMANDS.fixed("+CLAC", Op.TEST, ())


def subscription_of(request: Request) -> Subscription:
    """The subscription on the card. Raises Cme(10) without one."""
    card = request.modem.card
    if card is None:
        raise Cme(10)
    return card.subscription
