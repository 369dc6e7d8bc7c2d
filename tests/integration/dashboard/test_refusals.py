"""What rq-dashboard refuses, keeps to itself, and leaves as it is."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from rq.serializers import JSONSerializer

from jobs.engine.rings import ring
from jobs.engine.spectator import ReadingRedis, ReadOnly
from jobs.farm import Farm
from tests.builders import open_farm
from tests.integration.dashboard.strangers import READS, fill, paths_of_every_rule, push, snapshot
from tests.serving import log_in, serve

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
HOSTILE = "<img src=x onerror=alert(1)>\"'&"
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
