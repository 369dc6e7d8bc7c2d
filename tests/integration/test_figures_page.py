"""The figures of an evening on both databases: what is counted, that an index finds it, the page and its exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text, update

from jobs.access.operators import ensure_admin
from jobs.farm import Farm
from jobs.figures.evening import SPANS, read_evening
from jobs.orders.models import Call, Task
from tests.builders import accept, change, fail, finish, get_task, must_claim, seconds_ago, send
from tests.integration.board.seeing import at_the_board
from tests.serving import PASSWORD


@pytest.fixture
def evening(farm: Farm) -> Farm:
    """Three pictures, one of them yesterday's; a failure; one that waits; a call that cost something."""
    tasks = accept(farm, 5)
    for _ in tasks[:3]:
        claimed = must_claim(farm)
        send(farm, claimed)
        finish(farm, claimed)
    claimed = must_claim(farm)
    change(farm, Call, claimed.call.id, provider="openai", price=0.25, sent_at=seconds_ago(60))
    fail(farm, claimed, kind="content_refused", outcome="unknown")
    change(farm, Task, tasks[0], finished_at=seconds_ago(90_000))
    for task in tasks[1:3]:
        change(farm, Task, task, created_at=seconds_ago(100), started_at=seconds_ago(40), finished_at=seconds_ago(10))
    assert get_task(farm, tasks[4]).status == "queued"
    return farm


@pytest.fixture
def client(evening: Farm) -> Iterator[FlaskClient]:
    evening.database.write(ensure_admin, PASSWORD)
    with at_the_board(evening) as client:
        yield client


def test_an_evening_counts_what_ended_in_it(evening: Farm) -> None:
    figures = read_evening(evening.database, SPANS["1h"], evening.settings.zone)
    assert sum(figures.made) == 2 and figures.failed == {"content_refused": 1}
    assert figures.durations["framed-print"].count == 2
    assert figures.durations["framed-print"].p50 == pytest.approx(30, abs=1)
    assert [usual.p90 for usual in figures.waits if usual.count] == [pytest.approx(90, abs=1)]
    assert figures.cost["openai"].unknown == 0.25
    assert sum(read_evening(evening.database, SPANS["7d"], None).made) == 3


def test_what_ended_is_found_by_an_index(evening: Farm) -> None:
    sql = "SELECT id FROM tasks WHERE finished_at >= '2026-01-01' ORDER BY finished_at DESC LIMIT 10"
    explain = "EXPLAIN QUERY PLAN" if evening.database.is_sqlite else "EXPLAIN"

    def plan(session: object) -> str:
        if not evening.database.is_sqlite:
            # A table of five rows is quicker read and sorted: only an index that has them in this order is left.
            for way in ("seqscan", "bitmapscan", "sort"):
                session.execute(text(f"SET LOCAL enable_{way} = off"))  # type: ignore[attr-defined]
        return str(session.execute(text(f"{explain} {sql}")).all())  # type: ignore[attr-defined]

    assert "ix_tasks_finished_at" in evening.database.read(plan)


def test_the_page_draws_what_there_is_and_exports_it(evening: Farm, client: FlaskClient) -> None:
    page = client.get("/ops/figures?span=1h&lang=en").text
    assert page.count('<svg class="plot') == 7
    assert "2 pictures in all" in page and "photo refused" in page
    answer = client.get("/ops/figures.csv?what=made&span=1h&lang=zh")
    assert answer.data.startswith(b"\xef\xbb\xbf") and 'filename="made-1h.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0] == ["起始（当地时间）", "起始（ISO 8601）", "每 10 分钟"]
    assert rows[-1][1].endswith("+00:00") and len(rows) in (13, 14)
    cost = list(csv.reader(io.StringIO(client.get("/ops/figures.csv?what=cost&span=1h&lang=en").text)))
    assert cost[1] == ["openai", "0.0", "0.0", "0.25"]
    assert client.get("/ops/figures.csv?what=nothing").status_code == 404
    assert client.get("/ops/figures?span=nothing").status_code == 200


def test_a_hostile_style_is_no_formula_and_no_markup(evening: Farm, client: FlaskClient) -> None:
    hostile = "=cmd|' /C calc'!A0<script>"
    evening.database.write(lambda session: session.execute(update(Task).values(style=hostile)))
    assert "<script>" not in client.get("/ops/figures").text.replace("<script type", "")
    rows = list(csv.reader(io.StringIO(client.get("/ops/figures.csv?what=durations").text)))
    assert rows[1][0] == f"'{hostile}"
