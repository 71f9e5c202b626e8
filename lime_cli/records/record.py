"""The record: an explanation as plain JSON data, and back, the same for all modalities; its types
are what is checked when it is read.

``schema/explanation-2.json`` describes it.
"""

from __future__ import annotations

import contextlib
import json
import math
import platform
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from lime_cli.engine.explanation import (
    AtRadius,
    Counterfactual,
    Explanation,
    Interval,
    Others,
    Pair,
    Replaced,
    Rule,
    Surrogate,
    Weight,
)
from lime_cli.engine.instance import Column, Component, Segment, Skipped, Spans, Subject
from lime_cli.engine.model import CodedWarning, Identity
from lime_cli.engine.neighbourhood import width_of
from lime_cli.errors import InputError, SettingsError
from lime_cli.files import digest_of
from lime_cli.registry import renamed
from lime_cli.settings import Settings
from lime_cli.version import __version__


def check_types(made: Any) -> None:
    """Raise TypeError, naming the attribute, unless a dataclass or NamedTuple holds what it says.

    Whole numbers are floats too, and truth values are no numbers.
    """
    for name, value, hint in _attributes(made):
        if not _fits(value, hint):
            raise TypeError(f"{name} cannot be {_short(value)}")


def _short(value: Any) -> str:
    spelled = ascii(value)
    return spelled if len(spelled) <= 40 else f"{spelled[:40]}..."


def _attributes(made: Any) -> Iterator[tuple[str, Any, Any]]:
    kind: Any = type(made)
    for name, hint in _hints(kind).items():
        yield name, getattr(made, name), hint


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of attributes; none where a module that they name is not there."""
    try:
        return get_type_hints(kind) if is_dataclass(kind) or hasattr(kind, "_fields") else {}
    except NameError:
        return {}


def _fits(value: Any, hint: Any) -> bool:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, hint) for hint in inside)
    if origin is tuple:
        return _fits_tuple(value, inside)
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(_fits(one, inside[0]) for one in value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, inside[0]) and _fits(one, inside[1]) for key, one in value.items()
        )
    if hint in (None, type(None)):
        return value is None
    if hint is float:
        return type(value) in (int, float)
    if hint in (int, bool, str):
        return type(value) is hint
    if isinstance(hint, type) and _hints(hint):
        if not isinstance(value, hint):
            return False
        check_types(value)
    return True


def _fits_tuple(value: Any, inside: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple):
        return False
    if len(inside) == 2 and inside[1] is Ellipsis:
        return all(_fits(one, inside[0]) for one in value)
    return len(value) == len(inside) and all(map(_fits, value, inside))


LIBRARIES = {
    "onnx": {"onnxruntime": "onnxruntime"},
    "pickle": {"scikit-learn": "sklearn", "joblib": "joblib"},
    "skops": {"scikit-learn": "sklearn", "skops": "skops"},
    "xgboost": {"xgboost": "xgboost"},
    "lightgbm": {"lightgbm": "lightgbm"},
    "catboost": {"catboost": "catboost"},
    "transformers": {"transformers": "transformers", "torch": "torch"},
    "image": {"pillow": "PIL"},
    "text": {"regex": "regex"},
    "tree": {"scikit-learn": "sklearn"},
}
"""Packages that can change a number, by model format, modality and surrogate, and their modules."""


def environment_of(*parts: str) -> dict[str, str]:
    """List the versions of what takes part, whatever else this process has loaded."""
    versions = {"python": platform.python_version()}
    packages = [pair for part in parts for pair in LIBRARIES.get(part, {}).items()]
    for package, module in [("numpy", "numpy"), *packages]:
        version = getattr(sys.modules.get(module), "__version__", None)
        if version is not None:
            versions[package] = str(version)
    return versions


DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    SettingsError,
)


@contextlib.contextmanager
def damage_named(place: str) -> Iterator[None]:
    """Turn what a damaged record brings about into an InputError that names its place."""
    try:
        yield
    except DAMAGE as error:
        raise InputError(
            f"{place}: the record is damaged ({error!r})", "explain it again"
        ) from None


def where_of(place: Column | Spans | Segment) -> dict[str, Any]:
    """Return the place as JSON data."""
    match place:
        case Column(column, ""):
            return {"column": column}
        case Column(column, condition):
            return {"column": column, "condition": condition}
        case Spans(spans, None):
            return {"spans": spans}
        case Spans(spans, column):
            return {"spans": spans, "column": column}
        case Segment(segment, area, box, centroid):
            return {"segment": segment, "area": area, "box": box, "centroid": centroid}


def place_of(where: dict[str, Any]) -> Column | Spans | Segment:
    """Return the place that JSON data names; KeyError for none."""
    if "spans" in where:
        return Spans(tuple((start, end) for start, end in where["spans"]), where.get("column"))
    if "column" in where:
        return Column(where["column"], where.get("condition", ""))
    left, top, right, bottom = where["box"]
    x, y = where["centroid"]
    return Segment(where["segment"], where["area"], (left, top, right, bottom), (x, y))


def by_size(component: Component, weight: Weight) -> dict[str, Any]:
    """Return the weight in a number's own unit too, where the component is a number."""
    step = component.step
    return {} if step is None else {"step": step, "weight_per_unit": weight.weight / step}


