"""Serving pictures behind signed, expiring links. Wrong, expired and deleted look alike: 404."""

from __future__ import annotations

import time

from flask import Response, send_file
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from jobs.orders.models import Image
from web.context import farm


def serve_image(token: str) -> Response:
    """The file behind a token. Raises NotFound."""
    read = farm().signer.read_image_token(token, time.time())
    if read is None:
        raise NotFound()
    uid, kind = read
    path = farm().database.read(_find_path, uid, kind)
    if path is None:
        raise NotFound()
    try:
        response = send_file(farm().storage.locate(path), mimetype="image/jpeg", conditional=True, etag=False)
    except FileNotFoundError as exc:
        raise NotFound() from exc
    # Without it a browser saves under the name that the page gives; the storage's own would mean nothing to a guest.
    del response.headers["Content-Disposition"]
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _find_path(session: Session, uid: str, kind: str) -> str | None:
    image = session.scalar(select(Image).where(Image.uid == uid))
    if image is None:
        return None
    return image.thumbnail_path if kind == "thumbnail" else image.path
