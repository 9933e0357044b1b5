"""Lay the tables.

The tables stand here as text, one word a column: `name:type`, `*` for a primary key, `?` for one that may be null.
Later changes of the models don't change what this migration makes.
"""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES: dict[str, Any] = {
    "rowid": sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
    "big": sa.BigInteger(),
    "int": sa.Integer(),
    "bool": sa.Boolean(),
    "float": sa.Float(),
    "date": sa.Date(),
    "at": sa.DateTime(timezone=True),
    "json": sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
    "bytes": sa.LargeBinary(),
}
COLUMN = re.compile(r"(?P<name>\w+):(?P<type>[a-z]+)(?P<length>\d*)(?P<key>\*?)(?P<null>\??)")
EXTRA = re.compile(r"\+ (?P<kind>[a-z-]+) (?P<name>\w*)\((?P<columns>[\w,]+)\)")

TABLES = """
table accounts
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? holder_name:s200 email:s254?
  mobile:s16?
  + unique-index-present uq_accounts_present(id)
table add_ons
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? plan_id:s36 add_on_mb:int
  valid_from:at valid_until:at?
  + index ix_add_ons_plan_id(plan_id)
  + unique-index-present uq_add_ons_present(id)
table alarms
  id:s36* version:int kind:s64 noun:s32 key:s64 severity:s16 message:s500 raised_at:at changed_at:at
  cleared_at:at? acknowledged_by:s128?
  + index ix_alarms_key(kind,noun,key)
  + index ix_alarms_open(cleared_at,raised_at)
table api_keys
  id:s36* digest:s64 name:s128 role:s16 created_at:at revoked_at:at?
  + unique (digest)
table asked_restarts
  id:s36* line_id:s36 at:at until:at recorded_at:at
  + index ix_asked_restarts_line(line_id)
table audit autoincrement
  sequence:rowid* at:at actor:s128 noun:s32 pseudonym:s64 action:s64 facts:json digest:s64
  + index ix_audit_subject(noun,pseudonym)
table bills_past_due
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? account_id:s36 due_on:date by:s128
  grounds:s500 paid_at:at?
  + index ix_bills_past_due_account_id(account_id)
  + unique-index-present uq_bills_past_due_present(id)
table brand_findings
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? verdict:s16 found_at:at by:s128
  judgement:json
  + unique-index-present uq_brand_findings_present(id)
table carrier_events
  id:s100* received_at:at
table carrier_lanes
  id:s64* holder:s64? held_until:at? next_call_at:at? calls:rowid
table decisions
  id:s36* fault_id:s36 question:s32 subject:s64 outcome:s32 clause:s64 basis:s16 code:s64 reason:s1000
  contest:s500 rule_set:s32 target:s64? due_at:at? inputs:json flags:json at:at superseded_at:at?
  + index ix_decisions_fault(fault_id,superseded_at)
table determinations
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? kind:s32 subject_id:s36 by:s128
  reason:s2000 at:at withdrawn_at:at?
  + index ix_determinations_subject_id(subject_id)
  + unique-index-present uq_determinations_present(id)
table diagnostics_finished
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? at:at engineer_booked:bool
  + unique-index-present uq_diagnostics_finished_present(id)
table dispatch_orders
  id:s36* version:int account_id:s36 line_id:s36 fault_id:s36 state:s16 ordered_at:at estimate:s200?
  hub_id:s36? dispatched_at:at? settled_at:at? courier_reference:s100?
  + unique uq_dispatch_orders_fault(fault_id)
  + index ix_dispatch_orders_account(account_id)
  + index ix_dispatch_orders_line(line_id)
table equipment
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? hub_id:s36 imei:s17 from_at:at
  until:at?
  + index ix_equipment_hub_id(hub_id)
  + unique-index-present uq_equipment_present(id)
table evidence
  id:s36* hub_id:s36 source:s16 at:at fields:json
  + index ix_evidence_hub(hub_id,at)
table faults
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? line_id:s36 account_id:s36
  reported_at:at symptom:s32 channel:s32 reporter:s64 resolved_at:at? closed_at:at? note:s500
  + index ix_faults_account_id(account_id)
  + index ix_faults_line_id(line_id)
  + index ix_faults_open(closed_at,superseded_at)
  + unique-index-present uq_faults_present(id)
table feed autoincrement
  sequence:rowid* at:at noun:s32 key:s64 action:s64 facts:json
table filter_lists
  digest:s71* category:s64 size:int body:bytes source:s200 imported_at:at
  + index ix_filter_lists_category(category,imported_at)
table hub_assignments
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? hub_id:s36 line_id:s36
  dispatched_at:at delivered_at:at? ended_at:at? for_fault_id:s36?
  + index ix_hub_assignments_hub_id(hub_id)
  + index ix_hub_assignments_line_id(line_id)
  + unique-index-present uq_hub_assignments_present(id)
table hub_boots
  hub_id:s36* boot:rowid* contiguous:rowid acknowledged:rowid lost:int
table hub_events
  hub_id:s36* boot:rowid* seq:rowid* kind:s64 severity:s16 uptime_ms:rowid at:at? received_at:at
  facts:json
  + index ix_hub_events_time(hub_id,at)
table hub_losses
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? hub_id:s36 fate:s32 at:at
  undone_at:at?
  + index ix_hub_losses_hub_id(hub_id)
  + unique-index-present uq_hub_losses_present(id)
table hub_messages
  hub_id:s36* boot:rowid* seq:rowid*
table hub_requests
  id:s36* hub_id:s36 kind:s32 expires_at:at state:s16 message:s256 result:json asked_at:at
  answered_at:at?
  + index ix_hub_requests_hub(hub_id,state)
table hub_sims
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? hub_id:s36 iccid:s22 imsi:s15?
  from_at:at until:at?
  + index ix_hub_sims_hub_id(hub_id)
  + index ix_hub_sims_iccid(iccid)
  + unique-index-present uq_hub_sims_present(id)
table hub_states
  hub_id:s36* version:int revision:rowid desired:json composed_at:at? published_revision:rowid
  controls:json observed_revision:rowid boot:rowid sequence:rowid session:rowid reported:json
  reported_at:at? last_seen_at:at? present:bool forwarding_open:bool
table hubs
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? serial:s64 enrolled_at:at
  revoked_at:at?
  + index ix_hubs_serial(serial)
  + unique-index-present uq_hubs_present(id)
table leave_requests
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? service_id:s36 requested_at:at
  to_product:s64? withdrawn_at:at?
  + index ix_leave_requests_service_id(service_id)
  + unique-index-present uq_leave_requests_present(id)
table line_events
  id:rowid* line_id:s36 kind:s16 at:at source:s64 cause:s32? recorded_at:at
  + unique uq_line_events(line_id,kind,at,source)
  + index ix_line_events_line(line_id,at)
table lines
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? landline:s16? postcode:s10?
  jurisdiction:s32 remote:bool
  + index ix_lines_landline(landline)
  + unique-index-present uq_lines_present(id)
table notices
  id:s36* version:int account_id:s36 fault_id:s36? kind:s48 channel:s8 dedup:s200 facts:json state:s16
  owed_at:at sent_at:at? settled_at:at? reference:s200? error:s300?
  + unique uq_notices_dedup(dedup)
  + index ix_notices_account(account_id)
  + index ix_notices_fault(fault_id)
table observations
  id:s36* fault_id:s36 kind:s64 result:s64 at:at facts:json recorded_at:at
  + unique uq_observations(fault_id,kind,at,result)
  + index ix_observations_fault(fault_id)
table operations
  id:s36* sim_id:s36 asked:json begun_at:at ended_at:at? outcome:s16? reference:s300? error:s300?
  + index ix_operations_open(ended_at)
  + index ix_operations_sim(sim_id,begun_at)
table outage_lines
  outage_id:s36* line_id:s36*
  + index ix_outage_lines_line(line_id)
table outages
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? from_at:at until:at?
  declared_at:at planned:bool whose:s100 note:s500
  + unique-index-present uq_outages_present(id)
table owed
  noun:s32* key:s64* version:big deadline:at? due:at attempts:int claimed_until:at? parked_at:at?
  last_error:s500?
  + index ix_owed_due(noun,due)
  + index ix_owed_order(noun,deadline,due)
table plan_sims
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? plan_id:s36 iccid:s22 imsi:s15?
  msisdn:s16? live_from:at? live_until:at?
  + index ix_plan_sims_iccid(iccid)
  + index ix_plan_sims_plan_id(plan_id)
  + unique-index-present uq_plan_sims_present(id)
table plans
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? plan_id:s36 account_id:s36
  name:s100 purchased_at:at live_from:at? last_day:date? allowances:json extra_speed_from:at?
  base_tier:s16
  + index ix_plans_account_id(account_id)
  + index ix_plans_plan_id(plan_id)
  + unique-index-present uq_plans_present(id)
table promises
  id:s36* version:int fault_id:s36 benefit:s16 made_at:at due_at:at goodwill:bool ready_at:at?
  online_at:at? ended_at:at? end:s32?
  + unique uq_promises(fault_id,benefit)
  + index ix_promises_open(ended_at,due_at)
table pseudonyms
  noun:s32* key:s64* secret:s64
table quarantine
  id:s36* at:at topic:s300 payload:bytes reason:s300
  + index ix_quarantine_at(at)
table reasons
  id:s36* noun:s8 target:s36 kind:s16 reason:s64 opened_at:at closed_at:at?
  + index ix_reasons_reason(reason)
  + index ix_reasons_target(target,closed_at)
table services
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? service_id:s36 account_id:s36
  line_id:s36 product:s64 starts_on:date last_day:date?
  + index ix_services_account_id(account_id)
  + index ix_services_line_id(line_id)
  + index ix_services_service_id(service_id)
  + unique-index-present uq_services_present(id)
table sim_sightings
  id:s36* hub_id:s36 imei:s17 at:at recorded_at:at
  + index ix_sim_sightings_hub(hub_id)
table sim_states
  id:s36* version:int kind:s8 iccid:s22 hub_id:s36? plan_id:s36? account_id:s36? intended:json
  intended_at:at? observed:json observed_at:at? observed_version:rowid counted_mb:int?
  uncounted_mb:int?
  + index ix_sim_states_account(account_id)
  + index ix_sim_states_hub(hub_id)
  + unique-index uq_sim_states_iccid(iccid)
table sims_abroad
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? sim_id:s36 from_at:at until:at?
  + index ix_sims_abroad_sim_id(sim_id)
  + unique-index-present uq_sims_abroad_present(id)
table suspicions
  row_id:rowid* id:s36 version:int recorded_at:at superseded_at:at? account_id:s36 kind:s32
  grounds:s2000 by:s128 raised_at:at fault_id:s36? cleared_at:at?
  + index ix_suspicions_account_id(account_id)
  + unique-index-present uq_suspicions_present(id)
table tacs
  tac:s8* model:s100 bt_branded:bool
table telemetry
  hub_id:s36* boot:rowid* seq:rowid* position:int* at:at uptime_ms:rowid rssi_dbm:float?
  rsrp_dbm:float? rsrq_db:float? sinr_db:float? operator:s256? technology:s32? band:int?
  cell_id:rowid? tac:rowid? tx_bytes:rowid? rx_bytes:rowid? temperature_c:float?
  + index ix_telemetry_time(hub_id,at)
"""