def _spelled(component: Component) -> dict[str, Any]:
    return {"name": component.name, "value": component.value, "where": where_of(component.where)}


def rule_data(rule: Rule, components: Sequence[Component]) -> dict[str, Any]:
    """Return a rule with its components spelled out."""
    conditions = [{**_spelled(components[j]), "kept": kept} for j, kept in rule.conditions]
    return {"conditions": conditions, "value": rule.value, "share": rule.share}


def rule_of(data: dict[str, Any], known: Callable[[dict[str, Any]], int]) -> Rule:
    """Rebuild a rule; ``known`` returns the index of a component, adding it where it is new."""
    conditions = tuple((known(one), bool(one["kept"])) for one in data["conditions"])
    return Rule(conditions, float(data["value"]), float(data["share"]))


NAME, NUMBER = "limex/explanation", 2

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
    try:  # most explanations hold nothing but what JSON has, under keys that are words
        text = _encoded(_hashed(explanation, lambda value: value))
    except (TypeError, ValueError):
        text = _encoded(_hashed(explanation))
    head = _head()
    hash_, rest = digest_of(text.encode()), text[len(head) : -1]
    return f'{head},"hash":"{hash_}"{rest},"environment":{_encoded(_environment(explanation))}}}'


@cache
def _head() -> str:
    """Return how every line begins, up to the hash."""
    return _encoded(dict(zip(FIRST, ({"name": NAME, "number": NUMBER}, __version__), strict=True)))[
        :-1
    ]


def hash_of(record: dict[str, Any]) -> str:
    """Return the SHA-256 of a record as JSON, ``hash`` and ``environment`` left out.

    Its keys stand in their order, nothing between them, all of it in ASCII.
    """
    hashed = {key: record[key] for key in record if key not in ("hash", "environment")}
    return digest_of(_encoded(hashed).encode())


