"""Troubles of ComfyUI servers: set aside, drained, or none left."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask_babel import gettext as _

from jobs.comfyui.models import Server
from jobs.figures.board import Board
from web.languages import show_local
from web.troubles.trouble import Link, Trouble, join_sentences, name_some, tell_affected
from web.wording import N_

NEW_SECONDS = 30.0
"""A server that nobody has asked yet is no trouble for so long."""


@dataclass(frozen=True)
class Reason:
    """Why a server was set aside: how the farm wrote it down, how people are told, and what they may do about it."""

    begins: str
    told: str
    advice: str


REASONS = (
    Reason("refuses", N_("it refuses connections"), N_("Start ComfyUI on it.")),
    Reason("does not answer", N_("it does not answer"), N_("Look whether it is on, and at its network.")),
    Reason("makes no progress", N_("its picture does not get on"), N_("If it stays so, restart ComfyUI on it.")),
    Reason("does not stop", N_("it does not stop an old picture"), N_("If it stays so, restart ComfyUI on it.")),
    Reason("not asked", N_("it has not been asked yet"), N_("If it stays so, look whether the farm's service runs.")),
)
OTHER = Reason("", N_("it is not well"), N_("The page Servers says why."))


def list_lost(board: Board) -> list[Trouble]:
    """Servers that take nothing new; one trouble for all of them once none is left."""
    aside = [server for server in board.servers if server.set_aside_at is not None and not _is_new(server, board)]
    drained = [server for server in board.servers if server.drained and server.set_aside_at is None]
    if board.servers and len(aside) + len(drained) == len(board.servers):
        return [_tell_none_left(board, aside)]
    left = len(board.servers) - len(aside) - len(drained)
    troubles = [_tell_one(server, board, left) for server in aside]
    if drained:
        troubles.append(_tell_drained(drained, board, left))
    return troubles


def name_server(url: str) -> str:
    """A server as people call it: its address without what all have."""
    return urlsplit(url).netloc or url


def _is_new(server: Server, board: Board) -> bool:
    return (
        (server.why or "").startswith("not asked")
        and server.set_aside_at is not None
        and board.seconds_since(server.set_aside_at) < NEW_SECONDS
    )


def _find_reason(server: Server) -> Reason:
    return next((reason for reason in REASONS if (server.why or "").startswith(reason.begins)), OTHER)


def _tell_none_left(board: Board, aside: list[Server]) -> Trouble:
    waiting = board.at("comfyui")
    link = Link("ops.show_servers", _("Servers"), role="technician")
    if not aside:
        return Trouble(
            _("Every GPU server is drained: none of them begins anything."),
            _("Return one on the page Servers; work goes on at once."),
            "bad" if waiting else "eye",
            tell_affected(waiting),
            link,
        )
    since = show_local(min(server.set_aside_at for server in aside if server.set_aside_at), "clock")
    return Trouble(
        _(
            "No GPU server has worked since %(time)s: %(names)s.",
            time=since,
            names=_(", ").join(
                _("%(name)s (%(why)s)", name=name_server(server.url), why=_(_find_reason(server).told))
                for server in aside
            ),
        ),
        join_sentences(
            _("Look whether their machines and ComfyUI run, and at the network."),
            _("Nothing is lost: as soon as one answers, work goes on by itself."),
        ),
        "bad",
        tell_affected(waiting),
        link,
    )


def _tell_one(server: Server, board: Board, left: int) -> Trouble:
    reason = _find_reason(server)
    return Trouble(
        _(
            "The GPU server %(name)s has been set aside since %(time)s: %(why)s.",
            name=name_server(server.url),
            time=show_local(server.set_aside_at, "clock"),
            why=_(reason.told),
        ),
        join_sentences(
            _("For guests nothing needs doing: the other servers go on (%(count)s), only slower.", count=left),
            _(reason.advice),
            _("It is used again by itself once it is well."),
        ),
        "eye",
        tell_affected([step for step in board.at("comfyui") if step.server == server.url]),
        Link("ops.show_servers", _("Servers"), role="technician"),
    )


def _tell_drained(drained: list[Server], board: Board, left: int) -> Trouble:
    return Trouble(
        _("Drained by an operator: %(names)s.", names=name_some(name_server(server.url) for server in drained)),
        join_sentences(
            _("For guests nothing needs doing: the other servers go on (%(count)s), only slower.", count=left),
            _("Return it on the page Servers when it may work again."),
        ),
        "eye",
        tell_affected([]),
        Link("ops.show_servers", _("Servers"), role="technician"),
    )
