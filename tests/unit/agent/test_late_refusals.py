"""What ends a TLS 1.3 connection before the broker's answer, and what it is called."""

import asyncio
import logging
import ssl

import aiomqtt
import pytest

from device_agent.link.port import LinkRefusedError, LinkUnreachableError
from device_agent.link.refusals import RefusalLog, connect, connect_error, log_for

ALERT = "[SSL: SSLV3_ALERT_CERTIFICATE_REVOKED] sslv3 alert certificate revoked"
RESET = "[Errno 104] Connection reset by peer"


class Client:
    """Waits for an answer that does not come, while its library logs `said`."""

    def __init__(self, log: RefusalLog, said: str) -> None:
        self._log, self._said = log, said
        self.is_given_up = False

    async def __aenter__(self) -> None:
        self._log.log(logging.ERROR, "%s", self._said)
        try:
            await asyncio.Event().wait()
        finally:
            self.is_given_up = True


async def connected(said: str) -> None:
    log = RefusalLog()
    client = Client(log, said)
    try:
        async with asyncio.timeout(0.05):
            await connect(client, log)  # type: ignore[arg-type]  # all that is used of an aiomqtt.Client
    finally:
        assert client.is_given_up


@pytest.mark.parametrize(("what", "expected"), [(ALERT, LinkRefusedError), (RESET, LinkUnreachableError)])
def test_an_alert_is_a_refusal_and_a_broker_that_goes_away_is_none(what: str, expected: type[Exception]) -> None:
    with pytest.raises(aiomqtt.MqttError) as heard:
        asyncio.run(connected(f"failed to receive on socket: {what}"))
    assert isinstance(connect_error("broker:8883", heard.value), expected)


def test_other_words_of_the_library_end_nothing() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(connected("Sending CONNECT (u0, p0, wr0, wq0, wf0, c1, k60)"))


def test_only_a_context_that_may_speak_1_3_is_listened_to() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def kinds() -> tuple[bool, bool, bool]:
        late = log_for(tls) is not None
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        return late, log_for(tls) is not None, log_for(None) is not None

    assert asyncio.run(kinds()) == (True, False, False)
