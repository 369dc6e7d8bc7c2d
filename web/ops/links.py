"""Links that operators' pages hand out: a guest's page, a picture."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from jobs.orders.models import Order
from web.context import farm


def link_of(order: Order) -> str | None:
    """The path of the guest's page, or None once it has expired."""
    if order.created_at < datetime.now(UTC) - timedelta(days=farm().settings.retention_days):
        return None
    return f"/g/{farm().signer.guest_token(order.uid, order.link_number)}"


def link_picture(uid: str, kind: str) -> str:
    """The signed link of a picture, whole (`full`) or small (`thumbnail`)."""
    return f"/api/v1/images/{farm().signer.image_token(uid, kind, time.time())}"
