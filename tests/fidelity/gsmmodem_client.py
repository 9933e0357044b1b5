"""Drives a modem with python-gsmmodem-new and prints what it saw as a JSON line: a program, since that uses threads."""

import json
import sys
import threading
from pathlib import Path

from gsmmodem.modem import GsmModem, ReceivedSms


def main() -> None:
    """Connect, wait for coverage, say so by making a file, wait for one message."""
    arrived = threading.Event()
    messages: list[list[str]] = []

    def received(message: ReceivedSms) -> None:
        messages.append([message.number, message.text])
        arrived.set()

    modem = GsmModem(sys.argv[1], 115200, smsReceivedCallbackFunc=received)
    modem.connect()
    try:
        signal = modem.waitForNetworkCoverage(timeout=15)
        seen = {"imei": modem.imei, "imsi": modem.imsi, "network": modem.networkName, "signal": signal}
        Path(sys.argv[2]).touch()
        arrived.wait(25)
    finally:
        modem.close()
    sys.stdout.write(json.dumps({**seen, "message": messages[0] if messages else None}) + "\n")


if __name__ == "__main__":
    main()
