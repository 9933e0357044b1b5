"""Registration, operators and signal (TS 27.007 clauses 7 and 8.5, 8.69)."""

from __future__ import annotations

from simulator.modem.answers import Answer, Later
from simulator.modem.commands.basic import decoded, encoded
from simulator.modem.registration_reports import NAMES
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.radio import Measurement, Stat, operator_of

COMMANDS = Commands()
_E_UTRAN = 7
_WAIT_STEP_S, _WAIT_LIMIT_S = 0.25, 60.0
UNKNOWN = 99


def _report(name: str) -> None:
    modes = "(0-2)" if name == "+CREG" else "(0-3)" if name == "+CEREG" else "(0-2)"

    @COMMANDS.on(name, Op.READ)
    def read(request: Request) -> Answer:
        n = request.port.settings.reports.get(name, 0)
        return (f"{name}: {n},{request.modem.reports.fields(name, n)}",)

    @COMMANDS.on(name, Op.SET)
    def store(request: Request) -> None:
        request.port.settings.reports[name] = request.number(0, 0, high=int(modes[3]))
        request.modem.reports.asked_for(request.port, name)

    COMMANDS.fixed(name, Op.TEST, (f"{name}: {modes}",))


for _name in NAMES:
    _report(_name)


@COMMANDS.on("+COPS", Op.READ)
def operator(request: Request) -> Answer:
    """+COPS?: mode, and the operator in the format last asked for, which all ports share."""
    modem = request.modem
    cell, shape = modem.registration.cell, modem.volatile.operator_format
    if cell is None:
        return (f"+COPS: {modem.volatile.operator_mode}",)
    held = operator_of(cell.plmn)
    name = cell.plmn if shape == 2 else encoded(request, held.name if shape == 0 else held.short)
    return (f'+COPS: {modem.volatile.operator_mode},{shape},"{name}",{_E_UTRAN}',)


@COMMANDS.on("+COPS", Op.TEST, pace="scan", needs="present", abortable=True)
def scan(request: Request) -> Answer:
    """+COPS=?: every network heard; current 2, available 1, forbidden 3."""
    modem = request.modem
    serving = modem.registration.cell
    card = modem.card
    home = card.subscription.home_plmn if card else ""
    plmns = dict.fromkeys(cell.plmn for cell in modem.air.usable(modem.agenda.now))
    found = []
    for plmn in plmns:
        held = operator_of(plmn)
        state = 2 if serving and serving.plmn == plmn else 1 if plmn == home or not home else 3
        long, short = encoded(request, held.name), encoded(request, held.short)
        found.append(f'({state},"{long}","{short}","{plmn}",{_E_UTRAN})')
    return ("+COPS: " + ",".join(found) + ",,(0,1,2,3,4),(0,1,2)",)


@COMMANDS.on("+COPS", Op.SET, pace="network")
def select_operator(request: Request) -> Answer:
    """+COPS=: automatic (0), manual (1, 4), deregister (2), or only the format (3)."""
    mode = request.number(0, high=4)
    volatile, registration = request.modem.volatile, request.modem.registration
    if mode == 3:
        volatile.operator_format = request.number(1, 0, high=2)
        return None
    if mode == 2:
        volatile.operator_mode = 2
        registration.set_detached(detached=True)
        return None
    request.modem.require("sim")
    if len(request.args) > 1:
        volatile.operator_format = request.number(1, 0, high=2)
    wanted = None if mode == 0 else _plmn(request, request.text(2))
    if mode == 0 and registration.registered and volatile.operator_mode == 0:
        return None
    volatile.operator_mode = 0 if mode == 4 else mode
    registration.select(wanted)
    return wait_for_service(request, _WAIT_LIMIT_S, or_any=mode == 4)


