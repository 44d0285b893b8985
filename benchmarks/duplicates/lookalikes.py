"""Families of pictures that resemble one another and are none of them duplicates. Seeded."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SYLLABLES = ("ka", "lo", "mi", "tu", "ren", "sal", "vo", "dir", "ne", "pa", "shi", "gra", "ton", "el", "fi")
_PAPER = (250, 249, 246)
Draw = Callable[[random.Random], Image.Image]


def page(chance: random.Random) -> Image.Image:
    """A page of print; all have the same layout."""
    image = Image.new("RGB", (850, 1100), _PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(17)
    for line in range(42):
        ends_early = line % 7 == 6
        words = _words(chance, chance.randint(3, 8) if ends_early else 14)
        draw.text((80, 80 + 22 * line), words[: 30 if ends_early else 78], (20, 20, 20), font)
    return image


def slide(chance: random.Random) -> Image.Image:
    """A slide: a title and three lines on a coloured ground."""
    image = Image.new("RGB", (960, 540), (24, 60, 110))
    draw = ImageDraw.Draw(image)
    draw.text((60, 50), _words(chance, 4), (255, 255, 255), ImageFont.load_default(44))
    for line in range(chance.randint(2, 4)):
        draw.text((80, 180 + 80 * line), _words(chance, 6), (220, 230, 240), ImageFont.load_default(28))
    return image


def chart(chance: random.Random) -> Image.Image:
    """A bar chart of eight figures."""
    image = Image.new("RGB", (640, 480), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.line([(60, 30), (60, 430), (610, 430)], (0, 0, 0), 2)
    for bar in range(8):
        left, height = 80 + 65 * bar, chance.randint(30, 380)
        draw.rectangle((left, 430 - height, left + 45, 430), (50, 110, 190))
    return image


def form(chance: random.Random) -> Image.Image:
    """A filled form: the same print, with other names and figures."""
    image = Image.new("RGB", (850, 1100), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((80, 60), "INVOICE", (20, 20, 20), ImageFont.load_default(40))
    for row in range(12):
        top = 170 + 65 * row
        draw.rectangle((80, top, 770, top + 45), outline=(120, 120, 120))
        draw.text((90, top + 12), f"Field {row + 1}", (60, 60, 60), ImageFont.load_default(18))
        draw.text((300, top + 12), f"{_words(chance, 2)} {chance.randint(10, 9999)}", (10, 10, 90))
    return image


def empty_page(chance: random.Random) -> Image.Image:
    """An empty page with its number."""
    image = Image.new("RGB", (850, 1100), _PAPER)
    number = str(chance.randint(1, 999))
    ImageDraw.Draw(image).text((410, 1040), number, (40, 40, 40), ImageFont.load_default(20))
    return image


def black_frame(chance: random.Random) -> Image.Image:
    """A black frame with the noise of a camera, and a logo in every second one."""
    noise = np.random.default_rng(chance.randrange(1 << 30)).integers(0, 14, (360, 640, 3), np.uint8)
    image = Image.fromarray(noise)
    if chance.random() < 0.5:
        ImageDraw.Draw(image).text((20, 16), "TV", (200, 200, 200), ImageFont.load_default(14))
    return image


def plain_colour(chance: random.Random) -> Image.Image:
    """One colour, with the noise of saving it."""
    colour = np.array([chance.randint(0, 255) for _ in range(3)])
    noise = np.random.default_rng(chance.randrange(1 << 30)).integers(-3, 4, (300, 400, 3))
    return Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8))


def sky(chance: random.Random) -> Image.Image:
    """A smooth run of two colours."""
    top, bottom = (np.array([chance.randint(0, 255) for _ in range(3)], np.float64) for _ in range(2))
    ramp = np.linspace(0, 1, 400)[:, None, None]
    rows = np.broadcast_to(top * (1 - ramp) + bottom * ramp, (400, 600, 3))
    return Image.fromarray(rows.astype(np.uint8))


def _words(chance: random.Random, count: int) -> str:
    return " ".join("".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(count))


FAMILIES: dict[str, Draw] = {
    "pages of print": page,
    "slides": slide,
    "bar charts": chart,
    "filled forms": form,
    "empty pages": empty_page,
    "black frames": black_frame,
    "plain colours": plain_colour,
    "runs of colour": sky,
}


def family(name: str, count: int) -> list[Image.Image]:
    """So many different pictures of one family."""
    return [FAMILIES[name](random.Random(f"{name} {index}")) for index in range(count)]
