"""What a stand-in was asked and did, one JSON line per event: what tests compare with the farm's own records.

Events: boot (with the prompts it lost), submit, refuse, start, hold, end (with its outcome), delete, clear, interrupt.
Kept in memory and, where a file is named, appended to it; several processes may write the same file.
"""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]

ROWS_KEPT = 100_000


class Journal:
    """The events of one stand-in. May be used from any thread."""

    def __init__(self, path: Path | None = None) -> None:
        self._rows: deque[Row] = deque(maxlen=ROWS_KEPT)
        self._written = threading.Condition()
        # One write of one whole line to a file opened for appending: lines of several writers do not mix.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if path else None

    def write(self, event: str, **fields: Any) -> Row:
        row: Row = {"t": time.time(), "event": event, **fields}
        with self._written:
            self._rows.append(row)
            if self._file is not None:
                os.write(self._file, json.dumps(row, ensure_ascii=False).encode() + b"\n")
            self._written.notify_all()
        return row

    def rows(self) -> list[Row]:
        with self._written:
            return list(self._rows)

    def wait_for(self, wanted: Callable[[Row], bool], *, count: int = 1, timeout: float = 10) -> list[Row]:
        """The first `count` rows that are wanted, as soon as there are so many; TimeoutError otherwise."""
        found: list[Row] = []

        def enough() -> bool:
            found[:] = [row for row in self._rows if wanted(row)]
            return len(found) >= count

        with self._written:
            if not self._written.wait_for(enough, timeout):
                raise TimeoutError(f"{len(found)} of {count} events in {timeout} s")
        return found[:count]

    def close(self) -> None:
        with self._written:
            if self._file is not None:
                os.close(self._file)
                self._file = None
