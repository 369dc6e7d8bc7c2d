"""The operators, for their owner: who there is, adding, another role, a new password, removing.

A password is shown on the very answer to the press that made it, and nowhere again.
"""

from __future__ import annotations

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from jobs.access import staff
from jobs.access.operators import ADMIN, ROLES, Operator
from web.auth import needs_role
from web.context import farm
from web.ops import ops
from web.wording import ROLE_NAMES


@ops.get("/operators")
@needs_role("owner")
def show_operators(operator: Operator) -> ResponseReturnValue:
    """Everybody who may log in."""
    users = farm().database.read(staff.list_operators)
    return render_template("ops/operators.html", users=users, roles=ROLES, role_names=ROLE_NAMES, admin=ADMIN)


@ops.post("/operators/add")
@needs_role("owner")
def add_operator(operator: Operator) -> ResponseReturnValue:
    """Somebody new; answers with their password, once."""
    username, role = request.form.get("username", "").strip(), request.form.get("role", "")
    password, password_hash = staff.make_password()
    farm().database.write(staff.add_operator, username, role, password_hash, by=operator)
    return _show_password(username, password)


@ops.post("/operators/<username>/role")
@needs_role("owner")
def change_role(operator: Operator, username: str) -> ResponseReturnValue:
    """Another role; their sessions end."""
    farm().database.write(staff.change_role, username, request.form.get("role", ""), by=operator)
    flash(_("%(name)s has another role and has to log in again.", name=username))
    return redirect(url_for("ops.show_operators"))


@ops.post("/operators/<username>/password")
@needs_role("owner")
def set_password(operator: Operator, username: str) -> ResponseReturnValue:
    """A new password; answers with it, once. Their sessions end."""
    password, password_hash = staff.make_password()
    farm().database.write(staff.set_password, username, password_hash, by=operator)
    return _show_password(username, password)


@ops.post("/operators/<username>/remove")
@needs_role("owner")
def remove_operator(operator: Operator, username: str) -> ResponseReturnValue:
    """They are logged out and cannot log in any more."""
    farm().database.write(staff.remove_operator, username, by=operator)
    flash(_("%(name)s is removed and logged out.", name=username))
    return redirect(url_for("ops.show_operators"))


def _show_password(username: str, password: str) -> Response:
    page = Response(render_template("ops/operator_password.html", username=username, password=password))
    page.headers["Cache-Control"] = "no-store"
    return page
