"""Images: the components are superpixels, that stay or are filled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.digests import digest_of
from lime_cli.engine.instance import (
    Caveat,
    Component,
    IntArray,
    Picture,
    Subject,
)
from lime_cli.errors import ModelError, SettingsError
from lime_cli.modalities import Source
from lime_cli.modalities.fills import filled, is_fill
from lime_cli.modalities.listing import Listing
from lime_cli.modalities.pixels import MAX_PIXELS, Photo, Preprocessing, preset, read_picture
from lime_cli.modalities.segments import (
    SEGMENTERS,
    places,
    quickshift_like_lime,
    segment,
    segment_view,
)
from lime_cli.modalities.superpixels import ImageInstance
from lime_cli.modalities.view import Pixels, View
from lime_cli.models import ModelInput

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""What pictures in a folder are told by."""
ASSUMED = Caveat(
    "preprocessing_assumed",
    "how pixels become numbers is not said, so 0..1 in RGB is assumed; --preprocess changes it",
)


@dataclass(frozen=True)
class ImageModality:
    """Read pictures and cut them into superpixels; None leaves a choice to model or preset."""

    inputs: tuple[str, ...]
    """Files, and folders of which every picture is taken."""
    segmenter: str = "slic"
    n_segments: int | None = None
    """A wish; None wishes for 50, of quickshift for LIME's own parameters."""
    fill: str = "mean"
    """Of superpixels that are gone: ``mean``, ``black``, ``blur``, ``noise`` or ``#RRGGBB``."""
    preprocess: str | None = None
    """Name of a preset; the options from ``resize`` to ``channels`` override it."""
    size: tuple[int, int] | None = None
    """(height, width) of the model's input; None takes every picture at its own size."""
    resize: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str | None = None
    seed: int = 0
    """Of the noise fill and of quickshift."""
    max_pixels: int = MAX_PIXELS
    layout: str = "NHWC"
    """How inputs lie in memory, ``NHWC`` or ``NCHW``; their shape is (n, h, w, c) either way."""
    recursive: bool = False
    glob: str | None = None
    """Pattern of the names taken from folders."""
    assumed: bool = False
    """Whether neither the user nor the model said how pixels become numbers."""

    default_samples = 256
    max_samples = 2_048
    slice_size = 1

    def __post_init__(self) -> None:
        """Raise SettingsError for a value that makes no sense."""
        known = self.segmenter in (*SEGMENTERS, "lime")
        _check(known, "--segmenter", self.segmenter, ", ".join(SEGMENTERS))
        n = self.n_segments
        _check(n is None or n >= 1, "--segments", n, "a whole number, at least 1")
        _check(is_fill(self.fill), "--fill", self.fill, "mean, black, blur, noise or #RRGGBB")
        _check(self.max_pixels >= 1, "--max-pixels", self.max_pixels, "1 or more")
        _check(min(self.size or (1,)) >= 1, "--size", _by(self.size), "HEIGHTxWIDTH, 1x1 or more")
        _check(self.layout in ("NHWC", "NCHW"), "--layout", self.layout, "NHWC or NCHW")
        _ = self.preprocessing

    @property
    def preprocessing(self) -> Preprocessing:
        """What becomes of pixels: the preset with the options that override it."""
        base = preset(self.preprocess or "unit", self.size)
        return Preprocessing(
            size=self.size,
            resize=self.resize or base.resize,
            resize_to=base.resize_to,
            scale=base.scale if self.scale is None else self.scale,
            mean=self.mean or base.mean,
            std=self.std or base.std,
            channels=self.channels or base.channels,
        )

    def sources(self) -> Iterator[Source]:
        """List the pictures asked for, a folder's by the bytes of their names."""
        yield from self._listing().sources(self.inputs)

    def strays(self) -> int:
        """Count the files of folders that are no pictures by their names."""
        return self._listing().n_strays(self.inputs)

    def _listing(self) -> Listing:
        return Listing(self.recursive, self.glob, SUFFIXES, "pictures")

    def stamp(self) -> tuple[int, ...]:
        """Return nothing: inputs share no file."""
        return ()

    def fitted(self, model_input: ModelInput) -> ImageModality:
        """Return a copy with the model's size, channels, layout and preset."""
        model_input.require("picture")
        size, n_channels = model_input.size, model_input.channels
        if size and self.size and size != self.size:
            said = f"--size {_by(self.size)}: the model takes pictures of {_by(size)}"
            raise SettingsError(said, "leave it out")
        if n_channels not in (None, 1, 3):
            said = f"the model takes pictures of {n_channels} channels"
            raise ModelError(said, "give a model of 1 or 3 channels")
        ways = (self.preprocess, model_input.preprocess, self.scale, self.mean, self.std)
        fitted = replace(
            self,
            size=self.size or size,
            channels=self.channels or ("L" if n_channels == 1 else None),
            layout=model_input.layout or self.layout,
            preprocess=self.preprocess or model_input.preprocess,
            assumed=all(way is None for way in ways),
        )
        channels = fitted.preprocessing.channels
        if n_channels not in (None, len(channels)):
            said = f"--channels {channels}: the model takes {n_channels} channels"
            raise SettingsError(said, "give L for 1 channel, RGB or BGR for 3")
        return fitted

    def read(self, source: Source) -> ImageInstance:
        """Read and segment one picture; raise InputError when it cannot be used."""
        photo = read_picture(Path(source.path), self.max_pixels)
        preprocessing = self.preprocessing
        view = preprocessing.view(photo.pixels.shape[:2])
        labels, on_grid = self._segmented(photo.pixels, view)
        raw = preprocessing.in_channels(view.grid(photo.pixels))
        gone = filled(raw, on_grid, self.fill, preprocessing, self.seed)
        components = tuple(
            Component(f"superpixel {place.segment}", None, place) for place in places(labels, view)
        )
        return ImageInstance(
            subject=self._subject(source, photo, view, labels),
            components=components,
            caveats=photo.caveats + ((ASSUMED,) if self.assumed else ()),
            pool=self._pool(photo),
            picture=self._in_memory(preprocessing.numbers(raw)),
            gone=self._in_memory(preprocessing.numbers(gone)),
            labels=on_grid,
            layout=self.layout,
        )

    def _segmented(self, pixels: Pixels, view: View) -> tuple[IntArray, IntArray]:
        if self.segmenter != "lime":
            return segment_view(pixels, view, self._cut)
        seen = view.seen(pixels, (view.y.n_inner, view.x.n_inner))
        if self.preprocessing.channels == "L":
            seen = np.repeat(self.preprocessing.in_channels(seen), 3, axis=2)
        labels = quickshift_like_lime(seen)
        return labels, view.labels_on_grid(labels)

    def _cut(self, pixels: Pixels) -> IntArray:
        return segment(pixels, self.segmenter, self.n_segments, self.seed)

    def _subject(self, source: Source, photo: Photo, view: View, labels: IntArray) -> Subject:
        height, width = photo.pixels.shape[:2]
        facts: dict[str, Any] = {
            "width": width,
            "height": height,
            "segments": int(labels.max()) + 1,
            "segmenter": self.segmenter,
            "fill": self.fill,
            "input": {**asdict(self.preprocessing), "size": [view.y.grid, view.x.grid]},
        }
        picture = Picture(photo.pixels, view.labels_on_picture(labels))
        name = Path(source.path).name
        return Subject(source.id, "image", name, photo.digest, facts, picture)

    def _pool(self, photo: Photo) -> str:
        """Name what the model is asked: the pixels as read, and all options that change them."""
        ways = [self.segmenter, self.n_segments, self.fill, self.seed, asdict(self.preprocessing)]
        said = json.dumps([photo.pixels.shape, ways]).encode()
        return f"image:{digest_of(said + photo.pixels.tobytes())}"

    def _in_memory(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray(grid.transpose(2, 0, 1)) if self.layout == "NCHW" else grid


def _check(good: bool, option: str, value: object, wanted: str) -> None:
    if not good:
        raise SettingsError(f"{option}: {value} is not possible", f"give {wanted}")


def _by(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))
