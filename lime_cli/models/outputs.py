"""The one output adapter: whatever a model returns becomes (n, k) float64 with names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError, ModelError, NotFinite, PredictionError
from lime_cli.models.model_file import ModelFile

if TYPE_CHECKING:
    from lime_cli.engine.model import FloatArray


class Stated(NamedTuple):
    """What a model itself says of its answers; None where it does not."""

    task: str | None = None
    classes: tuple[str, ...] | None = None
    groups: tuple[tuple[str, ...], ...] | None = None
    """Classes of each of several answers, of a model that gives several at once."""
    margins: bool = False
    """The answers are signed distances, never probabilities."""
    pairs: bool = False
    """The margins are those between every two classes: k (k - 1) / 2 columns for k classes."""
    independent: bool = False
    """Every output is a probability of its own; they need not sum to one."""
    labels: bool = False
    """The answers name a class each."""
    output: str = ""
    """Which of a graph's outputs is read."""
    others: tuple[str, ...] = ()
    """Those that are not."""
    column: bool = False
    """Whether one column of numbers from 0 to 1 may well be probabilities."""
    tuples: bool = False
    """Whether of a tuple the first part is the prediction."""
    table: bool = False
    """Whether it answers to rows of a table, and nothing speaks of classes."""
    logit: bool = False
    """Whether one column of other numbers may well be logits."""
    label: str = ""
    """What stands before the number of a class that nothing names."""
    of_bytes: bool | None = None
    """Whether answers in bytes run to 255, which stands for 1; None before the first one."""
    embedding: bool = False
    """Whether the output is called what vectors are called that stand for an input."""


class RawOutput(NamedTuple):
    """An answer on its way to (n, k)."""

    raw: Any
    names: tuple[str, ...] | None = None
    rules: tuple[str, ...] = ()
    """Sentences of the rules that were used."""
    part: str = ""
    """Which part of dictionaries is read, where another one may be meant."""


UNSTATED = Stated()

OF_AXES = {
    3: ", a row of numbers for each token or box of an input",
    4: ", a map of each input, such as a class for each pixel",
}
"""What answers of so many axes are."""

MOST_OUTPUTS = 1 << 18
"""Of a prediction; vocabularies of language models are no larger."""


def as_matrix(
    raw: Any, name: str, stated: Stated = UNSTATED, n: int | None = None
) -> tuple[FloatArray, RawOutput]:
    """Return an answer as (n, k) float64, and what it carried; raise PredictionError for others."""
    output = RawOutput(raw)
    for sentence, rule in SHAPES:
        try:
            changed = rule(output, stated)
        except PredictionError as error:
            raise PredictionError(f"{name}: {error.message}", error.hint) from None
        if changed is not None:
            output = changed._replace(rules=(*output.rules, sentence))
    if output.raw is None:
        raise _no_numbers(name, None)
    try:
        values = np.asarray(output.raw, dtype=np.float64)
    except (TypeError, ValueError):
        framed = hasattr(raw, "select_dtypes")
        raise _no_numbers(name, raw if framed else output.raw) from None
    if values.ndim < 2:
        free = stated.column or (stated.output and not stated.table)
        squeezed = free and n == 1 and values.size > 1  # some drop the axis of one input
        values = np.atleast_1d(values)[None, :] if squeezed else np.atleast_1d(values)[:, None]
    if stated.table and n and values.shape[1:] == (1,) and len(values) > n:
        # skl2onnx writes the outputs of a network one after the other, those of an input together
        values = values.reshape(n, -1) if len(values) % n == 0 else values
    if values.ndim != 2 or values.shape[1] == 0:
        kind = OF_AXES.get(values.ndim, "")
        raise PredictionError(
            f"{name}: the model returned shape {values.shape}{kind}, not (samples, outputs)",
            _otherwise(stated),
        )
    if values.shape[1] > MOST_OUTPUTS:
        raise PredictionError(
            f"{name}: the model returned {values.shape[1]:,} outputs per input, "
            f"which is more than {MOST_OUTPUTS:,}",
            "explain a function that returns those of interest: py:module:name",
        )
    return values, output


def _otherwise(stated: Stated) -> str:
    """Word what to do about an answer that is none."""
    listed = ", ".join(stated.others)
    if stated.column:
        return (
            "the function is given several inputs: it must return a row of numbers for each of them"
        )
    other = f"choose another with --model-output: {listed}; or " if listed else ""
    return other + "explain a function that returns a row of numbers per input: py:module:name"


def _no_numbers(name: str, raw: Any) -> PredictionError:
    if _are_words(raw) and len(raw):
        first = str(raw[0])
        written = first.lstrip().startswith(("{", "["))
        return PredictionError(
            f"{name}: the model returned words ({_shortly(first)}), not numbers",
            f"{NUMBERS_ONLY}: json.loads reads them"
            if written
            else "name all its classes with --classes",
        )
    if raw is None:
        said, hint = "nothing", "does the function end in return?"
    else:
        said, hint = f"{type(raw).__name__}{_seen(raw)}", NUMBERS_ONLY + _to_return(raw)
    return PredictionError(f"{name}: the model returned {said}, not numbers", hint)


