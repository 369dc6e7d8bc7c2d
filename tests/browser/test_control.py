"""What operators press to control the farm, in a real browser: each press asks where it harms, acts, and is audited."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from jobs.access.booths import authenticate
from jobs.access.models import AuditEntry
from jobs.errors import NotAuthenticated
from jobs.farm import Farm
from jobs.settings import Settings
from tests.browser.browser import Cookies, Visitor
from tests.browser.conftest import MakeVisitor
from tests.builders import OTHER_SERVER, SERVER, accept, must_claim, open_farm, stock, with_key


@pytest.fixture(scope="module")
def farm(settings: Settings) -> Iterator[Farm]:
    """Two servers, one of them at work, and a step that waits."""
    with open_farm(settings, **with_key(), comfyui_limit=4) as farm:
        stock(farm, SERVER, OTHER_SERVER)
        accept(farm, 2)
        must_claim(farm)
        yield farm


def part(page: Page, name: str) -> Locator:
    """A section of the page by its name."""
    return page.get_by_role("region", name=name, exact=True)


def ask_and_press(section: Locator, name: str, **fields: str) -> None:
    """Open the question behind a button, fill in its fields by label, and confirm."""
    section.locator("summary", has_text=name).click()
    for label, text in fields.items():
        section.get_by_label(label).fill(text)
    section.locator("details[open]").get_by_role("button", name=name).click()


def list_audit(farm: Farm) -> list[tuple[str, str, str]]:
    """(actor, action, subject), oldest first."""
    return farm.database.read(
        lambda session: [
            (one.actor, one.action, one.subject) for one in session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        ]
    )


def check_phone(make_visitor: MakeVisitor, url: str, cookies: Cookies, path: str, name: str) -> None:
    """The page in Chinese on a phone: nothing sticks out."""
    phone = make_visitor(url, cookies=cookies, size=(390, 844), language="zh-CN")
    page = phone.open(f"{path}?lang=zh")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    phone.picture(f"{name}-phone-zh")


def test_servers_pools_and_the_intake_are_switched(
    farm: Farm, url: str, operator: Visitor, make_visitor: MakeVisitor, cookies: Cookies
) -> None:
    page = operator.open("/ops/servers")
    busy = part(page, SERVER)
    expect(busy).to_contain_text("It makes one picture.")
    expect(busy.get_by_role("link")).to_have_attribute("href", re.compile("/ops/tasks/"))
    ask_and_press(busy, "Drain")
    expect(busy).to_contain_text("It finishes one picture and gets nothing new. Drained by admin")
    pool = part(page, "GPU servers")
    pool.get_by_label("Limit, 1 to 4").fill("2")
    pool.get_by_role("button", name="Set").click()
    expect(pool.get_by_label("Limit, 1 to 4")).to_have_value("2")
    ask_and_press(pool, "Pause", **{"Reason (optional)": "a new fan", "Minutes (optional)": "5"})
    expect(pool).to_contain_text("by admin. It ends by itself at")
    expect(pool).to_contain_text("a new fan")
    intake = part(page, "New orders")
    ask_and_press(intake, "Stop new orders", **{"Reason (optional)": "<b>closed</b>"})
    expect(intake).to_contain_text("It lasts until somebody resumes it. Reason: <b>closed</b>")
    operator.picture("control-servers")
    check_phone(make_visitor, url, cookies, "/ops/servers", "control-servers")
    busy.get_by_role("button", name="Return to work").click()
    expect(busy).to_contain_text("It makes one picture.")
    pool.get_by_role("button", name="Resume").click()
    expect(pool).not_to_contain_text("a new fan")
    intake.get_by_role("button", name="Take orders again").click()
    expect(intake).to_contain_text("taken")
    assert list_audit(farm)[-7:] == [
        ("admin", "drain", f"server:{SERVER}"),
        ("admin", "limit", "resource:comfyui"),
        ("admin", "pause", "resource:comfyui"),
        ("admin", "pause", "intake"),
        ("admin", "return", f"server:{SERVER}"),
        ("admin", "resume", "resource:comfyui"),
        ("admin", "resume", "intake"),
    ]


def test_a_way_to_make_a_style_is_switched_off_after_a_question(
    farm: Farm, url: str, operator: Visitor, make_visitor: MakeVisitor, cookies: Cookies
) -> None:
    page = operator.open("/ops/providers")
    way = page.locator("tbody tr").filter(has=page.get_by_role("cell", name="framed-print", exact=True)).first
    ask_and_press(way, "Switch off")
    expect(way).to_contain_text("Switched off by admin.")
    operator.picture("control-providers")
    check_phone(make_visitor, url, cookies, "/ops/providers", "control-providers")
    way.get_by_role("button", name="Switch on").click()
    expect(way).not_to_contain_text("Switched off by admin.")
    paths = ("path off", "path on")
    assert list_audit(farm)[-2:] == [("admin", action, "path:framed-print:0:0") for action in paths]


def test_a_booth_is_added_slowed_rotated_and_revoked(
    farm: Farm, url: str, operator: Visitor, make_visitor: MakeVisitor, cookies: Cookies
) -> None:
    page = operator.open("/ops/booths")
    page.get_by_label("Name of a new booth").fill("terrace")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("img", name="QR code for pairing terrace")).to_be_visible()
    first = page.locator(".secret").inner_text()
    assert not any(first in line for line in operator.requests), "the key stands in no address"
    operator.picture("control-key")
    assert farm.database.read(authenticate, first).name == "terrace"
    page.get_by_role("link", name="Done").click()
    booth = part(page, "terrace")
    booth.get_by_label("Orders a minute").fill("7")
    booth.get_by_role("button", name="Set").click()
    expect(booth).to_contain_text("0 / 7")
    ask_and_press(booth, "New key")
    second = page.locator(".secret").inner_text()
    page.get_by_role("link", name="Done").click()
    with pytest.raises(NotAuthenticated):
        farm.database.read(authenticate, first)
    assert farm.database.read(authenticate, second).rate == 7
    operator.picture("control-booths")
    check_phone(make_visitor, url, cookies, "/ops/booths", "control-booths")
    ask_and_press(booth, "Revoke key")
    expect(booth).to_contain_text("It can send nothing.")
    with pytest.raises(NotAuthenticated):
        farm.database.read(authenticate, second)
    actions = ("create key", "rate", "rotate key", "revoke key")
    assert list_audit(farm)[-4:] == [("admin", action, "booth:terrace") for action in actions]
    told = farm.database.read(lambda session: str([one.detail for one in session.scalars(select(AuditEntry))]))
    assert first not in told and second not in told


def test_an_operator_is_added_and_each_change_logs_them_out(
    farm: Farm, url: str, operator: Visitor, make_visitor: MakeVisitor, cookies: Cookies
) -> None:
    page = operator.open("/ops/operators")
    page.get_by_label("Name of a new operator").fill("tina")
    page.locator("form.filter").get_by_label("Role").select_option("technician")
    page.get_by_role("button", name="Add").click()
    password = page.locator(".secret").inner_text()
    page.get_by_role("link", name="Done").click()
    tina = make_visitor(url)
    theirs = tina.log_in(password, "tina")
    theirs.get_by_role("link", name="Booths").click()
    expect(theirs.get_by_text("Booths and keys are changed by the owner.")).to_be_visible()
    expect(theirs.get_by_role("button", name="Add")).to_have_count(0)
    entry = part(page, "tina")
    entry.get_by_label("Role").select_option("attendant")
    entry.get_by_role("button", name="Change role").click()
    expect(entry).to_contain_text("attendant")
    operator.picture("control-operators")
    check_phone(make_visitor, url, cookies, "/ops/operators", "control-operators")
    tina.open("/ops/")
    expect(theirs.get_by_role("button", name="Log in")).to_be_visible()
    tina.log_in(password, "tina")
    expect(theirs.get_by_role("link", name="Booths")).to_have_count(0)
    ask_and_press(entry, "Remove")
    expect(page.get_by_text("tina is removed and logged out.")).to_be_visible()
    tina.open("/ops/")
    expect(theirs.get_by_role("button", name="Log in")).to_be_visible()
    actions = ("add operator", "change role", "remove operator")
    assert list_audit(farm)[-3:] == [("admin", action, "operator:tina") for action in actions]


def test_the_audit_reads_as_sentences_in_both_languages(
    farm: Farm, url: str, operator: Visitor, make_visitor: MakeVisitor, cookies: Cookies
) -> None:
    farm.switches.servers.drain(SERVER, actor="otto")
    farm.switches.pools.pause_intake(why="<b>late</b>", minutes=None, actor="otto")
    page = operator.open("/ops/audit")
    expect(page.locator(".presses li").first).to_contain_text("otto paused the intake of orders (reason: <b>late</b>)")
    page.locator("select[name=action]").select_option("drain")
    page.locator("select[name=actor]").select_option("otto")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".presses li")).to_have_count(1)
    expect(page.locator(".presses li")).to_contain_text(f"otto drained server {SERVER}")
    page.locator("select[name=actor]").select_option("")
    page.locator("select[name=action]").select_option("")
    page.get_by_role("button", name="Show").click()
    operator.picture("control-audit")
    check_phone(make_visitor, url, cookies, "/ops/audit", "control-audit")
