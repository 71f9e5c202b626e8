"""The neighbourhood of an instance: the proximity kernel, and samples weighed by it.

Every kernel is a distribution over masks that depends on a mask's size alone: how much a sample
counts by the number of components it masks. The default is the paper's squared exponential kernel
on the Euclidean distance in the interpretable space (Ribeiro et al. 2016, section 3.4), which over
all masks is a product over components.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import lgamma, log
from typing import NamedTuple, Protocol

import numpy as np

from lime_cli.engine.model import BoolArray, FloatArray, IntArray

LADDER = (0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
"""Radii that ``auto`` compares; it goes on by halves while one component is masked on average."""
SPARSE = (0.25, 0.1)
"""Those of more than MOST components, which go on by quarters where nothing is random. The numbers
that two radii mask of so many hardly overlap: every radius needs samples of its own.
"""
ENOUGH = 2.0
"""Effective samples a component, at least, for plain least squares."""
MOST = 600
"""Components, at most, that are fitted together, and of which so few are masked where replacements
are random: samples would mask each of more too seldom to tell its weight."""


ROUNDING = 1e-12
"""What a number may owe to rounding alone, as a share of the predictions that it is made of."""


class Kernel(Protocol):
    """A distribution over masks of d components, exchangeable among them."""

    def sizes(self, d: int) -> FloatArray:
        """Return the distribution of the number of masked components, (d + 1,); sums to one."""
        ...


@dataclass(frozen=True)
class Product:
    """Mask every component by itself with probability ``radius``, in (0, 0.5]."""

    radius: float

    def sizes(self, d: int) -> FloatArray:
        """Return the binomial distribution, (d + 1,)."""
        return binomial(d, self.radius)

    @property
    def width(self) -> float:
        """Width w of the kernel exp(-m / (2 w²)) that this is; infinite at the largest radius."""
        return width_of(self.radius)


def width_of(radius: float) -> float:
    """Return the kernel width that masks a share of the components on average."""
    logit = log((1.0 - radius) / radius)
    return (1.0 / (2.0 * logit)) ** 0.5 if logit > 0 else float("inf")


@cache
def binomial(d: int, radius: float) -> FloatArray:
    """Return the probabilities of 0 to d successes in d trials."""
    m = np.arange(d + 1)
    ways = np.array([lgamma(d + 1) - lgamma(i + 1) - lgamma(d - i + 1) for i in range(d + 1)])
    probabilities = np.exp(ways + m * log(radius) + (d - m) * log(1.0 - radius))
    probabilities /= probabilities.sum()
    probabilities.setflags(write=False)
    return np.asarray(probabilities)


def ladder(d: int, random: bool = False) -> tuple[float, ...]:
    """Return the radii that are compared for d components, falling.

    Where replacements are ``random``, those of many components end where SPARSE does.
    """
    many = d > MOST
    rungs, step = (SPARSE, 4) if many else (LADDER, 2)
    radii = [radius for radius in rungs if radius * d >= 1]
    further = not (many and random) and radii[-1:] == [rungs[-1]]
    while further and radii[-1] / step * d >= 1:
        radii.append(radii[-1] / step)
    return tuple(radii) or rungs[:1]


class Moments(NamedTuple):
    """Of the indicators of what is masked."""

    mean: float
    variance: float
    covariance: float


def moments(sizes: FloatArray) -> Moments:
    """Return the moments of what is masked, from the distribution of its number (d + 1,)."""
    d = len(sizes) - 1
    m = np.arange(d + 1)
    mean = float(sizes @ m) / d
    both = float(sizes @ (m * (m - 1.0))) / (d * (d - 1)) if d > 1 else mean * mean
    return Moments(mean, mean - mean * mean, both - mean * mean)


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The instance (row 0) and its samples, weighed by the kernel of one radius."""

    interpretable: BoolArray | FloatArray
    """(n + 1, d): which components a sample keeps."""
    predictions: FloatArray
    """(n + 1, k)"""
    weights: FloatArray
    """(n + 1,): they sum to about one."""
    block: IntArray
    """(n + 1,): in 0..R-1; -1 for the instance, which belongs to none."""
    n_blocks: int
    """R; 1 where nothing was drawn."""
    twins: IntArray
    """(pairs, 2): rows of the same mask whose replacements were drawn independently."""
    kernel_width: float

    @property
    def effective_samples(self) -> float:
        """Kish's effective sample size of the samples' weights."""
        weights = self.weights[1:]
        total = float((weights**2).sum())
        return float(weights.sum() ** 2 / total) if total > 0 else 0.0
