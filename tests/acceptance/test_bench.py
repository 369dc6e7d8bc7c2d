"""`./scripts/bench --quick` goes the whole way of two measurements. Only that each figure is there is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300
FIGURES = {"makespan", "idle dispatch p50", "idle dispatch p95", "end to answer p95"}
"""Of two measurements on one farm. The others share what these go through, and start farms of their own."""


def test_quick_bench_measures_and_writes_its_figures(tmp_path: Path) -> None:
    only = ["--only", "makespan", "--only", "dispatch"]
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
    assert {figure["name"] for figure in document["figures"]} == FIGURES
    assert all(figure["median"] == figure["median"] and figure["rounds"] for figure in document["figures"])
    assert document["machine"]["cores"] >= 1
    for figure in document["figures"]:
        assert f"| {figure['name']} |" in files["--markdown"].read_text()
        assert figure["name"] in done.stdout
