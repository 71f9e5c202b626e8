"""SLIC cuts as scikit-image's own does, and imports no SciPy for it."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from skimage.filters import gaussian
from skimage.segmentation import slic as original

from lime_cli.images import segmenters

rng = np.random.default_rng(5)

IMAGES = {
    "scene": np.asarray(Image.open("sample_data/scene.png").convert("RGB")) / 255,
    "noise": rng.random((61, 83, 3)),
    "flat": np.full((40, 50, 3), 0.3),
    "two halves": np.repeat([[[0.0] * 3] * 30 + [[1.0] * 3] * 30], 40, axis=0),
    "dark": rng.integers(0, 12, (64, 64, 3)) / 255,
    "thin": rng.random((3, 200, 3)),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("sigma", [0, 0.3, 1.4, 5])
def test_the_module_apart_cuts_to_the_same_pixels(name, sigma):
    image, choices = IMAGES[name], {"n_segments": 30, "compactness": 10, "start_label": 0}
    cut = segmenters._apart().slic
    np.testing.assert_array_equal(
        cut(image, sigma=sigma, **choices), original(image, sigma=sigma, **choices)
    )


@pytest.mark.parametrize("name", IMAGES)
def test_colours_and_smoothing_are_those_of_scikit_image(name):
    np.testing.assert_allclose(
        segmenters.lab(IMAGES[name]), rgb2lab(IMAGES[name]), rtol=0, atol=1e-12
    )
    mine = segmenters.smoothed(IMAGES[name], (1.7, 2.0, 0))
    theirs = gaussian(IMAGES[name], sigma=(1.7, 2.0, 0), mode="reflect")
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-15)


def test_what_stands_in_is_looked_up_when_it_is_called():
    mask = IMAGES["noise"][..., 0] > 0.5
    found = segmenters._apart().slic(IMAGES["noise"], n_segments=5, mask=mask, start_label=1)
    np.testing.assert_array_equal(
        found, original(IMAGES["noise"], n_segments=5, mask=mask, start_label=1)
    )


def test_scipy_is_not_imported_and_modules_are_left_as_they_were():
    program = """
import sys
import numpy as np
from lime_cli.images.segments import segment
pixels = np.arange(64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
assert segment(pixels, "slic", 20, 0)[0].max() > 3
print(sorted(one for one in sys.modules if one.startswith(("scipy.", "pandas"))))
import skimage.color, scipy.spatial.distance, skimage._shared.filters
assert skimage.color.rgb2lab.__module__ == "skimage.color.colorconv"
assert callable(scipy.spatial.distance.cdist) and skimage._shared.filters.gaussian.__doc__
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
