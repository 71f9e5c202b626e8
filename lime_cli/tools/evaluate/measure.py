"""How good an explanation is: fidelity and stability, and curves, by
replicates with several seeds.

R is the number of seeds, each with the explanation it gives and the neighbourhood it drew.

Samek et al. 2017, "Evaluating the visualization of what a deep neural network has learned";
Petsiuk, Das and Saenko 2018, "RISE", section 4.1. The baseline are random orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from lime_cli import clock
from lime_cli.engine import explain
from lime_cli.engine.explaining import focused
from lime_cli.engine.explanation import Explanation, Interval, Surrogate, Weight
from lime_cli.engine.instance import Instance
from lime_cli.engine.masks import given
from lime_cli.engine.model import BoolArray, FloatArray, IntArray, Model
from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.engine.targets import targeted
from lime_cli.errors import InputError, PredictionError
from lime_cli.running.job import Failed, Job, prepare
from lime_cli.settings import Settings

if TYPE_CHECKING:
    from lime_cli.models.model_file import LoadedModel
    from lime_cli.sources import Source


DEPTHS = (3, 5)
"""Numbers of leading components that are compared, beside the number kept."""

ROUNDING = 1e-9
"""Differences below this share of the largest weight are none."""

FLAT = 1e-24
"""Mean square about the mean, relative to the squared mean, below which answers do not vary."""


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds; None where no seed, or only one, has the number."""

    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Stability:
    """What becomes of one component; all but ``selected`` is over the seeds that select it."""

    component: int
    """Index into the explanations' components."""
    weight: Spread
    std_error: float | None
    """Mean of the standard errors that the explanations report."""
    selected: float
    """Share of the seeds."""
    sign_agreement: float
    """Share that the commoner sign has."""


@dataclass(frozen=True)
class Verdict:
    """How good the surrogates of one target are."""

    target: int
    name: str
    model_prediction: float
    held_out: Spread
    """Fidelity of each seed's surrogate on the samples of all other seeds; at most 1."""
    fidelity: Spread
    """What the explanations report: cross-validated, in [-1, 1]."""
    vsi: float
    """Percent."""
    csi: float | None
    """Percent; None where no component is selected twice."""
    jaccard: tuple[tuple[int, float], ...]
    """k and the mean overlap of the k largest, over pairs of seeds."""
    error_ratio: float | None
    """Root mean square over the components that every seed selects: sd over seeds, divided by
    reported standard error. About 1 where error bars are honest; None where there are none."""
    components: tuple[Stability, ...]
    """By falling size of weight times ``selected``."""


def evaluate(
    explanations: Sequence[Explanation], neighbourhoods: Sequence[Neighbourhood]
) -> tuple[Verdict, ...]:
    """Judge the explanations of one instance by R seeds, at least two, target by target."""
    depth = explanations[0].settings.features
    return tuple(
        _verdict([one.surrogates[i] for one in explanations], neighbourhoods, depth)
        for i in range(len(explanations[0].surrogates))
    )


def _verdict(
    surrogates: list[Surrogate], neighbourhoods: Sequence[Neighbourhood], depth: int
) -> Verdict:
    first = surrogates[0]
    orders = [[one.component for one in run.weights] for run in surrogates]
    components = stabilities(surrogates)
    size = max((abs(one.weight) for run in surrogates for one in run.weights), default=0.0)
    return Verdict(
        target=first.target,
        name=first.name,
        model_prediction=first.model_prediction,
        held_out=spread_of(held_out_fidelity(surrogates, neighbourhoods)),
        fidelity=spread_of(one.fidelity for one in surrogates),
        vsi=variables_stability(orders),
        csi=coefficients_stability(
            [{w.component: w.interval for w in one.weights if w.interval} for one in surrogates],
            ROUNDING * size,
        ),
        jaccard=tuple((k, top_jaccard(orders, k)) for k in sorted({*DEPTHS, depth}) if k <= depth),
        error_ratio=_error_ratio(components, ROUNDING * size),
        components=components,
    )