NUMBERS_ONLY = "the function must return a row of numbers for each input, one per class"


def _to_return(raw: Any) -> str:
    """Say which part of a tuple for each input may be its row of numbers; empty for none."""
    if not isinstance(raw, list) or not raw or not isinstance(raw[0], tuple):
        return ""
    places = [i for i, one in enumerate(raw[0]) if _is_row(one)]
    return f"; return (...)[{places[0]}] in place of (...) does" if len(places) == 1 else ""


def _seen(raw: Any) -> str:
    """Show what stands in an answer instead of numbers, where that can be told shortly."""
    if hasattr(raw, "select_dtypes"):
        words = [str(one) for one in raw.select_dtypes(exclude=["number", "bool"]).columns]
        return f" whose column {words[0]!r} holds no numbers" if words else ""
    if isinstance(raw, (list, tuple)) and raw:
        return f" of items like {_shortly(raw[0])}"
    return ""


def _shortly(item: Any) -> str:
    shown = " ".join(repr(item).split())
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def written_out(raw: Any) -> Any:
    """Return an answer with its tensors as arrays and its generators as lists.

    Tensors may carry gradients, and lie on another device; transformers' models answer with an
    object that has logits.
    """
    if isinstance(raw, np.ndarray):
        return raw
    raw = getattr(raw, "logits", raw)
    if hasattr(raw, "detach"):  # PyTorch
        raw = raw.detach().cpu()
        return (raw.float() if "bfloat16" in str(raw.dtype) else raw).numpy()
    if hasattr(raw, "numpy") and hasattr(raw, "shape"):  # TensorFlow
        return raw.numpy()
    if type(raw).__module__.startswith("cupy"):
        return raw.get()
    if isinstance(raw, Iterator):
        raw = list(raw)
    elif type(raw).__name__ == "Series" and str(raw.dtype) == "object":  # of rows
        raw = raw.to_list()
    elif type(raw) is tuple and raw and raw[0] is None:  # a loss that was not asked for
        raw = tuple(one for one in raw if one is not None) or None
    if type(raw) in (list, tuple) and raw and not isinstance(raw[0], PLAIN):
        return type(raw)(map(written_out, raw))
    if type(raw) is dict and not all(isinstance(one, PLAIN) for one in raw.values()):
        return {key: written_out(one) for key, one in raw.items()}
    return raw


PLAIN = (str, int, float, np.generic)
"""What is no tensor, nor holds any."""


def _first(output: RawOutput, stated: Stated) -> RawOutput | None:
    """(numbers (n, k), whatever else ...) of a function."""
    raw = output.raw
    if not (stated.column or stated.tuples) or not isinstance(raw, tuple) or not raw:
        return None
    if not isinstance(raw[0], np.ndarray) or (raw[0].ndim < 2 and len(raw) > 1):
        return None  # a tuple of rows
    return output._replace(raw=raw[0])


def _unwrapped(output: RawOutput, stated: Stated) -> RawOutput | None:
    """{"predictions": [an answer, ...], ...}: the one list of dictionaries, one for each input."""
    raw = output.raw
    if not isinstance(raw, dict):
        return None
    lists = [one for one in raw.values() if isinstance(one, list) and one]
    answers = [one for one in lists if all(map(_is_answer, one))]
    return output._replace(raw=answers[0]) if len(answers) == 1 else None


def _is_answer(one: Any) -> bool:
    """Tell a dictionary, or a list of these."""
    return isinstance(one, dict) or (
        isinstance(one, list) and bool(one) and all(isinstance(row, dict) for row in one)
    )


def _of_service(output: RawOutput, stated: Stated) -> RawOutput | None:
    """[{label, probabilities: {class: number, ...}}, ...], as services answer: the part of each
    dictionary that holds a number for every class, by the names beside it if there are some.
    """
    rows = output.raw
    if not isinstance(rows, list) or not rows or not all(isinstance(one, dict) for one in rows):
        return None
    first = rows[0]
    if is_ranked(first) or all(isinstance(one, NUMERIC) for one in first.values()):
        return None
    parts = [key for key, one in first.items() if _is_by_class(one)]
    named = [key for key in PREDICTIONS if key in parts]
    if not parts and {"label", "score"} <= set(first):
        return None
    if not parts or any(set(one) != set(first) for one in rows):
        said = f"the model returned {type(rows).__name__}{_seen(rows)}, not numbers"
        raise PredictionError(said, f"{NUMBERS_ONLY}; a transformers pipeline does with top_k=None")
    key = (named or parts)[0]
    n = len(first[key])
    beside = [one for other, one in first.items() if other != key and length(one) == n]
    names = [one for one in beside if _are_words(list(one)) and len(set(one)) == n]
    places = any(np.asarray(one).dtype.kind in "iu" for one in beside)
    if (len(parts) > 1 and not named) or (places and not names) or len(names) > 1:
        listed = " or ".join(map(repr, parts[:4]))
        said = f"the model returned dictionaries, whose part {listed} may be its answer"
        raise PredictionError(said, f"return what is meant: [one[{key!r}] for one in answers]")
    part = "" if named == parts else str(key)
    if not names or not _is_vector(first[key]):
        return output._replace(raw=[one[key] for one in rows], part=part)
    labels = next(other for other, one in first.items() if one is names[0])
    ranked = [{"labels": list(one[labels]), "scores": list(one[key])} for one in rows]
    return output._replace(raw=ranked, part=part)


