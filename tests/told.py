"""What passing tests have measured or counted, shown at the end of a run: lines they print that begin with TOLD."""

from __future__ import annotations

import pytest

TOLD = "told: "


class Told:
    """A pytest plugin: collects such lines, from other processes too, and prints them at the end."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the lines of one phase of one test."""
        for name, text in report.sections:
            if name == f"Captured stdout {report.when}" and report.passed:
                self._lines += [line.removeprefix(TOLD) for line in text.splitlines() if line.startswith(TOLD)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what was told."""
        if self._lines:
            terminalreporter.section("measured and counted on the way")
            for line in self._lines:
                terminalreporter.write_line(line)
