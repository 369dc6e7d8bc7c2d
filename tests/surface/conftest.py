"""The farm of all surface tests, and what every refusal must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import requests

from scripts.simulators.photos import portrait
from tests.surface.farm import Surface, start_surface, stop_farm
from tests.surface.operators import log_in, open_browser
from tests.surface.wire import Answer

Refuse = Callable[..., None]
SENTENCE = re.compile(r"[A-Z][^\n\r<>]{3,200}\.")


@pytest.fixture(scope="session")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surface]:
    """One running farm for the session. Tests leave it as they found it."""
    surface = start_surface(tmp_path_factory.mktemp("surface"))
    yield surface
    stop_farm(surface.farm, surface.stand_ins)


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A photo that nobody could object to."""
    return portrait(1, size=(240, 320))


def check_refusal(answer: Answer, *statuses: int, code: str | None = None) -> None:
    """A problem as RFC 9457 has it: a code, one sentence, the status of the table, no traceback, soon."""
    assert answer.status in statuses, (answer.status, answer.text)
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert {"type", "title", "status", "detail", "code", "retryable"} <= problem.keys()
    assert problem["status"] == answer.status
    assert code in (None, problem["code"]), problem
    assert SENTENCE.fullmatch(problem["detail"]), problem["detail"]
    assert "Traceback" not in answer.text and 'File "' not in answer.text
    assert answer.headers["X-Request-Id"]
    assert answer.seconds < 2.0


@pytest.fixture
def refuse(surface: Surface) -> Iterator[Refuse]:
    """`check_refusal`; and after the test nothing was stored: no file, row, ring or prompt; no defect in the log."""
    before, logged = surface.look_inside(), surface.log_size()
    yield check_refusal
    after = surface.look_inside()
    assert after.files == before.files
    assert after.rows == before.rows
    assert after.rings <= before.rings
    assert after.prompts == before.prompts
    assert "Traceback" not in surface.log_since(logged)


@pytest.fixture
def browser(surface: Surface) -> Iterator[requests.Session]:
    """A browser that nobody has logged in with."""
    with open_browser(surface) as browser:
        yield browser


@pytest.fixture
def operator(surface: Surface, browser: requests.Session) -> requests.Session:
    """A browser with an operator's session."""
    assert log_in(browser, surface).status_code == 302
    return browser
