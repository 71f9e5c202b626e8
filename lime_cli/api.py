"""The Python interface: models and data in memory, or paths, the same explanations as on the
command line.

Nothing is printed. What limex has to say of an explanation stands in it, and is a ``LimexWarning``.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lime_cli.console import folded, gist_of
from lime_cli.errors import InputError, LimexError, SettingsError
from lime_cli.explanations import Explanation, Explanations, Failure
from lime_cli.models.model_file import ModelFile
from lime_cli.options.engine import EngineOptions
from lime_cli.options.groups import Options
from lime_cli.options.inputs import ImageOptions, TableOptions, TextOptions
from lime_cli.options.keywords import in_python, is_list, keyworded, only_for, read_keywords
from lime_cli.options.model import ImageModelOptions, ModelOptions
from lime_cli.options.running import RunOptions
from lime_cli.registry import MODALITY_PLUGINS, plugins
from lime_cli.sources import Held, Source

if TYPE_CHECKING:
    from lime_cli.modality import Modality
    from lime_cli.running.job import Job, Prepared
    from lime_cli.settings import Settings

TABULAR, TEXT, IMAGE = "tabular", "text", "image"

INPUTS: dict[str, type[Options]] = {TABULAR: TableOptions, TEXT: TextOptions, IMAGE: ImageOptions}

CHOICES = ("row", "rows", "id", "ids", "where", "all")
"""Options that say which rows of a table are meant."""


class LimexWarning(UserWarning):
    """What a reader of an explanation must know; a sentence and its code."""


def explain(
    model: object,
    data: object,
    *,
    background: object = None,
    modality: str | None = None,
    **options: Any,
) -> Explanation | Explanations:
    """Explain why a model predicts what it predicts for one instance, or for several.

    ``model`` is a fitted estimator, a booster, a network, a pipeline, a function, or a path.
    ``data`` is a data frame, a row of one, an array, a text, a list of texts, an image or several,
    or a path. ``background`` is what replacement values are drawn from: training data, or a path.
    Options are those of ``limex explain``, with underscores: ``target="mammal"``, ``samples=5000``.

    One row, text or image, ``row=17`` or ``id="a"`` gives an ``Explanation``; everything else
    ``Explanations``, a sequence. Raises a ``LimexError`` for a model, data or options that cannot
    be used. Of several instances those that fail are in ``Explanations.failed``.
    """
    with _in_words():
        kind = modality or modality_of(data, options, background is not None)
        held = _held(kind, data, options)
        with _or_an_image(data, modality is None):
            prepared = _asked(kind, model, held, background, options)
            explanations, failed = prepared.explained()
        return (
            _one(explanations, failed, "pass a list to explain all of them")
            if _is_one(kind, data, options)
            else _several(explanations, failed)
        )


class Explainer:
    """A model that is loaded, and a background that is learned, for one instance after the other.

    Takes what ``explain`` takes; ``background`` is needed for tables. Options hold for all that is
    explained.
    """

    def __init__(
        self,
        model: object,
        background: object = None,
        *,
        modality: str | None = None,
        **options: Any,
    ) -> None:
        with _in_words():
            chosen = [one for one in options if one in CHOICES]
            if chosen:
                raise SettingsError(
                    f"{chosen[0]}: an Explainer takes its rows later", "pass them to explain_many"
                )
            self._kind = modality or (TABULAR if background is not None else None)
            self._model, self._background, self._options = model, background, options
            self._known: dict[str, _Asked] = {}
            self._told: set[str] = set()
            if self._kind == TABULAR:
                self._known[TABULAR] = self._prepared(TABULAR, self._background_as_data())

    def explain(self, instance: object) -> Explanation:
        """Explain one instance: a row, a text, an image; raise what keeps it from being
        explained.
        """
        with _in_words():
            return _one(*self._explained(instance))

    def __repr__(self) -> str:
        model = self._model
        name = model if isinstance(model, str) else getattr(model, "__name__", "")
        return f"<Explainer of {name or type(model).__name__}>"

    def explain_many(self, instances: object) -> Explanations:
        """Explain several instances, in order; those that fail are in ``failed``."""
        with _in_words():
            return _several(*self._explained(instances))

    def _explained(self, data: object) -> tuple[list[Explanation], list[Failure]]:
        kind = self._kind or modality_of(data, self._options)
        held = _held(kind, data, self._options)
        if kind not in self._known:
            self._known[kind] = self._prepared(kind, held)
        return self._known[kind].with_inputs(held).explained(self._told)

    def _prepared(self, kind: str, held: _Inputs) -> _Asked:
        return _asked(kind, self._model, held, self._background, self._options).prepared()

    def _background_as_data(self) -> _Inputs:
        """Return the background in the place of data: its columns are those of the rows."""
        if self._background is None:
            raise SettingsError(
                "an Explainer of tables needs a background", "give training data: background=X"
            )
        return _held(TABULAR, self._background, {})


def modality_of(data: object, options: Mapping[str, Any], background: bool = False) -> str:
    """Tell what kind of input data is, and whether there is a ``background`` beside it.

    Raises SettingsError where it may be several kinds.
    """
    if isinstance(data, (str, os.PathLike)):
        return _modality_of_path(os.fspath(data), options)
    if type(data).__module__.startswith("PIL."):
        return IMAGE
    shape = getattr(data, "shape", None)
    if hasattr(data, "iloc") or hasattr(data, "to_pandas") or isinstance(data, Mapping):
        return _modality_of_frame(data, options, background)
    if shape is not None:
        n = len(shape)
        if n == 2 and any(only_for(one) == "images" for one in options):
            return IMAGE
        words = n == 1 and getattr(getattr(data, "dtype", None), "kind", "") in "OUST"
        return TEXT if words and _are_texts(data) else IMAGE if n in (3, 4) else TABULAR
    if isinstance(data, (list, tuple)) and data:
        if _are_texts(data):
            known = {_modality_of_path(path, options) for path in _known(data)}
            return known.pop() if len(known) == 1 else TEXT
        first = data[0]
        image = type(first).__module__.startswith("PIL.") or len(getattr(first, "shape", ())) > 1
        return IMAGE if image or isinstance(first, os.PathLike) else TABULAR
    raise SettingsError(
        f"data: limex cannot tell what kind of input a {type(data).__name__} is",
        "add modality='tabular', 'text' or 'image'",
    )


def _are_texts(data: Any) -> bool:
    """Tell texts, of which some may be missing."""
    known = _known(data)
    return all(isinstance(text, str) for text in known) and (bool(known) or not len(data))


def _known(data: Any) -> list[Any]:
    """Return what is there, leaving out None, NaN and what else stands for a missing text."""
    gone = ("NoneType", "NAType", "NaTType")
    named = (one for one in data if type(one).__name__ not in gone)
    return [one for one in named if not (isinstance(one, float) and one != one)]


def _modality_of_frame(data: Any, options: Mapping[str, Any], background: bool) -> str:
    """Tell a column of texts from a row, which needs a background."""
    if not (hasattr(data, "iloc") and not hasattr(data, "columns")):
        return TEXT if "column" in options else TABULAR
    return TEXT if len(data) and _are_texts(data) and not background else TABULAR


_NAMED = re.compile(r"\S*(?:[/\\]\S*|\.\w{1,7})")
"""What a word is that can only be meant as a path."""


def _is_path(words: str) -> bool:
    """Tell a path from a text: it is there, or it is one word that looks like one."""
    if "\n" in words or len(words) > 1_000:
        return False
    return os.path.exists(words) or _NAMED.fullmatch(words) is not None  # noqa: PTH110


def _modality_of_path(path: str, options: Mapping[str, Any]) -> str:
    """Tell by the suffix and the first bytes of a file; a string that is not a path is a text."""
    from lime_cli.options.kinds import kind_of

    if "column" in options:
        return TEXT
    guess = kind_of(path) if _is_path(path) else None
    return guess.modality if guess else TEXT


@dataclass(frozen=True)
class _Inputs:
    """Data as options name it, and what its owner has in hand."""

    places: dict[str, str | tuple[str, ...]]
    """What stands in the places of the command line's arguments."""
    options: dict[str, Any]
    """Options that follow from what data is."""
    changes: dict[str, Any]
    """What takes the place of words in the options, by attribute."""
    labels: tuple[str, ...] | None = None
    """What the rows are called, by number."""


