"""How a queue drains and how long a step takes, as tables and as laws: rows made up here, no farm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.forecast.durations import Duration, Durations, measure
from jobs.forecast.simulation import SLACK, TURN, Ends, Leg, Line, simulate
from jobs.forecast.span import Span, count_down
from jobs.orders.pending import Sample, Way

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GPU, SERVERS, CLOUD = "resource:comfyui", "servers", "resource:api"


def exactly(seconds: float) -> Duration:
    """A step whose length is known."""
    return Duration((seconds,) * 3, (seconds,) * 3)


def line(name: int, *seconds: float, bounds: tuple[str, ...] = (GPU,), ready: float = 0.0) -> Line:
    return Line(name, tuple(Leg(bounds, exactly(one), ready=ready) for one in seconds))


def middles(lines: Sequence[Line], **places: list[float]) -> dict[int | str, float]:
    """When each is done at the usual pace, in whole seconds: without turns and slack."""
    named = {{"gpu": GPU, "servers": SERVERS, "cloud": CLOUD}[key]: value for key, value in places.items()}
    return {name: float(int(ends[1])) for name, ends in simulate(lines, named).items()}


@pytest.mark.parametrize(
    ("lines", "places", "done"),
    [
        ([line(1, 10), line(2, 10), line(3, 10)], {"gpu": [0, 0]}, {1: 10, 2: 10, 3: 20}),
        ([line(1, 10)], {"gpu": [30]}, {1: 40}),  # paused for half a minute
        ([line(1, 10)], {"gpu": [math.inf]}, {}),  # paused until further notice
        ([line(1, 10)], {"gpu": []}, {}),
        ([line(1, 10), line(2, 4)], {"gpu": [0, 5]}, {1: 10, 2: 9}),  # a second server comes back
        ([line(1, 5, ready=7), line(2, 5)], {"gpu": [0]}, {1: 12, 2: 5}),  # who waits for a retry blocks nobody
        ([line(2, 10, bounds=(GPU, SERVERS)), line(1, 10)], {"gpu": [0], "servers": [0]}, {2: 10, 1: 20}),
        (
            [line(1, 10, bounds=(GPU, SERVERS)), line(2, 10, bounds=(GPU, SERVERS))],
            {"gpu": [0, 0], "servers": [0]},
            {1: 10, 2: 20},
        ),
        ([line(1, 10, bounds=(CLOUD,)), line(2, 10)], {"gpu": [0], "cloud": []}, {2: 10}),  # no room keeps nobody back
    ],
    ids=[
        "two places",
        "paused",
        "stopped",
        "no place",
        "comes back",
        "retry",
        "in order",
        "two bounds",
        "another resource",
    ],
)
def test_a_queue_drains_in_order_over_the_places_there_are(
    lines: list[Line], places: dict[str, list[float]], done: dict[int, float]
) -> None:
    assert middles(lines, **places) == done


def test_a_chain_counts_the_queues_of_both_its_resources() -> None:
    chain = Line(9, (Leg((GPU,), exactly(10)), Leg((CLOUD,), exactly(5))))
    ahead = [line(1, 10), line(2, 40, bounds=(CLOUD,))]
    assert middles([*ahead, chain], gpu=[0], cloud=[0]) == {1: 10, 2: 40, 9: 45}


def test_a_later_step_waits_for_its_own_pause() -> None:
    chain = Line(1, (Leg((GPU,), exactly(10)), Leg((CLOUD,), exactly(5), ready=30)))
    assert middles([chain], gpu=[0], cloud=[0]) == {1: 35}


def test_what_runs_is_counted_from_its_start_and_an_overdue_step_is_never_done_at_once() -> None:
    def running(ran: float) -> Ends:
        return simulate([Line(1, (Leg((GPU,), exactly(10), ran=ran),))], {GPU: [0.0]})[1]

    assert running(4)[1] == pytest.approx(6 + TURN[1] + SLACK[1])
    low, middle, high = running(40)
    assert low < middle < high and high >= 10


def test_a_shadow_sees_the_queue_and_takes_no_place_in_it() -> None:
    shadows = [Line(name, (Leg((GPU,), exactly(3)),), shadow=True) for name in ("poster", "oil")]
    assert middles([*shadows, line(1, 10), line(2, 10)], gpu=[0]) == {1: 10, 2: 20, "poster": 23, "oil": 23}


SECONDS = st.floats(0.1, 100, allow_nan=False)
SPREAD = st.lists(SECONDS, min_size=3, max_size=3).map(lambda one: Duration(*[tuple(sorted(one))] * 2))  # type: ignore[arg-type]
STEPS = st.builds(Leg, st.just((GPU,)), SPREAD, ready=st.sampled_from([0.0, 0.0, 5.0]))
CHAINS = st.lists(
    st.lists(st.builds(Leg, st.sampled_from([(GPU,), (CLOUD,)]), SPREAD), min_size=1, max_size=3),
    min_size=1,
    max_size=8,
)


def play(legs: Sequence[Leg], places: int) -> list[Ends]:
    """The ends of tasks of one step each, in the queue's order."""
    ends = simulate([Line(number, (leg,)) for number, leg in enumerate(legs)], {GPU: [0.0] * places})
    return [ends[number] for number in range(len(legs))]


