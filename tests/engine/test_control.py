"""Control variates for tables: exact linear parts, less noise, the same weights, honest errors."""

import itertools

import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.engine.control import KEPT, control_of
from lime_cli.engine.encoding import FEATURES
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema
from tests.conftest import FunctionModel

SEEDS = range(12)
FADE = 0.8


def background_of(columns):
    names = tuple(f"c{j}" for j in range(len(columns)))
    rows = tuple(zip(*columns, strict=True))
    return build_background(
        Cells("t.csv", names, rows, tuple(range(2, len(rows) + 2))), names, Schema()
    )


def row_of(background, values):
    return RowInstance(Source("0", "t.csv", 0), background, values, ())


def numbers(seed, d, levels=6, n=40):
    """Return d columns of numbers with ``levels`` different values, one of them not whole."""
    rng = np.random.default_rng(seed)
    return [
        [repr(float(value) + 0.5) for value in rng.permutation(np.arange(n) % levels)]
        for _ in range(d)
    ]


MIXED = background_of(
    [
        [str(v + 0.25) if v % 7 else "" for v in range(40)],
        [("red", "green", "green", "blue")[v % 4] for v in range(40)],
        [str(v % 3) for v in range(40)],
        ["1" for _ in range(40)],
    ]
)


def curved(table):
    columns = [np.nan_to_num(np.asarray(one, float)) for one in table.columns]
    bent = np.sin(columns[0]) + columns[1] * columns[2] / 8 - 0.5 * columns[3]
    return 1 / (1 + np.exp(-bent))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "values", [(3.25, "green", 1, 1), (float("nan"), "blue", 0, 1), (9.25, "pink", 2, 1)]
)
def test_the_linear_part_of_each_model_is_that_of_all_outcomes(place, values):
    row = row_of(MIXED, values)
    sizes = [len(law.shares) for law in row.laws]
    rng = np.random.default_rng(3)
    drawn = np.stack([rng.integers(0, size, 96) for size in sizes], axis=1)
    answers = np.tanh(drawn @ [0.1, 0.5, -0.3]) + 0.3 * (drawn[:, 0] > 20) * drawn[:, 2]
    control = control_of(row.laws, drawn, answers, 4)
    codes = np.array(list(itertools.product(*map(range, sizes))))
    kept = np.stack(
        [law.bins[codes[:, j]] == row.own_bins[j] for j, law in enumerate(row.laws)], axis=1
    )
    chance = np.prod([law.shares[codes[:, j]] for j, law in enumerate(row.laws)], axis=0)
    weights = np.sqrt(chance * FADE ** (~kept).sum(axis=1))
    model = control.models[place]
    bins = row.own_bins[None]
    found = model.project(bins, model.features.odds(bins, FADE))[0]
    X = np.hstack([np.ones((len(codes), 1)), kept])
    seen = [0, *(1 + np.flatnonzero(row.own_bins >= 0))]
    for fold in range(4):
        wanted = np.linalg.lstsq(
            X[:, seen] * weights[:, None], model.of(codes, fold) * weights, rcond=None
        )[0]
        np.testing.assert_allclose(found[fold, seen], wanted, atol=1e-8)


def test_a_row_alone_has_the_linear_part_it_has_among_others():
    row = row_of(MIXED, (3.25, "green", 1, 1))
    rng = np.random.default_rng(5)
    drawn = np.stack([rng.integers(0, len(law.shares), 80) for law in row.laws], axis=1)
    control = control_of(row.laws, drawn, rng.random(80), 8)
    bins = np.stack([rng.integers(-1, law.bins.max() + 1, 150) for law in row.laws], axis=1)
    together = control.project(bins, FADE)
    alone = np.concatenate([control.project(one[None], FADE) for one in bins])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-12)


def runs(assist, ask, **choices):
    """Return weights and interval hits of many seeds: (seeds, d) each, and the truth (d,)."""
    row = row_of(background_of(numbers(1, 4)), (1.5, 2.5, 3.5, 0.5))
    model = FunctionModel(ask)
    exact = next(explain([row], model, Settings(selection="none", design="exhaustive")))
    truth = {w.component: w.weight for w in exact.surrogates[0].weights}
    weights, hits = np.zeros((len(SEEDS), 4)), np.zeros((len(SEEDS), 4))
    for seed in SEEDS:
        settings = Settings(
            **{"samples": 200, "selection": "none", "seed": seed, "assist": assist, **choices}
        )
        found = next(explain([row], model, settings))
        for weight in found.surrogates[0].weights:
            low, high = weight.interval
            weights[seed, weight.component] = weight.weight
            hits[seed, weight.component] = low <= truth[weight.component] <= high
    return weights, hits, np.array([truth[j] for j in range(4)])


@pytest.mark.parametrize("design", ["sobol", "random"])
def test_models_take_noise_away_and_leave_the_weights(design):
    plain, _, truth = runs("off", curved, design=design)
    helped, hits, _ = runs("auto", curved, design=design)
    noise = helped.std(axis=0, ddof=1)
    assert np.mean(noise**2) < 0.5 * np.mean(plain.var(axis=0, ddof=1))
    assert (np.abs(helped.mean(axis=0) - truth) < 4 * noise / np.sqrt(len(SEEDS)) + 1e-3).all()
    assert hits.mean() >= 0.85


def test_models_do_no_harm_where_they_are_wrong():
    noise = np.random.default_rng(0).normal(size=6**4)

    def rough(table):
        codes = [np.floor(np.asarray(one, float)).astype(int) for one in table.columns]
        return noise[np.ravel_multi_index(codes, (6,) * 4)]

    plain, _, truth = runs("off", rough)
    helped, _, _ = runs("auto", rough)
    assert np.mean((helped - truth) ** 2) < 1.25 * np.mean((plain - truth) ** 2)


def test_rows_of_one_pool_share_one_fit_and_change_no_digit_of_each_other():
    background = background_of(numbers(1, 4))
    rows = [row_of(background, (1.5, 2.5, 3.5, 0.5)), row_of(background, (5.5, 0.5, 1.5, 1.5))]
    settings = Settings(samples=128, selection="none")
    before = len(KEPT)
    together = list(explain(rows, FunctionModel(curved), settings))
    assert len(KEPT) <= before + 1
    for row, one in zip(rows, together, strict=True):
        alone = next(explain([row], FunctionModel(curved), settings))
        assert alone.surrogates == one.surrogates


def test_too_many_columns_go_without():
    background = background_of(numbers(2, FEATURES // 2 + 1, n=12))
    row = row_of(background, (1.5,) * len(background.features))
    found = [
        next(explain([row], FunctionModel(curved), Settings(samples=128, assist=assist)))
        for assist in ("on", "off")
    ]
    assert found[0].surrogates == found[1].surrogates
