"""Rows 25, 26, 31, 35, 36 and 55: bodies, methods and paths that are none of ours."""

from __future__ import annotations

import socket

import pytest

from tests.rows import case
from tests.surface.conftest import Refuse
from tests.surface.farm import Surface
from tests.surface.wire import BOUNDARY, MULTIPART, Header, Part, encode_form

HEARTBEAT = "/api/v1/booths/me/heartbeat"
JSON_TYPE = (("Content-Type", "application/json"),)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        case(25, "nothing at all", (), None, 400),
        case(25, "an empty body", (), b"", 400),
        case(25, "an empty form", (("Content-Type", MULTIPART),), b"", 400),
        case(25, "text/plain", (("Content-Type", "text/plain"),), b"order_id=a", 415),
        case(25, "application/xml", (("Content-Type", "application/xml"),), b"<order/>", 415),
        case(25, "no type", (), b"order_id=a", 415),
        case(25, "a type that is none", (("Content-Type", ";;;///"),), b"order_id=a", 415),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    surface: Surface, refuse: Refuse, headers: tuple[Header, ...], body: bytes | None, status: int
) -> None:
    refuse(surface.request("POST", "/api/v1/orders", headers, body), status)


@pytest.mark.parametrize(
    "content_type",
    [
        case(26, "no boundary", "multipart/form-data"),
        case(26, "an empty boundary", "multipart/form-data; boundary="),
        case(26, "another boundary", "multipart/form-data; boundary=something-else"),
        case(26, "a boundary of 200 characters", f"multipart/form-data; boundary={'b' * 200}"),
        case(26, "a boundary that is not ASCII", "multipart/form-data; boundary=\u00e9"),
    ],
)
def test_a_form_without_its_boundary_is_refused(
    surface: Surface, refuse: Refuse, photo: bytes, content_type: str
) -> None:
    body = encode_form([Part("order_id", "boundary-1"), Part("style", "plain"), Part("photo", photo, "a.jpg")])
    refuse(surface.request("POST", "/api/v1/orders", (("Content-Type", content_type),), body), 400)


@pytest.mark.row(26)
def test_row_26_a_form_without_its_last_boundary_is_refused(surface: Surface, refuse: Refuse, photo: bytes) -> None:
    parts = [Part("order_id", "boundary-2"), Part("style", "plain"), Part("photo", photo, "a.jpg")]
    refuse(surface.post_form(parts, close=False), 400)
    cut = encode_form(parts)[:-200]  # within the photo
    refuse(surface.request("POST", "/api/v1/orders", (("Content-Type", MULTIPART),), cut), 400)
    head_only = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=".encode()
    refuse(surface.request("POST", "/api/v1/orders", (("Content-Type", MULTIPART),), head_only), 400)


@pytest.mark.row(26)
def test_row_26_a_part_whose_head_is_not_utf_8_is_refused(surface: Surface, refuse: Refuse, photo: bytes) -> None:
    parts = [Part("order_id", "boundary-3"), Part("style", "plain"), Part("photo", photo, b"\xff\xfe.jpg")]
    refuse(surface.post_form(parts), 400)


@pytest.mark.parametrize(
    "options",
    [
        case(31, "30 000 levels", "[" * 30_000),
        case(31, "10 000 levels, closed", '{"a":' * 5_000 + "1" + "}" * 5_000),
        case(31, "duplicate keys", '{"strength": 0.5, "strength": 0.6}'),
        case(31, "duplicate keys further in", '{"x": {"a": 1, "a": 2}}'),
        case(31, "not UTF-8", b'{"motto": "\xff"}'),
        case(31, "not UTF-8 in a name", b'{"\xff": 1}'),
        case(31, "trailing text", "{} x"),
        case(31, "two documents", "{}{}"),
        case(31, "an array", "[]"),
        case(31, "a string", '"plain"'),
        case(31, "null", "null"),
        case(31, "a comment", '{"strength": 0.5 /* half */}'),
        case(31, "not finished", '{"strength": 0.5'),
        case(31, "a number of 5 000 digits", '{"colours": ' + "1" * 5000 + "}"),
    ],
)
def test_options_that_are_no_json_object_are_refused(
    surface: Surface, refuse: Refuse, photo: bytes, options: str | bytes
) -> None:
    refuse(surface.submit(photo, options=options), 400, code="invalid_order")


