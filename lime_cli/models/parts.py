"""The things that a file holds: what they are, and what is in them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError
from lime_cli.models.sklearn import final

SHOWN = 8
"""Names of what a file holds that one sentence lists."""

ANSWERS = ("predict_proba", "decision_function", "predict")


def can_predict(thing: Any) -> bool:
    """Tell whether a thing answers the scikit-learn way."""
    return not isinstance(thing, type) and any(hasattr(thing, method) for method in ANSWERS)


def what(thing: Any) -> str:
    """Name a thing: ``a sklearn StandardScaler``, ``a dict``."""
    kind = type(thing)
    if thing is None:
        return "nothing"
    if kind.__module__ == "builtins":
        return f"an {kind.__name__}" if kind is int else f"a {kind.__name__}"
    return f"a {kind.__module__.split('.')[0]} {kind.__name__}"


def children_of(held: Any) -> dict[Any, Any]:
    """Return what is in a thing, by key, place or attribute."""
    if isinstance(held, Mapping):
        return dict(held)
    if isinstance(held, (list, tuple)):
        return dict(enumerate(held))
    return dict(getattr(held, "__dict__", {}))


def transformers_of(held: Any, last: Any = None) -> list[tuple[Any, Any]]:
    """List the fitted transformers of inputs that a file holds, in its order.

    Where the model is under the key ``last``, all others that transform are meant to, though they
    may predict, too.
    """
    if last is not None:
        others = [(key, one) for key, one in children_of(held).items() if key != last]
        return [pair for pair in others if can_transform(pair[1])]
    return [
        (key, one)
        for key, one in children_of(held).items()
        if can_transform(one)
        and not can_predict(one)
        and any(hasattr(one, name) for name in ("n_features_in_", "vocabulary_", "n_features"))
    ]


OF_LABELS = ("LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer")
"""What encodes the classes that a model predicts, or a single column."""


def can_transform(thing: Any) -> bool:
    """Tell what transforms inputs."""
    labels = isinstance(thing, type) or type(thing).__name__ in OF_LABELS
    return hasattr(thing, "transform") and not labels and not is_table(thing)


def is_table(thing: Any) -> bool:
    """Tell a table in memory, which has a ``transform`` of its own."""
    return type(thing).__module__.partition(".")[0] in ("pandas", "polars")


def are_names(thing: Any) -> bool:
    """Tell a list, an array or an index of different words."""
    if isinstance(thing, (str, bytes, Mapping)) or not hasattr(thing, "__len__"):
        return False
    listed = thing.tolist() if hasattr(thing, "tolist") else thing
    if not isinstance(listed, (list, tuple)) or not listed:
        return False
    words = all(isinstance(one, str) for one in listed)
    return words and len(set(listed)) == len(listed)


def check_fitted(model: Any, name: str, what: str = "model") -> None:
    """Raise ModelError for a scikit-learn model that was saved before ``fit``."""
    if not type(final(model)).__module__.startswith("sklearn."):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise ModelError(
            f"{name}: the {what} is not fitted ({type(model).__name__})",
            "call fit before it is saved or explained",
        ) from None
    except Exception:  # a wrapper that cannot tell will say so when it predicts
        return


def quoted(names: list[Any]) -> str:
    """Word names: ``'scaler' and 'model'``."""
    return " and ".join(repr(str(one)) for one in names)


def heard_loading(name: str, heard: list[warnings.WarningMessage]) -> Iterator[CodedWarning]:
    """Yield what the warnings of loading a file tell: that another scikit-learn saved it, and which
    parameters it does not hold.
    """
    said = [(type(one.message).__name__, one.message) for one in heard]
    gaps = [one for kind, one in said if kind == "InconsistentVersionWarning"]
    for one in gaps[:1]:  # every part of a model says it
        saved = getattr(one, "original_sklearn_version", "another version")
        running = getattr(one, "current_sklearn_version", "this one")
        yield CodedWarning(
            "version_gap", f"{name} was saved by scikit-learn {saved}, running {running}"
        )
    for one in (one for kind, one in said if kind == "Assumed"):
        yield CodedWarning("parameters_assumed", f"{name} holds {one}")
