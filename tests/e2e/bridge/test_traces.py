"""A trace of a simulated modem plays again: the same calls bring the same values, and it names nobody."""

import asyncio
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from device_agent.cli.probe import probe
from firmware_bridge.detect import open_modem
from firmware_bridge.modem.generic import Modem
from firmware_bridge.transport import TracingTransport, Transport, open_transport
from firmware_bridge.transport.redact import redact_line
from firmware_bridge.types import BearerSettings, Identity, Sim, Sms
from simulator.faults import Fault, make_fault
from simulator.modem import names

from .test_personalities import plugged

pytestmark = pytest.mark.e2e
PIN = "4711"
SENDER = "+447700900123"
BODY = "Meet me at the old mill at nine, and tell nobody. " * 5  # two parts
LEVELS = ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db")
FADING_DB = 8.0  # between two readings of the simulated air
IDENTIFIERS = ("imei", "iccid", "imsi")
HUB_AGENT = Path(sys.executable).with_name("hub-agent")


def _blank(text: str | None) -> str | None:
    return text and redact_line(text)


def _redacted(value: object) -> object:
    """A value as it reads in a redacted trace."""
    if isinstance(value, Identity):
        return replace(value, imei=_blank(value.imei), imeisv=_blank(value.imeisv))
    if isinstance(value, Sim):
        number = value.msisdn and "+" + "0" * (len(value.msisdn) - 1)
        return replace(value, iccid=_blank(value.iccid), imsi=_blank(value.imsi), msisdn=number)
    if isinstance(value, Sms):
        return asdict(replace(value, sender="+" + "0" * (len(value.sender) - 1), body="@" * len(value.body)))
    return tuple(_redacted(one) for one in value) if isinstance(value, tuple) else value


def _comparable(value: object) -> object:
    """The value with the bodies of messages shown, so that a difference in them is seen."""
    return tuple(asdict(one) for one in value) if isinstance(value, tuple) else value


async def _day(modem: Modem) -> list[object]:
    """Calls of every kind, and what they bring."""
    await modem.initialise()
    locked = await modem.sim()
    await modem.unlock(PIN)
    found: list[object] = [locked, await modem.identity(), await modem.sim()]
    for _ in range(40):
        found.append(await modem.registration())
        if getattr(found[-1], "state").attached:  # noqa: B009 - a list of values of all kinds
            break
    found += [await modem.operator(), await modem.signal(), await modem.connect(BearerSettings("internet"))]
    messages: tuple[Sms, ...] = ()
    for _ in range(40):
        if messages := await modem.receive_sms():
            break
    found += [messages, await modem.network_time()]
    await modem.delete_sms(messages[0])
    await modem.disconnect()
    return [*found, await modem.bearer()]


@pytest.mark.parametrize("personality", names())
async def test_a_recorded_day_is_played_again_and_names_nobody(tmp_path: Path, personality: str) -> None:
    file = tmp_path / "day.trace"
    async with plugged(tmp_path, personality) as (simulated, clock, ports):
        simulated.faults.inject(make_fault(Fault.PIN_WANTED, parameters={"pin": PIN}, at_s=clock.now()))
        simulated.deliver_sms(SENDER, BODY)
        with file.open("w", encoding="ascii") as sink:

            def keep(text: str) -> None:
                sink.write(text)

            def opened(url: str) -> Transport:
                return TracingTransport(open_transport(url), keep)

            modem = await open_modem(ports[:1], open_transport=opened)
            recorded = await _day(modem)
            await modem.close()
    trace = file.read_text()
    card = simulated.card
    assert card is not None
    subscription = card.subscription
    for secret in (subscription.iccid, subscription.imsi, simulated.imei, subscription.msisdn[1:], f'"{PIN}"'):
        assert secret not in trace
    player = await open_modem([f"replay:{file}"])
    played = await _day(player)
    await player.close()
    assert [_comparable(value) for value in played] == [_redacted(value) for value in recorded]
    messages = recorded[-3]
    assert isinstance(messages, tuple)
    assert [(sms.sender, sms.body, len(sms.indexes)) for sms in messages] == [(SENDER, BODY, 2)]


async def test_hub_agent_traces_a_port_and_the_trace_probes_alike(tmp_path: Path) -> None:
    file = tmp_path / "field.trace"
    async with plugged(tmp_path, "quectel-ec25") as (simulated, _, ports):
        async with asyncio.timeout(20):
            while (live := await probe(ports[0]))["registration"] != "home":
                pass
        traced = await asyncio.create_subprocess_exec(
            HUB_AGENT, "trace", "--port", ports[0], "--out", file, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            said, _ = await traced.communicate()
        assert (traced.returncode, said.decode().split(":")[0]) == (0, str(file))
    trace = file.read_text()
    for secret in (live["imei"], live["iccid"], live["imsi"], simulated.imei):
        assert secret not in trace
    played = await probe(f"replay:{file}")
    for level in LEVELS:
        assert live.pop(level) == pytest.approx(played.pop(level), abs=FADING_DB)
    assert played == live | {"port": f"replay:{file}"} | {name: redact_line(live[name]) for name in IDENTIFIERS}
