"""Troubles of what everything stands on: the database, Redis, the disk."""

from __future__ import annotations

from dataclasses import replace

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from jobs.database import Database
from jobs.engine.doorbell import RedisState
from jobs.errors import DatabaseAway
from jobs.figures.board import Board
from jobs.media.storage import DiskStorage
from web.troubles.trouble import Trouble, tell_affected

EVERY_BOOTH = lazy_gettext("Every booth is affected: no new order is taken.")
DATABASE_AWAY = Trouble(
    lazy_gettext("The database does not answer."),
    lazy_gettext(
        "New orders are refused and booths are told to come back; pictures that get ready are kept until they can be "
        "written down. Start the database again: everything goes on by itself."
    ),
    affected=EVERY_BOOTH,
)
DATABASE_LOCKED = Trouble(
    lazy_gettext("The database takes no changes: another program holds its write lock."),
    lazy_gettext(
        "New orders are refused and booths are told to come back; pictures that get ready are kept until they can be "
        "written down. Everything goes on by itself as soon as the lock is let go. If it lasts, end the program that "
        "holds it, such as a database browser with an open change."
    ),
    affected=EVERY_BOOTH,
)
REDIS: dict[RedisState, Trouble] = {
    "away": Trouble(
        lazy_gettext("Redis does not answer."),
        lazy_gettext(
            "Orders are taken and wait; what is being made is finished. Start Redis again. Work then goes on by itself "
            "within seconds, and nothing is lost, whatever Redis held."
        ),
    ),
    "full": Trouble(
        lazy_gettext("Redis is full and takes nothing new."),
        lazy_gettext(
            "Orders are taken and wait; what is being made is finished. Raise its maxmemory, or remove from it what is "
            "not the farm's. Work then goes on by itself within seconds, and nothing is lost, whatever Redis held."
        ),
    ),
    "read_only": Trouble(
        lazy_gettext("Redis takes no changes: it is a replica, or cannot save to its disk."),
        lazy_gettext(
            "Orders are taken and wait; what is being made is finished. Redis' log says which; make it the main one "
            "again, or free its disk. Work then goes on by itself within seconds, and nothing is lost, whatever Redis "
            "held."
        ),
    ),
}


def ask_database(database: Database) -> Trouble | None:
    """Does it answer, and take changes? Waits some seconds for another's lock."""
    try:
        database.ping()
    except DatabaseAway:
        return DATABASE_AWAY
    try:
        database.check_writable()
    except DatabaseAway:
        return DATABASE_LOCKED
    return None


def tell_redis(state: RedisState, board: Board) -> list[Trouble]:
    """Who waits for a ring while Redis is not well."""
    if state == "ok":
        return []
    waiting = [step for step in board.open if step.status != "running"]
    return [replace(REDIS[state], affected=tell_affected(waiting))]


def ask_disk(storage: DiskStorage) -> list[Trouble]:
    """Is there room for photos?"""
    free, reserve = storage.count_free_mb(), storage.reserve_mb
    if free >= reserve:
        return []
    return [
        Trouble(
            _(
                "The farm's disk is nearly full: %(free)s MB are free, and %(reserve)s MB are kept as a reserve.",
                free=free,
                reserve=reserve,
            ),
            _(
                "New orders are refused and booths are told to come back; what was accepted is still made. Free space "
                "on this disk: orders are then taken again at once, and nothing else needs doing."
            ),
            affected=EVERY_BOOTH,
        )
    ]
