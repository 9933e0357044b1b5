"""The platform's state machine: what changes, when, what readers and listeners are told."""

import itertools
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.carrier import GOOD, Account, Manners, Platform, ProvisioningError, SimOrder, load_manners
from simulator.carrier.manners import Maintenance, MannersError, draw
from simulator.carrier.platform import Answer
from simulator.carrier.services import RequestRefusedError

HUB = "8944000000000000001"
PHONE = "8944000000000000002"
SLOW = Manners(effect_delay_s=(60.0, 60.0))


def platform(manners: Manners = SLOW, seed: int = 1) -> Platform:
    made = Platform(manners=manners, random=Random(seed), base="http://p", started_s=0.0)
    made.provision(SimOrder(iccid=HUB, imsi="234300000000001"), 0.0)
    made.provision(SimOrder(iccid=PHONE, imsi="234300000000002", category="mobileData", allowance_mb="5000"), 0.0)
    return made


def body(answer: Answer) -> Any:
    return answer.body


def characteristics(answer: Answer) -> dict[str, str]:
    return {item["name"]: item["value"] for item in body(answer)["serviceCharacteristic"]}


def test_a_change_is_acknowledged_runs_and_takes_effect_with_one_version_more() -> None:
    made = platform()
    accepted = made.change_service(f"sim-{HUB}", {"state": "active"}, 10.0)
    monitor = body(accepted)["id"]
    assert accepted.status == 202
    assert accepted.headers["Location"] == f"http://p/monitor/{monitor}"
    assert body(made.read_monitor(monitor, 11.0))["state"] == "acknowledged"
    assert body(made.read_monitor(monitor, 40.0))["state"] == "inProgress"
    assert body(made.read_service(f"sim-{HUB}", 69.0))["state"] == "inactive"
    assert made.next_due_s() == 70.0
    assert body(made.read_monitor(monitor, 70.0))["state"] == "completed"
    done = body(made.read_service(f"sim-{HUB}", 70.0))
    assert (done["state"], done["serviceVersion"], done["lastUpdate"]) == ("active", 2, "1970-01-01T00:01:10.000+00:00")


def test_a_second_change_of_the_same_service_waits_for_the_first() -> None:
    made = platform()
    made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0)
    with pytest.raises(RequestRefusedError) as refused:
        made.change_service(f"sim-{HUB}", {"state": "inactive"}, 1.0)
    assert refused.value.status == 409
    assert made.change_service(f"sim-{HUB}", {"state": "inactive"}, 61.0).status == 202


def test_monitors_are_forgotten_an_hour_after_their_end() -> None:
    made = platform()
    monitor = body(made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0))["id"]
    assert made.read_monitor(monitor, 3659.0).status == 200
    with pytest.raises(RequestRefusedError) as refused:
        made.read_monitor(monitor, 3660.0)
    assert refused.value.status == 404


def test_what_is_so_already_is_answered_at_once_and_is_no_new_version() -> None:
    made = platform()
    answer = made.change_service(f"sim-{HUB}", {"state": "inactive"}, 0.0)
    assert (answer.status, body(answer)["serviceVersion"]) == (200, 1)
    assert made.next_due_s() is None


@pytest.mark.parametrize(
    ("sim", "patch", "status"),
    [
        (HUB, {"state": "asleep"}, 400),
        (HUB, {"serviceCharacteristic": [{"name": "backup", "value": "on"}]}, 400),
        (PHONE, {"state": "inactive"}, 400),
        (PHONE, {"serviceCharacteristic": [{"name": "countedUseMb", "value": "0"}]}, 400),
        (PHONE, {"serviceCharacteristic": [{"name": "allowanceMb", "value": "-1"}]}, 400),
        (PHONE, {"serviceCharacteristic": [{"name": "allowanceMb", "value": 5}]}, 400),
        (PHONE, {"serviceCharacteristic": {"backup": "on"}}, 400),
        (PHONE, {"colour": "red"}, 400),
        (PHONE, None, 400),
        ("8900000000000000000", {"state": "active"}, 404),
    ],
)
def test_a_bad_request_is_refused_and_changes_nothing(sim: str, patch: object, status: int) -> None:
    made = platform()
    with pytest.raises(RequestRefusedError) as refused:
        made.change_service(f"sim-{sim}", patch, 0.0)
    assert refused.value.status == status
    assert made.next_due_s() is None


