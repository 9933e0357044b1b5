"""Category lists of the light parental controls (T§19), content-addressed: their digest stands in hubs' documents."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary
from sqlmodel import SQLModel

from controller.tables.columns import INSTANT, JSON_DOCUMENT, Retention, column

_HISTORY = Retention.HISTORY


class FilterList(SQLModel, table=True):
    """One version of one category's list: names, one a line."""

    __tablename__ = "filter_lists"
    __table_args__ = (Index("ix_filter_lists_category", "category", "imported_at"),)

    digest: str = column("names the bytes; hubs believe nothing else", _HISTORY, primary_key=True, max_length=71)
    category: str = column("what kind of names it holds", _HISTORY, max_length=64)
    size: int = column("its length in bytes", _HISTORY)
    names: int = column("how many names it holds", _HISTORY, default=0)
    report: dict[str, Any] = column("what the import took and what it refused, by line", _HISTORY, type=JSON_DOCUMENT)
    body: bytes = column("the list itself", _HISTORY, type=LargeBinary)
    source: str = column("where it came from", _HISTORY, max_length=200)
    imported_at: datetime = column("the newest of a category is in force", _HISTORY, type=INSTANT)


class FilterLevel(SQLModel, table=True):
    """Which categories a level refuses. What ships is an example: the terms name no table (T§19)."""

    __tablename__ = "filter_levels"

    level: str = column("name of the level", _HISTORY, primary_key=True, max_length=32)
    categories: list[str] = column("what it refuses", _HISTORY, type=JSON_DOCUMENT)
    source: str = column("an example, or who set it", _HISTORY, max_length=200)
    set_at: datetime = column("when it was set", _HISTORY, type=INSTANT)
