"""What the bench makes of its measurements: medians, targets, gaps, the table. No farm is started."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scripts.benching import photos
from scripts.benching.booths import BOUNDARY, encode_order
from scripts.benching.figures import CELERY_THREADS, RQ, Figure, percentile
from scripts.benching.gpu_idle import find_gaps
from scripts.benching.main import MEASUREMENTS, parse
from scripts.benching.report import BEGIN, END, as_markdown, read_json, show, write_json, write_markdown

MACHINE = {
    "date": "today",
    "commit": "abc",
    "processor": "p",
    "cores": 2,
    "memory": "1 GiB",
    "system": "s",
    "python": "3",
}


def figure(*rounds: float, target: float | None = 1.05, **more: Any) -> Figure:
    return Figure("makespan", "how it was measured", "× ideal", rounds, target, **more)


def test_figure_is_met_by_its_median_and_tells_its_worst_round() -> None:
    measured = figure(1.01, 1.9, 1.04)
    assert (measured.median, measured.worst, measured.met) == (1.04, 1.9, True)
    assert figure(1.01, 1.06, 1.9).met is False
    assert figure(9.0, target=None).met is None


def test_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], part) for part in (0.0, 0.5, 0.95)] == [1.0, 2.0, 4.0]
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_gaps_are_counted_at_each_server_alone() -> None:
    rows = [
        {"event": "start", "port": 1, "t": 0.0},
        {"event": "end", "port": 1, "t": 2.0},
        {"event": "end", "port": 2, "t": 2.1},
        {"event": "submit", "port": 1, "t": 2.2},
        {"event": "start", "port": 1, "t": 2.5},
        {"event": "end", "port": 1, "t": 4.5},
        {"event": "start", "port": 2, "t": 3.1},
    ]
    assert find_gaps(rows) == pytest.approx([0.5, 1.0])


def test_table_names_what_is_missed_with_its_reason_and_what_others_took() -> None:
    measured = [
        figure(1.2, reason="the web is slow", beside={RQ: (1.5,), CELERY_THREADS: (1.01, 1.03, 1.02)}),
        Figure("memory at rest", "PSS", "MiB", (290.0,), 300.0),
    ]
    text = io.StringIO()
    show(Console(file=text, width=150), measured)
    table = text.getvalue()
    assert "Missed: makespan: the web is slow" in table
    assert "memory at rest: " not in table
    markdown = as_markdown(measured, MACHINE)
    assert "| makespan | 1.200 × | 1.200 × | ≤ 1.05 × | **no** | 1.500 × | 1.020 × |" in markdown
    assert "| memory at rest | 290 MiB | 290 MiB | ≤ 300 MiB | yes |  |  |" in markdown
    assert "- **makespan**: the web is slow" in markdown
    assert "- **memory at rest** (1): PSS." in markdown


def test_every_photo_differs_from_the_next() -> None:
    sent = [photos.small(number) for number in range(500, 550)]
    assert len(set(sent)) == len(sent)


def test_encoded_order_is_a_form_with_the_whole_photo() -> None:
    body = encode_order("order-1", b"\xff\xd8 photo \r\n--", "poster")
    assert body.startswith(f"--{BOUNDARY}\r\n".encode()) and body.endswith(f"\r\n--{BOUNDARY}--\r\n".encode())
    assert b'name="order_id"\r\n\r\norder-1\r\n' in body
    assert b"\xff\xd8 photo \r\n--" in body


def test_quick_run_does_without_others_unless_asked() -> None:
    assert parse([]).peers is None and parse(["--quick", "--peers"]).peers is True
    with pytest.raises(SystemExit):
        parse(["--repeats", "0"])
    assert parse(["--only", "memory"]).only == ["memory"] and "memory" in MEASUREMENTS


def test_written_figures_are_read_again_as_they_were(tmp_path: Path) -> None:
    measured = [figure(1.2, 1.1, beside={RQ: [1.5]}), figure(3.0, target=None)]
    write_json(tmp_path / "bench.json", measured, MACHINE)
    again, machine = read_json(tmp_path / "bench.json")
    assert [one.described() for one in again] == [one.described() for one in measured]
    assert machine == MACHINE


def test_markdown_replaces_only_what_stands_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    write_markdown(page, "tables alone\n")
    assert page.read_text() == "tables alone\n"
    page.write_text(f"# Title\n{BEGIN}\nold\n{END}\nwords\n")
    for text in ("first\n", "second\n"):
        write_markdown(page, text)
    assert page.read_text() == f"# Title\n{BEGIN}\n\nsecond\n\n{END}\nwords\n"
