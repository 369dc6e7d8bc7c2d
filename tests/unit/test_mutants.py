"""Every mutant still applies to the tree as it is. Whether the tests notice it is seen by ./scripts/mutants."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.mutating.mutants import MUTANTS, Mutant, apply

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_applies_and_its_tests_are_there(mutant: Mutant, tmp_path: Path) -> None:
    for change in mutant.changes:
        (tmp_path / change.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / change.path, tmp_path / change.path)
    apply(mutant, tmp_path)
    for change in mutant.changes:
        compile((tmp_path / change.path).read_text(), change.path, "exec")
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text() or not name
