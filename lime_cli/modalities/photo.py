"""The photo: a picture as it was read, and how pictures are to be read."""

from __future__ import annotations

from dataclasses import dataclass

from lime_cli.engine.instance import Caveat
from lime_cli.errors import InputError
from lime_cli.modalities.preprocessing import MODES
from lime_cli.modalities.view import Pixels, Values

MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class Reading:
    """What a person, or the model, says of how picture files are read."""

    max_pixels: int = MAX_PIXELS
    channels: str = "RGB"
    """``RGB``, ``BGR``, ``L``, or the number of channels that a file must have."""
    pixel_range: tuple[float, float] | None = None
    """Numbers that are black and white in files of numbers; None goes by their type."""
    shown: tuple[int, ...] = ()
    """Channels, from 0, drawn as red, green and blue, or as grey; empty for the first ones."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture file as read: turned as its EXIF says, on white where it was transparent."""

    pixels: Pixels
    """(height, width, 3), RGB: what is drawn and cut; a grey picture has three equal channels."""
    values: Values
    """(height, width, c), black 0 and white 255: what the model is fed; ``pixels`` where those
    hold it all."""
    digest: str
    """SHA-256 of the file."""
    caveats: tuple[Caveat, ...] = ()


def check_size(name: str, n_pixels: int, limit: int) -> None:
    """Raise InputError where there are too many pixels; ask before anything is decoded."""
    if n_pixels > limit:
        raise InputError(
            f"{name}: {n_pixels / 1e6:.4g} megapixels, the limit is {limit / 1e6:.4g}",
            "make it smaller, or raise --max-pixels",
        )


def check_channels(name: str, found: int, reading: Reading) -> None:
    """Raise InputError where a file has not the channels that are wanted, or those to be shown."""
    if reading.channels not in MODES and found != int(reading.channels):
        raise InputError(
            f"{name}: has {found} channels, the model takes {reading.channels}",
            "give a file of height x width x channels",
        )
    if reading.channels in MODES and found > 4:
        raise InputError(
            f"{name}: has {found} channels, the model is given {reading.channels}",
            f"say --channels {found} where it takes them all",
        )
    if max(reading.shown, default=0) >= found:
        raise InputError(
            f"{name}: has no channel {max(reading.shown)} to show",
            f"they count from 0 to {found - 1}",
        )
