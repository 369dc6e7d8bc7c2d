"""Rows 56, 57 and 59: links that somebody altered, that are over, and hosts that are not ours."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.rows import case
from tests.surface.conftest import Refuse
from tests.surface.farm import Surface
from tests.surface.wire import Answer, Header

HOURS = 3600.0


def told(answer: Answer) -> tuple[Any, ...]:
    """What a 404 tells, but for its request's id."""
    assert answer.status == 404
    problem = {key: value for key, value in answer.json().items() if key != "request_id"}
    names = sorted(name for name in answer.headers if name not in ("Date", "X-Request-Id"))
    return answer.status, problem, names


def ask(surface: Surface, target: str, *headers: Header) -> Answer:
    """Without a key, as a guest does."""
    return surface.request("GET", target, headers, key=None)


@pytest.fixture(scope="module")
def finished(surface: Surface, photo: bytes) -> dict[str, Any]:
    """A finished order, as the API shows it."""
    answer = surface.submit(photo)
    surface.finish(answer)
    return surface.order(answer.json()["order_id"])


def changed(token: str, at: int) -> str:
    """The token with one character changed."""
    at %= len(token)
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


@pytest.mark.parametrize("kind", ["url", "thumbnail_url"])
@pytest.mark.row(56)
def test_row_56_an_altered_image_token_is_not_found(
    surface: Surface, finished: dict[str, Any], refuse: Refuse, kind: str
) -> None:
    url: str = finished["tasks"][0]["images"][0][kind]
    assert ask(surface, url).status == 200
    path, token = url.rsplit("/", 1)
    altered = [changed(token, at) for at in range(len(token))]
    altered += [token[:-1], token[:10], token[1:], token + "A", token + "=", token * 2, token.swapcase(), "A", "%00"]
    altered += [token + "%00", token.replace(token[3], "%C3%A9"), "..%2f" + token, "a" * 4000]
    answers = [told(ask(surface, f"{path}/{other}")) for other in altered]
    assert all(answer == answers[0] for answer in answers)
    refuse(ask(surface, f"{path}/{altered[0]}"), 404, code="not_found")


@pytest.mark.row(56)
def test_row_56_expired_and_foreign_image_tokens_are_not_found(
    surface: Surface, finished: dict[str, Any], refuse: Refuse
) -> None:
    [(uid,)] = surface.ask("SELECT uid FROM images ORDER BY id DESC LIMIT 1")
    signer, now = surface.signer(), time.time()
    assert ask(surface, f"/api/v1/images/{signer.image_token(uid, 'full', now)}").status == 200
    assert ask(surface, f"/api/v1/images/{signer.image_token(uid, 'full', now - 23 * HOURS)}").status == 200
    expired = told(ask(surface, f"/api/v1/images/{signer.image_token(uid, 'full', now - 26 * HOURS)}"))
    unknown = told(ask(surface, f"/api/v1/images/{signer.image_token('0' * 32, 'full', now)}"))
    other_key = type(signer)(b"another secret").image_token(uid, "full", now)
    assert expired == unknown == told(ask(surface, f"/api/v1/images/{other_key}"))
    guest = finished["guest"]["url"].rsplit("/", 1)[1]
    assert told(ask(surface, f"/api/v1/images/{guest}")) == expired


@pytest.mark.row(56)
@pytest.mark.row(57)
def test_rows_56_57_links_of_a_deleted_order_are_not_found(surface: Surface, photo: bytes) -> None:
    answer = surface.submit(photo)
    task = surface.finish(answer)
    order = surface.order(answer.json()["order_id"])
    token = order["guest"]["url"].rsplit("/", 1)[1]
    urls = [task["images"][0]["url"], task["images"][0]["thumbnail_url"], f"/g/{token}", f"/g/{token}/qr.svg"]
    assert [ask(surface, url).status for url in urls] == [200] * 4
    assert surface.request("DELETE", f"/api/v1/orders/{order['order_id']}").status == 200
    never = [told(ask(surface, f"/api/v1/images/{'A' * 52}")), told(ask(surface, f"/g/{'0' * 32}"))]
    assert [told(ask(surface, url)) for url in urls[:2]] == never[:1] * 2
    assert [told(ask(surface, url)) for url in urls[2:]] == never[1:] * 2


