"""Each built-in style's cloud steps, performed at their provider's stand-in: it takes the parameters as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.cloud.executor import CloudExecutor
from jobs.orders.work import Work
from jobs.settings import Settings
from jobs.settings.providers import load_provider
from jobs.styles.options import with_defaults
from jobs.styles.shelf import BUILTIN, load_style
from scripts.simulators.cloud import CloudStandIn
from scripts.simulators.clouds import APIS
from tests.contract.fakes import MARK, PHOTO, FakeControl, mark_in

RECIPES = {path.name: load_style(path).recipe or {} for path in sorted(BUILTIN.iterdir()) if path.is_dir()}
STEPS = [
    pytest.param(step, recipe["options"], id=f"{name}-{number}")
    for name, recipe in RECIPES.items()
    for number, step in enumerate(recipe["steps"])
    if step["resource"] == "api"
]
MARKED = ("ark", "dashscope")
"""Providers that paint a mark of theirs into a picture unless they are told."""
DEFAULT_PRICE = 0.5


@pytest.mark.parametrize(("step", "options"), STEPS)
def test_a_stand_in_makes_the_picture_of_every_cloud_step(
    step: dict[str, Any], options: dict[str, Any], tmp_path: Path
) -> None:
    name = step["provider"]
    with CloudStandIn(APIS[name]()) as api:
        own = {f"{name}_api_key": "k", f"{name}_base_url": api.base_url, f"{name}_prices": {"*": DEFAULT_PRICE}}
        executor = CloudExecutor(Settings.load(_env_file=None, data_dir=tmp_path, **own))
        work = Work(step, with_defaults(options, {}), 7, lambda: PHOTO)
        made = executor.perform(work, FakeControl(name))
        [submission] = api.log("submit")
    assert made.cost == DEFAULT_PRICE
    [picture] = made.pictures
    assert mark_in(picture.full.data) == MARK
    assert picture.full.height > picture.full.width
    assert submission["inputs"][0]["mark"] == f"{MARK:016x}"


@pytest.mark.parametrize(("step", "options"), STEPS)
def test_a_cloud_step_waits_longer_than_its_provider_may_be_silent(
    step: dict[str, Any], options: dict[str, Any]
) -> None:
    assert step["timeout_s"] > load_provider(step["provider"], {}, None).silence_s


@pytest.mark.parametrize(("step", "options"), STEPS)
def test_whether_a_mark_is_painted_is_said_where_a_provider_does_it_unasked(
    step: dict[str, Any], options: dict[str, Any]
) -> None:
    assert step["parameters"].get("watermark") == (False if step["provider"] in MARKED else None)


@pytest.mark.parametrize("name", APIS)
def test_every_provider_has_a_style(name: str) -> None:
    assert name in {step["provider"] for recipe in RECIPES.values() for step in recipe["steps"] if "provider" in step}
