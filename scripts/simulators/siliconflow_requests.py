"""What clients of SiliconFlow's images API ask for, read and checked; refusals in its words and numbers."""

import re
from dataclasses import dataclass
from typing import Any

from scripts.simulators.cloud import shape_of
from scripts.simulators.pictures import Photo
from scripts.simulators.sent_photos import check_photo, read_data_url

PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp")
PARAMETERS = frozenset({"model", "prompt", "negative_prompt", "seed", "num_inference_steps", "guidance_scale", "cfg"})
SIZED = frozenset({"image_size", "batch_size"})
MODELS = {
    "Qwen/Qwen-Image-Edit": frozenset({"image"}),
    "Qwen/Qwen-Image-Edit-2509": frozenset({"image", "image2", "image3"}),
    "Qwen/Qwen-Image": SIZED,
    "Kwai-Kolors/Kolors": SIZED | {"image"},
}
"""Which parameters each takes besides those of all: what edits a photo keeps its size."""
RANGES = {
    "seed": (0, 9_999_999_999),
    "num_inference_steps": (1, 100),
    "guidance_scale": (0, 20),
    "cfg": (0.1, 20),
    "batch_size": (1, 4),
}
INVALID, NO_MODEL = 20015, 20012


class SiliconflowError(Exception):
    """An answer that refuses; `body` is what the client gets."""

    def __init__(self, status: int, code: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: Any = message if code is None else {"code": code, "message": message, "data": None}


@dataclass(frozen=True)
class SiliconflowRequest:
    """One order for pictures; without photos they are dreamt up."""

    photos: tuple[Photo, ...]
    prompt: str
    model: str
    size: tuple[int, int]
    count: int
    seed: int


def check_siliconflow(fields: Any) -> SiliconflowRequest:
    """The order that a body is. Raises SiliconflowError."""
    if not isinstance(fields, dict):
        raise SiliconflowError(400, INVALID, "The body is not a JSON object.")
    model, prompt = fields.get("model"), fields.get("prompt")
    if not isinstance(model, str) or model not in MODELS:
        raise SiliconflowError(400, NO_MODEL, "Model does not exist. Please check it carefully.")
    if not isinstance(prompt, str) or not prompt.strip():
        raise _invalid("prompt")
    for name, value in fields.items():
        if name not in PARAMETERS | MODELS[model]:
            raise _invalid(name)
        if name in RANGES and not _is_within(value, *RANGES[name]):
            raise _invalid(name)
    photos = tuple(_read_photo(name, fields[name]) for name in ("image", "image2", "image3") if name in fields)
    if "Edit" in model and not photos:
        raise _invalid("image")
    return SiliconflowRequest(
        photos=photos,
        prompt=prompt,
        model=model,
        size=_read_size(fields["image_size"]) if "image_size" in fields else shape_of(photos[0] if photos else None),
        count=int(fields.get("batch_size", 1)),
        seed=int(fields.get("seed", 1)),
    )


def _is_within(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _invalid(name: str) -> SiliconflowError:
    return SiliconflowError(400, INVALID, f"The parameter is invalid. Please check again: {name}.")


def _read_photo(name: str, url: Any) -> Photo:
    try:
        media_type, data = read_data_url(url)
        photo = check_photo(data)
    except ValueError:
        raise _invalid(name) from None
    if media_type not in PHOTO_TYPES:
        raise _invalid(name)
    return photo


def _read_size(size: Any) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{3,4})x(\d{3,4})", size) if isinstance(size, str) else None
    if match is None:
        raise _invalid("image_size")
    return int(match[1]), int(match[2])
