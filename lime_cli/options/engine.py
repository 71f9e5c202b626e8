"""The options of the engine: what is explained, from how many samples, by which surrogate."""

from __future__ import annotations

from lime_cli.console import print_line
from lime_cli.errors import SettingsError
from lime_cli.modality import Modality
from lime_cli.options.completion import targets
from lime_cli.options.groups import Options, flag, option
from lime_cli.options.types import Bytes, NumberOrAuto, Percent
from lime_cli.settings import KERNELS, SELECTIONS, SURROGATES, Settings


class EngineOptions(Options, heading="Explanation"):
    """The engine's options as typed; the number of samples may still depend on the modality."""

    target: tuple[str, ...] = option(
        "--target",
        "What to explain: predicted (default), all, top:K, a class or its index; repeatable.",
        metavar="NAME",
        multiple=True,
        shell_complete=targets,
        common=True,
    )
    against: str | None = option(
        "--against",
        "Explain why the target and not this class: the difference of their predictions.",
        metavar="NAME",
        shell_complete=targets,
    )
    samples: int | None = option(
        "--samples",
        "Number of samples; auto: until the weights have converged.",
        type=NumberOrAuto(int),
        default="auto",
        common=True,
    )
    max_samples: int | None = option(
        "--max-samples",
        "Largest number of samples with auto; the default depends on the input.",
        type=int,
        metavar="N",
    )
    tolerance: float = option(
        "--tolerance",
        "Error at which a weight has converged, as a share of the largest weight.",
        default=0.1,
        metavar="X",
    )
    seed: int = option("--seed", "Seed of the random numbers.", default=0, metavar="N")
    kernel: str = option(
        "--kernel",
        "Weighting of samples: product, the exponential kernel, or shapley, for Shapley values.",
        choices=KERNELS,
        default="product",
    )
    radius: float | None = option(
        "--radius",
        "Share of the components masked on average, up to 0.5; auto: the most local one at which "
        "the weights describe the model.",
        type=NumberOrAuto(float),
        default="auto",
        common=True,
    )
    kernel_width: float | None = option(
        "--kernel-width",
        "The radius as the width w of the kernel exp(-m / (2 w^2)) on m masked components.",
        type=NumberOrAuto(float),
        default="auto",
    )
    refit: bool = flag(
        "--refit",
        "Fit the components shown again without the others (K-LASSO).",
    )
    features: int = option(
        "--features", "Largest number of components to show.", default=10, metavar="K", common=True
    )
    selection: str = option(
        "--selection", "How the components are selected.", choices=SELECTIONS, default="lasso"
    )
    penalty: str = option(
        "--penalty",
        "L2 penalty of the fit; with --selection none, lasso:X for an L1 penalty.",
        default="0",
        metavar="X|lasso:X",
    )
    surrogate: str = option(
        "--surrogate",
        "Weights, or the rules of a tree of at most --features leaves.",
        choices=SURROGATES,
        default="linear",
    )
    assist: str | None = option("--assist", "Without effect.", hidden=True)
    like_lime: bool = flag(
        "--like-lime",
        "Reproduce the samples, defaults and weights of marcotcr/lime.",
    )
    drop_failed: float = option(
        "--drop-failed",
        "Leave out samples for which the model predicts NaN or infinity, up to this share.",
        type=Percent(),
        default="0%",
        metavar="N%",
    )
    batch_size: int | None = option(
        "--batch-size",
        "Model inputs in one call; auto: as many as fit, halved when the model runs out of memory.",
        type=NumberOrAuto(int),
        default="auto",
    )
    max_memory: int | None = option(
        "--max-memory",
        "Limit of the memory for the inputs of one call: 512MB, 2GiB.",
        type=Bytes(),
        metavar="SIZE",
    )

    def settings(self, modality: Modality) -> Settings:
        """Return checked settings; raise SettingsError for an impossible value.

        ``--samples N`` is N; auto begins with the modality's number and ends at ``--max-samples``.
        """
        if self.assist is not None:
            print_line("limex: warning: --assist no longer has any effect; leave it out")
        kind, _, amount = self.penalty.rpartition(":")
        try:
            penalty = float(amount)
        except ValueError:
            raise SettingsError(
                f"--penalty: {self.penalty!r} is not valid", "give X or lasso:X"
            ) from None
        samples, most = self.samples, None
        if samples is None:
            most = modality.max_samples if self.max_samples is None else self.max_samples
            samples = min(modality.default_samples, most)
        return Settings(
            samples=samples,
            max_samples=most,
            targets=self.target or ("predicted",),
            against=self.against,
            tolerance=self.tolerance,
            seed=self.seed,
            kernel=self.kernel,
            radius=self.radius,
            kernel_width=self.kernel_width,
            refit=self.refit,
            features=self.features,
            selection=self.selection,
            penalty=penalty,
            penalty_kind=kind or "ridge",
            surrogate=self.surrogate,
            like_lime=self.like_lime,
            drop_failed=self.drop_failed,
            batch_size=self.batch_size,
            max_memory=self.max_memory,
        )
