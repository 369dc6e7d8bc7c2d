"""Which order a guest's link leads to. Wrong, expired, revoked and deleted look alike."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.access.links import Signer, guest_key
from jobs.database import now_of
from jobs.errors import NotFound
from jobs.orders import book
from jobs.orders.models import Order


def find_by_link(session: Session, token: str, signer: Signer, kept_days: float) -> str:
    """The order id behind a link that holds: its number was not raised, and what it shows is kept. Raises NotFound."""
    row = session.execute(
        select(Order.order_id, Order.uid, Order.link_number).where(
            Order.guest_key == guest_key(token),
            Order.deleted_at.is_(None),
            Order.created_at > now_of(session) - timedelta(days=kept_days),
        )
    ).first()
    if row is None or not hmac.compare_digest(signer.guest_token(row.uid, row.link_number).encode(), token.encode()):
        raise NotFound()
    order_id: str = row.order_id
    return order_id


def load_by_link(session: Session, token: str, signer: Signer, kept_days: float) -> Order:
    """The order behind a link, with its tasks, steps, photos and images. Raises NotFound."""
    return book.load_order(session, find_by_link(session, token, signer, kept_days))


def find_receipt(session: Session, token: str) -> dict[str, Any]:
    """The receipt of the deleted order that this link led to; for whoever deleted it only. Raises NotFound."""
    receipt: dict[str, Any] | None = session.scalar(
        select(Order.receipt).where(Order.guest_key == guest_key(token), Order.deleted_at.is_not(None))
    )
    if receipt is None:
        raise NotFound()
    return receipt
