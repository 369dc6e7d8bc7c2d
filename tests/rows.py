"""The table row → passed. `@pytest.mark.row(12)` says which row of "Bad inputs and the expected answer" a test holds.

`case` makes a parameter whose id starts with its row. Rows are counted in whatever part of `tests` they are, also when
several processes run them; rows without a case are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

PROPERTY = "row"
ROWS = {
    1: "no key, or another scheme",
    2: "unknown, revoked, endless and odd keys",
    3: "the key in the query string",
    4: "another booth's order or task",
    5: "a key at the operators' pages, a session at the API",
    6: "20 wrong keys in a minute",
    7: "order id missing, empty, twice; JSON body",
    8: "order ids of 64, 65 and 5 000 characters",
    9: "order ids that are paths",
    10: "order ids with spaces, newline, NUL, colon",
    11: "order ids in other scripts, invisible characters",
    12: "order ids that are code",
    13: "order ids that some system reserves",
    14: "AB, then ab",
    15: "the same order 20 times at once, and later",
    16: "more photos or styles, within 12 h and later",
    17: "an order id of another booth",
    18: "the order id of a deleted order",
    19: "style missing, unknown, disabled",
    20: "style names that are code",
    21: "options outside range or type",
    22: "unknown extra fields",
    23: "a guest's text of 10 000 characters",
    24: "a guest's text with controls and code",
    25: "empty body, text/plain, application/xml",
    26: "multipart without its boundary",
    27: "Content-Length larger than sent",
    28: "Content-Length -1, abc, with Transfer-Encoding",
    29: "a body over 128 MB",
    30: "1 000 parts, a field of 1 MB, 200 headers",
    31: "JSON: deep, duplicate keys, not UTF-8, trailing text",
    32: "a gzip bomb as Content-Encoding",
    33: "40 clients stalled in header, 40 in body",
    34: "an upload at 1 byte/s",
    35: "methods that a collection does not have",
    36: "odd paths and an 8 kB URL",
    37: "no photo, 11 photos",
    38: "a photo of 0 bytes, of 25 MB + 1",
    39: "files that are no JPEG, PNG or WebP",
    40: "text that claims to be a photo",
    41: "content decides, not name or type",
    42: "damaged photos",
    43: "headers that claim enormous sizes",
    44: "small files of too many pixels",
    45: "50 MB packed into zTXt, iCCP, iTXt",
    46: "sides too short or too long",
    47: "49-megapixel JPEG, 6 at once",
    48: "polyglots",
    49: "EXIF, XMP, orientation",
    50: "CMYK, 16-bit, palette, grey + alpha, progressive",
    51: "APNG, animated WebP, MPO",
    52: "client file names",
    53: "a photo that crashes the image library",
    54: "the same photo twice; a black photo",
    55: "a photo_url instead of a photo",
    56: "image tokens: changed, cut, expired, deleted",
    57: "guest tokens: changed, cut, expired, revoked",
    58: "Range with 1 000 parts",
    59: "another Host",
    60: "a change without session, token, own origin, POST",
    61: "retry of what has not failed, or is not there",
    62: "retry pressed 10 times at once",
    63: "cancel racing the last step",
    64: "rq-dashboard's requeue",
    65: "wrong logins, next=, cookie after log-out",
    66: "HTML in names and errors on every page",
    67: "a full queue; a booth above its rate",
    68: "RQ jobs pushed by hand",
    69: "ComfyUI answers that lie",
    70: "cloud answers that lie",
}


def case(row: int, name: str, *values: Any) -> Any:
    """One case of a row, for `parametrize`; its id names the row."""
    return pytest.param(*values, id=f"row-{row} {name}", marks=pytest.mark.row(row))


class RowTable:
    """A pytest plugin: counts the rows' cases as they pass, and prints the table at the end."""

    def __init__(self) -> None:
        self._passed: Counter[int] = Counter()
        self._failed: Counter[int] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Write each test's rows where its report carries them, from another process too."""
        for item in items:
            for row in sorted({row for mark in item.iter_markers("row") for row in mark.args}):
                if row not in ROWS:
                    raise pytest.UsageError(f"{item.nodeid}: there is no row {row}")
                item.user_properties.append((PROPERTY, row))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one report."""
        rows = [row for name, row in report.user_properties if name == PROPERTY and isinstance(row, int)]
        if report.when == "call" and report.passed:
            self._passed.update(rows)
        elif report.failed:
            self._failed.update(rows)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table when a row was tested at all."""
        if not self._passed and not self._failed:
            return
        terminalreporter.section("bad inputs: row → passed")
        for row, title in ROWS.items():
            if self._passed[row] or self._failed[row]:
                passed = self._passed[row]
                failed = f", {self._failed[row]} FAILED" if self._failed[row] else ""
                terminalreporter.write_line(f"row {row:>2} → {passed:>3} passed{failed:<11} {title}")
        missing = [row for row in ROWS if not self._passed[row] and not self._failed[row]]
        counted = f"{sum(self._passed.values())} cases passed, {sum(self._failed.values())} failed"
        terminalreporter.write_line(f"{counted}; rows without a case in this run: {spell_rows(missing) or 'none'}")


def spell_rows(rows: Iterable[int]) -> str:
    """[1, 2, 3, 7] as "1–3, 7"."""
    spans: list[list[int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in spans)
