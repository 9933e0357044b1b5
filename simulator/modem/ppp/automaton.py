"""The option negotiation automaton (RFC 1661 clause 4.1), as the table stands there.

What concerns a lower layer that comes and goes (Initial, Starting, Up, Down) is left out: the line is there as long as
the call is. So are echoes, which change no state.
"""

from enum import Enum
from typing import Final


class State(Enum):
    """Where a layer's negotiation stands; the numbers are the standard's."""

    CLOSED = 2
    STOPPED = 3
    CLOSING = 4
    STOPPING = 5
    REQ_SENT = 6
    ACK_RCVD = 7
    ACK_SENT = 8
    OPENED = 9


class Event(Enum):
    """What may happen to it."""

    OPEN = "Open"
    CLOSE = "Close"
    TIMEOUT = "TO+"  # the restart counter is above nought
    GIVE_UP = "TO-"
    GOOD_REQUEST = "RCR+"
    BAD_REQUEST = "RCR-"
    ACK = "RCA"
    NAK = "RCN"  # or Configure-Reject
    TERMINATE = "RTR"
    TERMINATED = "RTA"
    UNKNOWN_CODE = "RUC"
    HARMLESS_REJECT = "RXJ+"
    FATAL_REJECT = "RXJ-"


class Action(Enum):
    """What the layer then does; the words are the standard's."""

    UP = "tlu"
    DOWN = "tld"
    FINISHED = "tlf"
    INITIALISE_COUNT = "irc"
    ZERO_COUNT = "zrc"
    SEND_REQUEST = "scr"
    SEND_ACK = "sca"
    SEND_NAK = "scn"
    SEND_TERMINATE = "str"
    SEND_TERMINATE_ACK = "sta"
    SEND_CODE_REJECT = "scj"


# One row an event, one column a state in the order of State: actions and, behind the slash, the next state.
_TABLE: Final = """
Open  irc,scr/6 3              5         5         6           7              8            9
Close 2         2              4         4         irc,str/4   irc,str/4      irc,str/4    tld,irc,str/4
TO+   -         -              str/4     str/5     scr/6       scr/6          scr/8        -
TO-   -         -              tlf/2     tlf/3     tlf/3       tlf/3          tlf/3        -
RCR+  sta/2     irc,scr,sca/8  4         5         sca/8       sca,tlu/9      sca/8        tld,scr,sca/8
RCR-  sta/2     irc,scr,scn/6  4         5         scn/6       scn/7          scn/6        tld,scr,scn/6
RCA   sta/2     sta/3          4         5         irc/7       scr/6          irc,tlu/9    tld,scr/6
RCN   sta/2     sta/3          4         5         irc,scr/6   scr/6          irc,scr/8    tld,scr/6
RTR   sta/2     sta/3          sta/4     sta/5     sta/6       sta/6          sta/6        tld,zrc,sta/5
RTA   2         3              tlf/2     tlf/3     6           6              8            tld,scr/6
RUC   scj/2     scj/3          scj/4     scj/5     scj/6       scj/7          scj/8        scj/9
RXJ+  2         3              4         5         6           6              8            9
RXJ-  tlf/2     tlf/3          tlf/2     tlf/3     tlf/3       tlf/3          tlf/3        tld,irc,str/5
"""

Step = tuple[tuple[Action, ...], State]


def _read_table() -> dict[tuple[Event, State], Step]:
    steps: dict[tuple[Event, State], Step] = {}
    for row in _TABLE.strip().splitlines():
        name, *cells = row.split()
        for state, cell in zip(State, cells, strict=True):
            if cell != "-":
                words, _, following = cell.rpartition("/")
                actions = tuple(Action(word) for word in words.split(",") if word)
                steps[Event(name), state] = actions, State(int(following))
    return steps


_STEPS: Final = _read_table()


def step(event: Event, state: State) -> Step:
    """What follows an event; one that cannot happen in a state changes nothing."""
    return _STEPS.get((event, state), ((), state))
