"""Fuzz target of the AT connection: no bytes raise, grow memory, or mean something else in other chunks.

    python tests/fuzz/fuzz_connection.py -max_total_time=60 -dict=tests/fuzz/at.dict

Arguments are libFuzzer's. Needs atheris (in the development lock where it has wheels).
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["firmware_bridge"]):
    from firmware_bridge.at.commands import (
        DIAL,
        LINES,
        Bare,
        Command,
        Messages,
        Prefixed,
        Prompted,
    )
    from firmware_bridge.at.connection import NEED_DATA, Answered, Connection
    from firmware_bridge.at.forms import is_registration_read
    from firmware_bridge.at.lines import MAX_LINE
    from firmware_bridge.at.tokens import parameters
    from firmware_bridge.at.urcs import GENERIC
    from firmware_bridge.at.validators import is_imei, is_text
    from firmware_bridge.transport.redact import Redactor

COMMANDS = (
    Command("AT"),
    Command("AT+CSQ", Prefixed("+CSQ")),
    Command("AT+CEREG?", Prefixed("+CEREG", form=is_registration_read)),
    Command("AT+CGSN", Bare(is_imei, ("+CGSN",))),
    Command("AT+CGMM", Bare(is_text)),
    Command("ATI", LINES),
    Command("AT+CMGL=4", Messages("+CMGL")),
    Command('AT+CMGL="ALL"', Messages("+CMGL", pdu=False)),
    Command("AT+CMGS=2", Prompted("0011", Prefixed("+CMGS"))),
    Command("ATD*99#", DIAL),
    Command("AT^DSFLOWQRY", Prefixed("^DSFLOWQRY", next_line=True)),
    Command("ATV0"),
    Command("ATE0"),
)
MAX_EVENTS_PER_BYTE = 2


def converse(command: Command, data: bytes, cut: int, *, in_step: bool) -> list[object]:
    """One command, the bytes in chunks of `cut`, and everything they mean."""
    connection = Connection(GENERIC, in_step=in_step)
    if in_step:
        connection.send(command)
    else:
        connection.start_proof()
        connection.next_probe()
    events: list[object] = []
    for start in range(0, len(data), cut):
        connection.receive_data(data[start : start + cut])
        while (event := connection.next_event()) is not NEED_DATA:
            events.append(event)
            if isinstance(event, Answered):
                assert event.reply.rows is not None
    connection.abandon()
    assert connection.buffered <= MAX_LINE
    assert len(events) <= MAX_EVENTS_PER_BYTE * len(data) + 1
    return events


def one_input(data: bytes) -> None:
    """What the fuzzer calls: the first three bytes choose, the rest is what the modem says."""
    if len(data) < 4:
        return
    command, cut, mode, said = COMMANDS[data[0] % len(COMMANDS)], data[1] % 16 + 1, data[2], data[3:]
    in_step = mode % 4 != 0
    whole = converse(command, said, len(said), in_step=in_step)
    pieces = converse(command, said, cut, in_step=in_step)
    assert whole == pieces, "the same bytes in other chunks meant something else"
    line = said.decode("latin-1")
    parameters(line)
    assert len(Redactor().line(line)) == len(line)


def main() -> None:
    """Run until libFuzzer's limits or a finding."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