def test_reads_lag_behind_what_the_network_already_does() -> None:
    made = platform(Manners(effect_delay_s=(0.0, 0.0), read_lag_s=(30.0, 30.0)))
    made.change_service(f"sim-{HUB}", {"state": "suspended"}, 0.0)
    assert made.attach(HUB, "356938035643809", 0.0).accepted is False
    assert body(made.read_service(f"sim-{HUB}", 29.0))["state"] == "inactive"
    assert body(made.read_service(f"sim-{HUB}", 30.0))["state"] == "suspended"


@pytest.mark.parametrize(
    ("state", "bearer", "expected"),
    [
        ("active", True, (True, None, "internet")),
        ("inactive", True, (True, None, "management")),
        ("inactive", False, (False, 7, None)),
        ("suspended", True, (False, 8, None)),
        ("terminated", True, (False, 8, None)),
    ],
)
def test_the_network_lets_in_what_the_state_allows(state: Any, bearer: bool, expected: tuple[Any, ...]) -> None:
    made = platform(Manners(management_bearer=bearer))
    made.provision(SimOrder(iccid="8944000000000000009", imsi="234300000000009", state=state), 0.0)
    verdict = made.attach("8944000000000000009", "356938035643809", 5.0)
    assert (verdict.accepted, verdict.cause, verdict.bearer) == expected


def test_an_unknown_sim_is_refused_and_a_known_one_is_seen_with_its_equipment() -> None:
    made = platform()
    assert made.attach("8900000000000000000", "", 0.0).cause == 8
    made.attach(HUB, "356938035643809", 0.0)
    assert characteristics(made.read_service(f"sim-{HUB}", 1.0))["seenImei"] == "356938035643809"
    made.attach(HUB, "490154203237518", 2.0)
    assert characteristics(made.read_service(f"sim-{HUB}", 3.0))["seenImei"] == "490154203237518"


def test_use_during_backup_is_not_counted_against_the_allowance() -> None:
    made = platform(GOOD)
    made.count_use(PHONE, 100, 0.0)
    made.change_service(f"sim-{PHONE}", {"serviceCharacteristic": [{"name": "backup", "value": "on"}]}, 1.0)
    made.count_use(PHONE, 900, 5.0)
    seen = characteristics(made.read_service(f"sim-{PHONE}", 6.0))
    assert (seen["countedUseMb"], seen["uncountedUseMb"], seen["backup"]) == ("100", "900", "on")


def test_lists_come_in_pages_and_by_filter() -> None:
    made = platform()
    for number in range(120):
        made.provision(SimOrder(iccid=f"89440000000001{number:05}", imsi=f"2343010000{number:05}"), 0.0)
    page = made.list_services({"offset": "100", "limit": "500"}, 0.0)
    assert (page.headers["X-Total-Count"], page.headers["X-Result-Count"]) == ("122", "22")
    assert len(body(made.list_services({}, 0.0))) == len(body(made.list_services({"limit": "500"}, 0.0))) == 50
    assert [item["id"] for item in body(made.list_services({"category": "mobileData"}, 0.0))] == [f"sim-{PHONE}"]
    both = body(made.list_services({"id": f"sim-{PHONE},sim-{HUB}"}, 0.0))
    assert {item["id"] for item in both} == {f"sim-{PHONE}", f"sim-{HUB}"}
    with pytest.raises(RequestRefusedError):
        made.list_services({"offset": "-1"}, 0.0)


def test_a_failed_change_says_so_in_its_monitor_and_leaves_the_service() -> None:
    made = platform(Manners(effect_delay_s=(1.0, 1.0), change_fails=1.0))
    monitor = body(made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0))["id"]
    assert body(made.read_monitor(monitor, 2.0))["state"] == "failed"
    assert body(made.read_service(f"sim-{HUB}", 2.0))["serviceVersion"] == 1


@pytest.mark.parametrize(
    ("manners", "status", "lost", "takes_effect"),
    [
        (Manners(server_error=1.0), 500, False, False),
        (Manners(hidden_success=1.0), 500, False, True),
        (Manners(lost_answer=1.0), 202, True, True),
        (Manners(at_once=1.0), 200, False, True),
    ],
)
def test_what_a_caller_is_told_is_a_matter_of_manners(
    manners: Manners, status: int, lost: bool, takes_effect: bool
) -> None:
    made = platform(manners)
    answer = made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0)
    assert (answer.status, answer.lost) == (status, lost)
    made.advance(5.0)
    assert made.attach(HUB, "", 5.0).bearer == ("internet" if takes_effect else "management")


