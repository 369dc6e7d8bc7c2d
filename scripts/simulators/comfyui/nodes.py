"""Every node class of the stand-in; here also those that load, save, send, and test a server's patience."""

import io
import json
import posixpath
import random
import string
import time
from typing import Any

from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from scripts.simulators.comfyui.folders import ROOT, Outside, inside
from scripts.simulators.comfyui.node import Batch, Input, Node, Shown, Work, decimal, flag, integer, link, text
from scripts.simulators.comfyui.pixels import PIXEL_NODES
from scripts.simulators.comfyui.sampling import SAMPLING_NODES
from scripts.simulators.pictures import stamp

PNG_EFFORT = 1  # quick: the pictures are looked at, not kept


def _load(work: Work, image: str) -> tuple[Batch, Batch]:
    photo = work.folders.find_named(image)
    path = posixpath.join(ROOT, "input", image)
    if photo is None and not image.startswith("/"):
        raise FileNotFoundError(2, "No such file or directory", path)
    try:
        opened = Image.open(io.BytesIO(photo.data if photo else b""))
        opened.load()
    except UnidentifiedImageError:
        raise UnidentifiedImageError(f"cannot identify image file {path!r}") from None
    upright = ImageOps.exif_transpose(opened)
    if "A" in upright.getbands():
        mask = ImageOps.invert(upright.getchannel("A"))
    else:
        mask = Image.new("L", (64, 64))
    return [upright.convert("RGB")], [mask]


def _png(image: Image.Image, work: Work, *, described: bool) -> bytes:
    """The stamped picture as PNG; a real server writes the whole graph into it, and so does this one."""
    if work.prepared is not None:
        return work.prepared.png
    notes = PngImagePlugin.PngInfo()
    if described:
        notes.add_text("prompt", json.dumps(work.graph))
        for name in work.extra_pnginfo or ():
            notes.add_text(name, json.dumps(work.extra_pnginfo[name]))
    file = io.BytesIO()
    stamp(image, work.mark).save(file, "PNG", pnginfo=notes, compress_level=PNG_EFFORT)
    return file.getvalue()


def _filled_in(prefix: str, size: tuple[int, int]) -> str:
    """The prefix with %width%, %height% and the parts of the date in place."""
    now = time.localtime()
    parts = {"width": size[0], "height": size[1], "year": now.tm_year, "month": f"{now.tm_mon:02}"}
    parts |= {"day": f"{now.tm_mday:02}", "hour": f"{now.tm_hour:02}", "minute": f"{now.tm_min:02}"}
    for name, value in {**parts, "second": f"{now.tm_sec:02}"}.items():
        prefix = prefix.replace(f"%{name}%", str(value))
    return prefix


def _save_all(work: Work, kind: str, images: Batch, prefix: str) -> Shown:
    prefix = _filled_in(prefix, images[0].size)
    try:
        inside("", prefix)
    except Outside:
        # The real server raises a bare Exception, and its name stands in the history.
        raise Exception(
            f"**** ERROR: Saving image outside the output folder is not allowed.\n output_dir: {ROOT}/{kind}"
        ) from None
    saved = []
    for number, image in enumerate(images):
        data = _png(image, work, described=True)
        name, subfolder = work.folders.save_numbered(kind, prefix.replace("%batch_num%", str(number)), data)
        saved.append({"filename": name, "subfolder": subfolder, "type": kind})
    return Shown({"images": saved})


def _save(work: Work, images: Batch, filename_prefix: str = "ComfyUI") -> Shown:
    return _save_all(work, "output", images, filename_prefix)


def _preview(work: Work, images: Batch) -> Shown:
    letters = "".join(random.choices(string.ascii_lowercase, k=5))
    return _save_all(work, "temp", images, f"ComfyUI_temp_{letters}")


def _send(work: Work, images: Batch) -> Shown:
    for number, image in enumerate(images):
        work.report(number, len(images), ("PNG", _png(image, work, described=False)))
    return Shown({})


def _sleep(work: Work, image: Batch, seconds: float, steps: int, preview: bool, nonce: int) -> tuple[Batch]:
    for step in range(steps):
        work.pause(seconds / steps)
        shown = None
        if preview:
            file = io.BytesIO()
            Image.new("RGB", (64, 64), (step % 255, 0, 0)).save(file, "JPEG")
            shown = ("JPEG", file.getvalue())
        work.report(step + 1, steps, shown)
    return (image,)


def _sleep_stubbornly(work: Work, image: Batch, seconds: float, nonce: int) -> tuple[Batch]:
    work.pause(seconds)
    return (image,)


def _fail(work: Work, image: Batch, message: str) -> tuple[Any, ...]:
    raise ValueError(message)


NONCE = integer(0, 0, 2**53)
EMBEDDED = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
TEST_MODULE = "custom_nodes.zz_booth_test"
RENDERING = frozenset({"LoadImage", *PIXEL_NODES, *SAMPLING_NODES})
"""The classes whose work a prepared picture stands in for."""

NODES: dict[str, Node] = {
    **PIXEL_NODES,
    **SAMPLING_NODES,
    "LoadImage": Node(
        _load,
        {"image": Input(folder="input", options={"image_upload": True})},
        ("IMAGE", "MASK"),
        display_name="Load Image",
    ),
    "SaveImage": Node(
        _save,
        {"images": link("IMAGE"), "filename_prefix": text(default="ComfyUI")},
        display_name="Save Image",
        is_output=True,
        hidden=EMBEDDED,
    ),
    "PreviewImage": Node(
        _preview, {"images": link("IMAGE")}, display_name="Preview Image", is_output=True, hidden=EMBEDDED
    ),
    "SaveImageWebsocket": Node(
        _send,
        {"images": link("IMAGE")},
        category="api/image",
        module="custom_nodes.websocket_image_save",
        is_output=True,
        is_cached=False,
    ),
    "TestSleep": Node(
        _sleep,
        {
            "image": link("IMAGE"),
            "seconds": decimal(5.0, 0.0, 3600.0),
            "steps": integer(10, 1, 10000),
            "preview": flag(False),
            "nonce": NONCE,
        },
        ("IMAGE",),
        category="test",
        module=TEST_MODULE,
    ),
    "TestStubbornSleep": Node(
        _sleep_stubbornly,
        {"image": link("IMAGE"), "seconds": decimal(5.0, 0.0, 3600.0), "nonce": NONCE},
        ("IMAGE",),
        category="test",
        module=TEST_MODULE,
    ),
    "TestFail": Node(
        _fail,
        {"image": link("IMAGE"), "message": text(default="boom")},
        ("IMAGE",),
        category="test",
        module=TEST_MODULE,
    ),
}
