"""A real browser that may talk to this machine only, and a visitor in it who notes whatever goes wrong on a page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    Route,
    StorageState,
    sync_playwright,
)

Cookies = StorageState

CHROMIUM = "/usr/bin/chromium-headless-shell"
"""Without the windows that nobody sees: a page costs a third of what it does in the whole browser."""
ARGUMENTS = [
    "--no-sandbox",  # tests may run as root, where Chromium's own sandbox cannot
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP photos.lan 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
OURS = {"127.0.0.1", "localhost", "photos.lan"}
"""This machine. By the last name it is no secure context, as a farm without TLS in a venue's LAN."""
PATIENCE_MS = 15_000
HOSTILE = "<img src=/x onerror='window.hacked=1'><script>window.hacked=2</script>\"><svg onload='window.hacked=3'>"
"""What a stranger may write; `assert_nothing_ran` sees whether it was more than words."""
SCREENSHOTS = os.environ.get("BROWSER_SCREENSHOTS", "")
"""A folder for pictures of the pages, to look at. None are taken when it is not set."""


@contextmanager
def start_chromium(*arguments: str) -> Iterator[Browser]:
    """Debian's Chromium, driven by playwright, with further arguments."""
    assert Path(CHROMIUM).exists(), "Chromium is missing: ./scripts/test installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()


class Visitor:
    """One person with one tab. `expected` holds the statuses that a test asks for on purpose; `loses_network` is set
    where requests are to fail."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        size: tuple[int, int] = (1280, 800),
        cookies: Cookies | None = None,
        language: str = "en-GB",
    ) -> None:
        """`cookies`: those of a visitor who logged in before; `size`: of the window; `language`: the browser's."""
        self.url = url
        self.expected: set[int] = set()
        self.loses_network = False
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=language, storage_state=cookies
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.route("**/*", self._let_through)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("requestfailed", self._note_failure)
        self.page.on("response", self._note_response)

    def open(self, path: str) -> Page:
        """Go to a page of the farm, and wait until it is loaded."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def log_in(self, password: str, username: str = "admin") -> Page:
        """Through the operators' form, as an operator does."""
        page = self.open("/ops/login")
        page.get_by_label("Name").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(re.compile(r"/ops/(?!login)"))
        return page

    def cookies(self) -> Cookies:
        """What another visitor needs to be logged in as this one is."""
        return self.context.storage_state()

    def picture(self, name: str) -> None:
        """A screenshot of the whole page, if they are wanted."""
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)

    def close(self) -> None:
        """Leave; fails when anything went wrong that was not expected."""
        self.context.close()
        assert self.complaints == []

    def _let_through(self, route: Route) -> None:
        host = urlsplit(route.request.url).hostname
        if host in OURS:
            route.continue_()
            return
        self.complaints.append(f"asked another host: {route.request.url}")
        route.abort()

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self._is_expected(message.text):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _note_failure(self, request: Request) -> None:
        # A request that is under way when its page is left is aborted by the browser itself.
        if request.failure != "net::ERR_ABORTED" and not self.loses_network:
            self.complaints.append(f"request failed: {request.url} {request.failure}")

    def _note_response(self, response: Response) -> None:
        self.requests.append(f"{response.status} {response.url}")
        if response.status >= 400 and response.status not in self.expected:
            self.complaints.append(f"answered {response.status}: {response.url}")

    def _is_expected(self, text: str) -> bool:
        if self.loses_network and "net::ERR_" in text:
            return True
        found = re.search(r"responded with a status of (\d+)", text)
        return found is not None and int(found[1]) in self.expected


def assert_nothing_ran(page: Page) -> None:
    """No script of a stranger has run, and no element of theirs stands on the page."""
    assert page.evaluate("window.hacked") is None, page.url
    assert page.locator("img[src='/x'], svg[onload]").count() == 0, page.url
