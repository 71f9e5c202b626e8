"""From instances to explanations: draw masks, ask the model, fit, and go on until it is enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lime_cli.engine.controls import needy, sharpened, without_noise, without_tails
from lime_cli.engine.explanation import POOR, Counterfactual, Explanation, Replaced, Surrogate
from lime_cli.engine.gram import Ground
from lime_cli.engine.instance import Instance
from lime_cli.engine.masks import BLOCKS, Everything, Masks, Recent, Stage, draw, every_mask
from lime_cli.engine.model import BoolArray, FloatArray, Identity, IntArray, Model
from lime_cli.engine.neighbourhood import MOST, Neighbourhood, Product, ladder, width_of
from lime_cli.engine.predictions import Predictions, predict_samples
from lime_cli.engine.surrogate import (
    Fits,
    choose_radius,
    fit,
    halved,
    residuals,
    where_clearest,
)
from lime_cli.engine.targets import choose_other, choose_targets
from lime_cli.engine.warnings import LOW_FIDELITY, NOTHING_HELPS, Facts, judge
from lime_cli.engine.weights import (
    PAIRED,
    PAIRS_ADD,
    PAIRS_BELOW,
    Shown,
    pairs_of,
    show,
    surrogate_of,
)
from lime_cli.errors import PredictionError
from lime_cli.settings import Settings

Watch = Callable[[Instance, Neighbourhood], None]
"""What looks on while instances are explained."""

AT_ONCE = 256
"""Instances of one pool that go through a stage together, at most."""
HELD = 2**27
"""Bytes of predictions that these hold, about."""
PATIENCE = 4
"""Times the first samples after which a surrogate that explains nothing is given up."""
HOPELESS = 0.1
"""Fidelity, with its standard error, below which a surrogate explains nothing."""
GROUNDS = 2**27
"""Bytes of what instances share that are kept for those explained next."""
EXHAUSTIVE = 1024
"""Inputs, at most, that ``auto`` asks about in place of fewer samples."""


@dataclass(eq=False)
class State:
    """One instance on its way: what is drawn, what is known, what was found."""

    instance: Instance
    stages: tuple[Stage, ...]
    predictions: Predictions | None = None
    counterfactuals: tuple[Counterfactual, ...] | None = None
    targets: list[int] = field(default_factory=list)
    against: int | None = None
    """The output whose prediction is subtracted from every target's."""
    radii: list[IntArray] = field(default_factory=list)
    """(targets,) each: the radius chosen after every stage."""
    spent: float = 0.0
    """Seconds so far."""
    stop: str = ""
    surrogates: tuple[Surrogate, ...] = ()
    facts: Facts | None = None
    neighbourhood: Neighbourhood | None = None
    conclude: Callable[[], None] | None = None
    """What is left to do once no more samples come."""

    @property
    def n(self) -> int:
        """Count the samples."""
        return sum(stage.n for stage in self.stages)


def explain_all(
    instances: list[Instance], model: Model, settings: Settings, watch: Watch | None = None
) -> Iterator[Explanation]:
    """Explain instances in order; ``watch`` is given what each was explained by."""
    for pool, together in groupby(instances, lambda one: one.pool if one.shared else None):
        some = list(together)
        if settings.kernel == "shapley":
            yield from (_by_shapley(instance, model, settings, watch) for instance in some)
            continue
        step = 1 if pool is None else _at_once(model, settings)
        for i in range(0, len(some), step):
            for state in _sample_until_converged(
                some[i : i + step], model, settings, watch is not None
            ):
                if watch is not None and state.neighbourhood is not None:
                    watch(state.instance, state.neighbourhood)
                yield _explanation(state, model, settings)


