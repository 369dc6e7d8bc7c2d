"""What is wrong with the farm, in words for operators, the worst first; and the verdict over all of it.

A trouble says what happened, who is affected, and what to do or that nothing needs doing. Each module has one subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from jobs.errors import DatabaseAway
from jobs.farm import Farm
from jobs.figures.board import Board, Pools, read_board, read_pools
from web.troubles import booths, failures, foundations, keeping, pools, providers, servers
from web.troubles.trouble import Trouble

__all__ = ["Look", "Trouble", "look_at"]


@dataclass(frozen=True)
class Look:
    """One look at the farm. `board` is None while the database does not answer."""

    board: Board | None
    pools: Pools
    found: tuple[Trouble, ...]

    @cached_property
    def troubles(self) -> list[Trouble]:
        """The worst first."""
        return sorted(self.found, key=lambda trouble: trouble.level != "bad")


def look_at(farm: Farm) -> Look:
    """How the farm is at this moment. Takes up to some seconds while something does not answer; never raises."""
    state = read_pools(farm.redis)
    of_database, disk = foundations.ask_database(farm.database), foundations.ask_disk(farm.storage)
    first = (of_database,) if of_database is not None else ()
    if of_database is foundations.DATABASE_AWAY:
        return look_blindly(state, (*first, *disk))
    try:
        board = read_board(farm.database, farm.settings, farm.providers, farm.forecast)
    except DatabaseAway:
        return look_blindly(state, (foundations.DATABASE_AWAY, *disk))
    found = (
        *first,
        *disk,
        *foundations.tell_redis(state.redis, board),
        *pools.ask_reconciler(board),
        *pools.list_unmanned(board, state),
        *servers.list_lost(board),
        *pools.list_paused(board),
        *pools.list_stuck(board, state),
        *providers.list_paused(board),
        *failures.list_failed(board),
        *pools.ask_queue(board),
        *booths.list_silent(board),
        *keeping.ask_room(farm.storage, farm.database, farm.settings),
        *keeping.list_unswept(board),
        *keeping.list_overdue(board),
    )
    return Look(board, state, found)


def look_blindly(state: Pools, troubles: tuple[Trouble, ...]) -> Look:
    """What can be told without the database."""
    redis = (foundations.REDIS[state.redis],) if state.redis != "ok" else ()
    return Look(None, state, (*troubles, *redis))
