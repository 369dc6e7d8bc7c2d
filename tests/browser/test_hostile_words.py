"""Row 66 on every page there is: whatever strangers may write is shown as text, by the farm's own list of pages.

Hostile words stand in every column that anybody outside may fill, past all checks at the door. The operators' pages are
walked from the menu by their own links, so a page that is added is looked at without a word here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from jobs.access.booths import create_booth
from jobs.access.models import AuditEntry, Booth, User
from jobs.cloud import brake
from jobs.comfyui.models import Server
from jobs.errors.steps import QuotaExhausted
from jobs.farm import Farm
from jobs.orders.models import Call, Event, Order, Pause, Step, Task
from jobs.settings import Settings
from jobs.styles.shelf import BUILTIN
from tests.browser.browser import Cookies, assert_nothing_ran, start_chromium
from tests.browser.conftest import MakeVisitor
from tests.browser.kiosk import CAMERA, pair
from tests.builders import (
    OTHER_SERVER,
    SERVER,
    accept,
    add_rows,
    change,
    fail,
    make_booth,
    must_claim,
    open_farm,
    paint,
    seconds_ago,
    send,
    stock,
    submit,
    with_key,
)
from web.ops import PAGES

HOSTILE = "\"'><img src=/x onerror='hacked=1'><script>hacked=2</script><svg onload='hacked=3'></svg>');hacked=4;('"
SEEN = "<img src=/x onerror="
TITLE = "Poster \"'><svg onload='hacked=5'></svg>"
STYLE = """title = { en = %(title)s, zh = %(title)s }
description = { en = %(words)s, zh = %(words)s }
[options.wish]
type = "string"
max_length = 60
default = ""
title = { en = %(words)s, zh = %(words)s }
[[steps]]
resource = "comfyui"
workflow = "frame.json"
photo = "1.image"
output = ["11"]
prefix = "11.filename_prefix"
"""
LIBRARY = "/ops/rq/"
"""What lies below is walked by test_rq_dashboard.py, with jobs of strangers in it."""
OF_A_KIND = 4
"""Pages that differ in a number only, such as orders, of which this many are looked at."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_chromium(*CAMERA) as browser:
        yield browser


