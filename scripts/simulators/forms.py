"""Multipart bodies that are already in memory, because the fault middleware takes every body in first."""

from dataclasses import dataclass

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web


@dataclass(frozen=True)
class Part:
    """One field of a form; a file has a name of its own."""

    name: str
    filename: str | None
    content_type: str
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


async def read_parts(request: web.Request) -> list[Part]:
    """The named fields in their order; none when the body is no form."""
    if request.content_type != "multipart/form-data":
        return []
    body = await request.read()
    stream = StreamReader(request.protocol, limit=max(1, len(body)))
    stream.feed_data(body)
    stream.feed_eof()
    parts = []
    async for part in MultipartReader(request.headers, stream):
        if isinstance(part, BodyPartReader) and part.name:
            content_type = part.headers.get("Content-Type", "text/plain")
            parts.append(Part(part.name, part.filename, content_type, bytes(await part.read())))
    return parts
