"""`hub-controller`: the command line. Heavy imports wait until a command needs them."""

from controller.cli import identity, records
from controller.cli.main import main

identity.register()
records.register()

__all__ = ["main"]
