"""The points between "photo written" and "last step committed" at which a case begins, and how the farm is held there.

A point is a generator: it submits, brings the farm to the point, and yields who stands there. Everything holds until
`Standing.let_others_go` and `open_gates`; after the yield only its own tidying up follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psutil

from scripts.simulators.photos import portrait
from tests.faults.farm import WORKERS, FaultFarm, eventually
from tests.faults.gate import At, Stop

STYLE_OF_TWO_STEPS = "poster-framed"
PHOTO_SIZE = (600, 800)
HALF_A_PICTURE = 20_000
"""Bytes; every picture of the stand-in is larger."""


@dataclass
class Scene:
    """One case: the farm, and the orders that are submitted in it."""

    farm: FaultFarm
    name: str
    mark: int
    threads: ThreadPoolExecutor
    orders: dict[str, int] = field(default_factory=dict)
    """Order id -> the mark of its photo."""
    answers: dict[str, Future[int]] = field(default_factory=dict)

    def submit(self, style: str = "") -> str:
        """Have a booth submit one more order; its id."""
        order_id, mark = f"{self.name}-{len(self.orders) + 1}", self.mark + len(self.orders)
        style = style or self.farm.place.styles[0]
        self.orders[order_id] = mark
        self.answers[order_id] = self.threads.submit(self._insist, order_id, portrait(mark, PHOTO_SIZE), style)
        return order_id

    def submit_and_wait(self, style: str = "") -> str:
        """The same, and return once it is accepted."""
        order_id = self.submit(style)
        assert self.answers[order_id].result(30) == 202
        return order_id

    def _insist(self, order_id: str, photo: bytes, style: str) -> int:
        """As a booth does: the same submission again until it is answered with 2xx."""

        def look() -> int | None:
            answer = self.farm.booth.submit(order_id, photo, style=style)
            assert answer.ok or answer.status_code == 503, answer.text
            return answer.status_code if answer.ok else None

        return eventually(look, f"the submission of {order_id} is answered")


@dataclass(frozen=True)
class Standing:
    """Who stands at the point, and how what holds it ends."""

    process: psutil.Process
    let_others_go: Callable[[], object] = lambda: None
    """Ends what would hold others too: a stand-in's fault, a lock of the database."""
    open_gate: Callable[[], object] = lambda: None
    """Ends what holds this process's own connection."""
    is_gone: Callable[[], bool] = lambda: True
    """After the process's death: has the gate seen it too? Opened before, it would forward what a dead one had sent."""


Point = Callable[[Scene], Iterator[Standing]]


def reached(scene: Scene, stop: Stop, repair: Stop | None = None) -> Standing:
    """Wait until somebody stands at a gate's stop. `repair`: what keeps the reconciler from repairing meanwhile."""
    assert stop.reached.wait(30), f"nobody came to {stop.at.name} {stop.pattern!r}"
    process = scene.farm.owner(stop.port)
    assert process is not None, "whoever came has left"
    others = repair.release if repair is not None else lambda: None
    return Standing(process, let_others_go=others, open_gate=stop.release, is_gone=lambda: stop.left.wait(30))


def queue_of(farm: FaultFarm) -> bytes:
    """The list in Redis in which the rings of the farm's place lie."""
    return f"rq:queue:{farm.place.resource}".encode()


def without_repair(farm: FaultFarm) -> Stop:
    """Keep the reconciler from ringing again, which it would do before we have looked; released with the others."""
    return farm.redis_gate.stop(At.REQUEST, queue_of(farm), is_meant=farm.is_reconciler, every=True)


def photo_written(scene: Scene) -> Iterator[Standing]:
    """The photo's file is there under its final name; the web waits for SQLite's write lock, which we hold."""
    farm = scene.farm
    before = farm.files("photos")
    with ExitStack() as held:
        held.enter_context(farm.write_lock())
        order_id = scene.submit()
        eventually(lambda: farm.files("photos") - before, "the photo is written")
        assert not farm.steps_of(order_id)
        yield Standing(farm.web(), held.close)


def committed_not_enqueued(scene: Scene) -> Iterator[Standing]:
    """The order's rows are committed; the web's ring stands at the gate before Redis."""
    repair = without_repair(scene.farm)
    stop = scene.farm.redis_gate.stop(At.REQUEST, queue_of(scene.farm), is_meant=scene.farm.is_web)
    order_id = scene.submit()
    standing = reached(scene, stop, repair)
    assert [step["status"] for step in scene.farm.steps_of(order_id)] == ["queued"]
    yield standing


def enqueued_not_fetched(scene: Scene) -> Iterator[Standing]:
    """Every worker is busy with a prompt that does not end; the ring of one order more lies in Redis."""
    farm = scene.farm
    hold = farm.stand_in.add_fault("hold")
    busy = [scene.submit_and_wait() for _ in range(WORKERS)]
    eventually(lambda: all(farm.steps_of(order_id)[0]["status"] == "running" for order_id in busy), "all are busy")
    waiting = scene.submit_and_wait()
    with farm.redis() as client:
        eventually(lambda: client.llen(queue_of(farm)), "the ring lies there")
    assert hold.happened.wait(30) and farm.steps_of(waiting)[0]["status"] == "queued"
    yield Standing(farm.worker_named(farm.steps_of(busy[0])[0]["worker"]), farm.stand_in.clear_faults)


def fetched_not_claimed(scene: Scene) -> Iterator[Standing]:
    """Redis has handed the ring to a worker: it left the queue, but the answer stands at the gate."""
    repair = without_repair(scene.farm)
    stop = scene.farm.redis_gate.stop(At.REPLY, b"\r\nring-", is_meant=scene.farm.is_worker)
    order_id = scene.submit_and_wait()
    standing = reached(scene, stop, repair)
    assert scene.farm.steps_of(order_id)[0]["status"] == "queued"
    yield standing


