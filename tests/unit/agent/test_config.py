"""Settings: every mistake named with its line or its variable."""

from pathlib import Path

import pytest

from device_agent.config import ConfigError, load

HUB = 'hub = "01990000-0000-7000-8000-0000000000aa"\n'


def problems(tmp_path: Path, text: str, **environment: str) -> list[str]:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path, environment)
    return [problem.replace(str(path), "F") for problem in refused.value.problems]


def test_defaults_are_enough_with_a_hub_id(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(HUB)
    config = load(path, {})
    assert config.network.countries == ("234", "235")
    assert config.socket == Path("/var/lib/minihub/status.sock")


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        HUB
        + "surprise = 1\n[broker]\nhost = 5\n\n[dns]\n# a comment\nport = 70000\nporrt = 1\n[lan]\ninterface = 'a b'\n"
    )
    found = problems(tmp_path, text)
    assert found[0].startswith("F:2: unknown setting 'surprise'")
    assert found[1].startswith("F:4: broker.host: expected `str`")
    assert found[2].startswith("F:8: dns.port") or found[2].startswith("F:9: dns.porrt")
    assert found[3].startswith("F:11: lan.interface")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hub = ", "is not TOML"),
        ("[broker]\n", "hub: missing"),
        ('hub = "Hub-1"\n', "F:1: hub: not a hub id"),
        (HUB + '[broker]\nca = "x"\n', "F:3: broker: ca, certificate and key belong together"),
        (HUB + '[broker]\nca = "/nowhere"\ncertificate = "/nowhere"\nkey = "/nowhere"\n', "broker.ca: no such file"),
        (HUB + "dns = 3\n", "F:2: dns: expected `object`"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    found = problems(tmp_path, text)
    assert said in found[0]
    assert all("\n" not in problem for problem in found)


def test_the_environment_wins_and_is_blamed_by_name(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(HUB + "[broker]\nport = 1\n")
    config = load(path, {"MINIHUB_AGENT_BROKER__PORT": "1884", "MINIHUB_AGENT_MODEM__PORTS": "/dev/a, /dev/b"})
    assert config.broker.port == 1884
    assert config.modem.ports == ("/dev/a", "/dev/b")
    found = problems(tmp_path, HUB, MINIHUB_AGENT_BROKER__PORT="many")
    assert found[0].startswith("environment MINIHUB_AGENT_BROKER__PORT: broker.port")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml", {})
