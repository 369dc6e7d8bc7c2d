"""rq-dashboard in a real browser, over a running farm whose ComfyUI workers are busy."""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect
from redis import Redis
from rq import Queue
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from scripts.simulators.comfyui import Settings, StandIn
from tests.acceptance.farm_process import Booth, FarmProcess, eventually, small_portrait
from tests.browser.browser import Cookies, Visitor
from tests.browser.conftest import MakeVisitor

MARK = "hacked"
HOSTILE = (
    f"<img src=/x onerror='window.{MARK}=1'><script>window.{MARK}=2</script>"
    f"\"><svg onload='window.{MARK}=3'></svg>');window.{MARK}=4;('"
)
PASSWORD = "admin password"
WORKERS = 4
BUSY, WAITING = 4, 3
"""Prompts that are held, and tasks behind them."""
STYLE = """title = { en = "%s", zh = "%s" }
[[steps]]
resource = "comfyui"
workflow = "frame.json"
photo = "1.image"
output = ["11"]
prefix = "11.filename_prefix"
"""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarmProcess]:
    """A farm with a failed task, four prompts that are held, and three tasks that wait behind them."""
    folder = tmp_path_factory.mktemp("busy")
    stand_ins = [StandIn(Settings(seconds=0.05)) for _ in range(2)]
    for stand_in in stand_ins:
        stand_in.start()
        stand_in.add_fault("exec_error", exception_type=HOSTILE, exception_message=HOSTILE, times=3)
    farm = FarmProcess(
        folder / "data",
        COMFYUI_URLS=",".join(stand_in.url for stand_in in stand_ins),
        COMFYUI_WORKERS=str(WORKERS),
        API_WORKERS="1",
        STYLES_DIR=str(write_hostile_style(folder / "styles")),
    )
    try:
        booth = Booth(farm.start(), farm.make_key("booth-1"))
        booth.submit_until_taken("fails", small_portrait(0), style="hostile")
        assert booth.follow("fails")["status"] == "failed"
        holds = []
        for stand_in in stand_ins:
            stand_in.clear_faults()
            holds.append(stand_in.add_fault("hold"))
        for number in range(BUSY + WAITING):
            assert booth.submit(f"order-{number}", small_portrait(number)).status_code == 202
        eventually(lambda: states_of_workers(farm).count("busy") == BUSY, "all ComfyUI workers are busy")
        assert all(hold.happened.wait(30) for hold in holds)
        yield farm
        for stand_in in stand_ins:
            stand_in.clear_faults()
        for number in range(BUSY + WAITING):
            assert booth.follow(f"order-{number}")["status"] == "succeeded"  # looking at it harmed nothing
    finally:
        for stand_in in stand_ins:
            stand_in.clear_faults()
        farm.kill()
        for stand_in in stand_ins:
            stand_in.stop()


@pytest.fixture(scope="module")
def cookies(farm: FarmProcess, chromium: Browser) -> Cookies:
    """Of an operator who logged in once: more than five logins in a minute are refused."""
    visitor = Visitor(chromium, farm.url)
    visitor.log_in(PASSWORD)
    cookies = visitor.cookies()
    visitor.close()
    return cookies


@pytest.fixture
def operator(farm: FarmProcess, make_visitor: MakeVisitor, cookies: Cookies) -> Visitor:
    """A visitor who is logged in."""
    return make_visitor(farm.url, cookies=cookies)


@pytest.fixture
def redis(farm: FarmProcess) -> Iterator[Redis]:
    with farm.redis() as client:
        yield client


def write_hostile_style(folder: Path) -> Path:
    """A style that makes the framed print, under a title that no one should ever run."""
    (folder / "hostile").mkdir(parents=True)
    quoted = json.dumps(HOSTILE)[1:-1]
    (folder / "hostile" / "style.toml").write_text(STYLE % (quoted, quoted))
    builtin = Path(__file__).resolve().parents[2] / "jobs" / "styles" / "builtin"
    (folder / "hostile" / "frame.json").write_bytes((builtin / "framed-print" / "frame.json").read_bytes())
    return folder


def states_of_workers(farm: FarmProcess) -> list[str]:
    with farm.redis() as client:
        return [(client.hget(key, "state") or b"").decode() for key in client.smembers("rq:workers")]


def job_ids(redis: Redis, key: str) -> list[str]:
    """The ids in one of RQ's registries; that of started jobs also names their executions."""
    return [entry.decode().split(":")[0] for entry in redis.zrange(key, 0, -1)]


