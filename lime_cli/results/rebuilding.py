"""From a record back to an explanation, the picture aside."""

from __future__ import annotations

import json
from typing import Any

from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import Caveat, Component, Identity, Skipped, Subject
from lime_cli.errors import InputError
from lime_cli.results.damage import DAMAGE
from lime_cli.results.places import place_of
from lime_cli.results.record import NAME, NUMBER
from lime_cli.results.rules import rule_of
from lime_cli.settings import Settings


def explanation_of(record: dict[str, Any]) -> Explanation:
    """Rebuild an explanation from its record, without the picture.

    Only components that some target gives a weight are there. Raises InputError for anything
    that is not a record of this schema number.
    """
    _check_schema(record)
    try:
        return _rebuilt(record)
    except KeyError as error:
        raise InputError(f"the record lacks {error.args[0]!r}", "explain it again") from error
    except DAMAGE as error:
        raise InputError(f"the record is damaged: {error}", "explain it again") from error


def _check_schema(record: Any) -> None:
    schema = record.get("schema") if isinstance(record, dict) else None
    if not isinstance(schema, dict) or schema.get("name") != NAME:
        raise InputError("this is not an explanation", "give a file that limex explain wrote")
    if schema.get("number") != NUMBER:
        raise InputError(
            f"the explanation is of schema {schema.get('number')}, this limex reads {NUMBER}",
            f"use the version of limex that wrote it ({record.get('limex')})",
        )


def _rebuilt(record: dict[str, Any]) -> Explanation:
    instance, model = record["instance"], record["model"]
    background = {} if record["background"] is None else {"background": record["background"]}
    settings = {**record["settings"], "targets": tuple(record["settings"]["targets"])}
    components: dict[str, Component] = {}
    surrogates = tuple(_surrogate(one, components) for one in record["targets"])
    assert surrogates, "it explains no target"
    return Explanation(
        subject=Subject(**{**instance, "facts": {**instance["facts"], **background}}),
        model=_identity(model),
        components=tuple(components.values()),
        skipped=tuple(Skipped(**one) for one in record["skipped"]),
        surrogates=surrogates,
        caveats=tuple(Caveat(**one) for one in record["warnings"]),
        samples=record["samples"],
        effective_samples=float(record["effective_samples"]),
        kernel_width=float(settings["kernel_width"]),
        stop=record["stop"],
        settings=Settings(**settings),
    )


def _identity(model: dict[str, Any]) -> Identity:
    options = tuple(model.get("options", {}).items())
    return Identity(**{**model, "targets": tuple(model["targets"]), "options": options})


def _surrogate(target: dict[str, Any], components: dict[str, Component]) -> Surrogate:
    """Rebuild one target; add its components to ``components``, keyed by what they are."""

    def known(one: dict[str, Any]) -> int:
        key = json.dumps([one["name"], one["where"]])
        where = place_of(one["where"])
        components.setdefault(key, Component(one["name"], one["value"], where, one.get("step")))
        return list(components).index(key)

    return Surrogate(
        target=target["index"],
        name=target["name"],
        model_prediction=float(target["model_prediction"]),
        intercept=float(target["intercept"]),
        local_prediction=float(target["local_prediction"]),
        fidelity=target["fidelity"],
        fit_r2=target["fit_r2"],
        weights=tuple(_weight(one, known(one)) for one in target["components"]),
        rules=tuple(rule_of(one, known) for one in target.get("rules", ())),
    )


def _weight(one: dict[str, Any], component: int) -> Weight:
    low_high, ranks = one["interval"], one["rank_range"]
    return Weight(
        component=component,
        weight=float(one["weight"]),
        std_error=one["std_error"],
        interval=None if low_high is None else (low_high[0], low_high[1]),
        rank_range=None if ranks is None else (ranks[0], ranks[1]),
        selected=one["selected"],
    )
