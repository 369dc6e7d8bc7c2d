"""What was sent outside: duplicated, unrecorded, over the limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.storm_checking.story import SERVER, Story, at, comfyui, drop, freeze, port_of


def test_i8_a_step_that_is_sent_again_after_its_call_was_closed_is_no_duplicate() -> None:
    for outcome in ("failed", "unknown", "rejected", "stopped"):
        story = Story()
        story.send_again(outcome=outcome)
        assert story.found() == {}, outcome


def test_i8_a_second_call_beside_one_that_may_still_run_is_a_duplicate() -> None:
    story = Story()
    story.send_again(outcome="failed")
    story.change("calls", 0, closed_at=15.0)
    assert "call 2 was sent though call 1 had been" in story.found()["duplicated"][0].sentence


def test_i8_the_same_call_sent_twice_is_a_duplicate() -> None:
    story = Story()
    story.comfyui.append(comfyui(13.2, "submit", "p1", inputs=[]))
    assert "twice under the same id" in story.found()["duplicated"][0].sentence


def test_i8_a_call_that_was_seen_and_closed_as_unsent_is_a_duplicate() -> None:
    story = Story()
    story.send_again(outcome="unsent")
    assert any("closed as unsent" in finding.sentence for finding in story.found()["duplicated"])


def test_i8_a_prompt_is_lost_only_if_its_server_forgot_it() -> None:
    story = Story()
    story.send_again(outcome="lost")
    assert "had it all the time" in story.found()["duplicated"][0].sentence
    story.comfyui.append(comfyui(13.3, "boot", lost=["p1"]))
    assert story.found() == {}


def late_submission(story: Story) -> None:
    """The first call was given up as lost before its POST came."""
    story.send_again(outcome="lost")
    drop(story.comfyui, "submit", prompt_id="p1")
    drop(story.comfyui, "end", prompt_id="p1")
    story.comfyui.append(comfyui(18.01, "submit", "p1", inputs=[]))
    story.comfyui.append(comfyui(18.02, "delete", "p1"))


def test_i8_one_extra_submission_of_a_frozen_worker_is_counted_apart() -> None:
    story = Story()
    late_submission(story)
    assert "nobody froze" in story.found()["duplicated"][0].sentence
    story.nemesis += freeze(1, target="comfyui-here-1-cccccc")
    assert "duplicated" in story.found(), "another worker's freeze explains nothing"
    story.nemesis += freeze(2)
    assert story.found() == {}
    assert story.judged().counts["extra_after_freeze"] == 1
    story.nemesis[-2:] = freeze(2, target="worker 4711")
    assert story.found() == {}, "whom this one froze, nobody could ask"


def test_i8_a_second_extra_submission_of_the_same_freeze_is_a_duplicate() -> None:
    story = Story()
    late_submission(story)
    story.nemesis += freeze(1)
    story.comfyui.append(comfyui(18.05, "submit", "p1", inputs=[]))
    assert "duplicated" in story.found()
    assert story.judged().counts["extra_after_freeze"] == 1


def test_i9_a_submission_without_a_call_is_unrecorded() -> None:
    story = Story()
    story.comfyui.append(comfyui(30, "submit", "nobody's", inputs=[]))
    assert "no call says so" in story.found()["unrecorded"][0].sentence


@pytest.mark.parametrize("sent_at", [None, 13.5])
def test_i9_a_call_that_was_not_marked_as_sent_before_it_was_is_unrecorded(sent_at: float | None) -> None:
    story = Story()
    story.change("calls", 0, sent_at=sent_at)
    assert "marked" in story.found()["unrecorded"][0].sentence


def test_i9_a_purchase_without_an_answer_is_found_by_its_photo() -> None:
    story = Story()
    story.change("calls", 1, remote_id=None)
    assert story.found() == {}
    [took] = [row for row in story.clouds if row["event"] == "submit"]
    story.clouds.append({**took, "t": 24.0, "prompt_id": "req_3"})
    assert "req_3" in story.found()["unrecorded"][0].sentence


def test_i9_a_purchase_at_another_provider_than_the_call_s_is_unrecorded() -> None:
    story = Story()
    story.change("calls", 1, provider="replicate")
    assert "api got req_2" in story.found()["unrecorded"][0].sentence
    story.change("calls", 1, remote_id=None)
    assert "api got req_2" in story.found()["unrecorded"][0].sentence, "its mark alone must not do"


def test_a_stand_in_that_nobody_wrote_down_is_not_judged() -> None:
    story = Story()
    story.clouds[-1]["port"] = story.clouds[-2]["port"] = 1
    with pytest.raises(LookupError):
        story.judged()


@pytest.mark.parametrize("remote_id", ["req_2", None], ids=["answered", "without an answer"])
def test_i8_a_paid_call_is_repeated_by_itself_only_where_that_is_set(remote_id: str | None) -> None:
    story = Story()
    story.buy_again(remote_id=remote_id)
    assert "call 2 was sent by itself though nobody can tell of call 1" in story.found()["duplicated"][0].sentence
    story.move_to("replicate")
    for row in story.clouds[-2:]:
        row["port"] = port_of("replicate")
    story.change("calls", 2, provider="replicate")
    assert story.found() == {}


def test_i8_a_paid_call_is_repeated_by_itself_once_at_the_most() -> None:
    story = Story()
    story.move_to("replicate")
    story.buy_again()
    story.buy_again()
    story.change("calls", 2, outcome="unknown", closed_at=25.5)
    story.change("calls", 3, opened_at=25.6, sent_at=25.7)
    for row in story.clouds[-2:]:
        row["t"] += 1.8
    assert "call 3 was sent by itself" in story.found()["duplicated"][0].sentence


def test_i8_an_operator_may_repeat_a_paid_call_knowingly() -> None:
    story = Story()
    story.buy_again()
    story.events = [event for event in story.events if event.step != 2 or event.move == "S2"]
    for moment, move, attempt in ((23.5, "S6", 1), (23.55, "S9", 2), (23.6, "S2", 2), (26, "S4", 2)):
        story.happens(2, moment, move, attempt)
    story.change("steps", 1, attempt=2)
    story.change("images", 1, attempt=2)
    assert story.found() == {}


def test_i8_what_failed_may_be_bought_again_at_every_provider() -> None:
    story = Story()
    story.buy_again(outcome="failed")
    drop(story.clouds, "end", prompt_id="req_2")
    story.clouds.append(at(23.4, "end", port=port_of("openai"), boot="b1", prompt_id="req_2"))
    assert story.found() == {}


def beside(story: Story, number: int, *, closed_at: float = 15.0, outcome: str = "succeeded") -> None:
    """One more call of the same server, from 13 to 15 by its own log and to `closed_at` by the farm's."""
    story.comfyui.append(comfyui(13.0, "submit", f"p{number}", inputs=[]))
    story.comfyui.append(comfyui(15.0, "end", f"p{number}"))
    call = replace(story.calls[0], id=number, step=2, call_no=number, external_id=f"p{number}")
    story.calls.append(replace(call, opened_at=12.5, closed_at=closed_at, outcome=outcome))


