"""The record of an evaluation, as plain JSON data; docs/evaluate.md describes its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lime_cli.engine.explanation import Explanation
from lime_cli.results.curves import Curves
from lime_cli.results.evaluation import Stability, Verdict
from lime_cli.results.record import record_of as record_of_explanation
from lime_cli.results.record import stamped
from lime_cli.results.widths import Width

NAME, NUMBER = "limex/evaluation", 1


def record_of(
    explanations: Sequence[Explanation],
    verdicts: Sequence[Verdict],
    curves: Sequence[Curves] = (),
    widths: Sequence[Sequence[Width]] = (),
) -> dict[str, Any]:
    """Turn the verdicts on the explanations of one instance into JSON data, keys in a fixed order.

    ``settings`` are those of the first seed, as are ``curves`` and ``widths``, by target. ``hash``
    covers everything but itself and ``environment``.
    """
    records = [record_of_explanation(one) for one in explanations]
    first = records[0]
    hashed = {
        "schema": {"name": NAME, "number": NUMBER},
        "limex": first["limex"],
        **{key: first[key] for key in ("instance", "model", "settings", "background")},
        "seeds": [one.settings.seed for one in explanations],
        "samples": [one.samples for one in explanations],
        "stop": [one.stop for one in explanations],
        "targets": [
            {
                **_target(verdict, _places(explanations, records, i)),
                "curves": _curves(curves[i]) if curves else None,
                "widths": [_width(one, explanations[0]) for one in widths[i]] if widths else None,
            }
            for i, verdict in enumerate(verdicts)
        ],
        "warnings": warnings_of(explanations),
    }
    return stamped(hashed, first["environment"])


def warnings_of(explanations: Sequence[Explanation]) -> list[dict[str, Any]]:
    """List each kind of warning once: in the words of the first seed that has it, and how many."""
    found: dict[str, dict[str, Any]] = {}
    for explanation in explanations:
        for code, message in {one.code: one.message for one in explanation.caveats}.items():
            one = found.setdefault(code, {"code": code, "message": message, "seeds": 0})
            one["seeds"] += 1
    return list(found.values())


def _places(
    explanations: Sequence[Explanation], records: list[dict[str, Any]], target: int
) -> dict[int, dict[str, Any]]:
    """Return name, value and place of each component that a seed selects, as its record has it."""
    return {
        weight.component: {key: written[key] for key in ("name", "value", "where")}
        for explanation, record in zip(explanations, records, strict=True)
        for weight, written in zip(
            explanation.surrogates[target].weights,
            record["targets"][target]["components"],
            strict=True,
        )
    }


def _target(verdict: Verdict, places: dict[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": verdict.name,
        "index": verdict.target,
        "model_prediction": verdict.model_prediction,
        "held_out_fidelity": asdict(verdict.held_out),
        "fidelity": asdict(verdict.fidelity),
        "vsi": verdict.vsi,
        "csi": verdict.csi,
        "jaccard": [{"k": k, "mean": mean} for k, mean in verdict.jaccard],
        "error_ratio": verdict.error_ratio,
        "components": [{**places[one.component], **_component(one)} for one in verdict.components],
    }


def _component(one: Stability) -> dict[str, Any]:
    return {
        "weight": one.weight.mean,
        "sd": one.weight.sd,
        "std_error": one.std_error,
        "selected": one.selected,
        "sign_agreement": one.sign_agreement,
    }


def _curves(curves: Curves) -> dict[str, Any]:
    return {
        **asdict(curves),
        "deletion_area": curves.deletion_area,
        "insertion_area": curves.insertion_area,
        "random_area": curves.random_area,
    }


def _width(one: Width, explanation: Explanation) -> dict[str, Any]:
    named = [(explanation.components[j].name, weight) for j, weight in one.weights]
    return {
        **asdict(one),
        "weights": [{"name": name, "weight": weight} for name, weight in named],
    }
