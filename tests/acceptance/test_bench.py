"""`./scripts/bench --quick` goes the whole way of two measurements. Only that each figure is there is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300
FIGURES = {
    ("makespan", "dispatch"): {"makespan", "idle dispatch p50", "idle dispatch p95", "end to answer p95"},
    ("statuses-sqlite",): {
        f"{page} {what}, SQLite"
        for page in ("order", "task", "queue", "stats", "list")
        for what in ("p95", "when full")
    },
}
"""The others share what these go through; each would start farms for half a minute more."""


@pytest.mark.parametrize("names", FIGURES, ids=" and ".join)
def test_quick_bench_measures_and_writes_its_figures(names: tuple[str, ...], tmp_path: Path) -> None:
    only = [word for name in names for word in ("--only", name)]
    files = {"--json": tmp_path / "bench.json", "--markdown": tmp_path / "bench.md"}
    options = [word for option, path in files.items() for word in (option, str(path))]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benching.main", "--quick", *only, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(files["--json"].read_text())
    assert {figure["name"] for figure in document["figures"]} == FIGURES[names]
    assert all(figure["median"] == figure["median"] and figure["rounds"] for figure in document["figures"])
    assert document["machine"]["cores"] >= 1
    for figure in document["figures"]:
        assert f"| {figure['name']} |" in files["--markdown"].read_text()
        assert figure["name"] in done.stdout
