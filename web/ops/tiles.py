"""The board's tiles: the queue, GPU servers, providers, booths, and what operators changed, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flask_babel import gettext as _
from flask_babel import ngettext

from jobs.access.models import AuditEntry
from jobs.cloud.standing import Standing
from jobs.comfyui.models import Server
from jobs.figures.board import Board, Pools
from jobs.orders.promises import Kept
from jobs.orders.watch import BoothSeen
from jobs.resources import RESOURCES
from web.countdown import count_down
from web.troubles.booths import SILENT_SECONDS
from web.troubles.servers import name_server
from web.troubles.trouble import RESOURCE_NAMES, join_sentences

State = Literal["good", "eye", "bad", "off"]


@dataclass(frozen=True)
class Line:
    """One line of a tile: what it is about, how it stands in a word, and what else there is to say."""

    name: str
    state: State
    word: str
    more: str = ""
    at: datetime | None = None
    """A moment that is shown behind it."""


@dataclass(frozen=True)
class Tiles:
    """All of them. `queued`, `running`, `limit`: tasks."""

    queued: int
    running: int
    limit: int
    promises: str
    """This evening's promises against what became of them; empty before the first picture."""
    resources: list[Line]
    servers: list[Line]
    providers: list[Line]
    booths: list[Line]
    changes: list[AuditEntry]


def show_tiles(board: Board, pools: Pools) -> Tiles:
    """The tiles of this moment."""
    return Tiles(
        queued=board.queued,
        running=board.running,
        limit=board.settings.queue_limit,
        promises=_tell_promises(board.promises),
        resources=[_show_resource(name, board, pools) for name in RESOURCES],
        servers=[_show_server(server, board) for server in board.servers],
        providers=[_show_provider(one) for one in board.standings if one.configured],
        booths=[_show_booth(booth, board) for booth in board.booths],
        changes=board.changes,
    )


def _tell_promises(found: Kept) -> str:
    if found.share is None or found.promised is None or found.real is None:
        return ""
    judged = found.kept + found.early + found.late
    share = _(
        "%(kept)s of %(all)s pictures of the last 12 hours came when promised (%(share)s %%).",
        kept=found.kept,
        all=judged,
        share=round(100 * found.share),
    )
    low, high = (count_down(seconds) for seconds in found.promised)
    usual = _("Usual: promised %(low)s to %(high)s, took %(real)s.", low=low, high=high, real=count_down(found.real))
    return join_sentences(share, usual)


def _show_resource(name: str, board: Board, pools: Pools) -> Line:
    waiting = board.waiting_at(name)
    busy, limit = board.in_flight.get(name, 0), board.limits[name]
    workers = pools.workers.get(name)
    more = [_("%(busy)s of %(limit)s at work", busy=busy, limit=limit)]
    if workers is not None:
        more.append(ngettext("%(num)s worker", "%(num)s workers", workers.workers))
    if waiting:
        longest = count_down(board.seconds_since(min(step.accepted_at for step in waiting)))
        more.append(_("longest wait %(time)s", time=longest))
    paused = f"resource:{name}" in board.pauses
    state: State = "eye" if paused else "bad" if workers is not None and not workers.workers else "good"
    word = _("paused") if paused else _("%(count)s waiting", count=len(waiting))
    return Line(str(RESOURCE_NAMES[name]), state, word, _(", ").join(more))


def _show_server(server: Server, board: Board) -> Line:
    name, count = name_server(server.url), board.busy_at.get(server.url, 0)
    if server.drained:
        return Line(name, "off", _("drained"), _("%(count)s in work", count=count) if count else "")
    if server.set_aside_at is not None:
        return Line(name, "bad", _("set aside"), _("since"), server.set_aside_at)
    return Line(name, "good", _("working on %(count)s", count=count) if count else _("free"))


def _show_provider(one: Standing) -> Line:
    busy = _("%(busy)s of %(limit)s at work", busy=one.busy, limit=one.allowed)
    if one.pause is None:
        return Line(one.name, "good", _("in use") if one.allowed == one.limit else _("tried again"), busy)
    if one.seconds_left is not None:
        return Line(one.name, "eye", _("paused for %(time)s", time=count_down(one.seconds_left)), busy)
    return Line(one.name, "eye", _("paused"), busy)


def _show_booth(booth: BoothSeen, board: Board) -> Line:
    more = _("last order") if booth.last_order_at else _("no order yet")
    if booth.last_at is None:
        return Line(booth.name, "off", _("never seen"), "")
    seconds = board.seconds_since(booth.last_at)
    silent = seconds > SILENT_SECONDS
    word = _("seen %(time)s ago", time=count_down(seconds))
    return Line(booth.name, "off" if silent else "good", word, more, booth.last_order_at)
