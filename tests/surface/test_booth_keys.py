"""Rows 1 to 6: who may ask. Wrong keys are counted by address, so each test asks from one of its own."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.rows import case
from tests.surface.conftest import Refuse
from tests.surface.farm import Surface
from tests.surface.wire import MULTIPART, Answer, Header, Part, encode_form

UNKNOWN = "A" * 43


def submit_with(surface: Surface, *headers: Header, target: str = "/api/v1/orders", photo: bytes) -> Answer:
    """A whole order with these headers."""
    body = encode_form([Part("order_id", "keys-1"), Part("style", "plain"), Part("photo", photo, "a.jpg")])
    return surface.request(
        "POST", target, (("Content-Type", MULTIPART), *headers), body, key=None, source=surface.new_address()
    )


def without_request_id(answer: Answer) -> dict[str, Any]:
    """The problem, but for what tells one request from the next."""
    return {key: value for key, value in answer.json().items() if key != "request_id"}


@pytest.mark.parametrize(
    "headers",
    [
        case(1, "no Authorization", ()),
        case(1, "Bearer and nothing", (("Authorization", "Bearer "),)),
        case(1, "Bearer without a space", (("Authorization", "Bearer"),)),
        case(1, "Basic", (("Authorization", "Basic YWRtaW46YWRtaW4="),)),
        case(1, "an empty header", (("Authorization", ""),)),
    ],
)
def test_a_request_without_a_key_is_refused(
    surface: Surface, refuse: Refuse, photo: bytes, headers: tuple[Header, ...]
) -> None:
    answer = submit_with(surface, *headers, photo=photo)
    refuse(answer, 401, code="not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "key",
    [
        case(2, "unknown", UNKNOWN),
        case(2, "revoked", "revoked"),
        case(2, "10 000 characters", "k" * 10_000),
        case(2, "with NUL, percent-encoded", "abc%00def" + "A" * 34),
        case(2, "not ASCII", "k\u00e9y".encode() + b"A" * 39),
        case(2, "not UTF-8", b"\xff\xfe" + b"A" * 41),
        case(2, "two words", "one two"),
        case(2, "SQL", "' OR 1=1 --"),
    ],
)
def test_wrong_keys_have_one_and_the_same_answer(
    surface: Surface, refuse: Refuse, photo: bytes, key: str | bytes
) -> None:
    usual = submit_with(surface, ("Authorization", f"Bearer {UNKNOWN}"), photo=photo)
    if key == "revoked":
        key = surface.farm.make_key("booth-revoked")
        assert surface.request("GET", "/api/v1/queue", key=key).status == 200
        revoked_by = "UPDATE booths SET revoked_at = CURRENT_TIMESTAMP, key_sha256 = NULL WHERE key_sha256 = ?"
        surface.change(revoked_by, hashlib.sha256(key.encode()).hexdigest())
    value = b"Bearer " + (key if isinstance(key, bytes) else key.encode())
    answer = submit_with(surface, ("Authorization", value), photo=photo)
    refuse(answer, 401, code="not_authenticated")
    assert without_request_id(answer) == without_request_id(usual)


@pytest.mark.row(2)
def test_row_2_a_key_with_nul_gets_no_further_than_the_server(surface: Surface, photo: bytes, refuse: Refuse) -> None:
    # RFC 9110 leaves a server no other choice than to refuse the whole request, or to replace the NUL.
    answer = submit_with(surface, ("Authorization", b"Bearer abc\0def" + b"A" * 36), photo=photo)
    assert answer.status in (400, 401)
    assert "abc" not in answer.text and "Traceback" not in answer.text
    assert answer.seconds < 2.0


@pytest.mark.parametrize("name", [case(3, name, name) for name in ("key", "api_key", "access_token", "Authorization")])
def test_a_key_in_the_query_string_is_refused_and_not_logged(
    surface: Surface, refuse: Refuse, photo: bytes, name: str
) -> None:
    logged = surface.log_size()
    refuse(submit_with(surface, target=f"/api/v1/orders?{name}={surface.key}", photo=photo), 401)
    assert surface.key not in surface.log_since(logged)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        case(4, "reads the order", "GET", "/orders/{order}"),
        case(4, "waits for the order", "GET", "/orders/{order}?wait=20&after=1000"),
        case(4, "follows the order", "GET", "/orders/{order}/events"),
        case(4, "cancels the order", "POST", "/orders/{order}/cancel"),
        case(4, "deletes the order", "DELETE", "/orders/{order}"),
        case(4, "reads the task", "GET", "/tasks/{task}"),
        case(4, "cancels the task", "POST", "/tasks/{task}/cancel"),
        case(4, "redoes the task", "POST", "/tasks/{task}/redo"),
    ],
)
def test_another_booths_order_is_not_there(
    surface: Surface, photo: bytes, request: pytest.FixtureRequest, method: str, path: str
) -> None:
    taken = surface.submit(photo)
    task = surface.finish(taken)
    order_id = taken.json()["order_id"]
    before = surface.order(order_id)
    refuse: Refuse = request.getfixturevalue("refuse")
    target = "/api/v1" + path.format(order=order_id, task=task["task_id"])
    answer = surface.request(method, target, key=surface.other_key)
    refuse(answer, 404, code="order_not_found")
    missing = surface.request(method, "/api/v1" + path.format(order="never-was", task="0" * 32), key=surface.other_key)
    assert without_request_id(answer) == without_request_id(missing)
    assert surface.order(order_id) == before


@pytest.mark.parametrize("path", [case(5, path, path) for path in ("/ops/", "/ops/servers", "/ops/tasks/" + "0" * 32)])
def test_a_booths_key_opens_no_page_of_the_operators(surface: Surface, path: str) -> None:
    answer = surface.request("GET", path)
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/ops/login")


@pytest.mark.row(5)
def test_row_5_a_booths_key_presses_no_button(surface: Surface, refuse: Refuse) -> None:
    answer = surface.request("POST", f"/ops/tasks/{'0' * 32}/retry", (), b"")
    refuse(answer, 401, 403)


@pytest.mark.row(5)
def test_row_5_an_operators_session_is_no_key(surface: Surface, refuse: Refuse, operator: Any) -> None:
    for method, path in (("GET", "/api/v1/queue"), ("GET", "/api/v1/styles"), ("DELETE", "/api/v1/orders/any")):
        answer = operator.request(method, surface.farm.url + path)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.row(6)
def test_row_6_twenty_wrong_keys_in_a_minute_close_the_door_to_one_address(
    surface: Surface, refuse: Refuse, photo: bytes
) -> None:
    source = surface.new_address()
    wrong = (("Authorization", f"Bearer {UNKNOWN}"),)
    for _ in range(20):
        refuse(surface.request("GET", "/api/v1/queue", wrong, source=source), 401)
    for headers in (wrong, ()):
        answer = surface.request("GET", "/api/v1/queue", headers, source=source)
        refuse(answer, 429, code="too_many_attempts")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.json()["retryable"] is True
    assert surface.request("GET", "/api/v1/queue").status == 200  # others are not in this
