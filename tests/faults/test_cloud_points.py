"""Every point of a call to a polled provider × what dies or freezes there, on SQLite; what is unknown is sent again.

Whatever is done, the task succeeds with its own picture and its step succeeds once. Bought once more is only what
nobody can tell: the provider has taken it, and its id was not written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from scripts.simulators.replicate import StandIn
from tests.faults import points
from tests.faults.harm import Harm
from tests.faults.places import Place, replicate
from tests.faults.play import FREEZE, FROZEN, KILLS, play
from tests.faults.points import Point, Scene
from tests.faults.table import fault_case, record

POST, POLL, FETCH = b"POST /v1/models/", b"GET /v1/predictions/", b"GET /results/"
NOT_RECEIVED = "cloud: call committed, POST not received"
POINTS: list[tuple[str, Point, int, str]] = [
    (NOT_RECEIVED, points.at_request(POST, is_sent=True), 0, FROZEN),
    ("cloud: POST received, not answered", points.at_answer(POST, 0), 1, "worker killed"),
    ("cloud: answered, id not committed", points.id_not_committed(POST), 1, "both killed"),
    ("cloud: answered, not asked about yet", points.at_request(POLL, is_sent=True), 0, "pool killed"),
    ("cloud: while running", points.running, 0, FROZEN),
    ("cloud: finished, picture not fetched", points.at_request(FETCH, is_sent=True), 0, "worker killed"),
    ("cloud: picture half sent", points.at_answer(FETCH, points.HALF_A_PICTURE), 0, "worker killed"),
    ("cloud: picture stored, success not committed", points.picture_stored(FETCH), 0, FROZEN),
]
"""Its name, how it is reached, the submissions beyond the first, and the harm of every run."""


def extra_of(label: str, extra: int, harm: str) -> int:
    """One who is frozen between check and POST sends it when woken: by then another has."""
    return 1 if (label, harm) == (NOT_RECEIVED, FROZEN) else extra


CASES = [
    fault_case(label, name, point, harm, extra_of(label, extra, name), always=name == chosen)
    for label, point, extra, chosen in POINTS
    for name, harm in (KILLS | FREEZE).items()
]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Replicate, or what stands in for it."""
    with StandIn(seconds=0.1) as stand_in:
        yield replicate(stand_in)


@pytest.mark.parametrize(("point", "harm", "extra"), CASES)
def test_i1_i7_i8_a_bought_picture_survives_whatever_happens_at(
    scene: Scene, point: Point, harm: Harm, extra: int, record_property: Callable[[str, object], None]
) -> None:
    verdict, seconds = play(scene, point, harm, extra_allowed=extra)
    assert verdict.extra == extra
    told = ", bought once more: nobody could tell" if extra else ""
    record(record_property, f"succeeded and judged {seconds:.1f} s after it{told}")