def _held(kind: str, data: Any, options: Mapping[str, Any]) -> _Inputs:
    """Return data as the options of its modality take it; raise InputError for what is none."""
    _inputs_of(kind)
    if kind == TABULAR:
        return _held_table(data, options)
    if kind == TEXT:
        return _held_texts(data, options)
    return _held_files(data, kind)


def _held_table(data: Any, options: Mapping[str, Any]) -> _Inputs:
    from lime_cli.tables.held import held_table

    chosen = {} if any(one in options for one in CHOICES) else {"all": True}
    if isinstance(data, (str, os.PathLike)):
        return _Inputs({"data": os.fspath(data)}, chosen, {"data": os.fspath(data)})
    held = held_table(data)
    if held.content.form == "array":
        chosen["no_header"] = True
    return _Inputs({"data": str(held)}, chosen, {"data": held}, held.content.labels)


def _held_texts(data: Any, options: Mapping[str, Any]) -> _Inputs:
    from lime_cli.tables.held import TEXT as COLUMN
    from lime_cli.tables.held import held_table, held_texts

    if isinstance(data, os.PathLike):
        return _of_paths((os.fspath(data),))
    if isinstance(data, str):
        if "column" in options or _is_path(data):
            return _of_paths((data,))
        return _Inputs({}, {"text": data}, {})
    if hasattr(data, "columns"):
        held = held_table(data)
    elif all(isinstance(path, os.PathLike) for path in data):
        return _of_paths(tuple(map(os.fspath, data)))
    else:
        plain = not hasattr(data, "index") or not hasattr(data, "iloc")
        held = held_texts(list(data), None if plain else list(data.index))
    given = {} if "column" in options else {"column": COLUMN}
    return _Inputs({"inputs": (str(held),)}, given, {"inputs": (held,)}, held.content.labels)


