"""Masks and kernels: the distribution they are drawn from, what they depend on, what they weigh."""

from dataclasses import dataclass
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lime_cli.engine.gram import Ground
from lime_cli.engine.masks import (
    BLOCKS,
    MASKS,
    STAGES,
    Recent,
    Stage,
    draw,
    every_mask,
    mixture,
    progressive,
)
from lime_cli.engine.neighbourhood import Product, ladder, moments, width_of
from lime_cli.engine.surrogate import fit
from lime_cli.errors import SettingsError
from lime_cli.settings import Settings


@given(st.integers(1, 60), st.floats(0.01, 0.5))
def test_the_kernel_is_the_squared_exponential_of_the_number_masked(d, radius):
    sizes = Product(radius).sizes(d)
    assert sizes.sum() == pytest.approx(1)
    each = sizes / np.array([float(comb(d, m)) for m in range(d + 1)])
    width = width_of(radius)
    expected = np.exp(-np.arange(d + 1) / (2 * width**2)) if np.isfinite(width) else np.ones(d + 1)
    near = slice(0, 1 + min(d, 20))
    assert (each / each[0])[near] == pytest.approx(expected[near], rel=1e-6)
    mean, variance, covariance = moments(sizes)
    assert mean == pytest.approx(radius)
    assert variance == pytest.approx(radius * (1 - radius))
    assert covariance == pytest.approx(0, abs=1e-9)


@given(st.floats(0.01, 0.49))
def test_radius_and_width_say_the_same(radius):
    assert Settings(kernel_width=width_of(radius)).chosen_radius(100) == pytest.approx(radius)


@pytest.mark.parametrize("d", [1, 2, 5, 12, 40, 200, 3000])
def test_the_ladder_falls_to_about_one_component(d):
    radii = ladder(d)
    assert list(radii) == sorted(radii, reverse=True)
    many = d > 600
    assert radii[0] == (0.25 if many else 0.5)
    assert all(one * d >= 1 for one in radii) or radii == (0.5,)
    assert len(radii) == 1 or radii[-1] * d < (5 if many else 2.5)
    assert len(radii) < 11
    assert ladder(d, random=True) == ((0.25, 0.1) if many else radii)


def drawn(d=12, n=512, seed=0, random=True, radii=None):
    return draw(seed, d, (Stage(n, radii or ladder(d)),), random)


def test_masks_depend_on_seed_components_and_number_alone():
    assert drawn() is drawn()
    assert (drawn().masked != drawn(seed=1).masked).any()
    before = drawn()
    MASKS.clear()
    STAGES.clear()
    again = drawn()
    assert again is not before
    assert (again.masked == before.masked).all()


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ([1, 1, 1], [1]),
        ([1, 2, 3, 1], [1, 2, 3]),
        ([1, 2, 3, 1, 4, 1, 2], [1, 2, 3, 4, 2]),  # 2 was wanted least recently when 4 came
        ([1, 50, 1], [1, 50, 1]),  # one thing that is too large is kept alone
        ([50, 50, 1, 50], [50, 1, 50]),
    ],
)
def test_what_was_wanted_least_recently_is_forgotten_first(asked, made):
    recent, found = Recent(9), []
    for key in asked:
        value = recent.get(key, lambda key=key: found.append(key) or key, lambda one: max(3, one))
        assert value == key
    assert found == made


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 300), st.booleans())
def test_the_first_samples_are_the_same_however_many_there_are(d, n, random):
    few, many = drawn(d, n, random=random), drawn(d, 2 * n, random=random)
    assert (few.masked == many.masked[:n]).all()
    assert (few.block == many.block[:n]).all()
    if random:
        masked = few.masked
        assert (few.uniforms[masked] == many.uniforms[:n][masked]).all()


def test_twins_share_the_mask_and_the_block_and_nothing_else():
    masks = drawn()
    first, second = masks.twins.T
    assert len(masks.twins) == masks.n // 2
    assert (masks.masked[first] == masks.masked[second]).all()
    assert (masks.block[first] == masks.block[second]).all()
    some = masks.masked[first]
    correlation = np.corrcoef(masks.uniforms[first][some], masks.uniforms[second][some])[0, 1]
    assert abs(correlation) < 0.1
    assert len(drawn(random=False).twins) == 0