def test_i10_three_at_once_where_two_are_allowed_is_over_the_limit() -> None:
    story = Story()
    beside(story, 11)
    assert "over the limit" not in story.found()
    beside(story, 12)
    sentences = [finding.sentence for finding in story.found()["over the limit"]]
    assert any("by the stand-ins" in sentence for sentence in sentences)
    assert any("by the calls" in sentence for sentence in sentences)
    assert any(SERVER in sentence for sentence in sentences)


def buy_beside(story: Story, number: int, provider: str) -> None:
    """One more call at a provider while order 2 is made."""
    told = {"port": port_of(provider), "boot": "b1", "prompt_id": f"req_{number}"}
    story.clouds += [at(23.5, "submit", **told, inputs=[]), at(24.5, "end", **told)]
    call = replace(story.calls[1], id=number, step=1, call_no=number, external_id=f"uuid-{number}", provider=provider)
    story.calls.append(replace(call, remote_id=f"req_{number}", opened_at=23.1, sent_at=23.2, closed_at=25.0))
    story.change("calls", 0, closed_at=16.0, outcome="failed")


def test_i10_each_provider_has_its_own_limit_and_all_of_them_one_together() -> None:
    story = Story()
    buy_beside(story, 11, "replicate")
    assert "over the limit" not in story.found()
    buy_beside(story, 12, "replicate")
    sentences = [finding.sentence for finding in story.found()["over the limit"]]
    assert len(sentences) == 2 and all("3 at once at api" in sentence for sentence in sentences)
    story = Story()
    buy_beside(story, 11, "openai")
    sentences = [finding.sentence for finding in story.found()["over the limit"]]
    assert len(sentences) == 2 and all("2 at once at openai" in sentence for sentence in sentences)


def test_i10_a_purchase_that_the_farm_was_given_no_id_for_counts_until_its_call_was_closed() -> None:
    story = Story()
    story.change("calls", 1, outcome="failed", closed_at=23.45, remote_id=None)
    buy_beside(story, 11, "openai")
    story.change("calls", 2, opened_at=23.46, sent_at=23.47)
    assert "over the limit" not in story.found()
    story.change("calls", 1, remote_id="req_2")
    assert "by the stand-ins" in story.found()["over the limit"][0].sentence


def test_i10_what_a_killed_provider_worked_on_ended_with_it() -> None:
    story = Story()
    drop(story.clouds, "end", prompt_id="req_2")
    story.change("calls", 1, outcome="failed", closed_at=23.45)
    buy_beside(story, 11, "openai")
    story.change("calls", 2, opened_at=23.46, sent_at=23.47)
    assert "over the limit" in story.found()
    story.nemesis.append(at(23.4, "begin", fault="kill cloud", target="replicate", pid=1, number=1))
    assert "over the limit" in story.found(), "another provider was killed"
    story.nemesis.append(at(23.4, "begin", fault="kill cloud", target="openai", pid=1, number=2))
    assert "over the limit" not in story.found()


def test_i10_a_call_that_was_closed_as_unknown_no_longer_counts() -> None:
    story = Story()
    beside(story, 11, closed_at=12.9, outcome="unknown")
    beside(story, 12)
    story.change("calls", 0, opened_at=12.95, sent_at=12.99)
    assert "over the limit" not in story.found()


def test_i10_what_a_killed_server_ran_ended_with_it() -> None:
    story = Story()
    drop(story.comfyui, "end", prompt_id="p1")
    beside(story, 11)
    story.change("calls", 0, outcome="unknown", closed_at=12.99)
    story.nemesis.append(at(13.0, "begin", fault="kill comfyui", target=SERVER, pid=1, number=1))
    assert "over the limit" not in story.found()