def _of_paths(paths: tuple[str, ...]) -> _Inputs:
    return _Inputs({"inputs": paths}, {}, {"inputs": paths})


def _held_files(data: Any, kind: str) -> _Inputs:
    """Hold images as the bytes of files that hold the same, others by their paths."""
    several = isinstance(data, (list, tuple)) or len(getattr(data, "shape", ())) == 4
    inputs: list[str] = []
    for number, image in enumerate(data if several else [data]):
        if isinstance(image, (str, os.PathLike)):
            inputs.append(os.fspath(image))
        elif kind == IMAGE:
            inputs.append(Held(f"image {number}" if several else "image", _image_bytes(image)))
        else:
            raise InputError(f"a {type(image).__name__}: is not an input of {kind}", "give paths")
    return _Inputs({"inputs": tuple(map(str, inputs))}, {}, {"inputs": tuple(inputs)})


def _image_bytes(image: Any) -> bytes:
    """Return an image as the bytes of a PNG file, of an array of numbers as those of a NPY file."""
    import io

    import numpy as np

    stream = io.BytesIO()
    if type(image).__module__.startswith("PIL."):
        mode = image.mode if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "RGB"
        image.convert(mode).save(stream, "PNG")
        return stream.getvalue()
    if hasattr(image, "detach"):
        image = image.detach().cpu().numpy()
    if isinstance(image, np.ma.MaskedArray) and np.ma.is_masked(image):
        raise InputError(
            "an array with masked pixels: limex needs them all", "fill them: .filled(0)"
        )
    array = np.asarray(image)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3):
        raise InputError(
            f"a {type(image).__name__}: is not an image",
            "give (height, width, channels), or a path",
        )
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