NUMERIC = (int, float, np.number)


def _is_by_class(one: Any) -> bool:
    """Tell what holds several numbers: by class, as pairs of label and score, or in a row."""
    if isinstance(one, dict):
        return len(one) > 1 and all(isinstance(number, NUMERIC) for number in one.values())
    return _is_vector(one) or (isinstance(one, list) and bool(one) and all(map(is_scored, one)))


def _is_vector(one: Any) -> bool:
    return length(one) > 1 and all(isinstance(number, NUMERIC) for number in one)


def length(one: Any) -> int:
    """Return how long a list, a tuple or an array is; 0 for what is none."""
    none = isinstance(one, (str, bytes, dict)) or not hasattr(one, "__len__")
    return 0 if none or getattr(one, "ndim", 1) == 0 else len(one)


def _scored(output: RawOutput, stated: Stated) -> RawOutput | None:
    """[[{label, score}, ...], ...], [[(label, score), ...], ...] or [{labels, scores}, ...], every
    label of every input, in any order; a pair may have an id before it.
    """
    rows = output.raw
    if not isinstance(rows, list) or not rows:
        return None
    if all(isinstance(row, list) and row and all(map(is_pair, row)) for row in rows):
        rows = [[{"label": one[-2], "score": one[-1]} for one in row] for row in rows]
    rows = [_pairs(one) if is_ranked(one) else [one] if is_scored(one) else one for one in rows]
    if not all(isinstance(row, list) and row and all(map(is_scored, row)) for row in rows):
        return None
    found = [{str(label): score for label, score in map(_pair, row)} for row in rows]
    names = tuple(sorted(found[0], key=_by_number))
    if any(set(names) != set(row) for row in found):
        raise PredictionError("the model returns the scores of some labels only", EVERY)
    return output._replace(raw=[[row[name] for name in names] for row in found], names=names)


EVERY = (
    "return a number for every class; for a transformers pipeline, top_k=None; of fastText, k=-1"
)


def _labelled(output: RawOutput, stated: Stated) -> RawOutput | None:
    """([labels (k,), ...], [numbers (k,), ...]), the labels of every input in an order of its own,
    as fastText answers; or [(labels, numbers), ...], the same input by input; or a label and its
    number for each: (labels (n,), numbers (n,)).
    """
    raw = output.raw
    if stated.column and isinstance(raw, tuple) and len(raw) == 2 and _are_words(raw[0]):
        labels, numbers = raw
        if np.ndim(numbers) == 1 and len(labels) == len(numbers):
            raw = tuple([[one] for one in some] for some in raw)
    if isinstance(raw, list) and raw and all(map(is_labelled, raw)):
        raw = tuple(map(list, zip(*raw, strict=True)))
    if not isinstance(raw, tuple) or len(raw) != 2 or not all(map(_is_ragged, raw)):
        return None
    labels, numbers = raw
    if len(labels) != len(numbers) or any(
        len(some) != len(row) or not all(isinstance(one, str) for one in some)
        for some, row in zip(labels, numbers, strict=True)
    ):
        return None
    rows = [
        [{"label": one, "score": score} for one, score in zip(some, row, strict=True)]
        for some, row in zip(labels, numbers, strict=True)
    ]
    return _scored(output._replace(raw=rows), stated)


def _is_ragged(one: Any) -> bool:
    """Tell a list of lists, tuples or arrays that are not empty."""
    return (
        isinstance(one, (list, tuple, np.ndarray))
        and len(one) > 0
        and all(isinstance(row, (list, tuple, np.ndarray)) and len(row) > 0 for row in one)
    )


def is_labelled(one: Any) -> bool:
    """Tell the pair of an input's labels and its numbers."""
    lists = (list, tuple, np.ndarray)
    if not isinstance(one, tuple) or len(one) != 2 or not all(isinstance(x, lists) for x in one):
        return False
    return len(one[0]) == len(one[1]) > 0 and isinstance(one[0][0], str)


LABEL = ("label", "class_name", "className", "tagName", "class", "name", "category", "tag")
SCORE = ("score", "probability", "confidence", "prob")
"""What a label and its score are called where each label has a dictionary of its own."""


def is_scored(one: Any) -> bool:
    """Tell {label, score}, as transformers' pipelines answer, and {tagName, probability}, as
    services do.
    """
    if not isinstance(one, dict):
        return False
    label, score = _pair(one)
    worded = isinstance(label, str) and isinstance(score, NUMERIC)
    return worded or {"label", "score"} <= set(one)


def _pair(one: dict[str, Any]) -> tuple[Any, Any]:
    """Return the label and the score of a dictionary; None for what is not there."""
    label, score = (next((one[key] for key in keys if key in one), None) for keys in (LABEL, SCORE))
    return label, score


