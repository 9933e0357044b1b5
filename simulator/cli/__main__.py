"""`python -m simulator.cli`: hub-sim where its script is not on the PATH."""

from simulator.cli import main

if __name__ == "__main__":
    main()
