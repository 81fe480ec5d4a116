"""The colours of both themes can be told apart, as WCAG 2.2 AA computes it."""

import re

import pytest

from app.web.dashboard import static

COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)", (static.FILES / "dashboard.css").read_text()
    )
}
TEXT, SHAPE = 4.5, 3.0
PAPERS = ("paper", "raised", "bad-paper", "warn-paper", "good-paper")
PAIRS = [(ink, paper, TEXT) for ink in ("ink", "quiet", "link", "bad") for paper in PAPERS]
PAIRS += [("on-accent", "accent", TEXT), ("warn", "warn-paper", SHAPE), ("good", "good-paper", SHAPE)]
PAIRS += [(edge, paper, SHAPE) for edge in ("edge", "accent", "good") for paper in ("paper", "raised")]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper", "least"), PAIRS)
def test_a_colour_stands_out_from_its_ground(ink: str, paper: str, least: float, theme: int) -> None:
    lights = sorted(luminance(COLOURS[name][theme]) for name in (ink, paper))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= least


def test_every_colour_is_one_of_the_scale() -> None:
    rules = (static.FILES / "dashboard.css").read_text().partition('[data-theme="light"]')[2]
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", rules)) == set()
