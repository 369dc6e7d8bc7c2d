"""Servers and pools: what each ComfyUI server does, what each resource may begin; draining and returning servers."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from jobs.access.operators import Operator
from jobs.comfyui.standing import list_server_standings
from jobs.figures import read_queue
from jobs.orders.pauses import list_present
from web.auth import needs_role
from web.context import farm
from web.ops import ops
from web.troubles.trouble import RESOURCE_NAMES


@ops.get("/servers")
@needs_role("technician")
def show_servers(operator: Operator) -> ResponseReturnValue:
    """All configured servers, the resources and the intake."""
    the_farm = farm()
    return render_template(
        "ops/servers.html",
        queue=read_queue(the_farm.database, the_farm.redis, the_farm.settings, the_farm.providers),
        pauses=the_farm.database.read(list_present),
        names=RESOURCE_NAMES,
        most=the_farm.settings.limits,
        standings=the_farm.database.read(list_server_standings, the_farm.shelf.all().values(), the_farm.abilities),
        depth=the_farm.settings.comfyui_depth,
    )


@ops.post("/servers/drain")
@needs_role("technician")
def drain_server(operator: Operator) -> ResponseReturnValue:
    """Nothing new for a server; the field `url` says which."""
    url = request.form.get("url", "")
    farm().switches.servers.drain(url, actor=operator.username)
    flash(_("%(url)s finishes what it has and gets nothing new.", url=url))
    return redirect(url_for("ops.show_servers"))


@ops.post("/servers/return")
@needs_role("technician")
def return_server(operator: Operator) -> ResponseReturnValue:
    """Work for a server again; the field `url` says which."""
    url = request.form.get("url", "")
    farm().switches.servers.give_back(url, actor=operator.username)
    flash(_("%(url)s gets work again.", url=url))
    return redirect(url_for("ops.show_servers"))
