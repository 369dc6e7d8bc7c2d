"""`./scripts/bench --quick` goes the whole way. No speed is asserted: only that each figure is measured and written."""

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
    ("submitting", "gpu-idle"): {"web CPU per photo", "ten photos at once", "GPU idle median", "GPU idle p95"},
    ("statuses-sqlite", "statuses-postgresql"): {
        f"{page} {what}, {kind}"
        for page in ("order", "task", "queue", "stats", "list")
        for what in ("p95", "when full")
        for kind in ("SQLite", "PostgreSQL")
    },
    ("memory",): {"memory at rest", "memory during a rush", "memory, large photos"},
}


@pytest.mark.parametrize("names", FIGURES, ids=" and ".join)
def test_quick_bench_measures_and_writes_every_figure(names: tuple[str, ...], tmp_path: Path) -> None:
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
