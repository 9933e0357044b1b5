"""The identity that enrolment gave, in the state folder: key, certificate, CA, doorbell key and where to go.

`STATE/identity/current` is a link to one generation's folder. A new generation is written beside it, put on the disk,
and the link is renamed over the old one: a power cut leaves the old identity or the new one, never a mixture.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from device_agent.config.certificate import CertificateError, read_certificate
from device_agent.protocol import is_hub_id

FOLDER: Final = "identity"
KEY, CERTIFICATE, CA, DOORBELL, WHERE = "hub.key", "hub.pem", "ca.pem", "doorbell.key", "enrolment.json"
_CURRENT: Final = "current"
# The generation before the present one is kept: what a broker does not let in falls back to it.
_GENERATIONS_KEPT: Final = 2


class IdentityError(Exception):
    """The identity in the state folder cannot be used: why, in one line that ends with the remedy."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A hub's identity. `controller` and `broker_url` are URLs; `controller_ca` a file, "" for the system's CAs."""

    directory: Path
    hub: str
    controller: str
    broker_url: str
    controller_ca: str = ""

    @classmethod
    def find(cls, state: Path) -> Self | None:
        """The present identity, None for a hub that was not enrolled. Raises IdentityError."""
        directory = state / FOLDER / _CURRENT
        try:
            if not directory.is_dir():
                return None
        except OSError as error:
            told = f"cannot be looked into: {error.strerror}; run this as the agent's user, with a folder it may read"
            raise IdentityError(f"{directory}: {told}") from None
        try:
            where = json.loads((directory / WHERE).read_text("utf-8"))
            hub = read_certificate(directory / CERTIFICATE).subject
            texts = [str(where[name]) for name in ("controller", "broker_url", "controller_ca")]
        except (OSError, ValueError, KeyError, TypeError, CertificateError) as error:
            raise IdentityError(f"{directory}: the identity is damaged ({error}); enrol this hub again") from None
        if not is_hub_id(hub):
            raise IdentityError(f"{directory / CERTIFICATE}: its subject is no hub id; enrol this hub again")
        return cls(directory, hub, *texts)

    @property
    def broker(self) -> dict[str, object]:
        """The section [broker] this identity stands for; without certificates when the URL is not for TLS."""
        parts = urlsplit(self.broker_url)
        plain = parts.scheme == "mqtt"
        section: dict[str, object] = {"host": parts.hostname or "", "port": parts.port or (1883 if plain else 8883)}
        return section if plain else {**section, **self.files}

    @property
    def files(self) -> dict[str, object]:
        """The files of mutual TLS by their setting."""
        names = {"ca": CA, "certificate": CERTIFICATE, "key": KEY}
        return {setting: str(self.directory / name) for setting, name in names.items()}


def doorbell_key(state: Path) -> bytes:
    """The key that doorbell texts are signed with, b"" for a hub that has none."""
    try:
        return (state / FOLDER / _CURRENT / DOORBELL).read_bytes()
    except OSError:
        return b""


def generations(state: Path, files: Mapping[str, str]) -> list[dict[str, str]]:
    """These files, then those of each earlier generation that is kept, newest first; a file from elsewhere stays."""
    folder = state / FOLDER
    current = folder / _CURRENT
    inside = {name: Path(path).relative_to(current) for name, path in files.items() if current in Path(path).parents}
    if not inside or not current.is_symlink():
        return [dict(files)]
    present = int(current.readlink().name)
    kept = (int(path.name) for path in folder.iterdir() if path.name.isdigit())
    earlier = [folder / str(number) for number in sorted(kept, reverse=True) if number < present]
    return [dict(files), *({**files, **{name: str(at / path) for name, path in inside.items()}} for at in earlier)]


def keep(state: Path, files: Mapping[str, bytes]) -> None:
    """Make these files the present identity, at once or not at all. Raises OSError."""
    folder = state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0) + 1
    part = folder / f"{number}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    for name, body in files.items():
        write_private(part / name, body)
    synchronise(part)
    part.rename(folder / str(number))
    link = folder / f"{_CURRENT}.part"
    link.unlink(missing_ok=True)
    link.symlink_to(str(number))
    link.rename(folder / _CURRENT)
    synchronise(folder)
    _forget(folder, number - _GENERATIONS_KEPT)


def _forget(folder: Path, last: int) -> None:
    for path in folder.iterdir():
        if path.name.isdigit() and int(path.name) <= last:
            shutil.rmtree(path, ignore_errors=True)


def write_private(path: Path, body: bytes) -> None:
    """Write a file that its owner alone may read, and put it on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def synchronise(directory: Path) -> None:
    """Put a folder's names on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