@pytest.fixture(scope="module")
def farm(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm with an order of each outcome, in which every stranger has written the same."""
    styles = write_styles(tmp_path_factory.mktemp("styles"))
    with open_farm(settings, **with_key(), styles_dir=styles) as farm:
        stock(farm, SERVER, OTHER_SERVER)
        for name in ("made", "failed", "waits"):
            accept(farm, order_id=name, style="hostile")
        submit(farm, make_booth(farm), order_id="worded", style="watercolour-cloud", options={"motto": "Hello"})
        paint(farm)
        claimed = must_claim(farm)
        send(farm, claimed)
        fail(farm, claimed, kind="execution_failed")
        write_everywhere(farm)
        yield farm


def write_styles(folder: Path) -> Path:
    """A style with hostile titles and words, and one that is broken by them."""
    for name, words in (("hostile", json.dumps(HOSTILE)), ("broken", HOSTILE)):
        (folder / name).mkdir()
        (folder / name / "style.toml").write_text(STYLE % {"title": json.dumps(TITLE), "words": words})
        (folder / name / "frame.json").write_bytes((BUILTIN / "framed-print" / "frame.json").read_bytes())
    return folder


def write_everywhere(farm: Farm) -> None:
    """Fill all columns that take their words from booths, guests, servers, providers and operators."""

    def fill(table: type, **values: object) -> None:
        key = next(iter(table.__table__.primary_key))  # type: ignore[attr-defined]  # a model
        for number in farm.database.read(lambda session: list(session.scalars(select(key)))):
            change(farm, table, number, **values)

    fill(Task, reason=HOSTILE, options={"motto": HOSTILE})
    fill(Step, detail=HOSTILE, worker=HOSTILE)
    fill(Call, remote_id=HOSTILE)
    fill(Event, actor=HOSTILE, detail={"why": HOSTILE, "server": HOSTILE, "reason": HOSTILE})
    fill(Server, why=HOSTILE, drained_by=HOSTILE, stuck_prompt=HOSTILE, sweeper_why=HOSTILE)
    change(farm, Server, SERVER, set_aside_at=seconds_ago(60), sweeper_silent_at=seconds_ago(60))
    change(farm, Server, OTHER_SERVER, drained=True, drained_at=seconds_ago(60))
    booths = farm.database.read(lambda session: list(session.scalars(select(Booth.id))))
    for number in booths:
        words = {"app_version": HOSTILE, "printer": HOSTILE}
        change(farm, Booth, number, name=f"{number}{HOSTILE}", heartbeat=words, seen_at=seconds_ago(5))
    at, number = seconds_ago(60), farm.database.read(lambda session: session.scalars(select(Task.task_id)).first())
    subjects = (f"task:{number}", "order:made", f"server:{SERVER}", f"booth:{HOSTILE}", HOSTILE)
    named = {"at": at, "actor": HOSTILE, "detail": {"why": HOSTILE, "reason": HOSTILE, "name": HOSTILE}}
    add_rows(farm, AuditEntry, [named | {"action": "drain server", "subject": subject} for subject in subjects])
    add_rows(farm, AuditEntry, [named | {"action": HOSTILE, "subject": subject} for subject in subjects])
    paused = {"since": at, "until": None, "why": HOSTILE, "kind": "operator", "actor": HOSTILE}
    add_rows(farm, Pause, [paused | {"scope": scope} for scope in ("intake", "resource:api", f"style:{HOSTILE}")])
    farm.database.write(brake.note_error, "openai", QuotaExhausted(HOSTILE), 0.0, farm.settings)
    add_rows(farm, User, [{"username": HOSTILE, "password_hash": "", "role": "attendant", "created_at": at}])


def kind_of(address: str) -> str:
    """What pages that differ in a number only have in common."""
    path, _, query = address.partition("?")
    return re.sub(r"[0-9a-f]{32}|\d+", "*", path) + re.sub(r"=[^&]*", "", f"?{query}" if query else "")


@pytest.mark.row(66)
def test_no_operators_page_takes_a_stranger_s_words_for_html(
    farm: Farm, url: str, make_visitor: MakeVisitor, cookies: Cookies
) -> None:
    operator = make_visitor(url, cookies=cookies)
    looked_at: Counter[str] = Counter()
    showing: set[str] = set()
    waiting, known = ["/ops/"], {"/ops/"}
    while waiting:
        address = waiting.pop(0)
        if looked_at[kind_of(address)] == OF_A_KIND:
            continue
        page = operator.open(address)
        looked_at[kind_of(address)] += 1
        page.locator("main details").evaluate_all("folded => folded.forEach(one => { one.open = true })")
        assert_nothing_ran(operator.page)
        if SEEN in page.locator("body").inner_text():
            showing.add(kind_of(address))
        links = page.locator("a[href^='/ops/']:not([download])").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
        fresh = [link for link in dict.fromkeys(links) if link not in known and not address.startswith(LIBRARY)]
        known.update(fresh)
        waiting += fresh
    assert looked_at.keys() >= {"/ops/", "/ops/orders", "/ops/tasks/*"} and len(looked_at) > len(PAGES)
    assert len([kind for kind in looked_at if kind.count("/") == 2 or kind == LIBRARY]) >= len(PAGES), looked_at
    assert showing >= {"/ops/", "/ops/orders", "/ops/tasks/*", "/ops/servers", "/ops/providers", "/ops/failures"}


@pytest.mark.row(66)
def test_no_guest_s_page_takes_a_stranger_s_words_for_html(farm: Farm, url: str, make_visitor: MakeVisitor) -> None:
    guest = make_visitor(url, size=(390, 844))
    orders = farm.database.read(lambda session: list(session.scalars(select(Order))))
    for order in orders:
        page = guest.open(f"/g/{farm.signer.guest_token(order.uid, order.link_number)}")
        expect(page.locator("main")).to_be_visible()
        assert_nothing_ran(guest.page)
    assert len(orders) >= 4


@pytest.mark.row(66)
def test_the_kiosk_takes_no_style_s_words_for_html(farm: Farm, url: str, make_visitor: MakeVisitor) -> None:
    change(farm, Pause, "intake", until=seconds_ago(1))
    change(farm, Server, OTHER_SERVER, drained=False)
    kiosk = pair(make_visitor(url), farm.database.write(create_booth, "kiosk"))
    kiosk.take_photo()
    style = kiosk.page.get_by_role("button", name=TITLE)
    expect(style).to_contain_text("<svg onload=")
    assert_nothing_ran(kiosk.visitor.page)
    style.click()
    kiosk.sees("Thank you!")
    assert_nothing_ran(kiosk.visitor.page)
