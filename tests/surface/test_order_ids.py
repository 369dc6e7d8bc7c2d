"""Rows 7 to 18: the order id, and what becomes of one that is used again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.simulators.photos import portrait
from tests.rows import case
from tests.surface.conftest import Refuse
from tests.surface.farm import Surface
from tests.surface.wire import MULTIPART, Part

STYLE = Part("style", "plain")


@pytest.mark.parametrize(
    "fields",
    [
        case(7, "without order id", ()),
        case(7, "empty order id", (Part("order_id", ""),)),
        case(7, "order id twice", (Part("order_id", "a"), Part("order_id", "b"))),
        case(7, "the same order id twice", (Part("order_id", "a"), Part("order_id", "a"))),
        case(7, "order id as a file", (Part("order_id", "a", "order_id.txt", "text/plain"),)),
    ],
)
def test_an_order_needs_one_order_id(surface: Surface, refuse: Refuse, photo: bytes, fields: tuple[Part, ...]) -> None:
    refuse(surface.post_form([*fields, STYLE, Part("photo", photo, "a.jpg")]), 400, code="invalid_order")


@pytest.mark.row(7)
def test_row_7_an_order_is_no_json_document(surface: Surface, refuse: Refuse) -> None:
    document = b'{"order_id": "json-1", "style": "plain"}'
    answer = surface.request("POST", "/api/v1/orders", (("Content-Type", "application/json"),), document)
    refuse(answer, 415, code="unsupported_media_type")


@pytest.mark.parametrize(
    "order_id",
    [
        case(8, "65 characters", "a" * 65),
        case(8, "5 000 characters", "a" * 5000),
        *(case(9, repr(text), text) for text in ("../../etc/passwd", "a/b", "a\\b", "%2e%2e", ".", "a.b", "..")),
        *(case(10, repr(text), text) for text in ("a:b", "a b", "a\n", "a\r\n", "a\0", "\0", " a", "a ", "\ta", "a\t")),
        case(11, "e with accent", "\u00e9"),
        case(11, "full-width digits", "\uff11\uff12"),
        case(11, "Arabic digits", "\u0661\u0662"),
        case(11, "zero-width space", "a\u200bb"),
        case(11, "right-to-left mark", "a\u200f"),
        case(11, "Cyrillic a", "\u0430"),
        case(11, "not UTF-8", b"a\xff"),
        case(11, "overlong UTF-8", b"\xc0\xaf"),
        *(
            case(12, repr(text), text)
            for text in ("*", "{x}", "%s", "'; drop table orders;--", "<b>", "-rf", "_x", "{{7*7}}", "$(id)", "`id`")
        ),
    ],
)
def test_an_order_id_outside_the_alphabet_is_refused(
    surface: Surface, refuse: Refuse, photo: bytes, order_id: str | bytes
) -> None:
    answer = surface.submit(photo, order_id=order_id)
    refuse(answer, 400, code="invalid_order")
    assert "drop table" not in answer.text and "aaaa" not in answer.text  # the value is not echoed


@pytest.mark.parametrize(
    "order_id",
    [
        case(8, "64 characters", "a" * 64),
        *(case(13, text, text) for text in ("CON", "nul", "con-step-1-attempt-1")),
        case(14, "AB", "AB"),
        case(14, "ab", "ab"),
    ],
)
def test_any_order_id_of_the_alphabet_is_taken(surface: Surface, photo: bytes, order_id: str) -> None:
    answer = surface.submit(photo, order_id=order_id)
    surface.finish(answer)
    assert answer.headers["Location"] == f"/api/v1/orders/{order_id}"
    order = surface.order(order_id)
    assert (order["order_id"], len(order["tasks"])) == (order_id, 1)


@pytest.mark.row(15)
def test_row_15_twenty_equal_orders_at_once_are_one(surface: Surface, photo: bytes) -> None:
    prompts = surface.look_inside().prompts
    order_id = surface.new_order_id()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: surface.submit(photo, order_id=order_id), range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 19 + [202]
    assert all(answer.json()["duplicate"] is True for answer in answers if answer.status == 200)
    assert len({answer.json()["tasks"][0]["task_id"] for answer in answers}) == 1
    surface.finish(next(answer for answer in answers if answer.status == 202))
    later = surface.submit(photo, order_id=order_id)
    assert (later.status, later.json()["duplicate"], len(later.json()["tasks"])) == (200, True, 1)
    assert surface.look_inside().prompts == prompts + 1


@pytest.mark.parametrize("changed", [case(16, "another photo", "photo"), case(16, "another style", "style")])
def test_an_order_takes_more_within_its_12_hours_and_not_later(
    surface: Surface, photo: bytes, request: pytest.FixtureRequest, changed: str
) -> None:
    order_id = surface.new_order_id()
    surface.finish(surface.submit(photo, order_id=order_id))
    if changed == "photo":
        more = surface.submit(portrait(2, size=(240, 320)), order_id=order_id)
    else:
        more = surface.submit(photo, order_id=order_id, style="words")
    assert (more.status, len(more.json()["tasks"])) == (202, 2)
    surface.finish(more)
    surface.change(
        "UPDATE orders SET created_at = datetime(created_at, '-12 hours', '-1 minute') WHERE order_id = ?", order_id
    )
    refuse: Refuse = request.getfixturevalue("refuse")
    refuse(surface.submit(portrait(3, size=(240, 320)), order_id=order_id), 409, code="order_closed")
    again = surface.submit(photo, order_id=order_id)
    assert (again.status, again.json()["duplicate"]) == (200, True)  # what is there is still answered


@pytest.mark.row(17)
def test_row_17_another_booths_order_id_is_taken_and_reveals_nothing(
    surface: Surface, photo: bytes, request: pytest.FixtureRequest
) -> None:
    order_id = surface.new_order_id()
    task = surface.finish(surface.submit(photo, order_id=order_id))
    refuse: Refuse = request.getfixturevalue("refuse")
    for own_photo in (photo, portrait(4, size=(240, 320))):
        answer = surface.submit(own_photo, order_id=order_id, key=surface.other_key)
        refuse(answer, 409, code="order_taken")
        for told in ("booth-a", task["task_id"], "succeeded", task["created_at"], task["photo"]["sha256"]):
            assert told not in answer.text


@pytest.mark.row(18)
def test_row_18_the_id_of_a_deleted_order_is_gone(
    surface: Surface, photo: bytes, request: pytest.FixtureRequest
) -> None:
    order_id = surface.new_order_id()
    task = surface.finish(surface.submit(photo, order_id=order_id))
    assert surface.request("DELETE", f"/api/v1/orders/{order_id}").json()["deleted"] is True
    refuse: Refuse = request.getfixturevalue("refuse")
    refuse(surface.submit(photo, order_id=order_id), 410, code="order_deleted")
    for method, path in (
        ("GET", f"/orders/{order_id}"),
        ("GET", f"/orders/{order_id}/events"),
        ("POST", f"/orders/{order_id}/cancel"),
        ("DELETE", f"/orders/{order_id}"),
        ("GET", f"/tasks/{task['task_id']}"),
        ("POST", f"/tasks/{task['task_id']}/redo"),
    ):
        refuse(surface.request(method, f"/api/v1{path}"), 410, code="order_deleted")


@pytest.mark.row(9)
def test_row_9_ids_in_paths_lead_nowhere(surface: Surface, refuse: Refuse) -> None:
    for odd in ("..%2f..%2fetc%2fpasswd", "%00", "a%00b", "%ff", "a%0ab", "%25s", "%C3%A9", "a" * 5000):
        for path in (f"/orders/{odd}", f"/orders/{odd}/events", f"/tasks/{odd}", f"/styles/{odd}/preview"):
            refuse(surface.request("GET", f"/api/v1{path}"), 404)


@pytest.mark.row(7)
def test_row_7_a_form_of_another_kind_is_refused(surface: Surface, refuse: Refuse) -> None:
    body = b"order_id=form-1&style=plain&photo=abc"
    headers = (("Content-Type", "application/x-www-form-urlencoded"),)
    refuse(surface.request("POST", "/api/v1/orders", headers, body), 415)
    mixed = (("Content-Type", MULTIPART.replace("form-data", "mixed")),)
    refuse(surface.request("POST", "/api/v1/orders", mixed, body), 415)
