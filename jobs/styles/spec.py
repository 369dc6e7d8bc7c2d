"""The format of style.toml, and the recipe that a checked style becomes. Pure; raises ValueError with a sentence.

A recipe is one JSON document with all that a worker needs: graphs included, so that a worker on another machine needs
no style folder, and a task that waits is not changed by an edit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.styles.graph import GraphError, check_graph, split_target
from jobs.styles.ladder import Reason
from jobs.styles.options import OptionSpec, schema_of

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
DEFAULT_TIMEOUT_S = 180.0
MAX_ALTERNATIVES = 4
DEFAULT_WHEN: tuple[Reason, ...] = ("unavailable", "paused")
WITHOUT_PROMPT = frozenset({"frame"})
"""Providers that are asked for nothing in words and have no models."""


class ComfyuiWay(BaseModel):
    """What a table with resource = "comfyui" says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource: Literal["comfyui"]
    workflow: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.json$")
    photo: str
    output: list[str] = Field(min_length=1)
    prefix: str
    seed: str | None = None
    bind: dict[str, str] = {}
    timeout_s: float | None = Field(None, gt=0, le=3600)


class ApiWay(BaseModel):
    """What a table with resource = "api" says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource: Literal["api"]
    provider: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    model: str = ""
    prompt: str = Field("", max_length=8000)
    parameters: dict[str, str | int | float | bool] = {}
    timeout_s: float | None = Field(None, gt=0, le=3600)

    @model_validator(mode="after")
    def _check_words(self) -> ApiWay:
        if self.provider not in WITHOUT_PROMPT and not (self.model and self.prompt):
            raise ValueError(f"the provider {self.provider} needs a model and a prompt")
        return self


class Terms(BaseModel):
    """What an alternative says besides: for which reasons a step comes to it, and for `slow` from when on."""

    when: tuple[Reason, ...] = Field(DEFAULT_WHEN, min_length=1)
    after_s: float | None = Field(None, gt=0, le=86_400)

    @model_validator(mode="after")
    def _check_promise(self) -> Terms:
        if ("slow" in self.when) != (self.after_s is not None):
            raise ValueError("`after_s` belongs to the reason slow, and it needs it")
        return self


class ComfyuiAlternative(ComfyuiWay, Terms):
    """A `[[steps.alternatives]]` table with resource = "comfyui"."""


class ApiAlternative(ApiWay, Terms):
    """A `[[steps.alternatives]]` table with resource = "api"."""


Alternative = Annotated[ComfyuiAlternative | ApiAlternative, Field(discriminator="resource")]
Alternatives = Annotated[list[Alternative], Field(max_length=MAX_ALTERNATIVES)]


class ComfyuiStep(ComfyuiWay):
    """A `[[steps]]` table with resource = "comfyui"."""

    alternatives: Alternatives = []


class ApiStep(ApiWay):
    """A `[[steps]]` table with resource = "api"."""

    alternatives: Alternatives = []


class StyleSpec(BaseModel):
    """A whole style.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: dict[str, str]
    description: dict[str, str] = {}
    timeout_s: float = Field(DEFAULT_TIMEOUT_S, gt=0, le=3600)
    options: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], OptionSpec] = {}
    steps: list[Annotated[ComfyuiStep | ApiStep, Field(discriminator="resource")]] = Field(min_length=1, max_length=8)


def build_recipe(name: str, spec: StyleSpec, read_workflow: Callable[[str], Any]) -> dict[str, Any]:
    """The recipe of a style. `read_workflow(file name)` gives a parsed workflow. Raises ValueError."""
    steps = []
    for number, step in enumerate(spec.steps, start=1):
        built = _build(spec, step, read_workflow, f"step {number}")
        alternatives = []
        for other, alternative in enumerate(step.alternatives, start=1):
            document = _build(spec, alternative, read_workflow, f"step {number}, alternative {other}")
            alternatives.append(document | {"when": list(alternative.when), "after_s": alternative.after_s})
        steps.append(built | {"alternatives": alternatives})
    return {"style": name, "title": spec.title, "options": schema_of(spec.options), "steps": steps}


def recipe_id(recipe: dict[str, Any]) -> str:
    """The digest by which a recipe is known. Raises ValueError for what JSON in UTF-8 has no words for."""
    try:
        json.dumps(recipe, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ValueError("a text holds half a character") from exc
    except ValueError as exc:
        raise ValueError("a number is not finite") from exc
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def fill_prompt(prompt: str, options: dict[str, Any]) -> str:
    """The prompt with its declared placeholders filled; the text of a guest is never looked at again."""
    return PLACEHOLDER.sub(lambda match: str(options[match.group(1)]), prompt)


def _build(
    spec: StyleSpec, way: ComfyuiWay | ApiWay, read_workflow: Callable[[str], Any], place: str
) -> dict[str, Any]:
    try:
        built = _comfyui_step(spec, way, read_workflow) if isinstance(way, ComfyuiWay) else _api_step(spec, way)
    except GraphError as exc:
        raise ValueError(f"{place}: {exc}") from exc
    return built | {"timeout_s": way.timeout_s or spec.timeout_s}


def _comfyui_step(spec: StyleSpec, step: ComfyuiWay, read_workflow: Callable[[str], Any]) -> dict[str, Any]:
    graph = check_graph(read_workflow(step.workflow), step.output)
    targets = {"photo": step.photo, "prefix": step.prefix}
    if step.seed:
        targets["seed"] = step.seed
    bound: dict[str, list[str]] = {key: list(split_target(graph, target)) for key, target in targets.items()}
    binds: dict[str, list[str]] = {}
    for option, target in step.bind.items():
        if option not in spec.options:
            raise GraphError(f"bind names the option {option!r}, which is not declared")
        binds[option] = list(split_target(graph, target))
    if tuple(bound["photo"]) in {tuple(pair) for pair in binds.values()}:
        raise GraphError("an option may not be bound to the photo's own input")
    return {"resource": "comfyui", "graph": graph, "output": step.output, "bind": binds} | bound


def _api_step(spec: StyleSpec, step: ApiWay) -> dict[str, Any]:
    unknown = set(PLACEHOLDER.findall(step.prompt)) - set(spec.options)
    if unknown:
        raise GraphError(f"the prompt names {', '.join(sorted(unknown))}, which is no option of the style")
    return {
        "resource": "api",
        "provider": step.provider,
        "model": step.model,
        "prompt": step.prompt,
        "parameters": dict(step.parameters),
    }
