"""The modem attaches to a real home location register: osmo-hlr, over GSUP, steered as its operators steer it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulator.modem import SimulatedModem, default_card
from simulator.modem.gsup_client import GsupClient
from simulator.radio.bearers import PdpContext
from tests.fidelity.programs import background, bench, need, run, until

pytestmark = [pytest.mark.fidelity, pytest.mark.slow]
IMSI = default_card().subscription.imsi
SETTINGS = """log stderr
 logging filter all 1
 logging color 0
line vty
 bind {address}
ctrl
 bind {address}
hlr
 database {folder}/hlr.db
 gsup
  bind ip {address}
"""


class Register:
    """A running osmo-hlr; its ports are fixed, so each has a loopback address of its own."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._serial = 0

    async def control(self, verb: str, variable: str, value: str = "") -> str:
        self._serial += 1
        text = f"{verb} {self._serial} {variable} {value}".strip().encode()
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(self.address, 4259)
            writer.write((len(text) + 1).to_bytes(2, "big") + b"\xee\x00" + text)
            size = int.from_bytes((await reader.readexactly(4))[:2], "big") - 1
            reply = (await reader.readexactly(size)).decode()
            writer.close()
            await writer.wait_closed()
        return reply

    async def allow(self, *, packet: bool) -> None:
        reply = await self.control("SET", f"subscriber.by-imsi-{IMSI}.ps-enabled", str(int(packet)))
        assert reply.endswith("OK"), reply

    async def type(self, line: str) -> str:
        """One command at its terminal (VTY), with operator's rights; what it said."""
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(self.address, 4258)
            writer.write(f"enable\r\n{line}\r\nexit\r\n".encode())
            said = (await reader.read()).decode("latin-1")
            writer.close()
            await writer.wait_closed()
        return said

    async def answers(self) -> bool:
        try:
            return bool(await self.control("GET", f"subscriber.by-imsi-{IMSI}.info"))
        except OSError:
            return False


@asynccontextmanager
async def register(folder: Path) -> AsyncIterator[Register]:
    need("osmo-hlr", "osmo-hlr-db-tool")
    address = f"127.{os.getpid() % 200 + 20}.7.7"
    (folder / "hlr.cfg").write_text(SETTINGS.format(address=address, folder=folder))
    made = await run("osmo-hlr-db-tool", "-l", f"{folder}/hlr.db", "create")
    assert made.code == 0, made.text
    command = ("osmo-hlr", "-c", f"{folder}/hlr.cfg", "-l", f"{folder}/hlr.db")
    async with background(command, folder / "hlr.log"):
        hlr = Register(address)
        assert await until(hlr.answers, within_s=10), (folder / "hlr.log").read_text()
        yield hlr


async def test_attach_refusal_and_return(tmp_path: Path) -> None:
    async with register(tmp_path) as hlr:
        client = GsupClient(hlr.address, 4222)
        try:
            async with bench("quectel-ec25", "pty:{d}/port", network=client) as simulated:
                client.on_detach = simulated.modem.detach
                radio = simulated.modem.registration
                assert await until(lambda: has(radio.cause == 8), within_s=10), "an unknown subscriber is refused"
                created = await hlr.control("SET", "subscriber.create", IMSI)
                assert "SET_REPLY" in created
                await hlr.allow(packet=True)
                await cycle_radio(simulated.modem)
                await simulated.registered()
                begin_session(simulated.modem)
                # What the register pushes cuts the session: nobody makes the modem ask again.
                said = await hlr.type(f"subscriber imsi {IMSI} update network-access-mode none")
                assert "% " not in said, said
                assert await until(lambda: has(radio.cause == 7), within_s=10), "parked"
                assert radio.silenced
                assert not simulated.modem.bearers.active
                await hlr.type(f"subscriber imsi {IMSI} update network-access-mode cs+ps")
                await asyncio.sleep(0.5)
                assert radio.silenced, "it does not come back by itself"
                await cycle_radio(simulated.modem)
                await simulated.registered()
                begin_session(simulated.modem)
                await hlr.allow(packet=False)  # which tells nobody: the next update of the location finds out
                radio.recheck()
                assert await until(lambda: has(radio.cause == 7), within_s=10), "parked over the control interface"
                assert not simulated.modem.bearers.active
        finally:
            await client.close()


def begin_session(modem: SimulatedModem) -> None:
    modem.bearers.contexts[1] = PdpContext(1, "IP", "internet")
    modem.activate(1)
    assert modem.bearers.active


async def has(value: bool) -> bool:
    return value


async def cycle_radio(modem: SimulatedModem) -> None:
    for level in (4, 1):
        modem.set_functionality(level)
        modem.settle()
