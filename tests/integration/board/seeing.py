"""An operator at the board, what they see there, and a farm that has nothing to tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape

from flask.testing import FlaskClient
from sqlalchemy import select

from jobs.access.models import User
from jobs.access.operators import ensure_admin
from jobs.farm import Farm
from jobs.orders import tallies
from tests.builders import (
    OTHER_SERVER,
    SERVER,
    stock,
)
from tests.serving import PASSWORD, session_of
from web import create_app


@contextmanager
def at_the_board(farm: Farm) -> Iterator[FlaskClient]:
    """A client whose operator is logged in."""
    farm.database.write(ensure_admin, PASSWORD)
    user = farm.database.read(lambda session: session.scalars(select(User)).one())
    app = create_app(farm)
    client = app.test_client()
    with client.session_transaction() as session:
        session.update(session_of(user))
    yield client
    app.extensions["farm"].watcher.stop()


def make_workers(farm: Farm, *resources: str) -> None:
    """Workers that RQ's registry knows, one of each pool."""
    for resource in resources or ("comfyui", "api"):
        farm.redis.hset(f"rq:worker:{resource}-1", "state", "idle")
        farm.redis.sadd(f"rq:workers:{resource}", f"rq:worker:{resource}-1")


def make_well(farm: Farm) -> None:
    """A farm of which there is nothing to say: two servers, workers, a reconciler that counted just now."""
    stock(farm, SERVER, OTHER_SERVER)
    make_workers(farm)
    farm.database.write(tallies.roll_up)


@dataclass(frozen=True)
class Shown:
    """What the board says: the verdict's level and headline, and of each trouble its three parts."""

    level: str
    headline: str
    troubles: list[tuple[str, str, str]]


def look(client: FlaskClient, language: str = "en") -> Shown:
    page = client.get("/ops/live", query_string={"lang": language}).text
    verdict = re.search(r'id="verdict" class="verdict (\w+)".*?class="headline"[^>]*>(.*?)</p>', page, re.DOTALL)
    assert verdict is not None, page
    troubles = []
    for article in re.findall(r"<article.*?</article>", page, re.DOTALL):
        what = re.findall(r"<h2>(.*?)</h2>", article)[0]
        affected, advice = re.findall(r"<dd>(.*?)</dd>", article, re.DOTALL)
        troubles.append((unescape(what), unescape(affected), re.sub(r"<.*?>", "", unescape(advice))))
    return Shown(verdict[1], unescape(verdict[2]), troubles)
