"""The guest's page /g/<token>: one order, from submission on. Wrong, expired and revoked links look alike."""

from __future__ import annotations

import hmac
import io
import time
from datetime import timedelta

import segno
from flask import Blueprint, Response, render_template
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from jobs.access.links import guest_key
from jobs.database import now_of
from jobs.orders import book
from jobs.orders.models import Order
from web.context import farm

guest = Blueprint("guest", __name__)


@guest.get("/g/<token>")
def page(token: str) -> Response:
    """Position, progress and pictures of one order."""

    def load(session: Session) -> tuple[Order, dict[int, int]]:
        order = _find(session, token)
        return order, book.places_of(session, [task.id for task in order.tasks])

    order, places = farm().database.read(load)
    waiting = any(task.status in ("queued", "running") for task in order.tasks)
    now = time.time()
    tasks = [
        {
            "status": task.status,
            "ahead": places.get(task.id, 0),
            "images": [
                {
                    "url": f"/api/v1/images/{farm().signer.image_token(image.uid, 'full', now)}",
                    "width": image.width,
                    "height": image.height,
                }
                for image in task.images
                if image.final and task.status == "succeeded"
            ],
        }
        for task in order.tasks
    ]
    response = Response(render_template("guest.html", order=order, tasks=tasks, waiting=waiting))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@guest.get("/g/<token>/qr.svg")
def qr_code(token: str) -> Response:
    """The link as a QR code."""
    farm().database.read(_find, token)
    picture = io.BytesIO()
    segno.make(f"{farm().settings.base_url}/g/{token}", error="m").save(picture, kind="svg", scale=8, border=2)
    response = Response(picture.getvalue(), content_type="image/svg+xml")
    response.headers["Cache-Control"] = "no-store"
    return response


def _find(session: Session, token: str) -> Order:
    """The order of a link that holds: its number was not raised, and what it shows is still kept. Raises NotFound."""
    row = session.execute(
        select(Order.order_id, Order.uid, Order.link_number).where(
            Order.guest_key == guest_key(token),
            Order.deleted_at.is_(None),
            Order.created_at > now_of(session) - timedelta(days=farm().settings.retention_days),
        )
    ).first()
    if row is None or not hmac.compare_digest(farm().signer.guest_token(row.uid, row.link_number), token):
        raise NotFound()
    return book.load_order(session, row.order_id)
