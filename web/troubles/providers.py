"""Troubles of cloud providers: their pauses, by whose hand and for how long."""

from __future__ import annotations

from flask_babel import gettext as _

from jobs.cloud.brake import scope_of
from jobs.figures.board import Board
from web.countdown import count_down
from web.troubles.trouble import Level, Link, Trouble, join_sentences, tell_affected
from web.wording import N_

PAUSES: dict[str, tuple[str, str]] = {
    "quota": (
        N_("The cloud provider %(name)s has no credit left, or a limit on spending there is reached."),
        N_("Pay, or raise the limit there; then press “Try again now” on the page Providers."),
    ),
    "account": (
        N_("The cloud provider %(name)s refuses our key, or this model."),
        N_("Check %(key)s and what the account may use; a new key needs a restart of the farm."),
    ),
    "budget": (
        N_("The day's budget for the cloud provider %(name)s is spent."),
        N_("Raise it on the page Providers, and work goes on at once; or leave it, and it goes on at midnight UTC."),
    ),
    "breaker": (N_("The cloud provider %(name)s failed again and again."), N_("Nothing needs doing.")),
    "operator": (
        N_("The cloud provider %(name)s is paused by %(actor)s."),
        N_("Press “Try again now” on the page Providers when it may be used again."),
    ),
    "rate": (N_("The cloud provider %(name)s asks us to wait."), N_("Nothing needs doing.")),
}
"""By the kind of a pause: what happened, and what to do."""
BY_ITSELF = ("breaker", "rate")


def list_paused(board: Board) -> list[Trouble]:
    """Providers that take nothing new. One that asked for a moment is a trouble only while somebody waits for it."""
    troubles = []
    for one in board.standings:
        if one.pause is None or one.pause.kind not in PAUSES:
            continue
        kind, waiting = one.pause.kind, [step for step in board.waiting_at("api") if step.provider == one.name]
        if kind == "rate" and not waiting:
            continue
        what, advice = PAUSES[kind]
        key = f"{one.name.upper()}_{'API_TOKEN' if one.name == 'replicate' else 'API_KEY'}"
        actor = board.paused_by.get(scope_of(one.name), _("somebody"))
        sentences = [_("What it was to make waits, and everything else goes on."), _(advice, key=key)]
        if one.seconds_left:
            sentences.append(_("It is tried again by itself in %(time)s.", time=count_down(one.seconds_left)))
        level: Level = "bad" if waiting and kind not in BY_ITSELF else "eye"
        troubles.append(
            Trouble(
                _(what, name=one.name, actor=actor),
                join_sentences(*sentences),
                level,
                tell_affected(waiting),
                Link("ops.show_providers", _("Providers"), role="technician"),
            )
        )
    return troubles