@given(CHAINS, st.integers(1, 4), st.integers(1, 3))
def test_each_task_ends_once_its_range_is_in_order_and_it_takes_no_less_than_its_own_work(
    chains: list[list[Leg]], gpus: int, clouds: int
) -> None:
    lines = [Line(number, tuple(legs)) for number, legs in enumerate(chains)]
    ends = simulate(lines, {GPU: [0.0] * gpus, CLOUD: [0.0] * clouds})
    assert len(ends) == len(lines)
    for own in lines:
        low, middle, high = ends[own.name]
        assert 0 <= low <= middle <= high
        assert middle >= sum(leg.lasts.alone[1] for leg in own.legs) - 1e-6


@given(st.lists(STEPS, min_size=1, max_size=12), STEPS, st.integers(1, 4))
def test_one_more_ahead_makes_nobody_earlier_and_one_more_behind_changes_nothing(
    legs: list[Leg], more: Leg, places: int
) -> None:
    ready = [Leg(leg.bounds, leg.lasts) for leg in legs]  # who is not ready yet can be overtaken
    more = Leg(more.bounds, more.lasts)
    alone, behind, ahead = play(ready, places), play([*ready, more], places), play([more, *ready], places)
    assert behind[:-1] == alone
    assert all(
        mine[pace] >= before[pace] - 1e-6 for mine, before in zip(ahead[1:], alone, strict=True) for pace in (0, 1, 2)
    )


@given(st.lists(STEPS, min_size=1, max_size=12), st.integers(1, 4))
def test_one_more_server_makes_nobody_later(legs: list[Leg], places: int) -> None:
    ready = [Leg(leg.bounds, leg.lasts) for leg in legs]
    fewer, more = play(ready, places), play(ready, places + 1)
    assert all(
        after[pace] <= before[pace] + 1e-6 for after, before in zip(more, fewer, strict=True) for pace in (0, 1, 2)
    )


def sample(seconds: float, *, style: str = "poster", provider: str | None = None) -> Sample:
    return Sample(Way(style, 0, 0, "api" if provider else "comfyui", provider), seconds)


def poster(durations: Durations, timeout_s: float = 120) -> tuple[float, float, float]:
    return durations.of(Way("poster", 0, 0, "comfyui", None), timeout_s).alone


def test_an_own_measure_comes_before_the_resource_s_and_that_before_the_time_limit() -> None:
    other, elsewhere = sample(30, style="oil"), sample(5, provider="openai")
    _, usual, slow = poster(Durations([elsewhere]))
    assert (usual, slow) == (6, 15)  # of the limit
    quick, usual, slow = poster(Durations([other, elsewhere]))
    assert usual == 30 and quick < 15 and slow > 60  # another style's, and so the less certain
    quick, usual, slow = poster(Durations([sample(20), other, elsewhere]))
    assert usual == 20 and 10 < quick < slow < 40


@given(st.lists(SECONDS, min_size=1, max_size=40), st.floats(1, 400))
def test_a_measured_range_is_in_order_within_the_limit_and_calmer_in_a_row(seconds: list[float], limit: float) -> None:
    found = measure(seconds, limit)
    for low, middle, high in (found.alone, found.in_a_row):
        assert 0 < low <= middle <= high <= max(limit, middle)
    assert found.in_a_row[0] >= found.alone[0] - 1e-9
    assert found.in_a_row[2] <= max(found.alone[2], found.in_a_row[1]) + 1e-9


def test_a_row_of_pictures_takes_the_mean_which_slow_ones_raise() -> None:
    found = measure([6.0] * 16 + [9.0] * 4, 400)
    assert found.alone[1] == 6 and found.in_a_row[1] == pytest.approx(6.6)


def test_more_measures_make_it_surer_and_a_few_strange_ones_do_not_count() -> None:
    def width(seconds: list[float]) -> float:
        quick, _, slow = measure(seconds, 400).alone
        return slow - quick

    assert width([10]) > width([10] * 4) > width([10] * 30)
    assert measure([10.0] * 18 + [300.0, 0.1], 400).alone == measure([10.0] * 20, 400).alone


def test_only_the_newest_measures_count_so_that_a_change_is_followed() -> None:
    assert poster(Durations([sample(4)] * 30 + [sample(40)] * 200))[1] == 4


def test_a_moment_that_has_passed_is_not_shown_as_past() -> None:
    span = Span.after(NOON, 5, 10, 20)
    seen = [count_down(span, NOON + timedelta(seconds=seconds)) for seconds in (0, 8, 15, 60)]
    assert [(left.low, left.middle, left.high) for left in seen] == [(5, 10, 20), (0, 2, 12), (0, 1, 5), (0, 1, 1)]
