from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import lime_cli
from lime_cli.engine.instance import Segment, join
from lime_cli.engine.masks import Stage, draw
from lime_cli.errors import InputError, SettingsError
from lime_cli.images.modality import ImageInstance, ImageModality, as_pixels
from lime_cli.images.view import Preprocessing
from lime_cli.models.model_file import ModelInput, Reach

NCHW = ModelInput(size=(24, 24), channels=3, layout="NCHW", preprocess="unit")


def scene(height: int = 40, width: int = 60) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    image = np.stack([3 * x, 5 * y, 2 * x + y], axis=-1) % 256
    image[height // 4 : height // 2, width // 2 : width // 2 + width // 6] = (250, 250, 20)
    return image.astype(np.uint8)


def read(
    folder: Path,
    pixels: np.ndarray,
    model_input: ModelInput = NCHW,
    name: str = "a.png",
    **options: object,
) -> ImageInstance:
    path = folder / name
    Image.fromarray(pixels).save(path, **({"lossless": True} if name.endswith("webp") else {}))
    modality = ImageModality((str(path),), **options).fitted(model_input)
    return modality.read(next(modality.sources()))


def masks(instance: ImageInstance, n: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (n, len(instance.components)))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_all_kept_is_the_original_and_all_gone_is_the_fill(tmp_path: Path, layout: str) -> None:
    instance = read(tmp_path, scene(), NCHW._replace(layout=layout), fill="#ff8000")
    d = len(instance.components)
    batch = instance.model_inputs(np.stack([np.ones(d, np.int64), np.zeros(d, np.int64)]))
    assert batch.shape == (2, 24, 24, 3)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[:1], instance.original())
    orange = np.broadcast_to(np.array([255, 128, 0]) / 255, (24, 24, 3))
    np.testing.assert_allclose(batch[1], orange, atol=1e-6)


def test_the_models_layout_costs_no_copy(tmp_path: Path) -> None:
    instance = read(tmp_path, scene())
    codes = masks(instance)
    for batch in (
        instance.model_inputs(codes),
        instance.original(),
        join([instance.model_inputs(codes), instance.original()]),
    ):
        assert batch.transpose(0, 3, 1, 2).flags.c_contiguous
    same = read(tmp_path, scene(), NCHW._replace(layout="NHWC"))
    assert same.model_inputs(codes).flags.c_contiguous
    np.testing.assert_array_equal(same.model_inputs(codes), instance.model_inputs(codes))


def test_a_superpixel_that_is_gone_changes_its_own_place_only(tmp_path: Path) -> None:
    instance = read(tmp_path, scene(), fill="black")
    codes = np.ones((1, len(instance.components)), np.int64)
    codes[0, 3] = 0
    changed = (instance.model_inputs(codes) != instance.original())[0].any(axis=-1)
    np.testing.assert_array_equal(changed, instance.labels == 3)


def test_the_mean_fill_is_each_superpixels_mean_of_raw_pixels(tmp_path: Path) -> None:
    instance = read(tmp_path, scene(), segmenter="grid")
    gone = instance.model_inputs(np.zeros((1, len(instance.components)), np.int64))[0]
    part = instance.labels == 7
    mean = instance.original()[0][part].mean(axis=0)
    np.testing.assert_allclose(gone[part], np.broadcast_to(mean, gone[part].shape), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"channels": "BGR"}, {"preprocess": "imagenet"}])
def test_the_mean_fill_of_a_picture_of_one_colour_changes_nothing(
    tmp_path: Path, options: dict
) -> None:
    pixels = np.full((30, 30, 3), (12, 200, 77), np.uint8)
    instance = read(tmp_path, pixels, NCHW._replace(preprocess=None), **options)
    np.testing.assert_array_equal(
        instance.model_inputs(masks(instance)), instance.original().repeat(9, axis=0)
    )


