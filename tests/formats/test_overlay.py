from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lime_cli.engine.explanation import Explanation, Interval, Surrogate, Weight
from lime_cli.engine.instance import Component, Segment, SegmentedImage, Subject
from lime_cli.engine.model import CodedWarning, Identity
from lime_cli.errors import SettingsError
from lime_cli.formats import Look
from lime_cli.formats.drawing import STYLES, write_png, write_svg
from lime_cli.settings import Settings


def surrogate(name: str = "cat", fidelity: float | None = 0.8) -> Surrogate:
    weights = (Weight(0, 0.5), Weight(3, -0.25), Weight(1, 0.1))
    return Surrogate(0, name, 0.83, 0.1, 0.8, fidelity, 0.9, weights)


def explanation(
    height: int = 400, width: int = 400, surrogates: tuple[Surrogate, ...] = (surrogate(),)
) -> Explanation:
    """Four quarters: for, weakly for, nothing, against."""
    rows, columns = np.arange(height) * 2 // height, np.arange(width) * 2 // width
    image = SegmentedImage(
        np.full((height, width, 3), 128, np.uint8), (rows[:, None] * 2 + columns).astype(np.int64)
    )
    places = [Segment(i, 1, (0, 0, 1, 1), (0.5, 0.5)) for i in range(4)]
    components = tuple(Component(f"superpixel {i}", None, place) for i, place in enumerate(places))
    return Explanation(
        subject=Subject("a.png", "image", "a.png", "0" * 64, {}, image),
        model=Identity("onnx", "0" * 64, "classification", ("cat", "dog")),
        components=components,
        skipped=(),
        surrogates=surrogates,
        warnings=(),
        samples=1024,
        effective_samples=100.0,
        kernel_width=0.25,
        stop="samples",
        settings=Settings(),
    )


def drawn(one: Explanation, **look: object) -> np.ndarray:
    out = io.BytesIO()
    write_png([one], out, Look(**look))
    image = Image.open(out)
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.asarray(image).astype(int)


def quarters(pixels: np.ndarray) -> list[np.ndarray]:
    """Return the colour in the middle of each superpixel of an image of 400 x 400."""
    return [pixels[y, x] for y in (100, 300) for x in (100, 300)]


def is_blue(colour: np.ndarray) -> bool:
    return bool(colour[2] > colour[0] + 4)


def is_orange(colour: np.ndarray) -> bool:
    return bool(colour[0] > colour[2] + 4)


@pytest.mark.parametrize("style", ["outline", "heat"])
def test_what_speaks_for_the_target_is_blue_and_against_it_orange(style: str) -> None:
    strong, weak, nothing, against = quarters(drawn(explanation(), style=style))
    assert is_blue(strong)
    assert is_blue(weak)
    assert strong[2] - strong[0] > weak[2] - weak[0]
    assert nothing[0] == nothing[2]
    assert is_orange(against)


def test_hide_keeps_the_pixels_of_superpixels_with_weight() -> None:
    strong, _, nothing, against = quarters(drawn(explanation(), style="hide"))
    assert strong.tolist() == against.tolist() == [128] * 3
    assert nothing.max() < 64


def test_outline_draws_a_line_on_the_border_and_leaves_the_rest_alone() -> None:
    pixels = drawn(explanation())
    assert is_blue(pixels[100, 0])
    assert is_orange(pixels[399, 300])
    assert (pixels[210:390, 10:190] == 128).all()


