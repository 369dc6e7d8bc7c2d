"""A recorded request taken apart into named fields, so that two of them can be compared. Pure.

The photo's bytes, however they travel, become `<photo …>`, and the address of the recorder `<base>`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from scripts.verifying.recorder import Seen

Fields = Mapping[str, str]
"""`method`, `path`, `query …`, `header …`, `json …` or `part …` -> what stands there."""


@dataclass(frozen=True)
class Part:
    """One part of a form. Only a file has a name of its own."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes


def fields_of(seen: Seen, *, photo: bytes, base_url: str) -> Fields:
    """Everything about a request that the other side can see, by name."""
    hide = _Hiding(photo, base_url)
    address = urlsplit(seen.path)
    fields = {"method": seen.method, "path": address.path}
    fields |= {f"query {name}": value for name, value in parse_qsl(address.query, keep_blank_values=True)}
    for name, value in seen.headers.items():
        fields[f"header {name}"] = media_type(value) if _is_form(value) else value
    if _is_form(seen.headers.get("content-type", "")):
        fields |= dict(_fields_of_parts(parts_of(seen), hide))
    elif seen.body:
        try:
            fields |= dict(_fields_of_json("json", json.loads(seen.body), hide))
        except ValueError:
            fields["body"] = hide.in_bytes(seen.body)
    return fields


def parts_of(seen: Seen) -> list[Part]:
    """The parts of a form in their order."""
    header = Message()
    header["Content-Type"] = seen.headers["content-type"]
    decoder = MultipartDecoder(str(header.get_param("boundary")).encode())
    decoder.receive_data(seen.body)
    decoder.receive_data(None)
    parts: list[Part] = []
    while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
        if isinstance(event, Field | File):
            filename = event.filename if isinstance(event, File) else None
            parts.append(Part(event.name, filename, event.headers.get("Content-Type"), b""))
        elif isinstance(event, Data):
            parts[-1] = replace(parts[-1], data=parts[-1].data + event.data)
    return parts


def with_parts(seen: Seen, parts: Sequence[Part]) -> Seen:
    """The same request with other parts."""
    encoded = []
    for part in parts:
        field = RequestField(part.name, part.data, filename=part.filename)
        field.make_multipart(content_type=part.content_type)
        encoded.append(field)
    body, content_type = encode_multipart_formdata(encoded)
    return replace(seen, body=body, headers={**seen.headers, "content-type": content_type})


def with_json(seen: Seen, document: Any) -> Seen:
    """The same request with another document."""
    return replace(seen, body=json.dumps(document).encode())


def media_type(content_type: str) -> str:
    """Without the boundary, which is made up for each request."""
    return content_type.partition(";")[0].strip().lower()


def _is_form(content_type: str) -> bool:
    return media_type(content_type) == "multipart/form-data"


class _Hiding:
    """What differs between any two requests, or is too long to show, gets a name."""

    def __init__(self, photo: bytes, base_url: str) -> None:
        self._photo = photo
        self._base_url = base_url
        self._encoded = {
            base64.b64encode(photo).decode(): "<photo base64>",
            base64.urlsafe_b64encode(photo).decode(): "<photo base64url>",
        }

    def in_text(self, text: str) -> str:
        for encoded, name in self._encoded.items():
            text = text.replace(encoded, name)
        return text.replace(self._base_url, "<base>")

    def in_bytes(self, data: bytes) -> str:
        return "<photo>" if data == self._photo else self.in_text(data.decode("utf-8", "backslashreplace"))


def _fields_of_parts(parts: Sequence[Part], hide: _Hiding) -> Iterator[tuple[str, str]]:
    names = [part.name for part in parts]
    for number, part in enumerate(parts):
        name = f"part {part.name}"
        if names.count(part.name) > 1:
            name += f" #{names[:number].count(part.name) + 1}"
        yield name, hide.in_bytes(part.data)
        if part.filename is not None:
            yield f"{name} filename", part.filename
        if part.content_type is not None:
            yield f"{name} type", part.content_type


def _fields_of_json(name: str, value: Any, hide: _Hiding) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _fields_of_json(f"{name}.{key}", inner, hide)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _fields_of_json(f"{name}[{number}]", inner, hide)
    else:
        yield name, hide.in_text(json.dumps(value, ensure_ascii=False))
