"""Two hosts to run the conformance table on: the stand-ins, and Debian's tools with root in a network namespace."""

import asyncio
import os
import shutil
import signal
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from simulator.host.dns import AAAA, NXDOMAIN, REFUSED, TXT, A, Question, Reply, read_reply, write_question, write_reply
from simulator.host.dns_server import serve_dns
from simulator.host.install import install_standins
from tests.e2e.mosquitto import free_port

DEADLINE_S = 10.0
SBIN = "/usr/sbin:/sbin"
PACKAGES = {
    "nft": "nftables",
    "dnsmasq": "dnsmasq-base",
    "hostapd_cli": "hostapd",
    "hostapd": "hostapd",
    "ip": "iproute2",
}
UPSTREAM_ADDRESSES = {A: "192.0.2.200", AAAA: "2001:db8::200"}

OPEN_SET = """{"nftables": [{"add": {"table": {"family": "inet", "name": "conf"}}},
 {"add": {"set": {"family": "inet", "table": "conf", "name": "open", "type": "ifname", "flags": ["timeout"]}}}]}"""


def require_tools(*tools: str) -> None:
    path = f"{os.environ.get('PATH', '')}:{SBIN}"
    missing = sorted({PACKAGES[tool] for tool in tools if shutil.which(tool, path=path) is None})
    if missing:
        told = f"missing host tools: apt-get install -y {' '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)


class Bench(Protocol):
    """A host the table runs on."""

    wifi: str

    def command(self, argv: Sequence[str]) -> list[str]: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    async def open(self, directory: Path) -> None: ...

    async def close(self) -> None: ...


class StandIns:
    """The simulator's executables, first on the PATH."""

    wifi = "wlan0"

    def __init__(self) -> None:
        self._path = os.environ["PATH"]

    def command(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "PATH": self._path}

    async def open(self, directory: Path) -> None:
        install_standins(directory / "bin", directory / "state", interface=self.wifi)
        self._path = f"{directory / 'bin'}:{os.environ['PATH']}"

    async def close(self) -> None:
        pass


class RealTools:
    """Debian's tools: nft and hostapd in a network namespace of their own, dnsmasq on loopback."""

    def __init__(self) -> None:
        require_tools("nft", "dnsmasq", "hostapd", "hostapd_cli", "ip")
        if os.geteuid() != 0:
            pytest.skip("the real tools need root for a network namespace: run the tests as root")
        self._namespace = f"conf-{uuid.uuid4().hex[:8]}"
        self.wifi = f"cw{uuid.uuid4().hex[:6]}"
        self._hostapd: asyncio.subprocess.Process | None = None

    def command(self, argv: Sequence[str]) -> list[str]:
        inside = argv[0] in {"nft", "hostapd", "hostapd_cli"}
        return [*(["ip", "netns", "exec", self._namespace] if inside else []), *argv]

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "PATH": f"{os.environ['PATH']}:{SBIN}", "LC_ALL": "C"}

    async def open(self, directory: Path) -> None:
        await self._call("ip", "netns", "add", self._namespace)
        await self._call(
            "ip", "-n", self._namespace, "link", "add", self.wifi, "type", "veth", "peer", "name", "other0"
        )
        await self._call("ip", "-n", self._namespace, "link", "set", self.wifi, "up")
        configuration = directory / "hostapd.conf"
        configuration.write_text(
            f"interface={self.wifi}\ndriver=none\nctrl_interface=/var/run/hostapd\n"
            "ssid=Mini Hub\nchannel=6\nhw_mode=g\n"
        )
        self._hostapd = await asyncio.create_subprocess_exec(
            *self.command(["hostapd", str(configuration)]),
            env=self.environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(DEADLINE_S):
            # Another program's file appears; nothing tells of it.
            while not os.path.exists(f"/var/run/hostapd/{self.wifi}"):  # noqa: ASYNC240, PTH110
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        if self._hostapd is not None:
            self._hostapd.terminate()
            await self._hostapd.wait()
        await self._call("ip", "netns", "del", self._namespace)

    async def _call(self, *argv: str) -> None:
        process = await asyncio.create_subprocess_exec(*argv, env=self.environment)
        assert await process.wait() == 0, argv


class Host:
    """One fresh host for one case: a directory, a DNS port, another DNS server upstream."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench = bench
        self.directory = directory
        self.port = free_port()
        self.upstream = 0
        self.dnsmasq: asyncio.subprocess.Process | None = None

    def fill(self, text: str) -> str:
        for name, value in (
            ("dir", self.directory),
            ("port", self.port),
            ("upstream", self.upstream),
            ("wifi", self.bench.wifi),
        ):
            text = text.replace(f"{{{name}}}", str(value))
        return text

    async def run(self, argv: Sequence[str], stdin: str = "") -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *self.bench.command([self.fill(word) for word in argv]),
            env=self.bench.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate(stdin.encode())
        return process.returncode or 0, out.decode(), err.decode()

    async def start_dnsmasq(self, name: str) -> None:
        pid_file = self.directory / "dnsmasq.pid"
        self.dnsmasq = await asyncio.create_subprocess_exec(
            *self.bench.command(
                [
                    "dnsmasq",
                    "--keep-in-foreground",
                    f"--conf-file={self.directory / name}",
                    f"--pid-file={pid_file}",
                ]
            ),
            env=self.bench.environment,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(DEADLINE_S):
            while not pid_file.exists() or not pid_file.read_text().strip():
                assert self.dnsmasq.returncode is None, "dnsmasq ended at once"
                await asyncio.sleep(0.02)
        assert int(pid_file.read_text()) == self.dnsmasq.pid

    async def hang_up(self) -> None:
        assert self.dnsmasq is not None
        self.dnsmasq.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.1)
        assert self.dnsmasq.returncode is None

    async def stop_dnsmasq(self) -> int:
        assert self.dnsmasq is not None
        self.dnsmasq.terminate()
        code = await self.dnsmasq.wait()
        self.dnsmasq = None
        return code

    async def ask(self, name: str, kind: int, deadline_s: float = 1.0) -> Reply | None:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Asking(answered), remote_addr=("127.0.0.1", self.port)
        )
        try:
            transport.sendto(write_question(4711, name, kind))
            async with asyncio.timeout(deadline_s):
                id_, reply = read_reply(await answered)
        except (TimeoutError, ConnectionRefusedError):
            return None
        finally:
            transport.close()
        assert id_ == 4711
        return reply


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


async def answer_as_the_internet(question: Question, _data: bytes) -> bytes:
    """The upstream of the table: every name has one address."""
    if question.name == "refused.test":
        return write_reply(question, Reply(REFUSED))
    if question.name.endswith(".invalid"):
        return write_reply(question, Reply(NXDOMAIN))
    if question.kind == TXT:
        return write_reply(question, Reply(texts=("upstream",)))
    return write_reply(question, Reply(addresses=(UPSTREAM_ADDRESSES[question.kind],)))


def serve_the_internet() -> AbstractAsyncContextManager[int]:
    return serve_dns(["127.0.0.1"], 0, answer_as_the_internet)
