"""One log line and one measurement for each request: method, route rule, status, milliseconds, booth. Never a path, a
query or a header: links, keys and guests' words may stand in them.
"""

from __future__ import annotations

import logging
import time
import uuid

from flask import Flask, Response, g, request

from jobs import trail
from web.metrics import RequestMeter

log = logging.getLogger(__name__)


def register(app: Flask, meter: RequestMeter) -> None:
    """Accompany every request, from before anything else looks at it until its last byte is handed over."""

    @app.before_request
    def begin() -> None:
        g.started_at = time.perf_counter()
        g.request_id = uuid.uuid4().hex[:16]
        trail.start(request_id=g.request_id)

    @app.after_request
    def note(response: Response) -> Response:
        method = request.method
        route = request.url_rule.rule if request.url_rule is not None else "unmatched"
        started_at, booth, follows = g.started_at, g.get("booth"), g.get("follows", False)

        def end() -> None:
            seconds = time.perf_counter() - started_at
            meter.observe(method, route, response.status_code, seconds, follows=follows)
            extra = {"method": method, "route": route, "status": response.status_code, "ms": round(seconds * 1000, 1)}
            log.info("request", extra=extra | ({"booth": booth} if booth else {}))

        if response.direct_passthrough:
            end()  # a file goes to the server as it is, and nobody is told when it is closed
        else:
            response.call_on_close(end)  # a follower's stream ends long after its view
        return response
