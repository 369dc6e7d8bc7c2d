"""Troubles of booths: one that was there and is silent."""

from __future__ import annotations

from flask_babel import gettext as _

from jobs.figures.board import Board
from web.languages import show_local
from web.troubles.trouble import Trouble, join_sentences, name_some, tell_affected

SILENT_SECONDS = 120.0
EVENING_SECONDS = 6 * 3600.0
"""A booth that has been silent for longer was switched off."""


def list_silent(board: Board) -> list[Trouble]:
    """Booths whose heartbeat stopped. A booth that never sends any is not waited for."""
    seen = [booth for booth in board.booths if booth.seen_at is not None]
    silent = [
        (board.seconds_since(booth.last_at), booth)
        for booth in seen
        if booth.last_at is not None and SILENT_SECONDS < board.seconds_since(booth.last_at) < EVENING_SECONDS
    ]
    if not silent:
        return []
    names = {booth.name for _seconds, booth in silent}
    latest = min(silent, key=lambda pair: pair[0])[1]
    everybody = len(names) > 1 and len(names) == len(seen)
    return [
        Trouble(
            _(
                "Not heard of since %(time)s: %(booths)s.",
                time=show_local(latest.last_at, "clock"),
                booths=name_some(names),
            )
            if not everybody
            else _("No booth has been heard of since %(time)s.", time=show_local(latest.last_at, "clock")),
            join_sentences(
                _("Look whether the network of the booths works.")
                if everybody
                else _("Look whether it is on, and at its network."),
                _("If it was switched off, nothing needs doing. Its orders are kept and made."),
            ),
            "eye",
            tell_affected([step for step in board.open if step.booth in names]),
        )
    ]
