"""In what form a model is handed a batch: data frame, array, sparse rows, an ONNX graph's types."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError, LimexError, PredictionError, SettingsError, and_so_on
from lime_cli.models.model_file import NOTHING, Known, ModelInput

if TYPE_CHECKING:
    from numpy.typing import NDArray


DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


DATE = r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}"
"""How a cell begins that is a date."""


def feed(inputs: Any, wanted: Sequence[Any], layout: str | None) -> dict[str, NDArray[Any]]:
    """Turn a table, a list of texts or (n, height, width, channels) into what each input wants.

    ``wanted`` are the session's inputs; several take a column of a table each by name, or some
    side by side in the table's order. Raises PredictionError naming the column for a value that the
    graph's type cannot hold.
    """
    first = wanted[0]
    if isinstance(inputs, list):
        texts = np.array(inputs, dtype=object)
        return {first.name: texts if len(first.shape) == 1 else texts[:, None]}
    if isinstance(inputs, np.ndarray):
        if first.type == "tensor(string)":
            hint = "explain a function that makes them of images: py:module:function"
            raise PredictionError("the model takes texts, or bytes of files", hint)
        images = inputs.transpose(0, 3, 1, 2) if layout == "NCHW" else inputs
        if len(first.shape) == 2:  # pixels side by side
            images = images.reshape(len(images), -1)
        elif len(first.shape) == 3:  # grey
            images = images[..., 0]
        return {first.name: np.ascontiguousarray(_pixels(images, first.type))}
    if len(wanted) > 1:
        feeds, place = {}, 0
        names = {name: i for i, name in enumerate(inputs.names)}
        if all(width_of(one) == 1 and one.name in names for one in wanted):
            return {one.name: _block(inputs, [names[one.name]], one) for one in wanted}
        for one in wanted:
            end = place + (width_of(one) or 0)
            feeds[one.name] = _block(inputs, range(place, end), one)
            place = end
        return feeds
    return {first.name: _stacked(inputs, first)}


def _stacked(inputs: Any, wanted: Any) -> NDArray[Any]:
    """Return a table in one array: at once where its columns are alike and nothing gets lost."""
    kinds = {column.dtype for column in inputs.columns}
    numbers = wanted.type != "tensor(string)" and np.dtype(object) not in kinds
    if numbers and len(kinds) == 1 and len(wanted.shape) > 1:
        rows = np.concatenate(inputs.columns).reshape(len(inputs.columns), -1).T
        found, lost = _narrowed(rows, wanted.type)
        if not lost.any():
            return found
    pairs = zip(inputs.names, inputs.columns, strict=True)
    cells = [cast(column, wanted.type, name, inputs.places) for name, column in pairs]
    return cells[0] if len(wanted.shape) == 1 else np.stack(cells, axis=1)


def cast(column: NDArray[Any], kind: str, name: str, places: Sequence[str] = ()) -> NDArray[Any]:
    """Return a column in the graph's type; raise PredictionError where that loses something.

    ``places`` say where the rows stand in their file, if they do.
    """
    if kind == "tensor(string)":
        return np.array([_word(cell) for cell in column.tolist()], dtype=object)
    numbers = _numbers(column, kind, name)
    found, lost = _narrowed(numbers, kind)
    if lost.any():
        row = int(np.flatnonzero(lost)[0])
        raise _misfit(name, kind, numbers[row], *places[row : row + 1])
    return found


def _narrowed(numbers: NDArray[Any], kind: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return numbers in the graph's type, and where that is not what they were."""
    dtype = np.dtype(DTYPES[kind])
    with np.errstate(invalid="ignore", over="ignore"):
        found = numbers.astype(dtype, order="C")
    if dtype.kind == "f":
        return found, np.isfinite(numbers) & ~np.isfinite(found)
    return found, found.astype(numbers.dtype) != numbers


