"""Enrolment and renewal against a real CA behind HTTP: what is kept, what is refused, what a power cut costs."""

import datetime as dt
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from device_agent.cli.enrolment import main
from device_agent.config import ConfigError, Enrolled, doorbell_key, load, read_certificate
from tests.e2e.agent.authority import DAY, Authority, Door, open_door, pem
from tests.e2e.agent.rig import HUB

pytestmark = pytest.mark.e2e
OTHER = "01990000-0000-7000-8000-0000000000ab"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def door(authority: Authority) -> Iterator[Door]:
    authority.life, authority.age = 90 * DAY, dt.timedelta()
    with open_door(Door(authority, HUB, "mqtts://broker.example:8884")) as served:
        yield served


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(f"state = {json.dumps(str(tmp_path / 'state'))}\n")
    return path


def enrol(door: Door, config: Path, *words: str) -> int:
    return main(["enrol", "--controller", door.url, "--claim-code", "C0DE", "--config", str(config), *words])


def identity(config: Path) -> Path:
    return config.parent / "state" / "identity" / "current"


def test_a_claimed_identity_is_all_that_the_settings_need(door: Door, config: Path) -> None:
    assert enrol(door, config, "--json") == 0
    assert door.claims[0]["claim_code"] == "C0DE"
    loaded = load(config, {})
    assert loaded.hub == HUB
    assert (loaded.broker.host, loaded.broker.port) == ("broker.example", 8884)
    assert Path(loaded.broker.certificate).read_bytes() == (identity(config) / "hub.pem").read_bytes()
    assert doorbell_key(Path(loaded.state)) == door.doorbell_key
    for path in identity(config).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    told = read_certificate(Path(loaded.broker.certificate))
    assert (told.subject, told.issuer) == (HUB, "Mini Hub CA")
    other = x509.load_pem_x509_certificate((identity(config) / "hub.pem").read_bytes())
    assert told.not_after_ms == int(other.not_valid_after_utc.timestamp() * 1000)
    assert told.not_before_ms == int(other.not_valid_before_utc.timestamp() * 1000)
    assert told.renewal_ms == told.not_after_ms - 30 * 86_400_000


def test_a_renewal_makes_a_new_key_signed_for_by_the_old_one(door: Door, config: Path) -> None:
    assert enrol(door, config) == 0
    old = {path.name: path.read_bytes() for path in identity(config).iterdir()}
    door.spoil = {"doorbell_key": None}
    assert main(["renew", "--config", str(config)]) == 0
    new = {path.name: path.read_bytes() for path in identity(config).iterdir()}
    assert door.renewals[0]["certificate_pem"].encode() == old["hub.pem"]
    assert new["hub.key"] != old["hub.key"]
    assert new["hub.pem"] != old["hub.pem"]
    # What the answer leaves out stays.
    assert new["doorbell.key"] == old["doorbell.key"]


def test_an_expired_certificate_can_be_renewed(door: Door, config: Path, authority: Authority) -> None:
    authority.age = 100 * DAY
    assert enrol(door, config) == 0
    authority.age = dt.timedelta()
    assert main(["renew", "--config", str(config)]) == 0
    assert read_certificate(identity(config) / "hub.pem").not_after_ms / 1000 > dt.datetime.now(dt.UTC).timestamp()


def test_what_was_asked_is_asked_again_unchanged_until_it_is_answered(door: Door, config: Path) -> None:
    door.refuse = (503, "busy")
    assert enrol(door, config) == 12
    door.refuse = None
    assert enrol(door, config) == 0
    # After a power cut the controller has used the code up: it knows this hub by the very same request.
    assert door.claims[0] == door.claims[1]
    assert enrol(door, config) == 0
    assert door.claims[2]["csr_pem"] != door.claims[0]["csr_pem"]