def is_ranked(one: Any) -> bool:
    """Tell {labels, scores}, as transformers' pipelines of zero-shot classification answer."""
    return isinstance(one, dict) and _is_ragged([one.get("labels"), one.get("scores")])


def _pairs(one: dict[str, Any]) -> list[dict[str, Any]]:
    pairs = zip(one["labels"], one["scores"], strict=True)
    return [{"label": label, "score": score} for label, score in pairs]


def is_pair(one: Any) -> bool:
    """Tell (label, score), and (id, label, score) as Keras decodes predictions of ImageNet."""
    if not isinstance(one, tuple) or len(one) not in (2, 3):
        return False
    return isinstance(one[-1], (float, np.floating)) and all(isinstance(x, str) for x in one[:-1])


def _by_number(name: str) -> tuple[str, int, str]:
    """Sort LABEL_2 before LABEL_10."""
    word = name.rstrip("0123456789")
    return word, int(name[len(word) :] or -1), name


def _after_labels(output: RawOutput, stated: Stated) -> RawOutput | None:
    """(labels (n,), probabilities (n, k)), perhaps with the names (k,) behind them."""
    raw = output.raw
    if not isinstance(raw, tuple) or len(raw) not in (2, 3):
        return None
    labels, numbers, *more = list(raw)
    if np.ndim(labels) != 1 or len(labels) != len(numbers):
        return None
    if np.ndim(numbers) < 2 and np.asarray(labels).dtype.kind == "f":
        return None  # two rows of numbers
    names = tuple(map(str, np.ravel(more[0]))) if more else None
    return output._replace(raw=numbers, names=names)


def _decided(output: RawOutput, stated: Stated) -> RawOutput | None:
    """[(label, index, probabilities (k,)), ...], as fastai decides: the index is of the largest."""
    rows = output.raw
    if not isinstance(rows, list) or not rows or not all(map(_is_decided, rows)):
        return None
    return output._replace(raw=[np.ravel(written_out(row[2])) for row in rows])


def _is_decided(row: Any) -> bool:
    if type(row) is not tuple or len(row) != 3 or not _is_row(row[2]):
        return False
    index, numbers = np.asarray(written_out(row[1])), np.asarray(written_out(row[2]))
    if index.ndim or index.dtype.kind not in "iu" or not 0 <= index < len(numbers):
        return False
    return bool(numbers[index] == numbers.max())


def _is_row(one: Any) -> bool:
    """Tell an array or a tensor of several fractions."""
    shape: tuple[int, ...] = getattr(one, "shape", ())
    return len(shape) == 1 and shape[0] > 1 and "float" in str(getattr(one, "dtype", ""))


def _sparse(output: RawOutput, stated: Stated) -> RawOutput | None:
    dense = getattr(output.raw, "toarray", None)
    return None if dense is None else output._replace(raw=dense())


def _dictionaries(output: RawOutput, stated: Stated) -> RawOutput | None:
    raw = output.raw
    if not isinstance(raw, (list, tuple)) or not raw:
        return None
    if isinstance(raw, list) and all(hasattr(one, "_asdict") for one in raw):  # named tuples
        raw = [one._asdict() for one in raw]
    if not isinstance(raw[0], dict):
        return None
    keys = tuple(raw[0])
    rows = [[one.get(key, np.nan) for key in keys] for one in raw]
    return output._replace(raw=rows, names=_as_names(keys))


def _as_names(keys: Iterable[Any]) -> tuple[str, ...] | None:
    """Return names of classes; None for one alone, which is what a number is called."""
    names = tuple(map(str, keys))
    return names if len(names) > 1 else None


def _columns(output: RawOutput, stated: Stated) -> RawOutput | None:
    """{class: (n,), ...}: a column for each class; {name: (n, k), ...}: the table that is called
    what predictions are, if there are several.
    """
    raw = output.raw
    if not isinstance(raw, dict) or not raw:
        return None
    columns = [np.asarray(one) for one in raw.values()]
    named = dict(zip(map(str, raw), columns, strict=True))
    tables = [one for one in columns if one.ndim == 2 and one.dtype.kind in "fiu"]
    if len(tables) > 1:
        tables = [named[key] for key in PREDICTIONS if key in named and named[key].ndim == 2][:1]
    if len(tables) == 1 and all(len(one) == len(tables[0]) for one in columns if one.ndim):
        return output._replace(raw=tables[0])  # and what goes with it: labels, texts
    if any(one.ndim != 1 or len(one) != len(columns[0]) for one in columns):
        return None
    return output._replace(raw=np.stack(columns, axis=1), names=_as_names(raw))


PREDICTIONS = (
    "probabilities", "probs", "predictions", "scores", "pred_scores", "logits", "output", "outputs",
    "out",
)  # fmt: skip
"""What predictions are called among other answers, the best first."""


def _frame(output: RawOutput, stated: Stated) -> RawOutput | None:
    columns = getattr(output.raw, "columns", None)
    if columns is None or not hasattr(output.raw, "to_numpy"):
        return None
    worded = all(isinstance(one, str) for one in columns)
    return output._replace(raw=output.raw.to_numpy(), names=tuple(columns) if worded else None)


