"""Business words to wire words: the desired document of one hub, rendered for what that hub understands.

A field that restricts is named in `requires` (decision 3), so that an older hub stays closed and says so. The document
is retained by a broker, so it holds no personal data: SIMs are named by digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from device_agent.protocol import (
    Ack,
    Bearer,
    BootAck,
    Channel,
    Desired,
    Internet,
    ListReference,
    ParentalControls,
    Reporting,
    Request,
    digest_identifier,
    encode,
    topic,
)

MOST_BOOTS: Final = 64  # of one acknowledgement: the contract's own limit


class ListView(Protocol):
    """A category list that is blocked."""

    @property
    def category(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def size(self) -> int: ...


class ControlsView(Protocol):
    """Parental controls in business words; `lists` are those of the level's categories and of the overrides."""

    @property
    def level(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def lists(self) -> Sequence[ListView]: ...
    @property
    def allow(self) -> Sequence[str]: ...
    @property
    def deny(self) -> Sequence[str]: ...
    @property
    def safe_search(self) -> bool: ...


class RequestView(Protocol):
    """A one-off request."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...


class DocumentView(Protocol):
    """What a hub should be, in business words (controller/services/desired.py)."""

    @property
    def hub_id(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def issued_at(self) -> datetime: ...
    @property
    def internet_on(self) -> bool: ...
    @property
    def until(self) -> datetime | None: ...
    @property
    def iccids(self) -> Sequence[str]: ...
    @property
    def apn(self) -> str | None: ...
    @property
    def controls(self) -> ControlsView: ...
    @property
    def requests(self) -> Sequence[RequestView]: ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes to the broker."""

    topic: str
    payload: bytes


def render_document(document: DocumentView, *, lists_base_url: str, reporting: Reporting | None = None) -> Rendered:
    """Render the document; lists are fetched below `lists_base_url`. Raises TooLargeError when it doesn't fit."""
    hub = document.hub_id
    desired = Desired(
        revision=document.revision,
        issued_at=_milliseconds(document.issued_at),
        internet=Internet(on=document.internet_on, until=_milliseconds(document.until) if document.until else None),
        requires=_requires(document),
        sims=tuple(digest_identifier(hub, iccid) for iccid in document.iccids),
        bearer=Bearer(apn=document.apn) if document.apn else None,
        parental_controls=_controls(document.controls, lists_base_url),
        reporting=reporting or Reporting(),
        requests=tuple(
            Request(id=each.id, kind=each.kind, expires_at=_milliseconds(each.expires_at)) for each in document.requests
        ),
    )
    return Rendered(topic(hub, Channel.DESIRED), encode(desired))


def render_ack(hub_id: str, boots: Mapping[int, int]) -> Rendered:
    """Render the acknowledgement of {boot: seq}; of too many boots the newest are named."""
    newest = sorted(boots.items())[-MOST_BOOTS:]
    ack = Ack(boots=tuple(BootAck(boot=boot, seq=seq) for boot, seq in newest))
    return Rendered(topic(hub_id, Channel.ACK), encode(ack))


def _requires(document: DocumentView) -> tuple[str, ...]:
    wanted = {
        "lease": document.internet_on,
        "sim-lock": document.internet_on,
        "parental-controls": document.controls.enabled,
        "safe-search": document.controls.enabled and document.controls.safe_search,
        "requests": bool(document.requests),
    }
    return tuple(feature for feature, needed in wanted.items() if needed)


def _controls(controls: ControlsView, lists_base_url: str) -> ParentalControls:
    return ParentalControls(
        level=controls.level,
        enabled=controls.enabled,
        lists=tuple(
            ListReference(
                category=each.category, digest=each.digest, size=each.size, url=list_url(lists_base_url, each.digest)
            )
            for each in controls.lists
        ),
        allow=tuple(controls.allow),
        deny=tuple(controls.deny),
        safe_search=controls.safe_search,
    )


def list_url(base_url: str, digest: str) -> str:
    """Name where a hub fetches a list; the digest, which stands in the document, is what it believes."""
    return f"{base_url.rstrip('/')}/lists/{digest}"


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
