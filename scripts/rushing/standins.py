"""What the logs of the stand-ins tell of a rush, when the farm is simulated on this machine: who was there at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.errors import SettingsError
from jobs.settings import Settings
from scripts.rushing.rows import Row
from scripts.rushing.watching import count_made
from scripts.simulators import journal
from scripts.simulators.spans import most_at_once, spans_in

COMFYUI_LOG = "comfyui.jsonl"

Logs = dict[str, list[journal.Row]]
"""Resource -> what its stand-ins wrote during the rush, in the order of the moments."""


@dataclass
class Crowds:
    """The most calls at once of each resource, by the logs; empty when no log tells of this rush."""

    most: dict[str, int] = field(default_factory=dict)

    def over(self, limits: Mapping[str, int]) -> list[str]:
        """A sentence for each resource that had more calls than its limit."""
        return [
            f"{most} calls at once at {name}, {limits[name]} allowed"
            for name, most in self.most.items()
            if name in limits and most > limits[name]
        ]


def find_folder() -> Path | None:
    """Where the farm of this machine keeps the logs of its stand-ins; None when there are none."""
    try:
        folder = Settings.load().data_dir / "simulators"
    except SettingsError:
        return None
    return folder if (folder / COMFYUI_LOG).is_file() else None


def read_logs(folder: Path, since: float) -> Logs:
    """What was written since then. Raises OSError, ValueError (a line is no JSON)."""
    logs: Logs = {"comfyui": [], "api": []}
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            rows = [row for row in map(json.loads, lines) if row["t"] >= since]
        logs["comfyui" if path.name == COMFYUI_LOG else "api"] += rows
    return {name: sorted(rows, key=lambda row: row["t"]) for name, rows in logs.items()}


def note_logs(rows: Sequence[Row], logs: Logs) -> Crowds:
    """Write into the rows what was made of their photos; how much was there at once, whoever it was for."""
    made = {name: count_made(log) for name, log in logs.items()}
    ours = {f"{row.mark:016x}" for row in rows}
    inputs = (photo for log in logs.values() for row in log if row["event"] == "submit" for photo in row["inputs"])
    if ours.isdisjoint(photo.get("mark") for photo in inputs):
        return Crowds()  # the logs of another farm
    for row in rows:
        row.made, row.bought = (made[name][f"{row.mark:016x}"] for name in ("comfyui", "api"))
    return Crowds({name: count_at_once(log) for name, log in logs.items()})


def count_at_once(log: Iterable[journal.Row]) -> int:
    """The most submissions that were there at one moment."""
    return most_at_once(spans_in(list(log)))[0]