def test_the_mean_fill_changes_nothing_for_a_grey_model_and_a_flat_picture(tmp_path: Path) -> None:
    pixels = np.full((30, 30, 3), (12, 200, 77), np.uint8)
    instance = read(tmp_path, pixels, ModelInput(size=(9, 9), channels=1))
    assert instance.original().shape == (1, 9, 9, 1)
    np.testing.assert_array_equal(
        instance.model_inputs(masks(instance)), instance.original().repeat(9, axis=0)
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fill", ["mean", "black", "blur", "noise", "#336699"])
def test_every_fill_repeats_and_leaves_the_padding_alone(
    tmp_path: Path, fill: str, channels: int
) -> None:
    model_input = NCHW._replace(channels=channels)
    options = {"fill": fill, "resize": "pad", "seed": 3}
    one, two = (read(tmp_path, scene(), model_input, **options) for _ in range(2))
    codes = np.zeros((1, len(one.components)), np.int64)
    gone = one.model_inputs(codes)
    np.testing.assert_array_equal(gone, two.model_inputs(codes))
    assert (one.labels[:4] == -1).all()
    assert (gone[0, :4] == 0).all()
    assert (gone[0, 4:20] != one.original()[0, 4:20]).any()


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("turned", [False, True])
def test_labels_are_carried_to_the_place_they_have_in_the_picture(
    tmp_path: Path, resize: str, turned: bool
) -> None:
    pixels = np.full((90, 150, 3), 30, np.uint8)
    pixels[30:60, 60:90] = 240
    pixels = pixels.transpose(1, 0, 2) if turned else pixels
    instance = read(tmp_path, np.ascontiguousarray(pixels), resize=resize, n_segments=20)
    bright = instance.original()[0].mean(axis=-1) > 0.7
    assert bright.any()
    image = instance.subject.image
    assert image is not None
    shown = np.isin(image.labels, np.unique(instance.labels[bright]))
    inside = pixels[..., 0] > 128
    assert shown[inside].mean() > 0.95
    assert shown[~inside].mean() < 0.1


def test_a_crop_hides_the_rest_and_places_are_in_the_whole_picture(tmp_path: Path) -> None:
    instance = read(tmp_path, scene(40, 100), resize="crop")
    image = instance.subject.image
    assert image is not None
    assert (image.labels[:, :30] == -1).all()
    assert (image.labels[:, 30:70] >= 0).all()
    places = [one.where for one in instance.components if isinstance(one.where, Segment)]
    assert sum(place.area for place in places) == 40 * 40
    assert min(place.box[0] for place in places) == 30
    assert max(place.box[2] for place in places) == 70


def test_every_component_is_on_a_grid_much_smaller_than_the_picture(tmp_path: Path) -> None:
    instance = read(tmp_path, scene(300, 400), ModelInput(size=(5, 5)), n_segments=200)
    assert set(instance.labels.ravel()) == set(range(len(instance.components)))


def test_a_model_of_any_size_sees_the_picture_as_it_is(tmp_path: Path) -> None:
    instance = read(tmp_path, scene(), ModelInput(preprocess="raw"))
    np.testing.assert_array_equal(instance.original()[0], scene())


def test_equal_pixels_give_equal_labels_and_one_pool_in_every_format(tmp_path: Path) -> None:
    one, two, three = (read(tmp_path, scene(), name=name) for name in ("a.png", "a.webp", "a.bmp"))
    for other in (two, three):
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.pool == other.pool
        assert one.subject.digest != other.subject.digest


def test_the_pool_follows_pixels_and_options(tmp_path: Path) -> None:
    pools = [read(tmp_path, scene(), fill=fill).pool for fill in ("mean", "black")]
    pools.append(read(tmp_path, scene(41)).pool)
    assert len(set(pools)) == 3


@pytest.mark.parametrize("height_width", [(1, 1), (2, 200), (200, 2), (3, 3)])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_tiny_and_thin_pictures_are_read(
    tmp_path: Path, height_width: tuple[int, int], resize: str
) -> None:
    instance = read(tmp_path, scene(*height_width), resize=resize)
    assert len(instance.components) >= 1
    assert np.isfinite(instance.model_inputs(masks(instance, 4))).all()


def test_the_record_says_what_was_done(tmp_path: Path) -> None:
    instance = read(tmp_path, scene(), preprocess="imagenet")
    subject = instance.subject
    assert (subject.modality, subject.source, subject.id) == ("image", "a.png", "a.png")
    assert subject.facts["width"] == 60
    assert subject.facts["height"] == 40
    assert subject.facts["segments"] == len(instance.components)
    assert subject.facts["input"]["resize_to"] == 27
    assert instance.components[4].name == "superpixel 4"
    assert instance.components[4].value is None
    assert ["also crops" in one.message for one in instance.warnings].count(True) == 1
    assert any("--resize crop:N" in one.message for one in instance.warnings)


def test_the_engine_finds_what_it_needs(tmp_path: Path) -> None:
    instance = read(tmp_path, scene())
    d = len(instance.components)
    assert (instance.random, instance.shared, instance.skipped) == (False, False, ())
    assert instance.n_inputs() == 2.0**d
    assert instance.input_bytes == 24 * 24 * 3 * 4
    drawn = draw(0, d, (Stage(64, (0.5,)),), False)
    np.testing.assert_array_equal(instance.codes(drawn) == 1, ~drawn.masked)


@pytest.mark.parametrize(
    ("ink", "channels", "options", "named"),
    [
        (0, 1, {}, {"--invert"}),
        (255, 1, {}, set()),
        (0, 1, {"invert": True}, set()),
        (0, 3, {}, {"--channels BGR"}),
        (0, 3, {"channels": "BGR"}, set()),
    ],
)
def test_what_nobody_said_of_ink_and_colours_is_named(
    tmp_path: Path, ink: int, channels: int, options: dict[str, object], named: set[str]
) -> None:
    page = np.full((30, 30, 3), 255 - ink, np.uint8)
    page[10:20, 14:16] = ink
    given = ModelInput(size=(30, 30), channels=channels)
    said = " ".join(one.message for one in read(tmp_path, page, given, **options).warnings)
    assert {one for one in ("--invert", "--channels BGR") if one in said} == named


def test_assumed_preprocessing_is_said_once_nobody_said_it(tmp_path: Path) -> None:
    given = ModelInput(size=scene().shape[:2])
    codes = [warning.code for warning in read(tmp_path, scene(), given).warnings]
    assert codes == ["preprocessing_assumed"]
    assert read(tmp_path, scene(), given, scale=1.0, channels="RGB").warnings == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preprocess": "unit"}, True),
        ({"preprocess": "raw"}, True),
        ({"scale": 1.0}, True),
        ({"mean": (127.0,), "std": (128.0,)}, True),
        ({"preprocess": "signed", "channels": "BGR"}, False),
        ({"preprocess": "signed", "channels": "L"}, False),
        ({"preprocess": "imagenet", "resize": "stretch"}, False),
        ({"preprocess": "caffe", "resize": "stretch"}, False),
        ({"mean": (0.5, 0.4, 0.3)}, False),
    ],
)
def test_a_range_says_nothing_of_the_order_of_colours(tmp_path: Path, options, said) -> None:
    given = ModelInput(size=scene().shape[:2])
    for pixels, coloured in ((scene(), True), (np.repeat(scene()[..., :1], 3, 2), False)):
        found = read(tmp_path, pixels, given, **options).warnings
        words = [one.message for one in found if one.code == "channels_assumed"]
        assert len(words) == (said and coloured)
        assert all("--channels BGR turns" in one for one in words)
    pictured = given._replace(preprocess="raw", kind="image")  # as of Pillow's images
    assert "channels_assumed" not in [
        one.code for one in read(tmp_path, scene(), pictured, **options).warnings
    ]


