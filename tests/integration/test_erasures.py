"""Deleting is a commit that writes down what is owed, and looks that work it off: nothing is forgotten on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import select

from jobs import errors
from jobs.engine.changes import progress_key
from jobs.erasure.models import Erasure
from jobs.erasure.orders import NOTICE_SECONDS, erase_order
from jobs.erasure.owed import count_debts
from jobs.farm import Farm
from jobs.orders.models import Order, Photo, Step, Task
from jobs.settings import Settings
from tests.builders import (
    accept,
    change,
    fail,
    finish,
    get_task,
    list_files,
    list_images,
    make_booth,
    must_claim,
    open_farm,
    read_everything,
    seconds_ago,
    submit,
)

ROOT = Path(__file__).resolve().parents[2]


def list_owed(farm: Farm) -> list[Erasure]:
    """What is owed and not done, oldest first."""
    query = select(Erasure).where(Erasure.done_at.is_(None)).order_by(Erasure.id)
    return farm.database.read(lambda session: list(session.scalars(query)))


def let_settle(farm: Farm) -> None:
    """No worker can believe any more that a deleted order's step is its own."""
    for one in list_owed(farm):
        change(farm, Erasure, one.id, settles_at=seconds_ago(1), again_at=seconds_ago(1))


def make_finished_order(farm: Farm, order_id: str = "order-1") -> int:
    """An order with one picture, made long ago; its task's row id."""
    (task_id,) = accept(farm, order_id=order_id)
    claimed = must_claim(farm)
    finish(farm, claimed)
    step_id = claimed.held.step_id
    change(farm, Step, step_id, finished_at=seconds_ago(600))
    return task_id


def photo_of(farm: Farm, task_id: int) -> str:
    """Where the photo of a task lies."""
    return farm.database.read(lambda session: str(session.get_one(Task, task_id).photo.path))


KILLED_AT_THE_FIRST_FILE = """
import os, signal
from jobs.farm import Farm
from jobs.settings import Settings
farm = Farm(Settings.load(_env_file=None))
farm.storage.delete = lambda path: os.kill(os.getpid(), signal.SIGKILL)
farm.interventions.delete_order("order-1", actor="booth:b")
"""


