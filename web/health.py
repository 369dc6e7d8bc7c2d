"""/healthz: the process lives. /readyz: database and storage answer; Redis being away only degrades."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from redis.exceptions import RedisError

from jobs.errors import FarmBusy
from web.context import farm

health = Blueprint("health", __name__)


@health.get("/healthz")
def live() -> Response:
    """This process answers."""
    return jsonify({"status": "ok"})


@health.get("/readyz")
def ready() -> tuple[Response, int]:
    """Can orders be taken?"""
    checks = {"database": "ok", "storage": "ok", "redis": "ok"}
    status = "ok"
    try:
        farm().redis.ping()
    except (RedisError, OSError):
        checks["redis"], status = "away", "degraded"
    for name, check in (("database", farm().database.ping), ("storage", farm().storage.check_room)):
        try:
            check()
        except FarmBusy as exc:
            checks[name], status = exc.code, "unavailable"
    return jsonify({"status": status, "checks": checks}), 503 if status == "unavailable" else 200
