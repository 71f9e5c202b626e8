"""What identifies a batch: its options, the digests of its files, the versions at work."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lime_cli import __version__
from lime_cli.digests import digest_of_file

if TYPE_CHECKING:
    from lime_cli.commands.slices import Listing
    from lime_cli.formats import Look
    from lime_cli.jobs import Job
    from lime_cli.results.identity import Identity

PACKAGES = (
    "numpy",
    "scikit-learn",
    "scikit-image",
    "pandas",
    "pillow",
    "regex",
    "onnxruntime",
    "xgboost",
    "lightgbm",
    "catboost",
    "skops",
)
"""Whose versions may change a number."""
_PATHS = ("path", "inputs", "background", "tokenizer", "segmenter")
"""Options that name files: what is in them counts, not where they are."""
_CHANGE_NO_NUMBER = ("trust", "trust_modules", "sha256", "imports", "fitted_background")


def identity_of(
    job: Job, listing: Listing, drawn: tuple[tuple[str, ...], Look], shard: tuple[int, int]
) -> Identity:
    """Identify the batch whose sources are listed; ``drawn`` are formats and how they look."""
    from lime_cli.results.identity import Identity

    formats, look = drawn
    parts = {
        "model": _without_paths(job.model._asdict()),
        "input": {
            **_without_paths(asdict(cast(Any, job.modality))),
            "instances": listing.n_sources,
        },
        "listing": {"instances_by_name": listing.digest},
        "settings": job.settings.numbers(),
        "drawings": {"format": ",".join(formats), **(asdict(look) if formats else {})},
        "shard": "/".join(map(str, shard)),
        "versions": _versions(),
    }
    named = [(one, key) for one in (job.modality, job.model) for key in _PATHS]
    paths = {key: getattr(one, key) for one, key in named if getattr(one, key, None)}
    return Identity(parts, paths)


def _without_paths(said: dict[str, Any]) -> dict[str, Any]:
    """Return options with the digests of files instead of their paths."""
    found = {}
    for key, value in said.items():
        if key in _CHANGE_NO_NUMBER or key == "inputs":
            continue
        if isinstance(value, dict):
            value = _without_paths(value)
        elif key in _PATHS and value:
            value = _digest(value)
        found["digest" if key == "path" else key] = value
    return found


def _digest(path: str) -> str:
    return digest_of_file(Path(path)) if Path(path).is_file() else path


def _versions() -> dict[str, str]:
    found = {"limex": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
