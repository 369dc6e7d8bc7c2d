"""The figures of an evening as plots, each with its numbers below it, and all of them as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from jobs.access.operators import Operator
from jobs.figures.evening import SPANS, Evening, Usual, read_evening
from web.auth import needs_operator
from web.context import farm
from web.countdown import count_down
from web.languages import show_local
from web.ops import ops
from web.plots import Form, Plot, Series, draw

SPAN_NAMES = {
    "1h": lazy_gettext("1 hour"),
    "6h": lazy_gettext("6 hours"),
    "today": lazy_gettext("today since 6:00"),
    "24h": lazy_gettext("24 hours"),
    "7d": lazy_gettext("7 days"),
}
USUAL_SPAN = "6h"
KINDS = {
    "unavailable": lazy_gettext("not available"),
    "outcome_unknown": lazy_gettext("outcome unknown"),
    "execution_failed": lazy_gettext("not made"),
    "bad_answer": lazy_gettext("unusable picture"),
    "content_refused": lazy_gettext("photo refused"),
    "bad_input": lazy_gettext("not accepted"),
    "poison": lazy_gettext("not processable"),
    "deadline": lazy_gettext("not in time"),
    "bug": lazy_gettext("error of the farm"),
}
"""Why tasks failed, in so few words that they fit beside a bar."""
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""

Value = float | int | None


@dataclass(frozen=True)
class Figure:
    """A table, and how it is drawn. `times`: the moment of each row where the rows are slices of time."""

    name: str
    title: str
    about: str
    form: Form
    labels: Sequence[str]
    columns: dict[str, Sequence[Value]]
    times: Sequence[datetime] = ()
    in_seconds: bool = False

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """As the page shows them; a slice of time without anything is left out."""
        shown = [
            (label, [values[number] for values in self.columns.values()]) for number, label in enumerate(self.labels)
        ]
        return [(label, [self.tell(one) for one in values]) for label, values in shown if any(values)]

    def tell(self, value: Value) -> str:
        """A value in words."""
        if value is None:
            return "–"
        return count_down(value) if self.in_seconds else f"{value:g}" if value < 1000 else f"{value:.0f}"

    @property
    def plot(self) -> Plot:
        """The drawing of it."""
        series = [Series(name, values) for name, values in self.columns.items()]
        return Plot(self.name, self.title, self.about, self.form, self.labels, series, self.tell, self.in_seconds)


@ops.get("/figures")
@needs_operator
def show_figures(operator: Operator) -> ResponseReturnValue:
    """All of them, of the span that was chosen."""
    span, evening = _read()
    figures = list_figures(evening)
    return render_template(
        "ops/figures.html", figures=figures, draw=draw, span=span, spans=SPAN_NAMES, since=evening.since
    )


@ops.get("/figures.csv")
@needs_operator
def export_figures(operator: Operator) -> ResponseReturnValue:
    """One of them for a spreadsheet: `what` names it. Times in the venue's zone, and as ISO 8601."""
    span, evening = _read()
    figure = next((one for one in list_figures(evening) if one.name == request.args.get("what", "made")), None)
    if figure is None:
        abort(404)
    return Response(
        write_csv(figure),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{figure.name}-{span}.csv"'},
    )


def write_csv(figure: Figure) -> str:
    """UTF-8 with the mark that Excel looks for. Seconds and amounts are plain numbers."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns = [_("%(name)s (seconds)", name=name) if figure.in_seconds else name for name in figure.columns]
    if figure.times:
        writer.writerow([_guard(cell) for cell in (_("From (venue)"), _("From (ISO 8601)"), *columns)])
    else:
        writer.writerow([_guard(cell) for cell in (_("What"), *columns)])
    for number, label in enumerate(figure.labels):
        at = figure.times[number] if figure.times else None
        names = [show_local(at, "full"), at.astimezone(UTC).isoformat()] if at is not None else [label]
        values = ["" if values[number] is None else values[number] for values in figure.columns.values()]
        writer.writerow([*(_guard(name) for name in names), *values])
    return "\ufeff" + text.getvalue()


def _guard(cell: str) -> str:
    return f"'{cell}" if cell.startswith(DANGEROUS) else cell


def _read() -> tuple[str, Evening]:
    span = request.args.get("span", "")
    span = span if span in SPANS else USUAL_SPAN
    return span, read_evening(farm().database, SPANS[span], farm().settings.zone)


def list_figures(evening: Evening) -> list[Figure]:
    """Each figure that there is, in the order of the page."""
    labels = [show_local(start, "clock" if evening.slice_s < 21_600 else "moment")[:11] for start in evening.starts]
    length = count_down(evening.slice_s)

    def over_time(name: str, title: str, about: str, form: Form, columns: dict[str, Sequence[Value]]) -> Figure:
        return Figure(name, title, about, form, labels, columns, evening.starts, in_seconds=name == "waits")

    figures = [
        over_time(
            "made",
            _("Pictures made"),
            _(
                "Per 10 minutes, each column an average of %(length)s; %(count)s pictures in all.",
                count=sum(evening.made),
                length=length,
            ),
            "columns",
            {_("per 10 min"): [round(made * 600 / evening.slice_s, 1) for made in evening.made]},
        ),
        over_time(
            "waits",
            _("How long guests waited"),
            _(
                "From the order to the picture. Half of the guests waited no longer than the first line says, "
                "nine of ten no longer than the second."
            ),
            "lines",
            {_("half"): _pick(evening.waits, "p50"), _("nine of ten"): _pick(evening.waits, "p90")},
        ),
        over_time(
            "queue",
            _("Queue"),
            _("Pictures that waited for their start; at most %(count)s.", count=max(evening.queue, default=0)),
            "lines",
            {_("waiting"): evening.queue},
        ),
        over_time(
            "promised",
            _("Promises"),
            _("Pictures that came in the promised time, before it, and after it."),
            "columns",
            {
                _("kept"): [one.kept for one in evening.promised],
                _("early"): [one.early for one in evening.promised],
                _("late"): [one.late for one in evening.promised],
            },
        ),
        Figure(
            "durations",
            _("Time by style"),
            _("From the start of the work to the picture."),
            "bars",
            list(evening.durations),
            {
                _("half"): _pick(list(evening.durations.values()), "p50"),
                _("nine of ten"): _pick(list(evening.durations.values()), "p90"),
            },
            in_seconds=True,
        ),
        Figure(
            "failed",
            _("Failures by kind"),
            _("Pictures that failed and were not tried again."),
            "bars",
            [str(KINDS.get(kind, kind)) for kind in evening.failed],
            {_("pictures"): list(evening.failed.values())},
        ),
    ]
    if evening.cost:
        parts: dict[str, Callable[[str], float]] = {
            _("known"): lambda name: evening.cost[name].known,
            _("open"): lambda name: evening.cost[name].open,
            _("unknown"): lambda name: evening.cost[name].unknown,
        }
        figures.append(
            Figure(
                "cost",
                _("Cost by provider"),
                _("In the currency of the prices; what is open or unknown may be on the bill."),
                "bars",
                list(evening.cost),
                {part: [round(read(name), 4) for name in evening.cost] for part, read in parts.items()},
            )
        )
    return figures


def _pick(usual: Sequence[Usual], share: str) -> list[Value]:
    return [getattr(one, share) for one in usual]
