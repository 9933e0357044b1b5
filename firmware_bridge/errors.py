"""One tree of errors; each says, as data, what the caller should do.

BridgeError
├── PortError            the serial port: absent, busy, lost
│   ├── PortNotFoundError
│   ├── PortBusyError
│   └── PortLostError
├── CommandError         the modem answered with a failure
│   └── UnsupportedError   it does not know the command (remembered until reboot)
├── CommandTimeoutError  no answer in time; the channel resynchronises before the next command
├── ModemRebootedError   the modem started anew under the command: wait, the init is replayed before the next one
├── ModemSilentError     not even the probe is answered: climb the ladder
├── ReplyError           the answer does not have the declared shape
├── SimError             absent, locked, wrong PIN, or a PIN that must not be tried
└── HostToolError        nft, dnsmasq or hostapd_cli refused or is missing
"""

from enum import StrEnum


class Remedy(StrEnum):
    """What the caller should do."""

    RETRY = "retry"
    WAIT = "wait"
    REPLACE_SIM = "replace_sim"
    RECOVER = "recover"
    GIVE_UP = "give_up"
    FIX_SETUP = "fix_setup"


class BridgeError(Exception):
    """The base: every public error of this room has a remedy and a one-line message."""

    remedy: Remedy = Remedy.GIVE_UP


class PortError(BridgeError):
    """A serial port failed. `port` names it."""

    remedy = Remedy.WAIT

    def __init__(self, port: str, reason: str) -> None:
        super().__init__(f"{port}: {reason}")
        self.port = port
        self.reason = reason


class PortNotFoundError(PortError):
    """There is no such port: plug the modem in or correct the name."""


class PortBusyError(PortError):
    """Another program holds the port (ModemManager does, for one): stop it or tell it to leave this port alone."""

    remedy = Remedy.FIX_SETUP


class PortLostError(PortError):
    """The port hung up or vanished (USB re-enumeration): find it again."""

    remedy = Remedy.RECOVER


class CommandError(BridgeError):
    """The modem answered a command with a failure. `code` is the +CME/+CMS number, None for a plain ERROR or text.

    A maker's own error has a number of its own making: `standard_code` tells only those of the standards.
    """

    remedy = Remedy.RETRY

    def __init__(self, command: str, *, kind: str = "ERROR", code: int | None = None, text: str | None = None) -> None:
        shown = text if text is not None else code
        super().__init__(f"{command}: {kind}" + ("" if shown is None else f": {shown}"))
        self.command = command
        self.kind = kind
        self.code = code
        self.text = text

    @property
    def standard_code(self) -> int | None:
        """The number if it is of TS 27.007 9.2 or TS 27.005 3.2.5, else None."""
        return self.code if self.kind in {"+CME ERROR", "+CMS ERROR"} else None


class UnsupportedError(CommandError):
    """The modem does not know the command; it is remembered and not sent again until reboot or new firmware."""

    remedy = Remedy.GIVE_UP


class CommandTimeoutError(BridgeError):
    """No final result within the command's deadline (seconds); the effect is unknown."""

    remedy = Remedy.RETRY

    def __init__(self, command: str, deadline_s: float) -> None:
        super().__init__(f"{command}: no answer in {deadline_s:g} s")
        self.command = command
        self.deadline_s = deadline_s


class ModemRebootedError(BridgeError):
    """The modem started anew (`evidence`: RDY, ^SYSSTART) while the command was in flight; the effect is unknown."""

    remedy = Remedy.WAIT

    def __init__(self, command: str, evidence: str) -> None:
        super().__init__(f"{command}: the modem has started anew ({evidence})")
        self.command = command
        self.evidence = evidence


class ModemSilentError(BridgeError):
    """Nothing answers on this port, not even the resynchronisation probe."""

    remedy = Remedy.RECOVER

    def __init__(self, port: str, probes: int) -> None:
        super().__init__(f"{port}: the modem answered none of {probes} probes")
        self.port = port
        self.probes = probes


class ReplyError(BridgeError):
    """The reply does not parse: `line` is what came, masked where it could identify someone."""

    remedy = Remedy.RETRY

    def __init__(self, command: str, line: str, reason: str) -> None:
        super().__init__(f"{command}: {reason}: {line[:80]!r}")
        self.command = command
        self.line = line
        self.reason = reason


class SimError(BridgeError):
    """The SIM cannot be used as asked. `tries_left` is known or None."""

    remedy = Remedy.REPLACE_SIM

    def __init__(self, reason: str, tries_left: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tries_left = tries_left


class HostToolError(BridgeError):
    """A host tool is missing, refused its input, or did not answer in time. `stderr` is its own word."""

    remedy = Remedy.FIX_SETUP

    def __init__(self, tool: str, reason: str, stderr: str = "") -> None:
        super().__init__(f"{tool}: {reason}" + (f": {stderr.strip()[:200]}" if stderr.strip() else ""))
        self.tool = tool
        self.reason = reason
        self.stderr = stderr