def test_a_hub_can_be_enrolled_anew_and_settings_that_name_the_old_one_are_refused(
    door: Door, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert enrol(door, config) == 0
    config.write_text(f"hub = {json.dumps(HUB)}\n" + config.read_text())
    assert load(config, {}).hub == HUB
    door.hub = OTHER
    assert enrol(door, config) == 0

    with pytest.raises(ConfigError, match=r"hub\.toml:1: hub: not the one this hub was enrolled as"):
        load(config, {})


@pytest.mark.parametrize(
    ("refuse", "code", "said"),
    [
        ((403, "claim code unknown or used"), 11, "(403: claim code unknown or used); ask the depot"),
        ((429, "slow down"), 12, "try again later"),
        ((500, "oops"), 12, "try again later"),
        ((302, "elsewhere"), 11, "302"),
    ],
)
def test_a_refusal_is_one_line_with_a_remedy_and_changes_nothing(
    door: Door, config: Path, capsys: pytest.CaptureFixture[str], refuse: tuple[int, str], code: int, said: str
) -> None:
    door.refuse = refuse
    assert enrol(door, config) == code
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert "C0DE" not in err
    assert not identity(config).exists()


def test_an_answer_that_is_not_for_this_hub_is_not_believed(
    door: Door, config: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = Authority("Somebody")
    spoiled = (
        {"hub_id": OTHER},
        {"hub_id": "+/#"},
        {"certificate_pem": "nonsense"},
        {"certificate_pem": pem(authority.issue(HUB, foreign.key.public_key())).decode()},
        {"ca_pem": "nonsense"},
        {"ca_pem": ""},
        {"broker_url": "ftp://x"},
        {"broker_url": None},
        {"doorbell_key": "AAAA"},
        {"doorbell_key": "?"},
    )
    for wrong in spoiled:
        door.spoil = wrong
        assert enrol(door, config) == 11, wrong
        assert "cannot be used" in capsys.readouterr().err
        assert not identity(config).exists()


def test_a_renewal_for_another_hub_is_not_believed(door: Door, config: Path) -> None:
    assert enrol(door, config) == 0
    before = (identity(config) / "hub.pem").read_bytes()
    door.hub = OTHER
    assert main(["renew", "--config", str(config)]) == 11
    assert (identity(config) / "hub.pem").read_bytes() == before


def test_https_is_verified_and_plain_http_is_for_this_machine_alone(
    authority: Authority, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ca.pem").write_bytes(pem(authority.certificate))
    with open_door(Door(authority, HUB, "mqtts://b.example"), authority.server_files(tmp_path)) as door:
        assert enrol(door, config) == 12
        assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err
        assert door.claims == []
        assert enrol(door, config, "--ca", str(tmp_path / "none.pem")) == 2
        assert enrol(door, config, "--ca", str(tmp_path / "ca.pem")) == 0
        found = Enrolled.find(tmp_path / "state")
        assert found is not None
        assert found.broker["port"] == 8883
        # The CA is remembered for renewals.
        assert main(["renew", "--config", str(config)]) == 0
        door.url = "http://controller.example"
        assert enrol(door, config) == 2
    assert main(["renew", "--config", str(config)]) == 12


def test_without_an_identity_or_with_a_damaged_one_the_remedy_is_told(
    door: Door, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["renew", "--config", str(config)]) == 13
    assert "run hub-agent enrol" in capsys.readouterr().err
    assert enrol(door, config) == 0
    (identity(config) / "hub.pem").write_text("rust")
    assert main(["renew", "--config", str(config)]) == 13
    assert "enrol this hub again" in capsys.readouterr().err
    assert main(["enrol", "--controller", door.url, "--config", str(config)]) == 2


def test_the_claim_code_need_not_stand_on_a_command_line(
    door: Door, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIHUB_AGENT_CLAIM_CODE", "SECRET")
    assert main(["enrol", "--controller", door.url, "--config", str(config)]) == 0
    assert door.claims[0]["claim_code"] == "SECRET"
