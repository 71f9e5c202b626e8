"""The options that limex would choose for a model, and the sidecar that says them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lime_cli.models.model_file import ModelInput
from lime_cli.models.onnx.export import export_beside
from lime_cli.models.onnx.graph import Size
from lime_cli.tools.inspect.measure import ModelReport

MODALITIES = {"table": "tabular", "text": "text", "image": "image"}
"""Modality of each kind of input."""

LINE = 90
"""Characters of a line of a sidecar, about."""


@dataclass(frozen=True)
class Choice:
    """An option of ``limex explain`` for this model."""

    key: str
    """Its long name."""
    value: str | int | tuple[str, ...]
    why: str
    certain: bool = True
    """Whether limex would choose so; else it is for a person to say."""
    modality: str = ""
    """Empty for an option of every modality."""


def modality_of(report: ModelReport) -> str | None:
    """Name the modality that explains the model, where that is known."""
    kind = report.probe.input.kind if report.probe else None
    return MODALITIES.get(kind or report.kind or "")


def known_input(report: ModelReport) -> ModelInput:
    """Return what the model says of its input: loaded, else as far as the file tells."""
    if report.probe is not None:
        return _with_outline(report.probe.input, report)
    if report.native is not None:
        return ModelInput(
            kind="table", columns=report.native.columns, n_columns=report.native.n_columns
        )
    if report.signature is None or report.kind is None:
        return _with_outline(ModelInput(), report)
    metadata, inputs = dict(report.signature.metadata), report.signature.inputs
    if report.kind == "image":
        return _image(inputs[0].shape or (), metadata.get("limex.preprocess"))
    columns = _listed(metadata.get("limex.features"))
    if len(inputs) > 1:
        columns = tuple(one.name for one in inputs)
    return ModelInput(kind=report.kind, columns=columns)


def known_classes(report: ModelReport) -> tuple[str, ...] | None:
    """Return the names of the classes: as the model answers, else as the file tells."""
    probe = report.probe
    if probe is not None and probe.task is not None:
        return probe.targets if probe.task == "classification" else None
    if report.native is not None:
        return report.native.classes
    if report.signature is not None:
        said = dict(report.signature.metadata).get("limex.classes")
        return _listed(said) or report.signature.classes
    return report.outline.classes if report.outline else None


def choices(report: ModelReport) -> tuple[Choice, ...]:
    """List the options limex would choose, and those it leaves to a person."""
    return (*_common(report), *_of_modality(report))


def sidecar(report: ModelReport) -> str:
    """Write the choices as a file of options; what a person may say stands as a comment."""
    name = re.sub(r"[\x00-\x1f\x7f]", "?", Path(report.path).name)
    lines = [
        f"# What limex explain uses for {name}; the command line and LIMEX_<OPTION> win.",
        "# Paths are relative to this file. limex explain --help lists all options.",
        "",
    ]
    table = ""
    for one in choices(report):
        if one.modality != table:
            table = one.modality
            lines += ["", f"[{table}]"]
        mark = "" if one.certain else "# "
        lines += [f"# {one.why}", f"{mark}{one.key} = {_toml(one.value)}"]
    return "\n".join(lines) + "\n"


def _common(report: ModelReport) -> Iterator[Choice]:
    probe, signature, names = report.probe, report.signature, known_classes(report)
    if probe is not None and probe.task is not None:
        yield Choice("task", probe.task, "as it answers")
    elif names is not None:
        yield Choice("task", "classification", "it has classes")
    said = report.said
    yield from _of_tokens(report)
    if said is not None and said.output is not None:
        yield Choice("model-output", said.output, "as said")
    elif probe is not None and signature is not None and len(signature.outputs) > 1:
        yield Choice("model-output", probe.method, f"of {len(signature.outputs)} outputs")
    form = known_input(report).form
    if form is not None:
        chosen = said is None or said.input_form == "auto"
        yield Choice("input-form", form, "what it wants" if chosen else "as said")
    if names is not None:
        named = names != tuple(map(str, range(len(names))))
        why = "its own names" if named else f"it names none of its {len(names)} classes"
        yield Choice("classes", names if named else "names.txt", why, named)


def _of_tokens(report: ModelReport) -> Iterator[Choice]:
    """List what makes token ids of texts, and probabilities of what the graph answers."""
    said = report.said
    export = export_beside(Path(report.path), said.tokenizer if said else None)
    options = dict(report.probe.options) if report.probe else {}
    if "tokenizer" in options and export.tokenizer is not None:
        folder, own = Path(report.path).parent.resolve(), export.tokenizer.resolve()
        place = os.path.relpath(own, folder)
        beside = said is None or said.tokenizer is None
        inside = not place.startswith("..")
        if inside:
            yield Choice("tokenizer", place, "beside it" if beside else "as said")
        elif not beside:
            why = "outside the model's folder, where no sidecar reaches: type it"
            yield Choice("tokenizer", place, why, False)
    limit = known_input(report).max_tokens
    if limit is not None:
        yield Choice("max-tokens", limit, "longer texts are cut there")
    typed = said is not None and said.activation != "auto"
    activation = said.activation if said and typed else options.get("activation")
    if activation is not None:
        yield Choice("activation", activation, "as said" if typed else "by its config.json")


def _of_modality(report: ModelReport) -> Iterator[Choice]:
    known, modality = known_input(report), modality_of(report)
    if modality == "tabular":
        why = "the table that replacement values come from; DATA itself without"
        yield Choice("background", "train.csv", why, False, modality)
    if modality != "image":
        return
    pixels = known.pixels
    height, width = known.size or (pixels.size if pixels else None) or (224, 224)
    size = f"{height}" if height == width else f"{height}x{width}"
    free = "any size goes; without, every image is taken as it is"
    why = "its input's shape"
    if pixels is None or known.size:
        yield Choice("size", size, why if known.size else free, known.size is not None, modality)
    else:
        yield Choice("size", size, BESIDE, True, modality)
    if known.layout:
        yield Choice("layout", known.layout, why, True, modality)
    if known.channels and not (known.channels == 3 and known.preprocess):
        colours = known.channels == 3
        channels = "RGB" if colours else {1: "L"}.get(known.channels, str(known.channels))
        why = "3 in its input, in an order that it does not say" if colours else "as its input has"
        yield Choice("channels", channels, why, not colours, modality)
    if known.preprocess:
        yield Choice("preprocess", known.preprocess, "its metadata", True, modality)
    elif pixels is not None:
        why = f"{pixels.resize}, mean and std by {BESIDE}, unless this is said"
        yield Choice("preprocess", "imagenet", why, False, modality)
    else:
        why = "how pixels become numbers; unit (0 to 1) is assumed without"
        yield Choice("preprocess", "imagenet", why, False, modality)


BESIDE = "preprocessor_config.json"


def _image(shape: tuple[Size, ...], preprocess: str | None) -> ModelInput:
    """Read a shape as the loaded model would, where its channels are plain to see."""
    first, last = (shape[place] in (1, 3, 4) for place in (1, 3))
    layout = None if first == last else "NCHW" if first else "NHWC"
    height, width, channels = (shape[i] for i in ((1, 2, 3) if layout == "NHWC" else (2, 3, 1)))
    fixed = isinstance(height, int) and isinstance(width, int) and layout is not None
    return ModelInput(
        kind="image",
        size=(int(height or 0), int(width or 0)) if fixed else None,
        channels=channels if isinstance(channels, int) and layout else None,
        layout=layout,
        preprocess=preprocess,
    )


def _with_outline(known: ModelInput, report: ModelReport) -> ModelInput:
    outline = report.outline
    if outline is None or known.columns or known.n_columns:
        return known
    return ModelInput(known.model, outline.kind, outline.columns, outline.n_columns)


def _listed(words: str | None) -> tuple[str, ...] | None:
    """Read a JSON list of names; None for anything else."""
    try:
        found = json.loads(words or "null")
    except ValueError:
        return None
    return tuple(map(str, found)) if isinstance(found, list) else None


def _toml(value: str | int | tuple[str, ...]) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        plain = value.encode("utf-8", "replace").decode()
        return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
    inside = [_toml(one) for one in value]
    row = f"[{', '.join(inside)}]"
    return row if len(row) <= LINE else "[\n" + "".join(f"    {one},\n" for one in inside) + "]"
