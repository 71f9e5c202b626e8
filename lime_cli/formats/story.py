"""What an explanation tells: the bars that lead to the prediction, and the sentences beside them.

Every number is one of the record's. PNG, SVG and HTML draw the same `WaterfallStep` objects.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lime_cli.engine.explanation import (
    Counterfactual,
    Explanation,
    Interval,
    Replaced,
    Rule,
    Surrogate,
    Weight,
)
from lime_cli.engine.instance import Column, Component, Segment, Spans
from lime_cli.formats.wording import (
    MINUS,
    NOISE,
    Numbers,
    closing,
    explaining_said,
    finer,
    in_order,
    literal,
    marked,
    numbers_for,
    source_said,
    value_beside,
    verdict_said,
)

LEVELS = ("intercept", "local", "model")
"""Kinds of steps that stand for a value; the others lead from one value to the next."""


class WaterfallStep(NamedTuple):
    """A line of a waterfall, from the surrogate's intercept to the model's prediction."""

    kind: str
    """``intercept``, ``weight``, ``others``, ``local``, ``gap`` or ``model``."""
    name: str
    beside: str
    """Said after the name, and less loudly."""
    start: float
    """In the unit of the target, as is all that follows; equal to ``end`` for a level."""
    end: float
    interval: Interval | None = None
    """Of the change; None where not computed."""
    component: int | None = None

    @property
    def change(self) -> float:
        """What the step adds; 0 for a level."""
        return self.end - self.start

    @property
    def certain(self) -> bool:
        """Whether its sign is certain; of 0 that is exact, too."""
        return self.interval is None or not self.interval.holds_zero or not self.interval.half_width

    @property
    def reach(self) -> tuple[float, float]:
        """Where the interval ends, beside ``end``."""
        low, high = self.interval or (self.change, self.change)
        return self.start + low, self.start + high


def waterfall(explanation: Explanation, surrogate: Surrogate) -> tuple[WaterfallStep, ...]:
    """Lead from the intercept over every weight shown and the others to the local prediction.

    Then over the gap to the model's prediction. Nothing for a tree, which has no weights.
    """
    if surrogate.rules:
        return ()
    level = surrogate.intercept
    steps = [WaterfallStep("intercept", "intercept", base_said(explanation), level, level)]
    for one, (name, beside) in zip(
        surrogate.weights, labels(explanation, surrogate.weights), strict=True
    ):
        end = level + one.weight
        steps.append(WaterfallStep("weight", name, beside, level, end, one.interval, one.component))
        level = end
    local, others = surrogate.local_prediction, surrogate.others
    rest = local - level
    if others is not None and others.components:
        name = f"{others.components:,} other {'part' if others.components == 1 else 'parts'}"
        beside = "together" if others.components > 1 else ""
        steps.append(WaterfallStep("others", name, beside, level, local, others.interval))
    elif abs(rest) > TINY * _size(surrogate):
        steps.append(WaterfallStep("others", "others", "together", level, local))
    what = "prediction" if surrogate.against is None else "difference"
    steps.append(WaterfallStep("local", f"local {what}", "the surrogate's", local, local))
    model = surrogate.model_prediction
    steps.append(WaterfallStep("gap", "gap", "not explained", local, model))
    steps.append(WaterfallStep("model", what, "the model's", model, model))
    return tuple(steps)


class TreeLine(NamedTuple):
    """A line of a tree, drawn as an outline: a condition that the line above does not have."""

    depth: int
    component: int | None
    """None for the only line of a tree that does not branch."""
    kept: bool
    leaf: Rule | None
    """Whose conditions end here."""


def outline(rules: Sequence[Rule]) -> Iterator[TreeLine]:
    """Yield the lines of a tree from its leaves, each with what it shares with the one before."""
    before: tuple[tuple[int, bool], ...] = ()
    for rule in rules:
        pairs = enumerate(zip(before, rule.conditions, strict=False))
        shared = next((n for n, (a, b) in pairs if a != b), min(len(before), len(rule.conditions)))
        before, last = rule.conditions, len(rule.conditions) - 1
        if last < 0:
            yield TreeLine(0, None, True, rule)
        for depth in range(max(0, min(shared, last)), last + 1):
            yield TreeLine(depth, *rule.conditions[depth], rule if depth == last else None)


TINY = 1e-9
"""Share of the largest number below which a difference is one of rounding."""


def _size(surrogate: Surrogate) -> float:
    numbers = [surrogate.intercept, surrogate.local_prediction, surrogate.model_prediction]
    return max(map(abs, [*numbers, *(one.weight for one in surrogate.weights)]), default=0.0)


def bounds(steps: Sequence[WaterfallStep]) -> tuple[float, float]:
    """Return the smallest and the largest value that is drawn, apart from each other."""
    ends = [end for one in steps for end in (one.start, one.end, *one.reach)] or [0.0]
    low, high = min(ends), max(ends)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def numbers_of(steps: Sequence[WaterfallStep]) -> list[str]:
    """Spell the number of each step: a level's value, or a change with its half width."""
    form = _form_of(steps)
    return [_spelled(one, form) for one in steps]


