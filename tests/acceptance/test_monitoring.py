"""What operations see of a running farm: its log lines, followed by one id, and its metrics, as the dashboard has them.

No line holds a secret or a guest's words, whatever was asked of the farm.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from scripts.simulators.comfyui import StandIn
from scripts.simulators.openai_images import StandIn as CloudStandIn
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import ROOT, Booth, FarmProcess, ended, eventually, small_portrait
from tests.acceptance.test_kills import worker_of_running_step

MONITORING = ROOT / "docs" / "monitoring"
MOTTO = "Greetings-to-grandmother"
PHOTO_NAME = "holiday-of-the-smiths.jpg"
PROVIDER_KEY = "sk-provider-secret"
METRICS_TOKEN = "let-me-see"
SWEEPER_TOKEN = "sweepers-secret-of-this-farm"
AGGREGATED = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")
SELECTOR = re.compile(r"\b((?:farm|process|python)_[a-z_]+)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


Place = tuple[FarmProcess, Booth, StandIn]


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudStandIn]:
    with CloudStandIn(seconds=0.0) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def place(start_shared_farm: StartFarm, cloud: CloudStandIn) -> Place:
    """A farm with one server and a cloud provider; each test leaves it at work."""
    farm, booth, (server,) = start_shared_farm(
        servers=1,
        API_WORKERS="1",
        OPENAI_API_KEY=PROVIDER_KEY,
        OPENAI_BASE_URL=cloud.base_url,
        METRICS_TOKEN=METRICS_TOKEN,
        SWEEPER_PORT="1",  # nobody listens there: it is silent, and the metrics say so
        SWEEPER_TOKEN=SWEEPER_TOKEN,
    )
    return farm, booth, server


def read_lines(farm: FarmProcess) -> list[dict[str, Any]]:
    """Every line of the farm's processes; the launcher's own words to a person are none."""
    lines = (farm.folder / "up.log").read_text().splitlines()
    assert all(line.startswith("{") for line in lines if '"event"' in line), "a torn line"
    return [json.loads(line) for line in lines if line.startswith("{")]


def lines_of(farm: FarmProcess, task_id: str) -> list[dict[str, Any]]:
    """What grep finds by one id."""
    return [line for line in read_lines(farm) if task_id in json.dumps(line)]


def test_one_task_is_followed_over_web_worker_pool_and_reconciler_by_its_id(place: Place) -> None:
    farm, booth, server = place
    hold = server.add_fault("hold", times=1)
    order = booth.submit_until_taken("followed", small_portrait(1)).json()
    task_id = order["tasks"][0]["task_id"]
    assert hold.happened.wait(30)
    worker_of_running_step(farm).kill()
    eventually(lambda: [line for line in lines_of(farm, task_id) if line.get("attempt") == 2], "another has the step")

    pool = farm.service("scripts.worker_pool", "comfyui")
    workers = pool.children()
    pool.kill()
    eventually(lambda: ended(workers), "workers die with their pool")
    eventually(lambda: [line for line in lines_of(farm, task_id) if line.get("attempt") == 3], "a third has the step")
    server.clear_faults()
    assert booth.follow("followed")["status"] == "succeeded"
    eventually(lambda: [line for line in lines_of(farm, task_id) if line.get("move") == "S4"], "the success is told")

    lines = lines_of(farm, task_id)
    assert [(line["process"], line["event"], line.get("attempt")) for line in lines] == [
        ("web", "tasks accepted", None),
        ("comfyui", "a worker has the step", 1),
        ("comfyui", "a dead worker's step was taken away", 1),
        ("comfyui", "a worker has the step", 2),
        ("reconcile", "repaired", 2),
        ("comfyui", "a worker has the step", 3),
        ("comfyui", "the task succeeded", 3),
    ]
    accepted, first, released, second, *_ = lines
    assert (accepted["task_ids"], accepted["order_id"]) == ([task_id], "followed")
    assert all(line["order_id"] == "followed" for line in lines)
    assert all(line["step_id"] and line["resource"] == "comfyui" for line in lines[1:])
    assert released["worker"] == first["worker"] != second["worker"]
    assert first["job_id"].startswith("ring-") and first["pid"] != released["pid"]
    (request,) = [line for line in read_lines(farm) if line.get("request_id") == accepted["request_id"]][1:]
    assert (request["event"], request["route"], request["status"]) == ("request", "/api/v1/orders", 202)


def test_no_line_holds_a_secret_or_a_guest_s_words_and_each_request_has_one(place: Place, cloud: CloudStandIn) -> None:
    farm, booth, _ = place
    booth.submit_until_taken("warm-up", small_portrait(2))
    cloud.add_fault("status", status=400, body=json.dumps({"error": {"message": f"I will not write {MOTTO}"}}), times=1)
    fields = {"order_id": "words", "style": "watercolour-cloud", "options": json.dumps({"motto": MOTTO})}
    sent = [("photo", (PHOTO_NAME, small_portrait(1), "image/jpeg"))]
    booth.request("POST", "/orders", data=fields, files=sent)
    booth.request("POST", "/orders", data=fields | {"options": json.dumps({"motto": MOTTO * 99})}, files=sent)
    order = booth.follow("words")
    asked = booth.request("GET", "/styles", params={"key": booth.key, "token": "in-the-query"})
    requests.get(f"{farm.url}/api/v1/styles?key={booth.key}", timeout=10)
    requests.get(f"{farm.url}/{MOTTO}", timeout=10)
    requests.get(order["guest"]["url"], timeout=10)
    ready = booth.follow("warm-up")
    booth.picture(ready["tasks"][0])
    booth.request("GET", "/orders/words", params={"wait": 1, "after": order["version"]})
    image = ready["tasks"][0]["images"][0]["url"].rsplit("/", 1)[1]
    secrets = {
        "booth key": booth.key,
        "guest token": order["guest"]["url"].rsplit("/", 1)[1],
        "image token": image,
        "motto": MOTTO,
        "photo name": PHOTO_NAME,
        "query": "in-the-query",
        "provider key": PROVIDER_KEY,
        "metrics token": METRICS_TOKEN,
        "sweeper's token": SWEEPER_TOKEN,
    }

    def last_request() -> list[dict[str, Any]]:
        return [line for line in read_lines(farm) if line.get("request_id") == asked.headers["X-Request-Id"]]

    (line,) = eventually(last_request, "the request's line")
    assert {name: line[name] for name in ("event", "method", "route", "status", "booth")} == {
        "event": "request",
        "method": "GET",
        "route": "/api/v1/styles",
        "status": 200,
        "booth": "booth",
    }
    eventually(
        lambda: [line for line in read_lines(farm) if line.get("ms", 0) > 900 and line["route"].endswith("<order_id>")],
        "the follower's line",
    )
    log = (farm.folder / "up.log").read_text()
    assert {name for name, secret in secrets.items() if secret in log} == set()
    routes = {line["route"] for line in read_lines(farm) if line["event"] == "request"}
    assert {"/g/<token>", "/api/v1/images/<token>", "unmatched", "/api/v1/orders"} <= routes


def test_dashboard_and_alerts_name_only_what_a_running_farm_exports(place: Place) -> None:
    farm, booth, server = place
    before = read_accepted(read_metrics(farm))
    booth.submit_until_taken("one", small_portrait(1))
    booth.submit("cloud", small_portrait(2), style="watercolour-cloud")
    booth.submit("three", small_portrait(3), style="poster-framed")
    for name in ("one", "cloud", "three"):
        booth.follow(name)
    server.add_fault("exec_error", times=3)
    booth.submit("fails", small_portrait(4))
    booth.follow("fails")

    assert requests.get(f"{farm.url}/metrics", timeout=10).status_code == 401
    families = read_metrics(farm)
    samples = [sample for family in families for sample in family.samples]
    labels: dict[str, dict[str, set[str]]] = {}
    for sample in samples:
        known = labels.setdefault(sample.name, {})
        for name, value in sample.labels.items():
            known.setdefault(name, set()).add(value)
    declared = {family.name + suffix for family in families for suffix in ("", "_total")}

    wrong = []
    expressions = list(list_expressions())
    assert len(expressions) > 50
    for expression in expressions:
        used = {name for found in AGGREGATED.findall(expression) for name in re.findall(r"[a-z_]+", found)}
        offered: set[str] = set()
        for metric, selector in SELECTOR.findall(AGGREGATED.sub("", expression)):
            if metric not in labels and metric not in declared:
                wrong.append(f"{metric} is not exported: {expression}")
            offered |= labels.get(metric, {}).keys() | EMPTY_UNTIL_IT_HAPPENS.get(metric, set())
            for label, operator, value in MATCHER.findall(selector):
                if label == "job":
                    continue  # Prometheus' own
                if label not in labels.get(metric, {}) and label not in EMPTY_UNTIL_IT_HAPPENS.get(metric, set()):
                    wrong.append(f"{metric} has no label {label}: {expression}")
                elif operator == "=" and (metric, label) in CLOSED and value not in labels[metric][label]:
                    wrong.append(f"{metric} never has {label}={value}: {expression}")
        if not used <= offered:
            wrong.append(f"{used - offered} is no label of what it is taken from: {expression}")
    assert wrong == []
    assert requests.get(f"{farm.url}/api/v1/stats", headers={"Authorization": f"Bearer {booth.key}"}, timeout=10).ok

    assert read_accepted(families) - before == {"framed-print": 2, "poster-framed": 1, "watercolour-cloud": 1}
    values = {value for sample in samples for name, value in sample.labels.items() if name != "server"}
    assert not [value for value in values if booth.key in value or server.url in value or "one" == value]


def read_metrics(farm: FarmProcess) -> list[Metric]:
    """What Prometheus is answered."""
    answer = requests.get(f"{farm.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=10)
    return list(text_string_to_metric_families(answer.text))


def read_accepted(families: list[Metric]) -> Counter[str]:
    """Style -> tasks accepted so far."""
    samples = [sample for family in families for sample in family.samples if sample.name == "farm_tasks_accepted_total"]
    return Counter({sample.labels["style"]: int(sample.value) for sample in samples})


CLOSED = {("farm_tasks", "status"), ("farm_servers", "state"), ("farm_resource_workers", "resource")}
"""Labels all of whose values are always there."""
EMPTY_UNTIL_IT_HAPPENS = {
    "farm_paused": {"scope"},
    "farm_fallbacks_total": {"style", "why"},
    "farm_worker_crashes_total": {"resource"},
    "farm_repairs_total": {"move"},
    "farm_calls_cost_total": {"provider"},
}


def list_expressions() -> Iterator[str]:
    """All PromQL of the files that we hand to operations."""
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        assert rule["annotations"].keys() == {"summary", "action"} and rule["labels"]["severity"] in ("page", "warn")
        yield rule["expr"]
    dashboard = json.loads(Path(MONITORING / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
            in_legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"])) - {"instance"}
            assert in_legend <= set(re.findall(r"\w+", " ".join(AGGREGATED.findall(target["expr"])))), target
