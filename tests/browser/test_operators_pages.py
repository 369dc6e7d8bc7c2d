"""The operators' and the guest's pages in a real browser: nothing from other hosts, no error, nothing hostile runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from jobs.access.models import Booth
from jobs.cloud import brake
from jobs.comfyui import servers
from jobs.comfyui.models import Server
from jobs.errors.steps import QuotaExhausted
from jobs.farm import Farm
from jobs.orders.models import Order, Step, Task
from jobs.settings import Settings
from tests.browser.browser import HOSTILE, Visitor, assert_nothing_ran
from tests.browser.conftest import MakeVisitor
from tests.builders import (
    accept,
    change,
    fail,
    get_task,
    guest_path,
    must_claim,
    open_farm,
    paint,
    send,
    with_key,
)
from tests.serving import PASSWORD, serve


@pytest.fixture(scope="module")
def farm(settings: Settings) -> Iterator[Farm]:
    """A farm with a task of each outcome; what strangers name or write is hostile, past every check at the door."""
    with open_farm(settings) as farm:
        made, failed, waits = (accept(farm, order_id=name)[0] for name in ("made", "failed", "waits"))
        paint(farm)
        claimed = must_claim(farm)
        send(farm, claimed)
        fail(farm, claimed, kind="execution_failed")
        for task_id in (made, failed, waits):
            change(farm, Task, task_id, style=HOSTILE)
        change(farm, Task, failed, reason=HOSTILE)
        change(farm, Step, claimed.held.step_id, detail=HOSTILE, worker=HOSTILE)
        change(farm, Booth, farm.database.read(lambda session: session.scalars(select(Booth.id)).first()), name=HOSTILE)
        farm.database.write(servers.sync_servers, ("http://comfy-1:8188", "http://comfy-2:8188"))
        aside = servers.list_servers
        change(
            farm, Server, farm.database.read(aside)[1].url, set_aside_at=get_task(farm, made).created_at, why=HOSTILE
        )
        yield farm


def test_a_wrong_password_is_said_and_the_right_one_leads_on(url: str, make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(url)
    visitor.expected = {401}
    page = visitor.open("/ops/servers")
    visitor.picture("ops-login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("The name or password is wrong.")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Servers and pools")).to_be_visible()
    page.get_by_role("button", name="Log out").click()  # ends every session; the others' begins after this test
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


@pytest.mark.row(66)
@pytest.mark.parametrize("outcome", ["made", "failed", "waits"])
def test_a_task_s_page_shows_hostile_words_as_text(farm: Farm, operator: Visitor, outcome: str) -> None:
    query = select(Task.task_id).join(Order).where(Order.order_id == outcome)
    page = operator.open(f"/ops/tasks/{farm.database.read(lambda session: session.scalars(query).one())}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=/x onerror=")
    assert_nothing_ran(operator.page)
    if outcome == "made":
        assert page.locator(".pictures a img").evaluate("image => image.naturalWidth > 0")
    operator.picture(f"ops-task-{outcome}")


@pytest.mark.row(66)
def test_the_servers_page_shows_hostile_words_as_text(farm: Farm, operator: Visitor) -> None:
    page = operator.open("/ops/servers")
    expect(page.locator("main")).to_contain_text("<img src=/x onerror=")
    assert_nothing_ran(operator.page)
    operator.picture("ops-servers-hostile")


@pytest.mark.row(66)
def test_the_guest_s_page_speaks_two_languages_and_fits_a_phone(
    farm: Farm, url: str, make_visitor: MakeVisitor
) -> None:
    visitor = make_visitor(url, size=(390, 844), language="zh-CN")
    for order_id, words in (
        ("made", "下载"),
        ("failed", "请向现场工作人员出示取件码"),
        ("waits", "马上开始制作"),
    ):
        page = visitor.open(guest_path(farm, order_id))
        expect(page.locator("main")).to_contain_text(words)
        assert page.title() == "您的照片"
        assert "&#" not in page.locator("body").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert_nothing_ran(visitor.page)
        visitor.picture(f"guest-{order_id}")


def test_providers_are_paused_resumed_and_given_a_budget(farm: Farm, make_visitor: MakeVisitor) -> None:
    with open_farm(farm.settings, **with_key(), openai_limit=4) as other, serve(other) as url:
        visitor = make_visitor(url)
        visitor.log_in(PASSWORD)
        other.database.write(brake.note_error, "openai", QuotaExhausted(HOSTILE), 0.0, other.settings)
        page = visitor.open("/ops/providers")
        openai = page.locator("tbody tr").filter(has=page.get_by_text("openai", exact=True)).first
        expect(openai).to_contain_text("paused for 15:00 min")
        expect(page.locator(".trouble").filter(has_text="has no credit left")).to_be_visible()
        assert_nothing_ran(visitor.page)
        visitor.picture("ops-providers-paused")
        openai.get_by_role("button", name="Try again now").click()
        expect(openai).to_contain_text("1 at once, more as it succeeds")
        openai.locator("summary", has_text="Pause").click()
        expect(openai).to_contain_text("Nothing new is sent there until somebody tries it again.")
        openai.get_by_role("button", name="Pause").click()
        expect(openai).to_contain_text("Paused by admin.")
        openai.get_by_label("Budget").fill("12.5")
        openai.get_by_role("button", name="Set").click()
        expect(page.get_by_role("status").first).to_contain_text("The budget of openai is 12.5 a day")
        expect(openai.get_by_label("Budget")).to_have_value("12.5")
        visitor.picture("ops-providers")


def test_rq_s_page_says_that_redis_is_away(farm: Farm, make_visitor: MakeVisitor) -> None:
    with open_farm(farm.settings, redis_url="redis://127.0.0.1:1/0") as other, serve(other) as url:
        visitor = make_visitor(url)
        visitor.expected = {503}
        visitor.log_in(PASSWORD)
        page = visitor.open("/ops/rq/")
        expect(page.get_by_role("alert")).to_contain_text("Redis is away")
        visitor.picture("rq-redis-away")
        page.get_by_role("link", name="Orders").click()
        expect(page.locator(".orders")).to_be_visible()
        page.wait_for_load_state("networkidle")  # its small pictures come later, and this server ends here
