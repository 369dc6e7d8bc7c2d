"""Styles of one or more ways to make a step, written into a folder of a test's own."""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from jobs.engine.claims import Claim
from jobs.engine.ladder import Change
from jobs.farm import Farm
from jobs.orders import rungs
from jobs.orders.models import Event
from jobs.settings import Settings
from jobs.styles.ladder import Reason, Rung
from jobs.styles.shelf import BUILTIN
from tests import builders


def cloud_step(provider: str, model: str, **parameters: str) -> str:
    """A step that is bought."""
    given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in parameters.items())
    lines = ['resource = "api"', f'provider = "{provider}"', f'model = "{model}"', 'prompt = "a poster"']
    return "\n".join([*lines, f"parameters = {{ {given} }}", ""])


CLOUD_STEP = cloud_step("openai", "gpt-image-1.5")
FRAME = 'resource = "api"\nprovider = "frame"\nparameters = { width = 400, height = 600 }\n'
ARK = cloud_step("ark", "gpt-image-1.5")
"""An alternative that nobody has configured."""
NAME = "laddered"
"""What `take_in` calls the style that it writes."""
WORKFLOW = (BUILTIN / "framed-print" / "style.toml").read_text(encoding="utf-8").partition("[[steps]]\n")[2]
"""The one step of the built-in style framed-print, at ComfyUI."""


def write_style(folder: Path, name: str, *steps: str | tuple[str, ...]) -> None:
    """A style of these steps; one with alternatives is a tuple, the step as written first."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for workflow in (BUILTIN / "framed-print").glob("*.json"):
        shutil.copy(workflow, place)
    lines = ['title = { en = "Laddered" }\n']
    for step in steps:
        first, *alternatives = (step,) if isinstance(step, str) else step
        lines += ["[[steps]]\n", first, *("[[steps.alternatives]]\n" + other for other in alternatives)]
    (place / "style.toml").write_text("".join(lines), encoding="utf-8")


def when(*reasons: str, after_s: float | None = None) -> str:
    """The lines of an alternative that say for what it is there."""
    named = ", ".join(f'"{reason}"' for reason in reasons)
    return f"when = [{named}]\n" + (f"after_s = {after_s}\n" if after_s is not None else "")


def open_laddered(settings: Settings, styles: Path, **changes: Any) -> AbstractContextManager[Farm]:
    """A farm with a key, whose styles may be written until its first order."""
    return builders.open_farm(settings, styles_dir=styles, **(builders.with_key() | changes))


def take_in(farm: Farm, styles: Path, *ladder: str, tasks: int = 1) -> list[int]:
    """An order of a style of one step with these ways to make it; the ids of its steps."""
    write_style(styles, NAME, ladder)
    builders.accept(farm, tasks, style=NAME)
    return [step.id for step in builders.list_steps(farm)][-tasks:]


def leave(farm: Farm, claimed: Claim, why: Reason, kind: str = "content_refused") -> Rung | None:
    """What a worker does when its attempt ended for good."""
    return farm.database.write(
        farm.ladder.leave, claimed.held, claimed.call.id, why, kind=kind, detail="", outcome="failed"
    )


def list_changes(farm: Farm) -> list[tuple[int, int, str]]:
    """(step, rung, why) that the reconciler would change now."""
    return [(one.step_id, one.rung.number, one.why) for one in farm.database.read(farm.ladder.list_changes)]


def change_over(farm: Farm, one: Change) -> None:
    """What the reconciler does with one of them."""
    farm.database.write(
        rungs.change_over, one.step_id, attempt=one.attempt, rung=one.rung, why=one.why, actor="reconciler"
    )


def list_details(farm: Farm, move: str) -> list[dict[str, Any]]:
    """What the events of a move say, in order."""
    query = select(Event.detail).where(Event.move == move).order_by(Event.id)
    return farm.database.read(lambda session: list(session.scalars(query)))
