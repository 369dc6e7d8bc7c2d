"""The guest's page in a real browser, phone-sized: from the queue to the picture without reloading, shared, deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from jobs.access.models import AuditEntry
from jobs.farm import Farm
from jobs.orders.models import Image
from jobs.settings import Settings
from tests.browser.browser import Visitor
from tests.browser.conftest import MakeVisitor
from tests.builders import (
    accept,
    change,
    fail,
    get_task,
    guest_path,
    list_files,
    list_images,
    must_claim,
    open_farm,
    paint,
    send,
)

PHONE = (390, 844)
ASKS_AGAIN_MS = 12_000
"""Longer than any page waits before it asks again; the page's clock is moved on, nobody sleeps."""


@pytest.fixture(scope="module")
def farm(settings: Settings) -> Iterator[Farm]:
    with open_farm(settings) as farm:
        yield farm


@pytest.fixture
def guest(url: str, make_visitor: MakeVisitor) -> Visitor:
    """A guest with a phone."""
    return make_visitor(url, size=PHONE)


def let_it_ask(page: Page) -> None:
    page.clock.fast_forward(ASKS_AGAIN_MS)


def come_online(page: Page) -> None:
    """The phone says that its network is back."""
    page.evaluate("dispatchEvent(new Event('online'))")


def test_the_page_goes_from_the_queue_to_the_picture_without_being_loaded_anew(farm: Farm, guest: Visitor) -> None:
    before, mine = accept(farm, order_id="before")[0], accept(farm, order_id="mine")[0]
    guest.page.clock.install()
    page = guest.open(guest_path(farm, "mine"))
    page.evaluate("window.isSame = true")
    expect(page.get_by_role("heading", name="1 picture before yours")).to_be_visible()
    guest.picture("guest-queued")

    paint(farm)
    assert get_task(farm, before).status == "succeeded"
    let_it_ask(page)
    expect(page.get_by_role("heading", name="You are next.")).to_be_visible()

    claimed = must_claim(farm)
    farm.announcer.report_progress(get_task(farm, mine).order_id, mine, 0.4, "making")
    let_it_ask(page)
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "0.4")
    expect(page.locator(".spoken")).to_have_text("Your picture is being made.")
    canvas = page.locator(".canvas").element_handle()
    farm.announcer.report_progress(get_task(farm, mine).order_id, mine, 0.7, "making")
    let_it_ask(page)
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "0.7")
    assert canvas is not None and canvas.evaluate("canvas => canvas.isConnected"), "what moves is not begun anew"
    guest.picture("guest-making")

    paint(farm, claimed, number=3)
    let_it_ask(page)
    picture = page.get_by_role("img", name="Your finished picture")
    expect(picture).to_be_visible()
    assert page.evaluate("window.isSame") is True
    assert page.locator(".cards[data-again]").count() == 0, "a page without news to come asks no more"
    guest.picture("guest-ready")


def test_the_picture_is_downloaded_and_shared_as_a_file_or_else_as_a_link(farm: Farm, guest: Visitor) -> None:
    guest.context.grant_permissions(["clipboard-read", "clipboard-write"])
    accept(farm, order_id="shared")
    paint(farm, number=3)
    page = guest.open(guest_path(farm, "shared"))
    link = page.url
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.startswith("picture-")
    page.get_by_role("button", name="Share").click()
    expect(page.locator(".said")).to_contain_text("The link is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.evaluate(
        "Object.assign(navigator, { canShare: () => true,"
        " share: async ({ files: [file] }) => { window.shared = [file.name, file.type, file.size] } })"
    )
    page.get_by_role("button", name="Share").click()
    page.wait_for_function("window.shared")
    name, kind, size = page.evaluate("window.shared")
    assert (name, kind) == (download.value.suggested_filename, "image/jpeg")
    assert size == download.value.path().stat().st_size


def test_a_farm_that_is_away_for_a_while_is_told_and_then_forgotten(farm: Farm, guest: Visitor) -> None:
    accept(farm, order_id="patient")
    guest.expected = {503}
    page = guest.page
    page.clock.install()
    guest.open(guest_path(farm, "patient"))
    page.route("**/state", lambda route: route.fulfill(status=503))
    with page.expect_response("**/state"):
        let_it_ask(page)
    come_online(page)
    expect(page.get_by_text("No connection.")).to_be_visible()
    page.unroute("**/state")
    come_online(page)
    expect(page.get_by_text("No connection.")).to_be_hidden()
    farm.interventions.cancel_order("patient", actor="admin")


def test_a_guest_deletes_a_photo_while_its_picture_is_being_made(
    farm: Farm, guest: Visitor, url: str, make_visitor: MakeVisitor
) -> None:
    kept = list_files(farm)
    (task,) = accept(farm, order_id="regretted")
    path = guest_path(farm, "regretted")
    other = make_visitor(url, size=PHONE)
    other.expected = {404}
    other.page.clock.install()
    other.open(path)

    page = guest.open(path)
    page.get_by_text("Delete my photo").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    guest.picture("guest-asked-to-delete")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="Your photo is deleted.")).to_be_visible()
    expect(page.locator("dl")).to_contain_text("regretted")
    guest.picture("guest-receipt")
    page.reload()
    expect(page.get_by_role("heading", name="Your photo is deleted.")).to_be_visible()
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", name="您的照片已删除。")).to_be_visible()
    guest.picture("guest-receipt-zh")

    let_it_ask(other.page)
    expect(other.page.get_by_role("heading", name="No picture here")).to_be_visible()
    other.picture("guest-nothing")
    assert get_task(farm, task).status == "canceled"
    assert list_files(farm) == kept
    notes = farm.database.read(lambda session: list(session.scalars(select(AuditEntry).order_by(AuditEntry.id))))
    assert [
        (note.actor, note.action, note.subject)
        for note in notes
        if "regretted" in note.subject and note.action == "delete"
    ] == [("guest", "delete", "order:regretted")]


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_every_end_is_told_kindly_and_fits_a_phone(
    farm: Farm, url: str, make_visitor: MakeVisitor, language: str
) -> None:
    name = f"ends-{language}"
    tasks = accept(farm, 6, order_id=name)
    paint(farm)
    change(farm, Image, list_images(farm)[-1].id, made_by={"resource": "comfyui", "alternative": True, "why": "slow"})
    for kind in ("content_refused", "execution_failed", "poison"):
        claimed = must_claim(farm)
        send(farm, claimed)
        fail(farm, claimed, kind=kind)
    farm.interventions.cancel_task(get_task(farm, tasks[4]).task_id, actor="admin")
    visitor = make_visitor(url, size=PHONE, language=language)
    page = visitor.open(guest_path(farm, name))
    words = {
        "en-GB": ("another way than usual", "nobody's fault", "Your photo is fine.", "take a new one", "was canceled"),
        "zh-CN": ("换了一种方式", "不是任何人的问题", "没有问题", "重新拍一张", "已取消"),
    }
    for text in words[language]:
        expect(page.locator("main")).to_contain_text(text)
    assert "&#" not in page.locator("body").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visitor.picture(name)
    farm.interventions.cancel_order(name, actor="admin")