def filled(values: NDArray[Any], n: int) -> NDArray[Any]:
    """Repeat the last input until there are n."""
    missing = n - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values


def width_of(wanted: Any) -> int | None:
    """Return how many columns one of several inputs takes; None where that is open."""
    last = wanted.shape[-1] if len(wanted.shape) == 2 else 1
    return last if isinstance(last, int) and len(wanted.shape) <= 2 else None


def _block(inputs: Any, places: Sequence[int], wanted: Any) -> NDArray[Any]:
    """Return some columns of a table side by side, in an input's type and shape."""
    cells = [cast(inputs.columns[i], wanted.type, inputs.names[i], inputs.places) for i in places]
    return cells[0] if len(wanted.shape) == 1 else np.stack(cells, axis=1)


def _word(cell: Any) -> str:
    """Write a cell as the file did: nothing for a missing one, no point for a whole number."""
    if cell is None or cell != cell:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _numbers(column: NDArray[Any], kind: str, name: str) -> NDArray[Any]:
    if column.dtype != object:
        return column
    found = []
    for cell in column.tolist():
        try:
            found.append(np.nan if cell is None else float(cell))
        except ValueError:
            raise _misfit(name, kind, cell) from None
    return np.array(found)


def date_in_numbers(column: str, cell: str, needed: bool = False) -> InputError | None:
    """Word that a column of dates was given to a model that wants numbers; None for no date.

    ``needed`` says whether the model has the column by its name.
    """
    if re.match(DATE, cell) is None:
        return None
    return InputError(
        f"column {column!r} holds dates such as {cell[:30]!r}; the model wants numbers",
        "leave it out with --drop; or "
        * (not needed)
        + "explain a function, py:module:function, that gives the model the number it was fitted "
        f"on: model.predict(table.assign(**{{{column!r}: pd.to_datetime(table[{column!r}])"
        ".map(pd.Timestamp.toordinal)}))",
    )


def _misfit(name: str, kind: str, cell: Any, place: str = "") -> PredictionError | InputError:
    dtype = np.dtype(DTYPES[kind])
    wants = {"f": "numbers", "b": "0 or 1"}.get(dtype.kind, "whole numbers")
    holds = repr(cell) if isinstance(cell, str) else f"{cell:g}"
    missing = not isinstance(cell, str) and np.isnan(cell)
    dated = date_in_numbers(name, cell) if isinstance(cell, str) else None
    if dated is not None:
        return dated
    return PredictionError(
        f"column {name!r}{place and ', ' + place}: the model's input takes {wants} ({dtype.name}), "
        f"not {'a missing value' if missing else holds}",
        "give the table that the model was made for",
    )


