"""What every model format hands out: something that predicts, probed with two rows first.

A model whose answer to an input depends on what else is in the batch (a batch normalized by its
own statistics, dynamic quantisation, padding that is not masked) is asked row by row: that is the
answer a person gets who asks about one input, and no batch size changes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lime_cli import clock
from lime_cli.console import spelled_out
from lime_cli.engine.model import CodedWarning, Identity
from lime_cli.errors import (
    LimexError,
    ModelError,
    NotFinite,
    PredictionError,
    UntrustedModel,
    last_line,
)
from lime_cli.models.failures import failure, is_of_model
from lime_cli.models.model_file import ModelFile, ModelInput
from lime_cli.models.outputs import Outputs, Stated, decide_outputs, not_finite, written_out
from lime_cli.models.pickles import tripwire

if TYPE_CHECKING:
    from lime_cli.engine.instance import Instance
    from lime_cli.engine.model import FloatArray
    from lime_cli.models.asking import Asking
    from lime_cli.models.bag_of_words import Bags
    from lime_cli.models.input_forms import Handing


TOLERANCE, FLOOR = 1e-3, 1e-5
"""As a share of each answer (half precision rounds by nearly as much), and of the largest one."""


NOT_DETERMINISTIC = CodedWarning(
    "not_deterministic",
    "the model predicted the same input differently the second time; the weights contain this "
    "noise",
)

BATCH_DEPENDENT = CodedWarning(
    "batch_dependent",
    "the model predicts an input differently in a batch than alone; so it is called row by row",
)


class Probe:
    """Asks a model, and looks at the first answers before they are believed."""

    def __init__(self, name: str, output: Callable[[Any], FloatArray]) -> None:
        """``output`` takes a modality's batch of n and returns (n, k)."""
        self._name, self._predict_once = name, output
        self._done = self._row_by_row = False
        self.warnings: tuple[CodedWarning, ...] = ()

    def predict(self, inputs: Any) -> FloatArray:
        """Return (n, k), probed until two different rows were seen together."""
        if self._row_by_row:
            return self._one_by_one(inputs)
        predictions = self._predict_once(inputs)
        if not self._done:
            self._look(inputs, predictions)
        return self._one_by_one(inputs) if self._row_by_row else predictions

    def _look(self, inputs: Any, predictions: FloatArray) -> None:
        pair = [0, len(inputs) - 1] if len(inputs) > 1 else [0]
        few = len(inputs) <= len(pair)
        first = self._predict_once(inputs if few else rows(inputs, pair))
        second = predictions if few else self._predict_once(rows(inputs, pair))
        if _differ(first, second):
            self.warnings, self._done = (NOT_DETERMINISTIC,), True
            return
        if len(inputs) < 2:
            return
        try:
            alone = self._one_by_one(rows(inputs, pair))
        except PredictionError:  # a model that takes no single row has no other answer
            self._done = True
            return
        if _differ(alone, first) or _differ(alone, predictions[pair]):
            self.warnings, self._row_by_row = (BATCH_DEPENDENT,), True
        self._done = self._row_by_row or not _alike(inputs)

    def _one_by_one(self, inputs: Any) -> FloatArray:
        predictions = np.concatenate([self._alone(rows(inputs, [i])) for i in range(len(inputs))])
        if not np.isfinite(predictions).all():
            raise not_finite(self._name, predictions)
        return predictions

    def _alone(self, one: Any) -> FloatArray:
        """Ask about one input, whatever the answer is."""
        try:
            return self._predict_once(one)
        except NotFinite as error:
            predictions: FloatArray = error.predictions
            return predictions


def rows(inputs: Any, wanted: list[int]) -> Any:
    """Return some rows of a list, an array, or anything with ``chosen``."""
    if isinstance(inputs, list):
        return [inputs[i] for i in wanted]
    if isinstance(inputs, np.ndarray):
        return inputs[wanted]
    return inputs.chosen(wanted)


def _alike(inputs: Any) -> bool:
    """Tell whether the first and the last row are the same, which proves nothing of batches."""
    if hasattr(inputs, "columns"):
        return all(column[0] == column[-1] for column in inputs.columns)
    return bool(np.all(inputs[0] == inputs[-1]))


