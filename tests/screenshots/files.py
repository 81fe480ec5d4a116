"""Pictures as small files: lossless WebP of a palette. One that shows the same as before is not written again."""

import io
from pathlib import Path

from PIL import Image, ImageChops

COLOURS = 96
SAME = 24
"""By how much of 255 a pixel may differ and be the same: a browser smooths letters, and a palette is a choice."""
DIFFERENT = 0.0005
"""From what share of different pixels on a picture is another one."""


def keep(png: bytes, file: Path) -> bool:
    """Write a picture to a file; return whether that changed it."""
    shown = Image.open(io.BytesIO(png)).convert("RGB")
    if file.exists() and _is_same(shown, Image.open(file).convert("RGB")):
        return False
    palette = shown.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.convert("RGB").save(file, "WEBP", lossless=True, quality=60, method=4)
    return True


def _is_same(one: Image.Image, other: Image.Image) -> bool:
    if one.size != other.size:
        return False
    differs = ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > SAME else 0)
    return differs.histogram()[255] < DIFFERENT * one.width * one.height
