"""Which Python and which packages an explanation was made with."""

from __future__ import annotations

import platform
import sys

LIBRARIES = {
    "onnx": {"onnxruntime": "onnxruntime"},
    "pickle": {"scikit-learn": "sklearn", "joblib": "joblib"},
    "skops": {"scikit-learn": "sklearn", "skops": "skops"},
    "xgboost": {"xgboost": "xgboost"},
    "lightgbm": {"lightgbm": "lightgbm"},
    "catboost": {"catboost": "catboost"},
    "image": {"pillow": "PIL"},
    "text": {"regex": "regex"},
    "tree": {"scikit-learn": "sklearn"},
}
"""Packages that can change a number, by model format, modality and surrogate, and their modules."""


def environment_of(*parts: str) -> dict[str, str]:
    """List the versions of what takes part, whatever else this process has loaded."""
    versions = {"python": platform.python_version()}
    packages = [pair for part in parts for pair in LIBRARIES.get(part, {}).items()]
    for package, module in [("numpy", "numpy"), *packages]:
        found = getattr(sys.modules.get(module), "__version__", None)
        if found is not None:
            versions[package] = str(found)
    return versions
