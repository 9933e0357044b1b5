"""Final result codes and the error tables (ITU-T V.250 clause 5.7, TS 27.007 clause 9.2, TS 27.005 clause 3.2.5)."""

from typing import Final

CME_TEXT: Final = {
    0: "phone failure",
    3: "operation not allowed",
    4: "operation not supported",
    5: "PH-SIM PIN required",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    15: "SIM wrong",
    16: "incorrect password",
    17: "SIM PIN2 required",
    18: "SIM PUK2 required",
    20: "memory full",
    21: "invalid index",
    22: "not found",
    23: "memory failure",
    24: "text string too long",
    25: "invalid characters in text string",
    26: "dial string too long",
    30: "no network service",
    31: "network timeout",
    32: "network not allowed - emergency calls only",
    50: "incorrect parameters",
    58: "command implemented but currently disabled",
    100: "unknown",
    103: "illegal MS",
    106: "illegal ME",
    107: "GPRS services not allowed",
    111: "PLMN not allowed",
    112: "location area not allowed",
    113: "roaming not allowed in this location area",
    132: "service option not supported",
    133: "requested service option not subscribed",
    134: "service option temporarily out of order",
    148: "unspecified GPRS error",
    149: "PDP authentication failure",
    515: "please wait, init or command processing in progress",
}
CMS_TEXT: Final = {
    300: "ME failure",
    301: "SMS service of ME reserved",
    302: "operation not allowed",
    303: "operation not supported",
    304: "invalid PDU mode parameter",
    305: "invalid text mode parameter",
    310: "SIM not inserted",
    311: "SIM PIN required",
    313: "SIM failure",
    314: "SIM busy",
    316: "SIM PUK required",
    320: "memory failure",
    321: "invalid memory index",
    322: "memory full",
    330: "SMSC address unknown",
    331: "no network service",
    332: "network timeout",
    500: "unknown error",
}
_NUMERIC: Final = {
    "OK": "0",
    "CONNECT": "1",
    "RING": "2",
    "NO CARRIER": "3",
    "ERROR": "4",
    "NO DIALTONE": "6",
    "BUSY": "7",
    "NO ANSWER": "8",
}
# What a refusal for want of an EMM cause looks like to +CGATT and +CGACT (TS 27.007 clause 9.2.2).
CAUSE_TO_CME: Final = {3: 103, 6: 106, 7: 107, 8: 107, 11: 111, 12: 112, 13: 113, 33: 133}
# +CME ERROR for ESM cause 33, requested service option not subscribed: what a parked SIM's internet is refused with.
NOT_SUBSCRIBED: Final = 133


class Refusal(Exception):  # noqa: N818 - the field's word: a final result other than OK
    """A command ends with this instead of OK."""

    def __init__(self, word: str = "ERROR") -> None:
        super().__init__(word)
        self.word = word

    def final(self, cmee: int) -> str:
        """The final result code under a +CMEE setting."""
        del cmee
        return self.word


class Cme(Refusal):
    """+CME ERROR with a number of TS 27.007 clause 9.2."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def final(self, cmee: int) -> str:
        """ERROR, the number or the text, as +CMEE wants."""
        if cmee == 0:
            return "ERROR"
        return f"+CME ERROR: {self.code if cmee == 1 else CME_TEXT.get(self.code, 'unknown')}"


class Cms(Refusal):
    """+CMS ERROR with a number of TS 27.005 clause 3.2.5; given whatever +CMEE says, as modules do."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def final(self, cmee: int) -> str:
        """The number, or the text when +CMEE=2."""
        return f"+CMS ERROR: {CMS_TEXT.get(self.code, 'unknown error') if cmee == 2 else self.code}"


def numeric(word: str) -> str:
    """The ATV0 form of a result code; codes without a number stay words."""
    return _NUMERIC.get(word.split(" ", maxsplit=1)[0] if word.startswith("CONNECT") else word, word)
