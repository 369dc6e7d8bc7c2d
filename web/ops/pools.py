"""What the farm begins at all: the limit and the pause of each resource, and the intake of orders."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from jobs.access.operators import Operator
from jobs.errors import Conflict
from web.auth import needs_role
from web.context import farm
from web.ops import ops
from web.ops.numbers import read_number
from web.wording import N_

LONGEST_REASON = 200
LONGEST_PAUSE = 24 * 60
"""Minutes."""


@ops.post("/pools/<resource>/limit")
@needs_role("technician")
def set_limit(operator: Operator, resource: str) -> ResponseReturnValue:
    """How many calls of a resource may be in flight."""
    limit = read_number(request.form.get("limit", "")) or 0
    try:
        farm().switches.pools.set_limit(resource, limit, actor=operator.username)
    except Conflict:
        most = farm().settings.limit_of(resource)
        flash(_("The limit was not changed: it must be a number from 1 to %(most)s.", most=most))
    else:
        flash(_("The limit of %(name)s is %(limit)s. What is in flight is finished.", name=resource, limit=limit))
    return redirect(url_for("ops.show_servers"))


@ops.post("/pools/<resource>/pause")
@needs_role("technician")
def pause_resource(operator: Operator, resource: str) -> ResponseReturnValue:
    """Nothing new of a resource begins."""
    why, minutes = _read_pause()
    farm().switches.pools.pause(resource, why=why, minutes=minutes, actor=operator.username)
    flash(_("%(name)s is paused. What was sent already is finished.", name=resource))
    return redirect(url_for("ops.show_servers"))


@ops.post("/pools/<resource>/resume")
@needs_role("technician")
def resume_resource(operator: Operator, resource: str) -> ResponseReturnValue:
    """Its work goes on."""
    farm().switches.pools.resume(resource, actor=operator.username)
    flash(_("%(name)s goes on.", name=resource))
    return redirect(url_for("ops.show_servers"))


@ops.post("/intake/pause")
@needs_role("technician")
def pause_intake(operator: Operator) -> ResponseReturnValue:
    """No new orders."""
    why, minutes = _read_pause()
    farm().switches.pools.pause_intake(why=why, minutes=minutes, actor=operator.username)
    flash(_("New orders are refused; the booths say so to guests. What was taken is made."))
    return redirect(url_for("ops.show_servers"))


@ops.post("/intake/resume")
@needs_role("technician")
def resume_intake(operator: Operator) -> ResponseReturnValue:
    """Orders are taken again."""
    farm().switches.pools.resume_intake(actor=operator.username)
    flash(_("Orders are taken again."))
    return redirect(url_for("ops.show_servers"))


def _read_pause() -> tuple[str, int | None]:
    """The reason and the minutes of a pause; both may be left out. Raises Conflict for minutes that are none."""
    minutes = read_number(request.form.get("minutes", ""))
    if request.form.get("minutes", "").strip() and not (minutes and 1 <= minutes <= LONGEST_PAUSE):
        raise Conflict(N_("Nothing was paused: the minutes must be a number from 1 to 1440, or left out."))
    return " ".join(request.form.get("why", "").split())[:LONGEST_REASON], minutes
