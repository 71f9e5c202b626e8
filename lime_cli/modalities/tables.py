"""Tables as models take them: columns of values.

A model of any format is given these, so nothing of what reads files comes along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Table:
    """Columns ready for a model: a modality's natural batch of n rows."""

    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...]
    """Each (n,): float64 with NaN, int64, bool, or object: str, bool and None."""
    places: tuple[str, ...] = ()
    """Of rows as a file has them: ``line 3``, for each; nothing where samples are among them."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def chosen(self, rows: Sequence[int]) -> Table:
        """Return some of the rows."""
        places = tuple(self.places[row] for row in rows if self.places)
        return Table(self.names, tuple(column[rows] for column in self.columns), places)

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        """Put tables of the same columns under each other."""
        stacked = (
            np.concatenate(parts) for parts in zip(*(t.columns for t in tables), strict=True)
        )
        return Table(tables[0].names, tuple(stacked))
