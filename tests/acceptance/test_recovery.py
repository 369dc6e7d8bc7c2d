"""What `./scripts/recovery` says of its measurements, and that it goes its whole way of the shortest one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from scripts.recovering.main import MEASUREMENTS, main
from scripts.recovering.outcomes import Recovery
from scripts.recovering.report import as_markdown, read_json, show, write_json

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {"date": "d", "commit": "c", "processor": "p", "cores": 2, "memory": "m", "python": "3", "system": "s"}


def make(*values: float) -> Recovery:
    return Recovery("worker killed", "kill -9", "s", list(values), 3.0, 5.0)


def test_median_and_worst_have_a_bound_each_and_a_missed_one_is_named() -> None:
    assert make(1.0, 2.0, 5.0).missed == []
    assert make(1.0, 2.0, 5.1).missed == ["worker killed: the worst is 5.10 s, above 5 s"]
    assert make(3.2, 3.1, 3.3).missed == ["worker killed: the median is 3.20 s, above 3 s"]
    assert Recovery("drain", "how", "s", [99.0]).missed == []


def test_the_table_names_what_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    show(Console(width=120), [make(1.0, 6.0)])
    out = capsys.readouterr().out
    assert "missed" in out and "Missed: worker killed: the worst is 6.00 s" in out
    assert "**Missed**: worker killed" in as_markdown([make(1.0, 6.0)], MACHINE)


def test_a_file_is_shown_again_without_measuring_and_the_exit_status_says_whether_a_bound_was_missed(
    tmp_path: Path,
) -> None:
    for values, status in (([1.0, 2.0], 0), ([1.0, 9.0], 1)):
        write_json(tmp_path / "recovery.json", [make(*values)], MACHINE)
        assert read_json(tmp_path / "recovery.json") == ([make(*values)], MACHINE)
        assert main(["--read", str(tmp_path / "recovery.json")]) == status


def test_a_killed_worker_s_recovery_is_measured(tmp_path: Path) -> None:
    """The others share what this one goes through; each would start farms for some ten seconds more."""
    assert "worker" in MEASUREMENTS
    done = subprocess.run(
        [sys.executable, "-m", "scripts.recovering.main", "--quick", "--only", "worker", "--json", tmp_path / "r.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = json.loads((tmp_path / "r.json").read_text())["recoveries"]
    assert told["kills"] == 2 and 0.0 < told["worst"] < told["worst_bound"]
    assert "worker killed" in done.stdout
