"""/healthz: the process lives. /readyz: database and storage take orders; Redis being away or full only degrades."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from jobs.engine.doorbell import ask_redis
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
    checks: dict[str, str] = {"database": "ok", "storage": "ok", "redis": ask_redis(farm().redis)}
    status = "ok" if checks["redis"] == "ok" else "degraded"
    for name, check in (("database", farm().database.check_writable), ("storage", farm().storage.check_room)):
        try:
            check()
        except FarmBusy as exc:
            checks[name], status = exc.code, "unavailable"
    answer = jsonify({"status": status, "checks": checks})
    if status == "unavailable":
        answer.status_code = 503
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer
