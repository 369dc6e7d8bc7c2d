"""Operators find an order by what a guest can tell, help with it, and look into what failed, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from jobs.access.models import Booth
from jobs.farm import Farm
from jobs.orders.models import Order, Step, Task
from jobs.settings import Settings
from tests.browser.browser import HOSTILE, Cookies, Visitor, assert_nothing_ran
from tests.browser.conftest import MakeVisitor
from tests.builders import (
    accept,
    change,
    fail,
    find_order,
    get_task,
    guest_path,
    must_claim,
    open_farm,
    paint,
    send,
)

PHONE = (390, 844)


@pytest.fixture(scope="module")
def farm(settings: Settings) -> Iterator[Farm]:
    """A farm without workers, with orders of each outcome; one is hostile wherever strangers' words can stand."""
    with open_farm(settings) as farm:
        for number in range(2):
            accept(farm, order_id=f"made-{number}")
            paint(farm, number=number)
        for order_id in ("failed", "hostile", "again-1", "again-2"):
            (task_id,) = accept(farm, order_id=order_id)
            claimed = must_claim(farm)
            send(farm, claimed)
            fail(farm, claimed, kind="unavailable" if order_id.startswith("again") else "execution_failed")
            if order_id == "hostile":
                change(farm, Task, task_id, style=HOSTILE, reason=HOSTILE)
                change(farm, Step, claimed.held.step_id, detail=HOSTILE, worker=HOSTILE)
                change(farm, Booth, find_order(farm, "hostile").booth_id, name=HOSTILE)
        accept(farm, 2, order_id="waits")
        yield farm


@pytest.fixture
def on_a_phone(url: str, make_visitor: MakeVisitor, cookies: Cookies) -> Visitor:
    """The same with a phone that speaks Chinese."""
    return make_visitor(url, cookies=cookies, size=PHONE, language="zh-CN")


def task_of(farm: Farm, order_id: str) -> Task:
    """Its newest task."""
    query = select(Task).join(Order).where(Order.order_id == order_id).order_by(Task.id.desc()).limit(1)
    return farm.database.read(lambda session: session.scalars(query).one())


def read_presses(operator: Visitor) -> str:
    """What the page of who pressed what says."""
    return operator.open("/ops/audit").locator(".presses").inner_text()


def assert_fits(page: Page) -> None:
    """No sideways scrolling on this screen."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def find(page: Page, words: str) -> None:
    page.get_by_label("Code, order, booth").fill(words)
    page.get_by_role("button", name="Find").click()


def test_the_last_guests_are_seen_at_once_and_one_is_found_by_code(
    farm: Farm, operator: Visitor, on_a_phone: Visitor
) -> None:
    page = operator.open("/ops/orders")
    expect(page.locator(".orders li")).to_have_count(7)
    expect(page.locator(".orders img").first).to_be_visible()
    assert page.locator(".orders li").first.locator("img.photo").count() == 2, "what is not made yet shows its photos"
    operator.picture("orders")
    find(page, find_order(farm, "made-0").code.lower())
    expect(page.locator(".orders li")).to_have_count(1)
    expect(page.locator(".orders img")).to_have_js_property("complete", True)
    assert page.locator(".orders img").evaluate("image => image.naturalWidth") > 100
    page.locator(".orders a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(find_order(farm, "made-0").code)
    operator.picture("order")
    page = on_a_phone.open("/ops/orders")
    assert_fits(page)
    on_a_phone.picture("orders-phone-zh")
    page = on_a_phone.open("/ops/orders/made-0")
    assert_fits(page)
    on_a_phone.picture("order-phone-zh")


@pytest.mark.row(66)
def test_hostile_words_are_text_on_the_lists_and_the_order_s_page(farm: Farm, operator: Visitor) -> None:
    page = operator.open("/ops/orders?status=failed")
    expect(page.locator(".orders")).to_contain_text("<img src=/x onerror=")
    assert_nothing_ran(page)
    find(page, HOSTILE[:64])
    expect(page.get_by_label("Code, order, booth")).to_have_value(HOSTILE[:64])
    assert_nothing_ran(page)
    page = operator.open("/ops/orders/hostile")
    expect(page.locator("main")).to_contain_text("<img src=/x onerror=")
    assert_nothing_ran(page)
    operator.picture("order-hostile")


def test_the_guest_s_link_is_printed_and_replaced(farm: Farm, operator: Visitor) -> None:
    old = guest_path(farm, "made-1")
    page = operator.open("/ops/orders/made-1")
    assert page.get_by_alt_text("QR code of the guest’s link").evaluate("image => image.naturalWidth") > 0
    page.get_by_role("link", name="Print link").click()
    expect(page.locator(".code")).to_have_text(find_order(farm, "made-1").code)
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    operator.picture("order-print")
    page.get_by_role("link", name="Back to the order").click()
    page.locator("summary", has_text="New link").click()
    expect(page.get_by_text("The old link ends at once")).to_be_visible()
    page.get_by_role("button", name="New link").click()
    expect(page.get_by_role("status")).to_contain_text("The order has a new link.")
    expect(page.locator(".pressed")).to_contain_text("admin made a new guest's link for order made-1")
    operator.open(guest_path(farm, "made-1"))
    operator.expected = {404}
    operator.open(old)
    assert any(line == f"404 {operator.url}{old}" for line in operator.requests)


def test_deleting_asks_first_and_afterwards_says_what_was_deleted(farm: Farm, operator: Visitor) -> None:
    (task_id,) = accept(farm, order_id="unwanted")
    page = operator.open("/ops/orders/unwanted")
    page.locator("summary", has_text="Delete the order").click()
    expect(page.get_by_text("Nobody can bring them back.")).to_be_visible()
    operator.picture("order-delete-asks")
    assert get_task(farm, task_id).status == "queued", "asking has changed nothing"
    operator.expected = {410}
    page.get_by_role("button", name="Delete the order").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This order is deleted.")
    expect(page.locator(".receipt")).to_contain_text("unwanted")
    operator.picture("order-deleted")
    expect(operator.open("/ops/orders?q=unwanted").locator(".orders")).to_contain_text(re.compile("deleted", re.I))
    assert "admin deleted order unwanted" in read_presses(operator)


@pytest.mark.row(60)
def test_all_failures_of_one_cause_are_tried_again_after_asking(
    farm: Farm, operator: Visitor, on_a_phone: Visitor
) -> None:
    page = on_a_phone.open("/ops/failures")
    assert_fits(page)
    on_a_phone.picture("failures-phone-zh")
    page = operator.open("/ops/failures")
    assert_nothing_ran(page)
    cause = page.locator(".cause").filter(has_text="was not available")
    expect(cause.locator(".count")).to_contain_text("2")
    cause.locator("summary", has_text="Try all again").click()
    expect(cause.get_by_text("2 pictures go back into the queue")).to_be_visible()
    operator.picture("failures")
    assert task_of(farm, "again-1").status == "failed", "asking has changed nothing"
    cause.get_by_role("button", name="Try all again").click()
    expect(page.get_by_role("status")).to_contain_text("2 pictures are tried again.")
    expect(cause).to_have_count(0)
    assert {task_of(farm, order_id).status for order_id in ("again-1", "again-2")} == {"running"}
    assert task_of(farm, "failed").status == "failed"


@pytest.mark.row(61)
def test_a_failed_task_is_found_by_code_and_tried_again_on_the_page_of_its_story(
    farm: Farm, operator: Visitor, on_a_phone: Visitor
) -> None:
    task = task_of(farm, "failed")
    page = on_a_phone.open(f"/ops/tasks/{task.task_id}")
    expect(page.locator(".story")).to_contain_text("最终失败")
    assert_fits(page)
    on_a_phone.picture("task-phone-zh")
    page = operator.open("/ops/orders")
    find(page, find_order(farm, "failed").code)
    page.locator(".orders a").click()
    page.get_by_role("link", name="What happened").click()
    expect(page.locator(".story")).to_contain_text("Failed for good: it could not make the picture.")
    page.get_by_text("Technical details").click()
    expect(page.get_by_role("cell", name="S6")).to_be_visible()
    operator.picture("task-failed")
    twin = operator.context.new_page()
    twin.goto(page.url)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_have_text("The task is tried again.")
    expect(page.locator(".story li").last).to_contain_text("admin had it tried again.")
    operator.expected = {409}
    twin.get_by_role("button", name="Try again").click()
    expect(twin.get_by_role("alert")).to_have_text("Only a failed task can be tried again.")
    twin.get_by_role("link", name="Back").click()
    expect(twin.get_by_role("heading", level=2).first).to_have_text("What happened")
    twin.close()
    assert read_presses(operator).count(f"admin tried task {task.task_id[:8]} again") == 1


def test_an_open_task_s_page_follows_it_and_canceling_asks_first(farm: Farm, operator: Visitor) -> None:
    (task_id,) = accept(farm, order_id="followed")
    page = operator.open(f"/ops/tasks/{get_task(farm, task_id).task_id}")
    page.locator("summary", has_text="Cancel").click()
    expect(page.get_by_text("The picture is not made.")).to_be_visible()
    operator.picture("task-cancel-asks")
    page.locator("summary", has_text="Cancel").click()
    page.get_by_text("Technical details").click()
    (step_id,) = farm.database.read(
        lambda session: session.scalars(select(Step.id).where(Step.task_id == task_id)).all()
    )
    change(farm, Task, task_id, status="running")
    change(farm, Step, step_id, status="running")
    expect(page.locator("h1 .status")).to_have_text("running")
    farm.interventions.cancel_task(get_task(farm, task_id).task_id, actor="booth:somebody else")
    expect(page.locator("h1 .status")).to_have_text("canceled")
    expect(page.locator(".story")).to_contain_text("booth somebody else canceled it.")
    expect(page.get_by_role("cell", name="S11")).to_be_visible()
    expect(page.get_by_role("button", name="Make another take")).to_be_visible()


@pytest.mark.row(66)
def test_hostile_words_are_text_in_a_story(farm: Farm, operator: Visitor) -> None:
    page = operator.open(f"/ops/tasks/{task_of(farm, 'hostile').task_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=/x onerror=")
    page.get_by_text("Technical details").click()
    assert_nothing_ran(page)
    operator.picture("task-hostile")


def test_a_style_is_switched_off_and_on_and_tried(
    farm: Farm, url: str, operator: Visitor, on_a_phone: Visitor, tmp_path: Path
) -> None:
    page = operator.open("/ops/styles")
    style = page.locator(".style").filter(has=page.get_by_role("heading", name="Framed print", exact=True))
    expect(style).to_contain_text("available")
    operator.picture("styles")
    style.locator("summary", has_text="Switch off").click()
    expect(style.get_by_text("stays in the queue")).to_be_visible()
    operator.picture("styles-asks")
    style.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("status")).to_have_text("Guests cannot choose Framed print any more.")
    expect(style).to_contain_text("not available · switched off by staff")
    page = on_a_phone.open("/ops/styles")
    assert_fits(page)
    on_a_phone.picture("styles-phone-zh")
    page = operator.page
    style.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("status")).to_have_text("Guests can choose Framed print again.")
    style.locator("summary", has_text="Try it").click()
    operator.picture("styles-trial")
    no_photo = tmp_path / "no-photo.jpg"
    no_photo.write_text("text")
    style.get_by_label("Photo").set_input_files(no_photo)
    operator.expected = {422}
    style.get_by_role("button", name="Make a trial picture").click()
    expect(page.get_by_role("alert")).to_contain_text("not a JPEG, PNG or WebP picture")
    page.get_by_role("link", name="Back").click()
    style.locator("summary", has_text="Try it").click()
    style.get_by_role("button", name="Make a trial picture").click()
    expect(page.get_by_role("status")).to_contain_text("The trial is under way.")
    expect(page.locator("main")).to_contain_text("Booth (trial)")
    while get_task(farm, paint(farm, number=4).held.task_id).task_id != page.url.rpartition("/")[2]:
        pass  # what waited before it
    expect(page.locator("h1 .status")).to_have_text("succeeded")
    expect(page.get_by_alt_text("Picture of step 1")).to_be_visible()
    operator.picture("trial-done")
