"""Photos inside JSON, as clients of the cloud APIs send them: as base64 or as a data URL."""

import base64
import binascii
import io
import re
from typing import Any

from PIL import Image

from scripts.simulators.pictures import Photo


def read_data_url(url: Any) -> tuple[str, bytes]:
    """(media type, bytes). Raises ValueError for anything else: a stand-in fetches nothing."""
    match = re.match(r"data:([\w/+.-]+);base64,", url) if isinstance(url, str) else None
    if match is None:
        raise ValueError("not a data URL")
    return match[1], decode(url[match.end() :])


def decode(data: Any) -> bytes:
    """The bytes of a base64 text. Raises ValueError."""
    try:
        return base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError("not base64") from None


def check_photo(data: bytes) -> Photo:
    """Raises ValueError for bytes that are no picture."""
    try:
        Image.open(io.BytesIO(data)).verify()
    except (OSError, SyntaxError, ValueError):
        raise ValueError("not a picture") from None
    return Photo(data)
