"""The API's description is whole, valid and explains every code; its pages need no key and load nothing from afar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from jobs.engine.retries import REASONS
from jobs.errors import FarmBusy, RequestError
from jobs.errors.codes import ADVICE
from jobs.settings import Settings
from tests.builders import open_farm
from tests.surface.served import describe_api, list_calls
from web import create_app
from web.errors import BY_STATUS, CODES

CALLS = list_calls()
NAMES = [one["operationId"] for _, _, one in CALLS]
PROBLEM = "application/problem+json"
CONTRACT = {
    ("GET", "/styles"),
    ("POST", "/orders"),
    ("GET", "/tasks/{task_id}"),
    ("GET", "/orders/{order_id}"),
    ("GET", "/orders/{order_id}/events"),
    ("POST", "/orders/{order_id}/cancel"),
    ("POST", "/tasks/{task_id}/cancel"),
    ("POST", "/tasks/{task_id}/redo"),
    ("DELETE", "/orders/{order_id}"),
    ("GET", "/queue"),
    ("GET", "/stats"),
    ("POST", "/booths/me/heartbeat"),
    ("GET", "/images/{token}"),
}
NOT_OF_THE_API = {
    *("foreign_origin", "csrf", "not_permitted", "error", "method_not_allowed", "metrics_token", "metrics_local"),
    *("request_timeout", "header_too_large", "not_implemented"),
}
"""Codes of operators' forms, of the metrics, of methods and statuses that no call describes, and of HTTP below them."""