def test_a_terminated_service_stays_terminated() -> None:
    made = platform(Manners(at_once=1.0))
    made.change_service(f"sim-{HUB}", {"state": "terminated"}, 0.0)
    with pytest.raises(RequestRefusedError):
        made.change_service(f"sim-{HUB}", {"state": "active"}, 1.0)


def test_provisioning_twice_is_one_sim_and_other_numbers_are_refused() -> None:
    made = platform()
    same = SimOrder(iccid=HUB, imsi="234300000000001")
    assert made.provision(same, 9.0).updated_s == 0.0
    with pytest.raises(ProvisioningError):
        made.provision(SimOrder(iccid=HUB, imsi="234300000000099"), 9.0)
    with pytest.raises(ProvisioningError):
        made.provision(
            SimOrder(iccid="8944000000000000077", imsi="234300000000077", category="mobileData", backup="maybe"), 0.0
        )


def test_five_calls_a_second_and_one_at_a_time() -> None:
    account = Account("a")
    for _ in range(5):
        assert account.admit(GOOD, started_s=0.0, now_s=0.0) is None
        account.release()
    refusal = account.admit(GOOD, started_s=0.0, now_s=0.0)
    assert refusal is not None
    assert (refusal.status, refusal.retry_after_s) == (429, 1)
    assert account.admit(GOOD, started_s=0.0, now_s=0.2) is None
    second = account.admit(GOOD, started_s=0.0, now_s=5.0)
    assert second is not None
    assert second.status == 429


def test_maintenance_refuses_everybody_until_its_end() -> None:
    manners = Manners(maintenance=(Maintenance(at_s=10, for_s=60),))
    account = Account("a")
    assert account.admit(manners, started_s=100.0, now_s=109.0) is None
    account.release()
    refusal = account.admit(manners, started_s=100.0, now_s=110.0)
    assert refusal is not None
    assert (refusal.status, refusal.retry_after_s) == (503, 60)
    assert account.admit(manners, started_s=100.0, now_s=170.0) is None


@settings(deadline=None)
@given(st.floats(min_value=0.1, max_value=20), st.lists(st.floats(min_value=0, max_value=3), max_size=60))
def test_no_second_ever_admits_more_than_twice_the_rate(rate: float, gaps: list[float]) -> None:
    manners = Manners(calls_per_second=rate)
    account, now, admitted = Account("a"), 0.0, []
    for gap in gaps:
        now += gap
        if account.admit(manners, started_s=0.0, now_s=now) is None:
            account.release()
            admitted.append(now)
    for start in admitted:
        within = [at for at in admitted if start <= at < start + 1.0]
        assert len(within) <= max(1.0, rate) + rate + 1


def deliver(made: Platform, until_s: float) -> list[tuple[float, dict[str, Any]]]:
    seen = []
    while (due := made.next_due_s()) is not None and due <= until_s:
        for delivery in made.advance(due):
            seen.append((due, json.loads(delivery.body)))
            made.outbox.settle(delivery, accepted=True, manners=made.manners, now_s=due)
    return seen


def test_a_listener_hears_of_the_change_and_of_its_monitor() -> None:
    made = platform(Manners(effect_delay_s=(5.0, 5.0), webhook_delay_s=(1.0, 1.0)))
    made.outbox.register("http://c/hooks", "s", "")
    made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0)
    heard = deliver(made, 100.0)
    assert {document["eventType"] for _, document in heard} == {
        "ServiceStateChangeEvent",
        "ServiceAttributeValueChangeEvent",
        "MonitorStateChangeEvent",
    }
    assert {at for at, _ in heard} == {6.0}
    # A change that leaves the state as it is tells of no state.
    made.change_service(f"sim-{PHONE}", {"serviceCharacteristic": [{"name": "backup", "value": "on"}]}, 200.0)
    told = {document["eventType"] for _, document in deliver(made, 300.0)}
    assert told == {"ServiceAttributeValueChangeEvent", "MonitorStateChangeEvent"}


def test_a_listener_gets_only_what_its_query_names_and_the_same_callback_is_one_listener() -> None:
    made = platform(Manners(effect_delay_s=(0.0, 0.0)))
    first = made.outbox.register("http://c/hooks", "s", "")
    again = made.outbox.register("http://c/hooks", "t", "eventType=ServiceAttributeValueChangeEvent")
    assert first.id == again.id
    made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0)
    assert [d["eventType"] for _, d in deliver(made, 100.0)] == ["ServiceAttributeValueChangeEvent"]


