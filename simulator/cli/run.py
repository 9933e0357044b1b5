"""`hub-sim run`: play a scenario, on ports and in time, or in no time."""

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from simulator.cli.running import run_until_stopped
from simulator.control.trace import TraceLine
from simulator.faults import SimulatorError
from simulator.scenario import load_scenario


class UsageError(SimulatorError):
    """Options that exclude each other."""

    exit_code = 2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario (hub-sim scenarios) or a TOML file.")],
    *,
    virtual: Annotated[bool, typer.Option("--virtual", help="In no time; prints the trace and ends.")] = False,
    speed: Annotated[float | None, typer.Option(min=0.001, help="Times real time; default: the scenario's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same run; printed.")] = None,
    listen: Annotated[list[str] | None, typer.Option(help="pty:PATH, unix:PATH or tcp:HOST:PORT; any number.")] = None,
    control: Annotated[Path | None, typer.Option(help="Unix socket for hub-sim control.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Write the trace here instead of on standard output.")] = None,
    carrier_url: Annotated[str | None, typer.Option(help="Ask this platform about attaches.")] = None,
    host_dir: Annotated[Path | None, typer.Option(help="Install host stand-ins here: bin/ and state/.")] = None,
    agent_pid_file: Annotated[Path | None, typer.Option(help="The process a power cut kills.")] = None,
    disk: Annotated[Path | None, typer.Option(help="Small file system that a full disk is played in.")] = None,
    api_url: Annotated[str | None, typer.Option(help="Post line events and outages to this controller.")] = None,
) -> None:
    """Play a scenario. Prints the seed on standard error, and the trace, one JSON object a line."""
    from simulator.control.live import LiveOptions, play_live
    from simulator.control.virtual import play_virtual

    chosen = load_scenario(scenario)
    number = seed if seed is not None else chosen.seed if chosen.seed is not None else secrets.randbits(32)
    typer.echo(f"{scenario}: seed {number}", err=True)
    if virtual and (listen or control):
        raise UsageError("--virtual has no ports and no control socket", remedy="leave out --listen and --control")
    out = _TraceFile(trace)
    try:
        if virtual:
            play_virtual(chosen, seed=number, on_trace=out.write)
            return
        options = LiveOptions(
            listen=tuple(listen or ()),
            control=control,
            speed=speed or chosen.speed,
            carrier_url=carrier_url,
            host_dir=host_dir,
            agent_pid_file=agent_pid_file,
            disk=disk,
            api_url=api_url,
            api_key=os.environ.get("MINIHUB_API_KEY", ""),
        )
        run_until_stopped(
            lambda stop: play_live(
                chosen, seed=number, options=options, on_trace=out.write, ready=_announce_ports, stop=stop
            )
        )
    finally:
        out.close()


class _TraceFile:
    """Where the trace goes. A file is opened with the first line, so that a run that cannot start spoils none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._out: BinaryIO | None = None

    def write(self, line: TraceLine) -> None:
        if self._out is None:
            self._out = self._path.open("wb") if self._path else sys.stdout.buffer
        self._out.write(line.encode())
        self._out.flush()

    def close(self) -> None:
        if self._out is not None and self._path is not None:
            self._out.close()


def _announce_ports(addresses: tuple[str, ...]) -> None:
    typer.echo(f"ready: {' '.join(addresses) or 'no ports'}", err=True)
