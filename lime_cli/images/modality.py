"""Images: the components are superpixels, that stay or are filled."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Component, SegmentedImage, Skipped, Subject
from lime_cli.engine.masks import KeptOrMasked
from lime_cli.engine.model import CodedWarning, FloatArray, IntArray
from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.files import digest_of
from lime_cli.images.fills import LIKE_LIME, OTHERS, filled, is_fill, weak
from lime_cli.images.grey import OPENCV, PILLOW
from lime_cli.images.numbers import MAX_PIXELS, ArrayNumbers, ImageReading
from lime_cli.images.pixels import Photo, read_image
from lime_cli.images.segmenters import quickshift_like_lime
from lime_cli.images.segments import SUFFIXES as MAPS
from lime_cli.images.segments import (
    Cut,
    Cutter,
    cut_up,
    few_warning,
    kept_map,
    places,
)
from lime_cli.images.view import (
    GREY_BY_OPENCV,
    MODES,
    PRESETS,
    Pixels,
    Preprocessing,
    Values,
    View,
    preset,
)
from lime_cli.modality import OfFiles
from lime_cli.models.model_file import ModelInput, PixelsInput
from lime_cli.registry import AUTO_FILL, FILLS, LAYOUTS, LIME_SEGMENTER, RESAMPLES, SEGMENTERS
from lime_cli.sources import Held, Source, local

WIDEST = 1 << 14
"""Pixels of the side of a square that an image is padded to."""

FEWEST_PIXELS = 16
"""A model that names fewer columns than this was not fitted on the pixels of an image."""


@dataclass(frozen=True, eq=False)
class ImageInstance(KeptOrMasked):
    """An image on the model's grid, whose superpixels stay or are filled."""

    subject: Subject
    components: tuple[Component, ...]
    warnings: tuple[CodedWarning, ...]
    pool: str
    image: NDArray[Any]
    """(c, h, w) for the layout NCHW, else (h, w, c): what the model is fed for the instance."""
    masked: NDArray[Any]
    """As ``image``, with every superpixel masked."""
    labels: IntArray
    """(h, w): which component a place of the grid belongs to; -1 in the padding."""
    layout: str
    skipped: tuple[Skipped, ...] = ()

    @property
    def input_bytes(self) -> int:
        """About how much memory one model input takes."""
        return self.image.nbytes

    def model_inputs(self, codes: IntArray) -> NDArray[np.floating[Any]]:
        """Return (n, h, w, c), in the memory order of the model's layout."""
        masked, change = self._bits
        padding = np.ones((len(codes), 1), np.bool_)  # label -1 finds it, and it always stays
        kept = np.concatenate([codes.astype(bool), padding], axis=1)
        kept_here = np.take(-kept.astype(masked.dtype), self.labels, axis=1)
        turned = self.layout == "NCHW"
        bits = (kept_here[:, None] if turned else kept_here[..., None]) & change
        bits ^= masked
        batch: NDArray[np.floating[Any]] = bits.view(self.image.dtype)
        return batch.transpose(0, 2, 3, 1) if turned else batch

    @cached_property
    def _bits(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The bits of ``masked``, and those to flip where superpixels stay: faster than choice."""
        whole = np.dtype(f"i{self.image.itemsize}")
        masked, image = self.masked.view(whole), self.image.view(whole)
        return masked, masked ^ image

    def original(self) -> NDArray[np.floating[Any]]:
        batch = self.image[None]
        return batch.transpose(0, 2, 3, 1) if self.layout == "NCHW" else batch


ASSUMED = CodedWarning(
    "preprocessing_assumed",
    "the model does not say how pixels become numbers, so {} is assumed; --preprocess changes it",
)

IN_ORDER = CodedWarning(
    "channels_assumed",
    "the model is given red, green and blue in this order, of which --preprocess, --scale and a "
    "single --mean say nothing; --channels BGR turns it round, --channels RGB confirms it",
)

CROPPED = CodedWarning(
    "preprocessing_assumed",
    "--preprocess {} also crops: of {} x {} pixels the model sees {} x {} in the middle; "
    "--resize stretch shows it the whole image, --resize crop its shorter side, --resize crop:N "
    "what is in the middle after the shorter side has become N",
)

OWN_SIZE = CodedWarning(
    "preprocessing_assumed",
    "the model does not say which size it takes, so it gets this image in its own, {} x {}; --size "
    "changes it",
)

STRETCHED = CodedWarning(
    "resize_assumed",
    "the image of {} x {} pixels is stretched to {} x {}, which changes its proportions; --resize "
    "crop, fit or pad keeps them, --resize stretch confirms it",
)

RESAMPLED = CodedWarning(
    "resample_assumed",
    "the model does not say how images are resized, so the filter {} is assumed; --resample "
    "changes it",
)

EITHER = CodedWarning(
    "resample_assumed",
    "preprocessor_config.json is followed as transformers does with Pillow; --resample {}-torch "
    "resizes as with torchvision, --resample {} confirms Pillow",
)

MIDDLE = 127.5
"""Between black and white, of pixels as they are seen."""

LIME = (LIKE_LIME, LIME_SEGMENTER)
"""Names of marcotcr/lime's own cut: quickshift on what the model sees."""


OF_RANGE = ("unit", "signed", "raw")
"""Presets that say nothing of the order of colours."""

LARGEST_MEAN = 2
"""Of pixels from 0 to 1, with room for what somebody may do with them."""

WHOLE_PIXELS = CodedWarning(
    "preprocessing_assumed",
    "--mean or --std is one of pixels from 0 to 255, so these are not divided by 255 first; "
    "--scale changes it",
)


MEANS = PRESETS["imagenet"].mean, PRESETS["caffe"].mean[::-1]
"""Of red, green and blue in ImageNet, from 0 to 1 and from 0 to 255, as networks are given them."""

OTHER_ORDER = CodedWarning(
    "channels_assumed",
    "--mean looks like that of {}, and the model is given {}; --channels {} changes it, --channels "
    "{} confirms it",
)


@dataclass(frozen=True)
class ImageModality(OfFiles):
    """Read images and cut them into superpixels; None leaves a choice to model or preset."""

    inputs: tuple[str, ...]
    """Files, and folders of which every image is taken."""
    segmenter: str = "slic"
    """A name, or the path of a label map."""
    n_segments: int | None = None
    """A wish; None wishes for 50, of quickshift for LIME's own parameters."""
    fill: str = AUTO_FILL
    """Of superpixels that are masked: a name of ``fills.FILLS``, or ``#RRGGBB``; ``auto`` is their
    mean, but where that changes next to nothing."""
    preprocess: str | None = None
    """Name of a preset; the options from ``resize`` to ``channels`` override it."""
    size: tuple[int, int] | None = None
    """(height, width) of the model's input; None takes every image at its own size."""
    resize: str | None = None
    resample: str | None = None
    """One of ``RESAMPLES``."""
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str | None = None
    seed: int = 0
    """Of the noise fill and of quickshift."""
    max_pixels: int = MAX_PIXELS
    pixel_range: tuple[float, float] | None = None
    """Numbers that are black and white in files of numbers; None goes by their type."""
    invert: bool = False
    """Whether black and white change places before the model sees them."""
    show: tuple[int, ...] = ()
    """Channels, from 0, drawn as red, green and blue, or as grey, where there are more than 4."""
    layout: str = "NHWC"
    """How inputs lie in memory, ``NHWC`` or ``NCHW``; their shape is (n, h, w, c) either way."""
    precision: str = "float32"
    """Type of the numbers that the model is fed, ``float32`` or ``float16``."""
    recursive: bool = False
    glob: str | None = None
    """Pattern of the names taken from folders."""
    assumed: bool = False
    """Whether neither the user nor the model said how pixels become numbers."""
    open: bool = False
    """Whether an array may have other channels than RGB, as neither of them said which."""
    unordered: bool = False
    """Whether a person says how pixels become numbers, and nothing in which order colours come."""
    fixed: bool = False
    """Whether the model itself says how many channels it takes."""
    network: bool = False
    """Whether the model is known to take images, which whole numbers are scaled for."""
    grey_said: bool = False
    """Whether the user said that the model takes grey."""
    grey_open: bool = False
    """Whether a file beside the model says the channels, and so not who makes grey of colours."""
    given: PixelsInput | None = None
    """What lies beside the model and says that, in the place of a preset."""
    said: tuple[CodedWarning, ...] = ()
    """What was taken to be of the model's input."""
    predictions: Callable[[Any], FloatArray] | None = field(default=None, compare=False)
    """Asks the model, where a fill may be tried out."""

    default_samples = 256
    max_samples = 2_048
    slice_size = 1
    suffixes = (
        ".png", ".jpg", ".jpeg", ".jpe", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".npy", ".jp2",
        ".avif", ".pbm", ".pgm", ".ppm", ".pnm",
    )  # fmt: skip
    called = "images"

    def __post_init__(self) -> None:
        """Raise SettingsError for a value that makes no sense."""
        known = self.segmenter in (*SEGMENTERS, *LIME) or self._map is not None
        ways = ", ".join((*SEGMENTERS, LIME_SEGMENTER))
        _check(known, "--segmenter", self.segmenter, f"{ways}, a PNG or NPY file")
        n, fills = self.n_segments, ", ".join(FILLS)
        _check(n is None or n >= 1, "--segments", n, "a whole number, at least 1")
        filling = self.fill == AUTO_FILL or is_fill(self.fill)
        _check(filling, "--fill", self.fill, f"{AUTO_FILL}, {fills} or #RRGGBB")
        _check(self.max_pixels >= 1, "--max-pixels", self.max_pixels, "1 or more")
        _check(min(self.size or (1,)) >= 1, "--size", _by(self.size), "HEIGHTxWIDTH, 1x1 or more")
        ways = ", ".join(RESAMPLES)
        _check(self.resample in (None, *RESAMPLES), "--resample", self.resample, ways)
        _check(self.layout in LAYOUTS, "--layout", self.layout, "NHWC or NCHW")
        low, high = self.pixel_range or (0, 1)
        said = f"{low:g},{high:g}"
        _check(low < high, "--pixel-range", said, "two numbers, that of black first")
        shown = len(self.show) in (0, 1, 3) and min(self.show, default=0) >= 0
        _check(shown, "--show", ",".join(map(str, self.show)), "1 or 3 channels, from 0")
        plain = self.fill in (AUTO_FILL, *FILLS, LIKE_LIME)
        colours = self.preprocessing.channels in MODES or plain
        _check(
            colours, "--fill", self.fill, "a fill other than a colour: the channels are not colours"
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """What becomes of pixels: the preset with the options that override it."""
        base = preset(self.preprocess or "unit", self.size)
        given, channels = self.given, _order(self.channels)
        if given is not None and self.preprocess is None:
            base = Preprocessing(
                resize=given.resize,
                resize_to=given.resize_to,
                scale=given.scale,
                mean=given.mean,
                std=given.std,
                resample=base.resample if given.resample is None else given.resample,
                channels="L" if channels == "L" else given.channels or base.channels,
                floored=given.floored,
            )
        return Preprocessing(
            size=self.size,
            resize=self.resize or base.resize,
            resize_to=None if self.resize else base.resize_to,  # of the way that was not chosen
            scale=base.scale if self.scale is None else self.scale,
            mean=self.mean or base.mean,
            std=self.std or base.std,
            channels=channels or base.channels,
            resample=RESAMPLES.index(self.resample) if self.resample else base.resample,
            floored=base.floored,
        )

    def sources(self) -> Iterator[Source]:
        """List the images asked for, a folder's by the bytes of their names."""
        yield from self.listing.sources(self.inputs)

    def fitted(self, model_input: ModelInput) -> ImageModality:
        """Return a copy with the model's size, channels, layout and preset."""
        said: tuple[CodedWarning, ...] = ()
        scale, network = self.scale, model_input.kind == "image"
        if not model_input.size:
            asked = self.size, self.channels and _order(_channels(self.channels))
            model_input, found, said = as_pixels(model_input, self._untouched, *asked)
            scale = scale if found is None else found
        if scale is None and self._of_whole_pixels(model_input):
            scale, said = 1.0, (*said, WHOLE_PIXELS)
        if self.channels is None and self.mean is not None:
            said = (*said, *_of_other_order(self.mean, self.preprocessing.channels))
        model_input.require("image")
        if model_input.words or 0 < len(model_input.columns or ()) < FEWEST_PIXELS:
            n = len(model_input.columns or ()) or model_input.n_columns or 1
            kind = f"a table of {n} columns" if n > 1 else "a text"
            raise ModelError(
                f"{model_input.model}: takes {kind}, not an image",
                f"use limex explain {'tabular' if n > 1 else 'text'}",
            )
        pixels, n_channels = model_input.pixels, model_input.channels
        size = model_input.size
        if size and self.size and size != self.size:
            words = f"--size {_by(self.size)}: the model takes images of {_by(size)}"
            raise SettingsError(words, "leave it out")
        if size is None and pixels is not None and self.preprocess is None:
            size = pixels.size
        if pixels is not None and pixels.unread and self.preprocess is None:
            raise ModelError(
                f"preprocessor_config.json asks for {', '.join(pixels.unread)}, "
                "which limex does not do",
                "explain a function that calls the processor, py:module:function, or say all that "
                "becomes of pixels, beginning with --preprocess",
            )
        ways = (self.preprocess, model_input.preprocess, scale, self.mean, self.std)
        named = self.preprocess or model_input.preprocess or "unit"
        assumed = all(way is None for way in (*ways, pixels))
        counted = n_channels is not None or self.channels is not None
        fitted = replace(
            self,
            size=self.size or size,
            channels=_channels(self.channels or _counted(n_channels, named, self.size or size)),
            layout=model_input.layout or self.layout,
            precision=model_input.precision or self.precision,
            preprocess=self.preprocess or model_input.preprocess,
            assumed=assumed,
            open=assumed and not counted and not network and self.pixel_range is None,
            unordered=self.channels is None
            and pixels is None
            and model_input.preprocess is None
            and not self._untouched
            and (self.preprocess or "raw") in OF_RANGE
            and len(self.mean or ()) < 2,
            fixed=n_channels is not None,
            grey_said=self.grey_said
            or (self.channels is not None and not self.fixed and not self.grey_open),
            network=network,
            given=pixels,
            predictions=model_input.predict_few,
            scale=scale,
            said=said,
        )
        own = fitted.preprocessing
        if self.show and own.channels in MODES:
            words = f"--show: the model takes {own.channels}, which is shown as it is"
            raise SettingsError(words, "leave it out")
        if n_channels not in (None, own.n_channels):
            typed = fitted.channels or own.channels
            words = f"--channels {typed}: the model takes {n_channels} channels"
            raise SettingsError(words, "give L for 1 channel, RGB or BGR for 3, else their number")
        return fitted

    def _of_whole_pixels(self, model_input: ModelInput) -> bool:
        """Tell a mean or a deviation that can only be one of pixels from 0 to 255, where these
        would be divided first.
        """
        given, named = model_input.pixels, self.preprocess or model_input.preprocess
        scale = (
            given.scale if given and not self.preprocess else preset(named or "unit", None).scale
        )
        return scale < 1 and max((*(self.mean or ()), *(self.std or ())), default=0) > LARGEST_MEAN

    def read(self, source: Source) -> ImageInstance:
        """Read and segment one image; raise InputError when it cannot be used."""
        preprocessing = self.preprocessing
        reading = ImageReading(
            self.max_pixels,
            preprocessing.channels,
            self.pixel_range,
            self.show,
            as_held=self.assumed,
            whole_too=not self.network,
            own_channels=self.open,
            fixed=self.fixed,
            grey=self._grey,
            opaque=self.given is not None and self.preprocess is None,
        )
        path = source.path if isinstance(source.path, Held) else local(source.path)
        photo = read_image(path, reading)
        held = self._as_held(photo)
        if held is not None:
            scale = (held.high - held.low) / 255
            preprocessing = replace(
                preprocessing, scale=scale, mean=(-held.low or 0.0,), channels=held.channels
            )
            if held.channels not in MODES and self.fill not in (AUTO_FILL, *FILLS, LIKE_LIME):
                words = f"--fill {self.fill}: the {held.channels} channels of the array"
                raise SettingsError(f"{words} are not colours", "give a fill other than a colour")
        precision = "uint8" if held is not None and held.bytes else self.precision
        side = max(photo.pixels.shape[:2])
        view = preprocessing.view(photo.pixels.shape[:2])
        if view.squared and side > WIDEST:
            raise InputError(
                f"{Path(source.path).name}: --resize {preprocessing.resize} pads it to {side:,} x "
                f"{side:,} pixels, which are too many",
                "--resize pad resizes it first",
            )
        cut = self._cut(photo.pixels, view)
        values = 255 - photo.values if self.invert else photo.values
        raw = preprocessing.seen(values, view)
        fill, masked, said = self._filled(raw, cut.on_grid, preprocessing, precision)
        said = (*said, *self._fitting(view, held), *self._assumed(held, raw))
        parts = zip(cut.names, places(cut.labels, view), strict=True)
        return ImageInstance(
            subject=self._subject(source, photo, view, cut, fill, preprocessing),
            components=tuple(Component(name, None, place) for name, place in parts),
            warnings=(*photo.warnings, *cut.warnings, *said),
            pool=self._pool(photo, cut, fill, preprocessing),
            image=self._in_memory(preprocessing.numbers(raw), precision),
            masked=self._in_memory(preprocessing.numbers(masked), precision),
            labels=cut.on_grid,
            layout=self.layout,
        )

    def _filled(
        self, raw: Values, labels: IntArray, preprocessing: Preprocessing, precision: str
    ) -> tuple[str, FloatArray, tuple[CodedWarning, ...]]:
        """Return the fill, the image with every superpixel masked, and what is to be said."""

        def masked_by(fill: str) -> FloatArray:
            return filled(raw, labels, fill, preprocessing, self.seed)

        own = "mean" if self.fill == AUTO_FILL else self.fill
        if self.predictions is None:
            return own, masked_by(own), ()

        def predictions(masked: list[FloatArray]) -> FloatArray:
            assert self.predictions is not None
            kept = (labels < 0)[..., None]
            images = (preprocessing.numbers(np.where(kept, raw, one))[None] for one in masked)
            found = [self.predictions(_of_type(one, precision)) for one in images]
            return np.concatenate(found)

        colours = preprocessing.channels in MODES
        others = [one for one in OTHERS if one != own and (colours or one in FILLS)]
        better, words = weak(own, others, raw, masked_by, predictions)
        if better is None:
            return own, masked_by(own), ()
        chosen = better if self.fill == AUTO_FILL else own
        advice = "is used instead" if self.fill == AUTO_FILL else "may show more"
        said = CodedWarning("fill_changes_little", f"{words}; --fill {better} {advice}")
        return chosen, masked_by(chosen), (said,)

    def _as_held(self, photo: Photo) -> ArrayNumbers | None:
        """Return the numbers of an array if the model is given them as they are.

        Who keeps floats keeps what a model is given; whole numbers may be a picture's, which are
        scaled for networks.
        """
        numbers = photo.numbers if self.assumed else None
        return None if numbers is None or (numbers.whole and self.network) else numbers

    def _fitting(self, view: View, held: ArrayNumbers | None) -> Iterator[CodedWarning]:
        """Say what nobody asked for: that a preset leaves a part of the image out, a size that is
        not that of an array ``held`` as it is, proportions that change, and a filter.
        """
        y, x = view.y, view.x
        seen = round(x.stop - x.start), round(y.stop - y.start)
        if not (self.resize or self.preprocess is None or seen == (x.length, y.length)):
            words = CROPPED.message.format(self.preprocess, x.length, y.length, *seen)
            yield CROPPED._replace(message=words)
        said = None if self.preprocess else self.given
        if self.size is None and said is None and held is None:
            yield OWN_SIZE._replace(message=OWN_SIZE.message.format(x.length, y.length))
        if said is not None and said.resample is not None:
            if said.either and view.is_resized and self.resample is None:
                name = RESAMPLES[view.resample]
                yield EITHER._replace(message=EITHER.message.format(name, name))
            return  # a file beside the model says all the rest
        if self.resize is None and view.changes_proportions:
            words = STRETCHED.message.format(x.length, y.length, x.grid, y.grid)
            yield STRETCHED._replace(message=words)
        if view.is_resized and self.resample is None:
            words = RESAMPLED.message.format(RESAMPLES[view.resample])
            yield RESAMPLED._replace(message=words)

    def _assumed(self, held: ArrayNumbers | None, seen: Values) -> tuple[CodedWarning, ...]:
        if not self.assumed:
            colours = self.preprocessing.channels == "RGB" and (seen != seen[..., :1]).any()
            return (*self.said, *[IN_ORDER] * bool(self.unordered and colours))
        numbers = "0 to 1" if held is None else f"{held.low:.4g} to {held.high:.4g}"
        own = "" if held is None else ", as in the array,"
        channels = self.preprocessing.channels if held is None else held.channels
        colours = {"RGB": " in RGB", "L": " in grey"}.get(channels, f" in {channels} channels")
        shown = self.open or channels == "RGB"
        words = ASSUMED.message.format(f"{numbers}{colours if shown else ''}{own}")
        if held is None:
            words += ", --preprocess raw to 0 to 255"
        if shown and channels == "RGB":
            words += ", --channels BGR to BGR"
        elif channels == "L" and not self.invert and np.median(seen) > MIDDLE:
            words += ", --invert to white ink on black"
        return (*self.said, ASSUMED._replace(message=words))

    @property
    def _grey(self) -> str:
        """Who makes grey of colours, as a person or a file beside the model says."""
        given = None if self.preprocess else self.given
        said = self.grey_said or (given is not None and given.resample is not None)
        return OPENCV if self.channels == GREY_BY_OPENCV else PILLOW if said else ""

    @property
    def _untouched(self) -> bool:
        """Whether a person leaves it open how pixels become numbers."""
        return all(way is None for way in (self.preprocess, self.scale, self.mean, self.std))

    @property
    def _map(self) -> Path | None:
        """Path of the label map that stands in for a segmenter."""
        path = Path(self.segmenter)
        return path if path.suffix.lower() in MAPS else None

    def _cut(self, pixels: Pixels, view: View) -> Cut:
        if self.segmenter not in LIME:
            return cut_up(pixels, view, Cutter(self.segmenter, self.n_segments, self.seed))
        seen = view.seen(pixels, (view.y.n_inner, view.x.n_inner))
        if self.preprocessing.channels == "L":
            seen = np.repeat(self.preprocessing.in_channels(seen), 3, axis=2)
        labels = quickshift_like_lime(seen)
        n = int(labels.max()) + 1
        names = tuple(f"superpixel {i}" for i in range(n))
        return Cut(labels, view.labels_on_grid(labels), names, tuple(few_warning(n)))

    def _subject(
        self,
        source: Source,
        photo: Photo,
        view: View,
        cut: Cut,
        fill: str,
        preprocessing: Preprocessing,
    ) -> Subject:
        height, width = photo.pixels.shape[:2]
        facts: dict[str, Any] = {
            "width": width,
            "height": height,
            "segments": len(cut.names),
            "segmenter": self._map.name if self._map else self.segmenter,
            "fill": fill,
            "input": {**_facts(preprocessing), "size": [view.y.grid, view.x.grid]},
            **({"pixel_range": self.pixel_range} if self.pixel_range else {}),
            **({"grey": OPENCV} if self.channels == GREY_BY_OPENCV else {}),
            **({"invert": True} if self.invert else {}),
            **({"show": self.show} if self.show else {}),
            "label_map": kept_map(cut.labels, view),
        }
        image = SegmentedImage(photo.pixels, view.labels_on_image(cut.labels))
        name = Path(source.path).name
        return Subject(source.id, "image", name, photo.digest, facts, image)

    def _pool(self, photo: Photo, cut: Cut, fill: str, preprocessing: Preprocessing) -> str:
        """Name what the model is asked: the pixels as read, and all options that change them."""
        labels = digest_of(cut.on_grid.tobytes()) if self._map else self.segmenter
        fill = f"{fill}:inverted" if self.invert else fill
        own = asdict(preprocessing)
        if not preprocessing.floored:
            del own["floored"]
        ways = [labels, self.n_segments, fill, self.seed, own]
        said = json.dumps([photo.values.shape, ways, self.show]).encode()
        return f"image:{digest_of(said + photo.values.tobytes())}"

    def _in_memory(self, grid: NDArray[np.float32], precision: str) -> NDArray[Any]:
        """Return numbers as the model is fed them, so that no sample has to be turned around."""
        numbers = _of_type(grid, precision)
        turned = self.layout == "NCHW"
        return np.ascontiguousarray(numbers.transpose(2, 0, 1)) if turned else numbers


def _of_type(numbers: NDArray[Any], precision: str) -> NDArray[Any]:
    whole = np.rint(numbers) if precision == "uint8" else numbers
    return np.asarray(whole.astype(precision, copy=False))


def _facts(preprocessing: Preprocessing) -> dict[str, Any]:
    """Return what becomes of pixels as facts; the usual filter goes without saying."""
    usual = ("resample", "floored")
    return {
        key: one
        for key, one in asdict(preprocessing).items()
        if key not in usual or one != getattr(Preprocessing, key)
    }


BYTES = 64
"""What a model of pixels from 0 to 255 compares them with, at least, and one of others at most."""


FOUR_BITS = 16
"""What pixels of 4 bits run up to in scikit-learn's own digits."""


SIDE_BY_SIDE = {
    "NHWC": ", those of a pixel side by side",
    "NCHW": ", one colour after the other",
}


def as_pixels(
    given: ModelInput,
    untouched: bool,
    size: tuple[int, int] | None = None,
    colours: str | None = None,
) -> tuple[ModelInput, float | None, tuple[CodedWarning, ...]]:
    """Take the columns of a model for the pixels of an image, square unless a ``size`` is given.

    What it compares them with tells how they were numbered; that is assumed where ``untouched``.
    Returns the factor of pixels from 0 to 255 too, where it is known. Raises SettingsError for a
    size that has not as many pixels.
    """
    other = given.size or given.channels or given.kind == "text"
    own = given.columns is not None and given.kind == "table"
    n = 0 if other or own else given.n_columns or 0
    if n < FEWEST_PIXELS:
        return given, None, ()
    counts = [1, 3] if size is None else [1, 3, 4]
    if colours is not None:
        counts = [{"L": 1}.get(colours, 3) if colours in MODES else int(colours)]
    sides = [(size or (math.isqrt(n // count),) * 2, count) for count in counts]
    fitting = [one for one in sides if math.prod(one[0]) * one[1] == n]
    if not fitting and size is not None:
        words = (
            f"--size {_by(size)}: the model takes {n:,} numbers, which is another number of pixels"
        )
        raise SettingsError(words, "give the height and width of its images")
    if not fitting:
        return given, None, ()
    (height, width), channels = fitting[0]
    named = colours if colours in MODES else {1: "grey", 3: "RGB"}.get(channels)
    kind = {"L": "grey"}.get(named or "", named) or f"{channels} channels"
    order = SIDE_BY_SIDE[given.layout or "NHWC"] if channels > 1 else ""
    words = f"the {n:,} numbers that the model takes are {height} x {width} pixels in {kind}{order}"
    known = size is not None and colours is not None and (channels == 1 or given.layout is not None)
    given = given._replace(kind="image", size=(height, width), channels=channels)
    reaches = list(given.ranges.values())
    most, factor = max((one.high for one in reaches), default=0.0), None
    if untouched and most > BYTES:
        words, factor = f"{words}, from 0 to 255", 1.0
    elif untouched and most > 1.5 and all(one.rows for one in reaches):
        words, factor = f"{words}, from 0 to {most:.4g} as in the rows it keeps", most / 255
    elif untouched and FOUR_BITS / 2 < most <= FOUR_BITS:
        words = f"{words}, from 0 to {FOUR_BITS}, as it compares them with numbers up to {most:.4g}"
        factor = FOUR_BITS / 255
    elif untouched and most > 1.5:
        words += f", compared with numbers up to {most:.4g}, and are 0 to 1: see --scale"
    elif known:
        return given, None, ()
    words += "; --size, --channels, --layout and --preprocess change this"
    return given, factor, (CodedWarning("pixels_assumed", words),)


def _counted(n_channels: int | None, named: str, size: tuple[int, int] | None) -> str:
    """Spell the model's number of channels where the preset has another one.

    A graph knows how many channels it takes, never in which order: that is the preset's to say.
    """
    same = n_channels in (None, preset(named, size).n_channels)
    return "" if same else str(n_channels)


def _channels(said: str) -> str | None:
    """Spell 1 and 3 channels as grey and colours, none as what the preset says."""
    return {"1": "L", "3": "RGB"}.get(said, said) or None


def _of_other_order(mean: tuple[float, ...], channels: str) -> Iterator[CodedWarning]:
    """Say that a mean for each channel is a usual one of the other order of colours."""
    other = {"RGB": "BGR", "BGR": "RGB"}.get(channels)
    usual = (one if other == "RGB" else one[::-1] for one in MEANS)
    near = (np.allclose(mean, one, rtol=0.02) for one in usual if len(mean) == 3)
    if other and any(near):
        words = OTHER_ORDER.message.format(other, channels, other, channels)
        yield OTHER_ORDER._replace(message=words)


def _order(channels: str | None) -> str | None:
    """Return the channels that are meant, whoever makes grey of colours."""
    return "L" if channels == GREY_BY_OPENCV else channels


def _check(good: bool, option: str, value: object, wanted: str) -> None:
    if not good:
        raise SettingsError(f"{option}: {value} is not valid", f"give {wanted}")


def _by(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))