@dataclass(frozen=True)
class _Asked:
    """Everything that is wanted of a run: model, modality, settings, who works."""

    job: Job
    running: RunOptions
    labels: tuple[str, ...] | None
    ready: Prepared | None = None
    cores: Any = None
    """What limits the threads of libraries to one, as on the command line; None for no limit."""

    def prepared(self) -> _Asked:
        """Return itself with its model loaded and its background learned."""
        from threadpoolctl import ThreadpoolController

        from lime_cli.running.job import prepare

        ready = prepare(self.job)
        limited = _is_limited(self.job.model)
        return replace(self, ready=ready, cores=ThreadpoolController() if limited else None)

    def with_inputs(self, held: _Inputs) -> _Asked:
        """Return the same for other inputs."""
        assert self.ready is not None
        model, modality, known = self.ready
        job = replace(self.job, modality=_with(modality, held.changes, held.options))
        return replace(self, job=job, labels=held.labels, ready=(model, job.modality, known))

    def explained(self, told: set[str] | None = None) -> tuple[list[Explanation], list[Failure]]:
        """Explain all inputs; return what was found, and what failed.

        Warn of what a reader must know, but for the kinds that were ``told`` before.
        """
        from lime_cli.formats import Look
        from lime_cli.running.batch import in_memory
        from lime_cli.running.job import Explained
        from lime_cli.running.progress import Progress, shown

        sources = list(self._sources())
        self.running.check(False, tuple(sources[:2]))
        if self.ready is None and self.running.who == "here":
            return self.prepared().explained(told)
        ready = self.ready
        run = self.running.run(self.job, lambda: iter(sources), Look())
        alone, limit = len(sources) == 1, self.running.time_limit
        if alone and run.workers.executor == "here" and limit is not None:
            settings = replace(self.job.settings, time_limit=limit)
            run = replace(run, job=replace(self.job, settings=settings), time_limit=None)
        explanations: list[Explanation] = []
        failed: list[Failure] = []
        threads = self.job.model.threads or 1
        progress = Progress(len(sources))
        with (
            self.cores.limit(limits=threads) if self.cores else nullcontext(),
            nullcontext() if alone else shown(progress, run.progress, False),
        ):
            for outcome in in_memory(replace(run, keeps=ready is not None, prepared=ready)):
                if isinstance(outcome, Explained):
                    explanations.append(Explanation(outcome.explanation))
                else:
                    failed.append(Failure(outcome.source.id, outcome.error))
                progress.advance(len(explanations) + len(failed), len(failed))
        _warn(explanations, failed, set() if told is None else told)
        return explanations, failed

    def _sources(self) -> Iterator[Source]:
        for source in self.job.modality.sources():
            labelled = (
                self.labels is not None and source.row is not None and source.id == str(source.row)
            )
            yield (
                source._replace(id=self.labels[source.row or 0])
                if labelled and self.labels
                else source
            )