def held_out_fidelity(
    surrogates: Sequence[Surrogate], neighbourhoods: Sequence[Neighbourhood]
) -> list[float | None]:
    """Return for each seed the fidelity of its surrogate on the samples of all other seeds.

    That is the share of what masking decides that the surrogate explains: products of the errors
    of samples of one mask leave out which replacement was drawn. Where replacements are not random
    it is the weighted R². The instance itself counts with its weight, as in the fidelity that is
    reported. Fidelity compares with the mean of the samples judged; None where masking decides
    nothing, where no sample is near enough to count, and for a response that the explanation finds
    constant.
    """
    drawn = np.arange(len(neighbourhoods))
    target = surrogates[0].target
    d = neighbourhoods[0].interpretable.shape[1]
    coefficients = np.stack([_coefficients(one, d) for one in surrogates], axis=1)
    intercepts = np.array([one.intercept for one in surrogates])
    shift = neighbourhoods[0].predictions[0, target]
    moments, losses = np.zeros((len(drawn), 3)), np.zeros((len(drawn), len(drawn)))
    for t, one in enumerate(neighbourhoods):
        moved = one.predictions[:, target] - shift
        residual = (moved + shift)[:, None] - (one.interpretable @ coefficients + intercepts)
        mass, means, squares = _decided(one, np.column_stack([moved, residual]))
        moments[t] = mass.sum(), mass @ means[:, 0], mass @ squares[:, 0]
        losses[:, t] = mass @ squares[:, 1:]
    return [
        None if one.fidelity is None else _r_squared(losses[s], moments, shift, drawn != s)
        for s, one in enumerate(surrogates)
    ]


