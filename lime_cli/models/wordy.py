"""Which columns a fitted scikit-learn model takes as words, though they may look like numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

HOLDERS = ("best_estimator_", "estimator_", "calibrated_classifiers_", "estimators_", "estimator")
"""Attributes of a model that holds others and hands its rows on."""


def places_of_words(model: Any, names: Sequence[str] | None, n_columns: int) -> tuple[int, ...]:
    """Return the places of those columns: those whose categories or fillings are all words."""
    return tuple(sorted(set(_places(model, list(range(n_columns)), names or ()))))


def _places(step: Any, places: list[int], names: Sequence[str]) -> Iterator[int]:
    """Yield places of words among the columns that a step is given, which stand at ``places``."""
    held = next((getattr(step, one) for one in HOLDERS if hasattr(step, one)), None)
    held = held[0] if isinstance(held, list) and held else held
    steps, parts = getattr(step, "steps", None), getattr(step, "transformers_", None)
    if isinstance(steps, list):
        yield from _along(steps, places, names)
    elif isinstance(parts, list):
        for _, part, columns in parts:
            yield from _places(part, _chosen(columns, places, names), names)
    elif held is not None and not isinstance(held, (str, np.ndarray)):
        yield from _places(held, places, names)
    elif getattr(step, "vocabulary_", None) is not None:
        yield from places[:1]
    else:
        known = getattr(step, "categories_", getattr(step, "statistics_", ()))
        if isinstance(known, (list, np.ndarray)) and len(known) == len(places):
            yield from (place for place, one in zip(places, known, strict=True) if _words(one))


def _along(steps: list[Any], places: list[int], names: Sequence[str]) -> Iterator[int]:
    """Go through a pipeline as long as its steps keep the columns as they are."""
    for _, step in steps:
        if step in (None, "passthrough"):
            continue
        yield from _places(step, places, names)
        if not hasattr(step, "statistics_") or getattr(step, "indicator_", None) is not None:
            return


def _chosen(columns: Any, places: list[int], names: Sequence[str]) -> list[int]:
    """Return the places of the columns that a column transformer hands to one of its parts."""
    listed = [columns] if isinstance(columns, (str, int, np.integer)) else columns
    if isinstance(listed, slice):
        return [] if isinstance(listed.start or listed.stop, str) else places[listed]
    cells = list(listed)
    if cells and all(isinstance(one, (bool, np.bool_)) for one in cells):
        return [place for place, one in zip(places, cells, strict=False) if one]
    at = {name: place for place, name in enumerate(names)}
    found = (at.get(one) if isinstance(one, str) else int(one) for one in cells)
    return [places[one] for one in found if one is not None and -len(places) <= one < len(places)]


def _words(known: Any) -> bool:
    """Tell whether the values of a column that an encoder knows, gaps aside, are all words."""
    present = [one for one in np.ravel(known).tolist() if one is not None and one == one]
    return bool(present) and all(isinstance(one, str) for one in present)
