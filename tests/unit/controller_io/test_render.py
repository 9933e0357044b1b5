import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.link.render import render_ack, render_document
from device_agent import protocol

HUB = "01890000-0000-7000-8000-000000000001"
NOW = datetime(2026, 11, 22, 9, 0, 0, 250_000, tzinfo=UTC)


@dataclass(frozen=True)
class List:
    category: str = "gambling"
    digest: str = "sha256:" + "0" * 64
    size: int = 10


@dataclass(frozen=True)
class Controls:
    level: str = "light"
    enabled: bool = True
    lists: tuple[List, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    safe_search: bool = False


@dataclass(frozen=True)
class Request:
    id: str = "r1"
    kind: str = "diagnose"
    expires_at: datetime = NOW + timedelta(hours=1)


@dataclass(frozen=True)
class Document:
    hub_id: str = HUB
    revision: int = 7
    issued_at: datetime = NOW
    internet_on: bool = True
    until: datetime | None = NOW + timedelta(hours=24)
    iccids: tuple[str, ...] = ("8944100000000000011",)
    apn: str = "internet"
    controls: Controls = field(default_factory=Controls)
    requests: tuple[Request, ...] = ()


def rendered(document: Document) -> protocol.Desired:
    result = render_document(document, lists_base_url="http://controller:8080/")
    assert result.topic == f"minihub/v1/{HUB}/desired"
    desired = protocol.decode(protocol.Channel.DESIRED, result.payload)
    assert isinstance(desired, protocol.Desired)
    return desired


def test_a_document_says_what_the_hub_should_be() -> None:
    desired = rendered(Document())
    assert desired.revision == 7
    assert desired.internet.on
    assert desired.internet.until == int((NOW + timedelta(hours=24)).timestamp() * 1000)
    assert desired.bearer == protocol.Bearer(apn="internet")


def test_a_sim_is_named_by_digest_only() -> None:
    result = render_document(Document(), lists_base_url="http://x")
    assert b"8944100000000000011" not in result.payload
    wanted = hashlib.sha256(f"{HUB}|8944100000000000011".encode()).hexdigest()
    assert rendered(Document()).sims == ("sha256:" + wanted,)


@pytest.mark.parametrize(
    ("document", "required"),
    [
        (Document(), ("lease", "sim-lock", "parental-controls")),
        (Document(internet_on=False, until=None), ("parental-controls",)),
        (Document(internet_on=False, until=None, controls=Controls("off", enabled=False)), ()),
        (Document(controls=Controls(safe_search=True)), ("lease", "sim-lock", "parental-controls", "safe-search")),
        (Document(requests=(Request(),)), ("lease", "sim-lock", "parental-controls", "requests")),
    ],
)
def test_what_restricts_is_required(document: Document, required: tuple[str, ...]) -> None:
    assert rendered(document).requires == required
    assert protocol.missing_features(rendered(document)) == ()


def test_lists_are_named_by_digest_and_place() -> None:
    [reference] = rendered(Document(controls=Controls(lists=(List(),)))).parental_controls.lists  # type: ignore[union-attr]
    assert reference.url == f"http://controller:8080/lists/{List().digest}"
    assert (reference.category, reference.size) == ("gambling", 10)


def test_the_same_document_has_the_same_bytes() -> None:
    one = render_document(Document(), lists_base_url="http://x")
    two = render_document(replace(Document()), lists_base_url="http://x")
    assert one == two


@given(st.dictionaries(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1), min_size=1, max_size=200))
def test_an_acknowledgement_always_fits_and_names_the_newest_boots(boots: dict[int, int]) -> None:
    result = render_ack(HUB, boots)
    ack = protocol.decode(protocol.Channel.ACK, result.payload)
    assert isinstance(ack, protocol.Ack)
    told = {each.boot: each.seq for each in ack.boots}
    assert told == {boot: boots[boot] for boot in sorted(boots)[-64:]}
