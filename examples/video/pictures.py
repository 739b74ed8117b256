"""The work itself, with Pillow: draw a scene, move a camera over it, join the clips."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps, ImageSequence

FRAME_MS = 80
ROOM = 2  # a scene is drawn this much larger than a frame, so that the camera can go in
# Where the Mandelbrot set is worth a visit: x, y, width of the view.
PLACES = (
    (-0.7436, 0.1318, 0.012),
    (-0.1011, 0.9563, 0.03),
    (0.2925, 0.0149, 0.02),
    (-1.7687, 0.0017, 0.012),
    (-0.1592, 1.0317, 0.03),
    (-0.748, 0.1, 0.02),
)

Colour = tuple[int, int, int]
Size = tuple[int, int]


def draw(path: Path, *, words: str, number: int, hue: float, size: Size) -> None:
    """One scene as a PNG: a piece of the Mandelbrot set in a colour, with its words."""
    width, height = size[0] * ROOM, size[1] * ROOM
    x, y, span = PLACES[number % len(PLACES)]
    half = span / 2, span / 2 * height / width
    view = (x - half[0], y - half[1], x + half[0], y + half[1])
    image = ImageOps.colorize(
        ImageOps.autocontrast(Image.effect_mandelbrot((width, height), view, 100)),
        black=_colour(hue, 0.15),
        mid=_colour(hue + 0.08, 0.6),
        white=_colour(hue + 0.16, 1.0),
    )
    font = ImageFont.load_default(size=height // 11)
    place = (width // 2, height * 7 // 10)
    ImageDraw.Draw(image).text(place, words, font=font, anchor="mm", fill="white", stroke_width=3, stroke_fill="black")
    image.save(path, "PNG")


def cut(path: Path, scenes: Sequence[Path], *, frames: int, size: Size, done: Callable[[int], None]) -> None:
    """Scenes as one moving clip; `done` hears of each frame and may raise to end the work."""
    made: list[Image.Image] = []
    for number, scene in enumerate(scenes):
        with Image.open(scene) as image:
            for frame in range(frames):
                made.append(_camera(image, frame / max(1, frames - 1), inwards=number % 2 == 0, size=size))
                done(len(made))
    _save(path, made)


def join(path: Path, clips: Sequence[Path], *, done: Callable[[int], None]) -> int:
    """Clips as one movie; returns how many frames it has."""
    frames = []
    for frame in _frames(clips):
        frames.append(frame)
        done(len(frames))
    _save(path, frames)
    return len(frames)


def length(path: Path) -> int:
    """How many frames a movie has."""
    with Image.open(path) as movie:
        return int(getattr(movie, "n_frames", 1))


def _save(path: Path, frames: Sequence[Image.Image]) -> None:
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0, quality=75)


def _frames(clips: Sequence[Path]) -> Iterator[Image.Image]:
    for clip in clips:
        with Image.open(clip) as opened:
            for frame in ImageSequence.Iterator(opened):
                yield frame.convert("RGB")


def _camera(image: Image.Image, place: float, *, inwards: bool, size: Size) -> Image.Image:
    """The view of a camera that goes from the whole scene to its middle half, or back."""
    part = 1 - 0.5 * (place if inwards else 1 - place)
    width, height = image.width * part, image.height * part
    left, top = (image.width - width) / 2, (image.height - height) * 0.7
    return image.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + width, top + height))


def _colour(hue: float, light: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, 0.7, light)
    return round(red * 255), round(green * 255), round(blue * 255)