def _several(output: RawOutput, stated: Stated) -> RawOutput | None:
    """[(n, a), (n, b), ...], the probabilities of several answers."""
    raw = output.raw
    if not isinstance(raw, (list, tuple)) or not raw:
        return None
    if not all(isinstance(one, np.ndarray) and one.ndim == 2 for one in raw):
        return None
    if len({len(one) for one in raw}) > 1:
        return None
    groups = stated.groups or tuple(tuple(map(str, range(one.shape[1]))) for one in raw)
    if all(group in (("0", "1"), ("False", "True")) for group in groups):
        return output._replace(raw=np.stack([one[:, 1] for one in raw], axis=1), names=None)
    names = tuple(f"{i}: {name}" for i, group in enumerate(groups) for name in group)
    return output._replace(raw=np.hstack(raw), names=names)


def _labels(output: RawOutput, stated: Stated) -> RawOutput | None:
    """(n,) names of classes, each a vote for one of those known."""
    if not stated.labels or stated.classes is None:
        return None
    found = np.asarray(output.raw).ravel()
    if found.dtype.kind in "iu" and not set(map(str, found.tolist())) <= set(stated.classes):
        k = len(stated.classes)
        if not ((found >= 0) & (found < k)).all():
            said = f"the model returns the number of a class beyond the {k} named"
            raise PredictionError(said, "name all its classes with --classes")
        return output._replace(raw=np.eye(k)[found], names=stated.classes)
    votes = np.array([str(one) for one in found.tolist()])[:, None] == np.array(stated.classes)
    return output._replace(raw=votes.astype(float), names=stated.classes)


def _bytes(output: RawOutput, stated: Stated) -> RawOutput | None:
    if getattr(output.raw, "dtype", None) != np.uint8 or stated.task == "regression":
        return None
    above = bool(output.raw.max(initial=0) > 1)  # 0 and 1 alone are a class that is named
    if stated.of_bytes is False and above and np.ndim(output.raw) > 1:
        raise PredictionError("the model returns bytes above 1, and before that 0 and 1", FLOATS)
    divided = above if stated.of_bytes is None else stated.of_bytes
    return output._replace(raw=output.raw / 255) if divided else None


def _thin(output: RawOutput, stated: Stated) -> RawOutput | None:
    raw = output.raw
    if isinstance(raw, list):
        try:
            raw = np.asarray(raw, dtype=np.float64)
        except (TypeError, ValueError):  # said when it is read
            return None
    shape: tuple[int, ...] = getattr(raw, "shape", ())
    if len(shape) < 3 or sum(size > 1 for size in shape[1:]) > 1:
        return None
    return output._replace(raw=np.reshape(raw, (shape[0], -1)))


FLOATS = "explain a function that returns the numbers meant: py:module:function"

FIRST = "the first of several arrays is used"

SCORED = "the scores of all labels are read in the order of the labels"

NUMBERED = "the numbers of all labels are read in the order of the labels"

OF_BYTES = "bytes are divided by 255"

SHAPES: tuple[tuple[str, Callable[[RawOutput, Stated], RawOutput | None]], ...] = (
    (NUMBERED, _labelled),
    ("labels come first; the numbers after them are used", _after_labels),
    (FIRST, _first),
    ("the one list of answers in a dictionary is used", _unwrapped),
    ("the part of dictionaries that holds a number for each class is used", _of_service),
    (SCORED, _scored),
    ("the probabilities behind a label and its index are used", _decided),
    ("a sparse matrix is written out", _sparse),
    ("dictionaries by class are read in the order of their keys", _dictionaries),
    ("a data frame's columns are the outputs", _frame),
    ("a dictionary's columns are the outputs", _columns),
    ("several arrays are joined side by side", _several),
    ("a class that is named gets 1, the others 0", _labels),
    (OF_BYTES, _bytes),
    ("axes of length one are dropped", _thin),
)
"""What is done to an answer, in this order, each rule where it applies."""


SLACK = 1e-3
"""How far a sum of probabilities may be from one, and a probability from 0..1."""


COARSE = CodedWarning(
    "coarse_output", "the model returns only class names; weights describe where the class changes"
)

LOGARITHMS = CodedWarning(
    "log_probabilities",
    "the model returns logarithms of probabilities; they are converted to probabilities",
)


