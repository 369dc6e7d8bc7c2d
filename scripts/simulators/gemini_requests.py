"""What clients of Gemini's generateContent ask for, read and checked; refusals in Google's words.

Field names may be in camel case or with underscores; answers are in camel case.
"""

import re
from dataclasses import dataclass
from typing import Any

from scripts.simulators.cloud import shape_of
from scripts.simulators.pictures import Photo
from scripts.simulators.sent_photos import check_photo, decode

MODELS = (
    "gemini-2.5-flash-image",
    "gemini-3-pro-image-preview",
    "gemini-3-pro-image",
    "gemini-3.1-flash-image-preview",
    "gemini-3.1-flash-image",
)
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif")
MOST_BODY_BYTES = 20 * 1024 * 1024
MODALITIES = ("TEXT", "IMAGE")
BASE_SIZES = {
    **{"1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832), "3:4": (864, 1184), "4:3": (1184, 864)},
    **{"4:5": (896, 1152), "5:4": (1152, 896), "9:16": (768, 1344), "16:9": (1344, 768), "21:9": (1536, 672)},
}
SCALES = {"1K": 1, "2K": 2, "4K": 4}
BODY = frozenset({"contents", "generationConfig", "systemInstruction", "safetySettings"})
CONTENT, PART, BLOB = frozenset({"role", "parts"}), frozenset({"text", "inlineData"}), frozenset({"mimeType", "data"})
CONFIG = frozenset({"responseModalities", "imageConfig", "candidateCount", "temperature", "topP", "topK", "seed"})
IMAGE_CONFIG = frozenset({"aspectRatio", "imageSize"})


class GeminiError(Exception):
    """An answer that refuses; `body` is what the client gets."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.status = code
        self.body = {"error": {"code": code, "message": message, "status": status}}


@dataclass(frozen=True)
class GeminiRequest:
    """One order for a picture; without photos it is dreamt up."""

    photos: tuple[Photo, ...]
    prompt: str
    size: tuple[int, int]
    wants_text: bool
    wants_image: bool


def check_gemini(model: str, document: Any, size: int) -> GeminiRequest:
    """The order that a body of `size` bytes is. Raises GeminiError."""
    if model not in MODELS:
        message = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
        raise GeminiError(404, "NOT_FOUND", message)
    if size > MOST_BODY_BYTES:
        raise invalid("Request payload size exceeds the limit: 20971520 bytes.")
    body = _fields_of(document, "", BODY)
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    photos: list[Photo] = []
    texts: list[str] = []
    for number, content in enumerate(contents):
        where = f"contents[{number}]"
        fields = _fields_of(content, where, CONTENT)
        if fields.get("role", "user") not in ("user", "model"):
            raise invalid("Please use a valid role: user, model.")
        parts = fields.get("parts")
        if not isinstance(parts, list) or not parts:
            raise invalid(f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.")
        for place, part in enumerate(parts):
            _read_part(part, f"{where}.parts[{place}]", photos, texts)
    return _with_config(body.get("generationConfig", {}), model, tuple(photos), "\n".join(texts))


def invalid(message: str) -> GeminiError:
    return GeminiError(400, "INVALID_ARGUMENT", message)


def _fields_of(document: Any, where: str, known: frozenset[str]) -> dict[str, Any]:
    """The fields by their names in camel case."""
    if not isinstance(document, dict):
        raise invalid(f"Invalid value at '{where}': not an object.")
    fields = {_in_camel_case(name): value for name, value in document.items()}
    for name in fields:
        if name not in known:
            at = f" at '{where}'" if where else ""
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
    return fields


def _in_camel_case(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _read_part(part: Any, where: str, photos: list[Photo], texts: list[str]) -> None:
    fields = _fields_of(part, where, PART)
    if len(fields) != 1:
        raise invalid(
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field"
        )
    if "text" in fields:
        if not isinstance(fields["text"], str):
            raise invalid(f"Invalid value at '{where}.text' (TYPE_STRING)")
        texts.append(fields["text"])
        return
    blob = _fields_of(fields["inlineData"], f"{where}.inline_data", BLOB)
    if blob.get("mimeType") not in PHOTO_TYPES:
        raise invalid(f"Unsupported MIME type: {blob.get('mimeType')}")
    try:
        data = decode(blob.get("data"))
    except ValueError:
        raise invalid(f"Invalid value at '{where}.inline_data.data' (TYPE_BYTES), Base64 decoding failed") from None
    try:
        photos.append(check_photo(data))
    except ValueError:
        raise invalid("Unable to process input image. Please retry or report.") from None


def _with_config(document: Any, model: str, photos: tuple[Photo, ...], prompt: str) -> GeminiRequest:
    config = _fields_of(document, "generation_config", CONFIG)
    modalities = config.get("responseModalities", list(MODALITIES))
    if not isinstance(modalities, list) or not all(one in MODALITIES for one in modalities):
        raise invalid("Invalid value at 'generation_config.response_modalities'")
    image = _fields_of(config.get("imageConfig", {}), "generation_config.image_config", IMAGE_CONFIG)
    ratio, scale = image.get("aspectRatio", _nearest_ratio(photos)), image.get("imageSize", "1K")
    if not isinstance(ratio, str) or ratio not in BASE_SIZES:
        raise invalid("Aspect ratio must be one of " + ", ".join(BASE_SIZES))
    if not isinstance(scale, str) or scale not in SCALES or (scale != "1K" and model.startswith("gemini-2.5")):
        raise invalid("Image size must be one of " + ", ".join(SCALES))
    if not prompt.strip():
        raise invalid("Unable to submit request because it must have a text parameter.")
    width, height = BASE_SIZES[ratio]
    size = (width * SCALES[scale], height * SCALES[scale])
    return GeminiRequest(photos, prompt, size, "TEXT" in modalities, "IMAGE" in modalities)


def _nearest_ratio(photos: tuple[Photo, ...]) -> str:
    """An answer without a wished ratio follows the first photo's shape."""
    width, height = shape_of(photos[0] if photos else None)
    return min(BASE_SIZES, key=lambda ratio: abs(BASE_SIZES[ratio][0] / BASE_SIZES[ratio][1] - width / height))
