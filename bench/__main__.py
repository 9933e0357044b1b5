"""`make bench`: run every module of this package that has `figures()`, print a table, write build/bench.json.

`python -m bench bridge agent` runs the modules whose names begin so. A figure is {name, value, unit, baseline, ratio,
goal, met}; one that misses its goal stays shown as not met, and the exit code stays 0: a noisy machine is not a defect.
"""

import importlib
import json
import pkgutil
import platform
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

Figure = dict[str, Any]
OUT = Path(__file__).parents[1] / "build" / "bench.json"
_COLUMNS = ("name", "value", "unit", "baseline", "ratio", "goal", "met")


def measure(wanted: list[str]) -> list[Figure]:
    """Run the wanted modules (all without a choice) and gather their figures."""
    console = Console(stderr=True)
    rows: list[Figure] = []
    for found in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda module: module.name):
        if found.name.startswith("_") or (wanted and not any(found.name.startswith(name) for name in wanted)):
            continue
        module = importlib.import_module(f"bench.{found.name}")
        if hasattr(module, "figures"):
            started = time.perf_counter()
            rows.extend(module.figures())
            console.print(f"[dim]bench.{found.name}: {time.perf_counter() - started:.0f} s[/]")
    return rows


def stolen_share(since: Any) -> float:
    """Return which share of the processors' time other guests of the same host took; 0.0 where that isn't told."""
    now = psutil.cpu_times()
    passed = sum(now) - sum(since)
    return (getattr(now, "steal", 0.0) - getattr(since, "steal", 0.0)) / passed if passed > 0 else 0.0


def show(rows: list[Figure], stolen: float = 0.0) -> None:
    """Print the table; `stolen` is the share of the processors that other guests of the host had meanwhile."""
    interpreter = f"Python {platform.python_version()} of {'-'.join(platform.python_build())}"
    run = f"{interpreter}; {stolen:.0%} of the processors went to others"
    table = Table(title=f"Figures (ratios against a baseline in the same run)\n{run}", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in {"value", "baseline", "ratio"} else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in _COLUMNS), style="" if row.get("met", True) else "red")
    Console(width=170).print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def main() -> None:
    """Measure, show, write."""
    begun = psutil.cpu_times()
    rows = measure(sys.argv[1:])
    show(rows, stolen_share(begun))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
