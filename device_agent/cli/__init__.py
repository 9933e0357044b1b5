"""`hub-agent`: run, enrol, renew, probe, trace, status, check-config.

`run` is what a hub keeps in memory for years, and `renew` runs beside it: both are dispatched before Typer and Rich
are imported, which serve the commands for people. Exit codes are in `exits`.
"""

import sys


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        from device_agent.cli.run import main as run

        sys.exit(run(arguments[1:]))
    if arguments[:1] in (["enrol"], ["renew"]):
        from device_agent.cli.enrolment import main as certify

        sys.exit(certify(arguments))
    from device_agent.cli.app import app

    app(prog_name="hub-agent")
