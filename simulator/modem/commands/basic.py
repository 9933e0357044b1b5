"""V.250: line settings, profiles, and the few 27.007 settings every port keeps."""

from __future__ import annotations

import copy

from simulator.modem.answers import Answer
from simulator.modem.port import Port, PortSettings
from simulator.modem.results import Cme, Refusal
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request


def _blame(_port: Port) -> Refusal:
    """V.250 knows no error but this one."""
    return Refusal("ERROR")


COMMANDS = Commands(_blame)
_CHARACTERS = (3, 4, 5)  # S registers that hold a character
_CHARSETS = ("GSM", "IRA", "UCS2")


def _bit(request: Request) -> bool:
    value = request.number(0, 0, high=1)
    return bool(value)


@COMMANDS.on("E")
def echo(request: Request) -> None:
    """ATE: echo."""
    request.port.settings.echo = _bit(request)


@COMMANDS.on("V")
def verbose(request: Request) -> None:
    """ATV: words or numbers."""
    request.port.settings.verbose = _bit(request)


@COMMANDS.on("Q")
def quiet(request: Request) -> None:
    """ATQ: result codes or none."""
    request.port.settings.quiet = bool(request.number(0, 0, high=2))


@COMMANDS.on("&C")
def carrier_detect(request: Request) -> None:
    """AT&C: what DCD means."""
    request.port.settings.dcd = request.number(0, 0, high=2)


@COMMANDS.on("&D")
def terminal_ready(request: Request) -> None:
    """AT&D: what a fall of DTR does."""
    request.port.settings.dtr = request.number(0, 0, high=2)


def _accept(name: str, most: int) -> None:
    """A setting that means nothing here (speaker, extended results, flow control), within its values."""

    @COMMANDS.on(name)
    def accepted(request: Request) -> None:
        request.number(0, 0, high=most)


for _names, _most in (("X", 4), ("LMN", 3), ("TP", 0), ("BCW", 1)):
    for _name in _names:
        _accept(_name, _most)
for _name in ("&S", "&K", "&Q", "&R", "&G", "&J", "&T", "&Y", "&P"):
    _accept(_name, 9)


@COMMANDS.on("Z")
def restore(request: Request) -> None:
    """ATZ: the stored profile."""
    request.number(0, 0, high=1)
    _use(request, request.modem.fresh_port_settings())


@COMMANDS.on("&F")
def factory(request: Request) -> None:
    """AT&F: the factory's settings, without touching what is stored."""
    request.number(0, 0, high=1)
    _use(request, PortSettings(cmee=int(request.modem.personality.quirk("factory_cmee", 0))))


def _use(request: Request, settings: PortSettings) -> None:
    request.port.settings = settings


@COMMANDS.on("&W")
def store(request: Request) -> None:
    """AT&W: keep this port's settings for every start to come."""
    request.number(0, 0, high=1)
    request.modem.stored.profile = copy.deepcopy(request.port.settings)


@COMMANDS.on("&V")
def view(request: Request) -> Answer:
    """AT&V: the settings in force."""
    held = request.port.settings
    flags = f"E{int(held.echo)} Q{int(held.quiet)} V{int(held.verbose)} X4 &C{held.dcd} &D{held.dtr}"
    return (flags, " ".join(f"S{number:02d}:{value:03d}" for number, value in sorted(held.registers.items())))


@COMMANDS.on("S", Op.READ, Op.SET)
def register(request: Request) -> Answer:
    """ATSn? and ATSn=v, for the registers this modem has; line characters are ASCII (V.250 clause 6.2)."""
    number = request.number(0, high=255)
    held = request.port.settings.registers
    if number not in held:
        raise Refusal("ERROR")
    if request.call.op is Op.SET:
        held[number] = request.number(1, high=127 if number in _CHARACTERS else 255)
        return None
    return (f"{held[number]:03d}",)


@COMMANDS.on("H")
def hang_up(request: Request) -> None:
    """ATH: end the data call of this port."""
    request.number(0, 0, high=1)
    cid = request.port.data_cid
    request.port.drop_call(announce=False)
    if cid is not None:
        request.modem.release_bearer(cid)


COMMANDS.entries["+CHUP", Op.EXECUTE] = COMMANDS.entries["H", Op.EXECUTE]


@COMMANDS.on("O")
def online(request: Request) -> Answer:
    """ATO: back to the data call."""
    request.number(0, 0, high=1)
    return request.port.resume_data()


@COMMANDS.on("A")
def answer_call(_request: Request) -> Answer:
    """ATA: nobody rings."""
    raise Refusal("NO CARRIER")


@COMMANDS.on("+CMEE", Op.READ, Op.SET, Op.TEST)
def error_form(request: Request) -> Answer:
    """+CMEE: how errors are written (TS 27.007 clause 9.1)."""
    if request.call.op is Op.TEST:
        return ("+CMEE: (0,1,2)",)
    if request.call.op is Op.READ:
        return (f"+CMEE: {request.port.settings.cmee}",)
    request.port.settings.cmee = request.number(0, 0, high=2)
    return None


@COMMANDS.on("+CSCS", Op.READ, Op.SET, Op.TEST)
def charset(request: Request) -> Answer:
    """+CSCS: the alphabet of strings (TS 27.007 clause 5.5)."""
    if request.call.op is Op.TEST:
        return ("+CSCS: (" + ",".join(f'"{name}"' for name in _CHARSETS) + ")",)
    if request.call.op is Op.READ:
        return (f'+CSCS: "{request.port.settings.charset}"',)
    name = request.text(0).upper()
    if name not in _CHARSETS:
        raise Cme(3)
    request.port.settings.charset = name
    return None


def encoded(request: Request, text: str) -> str:
    """A string in the alphabet the port asked for: UCS2 is hexadecimal."""
    if request.port.settings.charset == "UCS2":
        return text.encode("utf-16-be").hex().upper()
    return text


def decoded(request: Request, text: str) -> str:
    """The reverse of `encoded`. Raises Cme(25) for hexadecimal that is none."""
    if request.port.settings.charset != "UCS2":
        return text
    try:
        return bytes.fromhex(text).decode("utf-16-be")
    except ValueError:
        raise Cme(25) from None
