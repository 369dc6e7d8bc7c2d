"""A guest's link shows one order, deletes it and forgets it: the same answer for wrong, expired and deleted, no trace
of it in a log, and few questions to the database however many phones ask.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from jobs.access.models import AuditEntry
from jobs.engine.retries import REASONS
from jobs.farm import Farm
from jobs.orders.models import Order
from tests.builders import (
    TWO_STEPS,
    accept,
    change,
    finish,
    get_task,
    guest_path,
    list_files,
    list_images,
    must_claim,
    send,
)
from web import create_app
from web.guest.remains import tell_remains
from web.guest.telling import FAILURES

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
MOST_QUESTIONS = 12


@pytest.fixture
def phone(farm: Farm) -> Iterator[FlaskClient]:
    app = create_app(farm)
    yield app.test_client()
    app.extensions["farm"].watcher.stop()


def press_delete(client: FlaskClient, path: str) -> TestResponse:
    """As a guest does: load the page, press the button."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert token is not None
    return client.post(f"{path}/delete", data={"csrf_token": token[1]})


def make(farm: Farm) -> None:
    """Everything that waits is made."""
    for _ in range(2):
        claimed = must_claim(farm)
        send(farm, claimed)
        finish(farm, claimed)


def test_every_kind_of_failure_has_words_for_guests() -> None:
    assert FAILURES.keys() == REASONS.keys()


def test_whoever_deleted_an_order_reads_the_receipt_and_everybody_else_finds_nothing(
    farm: Farm, phone: FlaskClient
) -> None:
    accept(farm, style=TWO_STEPS)
    make(farm)
    path = guest_path(farm, "order-1")
    image = phone.get(path).text.split('img src="')[1].split('"')[0]
    with phone.get(image) as shown:
        assert shown.status_code == 200
    gone = press_delete(phone, path)
    assert (gone.status_code, gone.headers["Location"]) == (303, path)
    assert list_files(farm) == [] and list_images(farm) == []

    receipt = phone.get(path, headers=BROWSER)
    assert receipt.status_code == 200 and "order-1" in receipt.text
    assert "http://comfy" not in receipt.text, "the addresses of machines are nothing for guests"
    stranger = phone.application.test_client()
    wrong = f"/g/{'0' * 32}"
    for suffix in ("", "/state", "/qr.svg"):
        answers = [stranger.get(one + suffix, headers=BROWSER) for one in (path, wrong)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text and "No picture here" in answers[0].text
    assert [phone.get(path + suffix).status_code for suffix in ("/state", "/qr.svg")] == [404, 404]
    assert phone.get(wrong).status_code == 404
    assert stranger.get(image).status_code == 404
    assert press_again(phone, path).status_code == 404
    entries = farm.database.read(lambda session: list(session.scalars(select(AuditEntry))))
    assert [(entry.actor, entry.action, entry.subject) for entry in entries] == [("guest", "delete", "order:order-1")]


def press_again(client: FlaskClient, path: str) -> TestResponse:
    """The button of a page that another tab still shows."""
    form = client.get("/ops/login").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token is not None
    return client.post(f"{path}/delete", data={"csrf_token": token[1]}, headers=BROWSER)


def test_a_receipt_counts_machines_without_naming_them_and_leaves_out_what_is_gone(phone: FlaskClient) -> None:
    host = {"place": "comfyui", "server": "http://10.0.0.7:8188", "until": "2026-11-28T20:00:00.000Z"}
    cloud = {"place": "provider", "provider": "openai"}
    with phone.application.test_request_context("/"):
        told = " ".join(tell_remains({"may_remain": [host, host, cloud, cloud]}))
        assert tell_remains({"may_remain": [host | {"gone_at": "2026-11-28T19:00:00.000Z"}]}) == []
    assert "10.0.0.7" not in told and told.count("11-28") == 1
    assert told.count("openai") == 1


def test_without_script_the_page_loads_itself_anew_until_the_end(farm: Farm, phone: FlaskClient) -> None:
    accept(farm)
    assert '<noscript><meta http-equiv="refresh"' in phone.get(guest_path(farm, "order-1")).text
    claimed = must_claim(farm)
    send(farm, claimed)
    finish(farm, claimed)
    page = phone.get(guest_path(farm, "order-1")).text
    assert "Your picture is ready." in page and "refresh" not in page


def test_deleting_wants_the_page_s_own_form(farm: Farm, phone: FlaskClient) -> None:
    (task,) = accept(farm)
    path = guest_path(farm, "order-1")
    phone.get(path)
    assert phone.get(f"{path}/delete").status_code == 405
    assert phone.post(f"{path}/delete").status_code == 403
    assert phone.post(f"{path}/delete", headers={"Origin": "http://evil.example"}).status_code == 403
    assert get_task(farm, task).status == "queued"


def test_a_link_leaves_no_trace_in_the_log(farm: Farm, phone: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    accept(farm)
    path = guest_path(farm, "order-1")
    with caplog.at_level(logging.DEBUG):
        for one in (path, f"{path}/state?lang=zh", f"{path}/qr.svg"):
            phone.get(one).close()
        press_delete(phone, path).close()
        phone.get(f"{path}/state").close()
    told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "/g/<token>/state" in told
    assert path.rsplit("/", 1)[1] not in told and "lang=zh" not in told


def test_asking_for_news_costs_few_questions_however_long_the_queue_is(farm: Farm, phone: FlaskClient) -> None:
    accept(farm, 9, order_id="others")
    accept(farm, 3, order_id="mine")
    path = guest_path(farm, "mine")
    phone.get(f"{path}/state")
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(farm.database.engine, "before_cursor_execute", note)
    answer = phone.get(f"{path}/state")
    event.remove(farm.database.engine, "before_cursor_execute", note)
    assert 'data-again="4' in answer.text, "nine before it: not every other second"
    assert "csrf" not in answer.text and "Set-Cookie" not in answer.headers
    assert len([one for one in asked if one.startswith("SELECT")]) <= MOST_QUESTIONS, asked


def test_a_second_take_is_told_in_place_of_the_one_that_failed(farm: Farm, phone: FlaskClient) -> None:
    (task,) = accept(farm)
    farm.interventions.cancel_task(get_task(farm, task).task_id, actor="admin")
    assert "canceled" in phone.get(guest_path(farm, "order-1")).text
    farm.interventions.redo(get_task(farm, task).task_id, actor="admin")
    page = phone.get(guest_path(farm, "order-1")).text
    assert "You are next." in page and "canceled" not in page
    change(farm, Order, get_task(farm, task).order_id, link_number=2)
    assert phone.get(guest_path(farm, "order-1")).status_code == 404
