"""The operators' pages behind a login. PAGES is the menu; each page is a module of this folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from jobs.access.operators import Operator
from jobs.errors import TooManyAttempts
from web.auth import log_in, log_out, needs_operator
from web.context import farm
from web.countdown import count_down
from web.languages import translate
from web.troubles import look_at

ops = Blueprint("ops", __name__, url_prefix="/ops")

OWN_PATH = re.compile(r"/ops(/[A-Za-z0-9_-]+)*/?", re.ASCII)
"""Where a login may lead: a path of these pages, without dots, doubled slashes or anything of another host."""


@dataclass(frozen=True)
class Page:
    """One of the menu. Who has a lower role than `role` does not see it; the view itself is guarded by `needs_role`."""

    endpoint: str
    name: LazyString
    role: str = "attendant"


PAGES = (
    Page("ops.show_board", lazy_gettext("Board")),
    Page("ops.list_orders", lazy_gettext("Orders")),
    Page("ops.show_failures", lazy_gettext("Failures")),
    Page("ops.show_figures", lazy_gettext("Figures")),
    Page("ops.show_styles", lazy_gettext("Styles"), "technician"),
    Page("ops.show_servers", lazy_gettext("Servers"), "technician"),
    Page("ops.show_booths", lazy_gettext("Booths"), "technician"),
    Page("ops.show_providers", lazy_gettext("Providers"), "technician"),
    Page("ops.show_audit", lazy_gettext("Who pressed what"), "technician"),
    Page("ops.show_operators", lazy_gettext("Operators"), "owner"),
    Page("rq_dashboard.queues_overview", lazy_gettext("RQ (technicians)"), "technician"),
)
"""Each page, in the order of the menu."""


ops.add_app_template_filter(count_down, "countdown")


@ops.context_processor
def menu() -> dict[str, Any]:
    """What every page shows: the menu, and to operators what is wrong with the farm.

    While the database is away nobody can tell who has logged in, and whoever did must read just that. A session that
    has ended reads nothing.
    """
    operator: Operator | None = g.get("operator")
    if "user" in session and "troubles" not in g:
        look = look_at(farm())
        g.troubles = look.troubles if operator is not None or look.board is None else []
    return {
        "pages": [page for page in PAGES if operator and operator.may(page.role)],
        "operator": operator,
        "troubles": g.get("troubles", []),
    }


@ops.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """The login form."""
    if request.method == "GET":
        return render_template("ops/login.html", failed=False)
    try:
        operator = log_in(request.form.get("username", ""), request.form.get("password", ""))
    except TooManyAttempts as exc:
        page = Response(render_template("ops/login.html", failed=True, message=translate(str(exc))), status=429)
        page.headers["Retry-After"] = str(exc.retry_after)
        return page
    if operator is None:
        return render_template("ops/login.html", failed=True, message=_("The name or password is wrong.")), 401
    following = request.args.get("next", "")
    if not OWN_PATH.fullmatch(following):
        following = url_for("ops.show_board")
    return redirect(following)


@ops.post("/logout")
@needs_operator
def logout(operator: Operator) -> ResponseReturnValue:
    """End the operator's sessions."""
    log_out()
    return redirect(url_for("ops.login"))


from web.ops import (  # noqa: E402  the pages register themselves on the blueprint above
    audit,  # noqa: F401
    board,  # noqa: F401
    booths,  # noqa: F401
    failures,  # noqa: F401
    figures,  # noqa: F401
    operators,  # noqa: F401
    order,  # noqa: F401
    orders,  # noqa: F401
    pools,  # noqa: F401
    providers,  # noqa: F401
    servers,  # noqa: F401
    styles,  # noqa: F401
    tasks,  # noqa: F401
)
