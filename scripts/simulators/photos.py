"""Made-up booth portraits: a drawn face whose colours and features follow from a mark that is painted in.

Deterministic and quick, so that a rehearsal can make thousands; no real person is ever needed. Only Pillow is touched.
"""

import colorsys
import io
import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from scripts.simulators import marks

Colour = tuple[int, int, int]

SKINS: tuple[Colour, ...] = (
    (255, 224, 196),
    (243, 204, 172),
    (224, 172, 130),
    (188, 132, 92),
    (141, 92, 62),
    (104, 66, 46),
)
HAIRS: tuple[Colour, ...] = (
    (34, 26, 24),
    (72, 46, 30),
    (124, 78, 42),
    (196, 148, 78),
    (166, 70, 40),
    (150, 150, 156),
)
DRAWING = (720, 960)  # drawn at this size and resized: soft edges at little cost


def portrait(mark: int, size: tuple[int, int] = (900, 1200), quality: int = 90) -> bytes:
    """A JPEG of a friendly person; the same mark always gives the same bytes."""
    chance = random.Random(mark)
    picture = _background(chance)
    _person(picture, chance)
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    picture = ImageChops.add(picture, _grain(chance, size), scale=1, offset=-6)
    file = io.BytesIO()
    marks.paint(picture, mark).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


def _background(chance: random.Random) -> Image.Image:
    hue = chance.random()
    ramp = Image.linear_gradient("L").rotate(chance.uniform(-25, 25), Image.Resampling.BILINEAR, fillcolor=128)
    ramp = ramp.crop((40, 40, 216, 216)).resize(DRAWING, Image.Resampling.BILINEAR)
    picture = ImageOps.colorize(ramp, _colour(hue, 0.35, 0.95), _colour(hue + 0.12, 0.7, 0.45))
    # Out-of-focus lights, as behind most booths; blurred small, then enlarged, because that is quick.
    lights = Image.new("L", (90, 120))
    draw = ImageDraw.Draw(lights)
    for _ in range(14):
        x, y, radius = chance.uniform(0, 90), chance.uniform(0, 90), chance.uniform(2, 8)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=chance.randint(30, 110))
    lights = lights.filter(ImageFilter.GaussianBlur(1)).resize(DRAWING, Image.Resampling.BICUBIC)
    picture.paste((255, 250, 235), mask=lights)
    return picture


def _person(picture: Image.Image, chance: random.Random) -> None:
    draw = ImageDraw.Draw(picture)
    skin, hair = chance.choice(SKINS), chance.choice(HAIRS)
    clothes = _colour(chance.random(), 0.6, 0.75)
    long_hair, fringe = chance.random() < 0.5, chance.random() < 0.6
    x, y = 360 + chance.randint(-14, 14), 410 + chance.randint(-12, 12)  # the middle of the face
    half_width, half_height = chance.randint(138, 160), chance.randint(182, 204)

    if long_hair:
        draw.rounded_rectangle(
            (x - half_width - 46, y - 150, x + half_width + 46, y + 300), 110, fill=_shade(hair, 0.8)
        )
    draw.ellipse((x - half_width - 40, y - half_height - 62, x + half_width + 40, y + 110), fill=_shade(hair, 0.9))
    # Shoulders, then the neck, then the collar over both.
    draw.ellipse((x - 300, y + 262, x + 300, y + 860), fill=clothes)
    draw.rounded_rectangle((x - 66, y + 110, x + 66, y + 318), 50, fill=_shade(skin, 0.86))
    collar = ((-112, 278), (0, 400), (112, 278), (66, 262), (0, 340), (-66, 262))
    draw.polygon([(x + right, y + down) for right, down in collar], fill=_shade(clothes, 1.3))
    for side in (-1, 1):
        ear = x + side * half_width
        draw.ellipse((ear - 27, y - 40, ear + 27, y + 46), fill=_shade(skin, 0.92))
    draw.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=skin)
    _cheeks(picture, skin, x, y)
    _features(draw, chance, skin, hair, x, y)
    _hair_in_front(draw, hair, fringe, x, y, half_width, half_height)