def _pixels(images: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return images in the graph's type; raise PredictionError where whole numbers lose them."""
    dtype = np.dtype(DTYPES[kind])
    if dtype.kind not in "iu":
        return images.astype(dtype, copy=False)
    whole = np.rint(images)
    bounds = np.iinfo(dtype)
    fractions = images.max() <= 1 and bool((whole != images).any())
    if fractions or whole.min() < bounds.min or whole.max() > bounds.max:
        raise PredictionError(
            f"the model takes pixels as whole numbers ({dtype.name}), not "
            f"{images.min():.3g} to {images.max():.3g}",
            "use --scale 1 --mean 128" if bounds.max == 127 else "use --preprocess raw",
        )
    return np.asarray(whole.astype(dtype))


KEPT_ROWS = ("_fit_X", "X_fit_", "X_", "support_vectors_")
"""Where scikit-learn's neighbours, kernels and support vectors keep rows they were fitted on."""

SPARSE_WORDS = r"sparse|to(?:csr|csc|coo|array|dense)|\b(?:csr|csc|nnz)|indptr"
"""What an error mentions that is about sparse rows."""

FRAME_WORDS = r"only integers, slices|'numpy\.ndarray' object has no attribute"
"""What an error mentions that is about an array in the place of a data frame."""

PLAIN = frozenset(map(np.dtype, (np.float64, np.int64, np.bool_)))
"""Types of columns that make one block of a data frame where all are alike."""

NUMBERS = frozenset(map(np.dtype, (np.float64, np.int64)))
"""Types of columns that a data frame and an array spell alike."""

SINGLE_WORDS = r"Buffer dtype mismatch, expected 'const double' but got 'float'"
"""What an error mentions that is about numbers of double precision."""

SINGLE = CodedWarning(
    "single_precision", "the model was fitted on numbers of single precision, and gets such"
)

SPARSE_ONLY = CodedWarning("sparse_only", "the model accepts sparse rows only, and gets them")


AS_DATES = CodedWarning(
    "as_dates", "the model does not accept dates as text; it gets dates, as pandas parses them"
)

NAMED = 8
"""Columns that a sentence names, at most."""


class Handing:
    """Hands batches to a method, in the form that was said or that the model turns out to want."""

    def __init__(self, method: Callable[[Any], Any], form: str, given: ModelInput) -> None:
        """``form`` is ``frame``, ``array`` or ``sparse``; ``auto`` is as the model was fitted."""
        self._method, self._given = method, given
        self._auto = form == "auto"
        self._known: tuple[Any, ...] | None = None
        """Names of the columns of the table that was answered last."""
        self.form = None if form == "auto" else form
        """None while names of columns decide."""
        self.warnings: tuple[CodedWarning, ...] = ()

    def predict(self, inputs: Any) -> Any:
        """Return the method's answer; where it refuses what it is given, to another form of it.

        What decided for one table decides nothing for one of other columns.
        """
        kind = (getattr(inputs, "names", ()), getattr(inputs, "dates", ()))
        if self._auto and self._known not in (None, kind):
            self.form, self.warnings, self._known = None, (), None
        try:
            output = self._method(handed(inputs, self.form, self._given))
        except LimexError:
            raise
        except Exception as error:
            undecided = self._auto and self._known is None
            other = self._another(inputs, error) if undecided else None
            if other is None:
                raise
            self.form, self.warnings = other[0], (other[1],)
            output = self._method(handed(inputs, self.form, self._given))
        self._known = kind
        return output

    def _another(self, inputs: Any, error: Exception) -> tuple[str, CodedWarning] | None:
        """Return a form that the model answers to, and what to say of it."""
        if not hasattr(inputs, "columns"):
            return None
        if self._wants_sparse(inputs, error):
            return "sparse", SPARSE_ONLY
        if re.search(SINGLE_WORDS, str(error)) and self._accepts("single", inputs):
            return "single", SINGLE
        if _of_dates(inputs) and self._accepts("dates", inputs):
            return "dates", AS_DATES
        if self._given.columns is not None:
            return None
        failure = self._failure("frame", inputs)
        if failure is not None and re.search(FRAME_WORDS, str(error)):
            raise failure from error
        if failure is None:
            names = and_so_on(inputs.names, NAMED)
            words = f"the model does not accept an array; it gets a data frame of {names}"
            return "frame", CodedWarning("as_frame", f"{words}; --drop leaves columns out")
        return None

    def _wants_sparse(self, inputs: Any, error: Exception) -> bool:
        """Tell by what it says, and by two rows of zeros, so that no row of anybody's decides."""
        if re.search(SPARSE_WORDS, str(error)) is None:
            return False
        if any(one.dtype == object for one in inputs.columns):
            return False
        empty = replace(inputs, columns=tuple(np.zeros(2) for _ in inputs.columns))
        return self._accepts("sparse", empty) and not self._accepts(None, empty)

    def _accepts(self, form: str | None, inputs: Any) -> bool:
        return self._failure(form, inputs) is None

    def _failure(self, form: str | None, inputs: Any) -> Exception | None:
        try:
            self._method(handed(inputs, form, self._given))
        except Exception as error:  # a stranger's code may raise anything
            return error
        return None


def fitted_form(model: Any) -> str:
    """Return ``sparse`` for a model that kept sparse rows it was fitted on, else ``auto``."""
    first = _first(model)
    known = type(first).__module__.startswith("sklearn.")
    # of distances, what is not stored is no neighbour, not a zero
    if not known or getattr(first, "metric", "") == "precomputed":
        return "auto"
    kept = (getattr(first, name, None) for name in KEPT_ROWS)
    return "sparse" if any(hasattr(one, "tocsr") for one in kept) else "auto"


def handed(inputs: Any, form: str | None, given: ModelInput) -> Any:
    """Return a modality's batch in a form; raise SettingsError where it has no such form."""
    if isinstance(inputs, list):
        return _texts(inputs, form, given)
    if isinstance(inputs, np.ndarray):
        return _images(inputs, form, given)
    match form:
        case "sparse":
            return as_sparse(inputs, given.model)
        case "frame":
            return _typed_frame(as_frame(inputs, given.known), given)
        case "dates":
            return _typed_frame(as_frame(inputs, given.known, _of_dates(inputs)), given)
        case "array":
            return _typed_array(inputs, given)
        case "lists":
            return _typed_array(inputs, given).tolist()
        case "single":
            return _single(handed(inputs, None, given))
    categories = any(one.category for one in given.known.values())
    if given.columns is None and not categories and not getattr(inputs, "dates", ()):
        return _typed_array(inputs, given)
    if given.numbers and not categories and _is_of_numbers(inputs, given):
        return np.array(inputs.columns).T  # column by column in memory, as a data frame has it
    return _typed_frame(as_frame(inputs, given.known), given)


def _is_of_numbers(table: Any, given: ModelInput) -> bool:
    """Tell whether a table holds the model's own columns, all of numbers, as their owner has them.

    Others a model refuses by their names.
    """
    types = {column.dtype for column in table.columns}
    if table.names != given.columns or given.labels or not types <= NUMBERS:
        return False
    return not given.dtypes or (len(types) == 1 and types == set(given.dtypes.values()))


def _single(rows: Any) -> Any:
    """Return a data frame or an array with its numbers in single precision."""
    if not hasattr(rows, "columns"):
        return rows if rows.dtype == object else rows.astype(np.float32)
    kinds = dict(zip(rows.columns, rows.dtypes, strict=True))
    return rows.astype({name: np.float32 for name, one in kinds.items() if one.kind in "iuf"})


def _typed_array(table: Any, given: ModelInput) -> Any:
    """Return an array of the type that the model's owner has in hand, where that loses nothing."""
    found = as_array(table)
    wanted = given.dtypes.get("")
    if wanted is None or found.dtype in (wanted, object):
        return found
    whole = np.dtype(wanted).kind == "f" or bool((found == np.rint(found)).all())
    return found.astype(wanted) if whole else found


def _typed_frame(frame: Any, given: ModelInput) -> Any:
    """Give a data frame the types and names that the model's owner has in hand, where they fit."""
    types = set(frame.dtypes) if given.dtypes else set()
    if any(one not in types for one in given.dtypes.values()) or len(types) > 1:
        _retype(frame, given)
    return frame.rename(columns=dict(given.labels)) if given.labels else frame


def _retype(frame: Any, given: ModelInput) -> None:
    """Give columns of a data frame the types that they have in their owner's hand."""
    has = dict(zip(frame.columns, frame.dtypes, strict=True))
    for name, wanted in given.dtypes.items():
        if name not in has or has[name] == wanted or str(has[name]) == "category":
            continue
        with contextlib.suppress(TypeError, ValueError):  # gaps in whole numbers, say
            frame[name] = frame[name].astype(wanted)


def as_array(table: Any) -> Any:
    """Return a table as a float array, or as an object array when it holds words."""
    if any(column.dtype == object for column in table.columns):
        return np.stack([column.astype(object) for column in table.columns], axis=1)
    return np.ascontiguousarray(np.array(table.columns, float).T)


def _of_dates(table: Any) -> tuple[str, ...]:
    """Name the columns whose cells are all dates."""
    from lime_cli.tables.cells import are_dates

    pairs = zip(table.names, table.columns, strict=True)
    words = {name: ["" if one is None else one for one in c.tolist()] for name, c in pairs}
    return tuple(
        name
        for name, cells in words.items()
        if all(isinstance(one, str) for one in cells) and are_dates(cells)
    )


def as_frame(table: Any, known: Mapping[int, Known] = NOTHING, dates: Sequence[str] = ()) -> Any:
    """Return a table as the data frame that pandas would have read from the file.

    Columns that the model had as categories are categories of the same values; those of ``dates``
    are moments.
    """
    import pandas

    dates = (*dates, *getattr(table, "dates", ()))
    types = {column.dtype for column in table.columns}
    if len(types) == 1 and types <= PLAIN and not any(one.category for one in known.values()):
        block = np.array(table.columns).T
        return pandas.DataFrame(block, columns=_header(tuple(table.names)).view(), copy=False)
    columns = {}
    for place, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        if place in known and known[place].category:
            columns[name] = _category(column, known[place])
        elif column.dtype == object:
            cells = [np.nan if cell is None else cell for cell in column.tolist()]
            cells = pandas.Series(np.array(cells, dtype=object))
            columns[name] = pandas.to_datetime(cells) if name in dates else cells
        else:
            columns[name] = column
    return pandas.DataFrame(columns)


@lru_cache(maxsize=8)
def _header(names: tuple[str, ...]) -> Any:
    """Return names of columns as a data frame has them: making these takes longer than the rest."""
    import pandas

    return pandas.Index(list(names))


def _category(column: NDArray[Any], known: Known) -> Any:
    """Return cells as a category of the model's own values; one that it does not know is none."""
    import pandas

    code = {value: i for i, value in enumerate(known.values)}
    codes = [code.get(cell, -1) for cell in column.tolist()]
    values = pandas.Index(list(known.values), dtype=known.dtype or None)
    return pandas.Categorical.from_codes(codes, values)


def as_sparse(table: Any, model: str) -> Any:
    """Return a table as a CSR matrix; raise PredictionError naming a column that holds words."""
    from scipy.sparse import csr_matrix

    for name, column in zip(table.names, table.columns, strict=True):
        if column.dtype == object and any(isinstance(cell, str) for cell in column.tolist()):
            raise PredictionError(
                f"{model}: is given sparse rows, which cannot hold the words of column {name!r}",
                "use --input-form frame or array, or leave the column out with --drop",
            )
    return csr_matrix(np.stack([column.astype(float) for column in table.columns], axis=1))


def _texts(texts: list[str], form: str | None, given: ModelInput) -> Any:
    if form in ("array", "sparse"):
        raise SettingsError(f"--input-form {form}: texts have none", "leave it out")
    if given.columns is None or len(given.columns) != 1:
        return texts
    import pandas

    return pandas.DataFrame({given.columns[0]: texts})


def _images(images: Any, form: str | None, given: ModelInput) -> Any:
    if form == "frame":
        raise SettingsError("--input-form frame: images have no columns", "leave it out")
    images = images.transpose(0, 3, 1, 2) if given.layout == "NCHW" else images
    flat = images.reshape(len(images), -1)
    if form == "sparse":
        from scipy.sparse import csr_matrix

        return csr_matrix(flat)
    return flat if given.n_columns else images


def _first(model: Any) -> Any:
    """Return what is fed: of a pipeline its first step, of a search its best."""
    while True:
        steps = getattr(model, "steps", None)
        if isinstance(steps, list) and steps and isinstance(steps[0], tuple):
            fed = (one for _, one in steps if one not in (None, "passthrough"))
            model = next(fed, None)
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model