class Outputs(NamedTuple):
    """How a model's answers are read, settled once by looking at a first answer."""

    name: str
    """The model file's name, for messages."""
    task: str
    """``classification`` or ``regression``."""
    targets: tuple[str, ...]
    warnings_of: Callable[[FloatArray], tuple[CodedWarning, ...]]
    """Says what a reader of numbers (n, k) must know of how they are read."""
    reading: str = "numbers"
    """Name of the rule in ``READINGS`` by which numbers become outputs."""
    rule: str = ""
    """How answers are read, in words, for a person."""
    activation: str = "none"
    stated: Stated = UNSTATED
    probabilities: bool = False
    warnings: tuple[CodedWarning, ...] = ()
    """Those of the first answer."""
    carried: tuple[str, ...] | None = None
    """Names that the first answer carried, in its order."""

    def _in_order(self, values: FloatArray, names: tuple[str, ...] | None) -> FloatArray:
        """Return columns in the order of the first answer; raise PredictionError for others."""
        if names is None or self.carried is None or names == self.carried:
            return values
        if sorted(names) != sorted(self.carried):
            other = next(iter(set(names) ^ set(self.carried)), names[0])
            raise PredictionError(
                f"{self.name}: the predictions do not always name the same outputs ({other!r})",
                EVERY,
            )
        return values[:, [names.index(name) for name in self.carried]]

    def read(self, raw: Any, n: int) -> FloatArray:
        """Return (n, k) finite numbers; raise PredictionError for any other answer."""
        values, output = as_matrix(raw, self.name, self.stated, n)
        values = _activate(self._in_order(values, output.names), self.activation)
        if len(values) != n:
            said = f"the model returned {len(values):,} predictions for {n:,} input{'s' * (n != 1)}"
            raise PredictionError(f"{self.name}: {said}", _otherwise(self.stated))
        outputs = READINGS[self.reading].apply(values, self.stated)
        if outputs.shape[1] != len(self.targets):
            raise PredictionError(
                f"{self.name}: the model returned {outputs.shape[1]} outputs, and before that "
                f"{len(self.targets)}",
                "explain a function that always returns the same outputs: py:module:name",
            )
        if not np.isfinite(outputs).all():
            raise not_finite(self.name, outputs)
        if self.reading == "probability" and not _within(values):
            raise PredictionError(
                f"{self.name}: its one output looked like a probability, but lies between "
                f"{values.min():.4g} and {values.max():.4g} for other inputs",
                "use --activation sigmoid, or --task regression",
            )
        return outputs


def not_finite(name: str, answers: FloatArray) -> NotFinite:
    """Word that some of a model's answers (n, k) are no finite numbers."""
    broken = int((~np.isfinite(answers)).any(axis=1).sum())
    return NotFinite(
        NotFinite.words(name, broken, len(answers)),
        "--drop-failed 5% leaves such samples out, up to that share",
        answers,
    )


def decide_outputs(
    raw: Any, file: ModelFile, name: str, stated: Stated, n: int | None = None
) -> Outputs:
    """Decide from a first answer ``raw`` to n inputs how all answers are read; ``--task`` and
    ``--classes`` win.

    Raises ModelError, or InputError for ``--classes``, when names and outputs differ in number.
    """
    if file.classes and stated.column and n and _are_places(raw, len(file.classes), n):
        stated = stated._replace(labels=True)
    if file.classes and not stated.classes and (stated.labels or _are_words(raw)):
        stated = stated._replace(classes=file.classes, labels=True)
    if stated.labels and not stated.classes and file.task == "auto":
        raise PredictionError(
            f"{name}: the model returns the number of a class and no scores",
            "name all its classes with --classes, to explain where the class changes; or export "
            "its scores; or use --task regression for a number",
        )
    values, output = as_matrix(raw, name, stated, n)
    stated = stated._replace(of_bytes=OF_BYTES in output.rules)
    twice = values.shape[1] > 1 and file.activation in ACTIVATIONS and _sum_to_one(values)
    values = _activate(values, file.activation)
    if file.activation in ACTIVATIONS:
        stated = stated._replace(margins=False)  # they are probabilities by now
    if file.classes and output.names and sorted(file.classes) == sorted(output.names):
        file = file._replace(classes=output.names)  # which name is whose, the answer says itself
    named = (output.names or stated.classes) is not None
    task = _task(file, stated, values, named)
    if task == "regression":
        reading = "numbers"
    else:
        reading = next(key for key, one in READINGS.items() if one.fits(values, stated))
    warned = [TWICE._replace(message=TWICE.message.format(file.activation))] if twice else []

    def warnings_of(numbers: FloatArray) -> tuple[CodedWarning, ...]:
        assumed = _assumed(file, numbers, output, stated, reading)
        return (*warned, *_warnings(stated, reading), *assumed)

    outputs = Outputs(
        name,
        task,
        (),
        warnings_of,
        reading,
        "; ".join((*output.rules, READINGS[reading].sentence)),
        file.activation,
        stated,
        carried=output.names,
        warnings=warnings_of(values),
    )
    width = READINGS[reading].apply(values, stated).shape[1]
    targets = _names(file, _first_fit(output, stated, width), width, outputs, stated.label)
    probabilities = reading in ("probability", "probabilities", "log-probabilities")
    return outputs._replace(targets=targets, probabilities=probabilities)


class OutputReading(NamedTuple):
    """How (n, w) numbers become (n, k) outputs, and when."""

    sentence: str
    fits: Callable[[FloatArray, Stated], bool]
    apply: Callable[[FloatArray, Stated], FloatArray]


def _same(values: FloatArray, stated: Stated) -> FloatArray:
    return values


def _one(values: FloatArray, stated: Stated) -> bool:
    return bool(values.shape[1] == 1)


def _within(values: FloatArray) -> bool:
    return bool(((values >= -SLACK) & (values <= 1 + SLACK)).all())


