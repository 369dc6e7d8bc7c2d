"""A web process alone, served over real sockets, beside a database that holds orders of every kind. No workers run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from requests.adapters import HTTPAdapter
from sqlalchemy import select

from jobs.access.booths import authenticate, create_booth
from jobs.farm import Farm
from jobs.orders.models import Order, Task
from jobs.settings import Settings
from tests.acceptance.farm_process import PATIENCE_SECONDS, ROOT, eventually, free_port
from tests.builders import finish, must_claim, open_farm, stock, submit, with_key
from web.api import api
from web.docs import docs
from web.openapi import describe

SPARE = 12
"""Orders that may be deleted."""


@dataclass(frozen=True)
class Served:
    """A running web and what it knows. Order ids by what became of them: done, canceled, queued, deleted, foreign."""

    url: str
    key: str
    farm: Farm
    log: Path
    styles_dir: Path
    tasks: dict[str, str]
    image_urls: tuple[str, ...]

    def request(
        self, method: str, path: str, *, extra: dict[str, str] | None = None, **kwargs: Any
    ) -> requests.Response:
        """One request with the booth's key and these extra headers; `path` below /api/v1."""
        headers = {"Authorization": f"Bearer {self.key}"} | (extra or {})
        return requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=30, **kwargs)

    def options_of(self, task_id: str) -> dict[str, Any]:
        """The options of a task as they are stored."""
        query = select(Task.options).where(Task.task_id == task_id)
        return dict(self.farm.database.read(lambda session: session.scalars(query).one()))


@contextmanager
def serve(folder: Path, *, database_url: str, redis_url: str, **settings: str) -> Iterator[Served]:
    """Start the web with a stocked database; ends it afterwards."""
    styles_dir = folder / "styles"
    styles_dir.mkdir()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")} | {
        "DATA_DIR": str(folder / "data"),
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STYLES_DIR": str(styles_dir),
        "ADMIN_PASSWORD": "admin password",
        "OPENAI_API_KEY": "not a real key",
        "BOOTH_RATE": "1000000",
        "QUEUE_LIMIT": "1000000",
        "DISK_RESERVE_MB": "1",
        **settings,
    }
    own = Settings.load(
        _env_file=None,
        data_dir=folder / "data",
        database_url=database_url,
        redis_url=redis_url,
        styles_dir=styles_dir,
        disk_reserve_mb=1,
        queue_limit=1_000_000,
    )
    log = folder / "web.log"
    with open_farm(own, **with_key()) as farm, log.open("wb") as out:
        key, tasks = _stock(farm)
        web = subprocess.Popen(
            [sys.executable, "-m", "scripts.serve"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: web.poll() is not None or _answers(url), "the web answers")
            assert web.poll() is None, log.read_text()
            served = Served(url, key, farm, log, styles_dir, tasks, ())
            (done,) = served.request("GET", "/orders/done-1").json()["tasks"]
            yield Served(
                url, key, farm, log, styles_dir, tasks, (done["images"][0]["url"], done["images"][0]["thumbnail_url"])
            )
        finally:
            web.terminate()
            web.wait(PATIENCE_SECONDS)


class _From(HTTPAdapter):
    """Connects from a loopback address of its own."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self.address, 0), **kwargs)


_numbers = count(256)


def fresh_session() -> requests.Session:
    """A session from an address that no earlier one had."""
    number = next(_numbers)
    session = requests.Session()
    session.mount("http://", _From(f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"))
    return session


def describe_api() -> dict[str, Any]:
    """The API's description, without a farm behind it."""
    app = Flask("web")
    for blueprint in (api, docs):
        app.register_blueprint(blueprint)
    document: dict[str, Any] = json.loads(json.dumps(describe(app)))
    return document


def list_calls() -> list[tuple[str, str, dict[str, Any]]]:
    """(path, method, description) of every call that is described."""
    return [
        (path, method.upper(), one)
        for path, methods in describe_api()["paths"].items()
        for method, one in methods.items()
    ]


def _stock(farm: Farm) -> tuple[str, dict[str, str]]:
    stock(farm)
    keys = {name: farm.database.write(create_booth, name) for name in ("booth-1", "booth-2")}
    booth, stranger = (farm.database.read(authenticate, key) for key in keys.values())
    submit(farm, booth, order_id="done-1")
    finish(farm, must_claim(farm))
    for order_id in ("canceled-1", "queued-1", "deleted-1", *(f"spare-{number}" for number in range(SPARE))):
        submit(farm, booth, order_id=order_id)
    farm.interventions.cancel_order("canceled-1", actor="test", booth_id=booth.id)
    farm.interventions.delete_order("deleted-1", actor="test", booth_id=booth.id)
    submit(farm, stranger, order_id="foreign-1")
    rows = farm.database.read(
        lambda session: list(
            session.execute(select(Order.order_id, Task.task_id).join(Task, Task.order_id == Order.id))
        )
    )
    return keys["booth-1"], {order_id: task_id for order_id, task_id in rows}


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.RequestException:
        return False
