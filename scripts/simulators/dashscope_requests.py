"""What clients of the DashScope dialect ask for, read and checked; refusals in that dialect's words."""

import base64
import binascii
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from PIL import Image

from scripts.simulators.pictures import Photo

DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")
PHOTO_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
MOST_FILE_BYTES = 10 * 1024 * 1024
PHOTO_SIDES = (240, 8000)  # pixels
NAMED_SIZES = {"1K": (1024, 1024), "2K": (2048, 2048)}
PICTURE_SIDES = (512, 4096)  # pixels
HIGHEST_SEED = 2**31 - 1
FUNCTIONS = ("stylization_all", "stylization_local", "description_edit", "super_resolution", "colorization", "doodle")


@dataclass(frozen=True)
class Model:
    """What one family of models takes, and in which ways it can be asked."""

    ways: frozenset[str]
    most_photos: int
    most_pictures: int
    parameters: frozenset[str]


_COMMON = frozenset({"n", "seed", "watermark"})
_QWEN = _COMMON | {"negative_prompt", "prompt_extend"}
_KLING = frozenset({"n", "aspect_ratio", "resolution", "watermark"})
MODELS = {
    "qwen-image-edit": Model(frozenset({"sync", "task"}), 3, 1, _QWEN),  # its size follows the photo's
    "qwen-image-edit-plus": Model(frozenset({"sync", "task"}), 3, 6, _QWEN | {"size"}),
    "qwen-image-edit-max": Model(frozenset({"sync", "task"}), 3, 6, _QWEN | {"size"}),
    "qwen-image-2.1-pro": Model(frozenset({"sync", "task"}), 10, 6, _QWEN | {"size"}),
    "wan2.6-image": Model(frozenset({"sync", "task"}), 4, 4, _QWEN | {"size", "enable_interleave"}),
    "kling/kling-v3-image-generation": Model(frozenset({"task"}), 1, 9, _KLING),
    "kling/kling-v3-omni-image-generation": Model(frozenset({"task"}), 10, 9, _KLING),
    "wan2.5-i2i-preview": Model(frozenset({"image2image"}), 3, 4, _COMMON | {"size", "prompt_extend"}),
    "wanx2.1-imageedit": Model(frozenset({"image2image"}), 1, 4, _COMMON | {"strength"}),
}


class ApiError(Exception):
    """An answer that refuses."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class ImageRequest:
    """One order for pictures made of photos. `size` is None where it follows the first photo's."""

    photos: tuple[tuple[str, Photo], ...]
    prompt: str
    model: str
    size: tuple[int, int] | None
    count: int


async def read_request(request: web.Request, way: str) -> ImageRequest:
    """Reads a body that came on the path of this way of asking; raises ApiError."""
    body = await _json_of(request)
    name = body["model"] if isinstance(body.get("model"), str) else ""
    if not name:
        raise ApiError(400, "InvalidParameter", 'Required parameter "model" missing from request.')
    model = MODELS.get(re.sub(r"-\d{4}-\d\d-\d\d$", "", name))
    if model is None:
        raise ApiError(404, "ModelNotFound", f"Model {name} does not exist.")
    if way not in model.ways:
        raise _invalid("url error, please check url!")
    if unknown := sorted(set(body) - {"model", "input", "parameters"}):
        raise _invalid(f"unknown field {unknown[0]}")
    asked, parameters = body.get("input"), body.get("parameters", {})
    if not isinstance(asked, dict) or not isinstance(parameters, dict):
        raise _invalid("input and parameters must be objects")
    images, prompt = _read_older(name, asked) if way == "image2image" else _read_messages(asked)
    if not 1 <= len(images) <= model.most_photos:
        raise _invalid(f"{name} takes 1 to {model.most_photos} images")
    photos = tuple((f"image[{number}]", _photo_of(url)) for number, url in enumerate(images))
    return ImageRequest(photos, prompt, name, _check(parameters, model), int(parameters.get("n", 1)))