@pytest.mark.parametrize(
    ("options", "other"),
    [
        ({"mean": (0.406, 0.456, 0.485)}, "BGR"),
        ({"mean": (103.939, 116.779, 123.68), "preprocess": "raw"}, "BGR"),
        ({"mean": (123.675, 116.28, 103.53), "preprocess": "caffe"}, "RGB"),
        ({"mean": (103.939, 116.779, 123.68), "preprocess": "caffe"}, None),
        ({"mean": (0.406, 0.456, 0.485), "channels": "RGB"}, None),
        ({"mean": (0.485, 0.456, 0.406)}, None),
        ({"mean": (0.5, 0.5, 0.5)}, None),
        ({"mean": (0.456,)}, None),
    ],
)
def test_a_mean_of_the_other_order_of_colours_is_told_of(options, other) -> None:
    said = ImageModality(("a.png",), **options).fitted(NCHW).said
    found = [one.message for one in said if one.code == "channels_assumed"]
    assert [f"--channels {other} changes it" in one for one in found] == [True] * bool(other)


def test_explicit_options_override_the_preset_of_the_model() -> None:
    modality = ImageModality(("a.png",), scale=0.5, resize="pad", channels="BGR")
    used = modality.fitted(NCHW._replace(preprocess="imagenet")).preprocessing
    assert (used.scale, used.resize, used.channels, used.mean[0]) == (0.5, "pad", "BGR", 0.485)
    assert modality.fitted(NCHW).fitted(NCHW) == modality.fitted(NCHW)


