"""Why a model did not answer, as one sentence: what explains it first, the library's words last."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError, ModelError, OutOfMemory, PredictionError, last_line, said_by
from lime_cli.models.input_forms import DATE, date_in_numbers
from lime_cli.models.model_file import AS_FILE, PYTHON_PREFIX, ModelInput

SHORTAGE = (
    r"(?i)failed to allocate memory"  # onnxruntime's arena
    r"|bad[_ ]alloc"  # C++, and onnxruntime and boosters that pass it on
    r"|can(?:no|')t allocate memory"  # the system, and PyTorch on a processor
    r"|out of memory"  # CUDA, and PyTorch on it
    r"|cu(?:blas|dnn)_status_alloc_failed"
)

GAP = r"saved by scikit-learn (\S+), running (\S+)"

SHAPES = r"(?i)expected 2d array|1d array|could not convert string|reshape your data"
"""How a model that was fitted on numbers takes a list of texts."""

NO_NUMBER = (
    r"(?:could not convert string to float|invalid literal for int\(\) with base 10): '(.*)'"
)

WITH_UNIT = r"(?=.*[^\W\d_]|.*[%$€£¥₹])[^\d\s.,+-]{0,4}\s*[+-]?\d[\d.,]*\s*[^\d]*"
"""A number with what it counts."""

UNKNOWN = r"[Ff]ound unknown categor(?:y|ies) \[?(?:array\()?\[?(.*?)\]?[,)]* in column"


def is_of_model(error: BaseException) -> bool:
    """Tell what a stranger's code raised from a person's Ctrl-C.

    The command line dies of Ctrl-C, and never meets one as an exception; Python programs do.
    """
    if isinstance(error, KeyboardInterrupt):
        return signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    return True


def is_shortage(error: BaseException) -> bool:
    """Tell whether a model failed for want of memory, so that fewer inputs may fit."""
    return isinstance(error, MemoryError) or re.search(SHORTAGE, said_by(error)) is not None


def failure(
    name: str,
    error: BaseException,
    inputs: Any,
    warnings: tuple[CodedWarning, ...] = (),
    given: ModelInput | None = None,
    is_function: bool = False,
) -> ModelError | InputError:
    """Word why a model did not answer to ``inputs``.

    ``warnings`` are what loading it brought up, ``given`` what it says of its input. What it was
    given is told of a function alone, which can be changed.
    """
    words = said_by(error)
    if is_shortage(error):
        return OutOfMemory(f"{name}: the model ran out of memory")
    if isinstance(error, SystemExit):
        return PredictionError(f"{name}: the model called exit ({error.code})")
    if type(error).__name__ == "NotFittedError":
        return PredictionError(
            f"{name}: the model is not fitted", "call fit before it is saved or explained"
        )
    known = _of_inputs(name, words, inputs, given, warnings, is_function)
    if known is not None:
        return known
    where = _where(error) if name.startswith(PYTHON_PREFIX) else ""
    gap = next((found for one in warnings if (found := re.search(GAP, one.message))), None)
    if gap is not None:
        return PredictionError(
            f"{name}: was saved by scikit-learn {gap[1]}, running {gap[2]}, and fails here "
            f"({last_line(error)})",
            f"{with_version(gap[1])}, or save it again",
        )
    layout = given.layout if given else None
    drawn = given is not None and given.kind == "image"
    hint = _given(words, inputs, layout, drawn) if is_function else ""
    return PredictionError(
        f"{name}: the model failed on its input ({where}{last_line(error)})", hint
    )


_OLDEST = (1, 3, 2)
"""The version of scikit-learn that limex needs, as ``pyproject.toml`` has it."""


def with_version(version: str) -> str:
    """Say how a model is explained by the scikit-learn that wrote it.

    An environment of its own gets the numpy and pandas of that time, too.
    """
    numbers = tuple(int(one) for one in re.findall(r"\d+", version)[:3])
    if numbers >= _OLDEST:
        return f"in an environment of its own: pip install limex scikit-learn=={version}"
    oldest = ".".join(map(str, _OLDEST))
    return (
        f"limex runs with scikit-learn {oldest} or newer: export the model to ONNX where "
        f"{version} is installed (pip install skl2onnx)"
    )


OF_LIST = (
    r"'list' object has no attribute|(?:got|not) '?list\b|unhashable type: 'list'"
    r"|list indices must be integers|too many indices for array"
)

AS_TABLE = r"list indices must be integers or slices, not str|no attribute 'columns'"
"""How a function fails on a list that expects a data frame."""

AS_FRAME = r"no attribute '(?:str|apply|map|iloc|loc|values|astype|fillna|copy|tolist|to_list)'"
"""How a function fails on a list that expects a column of a data frame."""

OF_ARRAY = r"'numpy\.ndarray' object has no attribute|(?:got|not) [('\"]?(?:numpy\.)?ndarray\b"

OF_PILLOW = (
    r"'numpy\.ndarray' object has no attribute "
    r"'(?:convert|crop|filter|get\w+|mode|point|rotate|split|thumbnail|width|height)'"
)
"""How a function of Pillow's images fails on an array."""

