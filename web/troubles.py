"""What the farm has run out of, in lines for operators: what happened, and what to do or that nothing needs doing."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from jobs.cloud.standing import list_standings
from jobs.engine.doorbell import RedisState, ask_redis
from jobs.errors import DatabaseAway
from jobs.farm import Farm
from web.countdown import count_down
from web.wording import N_

Words = str | LazyString


@dataclass(frozen=True)
class Trouble:
    """Two sentences or three, in the language of whoever reads them; none of them names anything of a guest."""

    what: Words
    advice: Words


DATABASE_AWAY = Trouble(
    lazy_gettext("The database does not answer."),
    lazy_gettext(
        "New orders are refused and booths are told to come back; pictures that get ready are kept until they can be "
        "written down. Start the database again: everything goes on by itself."
    ),
)
DATABASE_LOCKED = Trouble(
    lazy_gettext("The database takes no changes: another program holds its write lock."),
    lazy_gettext(
        "New orders are refused and booths are told to come back; pictures that get ready are kept until they can be "
        "written down. Everything goes on by itself as soon as the lock is let go. If it lasts, end the program that "
        "holds it, such as a database browser with an open change."
    ),
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


PROVIDER_WAITING = lazy_gettext("What it was to make waits, and everything else goes on.")
PROVIDER: dict[str, tuple[str, str]] = {
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
}
"""By the kind of a pause: what happened, and what to do."""


def list_troubles(farm: Farm) -> list[Trouble]:
    """The troubles of this moment, the worst first; empty when all is well. Takes up to some seconds while there are
    any.
    """
    found = [trouble for trouble in (_ask_database(farm), _ask_disk(farm)) if trouble is not None]
    state = ask_redis(farm.redis)
    if state != "ok":
        found.append(REDIS[state])
    return found if DATABASE_AWAY in found else [*found, *_list_stopped_providers(farm)]


def _ask_database(farm: Farm) -> Trouble | None:
    try:
        farm.database.ping()
    except DatabaseAway:
        return DATABASE_AWAY
    try:
        farm.database.check_writable()
    except DatabaseAway:
        return DATABASE_LOCKED
    return None


def _list_stopped_providers(farm: Farm) -> list[Trouble]:
    """Providers whose pause wants somebody's hand, and those that failed; one that asked for a moment is no trouble."""
    try:
        standings = farm.database.read(list_standings, farm.providers, farm.settings)
    except DatabaseAway:
        return []
    troubles = []
    for one in standings:
        if one.pause is None or one.pause.kind not in PROVIDER:
            continue
        what, advice = PROVIDER[one.pause.kind]
        key = f"{one.name.upper()}_{'API_TOKEN' if one.name == 'replicate' else 'API_KEY'}"
        sentences = [str(PROVIDER_WAITING), gettext(advice, key=key)]
        if one.seconds_left:
            sentences.append(gettext("It is tried again by itself in %(time)s.", time=count_down(one.seconds_left)))
        troubles.append(Trouble(gettext(what, name=one.name), " ".join(sentences)))
    return troubles


def _ask_disk(farm: Farm) -> Trouble | None:
    free, reserve = farm.storage.count_free_mb(), farm.storage.reserve_mb
    if free >= reserve:
        return None
    return Trouble(
        gettext(
            "The farm's disk is nearly full: %(free)s MB are free, and %(reserve)s MB are kept as a reserve.",
            free=free,
            reserve=reserve,
        ),
        gettext(
            "New orders are refused and booths are told to come back; what was accepted is still made. Free space on "
            "this disk: orders are then taken again at once, and nothing else needs doing."
        ),
    )
