"""The board: each trouble in both languages: what happened, who is affected, what to do. And what a look costs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select

from jobs.access.models import User
from jobs.access.operators import ensure_admin
from jobs.cloud import brake
from jobs.errors.steps import AccountRefused, Away, QuotaExhausted
from jobs.farm import Farm
from jobs.orders import tallies
from jobs.settings import Settings
from tests.builders import CLOUD, accept, open_farm, stock, with_key
from tests.serving import PASSWORD
from web import create_app

LANGUAGES = ("en", "zh")
MOST_STATEMENTS = 25
"""Of one look at the whole farm, the frame and the login among them."""


@contextmanager
def at_the_board(farm: Farm) -> Iterator[FlaskClient]:
    """A client whose operator is logged in."""
    farm.database.write(ensure_admin, PASSWORD)
    user = farm.database.read(lambda session: session.scalars(select(User)).one())
    app = create_app(farm)
    client = app.test_client()
    with client.session_transaction() as session:
        session.update(user=user.id, number=user.session_number, until=time.time() + 3600)
    yield client
    app.extensions["farm"].watcher.stop()


def make_workers(farm: Farm) -> None:
    """Workers that RQ's registry knows, one of each pool."""
    for resource in ("comfyui", "api"):
        farm.redis.hset(f"rq:worker:{resource}-1", "state", "idle")
        farm.redis.sadd(f"rq:workers:{resource}", f"rq:worker:{resource}-1")


def make_well(farm: Farm) -> None:
    """A farm of which there is nothing to say: a server, workers, a reconciler that counted just now."""
    stock(farm)
    make_workers(farm)
    farm.database.write(tallies.roll_up)


@dataclass(frozen=True)
class Shown:
    """What the board says: the verdict's level and headline, and of each trouble its three parts."""

    level: str
    headline: str
    troubles: list[tuple[str, str, str]]


def look(client: FlaskClient, language: str = "en", path: str = "/ops/live") -> Shown:
    page = client.get(path, query_string={"lang": language}).text
    verdict = re.search(r'id="verdict" class="verdict (\w+)".*?class="headline"[^>]*>(.*?)</p>', page, re.DOTALL)
    assert verdict is not None, page
    troubles = []
    for article in re.findall(r"<article.*?</article>", page, re.DOTALL):
        what = re.findall(r"<h2>(.*?)</h2>", article)[0]
        affected, advice = re.findall(r"<dd>(.*?)</dd>", article, re.DOTALL)
        troubles.append((unescape(what), unescape(affected), re.sub(r"<.*?>", "", unescape(advice))))
    return Shown(verdict[1], unescape(verdict[2]), troubles)


@dataclass(frozen=True)
class Case:
    """A trouble: how it comes about, and words of what must be told of it: English, Chinese, for each of the parts."""

    name: str
    make: Callable[[Farm], Any]
    level: str
    what: tuple[str, str]
    affected: tuple[str, str]
    advice: tuple[str, str]
    changes: dict[str, Any] | None = None


def wait_for_openai(farm: Farm, error: Exception) -> None:
    accept(farm, 2, style=CLOUD)
    farm.database.write(brake.note_error, "openai", error, 0.0, farm.settings)


NOBODY = ("No guest waits", "没有客人因此等待")
TWO_WAIT = ("2 pictures of 1 guest wait because of it, at booth-of-order-1", "1 位客人的 2 张照片因此等待")
EVERY_BOOTH = ("Every booth is affected", "所有拍照亭都受影响")
CASES = [
    Case(
        "disk",
        lambda farm: None,
        "bad",
        ("disk is nearly full", "磁盘"),
        EVERY_BOOTH,
        ("Free space on this disk", "磁盘"),
        {"disk_reserve_mb": 10**9},
    ),
    Case(
        "redis away",
        lambda farm: accept(farm, 2),
        "bad",
        ("Redis does not answer", "Redis"),
        TWO_WAIT,
        ("Start Redis again", "Redis"),
        {"redis_url": "redis://127.0.0.1:1/0"},
    ),
    Case(
        "quota with guests",
        lambda farm: wait_for_openai(farm, QuotaExhausted("x")),
        "bad",
        ("openai has no credit left", "openai"),
        TWO_WAIT,
        ("press “Try again now”", "充值"),
        with_key(),
    ),
    Case(
        "account without guests",
        lambda farm: farm.database.write(brake.note_error, "openai", AccountRefused("x"), 0.0, farm.settings),
        "eye",
        ("openai refuses our key", "openai"),
        NOBODY,
        ("Check OPENAI_API_KEY", "OPENAI_API_KEY"),
        with_key(),
    ),
    Case(
        "breaker",
        lambda farm: [
            farm.database.write(brake.note_error, "openai", Away("x"), 0.0, farm.settings)
            for _ in range(brake.BREAKER_FAILURES)
        ],
        "eye",
        ("openai failed again and again", "openai"),
        NOBODY,
        ("Nothing needs doing. It is tried again by itself in 1:00 min", "1:00"),
        with_key(),
    ),
    Case(
        "operator's pause",
        lambda farm: farm.switches.pause_provider("openai", actor="ann"),
        "eye",
        ("openai is paused by ann", "ann 暂停了云服务商 openai"),
        NOBODY,
        ("Press “Try again now”", "点击“立即重试”"),
        with_key(),
    ),
]


@pytest.fixture
def plain(tmp_path: Any, redis_url: str) -> Settings:
    return Settings.load(_env_file=None, data_dir=tmp_path / "data", redis_url=redis_url, disk_reserve_mb=1)


def test_a_farm_that_is_well_says_so_and_that_nothing_needs_doing(plain: Settings) -> None:
    with open_farm(plain) as farm, at_the_board(farm) as client:
        make_well(farm)
        assert look(client) == Shown("good", "All is well.", [])
        assert look(client, "zh") == Shown("good", "一切正常。", [])
        page = client.get("/ops/", query_string={"lang": "en"}).text
        assert "Nothing needs doing." in page and "No picture is being made" in page
        accept(farm, 3)
        assert "0 pictures are being made, 3 wait." in client.get("/ops/").text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trouble_says_what_happened_who_is_affected_and_what_to_do(plain: Settings, case: Case) -> None:
    with open_farm(plain, **(case.changes or {})) as farm, at_the_board(farm) as client:
        stock(farm)
        if farm.settings.redis_url == plain.redis_url:
            make_workers(farm)
        farm.database.write(tallies.roll_up)
        case.make(farm)
        for number, language in enumerate(LANGUAGES):
            shown = look(client, language)
            assert len(shown.troubles) == 1, shown
            what, affected, advice = shown.troubles[0]
            assert shown.level == case.level
            assert what in shown.headline
            assert case.what[number] in what
            assert case.affected[number] in affected
            assert case.advice[number] in advice


def test_without_the_database_the_board_still_says_what_is_wrong_and_shows_nothing_else(plain: Settings) -> None:
    with open_farm(plain) as farm, at_the_board(farm) as client:
        make_well(farm)
        farm.database.engine.dispose()
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
            session["until"] = time.time() - 1
        assert "/ops/login" in client.get("/ops/").location


def test_the_board_asks_few_questions_however_much_there_is(farm: Farm) -> None:
    make_workers(farm)
    for number in range(4):
        accept(farm, 5, order_id=f"order-{number}")
    stock(farm, *(f"http://comfy-{number}:8188" for number in range(12)))
    statements: list[str] = []
    with at_the_board(farm) as client:
        client.get("/ops/live")
        event.listen(farm.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        assert client.get("/ops/live").status_code == 200
    assert len(statements) <= MOST_STATEMENTS, "\n".join(statements)
