"""Draw scenes that hold one known object on a texture, as images to learn from."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

Pixels = NDArray[np.uint8]

SIDE = 96
SCENE_SIDE = 256
SEED = 20240
OPAQUE = 127
SHOWN, HIDDEN = 0.45, 0.2  # visible share of an object that still names it, or no longer does

# Where each object stands in its scikit-image image: left, top, right, bottom.
OBJECTS = {
    "astronaut": ("astronaut", (100, 5, 315, 300)),
    "cat": ("chelsea", (40, 0, 370, 300)),
    "cup": ("coffee", (75, 8, 485, 392)),
    "rocket": ("rocket", (262, 105, 382, 425)),
}
# Parts of the same images that are not the object, so that an ellipse alone tells nothing.
DECOYS = [
    ("astronaut", (340, 300, 512, 512)),
    ("astronaut", (30, 300, 250, 512)),
    ("astronaut", (0, 0, 90, 200)),
    ("chelsea", (370, 60, 451, 230)),
    ("coffee", (490, 60, 600, 330)),
    ("coffee", (0, 230, 110, 400)),
    ("rocket", (30, 0, 250, 110)),
    ("rocket", (0, 0, 90, 300)),
    ("rocket", (130, 330, 260, 427)),
]
TEXTURES = ("grass", "gravel", "brick")
CLASSES = ["nothing", *OBJECTS]


class SceneObject(NamedTuple):
    """Say which object a scene holds and in which box of pixels."""

    label: str
    left: int
    top: int
    right: int
    bottom: int


SCENE_OBJECT = SceneObject("cat", 128, 112, 238, 212)


@cache
def image(name: str) -> Image.Image:
    """Read one image that the scikit-image package carries."""
    from skimage import data

    return Image.fromarray(getattr(data, name)())


@cache
def cutout(name: str, box: tuple[int, int, int, int]) -> Image.Image:
    """Cut a feathered ellipse out of an image, as RGBA."""
    part = image(name).convert("RGB").crop(box)
    part.thumbnail((220, 220))
    mask = Image.new("L", part.size, 0)
    width, height = part.size
    ImageDraw.Draw(mask).ellipse((6, 6, width - 7, height - 7), fill=255)
    part.putalpha(mask.filter(ImageFilter.GaussianBlur(4)))
    return part


def smooth_noise(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Draw grey noise whose grain size is drawn too, values 0 to 1."""
    grain = int(rng.integers(2, side))
    coarse = Image.fromarray(rng.integers(0, 256, (grain, grain), dtype=np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) / 255.0


def background(rng: np.random.Generator, side: int, kind: str = "") -> Image.Image:
    """Draw a texture or noise between two colours, those drawn at random."""
    kind = kind or str(rng.choice([*TEXTURES, "noise"]))
    if kind == "noise":
        tone = smooth_noise(rng, side)
    else:
        span = int(rng.integers(160, 513))
        left, top = (int(rng.integers(0, 513 - span)) for _ in range(2))
        box = (left, top, left + span, top + span)
        grey = image(kind).resize((side, side), Image.Resampling.BILINEAR, box=box)
        tone = np.asarray(grey) / 255.0
    return tint(tone, rng.uniform(0, 255, 3), rng.uniform(0, 255, 3))


def tint(tone: NDArray[np.float64], dark: Any, light: Any) -> Image.Image:
    """Colour a grey image by blending from one colour to another."""
    blend = np.asarray(dark) + tone[:, :, None] * (np.asarray(light) - np.asarray(dark))
    return Image.fromarray(blend.astype(np.uint8))


def paste(rng: np.random.Generator, scene: Image.Image, part: Image.Image) -> Pixels:
    """Paste a cutout at a random place and size and return where it covers the scene."""
    side = scene.width
    scale = rng.uniform(0.3, 0.7) * side / max(part.size)
    stretch = rng.uniform(0.8, 1.25) ** 0.5
    size = (int(part.width * scale * stretch) + 4, int(part.height * scale / stretch) + 4)
    part = part.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    alpha = part.getchannel("A")
    part = ImageEnhance.Brightness(part.convert("RGB")).enhance(rng.uniform(0.7, 1.3))
    part.putalpha(alpha)
    part = part.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR, expand=True)
    left, top = (int(rng.integers(0, max(1, side - length))) for length in part.size)
    scene.paste(part, (left, top), part)
    cover = Image.new("L", scene.size, 0)
    cover.paste(part.getchannel("A"), (left, top))
    return np.asarray(cover)


