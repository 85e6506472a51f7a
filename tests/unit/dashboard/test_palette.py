"""The page's colors are distinguishable with any type of color vision, and have enough contrast."""

import re
from itertools import combinations

import pytest

from tests.conftest import ROOT

STYLE = (ROOT / "functions" / "dashboard" / "page" / "styles" / "theme.css").read_text(encoding="utf-8")

type Color = tuple[float, ...]
"""Three components: linear red, green and blue, or OKLab's lightness and two axes."""

type Matrix = tuple[Color, Color, Color]

# Simulated color vision with one type of cone missing: Machado, Oliveira and Fernandes (2009), severity 1.0,
# https://www.inf.ufrgs.br/~oliveira/pubs_files/CVD_Simulation/CVD_Simulation.html
VISIONS: dict[str, Matrix] = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

# OKLab, whose distances match perceived differences: https://bottosson.github.io/posts/oklab/
TO_CONES: Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_LAB: Matrix = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
MIN_DISTANCE = 0.095
"""About five times the just noticeable difference."""


def times(matrix: Matrix, color: Color) -> Color:
    return tuple(sum(one * part for one, part in zip(line, color, strict=True)) for line in matrix)


def linear(code: str) -> Color:
    """Return the linear light of a hex code, ``#0c5dc5``: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = (int(code[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def oklab(light: Color) -> Color:
    return times(TO_LAB, tuple(cone ** (1 / 3) for cone in times(TO_CONES, light)))


def perceived(code: str, vision: str) -> Color:
    return oklab(tuple(min(max(part, 0.0), 1.0) for part in times(VISIONS[vision], linear(code))))


def distance(one: Color, other: Color) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    low, high = sorted(
        sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)
    )
    return (high + 0.05) / (low + 0.05)


def appearances() -> dict[str, dict[str, str]]:
    """Return the colors of light, of dark if selected, and of dark if the system prefers it."""
    blocks = re.findall(r":root[^{]*\{([^{}]*)\}", STYLE)
    names = ("light", "dark if selected", "dark if preferred")
    return {
        name: dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block))
        for name, block in zip(names, blocks, strict=True)
    }


APPEARANCES = appearances()


def test_dark_is_the_same_whether_selected_or_preferred_by_the_system() -> None:
    assert APPEARANCES["dark if selected"] == APPEARANCES["dark if preferred"]
    assert APPEARANCES["dark if selected"].keys() == APPEARANCES["light"].keys()


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("appearance", APPEARANCES)
def test_lines_are_distinguishable(appearance: str, vision: str) -> None:
    lines = [APPEARANCES[appearance][f"line-{place}"] for place in range(1, 9)]
    closest = min(combinations(lines, 2), key=lambda pair: distance(*(perceived(code, vision) for code in pair)))
    assert distance(*(perceived(code, vision) for code in closest)) > MIN_DISTANCE, closest


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_lines_and_marks_contrast_with_the_surface(appearance: str) -> None:
    colors = APPEARANCES[appearance]
    for name in [*(f"line-{place}" for place in range(1, 9)), "line", "well", "late", "failed", "accent"]:
        assert contrast(colors[name], colors["surface"]) >= 3, name


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_texts_contrast_with_their_backgrounds(appearance: str) -> None:
    colors = APPEARANCES[appearance]
    for background in ("ground", "surface", "raised", "hover", "late-ground", "failed-ground"):
        assert contrast(colors["ink"], colors[background]) >= 7, background
    for background in ("ground", "surface", "raised", "hover"):
        assert contrast(colors["ink-soft"], colors[background]) >= 4.5, background
    for name in ("late", "failed"):
        assert contrast(colors[name], colors["surface"]) >= 4.5, name
    assert contrast(colors["on-accent"], colors["accent"]) >= 4.5
