"""The board: whether something is wrong, who is affected, and what to do, on one page."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from jobs.access.operators import Operator
from jobs.figures import read_queue
from web.auth import needs_operator
from web.context import farm
from web.ops import ops


@ops.get("/")
@needs_operator
def show_board(operator: Operator) -> ResponseReturnValue:
    """The queue and the resources of this moment."""
    queue = read_queue(farm().database, farm().redis, farm().settings, farm().providers)
    return render_template("ops/board.html", queue=queue)
