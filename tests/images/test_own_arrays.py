"""Arrays for functions that say nothing of pixels: they get the own numbers and channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lime_cli
from lime_cli.cli import run

RNG = np.random.default_rng(7)
SIDES = (24, 20)


def statistics(images: np.ndarray) -> np.ndarray:
    """Answer with what no scaling, and no change of channels, would leave as it is."""
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    channels = np.full(len(images), images.shape[3] if images.ndim == 4 else 0)
    return np.stack([flat.mean(1), flat.std(1), channels, flat[:, 1]], axis=1)


ARRAYS = {
    "one channel of bytes": RNG.integers(0, 256, (*SIDES, 1), np.uint8),
    "one channel of floats": RNG.random((*SIDES, 1)),
    "one channel of standardized floats": RNG.normal(size=(*SIDES, 1)),
    "colours": RNG.integers(0, 256, (*SIDES, 3), np.uint8),
    "colours and alpha": RNG.integers(0, 256, (*SIDES, 4), np.uint8),
    "real and imaginary part": RNG.normal(size=(*SIDES, 2)),
    "four bands of standardized floats": RNG.normal(size=(*SIDES, 4)),
    "signed numbers of a scan": RNG.integers(-1024, 3071, (*SIDES, 1), np.int16),
    "counts of 32 bits": RNG.integers(0, 90_000, (*SIDES, 3), np.int32),
    "one channel first": RNG.normal(size=(1, *SIDES)),
    "four channels first": RNG.normal(size=(4, *SIDES)),
}


@pytest.mark.filterwarnings("ignore::lime_cli.LimexWarning")
@pytest.mark.parametrize("name", list(ARRAYS))
@pytest.mark.parametrize("way", ["memory", "file"])
def test_a_function_gets_what_the_array_holds(tmp_path: Path, name: str, way: str) -> None:
    array = ARRAYS[name]
    data = array if way == "memory" else tmp_path / "a.npy"
    np.save(tmp_path / "a.npy", array)
    first = array.shape[0] in (1, 4)
    found = lime_cli.explain(statistics, data, samples=16, segmenter="grid")
    given = array.transpose(1, 2, 0) if first else array
    assert found.record["outputs"] == pytest.approx(statistics(given[None])[0], rel=1e-4, abs=1e-4)


@pytest.mark.filterwarnings("ignore::lime_cli.LimexWarning")
@pytest.mark.parametrize("name", ["four bands of standardized floats", "signed numbers of a scan"])
def test_an_explanation_of_such_an_array_can_be_drawn_again(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "a.npy", ARRAYS[name])
    found = lime_cli.explain(statistics, tmp_path / "a.npy", samples=16, segmenter="grid")
    found.save(tmp_path / "a.json")
    again = ["render", str(tmp_path / "a.json"), "-o", str(tmp_path / "again.png")]
    assert run([*again, "--pictures", str(tmp_path)]) == 0
    with Image.open(tmp_path / "again.png") as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(found.plot()))


@pytest.mark.filterwarnings("ignore::lime_cli.LimexWarning")
@pytest.mark.parametrize("option", [{"channels": 1}, {"modality": "image", "channels": 1}])
def test_rows_and_columns_are_an_image_where_an_option_says_so(option: dict) -> None:
    grey = RNG.integers(0, 256, SIDES, np.uint8)
    found = lime_cli.explain(statistics, grey, samples=16, segmenter="grid", **option)
    assert found.record["outputs"] == pytest.approx(statistics(grey[None, ..., None])[0], rel=1e-4)


def test_rows_and_columns_that_may_be_an_image_are_asked_about() -> None:
    with pytest.raises(lime_cli.LimexError, match='if it is an image, use modality="image"'):
        lime_cli.explain(statistics, RNG.random(SIDES))


def test_a_colour_fills_no_channels_that_are_no_colours() -> None:
    with pytest.raises(lime_cli.LimexError, match="4 channels of the array are not colours"):
        lime_cli.explain(statistics, ARRAYS["colours and alpha"], fill="#ff0000")


def test_masked_pixels_are_refused() -> None:
    image = np.ma.array(RNG.random((*SIDES, 3)), mask=False)
    image[3, 4] = np.ma.masked
    with pytest.raises(lime_cli.LimexError, match=r"masked pixels.*filled\(0\)"):
        lime_cli.explain(statistics, image)
