"""What clients of Replicate ask for, read and checked; refusals as problem details.

Each model has an input of its own. These few take the photo in the ways that are seen: under several names, alone or
in a list; one is reached by its version only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from scripts.simulators.cloud import shape_of
from scripts.simulators.data_urls import photo_in
from scripts.simulators.pictures import Photo

DATA_URL_BYTES = 256 * 1024
SHORTEST_DEADLINE_SECONDS = 5
PREFER = re.compile(r"wait(?:=([1-9]|[1-5][0-9]|60))?")
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
BODY_KEYS = {"input", "stream", "webhook", "webhook_events_filter"}
EVENTS = {"start", "output", "logs", "completed"}
RATIOS = {"match_input_image": None, "1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832)}
INPUT_KEYS = {"prompt", "aspect_ratio", "output_format", "safety_tolerance", "seed", "num_outputs"}


@dataclass(frozen=True)
class Model:
    """How a model takes the photo (`[]`: in a list), and whether it gives a list."""

    image_field: str
    gives_list: bool = False
    is_official: bool = True
    needs_prompt: bool = True


FACES = "portraits/face-poster"
FACES_VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
MODELS = {
    "black-forest-labs/flux-kontext-pro": Model("input_image"),
    "black-forest-labs/flux-2-pro": Model("input_images[]"),
    "google/nano-banana": Model("image_input[]", gives_list=True),
    FACES: Model("image", gives_list=True, is_official=False, needs_prompt=False),
}


class Problem(Exception):
    """An answer that refuses; `body` is what the client gets."""

    def __init__(self, status: int, detail: str, *, title: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"title": title or "Request refused", "detail": detail, "status": status}


@dataclass(frozen=True)
class Wish:
    """One prediction that is asked for."""

    model: str
    version: str
    field: str
    photo: Photo | None
    prompt: str
    ratio: str
    count: int
    texts: dict[str, Any]
    gives_list: bool


def read_seconds(request: web.Request) -> tuple[float, float | None]:
    """How long the client waits for the end, and the prediction's own deadline. Raises Problem."""
    wait_s, deadline = 0.0, None
    if (prefer := request.headers.get("Prefer")) is not None:
        if (wanted := PREFER.fullmatch(prefer)) is None:
            raise Problem(422, "Prefer: must be wait or wait=1 to wait=60")
        wait_s = float(wanted[1] or 60)
    if (after := request.headers.get("Cancel-After")) is not None:
        parts = DURATION.fullmatch(after)
        hours, minutes, seconds = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
        deadline = float(hours * 3600 + minutes * 60 + seconds)
        if deadline < SHORTEST_DEADLINE_SECONDS:
            raise Problem(422, "Cancel-After: must be a duration of at least 5 seconds")
    return wait_s, deadline


async def read_wish(request: web.Request, files: Mapping[str, Photo]) -> Wish:
    """Reads and checks the body of a prediction. Raises Problem."""
    try:
        body = await request.json()
    except ValueError:
        raise Problem(400, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise _misfit("(root): Invalid type. Expected: object")
    is_official = "owner" in request.match_info
    for key in body:
        if key not in BODY_KEYS | (set() if is_official else {"version"}):
            raise _misfit(f"(root): Additional property {key} is not allowed")
    _check_webhook(body)
    if not isinstance(body.get("input"), dict):
        raise _misfit("(root): input is required")
    if is_official:
        name, version = "{owner}/{name}".format(**request.match_info), "hidden"
        if name not in MODELS or not MODELS[name].is_official:
            raise Problem(404, "The requested resource could not be found.")
    else:
        name, version = _model_of(body.get("version"))
    return _read_input(name, version, body["input"], files)


def size_of(wish: Wish) -> tuple[int, int]:
    """The size in pixels, about a million of them."""
    if found := RATIOS[wish.ratio]:
        return found
    width, height = shape_of(wish.photo)
    scale = (1024 * 1024 / (width * height)) ** 0.5
    return round(width * scale), round(height * scale)


def _check_webhook(body: Mapping[str, Any]) -> None:
    if not str(body.get("webhook", "https://")).startswith("https://"):
        raise _misfit("webhook: must be an HTTPS URL")
    events = body.get("webhook_events_filter", [])
    if not isinstance(events, list) or not all(event in EVENTS for event in events):
        raise _misfit("webhook_events_filter: must be of start, output, logs, completed")


def _model_of(version: Any) -> tuple[str, str]:
    if not isinstance(version, str) or not version:
        raise _misfit("(root): version is required")
    name, _, number = version.rpartition(":")
    if number in MODELS and MODELS[number].is_official:
        return number, "hidden"
    if number != FACES_VERSION or name not in ("", FACES):
        raise _misfit("version: Invalid version or not permitted")
    return FACES, number


def _read_input(name: str, version: str, given: dict[str, Any], files: Mapping[str, Photo]) -> Wish:
    model = MODELS[name]
    field, wants_list = model.image_field.removesuffix("[]"), model.image_field.endswith("[]")
    for key in given:
        if key not in INPUT_KEYS | {field}:
            raise _misfit(f"input: Additional property {key} is not allowed")
    if model.needs_prompt and not given.get("prompt"):
        raise _misfit("input: prompt is required")
    photo = given.get(field, [] if wants_list else None)
    if isinstance(photo, list) is not wants_list and photo is not None:
        raise _misfit(f"input.{field}: Invalid type. Expected: {'array' if wants_list else 'string'}")
    urls = photo if isinstance(photo, list) else [photo] if photo is not None else []
    if not urls:
        raise _misfit(f"input: {field} is required")
    ratio, count = given.get("aspect_ratio", "match_input_image"), given.get("num_outputs", 1)
    if ratio not in RATIOS:
        raise _misfit("input.aspect_ratio: must be one of " + ", ".join(RATIOS))
    if type(count) is not int or not 1 <= count <= 4 or (count > 1 and not model.gives_list):
        raise _misfit("input.num_outputs: must be 1 to 4")
    photos = [_photo_of(url, field, files) for url in urls]
    texts = {key: value for key, value in given.items() if key != field}
    prompt = str(given.get("prompt", ""))
    return Wish(name, version, field, photos[0], prompt, ratio, count, texts, model.gives_list)


def _photo_of(url: Any, field: str, files: Mapping[str, Photo]) -> Photo:
    if not isinstance(url, str):
        raise _misfit(f"input.{field}: Invalid type. Expected: string")
    if (found := files.get(url.rpartition("/v1/files/")[2])) is not None:
        return found
    try:
        return photo_in(url, limit=DATA_URL_BYTES)
    except ValueError as error:
        raise _misfit(f"input.{field}: {error}") from None


def _misfit(detail: str) -> Problem:
    return Problem(422, f"- {detail}\n", title="Input validation failed")
