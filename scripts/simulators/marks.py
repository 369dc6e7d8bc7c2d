"""A 64-bit mark painted into a picture, and read back from it: who checks from outside sees whose picture it is.

Only Pillow is touched. The strip lies near the bottom edge, measured in parts of the picture's width and height,
so it survives resizing, also when the proportions change, and re-encoding as JPEG.
"""

import zlib

from PIL import Image, ImageDraw

MARK_BITS = 64
MINIMUM_WIDTH = 200  # pixels; below that a cell is too small for a JPEG encoder
MINIMUM_HEIGHT = 160

ROWS = 3
COLUMNS = 34
LEFT, RIGHT = 0.03, 0.97  # parts of the width
TOP, BOTTOM = 0.925, 0.985  # parts of the height
MARGIN = 0.008  # of grey around the cells
# Both ends of each row are fixed, so the reader knows what black and white look like before it decides about a bit.
START = ((1, 0), (0, 1), (1, 0))
STOP = ((0, 1), (1, 0), (0, 1))
DATA_COLUMNS = COLUMNS - 4
CHECK_BITS = ROWS * DATA_COLUMNS - MARK_BITS
MINIMUM_CONTRAST = 48  # grey levels between the fixed white and black cells
SCRAMBLE = (
    0x2_9C35_A6D1_E85B_374A_92F6 & (1 << ROWS * DATA_COLUMNS) - 1
)  # so that small numbers do not make bare strips
SAMPLES_PER_CELL = 3  # only the middle third of a cell is looked at


def fits(size: tuple[int, int]) -> bool:
    """Whether a picture of this size can carry a readable mark."""
    return size[0] >= MINIMUM_WIDTH and size[1] >= MINIMUM_HEIGHT


def paint(image: Image.Image, mark: int) -> Image.Image:
    """A copy of the image (RGB) that carries the mark."""
    if not 0 <= mark < 1 << MARK_BITS:
        raise ValueError("a mark is a number of 64 bits")
    painted = image.convert("RGB")
    if painted is image:
        painted = image.copy()
    width, height = painted.size
    draw = ImageDraw.Draw(painted)
    draw.rectangle(
        (
            round((LEFT - MARGIN) * width),
            round((TOP - MARGIN) * height),
            round((RIGHT + MARGIN) * width) - 1,
            round((BOTTOM + MARGIN) * height) - 1,
        ),
        fill=(128, 128, 128),
    )
    cell_width = (RIGHT - LEFT) * width / COLUMNS
    cell_height = (BOTTOM - TOP) * height / ROWS
    for row, cells in enumerate(_cells(mark)):
        top = TOP * height + row * cell_height
        for column, bit in enumerate(cells):
            left = LEFT * width + column * cell_width
            box = (round(left), round(top), round(left + cell_width) - 1, round(top + cell_height) - 1)
            draw.rectangle(box, fill=(245, 245, 245) if bit else (10, 10, 10))
    return painted


def read(image: Image.Image) -> int | None:
    """The mark of a picture; None when it carries none, or one that was damaged."""
    width, height = image.size
    if width < COLUMNS or height < COLUMNS:
        return None
    top = int(TOP * height)
    box = (LEFT * width, TOP * height - top, RIGHT * width, BOTTOM * height - top)
    strip = (
        image.crop((0, top, width, height))
        .convert("L")
        .resize((COLUMNS * SAMPLES_PER_CELL, ROWS * SAMPLES_PER_CELL), Image.Resampling.BOX, box=box)
    )
    grey = strip.tobytes()
    stride = COLUMNS * SAMPLES_PER_CELL
    middle = SAMPLES_PER_CELL // 2
    levels = [
        [
            grey[(row * SAMPLES_PER_CELL + middle) * stride + column * SAMPLES_PER_CELL + middle]
            for column in range(COLUMNS)
        ]
        for row in range(ROWS)
    ]
    threshold = _threshold(levels)
    if threshold is None:
        return None
    bits = 0
    for row in range(ROWS):
        cells = [int(level > threshold) for level in levels[row]]
        if tuple(cells[:2]) != START[row] or tuple(cells[-2:]) != STOP[row]:
            return None
        for bit in cells[2:-2]:
            bits = bits << 1 | bit
    bits ^= SCRAMBLE
    mark, check = bits >> CHECK_BITS, bits & (1 << CHECK_BITS) - 1
    return mark if check == _checksum(mark) else None


def above(image: Image.Image) -> Image.Image:
    """The part of a marked picture above its strip."""
    return image.crop((0, 0, image.width, int((TOP - MARGIN) * image.height)))


def _cells(mark: int) -> list[tuple[int, ...]]:
    bits = (mark << CHECK_BITS | _checksum(mark)) ^ SCRAMBLE
    total = ROWS * DATA_COLUMNS
    data = [bits >> total - 1 - index & 1 for index in range(total)]
    return [(*START[row], *data[row * DATA_COLUMNS : (row + 1) * DATA_COLUMNS], *STOP[row]) for row in range(ROWS)]


def _checksum(mark: int) -> int:
    return zlib.crc32(mark.to_bytes(8, "big")) & (1 << CHECK_BITS) - 1


def _threshold(levels: list[list[int]]) -> float | None:
    """The grey between the fixed white and the fixed black cells; None when they do not differ."""
    white: list[int] = []
    black: list[int] = []
    for row in range(ROWS):
        fixed = zip((*levels[row][:2], *levels[row][-2:]), (*START[row], *STOP[row]), strict=True)
        for level, bit in fixed:
            (white if bit else black).append(level)
    if min(white) - max(black) < MINIMUM_CONTRAST:
        return None
    return (sum(white) / len(white) + sum(black) / len(black)) / 2
