"""The body behind a message header: where it ends, by its length or its structure. TS 27.005 3.4 and 4.1."""

from firmware_bridge.at.results import is_short_number
from firmware_bridge.at.tokens import parameters
from firmware_bridge.at.validators import is_pdu

MAX_TEXT = 4096

# Parameters of a text mode header without and with +CSDH=1, where the last one is the length (TS 27.005 3.1 <length>).
_WITHOUT_LENGTH = {"+CMGR": 4, "+CMGL": 5, "+CMT": 3, "+CDS": 0, "+CBM": 5}


def pdu_length(header: str) -> int | None:
    """The number of TPDU octets that `+CMGR: 0,,24` announces, None when it announces none."""
    values = parameters(header)
    last = values[-1] if values else None
    return int(last) if isinstance(last, str) and is_short_number(last) else None


def is_pdu_header(header: str) -> bool:
    """Whether a +CMT or +CDS header announces a PDU: `[alpha],length`; a text mode header has more."""
    return len(parameters(header)) <= 2 and pdu_length(header) is not None


def fits_header(header: str, line: str) -> bool:
    """Whether a line is the PDU that the header announces."""
    return is_pdu(line, pdu_length(header))


class TextBody:
    """A text mode body. It ends by the header's length, else at a result code behind an empty line.

    Line breaks count one or two characters, as modems differ; each is kept as LF.
    """

    __slots__ = ("_length", "_lines", "_size")

    def __init__(self, header: str) -> None:
        name = header.partition(":")[0]
        told = len(parameters(header)) > _WITHOUT_LENGTH.get(name, 4)
        self._length = pdu_length(header) if told else None
        self._lines: list[str] = []
        self._size = 0

    @property
    def text(self) -> str:
        """The body so far, without the empty lines that separate it from what follows."""
        return "\n".join(self._lines).rstrip("\n")

    def add(self, line: str) -> None:
        """One more line, an empty one included."""
        if self._size + len(line) < MAX_TEXT:
            self._size += len(line) + 1
            self._lines.append(line)

    def may_end(self, *, after_blank: bool) -> bool:
        """Whether a result code or a further header, coming now, ends the body."""
        if self._length is None:
            return after_blank
        text = self.text
        return len(text) + text.count("\n") >= self._length
