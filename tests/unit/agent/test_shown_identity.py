"""Which certificate the next connection shows, told by a handshake in memory."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from device_agent.cli.run import usable_tls
from device_agent.config import Broker, Config, ConfigError
from device_agent.config.enrolled import generations, keep
from device_agent.link import IdentifiedPort, Link, LinkLostError, LinkRefusedError, ShownIdentity, Will
from tests.e2e.agent.authority import Authority, pem

AUTHORITY = Authority()


class Hub:
    """A state folder with generations, and the identity that is made of it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.files = {
            name: str(state / "identity" / "current" / file)
            for name, file in (("ca", "ca.pem"), ("certificate", "hub.pem"), ("key", "hub.key"))
        }
        self.context = ssl.create_default_context()
        self.identity = ShownIdentity(self.context, lambda: generations(state, self.files))
        self.told: list[str] = []
        self.identity.told = self.told.append

    def renew(self, subject: str, *, broken: bool = False) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = pem(AUTHORITY.issue(subject, key.public_key()))
        keys = pem(ec.generate_private_key(ec.SECP256R1()) if broken else key)
        keep(self.state, {"hub.pem": certificate, "hub.key": keys, "ca.pem": pem(AUTHORITY.certificate)})

    def shows(self, directory: Path) -> str:
        """The subject that a broker is shown."""
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(cadata=pem(AUTHORITY.certificate).decode())
        server.load_cert_chain(*AUTHORITY.server_files(directory))
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = self.context.wrap_bio(down, up, server_hostname="127.0.0.1")
        theirs = server.wrap_bio(up, down, server_side=True)
        for side in (ours, theirs) * 3:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        told = theirs.getpeercert(binary_form=True)
        assert told is not None
        return x509.load_der_x509_certificate(told).subject.rfc4514_string().removeprefix("CN=")


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    hub = Hub(tmp_path / "state")
    hub.renew("first")
    hub.identity.take_up()
    return hub


def test_a_new_certificate_is_shown_once_it_is_taken_up(hub: Hub, tmp_path: Path) -> None:
    hub.renew("second")
    assert hub.shows(tmp_path) == "first"
    hub.identity.take_up()
    assert hub.shows(tmp_path) == "second"


def test_one_that_is_no_use_leaves_the_one_before_it(hub: Hub, tmp_path: Path) -> None:
    hub.renew("second", broken=True)
    hub.identity.take_up()
    assert hub.shows(tmp_path) == "first"
    assert hub.told[-1].startswith("it cannot be used: ")
    hub.renew("third")
    hub.identity.take_up()
    assert hub.shows(tmp_path) == "third"
    assert hub.told[-1] == ""
    hub.renew("fourth", broken=True)
    hub.renew("fifth", broken=True)
    hub.identity.take_up()
    assert hub.shows(tmp_path) == "third"
    assert hub.told[-1].startswith("it cannot be used: ")


def test_an_agent_that_starts_with_a_certificate_that_is_no_use_starts_with_the_one_before(
    hub: Hub, tmp_path: Path
) -> None:
    hub.renew("second", broken=True)
    config = Config(hub="h", state=str(hub.state), broker=msgspec.convert(hub.files, Broker))
    context = usable_tls(config)
    assert context is not None
    hub.context = context
    assert hub.shows(tmp_path) == "first"
    hub.renew("third", broken=True)
    with pytest.raises(ConfigError, match="cannot be used"):
        usable_tls(config)


class Gate:
    """A broker's door that lets in whom it knows."""

    def __init__(self, hub: Hub, directory: Path, knows: str) -> None:
        self.hub, self.directory, self.knows = hub, directory, knows
        self.shown: list[str] = []

    @asynccontextmanager
    async def open(
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AsyncIterator[Link]:
        self.shown.append(self.hub.shows(self.directory))
        if self.shown[-1] != self.knows:
            raise LinkRefusedError("who are you?")
        yield None  # type: ignore[misc]  # nobody talks on it


async def enters(port: IdentifiedPort) -> bool:
    try:
        async with port.open(client_id="h", will=None, subscriptions=(), session_expiry_s=0):
            return True
    except LinkRefusedError:
        return False


async def loses(port: IdentifiedPort) -> None:
    async with port.open(client_id="h", will=None, subscriptions=(), session_expiry_s=0):
        raise LinkLostError("gone")


def test_a_refusal_turns_to_the_one_before_and_back(hub: Hub, tmp_path: Path) -> None:
    async def story() -> None:
        hub.renew("second")
        hub.identity.take_up()
        gate = Gate(hub, tmp_path, knows="first")
        port = IdentifiedPort(gate, hub.identity)
        assert [await enters(port), await enters(port)] == [False, True]
        # What was let in stays, whatever becomes of the connection.
        with pytest.raises(LinkLostError):
            await loses(port)
        assert await enters(port)
        gate.knows = "second"
        assert [await enters(port), await enters(port)] == [False, True]
        assert gate.shown == ["second", "first", "first", "first", "first", "second"]
        assert hub.told == ["", "", "who are you?", ""]

    asyncio.run(story())
