"""The turnstile of submissions: in order, a few at a time, and nobody is kept out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.farm_process import eventually
from web.turnstile import Turnstile


def test_a_free_place_goes_to_the_one_that_has_waited_longest() -> None:
    turnstile = Turnstile(1, patience_s=30)
    came: list[int] = []

    def pass_through(number: int) -> None:
        with turnstile.turn():
            came.append(number)

    with ThreadPoolExecutor(5) as threads:
        with turnstile.turn():
            for number in range(5):
                threads.submit(pass_through, number)
                eventually(lambda number=number: len(turnstile._waiting) == number + 1, "it waits")
        # The place is given on only now.
    assert came == [0, 1, 2, 3, 4]
    assert turnstile._free == 1


def test_no_more_are_inside_than_there_are_places() -> None:
    turnstile = Turnstile(2, patience_s=30)
    inside, most = 0, 0
    lock = threading.Lock()

    def pass_through(_: int) -> None:
        nonlocal inside, most
        with turnstile.turn():
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(pass_through, range(200)))
    assert 1 <= most <= 2
    assert turnstile._free == 2


def test_who_has_waited_long_enough_goes_through_and_gives_back_no_place_it_never_had() -> None:
    turnstile = Turnstile(1, patience_s=0.01)
    with turnstile.turn():
        with turnstile.turn():
            assert turnstile._free == 0
        assert turnstile._free == 0
    assert turnstile._free == 1


def test_who_steps_aside_lets_another_through_and_queues_up_again() -> None:
    turnstile = Turnstile(1, patience_s=30)
    with turnstile.turn() as turn:
        with turn.step_aside(), turnstile.turn():
            pass
        assert turnstile._free == 0
    assert turnstile._free == 1


def test_an_error_inside_gives_the_place_on() -> None:
    turnstile = Turnstile(1)
    with pytest.raises(ValueError), turnstile.turn():
        raise ValueError()
    assert turnstile._free == 1
