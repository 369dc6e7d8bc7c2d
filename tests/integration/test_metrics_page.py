"""Who may read /metrics, and that it answers whatever is away. Peers are the WSGI server's word: no sockets here."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from werkzeug.test import TestResponse

from jobs.comfyui.models import Server
from jobs.farm import Farm
from jobs.orders import tallies
from tests import builders
from tests.builders import accept, change, finish, must_claim, open_farm, seconds_ago, send
from web import create_app

NEAR, FAR = "127.0.0.1", "10.0.0.9"


def get(farm: Farm, peer: str = NEAR, **headers: str) -> TestResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return create_app(farm).test_client().get("/metrics", headers=names, environ_base={"REMOTE_ADDR": peer})


def values_of(answer: TestResponse) -> dict[str, float]:
    """Samples by name; of those with labels the sum."""
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.get_data(as_text=True)):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0.0) + sample.value
    return values


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trusted", [(), (NEAR,), (FAR,)])
@pytest.mark.parametrize(
    ("peer", "forwarded_for", "status"),
    [
        (NEAR, "", 200),
        ("::1", "", 200),
        ("::ffff:127.0.0.1", "", 200),
        (FAR, "", 403),
        (FAR, "127.0.0.1", 403),  # whoever reaches us may claim anything
        (NEAR, FAR, 403),  # a proxy on this machine forwards for somebody
        (NEAR, f"127.0.0.1, {FAR}", 403),
        (NEAR, f"{FAR}, 127.0.0.1", 403),
        (NEAR, "unknown", 403),
        ("", "", 403),
    ],
)
def test_without_a_token_only_this_machine_is_answered(
    farm: Farm, trusted: tuple[str, ...], peer: str, forwarded_for: str, status: int
) -> None:
    with open_farm(farm.settings, trusted_proxies=trusted) as other:
        headers = {"X_Forwarded_For": forwarded_for} if forwarded_for else {}
        assert get(other, peer, **headers).status_code == status


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("authorization", "status"),
    [("Bearer right", 200), ("bearer right", 200), ("Bearer wrong", 401), ("Bearer ", 401), ("Basic right", 401)],
)
def test_with_a_token_whoever_carries_it_is_answered(farm: Farm, authorization: str, status: int) -> None:
    with open_farm(farm.settings, metrics_token=SecretStr("right")) as other:
        assert get(other, FAR, Authorization=authorization).status_code == status
        assert get(other, NEAR).status_code == 401


def test_the_figures_are_those_of_the_farm(farm: Farm) -> None:
    accept(farm, 3)
    finish(farm, must_claim(farm))
    must_claim(farm)
    farm.reconciler().roll_up()
    builders.stock(farm, builders.OTHER_SERVER)
    values = values_of(get(farm))
    assert values["farm_tasks"] == 2
    assert (values["farm_tasks_accepted_total"], values["farm_tasks_ended_total"]) == (3, 1)
    assert values["farm_task_seconds_count"] == 1 and values["farm_task_wait_seconds_count"] == 2
    assert (values["farm_resource_in_flight"], values["farm_resource_queued"]) == (1, 1)
    assert values["farm_resource_room"] == 3 + 5  # two servers of depth 2 with one call, and the cloud's limit
    assert (values["farm_servers"], values["farm_redis_up"], values["farm_database_up"]) == (2, 1, 1)
    assert values["farm_reconciler_age_seconds"] < 60
    assert values["farm_database_bytes"] > 0 and values["farm_disk_free_bytes"] > 0


def test_what_is_owed_and_what_hosts_hold_is_told(farm: Farm) -> None:
    port = {"sweeper_port": 8189, "sweeper_token": SecretStr("known to both")}
    accept(farm)
    send(farm, must_claim(farm))
    farm.interventions.delete_order("order-1", actor="booth:b")
    change(farm, Server, builders.SERVER, copies=7, copies_oldest_at=seconds_ago(50), sweeper_silent_at=seconds_ago(20))
    with open_farm(farm.settings, **port) as other:
        answer = get(other)
    text, values = answer.text, values_of(answer)
    assert 'farm_erasures_owed{place="comfyui"} 1.0' in text and 'farm_erasures_owed{place="storage"} 1.0' in text
    assert f'farm_copies{{server="{builders.SERVER}"}} 7.0' in text
    assert 50 <= values["farm_copies_oldest_seconds"] < 110 and 20 <= values["farm_sweeper_silent_seconds"] < 80
    assert values["farm_copies_max_age_seconds"] == 3600
    assert "farm_copies" not in values_of(get(farm)), "nobody is asked"


def test_it_answers_while_redis_and_the_database_are_away(farm: Farm) -> None:
    away = {"redis_url": "redis://127.0.0.1:1/0"}
    with open_farm(farm.settings, **away) as other:
        values = values_of(get(other))
        assert (values["farm_redis_up"], values["farm_database_up"], values["farm_resource_workers"]) == (0, 1, 0)
    gone = Farm(
        farm.settings.model_copy(update=away | {"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none"})
    )
    values = values_of(get(gone))
    gone.close()
    assert (values["farm_redis_up"], values["farm_database_up"]) == (0, 0)
    assert "farm_tasks" not in values and "farm_build_info" in values


def test_a_counter_is_left_out_rather_than_going_backwards(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(farm, 3)
    monkeypatch.setattr(tallies, "TAIL_LIMIT", 1)
    values = values_of(get(farm))
    assert values["farm_events_behind"] == 4 and "farm_tasks_accepted_total" not in values and values["farm_tasks"] == 3


def test_requests_are_measured_by_rule_and_never_by_path(farm: Farm) -> None:
    client = create_app(farm).test_client()
    client.get("/g/a-guest-s-token").close()
    client.get("/healthz").close()
    client.open("/healthz", method="STRANGE").close()
    text = client.get("/metrics").get_data(as_text=True)
    assert 'route="/g/<token>",status="404"' in text and "a-guest-s-token" not in text
    assert 'farm_http_request_seconds_count{method="GET",route="/healthz",status="200"} 1.0' in text
    assert 'method="other"' in text and "STRANGE" not in text