def _at_once(model: Model, settings: Settings) -> int:
    """Return how many instances go through stages together."""
    outputs = max(1, len(model.identity.targets))  # a function tells with its first predictions
    each = 8 * settings.most_samples * outputs
    return max(1, min(AT_ONCE, HELD // each))


def _by_shapley(
    instance: Instance, model: Model, settings: Settings, watch: Watch | None
) -> Explanation:
    from lime_cli.engine.shapley import explain_one

    result = explain_one(instance, model, settings)
    if watch is not None:
        watch(instance, result.neighbourhood)
    state = State(instance, (), stop=result.facts.stop, surrogates=result.surrogates)
    state.facts = result.facts
    return _explanation(state, model, settings)


def _explanation(state: State, model: Model, settings: Settings) -> Explanation:
    assert state.facts is not None
    first = state.surrogates[0]
    return Explanation(
        subject=state.instance.subject,
        model=model.identity,
        components=state.instance.components,
        skipped=state.instance.skipped,
        surrogates=state.surrogates,
        warnings=tuple(judge(state.instance, model, state.facts, state.surrogates, settings)),
        samples=state.facts.n,
        effective_samples=state.facts.effective_samples,
        kernel_width=width_of(first.radius or 0.5),
        stop=state.stop,
        settings=settings,
        outputs=tuple(state.facts.original.tolist()),
        counterfactuals=state.counterfactuals,
    )


def _sample_until_converged(
    instances: list[Instance], model: Model, settings: Settings, watched: bool
) -> list[State]:
    """Take instances with the same components through stages until each is converged."""
    d, random = len(instances[0].components), instances[0].random
    radii = _radii(settings, d, random)
    states = [State(instance, (Stage(settings.samples, radii),)) for instance in instances]
    most = max(settings.samples, EXHAUSTIVE if settings.max_samples else 0)
    waiting = []
    for state in states:
        if state.instance.n_inputs() - 1 <= most:
            _exhaust(state, model, settings, radii, watched)
        else:
            waiting.append(state)
    while waiting:
        for state in waiting:
            _predict(state, model, settings, d)
        for stages, group in groupby(sorted(waiting, key=_by_stages), lambda one: one.stages):
            judged = list(group)
            _judge(judged, _masks(settings, d, stages, random), settings, watched)
            for state in judged:  # at once: it holds what all samples of the group share
                _write_down(state)
        waiting = [state for state in waiting if not state.stop]
    names = model.identity.targets
    for state in states:
        state.surrogates = tuple(
            _named(surrogate, names, state.against) for surrogate in state.surrogates
        )
    return states


def _write_down(state: State) -> None:
    """Do what is left to do where no more samples come."""
    if state.conclude is not None and state.stop:
        state.conclude()
    state.conclude = None


def _by_stages(state: State) -> list[tuple[int, tuple[float, ...]]]:
    return [(stage.n, stage.radii) for stage in state.stages]


def _named(surrogate: Surrogate, names: tuple[str, ...], against: int | None) -> Surrogate:
    other = "" if against is None else f" against {names[against]}"
    return replace(surrogate, name=names[surrogate.target] + other, against=against)


def _radii(settings: Settings, d: int, random: bool) -> tuple[float, ...]:
    chosen = settings.chosen_radius(d)
    return ladder(d, random) if chosen is None else (chosen,)


def _masks(settings: Settings, d: int, stages: tuple[Stage, ...], random: bool) -> Masks:
    return draw(settings.seed, d, stages, random)


_grounds = Recent[Ground](GROUNDS)


def _ground_of(masks: Masks, stages: tuple[Stage, ...], settings: Settings) -> Ground:
    penalty = settings.penalty if settings.penalty_kind == "ridge" and not settings.refit else 0.0
    radii = stages[0].radii
    return _grounds.get(
        (masks, radii, penalty),
        lambda: Ground(masks, tuple(map(Product, radii)), penalty),
        lambda ground: ground.bytes,
    )


def _predict(state: State, model: Model, settings: Settings, d: int) -> None:
    """Ask about the samples that a stage adds."""
    began = time.monotonic()
    masks = _masks(settings, d, state.stages, state.instance.random)
    codes = state.instance.codes(masks)
    state.predictions = predict_samples(
        state.instance, model, codes, settings, state.predictions, masks
    )
    state.counterfactuals = nearest(state.instance, model.identity, codes, masks, _raw(state))
    if not state.targets:
        _choose(state, model, settings, state.predictions.original)
    state.spent += time.monotonic() - began


def _exhaust(
    state: State, model: Model, settings: Settings, radii: tuple[float, ...], watched: bool
) -> None:
    """Ask about every input there is, and average over what replaces each mask's components."""
    everything = state.instance.everything()
    state.predictions = predict_samples(state.instance, model, everything.codes, settings)
    state.counterfactuals = nearest(
        state.instance, model.identity, everything.codes, everything, state.predictions
    )
    _choose(state, model, settings, state.predictions.original)
    failed = state.predictions.failed
    d = everything.masked.shape[1]
    masks = every_mask(d)
    mask_number = everything.masked @ (1 << np.arange(d)) - 1
    share = np.where(failed, 0.0, everything.share)
    mass = np.bincount(mask_number, share, minlength=masks.n)
    values = np.where(failed[:, None], 0.0, _predictions(state).samples)
    sums = [np.bincount(mask_number, share * output, minlength=masks.n) for output in values.T]
    lost = mass <= 0
    means = np.stack(sums, axis=1) / np.where(lost, 1.0, mass)[:, None]
    if lost.any():
        masks = masks.chosen(~lost, 1)
        means = means[~lost]
    ground = _ground_of(masks, (Stage(masks.n, radii),), settings)
    squares = (
        np.stack(
            [
                np.bincount(mask_number, share * output**2, minlength=2**d - 1)
                for output in values.T
            ],
            axis=1,
        )[~lost]
        / mass[~lost][:, None]
    )
    within = np.maximum(squares - means**2, 0.0)
    state.stop = "exhaustive"
    _conclude([state], ground, [means], settings, watched)
    _write_down(state)
    state.surrogates = tuple(
        _spread_of(surrogate, ground, within[:, surrogate.target], means[:, surrogate.target])
        for surrogate in state.surrogates
    )
    assert state.facts is not None
    state.facts = state.facts._replace(n=len(everything.codes), n_failed=int(failed.sum()))


def _spread_of(
    surrogate: Surrogate, ground: Ground, within: FloatArray, means: FloatArray
) -> Surrogate:
    """Say what share of the variance is within masks, where every input was asked about."""
    if surrogate.radius is None:
        return surrogate
    weights, own = ground.masks.weights(Product(surrogate.radius))
    total = weights.sum() + own
    middle = (weights @ means + own * surrogate.model_prediction) / total
    between = weights @ (means - middle) ** 2 + own * (surrogate.model_prediction - middle) ** 2
    inside = float(weights @ within)
    everything = inside + float(between)
    return replace(surrogate, spread=inside / everything if everything > 0 else 0.0)


def _judge(states: list[State], masks: Masks, settings: Settings, watched: bool) -> None:
    """Fit what one stage has found for instances of the same stages, and decide who goes on."""
    began = time.monotonic()
    whole = [state for state in states if not _predictions(state).failed.any()]
    stages = states[0].stages
    if whole:
        predictions = [_predictions(state).samples for state in whole]
        _conclude(whole, _ground_of(masks, stages, settings), predictions, settings, watched)
    for state in states:
        failed = _predictions(state).failed
        if failed.any():
            left = masks.chosen(~failed, masks.n_blocks)
            if left.n_blocks < 2:
                words = f"{state.instance.subject.name}: the model failed for nearly all samples"
                raise PredictionError(words, f"give more than {masks.n} --samples")
            ground = _ground_of(left, stages, settings)
            _conclude([state], ground, [_predictions(state).samples[~failed]], settings, watched)
            assert state.facts is not None
            state.facts = state.facts._replace(n=masks.n, n_failed=int(failed.sum()))
    spent = (time.monotonic() - began) / len(states)
    for state in states:
        state.spent += spent
        if not state.stop:
            _go_on(state, settings)


def _choose(state: State, model: Model, settings: Settings, original: FloatArray) -> None:
    state.targets = choose_targets(settings.targets, model, original)
    state.against = choose_other(settings.against, state.targets, model, original)


def _raw(state: State) -> Predictions:
    assert state.predictions is not None
    return state.predictions


def _predictions(state: State) -> Predictions:
    """Return what is explained: predictions, or their differences from another output's."""
    raw = _raw(state)
    if state.against is None:
        return raw
    samples, original = raw.samples.copy(), raw.original.copy()
    samples[:, state.targets] -= raw.samples[:, [state.against]]
    original[state.targets] -= raw.original[state.against]
    return replace(raw, samples=samples, original=original)


def _conclude(
    states: list[State],
    ground: Ground,
    predictions: list[FloatArray],
    settings: Settings,
    watched: bool,
) -> None:
    """Fit the targets of some instances, choose radii and components, and decide who stops."""
    pairs = [(i, target) for i, state in enumerate(states) for target in state.targets]
    values = np.stack([predictions[i][:, target] for i, target in pairs])
    originals = np.array([_predictions(states[i]).original[target] for i, target in pairs])
    fits = fit(ground, values, originals)
    radius, good = choose_radius(fits, ground.blind)
    if ground.controlled:
        of_rows = [state.instance.tails(ground.masks) for state in states]
        tails = [of_rows[i] for i, _ in pairs]
        values = without_tails(ground, fits, radius, (values, originals), tails)
        some = [p for p, tail in enumerate(tails) if tail is not None]
        if some:
            fits = _fitted_again(ground, fits, (values, originals), some)
            radius, good = choose_radius(fits, ground.blind)
    some = needy(ground, fits, radius, (values, originals))
    if some and ground.masks.uniforms is not None:
        values = without_noise(ground, fits, radius, (values, originals), some)
        fits = _fitted_again(ground, fits, (values, originals), some)
        radius, good = choose_radius(fits, ground.blind)
    radius = where_clearest(fits, radius, ground.blind)
    fits = sharpened(ground, fits, radius, (values, originals), some)
    half = None
    first = len(states[0].stages) == 1  # later ones compare with the stage before
    if first and ground.B > 1 and len(ground.kernels) > 1 and ground.d <= MOST:
        half, unlike = radius.copy(), ~(good | ground.blind).all(axis=1)
        if unlike.any():  # where every radius would do, half the samples cannot choose a worse one
            fewer = halved(ground, values[unlike], originals[unlike])
            half[unlike] = choose_radius(fewer, ground.blind)[0]
    solve = partial(_solved, ground, fits, radius, (values, originals), settings)
    written: list[tuple[State, list[int]]] = []
    end = 0
    for i, state in enumerate(states):
        own = list(range(end, end := end + len(state.targets)))
        state.radii.append(radius[own])
        neighbourhoods = _neighbourhoods(
            state, ground, predictions[i], radius[own], settings, watched
        )
        if settings.surrogate == "tree":
            from lime_cli.engine.tree import tree_surrogate

            state.surrogates = tuple(
                tree_surrogate(neighbourhood, target, settings, ground.kernels[int(r)].radius)
                for neighbourhood, target, r in zip(
                    neighbourhoods, state.targets, radius[own], strict=True
                )
            )
        if neighbourhoods:
            state.neighbourhood = neighbourhoods[0]
        before = (
            state.radii[-2] if len(state.radii) > 1 else half[own] if half is not None else None
        )
        same = before is None or bool(good[own, before].all())
        state.facts = Facts(
            original=_raw(state).original,
            n=ground.masks.n,
            d=ground.d,
            n_blocks=ground.B,
            effective_samples=float(ground.effective[radius[own[0]]]),
            deviation=fits.deviation[own, radius[own]],
            reach=fits.reach[own],
            flat=np.asarray(fits.flat[own].all(axis=1)),
            converged=same,
            n_failed=0,
            stop="",
        )
        if not state.stop:
            state.stop = _stop(state, fits, own, neighbourhoods, settings)
        if settings.surrogate == "linear":
            if state.stop or same or _more(state, settings) == 0:
                written.append((state, own))
            else:  # goes on for more samples, unless its time is over
                state.conclude = lambda own=own, state=state: _improve(
                    state, solve(own), range(len(own)), settings
                )
    _show(written, solve, settings)
    for state in states:
        assert state.facts is not None
        state.facts = state.facts._replace(stop=state.stop)


def _fitted_again(
    ground: Ground, fits: Fits, data: tuple[FloatArray, FloatArray], some: list[int]
) -> Fits:
    """Fit some problems again, whose predictions (P, n) lack control variates now."""
    again = fit(ground, data[0][some], data[1][some])
    return fits.but(some, again.about(fits.some(some)))


@dataclass(frozen=True, eq=False)
class Solved:
    """Problems, and which of their weights are shown."""

    ground: Ground
    fits: Fits
    shown: Shown
    data: tuple[FloatArray, FloatArray]
    """Predictions (P, n), and those for the instances (P,)."""


def _solved(
    ground: Ground,
    fits: Fits,
    radius: IntArray,
    data: tuple[FloatArray, FloatArray],
    settings: Settings,
    some: list[int],
) -> Solved:
    fits, own = fits.some(some), (data[0][some], data[1][some])
    return Solved(ground, fits, show(ground, fits, radius[some], settings, own), own)


def _show(
    written: list[tuple[State, list[int]]],
    solve: Callable[[list[int]], Solved],
    settings: Settings,
) -> None:
    """Choose what is shown of instances that may end here, and end those it is good enough for."""
    if not written:
        return
    solved, start = solve([p for _, own in written for p in own]), 0
    for state, own in written:
        places = range(start, start + len(own))
        start += len(own)
        if not state.stop and _is_resolved(state, solved.shown, places, settings):
            state.stop = "resolved"
        state.conclude = partial(_improve, state, solved, places, settings)


def _improve(state: State, solved: Solved, places: Sequence[int], settings: Settings) -> None:
    """Write the surrogates of an instance down, once no more samples come.

    Where the weights explain little, try on the samples in hand what may explain more.
    """
    improved, remedies = [], []
    ground, fits, shown, data = solved.ground, solved.fits, solved.shown, solved.data
    for target, p in zip(state.targets, places, strict=True):
        original, r = float(data[1][p]), int(shown.radius[p])
        surrogate = surrogate_of(ground, fits, shown, p, (target, ""), original)
        fidelity = surrogate.fidelity
        remedy = ""
        if fidelity is not None and fidelity < PAIRS_BELOW and not ground.thin[r]:
            left = residuals(ground, r, fits, p, (data[0][p], original))
            order = [weight.component for weight in surrogate.weights[:PAIRED]]
            pairs, gain = pairs_of(ground, r, order, left, float(fits.decided[p, r]))
            better = min(1.0, fidelity + gain) if pairs else None
            surrogate = replace(surrogate, pairs=pairs, pairs_fidelity=better)
            remedy = _remedy(ground, data[0][p], surrogate, r, settings)
        improved.append(surrogate)
        remedies.append(remedy)
    state.surrogates = tuple(improved)
    assert state.facts is not None
    state.facts = state.facts._replace(remedies=tuple(remedies))


def _remedy(
    ground: Ground, predictions: FloatArray, surrogate: Surrogate, r: int, settings: Settings
) -> str:
    """Name what explains more on the samples in hand, with its fidelity."""
    fidelity = surrogate.fidelity or 0.0
    remedies: list[tuple[float, str]] = []
    if surrogate.pairs_fidelity is not None:
        remedies.append((surrogate.pairs_fidelity, "with the pairs listed it is {:.2f}"))
    for at_radius in surrogate.by_radius:
        if at_radius.fidelity is not None and at_radius.radius != surrogate.radius:
            gap = abs(at_radius.gap or 0.0)
            words = f"--radius {at_radius.radius:g} has {{:.2f}}, with a gap of {gap:.2g}"
            remedies.append((at_radius.fidelity, words))
    if fidelity < LOW_FIDELITY:
        with_original = np.concatenate([[surrogate.model_prediction], predictions])[:, None]
        neighbourhood = _neighbourhood(ground, r, with_original)
        from lime_cli.engine.tree import tree_fidelity

        tree = tree_fidelity(neighbourhood, 0, settings)
        remedies.append((tree, "--surrogate tree has {:.2f}"))
    best = max(remedies, default=(0.0, ""))
    if best[0] >= max(fidelity + PAIRS_ADD, POOR):
        return best[1].format(min(1.0, best[0]))
    return NOTHING_HELPS


def _neighbourhoods(
    state: State,
    ground: Ground,
    predictions: FloatArray,
    radius: IntArray,
    settings: Settings,
    watched: bool,
) -> list[Neighbourhood]:
    if not watched and settings.surrogate != "tree":
        return []
    with_original = np.vstack([_predictions(state).original[None], predictions])
    return [_neighbourhood(ground, r, with_original) for r in radius.tolist()]


def _neighbourhood(ground: Ground, r: int, predictions: FloatArray) -> Neighbourhood:
    """Return the samples weighed by one radius; ``predictions`` (n + 1, k), the instance first."""
    masks, kernel = ground.masks, ground.kernels[r]
    weights, own = masks.weights(kernel)
    return Neighbourhood(
        interpretable=np.vstack([np.ones((1, masks.d), bool), ~masks.masked]),
        predictions=predictions,
        weights=np.concatenate([[own], weights]),
        block=np.concatenate([[-1], masks.block]),
        n_blocks=masks.n_blocks,
        twins=1 + masks.twins,
        kernel_width=kernel.width,
    )


def _stop(
    state: State,
    fits: Fits,
    own: list[int],
    neighbourhoods: list[Neighbourhood],
    settings: Settings,
) -> str:
    """Say why an instance stops here, whatever is shown; empty where it may go on."""
    if settings.max_samples is None:
        return "samples"
    n = state.n
    noise = state.instance.random
    if fits.flat[own].all() and (not noise or n >= PATIENCE * settings.samples):
        return "flat"
    if settings.surrogate == "tree":
        from lime_cli.engine.tree import tree_converged

        pairs = zip(neighbourhoods, state.targets, strict=True)
        return (
            "resolved"
            if all(tree_converged(neighbourhood, t, settings) for neighbourhood, t in pairs)
            else ""
        )
    best = np.fmax(fits.fidelity[own], fits.steering[own]) + np.nan_to_num(fits.fidelity_error[own])
    hopeless = ~(np.nan_to_num(best, nan=-1.0).max(axis=1) >= HOPELESS)
    if hopeless.all() and n >= PATIENCE * settings.samples:
        return "no_linear_fit"
    return ""


def _is_resolved(state: State, shown: Shown, places: Sequence[int], settings: Settings) -> bool:
    """Tell whether the weights shown, and the radius, are known well enough."""
    own = list(places)
    kept = shown.chosen[own]
    sizes = np.abs(shown.weights[own])
    wide = np.where(kept, shown.half_widths[own], 0.0)
    largest = np.where(kept, sizes, 0.0).max(axis=1, keepdims=True)
    same = state.facts is not None and state.facts.converged
    return same and bool((wide <= settings.tolerance * largest).all())


def _more(state: State, settings: Settings) -> int:
    """Return how many samples a next stage has; 0 where there may be none."""
    more = min(state.n, settings.most_samples - state.n)
    return more if more >= 2 * BLOCKS else 0


def _go_on(state: State, settings: Settings) -> None:
    """Give an instance its next stage, or end it where there may be none."""
    n, more = state.n, _more(state, settings)
    if not more:
        state.stop = "max_samples"
    elif settings.time_limit is not None and (n + more) / n * state.spent > settings.time_limit:
        state.stop = "time"
    else:
        radii = state.stages[0].radii
        near = {i for r in state.radii[-1] for i in (int(r) - 1, int(r), int(r) + 1)}
        some = tuple(radius for i, radius in enumerate(radii) if i in near)
        state.stages = (*state.stages, Stage(more, some))
    if state.stop and state.facts is not None:
        state.facts = state.facts._replace(stop=state.stop)


FIRST_PASS_SAMPLES = 512
"""Of the first pass, where sampling goes on until weights are converged: it only has to rank."""


@runtime_checkable
class Coarse(Protocol):
    """An instance whose components are to be taken apart where they weigh most."""

    def finer(self, strengths: FloatArray) -> Instance:
        """Return the same instance with finer components in the strongest of the d coarse ones.

        ``strengths`` (d,) are sizes of weights, the largest among the targets.
        """
        ...


def focused(instance: Instance, model: Model, settings: Settings) -> Instance:
    """Return the instance to explain: itself, or a finer one by what a first pass finds.

    Of too many components the first pass finds where it matters, the second what matters there.

    Raises PredictionError when the model fails and SettingsError for a target it does not have.
    """
    if instance.shared or not isinstance(instance, Coarse):
        return instance
    most = settings.max_samples
    first = replace(
        settings,
        samples=settings.samples if most is None else min(settings.samples, FIRST_PASS_SAMPLES),
        max_samples=None if most is None else min(most, FIRST_PASS_SAMPLES),
        surrogate="linear",
        selection="lasso",
        penalty=0.0,
        penalty_kind="ridge",
        refit=False,
    )
    explanation = next(explain_all([instance], model, first))
    strengths = np.zeros(len(instance.components))
    for surrogate in explanation.surrogates:
        strengths = np.maximum(strengths, np.abs(surrogate.every_weight))
    return instance.finer(strengths)


MOST_COUNTERFACTUALS, MOST_CHANGED = 3, 10
"""Classes for which a change is told, and components that it changes, at most: of more nobody can
tell what matters."""


@runtime_checkable
class Replacing(Protocol):
    """An instance whose masked components have other values, not none."""

    def replacements(self, code: IntArray) -> Mapping[int, Any]:
        """Return the value that stands for each component masked in a sample of this code (m,)."""
        ...


def nearest(
    instance: Instance,
    identity: Identity,
    codes: IntArray,
    masks: Masks | Everything,
    found: Predictions,
) -> tuple[Counterfactual, ...] | None:
    """Find a sample for each class that one is predicted as; None where nothing has classes.

    ``codes`` (n, m) are those of the samples. Of several the one that masks fewest components is
    taken, then the one most surely of its class.
    """
    original, predictions, masked = found.original, found.samples, masks.masked
    if identity.task != "classification" or len(original) < 2:
        return None
    top, n_masked = predictions.argmax(axis=1), masks.sizes
    few = (n_masked > 0) & (n_masked <= MOST_CHANGED)
    others = np.flatnonzero((top != np.argmax(original)) & few & ~found.failed)
    chosen = []
    for target in sorted(set(top[others].tolist())):
        rows = others[top[others] == target]
        rows = rows[n_masked[rows] == n_masked[rows].min()]
        chosen.append(int(rows[predictions[rows, target].argmax()]))
    chosen.sort(key=lambda i: (n_masked[i], -predictions[i, top[i]], i))
    return tuple(
        Counterfactual(
            target=int(top[i]),
            name=identity.targets[int(top[i])],
            prediction=float(predictions[i, top[i]]),
            original=float(original[top[i]]),
            replaced=_replaced(instance, codes[i], masked[i]),
        )
        for i in chosen[:MOST_COUNTERFACTUALS]
    )


def _replaced(instance: Instance, code: IntArray, masked: BoolArray) -> tuple[Replaced, ...]:
    values = instance.replacements(code) if isinstance(instance, Replacing) else {}
    return tuple(Replaced(j, values.get(j)) for j in np.flatnonzero(masked).tolist())
