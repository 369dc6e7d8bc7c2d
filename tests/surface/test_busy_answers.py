"""Row 67: a full farm and a hasty booth. A farm of its own, in which nobody works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.simulators.photos import portrait
from tests.surface.conftest import check_refusal
from tests.surface.farm import Surface, start_surface, stop_farm

LIMIT, RATE = 100, 20


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surface]:
    """A farm without workers: what is accepted stays queued."""
    surface = start_surface(
        tmp_path_factory.mktemp("idle"),
        servers=1,
        COMFYUI_WORKERS="0",
        COMFYUI_LIMIT="1",
        BOOTH_RATE=str(RATE),
    )
    yield surface
    stop_farm(surface.farm, surface.stand_ins)


@pytest.mark.row(67)
def test_row_67_the_101st_task_is_refused_and_so_is_a_booth_above_its_rate(idle: Surface) -> None:
    photos = [portrait(number, size=(64, 64)) for number in range(12)]
    for _ in range(LIMIT // 10):
        assert idle.submit(*photos[:10]).status == 202
    inside = count(idle)
    assert inside == (LIMIT, LIMIT)

    full = idle.submit(photos[0])
    check_refusal(full, 503, code="queue_full")
    assert 1 <= int(full.headers["Retry-After"]) <= 120
    problem = full.json()
    assert (problem["retryable"], problem["retry_after_s"]) == (True, int(full.headers["Retry-After"]))
    assert count(idle) == inside

    # Three more than there is room for: all or none.
    task_id = idle.ask("SELECT task_id FROM tasks ORDER BY id LIMIT 1")[0][0]
    assert idle.request("POST", f"/api/v1/tasks/{task_id}/cancel").status == 200
    check_refusal(idle.submit(*photos[:2]), 503, code="queue_full")
    assert idle.submit(photos[10]).status == 202
    check_refusal(idle.submit(photos[11]), 503, code="queue_full")
    assert count(idle) == (LIMIT + 1, LIMIT + 1)

    answers = [idle.submit(photos[0], key=idle.other_key) for _ in range(RATE + 1)]
    for answer in answers[:RATE]:
        check_refusal(answer, 503, code="queue_full")
    check_refusal(answers[RATE], 429, code="booth_rate")
    assert 1 <= int(answers[RATE].headers["Retry-After"]) <= 61
    assert answers[RATE].json()["retryable"] is True
    assert idle.request("GET", "/api/v1/queue", key=idle.other_key).status == 200  # only submissions are counted
    assert count(idle) == (LIMIT + 1, LIMIT + 1)


def count(surface: Surface) -> tuple[int, int]:
    """Tasks, and photos on disk."""
    files = [path for path in (surface.farm.folder / "files" / "photos").rglob("*") if path.is_file()]
    return surface.ask("SELECT count(*) FROM tasks")[0][0], len(files)
