"""The board: each trouble in both languages: what happened, who is affected, what to do. And what a look costs."""

from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from jobs.farm import Farm
from jobs.orders.models import Task
from tests.builders import (
    SERVER,
    accept,
    change,
    fail,
    finish,
    must_claim,
    seconds_ago,
    send,
    stock,
)
from tests.integration.board.seeing import Shown, at_the_board, look, make_well, make_workers
from tests.integration.board.troubles import (
    CASES,
    EVERY_BOOTH,
    all_steps,
    claim_and_fail,
    pause_by,
    set_servers_aside,
)

LANGUAGES = ("en", "zh")
MOST_STATEMENTS = 25
"""Of one look at the whole farm, the frame and the login among them."""


def test_a_farm_that_is_well_says_so_and_that_nothing_needs_doing(well: tuple[Farm, FlaskClient]) -> None:
    farm, client = well
    assert look(client) == Shown("good", "All is well.", [])
    assert look(client, "zh") == Shown("good", "一切正常。", [])
    page = client.get("/ops/", query_string={"lang": "en"}).text
    assert "Nothing needs doing." in page and "No picture is being made" in page
    accept(farm, 3)
    assert "0 pictures are being made, 3 wait." in client.get("/ops/?lang=en").text


@pytest.mark.parametrize("name", CASES)
def test_a_trouble_says_what_happened_who_is_affected_and_what_to_do(well: tuple[Farm, FlaskClient], name: str) -> None:
    farm, client = well
    moves, level, *wanted = CASES[name]
    for move in moves:
        move(farm)
    for number, language in enumerate(LANGUAGES):
        shown = look(client, language)
        assert len(shown.troubles) == 1, shown
        assert shown.level == level
        assert shown.troubles[0][0] in shown.headline
        for told, words in zip(shown.troubles[0], wanted, strict=True):
            assert words[number] in told


def test_a_redis_that_forgot_the_workers_is_not_taken_for_their_end(well: tuple[Farm, FlaskClient]) -> None:
    farm, client = well
    accept(farm, 2)
    must_claim(farm)
    farm.redis.flushall()
    make_workers(farm, "api")
    assert look(client).troubles == []
    all_steps(farm, claim_until=seconds_ago(1))
    assert "Nobody works for GPU servers" in look(client).headline


def test_while_nothing_is_taken_no_time_is_promised(well: tuple[Farm, FlaskClient]) -> None:
    farm, client = well
    accept(farm, 2)
    assert "A new one takes about" in client.get("/ops/live?lang=en").text
    farm.settings = farm.settings.model_copy(update={"queue_limit": 2})
    assert "A new one takes about" not in client.get("/ops/live?lang=en").text


def test_the_worst_comes_first_and_the_others_are_counted(well: tuple[Farm, FlaskClient]) -> None:
    farm, client = well
    set_servers_aside(farm, "refuses connections", SERVER)
    claim_and_fail(farm, "bug")
    shown = look(client)
    assert shown.level == "bad" and "something went wrong in the farm" in shown.headline
    assert [what[:4] for what, _, _ in shown.troubles] == ["1 pi", "The "]
    assert "There is 1 more below." in client.get("/ops/live?lang=en").text


def test_without_the_database_the_board_still_says_what_is_wrong_and_shows_nothing_else(
    well: tuple[Farm, FlaskClient],
) -> None:
    farm, client = well
    farm.database = type(farm.database)("sqlite:////nowhere/at/all.sqlite3")
    answer = client.get("/ops/")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
    for number, language in enumerate(LANGUAGES):
        shown = look(client, language)
        assert shown.level == "bad"
        assert ("The database does not answer", "数据库没有响应")[number] in shown.headline
        assert EVERY_BOOTH[number] in shown.troubles[0][1]
    assert client.get("/ops/orders").status_code == 503
    with client.session_transaction() as session:
        until, session["until"] = session["until"], time.time() - 1
    assert "/ops/login" in client.get("/ops/").location
    with client.session_transaction() as session:
        session["until"] = until


def test_the_board_holds_the_evening_s_promises_against_reality(well: tuple[Farm, FlaskClient]) -> None:
    farm, client = well
    assert 'id="promises"' not in client.get("/ops/live").text
    ids = accept(farm, 4)
    for task_id, (low, high) in zip(ids, [(40, 80), (40, 80), (40, 80), (10, 20)], strict=True):
        promised = {"promised_low_at": seconds_ago(60 - low), "promised_high_at": seconds_ago(60 - high)}
        change(farm, Task, task_id, created_at=seconds_ago(60), **promised)
        finish(farm, must_claim(farm))
    for number, language in enumerate(LANGUAGES):
        page = client.get("/ops/live", query_string={"lang": language}).text
        share = (
            "3 of 4 pictures of the last 12 hours came when promised (75 %).",
            "4 张照片中，3 张按预计时间完成（75 %）",
        )
        usual = ("Usual: promised 40 s to 1:20 min, took 1:00 min.", "预计 40 秒–1:20 分钟，实际 1:00 分钟")
        assert share[number] in page and usual[number] in page


def test_the_board_asks_few_questions_however_much_there_is(farm: Farm) -> None:
    make_well(farm)
    for number in range(4):
        accept(farm, 5, order_id=f"order-{number}")
    stock(farm, *(f"http://comfy-{number}:8188" for number in range(12)))
    claimed = must_claim(farm)
    send(farm, claimed)
    fail(farm, claimed)
    pause_by(farm, "resource:api", "ann")
    statements: list[str] = []
    with at_the_board(farm) as client:
        client.get("/ops/live")
        event.listen(farm.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        page = client.get("/ops/live").text
    assert len(statements) <= MOST_STATEMENTS, "\n".join(statements)
    assert "booth-of-order-3" in page and "comfy-11:8188" in page and "ann" in page
