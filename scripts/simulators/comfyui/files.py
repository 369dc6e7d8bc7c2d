"""POST /upload/image and GET /view: photos in, pictures out."""

import io
import mimetypes
import posixpath
from typing import TYPE_CHECKING

from aiohttp import web
from PIL import Image

from scripts.simulators.comfyui.folders import KINDS, Folders, Outside, inside
from scripts.simulators.comfyui.replies import empty, trouble
from scripts.simulators.forms import Part, read_parts

if TYPE_CHECKING:
    from scripts.simulators.comfyui.server import Server

PREVIEW_FORMATS = ("webp", "jpeg")


def add_file_routes(app: web.Application, server: "Server") -> None:
    async def upload(request: web.Request) -> web.Response:
        fields, file = _fields_and_image(await read_parts(request))
        return _store(server.folders, fields, file)

    async def view(request: web.Request) -> web.Response:
        return _show(server.folders, dict(request.query))

    for prefix in ("", "/api"):
        app.router.add_post(f"{prefix}/upload/image", upload)
        app.router.add_get(f"{prefix}/view", view)


def _fields_and_image(parts: list[Part]) -> tuple[dict[str, str], tuple[str, bytes] | None]:
    fields: dict[str, str] = {}
    image: tuple[str, bytes] | None = None
    for part in parts:
        if part.name == "image":
            if part.filename is None:
                trouble()
            image = part.filename, part.data
        else:
            fields[part.name] = part.text
    return fields, image


def _store(folders: Folders, fields: dict[str, str], file: tuple[str, bytes] | None) -> web.Response:
    kind, subfolder = fields.get("type", "input"), fields.get("subfolder", "")
    if kind not in KINDS:
        trouble()
    if file is None or not file[0]:
        return empty(400)
    name, data = file
    try:
        folder = inside(subfolder, "") if posixpath.normpath(subfolder) != "." else ""
        path = inside(subfolder, name)
        if not f"{path}/".startswith(f"{folder}/" if folder else ""):
            raise Outside(path)
    except Outside:
        return empty(400)
    try:
        folders.make_folder(kind, folder)
        # Only these two spellings count; `True` does not.
        if fields.get("overwrite") in ("true", "1"):
            folders.put(kind, path, data)
        else:
            path = folders.put_new(kind, path, data)
    except OSError:
        trouble()
    # The name is relative to the subfolder as the client wrote it, not as it was resolved.
    stored = path.removeprefix(f"{folder}/") if folder else path
    return web.json_response({"name": stored, "subfolder": subfolder, "type": kind})


def _show(folders: Folders, query: dict[str, str]) -> web.Response:
    name, kind = query.get("filename", ""), query.get("type", "output")
    for other in KINDS:
        if name.endswith(f" [{other}]"):
            name, kind = name.removesuffix(f" [{other}]"), other
    if not name:
        return empty(404)
    if name.startswith("/") or ".." in name or kind not in KINDS:
        return empty(400)
    name = posixpath.basename(name)
    try:
        path = inside(query.get("subfolder", ""), name)
    except Outside:
        return empty(403)
    photo = folders.get(kind, path)
    if photo is None:
        return empty(404)
    data, content_type = photo.data, mimetypes.guess_type(name)[0] or "application/octet-stream"
    channel = query.get("channel", "rgba")
    if "preview" in query or channel != "rgba":
        try:
            data, content_type = _encode_again(data, query.get("preview"), channel)
        except (OSError, ValueError):
            trouble()
    return web.Response(body=data, headers={"Content-Type": content_type, "Content-Disposition": f'filename="{name}"'})


def _encode_again(data: bytes, preview: str | None, channel: str) -> tuple[bytes, str]:
    """As a small preview (`webp;80`), or as PNG of some channels, which loses the metadata."""
    image: Image.Image = Image.open(io.BytesIO(data))
    file = io.BytesIO()
    if preview is not None:
        wanted, _, quality = preview.partition(";")
        kind = wanted if wanted in PREVIEW_FORMATS else "webp"
        image.convert("RGB").save(file, kind, quality=int(quality) if quality.isdigit() else 90)
        return file.getvalue(), f"image/{kind}"
    if channel == "a":
        alpha = image.getchannel("A") if "A" in image.getbands() else Image.new("L", image.size, 255)
        image = Image.merge("LA", (Image.new("L", image.size), alpha))
    else:
        image = image.convert("RGB")
    image.save(file, "PNG")
    return file.getvalue(), "image/png"
