"""Quectel EC2x: its own commands and the lines it sends unasked."""

from __future__ import annotations

from simulator.modem.answers import Answer
from simulator.modem.commands.network import measure
from simulator.modem.commands.packet import address_list
from simulator.modem.habits import Habits
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.modem.timekeeping import quarters
from simulator.radio import operator_of
from simulator.radio.bearers import PdpContext

COMMANDS = Commands()
_POWER_DOWN_S = 5.0


class VendorHabits(Habits):
    """+QIND, +QUSIM, +QSIMSTAT, +CTZE."""

    def registration_changed(self) -> None:
        """A change of access technology, when asked for."""
        wanted = self.modem.volatile.parameters.get("QINDCFG act") == "1"
        if wanted and self.modem.registration.registered:
            self.modem.urc('+QIND: "act","LTE"')

    def sim_changed(self) -> None:
        """Hot swap, and what an unlocked card says."""
        modem = self.modem
        if modem.card is None:
            if modem.volatile.parameters.get("+QSIMSTAT", "0") != "0":
                modem.urc("+QSIMSTAT: 1,0")
            modem.urc("+CPIN: NOT READY")
            return
        if modem.volatile.parameters.get("+QSIMSTAT", "0") != "0":
            modem.urc("+QSIMSTAT: 1,1")
        modem.urc(f"+CPIN: {modem.sim_status()}")
        if modem.sim_status() == "READY":
            modem.plan(0.2, lambda: modem.urc("+QUSIM: 1"))
            modem.plan(1.8, lambda: modem.urc("+QIND: SMS DONE"))
            modem.plan(2.3, lambda: modem.urc("+QIND: PB DONE"))

    def time_received(self) -> None:
        """+CTZE and +CTZV, as +CTZR asks."""
        time, reports = self.modem.time, self.modem.volatile.time_reports
        if reports == 1:
            self.modem.urc(f"+CTZV: {quarters(time.zone)}")
        elif reports == 2:
            self.modem.urc(f'+CTZE: "{quarters(time.zone)}",{time.dst},"{time.utc:%Y/%m/%d,%H:%M:%S}"')

    def bearer_changed(self, cid: int, *, up: bool, by_network: bool = False) -> None:
        """A lost context is told to whoever opened it with +QIACT."""
        if by_network and not up:
            self.modem.urc(f'+QIURC: "pdpdeact",{cid}')

    def sample(self) -> str:
        """Signal reports."""
        return '+QIND: "csq",21,99'


@COMMANDS.on("+QCCID", pace="sim", needs="present")
@COMMANDS.on("+QCCID", Op.READ, pace="sim", needs="present")
@COMMANDS.on("+CCID", pace="sim", needs="present")
@COMMANDS.on("+ICCID", pace="sim", needs="present")
def iccid(request: Request) -> Answer:
    """+QCCID: the ICCID; nineteen digits carry the card's padding."""
    card = request.modem.card
    assert card is not None
    return (f"{request.call.name}: {card.subscription.iccid.ljust(20, 'F')}",)


COMMANDS.fixed("+QCCID", Op.TEST, ())


@COMMANDS.on("+EGMR", Op.SET)
def module_imei(request: Request) -> Answer:
    """+EGMR=0,7: read the IMEI; writing it is refused."""
    if request.number(0) != 0 or request.number(1) != 7:
        raise Cme(3)
    return (f'+EGMR: "{request.modem.imei}"',)


COMMANDS.fixed("+EGMR", Op.TEST, ("+EGMR: (0,1),(7,10)",))


@COMMANDS.on("+QGMR")
def full_revision(request: Request) -> Answer:
    """+QGMR: firmware with its custom part."""
    return (f"{request.modem.personality.revision}_01.003.01.003",)


COMMANDS.fixed("+QGMR", Op.TEST, ())


@COMMANDS.on("+QPINC", Op.SET, pace="sim", needs="present")
@COMMANDS.on("+QPINC", Op.READ, pace="sim", needs="present")
def pin_counters(request: Request) -> Answer:
    """+QPINC: tries left for the PIN and its PUK."""
    card = request.modem.card
    assert card is not None
    wanted = request.text(0, "").upper() if request.call.op is Op.SET else ""
    pins = {"SC": card.pin1, "P2": card.pin2}
    if wanted and wanted not in pins:
        raise Cme(50)
    return tuple(f'+QPINC: "{name}",{pin.tries},{pin.puk_tries}' for name, pin in pins.items() if wanted in {"", name})


