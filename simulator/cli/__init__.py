"""`hub-sim`: the simulator's command line.

Each module of this package that has a `register(app)` adds its own sub-command or sub-app, so a new one needs no line
here. Bad input ends in one line on stderr and an exit code (`EXIT_CODES`), never in a traceback.
"""

import importlib
import pkgutil
import sys
from importlib.metadata import version
from typing import Annotated, Final

import typer

from simulator.faults import SimulatorError

# What a program may conclude from how hub-sim ended.
EXIT_CODES: Final = {
    0: "done, or stopped by a signal after a clean shutdown",
    1: "failed in a way nobody foresaw, or a check that was run did not hold",
    2: "wrong usage of the command line",
    3: "a scenario, fault, configuration or state file is wrong",
    4: "an address or path to listen on is taken or not allowed",
    5: "a broker or server could not be reached, or refused",
    6: "no running simulator answers on the control socket",
}

app = typer.Typer(
    name="hub-sim",
    help="Play the hardware and the world around a 4G Mini Hub: modem, SIM, radio, carrier, line, host tools, fleet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hub-sim {version('minihub')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Play the hardware and the world around a 4G Mini Hub."""


def register_commands() -> None:
    """Let every module of this package add its commands; idempotent."""
    if app.registered_commands or app.registered_groups:
        return
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        module = importlib.import_module(f"{__name__}.{found.name}")
        register = getattr(module, "register", None)
        if register is not None:
            register(app)


def main() -> None:
    """Run the command line; the console script `hub-sim`."""
    register_commands()
    try:
        app()
    except SimulatorError as error:
        typer.echo(f"hub-sim: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`hub-sim scenarios | head`): nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
