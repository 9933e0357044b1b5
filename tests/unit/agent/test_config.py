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
        (HUB + '[lists]\nca = "/nowhere"\n', "F:3: lists.ca: no such file: /nowhere"),
        (HUB + '[lists]\nca = "/"\n', "F:3: lists.ca: cannot be read: Is a directory: /"),
        (HUB + f'state = "/{"x" * 300}"\n', "identity/current: cannot be looked into: File name too long"),
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
    assert found[0].startswith("environment MINIHUB_AGENT_BROKER__PORT: broker.port: expected `int`")
    assert found[0].endswith(
        "give a whole number in the file, or MINIHUB_AGENT_BROKER__PORT without quotes in the environment"
    )


def test_a_variable_beside_a_value_that_is_no_section_is_no_crash(tmp_path: Path) -> None:
    assert "F:2: dns: expected `object`" in problems(tmp_path, HUB + "dns = 3\n", MINIHUB_AGENT_DNS__PORT="5")[0]


def test_a_socket_path_too_long_for_the_kernel_is_a_mistake_of_settings(tmp_path: Path) -> None:
    found = problems(tmp_path, HUB + f'state = "/tmp/{"x" * 100}"\n')
    assert found == ["F:2: state: the status socket's path has 117 bytes, 107 fit; set a shorter status.socket"]
    found = problems(tmp_path, HUB + f'[status]\nsocket = "/{"x" * 107}"\n')
    assert found[0].startswith("F:3: status.socket: the status socket's path has 108 bytes")
    path = tmp_path / "hub.toml"
    path.write_text(HUB + f'[status]\nsocket = "/{"x" * 106}"\n')
    assert load(path, {}).socket == Path("/" + "x" * 106)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read: .*; write it .* name another with --config$"):
        load(tmp_path / "none.toml", {})