def _differ(one: FloatArray, other: FloatArray) -> bool:
    size = np.maximum(np.abs(one), np.abs(other))
    return bool((np.abs(one - other) > TOLERANCE * size + FLOOR * size.max()).any())


class Origin(NamedTuple):
    """Where a model came from."""

    format: str
    digest: Callable[[], str]
    """Gives the SHA-256 of the file, which no prediction waits for."""
    name: str
    """Of the file, for messages."""
    warnings: tuple[CodedWarning, ...] = ()
    """What loading brought up."""


class Way(NamedTuple):
    """How a loaded model is asked, by its format."""

    origin: Origin
    predict: Callable[[Any], Any]
    """From a table, a list of texts or (n, height, width, channels) to whatever it answers."""
    stated: Stated
    input: ModelInput
    method: str = ""
    """Which method or output that is."""
    warnings: tuple[CodedWarning, ...] = ()
    """What the choice of what to ask brought up."""
    trial: Callable[[], Any] | None = None
    """Asks without an input of anybody's, where the model says what it takes."""
    handing: Handing | None = None
    """In what form it is given tables, where that is not settled by its format."""
    bags: Bags | None = None
    """Answers samples of a text from their masks, where the model is recognized."""
    thing: Any = None
    """The model itself, of a library of Python's."""
    asking: Asking | None = None
    """Calls a function in the way that it takes inputs, which its failures tell."""
    decide: Callable[[Any], Any] | None = None
    """Names the class that it predicts, where that may be another than the largest output says."""


