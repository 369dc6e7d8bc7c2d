"""A farm with a key, and a folder for the styles that a test writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.farm import Farm
from jobs.settings import Settings
from tests.ladders import open_laddered


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    """Not there until a style is written."""
    return tmp_path / "styles"


@pytest.fixture
def farm(settings: Settings, styles: Path) -> Iterator[Farm]:
    """One with a key, whose style may be written by each test before its first order."""
    with open_laddered(settings, styles) as farm:
        yield farm
