"""Photos that come inside a request, as data URLs. A stand-in fetches nothing from anywhere else."""

import base64
import binascii
import io
import re

from PIL import Image

from scripts.simulators.pictures import Photo


def photo_in(url: str, *, limit: int) -> Photo:
    """The photo of a data URL of at most `limit` bytes. Raises ValueError with a sentence."""
    match = re.match(r"data:image/(?:jpeg|png|webp);base64,", url)
    if match is None:
        raise ValueError("not a data URL of an image")
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if len(data) > limit:
        raise ValueError(f"more than {limit} bytes in a data URL")
    return checked_photo(data)


def checked_photo(data: bytes) -> Photo:
    """Bytes that are a whole picture. Raises ValueError."""
    try:
        Image.open(io.BytesIO(data)).verify()
    except (OSError, SyntaxError, ValueError):
        raise ValueError("cannot identify image file") from None
    return Photo(data)