@pytest.mark.parametrize(
    "body",
    [
        case(31, "100 000 levels", b"[" * 100_000),
        case(31, "100 000 objects", b'{"a":' * 100_000),
        case(31, "duplicate keys in a heartbeat", b'{"printer": "a", "printer": "b"}'),
        case(31, "a heartbeat that is not UTF-8", b'{"printer": "\xff"}'),
        case(31, "UTF-16", '{"printer": "a"}'.encode("utf-16")),
        case(31, "text after a heartbeat", b'{"printer": "a"} x'),
        case(31, "an array for a heartbeat", b"[1]"),
    ],
)
def test_a_heartbeat_that_is_no_json_object_is_refused(surface: Surface, refuse: Refuse, body: bytes) -> None:
    refuse(surface.request("POST", HEARTBEAT, JSON_TYPE, body), 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            case(35, f"{method} {path}", method, path)
            for method in ("PUT", "TRACE", "DELETE", "PATCH", "GET", "CONNECT", "BREW")
            for path in ("/api/v1/orders",)
        ),
        *(
            case(35, f"{method} {path}", method, path)
            for method in ("PUT", "TRACE", "DELETE", "POST")
            for path in ("/api/v1/styles", "/api/v1/queue")
        ),
        case(35, "PUT an order", "PUT", "/api/v1/orders/any"),
        case(35, "TRACE the login", "TRACE", "/ops/login"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused(
    surface: Surface, refuse: Refuse, method: str, path: str
) -> None:
    answer = surface.request(method, path, (), b"")
    refuse(answer, 405, code="method_not_allowed")
    assert surface.key not in answer.text  # TRACE echoes nothing


@pytest.mark.row(35)
def test_row_35_another_method_in_a_header_is_ignored(surface: Surface, photo: bytes) -> None:
    answer = surface.submit(photo)
    surface.finish(answer)
    order_id = answer.json()["order_id"]
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        answer = surface.request("GET", f"/api/v1/orders/{order_id}?_method=DELETE", ((name, "DELETE"),))
        assert (answer.status, answer.json()["status"]) == (200, "succeeded")


@pytest.mark.parametrize(
    "target",
    [
        case(36, target[:60], target)
        for target in (
            "/api/v1/orders/%2e%2e/admin",
            "/api/v1/orders/../../ops/",
            "//api//v1//orders",
            "/api/v1//orders",
            "/api//v1/styles",
            "/api/v1/orders/",
            "/API/v1/orders",
            "/api/v1/orders%00",
            "/api/v1/orders/%00",
            "/api/v1/orders;jsessionid=1",
            "/static/../web/api.py",
            "/static/%2e%2e/api.py",
            "/static/..%2fapi.py",
            "/.env",
            "/.git/config",
            "/console",
            "/" + "a" * 8_000,
            "/api/v1/orders/" + "a" * 8_000,
        )
    ],
)
def test_a_path_that_is_none_of_ours_is_not_found(surface: Surface, refuse: Refuse, target: str) -> None:
    refuse(surface.request("GET", target), 404, 414)
    refuse(surface.request("POST", target, (("Content-Type", MULTIPART),), b""), 404, 405, 414)


@pytest.mark.parametrize(
    "url",
    [
        case(55, name, url)
        for name, url in {
            "the cloud's metadata": "http://169.254.169.254/",
            "Redis": "http://127.0.0.1:6379/",
            "a file": "file:///etc/passwd",
            "IPv6 loopback": "http://[::1]",
            "a number for an address": "http://0x7f.1",
            "our own ear": "http://127.0.0.1:{port}/photo.jpg",
        }.items()
    ],
)
def test_a_photo_by_link_is_not_fetched(surface: Surface, refuse: Refuse, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        url = url.replace("{port}", str(canary.getsockname()[1]))
        answer = surface.submit(parts=(Part("photo_url", url),))
        refuse(answer, 400, code="invalid_order")
        refuse(surface.submit(parts=(Part("photo", url),)), 400, code="invalid_order")
        canary.setblocking(False)
        with pytest.raises(BlockingIOError):
            canary.accept()  # nobody connected
    assert url not in answer.text