def test_options_that_contradict_the_model_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"--size 32x32: the model takes images of 24x24"):
        ImageModality(("a.png",), size=(32, 32)).fitted(NCHW)
    assert ImageModality(("a.png",), size=(24, 24)).fitted(NCHW).size == (24, 24)
    with pytest.raises(SettingsError, match=r"--channels L: the model takes 3 channels"):
        ImageModality(("a.png",), channels="L").fitted(NCHW)
    with pytest.raises(SettingsError, match=r"--channels RGB: the model takes 4 channels"):
        ImageModality(("a.png",), channels="RGB").fitted(ModelInput(channels=4))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"segmenter": "snic"}, "--segmenter: snic"),
        ({"n_segments": 0}, "--segments: 0"),
        ({"fill": "red"}, "--fill: red"),
        ({"fill": "#12345"}, "--fill: #12345"),
        ({"max_pixels": 0}, "--max-pixels: 0"),
        ({"size": (0, 9)}, "--size: 0x9"),
        ({"layout": "CHWN"}, "--layout: CHWN"),
        ({"preprocess": "vgg"}, "--preprocess: 'vgg'"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ImageModality(("a.png",), **wrong)


def test_a_folder_lists_its_pictures_by_the_bytes_of_their_names(tmp_path: Path) -> None:
    names = ["b.png", "a.JPG", "é.bmp", "notes.txt", "Z.tiff", ".hidden.png"]
    for name in names:
        (tmp_path / name).touch()
    found = list(ImageModality(("one.png", str(tmp_path))).sources())
    assert [source.id for source in found] == ["one.png", "Z.tiff", "a.JPG", "b.png", "é.bmp"]
    assert found[1].path == str(tmp_path / "Z.tiff")


def test_a_folder_without_pictures_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images in this folder"):
        list(ImageModality((str(tmp_path),)).sources())
    modality = ImageModality((str(tmp_path / "none.png"),))
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        modality.read(next(modality.sources()))


def test_the_modality_is_small_enough_to_travel() -> None:
    modality = ImageModality(("a.png",)).fitted(NCHW)
    assert pickle.loads(pickle.dumps(modality)) == modality
    assert len(pickle.dumps(modality)) < 1000


@pytest.mark.parametrize(
    ("preset", "n_channels", "channels"),
    [("caffe", 3, "BGR"), ("imagenet", 3, "RGB"), (None, 3, "RGB"), (None, 1, "L"), (None, 6, "6")],
)
def test_the_preset_orders_the_channels_and_the_model_counts_them(preset, n_channels, channels):
    fitted = ImageModality(("a.png",), preprocess=preset).fitted(
        ModelInput(kind="image", channels=n_channels)
    )
    assert fitted.preprocessing.channels == channels


@pytest.mark.parametrize(
    ("options", "size", "seen"),
    [
        ({"preprocess": "caffe"}, (40, 60), "of 60 x 40 pixels the model sees 36 x 36"),
        ({"preprocess": "imagenet"}, (24, 24), "of 24 x 24 pixels the model sees 21 x 21"),
        ({"preprocess": "caffe", "resize": "crop"}, (40, 60), None),
        ({"preprocess": "caffe", "resize": "stretch"}, (40, 60), None),
        ({"preprocess": "signed"}, (40, 60), None),
    ],
)
def test_a_preset_that_leaves_a_part_of_the_image_out_says_so(tmp_path, options, size, seen):
    instance = read(tmp_path, scene(*size), **options)
    said = [one.message for one in instance.warnings if "crops" in one.message]
    assert len(said) == (seen is not None)
    assert all(seen in one and "--resize stretch" in one for one in said)


@pytest.mark.filterwarnings("ignore::lime_cli.LimexWarning")
@pytest.mark.parametrize("preprocess", [None, "unit", "raw"])
def test_a_function_that_makes_bytes_of_0_to_1_is_told_of_0_to_255(tmp_path, preprocess):
    def bright(images):
        whole = images.astype(np.uint8).reshape(len(images), -1).mean(axis=1) / 255
        return np.stack([1 - whole, whole], axis=1)

    path = tmp_path / "a.png"
    Image.fromarray(np.full((24, 24, 3), 200, np.uint8)).save(path)
    found = lime_cli.explain(
        bright, str(path), samples=64, segmenter="grid", preprocess=preprocess, fill="black"
    )
    flat = [one for one in found.warnings if "the same for all samples" in one]
    advised = ["--preprocess raw" in one for one in flat]
    assert advised == {None: [True], "unit": [False], "raw": []}[preprocess]
    white = 200 / 255 if preprocess == "raw" else 0
    assert found.record["outputs"] == pytest.approx([1 - white, white], abs=1e-6)


def test_caffe_feeds_blue_first(limex):
    command = ("explain", "image", "sample_models/scenes.onnx", "sample_data/scene.png")
    caffe = (*command, "--preprocess", "caffe", "--samples", "16", "-f", "json", "-q")
    said = limex(*caffe).out
    assert said == limex(*caffe, "--channels", "BGR").out
    assert said != limex(*caffe, "--channels", "RGB").out


DIGITS = load_digits()


@pytest.mark.parametrize("top", [1, 16, 255])
@pytest.mark.parametrize("times", [1, 5])
def test_a_model_of_flat_pixels_is_given_a_square_of_them(tmp_path: Path, top, times) -> None:
    rows = DIGITS.data[:300] / 16 * top
    model = KNeighborsClassifier(3).fit(rows, DIGITS.target[:300])
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    pixels = np.kron((DIGITS.images[3] / 16 * 255).round(), np.ones((times, times)))
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "d.png")
    with pytest.warns(lime_cli.LimexWarning):
        found = lime_cli.explain(
            str(tmp_path / "m.pkl"), str(tmp_path / "d.png"), modality="image", samples=64
        )
    assert found.record["outputs"] == pytest.approx(model.predict_proba(rows[3:4])[0])
    assert "8 x 8 pixels in grey" in dict(found.coded_warnings)["pixels_assumed"]