async def _json_of(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json() if request.content_type == "application/json" else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _invalid("Required body invalid, please check the request body format.")
    return body


def _read_messages(asked: Mapping[str, Any]) -> tuple[list[Any], str]:
    """The images and the text of the one message."""
    messages = asked.get("messages")
    if set(asked) != {"messages"} or not isinstance(messages, list) or len(messages) != 1:
        raise _invalid("input must hold messages, one of them")
    [message] = messages
    content = message.get("content") if isinstance(message, dict) and message.get("role") == "user" else None
    if not isinstance(content, list):
        raise _invalid("the message must be of the role user, its content a list")
    for item in content:
        if not isinstance(item, dict) or len(item) != 1 or not set(item) <= {"image", "text"}:
            raise _invalid("each item of content must be an image or a text")
    texts = [item["text"] for item in content if "text" in item]
    if len(texts) != 1:
        raise _invalid("content must hold exactly one text")
    return [item["image"] for item in content if "image" in item], _checked_text(texts[0])


def _read_older(name: str, asked: Mapping[str, Any]) -> tuple[list[Any], str]:
    """The images and the prompt as the older models want them."""
    if name.startswith("wanx2.1"):
        allowed, images = {"prompt", "function", "base_image_url"}, [asked.get("base_image_url")]
        if asked.get("function") not in FUNCTIONS:
            raise _invalid("function is missing or unknown")
    else:
        allowed, images = {"prompt", "negative_prompt", "images"}, asked.get("images") or []
    if set(asked) - allowed or not isinstance(images, list):
        raise _invalid(f"input may hold {', '.join(sorted(allowed))}")
    return images, _checked_text(asked.get("prompt"))


def _checked_text(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise _invalid("the text is empty")
    return text


def _check(parameters: Mapping[str, Any], model: Model) -> tuple[int, int] | None:
    """The size that is asked for, the other parameters being right; raises ApiError."""
    for name, value in parameters.items():
        if name not in model.parameters:
            raise _invalid(f"the model knows no parameter {name}")
        if name in ("watermark", "prompt_extend", "enable_interleave") and not isinstance(value, bool):
            raise _invalid(f"{name} must be true or false")
        if name in ("negative_prompt", "aspect_ratio", "resolution") and not isinstance(value, str):
            raise _invalid(f"{name} must be a text")
    for name, least, most in (("n", 1, model.most_pictures), ("seed", 0, HIGHEST_SEED)):
        value = parameters.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _invalid(f"{name} must be {least} to {most}")
    return _size_of(parameters["size"]) if "size" in parameters else None


def _size_of(size: Any) -> tuple[int, int]:
    if size in NAMED_SIZES:
        return NAMED_SIZES[size]
    match = re.fullmatch(r"(\d{1,5})\*(\d{1,5})", size) if isinstance(size, str) else None
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(PICTURE_SIDES[0] <= side <= PICTURE_SIDES[1] for side in sides):
        raise _invalid("size must be width*height")
    return sides


def _photo_of(url: Any) -> Photo:
    """Only data URLs: a stand-in fetches nothing."""
    match = DATA_URL.match(url) if isinstance(url, str) else None
    if match is None:
        raise ApiError(400, "InvalidURL", "Invalid URL provided in your request.")
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
        if len(data) > MOST_FILE_BYTES:
            raise _invalid("the image is larger than 10 MB")
        opened = Image.open(io.BytesIO(data))
        opened.verify()
    except (binascii.Error, OSError, SyntaxError, ValueError):
        raise _invalid("the image cannot be read") from None
    if opened.format not in PHOTO_FORMATS or opened.mode in ("RGBA", "LA", "PA"):
        raise _invalid("the image's format is not supported")
    if not all(PHOTO_SIDES[0] <= side <= PHOTO_SIDES[1] for side in opened.size):
        raise _invalid(f"the image's sides must be {PHOTO_SIDES[0]} to {PHOTO_SIDES[1]} pixels")
    return Photo(data)


def _invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidParameter", message)