OF_BYTES = r"unsigned char|ByteTensor|[Uu]Int8|uint8"
"""How a network of floats takes bytes."""

OF_FLOATS = r"Cannot handle this data type|must be uint8|dtype.*uint8"
"""How Pillow, and what draws with it, takes pixels that are no bytes."""

OF_BATCH = r"Cannot handle this data type: \(1, 1(?:, \d+){2,}\)"
"""How Pillow takes a batch for one image."""

OF_FILE = r"no attribute 'read'|os\.PathLike|path-like|for 'filename'|cannot identify image"
"""How a function fails on pixels that expects the path of an image, or its bytes."""

OF_CHANNELS = r"(?i)to have \d+ channels|NCHW|channels.first|Given groups="
"""How a network takes images whose channels come last."""

OF_LINE = r"one line at a time"
"""How fastText fails on a text of several lines."""

OF_FRAME = r"DataFrame|InvalidIndexError|slice\(None"


OF_CELLS = (
    r"'(?:int|float)' object (?:has no attribute|is not subscriptable|is not iterable)"
    r"|can only concatenate str"
)
"""How a function fails on cells that are numbers and expects text."""


def _given(words: str, inputs: Any, layout: str | None, drawn: bool = False) -> str:
    """Say what a function is given, where its words tell that it expects something else.

    Images may be ``drawn``: handed over as Pillow's.
    """
    if hasattr(inputs, "names") and re.search(OF_CELLS, words):
        return "it gets cells as numbers; --strings COLUMN gives it those of a column as text"
    if _are_texts(inputs) and re.search(AS_TABLE, words):
        return (
            "it gets a list of texts, not a data frame: begin with "
            "texts = pandas.DataFrame({'COLUMN': texts})"
        )
    if _are_texts(inputs) and re.search(AS_FRAME, words):
        return (
            "it gets a list of texts, not a column of a data frame: begin with "
            "texts = pandas.Series(texts)"
        )
    if _are_texts(inputs) and re.search(SHAPES, words):
        return (
            "it gets a list of texts; where the model takes a table, begin with "
            "texts = pandas.DataFrame({'COLUMN': texts}); where it takes numbers, with the "
            "vectorizer"
        )
    if _are_texts(inputs) and re.search(OF_LINE, words):
        return (
            "it gets texts with line ends: let it begin with "
            "texts = [' '.join(one.splitlines()) for one in texts]"
        )
    if _are_texts(inputs) and re.search(OF_LIST, words):
        return "it gets a list of texts: it must return a prediction for each of them"
    if isinstance(inputs, np.ndarray) and re.search(OF_FILE, words):
        way = AS_FILE
        if "BytesIO" in words:
            way = way.replace("save('one.png'", "save(file := io.BytesIO(), 'PNG'")
            way = way.replace("'one.png'", "file.getvalue()")
        return (
            "it gets pixels, as an array of images or, by the annotation Image.Image, as Pillow's: "
            + way
        )
    if isinstance(inputs, np.ndarray) and re.search(OF_BATCH, words):
        return (
            "it gets an array of images, (n, height, width, channels): call it with one image at a "
            "time, def all(images): return [f(image) for image in images]"
        )
    if isinstance(inputs, np.ndarray) and re.search(OF_FLOATS, words):
        return (
            "it gets numbers of type float32: let it begin with "
            "images = images.round().astype('uint8'), and say --preprocess raw, so that they run "
            "from 0 to 255"
        )
    if isinstance(inputs, np.ndarray) and inputs.dtype == np.uint8 and re.search(OF_BYTES, words):
        return "it gets bytes; --preprocess unit gives it float32 from 0 to 1"
    counts = re.search(r"to have (1|3) channels, but got (\d+)", words)
    if counts and isinstance(inputs, np.ndarray) and int(counts[2]) == inputs.shape[-1]:
        wanted = {"1": "--channels L gives it grey", "3": "--channels RGB gives it colours"}
        return f"it gets images of {counts[2]} channels; {wanted[counts[1]]}"
    last = isinstance(inputs, np.ndarray) and layout != "NCHW"
    if last and (re.search(OF_CHANNELS, words) or str(inputs.shape) in words):
        grey = "; --channels L gives it grey images" if inputs.shape[-1] == 3 else ""
        return f"it gets (n, height, width, channels); --layout NCHW puts the channels first{grey}"
    if isinstance(inputs, np.ndarray) and re.search(OF_ARRAY, words) and "Tensor" in words:
        return "it gets a NumPy array: let it begin with images = torch.from_numpy(images)"
    if isinstance(inputs, np.ndarray) and re.search(OF_PILLOW, words):
        return (
            "it gets an array of images; it gets Pillow's, one by one, if its parameter says so: "
            "from PIL import Image, def f(image: Image.Image)"
        )
    if isinstance(inputs, np.ndarray) and re.search(OF_ARRAY, words):
        return (
            "it gets an array of images, (n, height, width, channels): it must return a prediction "
            "for each"
        )
    if hasattr(inputs, "names") and re.search(OF_FRAME, words):
        return "it gets a data frame; --input-form array gives it an array"
    index = [name for name in getattr(inputs, "names", ()) if name.startswith("Unnamed: ")]
    if index:
        dropped = shlex.quote(",".join(index))
        return f"it gets {', '.join(map(repr, index))}, too: --drop {dropped} leaves it out"
    if isinstance(inputs, np.ndarray) and inputs.ndim == 4 and inputs.size:
        n, height, width, channels = inputs.shape
        if drawn:
            return (
                f"it gets Pillow's images, by its annotation, {width} x {height} pixels in "
                f"{'L' if channels == 1 else 'RGB'}; --size and --channels change them"
            )
        turned = (n, channels, height, width) if layout == "NCHW" else inputs.shape
        size = " x ".join(map(str, turned))
        return (
            f"it gets {size} numbers of type {inputs.dtype}, from {inputs.min():.4g} to "
            f"{inputs.max():.4g}; --layout, --channels, --size and --preprocess change them"
        )
    return ""


