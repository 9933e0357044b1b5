"""The alarm of a weak signal: raised by a whole batch of weak samples, cleared by one that is well above."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session

from controller.services import alarms
from controller.services.bulk import Bulk
from controller.services.samples import SAMPLE, Sample

KIND: Final = "signal"
# RSRP, ours to choose: below hardly any data gets through. The distance between the two keeps it from flapping.
WEAK_DBM: Final = -118.0
FINE_DBM: Final = -112.0
_RSRP: Final = SAMPLE.index("rsrp_dbm")
_OPEN: Final = Bulk(
    {"hub_id": "text"},
    "SELECT a.key FROM alarms AS a JOIN {rows} ON a.key = r.hub_id "
    "WHERE a.kind = 'signal' AND a.noun = 'hub' AND a.cleared_at IS NULL",
)


def judge(session: Session, newest: Mapping[str, Sequence[Sample]], now: datetime) -> None:
    """Raise or clear each hub's alarm by its newest samples; those that tell no RSRP are no evidence."""
    best = {hub: _best(samples) for hub, samples in newest.items()}
    weak = {hub: dbm for hub, dbm in best.items() if dbm is not None and dbm < WEAK_DBM}
    fine = [hub for hub, dbm in best.items() if dbm is not None and dbm >= FINE_DBM]
    judged = sorted({*weak, *fine})
    already = {row.key for row in _OPEN.run(session, [(hub,) for hub in judged])} if judged else set()
    for hub in sorted(set(weak) - already):
        message = f"hub {hub}: its best signal of a batch was {weak[hub]:.0f} dBm (RSRP); it should stand elsewhere"
        alarms.raise_alarm(session, KIND, "hub", hub, severity="minor", message=message, now=now)
    for hub in already.intersection(fine):
        alarms.clear(session, KIND, "hub", hub, now=now)


def _best(samples: Sequence[Sample]) -> float | None:
    return max((sample[_RSRP] for sample in samples if sample[_RSRP] is not None), default=None)
