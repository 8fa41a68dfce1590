"""Figures on a dark page: as legible as on a light one, by the rule of the Web's accessibility guidelines."""

from __future__ import annotations

import colorsys
from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from tuner.figures import draw_importances
from tuner.figures.dark_mode import CARD, adapt_to_both, turn_dark
from tuner.figures.drawing import BACKGROUND, GOOD, INK, OTHERS, QUIET, SIGNAL


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG 2.2's contrast of two sRGB colours, 0 to 255."""
    light = []
    for colour in (one, other):
        share = np.asarray(colour) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ (0.2126, 0.7152, 0.0722)))
    return (max(light) + 0.05) / (min(light) + 0.05)


def turn(colour: str) -> np.ndarray:
    return turn_dark(np.rint(255 * np.array([to_rgb(colour)])))[0]


def test_white_becomes_the_card():
    assert to_hex(turn("white") / 255).upper() == CARD


@pytest.mark.parametrize(
    ("colour", "least"), [(INK, 10), (QUIET, 4.5), *((c, 4.5) for c in (SIGNAL, BACKGROUND, GOOD, *OTHERS))]
)
def test_text_and_lines_stand_out_from_the_card(colour, least):
    assert contrast(turn(colour), turn("white")) > least


@pytest.mark.parametrize("colour", [SIGNAL, BACKGROUND, GOOD, *OTHERS])
def test_colours_keep_their_hue(colour):
    before, after = (colorsys.rgb_to_hsv(*c)[0] for c in (to_rgb(colour), turn(colour) / 255))
    assert abs((before - after + 0.5) % 1 - 0.5) < 0.05


def test_greys_are_reversed_in_order():
    greys = np.repeat(np.arange(0, 256, 5), 3).reshape(-1, 3)
    assert (np.diff(turn_dark(greys).astype(int).sum(axis=1)) <= 1).all()


def test_a_figure_keeps_its_pixels_in_both_modes_and_costs_less_than_before():
    png = draw_importances({"lr": 0.7, "depth": 0.3}).png_bytes()
    light, dark = (Image.open(BytesIO(each)) for each in adapt_to_both(png))
    assert light.size == dark.size == Image.open(BytesIO(png)).size
    assert np.array_equal(np.asarray(light), np.asarray(dark))
    before = np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)
    assert np.abs(before - np.asarray(light.convert("RGB"))).mean() < 1
    assert light.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    assert "#{:02X}{:02X}{:02X}".format(*dark.convert("RGB").getpixel((1, 1))) == CARD
    both = adapt_to_both(png)
    assert len(both.light) == len(both.dark) < 0.6 * len(png)


def test_what_is_transparent_lies_on_white():
    picture, buffer = Image.new("RGBA", (4, 4), (0, 0, 0, 0)), BytesIO()
    picture.save(buffer, format="png")
    light = Image.open(BytesIO(adapt_to_both(buffer.getvalue()).light)).convert("RGB")
    assert light.getpixel((0, 0)) == (255, 255, 255)