def _sum_to_one(values: FloatArray) -> bool:
    return bool(((values >= -1e-6).all(axis=1) & (np.abs(values.sum(axis=1) - 1) < SLACK)).all())


def _are_pairs(values: FloatArray, stated: Stated) -> bool:
    k = len(stated.classes or ())
    return stated.pairs and k > 2 and values.shape[1] == k * (k - 1) // 2


def _votes(values: FloatArray, stated: Stated) -> FloatArray:
    """Count each pair's winner, the sum of margins deciding among equals.

    As scikit-learn does for ``decision_function_shape="ovr"``; a margin above 0 is a vote for the
    first of its pair.
    """
    k = len(stated.classes or ())
    wins, sums = np.zeros((len(values), k)), np.zeros((len(values), k))
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    for column, (i, j) in zip(values.T, pairs, strict=True):
        wins[:, i] += column > 0
        wins[:, j] += column <= 0
        sums[:, i] += column
        sums[:, j] -= column
    return np.asarray(wins + sums / (3 * (np.abs(sums) + 1)))


READINGS: dict[str, OutputReading] = {
    "pairs": OutputReading(
        "margins between every two classes, counted as votes", _are_pairs, _votes
    ),
    "votes": OutputReading("one vote for the class that is named", lambda v, s: s.labels, _same),
    "margin": OutputReading(
        "one signed margin f, read as (-f, f)",
        lambda v, s: _one(v, s) and (s.margins or not _within(v)),
        lambda v, s: np.hstack([-v, v]),
    ),
    "probability": OutputReading(
        "one probability p, read as (1 - p, p)", _one, lambda v, s: np.hstack([1 - v, v])
    ),
    "margins": OutputReading("a signed margin for every class", lambda v, s: s.margins, _same),
    "independent": OutputReading(
        "a probability of its own for every label",
        lambda v, s: _within(v) and (s.independent or not _sum_to_one(v)),
        _same,
    ),
    "probabilities": OutputReading("probabilities", lambda v, s: _sum_to_one(v), _same),
    "log-probabilities": OutputReading(
        "logarithms of probabilities, undone",
        lambda v, s: bool((v <= 0).all()) and _sum_to_one(np.exp(v)),
        lambda v, s: np.exp(v),
    ),
    "scores": OutputReading("scores that are not probabilities", lambda v, s: True, _same),
    "numbers": OutputReading("numbers as they are", lambda v, s: True, _same),
}
"""How a classifier's numbers are read: the first that fits; ``numbers`` for a regression."""


def _warnings(stated: Stated, reading: str) -> tuple[CodedWarning, ...]:
    found = [COARSE] if stated.labels else []
    return (*found, LOGARITHMS) if reading == "log-probabilities" else tuple(found)


LOGITS = CodedWarning(
    "activation_assumed",
    "the outputs are read as scores; where they are logits, --activation softmax makes "
    "probabilities of them, --activation sigmoid of labels that do not exclude each other",
)

LOGIT = CodedWarning(
    "activation_assumed",
    "the output is read as a number; if it is a logit, --activation sigmoid makes a probability",
)

ONE_COLUMN = CodedWarning(
    "activation_assumed",
    "the one output is read as {}; if it is a logit, --activation sigmoid makes a probability; "
    "--task regression explains the number itself",
)

TWICE = CodedWarning(
    "already_probabilities",
    "the outputs are probabilities before --activation {}, which flattens them; leave it out",
)

NUMBERS = CodedWarning(
    "task_assumed",
    "the outputs are read as numbers, each explained; where they are the scores of classes, say "
    "--task classification, or --activation softmax",
)

INDEPENDENT = CodedWarning(
    "not_probabilities",
    "the outputs lie from 0 to 1 and sum to {}, not 1; each is read as a separate probability",
)

EMBEDDING = CodedWarning(
    "embedding",
    "output {!r} is a vector that stands for the input, by its name: each of its numbers is "
    "explained as if it were a class; explain a function that compares or classifies such vectors: "
    "py:module:function",
)

SHARE = CodedWarning(
    "task_assumed",
    "the output is read as a number; if it is the probability of a class, use --task "
    "classification",
)


PLACE = CodedWarning(
    "task_assumed",
    "the output is a whole number and is explained as one; if it is the number of a class, name "
    "all classes with --classes, or let the function return their scores",
)

TUPLE = CodedWarning(
    "output_assumed", "the model returns a tuple; its first part is read as the prediction"
)

BYTES = CodedWarning(
    "output_assumed",
    f"the model returns bytes, which are divided by 255; if 255 does not stand for 1, {FLOATS}",
)

PART = CodedWarning(
    "output_assumed",
    "the model returns dictionaries, whose part {!r} is read as the prediction; if another is "
    "meant, explain a function that returns that: py:module:function",
)

ALONE = CodedWarning(
    "output_assumed",
    "the model returns the score of one label alone, {!r}; if it has others, a transformers "
    "pipeline returns them all with top_k=None, fastText with k=-1",
)


