"""Rows 60 to 63 and 65: the operators' pages, by hand and in haste."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from scripts.simulators.photos import portrait
from tests.acceptance.farm_process import eventually
from tests.rows import case
from tests.surface.farm import Surface
from tests.surface.operators import log_in, open_browser, read_token

ENDED = ("succeeded", "failed", "canceled")
RACES, RACERS = 100, 4
Press = Callable[..., requests.Response]


@pytest.fixture
def failed_task(surface: Surface, photo: bytes) -> Iterator[str]:
    """A task that failed for good: no server takes its workflow. A retry of it waits until the test is over."""
    refusals = [stand_in.add_fault("status", path="/prompt", status=400, body="{}") for stand_in in surface.stand_ins]
    task_id = surface.submit(photo).json()["tasks"][0]["task_id"]
    eventually(lambda: status_of(surface, task_id) == "failed", "the task failed")
    for stand_in, refusal in zip(surface.stand_ins, refusals, strict=True):
        stand_in.clear_faults(number=refusal.id)
        stand_in.add_fault("hold")
    yield task_id
    surface.let_go()


@pytest.fixture
def running_task(surface: Surface, photo: bytes) -> Iterator[str]:
    """A task whose prompt is held until the test is over."""
    for stand_in in surface.stand_ins:
        stand_in.add_fault("hold")
    task_id = surface.submit(photo).json()["tasks"][0]["task_id"]
    eventually(lambda: status_of(surface, task_id) == "running", "the task runs")
    yield task_id
    surface.let_go()


@pytest.fixture
def press(surface: Surface, operator: requests.Session) -> Press:
    """Press a button of a task's page as the operator; the answer itself, wherever it points."""
    token = read_token(operator, f"{surface.farm.url}/ops/")

    def press(task_id: str, button: str, **fields: str) -> requests.Response:
        url = f"{surface.farm.url}/ops/tasks/{task_id}/{button}"
        return operator.post(url, data={"csrf_token": token} | fields, timeout=10, allow_redirects=False)

    return press


def status_of(surface: Surface, task_id: str) -> str:
    """The task's status in the database."""
    [(status,)] = surface.ask("SELECT status FROM tasks WHERE task_id = ?", task_id)
    return str(status)


def steps_of(surface: Surface, task_id: str) -> list[tuple[Any, ...]]:
    """(attempt, status) of the task's steps."""
    return surface.ask(
        "SELECT attempt, steps.status FROM steps JOIN tasks ON tasks.id = steps.task_id WHERE tasks.task_id = ?",
        task_id,
    )


