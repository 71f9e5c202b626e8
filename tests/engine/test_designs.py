"""Laws and designs: marginals, sizes, enumeration."""

from math import comb

import numpy as np
import pytest

from lime_cli.engine import designs

ALL = sorted(designs.DESIGNS)
N = 20_000


def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("name", ALL)
def test_points_lie_in_the_unit_cube_and_come_again_from_the_same_seed(name):
    points = designs.DESIGNS[name](100, 7, rng())
    assert points.shape == (100, 7)
    assert points.min() >= 0
    assert points.max() < 1
    assert np.array_equal(points, designs.DESIGNS[name](100, 7, rng()))


@pytest.mark.parametrize("name", ALL)
def test_coins_keep_half_of_the_components(name):
    codes = designs.coins(N, 6, designs.DESIGNS[name], rng()).codes
    assert set(np.unique(codes)) == {0, 1}
    assert codes.mean(axis=0) == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("name", ALL)
def test_subsets_have_a_uniform_number_gone_and_no_favourites(name):
    codes = designs.subsets(N, 5, designs.DESIGNS[name], rng()).codes
    gone = 5 - codes.sum(axis=1)
    assert gone.min() == 1
    assert np.bincount(gone, minlength=6)[1:] / N == pytest.approx(0.2, abs=0.015)
    assert codes.mean(axis=0) == pytest.approx(0.4, abs=0.015)


@pytest.mark.parametrize("name", ALL)
def test_levels_come_with_their_shares(name):
    shares = [np.array([0.5, 0.3, 0.2]), np.array([1.0]), np.array([0.1, 0.9])]
    codes = designs.levels(N, shares, designs.DESIGNS[name], rng()).codes
    for j, share in enumerate(shares):
        assert np.bincount(codes[:, j], minlength=len(share)) / N == pytest.approx(share, abs=0.015)


def test_enumerated_coins_are_all_masks_but_the_full_one():
    samples = designs.coins(99, 4, None, rng())
    assert len({tuple(row) for row in samples.codes}) == 2**4 - 1
    assert samples.codes.sum(axis=1).max() == 3
    assert samples.n_blocks == 1


def test_enumerated_subsets_weigh_as_often_as_they_are_drawn():
    samples = designs.subsets(99, 4, None, rng())
    gone = 4 - samples.codes.sum(axis=1)
    for g in range(1, 5):
        assert samples.mass[gone == g].sum() / samples.mass.sum() == pytest.approx(1 / 4)
        assert (gone == g).sum() == comb(4, g)


def test_enumerated_levels_weigh_as_often_as_they_are_drawn():
    shares = [np.array([0.5, 0.5]), np.array([0.2, 0.3, 0.5])]
    samples = designs.levels(99, shares, None, rng())
    assert len(samples.codes) == 6
    for j, share in enumerate(shares):
        drawn = np.bincount(samples.codes[:, j], samples.mass) / samples.mass.sum()
        assert drawn == pytest.approx(share)
