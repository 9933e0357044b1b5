"""A broker that said no is told from one that is not there, and from one that would have us later."""

import aiomqtt
import pytest
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from device_agent.link.port import LinkRefusedError, LinkUnreachableError
from device_agent.link.refusals import connect_error


@pytest.mark.parametrize(
    "name", ["Not authorized", "Bad user name or password", "Client identifier not valid", "Banned"]
)
def test_a_broker_s_no_is_a_refusal_with_its_reason(name: str) -> None:
    code = ReasonCode(PacketTypes.CONNACK, name)
    error = connect_error("broker:8883", MqttConnectError(code))
    assert isinstance(error, LinkRefusedError)
    assert error.code == code.value


@pytest.mark.parametrize("name", ["Server unavailable", "Server busy"])
def test_a_broker_that_would_have_us_later_is_no_refusal(name: str) -> None:
    code = ReasonCode(PacketTypes.CONNACK, name)
    assert isinstance(connect_error("broker:8883", MqttConnectError(code)), LinkUnreachableError)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", LinkRefusedError),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", LinkRefusedError),
        ("[Errno 111] Connection refused", LinkUnreachableError),
        ("Operation timed out", LinkUnreachableError),
    ],
)
def test_a_tls_alert_is_an_answer_and_silence_is_none(text: str, expected: type[Exception]) -> None:
    assert isinstance(connect_error("broker:8883", aiomqtt.MqttError(text)), expected)
