"""Tables: purpose and retention stand in every column."""

from typing import Final

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from controller.tables import (
    access,
    accounts,
    alarms,
    enrolment,
    faults,
    hubs,
    journal,
    lists,
    owed,
    sims,
    tasks,
    telemetry,
)

METADATA: Final[MetaData] = SQLModel.metadata

__all__ = [
    "METADATA",
    "access",
    "accounts",
    "alarms",
    "enrolment",
    "faults",
    "hubs",
    "journal",
    "lists",
    "owed",
    "sims",
    "tasks",
    "telemetry",
]
