"""Whole conversations of each family, replayed through channel and driver."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from firmware_bridge.at.channel import Channel
from firmware_bridge.errors import BridgeError
from firmware_bridge.modem.families import ALL_URCS, FAMILIES
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import Authentication, BearerSettings, Sms
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.transcript import FOLDER, Call, TranscriptPort, read_transcript

TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))
INTERNET = BearerSettings("internet")
CLOSED = BearerSettings("private", username="hub", password="secret", authentication=Authentication.CHAP)


async def _outcome(modem: Modem, name: str, port: TranscriptPort) -> str:
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "initialise()": modem.initialise,
        "identity()": modem.identity,
        "sim()": modem.sim,
        "unlock(1234)": lambda: modem.unlock("1234"),
        "registration()": modem.registration,
        "operator()": modem.operator,
        "signal()": modem.signal,
        "connect(internet)": lambda: modem.connect(INTERNET),
        "connect(private)": lambda: modem.connect(CLOSED),
        "disconnect()": modem.disconnect,
        "bearer()": modem.bearer,
        "counters()": modem.counters,
        "network_time()": modem.network_time,
        "temperature()": modem.temperature,
        "scan()": modem.scan,
        "receive_sms()": modem.receive_sms,
        "delete_sms(1)": lambda: modem.delete_sms(Sms("+447700900123", None, "", (1,), "ME")),
        "set_radio(off)": lambda: modem.set_radio(False),
        "set_radio(on)": lambda: modem.set_radio(True),
        "cycle_radio()": modem.cycle_radio,
        "reboot()": modem.reboot,
        "power_off()": modem.power_off,
        "event()": lambda: anext(modem.events()),
    }
    try:
        return repr(await calls[name]())
    except BridgeError as error:
        return f"! {type(error).__name__}"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_conversation_reads_as_its_transcript_says(path: Path) -> None:
    family, calls = read_transcript(path)

    async def main() -> None:
        port = TranscriptPort()
        driver = FAMILIES.get(family, Modem)
        modem = driver([Channel(port, urcs=ALL_URCS, in_step=True, first_probe=1)], jitter=lambda: 0.0)
        for call in calls:
            await _assert_plays(modem, port, call)
        await modem.close()

    run_virtual(main())


async def _assert_plays(modem: Modem, port: TranscriptPort, call: Call) -> None:
    port.play(call)
    outcome = await _outcome(modem, call.name, port)
    assert (call.name, port.strayed, port.unplayed) == (call.name, [], [])
    assert (call.name, outcome) == (call.name, call.expected)


def test_every_family_has_transcripts() -> None:
    assert {read_transcript(path)[0] for path in TRANSCRIPTS} >= {*FAMILIES, "generic"}
