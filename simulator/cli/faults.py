"""`hub-sim faults`: list every fault, where it is met and what it takes."""

import json
from typing import Annotated, Any

import typer

from simulator.faults import FAULTS, FaultKind


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("faults")(faults)


def faults(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List every fault that can be injected, its point and its parameters."""
    described = [describe(kind) for kind in FAULTS.values()]
    if as_json:
        typer.echo(json.dumps({"faults": described}))
        return
    for kind in described:
        given = " ".join(f"{p['name']}={p['default']}" for p in kind["parameters"])
        typer.echo(f"{kind['fault']:18} {kind['point']:13} {kind['meaning']}" + (f" [{given}]" if given else ""))


def describe(kind: FaultKind) -> dict[str, Any]:
    """Tell a fault as JSON."""
    return {
        "fault": str(kind.fault),
        "point": kind.point,
        "meaning": kind.meaning,
        "momentary": kind.momentary,
        "parameters": [
            {"name": p.name, "default": p.default, "meaning": p.meaning, "low": p.low, "high": p.high}
            for p in kind.parameters
        ],
    }
