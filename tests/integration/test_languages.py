"""Which language a page speaks, in which zone it shows times, and that a browser's errors are pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobs.settings import Settings
from tests.builders import open_farm
from web import create_app
from web.languages import show_local

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("farm")
    return Settings.load(
        _env_file=None, data_dir=folder, redis_url="redis://127.0.0.1:1/0", venue_timezone="Asia/Shanghai"
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    with open_farm(settings) as farm:
        app = create_app(farm)
        yield app.test_client()
        app.extensions["farm"].watcher.stop()


def ask(client: FlaskClient, path: str = "/ops/login", liked: str = "") -> TestResponse:
    return client.get(path, headers={"Accept-Language": liked, "Accept": BROWSER})


def speaks_chinese(answer: TestResponse) -> bool:
    assert ('<html lang="zh-CN">' in answer.text) == ("密码" in answer.text)
    return "密码" in answer.text


@pytest.mark.parametrize(
    ("liked", "chinese"),
    [
        ("", False),
        ("de", False),
        ("en-GB,zh;q=0.5", False),
        ("zh-CN,zh;q=0.9,en;q=0.8", True),
        ("fr,zh-TW;q=0.2", True),
    ],
)
def test_the_browser_s_languages_decide_at_first(client: FlaskClient, liked: str, chinese: bool) -> None:
    assert speaks_chinese(ask(client, liked=liked)) is chinese


def test_what_was_chosen_once_goes_before_what_the_browser_likes(client: FlaskClient) -> None:
    chosen = ask(client, "/ops/login?lang=zh", "en")
    assert speaks_chinese(chosen)
    assert "lang=zh" in chosen.headers["Set-Cookie"] and "HttpOnly" in chosen.headers["Set-Cookie"]
    assert speaks_chinese(ask(client, liked="en"))
    assert not speaks_chinese(ask(client, "/ops/login?lang=en", "zh"))
    assert not speaks_chinese(ask(client, liked="zh"))


def test_a_language_that_we_do_not_speak_is_not_chosen(client: FlaskClient) -> None:
    answer = ask(client, "/ops/login?lang=../../x", "zh")
    assert speaks_chinese(answer)
    assert "Set-Cookie" not in answer.headers or "lang=" not in answer.headers["Set-Cookie"]


def test_the_switch_leads_to_the_same_page_and_keeps_what_was_asked(client: FlaskClient) -> None:
    page = ask(client, "/ops/login?next=/ops/servers&lang=en").text
    assert 'href="?next=%2Fops%2Fservers&amp;lang=zh" lang="zh-CN" hreflang="zh-CN">中文' in page


def test_browsers_get_errors_as_pages_and_programs_as_problems(client: FlaskClient) -> None:
    page = ask(client, "/nowhere", "zh")
    assert page.status_code == 404 and page.mimetype == "text/html" and "这里什么也没有" in page.text
    assert client.get("/nowhere", headers={"Accept": "*/*"}).mimetype == "application/problem+json"
    assert ask(client, "/api/v1/nowhere", "zh").mimetype == "application/problem+json"
    forged = client.post("/ops/login", headers={"Accept": BROWSER})
    assert forged.status_code == 403 and "The form has expired" in forged.text


def test_times_are_the_venue_s(client: FlaskClient) -> None:
    with client.application.test_request_context("/", headers={"Accept-Language": "zh"}):
        moment = datetime(2026, 11, 24, 20, 5, 6, 789000, tzinfo=UTC)
        assert show_local(moment) == "11-25 04:05:06"
        assert show_local(moment, "exact") == "04:05:06.789"
        assert show_local("2026-11-24T20:05:06Z", "full") == "2026-11-25 04:05:06"
        assert show_local("further notice") == "另行通知"
        assert show_local(None) == ""
    assert "Asia/Shanghai" in ask(client).text
