"""The input of services that pass it on to a model of many, each with fields of its own. Pure.

A style's parameters are the model's fields, and go there as they are. `image_field` alone is ours: it names the field
that takes the photo. An `[]` at its end, as in `image_urls[]`, says that the model wants a list.
"""

from __future__ import annotations

import base64
from typing import Any

from jobs.cloud.provider import ImageRequest

IMAGE_FIELD = "image_field"
LIST = "[]"


def fill_input(request: ImageRequest, photo: str, *, image_field: str) -> dict[str, Any]:
    """The model's input. `photo` is an address; `image_field`: where it goes unless the style says otherwise."""
    fields = dict(request.parameters)
    name = str(fields.pop(IMAGE_FIELD, image_field))
    prompt = {"prompt": request.prompt} if request.prompt else {}  # some models of faces take none
    return fields | prompt | ({name.removesuffix(LIST): [photo]} if name.endswith(LIST) else {name: photo})


def as_data_url(photo: bytes) -> str:
    """A JPEG as an address that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}"
