"""`hub-sim`: the simulator's command line.

Each module of this package that has a `register(app)` adds its own sub-command or sub-app, so a new one needs no line
here. Bad input ends in one line on stderr and an exit code (`EXIT_CODES`), never in a traceback.
"""

import importlib
import pkgutil
import sys
from importlib.metadata import version
from typing import Annotated, Final, NoReturn

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


def register_commands(only: str | None = None) -> None:
    """Let the modules of this package add their commands; with `only`, that one if there is such a module.

    A module is called as its command is, so that `hub-sim modem` need not wait for what `hub-sim demo` imports.
    """
    if app.registered_commands or app.registered_groups:
        return
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if found.name != "__main__")
    for name in [only] if only in names else names:
        try:
            module = importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] == "simulator":
                raise
            # Its extra is not installed (`hil` alone has no HTTP libraries): that command is not offered.
            continue
        register = getattr(module, "register", None)
        if register is not None:
            register(app)


def main() -> None:
    """Run the command line; the console script `hub-sim`."""
    register_commands(next(iter(sys.argv[1:]), None))
    try:
        app()
    except SimulatorError as error:
        _leave(error)
    except ExceptionGroup as group:
        # A task group wraps what one of its tasks raised.
        foreseen = group.subgroup(SimulatorError)
        if foreseen is None:
            raise
        _leave(_first(foreseen))
    except BrokenPipeError:
        # The reader of our output went away (`hub-sim scenarios | head`): nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        typer.echo(f"hub-sim: {error.filename or 'system'}: {error.strerror or error}", err=True)
        sys.exit(4)


def _leave(error: Exception) -> NoReturn:
    typer.echo(f"hub-sim: {error}", err=True)
    sys.exit(getattr(error, "exit_code", 1))


def _first(group: ExceptionGroup[SimulatorError]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner
