"""The built-in styles load, speak both languages, bind with their defaults, and name the models that they need."""

import json
from typing import Any

import pytest
from PIL import Image

from jobs.comfyui.workflow import bound_inputs, fill_graph, what_is_missing
from jobs.styles.graph import Catalog
from jobs.styles.options import check_options, with_defaults
from jobs.styles.shelf import BUILTIN, load_style
from jobs.styles.spec import PLACEHOLDER, fill_prompt

CORE = {"framed-print", "poster", "poster-framed"}
CHECKPOINTS = {"portrait-oil": "sd_xl_base_1.0.safetensors", "portrait-anime": "dreamshaper_8.safetensors"}
CLOUD = {
    *("watercolour-cloud", "storybook-cloud", "festive-cloud", "clay-cloud"),
    *("ink-wash-cloud", "comic-cloud", "old-studio-cloud"),
}
MIXED = {"watercolour-framed": ["api", "comfyui"], "poster-linocut": ["comfyui", "api"]}
"""Chains over both resources, and their order."""
NAMES = sorted(path.name for path in BUILTIN.iterdir() if path.is_dir())
LARGEST_PREVIEW = 40_000  # bytes
ALLOWED: Catalog = {
    "ImageScale": {"upscale_method": ["area", "bicubic", "lanczos"], "crop": ["disabled", "center"]},
    "ImageBlend": {"blend_mode": ["normal", "multiply", "screen", "overlay", "soft_light", "difference"]},
    "ImageQuantize": {"dither": ["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"]},
    "ImageScaleBy": {"upscale_method": ["bicubic", "lanczos"]},
    "ImageScaleToTotalPixels": {"upscale_method": ["bicubic", "lanczos"]},
    "KSampler": {"sampler_name": ["euler", "dpmpp_2m"], "scheduler": ["normal", "karras"]},
    "CheckpointLoaderSimple": {"ckpt_name": []},
}
"""What a ComfyUI without a single model allows, of the inputs that name a value."""
PLAIN = (
    "LoadImage SaveImage EmptyImage ImageInvert ImageBlur ImageSharpen ImageCompositeMasked ImageCrop Canny"
    " CLIPTextEncode VAEEncode VAEDecode"
)
BARE: Catalog = ALLOWED | {name: {} for name in PLAIN.split()}


def recipe_of(name: str) -> dict[str, Any]:
    style = load_style(BUILTIN / name)
    assert style.problem is None
    assert style.recipe is not None
    return style.recipe


def comfyui_steps(name: str) -> list[dict[str, Any]]:
    return [step for step in recipe_of(name)["steps"] if step["resource"] == "comfyui"]


def prompts_of(name: str) -> list[str]:
    return [step["prompt"] for step in recipe_of(name)["steps"] if step["resource"] == "api"]


def fill(step: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return fill_graph(step, photo="farm/guest.jpg", prefix="farm/one", seed=7, options=options)


def test_these_are_the_built_in_styles() -> None:
    assert set(NAMES) == CORE | CHECKPOINTS.keys() | CLOUD | MIXED.keys()


@pytest.mark.parametrize("name", NAMES)
def test_loads_in_both_languages_and_a_preview_is_small(name: str) -> None:
    style = load_style(BUILTIN / name)
    assert style.problem is None
    titles = [option["x-title"] for option in style.options["properties"].values()]
    for texts in (style.title, style.description, *titles):
        assert set(texts) == {"en", "zh"}
        assert all(text.strip() for text in texts.values())
    if style.preview is not None:  # styles that need a model have none until somebody runs them on one
        assert style.preview.stat().st_size < LARGEST_PREVIEW
        with Image.open(style.preview) as preview:
            assert preview.format == "JPEG"


@pytest.mark.parametrize("name", NAMES)
def test_every_workflow_is_used_and_has_no_spare_node(name: str) -> None:
    files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (BUILTIN / name).glob("*.json")}
    steps = comfyui_steps(name)
    assert len(files) == len(steps)
    for step in steps:
        assert step["graph"] in files.values()