def _decided(one: Neighbourhood, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the weights of m masks (m,), the means of ``values`` (n, k) by mask, and the squares
    of their expected values (m, k), without bias: of products of different samples of a mask.

    Where replacements are not random every sample stands for itself, and so does the instance.
    """
    if not len(one.twins):
        return one.weights, values, values**2
    _, mask, n = np.unique(one.interpretable[1:], axis=0, return_inverse=True, return_counts=True)
    mask = mask.reshape(-1)
    sums, squares = np.zeros((2, len(n), values.shape[1]))
    np.add.at(sums, mask, values[1:])
    np.add.at(squares, mask, values[1:] ** 2)
    means = sums / n[:, None]
    products = (sums * means - squares / n[:, None]) / np.maximum(n - 1, 1)[:, None]
    weights = np.where(n > 1, np.bincount(mask, one.weights[1:]), 0.0)
    return (
        np.append(weights, one.weights[0]),
        np.concatenate([means, values[:1]]),
        np.concatenate([products, values[:1] ** 2]),
    )


def _coefficients(surrogate: Surrogate, d: int) -> FloatArray:
    if surrogate.every_weight:
        return np.array(surrogate.every_weight)
    found = np.zeros(d)
    for one in surrogate.weights:
        found[one.component] = one.weight
    return found


def _r_squared(
    losses: FloatArray, moments: FloatArray, shift: float, others: BoolArray
) -> float | None:
    mass, first, second = moments[others].sum(axis=0)
    if mass == 0:
        return None
    total = second - first**2 / mass
    if total <= FLAT * mass * max((shift + first / mass) ** 2, 1e-30):
        return None
    return min(1.0, float(1 - losses[others].sum() / total))


def stabilities(surrogates: Sequence[Surrogate]) -> tuple[Stability, ...]:
    """Describe each component that any seed selects, the weightiest first."""
    found: dict[int, list[Weight]] = {}
    for run in surrogates:
        for one in run.weights:
            found.setdefault(one.component, []).append(one)
    every = [_stability(j, found[j], len(surrogates)) for j in sorted(found)]
    return tuple(sorted(every, key=lambda one: -abs(one.weight.mean or 0.0) * one.selected))


def _stability(component: int, weights: list[Weight], n_seeds: int) -> Stability:
    signs = np.sign([one.weight for one in weights])
    return Stability(
        component=component,
        weight=spread_of(one.weight for one in weights),
        std_error=spread_of(one.std_error for one in weights).mean,
        selected=len(weights) / n_seeds,
        sign_agreement=float(max((signs == sign).mean() for sign in (-1, 0, 1))),
    )


def _error_ratio(components: Iterable[Stability], smallest: float) -> float | None:
    pairs = [
        (one.weight.sd, one.std_error)
        for one in components
        if one.selected == 1 and one.weight.sd is not None and one.std_error is not None
    ]
    if not pairs:
        return None
    sd, error = np.sqrt((np.array(pairs) ** 2).mean(axis=0))
    return float(sd / error) if error > smallest else None


def variables_stability(runs: Sequence[Iterable[int]]) -> float:
    """Return the VSI in percent: mean over pairs of runs of |intersection| / k.

    Visani, Bagli, Chesani, Poluzzi & Capuzzo 2022, section 3. There each run selects k variables;
    where one selects fewer, k is the larger of the two numbers.
    """
    pairs = combinations([set(one) for one in runs], 2)
    shares = [len(a & b) / max(len(a), len(b)) if a or b else 1.0 for a, b in pairs]
    return 100 * float(np.mean(shares))


def coefficients_stability(
    runs: Sequence[Mapping[int, Interval]], tolerance: float = 0.0
) -> float | None:
    """Return the CSI in percent: how often two runs' intervals of a variable overlap.

    Visani et al. 2022, section 3: the share of overlapping pairs of each variable, averaged over
    variables. Pairs are of runs that both select the variable; one that no two runs select says
    nothing. Intervals less than ``tolerance`` apart overlap.
    """
    shares = []
    for variable in sorted({name for run in runs for name in run}):
        pairs = list(combinations([run[variable] for run in runs if variable in run], 2))
        if pairs:
            apart = [max(a[0], b[0]) - min(a[1], b[1]) > tolerance for a, b in pairs]
            shares.append(1 - float(np.mean(apart)))
    return 100 * float(np.mean(shares)) if shares else None


def top_jaccard(orders: Sequence[Sequence[int]], k: int) -> float:
    """Return the mean over pairs of runs of |intersection| / |union| of their first k."""
    pairs = combinations([set(one[:k]) for one in orders], 2)
    return float(np.mean([len(a & b) / len(a | b) if a | b else 1.0 for a, b in pairs]))


def spread_of(values: Iterable[float | None]) -> Spread:
    """Return mean and standard deviation (n - 1) of what is a finite number."""
    known = [one for one in values if one is not None and np.isfinite(one)]
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Spread(float(np.mean(known)) if known else None, sd)


POINTS = 21
"""Of a curve, at most."""

ORDERS = 10
"""Random orders of the baseline."""

DRAWS = 16
"""Rows that stand for a mask, where what goes is replaced at random."""

_ROWS_PER_CALL = 512


@dataclass(frozen=True)
class Curves:
    """What the model predicts of one target; the first point has all parts, the last has none."""

    removed: tuple[float, ...]
    """Share of the components that are masked, ascending."""
    deletion: tuple[float, ...]
    """Largest weight masked first."""
    insertion: tuple[float, ...]
    """Largest weight masked last: read from the right, it comes first."""
    random: tuple[float, ...]
    """Mean over random orders."""
    random_sd: float
    """Of the area, over random orders."""

    @property
    def deletion_area(self) -> float:
        """Mean height; low where the explanation names what matters."""
        return area(self.removed, self.deletion)

    @property
    def insertion_area(self) -> float:
        """Mean height; high where the explanation names what matters."""
        return area(self.removed, self.insertion)

    @property
    def random_area(self) -> float:
        """Mean height over random orders: what knowing nothing gives."""
        return area(self.removed, self.random)


def area(removed: tuple[float, ...], heights: tuple[float, ...]) -> float:
    """Return the area under a curve over 0..1, by trapezoids: its mean height."""
    x, y = np.array(removed), np.array(heights)
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def curves(instance: Instance, model: Model, surrogate: Surrogate, seed: list[int]) -> Curves:
    """Ask the model about ever fewer parts: by falling weight, by rising weight, and at random.

    Parts without a weight count as 0. ``seed`` determines the random orders and, for rows of a
    table, the values that come in place of those masked.
    """
    d = len(instance.components)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    weights = np.zeros(d)
    for one in surrogate.weights:
        weights[one.component] = one.weight
    steps = np.unique(np.linspace(0, d, min(d + 1, POINTS)).round().astype(int))
    falling = np.argsort(-weights, kind="stable")
    orders = [falling, falling[::-1], *(rng.permutation(d) for _ in range(ORDERS))]
    kept = np.concatenate([_masks(order, steps) for order in orders])
    predictions = _predict(instance, model, kept, rng)[:, surrogate.target].reshape(len(orders), -1)
    removed = tuple((steps / d).tolist())
    areas = [area(removed, tuple(one)) for one in predictions[2:].tolist()]
    return Curves(
        removed,
        tuple(predictions[0].tolist()),
        tuple(predictions[1].tolist()),
        tuple(predictions[2:].mean(axis=0).tolist()),
        float(np.std(areas, ddof=1)),
    )


def _masks(order: IntArray, steps: IntArray) -> BoolArray:
    """Return (steps, d): the first so many components of an order masked."""
    places = np.empty(len(order), int)
    places[order] = np.arange(len(order))
    return np.asarray(places[None] >= steps[:, None])


def _predict(
    instance: Instance, model: Model, kept: BoolArray, rng: np.random.Generator
) -> FloatArray:
    """Return the mean answer to each mask, (masks, k)."""
    draws = DRAWS if instance.random else 1
    codes = instance.codes(given(~np.repeat(kept, draws, axis=0), rng))
    size = max(1, min(_ROWS_PER_CALL, 8 * 2**20 // max(1, instance.input_bytes)))
    parts = [
        model.predict(instance.model_inputs(codes[start : start + size]))
        for start in range(0, len(codes), size)
    ]
    predictions = np.concatenate(parts)
    return np.asarray(predictions.reshape(len(kept), draws, -1).mean(axis=1))


_CURVES = 1  # tells the curves' random numbers from those of the samples


@dataclass(frozen=True, eq=False)
class Replicate:
    """An explanation by one seed and the neighbourhood which that seed drew."""

    explanation: Explanation
    neighbourhood: Neighbourhood


@dataclass(frozen=True, eq=False)
class Replicated:
    """A source explained with every seed; curves are those of the first, by target."""

    source: Source
    replicates: tuple[Replicate, ...]
    curves: tuple[Curves, ...]


def replicated(job: Job, n_seeds: int) -> Iterator[Replicated | Failed]:
    """Explain every source of a job, in order, with its seed and the ``n_seeds - 1`` after it.

    Raises ModelError and SettingsError, which concern all sources; what concerns one becomes
    ``Failed``.
    """
    model, modality, _ = prepare(job)
    seeds = [replace(job.settings, seed=job.settings.seed + i) for i in range(n_seeds)]
    for source in job.sources:
        try:
            instance = modality.read(source)
            with clock.explaining({id(instance): (source.key, source.called)}, 0):
                one = _evaluated(source, instance, model, seeds)
        except (InputError, PredictionError) as error:
            yield Failed(source, error)
            continue
        yield one


def _evaluated(
    source: Source, instance: Instance, model: LoadedModel, seeds: list[Settings]
) -> Replicated:
    first = seeds[0]
    instance = focused(instance, model, first)
    found = tuple(_replicate(instance, model, settings) for settings in seeds)
    drawn: tuple[Curves, ...] = ()
    if first.surrogate != "tree":  # which has no weights, so no order to speak of
        entropy = [first.seed, _CURVES]
        surrogates = found[0].explanation.surrogates
        drawn = tuple(curves(instance, model, one, entropy) for one in surrogates)
    return Replicated(source, found, drawn)


def _replicate(instance: Instance, model: LoadedModel, settings: Settings) -> Replicate:
    seen: list[Neighbourhood] = []
    way = partial(explain, watch=lambda _instance, neighbourhood: seen.append(neighbourhood))
    explanation = next(targeted([instance], model, settings, way))
    return Replicate(explanation, seen[0])
