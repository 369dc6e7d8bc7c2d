"""/healthz: the process lives. /readyz: database and storage answer; Redis being away only degrades."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from redis.exceptions import RedisError

from jobs.errors import FarmBusy
from web.context import farm

health = Blueprint("health", __name__)

RETRY_SECONDS = 5


@health.get("/healthz")
def live() -> Response:
    """This process answers."""
    return jsonify({"status": "ok"})


@health.get("/readyz")
def ready() -> Response:
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
    answer = jsonify({"status": status, "checks": checks})
    if status == "unavailable":
        answer.status_code = 503
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer
