"""rq-dashboard under /ops/rq/, for technicians: behind the operators' login, and it can change nothing.

Its views are the library's. Here stand the guard before them, the classes that they read RQ with
(jobs/engine/spectator), and the escaping that its templates lack. Ways of the library that change something stay
mounted only to be refused with 405.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import rq_dashboard.web as library
from flask import Blueprint, Flask, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape
from rq.exceptions import NoSuchJobError
from rq.serializers import JSONSerializer
from werkzeug.exceptions import NotFound

from jobs.engine.spectator import (
    REGISTRIES,
    ReadingRedis,
    RedisAway,
    SeenJob,
    SeenQueue,
    SeenWorker,
    Unreadable,
    list_page,
)
from jobs.errors import FarmBusy, NotAuthenticated
from jobs.errors import NotFound as NothingHere
from jobs.errors.codes import ErrorCode, explain
from jobs.farm import Farm
from jobs.resources import RESOURCES
from web.auth import current_operator
from web.errors import ERROR, METHOD_NOT_ALLOWED, NOT_PERMITTED, problem
from web.languages import translate
from web.ops import menu
from web.wording import N_

BUSY, NOT_FOUND, NOT_AUTHENTICATED = explain(FarmBusy), explain(NothingHere), explain(NotAuthenticated)

NAME = "rq_dashboard"
"""The blueprint's name stands in the library's templates."""
PREFIX = "/ops/rq"
PAGES = frozenset({"queues_overview", "workers_overview", "jobs_overview", "job_view"})
DATA = frozenset({"list_queues", "list_workers", "list_jobs", "job_info"})
FILES = frozenset({"static", "favicon"})
LARGEST_PAGE = 200
"""Jobs on a page at most, as in the library's own form."""
QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
"""The library writes a queue's name into a script without escaping it, so no other name may reach its pages."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "script-src-attr 'none'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Its templates are inline scripts that build functions, and carry style attributes; Bootstrap's icons are data."""
ESCAPED_BY_TEMPLATES = {"list_jobs": {"description", "exc_info"}, "list_workers": {"description"}}
"""Fields that the library's templates do escape, by view; escaped here as well they would show entities."""
AWAY = N_("Redis is away, so there is nothing to show of RQ. The farm goes on: orders are taken, and nothing is lost.")
UNREADABLE = N_("What stands there in Redis is not RQ's and cannot be shown.")
MISSING = N_("RQ knows no such thing, or no more: jobs disappear from Redis soon after they end.")


def _list_page(*args: Any) -> tuple[int, list[dict[str, Any]]]:
    total, jobs = list_page(*args)
    return total, [library.serialize_job(job) for job in jobs]


# The library looks these names up when its views run. Its own pages after the first repeat what others show.
library.config.serializer = JSONSerializer
library.Job, library.Queue, library.Worker = SeenJob, SeenQueue, SeenWorker
library.get_queue_registry_jobs_count = _list_page


def make_dashboard(farm: Farm) -> Blueprint:
    """The library's views as a blueprint of this app's own. Connects to nothing."""
    dashboard = Blueprint(
        NAME, library.__name__, url_prefix=PREFIX, static_folder="static", template_folder="templates"
    )
    dashboard.deferred_functions.extend(library.blueprint.deferred_functions)
    dashboard.context_processor(library.inject_interval)
    dashboard.before_app_request(_guard)
    dashboard.after_request(_make_inert)
    dashboard.register_error_handler(RedisAway, lambda error: _explain(BUSY, AWAY))
    dashboard.register_error_handler(Unreadable, lambda error: _explain(ERROR, UNREADABLE, status=502))
    dashboard.register_error_handler(NoSuchJobError, lambda error: _explain(NOT_FOUND, MISSING))
    dashboard.register_error_handler(NotFound, lambda error: _explain(NOT_FOUND, MISSING))

    @dashboard.record
    def settle(state: Any) -> None:
        app: Flask = state.app
        app.config["RQ_DASHBOARD_REDIS_URL"] = ("the farm's Redis",)  # shown only; a URL would show its password
        app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True  # its templates then leave these buttons out
        app.redis_conn = ReadingRedis(connection_pool=farm.redis.connection_pool)  # type: ignore[attr-defined]  # theirs

    return dashboard


def _guard() -> ResponseReturnValue | None:
    """Whatever lies below our path, also what no rule matches: operators only, GET only, sound arguments only."""
    if request.blueprint != NAME and request.path != PREFIX and not request.path.startswith(f"{PREFIX}/"):
        return None
    view = (request.endpoint or "").removeprefix(f"{NAME}.")
    operator = current_operator()
    if operator is None:
        if request.method == "GET" and (view in PAGES or not request.endpoint):
            return redirect(url_for("ops.login", next=request.path))
        return problem(NOT_AUTHENTICATED, "Log in as an operator first.")
    if not operator.may("technician"):
        return problem(NOT_PERMITTED)
    g.operator = operator
    if request.method != "GET" or (request.endpoint and view not in PAGES | DATA | FILES):
        refused = problem(
            METHOD_NOT_ALLOWED,
            "RQ's dashboard only shows. Retry and cancel tasks on the operators' pages: RQ knows nothing of them.",
        )
        refused.headers["Allow"] = "GET"
        return refused
    wanted = request.view_args or {}
    if not _is_sound(wanted):
        return _explain(NOT_FOUND, MISSING)
    if view == "jobs_overview" and wanted["queue_name"] is None:
        return redirect(_first_queue())
    return None


def _is_sound(wanted: dict[str, Any]) -> bool:
    """Can the library answer this without an error or a danger?"""
    return (
        wanted.get("instance_number", 0) == 0
        and (wanted.get("queue_name") is None or QUEUE_NAME.fullmatch(wanted["queue_name"]) is not None)
        and wanted.get("registry_name", "queued") in {"queued", *REGISTRIES}
        and wanted.get("order", "asc") in ("asc", "dsc")
        and _is_number(wanted.get("per_page", 1), LARGEST_PAGE)
        and _is_number(wanted.get("page", 1), 1_000_000)
    )


def _is_number(word: str | int, largest: int) -> bool:
    text = str(word)
    return text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= largest


def _first_queue() -> str:
    """The library would show a queue named “default”, which the farm has not."""
    return url_for(
        f"{NAME}.jobs_overview",
        instance_number=0,
        queue_name=next(iter(RESOURCES)),
        registry_name="queued",
        per_page=8,
        order="asc",
        page=1,
    )


def _explain(code: ErrorCode, message: str, *, status: int | None = None) -> Response:
    """A page for a page, a problem for data."""
    view = (request.endpoint or "").removeprefix(f"{NAME}.")
    retry_after = 10 if code.retryable else None
    if view not in PAGES:
        return problem(code, message, status=status, retry_after=retry_after)
    page = Response(
        render_template("ops/refused.html", message=translate(message), **menu()), status=status or code.status
    )
    if retry_after is not None:
        page.headers["Retry-After"] = str(retry_after)
    return page


def _make_inert(response: Response) -> Response:
    """The library's scripts insert what they are given as HTML: so the data says it in entities."""
    view = (request.endpoint or "").removeprefix(f"{NAME}.")
    if response.status_code != 200:
        return response
    if view in PAGES:
        response.headers.update(HEADERS)
    elif view in DATA:
        left = ESCAPED_BY_TEMPLATES.get(view, set())
        response.set_data(json.dumps(_escape(response.get_json(), left)))
    return response


def _escape(value: Any, left: set[str]) -> Any:
    if isinstance(value, str):
        return str(escape(value))
    if isinstance(value, list):
        return [_escape(item, left) for item in value]
    if isinstance(value, dict):
        return {
            str(escape(key)): item if key in left and isinstance(item, str) else _escape(item, left)
            for key, item in value.items()
        }
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    return value
