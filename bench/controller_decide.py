"""Figures of deciding, on PostgreSQL 15 as it is installed (it waits for the disk), over a town of real homes.

Every home has a hub and two SIMs. MINIHUB_BENCH_HOMES (100,000) sets the town, MINIHUB_BENCH_FAULTS (10,000) how many
open faults an outage covers. The baseline of a report is a transaction that only audits, on the same server. Garbage is
collected as `hub-controller serve` does it.
"""

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from sqlmodel import Session

from bench._town import copy_home, found_home, id_in, town_ids, vary_homes
from bench.controller import figure, quantile
from controller.cli.serve import COLLECT_AFTER
from controller.domain.facts import LineEventKind, Symptom
from controller.services import decide, faults, journal, lines, outages, owed
from controller.services.actor import Actor
from controller.services.database import Database
from controller.work.timers import do_due
from tests.unit.controller import postgresql
from tests.unit.controller.household import Household

HOMES = int(os.environ.get("MINIHUB_BENCH_HOMES", "100000"))
FAULTS = int(os.environ.get("MINIHUB_BENCH_FAULTS", "10000"))
FEW = 1_000
REPORTS = 300
DUE = 300
LOOKS = 9
SERVER = "-c listen_addresses='' -c shared_buffers=256MB"


def open_town(server: str, name: str) -> Database:
    """Create a database at this code's schema."""
    admin = Database(server.format(name="postgres"))
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    _close(admin)
    ids = town_ids()
    database = Database(server.format(name=name), ids=lambda: next(ids))
    database.create_now()
    return database


def _close(database: Database) -> None:
    asyncio.run(database.close())


def timed(f: Callable[[], object]) -> float:
    """Return how many milliseconds something took."""
    begun = time.perf_counter()
    f()
    return (time.perf_counter() - begun) * 1000


def measure_reports(home: Household, homes: int) -> tuple[list[float], list[float]]:
    """Report faults that qualify at once in homes far apart; return the milliseconds of each, and of the baseline."""
    took, baseline = [], []
    for n in range(REPORTS):
        line_id = id_in(home.line_id, 1 + n * (homes - 2) // REPORTS)
        home.run(lines.record, events=_drops(home, line_id))
        home.pass_time(seconds=1)
        report = {"line_id": line_id, "channel": "phone", "reporter": "holder", "symptom": Symptom.DROPPING}
        took.append(timed(partial(home.run, faults.report, **report)))
        baseline.append(timed(partial(home.run, _only_audit, key=line_id)))
    warm = REPORTS // 6
    return took[warm:], baseline[warm:]


def _drops(home: Household, line_id: str) -> list[lines.Seen]:
    return [
        lines.Seen(line_id=line_id, kind=LineEventKind.SYNC_LOST, at=home.now - timedelta(hours=n), source="dslam")
        for n in range(5)
    ]


def _only_audit(session: Session, actor: Actor, now: object, *, key: str) -> None:
    del actor, now
    journal.audited(session, "line", key, "looked_at")


class DueRows:
    """The cost of a due row of a home without a fault, in one database."""

    def __init__(self, home: Household, homes: int) -> None:
        self._home = home
        self._keys = [id_in(home.account_id, 1 + n * (homes - 2) // DUE) for n in range(DUE)]
        self._took: list[float] = []
        home.look()

    def look(self) -> None:
        """Let every one of them be due, and do what is due."""
        self._home.run(self._mark)
        self._home.pass_time(seconds=1)
        self._took.append(timed(self._home.look) / DUE)

    def milliseconds(self) -> float:
        """Return the cost of one, as the median of the looks at warm pages."""
        return statistics.median(self._took[1:])

    def _mark(self, session: Session, actor: Actor, now: Any) -> None:
        del actor
        owed.mark_many(session, decide.NOUN, [(key, None, now) for key in self._keys], now=now)


def due_row_growth(few: DueRows, many: DueRows) -> float:
    """Return how many times more a due row costs among many homes: looked at in turn, the machine's moods are alike."""
    for _ in range(LOOKS):
        few.look()
        many.look()
    return many.milliseconds() / few.milliseconds()


def measure_outage(server: str) -> float:
    """Return how many open faults a second are decided again after an outage that covers them all was declared.

    No two homes are alike.
    """
    database = open_town(server, "outage")
    home = found_home(database)
    home.drop(5)
    home.report()
    copy_home(database, FAULTS - 1)
    vary_homes(database)
    home.pass_time(minutes=5)
    covered = [id_in(home.line_id, number) for number in range(FAULTS)]
    home.run(outages.declare, line_ids=covered, from_at=home.now - timedelta(hours=30), override="a bench")
    home.pass_time(seconds=1)
    begun = time.perf_counter()
    asyncio.run(_until_done(database, home))
    rate = FAULTS / (time.perf_counter() - begun)
    _close(database)
    return rate


async def _until_done(database: Database, home: Household) -> None:
    """Do what is due as `hub-controller serve` does it."""
    while await do_due(database, lambda: home.now, lambda: True):
        pass


def measure_rss_mb() -> float:
    """Return the resident memory of `hub-controller serve` with nothing to do, its embedded broker included."""
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as directory:
        url = f"sqlite:///{Path(directory) / 'controller.db'}"
        command = [sys.executable, "-m", "controller", "serve", "--database-url", url, "--port", "0", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(5)
            found: float = psutil.Process(process.pid).memory_info().rss / 1e6
            process.terminate()
    return found


def figures() -> list[dict[str, Any]]:
    """Measure everything; some minutes, most of them spent on copying homes."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    with postgresql.running_server(SERVER) as server:
        town, city = open_town(server, "town"), open_town(server, "city")
        small = found_home(town)
        copy_home(town, FEW)
        home = found_home(city)
        copy_home(city, HOMES)
        growth = due_row_growth(DueRows(small, FEW), DueRows(home, HOMES))
        _close(town)
        took, baseline = measure_reports(home, HOMES)
        _close(city)
        rate = measure_outage(server)
    p99 = quantile(took, 0.99)
    return [
        figure("report_committed_p99", p99, "ms", 20, most=True, baseline=quantile(baseline, 0.99)),
        figure("report_committed_p50", quantile(took, 0.5), "ms", 20, most=True, baseline=quantile(baseline, 0.5)),
        figure("due_row_cost_growth", growth, f"x from {FEW:,} to {HOMES:,} homes", 1.2, most=True),
        figure("redecided_after_outage", rate, "faults/s", 1_000, most=False),
        figure("idle_rss", measure_rss_mb(), "MB", 140, most=True),
    ]
