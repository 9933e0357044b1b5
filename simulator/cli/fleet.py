"""`hub-sim fleet`: thousands of hubs against a broker."""

import asyncio
import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.running import run_beside, run_until_stopped

if TYPE_CHECKING:
    from simulator.fleet import Fleet

CONNECT_S = 120.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fleet")(fleet)


def fleet(
    *,
    hubs: Annotated[int, typer.Option(min=1, help="How many hubs; the descriptor limit less 1,000 at most.")],
    broker: Annotated[str, typer.Option(help="mqtt://HOST:PORT or mqtts://HOST:PORT.")],
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed makes the same hubs; printed.")] = None,
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between two messages of a hub.")] = 60.0,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of messages sent twice.")] = 0.0,
    spool: Annotated[int, typer.Option(min=0, max=100, help="Unacknowledged messages a hub repeats.")] = 4,
    storm_every: Annotated[float | None, typer.Option(min=1, help="Seconds between reconnect storms.")] = None,
    storm_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the hubs a storm strikes.")] = 0.3,
    seconds: Annotated[float | None, typer.Option(min=0, help="End by itself after this long.")] = None,
    hub_ids: Annotated[Path | None, typer.Option(help="File of enrolled hub ids, one a line.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate authority of the broker, PEM.")] = None,
    certificates: Annotated[Path | None, typer.Option(help="Folder of {hub id}.crt and {hub id}.key.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two lines of counts.")] = 5.0,
) -> None:
    """Play a fleet: hellos, telemetry, duplicates, reconnect storms. Prints its counts as JSON lines."""
    from simulator.fleet import Broker, Fleet, FleetError, Habits, possible_hubs, read_hub_ids

    where = Broker.parse(broker, ca=ca, certificates=certificates)
    possible = possible_hubs()
    if hubs > possible:
        told = f"{hubs} hubs need more descriptors than this process may have"
        raise FleetError(told, remedy=f"at most {possible} here (ulimit -n, less 1,000)")
    number = secrets.randbits(32) if seed is None else seed
    ids = read_hub_ids(hub_ids) if hub_ids else None
    typer.echo(json.dumps({"seed": number, "hubs": hubs}))
    habits = Habits(interval_s=interval, duplicates=duplicates, spool=spool)

    async def work() -> None:
        async with Fleet(where, hubs, seed=number, habits=habits, hub_ids=ids) as playing, asyncio.timeout(seconds):
            await playing.connected(CONNECT_S)
            async with asyncio.TaskGroup() as group:
                group.create_task(_tell(playing, every))
                if storm_every is not None:
                    group.create_task(_blow(playing, storm_every, storm_share))

    async def serve(stop: asyncio.Event) -> None:
        try:
            await run_beside(stop, work())
        except TimeoutError:
            return

    run_until_stopped(serve)


async def _tell(playing: "Fleet", every: float) -> None:
    while True:
        typer.echo(json.dumps(asdict(playing.counts)))
        await asyncio.sleep(every)


async def _blow(playing: "Fleet", every: float, share: float) -> None:
    while True:
        await asyncio.sleep(every)
        typer.echo(json.dumps({"storm": playing.storm(share)}))