@pytest.mark.parametrize("button", [case(60, f"{button} it", button) for button in ("retry", "redo", "cancel")])
def test_a_button_needs_a_session_a_token_our_own_page_and_post(
    surface: Surface, failed_task: str, operator: requests.Session, button: str
) -> None:
    url = f"{surface.farm.url}/ops/tasks/{failed_task}/{button}"
    before = steps_of(surface, failed_task)
    with open_browser(surface) as stranger:
        own_token = read_token(stranger, f"{surface.farm.url}/ops/login")
        answer = stranger.post(url, data={"csrf_token": own_token}, timeout=10, allow_redirects=False)
        assert answer.status_code in (401, 302)
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith("/ops/login")
        assert stranger.post(url, timeout=10).status_code == 403
    token = read_token(operator, f"{surface.farm.url}/ops/")
    for fields in ({}, {"csrf_token": ""}, {"csrf_token": token[:-1]}, {"csrf_token": own_token}):
        answer = operator.post(url, data=fields, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": f"http://127.0.0.1:{surface.farm.port + 1}"},
        {"Origin": f"{surface.farm.url}.evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = operator.post(url, data={"csrf_token": token}, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert operator.get(url, params={"csrf_token": token}, timeout=10).status_code == 405
    assert steps_of(surface, failed_task) == before
    assert surface.ask("SELECT count(*) FROM audit WHERE subject = ?", f"task:{failed_task}") == [(0,)]


@pytest.mark.row(60)
def test_row_60_logging_out_needs_a_token_too(surface: Surface, operator: requests.Session) -> None:
    assert operator.post(f"{surface.farm.url}/ops/logout", timeout=10).status_code == 403
    assert operator.get(f"{surface.farm.url}/ops/logout", timeout=10).status_code == 405
    assert operator.get(f"{surface.farm.url}/ops/", timeout=10, allow_redirects=False).status_code == 200


@pytest.mark.row(61)
def test_row_61_a_running_task_is_not_retried(surface: Surface, running_task: str, press: Press) -> None:
    before = steps_of(surface, running_task)
    answer = press(running_task, "retry")
    assert answer.status_code == 409
    assert "Traceback" not in answer.text
    assert steps_of(surface, running_task) == before == [(1, "running")]


@pytest.mark.row(61)
def test_row_61_a_succeeded_or_unknown_task_is_not_retried(surface: Surface, photo: bytes, press: Press) -> None:
    task_id = surface.finish(surface.submit(photo))["task_id"]
    assert press(task_id, "retry").status_code == 409
    assert steps_of(surface, task_id) == [(1, "succeeded")]
    for unknown in ("0" * 32, "x", "1", "%00", "-1", "a" * 3000):
        for button in ("retry", "redo", "cancel"):
            assert press(unknown, button).status_code == 404, (unknown, button)


@pytest.mark.row(62)
def test_row_62_a_retry_pressed_ten_times_at_once_is_one_attempt(
    surface: Surface, failed_task: str, press: Press
) -> None:
    [(attempt, _)] = steps_of(surface, failed_task)
    with ThreadPoolExecutor(10) as hands:
        answers = list(hands.map(lambda _: press(failed_task, "retry").status_code, range(10)))
    assert sorted(answers) == [302] + [409] * 9
    [(retried, _)] = steps_of(surface, failed_task)
    assert retried == attempt + 1
    assert surface.ask("SELECT count(*) FROM audit WHERE subject = ?", f"task:{failed_task}") == [(1,)]
    surface.let_go()
    assert status_of(surface, failed_task) == "succeeded"


@pytest.mark.row(63)
def test_row_63_a_cancel_that_races_the_last_step_leaves_one_outcome(surface: Surface) -> None:
    photos = [portrait(number, size=(64, 64)) for number in range(RACERS)]

    def race(racer: int) -> list[tuple[str, str]]:
        """Cancel ever nearer to the moment in which the task succeeds: the delay follows from the outcomes."""
        told, delay, chance = [], 0.1, random.Random(racer)
        for _ in range(RACES // RACERS):
            answer = surface.submit(photos[racer])
            assert answer.status == 202, answer.text
            order_id, task_id = answer.json()["order_id"], answer.json()["tasks"][0]["task_id"]
            time.sleep(delay * chance.uniform(0.8, 1.2))
            canceled = surface.request("POST", f"/api/v1/orders/{order_id}/cancel")
            assert canceled.status == 200, canceled.text
            status = canceled.json()["tasks"][0]["status"]
            told.append((task_id, status))
            delay *= 0.8 if status == "succeeded" else 1.25
        return told

    logged = surface.log_size()
    with ThreadPoolExecutor(RACERS) as racers:
        told = [outcome for outcomes in racers.map(race, range(RACERS)) for outcome in outcomes]
    surface.look_inside()
    kept = {
        task_id: (status, images)
        for task_id, status, images in surface.ask(
            "SELECT task_id, status, (SELECT count(*) FROM images WHERE images.task_id = tasks.id) FROM tasks"
        )
    }
    moves = Counter(
        surface.ask(
            "SELECT tasks.task_id FROM events JOIN tasks ON tasks.id = events.task_id WHERE move IN ('S4', 'S11')"
        )
    )
    assert Counter(status for _, status in told).keys() == {"succeeded", "canceled"}  # both sides won
    for task_id, status in told:
        assert kept[task_id] == (status, 1 if status == "succeeded" else 0)
        assert moves[(task_id,)] == 1
    assert "Traceback" not in surface.log_since(logged)


@pytest.mark.row(65)
def test_row_65_the_sixth_wrong_login_of_a_minute_is_refused(surface: Surface, browser: requests.Session) -> None:
    for _ in range(5):
        assert log_in(browser, surface, password="guess").status_code == 401
    sixth = log_in(browser, surface, password="guess")
    assert sixth.status_code == 429
    assert 1 <= int(sixth.headers["Retry-After"]) <= 60
    assert log_in(browser, surface).status_code == 429  # the right one as well
    with open_browser(surface) as elsewhere:
        assert log_in(elsewhere, surface).status_code == 302


@pytest.mark.parametrize(
    ("username", "password"),
    [
        case(65, "an unknown name", "nobody", "admin password"),
        case(65, "no name", "", ""),
        case(65, "NUL", "admin\0", "admin password"),
        case(65, "SQL", "' OR 1=1 --", "' OR 1=1 --"),
        case(65, "a password of 200 000 characters", "admin", "p" * 200_000),
    ],
)
def test_a_wrong_login_says_no_more_than_that(
    surface: Surface, browser: requests.Session, username: str, password: str
) -> None:
    url = f"{surface.farm.url}/ops/login"
    fields = {"username": username, "password": password, "csrf_token": read_token(browser, url)}
    answer = browser.post(url, data=fields, timeout=10, allow_redirects=False)
    assert answer.status_code in (401, 413)
    if answer.status_code == 401:
        assert "The name or password is wrong." in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "following",
    [
        case(65, f"next={following}", following)
        for following in (
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https:///evil.example",
            "javascript:alert(1)",
            "/ops/../../evil",
            "/ops/\r\nSet-Cookie: a=b",
            "/ops//evil.example",
            "/ops/login/..//evil.example",
            "/ops@evil.example",
            " //evil.example",
            "\t//evil.example",
            "",
        )
    ],
)
def test_after_the_login_the_way_leads_to_our_own_pages(
    surface: Surface, browser: requests.Session, following: str
) -> None:
    answer = log_in(browser, surface, following=following)
    assert answer.status_code == 302
    location = answer.headers["Location"]
    assert location.startswith("/ops/") and "//" not in location and "\\" not in location and ".." not in location
    assert "a=b" not in answer.headers.get("Set-Cookie", "")


@pytest.mark.row(65)
def test_row_65_a_copied_cookie_is_worth_nothing_after_the_log_out(
    surface: Surface, operator: requests.Session
) -> None:
    with open_browser(surface) as thief:
        thief.cookies.update(operator.cookies)
        page = f"{surface.farm.url}/ops/"
        assert thief.get(page, timeout=10, allow_redirects=False).status_code == 200
        fields = {"csrf_token": read_token(operator, page)}
        assert operator.post(f"{surface.farm.url}/ops/logout", data=fields, timeout=10).status_code == 200
        for path in ("/ops/", "/ops/servers", f"/ops/tasks/{'0' * 32}"):
            answer = thief.get(surface.farm.url + path, timeout=10, allow_redirects=False)
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/ops/login")


@pytest.mark.row(65)
def test_row_65_a_forged_cookie_is_no_session(surface: Surface, browser: requests.Session) -> None:
    for value in ("", "x", "eyJ1c2VyIjoxfQ.aaaa.bbbb", "a" * 4000):
        answer = surface.request("GET", "/ops/", (("Cookie", f"farm_session={value}"),), key=None)
        assert answer.status == 302
