"""`hub-sim control`: list, inject and clear faults of a running simulator, press its button, touch its surroundings."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.control.client import ControlClient
from simulator.faults import FaultError

control = typer.Typer(help="Meddle with a running simulator (hub-sim run … --control PATH).", no_args_is_help=True)

Socket = Annotated[Path, typer.Option("--socket", envvar="HUB_SIM_CONTROL", help="The simulator's control socket.")]


def register(app: typer.Typer) -> None:
    """Add the sub-app."""
    app.add_typer(control, name="control")


def _send(socket: Path, do: str, **fields: Any) -> None:
    with ControlClient(socket) as client:
        typer.echo(json.dumps(client.send(do, **fields)))


@control.command("state")
def show_state(*, socket: Socket) -> None:
    """Show how the world stands."""
    _send(socket, "state")


@control.command("list")
def list_faults(*, socket: Socket) -> None:
    """List the faults that hold."""
    _send(socket, "faults")


@control.command()
def inject(
    kind: Annotated[str, typer.Argument(help="hub-sim faults lists them.")],
    *,
    socket: Socket,
    point: Annotated[str | None, typer.Option(help="Where, if not at its usual point.")] = None,
    given: Annotated[list[str] | None, typer.Option("--with", help="NAME=VALUE; may be repeated.")] = None,
    for_s: Annotated[float | None, typer.Option("--for", help="Seconds; default: until cleared.")] = None,
    times: Annotated[int | None, typer.Option(help="How often it may bite.")] = None,
) -> None:
    """Let a fault begin now."""
    fields = {"kind": kind, "point": point, "for_s": for_s, "times": times, "with": _pairs(given or [])}
    _send(socket, "inject", **fields)


@control.command()
def clear(
    number: Annotated[int | None, typer.Argument(help="The fault's number; without it, all.")] = None,
    *,
    socket: Socket,
) -> None:
    """Take a fault down, or all."""
    _send(socket, "clear", id=number)


@control.command("power-button")
def power_button(*, socket: Socket) -> None:
    """Press the hub's button."""
    _send(socket, "power_button")


@control.command("power-cut")
def power_cut(
    *, socket: Socket, seconds: Annotated[float, typer.Option(min=0, help="Until the power is back.")] = 10.0
) -> None:
    """Cut the mains."""
    _send(socket, "inject", kind="power_cut", **{"with": {"seconds": seconds}})


@control.command()
def line(
    what: Annotated[str, typer.Argument(help="drop, die, recover, customer_restart or our_restart.")], *, socket: Socket
) -> None:
    """Let something happen to the broadband line."""
    _send(socket, "line", what=what)


@control.command()
def sms(
    text: Annotated[str, typer.Argument(help="The message.")],
    *,
    socket: Socket,
    sender: Annotated[str, typer.Option(help="The sender's number.")] = "+447700900002",
) -> None:
    """Deliver a short message to the hub's SIM."""
    _send(socket, "sms", text=text, sender=sender)


@control.command()
def move(
    path_loss_db: Annotated[float, typer.Argument(help="Path loss to every cell, dB (100 good, 140 the edge).")],
    *,
    socket: Socket,
) -> None:
    """Move the hub nearer to the cells, or away."""
    _send(socket, "move", path_loss_db=path_loss_db)


@control.command()
def traffic(
    *,
    socket: Socket,
    tx_bytes: Annotated[int, typer.Option("--tx", min=0, help="Bytes sent.")] = 0,
    rx_bytes: Annotated[int, typer.Option("--rx", min=0, help="Bytes received.")] = 0,
) -> None:
    """Carry traffic through the bearer."""
    _send(socket, "traffic", tx_bytes=tx_bytes, rx_bytes=rx_bytes)


@control.command("sim")
def swap_sim(
    where: Annotated[str, typer.Argument(help="in or out.")],
    *,
    socket: Socket,
    iccid: Annotated[str | None, typer.Option(help="Another card's ICCID.")] = None,
    imsi: Annotated[str | None, typer.Option(help="Another card's IMSI.")] = None,
) -> None:
    """Take the card out, or put one in."""
    if where not in {"in", "out"}:
        raise typer.BadParameter("say in or out")
    _send(socket, "sim", inserted=where == "in", iccid=iccid, imsi=imsi)


@control.command()
def carrier(state: Annotated[str, typer.Argument(help="active, inactive or suspended.")], *, socket: Socket) -> None:
    """Have the platform change the hub's SIM."""
    _send(socket, "carrier", state=state)


@control.command("clock-jump")
def clock_jump(
    seconds: Annotated[float, typer.Argument(help="How far; back with a negative number after --.")], *, socket: Socket
) -> None:
    """Let the network's time of day jump."""
    _send(socket, "clock_jump", seconds=seconds)


def _pairs(given: list[str]) -> dict[str, float | str]:
    pairs: dict[str, float | str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise FaultError(f"--with {item!r} is not NAME=VALUE")
        try:
            pairs[name] = int(value) if value.lstrip("-").isdecimal() else float(value)
        except ValueError:
            pairs[name] = value
    return pairs
