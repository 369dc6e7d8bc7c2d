"""Bad inputs, row 66: HTML in names, errors and descriptions is text on every page that operators see."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest
import requests

from tests.acceptance.farm_process import eventually
from tests.surface.farm import BOLD, Surface

HTML = "<script>alert('server')</script>"


class Page(HTMLParser):
    """What a browser would find in a page: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[str] = []
        self.scripts: list[str | None] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" and (dict(attrs).get("src") or "").startswith("/static/"):
            return  # a file of our own
        self.elements.append(tag)
        self.attributes.extend(name for name, _ in attrs)
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))

    def handle_data(self, data: str) -> None:
        self.text += data


def check_page(answer: requests.Response, *shown: str) -> None:
    """Nothing on the page runs; these words stand on it as text."""
    page = Page(answer.text)
    assert answer.status_code in (200, 404)
    assert not {"b", "iframe", "object"} & set(page.elements)
    assert all(source and source.startswith("/static/") for source in page.scripts)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for words in shown:
        assert words in page.text


@pytest.mark.row(66)
def test_row_66_html_in_a_servers_error_is_text_on_every_page(
    surface: Surface, photo: bytes, operator: requests.Session
) -> None:
    for stand_in in surface.stand_ins:
        stand_in.add_fault("exec_error", times=1, exception_type=HTML, exception_message=HTML)
    answer = surface.submit(photo)
    task_id = answer.json()["tasks"][0]["task_id"]

    def shows_it() -> bool:
        [(detail,)] = surface.ask(
            "SELECT steps.detail FROM steps JOIN tasks ON tasks.id = steps.task_id WHERE tasks.task_id = ?", task_id
        )
        return HTML in (detail or "")

    eventually(shows_it, "the error is written down")
    story = operator.get(f"{surface.farm.url}/ops/tasks/{task_id}", timeout=10)
    check_page(story)
    surface.let_go()
    check_page(operator.get(f"{surface.farm.url}/ops/", timeout=10))
    token = surface.order(answer.json()["order_id"])["guest"]["url"].rsplit("/", 1)[1]
    check_page(operator.get(f"{surface.farm.url}/g/{token}", timeout=10))


@pytest.mark.row(66)
def test_row_66_html_in_a_styles_name_is_text(surface: Surface, operator: requests.Session) -> None:
    check_page(operator.get(f"{surface.farm.url}/ops/styles", timeout=10), BOLD)
    styles = surface.request("GET", "/api/v1/styles")
    assert styles.headers["Content-Type"] == "application/json"
    assert styles.headers["X-Content-Type-Options"] == "nosniff"
    assert BOLD in [style["name"] for style in styles.json()["styles"]]


@pytest.mark.row(66)
def test_row_66_html_in_what_is_searched_for_is_text(surface: Surface, operator: requests.Session) -> None:
    for query in (HTML, '"><script>alert(1)</script>', "' onfocus=alert(1) '", "\0", "\ud7ff", "%", "x" * 3000):
        for name in ("q", "status", "around", "from", "to", "before"):
            check_page(operator.get(f"{surface.farm.url}/ops/orders", params={name: query}, timeout=10))
    for before in ("9" * 30, "9" * 5000, "-1", "\u0663", "1e5", "0"):
        check_page(operator.get(f"{surface.farm.url}/ops/orders", params={"before": before}, timeout=10))


@pytest.mark.row(66)
def test_row_66_a_rings_description_holds_numbers_only(surface: Surface, photo: bytes) -> None:
    seen: set[str] = set()
    ending = threading.Event()

    def watch() -> None:
        with surface.redis() as client:
            while not ending.is_set():
                for key in client.keys("rq:job:ring-*"):
                    seen.add((client.hget(key, "description") or b"").decode())

    with ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(watch)
        surface.finish(surface.submit(photo, style="words", options='{"motto": "<b>motto</b>"}'))
        ending.set()
        watching.result()
    assert seen
    assert not [text for text in seen if "<" in text or "motto" in text]
