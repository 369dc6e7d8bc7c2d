"""The list of cases × outcome, and which of them are run when: a part always, all of them with `--all-faults`.

`fault_case` makes a parameter that carries its point and its harm; `record` notes what a passing case showed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CASE, SHOWN = "fault case", "fault shown"
OPTION = "--all-faults"


def fault_case(point: str, harm: str, *values: Any, always: bool = False) -> Any:
    """One case, for `parametrize`. `always`: it belongs to the part that every run of the suite has."""
    return pytest.param(*values, id=f"{point}: {harm}", marks=pytest.mark.fault(point, harm, always))


def record(note: Callable[[str, object], None], text: str) -> None:
    """What stands in the case's cell when it passes; `note` is pytest's `record_property`."""
    note(SHOWN, text)


class FaultTable:
    """A pytest plugin: leaves out what was not asked for, gathers the outcomes, prints the table at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cells: dict[tuple[str, str], dict[str, str]] = {}  # by file and point

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect, and write each case where its report carries it, from another process too."""
        left_out = []
        for item in items:
            mark = item.get_closest_marker("fault")
            if mark is None:
                continue
            point, harm, always = mark.args
            item.user_properties.append((CASE, [point, harm]))
            if not always and not self._config.getoption(OPTION):
                left_out.append(item)
        if left_out:
            items[:] = [item for item in items if item not in left_out]
            self._config.hook.pytest_deselected(items=left_out)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one outcome."""
        properties = dict(report.user_properties)
        if CASE not in properties or (report.when != "call" and not report.failed):
            return
        point, harm = properties[CASE]  # type: ignore[misc]  # written above
        shown = str(properties.get(SHOWN, "passed"))
        self._cells.setdefault((report.location[0], point), {})[harm] = "FAILED" if report.failed else shown

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print point by point what was done there and how it ended."""
        if not self._cells:
            return
        terminalreporter.section("faults: point × what was done → outcome")
        for (_, point), cells in sorted(self._cells.items(), key=lambda item: item[0][0]):  # files run side by side
            terminalreporter.write_line(point)
            for harm, outcome in cells.items():
                terminalreporter.write_line(f"    {harm:<22} → {outcome}")
        outcomes = [outcome for cells in self._cells.values() for outcome in cells.values()]
        failed = outcomes.count("FAILED")
        share = "all cases" if self._config.getoption(OPTION) else f"a part of the cases; {OPTION} runs all"
        terminalreporter.write_line(f"{len(outcomes) - failed} cases passed, {failed} failed ({share})")
