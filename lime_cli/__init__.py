"""limex: explain one prediction of a trained model with LIME.

From the command line, ``limex explain``; from Python, with the model and the data in hand::

    import lime_cli

    explanation = lime_cli.explain(model, people.iloc[17], background=people)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_cli.version import __version__

if TYPE_CHECKING:
    from lime_cli.api import Explainer, LimexWarning, explain
    from lime_cli.errors import LimexError
    from lime_cli.explanations import ComponentWeight, Explanation, Explanations, Failure, read

__all__ = [
    "ComponentWeight",
    "Explainer",
    "Explanation",
    "Explanations",
    "Failure",
    "LimexError",
    "LimexWarning",
    "__version__",
    "explain",
    "read",
]

if not TYPE_CHECKING:  # so that a type checker finds misspelt names
    _PLACES = {"Explainer": "api", "LimexWarning": "api", "explain": "api", "LimexError": "errors"}

    _GONE = ("explain_tabular", "explain_text", "explain_image", "load_model")

    def __getattr__(name):
        """Import the interface when it is first used: the command line starts without it."""
        if name in __all__:
            from importlib import import_module

            place = _PLACES.get(name, "explanations")
            return getattr(import_module(f"lime_cli.{place}"), name)
        said = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(f"{said}; use lime_cli.explain" if name in _GONE else said)

    def __dir__():
        return sorted(__all__)
