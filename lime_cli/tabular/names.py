"""What columns are called: by a table, by a model, and by people who mark answers and ids."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

INDEX = re.compile(r"Unnamed: \d+")
"""How columns without a name are called: the index of a data frame, what commas at ends leave."""


@lru_cache(maxsize=8)
def called(
    header: tuple[str, ...],
    names: tuple[str, ...] | None,
    drop: tuple[str, ...] = (),
    numbered: bool = False,
    renamed: tuple[tuple[str, str], ...] = (),
) -> tuple[str, ...]:
    """Return what the columns of a table are called, as the model has them.

    Columns that a person renamed come first. A table without a header (``numbered``) takes all
    names where their number fits. Else names that differ by blanks around them, or by what
    libraries put in the place of blanks and marks, are the model's where that is one to one.
    """
    header = tuple(dict(renamed).get(name, name) for name in header)
    if names is None:
        return header
    if numbered:
        left = [name for name in header if name not in drop]
        fitting = dict(zip(left, names, strict=True)) if len(left) == len(names) else {}
        return tuple(fitting.get(name, name) for name in header)
    found: dict[str, str] = {}
    for fold in FOLDS:
        has = {*header} - {*found}
        missing = [name for name in names if name not in has and name not in found.values()]
        spare = [name for name in header if name in has and name not in names]
        spare = [name for name in spare if not _has_dummies(name, missing)]
        keys = Counter(map(fold, spare))
        wanted = Counter(map(fold, missing))
        at = {fold(name): name for name in spare if keys[fold(name)] == 1}
        found |= {
            at[fold(name)]: name for name in missing if wanted[fold(name)] == 1 and fold(name) in at
        }
    if not found and numbers_only(names) and not {*header} & {*names}:
        found = _by_number(header, names, drop)
    return tuple(found.get(name, name) for name in header)


def numbers_only(names: Sequence[str]) -> bool:
    """Tell names that do no more than number a model's columns: f0, f1 or x1, x2, x3."""
    starts = {re.sub(r"\d+$", "", name) for name in names}
    if len(names) < 2 or len(starts) > 1 or not NUMBERING.fullmatch(min(starts)):
        return False
    numbers = [name.removeprefix(min(starts)) for name in names]
    return any(numbers == [str(i + first) for i in range(len(names))] for first in (0, 1))


NUMBERING = re.compile(r"(?i)f|x|v|c|(?:features?|col(?:umn)?s?|var(?:iable)?s?)[_ ]?")
"""What stands before the number of a column that has no name of its own."""


def _by_number(header: Sequence[str], names: Sequence[str], drop: Sequence[str]) -> dict[str, str]:
    """Give a model's columns to those of a table in their order, where their number fits."""
    left = [name for name in header if name not in drop]
    own = [name for name in left if not (is_label(name) or INDEX.fullmatch(name))]
    fitting = next((one for one in (left, own) if len(one) == len(names)), [])
    return dict(zip(fitting, names, strict=False))


def _has_dummies(name: str, missing: Sequence[str]) -> bool:
    """Tell a column of which a model has dummies, one of which may be called like it."""
    return sum(one.startswith((f"{name}_", f"{name}=")) for one in missing) > 1


def _folded(name: str) -> str:
    """Put an underscore for each blank and mark, as LightGBM and skl2onnx do in part."""
    return re.sub(r"\W", "_", name)


def bare(name: str) -> str:
    """Leave case, marks and blanks out."""
    return re.sub(r"[\W_]", "", name.casefold())


FOLDS: tuple[Callable[[str], str], ...] = (str.strip, _folded, bare)
"""What makes names of a table and of a model alike, tried in this order."""


ID = re.compile(r"(?:.*[_ .-])?(?:[Ii][Dd]|ID)|.*[a-z](?:Id|ID)")
"""How a column that tells rows apart is called: ``id``, ``PassengerId``, ``customer_id``."""

LABELS = frozenset(
    (
        *("target", "targets", "label", "labels", "y", "ytrue", "class", "classes", "outcome"),
        *("survived", "churn", "exited", "attrition", "diagnosis", "species", "variety", "medv"),
        *("saleprice", "medianhousevalue", "loanstatus", "fraud", "isfraud", "heartdisease"),
        *("stroke", "quality", "charges", "transported", "iscanceled", "potability", "pricerange"),
        *("churned", "purchased", "canceled", "cancelled", "converted", "subscribed", "defaulted"),
        *("weeklysales", "deathevent", "fetalhealth", "medhousevalue", "sellingprice"),
    )
)
"""What the column of true answers is called, in small letters and without marks."""


def is_label(name: str) -> bool:
    """Tell whether a column is called as true answers are."""
    return bare(name) in LABELS


def typed(names: Sequence[str]) -> str:
    """Write names as an option takes them, quoted for a shell."""
    return shlex.quote(",".join(f'"{one}"' if "," in one else one for one in names))
