"""What is known of a model file, as JSON data and as a page for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.text import Text

from lime_cli.files import json_page
from lime_cli.formats.terminal import GAP, KEY, MARGIN, Page, page_of
from lime_cli.models.onnx.graph import Port
from lime_cli.running import fence
from lime_cli.tools.inspect.measure import (
    Choice,
    ModelReport,
    choices,
    known_classes,
    known_input,
    modality_of,
)
from lime_cli.version import __version__

if TYPE_CHECKING:
    from lime_cli.formats import Look


NAME, NUMBER = "limex/inspection", 1

INPUT = (
    "kind",
    "columns",
    "n_columns",
    "words",
    "size",
    "channels",
    "layout",
    "precision",
    "preprocess",
    "pixels",
    "form",
    "max_tokens",
)
"""What a report has of a model's input; the rest is elsewhere or means nothing in a file."""


def record_of(report: ModelReport) -> dict[str, Any]:
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
        "input": {
            **{key: getattr(known, key) for key in INPUT},
            "pixels": None if known.pixels is None else known.pixels._asdict(),
        },
        "classes": known_classes(report),
        "names": [asdict(one) for one in report.names],
        "pickle": _outline(report),
        "onnx": _signature(report),
        "booster": None if report.native is None else {"objective": report.native.objective},
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


def _outline(report: ModelReport) -> dict[str, Any] | None:
    if report.outline is None:
        return None
    steps = [asdict(one) for one in report.outline.steps]
    return {"sklearn_version": report.outline.sklearn_version or None, "steps": steps}


def _signature(report: ModelReport) -> dict[str, Any] | None:
    if report.signature is None:
        return None
    found = asdict(report.signature)
    found["opsets"], found["metadata"] = map(
        dict, (report.signature.opsets, report.signature.metadata)
    )
    return found


def _probe(report: ModelReport) -> dict[str, Any] | None:
    if report.probe is None:
        return None
    told = ("input", "options")
    return {key: value for key, value in asdict(report.probe).items() if key not in told}


NARROWEST = 20
"""Columns of a reason, at least."""

OPTION = 46
"""Columns of an option with its value, beside which the reason stands."""

LONGEST = 40
"""Names listed on the page, at most; the JSON has all."""

PLACES = {"tabular": "DATA.csv --row 0", "text": "TEXT.txt", "image": "PICTURE.png"}
"""What follows the model in a command that explains."""

GIVEN = {"frame": "data frames", "array": "arrays", "sparse": "sparse rows (CSR)"}
"""In words, the form in which a model is given a table."""

SAID = {
    "allowed": "may be loaded",
    "trusted": "trusted by an option",
    "unknown": "NOT KNOWN",
    "misused": "MUST NOT BE CALLED",
    "danger": "DANGER",
}


def write_page(report: ModelReport, out: IO[bytes], look: Look) -> None:
    """Write a page for people."""
    page = page_of(look)
    out.write(page.printed(_lines(report, page), cut=False))


def write_json(report: ModelReport, out: IO[bytes], look: Look) -> None:
    """Write everything, pure ASCII, the keys in a fixed order."""
    out.write(json_page(record_of(report)))


def _lines(report: ModelReport, page: Page) -> Iterator[Text]:
    form = report.format or "no model"
    yield Text.assemble(
        (page.literal(Path(report.path).name), "bold"), GAP, (page.literal(form), "dim")
    )
    yield Text()
    packed = f", packed with {report.packing}" if report.packing else ""
    yield from page.row("size", f"{report.n_bytes:,} bytes{packed}")
    yield from page.row("sha256", report.digest)
    yield from _pickle(report, page)
    yield from _onnx(report, page)
    yield from _outputs(report, page)
    yield from _options(report, page)
    yield from _names(report, page)
    yield from _check(report, page)


def _pickle(report: ModelReport, page: Page) -> Iterator[Text]:
    outline = report.outline
    if outline is None:
        return
    if outline.sklearn_version:
        yield from page.row("written by", f"scikit-learn {outline.sklearn_version}")
    width = max((2 * one.depth + len(one.name) for one in outline.steps), default=0)
    for number, one in enumerate(outline.steps[:LONGEST]):
        kind = one.kind.rpartition(".")[2]
        name = "  " * one.depth + one.name
        said = f"{name.ljust(min(width, 30))}{GAP}{kind}" if one.depth else kind
        yield _line("model" if number == 0 else "", said, page)


def _onnx(report: ModelReport, page: Page) -> Iterator[Text]:
    signature = report.signature
    if signature is None:
        return
    by = f"{signature.producer}, " if signature.producer else ""
    yield from page.row("written by", f"{by}IR {signature.ir_version}")
    yield from page.row("opset", ", ".join(f"{name} {n}" for name, n in signature.opsets))
    yield from page.row("operators", _some(signature.operators))
    for key, ports in (("input", signature.inputs), ("output", signature.outputs)):
        for number, port in enumerate(ports[:LONGEST]):
            yield _line(key if number == 0 else "", _port(port), page)
    for number, (key, value) in enumerate(signature.metadata[:LONGEST]):
        line = _line("metadata" if number == 0 else "", f"{key}: {value}", page)
        yield page.cut(line, page.look.width)