COMMANDS.fixed("+QPINC", Op.TEST, ('+QPINC: ("SC","P2")',))


@COMMANDS.on("+QCSQ")
def signal(request: Request) -> Answer:
    """+QCSQ: mode, RSSI, RSRP, SINR in fifths of a dB from -20, RSRQ."""
    heard = measure(request)
    if heard is None:
        return ('+QCSQ: "NOSERVICE"',)
    sinr = max(0, min(250, round((heard.sinr + 20) * 5)))
    return (f'+QCSQ: "LTE",{heard.rssi:.0f},{heard.rsrp:.0f},{sinr},{heard.rsrq:.0f}',)


COMMANDS.fixed("+QCSQ", Op.TEST, ('+QCSQ: "NOSERVICE","GSM","WCDMA","TDSCDMA","LTE","CDMA","EVDO","CDMA-EVDO"',))


@COMMANDS.on("+QENG", Op.SET)
def engineering(request: Request) -> Answer:
    """+QENG="servingcell" or "neighbourcell"; pcid stands before earfcn, whatever the manual prints."""
    kind = request.text(0).lower()
    if kind == "neighbourcell":
        return _neighbours(request)
    if kind != "servingcell":
        raise Cme(50)
    modem = request.modem
    cell, heard = modem.registration.cell, measure(request)
    if cell is None or heard is None:
        usable = modem.registration.radio_on and modem.air.usable(modem.agenda.now)
        state = "LIMSRV" if usable and modem.registration.silenced else "SEARCH"
        return (f'+QENG: "servingcell","{state}"',)
    state = "CONNECT" if modem.bearers.active else "NOCONN"
    width = cell.bandwidth_index
    levels = f"{heard.rsrp:.0f},{heard.rsrq:.0f},{heard.rssi:.0f},{max(0, heard.sinr + 20) / 2:.0f}"
    place = f"{cell.plmn[:3]},{cell.plmn[3:]},{cell.cell_id:X},{cell.pci},{cell.earfcn},{cell.band},{width},{width}"
    received = max(0, round(heard.rsrp + 124))
    return (f'+QENG: "servingcell","{state}","LTE","FDD",{place},{cell.tac:X},{levels},{received}',)


def _neighbours(request: Request) -> Answer:
    modem = request.modem
    serving = modem.registration.cell
    lines = []
    for cell in modem.air.usable(modem.agenda.now):
        if serving is None or cell is serving or cell.plmn != serving.plmn:
            continue
        kind = "intra" if cell.earfcn == serving.earfcn else "inter"
        heard = modem.air.measure(cell, modem.agenda.now)
        levels = f"{heard.rsrq:.0f},{heard.rsrp:.0f},{heard.rssi:.0f},-"
        lines.append(f'+QENG: "neighbourcell {kind}","LTE",{cell.earfcn},{cell.pci},{levels},0,0,0,0')
    return tuple(lines)


COMMANDS.fixed("+QENG", Op.TEST, ('+QENG: ("servingcell","neighbourcell")',))


@COMMANDS.on("+QNWINFO")
def network_information(request: Request) -> Answer:
    """+QNWINFO: access, operator, band, channel."""
    cell = request.modem.registration.cell
    if cell is None:
        return ("+QNWINFO: No Service",)
    return (f'+QNWINFO: "FDD LTE","{cell.plmn}","LTE BAND {cell.band}",{cell.earfcn}',)


COMMANDS.fixed("+QNWINFO", Op.TEST, ())


@COMMANDS.on("+QSPN")
def provider_name(request: Request) -> Answer:
    """+QSPN: names of the registered network."""
    cell, card = request.modem.registration.cell, request.modem.card
    if cell is None or card is None:
        raise Cme(30)
    held = operator_of(cell.plmn)
    return (f'+QSPN: "{held.name}","{held.short}","{card.subscription.service_provider}",0,"{cell.plmn}"',)


@COMMANDS.on("+QGDCNT", Op.READ)
def data_counters(request: Request) -> Answer:
    """+QGDCNT?: octets sent, then received."""
    modem = request.modem
    sent, received = modem.bearers.traffic.totals(modem.agenda.now)
    saved = modem.stored.saved_counters
    return (f"+QGDCNT: {sent + saved[0]},{received + saved[1]}",)


