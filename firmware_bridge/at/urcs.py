"""Unsolicited result codes that any modem may send (TS 27.007, TS 27.005, V.250), and the floods of known families.

A family's driver extends GENERIC with its own. What is missing here is counted as noise and delivered to nobody.
"""

from firmware_bridge.at.commands import Arrival, Urc, UrcTable
from firmware_bridge.at.forms import is_registration_urc

_LATEST = Arrival.LATEST

GENERIC = UrcTable(
    [
        Urc("+CREG", form=is_registration_urc),
        Urc("+CGREG", form=is_registration_urc),
        Urc("+CEREG", form=is_registration_urc),
        Urc("+C5GREG", form=is_registration_urc),
        "+CMTI",
        "+CDSI",
        Urc("+CMT", body=True),
        Urc("+CDS", body=True),
        Urc("+CBM", body=True),
        "+CPIN",
        "+CGEV",
        "+CRING",
        "+CLIP",
        "+CCWA",
        Urc("+CUSD", spans=True),
        Urc("+CTZV", _LATEST),
        Urc("+CTZE", _LATEST),
        Urc("+CTZR", _LATEST),
        Urc("+CIEV", _LATEST),
        Urc("+CFUN", _LATEST),
        "RING",
        "NO CARRIER",
        "BUSY",
        "NO ANSWER",
        Urc("RDY", reboot=True),
        Urc("APP RDY", reboot=True),
        Urc("^SYSSTART", reboot=True),
        "Call Ready",
        "SMS Ready",
        "SMS DONE",
        "PB DONE",
        "POWERED DOWN",
        "NORMAL POWER DOWN",
    ]
)
