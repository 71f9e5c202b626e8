"""Choose a Gaussian process's scales by the evidence of a few samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lime_cli.engine.instance import FloatArray, IntArray

SAMPLES, STEPS = 320, 16
LOWEST, HIGHEST = -12.0, 3.0
NOISE = (-3.0, 1.0)
"""Bounds of the logarithms of scales and of the noise; less noise fits the few samples too well."""


@dataclass(frozen=True, eq=False)
class Scales:
    """The kernel a exp(-|x - x'|²) + x·x' + a constant, features scaled by group, and its noise."""

    distance: FloatArray
    """(features,): factors of the features in the exponential part."""
    linear: FloatArray
    """(features,): factors of the features in the linear part."""
    height: float
    """a; 0 for a purely additive model."""
    noise: float

    def __call__(self, A: FloatArray, B: FloatArray) -> FloatArray:
        """Return the kernel between rows of features: (len(A), len(B))."""
        together = np.asarray((A * self.linear**2) @ B.T + CONSTANT)
        if self.height:
            together += self.height * closeness(A * self.distance, B * self.distance)
        return together


CONSTANT = 10.0
"""Variance of the constant, of answers of variance one."""


def closeness(A: FloatArray, B: FloatArray) -> FloatArray:
    """Return exp(-|a - b|²) of all pairs of rows."""
    squares = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2.0 * (A @ B.T)
    return np.asarray(np.exp(-np.maximum(squares, 0.0)))


def scales_of(F: FloatArray, answers: FloatArray, group: IntArray, additive: bool) -> Scales:
    """Climb the evidence of standardised ``answers`` (n,) to features F (n, features).

    Goes up by signs of the gradient, with a step of its own for each number (Rprop), and returns
    the best scales seen: going on to the very top fits the few samples too well.
    """
    F, answers, m = F[:SAMPLES], answers[:SAMPLES], int(group.max()) + 1
    belongs = (group == np.arange(m)[:, None]).astype(float)
    at = np.concatenate([np.full(m, -np.log(2 * m)), [0.0, -2.3], np.full(m, np.log(0.3 / m))])
    low = np.concatenate([np.full(m, LOWEST), [-6.0, NOISE[0]], np.full(m, LOWEST)])
    high = np.concatenate([np.full(m, HIGHEST), [4.0, NOISE[1]], np.full(m, HIGHEST)])
    step, before, best = np.full(len(at), 0.4), np.zeros(len(at)), (-np.inf, at)
    for _ in range(STEPS):
        evidence, now = _evidence(F, answers, belongs, _scales(at, group, m, additive))
        best = (evidence, at) if evidence > best[0] else best
        agree = np.sign(now * before)
        step = np.clip(step * np.where(agree > 0, 1.25, np.where(agree < 0, 0.5, 1.0)), 1e-3, 1.2)
        before = np.where(agree < 0, 0.0, now)
        at = np.clip(at + step * np.sign(before), low, high)
    return _scales(best[1], group, m, additive)


def _scales(p: FloatArray, group: IntArray, m: int, additive: bool) -> Scales:
    size = np.exp(p)
    height = 0.0 if additive else float(size[m])
    distance, linear = np.sqrt(size[:m][group]), np.sqrt(size[m + 2 :][group])
    return Scales(distance, linear, height, float(size[m + 1]))


def _evidence(
    F: FloatArray, answers: FloatArray, belongs: FloatArray, scales: Scales
) -> tuple[float, FloatArray]:
    """Return twice the log evidence, less a constant, and its gradient by the logs of scales."""
    m = len(belongs)
    covariance = (F * scales.linear**2) @ F.T + CONSTANT + scales.noise * np.eye(len(F))
    if scales.height:
        near = scales.height * closeness(F * scales.distance, F * scales.distance)
        covariance += near
    inverse = np.linalg.inv(covariance)
    weight = inverse @ answers
    volume = 2.0 * np.log(np.diagonal(np.linalg.cholesky(covariance))).sum()
    pull = np.outer(weight, weight) - inverse
    slope: FloatArray = np.zeros(2 * m + 2)
    slope[m + 1] = scales.noise * np.trace(pull)
    slope[m + 2 :] = belongs @ (scales.linear**2 * ((pull @ F) * F).sum(axis=0))
    if scales.height:
        pull *= near
        apart = pull.sum(axis=1) @ F**2 - ((pull @ F) * F).sum(axis=0)
        slope[:m] = -2.0 * (belongs @ (scales.distance**2 * apart))
        slope[m] = pull.sum()
    return float(-(answers @ weight) - volume), slope
