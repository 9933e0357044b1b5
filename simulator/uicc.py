"""A UICC with a USIM: file system, PINs and the commands a modem sends to it.

Sources: ETSI TS 102 221 (files, PIN, status words), 3GPP TS 31.102 (USIM files), TS 23.038 (SPN alphabet), ITU-T E.118
(ICCID). A card survives every reset of the modem: counters and files stay, a verified PIN does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Sw = tuple[int, int]
OK: Sw = (0x90, 0x00)
FILE_NOT_FOUND: Sw = (0x6A, 0x82)
RECORD_NOT_FOUND: Sw = (0x6A, 0x83)
WRONG_LENGTH: Sw = (0x67, 0x00)
WRONG_PARAMETERS: Sw = (0x6B, 0x00)
WRONG_STRUCTURE: Sw = (0x69, 0x81)  # command incompatible with file structure
SECURITY_NOT_SATISFIED: Sw = (0x69, 0x82)
BLOCKED: Sw = (0x69, 0x83)
UNKNOWN_INSTRUCTION: Sw = (0x6D, 0x00)

# File identifiers, TS 102 221 clause 13 and TS 31.102 clause 4.2.
MF, DF_TELECOM, DF_GSM, ADF_USIM = 0x3F00, 0x7F10, 0x7F20, 0x7FFF
EF_DIR, EF_PL, EF_ICCID = 0x2F00, 0x2F05, 0x2FE2
EF_LI, EF_IMSI, EF_UST, EF_GID1, EF_GID2, EF_MSISDN = 0x6F05, 0x6F07, 0x6F38, 0x6F3E, 0x6F3F, 0x6F40
EF_SMSP, EF_SPN, EF_PLMNWACT, EF_OPLMNWACT, EF_HPLMNWACT = 0x6F42, 0x6F46, 0x6F60, 0x6F61, 0x6F62
EF_PSLOCI, EF_ACC, EF_FPLMN, EF_LOCI, EF_AD, EF_ECC, EF_EPSLOCI = 0x6F73, 0x6F78, 0x6F7B, 0x6F7E, 0x6FAD, 0x6FB7, 0x6FE3

# STATUS, GET RESPONSE, READ and UPDATE BINARY, READ and UPDATE RECORD.
_FILE_INSTRUCTIONS = frozenset({0xF2, 0xC0, 0xB0, 0xD6, 0xB2, 0xDC})
_FREE_TO_READ = frozenset({EF_ICCID, EF_DIR, EF_PL, EF_ECC, EF_LI, EF_AD, EF_SPN, EF_UST})


def luhn_digit(digits: str) -> str:
    """The check digit of ITU-T E.118 and TS 23.003 for a string of decimal digits."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def swap_nibbles(digits: str, length: int) -> bytes:
    """Digits (or hex) packed low nibble first and padded with F to `length` octets (TS 31.102, BCD)."""
    padded = digits.ljust(length * 2, "F")
    return bytes.fromhex("".join(padded[i + 1] + padded[i] for i in range(0, length * 2, 2)))


