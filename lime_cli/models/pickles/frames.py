"""Data frames in pickles: rebuilt by pandas' own constructors from arrays that were checked.

pandas writes its frames as blocks of columns that it believes without a look. What stands for a
block here is only ever read: the frame is made of its columns, as a person would make it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lime_cli.models.pickles.policy import Global, Refused
from lime_cli.models.walking import objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANAGERS = "pandas.core.internals.managers"

MOST_COLUMNS = 100_000


@dataclass(eq=False)
class Block:
    """Columns of one kind: their values, and where they stand."""

    values: object
    places: object
    _ndim: object = 2


@dataclass(eq=False)
class Manager:
    """The blocks of a frame, or the one of a series, and its axes."""

    blocks: list[Block] = field(default_factory=list)
    axes: list[object] = field(default_factory=list)

    @staticmethod
    def of(blocks: object, axes: object) -> Manager:
        """Take what a frame's manager is called with; raise Refused for anything else."""
        if not isinstance(blocks, (tuple, list)) or not isinstance(axes, list):
            raise Refused("holds a damaged data frame")
        return Manager([_block(one) for one in blocks], axes)

    def fill(self, state: object) -> None:
        """Take the state of a series' manager; raise Refused for anything else."""
        versions = state[-1] if type(state) is tuple and state else None
        held = versions.get("0.14.1") if isinstance(versions, dict) else None
        if not isinstance(held, dict) or not isinstance(held.get("blocks"), list):
            raise Refused("holds a damaged series")
        self.axes = list(cast("list[object]", held.get("axes")))
        for one in held["blocks"]:
            if not isinstance(one, dict):
                raise Refused("holds a damaged series")
            self.blocks.append(Block(one.get("values"), one.get("mgr_locs")))


@dataclass(eq=False)
class Backed:
    """An array of categories or of moments: its numbers, and what they mean."""

    kind: str
    numbers: object = None
    dtype: object = None

    def fill(self, state: object) -> None:
        """Take numbers and type in either order; raise Refused for anything else."""
        if type(state) is not tuple or len(state) < 2:
            raise Refused("holds a damaged column of a data frame")
        first, second = state[:2]
        swapped = isinstance(second, np.ndarray) and not isinstance(first, np.ndarray)
        self.numbers, self.dtype = (second, first) if swapped else (first, second)

    def array(self) -> Any:
        """Make the array; raise Refused where its parts do not fit."""
        import pandas

        numbers = _plain(self.numbers)
        if self.kind != "Categorical":
            if numbers.dtype.kind not in "mM":
                raise Refused("holds a column of moments without any")
            return numbers.ravel()
        if not isinstance(self.dtype, pandas.CategoricalDtype) or numbers.dtype.kind != "i":
            raise Refused("holds a column of categories without any")
        return pandas.Categorical.from_codes(numbers.ravel(), dtype=self.dtype)


@dataclass(eq=False)
class Masked:
    """An array of numbers or truth values beside a mask of its gaps."""

    held: Mapping[object, object] = field(default_factory=dict)

    def fill(self, state: object) -> None:
        """Take numbers and mask; raise Refused for anything else."""
        if not isinstance(state, dict):
            raise Refused("holds a damaged column of a data frame")
        self.held = state

    def array(self) -> Any:
        """Make the array; pandas checks that the parts fit."""
        import pandas

        numbers, gaps = _plain(self.held.get("_data")), _plain(self.held.get("_mask"))
        kind = {"f": "FloatingArray", "b": "BooleanArray"}.get(numbers.dtype.kind, "IntegerArray")
        return getattr(pandas.arrays, kind)(numbers, gaps)


_UNPICKLE_BACKED = ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")

_MASKED = (
    *(("pandas.arrays", name) for name in ("IntegerArray", "FloatingArray", "BooleanArray")),
    ("pandas.core.arrays.integer", "IntegerArray"),
    ("pandas.core.arrays.floating", "FloatingArray"),
    ("pandas.core.arrays.boolean", "BooleanArray"),
)

_BACKED = ("Categorical", "DatetimeArray", "TimedeltaArray")

STAND_INS: Mapping[Global, Any] = {
    ("pandas._libs.internals", "_unpickle_block"): Block,
    (MANAGERS, "BlockManager"): Manager.of,
    (MANAGERS, "SingleBlockManager"): Manager,
    **dict.fromkeys(_MASKED, Masked),
}
"""What stands for a name of pandas' inside: it is called, or made, in that one's place."""

