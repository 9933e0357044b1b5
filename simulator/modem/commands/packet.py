"""Packet data (TS 27.007 clause 10): contexts, attach, addresses and dialling."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from simulator.modem.answers import Answer, Connect
from simulator.modem.commands.network import wait_for_service
from simulator.modem.results import CAUSE_TO_CME, Cme, Refusal
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.radio import Bearer
from simulator.radio.bearers import PdpContext

COMMANDS = Commands()
_KINDS = {"IP", "IPV6", "IPV4V6", "PPP"}
_LAST_CID = 16
# TS 27.007 clause 10.2.1.1: *99[*address[*protocol[*cid]]]#, the address and the protocol meaning nothing here.
_PACKET_CALL = re.compile(r"\*99(?:\*[0-9.]*(?:\*[A-Z0-9]*(?:\*(\d{1,2}))?)?)?#?;?")
_DIAL_SPEED = "CONNECT 150000000"


def _cid(request: Request, place: int = 0, default: int | None = None) -> int:
    return request.number(place, default, low=1, high=_LAST_CID)


@COMMANDS.on("+CGDCONT", Op.READ)
def contexts(request: Request) -> Answer:
    """+CGDCONT?: one line for each defined context."""
    held = request.modem.bearers.contexts
    return tuple(
        f'+CGDCONT: {c.cid},"{c.kind}","{c.apn}","{c.address or _no_address(c.kind)}",0,0,0,0'
        for c in sorted(held.values(), key=lambda c: c.cid)
    )


def _no_address(kind: str) -> str:
    nothing = "0.0.0.0"  # noqa: S104 - an empty address as firmware prints it
    six = ".".join("0" * 16)
    return {"IPV6": six, "IPV4V6": f"{nothing}.{'.'.join('0' * 12)}"}.get(kind, nothing)


@COMMANDS.on("+CGDCONT", Op.SET)
def define_context(request: Request) -> Answer:
    """+CGDCONT=cid,type,apn: define; with the cid alone: forget."""
    cid = _cid(request)
    held = request.modem.bearers.contexts
    if len(request.args) == 1:
        held.pop(cid, None)
        return None
    kind = request.text(1, "IP").upper()
    if kind not in _KINDS:
        raise Cme(50)
    auth = held.get(cid)
    held[cid] = PdpContext(cid, kind, request.text(2, ""), request.text(3, ""))
    if auth is not None:
        held[cid].auth, held[cid].user, held[cid].password = auth.auth, auth.user, auth.password
    return None


COMMANDS.fixed(
    "+CGDCONT",
    Op.TEST,
    tuple(f'+CGDCONT: (1-{_LAST_CID}),"{kind}",,,(0-2),(0-4),(0,1),(0,1)' for kind in ("IP", "PPP", "IPV6", "IPV4V6")),
)


@COMMANDS.on("+CGAUTH", Op.READ)
def authentication(request: Request) -> Answer:
    """+CGAUTH?: authentication of each context; passwords are not told."""
    held = sorted(request.modem.bearers.contexts.values(), key=lambda c: c.cid)
    return tuple(f"+CGAUTH: {c.cid},{c.auth}" + (f',"{c.user}",""' if c.auth else "") for c in held)


@COMMANDS.on("+CGAUTH", Op.SET)
def set_authentication(request: Request) -> Answer:
    """+CGAUTH=cid,protocol,user,password: 0 none, 1 PAP, 2 CHAP."""
    context = request.modem.bearers.contexts.get(_cid(request))
    if context is None:
        raise Cme(50)
    context.auth = request.number(1, 0, high=3)
    context.user, context.password = request.text(2, ""), request.text(3, "")
    return None


COMMANDS.fixed("+CGAUTH", Op.TEST, (f"+CGAUTH: (1-{_LAST_CID}),(0-3),64,64",))
COMMANDS.fixed("+CGATT", Op.TEST, ("+CGATT: (0,1)",))


@COMMANDS.on("+CGATT", Op.READ)
def attached(request: Request) -> Answer:
    """+CGATT?: attached to packet service or not."""
    return (f"+CGATT: {int(request.modem.registration.registered)}",)


@COMMANDS.on("+CGATT", Op.SET, pace="network", needs="sim")
def attach(request: Request) -> Answer:
    """+CGATT=0 or 1: detach, or attach and wait for the network's answer."""
    wanted = bool(request.number(0, high=1))
    registration = request.modem.registration
    if not wanted:
        request.modem.drop_bearers()
        registration.set_detached(detached=True)
        return None
    registration.set_detached(detached=False)
    _raise_refusal(request)
    return wait_for_service(request, 75.0)


def _raise_refusal(request: Request) -> None:
    registration = request.modem.registration
    if registration.silenced:
        raise Cme(CAUSE_TO_CME.get(registration.cause or 0, 148))


@COMMANDS.on("+CGACT", Op.READ)
def active(request: Request) -> Answer:
    """+CGACT?: each defined context, up or down."""
    bearers = request.modem.bearers
    return tuple(f"+CGACT: {cid},{int(cid in bearers.active)}" for cid in sorted(bearers.contexts))


