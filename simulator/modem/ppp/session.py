"""One PPP call from its first frame to its end, as the network's side lives it (RFC 1661 clause 3).

Theory of operation: the session waits for the caller's first frame (RFC 1661 clause 4.2 allows it), agrees on the
link, asks who calls if the context says so, then opens IPv4 and IPv6 side by side. `receive` and `due` take the time,
`take` gives the octets for the line, `deadline` tells when `due` is needed. Once `ended`, nothing more happens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from random import Random

from simulator.modem.ppp import internet, login
from simulator.modem.ppp.addresses import Ipv4Rules, Ipv6Rules
from simulator.modem.ppp.automaton import State
from simulator.modem.ppp.framing import ALL_CONTROLS, Deframer, Frame, encode
from simulator.modem.ppp.layer import MAX_CONFIGURE, RESTART_S, Layer, Rules
from simulator.modem.ppp.lcp import LinkRules, Login
from simulator.modem.ppp.packets import Code, Packet, read_packet

LCP, PAP, CHAP, IPCP, IPV6CP, IPV4, IPV6 = 0xC021, 0xC023, 0xC223, 0x8021, 0x8057, 0x0021, 0x0057
OUTPUT_LIMIT = 65536  # octets that wait while the line is in command mode; beyond it frames are lost
_REJECTED_PART = 64  # octets of a rejected packet that are sent back


class Phase(Enum):
    """Where the call stands."""

    LINK = "link"
    LOGIN = "login"
    NETWORK = "network"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Account:
    """Who may call, and how it is shown."""

    login: Login = Login.NONE
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the network gives: the bearer's addresses, and its own."""

    ipv4: IPv4Address | None = None
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()
    ipv6: IPv6Address | None = None


