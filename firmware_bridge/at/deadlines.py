"""How long a command may take: the makers' maximum times, reads and network commands apart.

A read is answered in 2 to 30 ms over USB and at most 300 ms by the manuals, yet a busy modem takes longer: reads get
the larger of 3 s and ten times the manual. A network command waits for the network: the manual's time and a tenth.
Times in seconds; sources: Quectel EG800Q/EG91xQ AT manual, TS 27.007.
"""

import re
from collections.abc import Mapping

READ_MANUAL_S = 0.3
READ_FLOOR_S = 3.0
READ_FACTOR = 10
NETWORK_FACTOR = 1.1

# Reads whose manual time is not 300 ms.
READS: Mapping[str, float] = {"+CPIN": 5, "+CLCK": 5, "+CPWD": 5, "+CSIM": 1, "+CRSM": 1, "+CMGL": 5, "+QPINC": 1}

# Commands that wait for the network, the radio or the SIM; with "?" or "=?" where only that form does.
NETWORK: Mapping[str, float] = {
    "D": 150,
    "A": 90,
    "H": 90,
    "+CFUN=": 15,
    "+COPS=": 180,
    "+COPS=?": 315,
    "+COPS?": 30,
    "+CGATT=": 140,
    "+CGACT=": 150,
    "+CGDATA=": 150,
    "+CMGS=": 120,
    "+CMSS=": 120,
    "+CMGD=": 25,
    "+CMGL=": 25,
    "+CPIN=": 15,
    "+CLCK=": 15,
    "+CPWD=": 15,
    "+CPMS=": 15,
    "+CUSD=": 120,
    "+CCFC=": 120,
    "+QIACT=": 150,
    "+QIDEACT=": 40,
    "+QPOWD": 10,
    "+QPOWD=": 10,
    "+QNWLOCK=": 30,
    "$QCRMCALL=": 150,
    "+NETOPEN": 120,
    "+NETCLOSE": 120,
    "^NDISDUP=": 150,
    "+ZGACT=": 150,
}

_NAME = re.compile(r"AT([+^$%*#&][A-Z0-9]+(?:=\?|=|\?)?|[DAH])", re.IGNORECASE)


def deadline_for(text: str) -> float:
    """Seconds from the write to the final result for a command line; a chain (`;`) gets the longest of its parts."""
    parts = text.split(";")
    return max(_part_deadline(part if place == 0 else f"AT{part.strip()}") for place, part in enumerate(parts))


def _part_deadline(text: str) -> float:
    match = _NAME.match(text)
    name = match[1].upper() if match else ""
    network = NETWORK.get(name)
    if network is not None:
        return network * NETWORK_FACTOR
    return max(READ_FLOOR_S, READ_FACTOR * READS.get(name.rstrip("=?"), READ_MANUAL_S))
