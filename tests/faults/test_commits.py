"""Points inside a transaction × what dies or freezes there, on PostgreSQL.

Whether a commit came through is what its process cannot know: both are tried. The same judge as for all other points.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from scripts.benching.postgres import empty_database
from tests.faults.commits import before_commit, in_commit
from tests.faults.harm import Harm, freeze, kill_it
from tests.faults.judge import judge
from tests.faults.play import FREEZE, KILLS
from tests.faults.points import Point, Scene, held_at
from tests.faults.table import fault_case, record

WORKER = KILLS | FREEZE
WEB: dict[str, Harm] = {"web killed": kill_it, "web frozen, woken": freeze}
POINTS: list[tuple[str, Point, dict[str, Harm], str]] = [
    ("order in its commit, comes through", in_commit("order", is_lost=False), WEB, "web killed"),
    ("order in its commit, rolled back", in_commit("order", is_lost=True), WEB, ""),
    ("claim in its commit, comes through", in_commit("claim", is_lost=False), WORKER, "worker killed"),
    ("claim in its commit, rolled back", in_commit("claim", is_lost=True), WORKER, ""),
    ("right to send in its commit, comes through", in_commit("right to send", is_lost=False), WORKER, ""),
    ("right to send in its commit, rolled back", in_commit("right to send", is_lost=True), WORKER, ""),
    ("success in its commit, comes through", in_commit("success", is_lost=False), WORKER, "worker killed"),
    ("success in its commit, rolled back", in_commit("success", is_lost=True), WORKER, ""),
    ("claim written, commit not sent", before_commit("claim"), WORKER, ""),
    ("success written, commit not sent", before_commit("success"), WORKER, "worker frozen, woken"),
]
CASES = [
    fault_case(label, name, point, harm, always=name == chosen)
    for label, point, harms, chosen in POINTS
    for name, harm in harms.items()
]


@pytest.fixture(scope="module")
def database_url(postgres_address: str) -> Iterator[str]:
    """PostgreSQL: only there can a transaction be stopped from outside in its middle."""
    with empty_database(postgres_address) as url:
        yield url


@pytest.mark.parametrize(("point", "harm"), CASES)
def test_i1_i7_i8_a_task_survives_whatever_happens_to_a_transaction(
    scene: Scene, point: Point, harm: Harm, record_property: Callable[[str, object], None]
) -> None:
    since = len(scene.farm.stand_in.log())
    with held_at(point, scene) as standing:
        began = time.monotonic()
        harm(scene.farm, standing)
    judge(scene, extra_allowed=0, since=since)
    record(record_property, f"succeeded and judged {time.monotonic() - began:.1f} s after it")
