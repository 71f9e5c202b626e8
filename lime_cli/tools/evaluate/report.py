"""An evaluation as JSON data, as pages for a terminal and as images of its curves."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from lime_cli.engine.explanation import Explanation, Surrogate
from lime_cli.engine.instance import Component, Segment
from lime_cli.errors import MissingDependency, SettingsError
from lime_cli.files import json_page
from lime_cli.formats.terminal import GAP, MARGIN, Page, page_of
from lime_cli.formats.wording import (
    SHARE,
    Numbers,
    fidelity_in_words,
    literal,
    numbers_for,
    target_said,
    value_beside,
)
from lime_cli.records.record import record_of as record_of_explanation
from lime_cli.records.record import stamped
from lime_cli.tools.evaluate.measure import Curves, Spread, Stability, Verdict

if TYPE_CHECKING:
    from lime_cli.formats import Look


def curve_lines(curves: Curves, page: Page) -> Iterator[Text]:
    """Say how much sooner the prediction falls, or comes, than in random order."""
    areas = (curves.random_area, curves.deletion_area, curves.insertion_area)
    form = numbers_for(areas, errors=[curves.random_sd])
    spread = f"{page.glyphs.plus_minus}{form.plain(curves.random_sd)}"
    random = f"{form.plain(curves.random_area)} {spread} at random"
    for key, value, better in (
        ("deletion", curves.deletion_area, curves.deletion_area < curves.random_area),
        ("insertion", curves.insertion_area, curves.insertion_area > curves.random_area),
    ):
        words = "better" if better else "no better"
        said = f"area {form.plain(value)} against {random}: {words} than chance"
        yield from page.row(key, said)


def radius_lines(surrogate: Surrogate, page: Page) -> Iterator[Text]:
    """Set the table of the radii that were compared, a mark at the one chosen."""
    yield Text()
    names = ("radius", "fidelity", "error", "gap")
    yield Text(MARGIN + GAP.join(name.rjust(8) for name in names), style="dim")
    form = numbers_for([surrogate.model_prediction])
    for one in surrogate.by_radius:
        shares = (_number(one.fidelity, THREE.plain), _number(one.std_error, THREE.plain))
        cells = [f"{one.radius:.3g}", *shares, page.literal(_number(one.gap, form.plain))]
        mark = "  chosen" if one.radius == surrogate.radius else ""
        yield Text(MARGIN + GAP.join(cell.rjust(8) for cell in cells) + mark)


def write_chart(explanation: Explanation, curves: Sequence[Curves], out: IO[bytes]) -> None:
    """Draw the curves of every target as PNG; raise MissingDependency without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency("charts need matplotlib", "pip install 'limex[charts]'") from None
    figure = Figure(figsize=(7.0, 3.4 * len(curves)), layout="constrained")
    axes = figure.subplots(len(curves), 1, squeeze=False)[:, 0]
    for one, surrogate, axis in zip(curves, explanation.surrogates, axes, strict=True):
        axis.plot(one.removed, one.random, color="#8a8f98", linestyle="--", label="random order")
        axis.plot(one.removed, one.deletion, color="#e66e00", label="largest weight goes first")
        axis.plot(one.removed, one.insertion, color="#0a5fd7", label="largest weight goes last")
        title = f"{literal(explanation.subject.id)}: {literal(surrogate.name)}"
        axis.set_title(title, loc="left", fontsize=10.5, fontweight="bold", parse_math=False)
        axis.set_xlabel("share of the components masked")
        axis.set_ylabel("prediction")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    out.write(stream.getvalue())


NAME, NUMBER = "limex/evaluation", 2


def record_of(
    explanations: Sequence[Explanation],
    verdicts: Sequence[Verdict],
    curves: Sequence[Curves] = (),
) -> dict[str, Any]:
    """Turn the verdicts on the explanations of one instance into JSON data, keys in a fixed order.

    ``settings`` are those of the first seed, as are ``curves``, by target. ``hash`` covers
    everything but itself and ``environment``.
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
                "radius": [one.surrogates[i].radius for one in explanations],
                "radii": [one._asdict() for one in explanations[0].surrogates[i].by_radius],
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
        for code, message in {one.code: one.message for one in explanation.warnings}.items():
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


HEADER = ("weight", "sd", "error", "chosen", "sign", "component")
"""Mean and spread over seeds, mean standard error reported, shares of seeds."""


class Judged(NamedTuple):
    """An instance's explanations by several seeds, and what is found of each target."""

    explanations: Sequence[Explanation]
    verdicts: Sequence[Verdict]
    curves: Sequence[Curves] = ()


def write_page(found: Iterable[Judged], out: IO[bytes], look: Look) -> None:
    """Write a block for each instance as soon as it is there, an empty line between two."""
    page = page_of(look)
    for number, judged in enumerate(found):
        out.write(page.printed([Text()] * (number > 0) + list(_lines(judged, page))))


def write_json(found: Iterable[Judged], out: IO[bytes], look: Look) -> None:
    """Write the record of each instance, pure ASCII, the keys in a fixed order."""
    for one in found:
        out.write(json_page(record_of(*one)))