@pytest.mark.parametrize(
    ("n", "size", "channels"),
    [(784, (28, 28), 1), (3072, (32, 32), 3), (27, (3, 3), 3), (10, None, None), (99, None, None)],
)
def test_columns_are_pixels_where_they_make_a_square(n, size, channels) -> None:
    given, factor, _ = as_pixels(ModelInput(n_columns=n), True)
    assert (given.size, given.channels, factor) == (size, channels, None)


@pytest.mark.parametrize(
    ("n", "size", "colours", "layout", "words"),
    [
        (3072, None, None, None, "32 x 32 pixels in RGB, those of a pixel side by side"),
        (3072, None, "BGR", "NCHW", "32 x 32 pixels in BGR, one colour after the other"),
        (3072, None, "3", "NHWC", "32 x 32 pixels in RGB, those of a pixel side by side"),
        (3072, (64, 48), None, None, "64 x 48 pixels in grey;"),
        (3072, (16, 48), None, None, "16 x 48 pixels in 4 channels, those of a pixel"),
        (3072, (32, 32), "RGB", None, "32 x 32 pixels in RGB, those of a pixel side by side"),
        (3072, (32, 32), "RGB", "NCHW", None),
        (784, (14, 56), "L", None, None),
    ],
)
def test_what_is_not_said_of_flat_pixels_is_told(n, size, colours, layout, words) -> None:
    given, _, said = as_pixels(ModelInput(n_columns=n, layout=layout), True, size, colours)
    height, width = given.size or (0, 0)
    assert height * width * (given.channels or 0) == n
    assert size in (None, given.size)
    assert (words or "") in said[0].message if said else words is None


def test_a_size_of_other_than_the_model_s_numbers_is_refused() -> None:
    with pytest.raises(SettingsError, match="--size 20x20: the model takes 3,072 numbers"):
        as_pixels(ModelInput(n_columns=3072), True, (20, 20))


@pytest.mark.parametrize(
    ("high", "rows", "factor"),
    [(254.5, False, 1.0), (15.5, False, 16 / 255), (6.5, False, None), (29.5, False, None)],
)
def test_splits_tell_bytes_from_other_numbers(high, rows, factor) -> None:
    given = ModelInput(n_columns=64, ranges={5: Reach(0.5, high, rows)})
    assert as_pixels(given, True)[1] == factor
    assert as_pixels(given, False)[1] is None


@pytest.mark.parametrize(
    ("size", "grid", "resize_to"), [((50, 70), (48, 48), 56), ((40, 40), (20, 20), 33)]
)
def test_a_stretched_picture_may_be_cropped(size, grid, resize_to) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    image = Image.fromarray(pixels).resize((resize_to, resize_to), Image.Resampling.BILINEAR)
    top = (resize_to - grid[0]) // 2
    expected = np.asarray(image.crop((top, top, top + grid[1], top + grid[0])))
    found = Preprocessing(size=grid, resize_to=resize_to).view(size).grid(pixels)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [(300, 400), (401, 263), (97, 640), (640, 481)])
