"""At which numbers of samples sampling looks whether it may stop."""

import pytest

from lime_cli.engine.stopping import stages
from lime_cli.settings import Settings


@pytest.mark.parametrize(
    ("first", "most", "numbers"),
    [
        (256, 2048, [256, 384, 512, 768, 1024, 1536, 2048]),
        (256, 490, [256, 384, 480]),
        (256, 256, [256]),
        (256, 260, [256]),
        (100, 130, [100, 128]),
        (2, 7, [2, 3, 4, 6]),
    ],
)
def test_samples_of_its_own_grow_by_a_half_and_a_third_in_turn(first, most, numbers):
    assert list(stages(Settings(samples=first, max_samples=most), shared=False)) == numbers


def test_shared_samples_double():
    settings = Settings(samples=4096, max_samples=20_000)
    assert list(stages(settings, shared=True)) == [4096, 8192, 16384]


def test_a_number_that_is_said_is_the_only_one():
    assert list(stages(Settings(samples=500), shared=False)) == [500]
