"""`./scripts/up --simulate` as a newcomer uses it: ready by itself, a picture from a photo, nothing left behind."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import requests
from PIL import Image

from jobs.settings.providers import DEFAULTS
from scripts.launch import SERVICES
from scripts.simulators import marks
from scripts.simulators.photos import portrait
from tests.acceptance.farm_process import ROOT, Booth, FarmProcess, ended, eventually

RUSH_SECONDS = 180
EVERY_PROCESS = len(("redis", "comfyui stand-ins", "cloud stand-ins", *SERVICES))
ROW_OF_COST = re.compile(
    r'data-label="Provider">(\w+)</td>(?:(?!</tr>).)*?data-label="Cost today \(UTC\)">([\d.]+)</td>', re.S
)
"""A provider with a cost in the table of /ops/providers."""


def read_costs(farm: FarmProcess) -> dict[str, float]:
    """Provider -> what its calls cost today, as operators read it."""
    with requests.Session() as operator:
        form = operator.get(f"{farm.url}/ops/login", timeout=30).text
        token = form.split('name="csrf_token" value="')[1].split('"')[0]
        fields = {"username": "admin", "password": "admin password", "csrf_token": token}
        assert operator.post(f"{farm.url}/ops/login", data=fields, timeout=30).ok
        page = operator.get(f"{farm.url}/ops/providers", timeout=30).text
    return {name: float(cost) for name, cost in ROW_OF_COST.findall(page)}


def test_the_simulated_farm_makes_pictures_keeps_its_limits_in_a_rush_and_leaves_no_process(tmp_path: Path) -> None:
    arguments = ("--simulate", "--servers", "2", "--seconds", "0.1")
    farm = FarmProcess(tmp_path / "data", arguments=arguments, API_WORKERS="2").start()
    try:
        delete_it_everywhere(farm, make_a_picture(farm))
        rush(farm, tmp_path / "rush.json")
        costs = read_costs(farm)
        processes = farm.children()
    finally:
        farm.stop()
    assert costs.keys() == DEFAULTS.keys()
    assert all(cost > 0 for cost in costs.values()), costs
    assert farm.process is not None and farm.process.returncode == 0
    assert ended(processes)


def make_a_picture(farm: FarmProcess) -> Booth:
    """A newcomer's first photo, with a key as the README says."""
    command = ["./scripts/booth-key", "booth"]
    made = subprocess.run(
        command, cwd=ROOT, env=farm.environment, capture_output=True, text=True, timeout=30, check=True
    )
    booth = Booth(farm, made.stdout.strip())
    booth.submit_until_taken("first", portrait(99))
    task = booth.follow("first")["tasks"][0]
    assert marks.read(Image.open(io.BytesIO(booth.picture(task)))) == 99
    return booth


def delete_it_everywhere(farm: FarmProcess, booth: Booth) -> None:
    """The only order there is, deleted: nothing of it is left, in the farm's files or beside the stand-ins."""
    urls = (farm.folder / "simulators" / "urls").read_text().split()

    def copies() -> list[str]:
        files = [requests.get(f"{url}/_standin/files", timeout=10).json() for url in urls]
        return [path for kinds in files for kind in kinds.values() for path in kind]

    assert len(copies()) == 2, "the photo and its picture"
    receipt = booth.request("DELETE", "/orders/first").json()["receipt"]
    assert receipt["may_remain"][0]["until"] > receipt["deleted_at"]
    assert [path for path in (farm.folder / "files").rglob("*") if path.is_file()] == []
    eventually(lambda: not copies(), "its copies are swept")


def rush(farm: FarmProcess, told: Path) -> None:
    """Two tasks of each style that can be made; both resources see their limits kept."""
    options = ["--url", farm.url, "--booths", "3", "--tasks", "18", "--interval", "0", "--json", str(told)]
    ran = subprocess.run(
        [sys.executable, "scripts/rush", *options],
        cwd=ROOT,
        env=farm.environment,
        capture_output=True,
        text=True,
        timeout=RUSH_SECONDS,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    summary = json.loads(told.read_text())["summary"]
    assert summary["succeeded"] == len(set(summary["styles"][1::2])) * 2 == 18
    assert sum(summary["promises"][outcome] for outcome in ("kept", "early", "late")) == 18
    assert 0 < summary["calls_at_once"]["comfyui"] <= 4
    assert 0 < summary["calls_at_once"]["api"] <= 2


def test_killing_up_itself_leaves_no_process(tmp_path: Path) -> None:
    farm = FarmProcess(tmp_path / "data", arguments=("--simulate", "--servers", "2"), API_WORKERS="1")
    farm.launch()
    eventually(lambda: len(farm.children()) >= EVERY_PROCESS, "all of them were started")
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
