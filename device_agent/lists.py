"""Category lists: fetched over HTTPS, used only when their bytes have the digest the document names, kept for later.

A list that cannot be had is replaced by an older verified one of the same category (`stale`), or is `missing`. A
category that is here is fetched anew at most once a week; one that is missing, at once. A week has a byte budget of
its own; what would exceed it waits, and what came and was wrong is spent too.
"""

import asyncio
import hashlib
import json
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

_log = logging.getLogger(__name__)

FETCH_DEADLINE_S: Final = 300.0
WEEK_MS: Final = 7 * 24 * 3600 * 1000
_HEAD_MOST: Final = 16 * 1024


class ListError(Exception):
    """A list could not be had: why, in one line. What is there already stays.

    `came`: how many bytes arrived in vain; `fetched`: whether another list of the same call is new.
    """

    def __init__(self, reason: str, *, came: int = 0, fetched: bool = False) -> None:
        super().__init__(reason)
        self.came = came
        self.fetched = fetched


class Wanted(Protocol):
    """A list by its digest (`sha256:<hex>`)."""

    @property
    def category(self) -> str:
        """Its category."""
        ...

    @property
    def digest(self) -> str:
        """The digest of its bytes."""
        ...

    @property
    def size(self) -> int:
        """How many bytes."""
        ...

    @property
    def url(self) -> str:
        """Where it is."""
        ...


Fetch = Callable[[str, int], Awaitable[bytes]]


class Memory(Protocol):
    """The small part of the store that lists need."""

    def keep(self, name: str, value: bytes) -> None:
        """Keep a value."""

    def kept(self, name: str) -> bytes | None:
        """The value kept."""
        ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """The files to filter by and the category of each; `missing` names categories that have none.

    `stale`: some are older than wanted.
    """

    paths: tuple[Path, ...] = ()
    categories: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    stale: bool = False


def countable(wanted: Sequence[Wanted], most_bytes: int) -> tuple[str, ...]:
    """The categories whose refused names may be counted: in the document's order, while their lists fit together.

    A name that is counted costs dnsmasq some 160 bytes more.
    """
    counted, left = [], most_bytes
    for item in wanted:
        if item.size <= left:
            counted.append(item.category)
            left -= item.size
    return tuple(counted)