@pytest.mark.parametrize("page", [case(57, "page", ""), case(57, "state", "/state"), case(57, "QR code", "/qr.svg")])
def test_a_guest_token_that_is_not_the_orders_is_not_found(
    surface: Surface, photo: bytes, request: pytest.FixtureRequest, page: str
) -> None:
    orders = []
    for _ in range(2):
        answer = surface.submit(photo)
        surface.finish(answer)
        orders.append(surface.order(answer.json()["order_id"]))
    refuse: Refuse = request.getfixturevalue("refuse")
    token, other = (order["guest"]["url"].rsplit("/", 1)[1] for order in orders)
    assert ask(surface, f"/g/{token}{page}").status == 200
    uid, other_uid = (
        surface.ask("SELECT uid FROM orders WHERE order_id = ?", order["order_id"])[0][0] for order in orders
    )
    signer = surface.signer()
    wrong = [changed(token, at) for at in range(len(token))]
    wrong += [token[:-1], token[:16], token + "0", token.upper(), token[:16] + other[16:], "%00", "a" * 4000, uid]
    wrong += [signer.guest_token(uid, 2), signer.guest_token(other_uid, 0), orders[0]["guest"]["code"], "' OR 1=1--"]
    wrong = [text.replace(" ", "%20") for text in wrong if text != token]
    answers = [told(ask(surface, f"/g/{text}{page}")) for text in wrong]

    # Revoked: the number was raised, and nothing else. Expired: older than what is kept.
    surface.change("UPDATE orders SET link_number = link_number + 1 WHERE uid = ?", uid)
    answers.append(told(ask(surface, f"/g/{token}{page}")))
    surface.change(
        "UPDATE orders SET created_at = datetime(created_at, '-7 days', '-1 minute') WHERE uid = ?", other_uid
    )
    answers.append(told(ask(surface, f"/g/{other}{page}")))
    assert all(answer == answers[0] for answer in answers)
    refuse(ask(surface, f"/g/{token}{page}"), 404, code="not_found")


@pytest.mark.parametrize(
    "host",
    [
        *(
            case(59, host or "empty", host)
            for host in (
                "evil",
                "evil.example:80",
                "",
                "127.0.0.1.evil.example",
                "evil.example#127.0.0.1",
                "127.0.0.1@evil.example",
                "evil.example/127.0.0.1",
                "evil.example?127.0.0.1",
                "localhost.evil.example",
                "0.0.0.0",  # noqa: S104  a Host that somebody sends
                "169.254.169.254",
                "[",
                "[fe80::1]",
            )
        ),
        case(59, "not ASCII", "\u00e9vil.example".encode()),
        case(59, "two words", "127.0.0.1 evil.example"),
    ],
)
def test_another_host_is_refused(surface: Surface, refuse: Refuse, photo: bytes, host: str | bytes) -> None:
    for path in ("/api/v1/queue", "/ops/login", "/ops/", "/g/" + "0" * 32, "/healthz", "/nowhere"):
        answer = surface.request("GET", path, (("Host", host),))
        refuse(answer, 400)
        assert "evil" not in answer.text and "evil" not in answer.headers.get("Location", "")


@pytest.mark.row(59)
def test_row_59_two_hosts_or_a_host_in_the_path_lead_to_no_link(surface: Surface, refuse: Refuse) -> None:
    here = f"127.0.0.1:{surface.farm.port}"
    two = surface.request("GET", "/ops/", (("Host", here), ("Host", "evil.example")))
    assert two.status == 400
    assert "evil" not in two.text
    for target in ("http://evil.example/ops/", "//evil.example/ops/", "/\\evil.example/ops/"):
        answer = surface.request("GET", target)
        assert answer.status in (302, 400, 404)
        assert "evil" not in answer.headers.get("Location", "").split("next=")[0]


@pytest.mark.row(59)
def test_row_59_links_start_with_the_farms_own_address(surface: Surface, finished: dict[str, Any]) -> None:
    forwarded = (
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Forwarded", "host=evil.example;proto=https"),
        ("X-Original-URL", "/ops/"),
        ("X-Rewrite-URL", "/ops/"),
    )
    target = f"/api/v1/orders/{finished['order_id']}"
    for host in (f"localhost:{surface.farm.port}", "127.0.0.1", "127.0.0.2:1", "[::1]"):
        answer = surface.request("GET", target, (("Host", host), *forwarded))
        assert answer.status == 200
        assert answer.json()["guest"] == finished["guest"]
        assert finished["guest"]["url"].startswith(f"{surface.farm.url}/g/")
        assert "evil" not in answer.text
    page = surface.request("GET", "/ops/", forwarded)
    assert page.headers["Location"].startswith("/ops/login")