def test_a_webhook_that_is_not_accepted_is_repeated_and_at_last_given_up() -> None:
    made = platform(Manners(effect_delay_s=(0.0, 0.0), webhook_attempts=9))
    made.outbox.register("http://c/hooks", "s", "eventType=ServiceStateChangeEvent")
    made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0)
    tries = []
    while (due := made.next_due_s()) is not None:
        for delivery in made.advance(due):
            tries.append(due)
            made.outbox.settle(delivery, accepted=False, manners=made.manners, now_s=due)
    assert len(tries) == 9
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert all(0.8 * min(2**n, 60) <= wait <= 1.2 * min(2**n, 60) for n, wait in enumerate(waits))


@pytest.mark.parametrize(("manners", "copies"), [(Manners(webhook_lost=1.0), 0), (Manners(webhook_twice=1.0), 2)])
def test_webhooks_are_lost_or_come_twice(manners: Manners, copies: int) -> None:
    made = platform(manners)
    made.outbox.register("http://c/hooks", "s", "eventType=ServiceStateChangeEvent")
    made.change_service(f"sim-{HUB}", {"state": "active"}, 0.0)
    heard = deliver(made, 1e6)
    assert len(heard) == copies
    assert len({document["eventId"] for _, document in heard}) == min(copies, 1)


def test_with_real_manners_webhooks_overtake_each_other() -> None:
    made = platform(Manners(effect_delay_s=(0.0, 0.0), webhook_delay_s=(0.0, 20.0), webhook_late=0.3))
    made.outbox.register("http://c/hooks", "s", "eventType=ServiceStateChangeEvent")
    for number in range(20):
        made.change_service(f"sim-{HUB}", {"state": "active" if number % 2 == 0 else "inactive"}, float(number))
    versions = [document["event"]["service"]["serviceVersion"] for _, document in deliver(made, 1e6)]
    assert sorted(versions) == list(range(2, 22))
    assert versions != sorted(versions)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_the_same_seed_gives_the_same_bytes(seed: int) -> None:
    def play() -> list[Any]:
        made = platform(load_manners("real"), seed)
        made.outbox.register("http://c/hooks", "s", "")
        told: list[Any] = []
        for number in range(8):
            try:
                answer = made.change_service(
                    f"sim-{HUB}", {"state": "active" if number % 2 else "inactive"}, 900.0 * number
                )
                told.append((answer.status, answer.body, answer.lost))
            except RequestRefusedError as refused:
                told.append(refused.status)
        return [told, deliver(made, 1e6)]

    assert play() == play()


def test_real_manners_keep_their_promise_of_half_an_hour() -> None:
    made = platform(load_manners("real"))
    monitors = []
    for number in range(300):
        order = SimOrder(iccid=f"89440000000001{number:05}", imsi=f"2343010000{number:05}")
        made.provision(order, 0.0)
        made.change_service(f"sim-{order.iccid}", {"state": "active"}, 0.0)
    monitors = [change.due_s for change in made.changes.values()]
    assert max(monitors) <= 1800.0
    assert max(monitors) > 600.0
    assert min(monitors) < 2.0


def test_manners_come_from_a_file_and_mistakes_are_named(tmp_path: Any) -> None:
    path = tmp_path / "manners.toml"
    path.write_text("effect_delay_s = [1.0, 2.0]\n[[maintenance]]\nat_s = 5\nfor_s = 6\n")
    assert load_manners(str(path)).effect_delay_s == (1.0, 2.0)
    for wrong in ("effect_delay_s = [3.0, 2.0]", "webhook_lost = 2.0", "unheard_of = 1", "= broken"):
        path.write_text(wrong)
        with pytest.raises(MannersError):
            load_manners(str(path))
    with pytest.raises(MannersError, match="say good, real"):
        load_manners("rude")


def test_short_times_are_common_and_the_longest_do_come() -> None:
    random = Random(4)
    drawn = sorted(draw(random, (0.0, 1800.0)) for _ in range(2000))
    assert 20 < drawn[1000] < 80  # log-uniform: the middle is where half of the logarithm is
    assert drawn[0] < 0.1
    assert 1700 < drawn[-1] <= 1800