def wait_for_service(request: Request, left_s: float, *, or_any: bool = False) -> Answer:
    """Go on when registered; raise the network's refusal when it gives one, or a timeout.

    With `or_any` (+COPS=4) a refusal of the network that was wanted makes the modem choose for itself.
    """
    registration = request.modem.registration
    if registration.registered:
        return None
    if registration.silenced or left_s <= 0:
        raise Cme(30)
    if or_any and registration.stat is Stat.DENIED:
        registration.select(None)
        return Later(_WAIT_STEP_S, lambda: wait_for_service(request, _WAIT_LIMIT_S))
    return Later(_WAIT_STEP_S, lambda: wait_for_service(request, left_s - _WAIT_STEP_S, or_any=or_any))


def _plmn(request: Request, name: str) -> str:
    if request.modem.volatile.operator_format == 2:
        return name
    wanted = decoded(request, name)
    for cell in request.modem.air.cells:
        held = operator_of(cell.plmn)
        if wanted in {held.name, held.short}:
            return cell.plmn
    raise Cme(30)


COMMANDS.fixed("+CPLS", Op.SET, ())
COMMANDS.fixed("+CPOL", Op.TEST, ("+CPOL: (1-80),(0-2)",))
COMMANDS.fixed("+CPOL", Op.SET, ())


@COMMANDS.on("+CPOL", Op.READ, pace="sim", needs="sim")
def preferred_operators(request: Request) -> Answer:
    """+CPOL?: what EF_OPLMNwAcT lists: the home network."""
    card = request.modem.card
    return (f'+CPOL: 1,2,"{card.subscription.home_plmn}",0,0,0,1',) if card else None


def measure(request: Request) -> Measurement | None:
    """What the receiver hears of the serving cell, or None without one."""
    modem = request.modem
    cell = modem.registration.cell
    return modem.air.measure(cell, modem.agenda.now) if cell is not None else None


def rssi_index(rssi: float) -> int:
    """0 to 31 for -113 to -51 dBm (TS 27.007 clause 8.5)."""
    return max(0, min(31, int((rssi + 113) / 2)))


@COMMANDS.on("+CSQ", Op.EXECUTE)
def signal_quality(request: Request) -> Answer:
    """+CSQ: RSSI and bit error rate; the latter means nothing on LTE."""
    modem = request.modem
    cell = modem.registration.cell
    if cell is None:
        return ("+CSQ: 99,99",)
    return (f"+CSQ: {rssi_index(modem.air.measure(cell, modem.agenda.now).rssi)},99",)


COMMANDS.fixed("+CSQ", Op.TEST, ("+CSQ: (0-31,99),(0-7,99)",))
COMMANDS.fixed("+CESQ", Op.TEST, ("+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)",))


@COMMANDS.on("+CESQ")
def extended_quality(request: Request) -> Answer:
    """+CESQ: RSRQ and RSRP in the steps of TS 36.133; the rest is for other systems."""
    heard = measure(request)
    if heard is None:
        return ("+CESQ: 99,99,255,255,255,255",)
    rsrq = max(0, min(34, int((heard.rsrq + 20) * 2)))
    rsrp = max(0, min(97, int(heard.rsrp + 141)))
    return (f"+CESQ: 99,99,255,255,{rsrq},{rsrp}",)


@COMMANDS.on("+CIND", Op.READ)
def indicators(request: Request) -> Answer:
    """+CIND?: battery, signal in six steps, service, call, roaming, message."""
    registration = request.modem.registration
    heard = measure(request)
    bars = 0 if heard is None else min(5, rssi_index(heard.rssi) // 6 + 1)
    roaming = int(registration.stat == 5)
    return (f"+CIND: 5,{bars},{int(registration.registered)},0,{roaming},0,0,0",)


_INDICATORS = (
    '+CIND: ("battchg",(0-5)),("signal",(0-5)),("service",(0,1)),("call",(0,1)),("roam",(0,1)),'
    '("message",(0,1)),("smsfull",(0,1)),("callsetup",(0-3))'
)
COMMANDS.fixed("+CIND", Op.TEST, (_INDICATORS,))
