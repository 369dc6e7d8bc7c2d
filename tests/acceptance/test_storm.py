"""`./scripts/storm`: a short one goes the whole way, from the first fault to the verdicts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.simulators.journal import Row

ROOT = Path(__file__).parents[2]
OPTIONS = ["--quick", "--minutes", "0.25", "--seed", "3"]
PATIENCE_SECONDS = 280
VERDICTS = (
    "lost",
    "ghost",
    "duplicated",
    "unrecorded",
    "stuck",
    "wrong picture",
    "over the limit",
    "over-admitted",
    "illegal move",
    "leak",
)


@dataclass(frozen=True)
class Storm:
    """One that ended well: what it printed, and the folder of all that was written down."""

    printed: str
    folder: Path

    def rows(self, journal: str) -> list[Row]:
        return [json.loads(line) for line in (self.folder / journal).read_text().splitlines()]


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Storm:
    folder = tmp_path_factory.mktemp("storm")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.storming.main", *OPTIONS, "--folder", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Storm(done.stdout, folder)


def test_a_short_storm_is_judged_by_every_verdict(storm: Storm) -> None:
    cells = [[cell.strip() for cell in line.split("│")] for line in storm.printed.splitlines()]
    found = {row[1]: row[2] for row in cells if len(row) > 3}
    assert found == dict.fromkeys(VERDICTS, "0"), storm.printed


def test_orders_of_a_storm_are_accepted_and_made(storm: Storm) -> None:
    rows = storm.rows("booths.jsonl")
    accepted = {row["order_id"] for row in rows if row["event"] == "answer" and row["status"] == 202}
    pictures = {row["order_id"] for row in rows if row["event"] == "picture" and row["sha256_ok"]}
    assert accepted & pictures


def test_every_cloud_of_a_storm_is_a_machine_that_sells(storm: Storm) -> None:
    [settings] = [row for row in storm.rows("nemesis.jsonl") if row["event"] == "settings"]
    ports = {described["port"] for described in settings["providers"].values()}
    rows = storm.rows("clouds.jsonl")
    assert {row["port"] for row in rows if row["event"] == "boot"} == ports
    assert len(ports) == 3
    assert any(row["event"] == "submit" and row["port"] in ports for row in rows)


def test_every_fault_of_a_storm_begins_and_ends(storm: Storm) -> None:
    rows = storm.rows("nemesis.jsonl")
    begun = [row["number"] for row in rows if row["event"] == "begin"]
    ended = [row["number"] for row in rows if row["event"] == "end"]
    assert len(begun) >= 5
    assert sorted(begun) == sorted(ended)
    assert [row["event"] for row in rows if row["event"] not in ("begin", "end")] == ["settings", "healed", "drained"]