def at_request(pattern: bytes, *, is_sent: bool) -> Point:
    """A worker's request stands at the gate before the place of its work: not a byte of it has come through."""

    def point(scene: Scene) -> Iterator[Standing]:
        stop = scene.farm.gate.stop(At.REQUEST, pattern)
        scene.submit()
        standing = reached(scene, stop)
        (call,) = scene.farm.rows("SELECT * FROM calls WHERE state = 'open'")
        assert (call["sent_at"] is not None) is is_sent
        yield standing

    return point


def at_answer(pattern: bytes, after_bytes: int) -> Point:
    """The place has had the request; of its answer so many bytes have come through."""

    def point(scene: Scene) -> Iterator[Standing]:
        stop = scene.farm.gate.stop(At.ANSWER, pattern, after_bytes=after_bytes)
        scene.submit()
        standing = reached(scene, stop)
        assert len(scene.farm.rows("SELECT * FROM calls WHERE state = 'open' AND sent_at IS NOT NULL")) == 1
        yield standing

    return point


def answered(scene: Scene) -> Iterator[Standing]:
    """The worker has heard that its prompt was taken; the prompt waits in the server's queue."""
    farm = scene.farm
    farm.stand_in.add_fault("hold_queue")
    stop = farm.gate.stop(At.PASSED, b"POST /prompt")
    scene.submit()
    standing = reached(scene, stop)
    yield Standing(standing.process, farm.stand_in.clear_faults)


def running(scene: Scene) -> Iterator[Standing]:
    """The place works at it and does not come to its end; the id by which it is known there is written down."""
    farm = scene.farm
    hold = farm.stand_in.add_fault("hold")
    order_id = scene.submit()
    assert hold.happened.wait(30)
    known = f"SELECT id FROM calls WHERE state = 'open' AND {farm.place.named_by} IS NOT NULL"  # noqa: S608  a column
    eventually(lambda: farm.rows(known), "its id is written down")
    yield Standing(farm.worker_named(farm.steps_of(order_id)[0]["worker"]), farm.stand_in.clear_faults)


def picture_stored(pattern: bytes) -> Point:
    """Picture and thumbnail lie in the storage; the worker waits for SQLite's write lock, which we hold.

    `pattern`: how the picture is fetched.
    """

    def point(scene: Scene) -> Iterator[Standing]:
        farm = scene.farm
        before = farm.files("images")
        stop = farm.gate.stop(At.REQUEST, pattern)
        order_id = scene.submit()
        standing = reached(scene, stop)
        with ExitStack() as held:
            held.enter_context(farm.write_lock())
            stop.release()
            eventually(lambda: len(farm.files("images") - before) == 2, "the picture is stored")
            assert farm.steps_of(order_id)[0]["status"] == "running"
            yield Standing(standing.process, held.close)

    return point


def id_not_committed(pattern: bytes) -> Point:
    """The worker has heard the id of its call; to write it down it waits for SQLite's write lock, which we hold.

    `pattern`: how the call is submitted.
    """

    def point(scene: Scene) -> Iterator[Standing]:
        farm = scene.farm
        stop = farm.gate.stop(At.ANSWER, pattern)
        scene.submit()
        standing = reached(scene, stop)
        with ExitStack() as held:
            held.enter_context(farm.write_lock())
            stop.release()
            eventually(lambda: farm.owner(stop.port) is None, "the worker has the whole answer")
            (call,) = farm.rows("SELECT * FROM calls WHERE state = 'open'")
            assert call["sent_at"] is not None and call["remote_id"] is None
            yield Standing(standing.process, held.close)

    return point


def next_step_not_enqueued(scene: Scene) -> Iterator[Standing]:
    """The first of two steps is committed as succeeded; the ring for the second stands at the gate before Redis."""
    farm = scene.farm
    hold = farm.stand_in.add_fault("hold", times=1)
    order_id = scene.submit_and_wait(STYLE_OF_TWO_STEPS)
    assert hold.happened.wait(30)
    pattern = f"ring-{farm.steps_of(order_id)[1]['id']}-".encode()
    repair = without_repair(farm)
    stop = farm.redis_gate.stop(At.REQUEST, pattern, is_meant=farm.is_worker)
    farm.stand_in.clear_faults()
    standing = reached(scene, stop, repair)
    assert [step["status"] for step in farm.steps_of(order_id)] == ["succeeded", "queued"]
    yield standing


def job_not_finished(scene: Scene) -> Iterator[Standing]:
    """The task has succeeded; what RQ writes about its finished job stands at the gate before Redis."""
    farm = scene.farm
    repair = without_repair(farm)  # the job of a second ring would be finished sooner
    stop = farm.redis_gate.stop(At.REQUEST, b"rq:results:ring-", is_meant=farm.is_worker)
    order_id = scene.submit()
    standing = reached(scene, stop, repair)
    assert farm.steps_of(order_id)[0]["task_status"] == "succeeded"
    yield standing


@contextmanager
def held_at(point: Point, scene: Scene) -> Iterator[Standing]:
    """The farm at the point. Whatever holds is let go at the end, also when the case fails."""
    farm = scene.farm
    generator = point(scene)
    try:
        yield next(generator)
    finally:
        generator.close()  # type: ignore[attr-defined]  # a generator: ends what it holds
        farm.stand_in.clear_faults()
        for gate in (farm.redis_gate, farm.gate):
            gate.open()
