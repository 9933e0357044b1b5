"""A scenario on real ports, in real or faster time, with its control socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.clock import LoopClock
from simulator.control.commands import Command, InjectFault, perform
from simulator.control.host_faults import HostFaults
from simulator.control.server import serve_control
from simulator.control.trace import TraceLine
from simulator.control.world import World
from simulator.faults import Fault, make_fault
from simulator.host.install import install_standins
from simulator.modem.pty import PtyHub
from simulator.modem.wire import Wire, parse_listen
from simulator.radio import AskNetwork
from simulator.scenario import Scenario


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Where a live run listens and what it touches. `listen` as in `hub-sim modem`; None leaves a thing out."""

    listen: tuple[str, ...] = ()
    control: Path | None = None
    speed: float = 1.0
    carrier_url: str | None = None
    host_dir: Path | None = None
    agent_pid_file: Path | None = None
    disk: Path | None = None
    api_url: str | None = None
    api_key: str = ""


class _Driver:
    """Calls `World.settle` when it is due, on the loop's time."""

    def __init__(self, world: World, clock: LoopClock) -> None:
        self._world = world
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def settle(self) -> None:
        self.stop()
        deadline = self._world.settle()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._clock.reading_at(deadline), self.settle)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def play_live(
    scenario: Scenario,
    *,
    seed: int,
    options: LiveOptions,
    on_trace: Callable[[TraceLine], None],
    ready: Callable[[tuple[str, ...]], None] = lambda _addresses: None,
    stop: asyncio.Event,
) -> None:
    """Play until `stop`; everything opened is closed on return. `ready` gets the ports' addresses.

    The scenario's end ends its happenings, not the run: ports and control socket stay.
    """
    loop = asyncio.get_running_loop()
    # Others' clocks take part in a live run, so its day is today.
    clock = LoopClock(loop.time, start=datetime.now(UTC), factor=options.speed)
    async with contextlib.AsyncExitStack() as stack:
        network = _ask_carrier(options, stack)
        world = World(scenario, clock=clock, seed=seed, network=network, on_event=perform, on_trace=on_trace)
        host = _play_host(world, options)
        driver = _Driver(world, clock)
        stack.callback(driver.stop)
        if options.api_url is not None:
            await stack.enter_async_context(_reporting(world, options))
        hub = PtyHub(loop)
        stack.callback(hub.close)
        wire = Wire(world.modem, clock, tuple(parse_listen(each) for each in options.listen), hub=hub)
        await stack.enter_async_context(wire)
        if options.control is not None:
            await stack.enter_async_context(serve_control(options.control, _actor(world, host, driver)))
        world.begin()
        driver.settle()
        ready(wire.addresses)
        await stop.wait()


def _ask_carrier(options: LiveOptions, stack: contextlib.AsyncExitStack) -> AskNetwork | None:
    if options.carrier_url is None:
        return None
    from simulator.modem.attach_client import AttachClient

    client = AttachClient(options.carrier_url)
    stack.push_async_callback(client.close)
    return client


def _play_host(world: World, options: LiveOptions) -> HostFaults | None:
    if options.host_dir is None:
        return None
    state = options.host_dir / "state"
    install_standins(options.host_dir / "bin", state)
    host = HostFaults(state, options.agent_pid_file, options.disk)
    for fault in world.scenario.faults():
        host.check(fault.kind)
    host.subscribe(world.board)
    return host


def _actor(world: World, host: HostFaults | None, driver: _Driver) -> Callable[[Command], dict[str, Any]]:
    def act(command: Command) -> dict[str, Any]:
        if isinstance(command, InjectFault) and host is not None:
            host.check(Fault(make_fault(command.kind).kind))
        # What was due before comes first; then the timer is set for what the command brought.
        world.settle()
        result = perform(world, command)
        driver.settle()
        return result

    return act


@contextlib.asynccontextmanager
async def _reporting(world: World, options: LiveOptions) -> AsyncIterator[None]:
    import httpx

    from simulator.control.reporting import Reporter

    headers = {"Authorization": f"Bearer {options.api_key}"}
    async with httpx.AsyncClient(base_url=options.api_url or "", headers=headers, trust_env=False) as client:
        reporter = Reporter(client)
        world.on_line_event = lambda event: reporter.report("/v1/line-events", dict(event.as_api()))
        world.on_outage = lambda outage: reporter.report("/v1/outages", dict(outage))
        task = asyncio.create_task(reporter.run(), name="line reporter")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