def _assumed(
    file: ModelFile, values: FloatArray, output: RawOutput, stated: Stated, reading: str
) -> Iterator[CodedWarning]:
    """Say what numbers may be beside what they are taken for, where nobody said it."""
    if FIRST in output.rules:
        yield TUPLE
    if OF_BYTES in output.rules:
        yield BYTES
    if output.part:
        yield PART._replace(message=PART.message.format(output.part))
    scored = SCORED in output.rules or NUMBERED in output.rules
    if scored and output.names and len(output.names) == 1:
        yield ALONE._replace(message=ALONE.message.format(output.names[0]))
    if stated.embedding and not _one(values, stated):
        yield EMBEDDING._replace(message=EMBEDDING.message.format(stated.output))
        return
    if file.activation != "auto":
        return
    apart = reading == "independent" and not (stated.independent or _sum_to_one(values))
    if apart and file.task == "auto":
        total = float(values[np.abs(values.sum(axis=1) - 1).argmax()].sum())
        digits = (f"{total:.{n}g}" for n in range(3, 18))
        told = next((one for one in digits if float(one) != 1), "nearly 1")
        yield INDEPENDENT._replace(message=INDEPENDENT.message.format(told))
    if reading == "scores":
        yield LOGITS
    elif reading == "margin" and not stated.margins:
        yield _read_as("a decision value, above 0 for the class")
    elif reading == "probability" and stated.logit and stated.task is None:
        yield _read_as("a probability")
    elif stated.table and file.task == "auto" and not (stated.task or stated.classes):
        yield from [NUMBERS] if reading == "numbers" and not _one(values, stated) else []
    elif (
        reading == "numbers"
        and file.task == "auto"
        and stated.task is None
        and _one(values, stated)
    ):
        if stated.logit:
            yield LOGIT
        elif stated.column and np.asarray(output.raw).dtype.kind in "iu":
            yield PLACE
        elif stated.column and _within(values[:1]) and (values[:1] % 1).any():
            yield SHARE


def _read_as(what: str) -> CodedWarning:
    return ONE_COLUMN._replace(message=ONE_COLUMN.message.format(what))


def _are_places(raw: Any, n_classes: int, n: int) -> bool:
    """Tell whole numbers, one for an input, that are the places of more classes than two."""
    places = np.asarray(raw) if isinstance(raw, (list, np.ndarray)) else np.empty(0)
    whole = places.shape == (n,) and places.dtype.kind in "iu" and n_classes > 2
    return whole and bool(((places >= 0) & (places < n_classes)).all())


def _are_words(raw: Any) -> bool:
    words = raw.tolist() if isinstance(raw, np.ndarray) else raw
    return isinstance(words, list) and all(isinstance(one, str) for one in words)


FEW = 10
"""Numbers that a network of tables may well predict at once."""


def _task(file: ModelFile, stated: Stated, values: FloatArray, named: bool) -> str:
    if file.task != "auto":
        return file.task
    known, open_ = file.classes or stated.classes or (), stated.margins or stated.independent
    if file.activation == "none" and len(known) == values.shape[1] == 1 and not open_:
        return "regression"  # a score that is called by the model's one label, as a reward is
    if stated.task is not None:
        return stated.task
    said = named or file.classes or file.activation in ACTIVATIONS
    width = values.shape[1]
    if not said and stated.table and width <= FEW and not _within(values):
        logarithms = READINGS["log-probabilities"].fits(values, stated)
        return "classification" if logarithms else "regression"
    return "classification" if width > 1 or said else "regression"


def _first_fit(output: RawOutput, stated: Stated, width: int) -> tuple[str, ...] | None:
    """Return the names that the answer carries where they fit, else those that the model states."""
    fitting = [one for one in (output.names, stated.classes) if one and len(one) == width]
    return fitting[0] if fitting else output.names or stated.classes


def _names(
    file: ModelFile, known: tuple[str, ...] | None, width: int, outputs: Outputs, label: str
) -> tuple[str, ...]:
    noun = "classes" if outputs.task == "classification" else "outputs"
    if file.classes is None and known is None:
        if noun == "outputs":
            return ("prediction",) if width == 1 else tuple(f"output {i}" for i in range(width))
        return tuple(f"{label}{i}" for i in range(width))
    from lime_cli.models.names import fitted_names  # brings readers of several notations

    given = file.classes or known or ()
    if file.classes is None and len(given) == 1 and width == 2:
        given = (f"not {given[0]}", given[0])  # one probability, read as two
    fitted = fitted_names(given, width)
    if fitted is None:
        kind = InputError if file.classes else ModelError
        words = f"{outputs.name}: {len(given)} names for {width} {noun}"
        hint = "give as many names with --classes"
        if width == len(given) + 1:
            hint += "; some networks have 1,001 outputs, the first of which is 'background'"
        raise kind(words, hint)
    return tuple(map(str, fitted))


def softmax(values: FloatArray) -> FloatArray:
    """Turn logits (n, k) into probabilities."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


ACTIVATIONS = ("softmax", "sigmoid")
"""What makes probabilities of logits."""


def _activate(values: FloatArray, activation: str) -> FloatArray:
    if activation == "softmax":
        return softmax(values)
    if activation == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(values / 2)))
    return values
