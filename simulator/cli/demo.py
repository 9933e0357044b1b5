"""`hub-sim demo`: one customer's broken broadband becomes a working Mini Hub, and back."""

import asyncio
import json
import signal
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from simulator.stage.demo import Demo
from simulator.stage.parts import Break
from simulator.stage.record import Record, StepFailedError
from simulator.stage.stage import Stage, StageOptions, open_stage


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
    broken: Annotated[Break | None, typer.Option("--break", help="Break one thing; the demo must notice.")] = None,
    stay: Annotated[bool, typer.Option(help="Keep everything up at the end, until Ctrl-C.")] = False,
    stand_ins: Annotated[bool, typer.Option(help="Stand-in host tools even where the real ones could run.")] = False,
    interrupt_broker: Annotated[bool, typer.Option(help="Stop the broker in the middle, and start it again.")] = False,
    seed: Annotated[int, typer.Option(help="The simulated world's seed.")] = 1,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The admin API's port; 0 takes a free one.")] = 0,
) -> None:
    """Play the demo with real processes; exit code 0 only if every step was observed."""
    console = None if as_json else Console()
    record = Record(lambda: datetime.now(UTC), console)
    options = StageOptions(broken=broken, stand_ins=stand_ins, seed=seed, port=port)
    try:
        asyncio.run(_play(options, record, stay=stay, interrupt_broker=interrupt_broker))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(record.as_json(), indent=1))
    record.print_table()
    raise typer.Exit(0 if record.ok else 1)


async def _play(options: StageOptions, record: Record, *, stay: bool, interrupt_broker: bool) -> None:
    task = asyncio.current_task()
    assert task is not None
    # SIGTERM ends the demo as Ctrl-C does: everything that was started is stopped.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async with open_stage(options) as stage:
            await Demo(stage, record, interrupt_broker=interrupt_broker).play()
            if stay:
                await _stay(stage, record)
    except StepFailedError as error:
        record.failed("stage", error.reason, error.evidence)
    except asyncio.CancelledError:
        if record.console is not None:
            record.console.print("\n[dim]stopped; every process was ended and every file removed[/]")
        raise


async def _stay(stage: Stage, record: Record) -> None:
    """Show where everything is and wait to be stopped."""
    if record.console is not None:
        host, port = stage.broker_address
        record.print_table()
        record.console.print(f"\nadmin API  {stage.controller_url}/docs   key  {stage.key}")
        record.console.print(f"carrier    {stage.carrier_url}/sim/state")
        record.console.print(f"broker     mqtt://{host}:{port}")
        record.console.print(f"outbox     {stage.outbox}\n[dim]Ctrl-C ends it all.[/]")
    await asyncio.Event().wait()
