"""Functions of texts, images and rows: how they are called, as their failures tell."""

from __future__ import annotations

import atexit
import contextlib
import functools
import inspect
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import PredictionError, last_line, said_by
from lime_cli.models.failures import OF_BATCH, OF_CHANNELS, OF_FLOATS, is_shortage
from lime_cli.models.outputs import (
    is_labelled,
    is_pair,
    is_ranked,
    is_scored,
    length,
    written_out,
)

ONE_BY_ONE = CodedWarning(
    "one_by_one", "the function fails on a batch, so it is called with one input at a time"
)

ONE_AT_ONCE = CodedWarning(
    "one_by_one", "the function answers once to a batch, so it is called with one input at a time"
)

AS_BYTES = CodedWarning(
    "as_bytes", "the function takes bytes alone, so it gets these pixels as uint8, from 0 to 255"
)

AS_FLOATS = CodedWarning(
    "as_bytes",
    "the function answers differently to bytes, and gets these pixels as floats; if it is meant "
    "for bytes, begin it with {0} = {0}.astype('uint8')",
)

Wrap = Callable[[Any, Any], Callable[[Any], Any]]
"""Takes a function and the first inputs, and returns what is called in its place."""

Said = tuple[CodedWarning, ...]


class Taken(NamedTuple):
    """What a function takes, as its first parameter is annotated."""

    kind: str = ""
    """``text``, ``image`` for Pillow's, ``row`` for a dictionary; empty where nothing says it."""
    several: bool = False
    """Whether a list of these."""


TAKEN = (
    r"(?:Optional\[)?((?:[\w.]+\.)?(?:list|List|Sequence|Iterable|Collection)\[)?"
    r"(?:(str)|((?:[\w.]+\.)?(?:[dD]ict|Mapping)(?:\[.*?\])?)|(?:PIL\.)?(?:(?:PIL)?Image\.)?Image)"
    r"\]*(?: \| None)?"
)
"""Annotations of a text, of a row, of Pillow's image, and of lists of these: resolved, or as
written.
"""


def taken_by(function: Any) -> Taken:
    """Return what a function says that it takes: ``text: str``, ``images: list[Image.Image]``."""
    found = re.fullmatch(TAKEN, _annotation(function))
    if found is None:
        return Taken()
    return Taken("text" if found[2] else "row" if found[3] else "image", bool(found[1]))


BYTES = r".*(?:ndarray|NDArray)\[.*\buint8\]+"
"""Annotations of an array of bytes, resolved or as written."""


def takes_bytes(function: Any) -> bool:
    """Tell whether a function says that it takes bytes: ``images: NDArray[np.uint8]``."""
    return re.fullmatch(BYTES, _annotation(function)) is not None


FORMS = {
    "array": r"(?:[\w.]+\.)?(?:ndarray|NDArray|ArrayLike)\b.*",
    "lists": r"(?:[\w.]+\.)?(?:list|List|Sequence)\b.*",
}
"""Annotations of a table that is no data frame."""


def form_of(function: Any) -> str:
    """Return in what form a function says that it takes a table; a data frame if it does not."""
    words = _annotation(function)
    return next((form for form, said in FORMS.items() if re.fullmatch(said, words)), "frame")


def _annotation(function: Any) -> str:
    """Return how the first parameter of a function is annotated, as it is written."""
    parameters = _parameters(function, resolved=True) or _parameters(function)
    said = parameters[0].annotation if parameters else ""
    words = said if isinstance(said, str) else inspect.formatannotation(said)
    return words.strip("'\"")


def _parameters(function: Any, resolved: bool = False) -> list[inspect.Parameter]:
    """Return what a function takes; nothing where it does not say so, or in words without meaning
    that are to be ``resolved``.
    """
    try:
        return list(inspect.signature(function, eval_str=resolved).parameters.values())
    except Exception:  # of C, or of a stranger's words, in any way
        return []


