"""What differs between families, as data: questions, init, unsolicited codes, reboot and power-off."""

from dataclasses import dataclass

from firmware_bridge.at.commands import LINES, Bare, Command, Prefixed, UrcTable
from firmware_bridge.at.forms import is_registration_read
from firmware_bridge.at.urcs import GENERIC as GENERIC_URCS
from firmware_bridge.at.validators import is_imeisv, is_imsi
from firmware_bridge.modem.parse.bearer import parse_cgact, parse_cgatt, parse_cgcontrdp, parse_cgdcont, parse_cgpaddr
from firmware_bridge.modem.parse.cell import ServingCell
from firmware_bridge.modem.parse.clock import parse_cclk
from firmware_bridge.modem.parse.counters import RawCounters
from firmware_bridge.modem.parse.identity import (
    iccid_from_file,
    is_name,
    parse_ati,
    parse_crsm,
    parse_csim,
    parse_iccid,
    parse_imei,
    parse_imeisv,
    parse_imsi,
    parse_line,
    parse_msisdn,
    tells_iccid,
    tells_imei,
)
from firmware_bridge.modem.parse.registration import parse_operator, parse_registration, parse_scan
from firmware_bridge.modem.parse.signal import parse_cesq, parse_csq
from firmware_bridge.modem.parse.sim import Tries, parse_cpin, tries_of_status_word
from firmware_bridge.modem.query import Query, Step, step
from firmware_bridge.types import NetworkTime, Operator, Registration, Signal, Temperature

IMEI = Query(Command("AT+CGSN", Bare(tells_imei, ("+CGSN", "+GSN"))), parse_imei)
IMEI_QUOTED = Query(Command("AT+CGSN=1", Bare(tells_imei, ("+CGSN",))), parse_imei)
IMEI_OLD = Query(Command("AT+GSN", Bare(tells_imei, ("+GSN", "+CGSN"))), parse_imei)
IMEISV = Query(Command("AT+CGSN=2", Bare(is_imeisv, ("+CGSN",))), parse_imeisv)
MANUFACTURER = Query(
    Command("AT+CGMI", Bare(is_name, ("+CGMI",))), lambda lines: parse_line(lines, "+CGMI", "Manufacturer")
)
MODEL = Query(Command("AT+CGMM", Bare(is_name, ("+CGMM",))), lambda lines: parse_line(lines, "+CGMM", "Model"))
FIRMWARE = Query(Command("AT+CGMR", Bare(is_name, ("+CGMR",))), lambda lines: parse_line(lines, "+CGMR", "Revision"))
INFORMATION = Query(Command("ATI", LINES), parse_ati)

SIM_STATE = Query(Command("AT+CPIN?", Prefixed("+CPIN")), parse_cpin, learnable=False)
IMSI = Query(Command("AT+CIMI", Bare(is_imsi, ("+CIMI",))), parse_imsi, learnable=False)
MSISDN = Query(Command("AT+CNUM", Prefixed("+CNUM", required=False)), parse_msisdn)
ICCID = Query(Command("AT+CCID", Bare(tells_iccid, ("+CCID", "+ICCID"))), parse_iccid)
ICCID_OTHER = Query(Command("AT+ICCID", Bare(tells_iccid, ("+ICCID", "+CCID"))), parse_iccid)
EF_ICCID = Query(
    Command("AT+CRSM=176,12258,0,0,10", Prefixed("+CRSM")),
    lambda lines: parse_iccid([iccid_from_file(parse_crsm(lines)) or ""]),
)
EF_AD = Query(Command("AT+CRSM=176,28589,0,0,4", Prefixed("+CRSM")), parse_crsm)
# An empty VERIFY asks for the tries left and uses none (TS 102 221 11.1.9).
PIN_TRIES = Query(
    Command('AT+CSIM=10,"0020000100"', Prefixed("+CSIM")),
    lambda lines: Tries(pin=tries_of_status_word(parse_csim(lines)[1])),
)