def write_lines(found: Iterable[Judged], out: IO[bytes], look: Look) -> None:
    """Write the record of each instance to a line of its own as soon as it is there."""
    for one in found:
        record = record_of(*one)
        out.write(json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n")


def write_png(found: Iterable[Judged], out: IO[bytes], look: Look) -> None:
    """Draw the curves of the one instance there is; raise SettingsError for more."""
    judged = list(found)
    if len(judged) != 1 or not judged[0].curves:
        raise SettingsError("png draws the curves of one instance", "use -f table or -f jsonl")
    write_chart(judged[0].explanations[0], judged[0].curves, out)


WRITERS = {"table": write_page, "json": write_json, "jsonl": write_lines, "png": write_png}


def _lines(judged: Judged, page: Page) -> Iterator[Text]:
    first = judged.explanations[0]
    seeds = [one.settings.seed for one in judged.explanations]
    yield _title(first, page)
    for number, verdict in enumerate(judged.verdicts):
        yield from [Text()] * (number > 0)
        form = numbers_for([verdict.model_prediction])
        said = (page.literal(form.plain(verdict.model_prediction)), "bold")
        name = page.literal(target_said(first, first.surrogates[number]))
        yield Text.assemble(f"{name}: " if name else "", "the model predicts ", said)
        yield Text()
        yield from _components(verdict, first.components, page)
        yield Text()
        radii = Counter(one.surrogates[number].radius for one in judged.explanations)
        yield from _sums(verdict, radii, page)
        if judged.curves:
            yield from curve_lines(judged.curves[number], page)
            yield from radius_lines(first.surrogates[number], page)
    yield from [Text()] * (len(judged.verdicts) > 1)
    drawn = sorted({one.samples for one in judged.explanations})
    every = ", all there are" if first.stop == "exhaustive" else ""
    samples = " to ".join(f"{one}" for one in dict.fromkeys((drawn[0], drawn[-1])))
    yield from page.row("samples", f"{samples} for each of seeds {seeds[0]}-{seeds[-1]}{every}")
    for one in warnings_of(judged.explanations):
        often = f" ({one['seeds']} of {len(seeds)} seeds)" if one["seeds"] < len(seeds) else ""
        yield from page.row("warning", f"{one['code']}: {one['message']}{often}")


def _title(explanation: Explanation, page: Page) -> Text:
    subject, model = explanation.subject, explanation.model
    left = Text(page.literal(subject.name), style="bold")
    right = Text(page.literal(f"{model.format} {model.digest[:8]}"), style="dim")
    room = max(len(GAP), page.prose - right.cell_len - left.cell_len)
    return Text.assemble(left, " " * room, right)


def _components(verdict: Verdict, components: Sequence[Component], page: Page) -> Iterator[Text]:
    """Draw a line for each component that any seed selects, in columns that line up."""
    if not verdict.components:
        yield Text(MARGIN + "no component has a weight", style="dim")
        return
    form = numbers_for(
        (one.weight.mean or 0.0 for one in verdict.components),
        errors=[one.weight.sd or 0.0 for one in verdict.components],
        scale=abs(verdict.model_prediction),
    )
    rows = [HEADER, *(_cells(one, components[one.component], form) for one in verdict.components)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER) - 1)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        words = page.literal(GAP.join([*cells, row[-1]]))
        yield Text(MARGIN + words, style="dim" if row is HEADER else "")


def _cells(one: Stability, component: Component, form: Numbers) -> tuple[str, ...]:
    beside = value_beside(component)
    if isinstance(component.where, Segment):
        left, top, right, bottom = component.where.box
        beside = f"x {left}-{right}, y {top}-{bottom}"
    return (
        _number(one.weight.mean, form.signed),
        _number(one.weight.sd, form.plain),
        _number(one.std_error, form.plain),
        SHARE.plain(one.selected),
        SHARE.plain(one.sign_agreement),
        component.name + (GAP + beside if beside else ""),
    )


def _sums(verdict: Verdict, radii: Counter[float | None], page: Page) -> Iterator[Text]:
    """Say how far the surrogates hold elsewhere, how alike they are, and what errors are worth.

    ``radii`` counts the seeds that chose each radius.
    """
    held_out = verdict.held_out.mean
    words = fidelity_in_words(held_out)
    if held_out is not None:
        words = f"{_spread(verdict.held_out, page)}, {words}"
    yield from page.row("held out", f"{words}; fidelity on the samples of other seeds")
    yield from page.row("reported", f"{_spread(verdict.fidelity, page)}; cross-validated")
    csi = "undefined" if verdict.csi is None else f"{verdict.csi:.1f}%"
    yield from page.row("stability", f"VSI {verdict.vsi:.1f}%, CSI {csi}")
    tops = ", ".join(f"{mean:.2f} of the first {k}" for k, mean in verdict.jaccard)
    if tops:
        yield from page.row("overlap", f"{tops} (Jaccard)")
    if verdict.error_ratio is not None:
        said = f"sd over seeds is {verdict.error_ratio:.2f} times the error reported"
        if len(radii) > 1:
            chosen = ", ".join(f"{radius:g} ({n})" for radius, n in radii.most_common() if radius)
            said += f"; the seeds chose different radii, {chosen}; --radius fixes one"
        yield from page.row("errors", said)


def _spread(spread: Spread, page: Page) -> str:
    beside = ""
    if spread.sd is not None:
        beside = f" {page.glyphs.plus_minus}{THREE.plain(spread.sd)}"
    return _number(spread.mean, THREE.plain) + beside


THREE = Numbers(3)
"""Of fidelities."""


def _number(value: float | None, write: Callable[[float], str]) -> str:
    return "-" if value is None else write(value)
