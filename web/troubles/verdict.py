"""The one line on top of the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flask_babel import gettext as _
from flask_babel import ngettext

from jobs.figures.board import Board
from web.troubles.trouble import Trouble, join_sentences

MINUTES_FROM = 90.0
"""Seconds from which a range is told in minutes."""


@dataclass(frozen=True)
class Verdict:
    """`headline` changes only when the verdict does, so it may be read aloud; `detail` changes with the queue."""

    level: Literal["good", "eye", "bad"]
    headline: str
    detail: str


def judge(troubles: Sequence[Trouble], board: Board | None) -> Verdict:
    """Is something wrong? `troubles`: the worst first."""
    if not troubles:
        return Verdict("good", _("All is well."), join_sentences(*_tell_work(board), _("Nothing needs doing.")))
    worst = troubles[0]
    if worst.level == "bad":
        headline = _("Something is wrong: %(what)s", what=worst.what)
    else:
        headline = _("Something needs an eye: %(what)s", what=worst.what)
    more = len(troubles) - 1
    count = [ngettext("There is %(num)s more below.", "There are %(num)s more below.", more)] if more else []
    return Verdict(worst.level, headline, join_sentences(*count, *_tell_work(board, promises=worst.level != "bad")))


def _tell_work(board: Board | None, *, promises: bool = True) -> list[str]:
    """What is being made; and how long a new one takes, unless that would be promised while nothing is taken."""
    if board is None:
        return []
    following = _tell_next(board) if promises else []
    if not board.open:
        return [_("No picture is being made at the moment."), *following]
    running, queued = board.running, board.queued
    told = [ngettext("%(num)s picture is being made,", "%(num)s pictures are being made,", running)]
    told.append(ngettext("%(num)s waits.", "%(num)s wait.", queued) if queued else _("none waits."))
    return [*told, *following]


def _tell_next(board: Board) -> list[str]:
    if board.expected is None:
        return []
    return [_("A new one takes about %(range)s.", range=tell_range(*board.expected))]


def tell_range(low: float, high: float) -> str:
    """`20–40 seconds`, `2–4 minutes`."""
    if high < MINUTES_FROM:
        return _("%(low)s–%(high)s seconds", low=round(low), high=round(max(high, low + 1)))
    least = max(round(low / 60), 1)
    return _("%(low)s–%(high)s minutes", low=least, high=max(round(high / 60), least + 1))