def _with(modality: Any, changes: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Return a modality that has learned all it needs, for other inputs."""
    if isinstance(changes.get("data"), Held):
        return replace(modality, path=_like(modality, changes["data"]))
    if "data" in changes:
        return replace(modality, path=changes["data"])
    if "text" in options:
        return replace(modality, text=options["text"], table=None, inputs=())
    inputs = changes["inputs"]
    if "column" in options:
        from lime_cli.tables.rows import Rows

        return replace(modality, table=Rows(inputs[0]), column=options["column"], text=None)
    return replace(modality, inputs=inputs)


def _like(modality: Any, held: Held) -> Held:
    """Give an array the names of the background's columns, where it has as many."""
    names = [feature.name for feature in modality.fitted_background.features]
    if held.content.form == "frame" or len(names) != len(held.content.header):
        return held
    return _renamed(held, tuple(names))


def _asked(
    kind: str, model: Any, held: _Inputs, background: Any, options: Mapping[str, Any]
) -> _Asked:
    """Put together what is wanted; raise SettingsError for options that are wrong."""
    import click

    from lime_cli.cli import program
    from lime_cli.options.engine import likened
    from lime_cli.running.job import Job

    keywords = {**held.options, **options}
    is_live = not isinstance(model, (str, os.PathLike))
    tokenizer = keywords.pop("tokenizer", None) if is_live else None
    if is_live:
        keywords["no_config"] = True
        if keywords.get("transformer"):
            said = "transformer: belongs to a model in a file"
            raise SettingsError(said, "pass a pipeline: make_pipeline(transformer, model)")
    if held.labels is not None and "id_column" not in keywords:
        keywords = _by_label(keywords, held.labels)
    back, changes = _held_background(background), dict(held.changes)
    if isinstance(back, Held) and isinstance(changes.get("data"), Held):
        back, changes["data"] = _called_alike(back, changes["data"])
    if background is not None:
        if kind != TABULAR:
            raise SettingsError("background: applies only to tables", "leave it out")
        keywords["background"] = str(back)
    groups = (
        ImageModelOptions if kind == IMAGE else ModelOptions,
        _inputs_of(kind),
        EngineOptions,
        RunOptions,
    )

    def use(
        model_options: ModelOptions, inputs: Any, engine: EngineOptions, running: RunOptions
    ) -> tuple[ModelFile, Modality, Settings, RunOptions]:
        if back is not None:
            changes["background"] = back
        modality: Modality = inputs.changed(**changes).modality()
        if engine.like_lime:
            engine, modality = likened(engine, modality)
        return model_options.file(), modality, engine.settings(modality), running

    from lime_cli.models.python import live_model, name_of_object

    path = name_of_object(model) if is_live else os.fspath(model)
    root = click.Context(program, info_name="limex")
    file, modality, settings, running = read_keywords(
        groups, root, kind, {"model": path, **held.places}, keywords, use, _tell
    )
    if is_live:
        tables = [table.content for table in (back, changes.get("data")) if isinstance(table, Held)]
        file = file._replace(live=live_model(model, tokenizer, tables))
        if tables and file.input_form == "auto" and not _names_columns(model):
            file = file._replace(input_form=_form_for(model, tables[0].form))
        if running.who != "here":
            raise SettingsError(
                f"jobs: {path} stays in this process", "save it to a file, and give its path"
            )
    elif running.who != "here":
        file = file._replace(threads=file.threads or 1)
    late = next((timeout for timeout in TIMEOUTS if timeout in options), None)
    if late is not None and running.who == "here":
        said = f"{late}: a model in this process cannot be stopped"
        raise SettingsError(said, "leave it out" if is_live else "add jobs=1")
    return _Asked(Job(file, modality, settings, ()), running, held.labels)


ID = ("id", "ids")
"""Names of the option that chooses rows by their ids."""


def _by_label(keywords: dict[str, Any], labels: tuple[str, ...]) -> dict[str, Any]:
    """Return options that name by number the rows that are asked for by the labels of an index.

    Raises SettingsError for a label that no row has.
    """
    given = [word for word, one in keywords.items() if one is not None and one is not False]
    asked = [keywords[word] for word in ID if word in given]
    # that rows are chosen twice is said where options are read
    if len(asked) != 1 or not {"row", "rows", "where", "all"}.isdisjoint(given):
        return keywords
    numbers: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        numbers.setdefault(label, []).append(row)
    rows: list[int] = []
    for label in map(str, asked[0] if is_list(asked[0]) else asked):
        if label not in numbers:
            raise SettingsError(
                f"id: the index of the data frame has no {label!r}",
                "give a label of the index, or name the column of the ids with id_column",
            )
        rows += numbers[label]
    others = {word: one for word, one in keywords.items() if word not in ID}
    return {**others, "rows": rows}


TIMEOUTS = ("item_timeout", "load_timeout")
"""Options that need a process of the model's own."""


def _is_limited(file: ModelFile) -> bool:
    """Tell whether a model's libraries get one thread, so that no sum depends on the machine.

    Networks and functions keep theirs: they are any program's.
    """
    from lime_cli.models.parts import can_predict

    if file.threads is not None:
        return True
    if file.live is None:
        return not file.path.startswith("py:")
    thing = getattr(file.live.thing, "__self__", file.live.thing)
    return can_predict(thing) and not hasattr(thing, "parameters")


def _form_for(model: Any, form: str) -> str:
    """Return in what form a function is given a table: as its owner has it in hand."""
    from lime_cli.models.parts import can_predict

    function = callable(model) and not can_predict(model) and not hasattr(model, "parameters")
    return form if form == "sparse" or (function and form == "array") else "auto"


def _names_columns(model: Any) -> bool:
    return getattr(model, "features", None) is not None


def _called_alike(one: Held, other: Held) -> tuple[Held, Held]:
    """Give an array the names of the columns of the other table, where it has as many."""
    if len(one.content.header) != len(other.content.header):
        return one, other
    if one.content.form != "frame":
        return _renamed(one, other.content.header), other
    return one, other if other.content.form == "frame" else _renamed(other, one.content.header)


def _renamed(held: Held, names: tuple[str, ...]) -> Held:
    return Held(str(held), replace(held.content, header=names))


def _held_background(background: Any) -> str | None:
    """Return the path of a background, or hold it."""
    from lime_cli.tables.held import held_table

    if background is None or isinstance(background, str):
        return None if background is None else str(background)
    if isinstance(background, os.PathLike):
        return str(os.fspath(background))
    held: Held = held_table(background)
    return held


def _inputs_of(kind: str) -> type[Options]:
    if kind in INPUTS:
        return INPUTS[kind]
    added = plugins(MODALITY_PLUGINS)
    if kind not in added:
        listed = ", ".join((*INPUTS, *sorted(added)))
        raise SettingsError(f"modality: there is no {kind!r}", f"give one of {listed}")
    inputs: type[Options] = added[kind].load()
    return inputs


def _is_one(kind: str, data: Any, options: Mapping[str, Any]) -> bool:
    """Tell whether one instance is asked for, by what is asked, not by what is found."""
    name = next((options[word] for word in ID if options.get(word) is not None), None)
    if name is not None:
        return not is_list(name)
    row = options.get("row", options.get("rows"))
    if row is not None:
        return hasattr(row, "__index__") or (isinstance(row, str) and row.isdecimal())
    if kind == TABULAR:
        scalars = isinstance(data, (list, tuple)) and not any(map(_is_row, data))
        return scalars or isinstance(data, Mapping) or len(getattr(data, "shape", (0, 0))) == 1
    if isinstance(data, (str, os.PathLike)):
        return "column" not in options and not os.path.isdir(data)  # noqa: PTH112
    return kind == IMAGE and not isinstance(data, (list, tuple)) and _dimensions(data) < 4


def _is_row(item: Any) -> bool:
    return isinstance(item, (list, tuple, Mapping)) or _dimensions(item) > 0


def _dimensions(data: Any) -> int:
    return len(getattr(data, "shape", ()))


def _one(
    explanations: list[Explanation],
    failed: list[Failure],
    hint: str = "explain_many explains several",
) -> Explanation:
    if failed:
        raise failed[0].error
    if len(explanations) != 1:
        raise InputError(f"there are {len(explanations)} instances", hint)
    return explanations[0]


def _several(explanations: list[Explanation], failed: list[Failure]) -> Explanations:
    """Return what was found; raise the first error where nothing was."""
    if failed and not explanations:
        raise failed[0].error
    return Explanations(explanations, failed)


@contextmanager
def _in_words() -> Iterator[None]:
    """Let errors name options as Python does."""
    try:
        yield
    except LimexError as error:
        raise in_python(error) from error.__cause__


def _warn(explanations: list[Explanation], failed: list[Failure], told: set[str]) -> None:
    """Warn once of each kind of thing, and of what failed, but not again of what was ``told``."""
    found = [
        (code, message)
        for explanation in explanations
        for code, message in explanation.coded_warnings
        if code + gist_of(message) not in told
    ]
    told.update(code + gist_of(message) for code, message in found)
    for message, end in folded(found, len(explanations) == 1):
        warnings.warn(f"{keyworded(message)}{end}", LimexWarning, stacklevel=_depth())
    if failed and len(explanations) + len(failed) > 1:  # else it is raised
        sentence = f"{len(failed)} of the instances failed, the first: {in_python(failed[0].error)}"
        warnings.warn(sentence, LimexWarning, stacklevel=_depth())


@contextmanager
def _or_an_image(data: Any, guessed: bool) -> Iterator[None]:
    """Let the error of an array that was guessed to be a table say what else it may be."""
    try:
        yield
    except SettingsError as error:
        if not guessed or _dimensions(data) != 2 or "too few rows" not in error.message:
            raise
        raise SettingsError(
            error.message, f"{error.hint}; if it is an image, use limex explain image"
        ) from None


def _tell(words: str) -> None:
    warnings.warn(words, LimexWarning, stacklevel=_depth())


def _depth() -> int:
    """Return how far up the first caller outside of limex is, for a warning that shows its line."""
    import sys

    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("lime_cli"):
        depth, frame = depth + 1, frame.f_back
    return depth
