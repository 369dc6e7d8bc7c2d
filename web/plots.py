"""Plots as SVG, drawn by the farm itself: columns and lines over time, bars by name. Pure; colours are in figures.css.

Each has a title and a description for who cannot see it; the page has the numbers below it as a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

WIDTH, HEIGHT = 440, 210
LEFT, RIGHT, TOP, BOTTOM = 62, 8, 28, 24
"""Room for the scale, the edge, the legend and the times, in the drawing's own units."""
BAR, NAME = 15, 116
LONGEST_NAME = 17
MOST_TIMES = 6
LINES = 4
"""Lines of the scale, about."""
STEPS = (1, 2, 5, 10)
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800)

Form = Literal["columns", "lines", "bars"]


@dataclass(frozen=True)
class Series:
    """One value for each label; None where there is none."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Plot:
    """What is drawn. Columns stand on each other, lines and bars beside each other; `tell` writes a value."""

    name: str
    title: str
    description: str
    form: Form
    labels: Sequence[str]
    series: Sequence[Series]
    tell: Callable[[float], str]
    in_seconds: bool = False

    @property
    def is_empty(self) -> bool:
        """Is there nothing to draw?"""
        return not any(value for series in self.series for value in series.values)


def draw(plot: Plot) -> Markup:
    """The plot as an SVG element."""
    draw_form = {"columns": _draw_columns, "lines": _draw_lines, "bars": _draw_bars}[plot.form]
    height = HEIGHT if plot.form != "bars" else TOP + 8 + len(plot.labels) * (len(plot.series) * BAR + 9)
    ids = f"{plot.name}-title", f"{plot.name}-description"
    head = Markup(
        '<svg class="plot {}" viewBox="0 0 {} {}" role="img" aria-labelledby="{} {}">'
        '<title id="{}">{}</title><desc id="{}">{}</desc>'
    ).format(plot.form, WIDTH, height, *ids, ids[0], plot.title, ids[1], plot.description)
    return head + Markup("").join([*_draw_legend(plot), *draw_form(plot)]) + Markup("</svg>")


def find_step(most: float, in_seconds: bool) -> float:
    """A round distance between the lines of a scale that reaches so high."""
    least = max(most / LINES, 1e-9)
    if in_seconds and least <= SECONDS[-1]:
        return next(float(step) for step in SECONDS if step >= least)
    power = 10.0 ** math.floor(math.log10(least))
    return max(next(step * power for step in STEPS if step * power >= least * (1 - 1e-9)), 0.0)


def _draw_legend(plot: Plot) -> Iterator[Markup]:
    if len(plot.series) < 2:
        return
    x = 4.0
    for number, series in enumerate(plot.series):
        yield Markup(
            '<rect class="s{}" x="{:.0f}" y="5" width="10" height="10"/><text x="{:.0f}" y="14">{}</text>'
        ).format(number, x, x + 14, series.name)
        x += 30 + sum(12 if ord(letter) > 0x2E80 else 6.6 for letter in series.name)


def _draw_scale(plot: Plot, most: float) -> tuple[float, list[Markup]]:
    """The value at the top, and the lines with what they stand for."""
    step = find_step(most, plot.in_seconds)
    if not plot.in_seconds and all(float(value or 0).is_integer() for one in plot.series for value in one.values):
        step = max(step, 1.0)
    top = max(math.ceil(most / step - 1e-9), 1) * step
    lines = []
    for number in range(round(top / step) + 1):
        y = _height_of(number * step, top)
        lines.append(
            Markup('<line class="scale" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, y, y)
        )
        lines.append(
            Markup('<text class="end" x="{}" y="{:.1f}">{}</text>').format(LEFT - 5, y + 4, plot.tell(number * step))
        )
    return top, lines


def _draw_times(plot: Plot) -> Iterator[Markup]:
    every = max(math.ceil(len(plot.labels) / MOST_TIMES), 1)
    for number in range(0, len(plot.labels), every):
        yield Markup('<text class="middle" x="{:.1f}" y="{}">{}</text>').format(
            _middle_of(number, plot), HEIGHT - 8, plot.labels[number]
        )


def _draw_columns(plot: Plot) -> Iterator[Markup]:
    sums = [sum(series.values[number] or 0.0 for series in plot.series) for number in range(len(plot.labels))]
    top, lines = _draw_scale(plot, max(sums, default=0.0))
    yield from lines
    width = (WIDTH - LEFT - RIGHT) / max(len(plot.labels), 1)
    for number in range(len(plot.labels)):
        below = 0.0
        for place, series in enumerate(plot.series):
            value = series.values[number] or 0.0
            if value:
                y = _height_of(below + value, top)
                yield Markup('<rect class="s{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    place, LEFT + number * width + width * 0.1, y, width * 0.8, _height_of(below, top) - y
                )
            below += value
    yield from _draw_times(plot)


def _draw_lines(plot: Plot) -> Iterator[Markup]:
    top, lines = _draw_scale(plot, max((value or 0.0 for one in plot.series for value in one.values), default=0.0))
    yield from lines
    for place, series in enumerate(plot.series):
        for stretch in _list_stretches(series.values):
            points = [(_middle_of(number, plot), _height_of(value, top)) for number, value in stretch]
            if len(points) == 1:
                yield Markup('<circle class="s{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(place, *points[0])
            else:
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
                yield Markup('<polyline class="s{}" points="{}"/>').format(place, path)
    yield from _draw_times(plot)


def _draw_bars(plot: Plot) -> Iterator[Markup]:
    most = max((value or 0.0 for one in plot.series for value in one.values), default=0.0) or 1.0
    room = WIDTH - NAME - 70
    y = float(TOP)
    for number, name in enumerate(plot.labels):
        short = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
        yield Markup('<text class="end" x="{}" y="{:.1f}">{}</text>').format(
            NAME - 6, y + BAR * len(plot.series) / 2 + 4, short
        )
        for place, series in enumerate(plot.series):
            value = series.values[number] or 0.0
            width = max(room * value / most, 1.0)
            yield Markup(
                '<rect class="s{}" x="{}" y="{:.1f}" width="{:.1f}" height="{}"/><text x="{:.1f}" y="{:.1f}">{}</text>'
            ).format(place, NAME, y, width, BAR - 3, NAME + width + 5, y + BAR - 4, plot.tell(value))
            y += BAR
        y += 9


def _list_stretches(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """Runs of values without a gap."""
    run: list[tuple[int, float]] = []
    for number, value in enumerate(values):
        if value is not None:
            run.append((number, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _middle_of(number: int, plot: Plot) -> float:
    return LEFT + (number + 0.5) * (WIDTH - LEFT - RIGHT) / max(len(plot.labels), 1)


def _height_of(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top
