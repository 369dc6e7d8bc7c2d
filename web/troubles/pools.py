"""Troubles of the work itself: pauses, workers, the queue, the reconciler, steps that do not get on."""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import gettext as _

from jobs.figures.board import Board, Pools
from jobs.orders.pauses import scopes_of
from jobs.orders.watch import OpenStep
from jobs.resources import RESOURCES
from web.languages import show_local
from web.troubles.trouble import RESOURCE_NAMES, Trouble, count_pictures, join_sentences, tell_affected

RECONCILER_SECONDS = 30.0
"""It counts every 5 s."""
NEARLY_FULL = 0.8
STUCK_SECONDS = 60.0
"""For so long nothing may keep a step back before it is a trouble."""


def list_paused(board: Board) -> list[Trouble]:
    """The intake or a resource that somebody paused."""
    troubles = []
    if (row := board.pauses.get("intake")) is not None:
        troubles.append(
            Trouble(
                _(
                    "The intake has been paused since %(time)s by %(actor)s.",
                    time=show_local(row.since, "clock"),
                    actor=board.paused_by.get("intake", _("somebody")),
                ),
                _("Resume it when guests may order again. What was accepted is made."),
                "eye",
                _("Every booth is affected: no new order is taken."),
            )
        )
    for name in RESOURCES:
        scope = f"resource:{name}"
        if (row := board.pauses.get(scope)) is None:
            continue
        waiting = board.waiting_at(name)
        troubles.append(
            Trouble(
                _(
                    "The work of %(what)s has been paused since %(time)s by %(actor)s.",
                    what=RESOURCE_NAMES[name],
                    time=show_local(row.since, "clock"),
                    actor=board.paused_by.get(scope, _("somebody")),
                ),
                _("Resume it when it may go on. What waits is kept and made then."),
                "bad" if waiting else "eye",
                tell_affected(waiting),
            )
        )
    return troubles


def list_unmanned(board: Board, pools: Pools) -> list[Trouble]:
    """Resources without a worker. One that has none on purpose is no trouble while nothing needs it. A claim that is
    kept up tells of a worker too: a Redis that forgot them all hears of them again within seconds.
    """
    troubles = []
    for name, count in pools.workers.items():
        waiting = board.waiting_at(name)
        if count.workers or not (waiting or board.settings.workers_of(name)) or _is_held(name, board):
            continue
        troubles.append(
            Trouble(
                _("Nobody works for %(what)s: no worker process of it is seen.", what=RESOURCE_NAMES[name]),
                join_sentences(
                    _("If this stays for a minute, start the farm's workers: systemctl restart photo-farm.target."),
                    _("Nothing is lost: what waits is made afterwards."),
                ),
                "bad" if waiting else "eye",
                tell_affected(waiting),
            )
        )
    return troubles


def ask_queue(board: Board) -> list[Trouble]:
    """Is there a place for the next guest?"""
    queued, limit = board.queued, board.settings.queue_limit
    if queued < limit * NEARLY_FULL or not queued:
        return []
    if queued >= limit:
        return [
            Trouble(
                _("The queue is full: %(count)s of %(limit)s places are taken.", count=queued, limit=limit),
                join_sentences(
                    _("Nothing needs doing while pictures get ready: each one frees a place."),
                    _("If none does, the reason is among the lines here."),
                ),
                "bad",
                _("Every booth is affected: no new order is taken."),
            )
        ]
    return [
        Trouble(
            _("The queue is nearly full: %(count)s of %(limit)s places are taken.", count=queued, limit=limit),
            _("Nothing needs doing yet. Once it is full, new orders are refused until a picture is ready."),
            "eye",
            _("Nobody is turned away yet."),
        )
    ]


def ask_reconciler(board: Board) -> list[Trouble]:
    """Is somebody there who repairs?"""
    age = board.reconciler_age_s
    if age is not None and age < RECONCILER_SECONDS:
        return []
    return [
        Trouble(
            _("The farm's service “reconcile” is not seen."),
            join_sentences(
                _("Start it, such as by systemctl restart photo-farm.target."),
                _("Until then nothing that stops is taken up again; what goes well goes on."),
            ),
            "bad",
            tell_affected([step for step in board.open if step.status != "running"]),
        )
    ]


def list_stuck(board: Board, pools: Pools) -> list[Trouble]:
    """Steps that nobody works on though nothing keeps them back, and steps that have been worked on for too long."""
    troubles = []
    for name in RESOURCES:
        idle = [step for step in board.waiting_at(name) if _may_begin(step, board)]
        manned = name in pools.workers and pools.workers[name].workers
        if idle and manned and not board.in_flight.get(name):
            troubles.append(_tell_idle(name, idle))
    late = [step for step in board.open if step.status == "running" and _is_late(step, board)]
    if late:
        troubles.append(
            Trouble(
                _("Should have been ready long ago: %(pictures)s.", pictures=count_pictures(_count_tasks(late))),
                _("Restart the farm's workers if this stays: what they were making is taken up where it was."),
                "bad",
                tell_affected(late),
            )
        )
    return troubles


def _tell_idle(name: str, idle: list[OpenStep]) -> Trouble:
    return Trouble(
        _(
            "Waiting for %(what)s though nothing keeps them back: %(pictures)s.",
            pictures=count_pictures(_count_tasks(idle)),
            what=RESOURCE_NAMES[name],
        ),
        join_sentences(
            _("Look at the page Servers whether a node or model of these styles is missing."),
            _("If not, restart the farm's workers; nothing is lost."),
        ),
        "bad",
        tell_affected(idle),
    )


def _may_begin(step: OpenStep, board: Board) -> bool:
    """Has it been due for a while, and its way open? A retrying step becomes due by the reconciler."""
    if step.status != "queued" or step.queued_at is None or board.seconds_since(step.queued_at) < STUCK_SECONDS:
        return False
    if step.not_before is not None and board.now < step.not_before:
        return False
    if scopes_of(step.resource, step.provider, step.style, step.position, step.rung) & set(board.pauses):
        return False
    has_place = any(server.set_aside_at is None and not server.drained for server in board.servers)
    return has_place or not RESOURCES[step.resource].has_servers


def _is_held(resource: str, board: Board) -> bool:
    """Does somebody keep up a claim there?"""
    return any(step.claim_until is not None and step.claim_until > board.now for step in board.at(resource))


def _is_late(step: OpenStep, board: Board) -> bool:
    """Longer than its style allows and a minute more, or held by a claim that ran out long ago."""
    begun = step.claimed_at is not None and board.seconds_since(step.claimed_at) > step.timeout_s + STUCK_SECONDS
    return begun or (step.claim_until is not None and board.seconds_since(step.claim_until) > STUCK_SECONDS)


def _count_tasks(steps: Iterable[OpenStep]) -> int:
    return len({step.task for step in steps})