class Asking:
    """Calls a function on texts or images in the way that it takes them, as its failures tell."""

    def __init__(self, function: Any, name: str) -> None:
        kind, several = self.taken = taken_by(function)
        self._function, self._name = function, name
        self.form = "frame" if kind else form_of(function)
        """In what form it takes a table: ``frame``, ``array`` or ``lists``."""
        self._call: Callable[[Any], Any] = function
        if kind in ("text", "image") and not several:
            self._call = _each(function, None)
        if kind == "image":
            self._function = self._call = _drawn(self._call, name)
        self.bytes = takes_bytes(function)
        """Whether it says that it takes bytes."""
        if self.bytes:
            self._function = self._call = _of_bytes(function, name)
        self._works = bool(kind)
        self._of_rows: Callable[[Any], Any] | None = None
        """What answers to a data frame, once that is known."""
        self.warnings: Said = ()
        """How it is called, where that is another way than the usual one."""
        self.floats: Said = ()
        """That it answers to bytes otherwise, if that is so."""
        self._compared = bool(kind) or self.bytes

    def predict(self, inputs: Any) -> Any:
        """Return what the function answers to a batch; raise PredictionError for one that answers
        to smaller batches alone.
        """
        try:
            found = self._call(_own(inputs))
        except Exception as error:  # a stranger's function may raise anything
            words = said_by(error)
            if self.warnings or is_shortage(error) or re.search(OF_CHANNELS, words):
                raise
            ways = [] if self._works else self._other_ways(inputs, words)
            for way, said in ways:
                with contextlib.suppress(Exception):  # it fails in this way too
                    call = way(self._function, inputs)
                    found = call(_own(inputs))
                    self._call, self.warnings = call, said
                    self._compare(inputs, found)
                    return found
            most = 0 if ways else _most_at_once(self._function, inputs)
            if not most:
                raise
            raise PredictionError(
                f"{self._name}: fails on a batch ({last_line(error)}), but works on {most} at a "
                "time",
                f"--batch-size {most} gives it no more",
            ) from error
        self._works = True
        if self._call is self._function:
            found = written_out(found)
            if _is_one_answer(found, len(inputs)):
                self._call, self.warnings = _each(self._of_one(found, inputs), None), (ONE_AT_ONCE,)
                found = self._call(_own(inputs))
        return self._compare(inputs, found)

    def _compare(self, inputs: Any, found: Any) -> Any:
        """Look whether the first image gets the same answer in bytes, where it can be given so;
        return what was ``found`` for all.
        """
        if self._compared or AS_BYTES in self.warnings or not isinstance(inputs, np.ndarray):
            return found
        first = inputs[:1]
        if (
            first.ndim != 4
            or first.max(initial=0) <= 1
            or first.min() < 0
            or first.max() > 255
            or (first % 1).any()
        ):
            return found
        self._compared, found = True, written_out(found)
        with contextlib.suppress(Exception):  # it takes floats alone
            own = found if len(inputs) == 1 else written_out(self._call(first.copy()))
            other = written_out(self._call(first.astype(np.uint8)))
            one, two = (np.array(list(_numbers_in(some))) for some in (own, other))
            if one.shape == two.shape and not np.allclose(one, two, rtol=1e-5, atol=1e-5):
                name = next((one.name for one in _parameters(self._function)), "images")
                self.floats = (AS_FLOATS._replace(message=AS_FLOATS.message.format(name)),)
        return found

    def predict_frame(self, frame: Any) -> Any:
        """Return what the function answers to a table: to all of it, or row by row to dictionaries,
        or to the cells of the columns that its parameters are named after.
        """
        if self._of_rows is None:
            self._of_rows, found = self._way_of_rows(frame)
            return found
        return self._of_rows(frame)

    def _way_of_rows(self, frame: Any) -> tuple[Callable[[Any], Any], Any]:
        """Return how a function is asked for a table, and its answers to the first one."""
        framed = hasattr(frame, "to_dict")
        rowwise = self._rowwise(frame) if framed else None
        if rowwise is not None:
            return rowwise, rowwise(frame)
        try:
            return self._function, self._function(frame)
        except Exception as error:
            if is_shortage(error):
                raise
            for rows in (_as_dictionaries, _as_series) if framed else (_own,):
                with contextlib.suppress(Exception):  # it fails in this way too
                    call = _by_row(_each(self._function, None), rows)
                    found = call(frame)
                    self.warnings = (ONE_BY_ONE,)
                    return call, found
            raise

    def _rowwise(self, frame: Any) -> Callable[[Any], Any] | None:
        """Return how a function is called that says that it takes rows, or single cells."""
        if self.taken.kind == "row":
            several = self.taken.several
            asked = self._function if several else _each(self._function, None)
            return _by_row(asked, _as_dictionaries)
        names = _cells(self._function, list(frame.columns))
        if not names:
            return None
        by_name = _each(lambda row: self._function(**{one: row[one] for one in names}), None)
        return _by_row(by_name, _as_dictionaries)

    def _of_one(self, found: Any, inputs: Any) -> Callable[[Any], Any]:
        """Return what answers to one input of a function that answered once to several; raise
        PredictionError where nobody but its author knows what that is.
        """
        if self.taken.several:
            return _of_one(self._function)
        call = _of_one_input(self._function, inputs)
        if call is None:
            said = f"{self._name}: {_returned(found, len(inputs))}"
            raise PredictionError(said, _wanted(self._function, isinstance(inputs, np.ndarray)))
        return call

    def _other_ways(self, inputs: Any, words: str) -> list[tuple[Wrap, Said]]:
        """Return how else a function may be called that failed on its first inputs so."""
        images = isinstance(inputs, np.ndarray)
        if images and re.search(OF_FLOATS, words) and not re.search(OF_BATCH, words):
            return [(_as_bytes, (AS_BYTES,))]
        if _answers(self._function, inputs[:1]):
            return []
        both: list[tuple[Wrap, Said]] = [(_each_as_bytes, (ONE_BY_ONE, AS_BYTES))]
        return [(_each, (ONE_BY_ONE,)), *(both if images else [])]


