"""The options of pictures: how they are read, cut and drawn."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from lime_cli.errors import InputError, SettingsError
from lime_cli.modality import MODALITIES, Modality
from lime_cli.options.inputs import folder_options
from lime_cli.options.types import CommaList, option_group


def _image(
    inputs: tuple[str, ...],
    segmenter: str,
    segments: int | None,
    fill: str,
    preprocess: str | None,
    size: str | None,
    resize: str | None,
    scale: float | None,
    mean: tuple[str, ...],
    std: tuple[str, ...],
    channels: str | None,
    max_pixels: int,
    pixel_range: tuple[str, ...],
    invert: bool,
    show: tuple[str, ...],
    segment_seed: int,
    recursive: bool,
    glob: str | None,
) -> Modality:
    if not inputs:
        raise SettingsError("there is no input", "name picture files")
    pictures: Modality = MODALITIES["image"](
        inputs=inputs if inputs != ("-",) else _listed(),
        segmenter=segmenter,
        n_segments=segments,
        fill=fill,
        preprocess=preprocess,
        size=_size(size),
        resize=resize,
        scale=scale,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
        channels=channels,
        seed=segment_seed,
        max_pixels=max_pixels,
        pixel_range=_range(pixel_range),
        invert=invert,
        show=_places(show),
        recursive=recursive,
        glob=glob,
    )
    return pictures


def _listed() -> tuple[str, ...]:
    """Read paths from standard input: one a line, or lines of JSON that have a ``path``."""
    data = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    found = tuple(_path_of(line, n) for n, line in enumerate(data.splitlines(), 1) if line.strip())
    if not found:
        raise InputError("standard input: names no pictures", "write a path a line")
    return found


def _path_of(line: str, number: int) -> str:
    if not line.lstrip().startswith("{"):
        return line
    try:
        return str(json.loads(line)["path"])
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
        raise SettingsError(f"--pixel-range: {','.join(words)} is not possible", "give LOW,HIGH")
    return None if found is None else (found[0], found[1])


def _places(words: tuple[str, ...]) -> tuple[int, ...]:
    if not all(word.isdecimal() for word in words):
        said = f"--show: {','.join(words)} is not possible"
        raise SettingsError(said, "give 1 or 3 channels, counted from 0")
    return tuple(map(int, words))


class Segmenter(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """The name of a segmenter, or a label map's path."""

    name = "slic|quickshift|quickshift:lime|felzenszwalb|grid|FILE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Pass on; fail for what is neither."""
        named = value in ("slic", "quickshift", "quickshift:lime", "felzenszwalb", "grid")
        if named or value.lower().endswith((".png", ".npy")):
            return value
        return self.fail(f"{value!r} is neither a segmenter nor a PNG or NPY file", param, ctx)


def _size(words: str | None) -> tuple[int, int] | None:
    """Read ``224`` or ``HEIGHTxWIDTH``."""
    if words is None:
        return None
    parts = words.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SettingsError(f"--size: {words!r} is not possible", "give 224 or HEIGHTxWIDTH")
    return int(parts[0]), int(parts[-1])


image_options = option_group(
    "modality",
    _image,
    click.argument("inputs", nargs=-1, metavar="INPUT..."),
    click.option(
        "--segmenter",
        type=Segmenter(),
        metavar=Segmenter.name,
        default="slic",
        show_default=True,
        help="How the picture is cut into superpixels, or a label map of its own size.",
    ),
    click.option("--segments", type=click.IntRange(1), help="About how many; 50 without."),
    click.option(
        "--fill",
        default="auto",
        show_default=True,
        metavar="auto|mean|black|blur|noise|inpaint|#RRGGBB",
        help="What becomes of a superpixel that goes; auto: its mean, unless that changes nothing.",
    ),
    click.option("--preprocess", metavar="PRESET", help="imagenet, unit, signed, raw or caffe."),
    click.option(
        "--size",
        metavar="N|HxW",
        help="Size of the model's input; read from the model where it says.",
    ),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "crop", "pad"]),
        help="How a picture is made to fit.",
    ),
    click.option("--scale", type=float, help="Factor for pixel values of 0-255."),
    click.option(
        "--mean", type=CommaList(), default=(), help="Subtracted from each channel after scaling."
    ),
    click.option("--std", type=CommaList(), default=(), help="Each channel is divided by it."),
    click.option(
        "--channels", metavar="RGB|BGR|L|N", help="What the model's channels are, or how many."
    ),
    click.option(
        "--max-pixels",
        type=int,
        default=50_000_000,
        show_default=True,
        help="Refuse larger pictures.",
    ),
    click.option(
        "--pixel-range",
        type=CommaList(),
        default=(),
        metavar="LOW,HIGH",
        help="Numbers that are black and white in NPY, 16 bit and float files.",
    ),
    click.option(
        "--invert", is_flag=True, help="Swap black and white: black ink for a model of white ink."
    ),
    click.option(
        "--show",
        type=CommaList(),
        default=(),
        metavar="R,G,B",
        help="Channels, from 0, drawn in colour where there are many.",
    ),
    click.option("--segment-seed", type=int, default=0, hidden=True),
    *folder_options,
)


save_segments_option = click.option(
    "--save-segments",
    metavar="FILE",
    help="Write the label map, PNG of 16 bits or NPY, at the picture's own size.",
)


layout_option = click.option(
    "--layout", type=click.Choice(["NCHW", "NHWC"]), help="Where the model's channels are."
)


def _drawing(style: str, top: int | None, sign: str, weight_scale: float | None) -> dict[str, Any]:
    return {"style": style, "top": top, "sign": sign, "scale": weight_scale}


drawing_options = option_group(
    "drawing",
    _drawing,
    click.option(
        "--style",
        type=click.Choice(["outline", "heat", "hide", "panel"]),
        default="outline",
        show_default=True,
        help="Of the overlay.",
    ),
    click.option("--top", type=click.IntRange(1), help="Draw this many superpixels, at most."),
    click.option(
        "--positive", "sign", flag_value="positive", help="Draw what speaks for the target."
    ),
    click.option("--negative", "sign", flag_value="negative", help="Draw what speaks against it."),
    click.option("--both", "sign", flag_value="both", default="both", help="Draw both (default)."),
    click.option(
        "--weight-scale",
        type=float,
        metavar="X",
        help="Weight drawn at full strength, to compare pictures.",
    ),
)
