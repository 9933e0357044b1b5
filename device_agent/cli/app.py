"""The commands for people: probe, status, check-config; `run` is listed here and dispatched before."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from device_agent.cli.exits import Exit
from device_agent.cli.probe import probe as probe_port
from device_agent.config import ConfigError, load
from device_agent.daemon import agent_version
from device_agent.status import NotRunningError, ask
from firmware_bridge.errors import BridgeError, ModemSilentError, PortBusyError, PortError, SimError

app = typer.Typer(
    no_args_is_help=True,
    help="The agent of a Mini Hub.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[Path, typer.Option("--config", help="Settings file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_CONFIG = Path("/etc/minihub/hub.toml")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hub-agent {agent_version()}")
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")]


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The agent of a Mini Hub: makes the hub what its controller says, and proves it."""
    del version


@app.command()
def run(config: ConfigOption = _CONFIG) -> None:
    """Run the agent until SIGTERM or SIGINT."""
    from device_agent.cli.run import main

    raise typer.Exit(main(["--config", str(config)]))


@app.command()
def enrol(
    controller: Annotated[str, typer.Option("--controller", help="The controller's API.")],
    claim_code: Annotated[str, typer.Option("--claim-code", help="One-time code.", envvar="MINIHUB_AGENT_CLAIM_CODE")],
    config: ConfigOption = _CONFIG,
    ca: Annotated[Path | None, typer.Option("--ca", help="CA of the controller's own certificate.")] = None,
    json_: JsonOption = False,
) -> None:
    """Claim this hub's identity at the depot: key, certificate, broker."""
    from device_agent.cli.enrolment import main

    words = ["enrol", "--controller", controller, "--claim-code", claim_code, "--config", str(config)]
    raise typer.Exit(main([*words, *(["--ca", str(ca)] if ca else []), *(["--json"] if json_ else [])]))


@app.command()
def renew(config: ConfigOption = _CONFIG, json_: JsonOption = False) -> None:
    """Renew the certificate with the present key, also after it has expired."""
    from device_agent.cli.enrolment import main

    raise typer.Exit(main(["renew", "--config", str(config), *(["--json"] if json_ else [])]))


@app.command()
def probe(port: Annotated[str, typer.Option("--port", help="The modem's AT port.")], json_: JsonOption = False) -> None:
    """Identify the modem on a port: modem, SIM, network, signal."""
    try:
        found = asyncio.run(probe_port(port))
    except BridgeError as error:
        _refuse(_told(error), _code(error))
    if json_:
        print(json.dumps(found))
    else:
        table = Table("what", "value", title=f"Modem on {port}")
        for name, value in found.items():
            table.add_row(name, "unknown" if value is None else str(value))
        Console().print(table)
    if found["sim"] != "ready":
        print(f"hub-agent: the SIM is {found['sim'] or 'unknown'}: insert one, or set modem.pin", file=sys.stderr)
        raise typer.Exit(Exit.NO_SIM)


@app.command()
def trace(
    port: Annotated[str, typer.Option("--port", help="The modem's AT port.")],
    out: Annotated[Path, typer.Option("--out", help="Where the trace goes.")],
) -> None:
    """Probe a port and keep every exchange, redacted, for a report or to be played again."""
    try:
        with out.open("w", encoding="utf-8") as file:

            def keep(text: str) -> None:
                file.write(text)

            asyncio.run(probe_port(port, keep))
    except BridgeError as error:
        _refuse(_told(error), _code(error))
    except OSError as error:
        _refuse(f"{out}: cannot be written: {error.strerror}", Exit.STATE)
    print(f"{out}: {len(out.read_text(encoding='utf-8').splitlines())} lines")


@app.command()
def status(
    config: ConfigOption = _CONFIG,
    socket: Annotated[
        Path | None, typer.Option("--socket", help="The agent's socket, instead of the settings'.")
    ] = None,
    json_: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep the table up to date until Ctrl-C.")] = False,
) -> None:
    """Show what the running agent knows."""
    path = socket or _loaded(config).socket
    try:
        shown = asyncio.run(ask(path))
        if json_:
            print(json.dumps(shown))
            return
        if not watch:
            Console().print(_table(shown))
            return
        asyncio.run(_watch(lambda: ask(path)))
    except NotRunningError as error:
        _refuse(str(error), Exit.NOT_RUNNING)
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command("check-config")
def check_config(config: ConfigOption = _CONFIG, json_: JsonOption = False) -> None:
    """Check a settings file and the environment; every mistake with its line."""
    loaded = _loaded(config)
    from device_agent.cli.run import usable_tls

    try:
        usable_tls(loaded)
    except ConfigError as error:
        _refuse(str(error), Exit.CONFIG)
    print(json.dumps({"ok": True, "hub": loaded.hub}) if json_ else f"{config}: good")


def _loaded(path: Path) -> Any:
    try:
        return load(path)
    except ConfigError as error:
        _refuse(str(error), Exit.CONFIG)


def _refuse(reason: str, code: Exit) -> NoReturn:
    for line in reason.splitlines():
        print(f"hub-agent: {line}", file=sys.stderr)
    raise typer.Exit(code)


def _code(error: BridgeError) -> Exit:
    if isinstance(error, PortBusyError):
        return Exit.PORT_BUSY
    if isinstance(error, PortError):
        return Exit.NO_PORT
    return Exit.NO_SIM if isinstance(error, SimError) else Exit.NO_MODEM


def _told(error: BridgeError) -> str:
    """What happened and what to do, in one line; an absent port's message says both itself."""
    if isinstance(error, PortBusyError):
        return f"{error}; stop the program that holds it (ModemManager does, for one)"
    if isinstance(error, PortError):
        return str(error)
    if isinstance(error, ModemSilentError):
        return f"{error}; this may not be its AT port: try the next one"
    return f"{error}; what to do: {error.remedy}"


def _table(shown: dict[str, Any]) -> Table:
    table = Table("condition", "status", "reason", "message", title=f"Mini Hub: {shown['reason']}")
    for item in shown["conditions"]:
        style = {"true": "green", "false": "red"}.get(item["status"], "yellow")
        table.add_row(item["type"], f"[{style}]{item['status']}[/]", item["reason"], item["message"])
    session = shown["session"]
    table.add_row("session", session["state"], "", session["problem"])
    return table


async def _watch(again: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    with Live(_table(await again()), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(1.0)
            live.update(_table(await again()), refresh=True)
