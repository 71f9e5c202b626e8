"""Texts as token ids, for ONNX models that take those: a tokenizer.json does the work.

Texts are cut where the model's owner would cut them. They are asked about sorted by length, about a
thousand tokens at a time, so that hardly any padding is computed; where a graph takes no notice of
which tokens are padding, only texts of equal length go together, since there it changes the answer.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.errors import (
    InputError,
    MissingDependency,
    ModelError,
    PredictionError,
    SettingsError,
    in_words,
    last_line,
)
from lime_cli.files import nearest_file
from lime_cli.models.failures import is_of_model
from lime_cli.models.input_forms import DTYPES
from lime_cli.models.model_file import TextReading
from lime_cli.models.onnx.export import Export
from lime_cli.models.onnx.graph import Graph
from lime_cli.models.onnx.vocabularies import configured, made

IDS = ("tensor(int64)", "tensor(int32)")
"""Types of token ids."""

PADS = ("[PAD]", "<pad>", "<|endoftext|>")

PARTS = {
    "ids": ("input_ids", "ids", "input_word_ids", "token_ids", "tokens", "input_tokens"),
    "mask": ("attention_mask", "mask", "input_mask", "attn_mask", "masks"),
    "types": ("token_type_ids", "segment_ids", "type_ids", "input_type_ids", "segments"),
    "places": ("position_ids", "positions", "pos_ids"),
    "lengths": (
        "lengths", "length", "input_lengths", "seq_lengths", "seq_len", "text_lengths",
        "text_length", "x_lengths", "src_lengths", "seq_lens", "lens",
    ),
}  # fmt: skip
"""What of an encoding goes to inputs of which names."""

AT_ONCE = 1_024
"""Tokens in a call, padding included, unless a single text has more."""

SPARE, WASTE = 32, 0.05
"""Tokens of padding in a call, at most: so many cost less than another call, else as a share."""

TRIAL_PADDING = 24
"""Tokens of padding by which it is tried whether padding changes an answer."""

SAME = 1e-5
"""How far apart two answers may be for rounding: as a share, and of numbers below 1."""

BYTES = 4
"""Of a number inside a model."""

USUAL_LIMIT = 64
"""Tables of positions are as long as a multiple of this, but for two rows behind the padding."""


def part_of(name: str) -> str | None:
    """Tell what of an encoding an input takes, by its name; None for another name."""
    plain = re.sub(r"(:\d+|\.\d+|_\d+)$", "", name.rpartition("/")[2]).lower()
    return next((part for part, names in PARTS.items() if plain in names), None)


def takes_tokens(inputs: Sequence[Any], found: bool) -> bool:
    """Tell whether a graph takes token ids: by a name, or where a tokenizer is ``found``."""
    ids = [one for one in inputs if one.type in IDS and len(one.shape) != 1]
    if any(part_of(one.name) == "ids" for one in ids):
        return True
    strange = [one for one in inputs if part_of(one.name) is None]
    own = inputs if len(inputs) == 1 else strange
    return found and len(own) == 1 and own[0] in ids and len(own[0].shape) == 2


def each_token(name: str) -> tuple[str, str]:
    """Word that an output has numbers for each token of a text: message and hint."""
    return (
        f"{name}: the model gives numbers for each token, not for the text",
        "explain a function that makes one row of numbers of them: py:module:function",
    )


class Tokens:
    """A tokenizer and the inputs that it fills."""

    def __init__(
        self,
        export: Export,
        wanted: Sequence[Any],
        model: str,
        graph: Graph,
        max_tokens: int | None = None,
    ) -> None:
        """Raise MissingDependency, InputError or ModelError for what does not fit together."""
        self._model, self._export = model, export
        with _readable():
            own = export.tokenizer
            self._tokenizer = configured(_read(own), export) if own is not None else made(export)
        self._wanted = {one.name: np.dtype(DTYPES[one.type]) for one in wanted}
        self._parts = self._named(wanted)
        known = self._tokenizer.padding or {}
        self._pad = self._padding_of(known)
        self._left = (export.tokens.get("padding_side") or known.get("direction")) == "left"
        self._multiple = known.get("pad_to_multiple_of") or 1
        self._length = known.get("length") or 0
        ids = next(one for one in wanted if self._parts[one.name] == "ids")
        fixed = ids.shape[-1] if len(ids.shape) == 2 else None
        self._fixed = fixed if isinstance(fixed, int) else None
        self.limit = self._set_limit(graph, max_tokens)
        self._width = export.width or graph.width
        self._alike: bool | None = None if "mask" in self._parts.values() else False
        """Whether padding changes no answer; None before that was tried."""

    def _named(self, wanted: Sequence[Any]) -> dict[str, str]:
        """Return what of an encoding goes to which input."""
        if len(wanted) == 1:
            return {wanted[0].name: "ids"}
        found = {one.name: part_of(one.name) for one in wanted}
        strange = [name for name, part in found.items() if part is None]
        if len(strange) == 1 and "ids" not in found.values():
            found[strange[0]] = "ids"
        elif strange:
            listed = ", ".join(names[0] for names in PARTS.values())
            raise ModelError(
                f"{self._model}: a tokenizer does not fill its input {strange[0]!r}",
                f"export it with {listed} only, or explain a function: py:module:function",
            )
        return {name: str(part) for name, part in found.items()}

    def _padding_of(self, known: dict[str, Any]) -> tuple[int, int]:
        """Return the id and the type of what fills texts up: its own, the export's, a usual one."""
        number = known.get("pad_id")
        if number is None:
            names = [self._export.pad, *PADS]
            ids = (self._tokenizer.token_to_id(one) for one in names if one)
            number = next((one for one in ids if one is not None), None)
        if number is None:
            said = self._export.config.get("pad_token_id")
            number = said if isinstance(said, int) else 0
        return int(number), int(known.get("pad_type_id", 0))

    def _set_limit(self, graph: Graph, max_tokens: int | None) -> int | None:
        """Let texts be cut: at the length said, else at the least that anything beside it says.

        What tokenizer_config.json says goes before the truncation that tokenizer.json holds.
        """
        tokenizer, export = self._tokenizer, self._export
        known = tokenizer.truncation or {}
        limits = [known.get("max_length") if export.tokens_limit is None else None, export.limit]
        if export.limit is None and graph.positions:
            limits.append(graph.positions - (2 if graph.positions % USUAL_LIMIT == 2 else 0))
        found = min((one for one in limits if one), default=None)
        if max_tokens is not None:
            found = max_tokens
        if self._fixed is not None:
            found = min(found or self._fixed, self._fixed)
        tokenizer.no_padding()
        if found is None:
            return None
        n_special = tokenizer.num_special_tokens_to_add(is_pair=False)
        if found <= n_special:
            raise SettingsError(
                f"--max-tokens {found}: the tokenizer adds {n_special} tokens of its own",
                f"give {n_special + 1} or more",
            )
        side = export.tokens.get("truncation_side") or known.get("direction", "right")
        self._cutting = {
            "max_length": found,
            "stride": 0,
            "strategy": known.get("strategy", "longest_first"),
            "direction": str(side).lower(),
        }
        tokenizer.enable_truncation(**self._cutting)
        return int(found)

    def read(self, text: str) -> TextReading:
        """Tell how many tokens a text has, and which part of it the model sees."""
        with _panics_in_words():
            kept = self._tokenizer.encode(text)
        bytes_ = BYTES * self._width
        if self.limit is None or len(kept.ids) < self.limit:
            return TextReading(len(kept.ids), self._filled(len(kept.ids)), None, bytes_)
        self._tokenizer.no_truncation()
        with _panics_in_words():
            n = len(self._tokenizer.encode(text).ids)
        self._tokenizer.enable_truncation(**self._cutting)
        if n <= len(kept.ids):
            return TextReading(n, self._filled(n), None, bytes_)
        pairs = zip(kept.offsets, kept.special_tokens_mask, strict=True)
        places = [place for place, special in pairs if not special and place[1] > place[0]]
        seen = (min((a for a, _ in places), default=0), max((b for _, b in places), default=0))
        return TextReading(n, len(kept.ids), seen, bytes_)

    def predict(self, texts: Sequence[str], run: Callable[[dict[str, NDArray[Any]]], Any]) -> Any:
        """Return what ``run`` answers to texts, in their order, call by call."""
        encode = getattr(self._tokenizer, "encode_batch_fast", self._tokenizer.encode_batch)
        with _panics_in_words():
            found = encode(list(texts))
        lengths = np.array([self._filled(len(one.ids)) for one in found])
        predictions: list[Any] = [None] * len(found)
        for some in self._calls(lengths, run):
            length = int(lengths[some].max())
            given = run(self._feeds([found[i] for i in some], length))
            for place, i in enumerate(some):
                predictions[i] = given[place]
        if isinstance(predictions[0], (dict, str)):
            return predictions
        if len({np.shape(one) for one in predictions}) > 1:
            raise PredictionError(*each_token(self._model))
        return np.stack(predictions)

    def _filled(self, n: int) -> int:
        """Return how long a text of n tokens is made, whatever is beside it."""
        if self._fixed is not None:
            return self._fixed
        return max(1, self._length, -(-n // self._multiple) * self._multiple)

    def _calls(self, lengths: NDArray[Any], run: Callable[..., Any]) -> Iterator[list[int]]:
        """Yield the places of texts that go into one call."""
        mixed = len(set(lengths.tolist())) > 1 and self._padding_is_alike(run)
        call: list[int] = []
        own = 0
        for i in np.argsort(lengths, kind="stable").tolist():
            n, whole = int(lengths[i]), (len(call) + 1) * int(lengths[i])
            allowed = max(SPARE, WASTE * (own + n)) if mixed else 0
            if call and (whole > AT_ONCE or whole - own - n > allowed):
                yield call
                call, own = [], 0
            call.append(i)
            own += n
        yield call

    def _padding_is_alike(self, run: Callable[..., Any]) -> bool:
        """Try once whether a text is answered alike with padding behind it and without."""
        if self._alike is None:
            one = self._tokenizer.encode("a 1.")
            n = self._filled(len(one.ids))
            longer = min(n + TRIAL_PADDING, self.limit or n + TRIAL_PADDING)
            try:
                first, second = (run(self._feeds([one], length)) for length in (n, longer))
                size = np.maximum(1, np.abs(np.asarray(first, float)))
                apart = np.abs(np.asarray(first, float) - np.asarray(second, float)) / size
                self._alike = longer > n and bool((apart <= SAME).all())
            except (ModelError, TypeError, ValueError):  # it does not answer with plain numbers
                self._alike = False
        return self._alike

    def _feeds(self, encoded: Sequence[Any], length: int) -> dict[str, NDArray[Any]]:
        """Return what every input gets, (n, length), texts filled up on their side."""
        pad, pad_type = self._pad
        shape = (len(encoded), length)
        parts = {
            "ids": np.full(shape, pad),
            "mask": np.zeros(shape, int),
            "types": np.full(shape, pad_type),
            "places": np.zeros(shape, int),
        }
        for row, one in enumerate(encoded):
            n = len(one.ids)
            where = slice(length - n, length) if self._left else slice(0, n)
            parts["ids"][row, where], parts["types"][row, where] = one.ids, one.type_ids
            parts["mask"][row, where] = 1
            parts["places"][row] = np.clip(np.arange(length) - (where.start or 0), 0, None)
        parts["places"] += self._export.first_position
        parts["lengths"] = np.maximum(1, parts["mask"].sum(axis=1))
        return {name: parts[part].astype(self._wanted[name]) for name, part in self._parts.items()}


@contextlib.contextmanager
def _panics_in_words() -> Iterator[None]:
    """Raise PredictionError for a panic of the library, which is no Exception, and hush it."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(_nowhere(), 2)
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise PredictionError(
            f"tokenizer: gives up on a text ({last_line(error)})",
            "its rules are too slow for it: shorten the text, or take another tokenizer.json",
        ) from None
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@cache
def _nowhere() -> int:
    """Return a descriptor that takes what nobody needs, opened before a model is watched."""
    return os.open(os.devnull, os.O_WRONLY)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Raise MissingDependency where the library is not installed."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _nowhere()
    try:
        yield
    except ImportError:
        raise MissingDependency(
            "reading a tokenizer requires the package tokenizers", "pip install 'limex[tokenizers]'"
        ) from None


def _read(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", nearest_file(path, "tokenizer.json")) from None
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from None
    except BaseException as error:  # plain Exception for every fault, and panics, which are none
        if not is_of_model(error):
            raise
        if re.search(r'"class_name":\s*"Tokenizer"', path.read_text("utf-8", "replace")[:200]):
            said, hint = "is a tokenizer of Keras, which limex does not apply", OF_KERAS
        else:
            said = f"is not a tokenizer.json ({in_words(error)})"
            hint = "save one with tokenizer.save"
        raise InputError(f"{path.name}: {said}", hint) from None


OF_KERAS = "explain a function that applies it, pads and calls the model: py:module.py:function"