@COMMANDS.on("+CGACT", Op.SET, pace="bearer", needs="sim")
def activate(request: Request) -> Answer:
    """+CGACT=state,cid: up or down; without a cid all that are defined."""
    state = request.number(0, high=1)
    chosen = [_cid(request, 1)] if len(request.args) > 1 else sorted(request.modem.bearers.contexts)
    for cid in chosen:
        if state:
            _raise_refusal(request)
            request.modem.activate(cid)
        else:
            request.modem.release_bearer(cid)
    return None


COMMANDS.fixed("+CGACT", Op.TEST, ("+CGACT: (0,1)",))


@COMMANDS.on("+CGPADDR", Op.SET)
@COMMANDS.on("+CGPADDR")
def addresses(request: Request) -> Answer:
    """+CGPADDR: the addresses of contexts; what an inactive one shows depends on the make."""
    bearers = request.modem.bearers
    chosen = [_cid(request, place) for place in range(len(request.args))] or sorted(bearers.contexts)
    inactive = str(request.modem.personality.quirk("inactive_address", ""))
    lines = []
    for cid in chosen:
        bearer = bearers.active.get(cid)
        shown = address_list(bearer) if bearer else inactive
        lines.append(f"+CGPADDR: {cid}" + (f",{shown}" if shown else ""))
    return tuple(lines)


@COMMANDS.on("+CGPADDR", Op.TEST)
def addressable(request: Request) -> Answer:
    """+CGPADDR=?: the defined contexts."""
    return ("+CGPADDR: (" + ",".join(map(str, sorted(request.modem.bearers.contexts))) + ")",)


def address_list(bearer: Bearer) -> str:
    """Quoted addresses, IPv4 first, IPv6 in sixteen decimal octets (TS 27.007 clause 10.1.23)."""
    parts = [str(bearer.ipv4)] if bearer.ipv4 else []
    if bearer.ipv6:
        parts.append(dotted(bearer.ipv6))
    return ",".join(f'"{part}"' for part in parts)


def dotted(address: IPv6Address) -> str:
    """An IPv6 address as decimal octets."""
    return ".".join(str(octet) for octet in address.packed)


@COMMANDS.on("+CGCONTRDP", Op.SET)
@COMMANDS.on("+CGCONTRDP")
def dynamic_parameters(request: Request) -> Answer:
    """+CGCONTRDP: what the network gave an active context; one line for each IP version."""
    bearers = request.modem.bearers
    chosen = [_cid(request)] if request.args else sorted(bearers.active)
    return tuple(line for cid in chosen if cid in bearers.active for line in _dynamic(bearers.active[cid]))


def _dynamic(bearer: Bearer) -> list[str]:
    lines = []
    start = f'+CGCONTRDP: {bearer.cid},{bearer.cid + 4},"{bearer.apn}"'
    if bearer.ipv4:
        lines.append(f'{start},"{bearer.ipv4}.255.255.255.252","{bearer.gateway}","{bearer.dns[0]}","{bearer.dns[1]}"')
    if bearer.ipv6:
        mask = ".".join(["255"] * 8 + ["0"] * 8)
        first, second = (dotted(IPv6Address(each)) for each in bearer.dns6)
        gateway = dotted(IPv6Address("fe80::1"))
        lines.append(f'{start},"{dotted(bearer.ipv6)}.{mask}","{gateway}","{first}","{second}"')
    return lines


@COMMANDS.on("+CGCONTRDP", Op.TEST)
def dynamic_cids(request: Request) -> Answer:
    """+CGCONTRDP=?: the active contexts."""
    return ("+CGCONTRDP: (" + ",".join(map(str, sorted(request.modem.bearers.active))) + ")",)


@COMMANDS.on("+CGEREP", Op.SET, Op.READ)
def packet_events(request: Request) -> Answer:
    """+CGEREP: whether +CGEV lines are sent."""
    volatile = request.modem.volatile
    if request.call.op is Op.READ:
        return (f"+CGEREP: {volatile.packet_events},0",)
    volatile.packet_events = request.number(0, 0, high=2)
    return None


COMMANDS.fixed("+CGEREP", Op.TEST, ("+CGEREP: (0-2),(0,1)",))


COMMANDS.fixed("+CGDATA", Op.TEST, ('+CGDATA: ("PPP")',))


@COMMANDS.on("+CGDATA", Op.SET, pace="bearer", needs="sim")
def enter_data(request: Request) -> Answer:
    """+CGDATA="PPP",cid: data mode on a context."""
    return _dial(request, _cid(request, 1, 1))


@COMMANDS.on("D", pace="bearer", needs="present", abortable=True)
def dial(request: Request) -> Answer:
    """ATD: `*99***cid#` opens a packet call; there is no voice here."""
    number = request.call.raw.upper().lstrip("TP")
    match = _PACKET_CALL.fullmatch(number)
    if match is None:
        raise Refusal("NO CARRIER")
    return _dial(request, int(match[1] or 1))


def _dial(request: Request, cid: int) -> Answer:
    modem = request.modem
    if not modem.registration.registered or cid not in modem.bearers.contexts:
        raise Refusal("NO CARRIER")
    try:
        modem.activate(cid)
    except Cme:
        raise Refusal("NO CARRIER") from None
    return Connect(cid, str(modem.personality.quirk("connect", _DIAL_SPEED)))
