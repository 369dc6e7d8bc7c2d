"""Finding orders: their tasks by status, order id, code or booth."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from jobs.access.operators import Operator
from jobs.orders import book
from web.auth import needs_operator
from web.context import farm
from web.ops import ops

LONGEST_NUMBER = 18
"""Digits; a longer number is no row's, and no integer of the database."""
STATUSES = ("queued", "running", "succeeded", "failed", "canceled")


@ops.get("/orders")
@needs_operator
def list_orders(operator: Operator) -> ResponseReturnValue:
    """The newest tasks, by status, order id, code or booth."""
    status = request.args.get("status", "")
    search = request.args.get("q", "").strip()
    before = request.args.get("before", "")
    rows, following = farm().database.read(
        book.list_tasks,
        status=status if status in STATUSES else "",
        search=search,
        before=int(before) if before.isdecimal() and len(before) <= LONGEST_NUMBER else None,
    )
    return render_template(
        "ops/orders.html",
        rows=rows,
        following=following,
        statuses=STATUSES,
        status=status,
        search=search,
    )