@pytest.mark.parametrize("grid", [224, 199])
def test_a_centre_has_the_bytes_of_the_whole_picture_resized_before_it_is_cropped(size, grid):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    height, width = (int(side * 256 / min(size)) for side in size)
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    top, left = round((height - grid) / 2), round((width - grid) / 2)
    expected = np.asarray(image.crop((left, top, left + grid, top + grid)))
    found = Preprocessing(size=(grid, grid), resize="crop:256").view(size).grid(pixels)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((600, 300), (100, 100)),
        ((100, 200), (30, 40)),
        ((90, 210), (27, 41)),
        ((333, 500), (224, 224)),
    ],
)
@pytest.mark.parametrize("resample", [1, 2, 3])
def test_what_is_cut_out_first_has_the_bytes_of_pillows_own_fit(size, grid, resample):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    expected = ImageOps.fit(Image.fromarray(pixels), grid[::-1], Image.Resampling(resample))
    found = Preprocessing(size=grid, resize="fit", resample=resample).view(size).grid(pixels)
    np.testing.assert_array_equal(found, np.asarray(expected))


@pytest.mark.parametrize(
    ("n", "kind", "columns", "size"),
    [
        (784, "table", None, (28, 28)),
        (3072, "table", None, (32, 32)),
        (784, "table", tuple(map(str, range(784))), None),
        (784, "text", None, None),
        (10, "table", None, None),
    ],
)
def test_only_a_table_without_names_may_be_pixels(n, kind, columns, size) -> None:
    given = ModelInput(kind=kind, n_columns=n, columns=columns)
    found, _, said = as_pixels(given, True)
    assert (found.size, bool(said)) == (size, size is not None)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", None])
@pytest.mark.parametrize("kind", ["onnx", "pickle"])
def test_colours_in_a_row_of_pixels_lie_as_the_layout_says(
    tmp_path: Path, kind: str, layout: str | None
) -> None:
    from skl2onnx import to_onnx

    rng = np.random.default_rng(0)
    rows = rng.random((30, 75)).astype(np.float32)
    model = LogisticRegression().fit(rows, rows[:, 5] > 0.5)
    file = tmp_path / "m.onnx" if kind == "onnx" else tmp_path / "m.pkl"
    made = to_onnx(model, rows[:1], options={"zipmap": False}).SerializeToString()
    file.write_bytes(made if kind == "onnx" else pickle.dumps(model))
    pixels = rng.integers(0, 256, (5, 5, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    options = {} if layout is None else {"layout": layout}
    with pytest.warns(lime_cli.LimexWarning):
        found = lime_cli.explain(
            str(file), str(tmp_path / "a.png"), modality="image", samples=32, **options
        )
    turned = pixels.transpose(2, 0, 1) if layout == "NCHW" else pixels
    expected = model.predict_proba(turned.reshape(1, -1) / 255)[0]
    assert found.record["outputs"] == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("kind", ["flat", "square", "grey"])
def test_a_graph_of_flat_pixels_is_fed_them_in_rows(tmp_path: Path, kind: str) -> None:
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["rows"]),
        helper.make_node("MatMul", ["rows", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"]),
    ]
    shape = {"flat": ["n", 64], "square": ["n", 1, 8, 8], "grey": ["n", 8, 8]}[kind]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        for name, size in (("x", shape), ("y", ["n", 3]))
    ]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.warns(lime_cli.LimexWarning):
        found = lime_cli.explain(
            str(tmp_path / "m.onnx"), str(tmp_path / "a.png"), modality="image", samples=32
        )
    raw = pixels.reshape(1, -1) / 255 @ weights
    expected = np.exp(raw) / np.exp(raw).sum()
    assert found.record["outputs"] == pytest.approx(expected[0].tolist(), abs=1e-5)


@pytest.mark.parametrize("resize", ["stretch", "pad"])
@pytest.mark.parametrize("named", ["imagenet", "caffe"])
def test_a_way_to_fit_that_is_typed_crops_nothing_of_the_preset_s(named: str, resize: str) -> None:
    modality = ImageModality(("a.png",), preprocess=named, resize=resize, size=(44, 44))
    view = modality.preprocessing.view((50, 60))
    assert (view.y.start, view.y.stop, view.x.start, view.x.stop) == (0, 50, 0, 60)
    preset = ImageModality(("a.png",), preprocess=named, size=(44, 44)).preprocessing
    assert (preset.resize, preset.resize_to) == ("crop", 50)
