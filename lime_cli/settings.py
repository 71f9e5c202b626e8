"""Settings: every choice of the engine that changes a number, checked once and never changed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from lime_cli.errors import SettingsError

SURROGATES = ("linear", "tree")

SELECTIONS = ("lasso", "forward", "highest", "none")

PENALTIES = ("ridge", "lasso")

KERNELS = ("product", "shapley")

LEAST_SAMPLES = 16
"""A pair in each of the blocks that error bars come from."""


_SILENT = ("batch_size", "max_memory", "time_limit")


@dataclass(frozen=True)
class Settings:
    """Hold the engine's choices; raise SettingsError for a value that makes no sense."""

    samples: int = 1024
    """Perturbed inputs to begin with, the instance itself not counted."""
    max_samples: int | None = None
    """Go on until the weights are converged or this many are drawn; None: ``samples``."""
    tolerance: float = 0.1
    """Half-width of a 95% interval that settles a weight, as a share of the largest weight."""
    seed: int = 0
    targets: tuple[str, ...] = ("predicted",)
    """What to explain: ``predicted``, ``all``, ``top:K``, a target's name or its index."""
    against: str | None = None
    """An output whose prediction is subtracted from each target's; None: none."""
    features: int = 10
    """Components kept in a linear surrogate, leaves of a tree, at most."""
    selection: str = "lasso"
    """How the components shown are chosen."""
    kernel: str = "product"
    """Which masks count how much: ``product``, the squared exponential kernel, or ``shapley``."""
    radius: float | None = None
    """Share of the components that are masked on average, in (0, 0.5]; None: from the data."""
    kernel_width: float | None = None
    """The same as a width w of the kernel exp(-m / (2 w²)) on m masked components."""
    refit: bool = False
    """Whether the components shown are fitted again without the others (K-LASSO)."""
    penalty: float = 0.0
    """L2: against unscaled weighted sums; L1: of the objective divided by the sum of weights."""
    penalty_kind: str = "ridge"
    like_lime: bool = False
    """Whether marcotcr/lime's samples, weights and sums are made in place of limex's own; then
    ``samples`` counts the instance, and ``kernel_width`` is in lime's unit."""
    surrogate: str = "linear"
    drop_failed: float = 0.0
    """Share of the samples, at most, that are left out where the model answers NaN or infinity."""
    batch_size: int | None = None
    """Model inputs in one call; None: as many as 8 MiB hold, fewer where the model runs out of
    memory. Changes no number."""
    max_memory: int | None = None
    """Bytes of the model inputs in one call, at most, though always one input; None: by
    ``batch_size``. Changes no number."""
    time_limit: float | None = None
    """Seconds for an instance, after which ``max_samples`` is not waited for; None: no limit. The
    one choice whose numbers depend on the clock; what it ended says so (``stop``)."""

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        self._check_limits()
        self._check_pairs()

    def _check_names(self) -> None:
        _check(self.selection in SELECTIONS, "--selection", self.selection, " ".join(SELECTIONS))
        _check(self.penalty_kind in PENALTIES, "--penalty", f"{self.penalty_kind}:", "X or lasso:X")
        _check(self.kernel in KERNELS, "--kernel", self.kernel, " ".join(KERNELS))
        _check(self.surrogate in SURROGATES, "--surrogate", self.surrogate, " ".join(SURROGATES))

    def _check_numbers(self) -> None:
        least = 2 if self.like_lime else LEAST_SAMPLES
        bounded = self.max_samples is not None and self.max_samples <= self.samples
        name = "--max-samples" if bounded else "--samples"
        _check(self.samples >= least, name, self.samples, f"a whole number, at least {least}")
        _check(0 < self.tolerance < 1, "--tolerance", self.tolerance, "a number between 0 and 1")
        _check(self.seed >= 0, "--seed", self.seed, "a whole number, at least 0")
        _check(self.features >= 1, "--features", self.features, "a whole number, at least 1")
        width, radius = self.kernel_width, self.radius
        _check(width is None or width > 0, "--kernel-width", width, "auto or a number above 0")
        wanted = "auto or a number above 0, 0.5 at most"
        _check(radius is None or 0 < radius <= 0.5, "--radius", radius, wanted)
        _check(self.penalty >= 0, "--penalty", self.penalty, "a number, at least 0")
        share = f"{self.drop_failed:.3g}"
        _check(0 <= self.drop_failed < 1, "--drop-failed", share, "a share below 100%")

    def _check_limits(self) -> None:
        most, size, seconds = self.max_samples, self.batch_size, self.time_limit
        room = self.max_memory
        _check(
            most is None or most >= self.samples,
            "--max-samples",
            most,
            f"a whole number, at least {self.samples}",
        )
        whole = "auto or a whole number, at least 1"
        _check(size is None or size >= 1, "--batch-size", size, whole)
        _check(room is None or room >= 1, "--max-memory", room, "a size above 0, such as 512MB")
        wanted = "seconds, a number above 0"
        _check(seconds is None or seconds > 0, "--time-limit", seconds, wanted)

    def _check_pairs(self) -> None:
        if self.against is not None and self.like_lime:
            raise not_limes("--against")
        if self.drop_failed and self.like_lime:
            raise not_limes("--drop-failed")
        if self.radius is not None and self.kernel_width is not None:
            raise SettingsError(
                "--radius and --kernel-width set the same quantity", "leave one out"
            )
        if self.kernel == "shapley":
            self._check_shapley()
        if self.like_lime and (self.radius is not None or self.refit):
            option = "--refit" if self.refit else "--radius"
            raise not_limes(option)
        if self.surrogate == "tree" and self.refit:
            raise SettingsError("--surrogate tree has no weights to refit", "leave --refit out")
        if self.surrogate == "tree" and self.like_lime:
            raise not_limes("--surrogate tree")
        if self.surrogate == "tree" and (self.selection != "lasso" or self.penalty):
            raise SettingsError(
                "--surrogate tree has neither selection nor penalty",
                "leave out --selection and --penalty",
            )
        if self.penalty_kind == "lasso" and self.selection != "none":
            raise SettingsError(
                "--penalty lasso:X selects components itself", "add --selection none"
            )

    def _check_shapley(self) -> None:
        """Raise SettingsError for what Shapley values have none of."""
        said = {
            "--radius": self.radius is not None,
            "--kernel-width": self.kernel_width is not None,
            "--refit": self.refit,
            "--penalty": bool(self.penalty),
            "--surrogate tree": self.surrogate == "tree",
            "--like-lime": self.like_lime,
            "--against": self.against is not None,
        }
        for option, given in said.items():
            if given:
                raise SettingsError(f"--kernel shapley has no {option}", "leave one out")

    @property
    def most_samples(self) -> int:
        """The number of samples to stop at."""
        return self.max_samples or self.samples

    @property
    def full_surrogate(self) -> bool:
        """Whether weights are those of a linear surrogate of all components near the instance."""
        weights = self.surrogate == "linear" and self.kernel == "product" and not self.like_lime
        return weights and not self.refit and self.penalty_kind == "ridge"

    def chosen_radius(self, d: int) -> float | None:
        """Return the radius asked for, of d components; None for one from the data.

        Raises SettingsError for a kernel width at which hardly anything is masked.
        """
        if self.kernel_width is None:
            return self.radius
        width = self.kernel_width
        radius = 1.0 / (1.0 + math.exp(1.0 / (2.0 * width**2))) if width > 0.03 else 0.0
        if radius * d < 0.5:
            words = (
                f"--kernel-width {self.kernel_width:g}: masks {radius * d:.2g} of {d} components "
                "on average, so no sample differs from the instance"
            )
            wanted = max(0.05, min(0.5, 1.0 / d))
            raise SettingsError(words, f"give --radius {wanted:.2g}, a share of the components")
        return radius

    def numbers(self) -> dict[str, Any]:
        """List every choice that changes a number, by name, in a fixed order.

        The time limit is none: where it ended nothing, it changed nothing.
        """
        return {name: value for name, value in asdict(self).items() if name not in _SILENT}


def not_limes(option: str) -> SettingsError:
    """Word that marcotcr/lime has no such option."""
    said = f"{option}: marcotcr/lime has no such option"
    return SettingsError(said, f"leave out {option} or --like-lime")


def _check(good: bool, option: str, value: object, wanted: str) -> None:
    if not good:
        raise SettingsError(f"{option}: {value} is not valid", f"give {wanted}")
