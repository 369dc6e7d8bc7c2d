"""One event per line: JSON that a machine reads, or a row that a person does. Never torn, never over 4 KiB."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading

import pytest

from jobs import trail
from worker_configs.log_config import LONGEST_LINE_BYTES, make_formatter


@pytest.fixture(autouse=True)
def nothing_bound() -> None:
    """What another test's request has left bound in this thread is none of ours."""
    trail.start()


def record(message: str = "it happened", level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    return logging.getLogger("jobs.some.module").makeRecord(
        "jobs.some.module", level, "file.py", 1, message, (), None, extra=extra
    )


def show(line: logging.LogRecord, *, on_terminal: bool = False) -> str:
    return make_formatter("web", on_terminal=on_terminal).format(line)


def test_a_line_is_json_and_carries_what_was_given_and_what_is_bound() -> None:
    with trail.bound(task_id="abc", worker="comfyui-1"):
        text = show(record(status=202, task_ids=("a", "b")))
    document = json.loads(text)
    assert "\n" not in text
    assert list(document)[:5] == ["at", "level", "process", "event", "task_id"]
    assert document | {"at": "", "pid": 0} == {
        "at": "",
        "level": "info",
        "process": "web",
        "event": "it happened",
        "task_id": "abc",
        "status": 202,
        "task_ids": ["a", "b"],
        "worker": "comfyui-1",
        "logger": "jobs.some.module",
        "pid": 0,
    }
    assert document["at"].endswith("Z") and document["pid"] == os.getpid()
    assert "task_id" not in json.loads(show(record()))


def test_a_new_request_forgets_the_one_before_and_a_thread_may_carry_its_ids() -> None:
    trail.start(request_id="one", task_id="abc")
    trail.start(request_id="two")
    seen: list[str] = []
    thread = threading.Thread(target=trail.carry(lambda: seen.append(show(record()))))
    thread.start()
    thread.join()
    trail.start()
    document = json.loads(seen[0])
    assert document["request_id"] == "two" and "task_id" not in document


def raised(text: str) -> logging.LogRecord:
    line = record("a request failed", logging.ERROR, task_id="abc")
    guests_text = "what a guest wrote"  # noqa: F841  a variable that a talkative traceback would show
    try:
        raise ValueError(text)
    except ValueError:
        line.exc_info = sys.exc_info()
    return line


def test_a_traceback_stays_in_its_line_and_shows_no_variable() -> None:
    text = show(raised("too bad"))
    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("ValueError: too bad")
    shown = show(raised("too bad"), on_terminal=True)
    assert "ValueError: too bad" in shown
    assert "what a guest wrote" not in text + shown


@pytest.mark.parametrize("size", [3_000, 100_000])
def test_a_line_is_never_longer_than_the_kernel_writes_in_one_piece(size: int) -> None:
    for line in (raised("é" * size), record("x", note="é" * size, task_id="abc"), record("y" * size, task_id="abc")):
        text = show(line)
        assert len(text.encode()) < LONGEST_LINE_BYTES
        assert json.loads(text)["task_id"] == "abc"


WRITER = """
import logging, logging.config, sys
from worker_configs.log_config import make_log_config
logging.config.dictConfig(make_log_config("comfyui"))
for line in range(100):
    logging.info("a line", extra={"number": int(sys.argv[1]), "line": line, "filling": "x" * 3_500})
"""


def test_lines_of_processes_that_share_a_pipe_stay_whole() -> None:
    reading, writing = os.pipe()
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(number)], stderr=writing) for number in range(4)]
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = [json.loads(line) for line in pipe]
    assert [writer.wait(30) for writer in writers] == [0] * 4
    assert sorted((line["number"], line["line"]) for line in lines) == [(n, m) for n in range(4) for m in range(100)]


def test_a_person_on_a_terminal_reads_rows() -> None:
    row = show(record("request", method="GET", route="/healthz", status=200, ms=1.5), on_terminal=True)
    assert "GET /healthz" in row and "web" in row and "{" not in row
    listed = show(record("tasks accepted", task_ids=("a1", "b2"), request_id="r", adopted=False), on_terminal=True)
    assert "a1 b2" in listed and "request_id" not in listed and "adopted" not in listed