def _port(port: Port) -> str:
    if port.shape is None:
        return f"{port.name}: {port.kind}"
    sizes = ", ".join("?" if one is None else str(one) for one in port.shape)
    return f"{port.name}: {port.kind} [{sizes}]"


def _outputs(report: ModelReport, page: Page) -> Iterator[Text]:
    known, classes, probe = known_input(report), known_classes(report), report.probe
    if known.columns:
        yield from page.row("columns", f"{len(known.columns)}: {_some(known.columns)}")
    elif known.n_columns and known.kind != "text" and report.kind != "text":
        yield from page.row("columns", f"{known.n_columns}, without names")
    if report.native is not None and report.native.objective is not None:
        yield from page.row("objective", report.native.objective)
    if known.form:
        yield from page.row("given", GIVEN[known.form])
    if classes:
        yield from page.row("classes", f"{len(classes)}: {_some(classes)}")
    if probe is None:
        return
    what = "probabilities" if probe.probabilities else "numbers"
    said = (
        f"{probe.method}: {probe.task}, {len(probe.targets)} {what}" if probe.task else probe.method
    )
    yield from page.row("called by", said)
    if fence.kept():
        yield from page.row("fenced by", f"{fence.kept()}: no program, no network, no writing")
    if probe.failure:
        yield from page.row("no answer", f"{probe.failure}; name real ones with --data")
    for warning in probe.warnings:
        yield from page.row("warning", warning)


def _options(report: ModelReport, page: Page) -> Iterator[Text]:
    modality = modality_of(report)
    if report.refusal is not None or modality is None:
        return
    yield Text()
    command = f"limex explain {modality} {shlex.quote(report.path)} {PLACES[modality]}"
    for path in report.said.transformers if report.said else ():
        command += f" --transformer {shlex.quote(path)}"
    yield _line("explain it", command, page)
    chosen = [(one, _typed(one)) for one in choices(report)]
    for certain, key in ((True, "limex uses"), (False, "you may add")):
        rows = [(words, one.why) for one, words in chosen if one.certain is certain]
        width = min(max((len(option) for option, _ in rows), default=0), OPTION)
        for number, (option, why) in enumerate(rows):
            room = page.look.width - len(MARGIN) - KEY - width - len(GAP)
            for place, said in enumerate(page.folded(why, max(room, NARROWEST))):
                left = (option if place == 0 else "").ljust(width)
                yield _line(key if number + place == 0 else "", f"{left}{GAP}{said.plain}", page)


def _typed(one: Choice) -> str:
    if one.repeated and isinstance(one.value, tuple):
        return " ".join(f"--{one.key} {each}" for each in one.value)
    spelled = _some(one.value, 3, ",") if isinstance(one.value, tuple) else str(one.value)
    return f"--{one.key} {spelled}"


def _names(report: ModelReport, page: Page) -> Iterator[Text]:
    """List the names of a pickle, the refused ones first; all of those."""
    if not report.names:
        return
    yield Text()
    order = list(SAID)
    judged = sorted(report.names, key=lambda one: (-order.index(one.verdict), one.name))
    n_refused = sum(one.refused for one in judged)
    shown = judged[: max(LONGEST, n_refused)]
    for number, one in enumerate(shown):
        roles = f" ({', '.join(one.roles)})" if one.refused else ""
        said = f"{SAID[one.verdict].ljust(20)}{GAP}{one.name}{roles}"
        line = _line("names" if number == 0 else "", said, page)
        if one.refused:
            line.stylize("bold", len(MARGIN) + KEY)
        yield line
    if len(shown) < len(judged):
        yield _line("", f"... and {len(judged) - len(shown)} more that may be loaded", page)


def _check(report: ModelReport, page: Page) -> Iterator[Text]:
    check = report.check
    if check is None:
        return
    yield Text()
    verdict = "agree" if check.agree else "DIFFER"
    how = "" if check.by_name else "; outputs matched by position, their names differ"
    said = f"{verdict} on {check.rows} rows within {check.tolerance:g}{how}"
    yield from page.row("against", f"{Path(check.other).name}: {said}")
    width = min(max((len(name) for name, _ in check.differences), default=0), 30)
    for number, (name, value) in enumerate(check.differences):
        mark = "" if value <= check.tolerance else GAP + "beyond"
        said = f"{name.ljust(width)}{GAP}{value:.2e}{mark}"
        yield _line("difference" if number == 0 else "", said, page)


def _some(names: Iterable[str], most: int = LONGEST, glue: str = ", ") -> str:
    every = list(names)
    more = [f"... ({len(every) - most} more)"] if len(every) > most else []
    return glue.join(every[:most] + more)


def _line(key: str, text: str, page: Page) -> Text:
    """Set a key, and one line beside it that is cut where the terminal ends."""
    return Text.assemble(MARGIN, (key.ljust(KEY), "dim"), page.literal(text))
