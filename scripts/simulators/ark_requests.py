"""What clients of Volcengine Ark's images API ask for, read and checked; refusals in Ark's words."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.simulators.cloud import shape_of
from scripts.simulators.pictures import Photo
from scripts.simulators.sent_photos import check_photo, read_data_url

SIDES = {"1K": 1024, "2K": 2048, "3K": 3072, "4K": 4096}
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff", "image/gif")
MOST_PHOTO_BYTES = 10 * 1024 * 1024
MOST_PHOTO_PIXELS = 36_000_000
LEAST_SIDE = 15
MOST_PIXELS = 16_777_216
MOST_RATIO = 16
MOST_SEED = 2_147_483_647
MOST_IMAGES = 15
SEQUENCE = frozenset({"sequential_image_generation", "sequential_image_generation_options"})
PARAMETERS = frozenset(
    {
        *("model", "prompt", "image", "size", "response_format", "watermark", "seed"),
        *("stream", "optimize_prompt_options"),
    }
)


class ArkError(Exception):
    """An answer that refuses; `body` is what the client gets."""

    def __init__(self, status: int, code: str, message: str, *, param: str = "") -> None:
        super().__init__(message)
        self.status = status
        kind = {401: "Unauthorized", 404: "NotFound"}.get(status, "BadRequest" if status < 500 else "InternalError")
        self.body = {"error": {"code": code, "message": message, "param": param, "type": kind}}


@dataclass(frozen=True)
class Family:
    """What the models of one generation take. `names`: a pattern of their ids."""

    names: str
    tiers: tuple[str, ...]
    least_pixels: int
    most_photos: int
    more: frozenset[str]


FAMILIES = (
    Family(
        r"(doubao-|dola-)?seedream-5-0-pro(-\d{6})?",
        ("1K", "2K", "3K", "4K"),
        921_600,
        10,
        frozenset({"output_format"}),
    ),
    Family(r"(doubao-)?seedream-5-0(-lite)?(-\d{6})?", ("2K", "3K", "4K"), 3_686_400, 14, SEQUENCE | {"output_format"}),
    Family(r"(doubao-)?seedream-4-5(-\d{6})?", ("2K", "4K"), 3_686_400, 14, SEQUENCE),
    Family(r"(doubao-)?seedream-4-0(-\d{6})?|ep-[a-z0-9-]+", ("1K", "2K", "4K"), 921_600, 14, SEQUENCE),
)


@dataclass(frozen=True)
class ArkRequest:
    """One order for pictures; without photos they are dreamt up."""

    photos: tuple[Photo, ...]
    prompt: str
    model: str
    size: tuple[int, int]
    count: int
    file_format: str
    wants_url: bool
    watermark: bool


def check_ark(fields: Any) -> ArkRequest:
    """The order that a body is. Raises ArkError."""
    if not isinstance(fields, dict):
        raise ArkError(400, "InvalidParameter", "The request body is not a JSON object.")
    for name in ("model", "prompt"):
        if not isinstance(fields.get(name), str) or not fields[name].strip():
            raise ArkError(400, "MissingParameter", f"The request is missing `{name}`.", param=name)
    family = next((one for one in FAMILIES if re.fullmatch(one.names, fields["model"])), None)
    if family is None:
        raise ArkError(404, "InvalidEndpointOrModel.NotFound", "The model does not exist, or you have no access to it.")
    for name in fields:
        if name not in PARAMETERS | family.more:
            raise _invalid(name, "not supported by this model")
    if fields.get("stream", False) is not False:
        raise _invalid("stream", "not part of this stand-in")
    photos = _read_photos(fields.get("image"), family)
    return ArkRequest(
        photos=photos,
        prompt=fields["prompt"],
        model=fields["model"],
        size=_read_size(fields.get("size", "2K"), photos, family),
        count=_read_count(fields),
        file_format=_choice(fields, "output_format", ("jpeg", "png")),
        wants_url=_choice(fields, "response_format", ("url", "b64_json")) == "url",
        watermark=_flag(fields, "watermark"),
    )


def _invalid(name: str, why: str, *, kind: str = "") -> ArkError:
    code = f"InvalidParameter.{kind}" if kind else "InvalidParameter"
    return ArkError(400, code, f"The parameter `{name}` is not valid: {why}.", param=name)


def _read_photos(image: Any, family: Family) -> tuple[Photo, ...]:
    urls = image if isinstance(image, list) else [] if image is None else [image]
    if len(urls) > family.most_photos:
        raise _invalid("image", f"at most {family.most_photos} pictures")
    return tuple(_read_photo(url) for url in urls)


def _read_photo(url: Any) -> Photo:
    try:
        media_type, data = read_data_url(url)
    except ValueError as error:
        raise ArkError(400, "InvalidImageURL", f"The `image` cannot be read: {error}.", param="image") from None
    if media_type not in PHOTO_TYPES:  # in small letters only
        raise _invalid("image", f"format {media_type}", kind="UnsupportedImageFormat")
    if len(data) > MOST_PHOTO_BYTES:
        raise _invalid("image", "too many bytes", kind="OversizedImage")
    try:
        photo = check_photo(data)
    except ValueError as error:
        raise _invalid("image", str(error), kind="UnsupportedImageFormat") from None
    width, height = shape_of(photo)
    if width * height > MOST_PHOTO_PIXELS:
        raise _invalid("image", "too many pixels", kind="OversizedImage")
    if min(width, height) < LEAST_SIDE or not _is_in_shape(width, height):
        raise _invalid("image", "its sides")
    return photo


def _is_in_shape(width: int, height: int) -> bool:
    return 1 / MOST_RATIO <= width / height <= MOST_RATIO


def _read_size(size: Any, photos: tuple[Photo, ...], family: Family) -> tuple[int, int]:
    """In pixels. A tier is a number of pixels in the first photo's shape."""
    if size in family.tiers:
        width, height = shape_of(photos[0] if photos else None)
        wide = math.sqrt(width / height)
        return round(SIDES[size] * wide / 16) * 16, round(SIDES[size] / wide / 16) * 16
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", size) if isinstance(size, str) else None
    if match is None:
        raise _invalid("size", f"expected {', '.join(family.tiers)} or WxH")
    width, height = int(match[1]), int(match[2])
    if not family.least_pixels <= width * height <= MOST_PIXELS or not _is_in_shape(width, height):
        raise _invalid("size", f"{family.least_pixels} to {MOST_PIXELS} pixels, ratio 1/{MOST_RATIO} to {MOST_RATIO}")
    return width, height


def _read_count(fields: Mapping[str, Any]) -> int:
    seed = fields.get("seed", -1)
    if not isinstance(seed, int) or not -1 <= seed <= MOST_SEED:
        raise _invalid("seed", f"-1 to {MOST_SEED}")
    options = fields.get("sequential_image_generation_options", {})
    most = options.get("max_images", MOST_IMAGES) if isinstance(options, dict) else None
    if not isinstance(most, int) or not 1 <= most <= MOST_IMAGES:
        raise _invalid("sequential_image_generation_options", f"max_images from 1 to {MOST_IMAGES}")
    return most if _choice(fields, "sequential_image_generation", ("disabled", "auto")) == "auto" else 1


def _choice(fields: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    """The first is the default."""
    value = fields.get(name, allowed[0])
    if value not in allowed:
        raise _invalid(name, f"expected {' or '.join(allowed)}")
    return str(value)


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, True)
    if not isinstance(value, bool):
        raise _invalid(name, "expected true or false")
    return value
