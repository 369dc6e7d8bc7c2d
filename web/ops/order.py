"""One order's page: its pictures, the guest's link to show or print again, and what an attendant may do to it."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from jobs.access.operators import Operator
from jobs.errors import OrderDeleted
from jobs.orders import book, telling
from web.auth import needs_operator
from web.context import farm
from web.ops import ops
from web.ops.links import link_of, link_picture


@ops.get("/orders/<order_id>")
@needs_operator
def show_order(operator: Operator, order_id: str) -> ResponseReturnValue:
    """An order; of a deleted one its receipt."""
    try:
        story = farm().database.read(telling.tell_order, order_id)
    except OrderDeleted:
        receipt = farm().database.read(telling.find_receipt, order_id)
        return render_template("ops/order_deleted.html", receipt=receipt), OrderDeleted.status
    return render_template("ops/order.html", story=story, link=link_of(story.order), picture=link_picture)


@ops.get("/orders/<order_id>/print")
@needs_operator
def print_link(operator: Operator, order_id: str) -> ResponseReturnValue:
    """The guest's link as a slip of paper."""
    order = farm().database.read(book.load_order, order_id)
    return render_template("ops/order_print.html", order=order, link=link_of(order), base_url=farm().settings.base_url)


@ops.post("/orders/<order_id>/link")
@needs_operator
def renew_link(operator: Operator, order_id: str) -> ResponseReturnValue:
    """Another link for the guest; the old one ends."""
    farm().interventions.renew_link(order_id, actor=operator.username)
    flash(_("The order has a new link. The old one shows nothing any more."))
    return redirect(url_for("ops.show_order", order_id=order_id))


@ops.post("/orders/<order_id>/cancel")
@needs_operator
def cancel_order(operator: Operator, order_id: str) -> ResponseReturnValue:
    """Stop what is still open of an order."""
    farm().interventions.cancel_order(order_id, actor=operator.username)
    flash(_("What was still open of this order is canceled."))
    return redirect(url_for("ops.show_order", order_id=order_id))


@ops.post("/orders/<order_id>/delete")
@needs_operator
def delete_order(operator: Operator, order_id: str) -> ResponseReturnValue:
    """Remove photos, pictures and links for good."""
    farm().interventions.delete_order(order_id, actor=operator.username)
    flash(_("The order is deleted."))
    return redirect(url_for("ops.show_order", order_id=order_id))
