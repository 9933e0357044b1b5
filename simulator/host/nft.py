"""The stand-in for nft(8): the real command line of the conformance table on a rule set in a file.

`nft -j -f -`, `nft -c -j -f -` (check only), `nft -j list table inet T`, `nft -j list set inet T S`, `nft --version`.
Time is CLOCK_BOOTTIME, like the kernel's own for element timeouts.
"""

import contextlib
import fcntl
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from simulator.host.ruleset import Ruleset, RulesetError, UnknownToStandInError

STATE_FILE = "nft.json"
# nft's own code for a refused transaction, and one that real nft never uses, for what the stand-in does not play.
REFUSED = 1
NOT_PLAYED = 64


def run(argv: Sequence[str], stdin: str, ruleset: Ruleset, now: float) -> tuple[int, str, str]:
    """Carry out one command line on a rule set; returns (exit code, stdout, stderr)."""
    try:
        return 0, _dispatch(list(argv), stdin, ruleset, now), ""
    except UnknownToStandInError as error:
        return NOT_PLAYED, "", f"{error}\n"
    except RulesetError as error:
        return REFUSED, "", f"{error}\n"


def _dispatch(argv: list[str], stdin: str, ruleset: Ruleset, now: float) -> str:
    match argv:
        case ["--version"]:
            return "nftables v1.0.6 (Lester Gooch #5)\n"
        case ["-j", "-f", "-"]:
            ruleset.apply(_read(stdin), now)
            return ""
        case ["-c", "-j", "-f", "-"]:
            Ruleset(json.loads(json.dumps(ruleset.state))).apply(_read(stdin), now)
            return ""
        case ["-j", "list", "table", family, name]:
            return json.dumps(ruleset.list_table(family, name, now)) + "\n"
        case ["-j", "list", "set", family, table, name]:
            return json.dumps(ruleset.list_set(family, table, name, now)) + "\n"
        case _:
            raise UnknownToStandInError("nft " + " ".join(argv))


def _read(stdin: str) -> object:
    try:
        return json.loads(stdin)
    except ValueError:
        raise UnknownToStandInError("a rule set that is not JSON") from None


@contextlib.contextmanager
def locked_ruleset(state_dir: Path) -> Iterator[Ruleset]:
    """The rule set in the state directory, held alone; written back when the block ends well."""
    path = state_dir / STATE_FILE
    with (state_dir / "nft.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            ruleset = Ruleset(json.loads(path.read_text()))
        except FileNotFoundError:
            ruleset = Ruleset()
        yield ruleset
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(ruleset.state))
        draft.replace(path)


def main(state_dir: Path, argv: Sequence[str]) -> int:
    """Run as an executable; returns the exit code."""
    stdin = sys.stdin.read() if "-f" in argv else ""
    with locked_ruleset(state_dir) as ruleset:
        code, out, err = run(argv, stdin, ruleset, time.clock_gettime(time.CLOCK_BOOTTIME))
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code
