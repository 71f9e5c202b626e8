"""The one output adapter: whatever a model returns becomes (n, k) float64 with names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lime_cli.engine.instance import FloatArray
from lime_cli.errors import ModelError, PredictionError
from lime_cli.models import ModelFile


@dataclass(frozen=True)
class Stated:
    """What a model itself says of its answers; None where it does not."""

    task: str | None = None
    classes: tuple[str, ...] | None = None
    margins: bool = False
    """The answers are signed distances, never probabilities."""


@dataclass(frozen=True)
class Outputs:
    """How a model's answers are read, settled once by looking at a first answer."""

    name: str
    """The model file's name, for messages."""
    task: str
    """``classification`` or ``regression``."""
    targets: tuple[str, ...]
    activation: str = "none"
    complement: bool = False
    """The model gives one probability p; it is read as (1 - p, p)."""
    margin: bool = False
    """The model gives one signed margin f; it is read as (-f, f)."""
    probabilities: bool = False

    def read(self, raw: Any, n: int) -> FloatArray:
        """Return (n, k) finite numbers; raise PredictionError for any other answer."""
        values = _activate(as_matrix(raw, self.name)[0], self.activation)
        if len(values) != n:
            raise PredictionError(f"{self.name}: {len(values)} answers for {n} inputs")
        if self.complement:
            values = np.hstack([1 - values, values])
        elif self.margin:
            values = np.hstack([-values, values])
        if values.shape[1] != len(self.targets):
            raise PredictionError(
                f"{self.name}: {values.shape[1]} outputs instead of {len(self.targets)}"
            )
        broken = int((~np.isfinite(values)).any(axis=1).sum())
        if broken:
            raise PredictionError(
                f"{self.name}: the model returned NaN or infinity for {broken} of {n} samples"
            )
        return values


def settle(raw: Any, file: ModelFile, name: str, stated: Stated) -> Outputs:
    """Decide from a first answer ``raw`` how all answers are read; ``--task`` and ``--classes``
    win.

    Raises ModelError when names and outputs differ in number.
    """
    values, keys = as_matrix(raw, name)
    values = _activate(values, file.activation)
    width = values.shape[1]
    unit = width == 1 and not stated.margins and bool(((values >= 0) & (values <= 1)).all())
    task = _task(file, stated.task, width, keys is not None or file.activation != "none")
    names = file.classes or stated.classes or keys
    if task == "regression":
        return Outputs(name, task, _names(names, width, name, "output"), file.activation)
    single = width == 1
    complement = single and (unit or file.activation == "sigmoid")
    outputs = Outputs(
        name, task, _names(names, 2 if single else width, name, "class"), file.activation
    )
    outputs = replace(outputs, complement=complement, margin=single and not complement)
    sums = outputs.read(raw, len(values)).sum(axis=1)
    return replace(
        outputs,
        probabilities=complement
        or bool((values >= -1e-6).all() and (np.abs(sums - 1) < 1e-3).all()),
    )


def as_matrix(raw: Any, name: str) -> tuple[FloatArray, tuple[str, ...] | None]:
    """Return an answer as (n, k) float64, with the names it carries.

    Rules: a list of dictionaries (ZipMap) is read by the order of its keys; trailing axes of
    length one ([n, k, 1, 1]) are dropped; (n,) is one column; data frames and series are their
    values.
    """
    keys: tuple[str, ...] | None = None
    if isinstance(raw, list) and raw and isinstance(raw[0], dict):
        keys = tuple(str(key) for key in raw[0])
        raw = [list(answer.values()) for answer in raw]
    try:
        values = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise PredictionError(
            f"{name}: the model answered with {type(raw).__name__}, not numbers"
        ) from None
    while values.ndim > 2 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] == 0:
        raise PredictionError(
            f"{name}: the model answered in shape {values.shape}, not (samples, outputs)"
        )
    return values, keys


def _task(file: ModelFile, stated: str | None, width: int, named: bool) -> str:
    if file.task != "auto":
        return file.task
    if stated is not None:
        return stated
    return "classification" if width > 1 or named or file.classes else "regression"


def _names(known: tuple[str, ...] | None, width: int, name: str, noun: str) -> tuple[str, ...]:
    if known is None:
        if noun == "output":
            return ("prediction",) if width == 1 else tuple(f"output {i}" for i in range(width))
        return tuple(str(i) for i in range(width))
    if len(known) != width:
        raise ModelError(
            f"{name}: {len(known)} names for {width} {'classes' if noun == 'class' else 'outputs'}",
            "give as many names with --classes",
        )
    return tuple(str(one) for one in known)


def _activate(values: FloatArray, activation: str) -> FloatArray:
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    if activation == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(values / 2)))
    return values
