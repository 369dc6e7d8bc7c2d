"""The nodes that turn pictures into pictures, done with Pillow instead of tensors."""

import math
from typing import Any

from PIL import Image, ImageChops, ImageFilter, ImageOps

from scripts.simulators.comfyui.node import Batch, Node, Work, choice, decimal, flag, integer, link

LARGEST = 16384
RESAMPLING = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
UPSCALE_METHODS = choice(*RESAMPLING)
POST = "image/postprocessing"
POST_MODULE = "comfy_extras.nodes_post_processing"


def _empty(work: Work, width: int, height: int, batch_size: int, color: int) -> tuple[Batch]:
    return ([Image.new("RGB", (width, height), (color >> 16 & 255, color >> 8 & 255, color & 255))] * batch_size,)


def _invert(work: Work, image: Batch) -> tuple[Batch]:
    return ([ImageOps.invert(one) for one in image],)


def _scale(work: Work, image: Batch, upscale_method: str, width: int, height: int, crop: str) -> tuple[Batch]:
    if width == 0 and height == 0:
        return (image,)
    return ([_scaled(one, upscale_method, width, height, crop) for one in image],)


def _scaled(image: Image.Image, method: str, width: int, height: int, crop: str) -> Image.Image:
    # A side of 0 follows the other one.
    width = width or max(1, round(image.width * height / image.height))
    height = height or max(1, round(image.height * width / image.width))
    if crop == "center":
        return ImageOps.fit(image, (width, height), RESAMPLING[method])
    return image.resize((width, height), RESAMPLING[method])


def _scale_by(work: Work, image: Batch, upscale_method: str, scale_by: float) -> tuple[Batch]:
    return ([_times(one, scale_by, upscale_method) for one in image],)


def _times(image: Image.Image, factor: float, method: str) -> Image.Image:
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, RESAMPLING[method])


def _scale_to_pixels(work: Work, image: Batch, upscale_method: str, megapixels: float) -> tuple[Batch]:
    factor = math.sqrt(megapixels * 1024 * 1024 / (image[0].width * image[0].height))
    return ([_times(one, factor, upscale_method) for one in image],)


def _blur(work: Work, image: Batch, blur_radius: int, sigma: float) -> tuple[Batch]:
    return ([one.filter(ImageFilter.GaussianBlur(min(sigma, blur_radius))) for one in image],)


def _sharpen(work: Work, image: Batch, sharpen_radius: int, sigma: float, alpha: float) -> tuple[Batch]:
    mask = ImageFilter.UnsharpMask(min(sigma, sharpen_radius), round(alpha * 100), 0)
    return ([one.filter(mask) for one in image],)


def _quantize(work: Work, image: Batch, colors: int, dither: str) -> tuple[Batch]:
    method = Image.Dither.NONE if dither == "none" else Image.Dither.FLOYDSTEINBERG
    palettes = [one.quantize(colors, dither=Image.Dither.NONE) for one in image]
    return ([one.quantize(palette=by, dither=method).convert("RGB") for one, by in zip(image, palettes, strict=True)],)


def _composite(
    work: Work, destination: Batch, source: Batch, x: int, y: int, resize_source: bool, mask: Batch | None = None
) -> tuple[Batch]:
    results = []
    for index, below in enumerate(destination):
        above = source[index % len(source)]
        if resize_source:
            above = above.resize(below.size, Image.Resampling.BILINEAR)
        result = below.copy()
        result.paste(above, (x, y), mask[index % len(mask)].resize(above.size) if mask else None)
        results.append(result)
    return (results,)


def _blend(work: Work, image1: Batch, image2: Batch, blend_factor: float, blend_mode: str) -> tuple[Batch]:
    mixed = {
        "multiply": ImageChops.multiply,
        "screen": ImageChops.screen,
        "overlay": ImageChops.overlay,
        "soft_light": ImageChops.soft_light,
        "difference": ImageChops.difference,
    }
    results = []
    for index, below in enumerate(image1):
        above = image2[index % len(image2)].resize(below.size)
        both = mixed[blend_mode](below, above) if blend_mode in mixed else above
        results.append(Image.blend(below, both, blend_factor))
    return (results,)


def _pad(
    work: Work, image: Batch, left: int, top: int, right: int, bottom: int, feathering: int
) -> tuple[Batch, Batch]:
    padded, masks = [], []
    for one in image:
        size = one.width + left + right, one.height + top + bottom
        sheet, mask = Image.new("RGB", size, (128, 128, 128)), Image.new("L", size, 255)
        sheet.paste(one, (left, top))
        mask.paste(0, (left, top, left + one.width, top + one.height))
        padded.append(sheet)
        masks.append(mask.filter(ImageFilter.BoxBlur(feathering / 2)) if feathering else mask)
    return padded, masks


def _crop(work: Work, image: Batch, width: int, height: int, x: int, y: int) -> tuple[Batch]:
    cropped = []
    for one in image:
        left, top = min(x, one.width - 1), min(y, one.height - 1)
        cropped.append(one.crop((left, top, min(left + width, one.width), min(top + height, one.height))))
    return (cropped,)


