"""`hub-agent`: run, probe, status, check-config.

`run` is what a hub keeps in memory for years, so it is dispatched before Typer and Rich are imported; they serve the
other commands. Exit codes are in `exits`.
"""

import sys


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        from device_agent.cli.run import main as run

        sys.exit(run(arguments[1:]))
    from device_agent.cli.app import app

    app(prog_name="hub-agent")
