"""Faults of the database and of the disk."""

from __future__ import annotations

import random

from scripts.storming.databases import PostgresStore, SqliteStore
from scripts.storming.place import Place
from scripts.storming.strikes import Draw, Strike

LOCK_SECONDS = 10.0
FULL_SECONDS = 10.0
AWAY_SECONDS = (0.3, 3.0)


def fill_disk(place: Place, chance: random.Random) -> Strike:
    also = {"is_ours": place.disk.is_ours}
    return Strike("fill disk", "data", "disk", place.disk.fill, place.disk.clear, FULL_SECONDS, also=also)


def lock_sqlite(place: Place, chance: random.Random) -> Strike | None:
    store = place.store
    if not isinstance(store, SqliteStore):
        return None
    return Strike("lock sqlite", "database", "database", store.lock, store.heal, LOCK_SECONDS)


def restart_postgres(place: Place, chance: random.Random) -> Strike | None:
    store = place.store
    if not isinstance(store, PostgresStore):
        return None
    fault, begin = chance.choice((("restart postgresql", store.stop), ("crash postgresql", store.crash)))
    seconds = chance.uniform(*AWAY_SECONDS)
    return Strike(fault, "database", "database", begin, store.heal, seconds, pid=store.pid)


DRAWS: list[tuple[float, Draw]] = [(2, fill_disk), (2, lock_sqlite), (4, restart_postgres)]
