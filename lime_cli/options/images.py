"""The options of images: how they are read and cut."""

from __future__ import annotations

import sys

import click

from lime_cli import clock
from lime_cli.errors import InputError, SettingsError
from lime_cli.files import SMALL, from_json
from lime_cli.modality import Modality
from lime_cli.options.groups import Options, argument, flag, group, listed, option
from lime_cli.options.inputs import FolderOptions
from lime_cli.options.kinds import require
from lime_cli.options.types import Segmenter
from lime_cli.registry import AUTO_FILL, FILLS, MODALITIES, RESIZES


class ImageOptions(Options, heading="Input"):
    """Images that are explained, as typed."""

    inputs: tuple[str, ...] = argument("INPUT...", nargs=-1)
    segmenter: str = option(
        "--segmenter",
        "How the image is cut into superpixels, or a label map of the image's size.",
        type=Segmenter(),
        default="slic",
        metavar=Segmenter.name,
        common=True,
    )
    segments: int | None = option(
        "--segments",
        "Approximate number of superpixels; 50 by default.",
        type=click.IntRange(1),
        metavar="N",
        common=True,
    )
    fill: str = option(
        "--fill",
        "What replaces a masked superpixel; auto: its mean, unless that changes hardly anything.",
        default=AUTO_FILL,
        metavar="|".join((AUTO_FILL, *FILLS, "#RRGGBB")),
        common=True,
    )
    preprocess: str | None = option(
        "--preprocess",
        "How pixels become numbers: imagenet, unit, signed, raw or caffe.",
        metavar="PRESET",
        common=True,
    )
    size: str | None = option(
        "--size",
        "Size of the model's input; by default the model's own.",
        metavar="N|HxW",
        common=True,
    )
    resize: str | None = option(
        "--resize", "How an image is fitted to the model's input.", choices=RESIZES
    )
    scale: float | None = option(
        "--scale", "Factor for pixel values of 0-255.", type=float, metavar="X"
    )
    mean: tuple[str, ...] = listed("--mean", "Mean of each channel, subtracted after scaling.")
    std: tuple[str, ...] = listed("--std", "Standard deviation that each channel is divided by.")
    channels: str | None = option(
        "--channels", "Order or number of the model's channels.", metavar="RGB|BGR|L|N"
    )
    max_pixels: int = option(
        "--max-pixels", "Largest number of pixels of an image.", default=50000000, metavar="N"
    )
    pixel_range: tuple[str, ...] = listed(
        "--pixel-range",
        "Values of black and white in NPY, 16-bit and float files.",
        metavar="LOW,HIGH",
    )
    invert: bool = flag(
        "--invert", "Swap black and white: black ink for a model of white ink, or the reverse."
    )
    show: tuple[str, ...] = listed(
        "--show", "Channels, from 0, to draw as red, green and blue.", metavar="R,G,B"
    )
    segment_seed: int = option("--segment-seed", "Seed of the noise fill.", default=0, hidden=True)
    folders: FolderOptions = group(FolderOptions)

    def modality(self) -> Modality:
        if not self.inputs:
            raise SettingsError("there is no input", "name image files")
        require("image", self.inputs)
        images: Modality = MODALITIES["image"](
            inputs=self.inputs if self.inputs != ("-",) else _listed(),
            segmenter=self.segmenter,
            n_segments=self.segments,
            fill=self.fill,
            preprocess=self.preprocess,
            size=_size(self.size),
            resize=self.resize,
            scale=self.scale,
            mean=_numbers("--mean", self.mean),
            std=_numbers("--std", self.std),
            channels=self.channels,
            seed=self.segment_seed,
            max_pixels=self.max_pixels,
            pixel_range=_range(self.pixel_range),
            invert=self.invert,
            show=_places(self.show),
            recursive=self.folders.recursive,
            glob=self.folders.glob,
        )
        return images


def _listed() -> tuple[str, ...]:
    """Read paths from standard input: one a line, or lines of JSON that have a ``path``."""
    clock.read_once()
    content = sys.stdin.buffer.read(SMALL + 1)
    if len(content) > SMALL:
        raise InputError(f"standard input: has more than {SMALL:,} bytes", "name a folder")
    data = content.decode("utf-8", "surrogateescape")
    found = tuple(_path_of(line, n) for n, line in enumerate(data.splitlines(), 1) if line.strip())
    if not found:
        raise InputError("standard input: names no images", "write a path a line")
    return found


def _path_of(line: str, number: int) -> str:
    if not line.lstrip().startswith("{"):
        return line
    try:
        return str(from_json(line)["path"])
    except (ValueError, KeyError):
        raise InputError(
            f"standard input: line {number} has no path", 'write {"path": "cat.jpg"}'
        ) from None


def _numbers(option: str, words: tuple[str, ...]) -> tuple[float, ...] | None:
    try:
        return tuple(map(float, words)) or None
    except ValueError:
        raise SettingsError(f"{option}: {','.join(words)} is not a list of numbers") from None


def _range(words: tuple[str, ...]) -> tuple[float, float] | None:
    """Read ``LOW,HIGH``."""
    found = _numbers("--pixel-range", words)
    if found is not None and len(found) != 2:
        raise SettingsError(f"--pixel-range: {','.join(words)} is not valid", "give LOW,HIGH")
    return None if found is None else (found[0], found[1])


def _places(words: tuple[str, ...]) -> tuple[int, ...]:
    if not all(word.isdecimal() for word in words):
        said = f"--show: {','.join(words)} is not valid"
        raise SettingsError(said, "give 1 or 3 channels, counted from 0")
    return tuple(map(int, words))


def _size(words: str | None) -> tuple[int, int] | None:
    """Read ``224`` or ``HEIGHTxWIDTH``."""
    if words is None:
        return None
    parts = words.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SettingsError(f"--size: {words!r} is not valid", "give 224 or HEIGHTxWIDTH")
    return int(parts[0]), int(parts[-1])