def _own(inputs: Any) -> Any:
    """Return a copy of a batch, which a function may empty or write into."""
    return inputs.copy() if isinstance(inputs, np.ndarray) else list(inputs)


def _numbers_in(answer: Any) -> Iterator[float]:
    """Yield the numbers of an answer, with those of its lists and dictionaries."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, (list, tuple)):
        for one in answer:
            yield from _numbers_in(one)
    elif not isinstance(answer, str):
        yield from np.asarray(answer, np.float64).ravel()


def _is_one_answer(found: Any, n: int) -> bool:
    """Tell one row of numbers, one number, or the numbers or labels of one input by class, as an
    answer to n inputs; of one input, by its form alone.
    """
    if isinstance(found, dict):
        if is_ranked(found):
            return length(found["labels"]) != n
        return bool(found) and all(length(one) != n for one in found.values())
    if is_labelled(found):
        return length(found[0]) != n
    if is_pair(found):
        return True
    if isinstance(found, list) and found and all(map(is_scored, found)):
        return len(found) != n
    if n == 1:
        return False
    if isinstance(found, (list, tuple, np.ndarray)):
        single = len(found) == 1 and not isinstance(found, tuple)
        return single or (len(found) != n and _numeric(found) and np.ndim(found) == 1)
    return isinstance(found, (int, float, np.number))


def _of_one_input(function: Any, inputs: Any) -> Callable[[Any], Any] | None:
    """Return what answers to one input of a function that answers once to a batch: itself, or what
    hands it a batch of one; None where these answer differently.

    A function that takes a text for a list of letters, or a list for a text, does, and nobody but
    its author knows which one is meant.
    """
    other = inputs[-1] if isinstance(inputs, np.ndarray) else max(inputs, key=len)
    ends = [inputs[0], other]  # one letter is the list of its letters
    try:
        alone = [written_out(function(one)) for one in ends]
    except Exception:  # it takes batches alone
        return _of_one(function)
    with contextlib.suppress(Exception):  # rows of other lengths, or none
        held = _each(_of_one(function), None)(ends)
        np.testing.assert_equal(_each(lambda one: one, None)(alone), held)
        return function  # type: ignore[no-any-return]
    return None


def _returned(found: Any, n: int) -> str:
    """Word that a function answers once to n inputs."""
    if not _numeric(found) or not np.ndim(found):
        given = f"{n} input{'s' * (n != 1)}"
        return f"the function returned one answer for {given}, not a row of numbers for each"
    shape = np.shape(found)
    k = shape[0] // n if len(shape) == 1 and shape[0] % n == 0 else "k"
    return f"the function returned shape {shape} for {n} inputs, not ({n}, {k})"


def _wanted(function: Any, images: bool) -> str:
    """Word how a function of several inputs, and one of a single input, is written."""
    named = getattr(function, "__name__", "")
    name = named if named.isidentifier() else "f"
    if images:
        one = f"explain def f(images): return [{name}(image) for image in images]"
    else:
        parameter = next((one.name for one in _parameters(function)), "text")
        one = f"annotate it: def {name}({parameter}: str)"
    noun = "image" if images else "text"
    return f"it must return a row of numbers for each of them; if it takes one {noun}, {one}"


def _of_one(function: Any) -> Callable[[Any], Any]:
    """Return what hands a function a batch of one input."""
    return lambda one: function(one[None] if isinstance(one, np.ndarray) else [one])


def _drawn(function: Any, name: str) -> Callable[[Any], Any]:
    """Return what hands a function Pillow's images of pixels; it raises PredictionError for other
    numbers.
    """

    def call(images: Any) -> Any:
        from PIL import Image

        pixels = _pixels_of(images, f"{name}: takes Pillow's images")
        grey = pixels.shape[-1] == 1
        return function([Image.fromarray(one[..., 0] if grey else one) for one in pixels])

    return call


def _of_bytes(function: Any, name: str) -> Callable[[Any], Any]:
    """Return what hands a function images as bytes, and tables as they are; it raises
    PredictionError for other numbers.
    """

    def call(inputs: Any) -> Any:
        images = isinstance(inputs, np.ndarray) and inputs.ndim > 2
        return function(_pixels_of(inputs, f"{name}: takes bytes") if images else inputs)

    return call


def _pixels_of(images: Any, words: str) -> Any:
    """Return pixels as bytes; raise PredictionError, which ``words`` begin, for other numbers."""
    most, whole = images.max(initial=0), not (images % 1).any()
    if images.min(initial=0) < 0 or most > 255 or not (whole or most > 1):
        raise PredictionError(
            f"{words}, by its annotation, whose pixels are 0 to 255",
            "leave out --preprocess, --scale, --mean and --std",
        )
    return np.rint(images).astype(np.uint8)


def _as_bytes(function: Any, first: Any) -> Callable[[Any], Any]:
    """Return what hands a function pixels as bytes, those of 0 to 1 times 255.

    Raises ValueError where the ``first`` batch holds other numbers.
    """
    if first.min(initial=0) < 0 or first.max(initial=0) > 255:
        raise ValueError("no pixels")
    scale = 255

    def call(images: Any) -> Any:
        nonlocal scale
        if images.max(initial=0) > 1:
            scale = 1
        elif (images % 1).any():  # black and white alone say nothing: as with those before
            scale = 255
        return function(np.clip(np.rint(images * scale), 0, 255).astype(np.uint8))

    return call


def _each(function: Any, _first: Any) -> Callable[[Any], Any]:
    """Return what calls a function with one input after the other, a row for each; it raises
    ValueError for answers that are no single rows, or rows of different lengths.
    """

    def call(inputs: Any) -> Any:
        found = [written_out(function(one)) for one in inputs]
        if all(isinstance(one, tuple) and len(one) == 2 and not _numeric(one) for one in found):
            return [one[0] for one in found], [one[1] for one in found]
        if all(isinstance(one, (dict, list, tuple)) and not _numeric(one) for one in found):
            batches = all(type(one) is list and [list] == [*map(type, one)] for one in found)
            return [one[0] for one in found] if batches else found  # of one input each
        if all(isinstance(one, str) for one in found):
            return found
        rows = [np.asarray(one, np.float64) for one in found]
        rows = [one[0] if one.ndim == 2 and len(one) == 1 else np.atleast_1d(one) for one in rows]
        if len({one.shape for one in rows}) != 1 or rows[0].ndim != 1:
            raise ValueError("no single rows")
        return np.stack(rows)

    return call


def _by_row(function: Any, rows: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda frame: function(rows(frame))


def _as_dictionaries(frame: Any) -> Any:
    return frame.to_dict("records")


def _as_series(frame: Any) -> Any:
    return [row for _, row in frame.astype(object).iterrows()]


def _cells(function: Any, columns: list[Any]) -> list[str]:
    """Return the parameters of a function that takes one cell of each of several columns, named
    after these; none for one that does not.
    """
    named = [
        one
        for one in _parameters(function)
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    needed = [one.name for one in named if one.default is one.empty]
    if len(needed) < 2 or not set(needed) <= set(columns):
        return []
    return [one.name for one in named if one.name in columns]


def _each_as_bytes(function: Any, first: Any) -> Callable[[Any], Any]:
    return _each(_as_bytes(function, first), first)


def _numeric(one: Any) -> bool:
    try:
        return bool(np.asarray(one, np.float64).size)
    except (TypeError, ValueError):
        return False


def _most_at_once(function: Any, inputs: Any) -> int:
    """Return the power of two in whose batches a function answers to all inputs, else 0."""
    n = len(inputs)
    sizes = (1 << power for power in reversed(range((n - 1).bit_length())))
    most = next((size for size in sizes if _answers(function, inputs[:size])), n)
    rest = range(most, n, most)
    return most if rest and all(_answers(function, inputs[i : i + most]) for i in rest) else 0


def _answers(function: Any, inputs: Any) -> bool:
    try:
        function(inputs)
    except Exception:  # a stranger's function may raise anything
        return False
    return True


def awaiting(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a function that waits for what another one answers, where that is to be awaited."""

    @functools.wraps(function, updated=())
    def f(*given: Any, **named: Any) -> Any:
        return _waited_for(function(*given, **named), name)

    return f