_encoded = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _hashed(explanation: Explanation, plain: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Return the record without hash and environment; ``plain`` reduces to what JSON has."""
    plain = plain or _plain
    facts = dict(explanation.subject.facts)
    background = facts.pop("background", None)
    settings = dict(_numbers(explanation.settings))
    if explanation.settings.like_lime:
        settings["kernel_width"] = _plain(explanation.kernel_width)
    return {
        "schema": {"name": NAME, "number": NUMBER},
        "limex": __version__,
        "instance": _plain(_instance(explanation.subject, facts)),
        "model": dict(_model(explanation.model)),
        "outputs": plain(list(explanation.outputs)),
        "settings": settings,
        "background": _plain(background),
        "samples": plain(explanation.samples),
        "effective_samples": plain(explanation.effective_samples),
        "stop": explanation.stop,
        "targets": [plain(_target(explanation, one)) for one in explanation.surrogates],
        "counterfactuals": plain(_counterfactuals(explanation)),
        "warnings": [{"code": one.code, "message": one.message} for one in explanation.warnings],
        "skipped": [{"name": one.name, "reason": one.reason} for one in explanation.skipped],
    }


def _environment(explanation: Explanation) -> dict[str, str]:
    subject, settings = explanation.subject, explanation.settings
    versions = environment_of(explanation.model.format, subject.modality, settings.surrogate)
    made_of = {"model_file": explanation.made_of} if explanation.made_of else {}
    return {**made_of, **versions}  # not the command: alone or among others, a record is the same


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
    rules = [rule_data(rule, explanation.components) for rule in surrogate.rules]
    return {
        "name": surrogate.name,
        "index": surrogate.target,
        **_against(explanation, surrogate),
        "model_prediction": surrogate.model_prediction,
        "intercept": surrogate.intercept,
        "local_prediction": surrogate.local_prediction,
        "gap": surrogate.gap,
        "fidelity": surrogate.fidelity,
        "fidelity_error": surrogate.fidelity_error,
        "spread": surrogate.spread,
        "fit_r2": surrogate.fit_r2,
        "kernel": _kernel(surrogate, explanation.settings.kernel == "shapley"),
        "components": [
            _component(explanation.components[weight.component], weight)
            for weight in surrogate.weights
        ],
        "pairs": [_pair_data(explanation, pair) for pair in surrogate.pairs],
        "pairs_fidelity": surrogate.pairs_fidelity,
        "others": None if surrogate.others is None else surrogate.others._asdict(),
        **({"rules": rules} if rules else {}),
    }


def _counterfactuals(explanation: Explanation) -> list[dict[str, Any]] | None:
    """Return what changes the predicted class, its components spelled out."""
    if explanation.counterfactuals is None:
        return None
    components = explanation.components
    return [
        {
            "name": change.name,
            "index": change.target,
            "prediction": change.prediction,
            "original": change.original,
            "replaced": [
                {**_spelled(components[part.component]), "replacement": part.value}
                for part in change.replaced
            ],
        }
        for change in explanation.counterfactuals
    ]


def _pair_data(explanation: Explanation, pair: Pair) -> dict[str, Any]:
    """Return a pair with its components spelled out."""
    parts = [_spelled(explanation.components[j]) for j in pair.components]
    return {**pair._asdict(), "components": parts}


def _against(explanation: Explanation, surrogate: Surrogate) -> dict[str, Any]:
    """Name the output that is subtracted, where one is."""
    if surrogate.against is None:
        return {}
    index, names = surrogate.against, explanation.model.targets
    return {"against": {"name": names[index], "index": index}}


def _kernel(surrogate: Surrogate, shapley: bool) -> dict[str, Any] | None:
    """Return the radius chosen, as a width too, and what was found at each one compared."""
    if surrogate.radius is None:
        return (
            {"name": "shapley", "radius": None, "width": None, "compared": []} if shapley else None
        )
    return {
        "name": "product",
        "radius": surrogate.radius,
        "width": width_of(surrogate.radius),
        "compared": [at_radius._asdict() for at_radius in surrogate.by_radius],
    }


def _component(component: Component, weight: Weight) -> dict[str, Any]:
    return {
        **_spelled(component),
        "weight": weight.weight,
        "std_error": weight.std_error,
        "interval": weight.interval,
        "rank_range": weight.rank_range,
        "selected": weight.selected,
        **({} if weight.blocks is None else {"blocks": weight.blocks}),
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
    if kind in (list, tuple, Interval):
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


def explanation_of(record: dict[str, Any]) -> Explanation:
    """Rebuild an explanation from its record, without the image.

    Only components that some target gives a weight are there. Records of schema number 1 are read
    too. Raises InputError for anything else.
    """
    _check_schema(record)
    try:
        made = _rebuilt(_of_schema_1(record) if record["schema"]["number"] == 1 else record)
        check_types(made)
    except KeyError as error:
        raise InputError(f"the record lacks {error.args[0]!r}", "explain it again") from error
    except DAMAGE as error:
        raise InputError(f"the record is damaged: {error}", "explain it again") from error
    return made


def _check_schema(record: Any) -> None:
    schema = record.get("schema") if isinstance(record, dict) else None
    if not isinstance(schema, dict) or schema.get("name") != NAME:
        raise InputError("this is not an explanation", "give a file that limex explain wrote")
    if schema.get("number") not in (1, NUMBER):
        raise InputError(
            f"the explanation has schema {schema.get('number')}, but this version of limex reads "
            f"schema {NUMBER}",
            f"use the version of limex that wrote it ({record.get('limex')})",
        )


def _of_schema_1(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 1 with what schema 2 has beside it, where that is not known."""
    unknown = ("fidelity_error", "spread", "kernel", "others", "pairs_fidelity")
    old = renamed("setting")
    settings = {key: value for key, value in record["settings"].items() if key not in old}
    return {
        **record,
        "settings": {**settings, "kernel": "product", "radius": None, "refit": False},
        "outputs": [],
        "targets": [
            {**dict.fromkeys(unknown), "pairs": [], **target} for target in record["targets"]
        ],
    }


def _rebuilt(record: dict[str, Any]) -> Explanation:
    instance, model = record["instance"], record["model"]
    background = {} if record["background"] is None else {"background": record["background"]}
    settings = {**record["settings"], "targets": tuple(record["settings"]["targets"])}
    components: dict[str, Component] = {}
    surrogates = tuple(_surrogate(target, components) for target in record["targets"])
    assert surrogates, "it explains no target"
    counterfactuals = _rebuilt_counterfactuals(record.get("counterfactuals"), components)
    environment = record["environment"]
    return Explanation(
        subject=Subject(**{**instance, "facts": {**instance["facts"], **background}}),
        model=_identity(model),
        components=tuple(components.values()),
        skipped=tuple(Skipped(**skipped) for skipped in record["skipped"]),
        surrogates=surrogates,
        warnings=tuple(CodedWarning(**warning) for warning in record["warnings"]),
        samples=record["samples"],
        effective_samples=float(record["effective_samples"]),
        kernel_width=_width(record),
        stop=record["stop"],
        outputs=tuple(
            float("nan") if output is None else float(output) for output in record["outputs"]
        ),
        settings=Settings(**settings),
        counterfactuals=counterfactuals,
        made_of=str(environment.get("model_file", "")),
    )


def _rebuilt_counterfactuals(
    changes: list[dict[str, Any]] | None, components: dict[str, Component]
) -> tuple[Counterfactual, ...] | None:
    if changes is None:
        return None
    assert all(change["replaced"] for change in changes), "a counterfactual replaces nothing"
    return tuple(
        Counterfactual(
            target=change["index"],
            name=change["name"],
            prediction=float(change["prediction"]),
            original=float(change["original"]),
            replaced=tuple(
                Replaced(_known(part, components), part["replacement"])
                for part in change["replaced"]
            ),
        )
        for change in changes
    )


def _width(record: dict[str, Any]) -> float:
    width = record["settings"]["kernel_width"]
    kernel = record["targets"][0]["kernel"]
    if kernel is not None and kernel["radius"] is not None:
        return width_of(kernel["radius"])
    return float("inf") if width is None else float(width)


def _identity(model: dict[str, Any]) -> Identity:
    options = tuple(model.get("options", {}).items())
    return Identity(**{**model, "targets": tuple(model["targets"]), "options": options})


def _known(component: dict[str, Any], components: dict[str, Component]) -> int:
    """Return the place of a component among ``components``, where it is added if it is new."""
    key = json.dumps([component["name"], component["where"]])
    where = place_of(component["where"])
    components.setdefault(
        key, Component(component["name"], component["value"], where, component.get("step"))
    )
    return list(components).index(key)


def _surrogate(target: dict[str, Any], components: dict[str, Component]) -> Surrogate:
    """Rebuild one target; add its components to ``components``, keyed by what they are."""

    def known(component: dict[str, Any]) -> int:
        return _known(component, components)

    others = target["others"]
    return Surrogate(
        target=target["index"],
        name=target["name"],
        model_prediction=float(target["model_prediction"]),
        intercept=float(target["intercept"]),
        local_prediction=float(target["local_prediction"]),
        fidelity=target["fidelity"],
        fit_r2=target["fit_r2"],
        weights=tuple(_weight(weight, known(weight)) for weight in target["components"]),
        rules=tuple(rule_of(rule, known) for rule in target.get("rules", ())),
        radius=None if target["kernel"] is None else target["kernel"]["radius"],
        fidelity_error=target["fidelity_error"],
        spread=target["spread"],
        pairs=tuple(
            Pair(
                (known(pair["components"][0]), known(pair["components"][1])),
                float(pair["weight"]),
                float(pair["std_error"]),
                Interval(*pair["interval"]),
            )
            for pair in target["pairs"]
        ),
        pairs_fidelity=target["pairs_fidelity"],
        others=None if others is None else Others(**{**others, "interval": interval_of(others)}),
        against=target["against"]["index"] if "against" in target else None,
        by_radius=()
        if target["kernel"] is None
        else tuple(AtRadius(**at_radius) for at_radius in target["kernel"]["compared"]),
    )


def interval_of(weighed: dict[str, Any]) -> Interval | None:
    """Read the interval of a component's weight, of those of others, or of a pair's."""
    interval = weighed["interval"]
    return None if interval is None else Interval(*interval)


def _weight(weight: dict[str, Any], component: int) -> Weight:
    ranks = weight["rank_range"]
    return Weight(
        component=component,
        weight=float(weight["weight"]),
        std_error=weight["std_error"],
        interval=interval_of(weight),
        rank_range=None if ranks is None else (ranks[0], ranks[1]),
        selected=weight["selected"],
        blocks=tuple(weight["blocks"]) if "blocks" in weight else None,
    )
