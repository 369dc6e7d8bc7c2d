"""What rq-dashboard's pages show, also while Redis is odd or away."""

from __future__ import annotations

import socket
import time
from itertools import chain

import pytest
import requests
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobs.farm import Farm
from tests.builders import open_farm
from tests.integration.dashboard.strangers import add_worker, push, snapshot
from tests.serving import log_in, serve


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


def test_keys_of_another_kind_are_named_as_such(redis: Redis, url: str, operator: requests.Session) -> None:
    redis.sadd("rq:queues", "rq:queue:odd")
    redis.set("rq:queue:odd", "not a list")
    redis.set("rq:job:odd", "not a hash")
    assert operator.get(f"{url}/ops/rq/0/data/jobs/odd/queued/8/asc/1.json", timeout=10).status_code == 502
    assert operator.get(f"{url}/ops/rq/0/data/job/odd.json", timeout=10).status_code == 404
    assert operator.get(f"{url}/ops/rq/0/view/job/odd", timeout=10).status_code == 404


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