_STANDING = (Block, Manager, Backed, Masked)


def stands_in(key: Global, thing: object, args: tuple[object, ...]) -> object:
    """Make the stand-in that a call of pandas' inside gives; None for any other call."""
    if key in STAND_INS:
        return cast("Any", thing)(*args)
    if key == _UNPICKLE_BACKED and args and isinstance(args[0], type):
        name = args[0].__name__
        return Backed(name) if _is_of_pandas(args[0]) and name in _BACKED else None
    return None


def fill(instance: object, state: object) -> bool:
    """Give a frame, or a stand-in for a part of one, its state; False for anything else.

    Raises Refused for a state that pandas did not write.
    """
    kind = type(instance)
    if isinstance(instance, (Manager, Backed, Masked)):
        instance.fill(state)
    elif not _is_of_pandas(kind):
        return False
    elif kind.__name__ in ("DataFrame", "Series"):
        _fill_frame(instance, state)
    elif kind.__name__ == "CategoricalDtype":
        _check_categories(state)
        return False
    else:
        return False
    return True


def check_gone(loaded: object) -> None:
    """Refuse a file that uses a part of a frame for something else."""
    for one in objects(loaded):
        if isinstance(one, _STANDING):
            raise Refused("holds a part of a data frame outside of one")


def _is_of_pandas(kind: type) -> bool:
    return str(kind.__module__).partition(".")[0] == "pandas"


def _check_categories(state: object) -> None:
    held: dict[str, object] = state if type(state) is dict else {}
    categories = held.get("categories")
    index = categories is None or _is_of_pandas(type(categories))
    if not index or held.keys() - {"categories", "ordered"}:
        raise Refused("holds damaged categories")
    if not isinstance(held.get("ordered"), (bool, type(None))):
        raise Refused("holds damaged categories")


def _fill_frame(frame: Any, state: object) -> None:
    manager = state.get("_mgr", state.get("_data")) if isinstance(state, dict) else None
    if type(manager) is not Manager:
        raise Refused("holds a damaged data frame")
    try:
        if type(frame).__name__ == "Series":
            _fill_series(frame, manager, cast("dict[str, object]", state))
        else:
            _fill_columns(frame, manager)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise Refused("holds a damaged data frame") from error


def _fill_columns(frame: Any, manager: Manager) -> None:
    import pandas

    names, rows = cast("list[Any]", manager.axes)
    if len(names) > MOST_COLUMNS:
        raise Refused(f"holds a data frame of more than {MOST_COLUMNS:,} columns")
    found = dict(_columns(manager, len(names)))
    columns = {place: found[place] for place in range(len(names))}
    pandas.DataFrame.__init__(frame, columns, index=None if columns else rows)
    frame.columns = names
    frame.index = rows  # afterwards: pandas would look up columns by it


def _fill_series(series: Any, manager: Manager, state: Mapping[str, object]) -> None:
    import pandas

    name = state.get("name", state.get("_name"))
    if not isinstance(name, (str, int, float, tuple, type(None), np.generic)):
        raise Refused(f"names a series by a {type(name).__name__}")
    (block,), (rows,) = manager.blocks, manager.axes
    values = _values(block.values)
    index = cast("Any", rows)
    pandas.Series.__init__(series, values, index=index, dtype=values.dtype, name=name)


def _columns(manager: Manager, n: int) -> Iterator[tuple[int, Any]]:
    import pandas

    for block in manager.blocks:
        values = _values(block.values)
        places = range(n)[block.places] if isinstance(block.places, slice) else block.places
        rows = values if values.ndim == 2 else [values]
        for place, row in zip(cast("Any", places), rows, strict=True):
            yield int(place), pandas.Series(row, dtype=values.dtype)


def _values(held: object) -> Any:
    """Return the values of a block as an array of numpy's or of pandas' own making."""
    if isinstance(held, (Backed, Masked)):
        return held.array()
    if type(held).__module__.startswith("pandas.") and type(held).__name__.endswith("StringArray"):
        return held
    return _plain(held)


def _plain(held: object) -> NDArray[Any]:
    if type(held) is not np.ndarray:
        raise Refused(f"holds a {type(held).__name__} as a column of a data frame")
    return held


def _block(one: object) -> Block:
    if type(one) is not Block:
        raise Refused("holds a damaged data frame")
    return one
