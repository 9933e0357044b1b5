"""Modems of no family of ours: what they say is told as a value, as unknown or as an error, and nothing hangs."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.detect import open_modem
from firmware_bridge.errors import BridgeError, UnsupportedError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import (
    AccessTechnology,
    Bearer,
    BearerSettings,
    Identity,
    Operator,
    Registration,
    RegistrationState,
    Signal,
    Sim,
    SimState,
)

pytestmark = pytest.mark.e2e
PROGRAM = Path(__file__).with_name("foreign_modem.py")
IMEI = "490154203237518"
LTE = AccessTechnology.E_UTRAN


@asynccontextmanager
async def plugged(maker: str) -> AsyncIterator[Modem]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), maker, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        async with asyncio.timeout(30):
            port = (await program.stdout.readline()).decode().strip()
            modem = await open_modem([port])
            try:
                await modem.initialise()
                yield modem
            finally:
                await modem.close()
    finally:
        program.stdin.close()
        await program.wait()


async def _neither_counts_nor_warms(modem: Modem) -> None:
    assert modem.family == "generic"
    for unknown in (modem.counters, modem.temperature, modem.power_off):
        with pytest.raises(UnsupportedError):
            await unknown()


async def test_one_that_knows_the_standard_tells_all_of_it() -> None:
    async with plugged("u-blox") as modem:
        await _neither_counts_nor_warms(modem)
        assert await modem.identity() == Identity("u-blox", "TOBY-L210", "16.19", IMEI)
        assert await modem.sim() == Sim(SimState.READY, iccid="894410003001234567", imsi="234100000000001")
        home = Registration(RegistrationState.HOME, LTE, 0x1F00, 0x79D903)
        assert await modem.registration() == home
        assert await modem.operator() == Operator("234", "10", technology=LTE)
        assert await modem.signal() == Signal(-79, -86, -11, None, LTE, cell_id=0x79D903, tac=0x1F00)
        assert await modem.network_time() is None
        bearer = await modem.bearer()
        assert bearer == Bearer(up=True, cid=1, apn="internet", addresses=("10.1.2.3",), dns=("8.8.8.8",))


async def test_one_of_odd_manners_tells_what_cannot_be_mistaken() -> None:
    async with plugged("telit") as modem:
        await _neither_counts_nor_warms(modem)
        assert await modem.identity() == Identity(firmware="25.21.660", imei=IMEI)
        assert await modem.sim() == Sim(SimState.READY, iccid="8944100030012345678", imsi="234100000000001")
        assert await modem.registration() == Registration(RegistrationState.ROAMING)
        assert await modem.signal() == Signal()
        for question in (modem.operator, modem.bearer, modem.scan, modem.receive_sms):
            with pytest.raises(BridgeError):
                await question()
        with pytest.raises(BridgeError):
            await modem.connect(BearerSettings("internet"))
