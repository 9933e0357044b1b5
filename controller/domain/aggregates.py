"""Aggregates that single nobody out (P "To create aggregated and anonymised data").

A table of counts with its totals is published with small cells left out, and with as many others left out as it takes
that none can be computed back (complementary suppression). Theory: with all totals known, write the cells left out as
edges between their row and their column. A cell can be computed exactly when its edge lies on no cycle, so the table is
safe when every edge left out lies on one. Totals are cells of a margin row and column.
"""

from collections.abc import Iterable, Mapping
from itertools import product

Cell = tuple[str, str]
TOTAL = "*"


def with_totals(counts: Mapping[Cell, int]) -> dict[Cell, int]:
    """Return the table with every missing cell as 0 and the totals under `*`."""
    rows = sorted({row for row, _ in counts})
    columns = sorted({column for _, column in counts})
    table = {(row, column): counts.get((row, column), 0) for row, column in product(rows, columns)}
    table |= {(row, TOTAL): sum(table[row, column] for column in columns) for row in rows}
    table |= {(TOTAL, column): sum(table[row, column] for row in rows) for column in columns}
    return table | {(TOTAL, TOTAL): sum(counts.values())}


def _is_joined(cells: Iterable[Cell], start: str, goal: str) -> bool:
    """Say whether a column can be reached from a row over the cells left out."""
    edges = list(cells)
    reached, ahead = {("row", start)}, [("row", start)]
    while ahead:
        side, name = ahead.pop()
        near = (
            [("column", c) for r, c in edges if r == name]
            if side == "row"
            else [("row", r) for r, c in edges if c == name]
        )
        fresh = [each for each in near if each not in reached]
        reached.update(fresh)
        ahead += fresh
    return ("column", goal) in reached


def computable(hidden: frozenset[Cell]) -> list[Cell]:
    """Return the cells left out that the rest of the table gives away, in order."""
    return sorted(cell for cell in hidden if not _is_joined(hidden - {cell}, *cell))


def _cost(cells: Iterable[Cell], table: Mapping[Cell, int]) -> tuple[int, int, list[Cell]]:
    """Prefer inner cells to totals, then few people."""
    ordered = sorted(cells)
    return sum(TOTAL in each for each in ordered), sum(table[each] for each in ordered), ordered


def _cover(cell: Cell, hidden: frozenset[Cell], table: Mapping[Cell, int]) -> frozenset[Cell]:
    """Return the cheapest cells to leave out too, so that a rectangle, hence a cycle, holds this one."""
    row, column = cell
    rectangles = [frozenset({(row, c), (r, column), (r, c)}) - hidden for r, c in table if r != row and c != column]
    return min(rectangles, key=lambda each: _cost(each, table))


def publish(counts: Mapping[Cell, int], k: int) -> dict[Cell, int | None]:
    """Return the table with totals, None for each cell left out: fewer than `k` people, or needed to hide such a one.

    Nobody (0) singles nobody out and stays.
    """
    table = with_totals(counts)
    hidden = frozenset(cell for cell, count in table.items() if 0 < count < k)
    while given_away := computable(hidden):
        hidden |= _cover(given_away[0], hidden, table)
    return {cell: None if cell in hidden else count for cell, count in table.items()}
