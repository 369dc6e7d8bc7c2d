"""Reading what a storm left: its journals, the database, the storage. Only this part of the checker looks outside."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.database import Database
from jobs.orders.models import Call, Event, Image, Order, Photo, Step, Task
from scripts.simulators.journal import Row
from scripts.storming.checking.evidence import Evidence
from scripts.storming.checking.rows import CallRow, EventRow, ImageRow, Snapshot, StepRow, StoredFile, TaskRow

FOLDERS = ("photos", "images")
STORAGE = Path("data", "files")


def read_evidence(folder: Path, database_url: str) -> Evidence:
    """All that was seen. Raises OSError, ValueError (a journal's line is torn), DatabaseAway."""
    database = Database(database_url)
    try:
        snapshot = database.read(read_snapshot)
    finally:
        database.dispose()
    journals = [read_rows(folder / f"{name}.jsonl") for name in ("booths", "comfyui", "clouds", "nemesis")]
    return Evidence(*journals, snapshot=snapshot, files=read_files(folder / STORAGE))


def read_rows(journal: Path) -> tuple[Row, ...]:
    """A journal's rows in the order of their moments: several processes may have written it."""
    rows = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines() if line]
    return tuple(sorted(rows, key=lambda row: row["t"]))


def read_files(storage: Path) -> dict[str, StoredFile]:
    """Every file of the storage by its path. Raises FileNotFoundError when there is no storage at all."""
    if not storage.is_dir():
        raise FileNotFoundError(storage)
    files = {}
    for folder in FOLDERS:
        for file in (storage / folder).rglob("*"):
            if file.is_file():
                seen = file.stat()
                files[str(file.relative_to(storage))] = StoredFile(seen.st_size, time.time() - seen.st_mtime)
    return files


def read_snapshot(session: Session) -> Snapshot:
    """Tasks, steps, calls, images, history."""
    photos = {photo.id: photo for photo in session.scalars(select(Photo))}
    images = list(session.scalars(select(Image).order_by(Image.id)))
    named: dict[str, int | None] = {photo.path: photo.bytes for photo in photos.values() if photo.path is not None}
    for image in images:
        named |= {image.path: image.bytes, image.thumbnail_path: None}
    tasks = session.execute(select(Task, Order.order_id).join(Order, Order.id == Task.order_id).order_by(Task.id))
    return Snapshot(
        tasks=tuple(
            TaskRow(
                id=task.id,
                task_id=task.task_id,
                order_id=order_id,
                photo_sha256=task.photo_sha256,
                style=task.style,
                status=task.status,
                created_at=task.created_at.timestamp(),
                started_at=_seconds(task.started_at),
                finished_at=_seconds(task.finished_at),
                kind=task.kind,
                photo_path=photos[task.photo_id].path,
            )
            for task, order_id in tasks
        ),
        steps=tuple(
            StepRow(step.id, step.task_id, step.position, step.resource, step.status, step.attempt, step.rung)
            for step in session.scalars(select(Step).order_by(Step.id))
        ),
        calls=tuple(
            CallRow(
                id=call.id,
                step=call.step_id,
                call_no=call.call_no,
                attempt=call.attempt,
                resource=call.resource,
                provider=call.provider,
                server=call.server,
                external_id=call.external_id,
                remote_id=call.remote_id,
                state=call.state,
                outcome=call.outcome,
                opened_at=call.opened_at.timestamp(),
                sent_at=_seconds(call.sent_at),
                closed_at=_seconds(call.closed_at),
            )
            for call in session.scalars(select(Call).order_by(Call.id))
        ),
        images=tuple(
            ImageRow(image.task_id, image.step_id, image.attempt, image.final, image.path, image.bytes)
            for image in images
        ),
        events=tuple(
            EventRow(
                id=event.id,
                at=event.at.timestamp(),
                task=event.task_id,
                step=event.step_id,
                attempt=event.attempt,
                move=event.move,
                actor=event.actor,
                detail=event.detail,
            )
            for event in session.scalars(select(Event).order_by(Event.id))
        ),
        named=named,
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
