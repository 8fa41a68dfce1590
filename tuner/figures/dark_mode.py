"""A figure for a light page and for a dark one: drawn once, the same pixels with another palette."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple
from zlib import crc32

import numpy as np
from PIL import Image

CARD = "#1A1E22"
"""What white becomes."""
INK_BEFORE, INK_AFTER = 0.265, 0.89
"""Lightness (OKLab) of the figures' text, on the light and on the dark card."""
LIGHTEST = 0.95
"""Lightness (OKLab) of what was black."""
COLOURED = 0.12
"""Chroma (OKLab) from which a colour counts as one, and is kept bright: Okabe and Ito's begin there."""
NEARLY_WHITE = 249
"""What the choice of few colours may have made of white."""
BRIGHT = 0.70
"""Lightness (OKLab) of colours, on average: three times as much light as the card and more."""

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


class BothModes(NamedTuple):
    """A picture as PNG, for a light and for a dark page."""

    light: bytes
    dark: bytes


def adapt_to_both(png: bytes) -> BothModes:
    """Return a picture on white in at most 256 colours, and its counterpart on the card of a dark page.

    Both share their pixels, so the second costs nothing; a figure's lines and letters lose nothing by so few colours.
    """
    with Image.open(BytesIO(png)) as picture:
        opaque = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    few = opaque.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    colours = np.array(few.getpalette(), dtype=np.uint8).reshape(-1, 3)
    colours[colours.min(axis=1) >= NEARLY_WHITE] = 255
    few.putpalette(colours.tobytes())
    buffer = BytesIO()
    few.save(buffer, format="png")
    light = buffer.getvalue()
    return BothModes(light, _replace_palette(light))


def _replace_palette(png: bytes) -> bytes:
    """Return a picture with the colours of its palette turned dark (RFC 2083, sections 3.2 and 11.2.3)."""
    begin = png.index(b"PLTE")
    end = begin + 4 + int.from_bytes(png[begin - 4 : begin], "big")
    colours = np.frombuffer(png[begin + 4 : end], dtype=np.uint8).reshape(-1, 3)
    chunk = b"PLTE" + turn_dark(colours).tobytes()
    return png[:begin] + chunk + crc32(chunk).to_bytes(4, "big") + png[end + 4 :]


def turn_dark(colours: np.ndarray) -> np.ndarray:
    """Return the counterparts [n, 3] on a dark page of colours [n, 3], 0 to 255: hue kept, lightness reversed.

    In OKLab (B. Ottosson, https://bottosson.github.io/posts/oklab). Greys go from black to white as on the light page
    from white to black; colours stay bright, so that a light yellow line does not sink into the dark.
    """
    lab = _to_lab(colours)
    card = _to_lab(np.array([[int(CARD[place : place + 2], 16) for place in (1, 3, 5)]]))[0]
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    slope = (INK_AFTER - card[0]) / (1 - INK_BEFORE)
    reversed_ = np.minimum(card[0] + slope * (1 - lightness), LIGHTEST)
    coloured = np.minimum(chroma / COLOURED, 1)
    bright = BRIGHT + 0.2 * (reversed_ - 0.5)
    tint = card[1:] * (lightness * (1 - coloured))[:, None]
    turned = np.column_stack([(1 - coloured) * reversed_ + coloured * bright, lab[:, 1:] + tint])
    return _from_lab(turned)


def _to_lab(colours: np.ndarray) -> np.ndarray:
    """Return sRGB [n, 3], 0 to 255, in OKLab."""
    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab: np.ndarray = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def _from_lab(lab: np.ndarray) -> np.ndarray:
    """Return OKLab [n, 3] in sRGB, 0 to 255; what a screen cannot show is cut off."""
    linear = np.clip((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: np.ndarray = np.rint(255 * encoded).astype(np.uint8)
    return colours
