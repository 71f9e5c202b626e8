"""limex: explain one prediction of a trained model with LIME, from the command line.

From Python the same is an iterator: ``lime_cli.explain_tabular("model.onnx", "people.csv")``.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "__version__",
    "explain",
    "explain_image",
    "explain_tabular",
    "explain_text",
    "load_model",
]


def __getattr__(name: str) -> Any:
    """Import the Python interface when it is asked for: the command line starts without it."""
    if name != "__version__" and name in __all__:
        from lime_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
