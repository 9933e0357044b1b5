"""`hub-controller`: the command line. Heavy imports wait until a command needs them."""

from controller.cli.main import main

__all__ = ["main"]
