"""What `hub-agent`'s exit codes mean (docs/agent.md)."""

from enum import IntEnum


class Exit(IntEnum):
    """2 is a wrong command line; 70 (EX_SOFTWARE) a bug, with a traceback in the log."""

    DONE = 0
    USAGE = 2
    CONFIG = 3
    STATE = 4
    ALREADY_RUNNING = 5
    NO_PORT = 6
    PORT_BUSY = 7
    NO_MODEM = 8
    NO_SIM = 9
    NOT_RUNNING = 10
    REFUSED = 11
    UNREACHABLE = 12
    NOT_ENROLLED = 13
    BUG = 70
    RESTART = 75
