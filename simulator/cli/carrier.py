"""`hub-sim carrier`: a SIM platform on a TCP port."""

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.running import run_until_stopped


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("carrier")(carrier)


def carrier(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")] = 8640,
    token: Annotated[list[str] | None, typer.Option(help="Bearer token of an account; may be repeated.")] = None,
    manners: Annotated[str, typer.Option(help="good, real, or a TOML file (docs/simulator.md).")] = "good",
    seed: Annotated[int | None, typer.Option(help="Replay the same accidents; printed when left out.")] = None,
    state: Annotated[Path | None, typer.Option(help="Keep SIMs and running changes in this file.")] = None,
    sims: Annotated[Path | None, typer.Option(help="JSON list of SIMs to provision (docs/simulator.md).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Announce readiness as one JSON line.")] = False,
) -> None:
    """Play a carrier's SIM platform: TMF640 over HTTP, with good or real-world manners."""
    from simulator.carrier.manners import load_manners
    from simulator.carrier.server import bind, serve_carrier
    from simulator.carrier.store import load_orders

    chosen = load_manners(manners)
    orders = load_orders(sims) if sims else []
    number = secrets.randbits(32) if seed is None else seed
    tokens = {each: f"account {index}" for index, each in enumerate(token or ["simulated-carrier"], 1)}
    listener = bind(host, port)

    def announce(url: str) -> None:
        if as_json:
            typer.echo(json.dumps({"listening": url, "seed": number}))
        else:
            typer.echo(f"carrier platform on {url} (manners {manners}, seed {number})")

    try:
        run_until_stopped(
            lambda stop: serve_carrier(
                listener,
                stop,
                manners=chosen,
                tokens=tokens,
                seed=number,
                state=state,
                orders=orders,
                ready=announce,
            )
        )
    finally:
        listener.close()
