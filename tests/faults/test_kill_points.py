"""Every point between "photo written" and "last step committed" × what dies or freezes there, on SQLite.

Whatever is done, the task succeeds with its own picture, each step succeeds once and was submitted once; a freeze
between the last check of the claim and the POST may cost one submission more, which is counted apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from scripts.simulators.photos import portrait
from tests.faults import points
from tests.faults.farm import eventually
from tests.faults.harm import Harm, end_both, end_it, end_pool, freeze, kill_it
from tests.faults.judge import judge
from tests.faults.play import FREEZE, FROZEN, KILLS, play
from tests.faults.points import Point, Scene
from tests.faults.table import fault_case, record
from tests.told import TOLD

ENDS: dict[str, Harm] = {"worker SIGTERM": end_it, "pool SIGTERM": end_pool, "both SIGTERM": end_both}
WEB: dict[str, Harm] = {"web killed": kill_it, "web frozen, woken": freeze}
POINTS: list[tuple[str, Point, dict[str, Harm], str]] = [
    ("photo written, not committed", points.photo_written, WEB, "web killed"),
    ("committed, not enqueued", points.committed_not_enqueued, WEB, "web frozen, woken"),
    ("enqueued, not fetched", points.enqueued_not_fetched, KILLS | FREEZE, "worker killed"),
    ("fetched, not claimed", points.fetched_not_claimed, KILLS | FREEZE, "worker killed"),
    ("fetched, not claimed (SIGTERM)", points.fetched_not_claimed, ENDS, "pool SIGTERM"),
    ("claimed", points.at_request(b"POST /upload/image", is_sent=False), KILLS | FREEZE, "both killed"),
    (
        "call committed, POST not received",
        points.at_request(b"POST /prompt", is_sent=True),
        KILLS | FREEZE,
        "worker frozen, woken",
    ),
    ("POST received, not answered", points.at_answer(b"POST /prompt", 0), KILLS | FREEZE, "worker killed"),
    ("answered", points.answered, KILLS | FREEZE, "pool killed"),
    ("while running", points.running, KILLS | FREEZE, "worker frozen, woken"),
    (
        "finished, picture not fetched",
        points.at_request(b"GET /view", is_sent=True),
        KILLS | FREEZE,
        "worker killed",
    ),
    ("picture half sent", points.at_answer(b"GET /view", points.HALF_A_PICTURE), KILLS | FREEZE, "worker killed"),
    (
        "picture stored, success not committed",
        points.picture_stored(b"GET /view"),
        KILLS | FREEZE,
        "worker frozen, woken",
    ),
    ("success committed, next not enqueued", points.next_step_not_enqueued, KILLS | FREEZE, "pool killed"),
    ("last step done, RQ job not finished", points.job_not_finished, KILLS | FREEZE, "worker killed"),
]
CASES = [
    fault_case(label, name, label, point, name, harm, always=name == chosen)
    for label, point, harms, chosen in POINTS
    for name, harm in harms.items()
]


@pytest.mark.parametrize(("label", "point", "name", "harm"), CASES)
def test_i1_i7_i8_a_task_survives_whatever_happens_at(
    scene: Scene,
    label: str,
    point: Point,
    name: str,
    harm: Harm,
    record_property: Callable[[str, object], None],
) -> None:
    frozen_before_post = (label, name) == ("call committed, POST not received", FROZEN)
    verdict, seconds = play(scene, point, harm, extra_allowed=1 if frozen_before_post else 0)
    extra = f", {verdict.extra} submission more: frozen between check and POST" if verdict.extra else ""
    record(record_property, f"succeeded and judged {seconds:.1f} s after it{extra}")


@pytest.mark.fault("a photo kills every worker that touches it", "3 workers killed", True)
def test_i12_a_photo_that_kills_every_worker_fails_as_poison_and_its_neighbours_lose_nothing(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    """No code of the farm plays the deadly photo: whichever worker the database says has it is killed."""
    farm = scene.farm
    since = len(farm.stand_in.log())
    hold = farm.stand_in.add_fault("hold", times=1)
    assert farm.booth.submit("deadly", portrait(1)).status_code == 202
    began = time.monotonic()
    assert hold.happened.wait(30)
    neighbours = [scene.submit_and_wait() for _ in range(5)]
    killed: list[str] = []

    def kill_whoever_has_it() -> bool:
        (step,) = farm.steps_of("deadly")
        if step["status"] == "running" and step["worker"] not in killed:
            farm.worker_named(step["worker"]).kill()
            killed.append(step["worker"])
        return step["status"] == "failed"

    eventually(kill_whoever_has_it, "the photo is given up", 120)
    seconds = time.monotonic() - began
    farm.stand_in.clear_faults()
    (step,) = farm.steps_of("deadly")
    assert (step["kind"], step["crashes"], len(killed)) == ("poison", 3, 3)
    order = farm.booth.follow("deadly")
    assert (order["status"], order["tasks"][0]["reason"]["code"]) == ("failed", "poison")
    judge(scene, extra_allowed=0, since=since)
    assert [farm.steps_of(order_id)[0]["status"] for order_id in neighbours] == ["succeeded"] * 5
    record(record_property, f"failed as poison after {seconds:.1f} s; its 5 neighbours succeeded")
    print(f"{TOLD}a photo that killed 3 workers failed as poison after {seconds:.1f} s, its neighbours succeeded")
