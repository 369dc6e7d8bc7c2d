"""How each trouble comes about, and words of what must be said of it in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, select, update

from jobs.access import audit
from jobs.access.models import Booth
from jobs.cloud import brake
from jobs.comfyui.models import Server
from jobs.erasure.models import Erasure
from jobs.erasure.orders import erase_order
from jobs.errors.steps import AccountRefused, Away, Busy, OverBudget, QuotaExhausted
from jobs.farm import Farm, connect_redis
from jobs.orders import pauses
from jobs.orders.models import Order, Step, TallyPosition
from tests.builders import (
    CLOUD,
    OTHER_SERVER,
    SERVER,
    accept,
    change,
    fail,
    list_steps,
    must_claim,
    seconds_ago,
    send,
)
from tests.integration.board.seeing import make_workers


def claim_and_fail(farm: Farm, kind: str, tasks: int = 1) -> None:
    accept(farm, tasks)
    for _ in range(tasks):
        claimed = must_claim(farm)
        send(farm, claimed)
        fail(farm, claimed, kind=kind)


def set_servers_aside(farm: Farm, why: str, *urls: str) -> None:
    for url in urls:
        change(farm, Server, url, set_aside_at=seconds_ago(90), why=why)


def drain(farm: Farm, *urls: str) -> None:
    for url in urls:
        change(farm, Server, url, drained=True)


def make_silent(farm: Farm, *names: str) -> None:
    """Booths with a heartbeat of five minutes ago, whose orders came before that."""
    farm.database.write(lambda session: session.execute(update(Order).values(created_at=seconds_ago(600))))
    rows = farm.database.read(lambda session: {row.name: row.id for row in session.scalars(select(Booth))})
    for name in names:
        change(farm, Booth, rows[name], seen_at=seconds_ago(300), created_at=seconds_ago(900))


def pause_by(farm: Farm, scope: str, actor: str) -> None:
    def write(session: Any) -> None:
        pauses.pause(session, scope, f"Paused by {actor}.")
        audit.note(session, actor, "pause", scope)

    farm.database.write(write)


def all_steps(farm: Farm, **values: Any) -> None:
    for step in list_steps(farm):
        change(farm, Step, step.id, **values)


def brake_for(farm: Farm, error: Exception, tasks: int = 0, wait_s: float = 0.0) -> None:
    if tasks:
        accept(farm, tasks, style=CLOUD)
    farm.database.write(brake.note_error, "openai", error, wait_s, farm.settings)


def in_settings(**changes: Any) -> Callable[[Farm], None]:
    return lambda farm: setattr(farm, "settings", farm.settings.model_copy(update=changes))


def redis_at_nowhere(farm: Farm) -> None:
    farm.redis = connect_redis(farm.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))


def owed_for_minutes(farm: Farm) -> None:
    """What is owed in the storage has been so for some minutes; progress is gone."""
    farm.database.write(lambda session: session.execute(delete(Erasure).where(Erasure.place == "progress")))
    farm.database.write(lambda session: session.execute(update(Erasure).values(since=seconds_ago(180))))


Pair = tuple[str, str]
NOBODY = ("No guest waits", "没有客人因此等待")
TWO_WAIT = ("Waiting because of it: 2 pictures of 1 guest, at booth-of-order-1", "1 位客人的 2 张照片因此等待")
EVERY_BOOTH = ("Every booth is affected", "所有拍照亭都受影响")
ONE_FAILED = ("1 guest at booth-of-order-1. Styles: framed-print.", "1 位客人，拍照亭：booth-of-order-1。")
AGAIN = ("try all of them again on the page Failures", "“失败”页面")
LOST = ("Nothing is lost", "不会丢失任何照片")
CASES: dict[str, tuple[tuple[Callable[[Farm], Any], ...], str, Pair, Pair, Pair]] = {
    "disk": (
        (lambda farm: setattr(farm.storage, "reserve_mb", 10**9),),
        "bad", ("disk is nearly full", "磁盘"), EVERY_BOOTH, ("Free space on this disk", "磁盘"),
    ),
    "disk fills up": (
        (in_settings(disk_warn_mb=10**9),),
        "eye", ("The farm's disk fills up", "磁盘空间渐少"), NOBODY, ("RETENTION_DAYS, now 7", "现为 7 天"),
    ),
    "sweeper silent": (
        (in_settings(sweeper_port=8189), lambda farm: change(
            farm, Server, SERVER, sweeper_silent_at=seconds_ago(90), sweeper_why="nobody listens there")),
        "eye", ("The sweeper beside the GPU server comfy-1:8188", "该端口没有程序应答"), NOBODY,
        ("Start the service photo-farm-sweeper", "photo-farm-sweeper"),
    ),
    "copies too old": (
        (in_settings(sweeper_port=8189), lambda farm: change(
            farm, Server, OTHER_SERVER, sweeper_seen_at=seconds_ago(9), copies_oldest_at=seconds_ago(4000))),
        "eye", ("longer than they may", "comfy-2:8188 上的客人照片存放超时"), NOBODY, ("its log says so", "日志"),
    ),
    "deletion overdue": (
        (lambda farm: accept(farm), lambda farm: farm.database.write(
            erase_order, "order-1", farm.terms, actor="booth:b"), owed_for_minutes),
        "eye", ("Photos or pictures of deleted orders (1)", "1 个已删除订单"), NOBODY, ("look at the disk", "检查磁盘"),
    ),
    "redis": (
        (lambda farm: accept(farm, 2), redis_at_nowhere),
        "bad", ("Redis does not answer", "Redis"), TWO_WAIT, ("Start Redis again", "Redis"),
    ),
    "reconciler": (
        (lambda farm: accept(farm, 2), lambda farm: change(farm, TallyPosition, 1, rolled_at=seconds_ago(60))),
        "bad", ("“reconcile” is not seen", "“reconcile”服务没有动静"), TWO_WAIT, ("Start it", "请启动它"),
    ),
    "no workers": (
        (lambda farm: accept(farm, 2), lambda farm: (farm.redis.flushall(), make_workers(farm, "api"))),
        "bad", ("Nobody works for GPU servers", "没有人为GPU 服务器工作"), TWO_WAIT, LOST,
    ),
    "no workers and nobody waits": (
        (lambda farm: (farm.redis.flushall(), make_workers(farm, "comfyui")),),
        "eye", ("Nobody works for Cloud services", "没有人为云服务工作"), NOBODY, LOST,
    ),
    "a server": (
        (lambda farm: set_servers_aside(farm, "refuses connections", SERVER),),
        "eye", ("comfy-1:8188 has been set aside since", "comfy-1:8188 自"), NOBODY,
        ("the other servers go on (1), only slower. Start ComfyUI on it.", "其他服务器（1 台）继续工作"),
    ),
    "a server with guests": (
        (
            lambda farm: accept(farm, 2),
            lambda farm: [must_claim(farm) for _ in range(2)],
            lambda farm: set_servers_aside(farm, "does not answer well (500)", SERVER),
        ),
        "eye", ("it does not answer", "没有回应"), ("1 picture of 1 guest", "1 张照片因此等待"),
        ("Look whether it is on", "请检查是否开机"),
    ),
    "a zombie": (
        (lambda farm: set_servers_aside(farm, "makes no progress: the prompt at its head", SERVER),),
        "eye", ("its picture does not get on", "停滞"), NOBODY, ("restart ComfyUI on it", "请重启它的 ComfyUI"),
    ),
    "no server left": (
        (lambda farm: accept(farm, 2), lambda farm: set_servers_aside(farm, "refuses", SERVER, OTHER_SERVER)),
        "bad", ("No GPU server has worked since", "没有 GPU 服务器在工作"), TWO_WAIT, LOST,
    ),
    "drained": (
        (lambda farm: drain(farm, SERVER),),
        "eye", ("Drained by an operator: comfy-1:8188", "停止派单：comfy-1:8188"), NOBODY,
        ("Return it on the page Servers", "“服务器”页面恢复"),
    ),
    "all drained": (
        (lambda farm: accept(farm, 2), lambda farm: drain(farm, SERVER, OTHER_SERVER)),
        "bad", ("Every GPU server is drained", "所有 GPU 服务器"), TWO_WAIT, ("Return one", "恢复其中一台"),
    ),
    "intake paused": (
        (lambda farm: pause_by(farm, "intake", "ann"),),
        "eye", ("The intake has been paused since", "ann 自"), EVERY_BOOTH, ("What was accepted is made", "照常制作"),
    ),
    "resource paused": (
        (lambda farm: accept(farm, 2), lambda farm: pause_by(farm, "resource:comfyui", "ann")),
        "bad", ("GPU servers has been paused since", "GPU 服务器的制作"), TWO_WAIT, ("Resume it", "请恢复"),
    ),
    "queue full": (
        (lambda farm: accept(farm, 2), in_settings(queue_limit=2)),
        "bad", ("2 of 2 places are taken", "2 个位置已占用 2 个"), EVERY_BOOTH, ("Nothing needs doing", "无需处理"),
    ),
    "queue nearly full": (
        (lambda farm: accept(farm, 4), in_settings(queue_limit=5)),
        "eye", ("nearly full: 4 of 5", "5 个位置已占用 4 个"), ("Nobody is turned away yet", "目前没有客人被拒"),
        ("Nothing needs doing yet", "暂时无需处理"),
    ),
    "nothing moves": (
        (lambda farm: accept(farm, 2), lambda farm: all_steps(farm, queued_at=seconds_ago(90))),
        "bad", ("Waiting for GPU servers though nothing keeps them back: 2 pictures", "却没有任何阻碍"), TWO_WAIT,
        ("Look at the page Servers", "“服务器”页面"),
    ),
    "a step that is late": (
        (lambda farm: accept(farm, 1), must_claim, lambda farm: all_steps(farm, claimed_at=seconds_ago(9_000))),
        "bad", ("Should have been ready long ago: 1 picture", "早就该完成"), ("1 picture of 1 guest", "1 张照片"),
        ("Restart the farm's workers", "请重启工作进程"),
    ),
    "quota": (
        (lambda farm: brake_for(farm, QuotaExhausted("x"), tasks=2),),
        "bad", ("openai has no credit left", "openai"), TWO_WAIT, ("press “Try again now”", "充值"),
    ),
    "account": (
        (lambda farm: brake_for(farm, AccountRefused("x")),),
        "eye", ("openai refuses our key", "openai"), NOBODY, ("Check OPENAI_API_KEY", "OPENAI_API_KEY"),
    ),
    "budget": (
        (lambda farm: brake_for(farm, OverBudget(), tasks=2),),
        "bad", ("day's budget for the cloud provider openai is spent", "openai"), TWO_WAIT, ("Raise it", "服务商"),
    ),
    "breaker": (
        (lambda farm: [brake_for(farm, Away("x")) for _ in range(brake.BREAKER_FAILURES)],),
        "eye", ("openai failed again and again", "openai"), NOBODY, ("Nothing needs doing. It is tried again", "1:00"),
    ),
    "rate with guests": (
        (lambda farm: brake_for(farm, Busy("x"), tasks=2, wait_s=45),),
        "eye", ("openai asks us to wait", "openai 要求稍等"), TWO_WAIT, ("Nothing needs doing.", "45 秒"),
    ),
    "provider paused": (
        (lambda farm: farm.switches.pause_provider("openai", actor="ann"),),
        "eye", ("openai is paused by ann", "ann 暂停了云服务商 openai"), NOBODY,
        ("Press “Try again now”", "点击“立即重试”"),
    ),
    "failed": (
        (lambda farm: claim_and_fail(farm, "unavailable"),),
        "eye", ("1 picture failed in the last 30 minutes", "最近 30 分钟有 1 张照片失败"), ONE_FAILED, AGAIN,
    ),
    "many failed": (
        (lambda farm: claim_and_fail(farm, "deadline", 3),),
        "bad", ("3 pictures failed in the last 30 minutes: they were not ready", "3 张照片失败"), ONE_FAILED, AGAIN,
    ),
    "refused": (
        (lambda farm: claim_and_fail(farm, "content_refused", 3),),
        "eye", ("the style is not possible with these photos", "不适合该风格"), ONE_FAILED,
        ("Nothing needs doing", "无需处理"),
    ),
    "bug": (
        (lambda farm: claim_and_fail(farm, "bug"),),
        "bad", ("something went wrong in the farm", "系统内部出错"), ONE_FAILED, ("Tell the technician", "技术员"),
    ),
    "a booth is silent": (
        (
            lambda farm: accept(farm, 2),
            lambda farm: accept(farm, 1, order_id="other"),
            lambda farm: change(farm, Booth, 2, seen_at=seconds_ago(1)),
            lambda farm: make_silent(farm, "booth-of-order-1"),
        ),
        "eye", ("Not heard of since", "没有消息：booth-of-order-1"), TWO_WAIT, ("If it was switched off", "主动关机"),
    ),
    "every booth is silent": (
        (
            lambda farm: accept(farm, 2),
            lambda farm: accept(farm, 1, order_id="other"),
            lambda farm: make_silent(farm, "booth-of-order-1", "booth-of-other"),
        ),
        "eye", ("No booth has been heard of since", "所有拍照亭都没有消息"),
        ("3 pictures of 2 guests", "2 位客人的 3 张照片"),
        ("Look whether the network of the booths works", "拍照亭的网络"),
    ),
}  # fmt: skip
"""How a trouble comes about, how bad it is, and words of what must be said of it: what, who is affected, what to do."""
