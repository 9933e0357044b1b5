"""A throw-away PostgreSQL server for a test session: a directory, a Unix socket, no port."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql/15/bin")
INSTALL = "apt-get install -y postgresql-15"
QUIET = "-c listen_addresses='' -c shared_buffers=32MB"
FAST = f"-c fsync=off -c synchronous_commit=off -c full_page_writes=off {QUIET}"


def is_installed() -> bool:
    return (BINARIES / "initdb").exists() and (os.geteuid() != 0 or shutil.which("runuser") is not None)


@contextmanager
def running_server(options: str = FAST) -> Iterator[str]:
    """Start a server and yield the URL of its directory, to which a database name is appended."""
    # A socket's path is short, so it can't lie below pytest's own directories.
    directory = Path(tempfile.mkdtemp(prefix="mhpg"))
    if os.geteuid() == 0:
        os.chown(directory, pwd.getpwnam("postgres").pw_uid, -1)
    data = directory / "data"
    _run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync")
    _run("pg_ctl", "-D", str(data), "-w", "-o", f"-k {directory} {options}", "-l", str(directory / "log"), "start")
    try:
        yield f"postgresql://postgres@/{{name}}?host={directory}"
    finally:
        _run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(directory, ignore_errors=True)


def _run(tool: str, *arguments: str) -> None:
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*as_user, str(BINARIES / tool), *arguments], check=True, capture_output=True, timeout=60, cwd="/")
