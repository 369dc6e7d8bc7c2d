"""Row 68: RQ jobs that somebody pushed into Redis by hand. They are refused, logged, and change nothing."""

from __future__ import annotations

import pickle
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import DefaultSerializer, JSONSerializer

from tests.acceptance.farm_process import eventually
from tests.rows import case
from tests.surface.farm import Surface

QUEUE = "comfyui"
Push = Callable[[Redis, Path], None]


def queued(function: str, *args: Any, pickled: bool = False, **options: Any) -> Push:
    """An RQ job as RQ itself would enqueue it. `{marker}` in a word becomes the file that must not appear."""

    def push(client: Redis, marker: Path) -> None:
        serializer = DefaultSerializer if pickled else JSONSerializer
        words = [arg.replace("{marker}", str(marker)) if isinstance(arg, str) else arg for arg in args]
        Queue(QUEUE, connection=client, serializer=serializer).enqueue_call(function, args=words, **options)

    return push


def written(**fields: Any) -> Push:
    """A job's hash as a stranger would write it."""

    def push(client: Redis, marker: Path) -> None:
        client.hset("rq:job:foreign", mapping={"status": "queued", "origin": QUEUE, **fields})
        client.expire("rq:job:foreign", 60)
        client.lpush(f"rq:queue:{QUEUE}", "foreign")

    return push


class Touch:
    """Unpickled, it would write a file."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (Path.touch, (Path(self.marker),))


def push_pickle(client: Redis, marker: Path) -> None:
    """A pickle that runs something when it is merely read."""
    written(data=zlib.compress(pickle.dumps(Touch(str(marker)))))(client, marker)


REFUSED, UNREADABLE = "an RQ job was refused", r"DeserializationError|an RQ job('s id)? cannot be read"
TOUCH = "touch {marker}"
TAKE = "jobs.entry.take"


@pytest.mark.parametrize(
    ("push", "logged"),
    [
        case(68, "os.system", queued("os.system", TOUCH), REFUSED),
        case(68, "builtins.eval", queued("builtins.eval", "__import__('os').system('touch {marker}')"), REFUSED),
        case(68, "subprocess.check_call", queued("subprocess.check_call", ["touch", "x"]), REFUSED),
        case(68, "another function of ours", queued("jobs.entry.farm_of_process"), REFUSED),
        case(68, "a function that is not there", queued("jobs.entry.nothing"), REFUSED),
        case(68, "a pickled job", queued("os.system", TOUCH, pickled=True), UNREADABLE),
        case(68, "a pickled ring", queued(TAKE, QUEUE, pickled=True), UNREADABLE),
        case(68, "a pickle that runs", push_pickle, UNREADABLE),
        case(68, "rubbish", written(data=b"\x00\xff rubbish"), UNREADABLE),
        case(68, "nothing in it", written(), None),
        case(68, "half a JSON", written(data=zlib.compress(b'["jobs.entry.take", null, [')), UNREADABLE),
        case(68, "a method of an instance", written(data=zlib.compress(b'["system", "os", ["true"], {}]')), REFUSED),
        case(68, "a wrong time", written(created_at="yesterday", data=zlib.compress(b"[]")), UNREADABLE),
        case(68, "an unknown step", queued(TAKE, QUEUE, kwargs={"step_id": 10**9, "attempt": 1}), None),
        case(68, "attempt -1", queued(TAKE, QUEUE, kwargs={"step_id": 1, "attempt": -1}), None),
        case(68, "attempt 10**9", queued(TAKE, QUEUE, kwargs={"step_id": 1, "attempt": 10**9}), None),
        case(68, "a step that is text", queued(TAKE, QUEUE, kwargs={"step_id": "'; drop table steps"}), None),
        case(68, "an unknown resource", queued(TAKE, "../../x"), None),
        case(68, "no resource", queued(TAKE), None),
        case(68, "an unknown argument", queued(TAKE, QUEUE, kwargs={"command": "touch {marker}"}), None),
        case(68, "a job that is not there", lambda client, _: client.lpush(f"rq:queue:{QUEUE}", "never-was"), None),
        case(68, "an id of 10 000 characters", lambda client, _: client.lpush(f"rq:queue:{QUEUE}", "i" * 10_000), None),
        case(
            68, "an id that is not UTF-8", lambda client, _: client.lpush(f"rq:queue:{QUEUE}", b"\xff\xfe"), UNREADABLE
        ),
    ],
)
def test_a_job_that_is_not_ours_does_nothing(surface: Surface, tmp_path: Path, push: Push, logged: str | None) -> None:
    before = surface.look_inside()
    marker, size, workers = tmp_path / "ran", surface.log_size(), surface.farm.worker_pids()
    with surface.redis() as client:
        push(client, marker)
        eventually(lambda: client.llen(f"rq:queue:{QUEUE}") == 0, "the job was heard", 20)
        eventually(lambda: is_idle(client), "the workers wait again", 20)
    if logged is not None:
        eventually(lambda: re.search(logged, surface.log_since(size)), "it is in the log", 20)
    assert not marker.exists()
    assert surface.farm.worker_pids() == workers  # nobody died of it
    after = surface.look_inside()
    assert (after.rows, after.files, after.prompts) == (before.rows, before.files, before.prompts)
    with surface.redis() as client:
        assert not [raw for raw in client.lrange(f"rq:queue:{QUEUE}:intermediate", 0, -1) if raw.startswith(b"\xff")]


@pytest.mark.row(68)
def test_row_68_after_all_of_it_an_order_is_made_once(surface: Surface, photo: bytes) -> None:
    prompts = surface.look_inside().prompts
    with surface.redis() as client:
        for push in (queued("os.system", "true"), queued(TAKE, QUEUE), push_pickle, queued(TAKE, QUEUE)):
            push(client, Path("/nonexistent/ran"))
    answer = surface.submit(photo)
    step_id = surface.finish(answer)["steps"][0]["attempt"]
    with surface.redis() as client:
        for _ in range(5):
            queued(TAKE, QUEUE, kwargs={"step_id": step_id, "attempt": 1})(client, Path("/nonexistent/ran"))
        eventually(lambda: client.llen(f"rq:queue:{QUEUE}") == 0, "every ring was heard", 20)
        eventually(lambda: is_idle(client), "the workers wait again", 20)
    assert surface.look_inside().prompts == prompts + 1
    surface.finish(surface.submit(photo))


def is_idle(client: Redis) -> bool:
    """Does every worker of the queue wait?"""
    workers = [key for key in client.smembers("rq:workers") if QUEUE in key.decode()]
    return bool(workers) and all(client.hget(key, "state") == b"idle" for key in workers)