def everything_in_rq(redis: Redis) -> str:
    """All text that stands in Redis under RQ's keys, packed parts unpacked."""
    found = []
    for key in redis.scan_iter("rq:*"):
        kind = redis.type(key)
        if kind == b"hash":
            for name, value in redis.hgetall(key).items():
                found += [name, unpack(value)]
        elif kind == b"stream":
            for _, entry in redis.xrange(key):
                found += [unpack(value) for value in entry.values()]
        elif kind == b"list":
            found += redis.lrange(key, 0, -1)
        elif kind == b"set":
            found += redis.smembers(key)
        elif kind == b"zset":
            found += redis.zrange(key, 0, -1)
    return "\n".join(part.decode("utf-8", "replace") for part in found)


def unpack(value: bytes) -> bytes:
    """RQ's data is compressed, a result's exception also in base64."""
    for read in (zlib.decompress, lambda packed: zlib.decompress(base64.b64decode(packed, validate=True))):
        try:
            return read(value)
        except (zlib.error, ValueError):
            continue
    return value


def push_hostile_job(redis: Redis) -> str:
    """A stranger's job in the ComfyUI queue and among the failed ones, hostile in every field that is shown."""
    job = Queue("comfyui", connection=redis, serializer=JSONSerializer).enqueue(
        "os.system", HOSTILE, job_id="from-a-stranger", description=HOSTILE, meta={HOSTILE: HOSTILE}
    )
    packed = base64.b64encode(zlib.compress(HOSTILE.encode())).decode()
    redis.xadd(f"rq:results:{job.id}", {"type": 2, "exc_string": packed})
    redis.hset(job.key, mapping={"status": "failed", "ended_at": "2026-11-24T00:00:00.000000Z"})
    redis.zadd(FailedJobRegistry("comfyui", connection=redis).key, {job.id: time.time() + 3600})
    return str(job.id)


def assert_nothing_ran(visitor: Visitor) -> None:
    assert visitor.page.evaluate(f"window.{MARK}") is None
    assert visitor.page.locator("img[src='/x'], svg[onload]").count() == 0


def test_queues_are_counted_while_workers_are_busy(farm: FarmProcess, operator: Visitor) -> None:
    page = operator.open("/ops/rq/")
    expect(page.locator("#queues tr[data-role=queue]")).to_have_count(2)
    comfyui = page.locator("#queues tr[data-role=queue]", has=page.get_by_role("cell", name="comfyui", exact=True))
    cells = comfyui.locator("td")
    expect(cells.nth(0)).to_have_text("comfyui")
    expect(cells.nth(4)).to_have_text(str(BUSY))
    expect(cells.nth(6)).to_have_text("0")
    assert int(cells.nth(1).inner_text()) >= 1
    operator.picture("rq-queues")


def test_workers_are_shown_with_what_they_do(farm: FarmProcess, operator: Visitor) -> None:
    page = operator.open("/ops/rq/0/view/workers")
    expect(page.locator("#workers tr[data-role=worker]")).to_have_count(WORKERS + 1)
    expect(page.locator("#workers a", has_text="jobs.entry.take('comfyui'")).to_have_count(BUSY)
    expect(page.locator("#workers td", has_text="idle")).to_have_count(1)
    operator.picture("rq-workers")
    page.locator("#workers a").first.click()
    expect(page.locator("#job-data")).to_contain_text("took step")
    expect(page.locator("#job-data")).to_contain_text("started")


@pytest.mark.parametrize("registry", ["queued", "scheduled", "deferred", "started", "finished", "failed", "canceled"])
def test_every_registry_has_its_page(farm: FarmProcess, operator: Visitor, registry: str) -> None:
    page = operator.open(f"/ops/rq/0/view/jobs/comfyui/{registry}/8/asc/1")
    expect(page.locator("#select-registry")).to_have_value(registry)
    if registry == "started":
        expect(page.locator("#jobs tr[data-role=job]")).to_have_count(BUSY)
        expect(page.locator("#jobs .description").first).to_contain_text("took step")
    elif registry in ("scheduled", "deferred", "failed", "canceled"):
        expect(page.get_by_text("No jobs.")).to_be_visible()
    else:
        expect(page.locator("[data-role=loading-placeholder]")).to_have_count(0)
    expect(page.locator("#jobs")).to_be_visible()
    operator.picture(f"rq-jobs-{registry}")


def test_a_job_has_its_page_and_its_raw_data(farm: FarmProcess, operator: Visitor, redis: Redis) -> None:
    job_id = eventually(lambda: job_ids(redis, "rq:wip:comfyui"), "a started job")[0]
    page = operator.open(f"/ops/rq/0/view/job/{job_id}")
    expect(page.locator("h2")).to_contain_text(job_id)
    expect(page.locator("#job-data")).to_contain_text("took step")
    operator.picture("rq-job")
    for data in ("queues.json", "workers.json", "jobs/comfyui/started/8/asc/1.json", f"job/{job_id}.json"):
        operator.open(f"/ops/rq/0/data/{data}")
        operator.picture(f"rq-data-{data.split('/')[0].split('.')[0]}")
        assert isinstance(json.loads(page.locator("body").inner_text()), dict)


