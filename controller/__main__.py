"""`python -m controller` is `hub-controller`."""

from controller.cli import main

if __name__ == "__main__":
    main()