@COMMANDS.on("+QGDCNT", Op.SET)
def keep_counters(request: Request) -> Answer:
    """+QGDCNT=0 resets, =1 saves across a restart."""
    modem = request.modem
    if request.number(0, high=1):
        sent, received = modem.bearers.traffic.totals(modem.agenda.now)
        saved = modem.stored.saved_counters
        modem.stored.saved_counters = (saved[0] + sent, saved[1] + received)
    else:
        modem.stored.saved_counters = (0, 0)
    modem.bearers.traffic.reset(modem.agenda.now)
    return None


COMMANDS.fixed("+QGDCNT", Op.TEST, ("+QGDCNT: (0,1)",))


@COMMANDS.on("+QTEMP")
def temperatures(request: Request) -> Answer:
    """+QTEMP: power chip, oscillator and amplifier in degrees; busier is warmer."""
    warm = 6 if request.modem.bearers.active else 0
    wobble = int(request.modem.agenda.now / 60) % 3
    return (f"+QTEMP: {29 + warm + wobble},{27 + warm + wobble},{26 + warm + wobble}",)


@COMMANDS.on("+QLTS")
@COMMANDS.on("+QLTS", Op.SET)
def network_time(request: Request) -> Answer:
    """+QLTS: the time the network told last; =1 the same brought up to now as UTC, =2 as local time."""
    kind = request.number(0, 0, high=2)
    time = request.modem.time
    if time.network_time is None:
        return ('+QLTS: ""',)
    shown = {0: time.network_time, 1: time.utc, 2: time.local}[kind]
    return (f'+QLTS: "{shown:%Y/%m/%d,%H:%M:%S}{quarters(time.zone)},{time.dst}"',)


COMMANDS.fixed("+QLTS", Op.TEST, ("+QLTS: (0-2)",))


@COMMANDS.on("+QPOWD")
@COMMANDS.on("+QPOWD", Op.SET)
def power_down(request: Request) -> Answer:
    """+QPOWD: OK at once, POWERED DOWN when it is done, then silence."""
    modem = request.modem
    modem.set_functionality(0)
    modem.plan(_POWER_DOWN_S, lambda: modem.urc("POWERED DOWN"))
    modem.plan(_POWER_DOWN_S + 0.5, modem.power_off)
    return None


COMMANDS.fixed("+QPOWD", Op.TEST, ("+QPOWD: (0,1)",))


@COMMANDS.on("+QIACT", Op.READ)
def sockets_active(request: Request) -> Answer:
    """+QIACT?: active contexts; a bare OK when none is."""
    bearers = request.modem.bearers
    return tuple(f"+QIACT: {cid},1,1,{address_list(bearer)}" for cid, bearer in sorted(bearers.active.items()))


@COMMANDS.on("+QIACT", Op.SET, pace="bearer", needs="sim")
def activate_sockets(request: Request) -> None:
    """+QIACT=cid: bring a context up."""
    request.modem.activate(request.number(0, low=1, high=16))


@COMMANDS.on("+QIDEACT", Op.SET, pace="bearer")
def deactivate_sockets(request: Request) -> None:
    """+QIDEACT=cid: take a context down."""
    request.modem.release_bearer(request.number(0, low=1, high=16))


# +QICSGP's numbers for what +CGDCONT calls by name.
_CONTEXT_TYPES = {1: "IP", 2: "IPV6", 3: "IPV4V6"}


@COMMANDS.on("+QICSGP", Op.SET)
def socket_context(request: Request) -> Answer:
    """+QICSGP=cid[,type,apn[,user,password[,auth]]]: the same context +CGDCONT and +CGAUTH know; a cid alone reads."""
    contexts, cid = request.modem.bearers.contexts, request.number(0, low=1, high=16)
    if len(request.args) == 1:
        held = contexts.get(cid)
        if held is None:
            return ('+QICSGP: 0,"","","",0',)
        number = next((number for number, name in _CONTEXT_TYPES.items() if name == held.kind), 0)
        return (f'+QICSGP: {number},"{held.apn}","{held.user}","{held.password}",{held.auth}',)
    kind, auth = _CONTEXT_TYPES[request.number(1, low=1, high=3)], request.number(5, 0, high=3)
    contexts[cid] = PdpContext(cid, kind, request.text(2, ""), "", auth, request.text(3, ""), request.text(4, ""))
    return None


