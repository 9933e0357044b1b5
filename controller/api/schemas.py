"""What the API takes in: bounded text, aware instants, and an example of each document."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from controller.domain.facts import DeterminationKind, HubFate, Jurisdiction, LineEventKind, SuspicionKind, Symptom
from controller.domain.price_freeze import Charge

_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)


def _storable(text: str) -> str:
    """Refuse what no database text column holds."""
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("text holds a character that can't be stored")
    return text


def _in_range(instant: datetime) -> datetime:
    if not _FIRST <= instant <= _LAST:
        raise ValueError("an instant lies between the years 2000 and 2100")
    return instant.astimezone(UTC)


def _day_in_range(day: date) -> date:
    if not _FIRST.date() <= day <= _LAST.date():
        raise ValueError("a day lies between the years 2000 and 2100")
    return day


Instant = Annotated[AwareDatetime, AfterValidator(_in_range)]
Day = Annotated[date, AfterValidator(_day_in_range)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_storable)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
LongText = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=36), AfterValidator(_storable)]
Iccid = Annotated[str, StringConstraints(pattern=r"^[0-9]{18,20}$")]
Imsi = Annotated[str, StringConstraints(pattern=r"^[0-9]{6,15}$")]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[0-9]{7,15}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s\x00]{1,64}@[^@\s\x00]{1,185}$")]
Megabytes = Annotated[int, Field(ge=0, le=100_000_000)]
Version = Annotated[int, Field(ge=1, le=2**31)]


def example(**document: Any) -> ConfigDict:
    """Attach an example, and refuse fields that aren't known: a misspelt one must not be ignored."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [document]})


class NewAccount(BaseModel):
    """A billing account."""

    model_config = example(holder_name="A. Customer", email="a.customer@example.org", mobile="+447700900123")
    holder_name: Text
    email: Email | None = None
    mobile: E164 | None = None


class ChangedAccount(BaseModel):
    """New values of an account; what is absent stays. `version` is the one that was read."""

    model_config = example(version=1, email="new@example.org")
    version: Version
    holder_name: Text | None = None
    email: Email | None = None
    mobile: E164 | None = None


class NewLine(BaseModel):
    """A line at a place."""

    model_config = example(postcode="AB12 3CD", jurisdiction="scotland")
    landline: E164 | None = None
    postcode: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ]{2,10}$")] | None = None
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES
    remote: bool = False


class NewService(BaseModel):
    """A broadband service: on a new line, or on `line_id`."""

    model_config = example(
        product="Superfast Fibre Plus",
        starts_on="2026-01-05",
        line={"postcode": "AB12 3CD", "jurisdiction": "england_and_wales"},
    )
    product: Word
    starts_on: Day
    line: NewLine | None = None
    line_id: Id | None = None


class ChangedService(BaseModel):
    """A last day (null takes it back), or another product from a day on."""

    model_config = example(last_day="2026-12-31")
    last_day: Day | None = None
    product: Word | None = None
    from_day: Day | None = None


class MovedService(BaseModel):
    """The line a service moves to, a new one or `line_id`, and its first day there."""

    model_config = example(from_day="2026-12-01", line={"postcode": "CD45 6EF", "jurisdiction": "scotland"})
    from_day: Day
    line: NewLine | None = None
    line_id: Id | None = None


class NewLeaveRequest(BaseModel):
    """A request to leave Plus (T§6)."""

    model_config = example(requested_at="2026-11-20T09:00:00+00:00")
    requested_at: Instant | None = None
    to_product: Word | None = None


class Sim(BaseModel):
    """A SIM card."""

    model_config = example(iccid="8944110065432109876", imsi="234100000000001", msisdn="+447700900124")
    iccid: Iccid
    imsi: Imsi | None = None
    msisdn: E164 | None = None


class Journey(BaseModel):
    """Since when a SIM is outside the UK; now by default."""

    model_config = example(at="2026-11-20T09:00:00+00:00")
    at: Instant | None = None


class NewPlan(BaseModel):
    """A mobile plan with its SIMs; `allowance_mb` null is unlimited."""

    model_config = example(
        name="Family 20 GB",
        allowance_mb=20000,
        purchased_at="2026-01-05T12:00:00+00:00",
        sims=[{"iccid": "8944110065432109876", "imsi": "234100000000001", "msisdn": "+447700900124"}],
    )
    name: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_storable)]
    allowance_mb: Megabytes | None
    purchased_at: Instant
    live_from: Instant | None = None
    extra_speed_from: Instant | None = None
    sims: Annotated[list[Sim], Field(max_length=20)] = []


class ChangedPlan(BaseModel):
    """A plan's own allowance from an instant on."""

    model_config = example(allowance_mb=40000, effective_from="2026-12-01T00:00:00+00:00")
    allowance_mb: Megabytes | None
    effective_from: Instant


