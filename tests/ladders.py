"""Styles of one or more ways to make a step, written into a folder of a test's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from jobs.styles.shelf import BUILTIN


def cloud_step(provider: str, model: str, **parameters: str) -> str:
    """A step that is bought."""
    given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in parameters.items())
    lines = ['resource = "api"', f'provider = "{provider}"', f'model = "{model}"', 'prompt = "a poster"']
    return "\n".join([*lines, f"parameters = {{ {given} }}", ""])


CLOUD_STEP = cloud_step("openai", "gpt-image-1.5")
FRAME = 'resource = "api"\nprovider = "frame"\nparameters = { width = 400, height = 600 }\n'
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
