"""Finding the place again after a reply was lost: a proof that can't be mistaken, without a clock.

Strategy. Answers come in the order of the commands, but nobody knows how many are still to come; an echo proves
nothing, because a modem may echo at once and answer later. So the *answer* must show which probe it belongs to:

1. Chain: one line of reads, `AT+CMEE?;+CFUN?;+CFUN?;…`. Which read stands where spells a number, new for each probe,
   and the modem answers in that order. Only the answer to the newest probe counts: when it has come, nothing is owed.
2. Word: for modems that know no chains, ten single reads, one at a time, in the pattern aaaab????b. The pattern never
   overlaps itself, so answers that are 1 … 9 commands late can't spell it, and ???? differs from word to word. Any two
   commands with distinguishable answers will do: reads seen to work on this modem, `AT` (OK), a nonsense (ERROR).
3. Count: for a modem that says the same to everything (OK, or ERROR), as many finals as lines were sent. Weak, and
   counted as such.

V.250 5.2.1 (chains), TS 27.007 9.1 (+CMEE) and 8.2 (+CFUN).
"""

from dataclasses import dataclass
from enum import Enum, auto

from firmware_bridge.at.commands import Final

ESCAPE = b"\x1b"  # leaves the text mode of a `>` prompt (TS 27.005 3.5.1)
CHAIN_BITS = 8
WORD_NONCES = 15
MAX_MISFITS = 20
MAX_LEARNED = 2
MAX_JUDGED = 64


@dataclass(frozen=True, slots=True)
class ResyncTiming:
    """Seconds. A probe is given the next of `windows_s`; something else heard, it is given `settle_s` more.

    When the windows are used up in silence the modem counts as silent. `total_s` bounds it all.
    """

    windows_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    settle_s: float = 0.5
    total_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """Bytes to write and the seconds its answer is given."""

    data: bytes
    window_s: float


class Outcome(Enum):
    """What a final result code meant for the proof."""

    NEXT = auto()
    """The probe was answered and the next is due at once."""
    MISFIT = auto()
    """The answer of something else, or of a probe this modem does not know."""
    PROVED = auto()
    """Nothing is owed any more."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A command whose answer can be recognised: by the name before its colon, or by its final alone."""

    text: str
    name: str | None = None
    succeeds: bool = True

    def fits(self, names: tuple[str, ...], final: Final) -> bool:
        """Whether a reply with these information lines and this final is this symbol's."""
        return final.succeeded is self.succeeds and names == ((self.name,) if self.name else ())


CANDIDATES = (
    Symbol("AT+CMEE?", "+CMEE"),
    Symbol("AT+CFUN?", "+CFUN"),
    Symbol("AT+CSQ", "+CSQ"),
    Symbol("AT+CPIN?", "+CPIN"),
    Symbol("AT"),
    Symbol("AT+MINIHUBNONE", succeeds=False),
)


