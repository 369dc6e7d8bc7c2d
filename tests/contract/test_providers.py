"""Every cloud provider against the stand-in of its dialect: the same cases for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

import jobs.cloud.transport
from jobs.cloud.provider import NotThere, Pending, Unheard
from jobs.cloud.providers import PROVIDERS
from jobs.errors.steps import (
    Away,
    BadAnswer,
    Busy,
    ContentRefused,
    OutcomeUnknown,
    QuotaExhausted,
    StepError,
    Transient,
)
from jobs.settings.providers import WITHOUT_SETTINGS
from scripts.simulators.inprocess import InProcess
from tests.contract.dialects import DIALECTS
from tests.contract.dialects.dialect import Dialect, Said
from tests.contract.fakes import MARK, mark_in
from tests.contract.hosts import Host

POLLED = [dialect for dialect in DIALECTS if dialect.poll_path]
NAMED = [dialect for dialect in DIALECTS if dialect.result_path]


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
def api(dialect: Dialect) -> Iterator[InProcess[Any]]:
    with dialect.stand_in() as api:
        yield api


def base_url(api: InProcess[Any]) -> str:
    url: str = api.base_url  # type: ignore[attr-defined]  # every cloud stand-in has one
    return url


def say(api: InProcess[Any], path: str, said: Said, **more: Any) -> Any:
    return api.add_fault("status", path=path, status=said.status, body=said.body, headers=dict(said.headers), **more)


def failing(dialect: Dialect, api: InProcess[Any], **settings: Any) -> StepError:
    with pytest.raises(StepError) as failed:
        dialect.buy(dialect.provider(base_url(api), **settings))
    return failed.value


def each(name: str) -> pytest.MarkDecorator:
    """One case for each answer of each dialect."""
    cases = [
        pytest.param(dialect, said, error, id=f"{dialect.name}-{number}-{said.status}-{error.__name__}")
        for dialect in DIALECTS
        for number, (said, error) in enumerate(getattr(dialect, name))
    ]
    return pytest.mark.parametrize(("dialect", "said", "error"), cases)


def test_every_provider_that_speaks_http_is_put_through_these_cases() -> None:
    assert {dialect.name for dialect in DIALECTS} == set(PROVIDERS) - set(WITHOUT_SETTINGS)


def test_picture_is_bought_once_and_its_id_is_kept_first(dialect: Dialect, api: InProcess[Any]) -> None:
    kept: list[str] = []
    bought = dialect.buy(dialect.provider(base_url(api)), kept.append)
    assert [mark_in(data) for data in bought.images] == [MARK]
    [sent] = api.log("submit")
    assert kept == [sent["prompt_id"]]


def test_without_a_key_it_is_not_configured(dialect: Dialect) -> None:
    assert not dialect.provider("http://127.0.0.1:9", api_key="").is_configured()
    assert dialect.provider("http://127.0.0.1:9").is_configured()


@each("others")
def test_answer_is_read_by_its_code(dialect: Dialect, said: Said, error: type[StepError], api: InProcess[Any]) -> None:
    fault = say(api, dialect.submit_path, said)
    failed = failing(dialect, api)
    assert type(failed) is error, f"{failed!r} {failed.detail}"
    assert "guest" not in f"{failed} {failed.detail}"
    assert fault.hits == 1  # asked once, whatever it said


@pytest.mark.parametrize(("name", "error"), [("rate", Busy), ("quota", QuotaExhausted), ("refused", ContentRefused)])
def test_rate_quota_and_refusal_are_told_apart(
    dialect: Dialect, api: InProcess[Any], name: str, error: type[StepError]
) -> None:
    fault = say(api, dialect.submit_path, getattr(dialect, name))
    failed = failing(dialect, api)
    assert type(failed) is error, f"{failed!r} {failed.detail}"
    assert "guest" not in f"{failed} {failed.detail}"
    assert fault.hits == 1


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("-5", 1, 1),
        ("9999999", 120, 120),
        ("1e99", 120, 120),
        ("date", 1, 30),
        ("soon", None, None),
        ("nan", None, None),
    ],
)
@pytest.mark.row(70)
def test_retry_after_is_held_to_sane_bounds(
    dialect: Dialect, api: InProcess[Any], value: str, least: float | None, most: float | None
) -> None:
    if value == "date":
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    body = dialect.rate.body if least is not None else {}  # a body may name its own seconds
    say(api, dialect.submit_path, Said(429, body, {"Retry-After": value}))
    failed = failing(dialect, api)
    assert isinstance(failed, Busy)
    if least is None:
        assert failed.retry_after is None
    else:
        assert failed.retry_after is not None and least <= failed.retry_after <= float(most or 0)


@pytest.mark.parametrize("kind", ["drop", "drop_after", "truncate"])
def test_no_whole_answer_means_that_nobody_knows(dialect: Dialect, api: InProcess[Any], kind: str) -> None:
    fault = api.add_fault(kind, path=dialect.submit_path, method="POST")
    assert isinstance(failing(dialect, api), OutcomeUnknown)
    assert (fault.hits, len(api.log("submit"))) == (1, 0 if kind == "drop" else 1)


@pytest.mark.parametrize("kind", ["hang", "hang_after"])
def test_silence_means_that_nobody_knows(dialect: Dialect, api: InProcess[Any], kind: str) -> None:
    fault = api.add_fault(kind, path=dialect.submit_path, method="POST")
    assert isinstance(failing(dialect, api, silence_s=0.3), OutcomeUnknown)
    assert fault.hits == 1


@pytest.mark.parametrize("body", ["<html>a login page</html>", [], {}, "", {"data": []}], ids=repr)
def test_malformed_success_is_a_bad_answer(dialect: Dialect, api: InProcess[Any], body: Any) -> None:
    say(api, dialect.submit_path, Said(200, body))
    assert isinstance(failing(dialect, api), BadAnswer | Transient)


def test_endless_answer_is_bad(dialect: Dialect, api: InProcess[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.cloud.transport, "ANSWER_BYTES", 8_000_000)
    api.add_fault("huge", path=dialect.submit_path, bytes=2_000_000_000)
    assert isinstance(failing(dialect, api), BadAnswer)


def test_refused_connection_sent_nothing(dialect: Dialect) -> None:
    gone = dialect.stand_in().start()
    gone.stop()
    error = failing(dialect, gone)
    assert isinstance(error, Away)
    assert (error.refused, error.outcome) == (True, "unsent")


@pytest.mark.row(70)
def test_key_goes_to_the_configured_host_and_follows_no_redirect(dialect: Dialect) -> None:
    with Host() as other, Host(other.url) as host, pytest.raises(StepError):
        dialect.buy(dialect.provider(host.url))
    [request] = host.seen
    name, value = dialect.key
    assert request.headers[name] == value
    assert other.seen == []


@pytest.mark.parametrize("dialect", NAMED, ids=lambda dialect: dialect.name)
def test_key_does_not_go_to_where_results_lie(dialect: Dialect, api: InProcess[Any]) -> None:
    assert dialect.result_path is not None
    with Host() as other:
        say(api, dialect.result_path, Said(302, "", {"Location": f"{other.url}/picture.jpg"}))
        hosts = (other.url.removeprefix("http://"),)
        assert isinstance(failing(dialect, api, result_hosts=hosts), BadAnswer)
        assert other.seen
        assert all(dialect.key[0] not in request.headers for request in other.seen)


@pytest.mark.row(70)
@pytest.mark.parametrize("dialect", NAMED, ids=lambda dialect: dialect.name)
def test_no_result_is_fetched_from_a_private_address(dialect: Dialect, api: InProcess[Any]) -> None:
    assert dialect.result_path is not None
    with Host() as other:
        say(api, dialect.result_path, Said(302, "", {"Location": f"{other.url}/picture.jpg"}))
        assert isinstance(failing(dialect, api), BadAnswer)
        assert other.seen == []


@pytest.mark.parametrize("dialect", NAMED, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "said", [Said(404, "expired"), Said(403, "<Error>expired</Error>")], ids=lambda said: said.status
)
def test_result_that_is_gone_is_a_bad_answer(dialect: Dialect, said: Said, api: InProcess[Any]) -> None:
    assert dialect.result_path is not None
    fault = say(api, dialect.result_path, said)
    assert isinstance(failing(dialect, api), BadAnswer)
    assert fault.hits == 3  # what is finished is fetched again, not bought again
    assert len(api.log("submit")) == 1


@pytest.mark.parametrize("dialect", NAMED, ids=lambda dialect: dialect.name)
def test_torn_result_is_fetched_again(dialect: Dialect, api: InProcess[Any]) -> None:
    api.add_fault("truncate", path=dialect.result_path, times=2)
    bought = dialect.buy(dialect.provider(base_url(api)))
    assert [mark_in(data) for data in bought.images] == [MARK]
    assert len(api.log("submit")) == 1


def submitted(dialect: Dialect, api: InProcess[Any]) -> str:
    """A call that the provider has taken; by its id."""
    kept: list[str] = []
    found = dialect.provider(base_url(api)).submit(dialect.request(), kept.append, 10.0)
    assert isinstance(found, Pending)
    assert kept == [found.remote_id]
    return found.remote_id


@pytest.mark.parametrize("dialect", POLLED, ids=lambda dialect: dialect.name)
def test_another_process_gets_what_was_bought(dialect: Dialect, api: InProcess[Any]) -> None:
    remote_id = submitted(dialect, api)
    provider = dialect.provider(base_url(api))
    assert provider.can_look_up
    found = dialect.wait_for(provider, remote_id)
    assert [mark_in(data) for data in found.images] == [MARK]
    assert len(api.log("submit")) == 1


@pytest.mark.parametrize("dialect", POLLED, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("kind", ["drop", "truncate", "hang"])
def test_poll_without_an_answer_decides_nothing(dialect: Dialect, kind: str, api: InProcess[Any]) -> None:
    remote_id = submitted(dialect, api)
    api.add_fault(kind, path=dialect.poll_path, times=1)
    with pytest.raises(Unheard):
        dialect.provider(base_url(api)).poll(dialect.model, remote_id, 0.5)
    api.clear_faults()
    assert dialect.wait_for(dialect.provider(base_url(api)), remote_id)


@pytest.mark.parametrize("dialect", POLLED, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "said",
    [
        Said(500, {"guest": 1}),
        Said(503, "<html>guest</html>"),
        Said(429, {}, {"Retry-After": "7"}),
        Said(200, "<html>guest</html>"),
        Said(200, []),
    ],
    ids=lambda said: f"{said.status}-{said.body!r:.8}",
)
def test_poll_that_is_refused_decides_nothing(dialect: Dialect, said: Said, api: InProcess[Any]) -> None:
    remote_id = submitted(dialect, api)
    assert dialect.poll_path is not None
    say(api, dialect.poll_path, said)
    with pytest.raises(Unheard) as unheard:
        dialect.provider(base_url(api)).poll(dialect.model, remote_id, 5.0)
    assert "guest" not in str(unheard.value)
    assert unheard.value.retry_after == (7 if said.status == 429 else None)


@pytest.mark.parametrize("dialect", POLLED, ids=lambda dialect: dialect.name)
def test_call_that_it_does_not_know_is_not_there(dialect: Dialect, api: InProcess[Any]) -> None:
    with pytest.raises(NotThere):
        dialect.provider(base_url(api)).poll(dialect.model, "11112222-aaaa-bbbb-cccc-000000000000", 5.0)


@each("ended")
def test_end_without_a_picture_is_read_by_its_code(
    dialect: Dialect, said: Said, error: type[StepError], api: InProcess[Any]
) -> None:
    remote_id = submitted(dialect, api)
    assert dialect.poll_path is not None
    api.wait_for("end", remote_id)
    say(api, dialect.poll_path, said, skip=dialect.ended_skip)
    with pytest.raises(StepError) as failed:
        dialect.provider(base_url(api)).poll(dialect.model, remote_id, 5.0)
    assert type(failed.value) is error, f"{failed.value!r} {failed.value.detail}"
    assert "guest" not in f"{failed.value} {failed.value.detail}"


@pytest.mark.parametrize("dialect", POLLED, ids=lambda dialect: dialect.name)
def test_waiting_call_can_be_canceled(dialect: Dialect, api: InProcess[Any]) -> None:
    api.add_fault("hold_queue")  # accepted work is not begun until cleared
    remote_id = submitted(dialect, api)
    dialect.provider(base_url(api)).cancel(dialect.model, remote_id, 5.0)
    ended = api.wait_for("end", remote_id)
    assert ended["outcome"] == "canceled"
    with pytest.raises(StepError):
        dialect.wait_for(dialect.provider(base_url(api)), remote_id)