def upgrade() -> None:
    for head, lines in tables():
        make(head, lines)


def downgrade() -> None:
    for head, _ in reversed(list(tables())):
        op.drop_table(head.split()[1])


def tables() -> Iterator[tuple[str, list[str]]]:
    blocks = re.split(r"^(?=table )", TABLES.strip(), flags=re.MULTILINE)
    for block in blocks:
        if block:
            head, *lines = block.strip().splitlines()
            yield head, [line.strip() for line in lines]


def make(head: str, lines: list[str]) -> None:
    name = head.split()[1]
    extras = [EXTRA.fullmatch(line) for line in lines if line.startswith("+")]
    words = " ".join(line for line in lines if not line.startswith("+")).split()
    columns = [column(COLUMN.fullmatch(word)) for word in words]
    unique = [
        sa.UniqueConstraint(*found["columns"].split(","), name=found["name"] or None)
        for found in extras
        if found and found["kind"] == "unique"
    ]
    op.create_table(name, *columns, *unique, sqlite_autoincrement=head.endswith("autoincrement"))
    for found in extras:
        if found and found["kind"] != "unique":
            index(name, found)


def column(found: re.Match[str] | None) -> sa.Column[Any]:
    assert found is not None
    kind = sa.String(length=int(found["length"])) if found["type"] == "s" else TYPES[found["type"]]
    return sa.Column(found["name"], kind, primary_key=bool(found["key"]), nullable=bool(found["null"]))


def index(table: str, found: re.Match[str]) -> None:
    where = sa.text("superseded_at IS NULL") if found["kind"].endswith("-present") else None
    op.create_index(
        found["name"],
        table,
        found["columns"].split(","),
        unique=found["kind"].startswith("unique"),
        sqlite_where=where,
        postgresql_where=where,
    )
