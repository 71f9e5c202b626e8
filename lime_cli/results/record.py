"""The record: an explanation as plain JSON data, the same for all modalities.

``schema/explanation-1.json`` describes it.
"""

from __future__ import annotations

import json
import math
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np

from lime_cli import __version__
from lime_cli.digests import digest_of
from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import (
    Component,
    Identity,
    Subject,
)
from lime_cli.results.places import by_size, where_of
from lime_cli.results.rules import rule_data
from lime_cli.results.versions import environment_of
from lime_cli.settings import Settings

NAME, NUMBER = "limex/explanation", 1
FIRST = ("schema", "limex")
"""Keys that stand before the hash."""


def record_of(explanation: Explanation) -> dict[str, Any]:
    """Turn an explanation into JSON data, keys in a fixed order, numbers in full.

    What is not a finite number becomes null. ``hash`` covers everything but itself and
    ``environment``, so that equal runs give equal hashes.
    """
    return stamped(_hashed(explanation), _environment(explanation))


def stamped(hashed: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """Return a record with its hash after the keys that stand first, and its environment last."""
    head = {key: hashed[key] for key in FIRST}
    return {**head, "hash": hash_of(hashed), **hashed, "environment": environment}


def line_of(explanation: Explanation) -> str:
    """Return the record as one line of ASCII JSON, encoded once for the line and its hash."""
    hashed = _hashed(explanation)
    text, head = _encoded(hashed), _encoded({key: hashed[key] for key in FIRST})[:-1]
    hash_, rest = digest_of(text.encode()), text[len(head) : -1]
    return f'{head},"hash":"{hash_}"{rest},"environment":{_encoded(_environment(explanation))}}}'


def hash_of(record: dict[str, Any]) -> str:
    """Return the SHA-256 of a record as JSON, ``hash`` and ``environment`` left out.

    Its keys stand in their order, nothing between them, all of it in ASCII.
    """
    hashed = {key: record[key] for key in record if key not in ("hash", "environment")}
    return digest_of(_encoded(hashed).encode())


_encoded = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _hashed(explanation: Explanation) -> dict[str, Any]:
    facts = dict(explanation.subject.facts)
    background = facts.pop("background", None)
    settings = {**_numbers(explanation.settings), "kernel_width": _plain(explanation.kernel_width)}
    return {
        "schema": {"name": NAME, "number": NUMBER},
        "limex": __version__,
        "instance": _plain(_instance(explanation.subject, facts)),
        "model": dict(_model(explanation.model)),
        "settings": settings,
        "background": _plain(background),
        "samples": _plain(explanation.samples),
        "effective_samples": _plain(explanation.effective_samples),
        "stop": explanation.stop,
        "targets": [_plain(_target(explanation, one)) for one in explanation.surrogates],
        "warnings": [{"code": one.code, "message": one.message} for one in explanation.caveats],
        "skipped": [{"name": one.name, "reason": one.reason} for one in explanation.skipped],
    }


def _environment(explanation: Explanation) -> dict[str, str]:
    subject, settings = explanation.subject, explanation.settings
    return environment_of(explanation.model.format, subject.modality, settings.surrogate)


@lru_cache(maxsize=8)
def _model(identity: Identity) -> dict[str, Any]:
    """Return what thousands of records share."""
    plain: dict[str, Any] = _plain(identity._asdict())
    options = dict(plain.pop("options"))
    return {**plain, "options": options} if options else plain


@lru_cache(maxsize=8)
def _numbers(settings: Settings) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(settings.numbers())
    return plain


def _instance(subject: Subject, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": subject.id,
        "modality": subject.modality,
        "source": subject.source,
        "digest": subject.digest,
        "facts": facts,
    }


def _target(explanation: Explanation, surrogate: Surrogate) -> dict[str, Any]:
    rules = [rule_data(one, explanation.components) for one in surrogate.rules]
    return {
        "name": surrogate.name,
        "index": surrogate.target,
        "model_prediction": surrogate.model_prediction,
        "intercept": surrogate.intercept,
        "local_prediction": surrogate.local_prediction,
        "gap": surrogate.gap,
        "fidelity": surrogate.fidelity,
        "fit_r2": surrogate.fit_r2,
        "components": [
            _component(explanation.components[one.component], one) for one in surrogate.weights
        ],
        **({"rules": rules} if rules else {}),
    }


def _component(component: Component, weight: Weight) -> dict[str, Any]:
    return {
        "name": component.name,
        "value": component.value,
        "where": where_of(component.where),
        "weight": weight.weight,
        "std_error": weight.std_error,
        "interval": weight.interval,
        "rank_range": weight.rank_range,
        "selected": weight.selected,
        **by_size(component, weight),
    }


def _plain(value: Any) -> Any:
    """Reduce to what JSON has; TypeError for what has no place there."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is dict:
        return {
            str(key): one if type(one) in _AS_IT_IS else _plain(one) for key, one in value.items()
        }
    if kind is list or kind is tuple:
        return [one if type(one) in _AS_IT_IS else _plain(one) for one in value]
    return _plain_of_others(value)


_AS_IT_IS = frozenset((str, int, bool, type(None)))


def _plain_of_others(value: Any) -> Any:
    """Reduce numpy's numbers and arrays, dates, and what is like a plain kind."""
    match value:
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case float():
            return _plain(float(value))
        case str():
            return value
        case int():
            return int(value)
        case dict():
            return _plain(dict(value))
        case list() | tuple():
            return _plain(list(value))
        case date():
            return value.isoformat()
    raise TypeError(f"no place in a record for {type(value).__name__}")
