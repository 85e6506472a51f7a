"""The colours of the page are told apart by everybody, and stand out from what is behind them."""

import re
from itertools import combinations

import pytest

from tests.conftest import ROOT

STYLE = (ROOT / "functions" / "dashboard" / "page" / "styles" / "theme.css").read_text(encoding="utf-8")

type Colour = tuple[float, ...]
"""Three parts: linear red, green and blue, or lightness and two axes of hue."""

type Matrix = tuple[Colour, Colour, Colour]

# What people see who lack one kind of cone: Machado, Oliveira and Fernandes (2009), severity 1.0,
# https://www.inf.ufrgs.br/~oliveira/pubs_files/CVD_Simulation/CVD_Simulation.html
SIGHTS: dict[str, Matrix] = {
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

# OKLab, in which distances are about as great as they look: https://bottosson.github.io/posts/oklab/
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
FAR = 0.095
"""About five times what is just seen as another colour."""


def times(matrix: Matrix, colour: Colour) -> Colour:
    return tuple(sum(one * part for one, part in zip(line, colour, strict=True)) for line in matrix)


def linear(code: str) -> Colour:
    """Return a colour's light from its code, ``#0c5dc5``: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = (int(code[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def oklab(light: Colour) -> Colour:
    return times(TO_LAB, tuple(cone ** (1 / 3) for cone in times(TO_CONES, light)))


def seen(code: str, sight: str) -> Colour:
    return oklab(tuple(min(max(part, 0.0), 1.0) for part in times(SIGHTS[sight], linear(code))))


def distance(one: Colour, other: Colour) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    low, high = sorted(
        sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)
    )
    return (high + 0.05) / (low + 0.05)


def appearances() -> dict[str, dict[str, str]]:
    """Return the colours by appearance: light, dark by choice, dark by the system's wish."""
    blocks = re.findall(r":root[^{]*\{([^{}]*)\}", STYLE)
    names = ("light", "dark by choice", "dark by system")
    return {
        name: dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block))
        for name, block in zip(names, blocks, strict=True)
    }


LOOKS = appearances()


def test_dark_is_the_same_by_choice_and_by_the_systems_wish() -> None:
    assert LOOKS["dark by choice"] == LOOKS["dark by system"]
    assert LOOKS["dark by choice"].keys() == LOOKS["light"].keys()


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("look", LOOKS)
def test_every_two_lines_are_told_apart(look: str, sight: str) -> None:
    lines = [LOOKS[look][f"line-{place}"] for place in range(1, 9)]
    nearest = min(combinations(lines, 2), key=lambda pair: distance(*(seen(code, sight) for code in pair)))
    assert distance(*(seen(code, sight) for code in nearest)) > FAR, nearest


@pytest.mark.parametrize("look", LOOKS)
def test_lines_and_marks_stand_out_from_the_surface(look: str) -> None:
    colours = LOOKS[look]
    for name in [*(f"line-{place}" for place in range(1, 9)), "line", "well", "late", "failed", "accent"]:
        assert contrast(colours[name], colours["surface"]) >= 3, name


@pytest.mark.parametrize("look", LOOKS)
def test_texts_are_read_on_all_that_is_behind_them(look: str) -> None:
    colours = LOOKS[look]
    for behind in ("ground", "surface", "raised", "hover", "late-ground", "failed-ground"):
        assert contrast(colours["ink"], colours[behind]) >= 7, behind
    for behind in ("ground", "surface", "raised", "hover"):
        assert contrast(colours["ink-soft"], colours[behind]) >= 4.5, behind
    for name in ("late", "failed"):
        assert contrast(colours[name], colours["surface"]) >= 4.5, name
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