EPS_REGISTRATION = Query(Command("AT+CEREG?", Prefixed("+CEREG", form=is_registration_read)), parse_registration)
GPRS_REGISTRATION = Query(Command("AT+CGREG?", Prefixed("+CGREG", form=is_registration_read)), parse_registration)
CS_REGISTRATION = Query(
    Command("AT+CREG?", Prefixed("+CREG", form=is_registration_read)), parse_registration, learnable=False
)
# The format is sticky and shared with every other client of the modem, so each read sets it in the same line.
OPERATOR_NUMERIC = Query(Command("AT+COPS=3,2;+COPS?", Prefixed("+COPS")), parse_operator, learnable=False)
OPERATOR_NAME = Query(Command("AT+COPS=3,0;+COPS?", Prefixed("+COPS")), parse_operator, learnable=False)
# Tuples may stand on lines of their own, without a prefix (Q12).
SCAN = Query(Command("AT+COPS=?", LINES), parse_scan, learnable=False)

CSQ = Query(Command("AT+CSQ", Prefixed("+CSQ")), parse_csq)
CSQ_READ = Query(Command("AT+CSQ?", Prefixed("+CSQ")), parse_csq)
CESQ = Query(Command("AT+CESQ", Prefixed("+CESQ")), parse_cesq)

CONTEXTS = Query(Command("AT+CGDCONT?", Prefixed("+CGDCONT", required=False)), parse_cgdcont, learnable=False)
ACTIVE = Query(Command("AT+CGACT?", Prefixed("+CGACT", required=False)), parse_cgact, learnable=False)
ATTACHED = Query(Command("AT+CGATT?", Prefixed("+CGATT")), parse_cgatt)
ADDRESSES = Query(Command("AT+CGPADDR=1", Prefixed("+CGPADDR", required=False)), parse_cgpaddr)
PARAMETERS = Query(Command("AT+CGCONTRDP=1", Prefixed("+CGCONTRDP", required=False)), parse_cgcontrdp)

CLOCK = Query(Command("AT+CCLK?", Prefixed("+CCLK", required=False)), parse_cclk)

GENERIC_INIT = (
    step("ATE0"),
    step("ATV1"),
    step("AT+CMEE=1"),
    step("AT+CREG=2", "AT+CREG=1"),
    step("AT+CGREG=2", "AT+CGREG=1"),
    step("AT+CEREG=3", "AT+CEREG=2", "AT+CEREG=1"),
    step("AT+CMGF=0"),
    step("AT+CNMI=2,1,0,0,0", "AT+CNMI=2,1"),
    step("AT+CTZU=1"),
    step("AT+CTZR=2", "AT+CTZR=1"),
    step("AT+CGEREP=2,1", "AT+CGEREP=2", "AT+CGEREP=1"),
)


REBOOT = Command("AT+CFUN=1,1")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family. Questions are asked in order: the first answer wins, of signals each field's first known value."""

    family: str
    init: tuple[Step, ...] = GENERIC_INIT
    urcs: UrcTable = GENERIC_URCS
    imei: tuple[Query[str], ...] = (IMEI, IMEI_QUOTED, IMEI_OLD)
    iccid: tuple[Query[str], ...] = (ICCID, EF_ICCID, ICCID_OTHER)
    tries: tuple[Query[Tries], ...] = (PIN_TRIES,)
    registration: tuple[Query[Registration], ...] = (EPS_REGISTRATION, GPRS_REGISTRATION, CS_REGISTRATION)
    operator: tuple[Query[Operator], ...] = (OPERATOR_NUMERIC, OPERATOR_NAME)
    cell: tuple[Query[ServingCell], ...] = ()
    signal: tuple[Query[Signal], ...] = (CESQ, CSQ, CSQ_READ)
    clock: tuple[Query[NetworkTime | None], ...] = (CLOCK,)
    temperature: tuple[Query[Temperature], ...] = ()
    counters: Query[RawCounters] | None = None
    reboot: Command = REBOOT
    power_off: Command | None = None
    powered_down: tuple[str, ...] = ()


GENERIC = Dialect("generic")
