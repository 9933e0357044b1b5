"""The hubs' certificate authority, made from options: our own key, or somebody else's executable or service."""

import os
import shlex
import stat
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from controller.cli.failures import CliError, Exit
from controller.pki.port import Authority, AuthorityBrokenError
from controller.work.enrolment import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityOptions:
    """What `serve` was given about the authority and the broker."""

    broker_url: str | None
    broker_ca: Path | None
    hubs_broker_url: str | None
    ca_certificate: Path | None
    ca_key: Path | None
    ca_key_pem: str | None
    ca_command: str | None
    ca_url: str | None


async def open_identity(options: AuthorityOptions, stack: AsyncExitStack) -> Identity | None:
    """Make what hubs are enrolled with; None without an authority. Raises CliError."""
    authority = await _authority(options, stack)
    if authority is None:
        return None
    broker_url = options.hubs_broker_url or options.broker_url
    if options.broker_ca is None or broker_url is None:
        why = "hubs can't be enrolled without a broker they can believe"
        raise CliError(Exit.SETTINGS, why, "give --broker-ca and --hubs-broker-url mqtts://HOST:PORT")
    if urlsplit(broker_url).scheme != "mqtts":
        raise CliError(Exit.SETTINGS, f"{broker_url!r} is no mqtts:// URL", "give --hubs-broker-url mqtts://HOST:PORT")
    return Identity(authority=authority, broker_ca_pem=read_text(options.broker_ca), broker_url=broker_url)


async def _authority(options: AuthorityOptions, stack: AsyncExitStack) -> Authority | None:
    from controller.pki.external import CommandAuthority, HttpAuthority

    own = options.ca_certificate is not None
    if own + (options.ca_command is not None) + (options.ca_url is not None) > 1:
        raise CliError(
            Exit.SETTINGS, "there is more than one authority", "give one of --ca-certificate, -command, -url"
        )
    if options.ca_certificate is not None:
        return own_authority(options.ca_certificate, options.ca_key, options.ca_key_pem)
    if options.ca_command is not None:
        words = tuple(shlex.split(options.ca_command))
        if not words:
            raise CliError(Exit.SETTINGS, "--ca-command names no program", "name an executable")
        return CommandAuthority(words)
    if options.ca_url is not None:
        if urlsplit(options.ca_url).scheme not in {"http", "https"}:
            raise CliError(Exit.SETTINGS, f"{options.ca_url!r} is no URL", "write --ca-url https://HOST/PATH")
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))  # noqa: S113  # the adapter sets it
        return HttpAuthority(http, options.ca_url)
    return None


def own_authority(certificate: Path, key: Path | None, key_pem: str | None) -> Authority:
    """Make our own authority from files; the key may stand in the environment instead. Raises CliError."""
    from controller.pki.own import OwnAuthority

    if key is None and not key_pem:
        raise CliError(Exit.SETTINGS, "the authority has no key", "give --ca-key FILE, or MINIHUB_CA_KEY_PEM")
    pem = read_secret(key) if key is not None else str(key_pem)
    try:
        return OwnAuthority(read_text(certificate), pem)
    except AuthorityBrokenError as error:
        raise CliError(
            Exit.SETTINGS, f"{certificate}: {error}", "name the files of `hub-controller ca create`"
        ) from error


def read_text(path: Path) -> str:
    """Read a file. Raises CliError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise CliError(Exit.SETTINGS, f"{path} can't be read ({why})", "name a readable file") from error


def read_secret(path: Path) -> str:
    """Read a key that nobody else can read. Raises CliError for one that somebody can."""
    text = read_text(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CliError(Exit.SETTINGS, f"{path} can be read by others", f"chmod 600 {path}")
    return text


def write_file(path: Path, text: str, *, mode: int = 0o644, replace: bool = False) -> None:
    """Write a file whole, with its mode from the first byte on. Raises CliError; refuses to overwrite by itself."""
    if path.exists() and not replace:
        raise CliError(Exit.REFUSED, f"{path} exists", "name another directory, or move it away")
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    except OSError as error:
        raise CliError(
            Exit.SETTINGS, f"{path} can't be written ({error.strerror})", "name another directory"
        ) from error


def make_directory(path: Path) -> None:
    """Make a directory if it is not there. Raises CliError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CliError(Exit.SETTINGS, f"{path} can't be made ({error.strerror})", "name another directory") from error