class Lists:
    """The verified lists of one hub, in a folder of their own."""

    def __init__(self, directory: Path, memory: Memory, fetch: Fetch, *, weekly_bytes: int) -> None:
        self._directory = directory
        self._memory = memory
        self._fetch = fetch
        self._weekly_bytes = weekly_bytes
        self._verified: set[str] = set()

    def resolve(self, wanted: Sequence[Wanted]) -> Resolved:
        """What is here for each wanted list, verified by its bytes (once in each life of the agent)."""
        paths, categories, missing, stale = [], [], [], False
        kept = self._kept()
        for item in wanted:
            digest = item.digest if self._holds(item.digest) else kept.get(item.category, "")
            if not digest or not self._holds(digest):
                missing.append(item.category)
                continue
            stale = stale or digest != item.digest
            paths.append(self._path(digest))
            categories.append(item.category)
        return Resolved(tuple(paths), tuple(categories), tuple(missing), stale)

    async def fetch(self, wanted: Sequence[Wanted], now_ms: int) -> bool:
        """Fetch what is not here and due; returns whether anything new is.

        Every list is tried. Raises ListError with the first reason when one could not be had.
        """
        fetched, problems = False, list[ListError]()
        for item in wanted:
            if self._holds(item.digest):
                self._remember(item.category, item.digest)
                continue
            if self.due_ms(item) > now_ms:
                continue
            try:
                await self._fetch_one(item, now_ms)
                fetched = True
            except ListError as error:
                problems.append(error)
        if problems:
            raise ListError(str(problems[0]), fetched=fetched)
        return fetched

    def due_ms(self, item: Wanted) -> int:
        """From when on a list may be fetched: at once when nothing of its category is here, else a week after."""
        here = self._kept().get(item.category, "")
        if not here or not self._holds(here):
            return 0
        times = json.loads(self._memory.kept("list_times") or b"{}")
        return int(times.get(item.category, 0)) + WEEK_MS if item.category in times else 0

    async def _fetch_one(self, item: Wanted, now_ms: int) -> None:
        used = self._used(item.size, now_ms)
        came = item.size
        try:
            body = await self._fetch(item.url, item.size)
        except ListError as error:
            came = error.came
            raise
        finally:
            # Bytes that came are spent, also when they turn out to be wrong, too few, or asked for in vain.
            spent = json.dumps({"week": now_ms // WEEK_MS, "used": used + came})
            self._memory.keep("list_budget", spent.encode())
        if "sha256:" + hashlib.sha256(body).hexdigest() != item.digest:
            raise ListError(f"{item.category}: the bytes fetched do not have the digest the document names")
        self._put(item.digest, body)
        self._remember(item.category, item.digest)
        times = json.loads(self._memory.kept("list_times") or b"{}")
        self._memory.keep("list_times", json.dumps({**times, item.category: now_ms}, sort_keys=True).encode())

    def _used(self, size: int, now_ms: int) -> int:
        """What this week has spent; raises ListError when `size` more would exceed the budget."""
        budget = json.loads(self._memory.kept("list_budget") or b"{}")
        used: int = budget.get("used", 0) if budget.get("week") == now_ms // WEEK_MS else 0
        if used + size > self._weekly_bytes:
            raise ListError(f"{size} bytes would exceed this week's {self._weekly_bytes} (used: {used})")
        return used

    def _holds(self, digest: str) -> bool:
        if digest in self._verified:
            return True
        try:
            with self._path(digest).open("rb") as body:
                actual = hashlib.file_digest(body, "sha256").hexdigest()
        except OSError:
            return False
        if "sha256:" + actual == digest:
            self._verified.add(digest)
        return digest in self._verified

    def _put(self, digest: str, body: bytes) -> None:
        """Write beside and rename, so that a power cut leaves the old file or the new one."""
        path = self._path(digest)
        part = path.with_suffix(".part")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise ListError(f"{path}: cannot be written: {error.strerror}") from None
        self._verified.add(digest)

    def _remember(self, category: str, digest: str) -> None:
        kept = self._kept()
        old = kept.get(category)
        if old == digest:
            return
        self._memory.keep("lists", json.dumps({**kept, category: digest}, sort_keys=True).encode())
        if old and old != digest and old not in {**kept, category: digest}.values():
            self._path(old).unlink(missing_ok=True)
            self._verified.discard(old)

    def _kept(self) -> dict[str, str]:
        kept: dict[str, str] = json.loads(self._memory.kept("lists") or b"{}")
        return kept

    def _path(self, digest: str) -> Path:
        return self._directory / f"{digest.removeprefix('sha256:')}.txt"


def https_fetch(ca: str = "") -> Fetch:
    """A fetcher over HTTPS/1.1 (RFC 9112), one request a connection, bounded in size and time."""

    async def fetch(url: str, size: int) -> bytes:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise ListError(f"{url[:80]}: only https is fetched (http from this host itself)")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            context = None if local else ssl.create_default_context(cafile=ca or None)
            async with asyncio.timeout(FETCH_DEADLINE_S):
                return await _get(parts.hostname, parts.port or (80 if local else 443), path, context, size)
        except TimeoutError:
            # How much of it came is not known: the worst is assumed.
            raise ListError(f"{parts.hostname}: not fetched within {FETCH_DEADLINE_S:g} s", came=size) from None
        except asyncio.IncompleteReadError as error:
            raise ListError(f"{parts.hostname}: {error}", came=len(error.partial)) from None
        except (OSError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
            raise ListError(f"{parts.hostname}: {error}") from None

    return fetch


async def _get(host: str, port: int, path: str, context: ssl.SSLContext | None, size: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_HEAD_MOST)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = head[0].split(" ")[1]
        if status != "200":
            raise ListError(f"{host}: answered {status}")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if fields.get("content-length") != str(size):
            raise ListError(f"{host}: {fields.get('content-length', 'no')} bytes offered, {size} expected")
        return await reader.readexactly(size)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError as error:
            _log.debug("closing", extra={"error": str(error)})