class Predictor:
    """A loaded model of any format."""

    def __init__(self, file: ModelFile, way: Way) -> None:
        self._file, self._way, self._options = file, way, file.options
        self._decided: Outputs | None = None
        self._guess: Outputs | None = None
        self._beside: tuple[CodedWarning, ...] | None = None
        self._tried = self._awake = False
        self._probe = Probe(way.origin.name, self._predict_once)

    @property
    def input(self) -> ModelInput:
        """What the file says of its input, and the form in which it is given that."""
        handing = self._way.handing
        return self._way.input._replace(form=handing.form) if handing else self._way.input

    @property
    def identity(self) -> Identity:
        """Which model it is; task and names are known once it has answered."""
        outputs, stated = self._outputs(), self._way.stated
        task = outputs.task if outputs else stated.task or "unknown"
        targets = outputs.targets if outputs else stated.classes or ()
        origin = self._way.origin
        return Identity(origin.format, origin.digest(), task, targets, self._options)

    @property
    def thing(self) -> Any:
        """The model itself, of a library of Python's; None for a graph or a function."""
        return self._way.thing

    @property
    def probabilities(self) -> bool:
        """Whether the outputs are probabilities that sum to one."""
        outputs = self._outputs()
        return bool(outputs and outputs.probabilities)

    @property
    def warnings(self) -> tuple[CodedWarning, ...]:
        """What loading, reading and probing it brought up so far."""
        return self._warnings(self._decided.warnings if self._decided else ())

    def warnings_of(self, prediction: FloatArray) -> tuple[CodedWarning, ...]:
        """Return its warnings where an instance is predicted so, (k,), whatever came before."""
        return self._warnings(self._decided.warnings_of(prediction[None]) if self._decided else ())

    def _warnings(self, decided: tuple[CodedWarning, ...]) -> tuple[CodedWarning, ...]:
        way = self._way
        handing = way.handing.warnings if way.handing else ()
        asking = (*way.asking.warnings, *way.asking.floats) if way.asking else ()
        said = (*way.origin.warnings, *way.warnings, *handing, *asking)
        return (*said, *decided, *self._named_beside(), *self._probe.warnings)

    def _named_beside(self) -> tuple[CodedWarning, ...]:
        """Say which file beside it names the classes that have numbers only."""
        made = self._decided
        if made is None or made.task != "classification" or self._file.classes or self._file.live:
            return ()
        if self._beside is None:
            from lime_cli.models.names import names_beside  # brings readers of several notations

            place = names_beside(self._file.path, made.targets)
            words = f"classes are called {made.targets[0]} to {made.targets[-1]}; --classes "
            words += f"{shlex.quote(str(place))} gives them their names"
            self._beside = () if place is None else (CodedWarning("classes_assumed", words),)
        return self._beside

    @property
    def method(self) -> str:
        """Which of its methods is called, or which of its outputs is read."""
        return self._way.method

    @property
    def reading(self) -> str:
        """How its answers are read, in words; empty before it has answered."""
        outputs = self._outputs()
        return outputs.rule if outputs else ""

    @property
    def manner(self) -> str:
        """How samples were put to it, in words; empty for the usual way."""
        return self._way.bags.manner if self._way.bags else ""

    def predict(self, inputs: Any) -> FloatArray:
        """Return (n, k) outputs for a table, texts or (n, height, width, channels)."""
        known = self._way.bags is not None
        inputs = inputs if known else getattr(inputs, "strings", inputs)
        if not self._awake:
            self._wake(inputs)
        return self._probe.predict(inputs)

    def _wake(self, inputs: Any) -> None:
        """Ask about one input before many: one that never answers is found out soon."""
        self._awake = True
        if not clock.is_kept() or len(inputs) < 2:
            return
        one = rows(inputs, [0])
        with clock.trying(first=True), contextlib.suppress(PredictionError):  # told when it matters
            self._guarded(lambda: written_out(self._way.predict(one)), one)

    def named(self, instances: Sequence[Instance]) -> dict[int, str]:
        """Return by place the classes that it predicts though another output comes first."""
        found: dict[int, str] = {}
        decide = self._way.decide
        if decide is None:
            return found
        for place, one in enumerate(instances):
            row = one.model_inputs(np.zeros((1, len(one.components)), np.int32))
            row = getattr(row, "strings", row)
            predictions, names = self.predict(row)[0], self.identity.targets
            said = str(np.ravel(self._guarded(partial(decide, row), row))[0])
            if said in names and names.index(said) != predictions.argmax():
                found[place] = said
        return found

    @property
    def asked(self) -> ModelInput:
        """What it takes, with the ways to ask it what that leaves open.

        Functions are asked no more than they need be: a call may cost more than time.
        """
        may = self.predict if self.identity.format != "python" else None
        return self.input._replace(takes=self.takes, predictions=may, predict_few=self.predict)

    def takes(self, inputs: Any) -> bool:
        """Tell whether it answers to a batch; how answers are read is not decided by that."""
        try:
            raw = written_out(self._guarded(lambda: self._way.predict(inputs), inputs))
            (self._decided or self._decide(raw, len(inputs))).read(raw, len(inputs))
        except UntrustedModel:
            raise
        except LimexError:
            return False
        return True

    def _predict_once(self, inputs: Any) -> FloatArray:
        def predict() -> FloatArray:
            return self._read(self._way.predict(inputs), len(inputs))

        outputs: FloatArray = self._guarded(predict, inputs)
        return outputs

    def _read(self, raw: Any, n: int) -> FloatArray:
        """Return (n, k) outputs; an answer may be computed, and fail, only when it is read."""
        raw = written_out(raw)
        if self._decided is None:
            self._decided = self._decide(raw, n)
        return self._decided.read(raw, n)

    def _decide(self, raw: Any, n: int | None = None) -> Outputs:
        return decide_outputs(raw, self._file, self._way.origin.name, self._way.stated, n)

    def _outputs(self) -> Outputs | None:
        """Return how answers are read: by the first real one, before that by a trial."""
        if self._decided is None and self._way.trial is not None and not self._tried:
            self._tried = True
            first, unfit = clock.trying(first=True), contextlib.suppress(PredictionError)
            with first, unfit:  # not every model takes zeros
                self._guess = self._decide(self._guarded(self._way.trial, None))
        return self._decided or self._guess

    def _guarded(self, predict: Callable[[], Any], inputs: Any) -> Any:
        try:
            with (
                clock.trying(),
                warnings.catch_warnings(),
                quiet(),
                guarded(self._file, self._way.origin.format),
            ):
                warnings.simplefilter("ignore")
                return predict()
        except LimexError:
            raise
        except BaseException as error:  # a stranger's code may raise anything
            if not is_of_model(error):
                raise
            way = self._way
            raise failure(
                way.origin.name, error, inputs, way.origin.warnings, way.input, way.stated.column
            ) from error


