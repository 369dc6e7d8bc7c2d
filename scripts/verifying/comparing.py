"""Two requests field by field, and the differences that we know and can explain. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scripts.verifying.forms import Fields

ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """A field that is not the same on both sides; ABSENT where a side has none."""

    field: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.field}: ours {self.ours!r:.80}, theirs {self.theirs!r:.80}"


@dataclass(frozen=True)
class Known:
    """A difference that is meant to be there. `field` may hold wildcards; `ours` and `theirs` narrow it to values."""

    field: str
    why: str
    ours: str = "*"
    theirs: str = "*"
    may_be_missing: bool = False
    """Does it depend on the machine? Otherwise one that is no longer there is a mistake in the table."""

    def explains(self, difference: Difference) -> bool:
        pairs = ((difference.field, self.field), (difference.ours, self.ours), (difference.theirs, self.theirs))
        return all(pattern == "*" or value == pattern or fnmatchcase(value, pattern) for value, pattern in pairs)


@dataclass(frozen=True)
class Comparison:
    """What came of it: all is well when `unexplained` and `stale` are empty."""

    same: int
    explained: Sequence[tuple[Difference, Known]]
    unexplained: Sequence[Difference]
    stale: Sequence[Known]


OF_TRANSPORT = (
    Known("header host", "each side has a recorder of its own", may_be_missing=True),
    Known("header user-agent", "each client has its name", may_be_missing=True),
    Known("header accept", "any type is taken by both", may_be_missing=True),
    Known("header accept-encoding", "each HTTP library names what it can unpack", may_be_missing=True),
    Known("header connection", "how long the connection is kept", may_be_missing=True),
    Known("header content-length", "follows from the body, which is compared", may_be_missing=True),
)
"""The HTTP library's business, not the API's."""


def compare(ours: Fields, theirs: Fields, known: Iterable[Known] = ()) -> Comparison:
    """Where two requests differ, and what of it `known` explains."""
    known = tuple(known)
    differences = [
        Difference(name, ours.get(name, ABSENT), theirs.get(name, ABSENT))
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    explained, unexplained = [], []
    for difference in differences:
        reason = next((one for one in known if one.explains(difference)), None)
        if reason:
            explained.append((difference, reason))
        else:
            unexplained.append(difference)
    used = {reason for _, reason in explained}
    stale = [one for one in known if one not in used and not one.may_be_missing]
    return Comparison(len(ours.keys() & theirs.keys()) - _shared(differences), explained, unexplained, stale)


def _shared(differences: Iterable[Difference]) -> int:
    return sum(ABSENT not in (one.ours, one.theirs) for one in differences)
