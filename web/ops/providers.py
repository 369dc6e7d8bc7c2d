"""The cloud providers: who may be called, who is paused until when and why, and what they cost; and the ways in which
styles are made, each to be switched off and on.
"""

from __future__ import annotations

import math
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from jobs.access.operators import Operator
from jobs.cloud import money
from jobs.cloud.standing import list_standings, list_unknown
from jobs.database import now_of
from jobs.orders.pauses import list_paused
from jobs.switches import list_paths
from web.auth import needs_role
from web.context import farm
from web.ops import ops

DAYS_SHOWN = 7
LARGEST_BUDGET = 1_000_000.0


@ops.get("/providers")
@needs_role("technician")
def show_providers(operator: Operator) -> ResponseReturnValue:
    """Every provider, and the calls of which nobody can tell what became."""
    the_farm = farm()

    def look(session: Session) -> dict[str, Any]:
        return {
            "standings": list_standings(session, the_farm.providers, the_farm.settings),
            "spending": money.spent_today(session),
            "days": money.spent_by_day(session, DAYS_SHOWN),
            "unknown": list_unknown(session),
            "paths": list_paths(the_farm.shelf),
            "off": list_paused(session, now_of(session)),
        }

    return render_template("ops/providers.html", **the_farm.database.read(look))


@ops.post("/providers/<name>/pause")
@needs_role("technician")
def pause_provider(operator: Operator, name: str) -> ResponseReturnValue:
    """No new calls until it is resumed."""
    farm().switches.pause_provider(name, actor=operator.username)
    flash(_("%(name)s is paused. What was sent already is finished.", name=name))
    return redirect(url_for("ops.show_providers"))


@ops.post("/providers/<name>/resume")
@needs_role("technician")
def resume_provider(operator: Operator, name: str) -> ResponseReturnValue:
    """Try it again now."""
    farm().switches.resume_provider(name, actor=operator.username)
    flash(_("%(name)s is tried again: one call first, more as it succeeds.", name=name))
    return redirect(url_for("ops.show_providers"))


@ops.post("/paths/<style>/<int:position>/<int:rung>/<any(on, off):state>")
@needs_role("technician")
def switch_path(operator: Operator, style: str, position: int, rung: int, state: str) -> ResponseReturnValue:
    """Switch one way to make a style's step off or on."""
    farm().switches.switch_path(style, position, rung, on=state == "on", actor=operator.username)
    if state == "on":
        flash(_("This way of %(style)s is switched on.", style=style))
    else:
        flash(_("This way of %(style)s is switched off.", style=style))
    return redirect(url_for("ops.show_providers"))


@ops.post("/providers/<name>/budget")
@needs_role("technician")
def set_budget(operator: Operator, name: str) -> ResponseReturnValue:
    """What a day's calls may cost; an empty field is what the settings say."""
    text = request.form.get("budget", "").strip()
    try:
        budget = float(text) if text else None
    except ValueError:
        budget = -1.0
    if budget is not None and not (math.isfinite(budget) and 0 <= budget <= LARGEST_BUDGET):
        flash(_("The budget was not changed: it must be a number such as 50 or 12.5."))
        return redirect(url_for("ops.show_providers"))
    farm().switches.set_budget(name, budget, actor=operator.username)
    if budget is None:
        flash(_("The budget of %(name)s is as the settings say.", name=name))
    else:
        flash(_("The budget of %(name)s is %(amount)s a day.", name=name, amount=f"{budget:g}"))
    return redirect(url_for("ops.show_providers"))
