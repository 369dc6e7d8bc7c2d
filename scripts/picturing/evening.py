"""What happens in the farm before the pictures are taken: guests with pictures, a failure, and some who wait."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.picturing.farm import SLOWLY, Booth, SimulatedFarm
from scripts.simulators.photos import portrait

STYLES = ("poster", "framed-print", "portrait-oil", "watercolour-cloud", "portrait-anime", "storybook-cloud")
MADE, WAITING = 12, 7


@dataclass(frozen=True)
class Evening:
    """The guest's pages to look at, by what stands on them; and the failed order's id."""

    guests: dict[str, str]
    failed_order: str


def play(farm: SimulatedFarm) -> Evening:
    """Let it happen. Afterwards some pictures are being made, slowly, and others wait. Raises requests' errors."""
    bar, terrace = farm.add_booth("bar"), farm.add_booth("terrace")
    made = [_order(booth, number) for number in range(MADE) for booth in ((bar, terrace)[number % 2],)]
    for number in range(MADE):
        (bar, terrace)[number % 2].follow(_name(number))

    farm.tell_stand_ins("faults", {"kind": "exec_error", "exception_message": "CUDA out of memory"})
    failed = _order(bar, MADE, style="poster")
    bar.follow(_name(MADE))
    farm.tell_stand_ins("faults", None)

    regretted = {language: _order(bar, 100 + number) for number, language in enumerate(("en", "zh"))}
    for number in range(len(regretted)):
        bar.follow(_name(100 + number))

    farm.tell_stand_ins("config", {"seconds": SLOWLY})
    waiting = [_order(terrace, MADE + 1 + number, style="framed-print") for number in range(WAITING)]
    guests = {"ready": made[1], "failed": failed, "making": waiting[0], "waiting": waiting[-1]}
    return Evening(guests | {f"delete-{language}": path for language, path in regretted.items()}, _name(MADE))


def _order(booth: Booth, number: int, *, style: str = "") -> str:
    return booth.submit(_name(number), portrait(number + 20), style=style or STYLES[number % len(STYLES)])


def _name(number: int) -> str:
    return f"guest-{number + 1}"
