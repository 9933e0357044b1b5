"""What is written for mosquitto: the shipped example is what the command writes, and no rule is wider than meant."""

from pathlib import Path

import pytest

from controller.cli.mosquitto import BrokerSettings, access_list, configuration, files
from device_agent.protocol.codec import LIMITS

SHIPPED = Path(__file__).parents[3] / "deploy/controller/mosquitto"
SETTINGS = BrokerSettings(
    controllers=("controller-1", "controller-2"), crl_url="https://controller.example/v1/enrolments/crl"
)
LINES = configuration(SETTINGS).splitlines()


@pytest.mark.parametrize("name", files(SETTINGS))
def test_the_shipped_example_is_what_the_command_writes(name: str) -> None:
    assert (SHIPPED / name).read_text() == files(SETTINGS)[name]


def test_every_topic_rule_of_a_controller_stands_below_its_name() -> None:
    lines = [line for line in access_list(("a", "b")).splitlines() if line and not line.startswith("#")]
    assert lines[0] == "user a"
    patterns = [line for line in lines if line.startswith("pattern")]
    assert len(patterns) == 6
    assert all("/%u/" in line and "+" not in line and "#" not in line for line in patterns)


def test_both_listeners_want_certificates_and_hubs_have_one_client_id() -> None:
    listeners = "\n".join(LINES).split("\nlistener ")[1:]
    assert len(listeners) == 2
    for listener in listeners:
        assert {"require_certificate true", "use_identity_as_username true", "tls_version tlsv1.2"} <= set(
            listener.splitlines()
        )
    hubs, controllers = listeners
    assert {"use_username_as_clientid true", "crlfile /etc/mosquitto/minihub/hubs.crl"} <= set(hubs.splitlines())
    assert "use_username_as_clientid true" not in controllers.splitlines()
    assert ("hubs-ca" in hubs, "hubs-ca" in controllers) == (True, False)


def test_limits_are_those_of_the_contract() -> None:
    largest = max(LIMITS.values())
    assert f"message_size_limit {largest}" in LINES
    assert {"allow_anonymous false", "set_tcp_nodelay true", "persistence true", "autosave_on_changes false"} <= set(
        LINES
    )


def test_nothing_reloads_by_a_signal() -> None:
    drop_in = files(SETTINGS)["mosquitto.service.d/minihub.conf"]
    assert "\nExecReload=\n" in drop_in
    assert "HUP" not in "".join(line for line in drop_in.splitlines() if not line.startswith("#"))
