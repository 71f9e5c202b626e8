"""Preprocessing: what becomes of a picture's pixels before a model sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lime_cli.engine.instance import FloatArray
from lime_cli.errors import SettingsError
from lime_cli.modalities.view import Values, View, cropped, padded, stretched

MODES = ("RGB", "BGR", "L")
RESIZES = ("stretch", "crop", "pad")
LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601), as Pillow takes them."""


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of a picture's pixels: fitted to a grid, then (x * scale - mean) / std."""

    size: tuple[int, int] | None = None
    """Of the model's input; None takes every picture at its own size."""
    resize: str = "stretch"
    """``stretch``, ``crop`` (the centre) or ``pad`` (with black)."""
    resize_to: int | None = None
    """Shorter side in pixels before the centre is cropped; None crops as little as possible."""
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    """One for all channels, or one per channel in the model's order."""
    std: tuple[float, ...] = (1.0,)
    channels: str = "RGB"
    """``RGB``, ``BGR``, ``L`` (grey), or how many channels of any kind."""

    def __post_init__(self) -> None:
        _one_of("--resize", self.resize, RESIZES)
        if not (self.channels.isdecimal() and int(self.channels) > 0):
            _one_of("--channels", self.channels, (*MODES, "a number"))
        for option, values in (("--mean", self.mean), ("--std", self.std)):
            if len(values) not in (1, self.n_channels):
                said = f"{len(values)} numbers for the channels {self.channels}"
                raise SettingsError(f"{option}: {said}", f"give 1 or {self.n_channels}")
        if not all(self.std) or not np.isfinite([self.scale, *self.mean, *self.std]).all():
            raise SettingsError("--scale, --mean, --std: finite numbers are wanted, no std of 0")

    @property
    def n_channels(self) -> int:
        """Count the model's channels."""
        return len(self.channels) if self.channels in MODES else int(self.channels)

    def view(self, size: tuple[int, int]) -> View:
        """Return what the model sees of a picture of ``size``."""
        wanted = self.size or size
        if self.resize == "stretch":
            return stretched(size, wanted)
        if self.resize == "pad":
            return padded(size, wanted)
        return cropped(size, wanted, self.resize_to)

    def in_channels(self, values: Values) -> Values:
        """Return (h, w, c): the values of a photo, grey or RGB or as many as the model takes."""
        if self.channels not in MODES:
            return values
        if self.channels == "L":
            return _grey(values)
        if values.shape[2] == 1:
            return np.repeat(values, 3, axis=2)
        return values[..., ::-1] if self.channels == "BGR" else values

    def numbers(self, raw: Values | FloatArray) -> NDArray[np.float32]:
        """Return what the model is fed for values 0..255 in its channels, (..., c) float32."""
        numbers = (raw * self.scale - np.array(self.mean)) / np.array(self.std)
        return np.asarray(numbers, np.float32)


def _grey(values: Values) -> Values:
    if values.shape[2] == 1:
        return values
    if values.dtype == np.uint8:
        return np.asarray(Image.fromarray(values).convert("L"))[..., None]
    return (values @ np.array(LUMA, np.float32))[..., None]


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{option}: {value!r} is unknown", f"one of: {', '.join(choices)}")


PRESETS = {
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="crop"),
    "unit": Preprocessing(),
    "signed": Preprocessing(scale=1 / 127.5, mean=(1.0,)),
    "raw": Preprocessing(scale=1.0),
    "caffe": Preprocessing(scale=1.0, mean=(104.0, 117.0, 123.0), channels="BGR", resize="crop"),
}


def preset(name: str, size: tuple[int, int] | None) -> Preprocessing:
    """Return the preset ``name`` for a model of ``size``; SettingsError for an unknown name."""
    _one_of("--preprocess", name, tuple(PRESETS))
    found = replace(PRESETS[name], size=size)
    if size and found.resize == "crop":  # 256 for the usual 224
        return replace(found, resize_to=round(min(size) * 256 / 224))
    return found
