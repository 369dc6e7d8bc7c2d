"""A browser for each module, and a visitor for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import Visitor, start_chromium

MakeVisitor = Callable[..., Visitor]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser process for a module's tests; it ends with them, as its event loop would be in others' way."""
    with start_chromium() as browser:
        yield browser


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
