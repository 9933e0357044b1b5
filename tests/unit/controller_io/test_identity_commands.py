"""The commands about who hubs are: what they write, and what they refuse in one line."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from controller.cli import main as _registers
from controller.cli.main import app
from controller.pki.reading import read_certificate, read_revocation_list

assert callable(_registers)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def printed(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    printed("ca", "create", "--out", str(tmp_path / "ca"), "--name", "Test")
    return tmp_path / "ca"


def test_two_authorities_are_made_with_keys_that_nobody_else_reads(ca: Path) -> None:
    assert {path.name for path in ca.iterdir()} == {"hubs-ca.pem", "hubs-ca.key", "services-ca.pem", "services-ca.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in ca.glob("*.key")} == {0o600}
    assert printed("ca", "show", str(ca / "hubs-ca.pem"))["subject"] == "Test hubs"


def test_authorities_are_never_overwritten(ca: Path) -> None:
    before = (ca / "hubs-ca.key").read_text()
    result = run("ca", "create", "--out", str(ca))
    assert (result.exit_code, result.stderr.count("\n")) == (9, 1)
    assert (ca / "hubs-ca.key").read_text() == before


def test_a_broker_and_a_controller_get_certificates(ca: Path, tmp_path: Path) -> None:
    for kind, name in (("broker", "broker.example"), ("controller", "controller-1")):
        found = printed("ca", "issue", "--kind", kind, "--name", name, "--ca", str(ca), "--out", str(tmp_path / "out"))
        assert read_certificate(Path(found["certificate"]).read_text()).names == (name,)
        assert stat.S_IMODE(Path(found["key"]).stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_not_used(ca: Path, tmp_path: Path) -> None:
    (ca / "services-ca.key").chmod(0o644)
    result = run("ca", "issue", "--kind", "broker", "--name", "b", "--ca", str(ca), "--out", str(tmp_path / "out"))
    assert (result.exit_code, "chmod 600" in result.stderr) == (3, True)


@pytest.mark.parametrize("name", ["", "a b", "a\ntopic readwrite #", "+", "x" * 65])
def test_a_name_can_be_no_rule_of_its_own(tmp_path: Path, name: str) -> None:
    words = ("--controller", name, "--crl-url", "https://c.example/crl", "--out", str(tmp_path / "out"))
    assert run("broker-config", "mosquitto", *words).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_configuration_is_replaced_only_when_asked(tmp_path: Path) -> None:
    words = (
        "broker-config",
        "mosquitto",
        "--controller",
        "c",
        "--crl-url",
        "https://c.example/crl",
        "--out",
        str(tmp_path),
    )
    assert "mosquitto.conf" in printed(*words)["files"]
    assert run(*words).exit_code == 9
    assert run(*words, "--replace").exit_code == 0


def test_a_hub_is_enrolled_claimed_and_revoked(ca: Path, tmp_path: Path) -> None:
    database = ("--database-url", f"sqlite:///{tmp_path / 'c.db'}")
    hub = printed("hubs", "enrol", "--serial", "S", "--iccid", "8944100000000000011", "--claim", *database)
    assert len(hub["claim_code"]) == 27
    again = printed("hubs", "claim", hub["id"], *database)
    assert again["claim_code"] != hub["claim_code"]
    assert printed("hubs", "revoke", hub["id"], *database)["revoked_at"]
    assert run("hubs", "claim", hub["id"], *database).exit_code == 9
    out = tmp_path / "hubs.crl"
    assert run("crl", "--out", str(out), *database).exit_code == 9
    signing = ("--ca-certificate", str(ca / "hubs-ca.pem"), "--ca-key", str(ca / "hubs-ca.key"))
    found = printed("crl", "--out", str(out), *signing, *database)
    assert read_revocation_list(out.read_bytes(), (ca / "hubs-ca.pem").read_text())[0] == found["number"]
    assert printed("crl", "--out", str(out), *database)["changed"] is False
    stranger = run("crl", "--out", str(out), "--authority", str(ca / "services-ca.pem"), *database)
    assert stranger.exit_code == 9


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--ca-certificate", "hubs-ca.pem"), "--ca-key"),
        (("--ca-certificate", "hubs-ca.pem", "--ca-key", "services-ca.key"), "hubs-ca.pem"),
        (("--ca-certificate", "hubs-ca.pem", "--ca-key", "hubs-ca.key"), "--broker-ca"),
        (("--ca-command", "sign", "--ca-url", "https://ca.example"), "more than one"),
        (("--ca-url", "ca.example"), "https://"),
        (
            ("--ca-command", "sign", "--broker-ca", "hubs-ca.pem", "--hubs-broker-url", "mqtt://b.example"),
            "mqtts://",
        ),
    ],
)
def test_an_authority_that_can_not_work_stops_serve_before_it_starts(
    ca: Path, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    words = [str(ca / each) if each.endswith((".pem", ".key")) else each for each in options]
    result = run("serve", "--port", "0", "--database-url", f"sqlite:///{tmp_path / 'c.db'}", *words)
    assert (result.exit_code, says in result.stderr, "Traceback" in result.stderr) == (3, True, False)
