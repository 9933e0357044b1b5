"""The console script `hub-sim`, and `python -m simulator`: whoever stops it while it starts sees no traceback."""

import sys


def main() -> None:
    """Run the command line; exit code 130 after Ctrl-C, imports included."""
    try:
        from simulator.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
