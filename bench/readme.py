"""`python -m bench.readme`: write the figures of build/bench.json into the README, between its two markers.

Nothing outside the markers is touched. `make bench` first: what was not measured is not shown.
"""

import json
import sys
from pathlib import Path

from bench.__main__ import OUT, Figure

DOCUMENT = Path(__file__).parents[1] / "README.md"
MARKER = "<!-- figures -->"
COLUMNS = ("name", "value", "unit", "baseline", "ratio", "goal", "met")


class ReportError(Exception):
    """The document or the figures cannot be used: one line that says what to do."""


def table_of(figures: list[Figure]) -> str:
    """A Markdown table, a row for each figure."""
    rows: list[tuple[str, ...]] = [COLUMNS, ("---", "--:", "---", "--:", "--:", "---", "---")]
    rows += [tuple(_cell(figure.get(column)) for column in COLUMNS) for figure in figures]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def replaced(document: str, block: str) -> str:
    """The document with the block between its two markers. Raises ReportError when there are not just two."""
    parts = document.split(MARKER)
    if len(parts) != 3:
        raise ReportError(f"{DOCUMENT.name} needs two lines {MARKER}, it has {len(parts) - 1}")
    return f"{parts[0]}{MARKER}\n\n{block}\n\n{MARKER}{parts[2]}"


def _cell(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, int | float):
        return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _figures() -> list[Figure]:
    try:
        figures: list[Figure] = json.loads(OUT.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"there is no {OUT.parent.name}/{OUT.name}: run `make bench` first") from None
    except ValueError:
        raise ReportError(f"{OUT.parent.name}/{OUT.name} is no JSON: run `make bench` again") from None
    return figures


def main() -> None:
    """Rewrite the block; a problem is one line and exit code 1."""
    try:
        figures = _figures()
        text = replaced(DOCUMENT.read_text(encoding="utf-8"), table_of(figures))
    except (ReportError, OSError) as error:
        sys.exit(f"bench.readme: {error}")
    DOCUMENT.write_text(text, encoding="utf-8")
    print(f"{DOCUMENT.name}: {len(figures)} figures")


if __name__ == "__main__":
    main()