def _form_of(steps: Sequence[WaterfallStep]) -> Numbers:
    """Choose how all steps are written, so that a reader can add them up."""
    levels = [one.end for one in steps if one.kind in LEVELS]
    largest = max(map(abs, levels), default=0.0)
    halves = [one.interval.half_width for one in steps if one.interval is not None]
    changes = numbers_for((one.change for one in steps), errors=halves, scale=largest)
    return finer(changes, numbers_for(levels, 3 if largest < 1 else 4))


def _spelled(step: WaterfallStep, form: Numbers) -> str:
    if step.kind in LEVELS:
        return form.plain(step.end)
    said = form.signed(step.change)
    if step.interval is not None and step.interval.half_width > NOISE * abs(step.change):
        said += f" ±{form.least(step.interval.half_width)}"
    return said


def legend(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say how the bars are read, as far as there are such bars."""
    weights = surrogate.weights
    signs = {one.weight > 0 for one in weights if one.weight}
    what = "prediction" if surrogate.against is None else "difference"
    moves = {True: f"blue raises the {what}", False: "orange lowers it"}
    if signs == {False}:
        moves[False] = f"orange lowers the {what}"
    said = [", ".join(moves[sign] for sign in (True, False) if sign in signs)]
    said[0] += f", compared with the part masked ({masking_said(explanation)})" if signs else ""
    steps = waterfall(explanation, surrogate)
    marks = ["whiskers are 95% intervals"] if any(one.half_width for one in weights) else []
    dotted = any(not piece.certain for piece in shades(explanation, surrogate))
    words = " and dotted words" if dotted else ""
    if any(not one.certain for one in steps):
        marks.append(f"hatched bars{words} have no certain sign")
    said.append("; ".join(marks))
    said.append("" if _adds_up(steps) else "numbers are rounded")
    return " ".join(f"{one[0].upper()}{one[1:]}." for one in said if one)


def _adds_up(steps: Sequence[WaterfallStep]) -> bool:
    """Tell whether the numbers add up as they are written."""
    form, total = _form_of(steps), 0.0
    for one in steps:
        shown = form.read(one.end if one.kind in LEVELS else one.change)
        if one.kind in ("local", "model") and form.read(total - shown) != 0:
            return False
        total = shown if one.kind in LEVELS else total + shown
    return True


def labels(explanation: Explanation, weights: Sequence[Weight]) -> Iterator[tuple[str, str]]:
    """Yield what each weight's component is called, and what tells it from others so called."""
    components = [explanation.components[one.component] for one in weights]
    names = Counter(one.name for one in components)
    for one in components:
        name, bin_ = _without_bin(one)
        beside = beside_of(one, names[one.name] > 1)
        yield literal(name), literal(" ".join(filter(None, [bin_, beside])))


def beside_of(component: Component, repeated: bool = False) -> str:
    """Say what stands beside a component's name: its value, its place, how often it occurs."""
    match component.where:
        case Segment(box=(left, top, right, bottom)):
            return f"x {left}–{right}, y {top}–{bottom}"
        case Spans(spans) if len(spans) > 1:
            return f"×{len(spans)}"
        case Spans(spans) if repeated:
            return f"at character {spans[0][0] + 1:,}"
        case Column(column) if repeated and column not in component.name:
            return column
    return value_beside(component)


class Shaded(NamedTuple):
    """A piece of a text."""

    text: str
    weight: float
    """0 for what has none."""
    shade: float
    """In [-1, 1]: the sign, and how strong the colour is."""
    certain: bool


FAINTEST, STRONGEST = 0.14, 0.65
"""How strong the shade of a word is: that of a weight next to nothing, and that of the largest."""


def shades(explanation: Explanation, surrogate: Surrogate) -> Iterator[Shaded]:
    """Cut a text into pieces with their shades; nothing where no piece of it has a weight."""
    text = explanation.subject.facts.get("text")
    weights = {
        span: one
        for one in surrogate.weights
        for where in [explanation.components[one.component].where]
        if isinstance(where, Spans) and where.column is None and one.weight
        for span in where.spans
    }
    if not isinstance(text, str) or not weights:
        return
    largest = max(abs(one.weight) for one in weights.values())
    certain = {one.weight for one in weights.values() if one.certain}
    for piece, weight in marked(text, {span: one.weight for span, one in weights.items()}):
        strength = FAINTEST + (STRONGEST - FAINTEST) * abs(weight) / largest
        shade = 0.0 if not weight else strength if weight > 0 else -strength
        shown = "\n".join(map(literal, piece.split("\n")))
        yield Shaded(shown, weight, shade, not weight or weight in certain)


# -- sentences ------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """How numbers of a target are said: as percentages and points, or as they are."""

    percent: bool
    values: Numbers
    changes: Numbers

    def value(self, number: float) -> str:
        """Say a prediction inside a sentence: ``99.2%``, ``less than 0.1%``, ``152.1``."""
        return self.cell(number).replace(">", "more than ").replace("<", "less than ")

    def cell(self, number: float) -> str:
        """Say a prediction in a table: ``99.2%``, ``<0.1%``, ``152.1``."""
        if not self.percent:
            return self.values.plain(number)
        said = f"{number:.1%}"
        if said == "100.0%" and number < 1:
            return ">99.9%"
        return "<0.1%" if said == "0.0%" and number > 0 else said

    def change(self, number: float) -> str:
        """Say how far a prediction moves, without a sign: ``26.4 points``, ``0.264``."""
        if not self.percent:
            return self.changes.plain(abs(number))
        points = f"{100 * abs(number):.1f}"
        return f"{points} {'point' if points == '1.0' else 'points'}"


def unit_of(explanation: Explanation, surrogate: Surrogate) -> Unit:
    """Tell whether predictions are probabilities, which are said as percentages."""
    outputs = explanation.outputs
    probable = (
        explanation.model.task == "classification"
        and len(outputs) > 1
        and min(outputs) >= -1e-6
        and abs(sum(outputs) - 1) <= 1e-3
    )
    sums = (surrogate.model_prediction, surrogate.local_prediction, surrogate.intercept)
    weights = [one.weight for one in surrogate.weights]
    return Unit(probable, numbers_for(sums, 4), numbers_for(weights, scale=max(map(abs, sums))))


NAMED_UP, NAMED_DOWN = 3, 2
"""Weights that the sentence names at most, of either sign."""


def sentence(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say in words what the model predicts, what moves it most, and how far to trust that."""
    said = [prediction_said(explanation, surrogate), *_moves(explanation, surrogate)]
    return " ".join([*said, trust_said(explanation, surrogate)])


def prediction_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say what the model predicts for the target."""
    unit, name = unit_of(explanation, surrogate), in_order(literal(surrogate.name))
    number = unit.value(surrogate.model_prediction)
    if surrogate.against is not None and explanation.outputs:
        names, outputs = explanation.model.targets, explanation.outputs
        pair = [
            f"the class “{in_order(literal(names[i]))}” {unit.value(outputs[i])}"
            for i in (surrogate.target, surrogate.against)
        ]
        apart = unit.change(surrogate.model_prediction)
        sign = MINUS if surrogate.model_prediction < 0 else ""
        return f"The model gives {' and '.join(pair)}, a difference of {sign}{apart}."
    if explanation.model.task == "classification":
        return f"The model gives the class “{name}” {number}."
    only = len(explanation.model.targets) == 1
    return f"The model predicts {number}." if only else f"The model predicts {number} for “{name}”."


def _moves(explanation: Explanation, surrogate: Surrogate) -> Iterator[str]:
    """Name the largest weights whose sign is certain."""
    if surrogate.rules:
        yield _rule_said(explanation, surrogate)
        return
    if not surrogate.weights:
        yield "No part has a weight."
        return
    certain = [one for one in surrogate.weights if one.weight != 0 and one.certain]
    if not certain:
        yield "No part certainly raises or lowers it: every interval contains 0."
        return
    named = [
        (sign, phrase)
        for sign, verb, most in ((1, "raises", NAMED_UP), (-1, "lowers", NAMED_DOWN))
        if (phrase := _moved(explanation, surrogate, verb, sign, certain, most))
    ]
    named.sort(key=lambda one: one[0] * certain[0].weight < 0)  # what moves it most goes first
    first, *rest = (phrase for _, phrase in named)
    yield f"{_contrast(explanation)}, {'; '.join([f'{first} on average', *rest])}."


def _contrast(explanation: Explanation) -> str:
    """Begin the sentence that names weights: what the parts are compared with."""
    facts, modality = explanation.subject.facts, explanation.subject.modality
    columns = all(isinstance(one.where, Column) for one in explanation.components)
    if modality == "tabular" and columns:
        rows = explanation.settings.kernel == "shapley"
        drawn = "values drawn again" if explanation.settings.like_lime else "other values"
        return f"Compared with {'other rows' if rows else drawn}"
    if modality == "text" and facts.get("mask") is None:
        return "Kept rather than removed"
    if modality == "image":
        return f"Kept rather than filled with {_fill_said(explanation)}"
    return "Kept rather than masked"


def _moved(
    explanation: Explanation,
    surrogate: Surrogate,
    verb: str,
    sign: int,
    certain: Sequence[Weight],
    most: int,
) -> str:
    some = [one for one in certain if one.weight * sign > 0][:most]
    if not some:
        return ""
    unit = unit_of(explanation, surrogate)
    names = [_quoted(explanation.components[one.component]) for one in some]
    first = f"{names[0]} {verb} it by {unit.change(some[0].weight)}"
    rest = [
        f"{name} by {unit.change(one.weight).partition(' ')[0]}"
        for name, one in zip(names[1:], some[1:], strict=True)
    ]
    return " and ".join(filter(None, [", ".join([first, *rest[:-1]]), *rest[-1:]]))


def _quoted(component: Component) -> str:
    """Name a component inside a sentence: words in quotes, columns without their bins."""
    name, _ = _without_bin(component)
    where = component.where
    if isinstance(where, Column) and component.name.startswith(f"{where.column}: "):
        name = f"the group {name}"
    if isinstance(where, Column) and component.value is None:
        name = name.replace(f"{where.column} is missing", f"a missing {where.column}")
    said = in_order(literal(name))
    return f"“{said}”" if isinstance(component.where, Spans) else said


def _without_bin(component: Component) -> tuple[str, str]:
    """Split the name of a number's component: ``age = 43``, ``(34.25 to 49]``.

    And of a group of columns: ``address``, ``street = A, city = B``.
    """
    name = component.name
    match component.where:
        case Column(column) if name.startswith(f"{column}: "):
            return column, name.removeprefix(f"{column}: ")
        case Column(_, condition) if condition and condition != name and name[-1] in ")]":
            head, mark, bin_ = name.rpartition(" (")
            return (head, f"({bin_}") if mark else (name, "")
    return name, ""


def _rule_said(explanation: Explanation, surrogate: Surrogate) -> str:
    rule, unit = surrogate.rules[0], unit_of(explanation, surrogate)
    kept = [_quoted(explanation.components[j]) for j, stays in rule.conditions if stays]
    value = unit.value(rule.value)
    if not kept:
        return f"The tree gives {value} whatever is masked."
    return f"The tree gives {value} if {listed(kept)} {_are(kept)} kept."


def listed(names: Sequence[str]) -> str:
    """Join names: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def trust_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say how much of the effect of masking the surrogate explains."""
    what = explaining_said(explanation, surrogate)
    if surrogate.fidelity is None:
        return "How much masking parts decides could not be told from chance."
    share = f"{max(0.0, surrogate.fidelity):.0%}"
    said = f"The {what} {share} of the effect of masking parts"
    return f"{said} ({verdict_said(explanation, surrogate)})."


NAMED_WARNINGS = {
    "unresolved_top": "not converged",
    "background_is_input": "no separate background",
    "saturated": "prediction almost certain",
    "flat_response": "masking has no effect",
}
"""What a picture calls a warning whose code says less; the others are called by their codes."""

GRAVEST = ("low_fidelity", "large_gap", "unresolved_top", "few_effective_samples")
"""Warnings that a picture names first."""


def caution_said(explanation: Explanation) -> str:
    """Say in a line of a picture what there are warnings about; nothing without any."""
    found = list(dict.fromkeys(warning.code for warning in explanation.warnings))
    codes = [code for code in GRAVEST if code in found]
    codes += [code for code in found if code not in codes]
    if not codes:
        return ""
    said = ", ".join(NAMED_WARNINGS.get(code, code.replace("_", " ")) for code in codes)
    return f"{'Warning' if len(codes) == 1 else 'Warnings'}: {said}"


def samples_said(explanation: Explanation) -> str:
    """Say how many samples there are, and what they are worth."""
    n, worth = f"{explanation.samples:,}", f"{explanation.effective_samples:,.0f}"
    if explanation.stop == "exhaustive":
        return f"{n}, all there are: no sampling error"
    return f"{n}, effective sample size {worth}"


def base_said(explanation: Explanation) -> str:
    """Say what the intercept is the prediction for."""
    if explanation.settings.kernel == "shapley":
        return "average over the background"
    return "all parts masked"


# -- what a reader asks ---------------------------------------------------------------------------


def prediction_of(explanation: Explanation, surrogate: Surrogate) -> str:
    """Name what is predicted, for the middle of a sentence: the target, where there are several."""
    if explanation.model.task != "classification" and len(explanation.model.targets) < 2:
        return "the prediction"
    if surrogate.against is not None:
        return f"the difference between {listed(pair_of(explanation, surrogate))}"
    return f"the prediction for “{in_order(literal(surrogate.name))}”"


def pair_of(explanation: Explanation, surrogate: Surrogate) -> list[str]:
    """Quote the one target, or the two whose difference is explained."""
    names, others = explanation.model.targets, (surrogate.target, surrogate.against)
    if surrogate.against is None:
        return [f"“{in_order(literal(surrogate.name))}”"]
    return [f"“{in_order(literal(names[i]))}”" for i in others if i is not None]


def comparison_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say what a weight compares the instance with."""
    settings, what = explanation.settings, prediction_of(explanation, surrogate)
    if surrogate.rules:
        return (
            f"Each line gives {what} if parts are kept or masked as the line says, and how often "
            f"samples near the {thing_of(explanation)} are like that. When a part is masked, "
            f"{masking_said(explanation)}."
        )
    if not surrogate.weights:
        return f"No part has a weight. When a part is masked, {masking_said(explanation)}."
    if settings.kernel == "shapley":
        return (
            f"Each weight is a Shapley value: what the part adds to {what} when it is kept after "
            f"others, on average over all orders. While a part is masked, "
            f"{masking_said(explanation)}."
        )
    return (
        f"Each weight says how much higher {what} is when the part is kept than when it is masked, "
        f"on average over samples near the {thing_of(explanation)}, in which other parts are "
        f"masked too. When a part is masked, {masking_said(explanation)}."
    )


def meaning_said(explanation: Explanation) -> str:
    """Say in one line what a weight compares, and what the intercept is the prediction for."""
    if explanation.settings.kernel == "shapley":
        said = "what a part adds on average over all orders in which parts are kept"
    else:
        said = (
            f"how much a part adds when it is kept and not masked; masked: "
            f"{masking_said(explanation)}"
        )
    return f"{said}; intercept: {base_said(explanation)}"


def thing_of(explanation: Explanation) -> str:
    """Name the kind of instance."""
    return {"tabular": "row", "text": "text", "image": "image"}.get(
        explanation.subject.modality, "instance"
    )


def masking_said(explanation: Explanation) -> str:
    """Say what becomes of a part that is masked."""
    facts, modality = explanation.subject.facts, explanation.subject.modality
    background = facts.get("background")
    if modality == "tabular" and isinstance(background, dict):
        source = source_said(str(background.get("source", "the background")))
        if explanation.settings.kernel == "shapley":
            return f"its value, like those of all masked parts, is that of another row of {source}"
        if explanation.settings.like_lime:
            return f"its value is drawn again from {source}, and can be the same one"
        if background.get("bins") == "none":
            return f"its value is replaced by another one from {source}, drawn by frequency"
        said = f"its value is replaced by one from {source} that is outside its bin or category"
        words = any(isinstance(one.where, Spans) for one in explanation.components)
        return f"{said}, and a word is removed" if words else said
    if modality == "text":
        mask = facts.get("mask")
        return "it is removed" if mask is None else f"it is replaced by {literal(mask)}"
    if modality == "image":
        return f"it is filled with {_fill_said(explanation)}"
    return "its value is replaced"


def _fill_said(explanation: Explanation) -> str:
    fill = str(explanation.subject.facts.get("fill"))
    return {"mean": "its mean colour", "blur": "a blurred copy"}.get(fill, literal(fill))


def sum_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say that the parts add up: intercept, weights and others, then the gap."""
    numbers = (surrogate.model_prediction, surrogate.local_prediction, surrogate.intercept)
    form = numbers_for(numbers, 3 if max(map(abs, numbers)) < 1 else 4)
    if surrogate.rules:
        return (
            f"The tree gives {form.plain(surrogate.local_prediction)} for the "
            f"{thing_of(explanation)}, the model {form.plain(surrogate.model_prediction)}: a gap "
            f"of {form.signed(surrogate.gap)}."
        )
    shown = sum(one.weight for one in surrogate.weights)
    rest = surrogate.local_prediction - surrogate.intercept - shown
    rest = 0.0 if abs(rest) <= TINY * _size(surrogate) else rest
    closed, rounded = closing(
        form,
        (
            ((surrogate.intercept, shown, rest), surrogate.local_prediction),
            ((surrogate.local_prediction, surrogate.gap), surrogate.model_prediction),
        ),
    )
    weights = f" {closed.term(shown)} (weights shown)" if surrogate.weights else ""
    others = f" {closed.term(rest)} (others)" if rest else ""
    what = "prediction" if surrogate.against is None else "difference"
    return (
        f"{closed.plain(surrogate.intercept)} ({base_said(explanation)}){weights}{others} = "
        f"{closed.plain(surrogate.local_prediction)}, the local {what}; "
        f"{closed.term(surrogate.gap)} (gap) = {closed.plain(surrogate.model_prediction)}, "
        f"the model's{', all numbers rounded' * rounded}.{_beyond(explanation, surrogate)}"
    )


def _beyond(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say why an intercept may be less than 0 or more than 1, where a probability may not."""
    percent = unit_of(explanation, surrogate).percent and surrogate.against is None
    if not percent or 0 <= surrogate.intercept <= 1:
        return ""
    return (
        " The intercept is not a probability. It extrapolates the weights, which are fitted near "
        f"the {thing_of(explanation)}, to the case that all parts are masked."
    )


def certainty_said(explanation: Explanation, surrogate: Surrogate) -> Iterator[str]:
    """Say how far the samples leave the weights open, and where the surrogate fits."""
    open_ = sum(not one.certain for one in surrogate.weights)
    if surrogate.weights:
        every = "every weight" if len(surrogate.weights) > 1 else "the weight"
        said = f"The sign of {every} is certain (95% intervals)"
        if open_:
            has, is_ = ("has", "is") if open_ == 1 else ("have", "are")
            said = (
                f"{open_} of {len(surrogate.weights)} weights {has} no certain sign and {is_} "
                "hatched"
            )
        if any(one.half_width for one in surrogate.weights):
            yield f"{said}; the whiskers show the sampling error."
    yield trust_said(explanation, surrogate)
    n, worth = f"{explanation.samples:,}", f"{explanation.effective_samples:,.0f}"
    if explanation.stop == "exhaustive":
        yield (
            f"The {n} samples are all there are: every combination of kept parts and replacements. "
            "So there is no sampling error."
        )
    elif n == worth:
        yield f"The explanation rests on {n} samples, which all count the same."
    else:
        yield (
            f"The explanation rests on {n} samples. Samples nearer to the {thing_of(explanation)} "
            f"count more, so together they are worth {worth} equally weighted ones (the effective "
            "sample size)."
        )


def nearest_said(explanation: Explanation) -> str:
    """Say the smallest change that was found to change the predicted class; nothing without one."""
    found = _few_changes(explanation)
    return _change_said(explanation, explanation.surrogates[0], found[0]) if found else ""


def changes_said(explanation: Explanation, surrogate: Surrogate) -> Iterator[str]:
    """Say what would change the answer, as far as the samples know it."""
    found = _few_changes(explanation)
    if explanation.counterfactuals is None:
        if not surrogate.rules and surrogate.weights and surrogate.weights[0].certain:
            first = surrogate.weights[0]
            name = _quoted(explanation.components[first.component])
            way = "lowers" if first.weight > 0 else "raises"
            number = unit_of(explanation, surrogate).change(first.weight)
            yield (
                f"The part that matters most is {name}: masking it {way} the prediction by "
                f"{number} on average."
            )
        return
    if not found:
        yield (
            f"Of the {explanation.samples:,} samples, none with at most {MOST_CHANGES} changes is "
            "predicted as another class."
        )
        return
    yield from (_change_said(explanation, surrogate, one) for one in found)
    among = f"among the {explanation.samples:,} samples, each predicted by the model"
    if len(found) > 1:
        yield f"These are the smallest changes {among}."
    elif len(found[0].replaced) > 1:
        yield f"No smaller change was found {among}."


MOST_CHANGES = 5
"""Parts of a change that is told, at most: a record may hold one of more, which helps no reader."""


def _few_changes(explanation: Explanation) -> list[Counterfactual]:
    return [one for one in explanation.counterfactuals or () if len(one.replaced) <= MOST_CHANGES]


def _change_said(explanation: Explanation, surrogate: Surrogate, one: Counterfactual) -> str:
    value = unit_of(explanation, surrogate).value(one.prediction)
    many = "this change" if len(one.replaced) == 1 else f"these {len(one.replaced)} changes"
    said = listed([_replaced_said(explanation, part) for part in one.replaced])
    return f"With {many} the model predicts “{in_order(literal(one.name))}”, {value}: {said}."


def members_of(explanation: Explanation, name: str) -> Sequence[str]:
    """Return the columns of a group of that name, else the column of that name itself."""
    background = explanation.subject.facts.get("background")
    groups = background.get("groups") if isinstance(background, dict) else None
    found = groups.get(name) if isinstance(groups, dict) else None
    return found if isinstance(found, list) else [name]


def _replaced_said(explanation: Explanation, part: Replaced) -> str:
    component = explanation.components[part.component]
    match component.where:
        case Spans():
            return f"without {_quoted(component)}"
        case Segment():
            return f"without {literal(component.name)}"
        case Column(column, _):
            now = "missing" if component.value is None else shown_value(component.value)
            then = "is missing" if part.value is None else f"= {shown_value(part.value)}"
            parts = (in_order(literal(one)) for one in (column, then, now))
            return "{} {} instead of {}".format(*parts)


def shown_value(value: str | float | int | bool) -> str:
    """Write a value as a person would."""
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"


TYPED = re.compile(r"--(?:radius [0-9.]+|surrogate tree|bins (?:none|decile|entropy)|group auto)")
"""Options with a value that a warning names as a remedy."""


def remedies(explanation: Explanation) -> Iterator[str]:
    """Yield command lines that try what warnings name, where the command is known."""
    if not explanation.made_by:
        return
    named = [
        option for warning in explanation.warnings for option in TYPED.findall(warning.message)
    ]
    if any(warning.code == "large_gap" for warning in explanation.warnings):
        named += filter(None, map(_nearer, explanation.surrogates))
    for one in dict.fromkeys(named):
        if one.partition(" ")[0] not in explanation.made_by:
            yield f"{explanation.made_by} {one}"


def _nearer(surrogate: Surrogate) -> str:
    """Name the smaller radius of the smallest gap among those that were compared; "" for none."""
    gaps = {
        one.radius: abs(one.gap)
        for one in surrogate.by_radius
        if one.gap is not None and one.radius < (surrogate.radius or 0.0)
    }
    radius = min(gaps, key=gaps.__getitem__, default=0.0)
    closer = radius and gaps[radius] < abs(surrogate.gap)
    return f"--radius {radius:g}" if closer else ""
