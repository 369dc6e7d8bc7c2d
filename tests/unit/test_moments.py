"""Operators type the venue's clock; what they look for are moments of the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from jobs.farm import Farm
from jobs.settings import Settings
from web.context import WebContext
from web.ops.moments import AROUND, read_around, read_moment

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(autouse=True)
def venue(tmp_path: Path) -> Iterator[None]:
    """The pages of a venue in Shanghai."""
    settings = Settings.load(_env_file=None, data_dir=tmp_path, venue_timezone=SHANGHAI.key)
    app = Flask("web")
    app.extensions["farm"] = WebContext(Farm(settings), None)  # type: ignore[arg-type]  # nobody follows here
    with app.app_context():
        yield


def test_a_typed_moment_is_one_of_the_venue_s_clock() -> None:
    assert read_moment("2026-11-28T20:15") == datetime(2026, 11, 28, 12, 15, tzinfo=UTC)
    assert read_moment("2026-11-28T20:15:00+00:00") == datetime(2026, 11, 28, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00", "0001-01-01T00:00", "９"])
def test_what_is_no_moment_asks_for_nothing(text: str) -> None:
    assert read_moment(text) is None


def test_a_clock_time_is_the_last_one_that_there_was() -> None:
    now = datetime.now(UTC)
    for hours in (-20, -3, 3, 20):
        meant = now + timedelta(hours=hours)
        found = read_around(meant.astimezone(SHANGHAI).strftime("%H:%M"))
        assert found is not None
        since, until = found
        assert until - since == 2 * AROUND
        assert timedelta() <= now - since <= timedelta(days=1, minutes=1)
        assert (since + AROUND).astimezone(SHANGHAI).strftime("%H:%M") == meant.astimezone(SHANGHAI).strftime("%H:%M")


@pytest.mark.parametrize("text", ["", "24:00", "20:60", "8pm", "٢٠:١٥"])
def test_what_is_no_clock_time_asks_for_nothing(text: str) -> None:
    assert read_around(text) is None
