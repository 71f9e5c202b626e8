"""What lies beside a graph of a Hugging Face export: tokenizer, names, activation, preprocessing.

Such a folder holds ``model.onnx`` (or ``onnx/model.onnx``), ``config.json``, and ``tokenizer.json``
or ``preprocessor_config.json``. What these say is what the model's owner's own tools do with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import floor
from pathlib import Path
from typing import Any, NamedTuple

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError
from lime_cli.files import digest_of_file, from_json, read_small
from lime_cli.models.model_file import CHECKPOINTS, EXPORTED, PixelsInput, may_be_read
from lime_cli.models.names import by_number
from lime_cli.registry import AS_TORCH, RESAMPLES

TOKENIZER = "tokenizer.json"

SLOW = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
"""Files of tokenizers that have not been saved in one."""

NO_LIMIT = 10**6
"""From here on ``model_max_length`` means that nobody knows one."""

POSITIONS = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len",
)  # fmt: skip

AFTER_PADDING = (
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "mpnet",
    "longformer", "data2vec-text", "ibert", "luke", "xmod", "mluke",
)  # fmt: skip
"""Kinds of models that count positions from behind the number of the padding."""

WIDTHS = ("hidden_size", "d_model", "dim", "n_embd", "embedding_size")

SIZE = 64 << 20
"""Bytes of a configuration, at most."""


SCORE = CodedWarning(
    "activation_assumed",
    "the model has one label and does not say what its score is, which becomes a probability, as "
    "in transformers' pipelines; --activation none explains the score itself, --activation sigmoid "
    "confirms it",
)


class Export(NamedTuple):
    """What lies beside a graph."""

    tokenizer: Path | None = None
    config: dict[str, Any] = {}  # noqa: RUF012 - never changed
    tokens: dict[str, Any] = {}  # noqa: RUF012
    """Of tokenizer_config.json and special_tokens_map.json."""
    processor: dict[str, Any] = {}  # noqa: RUF012
    """Of preprocessor_config.json."""
    slow: str = ""
    """A file of a tokenizer that has not been saved as one tokenizer.json."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the outputs by ``id2label``, or by ``label2id`` where that stands alone."""
        held = self.config.get("id2label")
        if held is None:
            held = by_number(self.config.get("label2id"))
        if not isinstance(held, dict) or not all(str(key).isdecimal() for key in held):
            return None
        names = {int(key): str(name) for key, name in held.items()}
        whole = names and sorted(names) == list(range(len(names)))
        return tuple(names[i] for i in range(len(names))) if whole else None

    @property
    def label(self) -> str:
        """What transformers writes before the number of a class that ``id2label`` does not name."""
        kinds = self.config.get("architectures") or ()
        return "LABEL_" if any("Classification" in str(one) for one in kinds) else ""

    @property
    def activation(self) -> str | None:
        """What turns logits into what is read; None where the files do not say.

        By ``problem_type``, else by the number of labels, as transformers' pipelines do; a
        cross-encoder's single score is what sentence-transformers makes of it, and the networks of
        simpletransformers for several labels are named after these.
        """
        kinds = self.config.get("architectures") or ()
        if not self.config.get("model_type") and not kinds:
            return None
        if kinds and not any("Classification" in str(one) for one in kinds):
            return None
        said = self.config.get("problem_type")
        n = len(self.classes or ()) or self.config.get("num_labels") or 2
        scored = self._scored if n == 1 else ""
        if said == "regression" or scored == "Identity":
            return "none"
        several = any("MultiLabel" in str(one) for one in kinds)
        if said == "multi_label_classification" or several or n == 1:
            return "sigmoid"
        return "softmax"

    @property
    def warnings(self) -> tuple[CodedWarning, ...]:
        """Say that the score of one label that means nothing is made a probability."""
        plain = (self.classes or ("LABEL_0",)) == ("LABEL_0",)
        own = self.config.get("problem_type") or self._scored
        return (SCORE,) if self.activation == "sigmoid" and plain and not own else ()

    @property
    def _scored(self) -> str:
        """The class of torch that sentence-transformers applies to a score, such as Identity."""
        own = self.config.get("sentence_transformers")
        said = own.get("activation_fn") if isinstance(own, dict) else None
        said = said or self.config.get("sbert_ce_default_activation_function")
        return str(said or "").rpartition(".")[2]

    @property
    def tokens_limit(self) -> int | None:
        """Tokens after which tokenizer_config.json says that texts are cut."""
        said = self.tokens.get("model_max_length")
        return int(said) if isinstance(said, (int, float)) and 0 < said < NO_LIMIT else None

    @property
    def limit(self) -> int | None:
        """Tokens of a text that the model takes, special ones included; None for any number."""
        known = [] if self.tokens_limit is None else [self.tokens_limit]
        relative = self.config.get("position_biased_input") is False
        if not relative or not known:
            found = next((self.config[key] for key in POSITIONS if key in self.config), None)
            if isinstance(found, int) and found > 0:
                known.append(max(1, found - self.first_position))
        return min(known, default=None)

    @property
    def first_position(self) -> int:
        """The number of a text's first token, where positions are counted."""
        pad = self.config.get("pad_token_id", 1)
        behind = self.config.get("model_type") in AFTER_PADDING and isinstance(pad, int)
        return pad + 1 if behind else 0

    @property
    def width(self) -> int | None:
        """How many numbers stand for a token inside the model."""
        found = next((self.config[key] for key in WIDTHS if key in self.config), None)
        return found if isinstance(found, int) and found > 0 else None

    @property
    def pixels(self) -> PixelsInput | None:
        """What becomes of an image's pixels, by ``preprocessor_config.json``."""
        if not OF_IMAGES & set(self.processor):
            return None
        kind, backend = self._processor
        said = _as_class(self.processor, kind)
        shown, sides, shorter = _fitted(said, kind)
        (scale,) = _numbers([said.get("rescale_factor")]) or (1 / 255,)
        normal = said.get("do_normalize", True)
        mean = _numbers(said.get("image_mean") if normal else None) or (0.0,)
        deviation = _numbers(said.get("image_std")) or (1.0,)
        std = deviation if normal else (1.0,)
        if said.get("rescale_offset") and said.get("do_rescale", True):
            mean = tuple(one + 1 for one in mean)
        if said.get("include_top"):  # of EfficientNet, which divides again
            std = tuple(one * (std[0] if len(std) == 1 else one) for one in deviation)
        flipped = said.get("do_flip_channel_order")
        resample = said.get("resample", 3 if kind in BICUBIC else 2)
        named = str(resample).lower()
        resample = RESAMPLES.index(named) if named in RESAMPLES else resample
        resample = resample if resample in range(6) else None
        return PixelsInput(
            shown or sides or ((shorter, shorter) if shorter else None),
            "crop" if shorter else "stretch",
            shorter or (sides[0] if sides and shown not in (None, sides) else None),
            scale if said.get("do_rescale", True) else 1.0,
            mean,
            std,
            AS_TORCH[resample] if backend == "Fast" and resample in AS_TORCH else resample,
            "BGR" if flipped else None,
            # who wrote a file himself has torchvision in mind, and timm asks it
            floored=kind not in ("", "timm"),
            either=backend != "Fast" and kind != "timm" and resample in AS_TORCH,
            unread=(*_unread(said, kind), *_unsaid(said, kind), *_padded(shown, sides, shorter)),
        )

    @property
    def _processor(self) -> tuple[str, str]:
        """Return the kind of the image processor, such as ``vit``, and who resizes: ``Fast`` for
        torch; else, after ``Pil`` too, transformers takes the one that is installed.
        """
        said = self.processor
        named = said.get("image_processor_type") or said.get("feature_extractor_type") or ""
        found = PROCESSOR.fullmatch(str(named))
        return (found[1].lower(), found[2] or "") if found else (str(named).lower(), "")

    @property
    def pad(self) -> str | None:
        """The token that texts are filled up with."""
        return self.special("pad_token")

    def special(self, name: str) -> str | None:
        """Return a special token, given bare or as an object."""
        said = self.tokens.get(name)
        said = said.get("content") if isinstance(said, dict) else said
        return said if isinstance(said, str) else None


