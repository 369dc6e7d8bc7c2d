"""The guest's pages /g/<token>: one order from submission on, and its deletion. Wrong, expired, revoked and deleted
links look alike: 404, in kind words.
"""

from __future__ import annotations

import io

import segno
from flask import Blueprint, Response, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from jobs.access.links import guest_key
from jobs.errors import NotFound, OrderDeleted
from jobs.errors.codes import explain
from jobs.orders.links import find_by_link, find_receipt
from web.context import farm
from web.errors import problem, wants_page
from web.guest.remains import tell_remains
from web.guest.telling import tell_order
from web.orders import load_guest_order

guest = Blueprint("guest", __name__, url_prefix="/g")

ERASED = "erased"
"""In the session cookie: the digest of the link that this visitor deleted, so that they alone can read the receipt."""


@guest.get("/<token>")
def page(token: str) -> ResponseReturnValue:
    """Position, progress and pictures of one order; to whoever deleted it, the receipt."""
    if session.get(ERASED) == guest_key(token).hex():
        receipt = farm().database.read(find_receipt, token)
        return render_template("guest/receipt.html", receipt=receipt, remains=tell_remains(receipt))
    sheet = tell_order(load_guest_order(farm(), token), farm())
    return render_template("guest/page.html", sheet=sheet, delete_url=url_for("guest.delete", token=token))


@guest.get("/<token>/state")
def state(token: str) -> str:
    """What of the page changes, for its script: asked for again and again, so it holds as little as it can."""
    return render_template("guest/state.html", sheet=tell_order(load_guest_order(farm(), token), farm()))


@guest.post("/<token>/delete")
def delete(token: str) -> ResponseReturnValue:
    """Remove everything of the order, whatever is being made of it. The receipt is shown at the link itself."""
    the_farm = farm()
    order_id = the_farm.database.read(find_by_link, token, the_farm.signer, the_farm.settings.retention_days)
    try:
        the_farm.interventions.delete_order(order_id, actor="guest")
    except OrderDeleted as exc:  # somebody was quicker
        raise NotFound() from exc
    session[ERASED] = guest_key(token).hex()
    return redirect(url_for("guest.page", token=token), 303)


@guest.get("/<token>/qr.svg")
def qr_code(token: str) -> Response:
    """The link as a QR code."""
    the_farm = farm()
    the_farm.database.read(find_by_link, token, the_farm.signer, the_farm.settings.retention_days)
    picture = io.BytesIO()
    segno.make(f"{the_farm.settings.base_url}/g/{token}", error="m").save(picture, kind="svg", scale=8, border=2)
    return Response(picture.getvalue(), content_type="image/svg+xml")


@guest.errorhandler(NotFound)
def say_not_found(error: NotFound) -> ResponseReturnValue:
    """The same for every link that leads nowhere, whatever the reason."""
    return (render_template("guest/nothing.html"), 404) if wants_page() else problem(explain(NotFound))


@guest.after_request
def keep_private(response: Response) -> Response:
    """Nobody but the guest's own screen keeps it: no cache, no search engine."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    response.vary.add("Cookie")  # on each answer, so that refusals cannot be told apart
    return response
