"""Laws and designs: marginals, sizes, enumeration."""

from math import comb

import numpy as np
import pytest

from lime_cli.engine import designs
from lime_cli.engine.instance import Design
from lime_cli.engine.levels import Levels
from lime_cli.engine.sobol import directions, sobol

ALL = sorted(designs.DESIGNS)
N = 20_000


def design(name):
    """Draw by points of that name."""
    return Design(designs.DESIGNS[name])


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
    codes = designs.coins(N, 6, design(name), rng()).codes
    assert set(np.unique(codes)) == {0, 1}
    assert codes.mean(axis=0) == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("name", ALL)
def test_subsets_have_a_uniform_number_gone_and_no_favourites(name):
    codes = designs.subsets(N, 5, design(name), rng()).codes
    gone = 5 - codes.sum(axis=1)
    assert gone.min() == 1
    assert np.bincount(gone, minlength=6)[1:] / N == pytest.approx(0.2, abs=0.015)
    assert codes.mean(axis=0) == pytest.approx(0.4, abs=0.015)


@pytest.mark.parametrize("name", ALL)
def test_levels_come_with_their_shares(name):
    shares = [np.array([0.5, 0.3, 0.2]), np.array([1.0]), np.array([0.1, 0.9])]
    codes = designs.levels(N, [*map(Levels, shares)], design(name), rng()).codes
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
    samples = designs.levels(99, [*map(Levels, shares)], None, rng())
    assert len(samples.codes) == 6
    for j, share in enumerate(shares):
        drawn = np.bincount(samples.codes[:, j], samples.mass) / samples.mass.sum()
        assert drawn == pytest.approx(share)


def test_numbers_of_little_weight_are_drawn_as_rarely_and_stand_for_more():
    kernel = np.array([1.0, 0.8, 0.4, 0.2, 0.1, 0.05])
    samples = designs.subsets(N, 5, Design(designs.random, kernel), rng())
    gone = 5 - samples.codes.sum(axis=1)
    share = kernel[1:] / kernel[1:].sum()
    assert np.bincount(gone, minlength=6)[1:] / N == pytest.approx(share, abs=0.015)
    weights = samples.mass * kernel[gone]
    assert weights == pytest.approx(np.full(N, kernel[1:].mean()))


def test_pairs_mirror_each_other_within_a_block():
    points = designs.paired(64, 3, rng())
    first, second = points[:8], points[8:16]
    assert first + second == pytest.approx(1)


@pytest.mark.parametrize("name", ALL)
def test_the_first_points_are_the_same_whatever_their_number(name):
    many, few = (designs.DESIGNS[name](n, 7, rng()) for n in (256, 128))
    assert np.array_equal(many[:128], few)


def test_sobol_points_unscrambled_are_those_of_scipy():
    from scipy.stats import qmc

    from lime_cli.engine.sobol import BITS, _sequence

    theirs = qmc.Sobol(1024, scramble=False, bits=BITS).random(64)
    ours = _sequence(64, directions(1024)[..., None])[..., 0].T / 2.0**BITS
    assert {tuple(row) for row in ours} == {tuple(row) for row in theirs}


def test_sobol_points_fill_every_interval_once():
    points = sobol(256, 40, rng())
    for column in points.T:
        assert sorted(np.floor(column * 256)) == list(range(256))


def test_more_dimensions_than_the_table_holds_are_filled_up():
    points = sobol(16, 1030, rng())
    assert points.shape == (16, 1030)
    assert len(np.unique(points[:, -1])) == 16


@pytest.mark.parametrize(("n", "d"), [(16, 6), (256, 50), (512, 200)])
def test_balanced_coins_show_each_component_as_often_kept_as_gone(n, d):
    codes = designs.coins(n, d, design("balanced"), rng()).codes
    assert set(codes.sum(axis=0)) == {n // 2}
    assert np.array_equal(codes[:8], 1 - codes[8:16])


def test_balanced_coins_show_all_combinations_of_any_three_equally_often():
    codes = designs.coins(8 * 16, 8, design("balanced"), rng()).codes
    for block in range(8):
        signs = 2 * codes[block::8] - 1
        assert np.array_equal(signs.T @ signs, 16 * np.eye(8))
        assert not np.einsum("ni,nj,nk->ijk", signs, signs, signs).any()


def test_balanced_levels_show_all_pairs_of_quarters_equally_often():
    shares = [np.full(4, 0.25)] * 16
    codes = designs.levels(8 * 64, [*map(Levels, shares)], design("balanced"), rng()).codes
    for block in range(8):
        levels = np.eye(4)[codes[block::8]].reshape(64, -1)
        together = (levels.T @ levels).reshape(16, 4, 16, 4)
        for i in range(16):
            assert np.array_equal(together[i, :, i], 16 * np.eye(4))
            for j in range(i):
                assert (together[i, :, j] == 4).all()


def test_balanced_points_are_uniform_one_by_one():
    points = [
        designs.DESIGNS["balanced"](16, 3, np.random.default_rng(seed)) for seed in range(2000)
    ]
    for row in (0, 7, 8, 15):
        one = np.array([drawn[row] for drawn in points])
        assert one.mean(axis=0) == pytest.approx(0.5, abs=0.03)
        assert np.histogramdd(one >= 0.5, 2)[0] / 2000 == pytest.approx(1 / 8, abs=0.03)