def export_beside(model: Path, tokenizer: str | None = None) -> Export:
    """Read what lies beside a graph, or beside the tokenizer that was named for it.

    Raises InputError for a file that is damaged.
    """
    named = Path(tokenizer) if tokenizer else None
    folders = _folders(model)
    if named is not None:
        folders.insert(0, named if named.is_dir() else named.parent)
    own = named if named is not None and not named.is_dir() else None
    found = own or next((one / TOKENIZER for one in folders if may_be_read(one / TOKENIZER)), None)
    slow = next(
        (str(one / name) for one in folders for name in SLOW if may_be_read(one / name)), ""
    )
    if own is not None and _is_slow(own):
        found, slow = None, str(own)
    elif found is None and slow and not _is_slow(Path(slow)):
        found, slow = Path(slow), ""
    config = _as_of_timm(_first(folders, "config.json"))
    processor = _first(folders, "preprocessor_config.json") or _of_timm(config)
    if "pretrained_cfg" in config and "architecture" in config and config.get("num_classes") != 0:
        config = _classes_of_timm(config)
    if not {"model_type", "architectures", "id2label"} & set(config):
        config = {}  # of another kind
    tokens = {
        **_first(folders, "special_tokens_map.json"),
        **_first(folders, "tokenizer_config.json"),
    }
    return Export(found, config, tokens, processor, slow)


