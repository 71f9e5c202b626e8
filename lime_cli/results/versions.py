"""Which Python and which packages an explanation was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = {
    "onnx": ("onnxruntime",),
    "pickle": ("scikit-learn", "joblib", "pandas"),
    "skops": ("scikit-learn", "skops", "pandas"),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "image": ("pillow", "scikit-image"),
    "text": ("regex",),
}
"""Packages that can change a number, by model format and by modality."""


def environment_of(*parts: str) -> dict[str, str]:
    """List the versions of what takes part, whatever else this process has loaded."""
    packages = ["numpy", *(name for part in parts for name in LIBRARIES.get(part, ()))]
    return {"python": platform.python_version(), **{one: _version(one) for one in packages}}


def _version(package: str) -> str:
    """Return the version of a package, which may be installed as its build for one device."""
    for name in (package, f"{package}-gpu", f"{package}-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"
