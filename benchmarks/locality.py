"""How local, faithful and honest explanations are, beside marcotcr/lime and shap.

    python -m benchmarks.locality
    python -m benchmarks.locality --only switch,unused --rows 40 --seeds 8
    python -m benchmarks.locality --quick
    python -m benchmarks.locality --network ../shared/data/squeezenet_fp16.onnx --only images

Prints a markdown table for each section, with the bound to be met. All explainers make the same
number of model calls (--samples). shap's KernelExplainer is given 10 rows of the background and a
tenth of the coalitions; its columns are left out where shap is not installed. limex is run
in this process, by ``explain_rows`` alone.

Weights are those of all columns. The ceiling is what the true weights of the smallest radius that
limex compares would get. "Fidelity" is measured from outside, by masks that are asked twice: in
the neighbourhood of the radius that limex names, or where it names none in lime's, as for lime.
The gap is the model's answer less the surrogate's, over the range of the model's answers to the
background.
"""

from __future__ import annotations

import argparse
import itertools
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks import problems_local as local
from benchmarks.problems_local import Effects, Predict, Problem
from lime_cli import engine
from lime_cli.engine.masks import every_mask
from lime_cli.engine.model import Identity
from lime_cli.engine.neighbourhood import ladder
from lime_cli.formats import Look
from lime_cli.images.modality import ImageModality
from lime_cli.models.model_file import ModelFile
from lime_cli.running.batch import Run, in_memory
from lime_cli.running.executor import Workers
from lime_cli.running.job import Failed, Job
from lime_cli.settings import Settings
from lime_cli.tabular.modality import TabularModality
from lime_cli.texts.modality import TextModality

try:
    import shap
except ImportError:
    shap = None

SHAP_ROWS = 10
LARGE = 131_072
"""Samples of the run that stands for the truth where limex names no radius."""


# Asking limex. Everything that depends on its records is in this part.


@dataclass(frozen=True, eq=False)
class Found:
    """An explanation, by component; of what is not shown weights are 0 and bounds NaN."""

    weights: np.ndarray
    low: np.ndarray
    high: np.ndarray
    errors: np.ndarray
    """Standard errors."""
    intercept: float
    intercept_error: float
    prediction: float
    gap: float
    fidelity: float
    """As the explainer itself has it."""
    radius: float
    """NaN where it has none."""
    width: float
    samples: int
    stop: str

    @property
    def shown(self) -> np.ndarray:
        """Which components are named."""
        return ~np.isnan(self.low)

    @property
    def certain(self) -> np.ndarray:
        """Of which the interval excludes zero."""
        return (self.low > 0) | (self.high < 0)


def answering(inputs: Any) -> np.ndarray:
    """Answer as the model being explained does: ``py:benchmarks.locality:answering``."""
    return _ASKED[-1](inputs)


_ASKED: list[Callable[[Any], np.ndarray]] = []


def explain_rows(
    predict: Callable[[Any], np.ndarray],
    background: pd.DataFrame,
    rows: pd.DataFrame,
    n: int | None,
    seed: int,
    features: int | None = None,
    **choices: Any,
) -> list[Found]:
    """Explain rows by limex; n None: until it is settled; features None: all columns.

    ``predict`` is given an array where all columns are numbers, else a data frame. Columns are
    called c0, c1, ... ``choices`` are settings besides: radius, kernel.
    """
    numeric = all(kind.kind in "if" for kind in background.dtypes)
    model = _model("array" if numeric else "frame")
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "background.csv"), Path(folder, "rows.csv")
        background.to_csv(paths[0], index=False)
        rows.to_csv(paths[1], index=False)
        modality = TabularModality(str(paths[1]), background=str(paths[0]))
        settings = _settings(modality, n, seed, features or background.shape[1], **choices)
        return _explained(predict, model, modality, settings, background.shape[1])


def explain_text(
    predict: Callable[[Any], np.ndarray],
    text: str,
    n: int | None,
    seed: int,
    features: int | None = None,
    **choices: Any,
) -> Found:
    """Explain a text by limex, by all its words unless ``features`` are given."""
    modality = TextModality(text=text)
    settings = _settings(modality, n, seed, features or 500, **choices)
    return _explained(predict, _model("auto"), modality, settings)[0]