def _is_slow(path: Path) -> bool:
    """Tell a file of a tokenizer that was not saved in one: JSON by what it holds, others by name.

    A vocabulary holds a number for each word; a whole tokenizer may have any name, and so may it.
    """
    if path.suffix == ".json" and may_be_read(path):
        try:
            held = from_json(read_small(path))
        except (OSError, ValueError):
            held = None
        if isinstance(held, dict) and held:
            return all(isinstance(one, int) for one in held.values())
    return path.name in SLOW


def _as_of_timm(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration of Holocron and its like, which says the same without a part of its
    own, spelled as timm spells it; any other one as it is.
    """
    names = config.get("classes")
    if "pretrained_cfg" in config or not isinstance(names, list):
        return config
    if not isinstance(config.get("mean"), list) or not isinstance(config.get("std"), list):
        return config
    said = {"interpolation": "bilinear", **config, "input_size": config.get("input_shape")}
    return {
        "architecture": config.get("arch", ""),
        "num_classes": len(names),
        "label_names": names,
        "pretrained_cfg": {**said, "crop_mode": "squash", "crop_pct": 1},
    }


def _of_timm(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a configuration of timm says of images, spelled as transformers spells it."""
    said = config.get("pretrained_cfg")
    sides = said.get("input_size") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(sides, list) or len(sides) != 3:
        return {}
    height, width = sides[1:]
    whole = floor(min(height, width) / (said.get("crop_pct") or 1))
    squash = said.get("crop_mode") == "squash"
    return {
        "size": {"height": whole, "width": whole} if squash else {"shortest_edge": whole},
        "crop_size": {"height": height, "width": width},
        "do_center_crop": True,
        "image_processor_type": "TimmImageProcessor",
        "image_mean": said.get("mean") or [0.485, 0.456, 0.406],
        "image_std": said.get("std") or [0.229, 0.224, 0.225],
        "resample": said.get("interpolation") or "bicubic",
    }


def _classes_of_timm(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a configuration of timm says of classes, spelled as transformers spells it."""
    names, n = config.get("label_names"), config.get("num_classes")
    labels = names if isinstance(names, list) else []
    return {
        "model_type": "timm_wrapper",
        "num_labels": n if isinstance(n, int) else len(labels),
        "id2label": {str(i): one for i, one in enumerate(labels)},
    }


def digests_beside(model: str) -> dict[str, str]:
    """Return the digests of what is read beside a graph, by the files' names."""
    if not model.endswith(".onnx") and Path(model).name not in CHECKPOINTS:
        return {}
    places = [(name, folder / name) for folder in _folders(Path(model)) for name in EXPORTED]
    found: dict[str, str] = {}
    for name, path in places:
        if name not in found and may_be_read(path):
            found[name] = digest_of_file(path)
    return found


def _folders(model: Path) -> list[Path]:
    return [model.parent, *([model.parent.parent] if model.parent.name == "onnx" else [])]


PROCESSOR = re.compile(r"(\w*?)(?:ImageProcessor|FeatureExtractor)(Fast|Pil)?")

OF_IMAGES = {"image_mean", "size", "do_resize", "do_rescale", "image_processor_type"}

FOLLOWED = {
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct", "do_rescale",
    "rescale_factor", "rescale_offset", "do_normalize", "image_mean", "image_std", "include_top",
    "do_flip_channel_order",
}  # fmt: skip
"""Keys of an image processor that are done as they say."""

IDLE = {
    "image_processor_type", "feature_extractor_type", "processor_class", "do_convert_rgb",
    "do_reduce_labels", "reduce_labels", "do_convert_annotations", "default_to_square", "format",
    "input_data_format", "data_format", "return_tensors", "device", "disable_grouping",
    "num_channels", "_valid_processor_keys", "model_input_names",
}  # fmt: skip
"""Keys that change no pixel of a photo."""

BICUBIC = ("clip", "chineseclip", "deit", "beit", "siglip", "poolformer", "levit", "bit")
"""Kinds that resize so where their files do not say it."""

WHOLE, SHARE = 384, 224 / 256
"""Of ConvNext: from which size on images are stretched, not cropped; what is kept of others."""

SQUARE = ("deit", "beit", "efficientformer", "owlvit")
"""Kinds to which one number means both sides, though they crop."""

SHORTER = (
    "", "clip", "chineseclip", "bit", "levit", "poolformer", "mobilenetv1", "mobilenetv2",
    "mobilevit", "vithybrid", "convnext", "vit",
)  # fmt: skip
"""Kinds to which one number means the shorter side, if they crop."""

Sides = tuple[int, int] | None


def _as_class(said: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what a file says to the class of its processor: what this one does not know is left
    out, and what it does unless it is told otherwise is written out.
    """
    if kind == "mobilevit":
        said = {"do_flip_channel_order": True, **said, "do_normalize": False}
    if kind in WHOLES:
        said = {"do_center_crop": False, **said}
    if "do_resize_and_center_crop" in said:  # of an older poolformer
        both = said["do_resize_and_center_crop"]
        said = {"do_resize": both, "do_center_crop": both, "crop_size": said.get("size"), **said}
        del said["do_resize_and_center_crop"]
    if kind == "levit":
        said = {"crop_size": said.get("size"), **said}
    others = [key for key, kinds in OWN.items() if kind not in kinds]
    known = kind in (*CROPPING, *WHOLES, "convnext")
    return {key: one for key, one in said.items() if not (known and key in others)}


OWN = {
    "crop_pct": ("convnext", "poolformer"),
    "do_flip_channel_order": ("mobilevit",),
    "rescale_offset": ("efficientnet",),
    "include_top": ("efficientnet",),
}
"""Keys that some kinds know and others pass over."""


def _unread(said: dict[str, Any], kind: str) -> tuple[str, ...]:
    """Name what the processor does that nothing here follows: a multiple of 1 changes nothing."""
    own = {key: one for key, one in said.items() if key not in FOLLOWED | IDLE}
    found = [key for key, one in own.items() if one is True or one not in (None, False, 0, 1, "")]
    sizes = said.get("size")
    named = sizes if isinstance(sizes, dict) else {}
    found += [f"size.{key}" for key in named if key not in SIDES]
    cropping, sides = said.get("do_center_crop"), _sides(sizes)
    if kind in ODD:
        found.append(repr(kind))
    if not said.get("do_resize", True):
        return (*found, "do_center_crop") if cropping else tuple(found)
    if cropping is False and "shortest_edge" in named:
        found.append("size.shortest_edge without do_center_crop")
    if cropping is False and said.get("crop_pct") and kind == "poolformer":
        found.append("crop_pct without do_center_crop")
    if cropping and sides is not None and sides[0] != sides[1]:
        found.append("do_center_crop of sides that differ")
    told = SHORTER if cropping else ("", *WHOLES)
    if cropping is not None and isinstance(sizes, int) and kind not in (*SQUARE, *told):
        found.append(f"size {sizes} without saying of which side")
    return tuple(found)


def _unsaid(said: dict[str, Any], kind: str) -> Iterator[str]:
    """Name what is left to the defaults of a processor's class, which only its library knows."""
    if said.get("do_resize", bool(kind)) and said.get("size") is None:
        yield "do_resize without size"
    normal = said.get("do_normalize", bool(kind))
    yield from (f"do_normalize without {one}" for one in MOMENTS if normal and not said.get(one))
    if kind in CROPPING and "do_center_crop" not in said:
        yield f"{kind!r} without saying do_center_crop"
    if kind in CROPPING and said.get("do_center_crop") and not said.get("crop_size"):
        yield "do_center_crop without crop_size"


MOMENTS = ("image_mean", "image_std")

CROPPING = (
    "clip", "chineseclip", "bit", "levit", "poolformer", "mobilenetv1", "mobilenetv2", "mobilevit",
    "vithybrid", "deit", "efficientformer", "bridgetower",
)  # fmt: skip
"""Kinds that take a centre unless their files say that they do not."""

WHOLES = ("vit", "beit", "siglip", "blip", "efficientnet", "pvt", "segformer", "owlvit", "dpt")
"""Kinds that take none unless their files say that they do."""

SIDES = ("height", "width", "shortest_edge")

ODD = ("perceiver", "donut", "nougat", "pixtral", "imagegpt", "layoutlmv2", "vivit", "siglip2")
"""Kinds that mean something else by the same keys: by sides, by a crop, or by scaling."""


def _padded(shown: Sides, sides: Sides, shorter: int | None) -> tuple[str, ...]:
    """Name a crop that is larger than the image by then, and is filled up with black."""
    left = sides or ((shorter, shorter) if shorter else shown)
    over = shown and left and (shown[0] > left[0] or shown[1] > left[1])
    return ("a crop_size larger than size",) if over else ()


def _fitted(said: dict[str, Any], kind: str) -> tuple[Sides, Sides, int | None]:
    """Return the sides that are cropped to, those that are resized to, or the shorter of these."""
    sides, crop = _sides(said.get("size")), _sides(said.get("crop_size"))
    share, older = said.get("crop_pct"), not isinstance(said.get("size"), dict)
    if not said.get("do_resize", True):
        return crop if said.get("do_center_crop") else None, None, None
    cropping = bool(said.get("do_center_crop") or share)
    shorter = None
    if not older or (cropping and kind not in SQUARE):  # one number has either meaning
        shorter = _shorter(said.get("size"))
        sides = None if shorter else sides
    if shorter and (kind == "convnext" or (share and crop is None)):
        if shorter >= WHOLE:
            return None, (shorter, shorter), None
        return (shorter, shorter), None, int(shorter / (share or SHARE))
    if share and (shorter or sides):
        shorter, sides = int((shorter or min(sides or (0,))) / share), None
    elif shorter and kind == "levit":
        shorter = int(256 / 224 * shorter)
    shown = crop if said.get("do_center_crop", bool(shorter)) else None
    return shown, sides, shorter


def _sides(size: Any) -> tuple[int, int] | None:
    """Return (height, width) of a size in any of its notations."""
    if isinstance(size, int) and not isinstance(size, bool):
        return size, size
    if not isinstance(size, dict):
        return None
    height, width = size.get("height"), size.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _shorter(size: Any) -> int | None:
    """Return the shorter side that a size names, where it names no more."""
    found = size.get("shortest_edge") if isinstance(size, dict) else size
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _numbers(values: Any) -> tuple[float, ...] | None:
    listed = isinstance(values, list) and all(isinstance(one, (int, float)) for one in values)
    return tuple(map(float, values)) if listed else None


def _first(folders: list[Path], name: str) -> dict[str, Any]:
    path = next((one / name for one in folders if may_be_read(one / name)), None)
    if path is None or path.stat().st_size > SIZE:
        return {}
    try:
        found = from_json(path.read_text("utf-8-sig"))
    except (OSError, ValueError):
        raise InputError(f"{path}: is damaged, or is not JSON", "save the export again") from None
    return found if isinstance(found, dict) else {}