class EndedPlan(BaseModel):
    """A plan's last day; null takes it back."""

    model_config = example(last_day="2026-12-31")
    last_day: Day | None


class MovedPlan(BaseModel):
    """The account a plan moves to, and when."""

    model_config = example(account_id="01990000-0000-7000-8000-000000000001", from_at="2026-12-01T00:00:00+00:00")
    account_id: Id
    from_at: Instant


class NewAddOn(BaseModel):
    """Data bought on top."""

    model_config = example(add_on_mb=5000, valid_from="2026-11-20T00:00:00+00:00")
    add_on_mb: Annotated[int, Field(ge=1, le=100_000_000)]
    valid_from: Instant
    valid_until: Instant | None = None


class NewBill(BaseModel):
    """A bill past its due day."""

    model_config = example(due_on="2026-11-01")
    due_on: Day
    grounds: Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)] = ""


class NewSuspicion(BaseModel):
    """A reasonable suspicion, with its grounds and the person who stands for it."""

    model_config = example(kind="fraud", grounds="three reports from one handset", by="J. Reviewer")
    kind: SuspicionKind
    grounds: Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_storable)]
    by: Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_storable)]
    fault_id: Id | None = None


class NewHub(BaseModel):
    """An enrolment."""

    model_config = example(serial="BTMH-0001", sim={"iccid": "8944110065432109884", "imsi": "234100000000002"})
    serial: Word
    sim: Sim


class NewAssignment(BaseModel):
    """The line a hub belongs to, from its dispatch on."""

    model_config = example(line_id="01990000-0000-7000-8000-000000000002", dispatched_at="2026-02-01T10:00:00+00:00")
    line_id: Id
    dispatched_at: Instant
    delivered_at: Instant | None = None


class NewEvidence(BaseModel):
    """What a depot read of a unit; only what was seen."""

    model_config = example(imei="001001110000009", model="TEST-HUB-BT", branding="BT", at="2026-02-01T09:00:00+00:00")
    imei: Annotated[str, StringConstraints(pattern=r"^[0-9]{14,17}$")] | None = None
    model: Word | None = None
    firmware: Word | None = None
    mac: Word | None = None
    usb_id: Word | None = None
    branding: Word | None = None
    certificate_issuer: Text | None = None
    iccid: Iccid | None = None
    operator_verdict: Literal["bt_branded", "not_bt_branded", "undetermined"] | None = None
    at: Instant | None = None


class NewLoss(BaseModel):
    """What became of a hub."""

    model_config = example(fate="lost_in_post")
    fate: HubFate
    at: Instant | None = None


class Controls(BaseModel):
    """Parental controls as the customer asked for them by phone (T§19); what is absent stays."""

    model_config = example(level="moderate", deny=["example.net"])
    level: Literal["off", "light", "moderate", "strict", "custom"] | None = None
    categories: Annotated[list[Word], Field(max_length=100)] | None = None
    overrides: Annotated[dict[Word, bool], Field(max_length=100)] | None = None
    allow: Annotated[list[Text], Field(max_length=500)] | None = None
    deny: Annotated[list[Text], Field(max_length=500)] | None = None
    safe_search: bool | None = None


class AlarmQuery(BaseModel):
    """Which alarms."""

    state: Literal["open", "all"] = "open"
    kind: Word | None = None
    severity: Literal["critical", "major", "minor", "warning"] | None = None
    hub: Id | None = None


class Level(BaseModel):
    """What a level refuses."""

    model_config = example(categories=["adult", "gambling"])
    categories: Annotated[list[Word], Field(max_length=100)]


class NewRequest(BaseModel):
    """A one-off request to a hub."""

    model_config = example(kind="restart_modem", lasts_s=3600)
    kind: Literal["restart_modem", "restart_agent", "diagnose", "locate", "collect_logs", "rescan_network"]
    lasts_s: Annotated[int, Field(ge=1, le=7 * 86400)] = 3600


class LineEvent(BaseModel):
    """One source saw one change on one line."""

    model_config = example(
        line_id="01990000-0000-7000-8000-000000000002", kind="sync_lost", at="2026-11-20T08:00:00+00:00", source="dslam"
    )
    line_id: Id
    kind: LineEventKind
    at: Instant
    source: Word
    cause: Literal["our_restart", "customer_power_cycle"] | None = None


class LineEvents(BaseModel):
    """Line events in bulk; `override` names who decided to go ahead when the brake holds."""

    model_config = ConfigDict(extra="forbid")
    events: Annotated[list[LineEvent], Field(min_length=1, max_length=10_000)]
    override: Text | None = None


class EventWithdrawal(BaseModel):
    """Events of a line that were recorded, or withdrawn, wrongly, why, and the person who stands for it."""

    model_config = example(event_ids=[1], reason="the port was tested at the exchange", by="J. Reviewer")
    event_ids: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=500)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
    by: Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_storable)]


