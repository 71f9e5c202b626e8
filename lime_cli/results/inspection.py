"""The record of a model file: what limex knows of it, as plain JSON data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lime_cli import __version__
from lime_cli.models.choices import choices, known_classes, known_input, modality_of
from lime_cli.models.report import Report

NAME, NUMBER = "limex/inspection", 1
UNSAID = ("model", "takes")
"""Of a model's input, what is told elsewhere or means nothing in a file."""


def record_of(report: Report) -> dict[str, Any]:
    """Turn a report into JSON data, keys in a fixed order; docs/inspect.md describes them."""
    known, chosen = known_input(report), choices(report)
    return {
        "schema": {"name": NAME, "number": NUMBER},
        "limex": __version__,
        "file": Path(report.path).name,
        "format": report.format,
        "packing": report.packing or None,
        "bytes": report.n_bytes,
        "sha256": report.digest,
        "loadable": report.refusal is None,
        "refusal": None if report.refusal is None else str(report.refusal),
        "modality": modality_of(report),
        "input": {key: one for key, one in known._asdict().items() if key not in UNSAID},
        "classes": known_classes(report),
        "names": [asdict(one) for one in report.names],
        "pickle": _outline(report),
        "onnx": _signature(report),
        "probe": _probe(report),
        "options": {one.key: one.value for one in chosen if one.certain},
        "to_say": [one.key for one in chosen if not one.certain],
        "check": None
        if report.check is None
        else {
            **asdict(report.check),
            "other": Path(report.check.other).name,
            "differences": dict(report.check.differences),
            "agree": report.check.agree,
        },
    }


def _outline(report: Report) -> dict[str, Any] | None:
    if report.outline is None:
        return None
    steps = [asdict(one) for one in report.outline.steps]
    return {"sklearn_version": report.outline.sklearn_version or None, "steps": steps}


def _signature(report: Report) -> dict[str, Any] | None:
    if report.signature is None:
        return None
    found = asdict(report.signature)
    found["opsets"], found["metadata"] = map(
        dict, (report.signature.opsets, report.signature.metadata)
    )
    return found


def _probe(report: Report) -> dict[str, Any] | None:
    if report.probe is None:
        return None
    return {key: value for key, value in asdict(report.probe).items() if key != "input"}
