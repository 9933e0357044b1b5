"""Block lists as others publish them, to names: plain, hosts(5), RPZ zone files and the domain rules of Adblock lists.

A hub refuses a name together with what is below it. A line that is no such rule is refused with the reason: an
exception, or a rule for one path, taken as a name would block what its author did not mean. (An RPZ owner
without its wildcard is taken all the same: such lists hold both.)
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any, Final

FORMATS: Final = ("auto", "plain", "hosts", "rpz", "adblock")
MOST_SHOWN: Final = 1_000
_SAMPLE_LINES: Final = 500
_NAME: Final = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
# What hosts files say of the machine itself.
_LOCAL: Final = re.compile(r"localhost|localhost\.localdomain|local|broadcasthost|ip6-.*|0\.0\.0\.0")
_ADBLOCK: Final = re.compile(r"\|\|(?P<name>[^/^|$*]+)\^?(?P<rest>.*)")
# Options with which a rule still refuses the whole name.
_WHOLE: Final = frozenset({"important", "all", "document", "doc"})
# RPZ actions (draft-vixie-dnsop-dns-rpz section 3) by the target of their CNAME.
_REFUSING: Final = frozenset({".", "*.", "rpz-drop."})


class _Refused(Exception):  # noqa: N818  # a line's outcome, never seen outside
    """The line names nothing to refuse whole; why, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """What became of each line: `refused` shows the first of those that were, by line number."""

    format: str
    lines: int
    names: int
    counts: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[dict[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        whole = {"format": self.format, "lines": self.lines, "names": self.names}
        return {**whole, "counts": dict(self.counts), "refused": list(self.refused)}


def read_list(text: str, format_: str = "auto") -> tuple[tuple[str, ...], ListReport]:
    """Return the names, sorted, none of which lies below another, and what became of each line.

    Counts: taken, empty (comments too), duplicate, covered (a name above it is on the list), refused.
    """
    lines = text.splitlines()
    kind = detect(lines) if format_ == "auto" else format_
    counts: Counter[str] = Counter()
    refused: list[dict[str, Any]] = []
    names: set[str] = set()
    for number, found in enumerate(_READERS[kind](lines), start=1):
        if isinstance(found, str):
            counts["refused"] += 1
            refused.append({"line": number, "text": lines[number - 1][:100], "reason": found})
            continue
        counts["empty"] += not found
        for name in found:
            counts["duplicate" if name in names else "taken"] += 1
            names.add(name)
    least = tuple(sorted(name for name in names if not _is_covered(name, names)))
    counts["covered"] = len(names) - len(least)
    counts["taken"] -= counts["covered"]
    shown = tuple(refused[:MOST_SHOWN])
    return least, ListReport(format=kind, lines=len(lines), names=len(least), counts=counts, refused=shown)


def detect(lines: list[str]) -> str:
    """Return the format most of the first lines are in."""
    votes: Counter[str] = Counter()
    for line in [each.strip() for each in lines if each.strip()][:_SAMPLE_LINES]:
        words = line.split()
        if line.startswith(("||", "@@", "!", "[Adblock")) or "##" in line:
            votes["adblock"] += 1
        elif line.startswith(("$TTL", "$ORIGIN")) or {"CNAME", "SOA", "NS"} & {word.upper() for word in words[1:5]}:
            votes["rpz"] += 1
        elif len(words) > 1 and _is_address(words[0]):
            votes["hosts"] += 1
    return votes.most_common(1)[0][0] if votes else "plain"


def _plain(lines: Iterable[str]) -> Iterator[list[str] | str]:
    for line in lines:
        yield _outcome(lambda text: [_name(text)] if text else [], line.split("#", 1)[0].strip())


def _hosts(lines: Iterable[str]) -> Iterator[list[str] | str]:
    for line in lines:
        yield _outcome(_hosts_line, line.split("#", 1)[0].strip())


def _hosts_line(line: str) -> list[str]:
    if not line:
        return []
    address, *names = line.split()
    if not _is_address(address):
        raise _Refused("it does not begin with an address")
    at = ip_address(address.split("%")[0])
    if not at.is_unspecified and not at.is_loopback:
        raise _Refused("it points a name elsewhere")
    return [_name(name) for name in names if not _LOCAL.fullmatch(name.lower())]


def _rpz(lines: Iterable[str]) -> Iterator[list[str] | str]:
    origin, depth = "", 0
    for line in lines:
        text = line.split(";", 1)[0].rstrip()
        inside = depth > 0
        depth += text.count("(") - text.count(")")
        if inside or not text.strip():
            yield []
        elif text.startswith("$ORIGIN"):
            origin = text.split()[-1].lower().strip(".")
            yield []
        else:
            yield _outcome(partial(_rpz_record, origin=origin), text)


def _rpz_record(text: str, origin: str) -> list[str]:
    words = text.split()
    kinds = [word.upper() for word in words]
    if text.startswith(("$", "@")) or text[0].isspace() or {"SOA", "NS"} & set(kinds[1:4]):
        return []
    if "CNAME" not in kinds[1:4]:
        raise _Refused("it answers with data of its own")
    target = words[kinds.index("CNAME", 1) + 1].lower() if kinds.index("CNAME", 1) + 1 < len(words) else ""
    if target == "rpz-passthru.":
        raise _Refused("it is an exception")
    if target not in _REFUSING:
        raise _Refused("it points a name elsewhere")
    owner = words[0].lower()
    if owner.endswith("."):
        owner = owner.rstrip(".").removesuffix(f".{origin}") if origin else owner.rstrip(".")
    if ".rpz-" in f".{owner}":
        raise _Refused("it is triggered by an address, not by a name")
    return [_name(owner.removeprefix("*."))]


def _adblock(lines: Iterable[str]) -> Iterator[list[str] | str]:
    for line in lines:
        yield _outcome(_adblock_rule, line.strip())


def _adblock_rule(line: str) -> list[str]:
    if not line or line.startswith(("!", "[", "# ")):
        return []
    if line.startswith("@@"):
        raise _Refused("it is an exception")
    if "##" in line or "#@#" in line or "#?#" in line:
        raise _Refused("it hides parts of pages")
    if not line.startswith("||"):
        return [_name(line)]
    rule = _ADBLOCK.fullmatch(line)
    if rule is None or (rule["rest"] and not rule["rest"].startswith("$")):
        raise _Refused("it is about a part of a site")
    options = {each.strip() for each in rule["rest"].removeprefix("$").split(",") if each.strip()}
    if options - _WHOLE:
        raise _Refused(f"it is limited by {', '.join(sorted(options - _WHOLE))[:60]}")
    return [_name(rule["name"])]


_READERS: Final[dict[str, Callable[[Iterable[str]], Iterator[list[str] | str]]]] = {
    "plain": _plain,
    "hosts": _hosts,
    "rpz": _rpz,
    "adblock": _adblock,
}


def _outcome(read: Callable[[str], list[str]], line: str) -> list[str] | str:
    try:
        return read(line)
    except _Refused as refusal:
        return str(refusal)


def _name(text: str) -> str:
    """Return a name in lower case and its ASCII form."""
    name = text.strip().lower().rstrip(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise _Refused("it is no name") from None
    if _is_address(name):
        raise _Refused("it is an address")
    if _NAME.fullmatch(name) is None:
        raise _Refused("it is no name")
    return name


def _is_address(text: str) -> bool:
    try:
        ip_address(text.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    return True


def _is_covered(name: str, names: set[str]) -> bool:
    rest = name
    while "." in rest:
        rest = rest.split(".", 1)[1]
        if rest in names:
            return True
    return False
