"""What `./scripts/up` starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.settings import Settings
from scripts.launch import services_of


@pytest.mark.parametrize(
    ("workers", "services"),
    [
        ({}, {"web", "comfyui", "api", "reconcile"}),
        ({"api_workers": 0}, {"web", "comfyui", "reconcile"}),
        ({"comfyui_workers": 0, "api_workers": 0}, {"web", "reconcile"}),
    ],
)
def test_a_pool_without_workers_is_not_started(workers: dict[str, int], services: set[str], tmp_path: Path) -> None:
    settings = Settings.load(_env_file=None, data_dir=tmp_path, **workers)
    assert services_of(settings).keys() == services
