"""The hub's settings: a TOML file, then environment variables `MINIHUB_AGENT_SECTION__KEY`, then checks.

Every mistake is reported at once, each with its line in the file or the name of its variable.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import msgspec

from device_agent.config.enrolled import Enrolled, IdentityError
from device_agent.protocol import is_hub_id

PREFIX: Final = "MINIHUB_AGENT_"
# sun_path of unix(7) less its final zero.
SOCKET_PATH_MOST: Final = 107
DEFAULT_STATE: Final = "/var/lib/minihub"
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Interface = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.@-]{1,15}$")]
Network = Annotated[str, msgspec.Meta(pattern="^[0-9]{5,6}$")]


class ConfigError(Exception):
    """The settings cannot be used: `problems`, one line each, naming the place and what is wrong there."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every section: unknown keys are mistakes."""


class Broker(_Section, frozen=True, kw_only=True):
    """Where the controller's broker is. With `ca`, `certificate` and `key` (files) it is mutual TLS."""

    host: str = "127.0.0.1"
    port: Port = 1883
    ca: str = ""
    certificate: str = ""
    key: str = ""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60


class Modem(_Section, frozen=True, kw_only=True):
    """The modem's ports, tried in order; none means those found by their USB identity."""

    ports: tuple[str, ...] = ()
    baudrate: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] = 115200
    pin: str = ""
    # The bearer kept up while no document asks for one, so that the controller can reach a parked hub; "" for none.
    management_apn: str = ""
    power_line: str = ""


class Lan(_Section, frozen=True, kw_only=True):
    """The home's side."""

    interface: Interface = "br-lan"
    wifi: str = ""


class Wan(_Section, frozen=True, kw_only=True):
    """The mobile network's side."""

    interface: Interface = "wwan0"


class Dns(_Section, frozen=True, kw_only=True):
    """The hub's own DNS. `listen` empty: every address of the LAN interface. `upstream` empty: the bearer's servers."""

    port: Port = 53
    listen: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    dhcp_range: str = ""
    cache_size: Annotated[int, msgspec.Meta(ge=0, le=10000)] = 1000


class Network_(_Section, frozen=True, kw_only=True):  # noqa: N801  # the section is called network; Network is a type here
    """Where forwarding is allowed: UK networks; Crown dependencies share country codes and are left out."""

    countries: tuple[Annotated[str, msgspec.Meta(pattern="^[0-9]{3}$")], ...] = ("234", "235")
    excluded: tuple[Network, ...] = ("23403", "23436", "23450", "23455", "23458")


class Lists(_Section, frozen=True, kw_only=True):
    """Category lists: what may be fetched in a week, up to how many bytes of names are counted; for tests a CA file."""

    weekly_bytes: Annotated[int, msgspec.Meta(ge=0)] = 64 * 1024 * 1024
    counted_bytes: Annotated[int, msgspec.Meta(ge=0)] = 4 * 1024 * 1024
    ca: str = ""


class Spool(_Section, frozen=True, kw_only=True):
    """Bounds of the history that waits for the controller."""

    max_bytes: Annotated[int, msgspec.Meta(ge=16 * 1024)] = 4 * 1024 * 1024
    max_age_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 14


class Identity(_Section, frozen=True, kw_only=True):
    """What is known of this unit apart from its modem."""

    serial: str = ""
    model: str = ""
    firmware: str = ""
    branding_file: str = ""


class Logging(_Section, frozen=True, kw_only=True):
    """One JSON object a line on standard error."""

    level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"


class Status(_Section, frozen=True, kw_only=True):
    """The local socket of `hub-agent status`; "" puts it into the state folder."""

    socket: str = ""
    light: str = ""


class Config(_Section, frozen=True, kw_only=True):
    """Everything. `hub` is the id minted at enrolment; `state` the one folder that is written to."""

    hub: str
    state: str = DEFAULT_STATE
    broker: Broker = Broker()
    modem: Modem = Modem()
    lan: Lan = Lan()
    wan: Wan = Wan()
    dns: Dns = Dns()
    network: Network_ = Network_()
    lists: Lists = Lists()
    spool: Spool = Spool()
    identity: Identity = Identity()
    logging: Logging = Logging()
    status: Status = Status()

    @property
    def socket(self) -> Path:
        """Where `hub-agent status` asks."""
        return Path(self.status.socket or Path(self.state) / "status.sock")


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read, overlay, fill in what enrolment gave, and check. Raises ConfigError with every problem found."""
    text, values = _read(path)
    origins = _overlay(values, environment)

    def place_of(key: tuple[str, ...]) -> str:
        return origins.get(key) or f"{path}:{_line_of(text, key)}"

    _fill_in(values, place_of)
    return _checked(values, place_of)


def state_folder(path: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The state folder alone, for a hub that is not enrolled yet. Raises ConfigError."""
    _, values = _read(path)
    _overlay(values, environment)
    state = values.get("state", DEFAULT_STATE)
    if not isinstance(state, str) or not state:
        raise ConfigError([f"{path}: state: a folder's name is wanted"])
    return Path(state)