def _cheeks(picture: Image.Image, skin: Colour, x: int, y: int) -> None:
    blush = Image.radial_gradient("L").resize((120, 90)).point([max(0, 110 - level) for level in range(256)])
    rosy = (min(255, skin[0] + 20), max(0, skin[1] - 45), max(0, skin[2] - 35))
    for side in (-1, 1):
        picture.paste(rosy, (x + side * 84 - 60, y + 26), mask=blush)


def _features(draw: ImageDraw.ImageDraw, chance: random.Random, skin: Colour, hair: Colour, x: int, y: int) -> None:
    iris = _colour(chance.choice((0.07, 0.1, 0.3, 0.55, 0.6)), 0.6, 0.45)
    glasses, smile = chance.random() < 0.35, chance.randint(46, 64)
    for side in (-1, 1):
        eye = x + side * 62
        draw.ellipse((eye - 31, y - 48, eye + 31, y - 8), fill=(250, 250, 248))
        draw.ellipse((eye - 17, y - 45, eye + 17, y - 11), fill=iris)
        draw.ellipse((eye - 8, y - 36, eye + 8, y - 20), fill=(18, 16, 16))
        draw.ellipse((eye + 1, y - 39, eye + 9, y - 31), fill=(255, 255, 255))
        draw.arc((eye - 33, y - 54, eye + 33, y + 2), 195, 345, fill=_shade(hair, 0.6), width=6)
        draw.arc((eye - 42, y - 92, eye + 42, y - 40), 205, 335, fill=_shade(hair, 0.75), width=11)
        if glasses:
            draw.rounded_rectangle((eye - 47, y - 66, eye + 47, y + 12), 30, outline=(40, 36, 44), width=7)
    if glasses:
        draw.arc((x - 20, y - 46, x + 20, y - 10), 190, 350, fill=(40, 36, 44), width=7)
    draw.arc((x - 26, y + 2, x + 26, y + 52), 25, 155, fill=_shade(skin, 0.72), width=7)
    mouth = (x - smile, y + 62, x + smile, y + 128)
    draw.chord(mouth, 8, 172, fill=(150, 44, 52))
    draw.chord((x - smile + 12, y + 72, x + smile - 12, y + 112), 8, 172, fill=(252, 250, 246))
    draw.arc((mouth[0], mouth[1] - 1, mouth[2], mouth[3] + 2), 8, 172, fill=(176, 66, 70), width=7)


def _hair_in_front(
    draw: ImageDraw.ImageDraw, hair: Colour, fringe: bool, x: int, y: int, half_width: int, half_height: int
) -> None:
    crown = (x - half_width - 22, y - half_height - 46, x + half_width + 22, y + half_height - 60)
    if fringe:
        draw.chord(crown, 205, 335, fill=hair)
        for offset in range(-100, 101, 50):
            draw.ellipse((x + offset - 38, y - half_height + 14, x + offset + 38, y - half_height + 98), fill=hair)
    else:
        draw.chord(crown, 212, 328, fill=hair)
    draw.arc((crown[0] + 40, crown[1] + 18, crown[2] - 60, crown[3]), 225, 290, fill=_shade(hair, 1.35), width=9)


def _grain(chance: random.Random, size: tuple[int, int]) -> Image.Image:
    """A little sensor noise, from seeded bytes: Pillow's own noise would differ from run to run."""
    tile = Image.frombytes("L", (256, 256), chance.randbytes(256 * 256)).point(
        [level * 12 // 255 for level in range(256)]
    )
    sheet = Image.new("L", size)
    for left in range(0, size[0], 256):
        for top in range(0, size[1], 256):
            sheet.paste(tile, (left, top))
    return Image.merge("RGB", (sheet, sheet, sheet))
