"""`hub-sim scenarios`: list the shipped scenarios, or check and show one."""

import json
from typing import Annotated

import msgspec
import typer

from simulator.scenario import Scenario, load_scenario, parse_scenario, shipped_scenarios


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scenarios")(scenarios)


def scenarios(
    name: Annotated[str | None, typer.Argument(help="A shipped scenario or a TOML file to check and show.")] = None,
    *,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a scenario.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the scenarios that ship and what each is about."""
    if schema:
        typer.echo(json.dumps(msgspec.json.schema(Scenario), indent=1))
    elif name is not None:
        _show(load_scenario(name), as_json=as_json)
    else:
        _list(as_json=as_json)


def _list(*, as_json: bool) -> None:
    found = {name: parse_scenario(text, name) for name, text in shipped_scenarios().items()}
    if as_json:
        items = [
            {"name": name, "title": each.title, "description": each.description, "duration_s": each.duration_s}
            for name, each in found.items()
        ]
        typer.echo(json.dumps({"scenarios": items}))
        return
    for name, each in found.items():
        typer.echo(f"{name:18} {each.title}\n{'':18} {each.description}")


def _show(scenario: Scenario, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(scenario).decode())
        return
    typer.echo(f"{scenario.title}\n{scenario.description}")
    happenings = [(fault.at_s, f"fault {fault.kind} at {fault.point}") for fault in scenario.faults()]
    happenings += [(event.at_s, str(type(event).__struct_config__.tag)) for event in scenario.event]
    for at_s, what in sorted(happenings):
        typer.echo(f"{at_s:8g} s  {what}")