def encode_imsi(imsi: str) -> bytes:
    """EF_IMSI: length, then parity nibble and digits (TS 31.102 clause 4.2.2)."""
    odd = len(imsi) % 2
    nibbles = f"{9 if odd else 1:x}{imsi}"
    body = swap_nibbles(nibbles, (len(nibbles) + 1) // 2)
    return bytes([len(body)]) + body.ljust(8, b"\xff")


def encode_plmn(plmn: str) -> bytes:
    """MCC and MNC in three octets (TS 24.008 clause 10.5.1.3); a two-digit MNC has F as its third."""
    mcc, mnc = plmn[:3], plmn[3:].ljust(3, "f")
    return bytes.fromhex(f"{mcc[1]}{mcc[0]}{mnc[2]}{mcc[2]}{mnc[1]}{mnc[0]}")


def encode_dialling_number(number: str) -> bytes:
    """Length, type of number and BCD digits in 12 octets (TS 31.102 clause 4.4.2.3)."""
    if not number:
        return b"\xff" * 12
    digits = number.lstrip("+")
    kind = 0x91 if number.startswith("+") else 0x81
    packed = swap_nibbles(digits, (len(digits) + 1) // 2)
    return bytes([len(packed) + 1, kind]) + packed.ljust(10, b"\xff")


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the issuer wrote: identifiers and names. `mnc_length` is 2 or 3."""

    iccid: str
    imsi: str
    msisdn: str = ""
    mnc_length: int = 2
    service_provider: str = "EE"
    smsc: str = "+447958879879"
    gid1: str = ""
    gid2: str = ""

    @property
    def home_plmn(self) -> str:
        """MCC and MNC of the home network."""
        return self.imsi[: 3 + self.mnc_length]


@dataclass(slots=True)
class PinState:
    """One PIN with its unblocking key. Counters live on the card; `verified` ends with the card session."""

    code: str
    puk: str
    enabled: bool = False
    tries: int = 3
    puk_tries: int = 10
    verified: bool = False

    @property
    def blocked(self) -> bool:
        """The PIN can be used no more without its PUK."""
        return self.tries == 0

    def verify(self, code: str) -> bool:
        """True for the right code; a wrong one costs a try, but not what was verified before, until it blocks."""
        if self.blocked:
            return False
        if code != self.code:
            self.tries -= 1
            self.verified = self.verified and not self.blocked
            return False
        self.tries, self.verified = 3, True
        return True

    def unblock(self, puk: str, new: str) -> bool:
        """True for the right PUK, which sets and enables `new`; a wrong one costs one of ten tries for ever."""
        if self.puk_tries == 0:
            return False
        if puk != self.puk:
            self.puk_tries -= 1
            return False
        self.code, self.tries, self.puk_tries, self.verified, self.enabled = new, 3, 10, True, True
        return True


@dataclass(slots=True)
class File:
    """An elementary file: transparent when `record_length` is 0, linear fixed otherwise."""

    content: bytearray
    record_length: int = 0


@dataclass(slots=True)
class _Selection:
    directory: int = MF
    file: int | None = None
    response: bytes = b""


@dataclass(frozen=True, slots=True)
class PhonebookEntry:
    """A number and whose it is."""

    number: str
    text: str


@dataclass(slots=True)
class Uicc:
    """A card. `pin1.enabled` decides whether a modem has to unlock it after each reset."""

    subscription: Subscription
    pin1: PinState = field(default_factory=lambda: PinState("1234", "12345678"))
    pin2: PinState = field(default_factory=lambda: PinState("5678", "87654321"))
    files: dict[int, File] = field(default_factory=dict)
    phonebook: dict[int, PhonebookEntry] = field(default_factory=dict)  # as a modem's +CPBR shows it
    _selected: _Selection = field(default_factory=_Selection)

    def __post_init__(self) -> None:
        """Write the issuer's files."""
        for number, stored in issued_files(self.subscription).items():
            self.files.setdefault(number, stored)

    def reset(self) -> None:
        """A cold reset: PIN verification and file selection end."""
        self.pin1.verified = self.pin2.verified = False
        self._selected = _Selection()

    @property
    def status(self) -> str:
        """The word `+CPIN?` uses (TS 27.007 clause 8.3)."""
        if self.pin1.blocked:
            return "SIM PUK"
        return "SIM PIN" if self.pin1.enabled and not self.pin1.verified else "READY"

    @property
    def dead(self) -> bool:
        """The PUK was guessed wrong ten times: the card is worth nothing."""
        return self.pin1.blocked and self.pin1.puk_tries == 0

    def access(self, instruction: int, number: int, parameters: tuple[int, int, int], data: bytes) -> tuple[Sw, bytes]:
        """One restricted access (+CRSM, TS 27.007 clause 8.18): status word and response data."""
        stored = self.files.get(number)
        if instruction not in _FILE_INSTRUCTIONS:
            return UNKNOWN_INSTRUCTION, b""
        if instruction == 0xF2:  # STATUS
            return OK, directory_response(MF if number == 0 else number)
        if stored is None:
            return FILE_NOT_FOUND, b""
        if instruction == 0xC0:  # GET RESPONSE: always answered, whatever the access condition
            return OK, legacy_response(number, stored)
        if number not in _FREE_TO_READ and self.status != "READY":
            return SECURITY_NOT_SATISFIED, b""
        return _access_content(stored, instruction, parameters, data)

    def transmit(self, apdu: bytes) -> tuple[Sw, bytes]:
        """One command APDU (+CSIM, TS 27.007 clause 8.17)."""
        if len(apdu) < 4:
            return WRONG_LENGTH, b""
        instruction, p1, p2 = apdu[1], apdu[2], apdu[3]
        p3 = apdu[4] if len(apdu) > 4 else 0
        data = apdu[5 : 5 + p3]
        if instruction == 0xA4:
            return self._select(data)
        if instruction == 0xC0:
            return OK, self._selected.response[: p3 or 256]
        if instruction == 0xF2:
            return OK, directory_response(self._selected.directory)
        if instruction in {0x20, 0x2C, 0x24, 0x26, 0x28}:
            return self._pin_command(instruction, p2, data), b""
        if instruction not in _FILE_INSTRUCTIONS:
            return UNKNOWN_INSTRUCTION, b""
        if self._selected.file is None:
            return (0x69, 0x86), b""  # no EF selected
        return self.access(instruction, self._selected.file, (p1, p2, p3), data)

    def _select(self, data: bytes) -> tuple[Sw, bytes]:
        number = int.from_bytes(data[-2:], "big") if len(data) in {2, 4, 6} else ADF_USIM
        if number in {MF, DF_TELECOM, DF_GSM, ADF_USIM}:
            self._selected = _Selection(number, None, directory_response(number))
        elif number in self.files:
            response = file_control(number, self.files[number])
            self._selected = _Selection(self._selected.directory, number, response)
        else:
            return FILE_NOT_FOUND, b""
        return (0x61, len(self._selected.response)), b""

    def _pin_command(self, instruction: int, reference: int, data: bytes) -> Sw:
        pin = {0x01: self.pin1, 0x81: self.pin2}.get(reference)
        if pin is None:
            return (0x6A, 0x88)
        first, second = (_pin_digits(data[i : i + 8]) for i in (0, 8))
        if not data:  # an empty VERIFY or UNBLOCK asks for the counter
            return _counter(pin.puk_tries if instruction == 0x2C else pin.tries)
        if instruction == 0x2C:
            return OK if pin.unblock(first, second) else _counter(pin.puk_tries)
        if not pin.verify(first):
            return _counter(pin.tries)
        if instruction == 0x24:
            pin.code = second
        elif instruction in {0x26, 0x28}:
            pin.enabled = instruction == 0x28
        return OK


def _access_content(stored: File, instruction: int, parameters: tuple[int, int, int], data: bytes) -> tuple[Sw, bytes]:
    p1, p2, p3 = parameters
    if instruction in {0xB0, 0xD6}:
        start, size = (p1 << 8) | p2, p3
        if stored.record_length:
            return WRONG_STRUCTURE, b""
    else:
        if not stored.record_length:
            return WRONG_STRUCTURE, b""
        start, size = (p1 - 1) * stored.record_length, stored.record_length
        if not 1 <= p1 <= len(stored.content) // stored.record_length:
            return RECORD_NOT_FOUND, b""
    if start > len(stored.content):
        return WRONG_PARAMETERS, b""
    if instruction in {0xD6, 0xDC}:
        if start + len(data) > len(stored.content):
            return WRONG_LENGTH, b""
        stored.content[start : start + len(data)] = data
        return OK, b""
    end = start + size if size else len(stored.content)
    if end > len(stored.content):
        return (0x6C, len(stored.content) - start & 0xFF), b""
    return OK, bytes(stored.content[start:end])


def _pin_digits(block: bytes) -> str:
    return block.rstrip(b"\xff").decode("ascii", "replace")


def _counter(tries: int) -> Sw:
    return (0x63, 0xC0 | tries) if tries else BLOCKED


def issued_files(issued: Subscription) -> Mapping[int, File]:
    """The files an issuer personalises, with their usual sizes."""
    unknown_area = bytes.fromhex("fffffe")
    home = encode_plmn(issued.home_plmn)
    transparent = {
        EF_ICCID: swap_nibbles(issued.iccid, 10),
        EF_PL: b"en",
        EF_LI: b"en\xff\xff",
        EF_IMSI: encode_imsi(issued.imsi),
        EF_AD: bytes([0, 0, 0, issued.mnc_length]),
        EF_SPN: b"\x01" + issued.service_provider.encode("ascii", "replace")[:16].ljust(16, b"\xff"),
        EF_UST: bytes.fromhex("9eef1b9c6f7e0400"),
        EF_ACC: b"\x00\x04",
        EF_ECC: bytes.fromhex("99f9ff00" + "11f2ff00"),
        EF_GID1: bytes.fromhex(issued.gid1).ljust(4, b"\xff"),
        EF_GID2: bytes.fromhex(issued.gid2).ljust(4, b"\xff"),
        EF_LOCI: b"\xff" * 4 + home + unknown_area[1:] + b"\xff\x01",
        EF_PSLOCI: b"\xff" * 7 + home + unknown_area[1:] + b"\xff\x01",
        EF_EPSLOCI: b"\xff" * 12 + home + unknown_area[1:] + b"\x01",
        EF_FPLMN: b"\xff" * 12,
        EF_PLMNWACT: b"\xff\xff\xff\x00\x00" * 8,
        EF_OPLMNWACT: (home + b"\x40\x00") + b"\xff\xff\xff\x00\x00" * 7,
        EF_HPLMNWACT: home + b"\x40\x00",
    }
    files = {number: File(bytearray(content)) for number, content in transparent.items()}
    application = bytes.fromhex("61184f10a0000000871002ffffffff8906000000500455534" + "94d")
    files[EF_DIR] = File(bytearray(application.ljust(32, b"\xff")), 32)
    number = encode_dialling_number(issued.msisdn)
    files[EF_MSISDN] = File(bytearray(b"\xff" * 14 + number + b"\xff\xff"), 28)
    centre = encode_dialling_number(issued.smsc)
    files[EF_SMSP] = File(bytearray(b"\xff" * 14 + b"\xfd" + b"\xff" * 12 + centre + b"\xff" * 3), 42)
    return files


def legacy_response(number: int, stored: File) -> bytes:
    """GET RESPONSE of an EF in the 15 octets most modems still report through +CRSM (TS 51.011 clause 9.2.1)."""
    structure = 1 if stored.record_length else 0
    size = len(stored.content)
    return (
        b"\x00\x00" + size.to_bytes(2, "big") + number.to_bytes(2, "big")
        + bytes([4, 0, 0x1F, 0xFF, 0xFF, 1, 2, structure, stored.record_length])
    )  # fmt: skip


def file_control(number: int, stored: File) -> bytes:
    """The FCP template of an EF (TS 102 221 clause 11.1.1.3)."""
    size = len(stored.content).to_bytes(2, "big")
    if stored.record_length:
        records = len(stored.content) // stored.record_length
        descriptor = bytes([0x82, 5, 0x42, 0x21]) + stored.record_length.to_bytes(2, "big") + bytes([records])
    else:
        descriptor = bytes([0x82, 2, 0x41, 0x21])
    body = descriptor + b"\x83\x02" + number.to_bytes(2, "big") + b"\x8a\x01\x05" + b"\x80\x02" + size
    return bytes([0x62, len(body)]) + body


def directory_response(number: int) -> bytes:
    """The FCP template of a directory."""
    body = b"\x82\x02\x78\x21\x83\x02" + number.to_bytes(2, "big") + b"\x8a\x01\x05"
    return bytes([0x62, len(body)]) + body
