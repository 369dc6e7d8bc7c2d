"""Row 69: a ComfyUI server that answers something else. Bad answers, and no file outside the storage."""

from __future__ import annotations

import io
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jobs.comfyui.executor import ComfyuiExecutor
from jobs.errors.steps import BadAnswer, StepError
from jobs.settings import Settings
from scripts.simulators.comfyui import StandIn
from tests.acceptance.farm_process import eventually
from tests.contract.fakes import FakeControl, photo_work
from tests.rows import case
from tests.surface import damage
from tests.surface.farm import Surface

HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
NEVER_WAS = "00000000-0000-0000-0000-000000000000"
GIGABYTES = 2_000_000_000
MEMORY_BYTES = 200_000_000
Lie = Callable[[StandIn], object]


def answers(path: str, body: Any, *, processed: bool = False, **options: Any) -> Lie:
    """Every request below a path is answered so."""
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "body" if processed else "status"
    return lambda standin: standin.add_fault(kind, path=path, status=200, body=text, **options)


def shows(picture: bytes) -> Lie:
    """Whatever is fetched is this file."""
    return lambda standin: replace_results(standin, picture)


def replace_results(standin: StandIn, picture: bytes) -> None:
    """Results are stored as ever, and served as this file."""
    folders = standin.server.folders
    put = folders.save_numbered
    folders.save_numbered = lambda kind, prefix, data: put(kind, prefix, picture)  # type: ignore[method-assign]


def made(file_format: str, *size: int, **options: Any) -> bytes:
    """A red picture."""
    return damage.save(Image.new("RGB", size, damage.RED), file_format, **options)


@pytest.fixture
def executor(tmp_path: Path) -> ComfyuiExecutor:
    """With little patience."""
    settings = Settings.load(
        _env_file=None, data_dir=tmp_path / "data", refused_s=0.5, silent_s=0.8, stall_s=0.3, lookup_gap_s=0.02
    )
    return ComfyuiExecutor(settings)


@pytest.mark.parametrize(
    "lie",
    [
        case(69, "upload: HTML", answers("/upload", HTML)),
        case(69, "upload: []", answers("/upload", [])),
        case(69, "upload: no name", answers("/upload", {"subfolder": "", "type": "input"})),
        case(69, "upload: a number for a name", answers("/upload", {"name": 7})),
        case(69, "prompt: HTML", answers("/prompt", HTML)),
        case(69, "prompt: []", answers("/prompt", [])),
        case(69, "prompt: null", answers("/prompt", None)),
        case(69, "prompt: 200 with an error", answers("/prompt", {"error": {"type": "boom", "message": HTML}})),
        case(69, "prompt: another prompt_id", answers("/prompt", {"prompt_id": NEVER_WAS, "node_errors": {}})),
        case(69, "prompt: deep JSON", answers("/prompt", "[" * 100_000)),
        case(69, "view: HTML", answers("/view", HTML)),
        case(69, "view: nothing", answers("/view", "")),
        case(69, "view: half", lambda standin: standin.add_fault("cut", path="/view")),
        case(69, "view: 2 GB announced", lambda standin: standin.add_fault("huge", path="/view", bytes=GIGABYTES)),
        case(
            69,
            "view: 2 GB not announced",
            lambda standin: standin.add_fault("huge", path="/view", bytes=GIGABYTES, announce=False),
        ),
        case(69, "file name ../../x", lambda standin: standin.add_fault("filename", filename="../../x")),
        case(69, "file name /etc/passwd", lambda standin: standin.add_fault("filename", filename="/etc/passwd")),
        case(69, "subfolder ../..", lambda standin: standin.add_fault("filename", filename="x.png", subfolder="../..")),
        case(69, "file name NUL", lambda standin: standin.add_fault("filename", filename="a\0b.png")),
        case(69, "a picture of 20000×64", shows(made("PNG", 20000, 64))),
        case(69, "a picture of 10000×10000", shows(damage.flat_png(10000, 10000))),
        case(69, "a picture that claims 65535×65535", shows(damage.claim(65535, 65535))),
        case(69, "a picture of 1×1", shows(made("PNG", 1, 1))),
        case(69, "a GIF", shows(made("GIF", 100, 100))),
        case(69, "a PNG with a broken checksum", shows(damage.broken_pngs()["broken CRC of IDAT"])),
        case(69, "a PNG with 50 MB packed into it", shows(damage.bombs()["iTXt"])),
    ],
)
def test_an_answer_that_cannot_be_is_a_bad_answer(executor: ComfyuiExecutor, tmp_path: Path, lie: Lie) -> None:
    with StandIn() as standin:
        lie(standin)
        control = FakeControl(standin.url)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        with pytest.raises(StepError) as failed:
            executor.perform(photo_work(), control)
        assert isinstance(failed.value, BadAnswer), failed.value
        assert failed.value.kind == "bad_answer"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MEMORY_BYTES
    assert HTML not in str(failed.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("lie", "size"),
    [
        case(69, "a picture of another size than the photo's", shows(made("PNG", 64, 90)), (64, 90)),
        case(69, "a JPEG named .png, with metadata", shows(damage.with_metadata("JPEG", 6)), (120, 200)),
        case(69, "a picture with a tail", shows(damage.polyglots()["PNG with PHP tail"]), (120, 200)),
    ],
)
def test_a_picture_that_is_merely_odd_comes_out_clean(
    executor: ComfyuiExecutor, lie: Lie, size: tuple[int, int]
) -> None:
    with StandIn() as standin:
        lie(standin)
        [picture] = executor.perform(photo_work(), FakeControl(standin.url)).pictures
    for encoded in (picture.full, picture.thumbnail):
        assert damage.SECRET not in encoded.data
        with Image.open(io.BytesIO(encoded.data)) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", size)
            assert not image.getexif()


@pytest.mark.row(69)
def test_row_69_a_farm_whose_servers_lie_fails_the_task_and_writes_nowhere_else(surface: Surface, photo: bytes) -> None:
    around = sorted(path for path in surface.farm.folder.parent.glob("*"))
    for stand_in in surface.stand_ins:
        stand_in.add_fault("filename", filename="../../x", subfolder="../../..")
    try:
        order_id = surface.submit(photo).json()["order_id"]
        eventually(lambda: surface.order(order_id)["status"] == "failed", "three bad answers end it")
    finally:
        for stand_in in surface.stand_ins:
            stand_in.clear_faults()
    task = surface.order(order_id)["tasks"][0]
    assert (task["reason"]["code"], task["images"]) == ("bad_answer", [])
    assert sorted(path for path in surface.farm.folder.parent.glob("*")) == around
    allowed = {"files", "farm.sqlite3", "farm.sqlite3-shm", "farm.sqlite3-wal", "redis", "secrets", "up.log"}
    assert {path.name for path in surface.farm.folder.iterdir()} <= allowed


@pytest.mark.row(69)
def test_row_69_a_workflow_that_every_server_rejects_is_bad_input_at_once(surface: Surface, photo: bytes) -> None:
    for stand_in in surface.stand_ins:
        stand_in.add_fault("status", path="/prompt", status=400, body=HTML)
    try:
        order_id = surface.submit(photo).json()["order_id"]
        eventually(lambda: surface.order(order_id)["status"] == "failed", "the last rejection ends it", 20)
    finally:
        for stand_in in surface.stand_ins:
            stand_in.clear_faults()
    task = surface.order(order_id)["tasks"][0]
    assert (task["reason"]["code"], task["steps"][0]["attempt"]) == ("bad_input", len(surface.stand_ins))
