"""What a storm did to the farm, judged from outside: by what booths, stand-ins, nemesis and the database wrote down.

`reading` looks at files and rows; everything else is pure: `taking`, `buying`, `crowding`, `moving`, `pictures` and
`ending` find what is wrong, `verdict` puts it together, `timeline` and `showing` tell it.
"""

from __future__ import annotations

from pathlib import Path

from scripts.storming.checking.reading import read_evidence
from scripts.storming.checking.showing import show
from scripts.storming.checking.verdict import Verdict, judge

__all__ = ["Verdict", "check", "show"]


def check(folder: Path, database_url: str) -> Verdict:
    """The verdict on a storm that wrote its histories into `folder`. Raises OSError, ValueError, LookupError."""
    return judge(read_evidence(folder, database_url))