class NewRestart(BaseModel):
    """We asked for a restart: the first drop within its time is none of the line's."""

    model_config = example(at="2026-11-20T08:30:00+00:00", lasts_s=600)
    at: Instant
    lasts_s: Annotated[int, Field(ge=1, le=3600)] = 600


class NewOutage(BaseModel):
    """An outage over lines; `override` names who decided to go ahead when the brake holds."""

    model_config = example(
        line_ids=["01990000-0000-7000-8000-000000000002"], from_at="2026-11-20T07:00:00+00:00", planned=False
    )
    line_ids: Annotated[list[Id], Field(min_length=1, max_length=200_000)]
    from_at: Instant
    until: Instant | None = None
    planned: bool = False
    whose: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_storable)] = "ours"
    note: Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)] = ""
    override: Text | None = None


class ChangedOutage(BaseModel):
    """New values of an outage; what is absent stays. `override` names who decided when the brake holds."""

    model_config = example(version=1, until="2026-11-20T12:00:00+00:00")
    version: Version | None = None
    from_at: Instant | None = None
    until: Instant | None = None
    planned: bool | None = None
    whose: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_storable)] | None = None
    note: Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)] | None = None
    override: Text | None = None


class NewFault(BaseModel):
    """A report; `reported_at` (now by default) starts the hour."""

    model_config = example(
        line_id="01990000-0000-7000-8000-000000000002", channel="phone", reporter="account_holder", symptom="dropping"
    )
    line_id: Id
    channel: Annotated[str, StringConstraints(min_length=1, max_length=32), AfterValidator(_storable)]
    reporter: Word
    symptom: Symptom
    reported_at: Instant | None = None


class Observation(BaseModel):
    """One result of diagnostics; further fields are the test's own figures."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"kind": "line_test", "result": "line_fault", "at": "2026-11-20T09:05:00+00:00"}]
        },
    )
    kind: Word
    result: Word
    at: Instant


class Diagnostics(BaseModel):
    """Results of diagnostics, never verdicts; `finished` ends the tests."""

    model_config = ConfigDict(extra="forbid")
    observations: Annotated[list[Observation], Field(max_length=200)] = []
    finished: bool = False
    engineer_booked: bool = False


class NewDetermination(BaseModel):
    """A named person's discretion with a reason; `by` defaults to the key's name."""

    model_config = example(kind="fault_qualifies", reason="intermittent loss seen by the engineer", by="J. Reviewer")
    kind: DeterminationKind
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_storable)]
    by: Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_storable)] | None = None


class Resolution(BaseModel):
    """The fault was fixed."""

    model_config = example(note="line card replaced")
    resolved_at: Instant | None = None
    note: Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)] = ""


class OrderStep(BaseModel):
    """What happened to a dispatch order."""

    model_config = example(state="dispatched", hub_id="01990000-0000-7000-8000-000000000003", courier_reference="AB123")
    state: Literal["dispatched", "delivered", "lost", "returned", "cancelled"]
    hub_id: Id | None = None
    courier_reference: Annotated[str, StringConstraints(max_length=100), AfterValidator(_storable)] | None = None


class NewKey(BaseModel):
    """An API key."""

    model_config = example(name="call centre", role="operator")
    name: Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_storable)]
    role: Literal["viewer", "operator", "admin"]


class NewTac(BaseModel):
    """A row of the operators' table of type allocation codes."""

    model_config = example(model="TEST-HUB-BT", bt_branded=True)
    model: Text
    bt_branded: bool


class PriceChange(BaseModel):
    """A monthly price of a line from one amount to another, in pence, from a day on (T§8)."""

    model_config = example(
        charge="line_rental_and_broadband", effective_on="2027-01-05", old_pence=4999, new_pence=5499
    )
    charge: Charge
    effective_on: Day
    old_pence: Annotated[int, Field(ge=0, le=10_000_000)]
    new_pence: Annotated[int, Field(ge=0, le=10_000_000)]
    is_regrade: bool = False


class Overflow(BaseModel):
    """Another country that would answer sooner, with the safeguard for the transfer and the circumstances (T§9)."""

    model_config = example(country="IN", wait_here_s=900, wait_there_s=60, safeguard="SCC 2021", circumstances="storm")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    wait_here_s: Annotated[int, Field(ge=0, le=86_400)]
    wait_there_s: Annotated[int, Field(ge=0, le=86_400)]
    safeguard: Text
    circumstances: Text


class NewCall(BaseModel):
    """A call to support: the caller's number, or a landline that was typed in (T§9)."""

    model_config = example(caller="+447700900123")
    caller: Annotated[str, StringConstraints(max_length=32), AfterValidator(_storable)] | None = None
    typed_landline: Annotated[str, StringConstraints(max_length=32), AfterValidator(_storable)] | None = None
    overflow: Overflow | None = None
