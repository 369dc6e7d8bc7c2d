"""The checker of storms reads a real farm's rows and files, on both databases, and plays its real histories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.farm import Farm
from jobs.orders import repairs
from jobs.orders.models import Order, Step
from scripts.storming.checking import check
from scripts.storming.checking.moving import find_illegal
from scripts.storming.checking.reading import read_evidence
from scripts.storming.checking.verdict import VERDICTS
from tests import builders
from tests.builders import accept, change, fail, finish, must_claim, retry, send

LIMITS = {"claim_s": 30, "comfyui_limit": 10, "api_limit": 5, "comfyui_depth": 2, "queue_limit": 100, "providers": {}}


def write_journals(folder: Path, **journals: list[dict[str, Any]]) -> None:
    """A storm's journals, with its limits and its drain."""
    nemesis = [{"t": 1.0, "event": "settings", **LIMITS}, {"t": 2.0, "event": "drained", "seconds": 1}]
    for name in ("booths", "comfyui", "clouds", "nemesis"):
        rows = journals.get(name, nemesis if name == "nemesis" else [])
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def crash(farm: Farm, step_id: int, worker: str) -> None:
    farm.database.write(
        repairs.release_step, step_id, actor="pool", worker=worker, crashed=True, crash_wait_s=0.0, reason="It died."
    )


def live_through_everything(farm: Farm) -> None:
    """Four tasks: two crashes, a retry and a success; a deadline; a failure and its revival; a cancellation."""
    first, late, failing, unwanted = accept(farm, 4, style=builders.TWO_STEPS)
    for number in (1, 2):
        claimed = must_claim(farm, f"worker-{number}")
        crash(farm, claimed.held.step_id, f"worker-{number}")
    farm.database.write(repairs.requeue_step, claimed.held.step_id, actor="reconciler")
    retry(farm, must_claim(farm))
    farm.database.write(repairs.requeue_step, claimed.held.step_id, actor="reconciler")
    for _ in range(2):
        finish(farm, must_claim(farm))
    farm.database.write(repairs.cancel_task, unwanted, actor="booth")
    change(farm, builders.Task, late, deadline_at=builders.seconds_ago(1))
    farm.database.write(repairs.expire_task, late, actor="reconciler", reason="It took too long.")
    fail(farm, must_claim(farm))
    farm.database.write(repairs.revive_task, failing, actor="operator", deadline_s=60)
    for _ in range(2):
        claimed = must_claim(farm)
        send(farm, claimed)
        finish(farm, claimed)
    assert builders.get_task(farm, first).status == builders.get_task(farm, failing).status == "succeeded"


def storage_of(farm: Farm, tmp_path: Path) -> Path:
    """The folder of a storm whose storage is this farm's."""
    folder = tmp_path / "storm"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "files").symlink_to(farm.storage.root, target_is_directory=True)
    return folder


def test_i7_the_histories_that_a_farm_writes_are_legal(farm: Farm, tmp_path: Path) -> None:
    live_through_everything(farm)
    folder = storage_of(farm, tmp_path)
    write_journals(folder)
    assert find_illegal(read_evidence(folder, farm.settings.database_url)) == []


def test_i7_a_step_that_was_moved_past_the_history_is_seen(farm: Farm, tmp_path: Path) -> None:
    live_through_everything(farm)
    folder = storage_of(farm, tmp_path)
    write_journals(folder)
    change(farm, Step, builders.list_steps(farm)[0].id, attempt=9)
    [finding] = find_illegal(read_evidence(folder, farm.settings.database_url))
    assert "attempt 9" in finding.sentence


def test_a_whole_order_with_its_journals_passes_every_verdict(farm: Farm, tmp_path: Path) -> None:
    accept(farm)
    claimed = must_claim(farm)
    send(farm, claimed)
    finish(farm, claimed)
    folder = storage_of(farm, tmp_path)
    [task] = farm.database.read(lambda session: list(session.query(builders.Task)))
    [order] = farm.database.read(lambda session: list(session.query(Order)))
    call = builders.list_calls(farm)[0]
    assert call.sent_at is not None
    sent = call.sent_at.timestamp() + 0.0001
    who = {"booth": "booth-1", "order_id": order.order_id, "send": 1}
    told = {"status": 202, "code": None, "retry_after": None, "duplicate": False, "task_ids": [task.task_id]}
    mark, port = f"{1:016x}", {"port": 8188, "boot": "b"}
    post = {"t": 10.0, "event": "post", **who, "mark": mark, "photo_sha256": task.photo_sha256, "style": task.style}
    took = {"t": sent, "event": "submit", **port, "prompt_id": call.external_id, "inputs": [{"mark": mark}]}
    write_journals(
        folder,
        booths=[post, {"t": 11.0, "event": "answer", **who, **told}],
        comfyui=[took, {"t": sent + 0.0001, "event": "end", **port, "prompt_id": call.external_id}],
    )
    verdict = check(folder, farm.settings.database_url)
    assert {name: verdict.findings[name] for name in VERDICTS if verdict.findings[name]} == {}
    assert verdict.passes
    Path(farm.storage.root, str(next(iter(verdict.evidence.snapshot.named)))).unlink()
    assert [name for name, found in check(folder, farm.settings.database_url).findings.items() if found] == ["lost"]