def cells(rng: np.random.Generator, side: int) -> NDArray[np.intp]:
    """Split a square into wavy patches, much like superpixels, numbered from 0."""
    count = int(rng.integers(2, 10))
    grid = np.mgrid[0:side, 0:side] / side * count + rng.uniform(0, 1, (2, 1, 1))
    grid += np.stack([smooth_noise(rng, side) for _ in range(2)]) * rng.uniform(0, 1.5)
    row, column = grid.astype(np.intp)
    label: NDArray[np.intp] = row * (count + 4) + column
    return label


def occlude(rng: np.random.Generator, pixels: Pixels) -> NDArray[np.bool_]:
    """Blot out random patches of a scene in place and return which pixels are gone."""
    label = cells(rng, pixels.shape[0])
    gone: NDArray[np.bool_] = (rng.random(label.max() + 1) < rng.uniform(0, 0.95))[label]
    count = np.maximum(np.bincount(label.ravel()), 1)
    if rng.random() < 0.5:
        fill = rng.choice([np.zeros(3), pixels.mean(axis=(0, 1)), rng.uniform(0, 255, 3)])
        pixels[gone] = fill.astype(np.uint8)
        return gone
    for channel in range(3):
        means = np.bincount(label.ravel(), pixels[:, :, channel].ravel()) / count
        pixels[:, :, channel][gone] = means[label][gone].astype(np.uint8)
    return gone


def draw(rng: np.random.Generator, blotted: float) -> tuple[Pixels, int]:
    """Draw one scene and its class number, the given share of them with patches blotted out."""
    scene = background(rng, SIDE)
    number = int(rng.integers(0, len(CLASSES)))
    for _ in range(int(rng.integers(0, 3))):
        decoy = cutout(*DECOYS[int(rng.integers(0, len(DECOYS)))])
        if rng.random() < 0.3:
            noise = background(rng, 128)
            noise.putalpha(cutout(*OBJECTS["cat"]).getchannel("A").resize((128, 128)))
            decoy = noise
        paste(rng, scene, decoy)
    cover = paste(rng, scene, cutout(*OBJECTS[CLASSES[number]])) > OPAQUE if number else None
    pixels = np.array(scene)
    if rng.random() < blotted:
        gone = occlude(rng, pixels)
        if cover is not None:
            seen = 1 - gone[cover].mean()
            if HIDDEN < seen < SHOWN:
                return draw(rng, blotted)
            number = number if seen >= SHOWN else 0
    return pixels, number


def draw_many(seed: int, count: int, blotted: float) -> tuple[Pixels, NDArray[np.int64]]:
    """Draw scenes as [count, 3, 96, 96] bytes and their class numbers."""
    rng = np.random.default_rng(seed)
    drawn = [draw(rng, blotted) for _ in range(count)]
    pixels = np.stack([scene for scene, _ in drawn]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels), np.array([number for _, number in drawn])


def write_scene(path: Path) -> Path:
    """Draw the sample scene: the object of SCENE_OBJECT on a lawn."""
    rng = np.random.default_rng(SEED)
    grey = image("grass").resize((SCENE_SIDE, SCENE_SIDE), box=(40, 60, 360, 380))
    scene = tint(np.asarray(grey) / 255.0, (20, 50, 15), (150, 200, 90))
    label, left, top, right, bottom = SCENE_OBJECT
    part = cutout(*OBJECTS[label]).resize((right - left, bottom - top))
    scene.paste(part, (left, top), part)
    grain = Image.fromarray(rng.integers(0, 6, (SCENE_SIDE, SCENE_SIDE, 3), dtype=np.uint8))
    ImageChops.add(scene, grain).save(path, optimize=True)
    return path