def explain_image(model: ModelFile, path: str, n: int, seed: int, **choices: Any) -> Found:
    """Explain the most probable class of an image by limex."""
    modality = ImageModality((path,), **choices)
    return _explained(None, model, modality, _settings(modality, n, seed, 500))[0]


def _model(form: str) -> ModelFile:
    return ModelFile("py:benchmarks.locality:answering", input_form=form)


def _settings(modality: Any, n: int | None, seed: int, features: int, **choices: Any) -> Settings:
    samples, most = n or modality.default_samples, None if n else modality.max_samples
    return Settings(samples=samples, max_samples=most, seed=seed, features=features, **choices)


def _explained(
    predict: Callable[[Any], np.ndarray] | None,
    model: ModelFile,
    modality: Any,
    settings: Settings,
    d: int | None = None,
) -> list[Found]:
    from benchmarks import locality  # not this module, where it runs as a script

    if predict is not None:
        locality._ASKED[:] = [predict]
    found = []
    job = Job(model, modality, settings, ())
    for one in in_memory(Run(job, modality.sources, Workers(), Look(), keeps=True)):
        if isinstance(one, Failed):
            raise one.error
        found.append(_read(one.explanation, d))
    return found


def _read(explanation: Any, d: int | None) -> Found:
    surrogate = explanation.surrogates[0]
    size = d or len(explanation.components)
    weights, (low, high, errors) = np.zeros(size), np.full((3, size), np.nan)
    for one in surrogate.weights:
        component = explanation.components[one.component]
        place = one.component if d is None else int(component.where.column[1:])
        weights[place] = one.weight
        errors[place] = np.nan if one.std_error is None else one.std_error
        low[place], high[place] = one.interval or (one.weight, one.weight)
    return Found(
        weights=weights,
        low=low,
        high=high,
        errors=errors,
        intercept=surrogate.intercept,
        intercept_error=_number(getattr(surrogate, "intercept_error", None)),
        prediction=surrogate.model_prediction,
        gap=abs(surrogate.gap),
        fidelity=_number(surrogate.fidelity),
        radius=_number(getattr(surrogate, "radius", getattr(explanation, "radius", None))),
        width=_number(getattr(explanation, "kernel_width", None)),
        samples=explanation.samples,
        stop=explanation.stop,
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


# Asking the others.

Explainer = Callable[[Problem, int, int], list[Found]]
"""From a problem, a number of model calls and a seed to an explanation of every row."""


def by_limex(problem: Problem, n: int | None, seed: int, **choices: Any) -> list[Found]:
    """Explain the rows of a problem by limex."""
    return explain_rows(
        lambda inputs: problem.predict(problem.numbers(inputs)),
        problem.frame(problem.background),
        problem.frame(problem.rows),
        n,
        seed,
        **choices,
    )


def by_lime(problem: Problem, n: int, seed: int) -> list[Found]:
    """Explain the rows of a problem by marcotcr/lime."""
    from lime.lime_tabular import LimeTabularExplainer

    explainer = LimeTabularExplainer(
        problem.background,
        mode="regression",
        categorical_features=list(problem.levels),
        random_state=seed,
    )
    found = []
    for x in problem.rows:
        one = explainer.explain_instance(x, problem.predict, num_features=problem.d, num_samples=n)
        weights = np.zeros(problem.d)
        for place, weight in one.local_exp[1]:
            weights[place] = weight
        prediction = float(one.predicted_value)
        gap = abs(prediction - float(np.ravel(one.local_pred)[0]))
        width = 0.75 * np.sqrt(problem.d)
        found.append(_plain(weights, one.intercept[1], prediction, gap, one.score, width, n))
    return found


def by_shap(problem: Problem, n: int, seed: int) -> list[Found]:
    """Explain the rows of a problem by shap's KernelExplainer."""
    rng = np.random.default_rng(seed)
    some = rng.choice(len(problem.background), SHAP_ROWS, replace=False)
    explainer = shap.KernelExplainer(problem.predict, problem.background[some])
    state = np.random.get_state()
    np.random.seed(seed)
    values = explainer.shap_values(problem.rows, nsamples=n // SHAP_ROWS, silent=True)
    np.random.set_state(state)
    base, predictions = float(explainer.expected_value), problem.predict(problem.rows)
    return [
        _plain(v, base, a, abs(a - base - v.sum()), np.nan, np.nan, n)
        for v, a in zip(values, predictions, strict=True)
    ]


def _plain(
    weights: np.ndarray,
    intercept: float,
    prediction: float,
    gap: float,
    fidelity: float,
    width: float,
    n: int,
) -> Found:
    none = np.full(len(weights), np.nan)
    rest = (float(prediction), gap, fidelity, np.nan, width, n, "samples")
    return Found(weights, none, none, none, float(intercept), np.nan, *rest)


def by_truth(problem: Problem, n: int, seed: int) -> list[Found]:
    """Give the rows of a problem the true weights of the radius that limex chooses."""
    found = []
    for x, one in zip(problem.rows, by_limex(problem, n, seed), strict=True):
        found.append(replace(one, weights=Effects(problem, x).weights(one.radius, draws=1024)))
    return found


def peers() -> dict[str, Explainer]:
    """Return the explainers beside limex, by name."""
    return {"lime": by_lime} | ({"shap": by_shap} if shap else {})


# The sections.


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rows: int
    seeds: int
    samples: int
    peer_seeds: int
    quick: bool
    network: Path

    @property
    def few(self) -> int:
        """Rows of what is slow."""
        return max(2, self.rows // 10)

    @property
    def some(self) -> int:
        """Rows of real data."""
        return max(3, min(12, self.rows) if self.quick else max(12, self.rows * 3 // 10))


def switch(size: Size) -> None:
    """Print where the weight goes, for functions of which that is known."""
    explainers: dict[str, Explainer] = {"limex": by_limex, **peers()}
    tables: dict[str, list[list[str]]] = {"used": [], "family": []}
    for problem in local.planted(size.rows):
        rho = ladder(problem.d)[-1]
        truth = [Effects(problem, x).weights(rho) for x in problem.rows]
        got = {"ceiling": _shares(problem, truth)}
        for name, explainer in explainers.items():
            seeds = range(size.seeds if name == "limex" else size.peer_seeds)
            runs = [explainer(problem, size.samples, seed) for seed in seeds]
            shares = [_shares(problem, [one.weights for one in run]) for run in runs]
            got[name] = tuple(np.mean([one[part] for one in shares]) for part in (0, 1))
        for part, measure in enumerate(tables):
            top = got["ceiling"][part]
            if np.isnan(top):
                continue
            least = _least(problem.name, measure, top)
            rest = [f"{got[name][part]:.2f}" for name in got if name != "limex"]
            ours = got["limex"][part]
            verdict = "yes" if ours >= least else "no"
            tables[measure].append([problem.name, f"{ours:.3f}", f"{least:.2f}", verdict, *rest])
    names = ["ceiling", *peers()]
    title = f"Planted functions, {size.rows} rows, {size.seeds} seeds, {size.samples:,} calls"
    head = ["function", "limex", "must", "met", *names]
    show(f"{title}: weight on what the row uses over all", head, tables["used"])
    show(f"{title}: over the family of alternatives", head, tables["family"])


def _shares(problem: Problem, weights: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the mean share of weight on what rows use, of all and of the family."""
    used, family = [], []
    for own, row_used, credited in zip(
        weights, problem.used, problem.credited or ((),) * len(weights), strict=True
    ):
        size = np.abs(own)
        used.append(size[list(row_used)].sum() / max(size.sum(), 1e-300))
        if credited:
            among = size[list(problem.family)].sum()
            family.append(size[list(credited)].sum() / max(among, 1e-300))
    return float(np.mean(used)), float(np.mean(family)) if family else np.nan


def _least(name: str, measure: str, ceiling: float) -> float:
    fixed = {("xor", "used"): 0.9, ("heavy tails", "used"): 0.85}
    return fixed.get((name, measure), 0.95 * ceiling)


def unused(size: Size) -> None:
    """Print how often a column that is never read gets a certain sign."""
    lines = []
    for d in (12, 40, 200):
        problem = local.unread(d, max(3, size.rows // 2))
        ignored = np.ones(d, bool)
        ignored[list(problem.reads)] = False
        for n in (size.samples,) if size.quick else (1024, size.samples, None):
            for features in (10, d):
                cases, certain, named, calls = 0, 0, [], []
                for seed in range(size.seeds):
                    for one in by_limex(problem, n, seed, features=features):
                        wrong = one.certain & ignored
                        cases += int((one.shown & ignored).sum())
                        certain += int(wrong.sum())
                        named.append(wrong.any())
                        calls.append(one.samples)
                share = certain / max(cases, 1)
                lines.append(
                    [
                        str(d),
                        f"{n:,}" if n else f"auto ({np.mean(calls):,.0f})",
                        "10" if features == 10 else "all",
                        f"{share:.3f}",
                        "0.05",
                        "yes" if share <= 0.05 else "no",
                        str(cases),
                        f"{np.mean(named):.2f}",
                    ]
                )
    head = ["columns", "samples", "shown", "certain", "must", "met", "cases", "any in a row"]
    show("Columns never read: share of those shown whose interval excludes 0", head, lines)


def tables(size: Size) -> None:
    """Print fidelity and gap on real data."""
    explainers: dict[str, Explainer] = {"limex": by_limex, **peers()}
    found: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    names = (local.TABLES[:2], local.MODELS[:3]) if size.quick else (local.TABLES, local.MODELS)
    for problem in local.real(size.some, *names):
        effects = [Effects(problem, x) for x in problem.rows]
        for name, explainer in explainers.items():
            for one, near in zip(explainer(problem, size.samples, 0), effects, strict=True):
                outside = np.nan
                if name != "shap":
                    outside = near.fidelity(one.intercept, one.weights, one.radius, one.width)
                row = (outside, one.fidelity, one.gap / problem.range, one.radius)
                found.setdefault((problem.name, name), []).append(row)
    lines = []
    pairs = list(dict.fromkeys(pair for pair, _ in found))
    for pair in [*pairs, "all"]:
        rows = {
            name: np.array(
                [one for key, some in found.items() if key[1] == name for one in some]
                if pair == "all"
                else found[pair, name]
            )
            for name in explainers
        }
        middle = {name: np.nanmedian(values, axis=0) for name, values in rows.items()}
        ours = middle["limex"]
        line = [pair, *(f"{value:.3f}" for value in ours)]
        line.append("yes" if ours[1] >= 0.85 and ours[2] <= 0.03 else "no")
        line += [f"{middle['lime'][part]:.2f}" for part in (0, 1, 2)]
        lines.append(line)
    head = ["data, model", "fidelity", "as printed", "gap", "radius", "met"]
    head += ["lime: fidelity", "lime: as printed", "lime: gap"]
    must = "must: fidelity as printed >= 0.85, gap <= 0.03 (shap: gap 0 by construction)"
    show(f"Real tables, medians of {size.some} rows, {size.samples:,} calls; {must}", head, lines)


def saturation(size: Size) -> None:
    """Print the gap where a model is certain of nearly everything."""
    lines = []
    for d in (20, 60) if size.quick else (20, 60, 200):
        for problem in local.steep(d, size.some):
            found = by_limex(problem, size.samples, 0)
            theirs = by_lime(problem, size.samples, 0)
            ours = [one.gap / problem.range for one in found]
            gap = median(ours)
            line = [f"{problem.name}, {d}", f"{gap:.3f}", f"{max(ours):.3f}", "0.06"]
            line += ["yes" if gap <= 0.06 else "no", f"{median(one.radius for one in found):.2f}"]
            line += [f"{median(one.fidelity for one in found):.2f}"]
            lines.append([*line, f"{median(one.gap / problem.range for one in theirs):.3f}"])
    head = ["model, columns", "gap", "largest", "must", "met", "radius", "fidelity", "lime: gap"]
    show(f"Saturating models, medians of {size.some} rows, {size.samples:,} calls", head, lines)


def pair(size: Size) -> None:
    """Print how far two rows of the same bins and different answers are told apart."""
    lines = []
    for d in (6, 12):
        problem = local.same_bins(d)
        for name, explainer in {"limex": by_limex, **peers()}.items():
            a, b = explainer(problem, size.samples, 0)
            cosine = a.weights @ b.weights
            cosine /= max(np.linalg.norm(a.weights) * np.linalg.norm(b.weights), 1e-300)
            errors = a.intercept_error, b.intercept_error  # NaN where they are not known
            apart = abs(a.intercept - b.intercept)
            met = cosine < 0.95 or bool(apart > 1.96 * np.hypot(*errors) + 1e-9)
            lines.append(
                [
                    f"{name}, {d} columns",
                    f"{a.prediction:.2f} {b.prediction:.2f}",
                    f"{cosine:.3f}",
                    *(f"{one.intercept:.3f} +-{one.intercept_error:.3f}" for one in (a, b)),
                    *(f"{one.weights[0]:+.3f}" for one in (a, b)),
                    "yes" if met else "no",
                ]
            )
    head = ["explainer", "answers", "cosine", "intercept", "intercept", "weight", "weight", "met"]
    show("Two rows of the same bins; must: cosine < 0.95 or intercepts apart", head, lines)


def texts(size: Size) -> None:
    """Print fidelity and gap on the sample reviews."""
    from lime.lime_text import LimeTextExplainer

    lines, every, n = [], [], 512
    models, words = review_models()
    some = words[:: max(1, len(words) // (3 if size.quick else size.some))]
    for name, fitted in models.items():
        ours, theirs = [], []
        for text in some:
            k = int(fitted.predict_proba([text])[0].argmax())
            one = explain_text(lambda many, f=fitted, k=k: f.predict_proba(many)[:, k], text, n, 0)
            ours.append((one.fidelity, one.gap, one.radius))
            explainer = LimeTextExplainer(random_state=0)
            other = explainer.explain_instance(
                text, fitted.predict_proba, labels=(k,), num_features=200, num_samples=n
            )
            gap = abs(fitted.predict_proba([text])[0, k] - float(np.ravel(other.local_pred)[0]))
            theirs.append((other.score, gap))
        every += ours
        lines.append([name, *_text_cells(ours), *(f"{v:.3f}" for v in np.median(theirs, axis=0))])
    lines.append(["all", *_text_cells(every), "", ""])
    head = ["model", "fidelity", "gap", "radius", "must", "met", "lime: R2", "lime: gap"]
    show(f"Texts, medians of {len(some)} reviews, {n} calls", head, lines)


def _text_cells(rows: list[tuple[float, float, float]]) -> list[str]:
    fidelity, gap, radius = np.nanmedian(np.array(rows), axis=0)
    met = "yes" if fidelity >= 0.9 and gap <= 0.03 else "no"
    return [f"{fidelity:.3f}", f"{gap:.3f}", f"{radius:.2f}", "0.9 0.03", met]


def review_models() -> tuple[dict[str, Any], list[str]]:
    """Return pipelines fitted to the sample reviews, and the reviews."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline

    table = pd.read_csv(local.ROOT / "sample_data" / "reviews.csv")
    kinds = {
        "logistic": (TfidfVectorizer(), LogisticRegression(C=10.0)),
        "bigrams": (TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10.0)),
        "forest": (TfidfVectorizer(), RandomForestClassifier(60, random_state=0)),
        "MLP": (TfidfVectorizer(), MLPClassifier((32,), max_iter=200, random_state=0)),
    }
    fitted = {
        name: make_pipeline(*kind).fit(table.text, table.label) for name, kind in kinds.items()
    }
    return fitted, table.text.tolist()


def images(size: Size) -> None:
    """Print fidelity and gap on four photographs."""
    import skimage.data

    if not size.network.is_file():
        print(f"\nImages: left out, for there is no {size.network}")
        return
    folder = Path(skimage.data.__file__).parent
    files = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png")
    found = [folder / one for one in files if (folder / one).is_file()]
    lines = []
    model = ModelFile(str(size.network), threads=1)
    for path in found[:1] if size.quick else found:
        one = explain_image(model, str(path), 128 if size.quick else 512, 0, preprocess="caffe")
        met = "yes" if one.fidelity >= 0.75 and one.gap <= 0.08 else "no"
        cells = [f"{v:.3f}" for v in (one.prediction, one.fidelity, one.gap, one.radius)]
        lines.append([path.stem, *cells, "0.75 0.08", met, str(one.samples)])
    head = ["image", "prediction", "fidelity", "gap", "radius", "must", "met", "samples"]
    show("Images, SqueezeNet (BGR, cropped)", head, lines)


class Truth:
    """True weights of one row or text, by radius, each computed once."""

    def __init__(self, explain: Callable[..., Any], effects: Effects | Enumerated | None) -> None:
        self.explain, self.effects = explain, effects
        self.known: dict[tuple[float, int | None], np.ndarray] = {}

    def at(self, radius: float, features: int | None) -> np.ndarray:
        """Return the weights at a radius, or where that is NaN of a very large run of limex.

        What limex shows is then compared with the same selection from the large run.
        """
        named = None if np.isnan(radius) else round(radius, 6)
        key = (-1.0, features) if named is None else (named, None)
        if key not in self.known:
            if named is not None and self.effects is not None:
                self.known[key] = self.effects.weights(named, draws=1024)
            else:
                run = self.explain(n=LARGE, seed=999, features=key[1], radius=named)
                self.known[key] = run.weights
        return self.known[key]


Case = tuple[str, Callable[..., list[Found]], list[Truth]]


def coverage(size: Size) -> None:
    """Print how often intervals hold the truth, and how wide they are."""
    lines = []
    numbers = (256, 1024) if size.quick else (256, 1024, 4096, None)
    every = {"tables": _table_cases, "texts": _text_cases, "images": _image_cases}
    for modality, cases in ((name, make(size)) for name, make in every.items()):
        for n in (256, 512, 1024, None) if modality == "images" else numbers:
            for features in (None, 5):
                hits, widths, calls = [], [], []
                for _, explain, truths in cases:
                    for seed in range(size.seeds):
                        run = explain(n=n, seed=seed, features=features)
                        for one, truth in zip(run, truths, strict=True):
                            true, shown = truth.at(one.radius, features), one.shown
                            slack = 1e-9 * np.abs(true).max()
                            inside = (one.low - slack <= true) & (true <= one.high + slack)
                            hits += inside[shown].tolist()
                            width = (one.high - one.low)[shown] / 2
                            widths.append(width.mean() / max(np.abs(true).max(), 1e-300))
                            calls.append(one.samples)
                share, adjusted = float(np.mean(hits)), features is not None
                met = share >= 0.94 if adjusted else 0.93 <= share <= 0.97
                lines.append(
                    [
                        modality,
                        f"{n:,}" if n else f"auto ({np.mean(calls):,.0f})",
                        "5 shown" if adjusted else "all, fixed beforehand",
                        f"{share:.3f}",
                        ">= 0.94" if adjusted else "0.93-0.97",
                        "yes" if met else "no",
                        f"{np.mean(widths):.3f}",
                        str(len(hits)),
                    ]
                )
    head = ["modality", "samples", "components", "coverage", "must", "met", "half-width", "cases"]
    show("Coverage of the 95% intervals; half-width over the largest true weight", head, lines)


def _table_cases(size: Size) -> list[Case]:
    found = [local.friedman(size.few), next(local.planted(size.few))]
    if not size.quick:
        found.append(next(local.real(size.few, ("cancer",), ("MLP",))))
        found.append(next(local.real(size.few, ("wine",), ("boosting",))))
    return [_case(problem) for problem in found]


def _case(problem: Problem) -> Case:
    def explain(n: int | None, seed: int, **choices: Any) -> list[Found]:
        return by_limex(problem, n, seed, **choices)

    truths = []
    for i, x in enumerate(problem.rows):
        alone = local.replace(problem, rows=problem.rows[i : i + 1])

        def one(alone: Problem = alone, **choices: Any) -> Found:
            return by_limex(alone, **choices)[0]

        truths.append(Truth(one, Effects(problem, x)))
    return problem.name, explain, truths


def _text_cases(size: Size) -> list[Case]:
    models, words = review_models()
    lengths = {text: len(set(re.findall(r"\w+", text.lower()))) for text in words}
    some = [text for text in words if lengths[text] in (13, 14)][: 1 if size.quick else size.few]
    found: list[Case] = []
    for name in ("logistic",) if size.quick else ("logistic", "bigrams"):
        for text in some:
            ask = lambda many, f=models[name]: f.predict_proba(many)[:, 1]  # noqa: E731

            def one(ask: Predict = ask, text: str = text, **choices: Any) -> Found:
                return explain_text(ask, text, **choices)

            found.append((name, lambda one=one, **c: [one(**c)], [Truth(one, None)]))
    return found


@dataclass(frozen=True, eq=False)
class Enumerated:
    """An image of few superpixels whose every mask was asked about: a model asked by codes."""

    image: Any
    answers: np.ndarray
    """(2^d,): by what is masked, in binary."""

    identity = Identity("function", "", "regression", ("p",))
    probabilities = False
    warnings = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.image, name)

    def model_inputs(self, codes: np.ndarray) -> np.ndarray:
        """Return the codes (n, d) themselves."""
        return codes

    def original(self) -> np.ndarray:
        """Return the code of the image."""
        return np.ones((1, len(self.image.components)), np.int8)

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """Look the answers up, (n, 1)."""
        return self.answers[(1 - codes.astype(int)) @ (1 << np.arange(codes.shape[1]))][:, None]

    def weights(self, rho: float, draws: int = 0) -> np.ndarray:
        """Return the weights (d,) over all masks; nothing is drawn."""
        d = len(self.image.components)
        masked = (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(bool)
        share = np.where(masked, rho, 1 - rho).prod(axis=1)
        return (share * self.answers) @ np.where(masked, -1 / rho, 1 / (1 - rho))

    def explain(self, n: int | None, seed: int, features: int | None = None) -> list[Found]:
        """Explain the image by limex."""
        modality = ImageModality(())
        settings = _settings(modality, n, seed, features or 500)
        return [_read(one, None) for one in engine.explain([self], self, settings)]


def _image_cases(size: Size) -> list[Case]:
    network = ModelFile(str(local.ROOT / "sample_models" / "scenes.onnx"), threads=1).load()
    path, found = str(local.ROOT / "sample_data" / "scene.png"), []
    kinds = [
        ("grid", 12, "mean"),
        ("grid", 12, "black"),
        ("slic", 18, "mean"),
        ("slic", 18, "blur"),
    ]
    for segmenter, n, fill in kinds[:1] if size.quick else kinds:
        modality = ImageModality((path,), segmenter=segmenter, n_segments=n, fill=fill)
        modality = modality.fitted(network.input)
        image = modality.read(next(modality.sources()))
        k = int(network.predict(image.original())[0].argmax())
        codes = image.codes(every_mask(len(image.components)))
        parts = [image.model_inputs(codes[i : i + 64]) for i in range(0, len(codes), 64)]
        answers = [network.predict(image.original()), *map(network.predict, parts)]
        case = Enumerated(image, np.concatenate(answers)[:, k])
        found.append((f"{segmenter} {fill}", case.explain, [Truth(case.explain, case)]))
    return found


def monotone(size: Size) -> None:
    """Print the error to the truth by the number of samples."""
    numbers = (256, 512, 1024, 2048, 2049, 4096, 8192)
    problems = [local.friedman(size.few)]
    if not size.quick:
        problems.append(next(local.real(size.few, ("cancer",), ("MLP",))))
    lines = []
    for name, explain, truths in map(_case, problems):
        errors = []
        for n in numbers:
            off = []
            for seed in range(size.seeds):
                run = explain(n=n, seed=seed)
                for one, truth in zip(run, truths, strict=True):
                    true = truth.at(one.radius, None)
                    away = np.sqrt(np.mean((one.weights - true) ** 2))
                    off.append(away / max(np.abs(true).max(), 1e-300))
            errors.append(float(np.mean(off)))
        rises = [late / early for early, late in itertools.pairwise(errors)]
        met = "yes" if max(rises) <= 1.05 else "no"
        lines.append([name, *(f"{error:.4f}" for error in errors), met])
    head = ["problem", *(f"{n:,}" for n in numbers), "met"]
    show("Error over the largest weight; must: never rising with samples", head, lines)


def errors(size: Size) -> None:
    """Print the standard error of weights at this number of calls."""
    found: dict[str, list[float]] = {}
    for problem in local.real(size.some, local.TABLES[:3], ("forest", "boosting", "MLP")):
        for one in by_limex(problem, size.samples, 0):
            share = np.nanmedian(one.errors) / max(np.abs(one.weights).max(), 1e-300)
            found.setdefault(problem.name, []).append(float(share))
    found["all"] = [value for some in found.values() for value in some]
    lines = [
        [name, f"{median(some):.4f}", "0.02", "yes" if median(some) <= 0.02 else "no"]
        for name, some in found.items()
    ]
    head = ["data, model", "error", "must", "met"]
    show(f"Standard error over the largest weight, medians, {size.samples:,} calls", head, lines)


def deletion(size: Size) -> None:
    """Print what happens to the prediction when the strongest columns are redrawn.

    Beside what limex proposes stands what it has for many columns at once, Shapley values, and
    what weights without any error would do: exact ones, at the radius that limex chooses.
    """
    explainers: dict[str, Explainer] = {"limex": by_limex, **peers()}
    explainers |= {"--kernel shapley": partial(by_limex, kernel="shapley"), "exact": by_truth}
    by_name = {problem.name: [problem] for problem in local.planted(size.rows)}
    groups = {"xor": by_name["xor"], "tree paths": [local.trees(size.rows)]}
    groups["wine boosting"] = list(local.real(size.rows, ("wine",), ("boosting",)))
    lines = []
    for name, problems in groups.items():
        drops: dict[str, list[np.ndarray]] = {one: [] for one in explainers}
        for problem in problems:
            sd = problem.predict(problem.background).std()
            for who, explainer in explainers.items():
                for x, one in zip(problem.rows, explainer(problem, size.samples, 0), strict=True):
                    drops[who].append(_drops(problem, x, one.weights) / sd)
        table = {who: np.array(rows) for who, rows in drops.items()}
        for place, k in enumerate((1, 3, 5)):
            line, met = [f"{name}, {k}"], True
            for who, rows in table.items():
                own = rows[:, place]
                line.append(f"{own.mean():.3f} +-{_error(own):.3f}")
                if who in peers():
                    ahead = table["limex"][:, place] - own
                    line.append(f"{ahead.mean():+.3f} +-{_error(ahead):.3f}")
                    met = met and ahead.mean() >= -2 * _error(ahead)
            lines.append([*line, "not behind" if met else "behind"])
    head = ["problem, columns redrawn", "limex"]
    head += [cell for who in peers() for cell in (who, f"limex less {who}")]
    head += ["--kernel shapley", "exact"]
    title = "Deletion: change of the prediction in standard deviations of the model"
    show(f"{title}, {size.rows} rows, {size.samples:,} calls", [*head, "within 2 errors"], lines)


def _drops(problem: Problem, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return how much the prediction changes when 1, 3, 5 columns come from another row."""
    order = np.argsort(-np.abs(weights), kind="stable")
    others = problem.background[:: max(1, len(problem.background) // 200)]
    before, found = problem.predict(x[None])[0], []
    for k in (1, 3, 5):
        trial = np.repeat(x[None], len(others), axis=0)
        trial[:, order[:k]] = others[:, order[:k]]
        found.append(np.abs(problem.predict(trial) - before).mean())
    return np.array(found)


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def show(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a markdown table."""
    print(f"\n**{title}**\n")
    for line in (head, ["---"] * len(head), *lines):
        print(f"| {' | '.join(line)} |")


SECTIONS: dict[str, Callable[[Size], None]] = {
    one.__name__: one
    for one in (
        switch,
        unused,
        tables,
        saturation,
        pair,
        texts,
        images,
        coverage,
        monotone,
        errors,
        deletion,
    )
}


def main() -> None:
    """Print the sections asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by commas")
    parser.add_argument("--rows", type=int, help="of planted functions; others take a share")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--peer-seeds", type=int, default=1, help="of lime and shap")
    parser.add_argument("--samples", type=int, default=2048, help="model calls per explanation")
    parser.add_argument("--quick", action="store_true", help="4 rows, 2 seeds, fewer problems")
    parser.add_argument(
        "--network", type=Path, default=local.ROOT.parent / "shared/data/squeezenet_fp16.onnx"
    )
    options = parser.parse_args()
    size = Size(
        rows=options.rows or (4 if options.quick else 40),
        seeds=options.seeds or (2 if options.quick else 8),
        samples=options.samples,
        peer_seeds=options.peer_seeds,
        quick=options.quick,
        network=options.network,
    )
    warnings.simplefilter("ignore")
    for name in _chosen(options.only, parser):
        began = time.perf_counter()
        SECTIONS[name](size)
        print(f"\n{name}: {time.perf_counter() - began:.0f} s", flush=True)


def _chosen(only: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    for name in only.split(","):
        if name not in SECTIONS:
            parser.error(f"--only: {name} is unknown; one of: {', '.join(SECTIONS)}")
        yield name


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
