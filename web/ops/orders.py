"""Finding orders: by code, order id, booth, time and status, with small pictures by which a guest is recognized."""

from __future__ import annotations

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from jobs.access.operators import Operator
from jobs.media.images import shrink
from jobs.orders import finding
from jobs.orders.finding import Sought
from web.auth import needs_operator
from web.context import farm
from web.ops import ops
from web.ops.links import link_picture
from web.ops.moments import read_around, read_moment
from web.ops.numbers import read_row_id

STATUSES = ("queued", "running", "succeeded", "failed", "canceled")
PHOTO_SIDE = 240
"""Pixels of a photo in a list: enough to know a face."""
MOST_PHOTOS = 10_000
"""No order has more; a larger number may be no integer of the database."""


@ops.get("/orders")
@needs_operator
def list_orders(operator: Operator) -> ResponseReturnValue:
    """The newest orders, or those that are looked for."""
    asked = {name: request.args.get(name, "").strip() for name in ("q", "status", "around", "from", "to")}
    around = read_around(asked["around"])
    since, until = around or (read_moment(asked["from"]), read_moment(asked["to"]))
    found, following = farm().database.read(
        finding.find_orders,
        Sought(
            words=asked["q"].replace("\0", ""),
            status=asked["status"] if asked["status"] in STATUSES else "",
            since=since,
            until=until,
        ),
        before=read_row_id(request.args.get("before", "")),
    )
    wanted = {name: value for name, value in asked.items() if value}
    return render_template(
        "ops/orders.html",
        found=found,
        following=following,
        statuses=STATUSES,
        asked=asked,
        wanted=wanted,
        picture=link_picture,
    )


@ops.get("/orders/<order_id>/photos/<int:position>")
@needs_operator
def show_photo(operator: Operator, order_id: str, position: int) -> ResponseReturnValue:
    """A guest's photo, small. It is made on demand and kept nowhere."""
    if position > MOST_PHOTOS:
        raise NotFound()
    path = farm().database.read(finding.find_photo, order_id, position)
    try:
        photo = shrink(farm().storage.read(path), PHOTO_SIDE)
    except FileNotFoundError as exc:
        raise NotFound() from exc
    return Response(photo, mimetype="image/jpeg", headers={"Cache-Control": "no-store", "X-Robots-Tag": "noindex"})
