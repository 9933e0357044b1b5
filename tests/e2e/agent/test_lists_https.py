"""Category lists over HTTPS, from a real server with a CA of its own."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device_agent.facts import ListWanted
from device_agent.lists import WEEK_MS, ListError, Lists, https_fetch
from device_agent.store import Store
from tests.e2e.agent.authority import Authority, pem

pytestmark = pytest.mark.e2e
FIRST, SECOND = b"one.example\n" * 5000, b"two.example\n" * 5000


@dataclass
class Shop:
    """What is sold at which path; `cut` bytes are all that is sent, `says` is sent instead of the status line."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    cut: int | None = None
    says: bytes = b""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        body = self.bodies.get(path, b"")
        status = b"200 OK" if path in self.bodies else b"404 Not Found"
        writer.write(self.says or b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body[: self.cut])
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def wanted(self, body: bytes, path: str, category: str = "adult", digest: str = "") -> ListWanted:
        found = digest or "sha256:" + hashlib.sha256(body).hexdigest()
        return ListWanted(category, found, len(body), f"https://127.0.0.1:{self.port}{path}")


@asynccontextmanager
async def a_shop(directory: Path) -> AsyncIterator[Shop]:
    authority = Authority()
    (directory / "ca.pem").write_bytes(pem(authority.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server_files(directory))
    shop = Shop({"/a": FIRST, "/b": SECOND})
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0, ssl=context)
    shop.port = server.sockets[0].getsockname()[1]
    async with server:
        yield shop


async def test_a_list_comes_verified_once_a_week_and_outlives_a_server_that_lies(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        with Store(tmp_path / "s.db") as store:
            fetch = https_fetch(str(tmp_path / "ca.pem"))
            lists = Lists(tmp_path / "lists", store, fetch, weekly_bytes=400_000)
            assert await lists.fetch([shop.wanted(FIRST, "/a")], 0)
            assert [path.read_bytes() for path in lists.resolve([shop.wanted(FIRST, "/a")]).paths] == [FIRST]
            new = shop.wanted(SECOND, "/b")
            assert not await lists.fetch([new], 1)
            assert shop.asked == ["/a"]
            # A week later: bytes that are not the digest's, bytes that stop, a page that is none.
            shop.bodies["/b"] = FIRST
            with pytest.raises(ListError, match="digest"):
                await lists.fetch([new], WEEK_MS)
            shop.bodies["/b"], shop.cut = SECOND, 1000
            with pytest.raises(ListError) as short:
                await lists.fetch([new], WEEK_MS)
            assert "1000 bytes" in str(short.value)
            shop.cut = None
            for says, told in (
                (b"HTTP/1.1 500 no\r\n\r\n", "500"),
                (b"nonsense\r\n\r\n", "127"),
                (b"x" * 20_000, "limit"),
            ):
                shop.says = says
                with pytest.raises(ListError, match=told):
                    await lists.fetch([new], WEEK_MS)
            shop.says = b""
            assert lists.resolve([new]).stale
            assert await lists.fetch([new], WEEK_MS)
            found = lists.resolve([new])
            assert not found.stale
            assert [path.read_bytes() for path in found.paths] == [SECOND]
            assert not [path for path in (tmp_path / "lists").iterdir() if path not in found.paths]


async def test_who_is_not_of_the_ca_or_not_https_is_not_believed(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        with pytest.raises(ListError, match="CERTIFICATE_VERIFY_FAILED"):
            await https_fetch()(f"https://127.0.0.1:{shop.port}/a", len(FIRST))
        fetch = https_fetch(str(tmp_path / "ca.pem"))
        with pytest.raises(ListError, match="mismatch"):
            await fetch(f"https://localhost:{shop.port}/a", len(FIRST))
        with pytest.raises(ListError, match="only https"):
            await fetch("http://lists.example/a", 1)
        with pytest.raises(ListError, match="60000 bytes offered, 59999 expected"):
            await fetch(f"https://127.0.0.1:{shop.port}/a", len(FIRST) - 1)
        assert await fetch(f"https://127.0.0.1:{shop.port}/a", len(FIRST)) == FIRST
