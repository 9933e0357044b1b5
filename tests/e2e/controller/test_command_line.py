"""`hub-controller` as a person or a script meets it: one line, the remedy, an exit code of its own."""

import asyncio
import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.controller.processes import CONTROLLER, running, until
from tests.e2e.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.e2e


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *CONTROLLER,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200", **environment},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def url(directory: Path) -> str:
    return f"sqlite:///{directory / 'controller.db'}"


async def assert_refused(code: int, *arguments: str, names: str, **environment: str) -> None:
    found, out, err = await run(*arguments, **environment)
    assert (found, out) == (code, "")
    assert err.startswith("hub-controller: ")
    assert err.count("\n") == 1
    assert names in err
    assert "Traceback" not in err


async def test_a_key_is_printed_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    code, out, _ = await run("keys", "create", "--role", "operator", "--json", "--database-url", url(tmp_path))
    assert code == 0
    key = json.loads(out)["key"]
    with closing(sqlite3.connect(tmp_path / "controller.db")) as database:
        assert key not in "\n".join(database.iterdump())


async def test_a_hub_is_enrolled(tmp_path: Path) -> None:
    sim = ("--serial", "SN-1", "--iccid", "8944100000000000011", "--imsi", "234300000000001")
    code, out, _ = await run("hubs", "enrol", *sim, "--json", "--database-url", url(tmp_path))
    assert code == 0
    assert len(json.loads(out)["id"]) == 36


async def test_migrate_says_where_the_database_is(tmp_path: Path) -> None:
    code, out, _ = await run("migrate", "--json", "--database-url", url(tmp_path))
    assert code == 0
    assert json.loads(out)["schema"]


async def test_a_backup_is_restored_into_an_empty_database(tmp_path: Path) -> None:
    sim = ("--serial", "SN-1", "--iccid", "8944100000000000011")
    assert (await run("hubs", "enrol", *sim, "--database-url", url(tmp_path)))[0] == 0
    file, other = str(tmp_path / "backup.gz"), f"sqlite:///{tmp_path / 'other.db'}"
    code, out, err = await run("backup", file, "--json", "--database-url", url(tmp_path))
    assert code == 0, err
    rows = json.loads(out)["rows"]
    code, out, err = await run("restore", file, "--json", "--database-url", other)
    assert (code, json.loads(out)["rows"]) == (0, rows), err
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        assert database.execute("SELECT serial FROM hubs").fetchall() == [("SN-1",)]
    await assert_refused(9, "restore", file, "--database-url", other, names="restore")
    await assert_refused(6, "backup", file, "--database-url", f"sqlite:///{tmp_path / 'empty.db'}", names="migrate")


async def test_the_api_is_described_without_a_database(tmp_path: Path) -> None:
    code, out, _ = await run("openapi")
    assert code == 0
    assert {"/v1/faults", "/hooks/carrier"} <= set(json.loads(out)["paths"])


@pytest.mark.parametrize(
    ("code", "arguments", "names"),
    [
        (2, ("keys", "create", "--role", "emperor"), "emperor"),
        (3, ("serve", "--broker-url", "amqp://nowhere"), "amqp://nowhere"),
        (3, ("serve", "--carrier-url", "carrier"), "carrier"),
        (3, ("serve", "--quiet-window", "never"), "never"),
        (3, ("serve", "--log-level", "loud"), "loud"),
        (4, ("serve", "--database-url", "mysql://x/y"), "mysql"),
        (4, ("migrate", "--database-url", "sqlite:////no/such/directory/x.db"), "/no/such/directory"),
    ],
)
async def test_bad_input_is_one_line_with_a_remedy(
    tmp_path: Path, code: int, arguments: tuple[str, ...], names: str
) -> None:
    database = () if "--database-url" in arguments else ("--database-url", url(tmp_path))
    port = ("--port", "0") if arguments[0] == "serve" else ()
    await assert_refused(code, *arguments, *database, *port, names=names)


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await assert_refused(7, "serve", "--port", str(port), "--database-url", url(tmp_path), names=f"127.0.0.1:{port}")
    server.close()
    await server.wait_closed()


async def test_a_database_of_newer_code_is_left_alone(tmp_path: Path) -> None:
    await run("migrate", "--database-url", url(tmp_path))
    with closing(sqlite3.connect(tmp_path / "controller.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    for command in (("serve", "--port", "0"), ("migrate",)):
        await assert_refused(5, *command, "--database-url", url(tmp_path), names="9999")


async def test_broken_settings_are_named(tmp_path: Path) -> None:
    settings = tmp_path / "controller.toml"
    for text, names in (("[serve", "controller.toml"), ("[serve]\nprot = 1", "prot"), ("[sreve]\n", "sreve")):
        settings.write_text(text)
        await assert_refused(3, "--config", str(settings), "serve", names=names)
    await assert_refused(3, "--config", str(tmp_path / "absent.toml"), "serve", names="absent.toml")
    code, _, err = await run("serve", "--database-url", url(tmp_path), MINIHUB_LOG_LEVEL="loud")
    assert (code, "loud" in err) == (3, True)


async def test_settings_come_from_a_file(tmp_path: Path) -> None:
    settings = tmp_path / "controller.toml"
    settings.write_text(f'[migrate]\ndatabase-url = "{url(tmp_path)}"\njson = true\n')
    code, out, _ = await run("--config", str(settings), "migrate")
    assert (code, "schema" in json.loads(out)) == (0, True)


async def test_a_broker_that_is_down_at_start_is_waited_for_in_sight(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    options = ("serve", "--port", "0", "--json", "--database-url", url(tmp_path), "--broker-url", broker.url)
    log = tmp_path / "controller.log"
    async with running([*CONTROLLER, *options], log) as child:

        async def says(word: str) -> bool:
            return f'"state": "{word}"' in log.read_text()

        await until(lambda: says("unreachable"))
        await broker.start()
        await until(lambda: says("connected"), 30)
        assert await child.terminate() == 0
    await broker.stop()


async def test_one_command_with_the_embedded_broker_starts_and_ends_cleanly(tmp_path: Path) -> None:
    log = tmp_path / "controller.log"
    options = ("serve", "--port", "0", "--json", "--database-url", url(tmp_path))
    async with running([*CONTROLLER, *options], log) as child:
        port = int(child.announced["broker"].rpartition(":")[2])

        async def connected() -> bool:
            return '"state": "connected"' in log.read_text()

        await until(connected)
        assert await child.terminate() == 0
    text = log.read_text()
    assert text.count("embedded_broker") == 1
    assert "no_carrier" in text
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_broker_alone_announces_itself(tmp_path: Path) -> None:
    port = free_port()
    async with running([*CONTROLLER, "broker", "--port", str(port)], tmp_path / "broker.log") as child:
        assert child.url == f"mqtt://127.0.0.1:{port}"
        await child.terminate()
