"""What a storm left behind, read into values: journals as rows, the database as rows of its tables. No judgement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select

from jobs.access.models import Booth  # noqa: F401  orders refer to its table
from jobs.database import Base
from jobs.orders.models import Call, Event, Image, Order, Photo, Step, Task

Row = Mapping[str, Any]

TABLES: Mapping[str, type[Base]] = {
    "orders": Order,
    "photos": Photo,
    "tasks": Task,
    "steps": Step,
    "calls": Call,
    "images": Image,
    "events": Event,
}


@dataclass(frozen=True)
class Histories:
    """Journals by name (booths, comfyui, openai, nemesis), tables by name, and the files below the farm's folder."""

    booths: Sequence[Row] = ()
    comfyui: Sequence[Row] = ()
    openai: Sequence[Row] = ()
    nemesis: Sequence[Row] = ()
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    """Path as the rows name it -> bytes."""

    def rows(self, table: str) -> Sequence[Row]:
        """A table's rows, oldest first."""
        return self.tables.get(table, ())

    @property
    def settings(self) -> Row:
        """The limits that the storm's farm had."""
        return next((row for row in self.nemesis if row["event"] == "settings"), {})


def read_histories(folder: Path, database_url: str) -> Histories:
    """Everything of a storm that has ended."""
    journals = {name: _read_journal(folder / f"{name}.jsonl") for name in ("booths", "comfyui", "openai", "nemesis")}
    stored = folder / "data" / "files"
    files = {str(path.relative_to(stored)): path.stat().st_size for path in sorted(stored.rglob("*")) if path.is_file()}
    return Histories(**journals, tables=_read_tables(database_url), files=files)


def _read_journal(path: Path) -> list[Row]:
    """Rows by time. A line that its writer did not live to end is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return sorted(rows, key=lambda row: float(row["t"]))


def _read_tables(database_url: str) -> dict[str, list[Row]]:
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            return {
                name: [
                    {key: _as_seconds(value) for key, value in row._mapping.items()}
                    for row in connection.execute(select(model.__table__).order_by(model.__table__.c.id))
                ]
                for name, model in TABLES.items()
            }
    finally:
        engine.dispose()


def _as_seconds(value: Any) -> Any:
    """Moments as the journals write them: seconds since the epoch."""
    return value.timestamp() if isinstance(value, datetime) else value