class Session:
    """The network's side of one call. `carried` is told (sent by the caller, received by it) in octets of IP."""

    def __init__(
        self, account: Account, addresses: Addresses, random: Random, carried: Callable[[int, int], None]
    ) -> None:
        self.phase = Phase.LINK
        self._account = account
        self._addresses = addresses
        self._random = random
        self._carried = carried
        self._deframer = Deframer()
        self._out = bytearray()
        self._now = 0.0
        self._link_rules = LinkRules(account.login, random.randbytes(4))
        self._link = self._layer(LCP, self._link_rules, on_up=self._link_up, on_down=self._link_down)
        self._networks = self._network_layers()
        self._challenge = b""
        self._challenges = 0
        self._login_deadline: float | None = None

    @property
    def ended(self) -> bool:
        """The call is over: the line has no carrier any more."""
        return self.phase is Phase.ENDED

    @property
    def deadline(self) -> float | None:
        """When `due` is needed next."""
        if self.ended:
            return None
        times = [self._link.deadline, self._login_deadline, *(layer.deadline for layer in self._networks.values())]
        return min((when for when in times if when is not None), default=None)

    def take(self) -> bytes:
        """Octets for the line since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def receive(self, data: bytes, now: float) -> None:
        """Octets from the line."""
        self._now = now
        for frame in self._deframer.feed(data):
            if not self.ended:
                self._take_frame(frame)

    def due(self, now: float) -> None:
        """Do what time demands: repeat a request, or give up."""
        self._now = now
        self._link.due(now)
        for layer in self._networks.values():
            layer.due(now)
        if self._login_deadline is not None and self._login_deadline <= now:
            self._challenge_again()

    def hang_up(self, now: float) -> None:
        """The network ends the call: the caller is told once, and nobody waits for its answer."""
        self._now = now
        if not self.ended:
            self._link.close(now)
            self.phase = Phase.ENDED

    # -- frames

    def _take_frame(self, frame: Frame) -> None:
        protocol, information = frame
        if protocol == LCP:
            self._take_link(information)
        elif self._link.state is not State.OPENED:
            return  # RFC 1661 clause 3.4: silently discarded
        elif protocol in {PAP, CHAP}:
            self._take_login(protocol, information)
        elif protocol in self._networks:
            self._take_network(protocol, information)
        elif protocol in {IPV4, IPV6} and self._is_open(IPCP if protocol == IPV4 else IPV6CP):
            self._carry(protocol, information)
        elif protocol not in {IPV4, IPV6} or (IPCP if protocol == IPV4 else IPV6CP) not in self._networks:
            rejected = frame.protocol.to_bytes(2, "big") + information[:_REJECTED_PART]
            self._send(LCP, Packet(Code.PROTOCOL_REJECT, self._random.randrange(256), rejected))

    def _take_link(self, information: bytes) -> None:
        packet = read_packet(information)
        if packet is None:
            return
        known = self._link.receive(packet, self._now)
        if packet.code == Code.TERMINATE_REQUEST:
            self.phase = Phase.ENDED  # acknowledged; nobody waits to say it again
        elif self._link_rules.login_refused:
            self.hang_up(self._now)
        elif not known:
            self._take_link_word(packet)

    def _take_link_word(self, packet: Packet) -> None:
        """An echo is answered with our own magic number (RFC 1661 clause 5.8); a protocol may be turned down."""
        opened = self._link.state is State.OPENED
        if packet.code == Code.ECHO_REQUEST and opened:
            self._send(LCP, Packet(Code.ECHO_REPLY, packet.identifier, self._link_rules.magic + packet.data[4:]))
        elif packet.code == Code.PROTOCOL_REJECT and opened:
            layer = self._networks.get(int.from_bytes(packet.data[:2], "big"))
            if layer is not None:
                layer.protocol_rejected(self._now)
        elif packet.code not in set(Code):
            self._link.refuse_code(packet, self._now)

    def _take_network(self, protocol: int, information: bytes) -> None:
        packet = read_packet(information)
        if packet is None or self.phase is not Phase.NETWORK:
            return
        layer = self._networks[protocol]
        if not layer.receive(packet, self._now):
            layer.refuse_code(packet, self._now)

    def _carry(self, protocol: int, packet: bytes) -> None:
        reply = internet.answer(packet, self._addresses.ipv4) if protocol == IPV4 and self._addresses.ipv4 else b""
        self._carried(len(packet), len(reply))
        if reply:
            self._send_frame(Frame(IPV4, reply))

    # -- phases

    def _link_up(self) -> None:
        self._deframer.controls = 0  # what we asked for: from now on the caller need not escape any
        if self._link_rules.login is Login.NONE:
            self._open_networks()
            return
        self.phase = Phase.LOGIN
        self._challenges = MAX_CONFIGURE
        self._login_deadline = self._now
        if self._link_rules.login is Login.CHAP:
            self._challenge = self._random.randbytes(16)
            self._challenge_again()
        else:
            self._login_deadline = self._now + RESTART_S * MAX_CONFIGURE

    def _link_down(self) -> None:
        """The caller negotiates anew, or the link ends: what stood on it is gone."""
        self.phase = Phase.LINK
        self._deframer.controls = ALL_CONTROLS
        self._login_deadline = None
        self._networks = self._network_layers()

    def _challenge_again(self) -> None:
        if self._challenges <= 0 or self._link_rules.login is not Login.CHAP:
            self.hang_up(self._now)
            return
        self._challenges -= 1
        self._login_deadline = self._now + RESTART_S
        self._send(CHAP, login.challenge(1, self._challenge))

    def _take_login(self, protocol: int, information: bytes) -> None:
        packet = read_packet(information)
        wanted = self._link_rules.login
        if packet is None or self.phase is Phase.LINK or protocol != (CHAP if wanted is Login.CHAP else PAP):
            return
        user, password = self._account.user.encode(), self._account.password.encode()
        if wanted is Login.CHAP and packet.code == login.RESPONSE:
            right = login.is_right_response(packet, self._challenge, user, password)
            self._send(CHAP, login.verdict(packet, right=right))
        elif wanted is Login.PAP and packet.code == login.PAP_REQUEST:
            right = login.is_right_request(packet, user, password)
            self._send(PAP, login.pap_verdict(packet, right=right))
        else:
            return
        self._login_deadline = None
        if not right:
            self.hang_up(self._now)
        elif self.phase is Phase.LOGIN:
            self._open_networks()

    def _open_networks(self) -> None:
        self.phase = Phase.NETWORK
        for layer in self._networks.values():
            layer.open(self._now)

    def _network_finished(self) -> None:
        """A network protocol that neither side speaks is none; without any there is no call (RFC 1661 clause 3.6)."""
        if self.phase is Phase.NETWORK and not any(self._alive(layer) for layer in self._networks.values()):
            self.hang_up(self._now)

    def _link_finished(self) -> None:
        self.phase = Phase.ENDED

    # -- parts

    def _network_layers(self) -> dict[int, Layer]:
        given, layers = self._addresses, dict[int, Layer]()
        if given.ipv4 is not None and given.gateway is not None:
            layers[IPCP] = self._layer(IPCP, Ipv4Rules(given.gateway, given.ipv4, given.dns))
        if given.ipv6 is not None:
            layers[IPV6CP] = self._layer(IPV6CP, Ipv6Rules(bytes(7) + b"\xfe", given.ipv6.packed[8:]))
        return layers

    def _layer(
        self,
        protocol: int,
        rules: Rules,
        *,
        on_up: Callable[[], None] = lambda: None,
        on_down: Callable[[], None] = lambda: None,
    ) -> Layer:
        finished = self._link_finished if protocol == LCP else self._network_finished
        return Layer(
            rules, lambda packet: self._send(protocol, packet), on_up=on_up, on_down=on_down, on_finished=finished
        )

    def _is_open(self, protocol: int) -> bool:
        layer = self._networks.get(protocol)
        return layer is not None and layer.state is State.OPENED

    @staticmethod
    def _alive(layer: Layer) -> bool:
        return layer.state not in {State.CLOSED, State.STOPPED}

    def _send(self, protocol: int, packet: Packet) -> None:
        self._send_frame(Frame(protocol, packet.encoded()))

    def _send_frame(self, frame: Frame) -> None:
        octets = encode(frame, self._link_rules.peer_controls)
        if len(self._out) + len(octets) <= OUTPUT_LIMIT:
            self._out += octets
