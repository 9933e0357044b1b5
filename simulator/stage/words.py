"""How the demo words what it saw, and the small judgements on one answer of the API or one status of a hub."""

from datetime import datetime
from typing import Any

from simulator.stage.record import Record, StepFailedError

PLANS = (("Family SIM", 10_000), ("SIM Only", 2_000))


def promise_of(fault: dict[str, Any], benefit: str) -> dict[str, Any]:
    """The promise for one benefit in an answer about a fault. Raises StepFailedError when there is none."""
    found = [promise for promise in fault["promises"] if promise["benefit"] == benefit]
    if not found:
        raise StepFailedError(f"nothing is promised for {benefit}")
    promise: dict[str, Any] = found[0]
    return promise


def is_exactly_due(sim: dict[str, Any]) -> bool:
    """Broadband Backup is over, and Mobile Data Boost doubles what was bought (T§14): seen at the carrier too."""
    due = 2 * dict(PLANS)[sim["plan_name"]]
    observed = sim["observed"].get("allowance_mb")
    return sim["allowance_mb"] == observed == due and not sim["backup"] and sim["as_intended"]


def brand_words(brand: dict[str, Any]) -> str:
    """The verdict on a hub's brand, with the signals it rests on."""
    names = ", ".join(signal["name"] for signal in brand["judgement"]["signals"])
    return f"{brand['verdict']}, confidence {brand['judgement']['confidence']}, from {names}"


def conditions_of(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The conditions of a hub's status, by type."""
    return {condition["type"]: condition for condition in told["conditions"]}


def complaints_of(told: dict[str, Any]) -> list[str]:
    """What the hub itself says is not as it should be, and how its conversation with the broker stands."""
    lacking = [c for c in told.get("conditions", ()) if c["status"] != "true"]
    words = [": ".join(filter(None, (c["type"], c.get("reason"), c.get("message")))) for c in lacking]
    session = told.get("session", {})
    return [*words, f"session: {session['state']} {session['problem']}".strip()] if session else words


def modem_words(report: dict[str, Any]) -> str:
    """Who made the modem, and its model."""
    identity = report["identity"]
    return f"{identity.get('modem_manufacturer')} {identity.get('modem_model')}"


def network_words(report: dict[str, Any]) -> str:
    """The network a hub is on, and how."""
    network = report["network"]
    return f"{network.get('operator')} ({network.get('registration')}, {network.get('technology')})"


def decision_words(decision: dict[str, Any]) -> str:
    """One decision with its clause, basis and reason."""
    return f"{decision['outcome']} ({decision['clause']}, {decision['basis']}): {decision['reason']}"


def sim_words(view: dict[str, Any]) -> str:
    """What the first SIM should be, and what the carrier shows."""
    sim = view["sims"][0]
    return f"intended {sim['intended'].get('state')}, observed {sim['observed'].get('state')}"


def wall_clock(instant: str) -> str:
    """The instant to the second, as this machine's clock on the wall shows it, like the steps' own times."""
    return datetime.fromisoformat(instant).astimezone().strftime("%H:%M:%S")


def seconds_since_report(instant: str, record: Record) -> float:
    """Seconds from the customer's report to an RFC 3339 instant."""
    assert record.reported_at is not None
    return round((datetime.fromisoformat(instant) - record.reported_at).total_seconds(), 1)


def opening_order(status: dict[str, Any]) -> str:
    """The order in which the hub's own conditions became true. Raises StepFailedError if forwarding was not last."""
    since = {name: c.get("since_ms", 0) for name, c in conditions_of(status).items() if c["status"] == "true"}
    if since.get("filter_in_force", since["forwarding_open"] + 1) > since["forwarding_open"]:
        raise StepFailedError(f"forwarding opened before the filter was in force: {since}")
    lead = since["forwarding_open"] - since["filter_in_force"]
    return f"filter in force {lead} ms before forwarding opened"