class Resynchroniser:
    """The proof as a machine: `begin`, then `next_probe` and what was heard, until an outcome is PROVED.

    It remembers over the life of a port what this modem answers, so that a later proof takes one round trip.
    `first` starts the numbering: give different numbers to different lives of a port.
    """

    def __init__(self, timing: ResyncTiming, first: int = 0) -> None:
        self.timing = timing
        self.weak_proofs = 0
        self._candidates = list(CANDIDATES)
        self.judged = {symbol.text for symbol in CANDIDATES}
        self._number = first
        self._chain_known: bool | None = None
        self._finals_expected = 0
        self._restart()

    def _restart(self) -> None:
        self._silences = 0
        self._misfits = 0
        self._heard: list[str] = []
        self._heard_final = False
        self._finals = 0
        self._monotonous = True
        self._verdict: bool | None = None
        self._word: tuple[Symbol, ...] = ()
        self._place = 0
        self._void = False
        self._chain: tuple[str, ...] = ()
        self._old_chains: set[tuple[str, ...]] = set()
        self._escape = False

    def begin(self, *, owed: int, escape: bool = False) -> None:
        """A reply was lost: `owed` finals of written commands have not come. `escape` leaves a prompt first."""
        self._restart()
        self._finals_expected = owed
        self._escape = escape

    def begin_again(self) -> None:
        """Start over with the same debts: a later caller tries what an earlier one gave up.

        Finals that nobody was known to owe are no credit.
        """
        self.begin(owed=max(0, self._finals_expected - self._finals), escape=self._escape)

    @property
    def names(self) -> frozenset[str]:
        """The names that belong to probes: such a line is an answer, not unsolicited."""
        return frozenset(symbol.name for symbol in self._candidates if symbol.name)

    def judge(self, text: str, name: str | None) -> None:
        """A read that this modem has answered: with the name of its one line it is better evidence than any guess.

        Without, nothing can be told by it. Each is judged once, and none beyond MAX_JUDGED.
        """
        if text in self.judged or len(self.judged) >= MAX_JUDGED:
            return
        self.judged.add(text)
        if name is not None and len(self._candidates) < len(CANDIDATES) + MAX_LEARNED:
            self._candidates.insert(2, Symbol(text, name))

    def next_probe(self) -> Probe | None:
        """What to write now; None when all was tried in vain."""
        if self._place:
            return self._probe_for(self._word[self._place].text)
        if self._exhausted():
            return None
        self._number += 1
        if self._chain:
            self._old_chains.add(self._chain)
        self._chain, self._word, self._void = (), (), False
        reads = tuple(symbol for symbol in self._candidates if symbol.name)[:2]
        return self._chain_probe(reads) if len(reads) == 2 and self._may_chain() else self._word_probe()

    def _exhausted(self) -> bool:
        misfits = MAX_MISFITS if self.weak_proofs == 0 else MAX_MISFITS // 4
        return self._silences >= len(self.timing.windows_s) or self._misfits >= misfits

    def _may_chain(self) -> bool:
        tries = self._misfits + self._silences
        return self._chain_known is not False and (tries == 0 or (self._chain_known is True and tries % 4 != 3))

    def _chain_probe(self, pair: tuple[Symbol, ...]) -> Probe:
        chosen = [pair[self._number >> bit & 1] for bit in range(CHAIN_BITS)]
        self._chain = tuple(symbol.name or "" for symbol in chosen)
        return self._probe_for("AT" + ";".join(symbol.text[2:] for symbol in chosen))

    def _word_probe(self) -> Probe:
        a, b = self._candidates[:2]
        nonce = self._number % WORD_NONCES + 1  # never 0000: `aaaabaaaab` would overlap itself
        free = tuple(b if nonce >> bit & 1 else a for bit in range(4))
        self._word = (a, a, a, a, b, *free, b)
        return self._probe_for(a.text)

    def _probe_for(self, text: str) -> Probe:
        data = text.encode("ascii") + b"\r"
        if self._escape:
            self._escape = False
            data = ESCAPE + data
        self._finals_expected += 1
        self._heard_final = False
        return Probe(data, self.timing.windows_s[min(self._silences, len(self.timing.windows_s) - 1)])

    def heard_line(self, name: str) -> None:
        """An information line with a name that belongs to probes."""
        if len(self._heard) < 4 * CHAIN_BITS:
            self._heard.append(name)

    def heard_final(self, final: Final) -> Outcome:
        """A final result code: the end of some answer."""
        names = tuple(self._heard)
        self._heard.clear()
        self._finals += 1
        self._monotonous = self._monotonous and not names and self._verdict in {None, final.succeeded}
        self._verdict = final.succeeded
        self._heard_final = True
        self._silences = 0
        if self._chain and final.succeeded and names[-CHAIN_BITS:] == self._chain:
            self._chain_known = True
            return Outcome.PROVED
        if names in self._old_chains:
            self._chain_known = True
        if self._word and not self._void and self._word[self._place].fits(names, final):
            return self._spell_on()
        self._void = True  # what comes now belongs to older commands: only a new word can prove anything
        return Outcome.MISFIT

    def _spell_on(self) -> Outcome:
        self._place += 1
        if self._place < len(self._word):
            return Outcome.NEXT
        self._place = 0
        if self._chain_known is None and self._old_chains:
            spoken = {symbol.name for symbol in self._word}
            self._chain_known = False if all(set(chain) <= spoken for chain in self._old_chains) else None
        return Outcome.PROVED

    def window_passed(self) -> bool:
        """The probe's time is over without the right answer. True if the count of finals proves the place instead."""
        if self._heard_final:
            self._misfits += 1
        else:
            self._silences += 1
        if self._word:
            self._move_back(self._word[self._place])
        elif not self._heard_final and self._chain_known is None:
            self._candidates.sort(key=lambda symbol: symbol.text != "AT")  # alive at all? (a stable sort)
        self._place = 0
        counted = self._exhausted() and self._monotonous and 0 < self._finals == self._finals_expected
        self.weak_proofs += counted
        return counted

    def _move_back(self, symbol: Symbol) -> None:
        self._candidates.remove(symbol)
        self._candidates.append(symbol)