def explains(error: ModelError) -> bool:
    """Tell whether a failure lies in the model, whatever it is given."""
    return re.search(GAP, error.message) is not None or error.message.endswith("is not fitted")


def _of_inputs(
    name: str,
    words: str,
    inputs: Any,
    given: ModelInput | None,
    warnings: tuple[CodedWarning, ...],
    is_function: bool,
) -> PredictionError | InputError | None:
    """Word what is wrong with the inputs themselves, where the words tell."""
    if "contains NaN" in words or "missing values" in words:
        return PredictionError(
            f"{name}: the model does not accept missing values{_with_missing(inputs)}",
            f"fill them in{_as_filled(inputs)}, or put an imputer into the pipeline",
        )
    if _are_texts(inputs) and re.search(SHAPES, words) and not is_function:
        n = (given.n_columns or len(given.columns or ())) if given else 0
        saved = (
            "save the vectorizer and the model as one pipeline: make_pipeline(vectorizer, model)"
        )
        beside = next((one.message for one in warnings if one.code == "not_applied"), saved)
        return PredictionError(f"{name}: takes {f'{n:,} ' if n else ''}numbers, not a text", beside)
    if not hasattr(inputs, "names"):
        return None
    accessor = re.search(r"Can only use \.(dt|str) accessor", words)
    if accessor is not None:
        return _of_accessor(name, accessor[1], inputs)
    text = re.search(NO_NUMBER, words)
    if text is not None:
        return _text_in_numbers(name, text[1], inputs, given)
    unknown = re.search(UNKNOWN, words)
    return None if unknown is None else _unknown(name, unknown[1], inputs)


def _of_accessor(name: str, kind: str, table: Any) -> PredictionError:
    """Word that the model wants dates, or words, in the place of what a file was read as."""
    pairs = list(zip(map(str, table.names), table.columns, strict=True))
    if kind == "dt":
        words = [(one, [c for c in held.tolist() if isinstance(c, str)]) for one, held in pairs]
        likely = [one for one, held in words if held and re.match(DATE, held[0])]
        option, what = "--dates", "dates in a column"
    else:
        likely = [one for one, held in pairs if held.dtype != object]
        option, what = "--strings", "words in a column"
    one_of = f" (one of {', '.join(likely[:5])})" if len(likely) > 1 else ""
    column = likely[0] if len(likely) == 1 else "COLUMN"
    return PredictionError(
        f"{name}: the model expects {what} in another form",
        f"use {option} {column}{one_of}",
    )


