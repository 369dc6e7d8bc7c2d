"""Rows 60, 64 and 65 as a browser meets them: a press that does not count is answered by a page and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from redis import Redis

from jobs.access.operators import end_sessions
from jobs.farm import Farm
from jobs.settings import Settings
from tests.browser.browser import Cookies
from tests.browser.conftest import MakeVisitor, log_in_once
from tests.builders import accept, fail, get_task, must_claim, open_farm, read_everything, send
from tests.rows import case
from tests.serving import PASSWORD, serve

ANOTHER_SITE = "http://localhost:9/gift"
ATTEMPTS = 5
"""Wrong logins of an address in a minute that are still answered as such."""


@pytest.fixture(scope="module")
def farm(settings: Settings) -> Iterator[Farm]:
    """A farm with a failed order, whose page has a button that does something at once."""
    with open_farm(settings) as farm:
        accept(farm, order_id="failed")
        claimed = must_claim(farm)
        send(farm, claimed)
        fail(farm, claimed, kind="execution_failed")
        yield farm


@pytest.fixture
def url(farm: Farm) -> Iterator[str]:
    """A web tier of the test's own, which has not counted anybody's logins yet."""
    with serve(farm) as url:
        yield url


@pytest.fixture
def cookies(url: str, chromium: Browser) -> Cookies:
    """Of an operator who has logged in."""
    return log_in_once(url, chromium)


def press_try_again(page: Page) -> None:
    page.get_by_role("button", name="Try again").click()


def log_out_elsewhere(farm: Farm, page: Page) -> None:
    """The same operator, at another machine."""
    farm.database.write(end_sessions, 1)
    press_try_again(page)
    expect(page.locator(".trouble")).to_have_count(0)  # who has been logged out reads nothing of the farm


def let_the_form_expire(farm: Farm, page: Page) -> None:
    page.evaluate("document.querySelectorAll('[name=csrf_token]').forEach(field => { field.value = 'long-ago' })")
    press_try_again(page)


def press_on_another_site(farm: Farm, page: Page) -> None:
    """A stranger's page that sends the form with all that it could know, the token too."""
    form = page.locator("form", has=page.get_by_role("button", name="Try again"))
    action = form.evaluate("form => form.action")
    token = form.locator("[name=csrf_token]").input_value()
    html = (
        f"<!doctype html><link rel=icon href='data:,'><form method=post action='{action}'>"
        f"<input name=csrf_token value='{token}'><button>Try again</button></form>"
    )
    page.route(ANOTHER_SITE, lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(ANOTHER_SITE)
    press_try_again(page)


def come_by_address(farm: Farm, page: Page) -> None:
    """Instead of a press."""
    page.goto(f"{page.url.partition('/ops/')[0]}/ops/tasks/{get_task(farm, 1).task_id}/retry")


@pytest.mark.parametrize(
    ("attempt", "status", "words"),
    [
        case(60, "logged out", log_out_elsewhere, 302, "Log in"),
        case(60, "an expired form", let_the_form_expire, 403, "The form has expired; load the page again."),
        case(60, "another site", press_on_another_site, 403, "This form was sent from another site."),
        case(60, "by address", come_by_address, 405, "This cannot be done here."),
    ],
)
def test_a_press_that_does_not_count_is_answered_by_a_page_and_changes_nothing(
    farm: Farm,
    url: str,
    make_visitor: MakeVisitor,
    cookies: Cookies,
    attempt: Callable[[Farm, Page], None],
    status: int,
    words: str,
) -> None:
    operator = make_visitor(url, cookies=cookies)
    operator.expected = {status}
    page = operator.open("/ops/orders/failed")
    before = read_everything(farm)
    attempt(farm, page)
    expect(page.locator("main")).to_contain_text(words)
    assert any(line.startswith(f"{status} {url}/ops/") for line in operator.requests)
    after = read_everything(farm)
    assert {name for name in before if before[name] != after[name]} <= {"users"}, "a session may have ended"
    operator.picture(f"refused-{status}-{attempt.__name__}")


@pytest.mark.row(64)
def test_requeue_by_address_is_refused_and_moves_no_job(
    farm: Farm, url: str, make_visitor: MakeVisitor, cookies: Cookies
) -> None:
    def all_keys(redis: Redis) -> dict[bytes, bytes | None]:
        return {key: redis.dump(key) for key in redis.scan_iter("rq:*")}

    before = all_keys(farm.redis)
    assert before, "a ring waits"
    for visitor, status in ((make_visitor(url, cookies=cookies), 405), (make_visitor(url), 401)):
        visitor.expected = {status}
        visitor.open("/ops/rq/requeue/comfyui")
        assert visitor.requests[0] == f"{status} {url}/ops/rq/requeue/comfyui"
    assert all_keys(farm.redis) == before


@pytest.mark.row(65)
def test_a_login_leads_to_our_own_pages_and_a_copied_cookie_ends_with_the_session(
    url: str, make_visitor: MakeVisitor
) -> None:
    operator = make_visitor(url)
    page = operator.open("/ops/login?next=https://evil.example/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{url}/ops/")
    thief = make_visitor(url, cookies=operator.cookies())
    expect(thief.open("/ops/orders").locator("h1")).to_have_text("Orders")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(thief.open("/ops/orders").get_by_role("button", name="Log in")).to_be_visible()


@pytest.mark.row(65)
def test_after_five_wrong_passwords_the_page_asks_for_a_minute_even_of_who_knows_it(
    url: str, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url)
    visitor.expected = {401, 429}
    page = visitor.open("/ops/login")
    for number, password in enumerate(["a guess"] * (ATTEMPTS + 1) + [PASSWORD]):
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        words = "The name or password is wrong." if number < ATTEMPTS else "wait a minute"
        expect(page.get_by_role("alert")).to_contain_text(words)
    visitor.picture("login-too-many")
    assert [line[:3] for line in visitor.requests if "login" in line and not line.startswith("200")] == [
        *["401"] * ATTEMPTS,
        "429",
        "429",
    ]
