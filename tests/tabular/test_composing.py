"""Samples of an image: every pixel is the image's or the fill's, bit for bit."""

import numpy as np
import pytest

from lime_cli.engine.instance import Component, Segment, Subject
from lime_cli.images.modality import ImageInstance


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_superpixel_stays_as_it_is_or_is_filled(layout, kind):
    rng = np.random.default_rng(0)
    shape = (3, 6, 5) if layout == "NCHW" else (6, 5, 3)
    image, gone = (rng.normal(size=shape).astype(kind) for _ in range(2))
    image.flat[:4] = np.nan, np.inf, -0.0, 0.0
    labels = rng.integers(-1, 4, (6, 5))
    places = [Segment(i, 1, (0, 0, 1, 1), (0.0, 0.0)) for i in range(4)]
    parts = tuple(Component(str(one.segment), None, one) for one in places)
    subject = Subject("0", "image", "p.png", "", {})
    instance = ImageInstance(subject, parts, (), "p", image, gone, labels, layout)
    codes = rng.integers(0, 2, (9, 4))
    found = instance.model_inputs(codes)
    assert found.shape == (9, 6, 5, 3)
    assert found.dtype == kind
    for code, one in zip(codes, found, strict=True):
        stays = np.where(labels < 0, True, code[labels] == 1)
        if layout == "NCHW":
            wanted = np.where(stays, image, gone).transpose(1, 2, 0)
        else:
            wanted = np.where(stays[..., None], image, gone)
        assert one.tobytes() == np.ascontiguousarray(wanted).tobytes()
