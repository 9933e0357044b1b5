"""Stored messages (TS 27.005 3.4): +CMGL and +CMGR in PDU mode, +CMTI, +CPMS, and the joining of parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from firmware_bridge.errors import ReplyError
from firmware_bridge.modem.parse.fields import at, failure, fields, first_payload, number, payload
from firmware_bridge.modem.parse.pdu import Deliver, decode_deliver
from firmware_bridge.types import Sms


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored PDU: where, and its SMS-DELIVER, or None for a status report, a sent message or rubbish."""

    index: int
    deliver: Deliver | None


def _decoded(pdu: str) -> Deliver | None:
    try:
        return decode_deliver(pdu)
    except ReplyError:
        return None


def direct(pdus: Sequence[str]) -> list[Stored]:
    """PDUs that are in no storage (+CMT), under the places … -2, -1 in their order: those that `pdus` has for them."""
    return [Stored(place, _decoded(pdus[place])) for place in range(-len(pdus), 0)]


def parse_cmgl(lines: Sequence[str]) -> tuple[Stored, ...]:
    """`+CMGL: <index>,<stat>,[alpha],<length>` each followed by its PDU line; an empty list is a bare OK (Q17).

    Raises:
        ReplyError: for a header without an index. What a PDU holds never raises: one bad message hides no other.
    """
    found = []
    index: int | None = None
    for line in lines:
        text = payload(line, "+CMGL")
        if text is not None:
            index = number(fields(text)[0])
            if index is None:
                raise failure("+CMGL", text, "no <index>")
        elif index is not None and line.strip():
            found.append(Stored(index, _decoded(line.strip())))
            index = None
    return tuple(found)


def parse_cmgr(lines: Sequence[str], index: int) -> Stored | None:
    """`+CMGR: <stat>,[alpha],<length>` and its PDU line; None for an empty place."""
    headed = False
    for line in lines:
        if payload(line, "+CMGR") is not None:
            headed = True
        elif headed and line.strip():
            return Stored(index, _decoded(line.strip()))
    return None


def parse_cmti(line: str) -> tuple[str, int]:
    """`+CMTI: "ME",5`, the storage quoted or bare (Q38)."""
    values = fields(first_payload([line], "+CMTI"))
    index = number(at(values, 1))
    if index is None or not values[0]:
        raise failure("+CMTI", line, "no <mem>,<index>")
    return values[0].upper(), index


def parse_cpms(lines: Sequence[str]) -> tuple[str | None, int, int]:
    """The reading storage, used and total: `"ME",0,255,…` when asked, `0,255,…` when set."""
    values = fields(first_payload(lines, "+CPMS"))
    storage = None if number(values[0]) is not None else values[0].upper()
    counts = values if storage is None else values[1:]
    used, total = number(at(counts, 0)), number(at(counts, 1))
    if used is None or total is None:
        raise failure("+CPMS", " | ".join(lines), "no <used>,<total>")
    return storage, used, total


def _joined(parts: Sequence[tuple[int, Deliver]], storage: str | None) -> Sms:
    first = parts[0][1]
    body = "".join(deliver.body for _, deliver in parts)
    return Sms(first.sender, first.at, body, tuple(index for index, _ in parts), storage)


def join_parts(stored: Iterable[Stored], storage: str | None = None) -> tuple[tuple[Sms, ...], tuple[int, ...]]:
    """Whole messages in order of arrival, and the indexes that belong to none (parts still missing, not decodable).

    Parts belong together by sender, reference, its width and total. The same part twice counts once: the later index
    is an orphan.
    """
    whole: list[tuple[int, Sms]] = []
    orphans: list[int] = []
    groups: dict[tuple[str, int, int, bool], dict[int, tuple[int, Deliver]]] = {}
    for item in stored:
        deliver = item.deliver
        if deliver is None:
            orphans.append(item.index)
        elif deliver.part is None:
            whole.append((item.index, _joined([(item.index, deliver)], storage)))
        else:
            part = deliver.part
            group = groups.setdefault((deliver.sender, part.reference, part.total, part.wide), {})
            if part.sequence in group:
                orphans.append(item.index)
            else:
                group[part.sequence] = (item.index, deliver)
    for key, group in groups.items():
        if len(group) == key[2]:
            parts = [group[sequence] for sequence in sorted(group)]
            whole.append((min(index for index, _ in parts), _joined(parts, storage)))
        else:
            orphans += [index for index, _ in group.values()]
    return tuple(sms for _, sms in sorted(whole, key=lambda found: found[0])), tuple(sorted(orphans))
