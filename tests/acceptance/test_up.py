"""`./scripts/up --simulate` as a newcomer uses it: ready by itself, a picture from a photo, nothing left behind."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

from scripts.simulators import marks
from scripts.simulators.photos import portrait
from tests.acceptance.farm_process import ROOT, Booth, FarmProcess, ended, eventually


def test_the_simulated_farm_makes_a_picture_and_leaves_no_process(tmp_path: Path) -> None:
    farm = FarmProcess(tmp_path / "data", arguments=("--simulate", "--servers", "2", "--seconds", "0.1")).start()
    try:
        booth = Booth(farm, farm.make_key())
        booth.submit_until_taken("first", portrait(99))
        task = booth.follow("first")["tasks"][0]
        assert marks.read(Image.open(io.BytesIO(booth.picture(task)))) == 99
        processes = farm.children()
    finally:
        farm.stop()
    assert farm.process is not None and farm.process.returncode == 0
    assert ended(processes)


def test_killing_up_itself_leaves_no_process(tmp_path: Path) -> None:
    farm = FarmProcess(tmp_path / "data", arguments=("--simulate", "--servers", "2")).start()
    processes = farm.children()
    assert farm.process is not None
    farm.process.kill()
    farm.process.wait(30)
    eventually(lambda: ended(processes), "all children end")


def test_without_servers_it_stops_with_a_sentence_that_names_simulate(tmp_path: Path) -> None:
    farm = FarmProcess(tmp_path / "data")
    command = [sys.executable, "-m", "scripts.launch"]
    ran = subprocess.run(command, cwd=ROOT, env=farm.environment, capture_output=True, text=True, timeout=30)
    assert ran.returncode == 2
    assert "--simulate" in ran.stderr and ran.stderr.count("\n") == 1


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    farm = FarmProcess(tmp_path / "data", QUEUE_LIMIT="many", STORAGE_URL="s3://bucket/prefix")
    command = [sys.executable, "-m", "scripts.launch", "--simulate"]
    ran = subprocess.run(command, cwd=ROOT, env=farm.environment, capture_output=True, text=True, timeout=30)
    assert ran.returncode == 2
    assert "QUEUE_LIMIT" in ran.stderr and "STORAGE_URL" in ran.stderr
