"""Troubles of what is kept: the room for it, copies at ComfyUI's hosts, deletions that have not come to their end."""

from __future__ import annotations

from datetime import timedelta

from flask_babel import gettext as _

from jobs.comfyui.models import Server
from jobs.database import Database
from jobs.erasure.owed import COMFYUI, PROGRESS, STORAGE, Debt
from jobs.erasure.retention import count_kept
from jobs.errors import DatabaseAway
from jobs.figures.board import Board
from jobs.media.storage import DiskStorage
from jobs.settings import Settings
from web.languages import show_local
from web.troubles.servers import name_server
from web.troubles.trouble import Link, Trouble, join_sentences, tell_affected
from web.wording import N_

SILENT_SECONDS = 60.0
AGE_SLACK_SECONDS = 300.0
"""Past their age copies may lie so long: a sweeper sweeps now and then, and is asked now and then."""
OVERDUE_SECONDS = {STORAGE: 120.0, PROGRESS: 120.0, COMFYUI: 600.0}
"""A deletion reaches everything within a minute, where nothing is in its way."""
WHY = {
    "nobody listens there": N_("nobody listens there"),
    "it does not answer": N_("it does not answer"),
    "it refuses our SWEEPER_TOKEN": N_("it refuses our SWEEPER_TOKEN"),
    "its last sweep was long ago": N_("its last sweep was long ago"),
}
OWED: dict[str, tuple[str, str]] = {
    STORAGE: (
        N_("Photos or pictures of deleted orders (%(count)s) could not be removed since %(time)s."),
        N_("The log of the service “reconcile” names the files and why; look at the disk, and at who may write there."),
    ),
    PROGRESS: (
        N_("The progress of deleted orders (%(count)s) could not be removed since %(time)s."),
        N_("It goes as soon as Redis answers; it is a number without a name."),
    ),
    COMFYUI: (
        N_("Copies of deleted orders (%(count)s) could not be removed from GPU servers since %(time)s."),
        N_("They go as soon as those machines answer; they are asked again and again."),
    ),
}
"""By the kind of a place: what happened, and what to do."""


def ask_room(storage: DiskStorage, database: Database, settings: Settings) -> list[Trouble]:
    """Does the disk fill up? Told while there is time; below the reserve, another trouble tells it."""
    free = storage.count_free_mb()
    if not storage.reserve_mb <= free < settings.disk_warn:
        return []
    try:
        kept = database.read(count_kept)
    except DatabaseAway:
        return []
    return [
        Trouble(
            _(
                "The farm's disk fills up: %(free)s MB are free. %(orders)s orders with %(used)s MB are kept.",
                free=free,
                orders=kept.orders,
                used=kept.megabytes,
            ),
            _(
                "Below %(reserve)s MB new orders are refused. Free space on this disk, or keep orders for fewer days "
                "(RETENTION_DAYS, now %(days)s). Nothing is removed before its time by itself.",
                reserve=storage.reserve_mb,
                days=settings.retention_days,
            ),
            "eye",
            tell_affected([]),
        )
    ]


def list_unswept(board: Board) -> list[Trouble]:
    """Hosts whose sweeper is silent, or which hold copies that are older than they may be. Those of servers that were
    set aside are told with them.
    """
    if board.settings.sweeper_port is None:
        return []
    troubles = []
    for server in board.servers:
        silent_at, oldest_at = server.sweeper_silent_at, server.copies_oldest_at
        if server.set_aside_at is not None:
            continue
        if silent_at is not None and board.seconds_since(silent_at) > SILENT_SECONDS:
            troubles.append(_tell_silent(server))
        elif oldest_at is not None and board.seconds_since(oldest_at) > _allowed_s(board):
            troubles.append(_tell_old(server))
    return troubles


def list_overdue(board: Board) -> list[Trouble]:
    """Deletions that are not through yet. Without a sweeper, copies at hosts wait for their age."""
    has_sweepers = board.settings.sweeper_port is not None
    return [
        _tell_owed(debt, board)
        for debt in board.debts
        if debt.oldest_s > OVERDUE_SECONDS[debt.place] and (debt.place != COMFYUI or has_sweepers)
    ]


def _allowed_s(board: Board) -> float:
    return board.settings.copies_max_age_s + AGE_SLACK_SECONDS


def _tell_silent(server: Server) -> Trouble:
    return _trouble_of(
        _(
            "The sweeper beside the GPU server %(name)s has been silent since %(time)s: %(why)s.",
            name=name_server(server.url),
            time=show_local(server.sweeper_silent_at, "clock"),
            why=_(WHY.get(server.sweeper_why or "", N_("it is not well"))),
        ),
        _("Start the service photo-farm-sweeper on that machine, with the token that the farm has."),
    )


def _tell_old(server: Server) -> Trouble:
    return _trouble_of(
        _(
            "Beside the GPU server %(name)s lie guests' pictures for longer than they may, the oldest since %(time)s.",
            name=name_server(server.url),
            time=show_local(server.copies_oldest_at, "clock"),
        ),
        _("Look whether the sweeper on that machine may remove ComfyUI's files; its log says so."),
    )


def _tell_owed(debt: Debt, board: Board) -> Trouble:
    what, advice = OWED[debt.place]
    since = board.now - timedelta(seconds=debt.oldest_s)
    return Trouble(_(what, count=debt.count, time=show_local(since, "clock")), _(advice), "eye", tell_affected([]))


def _trouble_of(what: str, advice: str) -> Trouble:
    stays = _("Pictures go on being made; copies of guests' pictures stay on that machine meanwhile.")
    link = Link("ops.show_servers", _("Servers"), role="technician")
    return Trouble(what, join_sentences(advice, stays), "eye", tell_affected([]), link)
