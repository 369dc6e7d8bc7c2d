"""Who pressed what: the audit, newest first, each line as a sentence."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from jobs.access import audit
from jobs.access.models import AuditEntry
from jobs.access.operators import Operator
from web.auth import needs_role
from web.context import farm
from web.languages import translate
from web.ops import ops
from web.ops.numbers import read_row_id
from web.wording import ROLE_NAMES

ACTIONS = {
    "retry": lazy_gettext("tried %(what)s again"),
    "redo": lazy_gettext("asked for another take of %(what)s"),
    "cancel": lazy_gettext("canceled %(what)s"),
    "delete": lazy_gettext("deleted %(what)s"),
    "new link": lazy_gettext("made a new guest's link for %(what)s"),
    "pause": lazy_gettext("paused %(what)s"),
    "resume": lazy_gettext("resumed %(what)s"),
    "budget": lazy_gettext("set the day's budget of %(what)s"),
    "path on": lazy_gettext("switched on %(what)s"),
    "path off": lazy_gettext("switched off %(what)s"),
    "style on": lazy_gettext("switched on %(what)s"),
    "style off": lazy_gettext("switched off %(what)s"),
    "trial": lazy_gettext("had a trial picture made in %(what)s"),
    "drain": lazy_gettext("drained %(what)s"),
    "return": lazy_gettext("returned %(what)s to work"),
    "limit": lazy_gettext("set the limit of %(what)s"),
    "rate": lazy_gettext("set the rate of %(what)s"),
    "create key": lazy_gettext("added %(what)s"),
    "rotate key": lazy_gettext("gave %(what)s a new key"),
    "revoke key": lazy_gettext("revoked the key of %(what)s"),
    "add operator": lazy_gettext("added %(what)s"),
    "change role": lazy_gettext("gave %(what)s another role"),
    "new password": lazy_gettext("gave %(what)s a new password"),
    "remove operator": lazy_gettext("removed %(what)s"),
}
"""What was done, as a sentence's second half after who did it."""
SUBJECTS = {
    "task": lazy_gettext("task %(name)s"),
    "order": lazy_gettext("order %(name)s"),
    "booth": lazy_gettext("booth %(name)s"),
    "server": lazy_gettext("server %(name)s"),
    "provider": lazy_gettext("provider %(name)s"),
    "resource": lazy_gettext("resource %(name)s"),
    "style": lazy_gettext("style %(name)s"),
    "path": lazy_gettext("a way to make %(name)s"),
    "operator": lazy_gettext("operator %(name)s"),
    "intake": lazy_gettext("the intake of orders"),
}
"""What it was done to, by the word before the colon."""
DETAILS = {
    "why": lazy_gettext("reason: %(value)s"),
    "minutes": lazy_gettext("%(value)s minutes"),
    "limit": lazy_gettext("now %(value)s"),
    "rate": lazy_gettext("now %(value)s a minute"),
    "budget": lazy_gettext("now %(value)s a day"),
    "role": lazy_gettext("role: %(value)s"),
    "before": lazy_gettext("before: %(value)s"),
}
"""What else is told of it, where it was given."""


@ops.app_template_filter("pressed")
def tell_press(entry: AuditEntry) -> str:
    """One line of the audit as a sentence in the page's language: who did what to what, and how."""
    kind, _colon, name = entry.subject.partition(":")
    subject = _fill(SUBJECTS[kind], "name", _shorten(kind, name)) if kind in SUBJECTS else entry.subject
    did = _fill(ACTIONS[entry.action], "what", subject) if entry.action in ACTIONS else f"{entry.action} {subject}"
    more = [
        _fill(DETAILS[key], "value", translate(ROLE_NAMES.get(value, value)))
        for key, value in entry.detail.items()
        if key in DETAILS and value not in (None, "")
    ]
    sentence = _("%(who)s %(did)s", who=translate(entry.actor), did=did)
    return f"{sentence} ({'; '.join(more)})" if more else sentence


@ops.get("/audit")
@needs_role("technician")
def show_audit(operator: Operator) -> ResponseReturnValue:
    """A page of it; `actor`, `subject` and `action` choose, `before` goes on."""
    wanted = {name: request.args.get(name, "").strip() for name in ("actor", "action", "subject")}
    entries, following = farm().database.read(
        audit.list_page,
        **wanted,
        before=read_row_id(request.args.get("before", "")),
    )
    actors, actions = farm().database.read(audit.list_choices)
    return render_template(
        "ops/audit.html",
        entries=entries,
        following=following,
        wanted=wanted,
        actors=actors,
        actions=[(name, _fill(ACTIONS[name], "what", "…") if name in ACTIONS else name) for name in actions],
    )


def _shorten(kind: str, name: str) -> str:
    """A task by the start of its id, a path as style, step and rung counted from 1; all else as it is."""
    if kind == "task":
        return name[:8]
    style, *numbers = name.split(":")
    if kind == "path" and len(numbers) == 2 and all(number.isdecimal() for number in numbers):
        return _(
            "%(style)s, step %(step)s, way %(way)s", style=style, step=int(numbers[0]) + 1, way=int(numbers[1]) + 1
        )
    return name


def _fill(sentence: object, name: str, value: object) -> str:
    return str(sentence) % {name: value}
