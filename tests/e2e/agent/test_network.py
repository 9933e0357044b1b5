"""The real nft and dnsmasq in network namespaces: what a client in the home can and cannot do.

One home serves all these tests; each begins with the hub open, by an agent anew where the test before it flapped.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from device_agent.protocol import Internet, ListReference, ParentalControls, Reported
from simulator.stage.home import CLIENT, HUB_LAN, INTERNET, OUTSIDE_ADDRESS
from tests.e2e.agent import rig
from tests.e2e.agent.home import Home, a_home, require_namespaces

pytestmark = [pytest.mark.e2e, pytest.mark.root, pytest.mark.asyncio(loop_scope="module")]


CONNECT = """
import socket, sys
try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
except OSError as error: print(error)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def the_home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    await require_namespaces()
    async with a_home(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def home(the_home: Home) -> Home:
    await the_home.open()
    return the_home


async def test_names_are_filtered_whichever_resolver_a_client_asks(home: Home) -> None:
    assert await home.dig("allowed.example", HUB_LAN) == "NOERROR"
    assert await home.dig("blocked.example", HUB_LAN) == "NXDOMAIN"
    assert await home.dig("www.blocked.example", HUB_LAN) == "NXDOMAIN"
    # Another resolver, by UDP and by TCP: the hub answers in its place.
    assert await home.dig("blocked.example", INTERNET) == "NXDOMAIN"
    assert await home.dig("blocked.example", "8.8.8.8", "+tcp") == "NXDOMAIN"
    assert await home.dig("allowed.example", "8.8.8.8") == "NOERROR"
    # The names by which browsers ask whether they may bypass it, and of resolvers over HTTPS.
    assert await home.dig("use-application-dns.net", HUB_LAN) == "NXDOMAIN"
    assert await home.dig("dns.google", HUB_LAN) == "NXDOMAIN"


async def test_dns_over_tls_and_known_dns_over_https_are_rejected(home: Home) -> None:
    for address, port in ((INTERNET, "853"), ("9.9.9.9", "853"), ("1.1.1.1", "443"), ("8.8.8.8", "443")):
        said = await home.client(sys.executable, "-c", CONNECT, address, port)
        # Rejected, not dropped: the client learns it at once.
        assert "prohibited" in said or "No route" in said or "refused" in said, said
    said = await home.client(sys.executable, "-c", CONNECT, INTERNET, "443")
    assert "refused" in said


@asynccontextmanager
async def a_web_site(home: Home) -> AsyncIterator[None]:
    """Every name that is not refused leads to a web server outside; the client's resolver is the hub."""
    place, names = home.place, Path("/etc/netns") / home.place._client
    names.mkdir(parents=True)
    (names / "resolv.conf").write_text(f"nameserver {HUB_LAN}\noptions timeout:1 attempts:1\n")
    await place._ip(place._outside, f"address add {OUTSIDE_ADDRESS}/32 dev lo")
    words = ("-m", "http.server", "--bind", OUTSIDE_ADDRESS, "8080", "--directory", str(names))
    argv = ("ip", "netns", "exec", place._outside, sys.executable, *words)
    quiet = asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_exec(*argv, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        server.terminate()
        await server.wait()
        shutil.rmtree(names)
        await place._ip(place._outside, f"address delete {OUTSIDE_ADDRESS}/32 dev lo")


async def test_curl_reaches_an_allowed_site_and_no_refused_one_whichever_way_it_asks(home: Home) -> None:
    curl = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "--max-time", "3")
    async with a_web_site(home):
        async with asyncio.timeout(20):
            while not (said := await home.client(*curl, "http://www.allowed.example:8080/")).endswith("200"):
                await asyncio.sleep(0.05)
        refused = "http://www.blocked.example:8080/"
        assert "Could not resolve host" in await home.client(*curl, refused)
        for resolver in ("https://1.1.1.1/dns-query", "https://dns.google/dns-query"):
            said = await home.client(*curl, "--doh-url", resolver, refused)
            assert "resolve host" in said, said
            assert not said.endswith("200")
        await home.publish(internet=Internet(on=False))
        await home.voice.until(rig.is_closed("internet_off"))
        said = await home.client(*curl, f"http://{OUTSIDE_ADDRESS}:8080/")
        assert "timed out" in said, said


async def test_a_killed_filter_stops_packets_within_two_seconds(home: Home) -> None:
    pid = home.filter_pid()
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    assert await home.stops(began, 3.0) < 2.0
    await home.voice.until(rig.is_closed("filter_absent", "settling"))


async def test_a_frozen_filter_stops_packets_within_two_seconds(home: Home) -> None:
    pid = home.filter_pid()
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        took = await home.stops(began, 4.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert took < 2.6


async def test_a_removed_rule_set_is_put_back_closed_within_two_seconds(home: Home) -> None:
    began = time.monotonic()
    child = await asyncio.create_subprocess_exec(*home.nft("delete", "table", "inet", "minihub"))
    await child.wait()
    assert await home.stops(began, 3.0) < 2.0
    await home.voice.until(rig.is_closed("filter_absent", "settling"))


async def test_the_end_of_the_lease_stops_packets(home: Home) -> None:
    report = await home.voice.until(lambda m: rig.is_open(m) and m.sent_at is not None)
    began = time.monotonic()
    await home.publish(internet=Internet(on=True, until=report.sent_at + 5_000))
    took = await home.stops(began, 9.0)
    assert took < 5.5
    await home.voice.until(rig.is_closed("lease_ended"))


async def test_off_stops_packets_of_established_connections_too(home: Home) -> None:
    began = time.monotonic()
    await home.publish(internet=Internet(on=False))
    assert await home.stops(began, 3.0) < 1.0


async def test_a_clean_end_stops_packets_at_once(home: Home) -> None:
    began = time.monotonic()
    assert await home.agent.stop() == 0
    assert await home.stops(began, 3.0) < 2.0


async def test_the_query_log_is_off_and_names_leave_no_trace(home: Home) -> None:
    await home.dig("secret-name.example", HUB_LAN)
    state = home.agent.log.parent / "state"
    assert "log-queries" not in (state / "dnsmasq.conf").read_text()
    kept = [p for p in state.rglob("*") if p.is_file() and b"secret-name" in p.read_bytes()]
    assert kept == []
    assert "secret-name" not in home.agent.text()
    assert not any("secret-name" in repr(m) or CLIENT in repr(m) for m in home.voice.messages)


def keep_list(home: Home, *names: str) -> ListReference:
    """A category list that this hub has fetched before."""
    body = "".join(f"{name}\n" for name in names).encode()
    digest = hashlib.sha256(body).hexdigest()
    folder = home.agent.log.parent / "state" / "lists"
    folder.mkdir(exist_ok=True)
    (folder / f"{digest}.txt").write_bytes(body)
    return ListReference(category="adult", digest=f"sha256:{digest}", size=len(body), url="https://lists.invalid/a")


async def test_refused_names_are_counted_by_category_and_told_to_nobody(home: Home) -> None:
    controls = ParentalControls(level="light", lists=(keep_list(home, "secret-listed.example"),))
    document = await home.publish(parental_controls=controls)
    await home.voice.until(rig.is_fulfilled(home.revision))
    # The resolver outside has an address for every name: who hears NXDOMAIN was not answered by it.
    assert await home.dig("www.secret-listed.example", HUB_LAN) == "NXDOMAIN"
    assert await home.dig("secret-listed.example", "8.8.8.8", "AAAA") == "NXDOMAIN"
    assert await home.dig("secret-listed.example", HUB_LAN, "+tcp") == "NXDOMAIN"
    assert await home.dig("allowed.example", HUB_LAN) == "NOERROR"
    # The same document again asks what the hub is.
    home.voice.forget()
    await home.voice.publish(document)
    await home.voice.until(lambda m: isinstance(m, Reported) and m.filter.refused_by_category.get("adult") == 3)
    assert not any("secret-listed" in repr(m) or CLIENT in repr(m) for m in home.voice.messages)
    assert "secret-listed" not in home.agent.text()
    state = home.agent.log.parent / "state"
    kept = {p.name for p in state.rglob("*") if p.is_file() and b"secret-listed" in p.read_bytes()}
    assert kept == {"dnsmasq.conf", f"{controls.lists[0].digest.removeprefix('sha256:')}.txt"}
    # A dead agent counts nothing, and refuses all the same: nobody else is asked.
    await home.agent.stop(signal.SIGKILL)
    try:
        assert "no servers could be reached" in await home.dig("secret-listed.example", HUB_LAN)
        # By TCP dnsmasq learns at once that nobody counts there, and hangs up.
        assert "end of file" in await home.dig("secret-listed.example", HUB_LAN, "+tcp")
        assert await home.dig("allowed.example", HUB_LAN) == "NOERROR"
        # A client waits no longer than the agent is away: its next life refuses by name again, at once.
        began = time.monotonic()
        await home.agent.start()
        async with asyncio.timeout(10):
            while await home.dig("secret-listed.example", HUB_LAN) != "NXDOMAIN":
                await asyncio.sleep(0.05)
        assert time.monotonic() - began < 6.0
    finally:
        # Its next life ends the filter that the dead one left behind.
        await home.open()


# IPv6: the same words by another family.

HUB6, CLIENT6, WAN6, OUTSIDE6 = "fd00:8::1", "fd00:8::20", "fd00:64::2", "fd00:64::1"
SEND6 = f"""
import socket, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for _ in range(20):
    try: s.sendto(b"x", ("{OUTSIDE6}", 4446))
    except OSError: pass
    time.sleep(0.01)
"""
COUNT6 = f"""
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("{OUTSIDE6}", 4446)); s.settimeout(1.5); n = 0
print("ready", flush=True)
try:
    while n < 20: s.recv(16); n += 1
except TimeoutError: pass
print(n)
"""


async def add_ipv6(home: Home) -> None:
    """Addresses and routes on both sides, and a hub whose kernel forwards IPv6: the worst case."""
    place = home.place
    for namespace, words in (
        (place._hub, f"address add {HUB6}/64 dev {place.lan} nodad"),
        (place._hub, f"address add {WAN6}/64 dev {place.wan} nodad"),
        (place._hub, f"route add default via {OUTSIDE6}"),
        (place._client, f"address add {CLIENT6}/64 dev eth0 nodad"),
        (place._client, f"route add default via {HUB6}"),
        (place._outside, f"address add {OUTSIDE6}/64 dev eth0 nodad"),
        (place._outside, f"route add fd00:8::/64 via {WAN6}"),
    ):
        await place._ip(namespace, f"-6 {words}")
    await home.inside(place._hub, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")


async def passed6(home: Home) -> int:
    """How many of twenty IPv6 packets from the client arrive outside."""
    counting = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", home.place._outside, sys.executable, "-c", COUNT6), stdout=asyncio.subprocess.PIPE
    )
    assert counting.stdout is not None
    await counting.stdout.readline()
    await home.client(sys.executable, "-c", SEND6)
    out, _ = await counting.communicate()
    return int(out)


async def test_ipv6_is_filtered_and_closed_like_ipv4(home: Home) -> None:
    await add_ipv6(home)
    assert await passed6(home) == 20
    # Whoever is asked over IPv6, the hub answers, and refuses.
    for server in (HUB6, OUTSIDE6, "2001:4860:4860::8888"):
        assert await home.dig("blocked.example", server) == "NXDOMAIN", server
        assert await home.dig("blocked.example", server, "AAAA") == "NXDOMAIN", server
    assert await home.dig("blocked.example", "2001:4860:4860::8888", "+tcp") == "NXDOMAIN"
    for address, port in ((OUTSIDE6, "853"), ("2606:4700:4700::1111", "443"), ("2001:4860:4860::8888", "443")):
        said = await home.client(sys.executable, "-c", CONNECT, address, port)
        assert "prohibited" in said or "denied" in said or "refused" in said, said
    await home.publish(internet=Internet(on=False))
    await home.voice.until(rig.is_closed("internet_off"))
    assert await passed6(home) == 0


async def test_safe_search_cannot_be_gone_round_by_asking_for_the_other_family(home: Home) -> None:
    await home.publish(parental_controls=ParentalControls(level="light", safe_search=True))
    await home.voice.until(rig.is_fulfilled(home.revision))
    four = await home.client("dig", f"@{HUB_LAN}", "www.google.com", "+short", "+time=2")
    six = await home.client("dig", f"@{HUB_LAN}", "www.google.com", "AAAA", "+short", "+time=2")
    # The resolver outside answers 198.51.100.7 to everything: it was not asked.
    assert four.strip() == "216.239.38.120"
    assert six.strip() == "2001:4860:4802:32::78"
    # A service with addresses of one family only: the other leads nowhere.
    assert (await home.client("dig", f"@{HUB_LAN}", "www.bing.com", "AAAA", "+short", "+time=2")).strip() == "::"
