"""Every list of names that options offer and code looks up; the code is imported when asked for.

What the engine chooses among stands in ``settings``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lime_cli.errors import SettingsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Registry(Mapping[str, Any]):
    """Map names to objects given as ``"module:attribute"``, importing each on first use.

    Other packages add names by entry points of ``group``. They are looked for only when a name is
    not in the table, or all are listed: to read the metadata of all packages takes a while.
    """

    def __init__(self, kind: str, table: dict[str, str], group: str = "") -> None:
        self.kind = kind
        self._table, self._group = table, group

    @property
    def own(self) -> tuple[str, ...]:
        """The names of limex itself, in their order, as options show them."""
        return tuple(self._table)

    def __getitem__(self, name: str) -> Any:
        """Import and return what ``name`` stands for; SettingsError for an unknown name."""
        if name in self._table:
            module, _, attribute = self._table[name].partition(":")
            return getattr(import_module(module), attribute)
        if name in plugins(self._group):
            return plugins(self._group)[name].load()
        raise SettingsError(f"unknown {self.kind} {name!r}", f"one of: {', '.join(self)}")

    def __contains__(self, name: object) -> bool:
        return name in self._table or name in plugins(self._group)

    def __iter__(self) -> Iterator[str]:
        return iter(
            (*self._table, *(one for one in plugins(self._group) if one not in self._table))
        )

    def __len__(self) -> int:
        return len(self._table.keys() | plugins(self._group).keys())


@lru_cache(maxsize=8)
def plugins(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group, by name, of all packages installed."""
    if not group:
        return {}
    from importlib.metadata import entry_points

    return {one.name: one for one in sorted(entry_points(group=group))}


def functions_of(module: str, parameters: str) -> dict[str, str]:
    """Name the functions of a file that take these parameters, in their order.

    The file is read, not imported: that would bring all that they need.
    """
    path = Path(__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")
    found = re.findall(r"^def (\w+)\((.*?)\) ->", path.read_text("utf-8"), re.MULTILINE)
    named = {name: ", ".join(re.findall(r"(\w+):", typed)) for name, typed in found}
    return {name: f"{module}:{name}" for name, given in named.items() if given == parameters}


FORMATS = Registry(
    "format",
    {
        "table": "lime_cli.formats.table:write",
        "json": "lime_cli.formats.json:write",
        "jsonl": "lime_cli.formats.json:write_lines",
        "csv": "lime_cli.formats.long_form:write_csv",
        "parquet": "lime_cli.formats.long_form:write_parquet",
        "xlsx": "lime_cli.formats.long_form:write_excel",
        "md": "lime_cli.formats.markdown:write",
        "html": "lime_cli.formats.html:write",
        "png": "lime_cli.formats.drawing:write_png",
        "svg": "lime_cli.formats.drawing:write_svg",
        "jpg": "lime_cli.formats.drawing:write_jpg",
        "webp": "lime_cli.formats.drawing:write_webp",
    },
    "limex.formats",
)
"""Of explanations; each is a ``formats.Format``."""

SUFFIXES = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".md": "md",
    ".html": "html",
    ".htm": "html",
    ".png": "png",
    ".svg": "svg",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".webp": "webp",
    ".txt": "table",
}
"""Which format a file's suffix asks for."""

MANY = ("table", "jsonl", "csv", "parquet", "xlsx", "md", "html")
"""Formats that hold any number of explanations; the others hold one."""

SHEETS = ("table", "json", "csv", "xlsx", "md", "html")
"""Formats of the commands whose result is a sheet of tables."""

LOADERS = Registry(
    "model format",
    {
        "pickle": "lime_cli.models.pickles.loading:load",
        "joblib": "lime_cli.models.pickles.loading:load",
        "skops": "lime_cli.models.skops:load",
        "onnx": "lime_cli.models.onnx:load",
        "xgboost": "lime_cli.models.booster_loading:load_xgboost",
        "lightgbm": "lime_cli.models.booster_loading:load_lightgbm",
        "catboost": "lime_cli.models.booster_loading:load_catboost",
        "transformers": "lime_cli.models.checkpoints:load",
        "python": "lime_cli.models.python:load",
    },
    "limex.models",
)
"""Of model files; each is called with a ``ModelFile``."""

TRANSFORMERS = Registry(
    "format of transformers",
    {
        "pickle": "lime_cli.models.pickles.loading:held_in",
        "skops": "lime_cli.models.skops:held_in",
    },
)
"""What reads files that are applied before a model; each is called with a ``ModelFile`` and its
content, and returns what the file holds."""

LOGS = Registry("log", {"mlflow": "lime_cli.running.mlflow:ready"}, "limex.logs")
"""Where a result is written beside its file; each is called before anything is explained, and what
it returns afterwards: with what yields the explanations, and the folder of a batch or None. The
place is returned in words."""

TABLES = Registry(
    "kind of table",
    {
        "csv": "lime_cli.tables.delimited:read_commas",
        "tsv": "lime_cli.tables.delimited:read_tabs",
        "tab": "lime_cli.tables.delimited:read_tabs",
        "jsonl": "lime_cli.tables.jsonlines:read",
        "ndjson": "lime_cli.tables.jsonlines:read",
        "json": "lime_cli.tables.jsonlines:read_json",
        "parquet": "lime_cli.tables.arrow:read_parquet",
        "pq": "lime_cli.tables.arrow:read_parquet",
        "feather": "lime_cli.tables.arrow:read_feather",
        "arrow": "lime_cli.tables.arrow:read_feather",
        "xlsx": "lime_cli.tables.excel:read",
        "xlsm": "lime_cli.tables.excel:read",
        "xls": "lime_cli.tables.excel:read",
        "xlsb": "lime_cli.tables.excel:read",
        "ods": "lime_cli.tables.excel:read",
        "db": "lime_cli.tables.databases:read",
        "sqlite": "lime_cli.tables.databases:read",
        "sqlite3": "lime_cli.tables.databases:read",
        "duckdb": "lime_cli.tables.databases:read",
        "ddb": "lime_cli.tables.databases:read",
        "npy": "lime_cli.tables.held:read_npy",
        "pkl": "lime_cli.models.pickles.table:read",
        "pickle": "lime_cli.models.pickles.table:read",
        "joblib": "lime_cli.models.pickles.table:read",
    },
    "limex.tables",
)
"""By what the names of files end with; each is called with a ``TableFile`` and a ``Dialect`` and
returns a ``TableContent``."""

TASKS = ("auto", "classification", "regression")

ACTIVATIONS = ("auto", "none", "softmax", "sigmoid")

PROVIDERS = ("cpu", "cuda")
"""What runs an ONNX model."""

INPUT_FORMS = ("auto", "frame", "array", "sparse")
"""How a table is handed to a model."""

LAYOUTS = ("NCHW", "NHWC")
"""Where the channels of a model's image input are."""

MODALITIES = Registry(
    "modality",
    {
        "tabular": "lime_cli.tabular.modality:TabularModality",
        "text": "lime_cli.texts.modality:TextModality",
        "image": "lime_cli.images.modality:ImageModality",
    },
)
"""Each is a ``modality.Modality``."""

MODALITY_PLUGINS = "limex.modalities"
"""Entry points of other packages: groups of options that have a method ``modality``."""

SEGMENTERS = Registry(
    "segmenter", functions_of("lime_cli.images.segmenters", "pixels, n_segments, seed")
)
"""Each is called with RGB pixels, a wish for a number of segments or None, and a seed."""

LIME_SEGMENTER = "quickshift:lime"
"""marcotcr/lime's own cut, of what the model sees."""

FILLS = Registry(
    "fill",
    {
        "mean": "lime_cli.images.fills:mean",
        "black": "lime_cli.images.fills:black",
        "blur": "lime_cli.images.fills:blur",
        "noise": "lime_cli.images.fills:noise",
        "inpaint": "lime_cli.images.fills:inpaint",
    },
)
"""What masks a superpixel; each is called with raw values, the label map and a generator."""

AUTO_FILL = "auto"
"""The mean, but where that changes next to nothing."""

RESIZES = (
    "stretch", "crop", "stretch:N", "crop:N", "crop-floor:N", "crop-round:N", "fit", "pad",
    "pad-white", "pad:#RRGGBB", "square", "square-white", "square:#RRGGBB",
)  # fmt: skip

RESAMPLES = (
    "nearest", "lanczos", "bilinear", "bicubic", "box", "hamming", "bilinear-aliased",
    "bilinear-opencv", "bilinear-float", "bilinear-torch", "bicubic-torch",
    "bilinear-torch-v1", "bicubic-torch-v1",
)  # fmt: skip
"""Filters that resize, at their places in Pillow's own numbering. The last ones are none of
Pillow's: two look at the nearest four pixels even where an image becomes smaller, and OpenCV's
rounds to bytes; one is Pillow's without rounding, and torch's round shares to fewer digits, or, of
``v1``, sums in single precision."""

AS_TORCH = {RESAMPLES.index(one): RESAMPLES.index(f"{one}-torch") for one in RESAMPLES[2:4]}
"""The places of torch's filters by those of Pillow's."""

AS_TORCH_V1 = {one: RESAMPLES.index(f"{RESAMPLES[one]}-torch-v1") for one in AS_TORCH}
"""The same of the first version of torchvision's transforms."""

STYLES = ("outline", "heat", "hide", "panel")
"""Of an overlay."""

SIGNS = ("both", "positive", "negative")
"""Of the weights that an overlay shows."""

EXECUTORS = Registry(
    "executor",
    {
        "here": "lime_cli.running.executor:Here",
        "local": "lime_cli.running.local:Local",
        "dask": "lime_cli.running.dask:cluster",
    },
)
"""Each is called with ``Workers`` and the path of the model."""


class Renamed(NamedTuple):
    """A name of version 0.1 that another one took the place of."""

    kind: str
    """``option`` (of the command line, files and the environment), ``setting`` of a record,
    ``code`` of a warning, or the name of a JSON schema, for one of its keys."""
    old: str
    new: str | None
    """None for what no longer has any effect or meaning."""


RENAMED = (
    Renamed("option", "assist", None),
    Renamed("option", "cache", None),
    Renamed("setting", "assist", None),
    Renamed("setting", "design", None),
    Renamed("code", "answer_assumed", "output_assumed"),
    Renamed("code", "screened", None),
    Renamed("code", "unknown_level", "unknown_category"),
    Renamed("batch", "asked", "model_calls"),
    Renamed("evaluation", "targets.widths", "targets.radii"),
    Renamed("inspection", "probe.asked", "probe.method"),
    Renamed("inspection", "probe.caveats", "probe.warnings"),
)
"""Old names that files of people may hold. Options, records and policies take them, with a warning;
docs/results.md lists them."""


def renamed(kind: str) -> dict[str, str | None]:
    """Return the new name of each old one of a kind; None where there is none."""
    return {one.old: one.new for one in RENAMED if one.kind == kind}