@pytest.mark.parametrize("name", NAMES)
def test_binds_with_default_options(name: str) -> None:
    options = with_defaults(recipe_of(name)["options"], {})
    bound = set()
    for step in comfyui_steps(name):
        graph = fill(step, options)
        for key, value in {"photo": "farm/guest.jpg", "prefix": "farm/one", "seed": 7}.items():
            if key in step:
                node, field = step[key]
                assert graph[node]["inputs"][field] == value
        for option, (node, field) in step["bind"].items():
            assert graph[node]["inputs"][field] == options[option] == step["graph"][node]["inputs"][field]
        bound |= step["bind"].keys()
    for prompt in prompts_of(name):
        assert PLACEHOLDER.findall(fill_prompt(prompt, options)) == []
        bound |= set(PLACEHOLDER.findall(prompt))
    assert bound == options.keys()


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_is_allowed_by_the_node_that_gets_it(name: str) -> None:
    properties = recipe_of(name)["options"]["properties"]
    for step in comfyui_steps(name):
        for option, (node, field) in step["bind"].items():
            allowed = BARE[step["graph"][node]["class_type"]].get(field)
            assert set(properties[option].get("enum", ())) <= set(allowed or ())


@pytest.mark.parametrize("name", sorted(CORE | MIXED.keys()))
def test_core_styles_need_no_model(name: str) -> None:
    assert [what_is_missing(step, BARE) for step in comfyui_steps(name)] == [[] for _ in comfyui_steps(name)]


@pytest.mark.parametrize(("name", "checkpoint"), CHECKPOINTS.items())
def test_portraits_name_their_checkpoint_as_missing(name: str, checkpoint: str) -> None:
    (step,) = comfyui_steps(name)
    assert what_is_missing(step, BARE) == [f"ckpt_name {checkpoint}"]
    assert what_is_missing(step, BARE | {"CheckpointLoaderSimple": {"ckpt_name": [checkpoint]}}) == []


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_portraits_take_strength_mood_and_a_new_seed_each_time(name: str) -> None:
    (step,) = comfyui_steps(name)
    schema = recipe_of(name)["options"]
    options = with_defaults(schema, check_options(schema, {"strength": 0.4, "mood": "screen"}))
    sampler = fill(step, options)["7"]
    assert sampler["class_type"] == "KSampler"
    assert (sampler["inputs"]["seed"], sampler["inputs"]["denoise"]) == (7, 0.4)
    assert ("7", "seed") in bound_inputs(step)
    assert "seed" not in options  # a declared seed would have a default, so that every picture had the same one


def test_the_chain_frames_what_the_poster_made() -> None:
    assert len(comfyui_steps("poster-framed")) == 2
    assert recipe_of("poster-framed")["options"] == recipe_of("poster")["options"]


@pytest.mark.parametrize("name", sorted(CLOUD))
def test_cloud_styles_are_one_call(name: str) -> None:
    assert [step["resource"] for step in recipe_of(name)["steps"]] == ["api"]


@pytest.mark.parametrize(("name", "resources"), MIXED.items())
def test_mixed_chains_cross_from_one_resource_to_the_other(name: str, resources: list[str]) -> None:
    assert [step["resource"] for step in recipe_of(name)["steps"]] == resources


def test_what_a_mixed_chain_shares_with_another_style_is_the_same_there() -> None:
    assert comfyui_steps("watercolour-framed")[0]["graph"] == comfyui_steps("framed-print")[0]["graph"]
    assert prompts_of("watercolour-framed") == prompts_of("watercolour-cloud")


@pytest.mark.parametrize("name", sorted(CLOUD | MIXED.keys()))
def test_every_prompt_keeps_guests_recognisable_decent_and_without_text(name: str) -> None:
    for prompt in prompts_of(name):
        words = " ".join(prompt.split()).lower()
        for wish in ("keep every person recognisable", "same number of people", "suitable for all ages", "no text"):
            assert wish in words


def test_the_cloud_style_asks_for_a_portrait_with_the_motto() -> None:
    (step,) = recipe_of("watercolour-cloud")["steps"]
    assert (step["provider"], step["model"]) == ("openai", "gpt-image-1.5")
    assert step["parameters"] == {"size": "1024x1536", "quality": "medium"}
    assert PLACEHOLDER.findall(step["prompt"]) == ["motto"]
    schema = recipe_of("watercolour-cloud")["options"]
    filled = fill_prompt(step["prompt"], with_defaults(schema, check_options(schema, {"motto": "sea {motto}"})))
    assert '"sea {motto}"' in filled
