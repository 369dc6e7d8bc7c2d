"""The figures of an evening are arithmetic: slices, waits, the queue's length; and their plots and cells are safe."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask_babel import Babel

from jobs.figures.evening import SPANS, Promised, Span, Usual, fold, start_of
from jobs.orders.history import TaskTimes
from web.ops.figures import Figure, write_csv
from web.plots import Plot, Series, draw, find_step

BEGIN = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
TEN = Span(3_600.0, 600)
HOSTILE = "<script>alert(1)</script>\"'&"


def task(accepted: float, started: float | None, finished: float | None, **more: str) -> TaskTimes:
    """Minutes after BEGIN; promised between 1 and 3 minutes after the acceptance."""
    at = [BEGIN + timedelta(minutes=one) if one is not None else None for one in (accepted, started, finished)]
    assert at[0] is not None
    promise = at[0] + timedelta(minutes=1), at[0] + timedelta(minutes=3)
    status = more.get("status", "succeeded" if finished is not None else "queued")
    return TaskTimes(status, more.get("kind"), more.get("style", "poster"), at[0], at[1], at[2], *promise)


def test_tasks_fall_into_slices_with_their_waits_and_promises() -> None:
    ended = [
        task(1, 2, 3),  # kept
        task(2, 3, 12),  # late
        task(9, 10, 9.5 + 1, style="sketch"),  # kept
        task(11, 11, 11.5),  # early
        task(5, 6, 13, status="failed", kind="bug"),
    ]
    evening = fold(ended, [], {}, BEGIN, BEGIN + timedelta(minutes=15), TEN)
    assert evening.made == [1, 3]
    assert evening.waits == [Usual(1, 120.0, 120.0), Usual(3, 90.0, 600.0)]
    assert evening.promised == [Promised(1, 0, 0), Promised(1, 1, 1)]
    assert evening.failed == {"bug": 1}
    assert list(evening.durations) == ["poster", "sketch"]
    assert evening.durations["poster"] == Usual(3, 60.0, 540.0)


def test_the_queue_s_length_is_counted_at_the_end_of_each_slice() -> None:
    ended = [task(-5, 2, 3), task(-1, 15, 16), task(8, 25, 26), task(9, None, 9.5, status="canceled")]
    waiting = [task(19, None, None), task(-30, 5, None)]
    evening = fold(ended, waiting, {}, BEGIN, BEGIN + timedelta(minutes=25), TEN)
    assert evening.queue == [2, 2, 1]


def test_slices_begin_on_round_moments_of_the_venue_s_clock() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    now = datetime(2026, 11, 28, 17, 42, 7, tzinfo=UTC)  # 01:42 there
    assert start_of(SPANS["today"], now, shanghai).isoformat() == "2026-11-28T06:00:00+08:00"
    assert start_of(SPANS["1h"], now, shanghai).isoformat() == "2026-11-29T00:40:00+08:00"
    assert start_of(SPANS["7d"], now, shanghai).isoformat() == "2026-11-22T00:00:00+08:00"


def test_nothing_at_all_is_an_evening_too() -> None:
    evening = fold([], [], {}, BEGIN, BEGIN, TEN)
    assert (evening.made, evening.waits, evening.queue) == ([0], [Usual(0, None, None)], [0])


@pytest.mark.parametrize("form", ["columns", "lines", "bars"])
def test_a_plot_is_well_formed_named_and_runs_nothing(form: str) -> None:
    series = [Series(HOSTILE, [1.0, None, 3.0]), Series("b", [2.0, 5.0, None])]
    plot = Plot("name", HOSTILE, HOSTILE, form, ["x", HOSTILE, "z"], series, str, in_seconds=True)  # type: ignore[arg-type]
    svg = ElementTree.fromstring(str(draw(plot)))  # noqa: S314  our own
    named = {svg.find(f".//*[@id='{one}']").text for one in svg.attrib["aria-labelledby"].split()}  # type: ignore[union-attr]
    assert named == {HOSTILE} and svg.attrib["role"] == "img"
    assert {one.tag for one in svg.iter()} <= {"svg", "title", "desc", "rect", "text", "line", "polyline", "circle"}
    assert not [name for one in svg.iter() for name in one.attrib if name.startswith("on") or name == "style"]
    heights = [float(one.attrib["height"]) for one in svg.iter("rect")]
    assert all(height >= 0 for height in heights)


@pytest.mark.parametrize(
    ("most", "in_seconds", "step"), [(4, False, 1), (37, False, 10), (200, True, 60), (0, True, 1)]
)
def test_a_scale_has_round_steps(most: float, in_seconds: bool, step: float) -> None:
    assert find_step(most, in_seconds) == pytest.approx(step)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_no_cell_of_an_export_is_a_formula(cell: str, app_context: None) -> None:
    text = write_csv(Figure("failed", "", "", "bars", [cell], {cell: [2]}))
    assert text.startswith("\ufeff")
    rows = text.removeprefix("\ufeff").splitlines()
    assert rows[0].split(",")[1] == f"'{cell}" and rows[1] == f"'{cell},2"


@pytest.fixture
def app_context() -> Iterator[None]:
    """What texts need to choose their language."""
    app = Flask(__name__)
    Babel(app)
    with app.test_request_context("/"):
        yield