def test_a_weight_too_small_to_be_seen_is_not_outlined() -> None:
    weights = (Weight(0, 0.5), Weight(3, -0.25), Weight(1, 0.005))
    one = explanation(surrogates=(replace(surrogate(), weights=weights),))
    pixels = drawn(one)
    assert (pixels[10:190, 210:390] // 8 == 128 // 8).all()
    assert pixels[2, 300].tolist() == pixels[100, 300].tolist()
    assert drawn(one, style="hide")[100, 300].max() < 64


def test_top_and_sign_choose_what_is_shown() -> None:
    strong, weak, _, against = quarters(drawn(explanation(), style="heat", top=1))
    assert is_blue(strong)
    assert not is_blue(weak)
    assert not is_orange(against)
    strong, _, _, against = quarters(drawn(explanation(), style="heat", sign="negative"))
    assert not is_blue(strong)
    assert is_orange(against)
    _, weak, _, against = quarters(drawn(explanation(), style="heat", sign="positive", top=2))
    assert is_blue(weak)
    assert not is_orange(against)


def test_a_fixed_scale_makes_pictures_comparable() -> None:
    strong, weak, *_ = quarters(drawn(explanation(), style="heat", scale=0.1))
    assert strong.tolist() == weak.tolist()  # both at full strength
    faint, *_ = quarters(drawn(explanation(), style="heat", scale=5.0))
    assert 0 < faint[2] - faint[0] < 30


def test_the_picture_keeps_its_size_above_the_legend() -> None:
    pixels = drawn(explanation(500, 700))
    assert pixels.shape[1] == 700
    assert 550 < pixels.shape[0] < 700
    assert (pixels[-1] == 255).all()  # the legend is on white


@pytest.mark.parametrize(
    ("size", "width"), [((32, 32), 384), ((10, 100), 400), ((600, 4), 384), ((1, 1), 384)]
)
def test_a_tiny_picture_is_enlarged_by_a_whole_factor(size: tuple[int, int], width: int) -> None:
    pixels = drawn(explanation(*size))
    assert pixels.shape[1] == width
    assert pixels.shape[0] < 1800


def test_targets_stand_side_by_side_and_wrap() -> None:
    height, width, _ = drawn(explanation()).shape
    one = explanation(surrogates=(surrogate("cat"), surrogate("dog")))
    assert drawn(one).shape[:2] == (height, 2 * width + width // 24)
    five = explanation(surrogates=tuple(surrogate(name) for name in "abcde"))
    assert drawn(five).shape[0] == 2 * height + width // 24


def test_what_the_model_does_not_look_at_is_bleached() -> None:
    one = explanation()
    assert one.subject.image is not None
    labels = one.subject.image.labels.copy()
    labels[:, 350:] = -1
    image = SegmentedImage(one.subject.image.pixels, labels)
    pixels = drawn(replace(one, subject=replace(one.subject, image=image)))
    assert (pixels[:400, 380] == 128 // 3 + 170).all()


@pytest.mark.parametrize("name", ["x" * 400, "Kätzchen 猫\x1b[31m\n", ""])
@pytest.mark.parametrize("fidelity", [None, 1.0, -1.0])
def test_any_name_and_fidelity_fit_the_legend(name: str, fidelity: float | None) -> None:
    pixels = drawn(explanation(surrogates=(surrogate(name, fidelity),)))
    assert pixels.shape == drawn(explanation()).shape


@pytest.mark.parametrize(("style", "said"), [("outline", True), ("hide", True), ("heat", False)])
def test_the_legend_says_what_dashes_mean(style: str, said: bool) -> None:
    """In one more line, for all targets as soon as one of them has dashes."""
    sure, open_ = surrogate("cat"), surrogate("dog")
    wide = [one._replace(interval=Interval(-2.0, 2.0)) for one in open_.weights]
    open_ = replace(open_, weights=tuple(wide))
    plain = drawn(explanation(surrogates=(sure, sure)), style=style)
    dashed = drawn(explanation(surrogates=(sure, open_)), style=style)
    assert (len(dashed) > len(plain)) == said
    assert dashed.shape[1] == plain.shape[1]


@pytest.mark.parametrize(("fidelity", "differs"), [(0.08, True), (0.8, False)])
def test_the_legend_tells_too_few_samples_from_a_poor_fit(fidelity: float, differs: bool) -> None:
    few = (CodedWarning("few_effective_samples", ""),)
    thin = replace(explanation(surrogates=(surrogate(fidelity=fidelity),)), warnings=few)
    poor = replace(thin, settings=Settings(refit=True))  # whose weights are those that fit best
    assert (drawn(thin) != drawn(poor)).any() == differs


@pytest.mark.parametrize("style", STYLES)
def test_equal_explanations_give_equal_bytes(style: str) -> None:
    outs = [io.BytesIO(), io.BytesIO()]
    for out in outs:
        write_png([explanation()], out, Look(style=style))
    assert outs[0].getvalue() == outs[1].getvalue()


def test_no_weights_at_all_still_make_a_picture() -> None:
    none = replace(surrogate(), weights=())
    assert (drawn(explanation(surrogates=(none,)))[:400] == 128).all()


def test_only_one_explanation_of_a_picture_can_be_drawn() -> None:
    one = explanation()
    crowd = replace(one, surrogates=(surrogate(),) * 33)
    for wrong, said in (
        ([], "not none"),
        ([one, one], "not several"),
        ([crowd], "up to 32 targets"),
    ):
        with pytest.raises(SettingsError, match=said):
            write_png(wrong, io.BytesIO(), Look())
    for look in (Look(style="neon"), Look(sign="up")):
        with pytest.raises(SettingsError, match="is unknown"):
            write_png([one], io.BytesIO(), look)


def test_a_superpixel_of_uncertain_sign_is_outlined_by_dashes_without_colour() -> None:
    certain = surrogate()
    weights = (certain.weights[0], Weight(3, -0.25, 0.3, Interval(-0.8, 0.3)))
    one = explanation(surrogates=(replace(certain, weights=weights),))
    for style in ("outline", "heat"):
        strong, _, _, open_ = quarters(drawn(one, style=style))
        assert is_blue(strong)
        assert open_[0] == open_[2]
    edge = drawn(one)[398, 210:390]  # the inner border of the last superpixel
    orange = np.array([is_orange(pixel) for pixel in edge])
    assert 0.2 < orange.mean() < 0.8
    edge = drawn(one)[1, 10:190]  # of the first, whose sign is certain
    assert all(is_blue(pixel) for pixel in edge)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_warnings_stand_in_the_picture(kind: str) -> None:
    plain = explanation()
    warned = replace(
        plain,
        warnings=(CodedWarning("pixels_assumed", "a"), CodedWarning("low_fidelity", "b")),
    )
    pages = []
    for one in (plain, warned):
        out = io.BytesIO()
        (write_png if kind == "png" else write_svg)([one], out, Look())
        pages.append(out.getvalue())
    if kind == "svg":
        assert b"Warning" not in pages[0]
        assert b"Warnings: low fidelity, pixels assumed" in pages[1]
    else:
        heights = [Image.open(io.BytesIO(page)).height for page in pages]
        assert heights[1] > heights[0] + 10
