"""Every page of ours in both languages, looked at by axe-core: the guest's in each state, the kiosk, the operators'.

rq-dashboard's pages are left out: their HTML is a library's, which technicians alone see.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from jobs.access.booths import create_booth
from jobs.farm import Farm
from jobs.settings import Settings
from scripts.simulators.photos import portrait
from tests.browser.accessibility import assert_accessible, list_findings
from tests.browser.browser import Cookies, Visitor
from tests.browser.conftest import MakeVisitor
from tests.browser.kiosk import pair
from tests.builders import accept, fail, get_task, guest_path, must_claim, open_farm, paint, send
from web.ops import PAGES

PHONE = (390, 844)
LIBRARY = "/ops/rq/"


@pytest.fixture(scope="module")
def farm(settings: Settings) -> Iterator[Farm]:
    """A farm with an order of each kind."""
    with open_farm(settings) as farm:
        ids = {name: accept(farm, order_id=name)[0] for name in ("made", "failed", "making", "waits")}
        paint(farm)
        claimed = must_claim(farm)
        send(farm, claimed)
        fail(farm, claimed, kind="content_refused")
        must_claim(farm)
        farm.announcer.report_progress(get_task(farm, ids["making"]).order_id, ids["making"], 0.4, "making")
        yield farm


def look_at(visitor: Visitor, paths: list[str]) -> dict[str, list[str]]:
    """The findings by path, of pages that have any."""
    found = {}
    for path in paths:
        visitor.open(path)
        if findings := list_findings(visitor):
            found[path] = findings
    return found


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_the_guest_s_pages_are_accessible(farm: Farm, url: str, make_visitor: MakeVisitor, language: str) -> None:
    regretted = f"regretted-{language}"
    accept(farm, order_id=regretted)
    visitor = make_visitor(url, size=PHONE, language=language)
    visitor.expected = {404}
    paths = [guest_path(farm, order_id) for order_id in ("made", "failed", "making", "waits")]
    assert look_at(visitor, [*paths, f"/g/{'0' * 32}"]) == {}
    page = visitor.open(guest_path(farm, regretted))
    page.locator(".erase summary").click()
    assert_accessible(visitor)
    page.locator(".erase button").click()
    expect(page.locator("dl")).to_contain_text(regretted)
    assert_accessible(visitor)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_kiosk_is_accessible(farm: Farm, url: str, make_visitor: MakeVisitor, language: str) -> None:
    key = farm.database.write(create_booth, f"kiosk-{language}")
    visitor = make_visitor(url)
    visitor.open(f"/booth?lang={language}")
    assert_accessible(visitor)
    page = pair(visitor, key, language=language).page
    assert_accessible(visitor)
    file = page.locator("[data-screen=file] input[type=file]").last
    for screen, act in (
        ("file", page.locator("[data-press=begin]").click),
        ("review", lambda: file.set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": portrait(1)})),
        ("styles", page.locator("[data-press=keep]").click),
        ("wait", page.locator("#styles button").first.click),
    ):
        act()
        expect(page.locator(f"body[data-shows={screen}]")).to_be_visible()
        assert_accessible(visitor)


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_the_operators_pages_are_accessible(
    farm: Farm, url: str, make_visitor: MakeVisitor, cookies: Cookies, language: str
) -> None:
    stranger = make_visitor(url, language=language)
    assert look_at(stranger, ["/ops/login"]) == {}
    operator = make_visitor(url, cookies=cookies, language=language)
    page = operator.open("/ops/")
    menu = [link.get_attribute("href") or "" for link in page.locator("header nav a").all()]
    assert len(menu) == len(PAGES), "an owner sees every page"
    task_ids = [get_task(farm, number).task_id for number in (1, 2, 3)]
    more = [f"/ops/tasks/{task_id}" for task_id in task_ids] + [
        "/ops/orders/made",
        "/ops/orders/failed",
        "/ops/orders/made/print",
    ]
    assert look_at(operator, [path for path in menu if path != LIBRARY] + more) == {}
