"""The driver on real pseudo-terminals, one for each port of each simulated personality."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from firmware_bridge.detect import find_again, find_ports, open_modem
from firmware_bridge.errors import PortBusyError, PortLostError, SimError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import (
    AccessTechnology,
    BearerSettings,
    ModemEventKind,
    PortIdentity,
    RegistrationState,
    SimState,
)
from simulator.clock import LoopClock
from simulator.faults import Fault, make_fault
from simulator.modem import SimulatedModem, default_card, load, names
from simulator.modem.pty import PtyHub
from simulator.modem.wire import Listen, Wire
from tests.unit.bridge.modem.test_detect import plug

pytestmark = pytest.mark.e2e
FACTOR = 20.0  # simulated seconds in one of ours: a scan of a minute is watched in three seconds


@dataclass(frozen=True, slots=True)
class Bench:
    """A simulated modem on ptys and the driver that was opened on them."""

    simulated: SimulatedModem
    modem: Modem
    clock: LoopClock
    ports: tuple[str, ...]

    def inject(self, kind: Fault, **parameters: str | float) -> int:
        return self.simulated.faults.inject(make_fault(kind, parameters=parameters, at_s=self.clock.now()))


@asynccontextmanager
async def plugged(folder: Path, personality: str) -> AsyncIterator[tuple[SimulatedModem, LoopClock, tuple[str, ...]]]:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop.time, factor=FACTOR)
    simulated = SimulatedModem(load(personality), clock=clock, random=Random(7), card=default_card())
    listens = tuple(Listen("pty", str(folder / f"ttyUSB{number}")) for number in (2, 3))
    hub = PtyHub(loop)
    try:
        async with Wire(simulated, clock, listens, hub=hub) as wire:
            simulated.power_on(boot=False)
            yield simulated, clock, wire.addresses
    finally:
        hub.close()


@asynccontextmanager
async def bench(folder: Path, personality: str) -> AsyncIterator[Bench]:
    async with plugged(folder, personality) as (simulated, clock, ports):
        modem = await open_modem(ports)
        try:
            await modem.initialise()
            yield Bench(simulated, modem, clock, ports)
        finally:
            await modem.close()


async def _registered(modem: Modem) -> None:
    async with asyncio.timeout(20):
        while not (await modem.registration()).state.attached:
            await asyncio.sleep(0.1)


def _numbers(folder: Path) -> set[int]:
    return {int(path.name.removeprefix("ttyUSB")) for path in folder.iterdir()}


def _present(ports: tuple[str, ...]) -> bool:
    return all(Path(port).exists() for port in ports)


@pytest.mark.parametrize("personality", names())
async def test_a_modem_is_found_read_connected_and_let_go(tmp_path: Path, personality: str) -> None:
    async with bench(tmp_path, personality) as found:
        modem, simulated = found.modem, found.simulated
        assert modem.family == simulated.personality.vendor
        identity = await modem.identity()
        assert (identity.imei, identity.firmware) == (simulated.imei, simulated.personality.revision)
        card = await modem.sim()
        assert (card.state, card.iccid, card.imsi) == (SimState.READY, "8944300000000000008", "234300000000001")
        await _registered(modem)
        operator = await modem.operator()
        assert (operator.mcc, operator.mnc, operator.technology) == ("234", "30", AccessTechnology.E_UTRAN)
        signal = await modem.signal()
        assert signal.rsrp_dbm is not None
        assert signal.cell_id is not None
        bearer = await modem.connect(BearerSettings("internet"))
        assert bearer.up
        assert len(bearer.addresses) == 2
        assert bearer.dns
        clock = await modem.network_time()
        assert clock is not None
        assert abs((clock.at - found.clock.utc()).total_seconds()) < FACTOR
        await modem.disconnect()
        assert not (await modem.bearer()).up
        assert {seen.operator.mnc for seen in await modem.scan()} >= {"30", "10"}


@pytest.mark.parametrize("personality", names())
async def test_a_locked_sim_is_unlocked_once(tmp_path: Path, personality: str) -> None:
    async with bench(tmp_path, personality) as found:
        found.inject(Fault.PIN_WANTED, pin="4711")
        assert (await found.modem.sim()).state is SimState.PIN
        with pytest.raises(SimError) as wrong:
            await found.modem.unlock("1111")
        assert wrong.value.tries_left == 2
        await found.modem.unlock("4711")
        assert (await found.modem.sim()).state is SimState.READY


@pytest.mark.parametrize("personality", names())
async def test_a_denial_is_cured_by_a_radio_cycle(tmp_path: Path, personality: str) -> None:
    async with bench(tmp_path, personality) as found:
        await _registered(found.modem)
        number = found.inject(Fault.DENIED, cause=7)
        await found.modem.cycle_radio()
        async with asyncio.timeout(10):
            while (await found.modem.registration()).state is not RegistrationState.DENIED:
                await asyncio.sleep(0.05)
        denied = await found.modem.registration()
        assert denied.needs_radio_cycle
        found.simulated.faults.clear(number)
        await found.modem.cycle_radio()
        await _registered(found.modem)


@pytest.mark.parametrize("personality", names())
async def test_an_unplugged_modem_is_a_typed_loss_and_is_opened_again(tmp_path: Path, personality: str) -> None:
    async with bench(tmp_path, personality) as found:
        number = found.inject(Fault.USB_DISCONNECT)
        async with asyncio.timeout(5):
            kinds = [event.kind async for event in found.modem.events()]
        assert kinds[-1] is ModemEventKind.PORT_LOST
        with pytest.raises(PortLostError):
            await found.modem.signal()
        found.simulated.faults.clear(number)
        async with asyncio.timeout(5):
            while not _present(found.ports):
                await asyncio.sleep(0.05)
        again = await open_modem(found.ports)
        assert (await again.identity()).imei == found.simulated.imei
        await again.close()


async def test_a_renumbered_modem_is_found_by_its_place(tmp_path: Path) -> None:
    def shown(root: Path, first: int) -> PortIdentity:
        plug(root, "1-1", "2c7c:0125", {2: f"ttyUSB{first}", 3: f"ttyUSB{first + 1}"})
        return find_ports(root)[0]

    device = tmp_path / "dev"
    device.mkdir()
    async with plugged(device, "quectel-ec25") as (simulated, clock, ports):
        wanted = shown(tmp_path / "before", 2)
        simulated.faults.inject(make_fault(Fault.USB_RENUMBER, at_s=clock.now()))
        async with asyncio.timeout(10):
            while not (moved := _numbers(device) - {2, 3}):
                await asyncio.sleep(0.05)
        assert not _present(ports)
        shown(tmp_path / "after", min(moved))
        again = find_again(wanted, find_ports(tmp_path / "after"))
        assert again is not None
        modem = await open_modem([f"{tmp_path}{again.device}"])
        assert (await modem.identity()).imei == simulated.imei
        await modem.close()


async def test_a_port_held_by_another_program_is_named_busy(tmp_path: Path) -> None:
    async with plugged(tmp_path, "quectel-ec25") as (simulated, clock, ports):
        simulated.faults.inject(make_fault(Fault.PORT_BUSY, at_s=clock.now()))
        with pytest.raises(PortBusyError):
            await open_modem(ports[:1])
