"""The brake of a cloud provider: what pauses it for everybody, how it comes back, and what a day may cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from jobs.cloud import brake, money
from jobs.cloud.models import Brake
from jobs.engine.claims import Claim
from jobs.engine.windows import Windows
from jobs.errors.steps import (
    AccountRefused,
    Away,
    Braked,
    Busy,
    ContentRefused,
    OverBudget,
    QuotaExhausted,
    StepError,
    Transient,
)
from jobs.farm import Farm
from jobs.orders import pauses
from jobs.orders.models import Call, Pause, Task
from jobs.orders.work import Terms
from jobs.settings import Settings
from tests import builders
from tests.builders import CLOUD, accept, change, claim, finish, must_claim, open_farm, with_key

SCOPE = "provider:openai"


@pytest.fixture
def farm(settings: Settings) -> Iterator[Farm]:
    with open_farm(settings, **with_key(), openai_limit=4, api_limit=5) as farm:
        yield farm


def note(farm: Farm, error: Exception, wait_s: float = 0.0) -> None:
    farm.database.write(brake.note_error, "openai", error, wait_s, farm.settings)


def succeed(farm: Farm) -> None:
    farm.database.write(brake.note_success, "openai", 4)


def paused(farm: Farm) -> Pause | None:
    return farm.database.read(pauses.find_pause, SCOPE)


def end_pause(farm: Farm) -> None:
    change(farm, Pause, SCOPE, until=builders.seconds_ago(1))


def claim_all(farm: Farm) -> list[Claim]:
    """All that workers could take now."""
    claimed = []
    while (one := claim(farm, f"worker-{len(claimed)}", "api")) is not None:
        claimed.append(one)
    return claimed


def mark(farm: Farm, claimed: Claim, terms: Terms | None = None) -> None:
    held = claimed.held
    farm.database.write(brake.mark_sent, held.step_id, held.attempt, claimed.call, terms or Terms())


@pytest.mark.parametrize(
    ("error", "kind", "seconds"),
    [
        (Busy(retry_after=7), "rate", 7),
        (QuotaExhausted(), "quota", 900),
        (AccountRefused(), "account", 300),
    ],
)
def test_what_a_provider_says_of_itself_pauses_it_for_everybody(
    farm: Farm, error: StepError, kind: str, seconds: float
) -> None:
    accept(farm, 3, style=CLOUD)
    note(farm, error, 7.0)
    row = paused(farm)
    assert row is not None and row.until is not None
    assert row.kind == kind
    assert row.until - row.since == timedelta(seconds=seconds)
    assert claim_all(farm) == []


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(Busy(retry_after=120), 5), (QuotaExhausted(), 3), (AccountRefused(), 4)],
)
def test_the_settings_say_how_long_a_pause_is(settings: Settings, error: StepError, seconds: float) -> None:
    times = {"brake_rate_s": 5, "brake_quota_s": 3, "brake_account_s": 4, "brake_breaker_s": 2}
    with open_farm(settings, **with_key(), **times) as farm:
        note(farm, error, 120.0)
        row = paused(farm)
        assert row is not None and row.until is not None
        assert row.until - row.since == timedelta(seconds=seconds)
        end_pause(farm)
        note(farm, Transient("x"))  # the probe
        row = paused(farm)
        assert row is not None and row.until is not None
        assert row.kind == "breaker"
        assert row.until - row.since == timedelta(seconds=2)


def test_after_a_pause_one_call_goes_first_and_each_success_allows_one_more(farm: Farm) -> None:
    accept(farm, 10, style=CLOUD)
    note(farm, Busy(), 7.0)
    end_pause(farm)
    at_once = []
    while (claimed := claim_all(farm)) and len(at_once) < 4:
        at_once.append(len(claimed))
        for one in claimed:
            finish(farm, one)
        succeed(farm)
    assert at_once == [1, 2, 3, 4]


def test_five_passing_failures_open_the_breaker_and_one_probe_closes_it(farm: Farm) -> None:
    accept(farm, 6, style=CLOUD)
    for _ in range(brake.BREAKER_FAILURES - 1):
        note(farm, Transient("x"))
    assert paused(farm) is None
    note(farm, Away(refused=True))
    row = paused(farm)
    assert row is not None and row.kind == "breaker"
    end_pause(farm)
    assert len(claim_all(farm)) == 1, "more than the probe went out"
    note(farm, Transient("x"))
    assert paused(farm) is not None, "a probe that failed did not open it again"
    end_pause(farm)
    succeed(farm)
    note(farm, Transient("x"))
    assert paused(farm) is None, "the breaker did not forget"


def test_failures_far_apart_do_not_open_the_breaker(farm: Farm) -> None:
    for _ in range(brake.BREAKER_FAILURES * 2):
        note(farm, Transient("x"))
        change(farm, Brake, "openai", failed_since=builders.seconds_ago(brake.BREAKER_WINDOW_SECONDS + 1))
    assert paused(farm) is None


def test_a_refused_photo_says_nothing_against_the_provider(farm: Farm) -> None:
    for _ in range(brake.BREAKER_FAILURES * 2):
        note(farm, ContentRefused())
    assert paused(farm) is None


def test_a_longer_pause_is_not_shortened(farm: Farm) -> None:
    note(farm, QuotaExhausted())
    note(farm, Busy(), 1.0)
    row = paused(farm)
    assert row is not None and row.kind == "quota"


def test_a_call_that_was_claimed_before_the_pause_is_not_sent_in_it(farm: Farm) -> None:
    accept(farm, 1, style=CLOUD)
    claimed = must_claim(farm, resource="api")
    note(farm, Busy(), 7.0)
    with pytest.raises(Braked):
        mark(farm, claimed)
    assert [call.sent_at for call in builders.list_calls(farm)] == [None]
    farm.database.write(pauses.resume, SCOPE)
    mark(farm, claimed)


def test_a_call_that_was_sent_is_adopted_in_a_pause(farm: Farm) -> None:
    accept(farm, 1, style=CLOUD)
    claimed = must_claim(farm, resource="api")
    mark(farm, claimed)
    change(farm, builders.Step, claimed.held.step_id, status="queued", attempt=2)
    note(farm, QuotaExhausted())
    again = must_claim(farm, "worker-2", "api")
    assert again.adopted


def buy(farm: Farm, price: float, outcome: str = "succeeded", **columns: object) -> None:
    """A call of today that was sent and closed so."""
    accept(farm, 1, style=CLOUD, order_id=f"order-{len(builders.list_calls(farm))}")
    claimed = must_claim(farm, resource="api")
    mark(farm, claimed, Terms(price=price))
    change(farm, Call, claimed.call.id, state="closed", outcome=outcome, **columns)


def test_a_day_costs_what_was_made_and_what_nobody_can_tell(farm: Farm) -> None:
    buy(farm, 0.5, cost=0.4)
    buy(farm, 0.25, outcome="unknown")
    buy(farm, 8.0, outcome="failed")
    buy(farm, 16.0, outcome="succeeded", sent_at=builders.seconds_ago(2 * 86_400))
    assert farm.database.read(money.spent_today) == {"openai": money.Spending(known=0.4, unknown=0.25)}


def test_costs_are_told_by_day_and_by_task_of_an_order(farm: Farm) -> None:
    buy(farm, 0.5)
    buy(farm, 0.25, outcome="unknown")
    buy(farm, 4.0, sent_at=builders.seconds_ago(86_400))
    buy(farm, 8.0, sent_at=builders.seconds_ago(9 * 86_400))
    days = farm.database.read(money.spent_by_day, 7)
    assert list(days.values()) == [{"openai": money.Spending(0.5, 0.25)}, {"openai": money.Spending(4.0)}]
    (order_id, task_id) = farm.database.read(
        lambda session: session.execute(select(Task.order_id, Task.task_id).order_by(Task.id).limit(1)).one()
    )
    assert farm.database.read(money.spent_on_order, order_id) == {task_id: money.Spending(0.5)}


def test_a_spent_budget_pauses_the_provider_until_it_is_raised(farm: Farm) -> None:
    buy(farm, 0.75)
    accept(farm, 2, style=CLOUD, order_id="too-much")
    claimed = must_claim(farm, resource="api")
    with pytest.raises(OverBudget) as over:
        mark(farm, claimed, Terms(price=0.5, budget=1.0))
    note(farm, over.value)
    row = paused(farm)
    assert row is not None and row.until is not None
    assert row.kind == "budget"
    assert (row.until.hour, row.until.minute) == (0, 0), "a budget is of one day"
    farm.database.write(brake.set_budget, "openai", 2.0)
    assert paused(farm) is None
    mark(farm, claimed, Terms(price=0.5, budget=1.0))


def test_a_raised_budget_does_not_end_another_pause(farm: Farm) -> None:
    note(farm, AccountRefused())
    farm.database.write(brake.set_budget, "openai", 2.0)
    assert paused(farm) is not None


def test_a_minute_that_is_used_up_says_when_there_is_room(farm: Farm) -> None:
    windows = Windows(farm.redis)
    for _ in range(3):
        windows.take("openai", 3)
    with pytest.raises(Busy) as busy:
        windows.take("openai", 3)
    assert busy.value.outcome == "unsent"
    assert busy.value.retry_after is not None and 1 <= busy.value.retry_after <= 120
    windows.take("ark", 3)


def test_without_redis_no_minute_is_counted_and_no_call_is_held_back(settings: Settings) -> None:
    with open_farm(settings, redis_url="redis://127.0.0.1:1/0") as farm:
        for _ in range(5):
            Windows(farm.redis).take("openai", 1)
