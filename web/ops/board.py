"""The board: whether something is wrong, who is affected, and what to do, on one page.

`/ops/live` is the same template without the frame: the page's script fetches it every few seconds. `?wall=1` is for a
large screen that nobody touches.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from flask import Response, g, make_response, render_template, request, session
from flask.typing import ResponseReturnValue

from jobs.access.operators import Operator
from jobs.errors import DatabaseAway
from web.auth import needs_operator
from web.context import farm
from web.ops import ops
from web.ops.tasks import say_no
from web.ops.tiles import show_tiles
from web.troubles import look_at
from web.troubles.verdict import judge

VIEWS = ("ops.show_board", "ops.show_live")
AWAY_SECONDS = 5


@ops.get("/")
@needs_operator
def show_board(operator: Operator) -> ResponseReturnValue:
    """The whole page."""
    return _render("ops/board.html")


@ops.get("/live")
@needs_operator
def show_live(operator: Operator) -> ResponseReturnValue:
    """What changes of it."""
    return _render("ops/live.html")


@ops.errorhandler(DatabaseAway)
def show_blindly(error: DatabaseAway) -> ResponseReturnValue:
    """Without the database nobody can be asked whether a session was ended elsewhere. To whoever holds an unexpired
    one, the board still says what /readyz tells everybody: that the database does not answer, and what to do.
    """
    if request.endpoint not in VIEWS or session.get("until", 0) < time.time():
        return say_no(error)
    answer = _render("ops/board.html" if request.endpoint == VIEWS[0] else "ops/live.html")
    answer.status_code = 503
    answer.headers["Retry-After"] = str(AWAY_SECONDS)
    return answer


def _render(template: str) -> Response:
    look = look_at(farm())
    g.troubles = look.troubles  # the frame asks nothing a second time
    answer = make_response(
        render_template(
            template,
            wall=request.args.get("wall") == "1",
            verdict=judge(look.troubles, look.board),
            found=look.troubles,
            tiles=show_tiles(look.board, look.pools) if look.board is not None else None,
            now=datetime.now(UTC),
            until=datetime.fromtimestamp(session["until"], UTC),
        )
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