@pytest.fixture(scope="module", params=[False, True], ids=["real", "simulated"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A web whose Redis and ComfyUI are away: descriptions need neither."""
    settings = Settings.load(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("described"),
        redis_url="redis://127.0.0.1:1/0",
        simulate=request.param,
        disk_reserve_mb=1,
    )
    with open_farm(settings, serves_web=True) as farm:
        yield create_app(farm).test_client()


def kinds(top: type) -> Iterator[type]:
    yield top
    for child in top.__subclasses__():
        yield from kinds(child)


TREE = [*kinds(RequestError), *kinds(FarmBusy)]


def test_the_document_is_valid_openapi() -> None:
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(describe_api())] == []


def test_every_call_of_the_contract_is_described() -> None:
    assert {(method, path.removeprefix("/api/v1")) for path, method, _ in CALLS} >= CONTRACT


def test_every_view_below_api_v1_is_described(client: FlaskClient) -> None:
    described = {(path, method) for path, method, _ in CALLS}
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method)
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1/")
    }
    assert served == described


@pytest.mark.parametrize(("path", "method", "call"), CALLS, ids=NAMES)
def test_a_call_says_all_that_a_programmer_needs(path: str, method: str, call: dict[str, Any]) -> None:
    assert call["summary"] and call["description"]
    assert {one["name"] for one in call["parameters"] if one["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
    assert all(one["description"] and "example" in one for one in call["parameters"])
    for status, answer in call["responses"].items():
        assert answer["description"]
        assert "X-Request-Id" in answer["headers"]
        if status in ("429", "503"):
            assert "Retry-After" in answer["headers"]
        if status >= "400":
            assert list(answer["content"]) == [PROBLEM]
    (sample,) = call["x-codeSamples"]
    assert sample["source"].startswith("curl ") and "{" not in sample["source"].split('"$FARM')[1]
    needs_key = "security" not in call
    assert needs_key == ("401" in call["responses"]) == ("$KEY" in sample["source"])


@pytest.mark.parametrize(("path", "method", "call"), CALLS, ids=NAMES)
def test_the_examples_obey_their_schemas(path: str, method: str, call: dict[str, Any]) -> None:
    document = describe_api()
    for answer in call["responses"].values():
        for media, content in answer.get("content", {}).items():
            shown = [content["example"]] if "example" in content else []
            shown += [one["value"] for one in content.get("examples", {}).values()]
            if media.endswith("json"):
                validator = Draft202012Validator(content["schema"] | {"components": document["components"]})
                assert [str(error) for example in shown for error in validator.iter_errors(example)] == []


@pytest.mark.parametrize("kind", TREE, ids=[kind.__name__ for kind in TREE])
def test_every_error_of_the_tree_is_explained_and_described(kind: Any) -> None:
    code = CODES[kind.code]
    assert kind.code in ADVICE
    assert (code.status, code.title) == (kind.status, kind.title)
    assert code.booth and code.staff and code.meaning
    assert kind.code in codes_of_the_document()


def codes_of_the_document() -> set[str]:
    return {
        code
        for _, _, call in CALLS
        for answer in call["responses"].values()
        for code in answer.get("content", {}).get(PROBLEM, {}).get("examples", ())
    }


def test_the_table_of_codes_holds_nothing_that_is_not_answered() -> None:
    assert set(ADVICE) == {kind.code for kind in TREE}
    assert codes_of_the_document() == set(CODES) - NOT_OF_THE_API
    assert {code.code for code in BY_STATUS.values()} <= set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_problems_type_leads_to_its_explanation(client: FlaskClient, code: str) -> None:
    answer = client.get(f"/api/v1/errors/{code}")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert code in answer.text
    assert "What the booth should do" in answer.text and "What staff may do" in answer.text


@pytest.mark.parametrize("code", ["nothing", "Queue_Full", "queue_full%00", "..", "<b>", "a" * 5000])
def test_an_unknown_code_is_not_found(client: FlaskClient, code: str) -> None:
    answer = client.get(f"/api/v1/errors/{code}")
    assert answer.status_code == 404
    assert answer.json is not None and answer.json["code"] == "not_found"
    assert code[:20] not in answer.text or code == "nothing"


class Links(HTMLParser):
    """Everything that a page loads or points to, and its inline scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.points: set[str] = set()
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "style") or "style" in given or any(name.startswith("on") for name in given):
            self.inline.append(tag)
        if tag in ("link", "img", "iframe", "source"):
            self.loads.append(given.get("href") or given.get("src") or "")
        if tag == "a":
            self.points.add(given.get("href") or "")
        if given.get("id"):
            self.ids.add(given["id"] or "")


def test_the_page_holds_every_call_and_code_and_loads_nothing_from_outside(client: FlaskClient) -> None:
    answer = client.get("/api/v1/docs")
    links = Links(answer.text)
    assert set(NAMES) <= links.ids
    assert {f"/api/v1/errors/{code}" for code in CODES} <= links.points
    assert all(code in answer.text for code in REASONS)
    assert links.inline == []
    assert links.loads and all(address.startswith("/static/") for address in links.loads)
    assert {point[1:] for point in links.points if point.startswith("#")} <= links.ids
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
    for address in links.loads:
        with client.get(address) as loaded:
            assert loaded.status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/errors/queue_full"])
def test_the_pages_say_simulated_when_the_farm_is(client: FlaskClient, path: str) -> None:
    assert ("SIMULATED" in client.get(path).text) == client.application.config["SIMULATED"]


def test_a_method_that_is_not_taken_names_those_that_are(client: FlaskClient) -> None:
    answer = client.put("/api/v1/orders")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("host", ["[::1", "[", "a\\b", "\u2100.com", "evil", ""])
def test_a_strange_host_is_refused_and_breaks_nothing(client: FlaskClient, host: str) -> None:
    answer = client.get("/healthz", headers={"Host": host})
    assert answer.status_code == 400


def test_a_strange_origin_is_refused_and_breaks_nothing(client: FlaskClient) -> None:
    answer = client.post("/ops/login", headers={"Origin": "http://["})
    assert (answer.status_code, answer.json and answer.json["code"]) == (403, "foreign_origin")
    assert answer.headers["X-Request-Id"]


def test_a_form_without_its_token_is_refused_with_an_id(client: FlaskClient) -> None:
    answer = client.post("/ops/login")
    assert (answer.status_code, answer.json and answer.json["code"]) == (403, "csrf")
    assert answer.headers["X-Request-Id"]


def test_no_code_is_answered_that_the_table_does_not_know() -> None:
    """`problem` takes entries of the table, so a code of its own could only come from a new ErrorCode elsewhere."""
    makers = {
        path.name
        for path in (Path(__file__).parents[2] / "web").rglob("*.py")
        if "ErrorCode(" in path.read_text(encoding="utf-8")
    }
    assert makers == {"errors.py"}
