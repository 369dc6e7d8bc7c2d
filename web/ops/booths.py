"""The booths: who was seen when, what each sent today, how fast it may; and, for the owner, their keys.

A key is shown on the very answer to the press that made it, as text and as a QR code, and nowhere again: it is in no
address, no log and no cache.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import segno
from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup

from jobs.access.operators import Operator
from jobs.orders.booth_days import BoothDay, list_booth_days
from jobs.switches.booths import FASTEST
from web.auth import count_of_booth, needs_role
from web.context import farm
from web.ops import ops
from web.ops.numbers import read_number

SILENT_SECONDS = 120


@ops.get("/booths")
@needs_role("technician")
def show_booths(operator: Operator) -> ResponseReturnValue:
    """All booths, those with a key first."""
    now = datetime.now(farm().settings.zone or UTC)
    days = farm().database.read(list_booth_days, now.replace(hour=0, minute=0, second=0, microsecond=0))
    return render_template(
        "ops/booths.html",
        booths=[(day, _is_silent(day), count_of_booth(day.booth.id, day.booth.rate)) for day in days],
        booth_rate=farm().settings.booth_rate,
        fastest=FASTEST,
        owns=operator.may("owner"),
    )


@ops.post("/booths/add")
@needs_role("owner")
def add_booth(operator: Operator) -> ResponseReturnValue:
    """A new booth; answers with its key, once."""
    name = request.form.get("name", "").strip()
    return _show_key(name, farm().switches.booths.add(name, actor=operator.username))


@ops.post("/booths/<name>/rotate")
@needs_role("owner")
def rotate_key(operator: Operator, name: str) -> ResponseReturnValue:
    """A new key for a booth; answers with it, once."""
    return _show_key(name, farm().switches.booths.rotate(name, actor=operator.username))


@ops.post("/booths/<name>/revoke")
@needs_role("owner")
def revoke_key(operator: Operator, name: str) -> ResponseReturnValue:
    """End a booth's key at once."""
    farm().switches.booths.revoke(name, actor=operator.username)
    flash(_("The key of %(name)s is revoked: it can send nothing any more.", name=name))
    return redirect(url_for("ops.show_booths"))


@ops.post("/booths/<name>/rate")
@needs_role("owner")
def set_rate(operator: Operator, name: str) -> ResponseReturnValue:
    """How many orders a booth may send in a minute; an empty field is what the settings say."""
    text = request.form.get("rate", "").strip()
    rate = read_number(text)
    if text and not (rate and rate <= FASTEST):
        flash(_("The rate was not changed: it must be a number from 1 to %(fastest)s, or left out.", fastest=FASTEST))
        return redirect(url_for("ops.show_booths"))
    farm().switches.booths.set_rate(name, rate, actor=operator.username)
    shown = farm().settings.booth_rate if rate is None else rate
    flash(_("%(name)s may send %(rate)s orders a minute.", name=name, rate=shown))
    return redirect(url_for("ops.show_booths"))


def _show_key(name: str, key: str) -> Response:
    address = f"{farm().settings.base_url}/booth#key={key}"
    code = segno.make(address, error="m").svg_inline(scale=6, border=4)
    page = Response(render_template("ops/booth_key.html", name=name, key=key, address=address, code=Markup(code)))  # noqa: S704  made here, of our own address and key
    page.headers["Cache-Control"] = "no-store"
    return page


def _is_silent(day: BoothDay) -> bool:
    seen = max((at for at in (day.booth.seen_at, day.last_order_at) if at is not None), default=None)
    return seen is None or seen < datetime.now(UTC) - timedelta(seconds=SILENT_SECONDS)
