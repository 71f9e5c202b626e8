"""Explanations as Python has them: to look at, to compute with, to save."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from lime_cli.errors import InputError, LimexError, MissingDependency, SettingsError
from lime_cli.formats import Look, format_of, written
from lime_cli.registry import FORMATS, MANY, SIGNS, STYLES

if TYPE_CHECKING:
    from pandas import DataFrame
    from PIL.Image import Image

    from lime_cli.engine.explanation import Explanation as EngineExplanation
    from lime_cli.engine.explanation import Surrogate


class Failure(NamedTuple):
    """An instance that could not be explained."""

    id: str
    error: LimexError


class ComponentWeight(NamedTuple):
    """What one component of an instance adds to the prediction of a target when it is kept."""

    name: str
    """Such as ``hair = 1``, a word, or ``superpixel 14``."""
    weight: float
    """In the unit of the target: of a class, a share of probability."""
    low: float | None
    """Lower end of the 95% interval; None where there is none."""
    high: float | None


class Explanation:
    """Why a model predicted what it predicted for one instance.

    In a notebook it shows itself; ``print`` gives the table of the command line. What is said of
    ``the`` target is of the first one where there are several.
    """

    def __init__(self, found: EngineExplanation) -> None:
        self._found = found

    @property
    def id(self) -> str:
        """What the instance is called: the number of its row, its label, the name of its file."""
        return self._found.subject.id

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of what is explained: classes, or the output of a regression."""
        return tuple(surrogate.name for surrogate in self._found.surrogates)

    @property
    def target(self) -> str:
        """The name of the target."""
        return self.targets[0]

    @property
    def prediction(self) -> float:
        """The model's own prediction of the target."""
        return self._first.model_prediction

    @property
    def local_prediction(self) -> float:
        """The surrogate's prediction at the instance: the intercept, the weights and ``others``."""
        return self._first.local_prediction

    @property
    def intercept(self) -> float:
        """The surrogate's prediction where every component is masked."""
        return self._first.intercept

    @property
    def gap(self) -> float:
        """The model's prediction minus the surrogate's."""
        return self._first.gap

    @property
    def fidelity(self) -> float | None:
        """The share of the effect of masking that the weights explain, at most 1, or None."""
        return self._first.fidelity

    @property
    def weights(self) -> tuple[ComponentWeight, ...]:
        """The components shown of the target, by falling absolute weight."""
        return self.weights_of(self.target)

    def weights_of(self, target: str) -> tuple[ComponentWeight, ...]:
        """Return the components shown of a target; raise SettingsError for one there is not."""
        return tuple(
            ComponentWeight(
                self._found.components[weight.component].name,
                weight.weight,
                *(weight.interval or (None, None)),
            )
            for weight in self._surrogate(target).weights
        )

    @property
    def others(self) -> float:
        """What the components that are not shown add together."""
        others = self._first.others
        return 0.0 if others is None else others.weight

    @property
    def coded_warnings(self) -> tuple[tuple[str, str], ...]:
        """What a reader must know, each with its code."""
        return tuple((warning.code, warning.message) for warning in self._found.warnings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know, in sentences."""
        return tuple(message for _, message in self.coded_warnings)

    @cached_property
    def record(self) -> dict[str, Any]:
        """The record as ``-f json`` writes it: everything that is known, as plain data."""
        from lime_cli.records.record import record_of

        return record_of(self._found)

    def __repr__(self) -> str:
        fidelity = "none" if self.fidelity is None else f"{self.fidelity:.2f}"
        listed = ", ".join(f"{weight.name} {weight.weight:+.3g}" for weight in self.weights[:3])
        more = ", ..." if len(self.weights) > 3 else ""
        return (
            f"<Explanation of {self.id}: {self.target!r} {self.prediction:.4g}, "
            f"fidelity {fidelity}; {listed or 'no weights'}{more}>"
        )

    def __str__(self) -> str:
        return written("table", [self._found], Look(unicode=True, letters=True)).decode()

    def _repr_html_(self) -> str:
        return _fragment([self._found])

    def to_frame(self) -> DataFrame:
        """Return the weights as a pandas data frame, a row for each target and component shown."""
        return _frame([self._found])

    def to_json(self) -> str:
        """Return the record as JSON, the same as ``-f json`` writes."""
        return written("json", [self._found], Look()).decode()

    def plot(
        self,
        *,
        style: str = "outline",
        top: int | None = None,
        sign: str = "both",
        weight_scale: float | None = None,
    ) -> Image:
        """Return the image that ``-f png`` draws; the options are those of image overlays.

        Raises MissingDependency where the extra ``charts`` is not installed and is needed.
        """
        if style not in STYLES:
            raise SettingsError(
                f"style: {style!r} is not valid", f"give one of {', '.join(STYLES)}"
            )
        if sign not in SIGNS:
            raise SettingsError(f"sign: {sign!r} is not valid", f"give one of {', '.join(SIGNS)}")
        options = {"style": style != "outline", "top": top is not None, "sign": sign != "both"}
        given = next((name for name, is_given in options.items() if is_given), "")
        if given and self._found.subject.image is None:
            raise SettingsError(f"{given}: is an option of image overlays", "leave it out")
        look = Look(style=style, top=top, sign=sign, scale=weight_scale)
        return _image(written("png", [self._found], look))

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write a file, in the format that its suffix asks for, over one that is there."""
        _save([self._found], path, format)

    def to_shap(self, target: str | None = None) -> Any:
        """Return a ``shap.Explanation`` of a target, the first one unless named.

        The base value is the intercept, the values are the weights of all components, so that they
        sum to the local prediction; what only ``others`` holds is one value. Raises
        MissingDependency without shap.
        """
        shap, surrogate = _shap(), self._surrogate(target or self.target)
        names, values, data = _parts(self._found, surrogate)
        return shap.Explanation(
            values=_floats(values),
            base_values=surrogate.intercept,
            data=_objects(data),
            feature_names=names,
        )

    @property
    def _first(self) -> Surrogate:
        return self._found.surrogates[0]

    def _surrogate(self, target: str) -> Surrogate:
        for surrogate in self._found.surrogates:
            if surrogate.name == target:
                return surrogate
        listed = ", ".join(self.targets)
        raise SettingsError(f"target: {target!r} is not explained", f"give one of {listed}")


class Explanations(Sequence[Explanation]):
    """Explanations of several instances, in their order."""

    def __init__(self, explanations: Iterable[Explanation], failed: Iterable[Failure] = ()) -> None:
        self._all, self.failed = tuple(explanations), tuple(failed)

    @overload
    def __getitem__(self, place: int) -> Explanation: ...

    @overload
    def __getitem__(self, place: slice) -> Explanations: ...

    def __getitem__(self, place: int | slice) -> Explanation | Explanations:
        if isinstance(place, slice):
            return Explanations(self._all[place])
        return self._all[place]

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        first = (
            f": {', '.join(explanation.id for explanation in self._all[:5])}" if self._all else ""
        )
        more = ", ..." if len(self._all) > 5 else ""
        n = len(self._all)
        return f"<Explanations of {n} instance{'s' * (n != 1)}{failed}{first}{more}>"

    def __str__(self) -> str:
        return written("table", self._each, Look(unicode=True, letters=True)).decode()

    def _repr_html_(self) -> str:
        return _fragment(self._each, self.failed)

    def to_frame(self) -> DataFrame:
        """Return all weights as a data frame, a row for each instance, target and component."""
        return _frame(self._each)

    def to_json(self) -> str:
        """Return a record a line, the same as ``-f jsonl`` writes."""
        return written("jsonl", self._each, Look()).decode()

    def plot(self, *, top: int = 5) -> Image:
        """Return the image of ``limex summarize``; ``top`` weights of an instance count."""
        return _image(self._drawn("png", top))

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write a file that holds them all, in the format that its suffix asks for.

        Of several, ``.png`` and ``.svg`` hold the image that ``plot`` returns.
        """
        _save(list(self._each), path, format, self._drawn)

    def _drawn(self, kind: str, top: int = 5) -> bytes:
        from lime_cli.records.reading import Entry
        from lime_cli.tools.summarize.measure import save, summarize

        if not self._all:
            raise InputError("there are no explanations", "explain something first")
        entries = (Entry(explanation.id, explanation.record) for explanation in self._all)
        stream = io.BytesIO()
        save(summarize(entries, top, 0)[0], stream, kind)
        return stream.getvalue()

    def to_shap(self, target: str | None = None) -> Any:
        """Return a ``shap.Explanation``: instances by columns, for shap's beeswarm and heatmap.

        Each instance's own first target is taken unless one is named. Raises SettingsError for
        instances whose components are not columns of one table, MissingDependency without shap.
        """
        shap = _shap()
        rows = [
            _columns(explanation._found, explanation._surrogate(target or explanation.target))
            for explanation in self._all
        ]
        names = list(dict.fromkeys(name for row in rows for name in row))
        values = [[row.get(name, (0.0, None))[0] for name in names] for row in rows]
        data = [[_number(row.get(name, (0.0, None))[1]) for name in names] for row in rows]
        bases = [
            explanation._surrogate(target or explanation.target).intercept
            for explanation in self._all
        ]
        return shap.Explanation(
            values=_floats(values),
            base_values=_floats(bases),
            data=_objects(data),
            feature_names=names,
        )

    @property
    def _each(self) -> Iterable[EngineExplanation]:
        return [explanation._found for explanation in self._all]


def read(path: str | os.PathLike[str]) -> Explanations:
    """Read saved explanations: JSON, JSON lines, or the folder of a batch.

    Raises InputError for a file that holds none.
    """
    from lime_cli.records.reading import FAILURE, read_entries

    explanations: list[Explanation] = []
    failed: list[Failure] = []
    for entry in read_entries(os.fspath(path)):
        if entry.schema == FAILURE:
            said = entry.record["error"]
            error = InputError(str(said["message"]), str(said["hint"]))
            failed.append(Failure(str(entry.record["instance"]["id"]), error))
        else:
            explanations.append(Explanation(entry.explanation()))
    return Explanations(explanations, failed)


def _fragment(explanations: Iterable[EngineExplanation], failed: Sequence[Failure] = ()) -> str:
    from lime_cli.formats.html import fragment

    failures = [{"name": failure.id, "said": str(failure.error)} for failure in failed]
    return fragment(explanations, failures)


def _image(content: bytes) -> Image:
    from PIL import Image

    image = Image.open(io.BytesIO(content))
    image.load()
    return image


DRAWN = ("png", "svg")
"""Formats of one image for several instances."""


def _save(
    explanations: list[EngineExplanation],
    path: str | os.PathLike[str],
    name: str | None,
    drawn: Callable[[str], bytes] | None = None,
) -> None:
    """Write a file that appears when it is whole; raise SettingsError for what it cannot hold."""
    from lime_cli.running.output import whole

    file = os.fspath(path)
    if file.endswith(os.sep) or os.path.isdir(file):  # noqa: PTH112
        raise SettingsError(f"{file}: is a folder", "name a file, such as weights.csv")
    try:
        chosen = name or format_of(file, FORMATS)
    except SettingsError as error:
        hint = error.hint.replace(", or use -f", ", or give format")
        raise SettingsError(error.message, hint) from None
    several = len(explanations) != 1 and chosen not in MANY
    if several and (chosen not in DRAWN or drawn is None):
        raise SettingsError(
            f"{Path(file).name}: {len(explanations)} instances do not fit into one {chosen} file",
            f"give a suffix of {', '.join(MANY)}",
        )
    content = drawn(chosen) if several and drawn else written(chosen, explanations, Look())
    with whole(file) as stream:
        stream.write(content)


def _frame(explanations: Iterable[EngineExplanation]) -> DataFrame:
    from pandas import DataFrame

    from lime_cli.formats.long_form import HEADER, rows_of

    rows = [row for explanation in explanations for row in rows_of(explanation)]
    return DataFrame(rows, columns=list(HEADER))


def _shap() -> Any:
    try:
        import shap
    except ImportError:
        raise MissingDependency("to_shap: shap is not installed", "pip install shap") from None
    return shap


Parts = tuple[list[str], list[float], list[Any]]
"""Names, weights and values of components."""


def _parts(explanation: EngineExplanation, surrogate: Surrogate) -> Parts:
    """Return all components, or those that are known and what all others add together."""
    every = surrogate.every_weight
    if every:
        chosen = [(i, weight) for i, weight in enumerate(every)]
    else:
        chosen = [(weight.component, weight.weight) for weight in surrogate.weights]
    components = [explanation.components[i] for i, _ in chosen]
    names, values = [component.name for component in components], [weight for _, weight in chosen]
    data: list[Any] = [
        component.name if component.value is None else component.value for component in components
    ]
    others = surrogate.others
    if not every and others is not None and others.weight:
        names.append(f"{others.components:,} others")
        values.append(others.weight)
        data.append(None)
    return names, values, data


def _columns(explanation: EngineExplanation, surrogate: Surrogate) -> dict[str, tuple[float, Any]]:
    """Return weights and values by column; raise SettingsError for what has no columns."""
    every = surrogate.every_weight
    places = range(len(every)) if every else [weight.component for weight in surrogate.weights]
    weights = every or [weight.weight for weight in surrogate.weights]
    columns: dict[str, tuple[float, Any]] = {}
    for place, weight in zip(places, weights, strict=True):
        component = explanation.components[place]
        column = getattr(component.where, "column", None)
        if column is None:
            raise SettingsError(
                "to_shap: several texts or images have no components in common",
                "take one of them: explanations[0].to_shap()",
            )
        before, _ = columns.get(column, (0.0, None))
        columns[column] = (before + weight, component.value)
    others = surrogate.others
    if not every and others is not None and others.weight:
        columns["others"] = (others.weight, None)
    return columns


def _number(value: Any) -> Any:
    """Return a value for shap's colours: a number as it is, a word as it is, nothing as NaN."""
    return float("nan") if value is None else value


def _floats(values: Any) -> Any:
    import numpy as np

    return np.array(values, dtype=np.float64)


def _objects(values: list[Any]) -> Any:
    """Return an array of numbers where all are, else of objects."""
    import numpy as np

    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array(values, dtype=object)
