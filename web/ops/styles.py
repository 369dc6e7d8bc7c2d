"""The styles: what guests may choose now, what is missing for the others, switching one off and on, and trying one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from flask import Response, current_app, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound

from jobs.access.operators import Operator
from jobs.database import now_of
from jobs.orders.pauses import list_paused, style_scope
from jobs.switches import list_paths
from web.auth import needs_role
from web.context import farm
from web.ops import ops
from web.titles import title_style

TEST_PORTRAIT = "test-portrait.jpg"
"""In web/static: drawn by a program, so it is nobody's face."""
MISSING_KEY = re.compile(r"the provider (\S+) has no key")
MISSING_NODES = "no ComfyUI server has "


@ops.get("/styles")
@needs_role("technician")
def show_styles(operator: Operator) -> ResponseReturnValue:
    """Every style, those that guests can choose first; of the others why not."""
    read = farm().database.read
    return render_template(
        "ops/styles.html",
        dishes=sorted(read(farm().menu.list_dishes), key=lambda dish: dish.problem is not None),
        waits=read(farm().forecast.seconds_for_new),
        off=read(lambda session: list_paused(session, now_of(session))),
        ways=Counter(path.style for path in list_paths(farm().shelf)),
        scope_of=style_scope,
        explain=explain,
        test_portrait=TEST_PORTRAIT,
    )


@ops.get("/styles/<name>/preview")
@needs_role("technician")
def show_preview(operator: Operator, name: str) -> Response:
    """A style's preview. Raises NotFound when it has none."""
    style = farm().shelf.get(name)
    if style is None or style.preview is None:
        raise NotFound()
    return send_file(style.preview, mimetype="image/jpeg", max_age=3600)


@ops.post("/styles/<name>/<any(on, off):state>")
@needs_role("technician")
def switch_style(operator: Operator, name: str, state: str) -> ResponseReturnValue:
    """Offer a style to guests or not."""
    farm().switches.switch_style(name, on=state == "on", actor=operator.username)
    if state == "on":
        flash(_("Guests can choose %(style)s again.", style=title_style(name)))
    else:
        flash(_("Guests cannot choose %(style)s any more.", style=title_style(name)))
    return redirect(url_for("ops.show_styles"))


@ops.post("/styles/<name>/trial")
@needs_role("technician")
def try_style(operator: Operator, name: str) -> ResponseReturnValue:
    """Make one picture with the photo that was sent along, or with the test portrait, and go and watch it."""
    upload = request.files.get("photo")
    photo = upload.read() if upload is not None else b""
    if not photo:
        photo = (Path(str(current_app.static_folder)) / TEST_PORTRAIT).read_bytes()
    task_id = farm().trials.start(name, photo, actor=operator.username)
    flash(_("The trial is under way. The picture comes here when it is ready."))
    return redirect(url_for("ops.show_task", task_id=task_id))


def explain(problem: str) -> str:
    """Why a style is not available, in the page's language; what a broken style's file says stays as it is."""
    if problem == "switched off by an operator":
        return _("switched off by staff")
    if problem == "no ComfyUI server is configured":
        return _("no ComfyUI server is configured")
    if problem.startswith(MISSING_NODES):
        return _("no ComfyUI server has %(what)s", what=problem.removeprefix(MISSING_NODES))
    if found := MISSING_KEY.fullmatch(problem):
        return _("the provider %(name)s has no key", name=found[1])
    return problem