def _waited_for(answer: Any, name: str) -> Any:
    several = isinstance(answer, (list, tuple)) and any(map(inspect.isawaitable, answer))
    if not (several or inspect.isawaitable(answer) or inspect.isasyncgen(answer)):
        return answer
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _loop().run_until_complete(_finished(answer))
    for one in answer if several else [answer]:
        if inspect.iscoroutine(one):
            one.close()
    raise PredictionError(
        f"{name}: is asynchronous, and an event loop runs here already, as in notebooks",
        "let limex wait in a thread: await asyncio.to_thread(lime_cli.explain, ...)",
    )


async def _finished(answer: Any) -> Any:
    if inspect.isasyncgen(answer):
        return [one async for one in answer]
    found = await answer if inspect.isawaitable(answer) else answer
    if isinstance(found, (list, tuple)) and any(map(inspect.isawaitable, found)):
        import asyncio

        return await asyncio.gather(*found)
    return found


_KEPT = threading.local()


def _loop() -> Any:
    """Return the event loop of this thread, the same for all calls: clients keep connections in
    one.
    """
    if not hasattr(_KEPT, "loop"):
        import asyncio

        _KEPT.loop = asyncio.new_event_loop()
        atexit.register(_KEPT.loop.close)
    return _KEPT.loop
