"""The board in a browser: it updates by itself, keeps its place, says when it cannot, fills a wall."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from jobs.access.models import Booth
from jobs.comfyui import servers
from jobs.comfyui.models import Server
from jobs.farm import Farm
from jobs.orders.models import Task
from jobs.settings import Settings
from tests.browser.browser import HOSTILE, Cookies, assert_nothing_ran
from tests.browser.conftest import MakeVisitor
from tests.builders import (
    SERVER,
    accept,
    change,
    fail,
    finish,
    must_claim,
    open_farm,
    seconds_ago,
    send,
    with_key,
)
from tests.integration.board.seeing import make_well
from tests.integration.board.troubles import set_servers_aside

WELL = "All is well."


@pytest.fixture(scope="module")
def farm(settings: Settings) -> Iterator[Farm]:
    """A farm that is well, with a little to do."""
    with open_farm(settings, **with_key()) as farm:
        farm.redis.flushall()
        make_well(farm)
        accept(farm, 4)
        for _ in range(2):
            claimed = must_claim(farm)
            send(farm, claimed)
            finish(farm, claimed)
        send(farm, must_claim(farm))
        yield farm


def test_a_server_set_aside_appears_by_itself_and_goes_again_while_the_focus_stays(
    farm: Farm, url: str, cookies: Cookies, make_visitor: MakeVisitor
) -> None:
    operator = make_visitor(url, cookies=cookies)
    page = operator.open("/ops/")
    headline = page.locator(".headline")
    expect(headline).to_have_text(WELL)
    operator.picture("board-well")
    page.evaluate("window.stays = true; document.querySelector('.headline').kept = true")
    page.get_by_role("link", name="Orders").focus()
    set_servers_aside(farm, "refuses connections", SERVER)
    expect(headline).to_contain_text("comfy-1:8188 has been set aside since")
    trouble = page.locator("article.trouble")
    expect(trouble).to_contain_text("1 picture of 1 guest, at booth-of-order-1.")
    expect(trouble).to_contain_text("For guests nothing needs doing")
    trouble.get_by_role("link", name="Servers").focus()
    operator.picture("board-server")
    accept(farm, 1, order_id="later")  # a change in another part
    expect(page.locator("#queue")).to_contain_text("2 waiting")
    assert page.evaluate("document.activeElement.textContent") == "Servers"
    farm.database.write(servers.bring_back, SERVER, None)
    expect(headline).to_have_text(WELL)
    assert page.evaluate("window.stays && document.querySelector('.headline').kept"), "without a reload"
    assert page.locator("[aria-live]").count() == 1


def test_a_board_that_gets_no_answer_says_since_when_and_goes_on_by_itself(
    farm: Farm, url: str, cookies: Cookies, make_visitor: MakeVisitor
) -> None:
    operator = make_visitor(url, cookies=cookies)
    page = operator.open("/ops/")
    page.clock.install()
    page.reload()
    operator.context.set_offline(True)
    page.clock.run_for(14_000)
    expect(page.locator("#age")).to_contain_text("Not updated for 1")
    expect(page.locator("#age")).to_contain_text("Look at its network first.")
    operator.picture("board-silent")
    operator.context.set_offline(False)
    page.clock.run_for(4_000)
    expect(page.locator("#age")).to_contain_text("As of")
    operator.complaints = [line for line in operator.complaints if "ERR_INTERNET_DISCONNECTED" not in line]


def test_a_wall_screen_has_no_menu_and_says_when_it_is_logged_out(
    farm: Farm, url: str, cookies: Cookies, make_visitor: MakeVisitor
) -> None:
    wall = make_visitor(url, cookies=cookies, size=(1920, 1080), language="zh-CN")
    page = wall.open("/ops/?wall=1")
    expect(page.locator(".headline")).to_have_text("一切正常。")
    assert page.locator("nav, a, button").count() == 0
    expect(page.locator("#age")).to_contain_text("登录有效至")
    assert page.locator(".headline").evaluate("one => parseFloat(getComputedStyle(one).fontSize)") > 60
    wall.picture("board-wall")
    wall.context.clear_cookies()
    expect(page.locator(".headline")).to_contain_text("登录已结束")
    expect(page.get_by_role("link", name="登录")).to_be_visible()
    wall.picture("board-wall-logged-out")


@pytest.mark.row(66)
def test_the_board_shows_hostile_names_as_text_and_fits_a_phone(
    farm: Farm, url: str, cookies: Cookies, make_visitor: MakeVisitor
) -> None:
    booth = farm.database.read(lambda session: session.scalars(select(Booth.id)).first())
    change(farm, Booth, booth, name=HOSTILE)
    claimed = must_claim(farm)
    send(farm, claimed)
    fail(farm, claimed, kind="execution_failed")
    change(farm, Task, claimed.held.task_id, style=HOSTILE)
    change(farm, Server, SERVER, set_aside_at=seconds_ago(60), why=HOSTILE)
    phone = make_visitor(url, cookies=cookies, size=(390, 844), language="zh-CN")
    page = phone.open("/ops/")
    expect(page.locator(".headline")).to_contain_text("需要留意")
    expect(page.locator("#troubles")).to_contain_text("<img src=/x onerror=")
    with page.expect_response("**/ops/live*"):
        pass
    expect(page.locator("#booths")).to_contain_text("<img src=/x onerror=")
    assert_nothing_ran(page)
    assert page.locator("img[src='/x'], svg[onload]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    phone.picture("board-phone")


def test_the_figures_are_plots_that_a_screen_reader_can_name_with_their_numbers_below(
    farm: Farm, url: str, cookies: Cookies, make_visitor: MakeVisitor
) -> None:
    for number, task in enumerate(accept(farm, 10, order_id="evening", style="poster")):
        at = seconds_ago(3_000 - number * 280)
        times = {
            "created_at": at,
            "started_at": at + timedelta(seconds=20 + number * 9),
            "style": f"style-{number % 3}",
        }
        done = {"status": "succeeded", "finished_at": times["started_at"] + timedelta(seconds=30 + number % 4 * 11)}
        change(farm, Task, task, **times, **done)
    for language, size in (("en-GB", (1280, 800)), ("zh-CN", (390, 844))):
        operator = make_visitor(url, cookies=cookies, size=size, language=language)
        page = operator.open("/ops/figures?span=1h")
        for name in ("made", "waits", "promised", "durations"):
            plot = page.locator(f"#{name}").get_by_role("img")
            expect(plot).to_have_attribute("aria-labelledby", f"{name}-title {name}-description")
        page.locator("#durations summary").click()
        expect(page.locator("#durations table")).to_contain_text("style-2")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        operator.picture(f"figures-{language}")