def test_no_button_is_offered_that_would_be_refused(farm: FarmProcess, operator: Visitor, redis: Redis) -> None:
    job_id = push_hostile_job(redis)
    buttons = re.compile("requeue|delete|empty|compact", re.IGNORECASE)
    for path in ("jobs/comfyui/queued/8/asc/1", "jobs/comfyui/failed/8/asc/1", f"job/{job_id}"):
        page = operator.open(f"/ops/rq/0/view/{path}")
        expect(page.locator("tr[data-role=job], #job-data p").first).to_be_visible()
        assert page.get_by_role("button", name=buttons).count() == 0
        assert page.get_by_role("link", name=buttons).count() == 0


@pytest.mark.row(66)
def test_a_strangers_hostile_job_runs_nothing(farm: FarmProcess, operator: Visitor, redis: Redis) -> None:
    job_id = push_hostile_job(redis)
    redis.sadd("rq:queues", f"rq:queue:{HOSTILE}")
    redis.sadd("rq:workers", f"rq:worker:{HOSTILE}")
    redis.hset(f"rq:worker:{HOSTILE}", mapping={"queues": HOSTILE, "state": HOSTILE, "version": HOSTILE})
    try:
        for number, (path, shown) in enumerate(
            (
                ("", "#queues tr[data-role=queue]"),
                ("0/view/workers", "#workers tr[data-role=worker]"),
                ("0/view/jobs/comfyui/queued/8/asc/1", "#jobs tr[data-role=job]"),
                ("0/view/jobs/comfyui/failed/8/asc/1", "#jobs tr[data-role=job]"),
                (f"0/view/job/{job_id}", "#job-data p"),
            )
        ):
            page = operator.open(f"/ops/rq/{path}")
            row = page.locator(shown).first
            expect(row).to_be_visible()
            expect(page.locator("table, #job-data").first).to_contain_text("<img src=/x onerror=")
            row.hover()
            assert_nothing_ran(operator)
            operator.picture(f"rq-hostile-{number}")
    finally:
        redis.srem("rq:queues", f"rq:queue:{HOSTILE}")
        redis.srem("rq:workers", f"rq:worker:{HOSTILE}")
        redis.delete(f"rq:worker:{HOSTILE}")


@pytest.mark.row(66)
def test_a_hostile_address_runs_nothing(farm: FarmProcess, operator: Visitor) -> None:
    operator.expected = {404}
    for name in (f"');window.{MARK}=4;('", f"')}});window.{MARK}=4;$('x').on('x',function(){{if(1){{('", "<b>", "\\"):
        page = operator.open(f"/ops/rq/0/view/jobs/{quote(name, safe='')}/queued/8/asc/1")
        expect(page.get_by_text("RQ knows no such thing")).to_be_visible()
        assert_nothing_ran(operator)


@pytest.mark.row(66)
def test_the_operators_pages_show_a_hostile_error_as_text(farm: FarmProcess, operator: Visitor) -> None:
    page = operator.open("/ops/orders?status=failed")
    assert_nothing_ran(operator)
    page.locator(".orders a").first.click()
    page.get_by_role("link", name="What happened").click()
    expect(page.locator("table").first).to_contain_text("<img src=/x onerror=")
    assert_nothing_ran(operator)
    operator.picture("ops-task-failed-hostile")
    operator.open("/ops/servers")
    assert_nothing_ran(operator)
    operator.picture("ops-servers")


def test_what_guests_and_servers_wrote_never_reaches_rq(farm: FarmProcess, redis: Redis) -> None:
    """The failed task's error, the style's title and the orders' ids are nowhere in RQ; only ids of ours are."""
    before: Any = set(redis.keys("rq:job:from-a-stranger*"))
    redis.delete("rq:job:from-a-stranger", "rq:results:from-a-stranger")
    assert len(before) <= 1
    text = everything_in_rq(redis)
    assert "took step" in text
    for word in (MARK, "<img", "onerror", "hostile", "order-", "fails", "booth-1"):
        assert word not in text
    for key in redis.scan_iter("rq:job:ring-*"):
        job = redis.hgetall(key)
        assert re.fullmatch(
            rb"ring for step \d+, attempt \d+|took step \d+, attempt \d+|nothing was due|waiting for room",
            job[b"description"],
        )
        assert b"exc_info" not in job
        assert job.get(b"meta", b"{}") == b"{}"