COMMANDS.fixed("+QICSGP", Op.TEST, ("+QICSGP: (1-16),(1-3),<APN>,<username>,<password>,(0-3)",))


@COMMANDS.on("$QCRMCALL", Op.SET, pace="bearer", needs="sim")
def network_card_call(request: Request) -> Answer:
    """$QCRMCALL=1,1: a call for the network card; =0,1 ends it."""
    cid = request.number(1, 1, low=1, high=16)
    if request.number(0, high=1) == 0:
        request.modem.release_bearer(cid)
        return None
    request.modem.activate(cid)
    return ("$QCRMCALL: 1,V4",)


@COMMANDS.on("$QCRMCALL", Op.READ)
def network_card_state(request: Request) -> Answer:
    """$QCRMCALL?: a line for an active call."""
    return ("$QCRMCALL: 1, V4",) if request.modem.bearers.active else None


@COMMANDS.on("+QNETDEVCTL", Op.SET, pace="bearer", needs="sim")
def network_device(request: Request) -> Answer:
    """+QNETDEVCTL=cid,state: attach a context to the network device; its state follows unasked."""
    modem = request.modem
    cid, state = request.number(0, low=1, high=16), request.number(1, high=3)
    if state:
        modem.activate(cid)
        modem.plan(0.2, lambda: modem.urc(f'+QNETDEVSTATUS: {cid},1,"IPV4",0'))
    else:
        modem.release_bearer(cid)
    return None


@COMMANDS.on("+QINISTAT")
def initialisation(request: Request) -> Answer:
    """+QINISTAT: which parts are up (1 CPIN, 2 SMS, 4 phone book)."""
    return (f"+QINISTAT: {7 if request.modem.sim_ready and request.modem.sim_status() == 'READY' else 0}",)


@COMMANDS.on("+QSIMSTAT", Op.READ)
def slot_state(request: Request) -> Answer:
    """+QSIMSTAT?: whether insertion is reported, and whether a card is in."""
    enabled = request.modem.volatile.parameters.get("+QSIMSTAT", "0")
    return (f"+QSIMSTAT: {enabled},{int(request.modem.card is not None)}",)


@COMMANDS.on("+QSIMSTAT", Op.SET)
def report_slot(request: Request) -> None:
    """+QSIMSTAT=n: report insertion and removal."""
    request.modem.volatile.parameters["+QSIMSTAT"] = str(request.number(0, high=1))


@COMMANDS.on("+QINDCFG", Op.SET)
def indications(request: Request) -> Answer:
    """+QINDCFG=kind[,on[,save]]: which unsolicited lines are wanted."""
    kind = request.text(0).lower()
    held = request.modem.volatile.parameters
    if len(request.args) == 1:
        return (f'+QINDCFG: "{kind}",{held.get(f"QINDCFG {kind}", "0")}',)
    held[f"QINDCFG {kind}"] = str(request.number(1, high=1))
    return None


@COMMANDS.on("+QCFG", Op.SET)
@COMMANDS.on("+QURCCFG", Op.SET)
def configuration(request: Request) -> Answer:
    """+QCFG and +QURCCFG: named settings, kept in flash."""
    name = request.text(0).lower()
    held = request.modem.stored.flags
    key = f"{request.call.name} {name}"
    if len(request.args) == 1:
        value = held.get(key, _CONFIGURED.get(name))
        if value is None:
            raise Cme(50)
        return (f'{request.call.name}: "{name}",{value}',)
    held[key] = request.call.raw.split(",", 1)[1]
    return None


_CONFIGURED = {
    "usbnet": "0",
    "nwscanmode": "0",
    "nwscanseq": "0405030201",
    "roamservice": "2",
    "servicedomain": "2",
    "band": "0x260,0x42000000000000df,0x0",
    "urcport": '"usbat"',
    "usbcfg": "0x2C7C,0x0125,1,1,1,1,1,0,0",
    "ims": "0,0",
}


@COMMANDS.on("+QRST", Op.SET)
def reset(request: Request) -> None:
    """+QRST=1,0: restart."""
    request.modem.reboot(after_s=0.3)


@COMMANDS.on("+CSQ", Op.READ)
def signal_read(_request: Request) -> Answer:
    """+CSQ? is not a form this make knows."""
    raise Cme(3)
