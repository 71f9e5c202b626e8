"""Results of statsmodels: they get the columns that they were fitted on, the constant put in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

CONSTANT = "const"
"""What ``add_constant`` calls its column of ones."""


class Statistics:
    """A result of statsmodels that answers the scikit-learn way."""

    def __init__(self, results: Any) -> None:
        self.results = results
        self._formula = getattr(results.model, "formula", None) is not None
        names = _of_formula(results) if self._formula else list(results.model.exog_names)
        self._names = [str(name) for name in names]
        own = [name for name in self._names if name != CONSTANT]
        if own and (self._formula or not all(re.fullmatch(r"x\d+", name) for name in own)):
            self.feature_names_in_ = own
        if own:
            self.n_features_in_ = len(own)

    def predict(self, inputs: Any) -> Any:
        """Return what the results predict for a data frame, or an array without the constant."""
        if self._formula:
            return np.asarray(self.results.predict(inputs))
        rows = np.asarray(inputs, float)
        if CONSTANT in self._names:
            rows = np.insert(rows, self._names.index(CONSTANT), 1.0, axis=1)
        return np.asarray(self.results.predict(rows))


def of_statsmodels(model: Any) -> bool:
    """Tell a fitted result of statsmodels that predicts from columns."""
    known = type(model).__module__.partition(".")[0] == "statsmodels"
    return known and hasattr(getattr(model, "model", None), "exog_names")


def _of_formula(results: Any) -> list[Any]:
    """Return the columns of the table that a formula reads; none where the table was not kept."""
    frame = getattr(results.model.data, "frame", None)
    right = str(results.model.formula).partition("~")[2]
    words = set(re.findall(r"\w+", right))
    return [one for one in getattr(frame, "columns", ()) if str(one) in words or str(one) in right]
