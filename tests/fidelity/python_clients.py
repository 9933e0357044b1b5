"""Drives a modem with atlib, then with pyatcommand, and prints what they saw: a program, since both block."""

import json
import sys

import atlib
from pyatcommand import AtClient


def ask_by_atlib(port: str) -> dict[str, object]:
    """What its device class reads, and a message there and back."""
    device = atlib.LTE_Device(port, 115200)
    try:
        device.enable_location_reporting()
        seen = {
            "imei": device.get_imei(),
            "imsi": device.get_imsi(),
            "model": device.get_model(),
            "operator": device.get_current_operator(),
            "signal": device.get_signal()[0],
            "registered": device.get_network_registration()[1],
            "sent": str(device.send_sms("+447700900123", "Line test passed")),
            "received": device.receive_sms(),
        }
        seen["cell"] = device.get_registration_fields()[3].strip('"')
    finally:
        device.serial.close()
    return seen


def ask_by_pyatcommand(port: str) -> dict[str, object]:
    """Raw commands: whether each ended with OK, and what it said."""
    client = AtClient()
    client.connect(port=port, baudrate=115200)
    try:
        commands = ("AT+CGMM", "AT+CSQ", "AT+CGDCONT=?", "AT+CIMI", "AT+NOSUCH")
        answers = {command: client.send_command(command, timeout=5) for command in commands}
    finally:
        client.disconnect()
    return {command: [answer.ok, answer.info] for command, answer in answers.items()}


if __name__ == "__main__":
    told = {"atlib": ask_by_atlib(sys.argv[1]), "pyatcommand": ask_by_pyatcommand(sys.argv[1])}
    sys.stdout.write(json.dumps(told) + "\n")
