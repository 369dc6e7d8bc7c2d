"""What a node class declares and what it may touch while it runs; how `/object_info` describes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from scripts.simulators.comfyui.folders import Folders
from scripts.simulators.comfyui.graph import Graph
from scripts.simulators.comfyui.prepared import Prepared
from scripts.simulators.comfyui.settings import Settings

Batch = list[Image.Image]  # an IMAGE (RGB) or a MASK (L)
# Types that only a link can carry. A constant in their place passes validation and fails when the node runs.
LINK_TYPES = frozenset(
    {"IMAGE", "MASK", "LATENT", "MODEL", "CLIP", "VAE", "CONDITIONING", "CONTROL_NET", "UPSCALE_MODEL"}
)


class Work(Protocol):
    """One run of one node, as the execution thread hands it over."""

    folders: Folders
    graph: Graph
    extra_pnginfo: Any
    mark: int | None  # of the photo that the node's picture is made from
    prepared: Prepared | None  # saved in place of what would have been rendered

    def report(self, value: float, maximum: float, preview: tuple[str, bytes] | None = None) -> None: ...
    def pause(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Shown:
    """What an output node puts into the history; never passed on to other nodes."""

    ui: dict[str, Any]


Run = Callable[..., tuple[Any, ...] | Shown]


@dataclass(frozen=True)
class Input:
    """One input. Choices are a tuple, or the files of a folder, which differ from server to server."""

    type: str = ""
    choices: tuple[str, ...] = ()
    folder: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def allowed(self, settings: Settings, folders: Folders) -> list[str] | None:
        """The values to choose from; None when the input is no choice."""
        if self.folder == "input":
            return folders.top_images("input")
        if self.folder:
            return list(settings.models.get(self.folder, ()))
        return list(self.choices) if self.choices else None


def link(kind: str) -> Input:
    return Input(kind)


def integer(default: int, minimum: int, maximum: int, **options: Any) -> Input:
    return Input("INT", options={"default": default, "min": minimum, "max": maximum, **options})


def decimal(default: float, minimum: float, maximum: float, **options: Any) -> Input:
    return Input("FLOAT", options={"default": default, "min": minimum, "max": maximum, **options})


def flag(default: bool) -> Input:
    return Input("BOOLEAN", options={"default": default})


def text(**options: Any) -> Input:
    return Input("STRING", options=options)


def choice(*values: str) -> Input:
    return Input(choices=values)


@dataclass(frozen=True)
class Node:
    """One node class. `modern` ones are described in the newer form, and their choices are not validated."""

    run: Run
    required: Mapping[str, Input]
    returns: tuple[str, ...] = ()
    return_names: tuple[str, ...] = ()
    optional: Mapping[str, Input] = field(default_factory=dict)
    display_name: str | None = None
    category: str = "image"
    module: str = "nodes"
    is_output: bool = False
    is_modern: bool = False
    is_cached: bool = True
    hidden: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, Input]:
        return {**self.required, **self.optional}

    def configured(self, name: str, settings: Settings, folders: Folders) -> list[Any]:
        """An input as the API writes it: `["INT", {…}]`, or `[[choices], {…}]`."""
        wanted = self.inputs[name]
        allowed = wanted.allowed(settings, folders)
        if self.is_modern:
            options = dict(wanted.options) if allowed is None else {"multiselect": False, "options": allowed}
            return ["COMBO" if allowed is not None else wanted.type, options]
        kind: Any = wanted.type if allowed is None else allowed
        return [kind, dict(wanted.options)] if wanted.options else [kind]

    def described(self, name: str, settings: Settings, folders: Folders) -> dict[str, Any]:
        """The class as `GET /object_info` describes it."""
        groups = {"required": self.required, "optional": self.optional}
        given: dict[str, Any] = {
            group: {input_name: self.configured(input_name, settings, folders) for input_name in inputs}
            for group, inputs in groups.items()
            if inputs or group == "required"
        }
        if self.hidden:
            given["hidden"] = dict(self.hidden)
        described: dict[str, Any] = {
            "input": given,
            "input_order": {group: list(inputs) for group, inputs in given.items()},
            "output": list(self.returns),
            "output_is_list": [False] * len(self.returns),
            "output_name": list(self.return_names or self.returns),
            "name": name,
            "display_name": self.display_name if self.display_name or self.is_modern else name,
            "description": "",
            "python_module": self.module,
            "category": self.category,
            "output_node": self.is_output,
        }
        if self.is_modern:
            described |= {"output_tooltips": [None] * len(self.returns)}
            described |= {"deprecated": False, "experimental": False, "api_node": False}
        return described