def _canny(work: Work, image: Batch, low_threshold: float, high_threshold: float) -> tuple[Batch]:
    level = round((low_threshold + high_threshold) / 2 * 128)
    edges = [one.convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES) for one in image]
    return ([edge.point([255 * (value > level) for value in range(256)]).convert("RGB") for edge in edges],)


def _side(default: int, minimum: int = 0, **options: Any) -> Any:
    return integer(default, minimum, LARGEST, **{"step": 1, **options})


PIXEL_NODES = {
    "EmptyImage": Node(
        _empty,
        {
            "width": _side(512, 1),
            "height": _side(512, 1),
            "batch_size": integer(1, 1, 4096),
            "color": integer(0, 0, 0xFFFFFF, step=1, display="color"),
        },
        ("IMAGE",),
    ),
    "ImageInvert": Node(_invert, {"image": link("IMAGE")}, ("IMAGE",), display_name="Invert Image"),
    "ImageScale": Node(
        _scale,
        {
            "image": link("IMAGE"),
            "upscale_method": UPSCALE_METHODS,
            "width": _side(512),
            "height": _side(512),
            "crop": choice("disabled", "center"),
        },
        ("IMAGE",),
        display_name="Upscale Image",
        category="image/upscaling",
    ),
    "ImageScaleBy": Node(
        _scale_by,
        {"image": link("IMAGE"), "upscale_method": UPSCALE_METHODS, "scale_by": decimal(1.0, 0.01, 8.0, step=0.01)},
        ("IMAGE",),
        display_name="Upscale Image By",
        category="image/upscaling",
    ),
    "ImageScaleToTotalPixels": Node(
        _scale_to_pixels,
        {"image": link("IMAGE"), "upscale_method": UPSCALE_METHODS, "megapixels": decimal(1.0, 0.01, 16.0, step=0.01)},
        ("IMAGE",),
        category="image/upscaling",
        module=POST_MODULE,
        is_modern=True,
    ),
    "ImageBlur": Node(
        _blur,
        {
            "image": link("IMAGE"),
            "blur_radius": integer(1, 1, 31, step=1),
            "sigma": decimal(1.0, 0.1, 10.0, step=0.1),
        },
        ("IMAGE",),
        category=POST,
        module=POST_MODULE,
        is_modern=True,
    ),
    "ImageSharpen": Node(
        _sharpen,
        {
            "image": link("IMAGE"),
            "sharpen_radius": integer(1, 1, 31, step=1),
            "sigma": decimal(1.0, 0.1, 10.0, step=0.01),
            "alpha": decimal(1.0, 0.0, 5.0, step=0.01),
        },
        ("IMAGE",),
        category=POST,
        module=POST_MODULE,
        is_modern=True,
    ),
    "ImageQuantize": Node(
        _quantize,
        {
            "image": link("IMAGE"),
            "colors": integer(256, 1, 256, step=1),
            "dither": choice("none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"),
        },
        ("IMAGE",),
        category=POST,
        module=POST_MODULE,
        is_modern=True,
    ),
    "ImageBlend": Node(
        _blend,
        {
            "image1": link("IMAGE"),
            "image2": link("IMAGE"),
            "blend_factor": decimal(0.5, 0.0, 1.0, step=0.01),
            "blend_mode": choice("normal", "multiply", "screen", "overlay", "soft_light", "difference"),
        },
        ("IMAGE",),
        category=POST,
        module=POST_MODULE,
        is_modern=True,
    ),
    "ImageCompositeMasked": Node(
        _composite,
        {
            "destination": link("IMAGE"),
            "source": link("IMAGE"),
            "x": _side(0),
            "y": _side(0),
            "resize_source": flag(False),
        },
        ("IMAGE",),
        optional={"mask": link("MASK")},
        module="comfy_extras.nodes_mask",
    ),
    "ImagePadForOutpaint": Node(
        _pad,
        {
            "image": link("IMAGE"),
            **{side: _side(0, step=8) for side in ("left", "top", "right", "bottom")},
            "feathering": _side(40),
        },
        ("IMAGE", "MASK"),
        display_name="Pad Image for Outpainting",
    ),
    "ImageCrop": Node(
        _crop,
        {"image": link("IMAGE"), "width": _side(512, 1), "height": _side(512, 1), "x": _side(0), "y": _side(0)},
        ("IMAGE",),
        display_name="Image Crop",
        category="image/transform",
        module="comfy_extras.nodes_images",
    ),
    "Canny": Node(
        _canny,
        {
            "image": link("IMAGE"),
            "low_threshold": decimal(0.4, 0.01, 0.99, step=0.01),
            "high_threshold": decimal(0.8, 0.01, 0.99, step=0.01),
        },
        ("IMAGE",),
        category="image/preprocessors",
        module="comfy_extras.nodes_canny",
        is_modern=True,
    ),
}