def delete_and_die(settings: Settings) -> None:
    """Another process deletes the order: its transaction is committed, and it is killed before it touches a file."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
    }
    command = [sys.executable, "-c", KILLED_AT_THE_FIRST_FILE]
    assert subprocess.run(command, env=environment, cwd=ROOT, timeout=60).returncode == -signal.SIGKILL


def test_what_a_killed_process_left_the_next_one_removes(settings: Settings) -> None:
    with open_farm(settings) as farm:
        task_id = make_finished_order(farm)
        farm.announcer.report_progress(1, task_id, 0.5, "making")
        kept = make_finished_order(farm, "order-2")
        delete_and_die(settings)
        assert len(list_files(farm)) == 6, "killed before any file went"
        assert {debt.place: debt.count for debt in farm.database.read(count_debts, datetime.now(UTC))} == {
            "comfyui": 1,
            "progress": 1,
            "storage": 1,
        }
    with open_farm(settings) as successor:
        successor.reconciler().erase()
        assert len(list_files(successor)) == 3
        assert successor.redis.exists(progress_key(task_id)) == 0
        assert [one.place for one in list_owed(successor)] == ["comfyui"]
        assert photo_of(successor, kept) in list_files(successor)


def test_a_file_that_cannot_go_is_owed_until_it_can(farm: Farm) -> None:
    path = farm.storage.locate(photo_of(farm, make_finished_order(farm)))
    path.unlink()
    (path / "in the way").mkdir(parents=True)
    farm.interventions.delete_order("order-1", actor="booth:b")
    assert list_files(farm) == [], "the others are gone"
    (storage,) = [one for one in list_owed(farm) if one.place == "storage"]
    assert (storage.looks, storage.why) == (1, "a file cannot be removed: IsADirectoryError")
    farm.reconciler().erase()
    assert farm.database.read(lambda session: session.get_one(Erasure, storage.id)).looks == 1, "not due yet"
    (path / "in the way").rmdir()
    path.rmdir()
    path.write_bytes(b"photo")
    let_settle(farm)
    farm.reconciler().erase()
    assert not path.exists()
    assert "storage" not in [one.place for one in list_owed(farm)]


def test_a_step_still_running_brings_nothing_back(farm: Farm) -> None:
    (task_id,) = accept(farm)
    running = must_claim(farm)
    farm.interventions.delete_order("order-1", actor="booth:b")
    assert list_files(farm) == []
    late = farm.storage.write("images", b"picture", label="-a1", order_id=running.held.order_id)
    torn = farm.storage.locate(late).with_suffix(".jpg.part")
    torn.write_bytes(b"half")
    other = farm.storage.write("images", b"picture", order_id=running.held.order_id + 256)
    farm.announcer.report_progress(running.held.order_id, task_id, 0.9, "making")
    with pytest.raises(errors.ClaimLost):
        finish(farm, running)
    owed = list_owed(farm)
    latest = max(one.settles_at for one in owed if one.place != "comfyui")
    assert (latest - owed[0].since).total_seconds() == pytest.approx(farm.settings.claim_s + NOTICE_SECONDS, abs=1)
    farm.reconciler().erase()
    assert late in list_files(farm), "its last look comes when no worker can believe in its claim"
    let_settle(farm)
    farm.reconciler().erase()
    assert list_files(farm) == [other]
    assert farm.redis.exists(progress_key(task_id)) == 0
    assert list_images(farm) == []


def test_progress_is_owed_while_redis_is_away(farm: Farm) -> None:
    task_id = make_finished_order(farm)
    farm.announcer.report_progress(1, task_id, 0.5, "making")
    with without_redis(farm):
        farm.interventions.delete_order("order-1", actor="booth:b")
        assert list_files(farm) == []
        assert [one.why for one in list_owed(farm) if one.place == "progress"] == ["Redis is away"]
    let_settle(farm)
    farm.reconciler().erase()
    assert farm.redis.exists(progress_key(task_id)) == 0


def test_rows_keep_nothing_that_could_be_guessed_back(farm: Farm) -> None:
    task_id = make_finished_order(farm)
    before = farm.database.read(lambda session: session.get_one(Photo, 1)).sha256
    key = get_task(farm, task_id).options_key
    farm.interventions.delete_order("order-1", actor="booth:b")
    rows = repr(read_everything(farm))
    assert before not in rows and key not in rows
    assert get_task(farm, task_id).photo_sha256 == "erased-1"


def test_a_retry_of_a_deleted_order_is_refused(farm: Farm) -> None:
    (task_id,) = accept(farm)
    fail(farm, must_claim(farm))
    public_id = get_task(farm, task_id).task_id
    farm.interventions.delete_order("order-1", actor="booth:b")
    with pytest.raises(errors.OrderDeleted):
        farm.interventions.retry(public_id, actor="operator:ann")


def test_a_submission_that_meets_a_deletion_adds_nothing_to_what_is_gone(farm: Farm) -> None:
    booth = make_booth(farm)
    accept(farm, order_id="other")
    submit(farm, booth)
    told: list[str] = []

    def post() -> None:
        try:
            submit(farm, booth, first_photo=5)
            told.append("taken")
        except errors.OrderDeleted:
            told.append("deleted")

    def erase_while_one_is_posted(session: object) -> None:
        erase_order(session, "order-1", farm.terms, actor="booth:b")  # type: ignore[arg-type]
        poster.start()
        waits_at_door.wait(0.3)

    waits_at_door = threading.Event()
    poster = threading.Thread(target=post)
    farm.database.write(erase_while_one_is_posted)
    poster.join(10)
    assert told == ["deleted"]
    order = farm.database.read(lambda session: session.scalars(select(Order).where(Order.order_id == "order-1")).one())
    tasks = farm.database.read(lambda session: list(session.scalars(select(Task).where(Task.order_id == order.id))))
    assert len(tasks) == 1


@contextmanager
def without_redis(farm: Farm) -> Iterator[None]:
    """The farm's client finds nobody."""
    announcer, own = farm.announcer, farm.redis
    with Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1) as gone:
        announcer.redis = gone
        yield
    announcer.redis = own
    announcer._away_until = 0.0