def _fill_in(values: dict[str, Any], place_of: Callable[[tuple[str, ...]], str]) -> None:
    """What the settings leave out comes from the identity in the state folder, where there is one."""
    state, broker = values.get("state", DEFAULT_STATE), values.get("broker", {})
    if not isinstance(state, str) or not isinstance(broker, dict):
        return
    try:
        enrolled = Enrolled.find(Path(state))
    except IdentityError as error:
        raise ConfigError([str(error)]) from None
    if enrolled is None:
        return
    if values.setdefault("hub", enrolled.hub) != enrolled.hub:
        told = f"hub: not the one this hub was enrolled as ({enrolled.hub}); leave it out, or enrol anew"
        raise ConfigError([f"{place_of(('hub',))}: {told}"])
    given = enrolled.broker
    if any(broker.get(name) for name in ("ca", "certificate", "key")):
        given = {name: given[name] for name in ("host", "port")}
    values["broker"] = {**given, **broker}


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        why = f"cannot be read: {error.strerror}; write it (docs/agent.md), or name another with --config"
        raise ConfigError([f"{path}: {why}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from None


def _overlay(values: dict[str, Any], environment: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Put the environment's values in; returns which variable each came from."""
    origins: dict[tuple[str, ...], str] = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        key = tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))
        place = values
        for part in key[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                # The file says something else than a section here: the check below tells where.
                break
            place = inner
        else:
            place[key[-1]] = _parsed(key, text)
            origins[key] = f"environment {name}"
    return origins


def _parsed(key: tuple[str, ...], text: str) -> object:
    """The text as the key's type wants it: a list by commas, a number by digits."""
    wanted: Any = Config
    for part in key:
        hints = get_type_hints(wanted) if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) else {}
        wanted = hints.get(part)
    if str(wanted).startswith("tuple"):
        return [item.strip() for item in text.split(",") if item.strip()]
    return int(text) if wanted is int and re.fullmatch(r"-?[0-9]+", text) else text


def _checked(values: dict[str, Any], place_of: Any) -> Config:
    """Convert section by section, so that one mistake does not hide the next."""
    problems = []
    sections = {field.name: field.type for field in msgspec.structs.fields(Config)}
    for name, value in values.items():
        if name not in sections:
            problems.append(f"{place_of((name,))}: unknown setting {name!r} (known: {', '.join(sections)})")
            continue
        try:
            msgspec.convert(value, sections[name], strict=True)
        except msgspec.ValidationError as error:
            reason, _, where = str(error).partition(" - at `$.")
            key = (name, *re.findall(r"[a-z_]+", where.split("`")[0])[:1])
            unknown = re.search(r"unknown field `([^`]+)`", reason)
            key = (name, unknown.group(1)) if unknown else key
            problems.append(f"{place_of(key)}: {'.'.join(key)}: {_lowered(reason)}{_remedy(reason, key)}")
    if "hub" not in values:
        problems.append(f"{place_of(())}: hub: missing; it is the id that enrolment gives: run hub-agent enrol")
    elif isinstance(values["hub"], str) and not is_hub_id(values["hub"]):
        problems.append(f"{place_of(('hub',))}: hub: not a hub id (a UUID in lower case): {values['hub'][:60]!r}")
    if problems:
        raise ConfigError(problems)
    config = msgspec.convert(values, Config)
    _check_tls(config.broker, place_of)
    _check_files("lists", {"ca": config.lists.ca} if config.lists.ca else {}, place_of)
    _check_socket(config, place_of)
    return config


def _check_tls(broker: Broker, place_of: Any) -> None:
    given = [name for name in ("ca", "certificate", "key") if getattr(broker, name)]
    if given and len(given) < 3:
        raise ConfigError([f"{place_of(('broker', given[0]))}: broker: ca, certificate and key belong together"])
    _check_files("broker", {name: getattr(broker, name) for name in given}, place_of)


def _check_files(section: str, files: Mapping[str, str], place_of: Any) -> None:
    """Each must be a file that this user can read."""
    problems = []
    for name, path in files.items():
        try:
            with Path(path).open("rb"):
                continue
        except OSError as error:
            told = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
            problems.append(f"{place_of((section, name))}: {section}.{name}: {told}: {path[:200]}")
    if problems:
        raise ConfigError(problems)


def _check_socket(config: Config, place_of: Any) -> None:
    size = len(os.fsencode(config.socket))
    if size > SOCKET_PATH_MOST:
        key = ("status", "socket") if config.status.socket else ("state",)
        told = f"the status socket's path has {size} bytes, {SOCKET_PATH_MOST} fit; set a shorter status.socket"
        raise ConfigError([f"{place_of(key)}: {'.'.join(key)}: {told}"])


def _remedy(reason: str, key: tuple[str, ...]) -> str:
    """What to write instead, where the type alone tells it."""
    wanted = re.match(r"[Ee]xpected `(\w+)`", reason)
    words = {"int": "a whole number", "str": "text in quotes", "array": "a list in brackets", "object": "a section"}
    if wanted is None or wanted.group(1) not in words or "got" not in reason:
        return ""
    name = f"{PREFIX}{'__'.join(key).upper()}"
    return f"; give {words[wanted.group(1)]} in the file, or {name} without quotes in the environment"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _line_of(text: str, key: tuple[str, ...]) -> int:
    """The line of a key in the file, or of its section, or 1."""
    section, found = "", 1
    wanted = ".".join(key[:-1])
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        if header:
            section = header.group(1).strip()
            if section in {wanted, ".".join(key)}:
                found = number
        name = re.match(r"\s*([A-Za-z0-9_.-]+)\s*=", line)
        if name and key and ".".join(filter(None, (section, name.group(1)))) == ".".join(key):
            return number
    return found