@pytest.mark.parametrize("radius", [0.5, 0.25, 0.1])
def test_weighed_masks_have_the_moments_of_the_kernel(radius):
    totals = []
    for seed in range(30):
        masks = drawn(n=1024, seed=seed, random=False)
        weights, own = masks.weights(Product(radius))
        totals.append([weights.sum() + own, *(weights @ masks.masked)])
    mean, error = np.mean(totals, axis=0), np.std(totals, axis=0) / np.sqrt(30)
    assert mean[0] == pytest.approx(1, abs=0.02)
    assert (np.abs(mean[1:] - radius) < 4 * error[1:] + 1e-9).all()


def test_sizes_are_stratified_in_every_block():
    masks = drawn(n=1024, random=False)
    distribution = mixture(12, ladder(12))
    for block in range(BLOCKS):
        sizes = masks.sizes[masks.block == block]
        share = np.bincount(sizes, minlength=13) / len(sizes)
        assert np.abs(np.cumsum(share) - np.cumsum(distribution)).max() <= 1 / len(sizes) + 1e-9


def test_samples_of_one_radius_alone_weigh_the_same():
    weights, own = drawn(radii=(0.2,)).weights(Product(0.2))
    assert weights == pytest.approx(weights[0])
    assert weights.sum() + own == pytest.approx(1)


@given(st.integers(1, 8), st.floats(0.05, 0.5))
def test_every_mask_weighs_what_it_is_likely_to_be(d, radius):
    masks = every_mask(d)
    weights, own = masks.weights(Product(radius))
    expected = np.prod(np.where(masks.masked, radius, 1 - radius), axis=1)
    assert weights == pytest.approx(expected)
    assert own == pytest.approx((1 - radius) ** d)


@given(st.integers(0, 7), st.integers(0, 99))
def test_progressive_series_put_one_number_in_every_interval(power, seed):
    series = progressive(2**power, 3, np.random.default_rng(seed))
    places = np.sort(np.floor(series * 2**power).astype(int), axis=0)
    assert (places == np.arange(2**power)[:, None]).all()


def test_a_width_at_which_nothing_is_masked_is_refused_with_a_radius():
    with pytest.raises(SettingsError, match="no sample differs") as refused:
        Settings(kernel_width=0.25).chosen_radius(30)
    assert "--radius 0.05" in str(refused.value.hint)
    assert Settings(kernel_width=1.0).chosen_radius(30) == pytest.approx(1 / (1 + np.exp(0.5)))


def test_radius_and_width_exclude_each_other():
    with pytest.raises(SettingsError, match="set the same quantity"):
        Settings(radius=0.2, kernel_width=1.0)
    for radius in (0.0, 0.6, -1.0):
        with pytest.raises(SettingsError, match="--radius"):
            Settings(radius=radius)


@dataclass(frozen=True)
class EverySizeAlike:
    """Another kernel: every number of masked components is as likely."""

    radius: float = 0.5

    def sizes(self, d):
        return np.full(d + 1, 1 / (d + 1))


@pytest.mark.parametrize("kernel", [Product(0.2), Product(0.5), EverySizeAlike()])
def test_a_kernel_is_exchanged_by_its_sizes_alone(kernel):
    d, rng = 6, np.random.default_rng(3)
    masks = every_mask(d)
    predictions = rng.normal(size=(1, masks.n))
    original = rng.normal(size=1)
    fits = fit(Ground(masks, (kernel,)), predictions, original)
    every = np.vstack([np.zeros((1, d)), masks.masked])
    ways = np.array([comb(d, m) for m in range(d + 1)])
    weights = (kernel.sizes(d) / ways)[every.sum(axis=1).astype(int)]
    x = np.c_[np.ones(2**d), every] * np.sqrt(weights)[:, None]
    y = np.r_[original, predictions[0]] * np.sqrt(weights)
    expected = np.linalg.lstsq(x, y, rcond=None)[0]
    assert fits.slopes[0, 0, 0] == pytest.approx(expected[1:], abs=1e-9)
    assert fits.offsets[0, 0, 0] + original[0] == pytest.approx(expected[0], abs=1e-9)
