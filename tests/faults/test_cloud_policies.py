"""A worker dies while a provider answers that cannot be asked later: the policy says whether it is bought once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from scripts.simulators.openai_images import StandIn
from tests.faults import points
from tests.faults.farm import eventually
from tests.faults.harm import kill_it
from tests.faults.places import Place, openai
from tests.faults.play import play
from tests.faults.points import Scene, held_at
from tests.faults.table import fault_case, record

AT_ANSWER = points.at_answer(b"POST /v1/images/edits", 0)
POINT = "cloud: POST received, not answered, cannot be asked about"
Note = Callable[[str, object], None]


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """OpenAI, or what stands in for it, under the policy that a test names."""
    with StandIn(seconds=0.1) as stand_in:
        yield openai(stand_in, request.param)


@pytest.mark.parametrize("place", [fault_case(POINT, "worker killed, hold", "hold", always=True)], indirect=True)
def test_i8_what_nobody_can_tell_is_not_bought_again_unless_an_operator_says_so(
    scene: Scene, record_property: Note
) -> None:
    farm = scene.farm
    since = len(farm.stand_in.log("submit"))
    with held_at(AT_ANSWER, scene) as standing:
        kill_it(farm, standing)
    (order_id,) = scene.orders
    order = farm.booth.follow(order_id)
    assert (order["status"], order["tasks"][0]["reason"]["code"]) == ("failed", "outcome_unknown")
    eventually(lambda: not farm.open_rows(), f"nothing is open any more: {farm.open_rows()}")
    (step,) = farm.steps_of(order_id)
    assert step["kind"] == "outcome_unknown"
    (call,) = farm.rows("SELECT * FROM calls WHERE step_id = :id", id=step["id"])
    assert call["outcome"] == "unknown" and call["sent_at"] is not None
    assert len(farm.stand_in.log("submit")) - since == 1
    record(record_property, "failed as outcome_unknown, bought once")


@pytest.mark.parametrize("place", [fault_case(POINT, "worker killed, resubmit", "resubmit")], indirect=True)
def test_i8_what_nobody_can_tell_is_bought_once_more_where_that_is_the_policy(
    scene: Scene, record_property: Note
) -> None:
    verdict, seconds = play(scene, AT_ANSWER, kill_it, extra_allowed=1)
    assert verdict.extra == 1
    record(record_property, f"succeeded and judged {seconds:.1f} s after it, bought twice")
