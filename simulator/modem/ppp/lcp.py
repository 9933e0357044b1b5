"""What a mobile's end of the link agrees to (RFC 1661 clause 6, RFC 1662 clause 7.1)."""

from enum import IntEnum
from typing import Final

from simulator.modem.ppp.framing import ALL_CONTROLS
from simulator.modem.ppp.packets import Option

MRU, CONTROLS, AUTHENTICATION, MAGIC, SHORT_PROTOCOL, SHORT_ADDRESS = 1, 2, 3, 5, 7, 8
_SIZES: Final = {MRU: 2, CONTROLS: 4, MAGIC: 4, SHORT_PROTOCOL: 0, SHORT_ADDRESS: 0}
_LEAST_MRU: Final = 128


class Login(IntEnum):
    """How the caller shows who it is: the values of +CGAUTH (TS 27.007 clause 10.1.31)."""

    NONE = 0
    PAP = 1
    CHAP = 2
    EITHER = 3


_PAP: Final = Option(AUTHENTICATION, b"\xc0\x23")
_CHAP: Final = Option(AUTHENTICATION, b"\xc2\x23\x05")  # with MD5


class LinkRules:
    """The link's options. `login` is what was agreed, `peer_controls` the characters the peer wants escaped."""

    def __init__(self, wanted: Login, magic: bytes) -> None:
        self.magic = magic
        self.login = Login.CHAP if wanted is Login.EITHER else wanted
        self.login_refused = False
        self.peer_controls = ALL_CONTROLS
        self._either = wanted is Login.EITHER
        self._left_out: set[int] = set()

    def wishes(self) -> tuple[Option, ...]:
        """No escaping, a login if one is set up, a magic number."""
        all_of_them = [Option(CONTROLS, bytes(4)), Option(MAGIC, self.magic)]
        if self.login is not Login.NONE:
            all_of_them.insert(1, _CHAP if self.login is Login.CHAP else _PAP)
        return tuple(option for option in all_of_them if option.kind not in self._left_out)

    def nakked(self, options: tuple[Option, ...]) -> None:
        """Another way to log in is followed where either would do; nothing else is worth an argument."""
        for option in options:
            if option.kind != AUTHENTICATION:
                self._left_out.add(option.kind)
            elif self._either and option in {_PAP, _CHAP}:
                self.login = Login.PAP if option == _PAP else Login.CHAP
            else:
                self.login_refused = True

    def rejected(self, options: tuple[Option, ...]) -> None:
        """Go on without them; without a login there is no call."""
        kinds = {option.kind for option in options}
        self.login_refused |= AUTHENTICATION in kinds
        self._left_out |= kinds - {AUTHENTICATION}

    def unwanted(self, option: Option) -> bool:
        """Unknown or malformed options, and a login: a network shows nobody who it is."""
        return _SIZES.get(option.kind) != len(option.value)

    def hint(self, option: Option) -> Option | None:
        """A magic number like ours means a loop; a unit too small to talk through is raised."""
        if option.kind == MAGIC and option.value == self.magic:
            return Option(MAGIC, bytes(octet ^ 0xA5 for octet in option.value))
        if option.kind == MRU and int.from_bytes(option.value, "big") < _LEAST_MRU:
            return Option(MRU, _LEAST_MRU.to_bytes(2, "big"))
        return None

    def settled(self, options: tuple[Option, ...]) -> None:
        """Escape from now on what the peer wants escaped."""
        values = dict(options)
        self.peer_controls = int.from_bytes(values.get(CONTROLS, b"\xff\xff\xff\xff"), "big")