@contextlib.contextmanager
def guarded(file: ModelFile, kind: str) -> Iterator[None]:
    """Watch what a model does that nobody trusted; raise UntrustedModel for what none needs."""
    if file.live is not None:
        yield
        return
    if file.trust or kind == "python":
        with at_home():
            yield
        return
    try:
        with tripwire.predicting((*file.trust_modules, *file.imports)):
            yield
    except tripwire.Alarm as alarm:
        raise UntrustedModel(
            f"{Path(file.path).name}: is not safe to run: it tries {alarm} when it predicts",
            "if you trust this file: --trust",
        ) from None


@contextlib.contextmanager
def looked_at(name: str) -> Iterator[None]:
    """Take what a model raises, as it is asked about itself, for damage."""
    try:
        yield
    except LimexError:
        raise
    except Exception as error:  # each library raises a type of its own
        raise ModelError(
            f"{name}: is damaged: it cannot be looked at ({last_line(error)})",
            "save or download it again",
        ) from error


class _Model:
    folder: str | None = None
    """Where a model went to; None while it stays where it began."""


@contextlib.contextmanager
def at_home() -> Iterator[None]:
    """End, where it leaves, a copy of this process that a model made: one goes on with the work.

    And go back to the folder of before, as results and inputs are found from there; a model that
    went to another is there again when it is asked next.
    """
    here, home = os.getpid(), _folder()
    if _Model.folder is not None:
        with contextlib.suppress(OSError):
            os.chdir(_Model.folder)
    try:
        yield
    finally:
        if os.getpid() != here:
            os._exit(0)
        there = _folder()
        _Model.folder = there if there != home else None
        if home is not None and there != home:
            os.chdir(home)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - a model calls for it thousands of times
    except OSError:
        return None  # it is gone


_quieting = threading.Lock()
_quieted = 0
"""How many are inside of ``quiet`` at this moment, in all threads."""

_unquieted = contextlib.ExitStack()
"""What the last one to leave ``quiet`` undoes."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what a stranger's code prints to standard error: standard output is for results.

    So does what libraries in C print, past Python's own stream. Threads may overlap: the first
    one to come moves the stream, and the last one to leave puts it back.
    """
    global _quieted
    with _quieting:
        if not _quieted:
            terminal = sys.stderr is not None and sys.stderr.isatty()
            shown = _Spelled(sys.stderr) if terminal else sys.stderr
            _unquieted.enter_context(contextlib.redirect_stdout(shown))
            _unquieted.enter_context(_c_to_stderr())
        _quieted += 1
    try:
        yield
    finally:
        with _quieting:
            _quieted -= 1
            if not _quieted:
                _unquieted.close()


class _Spelled:
    """A terminal that a stranger's code prints to: it gets no control characters, but for those
    that end lines or colour them.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, words: str) -> int:
        parts = enumerate(re.split(COLOURS, words))
        self._stream.write("".join(one if i % 2 else spelled_out(one, KEPT) for i, one in parts))
        return len(words)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


COLOURS, KEPT = r"(\x1b\[[\d;]*m)", "\n\r\t"
"""What a terminal may get of what a model prints."""


@contextlib.contextmanager
def _c_to_stderr() -> Iterator[None]:
    """Send what is written to file 1 to file 2, where there are such files."""
    flush_all = _flush_c()
    try:
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
        kept = os.dup(1)
    except (OSError, ValueError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        flush_all()
        os.dup2(kept, 1)
        os.close(kept)


@cache
def _flush_c() -> Callable[[], Any]:
    """Return what writes all that C has kept of what was printed."""
    if os.name != "posix":
        return lambda: None
    import ctypes

    return partial(ctypes.CDLL(None).fflush, None)
