"""An operator at a browser: keeps cookies, reads the token out of the forms."""

from __future__ import annotations

import re

import requests
from requests.adapters import HTTPAdapter

from tests.surface.farm import Surface

PASSWORD = "admin password"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class _From(HTTPAdapter):
    """Connects from an address of loopback that was chosen: log-ins are counted by address."""

    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        super().init_poolmanager(*args, source_address=(self._source, 0), **kwargs)  # type: ignore[arg-type]


def open_browser(surface: Surface) -> requests.Session:
    """A browser that nobody has logged in with, at an address of its own."""
    browser = requests.Session()
    browser.trust_env = False
    browser.mount("http://", _From(surface.new_address()))
    return browser


def read_token(browser: requests.Session, url: str) -> str:
    """The token of a page's forms."""
    found = TOKEN.search(browser.get(url, timeout=10).text)
    assert found is not None
    return found[1]


def log_in(
    browser: requests.Session, surface: Surface, *, password: str | None = None, following: str | None = None
) -> requests.Response:
    """Fill in the form and send it; the answer itself, wherever it points."""
    url = f"{surface.farm.url}/ops/login"
    fields = {"username": "admin", "password": password or PASSWORD, "csrf_token": read_token(browser, url)}
    return browser.post(
        url, params={"next": following} if following else None, data=fields, timeout=10, allow_redirects=False
    )
