"""What clients of the OpenAI images dialect ask for, read and checked; refusals in that dialect's words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from scripts.simulators.forms import read_parts
from scripts.simulators.pictures import Photo
from scripts.simulators.sent_photos import check_photo, read_data_url

DEFAULT_MODEL = "gpt-image-1.5"
MODELS = ("gpt-image-2", "gpt-image-1.5", "gpt-image-1", "gpt-image-1-mini", "chatgpt-image-latest")
SIZES = ("1024x1024", "1536x1024", "1024x1536", "auto")
QUALITIES = ("low", "medium", "high", "auto")
FORMATS = ("png", "jpeg", "webp")
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp")
MOST_IMAGES = 16
MOST_PROMPT_CHARACTERS = 32_000
MOST_FILE_BYTES = 50 * 1024 * 1024
PARAMETERS = frozenset(
    {
        *("model", "prompt", "size", "quality", "n", "output_format", "output_compression", "background"),
        *("input_fidelity", "moderation", "user", "stream", "partial_images", "image", "image[]", "images", "mask"),
    }
)


class ApiError(Exception):
    """An answer that refuses; `body` is what the client gets."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass(frozen=True)
class ImageRequest:
    """One order for pictures; without photos they are dreamt up."""

    photos: tuple[tuple[str, Photo], ...]
    prompt: str
    model: str
    size: str
    quality: str
    count: int
    output_format: str
    output_compression: int
    user: str | None


async def read_request(request: web.Request, *, is_edit: bool) -> ImageRequest:
    """Reads a form or JSON; raises ApiError."""
    photos: list[tuple[str, Photo]] = []
    if request.content_type == "application/json":
        fields = await _json_of(request)
        for number, image in enumerate(fields.get("images") or ()):
            photos.append((f"images[{number}]", _photo_of_url(image)))
    elif is_edit:
        fields = {}
        for part in await read_parts(request):
            if part.filename is None:
                fields[part.name] = part.text
            elif part.name in ("image", "image[]"):
                photos.append((part.filename, _checked_photo(part.data, part.content_type, len(photos) + 1)))
            else:
                fields[part.name] = part.filename
    else:
        raise ApiError(400, "The body must be JSON.")
    if is_edit and not photos:
        raise ApiError(400, "Missing required parameter: 'image'.", param="image", code="missing_required_parameter")
    if len(photos) > MOST_IMAGES:
        raise ApiError(400, f"At most {MOST_IMAGES} images.", param="image", code="array_above_max_length")
    return _checked(fields, tuple(photos))


async def _json_of(request: web.Request) -> dict[str, Any]:
    try:
        fields = await request.json()
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ApiError(400, "We could not parse the JSON body of your request.")
    return fields


def _checked(fields: Mapping[str, Any], photos: tuple[tuple[str, Photo], ...]) -> ImageRequest:
    for name in fields:
        if name not in PARAMETERS:
            raise ApiError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    model, prompt = str(fields.get("model") or DEFAULT_MODEL), str(fields.get("prompt") or "")
    if not any(re.fullmatch(rf"{re.escape(known)}(-\d{{4}}-\d\d-\d\d)?", model) for known in MODELS):
        raise ApiError(404, f"The model '{model}' does not exist.", param="model", code="model_not_found")
    if not prompt:
        raise ApiError(400, "Missing required parameter: 'prompt'.", param="prompt", code="missing_required_parameter")
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        raise ApiError(400, "Invalid 'prompt': string too long.", param="prompt", code="string_above_max_length")
    size = str(fields.get("size") or "auto")
    if size not in SIZES and not (model.startswith("gpt-image-2") and _is_free_size(size)):
        raise _invalid("size", size, SIZES)
    return ImageRequest(
        photos=photos,
        prompt=prompt,
        model=model,
        size=size,
        quality=_choice(fields, "quality", QUALITIES, "auto"),
        count=_number(fields, "n", 1, 1, 10),
        output_format=_choice(fields, "output_format", FORMATS, "png"),
        output_compression=_number(fields, "output_compression", 100, 0, 100),
        user=fields.get("user"),
    )


def _choice(fields: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = str(fields.get(name) or default)
    if value not in allowed:
        raise _invalid(name, value, allowed)
    return value


def _number(fields: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    try:
        value = int(fields.get(name) or default)
    except (ValueError, TypeError):
        raise ApiError(400, f"Invalid type for '{name}'.", param=name, code="invalid_type") from None
    if not least <= value <= most:
        side = "above_max" if value > most else "below_min"
        message = f"Invalid '{name}': expected {least} to {most}, got {value}."
        raise ApiError(400, message, param=name, code=f"integer_{side}_value")
    return value


def _invalid(name: str, value: str, allowed: tuple[str, ...]) -> ApiError:
    supported = ", ".join(f"'{one}'" for one in allowed)
    return ApiError(400, f"Invalid value: '{value}'. Supported are: {supported}.", param=name, code="invalid_value")


def _is_free_size(size: str) -> bool:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size)
    if match is None:
        return False
    width, height = int(match[1]), int(match[2])
    return width % 16 == 0 and height % 16 == 0 and max(width, height) <= 3840 and 1 / 3 <= width / height <= 3


def _photo_of_url(image: Any) -> Photo:
    try:
        content_type, data = read_data_url(image.get("image_url") if isinstance(image, dict) else None)
    except ValueError as error:
        raise ApiError(400, f"Invalid 'image_url': {error}.", param="images", code="invalid_value") from None
    return _checked_photo(data, content_type, 1)


def _checked_photo(data: bytes, content_type: str, number: int) -> Photo:
    if content_type not in PHOTO_TYPES:
        message = f"Invalid file 'image': unsupported mimetype ('{content_type}')."
        raise ApiError(400, message, param="image", code="unsupported_file_mimetype")
    if len(data) > MOST_FILE_BYTES:
        raise ApiError(400, "Invalid file 'image': too large.", param="image", code="image_too_large")
    try:
        return check_photo(data)
    except ValueError:
        message = f"Invalid image file or mode for image {number}, please check your image file."
        raise ApiError(400, message, param="image", code="invalid_image_file") from None