def _are_texts(inputs: Any) -> bool:
    return bool(isinstance(inputs, list) and inputs and isinstance(inputs[0], str))


def _unknown(name: str, listed: str, table: Any) -> PredictionError | None:
    """Word that an encoder does not know a value, and that its column may stay as it is."""
    value = listed.split(", ")[0].strip("'\"")
    column = _holding(value, table)
    if column is None:
        return None
    place = list(map(str, table.names)).index(column)
    own = {str(one) for one in table.columns[place].tolist()} == {value}
    hold = f"--fixed {column} keeps the column at each row's own value; "
    return PredictionError(
        f"{name}: the model does not know {value[:60]!r} in column {column!r}",
        ("" if own else hold) + "an encoder with handle_unknown='ignore' takes any value",
    )


def _holding(cell: str, table: Any) -> str | None:
    """Name the first column of a table that holds a cell."""
    columns = zip(table.names, table.columns, strict=True)
    return next((str(one) for one, held in columns if cell in map(str, held.tolist())), None)


def _text_in_numbers(
    name: str, cell: str, table: Any, given: ModelInput | None
) -> PredictionError | InputError:
    """Word that a column of words was given to a model that wants numbers."""
    columns = zip(table.names, table.columns, strict=True)
    column = next((one for one, values in columns if cell in values.tolist()), None)
    needed = given is not None and column in (given.columns or ())
    dated = date_in_numbers(str(column), cell, needed) if column is not None else None
    if dated is not None:
        return dated
    where = f" in column {column!r}" if column is not None else ""
    if not any(letter.isalnum() for letter in cell):
        return PredictionError(
            f"{name}: the model takes numbers, not {cell[:60]!r}{where}",
            f"if that is a missing value, add --na-values '{cell[:60]}'",
        )
    hint = "give the table that the model was made for"
    if column is not None and re.fullmatch(WITH_UNIT, cell.strip()):
        united = ",".join(_with_units(table, given)) or str(column)
        hint = f"--numeric {united!r} gives it the numbers alone"
    elif needed:
        hint += ", with this column in the numbers that it was fitted on"
    else:
        hint += ", or leave the column out with --drop"
    return PredictionError(f"{name}: the model takes numbers, not {cell[:60]!r}{where}", hint)


def _with_units(table: Any, given: ModelInput | None) -> list[str]:
    """Name the columns of numbers with units that no encoder of the model knows as words."""
    found = []
    for place, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        words = [one for one in column.tolist() if isinstance(one, str)]
        known = given.known.get(place) if given is not None else None
        worded = known is not None and any(isinstance(one, str) for one in known.values)
        if words and not worded and all(re.fullmatch(WITH_UNIT, one.strip()) for one in words):
            found.append(str(name))
    return found


def _with_missing(inputs: Any) -> str:
    """List the columns of a table that hold missing values; of rows of a file, those of one."""
    if not hasattr(inputs, "names"):
        return ""
    pairs = zip(inputs.names, inputs.columns, strict=True)
    gaps = {repr(name): [cell is None or cell != cell for cell in c.tolist()] for name, c in pairs}
    places = getattr(inputs, "places", ())
    first = next((i for i, row in enumerate(zip(*gaps.values(), strict=True)) if any(row)), None)
    if first is None:
        return ""
    found = [name for name, gap in gaps.items() if (gap[first] if places else any(gap))]
    where = [", ".join(found[:5]), *places[first : first + 1]]
    return f" (column{'s' * (len(found) > 1)} {', '.join(where)})"


def _as_filled(inputs: Any) -> str:
    """Write the options that put a number into the gaps of columns of numbers."""
    if not hasattr(inputs, "names"):
        return ""
    pairs = zip(inputs.names, inputs.columns, strict=True)
    gaps = [name for name, held in pairs if held.dtype.kind == "f" and np.isnan(held).any()]
    options = " ".join(f"--map {shlex.quote(f'{name}=:N')}" for name in gaps[:5])
    return f" with {options}" * bool(options)


def _where(error: BaseException) -> str:
    """Name the last line of code that is neither limex's nor a library's: file and number."""
    here, place, trace = str(Path(__file__).parents[1]), "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((here, "<")) and "site-packages" not in file and "/lib/" not in file:
            place = f"{Path(file).name}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return place
