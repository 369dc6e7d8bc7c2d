"""What every picture of a stand-in has in common: the word SIMULATED, the mark of its photo, and a drawn look.

Pure functions on Pillow images; both stand-ins use them.
"""

import colorsys
import hashlib
import io
from functools import cached_property

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from scripts.simulators import marks

BANNER_TEXT = "SIMULATED"
SMALLEST_MARKED_PHOTO = 900  # pixels of the shorter side to which a JPEG is decoded when only its mark is wanted


class Photo:
    """Bytes that came in, with what the log says about them, worked out once and only when asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def painted_mark(self) -> int | None:
        """The mark that the picture carries; None for pictures without one and for anything else."""
        try:
            image: Image.Image = Image.open(io.BytesIO(self.data))
            image.draft("RGB", (SMALLEST_MARKED_PHOTO, SMALLEST_MARKED_PHOTO))
            return marks.read(ImageOps.exif_transpose(image))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None

    @property
    def mark(self) -> int:
        """What a result made from these bytes will carry."""
        return self.painted_mark if self.painted_mark is not None else int(self.sha256[:16], 16)

    def described(self, name: str, *, with_mark: bool = True) -> dict[str, str]:
        """The photo as the log writes it."""
        described = {"name": name, "sha256": self.sha256}
        return described | {"mark": f"{self.mark:016x}"} if with_mark else described


def stamp(image: Image.Image, mark: int | None) -> Image.Image:
    """The picture with the banner and, where it is large enough, the mark: what leaves a stand-in."""
    stamped = image.convert("RGB")
    if mark is not None and marks.fits(stamped.size):
        stamped = marks.paint(stamped, mark)
    elif stamped is image:
        stamped = image.copy()
    width, height = stamped.size
    band = max(6, min(round(height * 0.05), round(width * 0.08)))
    plate = Image.new("RGB", (width, band), (200, 30, 60))
    stamped.paste(Image.blend(stamped.crop((0, 0, width, band)), plate, 0.8), (0, 0))
    draw = ImageDraw.Draw(stamped)
    font = ImageFont.load_default(max(5.0, band * 0.68))
    draw.text((width / 2, band / 2), BANNER_TEXT, fill=(255, 255, 255), font=font, anchor="mm")
    return stamped


def stylise(image: Image.Image, *, strength: float, seed: int) -> Image.Image:
    """The picture in flat colours with drawn outlines; the seed turns the hue, the strength says how far to go."""
    source = image.convert("RGB")
    # The look is worked out small: it is soft anyway, and a rehearsal makes thousands.
    small = source.copy()
    small.thumbnail((480, 480), Image.Resampling.BILINEAR)
    smooth = small.filter(ImageFilter.MedianFilter(3))
    hue, saturation, value = ImageOps.posterize(smooth, 3).filter(ImageFilter.SMOOTH_MORE).convert("HSV").split()
    turn = seed % 256
    hue = hue.point([(level + turn) % 256 for level in range(256)])
    value = value.point([min(255, level + 20) for level in range(256)])  # what posterising took away
    saturation = saturation.point([min(255, round(level * 1.35 + 12)) for level in range(256)])
    colours = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    outlines = ImageOps.invert(smooth.convert("L").filter(ImageFilter.FIND_EDGES)).point(
        [max(0, 255 - (255 - level) * 3) for level in range(256)]
    )
    drawn = ImageChops.multiply(colours, Image.merge("RGB", (outlines, outlines, outlines)))
    return Image.blend(source, drawn.resize(source.size, Image.Resampling.BICUBIC), max(0.0, min(1.0, strength)))


def dream(size: tuple[int, int], seed: int) -> Image.Image:
    """A picture out of nothing but a seed: what a sampler makes from an empty latent."""
    light, dark = (
        tuple(round(part * 255) for part in colorsys.hsv_to_rgb((seed % 997 / 997 + turn) % 1, 0.6, level))
        for turn, level in ((0, 0.95), (0.15, 0.4))
    )
    ramp = Image.linear_gradient("L").resize(size)
    glow = Image.radial_gradient("L").resize(size)
    return ImageOps.colorize(ImageChops.screen(ramp, glow), light, dark)


def poster(image: Image.Image, *, size: tuple[int, int], seed: int) -> Image.Image:
    """The picture as a printed poster: flat colours inside a paper border."""
    border = min(size) // 20
    inner = ImageOps.fit(image.convert("RGB"), (size[0] - 2 * border, size[1] - 2 * border))
    sheet = Image.new("RGB", size, (244, 234, 214))
    sheet.paste(stylise(inner, strength=0.9, seed=seed), (border, border))
    return sheet
