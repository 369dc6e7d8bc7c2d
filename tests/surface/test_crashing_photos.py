"""Row 53: a photo on which the image library raises, and one that ends the process. Pillow is patched from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from scripts.simulators.photos import portrait
from tests.acceptance.conftest import start_farm
from tests.acceptance.farm_process import Booth, FarmProcess, eventually
from tests.told import TOLD

__all__ = ["start_farm"]

RAISES, CRASHES = b"this photo makes the library raise", b"this photo ends the process"
PATCH = f"""
import os, signal
from PIL import JpegImagePlugin

plain = JpegImagePlugin.JpegImageFile.load

def load(image, *arguments):
    if image.fp is None:
        return plain(image, *arguments)  # decoded already
    image.fp.seek(0)
    data = image.fp.read()
    if {RAISES!r} in data:
        raise SystemError("tile cannot extend outside image")
    if {CRASHES!r} in data:
        os.kill(os.getpid(), signal.SIGSEGV)
    return plain(image, *arguments)

JpegImagePlugin.JpegImageFile.load = load
"""


@pytest.fixture
def patched(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of processes whose Pillow stumbles over the two photos."""
    folder = tmp_path / "patch"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PATCH)
    yield {"PYTHONPATH": str(folder)}


@pytest.mark.row(53)
def test_row_53_a_photo_on_which_the_library_raises_is_refused_and_one_that_crashes_it_costs_a_restart(
    start_farm: Callable[..., tuple[FarmProcess, Booth, object]], patched: dict[str, str]
) -> None:
    farm, booth, _ = start_farm(COMFYUI_WORKERS="1", **patched)
    assert booth.submit_until_taken("good", portrait(1)).status_code == 202
    refused = booth.submit("raises", portrait(2) + RAISES)
    assert (refused.status_code, refused.json()["code"]) == (422, "photo_rejected")

    web = farm.service("scripts.serve")
    with pytest.raises(requests.ConnectionError):
        booth.submit("crashes", portrait(3) + CRASHES)
    died = time.monotonic()

    def answers() -> bool:
        try:
            return booth.request("GET", "/orders/good").status_code == 200
        except requests.ConnectionError:
            return False

    eventually(answers, "the web answers again", 10)
    print(f"{TOLD}row 53: a photo ended the web; answered again after {time.monotonic() - died:.2f} s")
    assert farm.service("scripts.serve").pid != web.pid
    assert booth.request("GET", "/orders/crashes").status_code == 404
    assert booth.submit_until_taken("next", portrait(4)).status_code == 202
    assert booth.follow("next")["status"] == "succeeded"
