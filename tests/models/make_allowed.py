"""Grow `lime_cli/models/pickles/allowed.txt` by what the libraries here write into pickles.

Run it in three environments, one after the other: with the oldest scikit-learn that limex supports,
a middle one, and the newest with all of ``LIBRARIES`` beside it:

    for version in 1.3.2 1.5.2 "1.9.*"; do
        python -m venv /tmp/list-$version
        /tmp/list-$version/bin/pip install . "scikit-learn==$version" \\
            imbalanced-learn category_encoders feature_engine xgboost lightgbm
        PYTHONPATH=. /tmp/list-$version/bin/python tests/models/make_allowed.py
    done
    git diff lime_cli/models/pickles/allowed.txt

It only adds. Then read the diff, line by line: what may be called must do nothing but build from
numbers and text (or get a guard in `constructors.py`), what may be made anew must not act on its
state, and a line marked REVIEW names special methods written in Python: look at them, and replace
the mark by the reason why they are safe, or delete the line and bar the name here. The tests refuse
a list with a danger or a mark in it.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pickle
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import scipy.special
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import all_estimators

from lime_cli.models.pickles.loading import inspect_pickle
from lime_cli.models.pickles.policy import LIST, canonical, is_danger

HEADER = """\
# What a pickled model may hold: module, name, roles, and why a class with special methods is safe.
#   ref   may stand as a value    new   may be made without its constructor    call   may be called
# Written by tests/models/make_allowed.py and reviewed line by line. Names of numpy 1
# (numpy.core) are looked up as those of numpy 2 (numpy._core).
"""
SPECIAL = ("__setstate__", "__reduce__", "__reduce_ex__", "__del__", "__setattr__", "__new__")
REVIEWED_BASES = (BaseEstimator, object, dict, tuple, np.ndarray)

# Functions of arrays that people put into FunctionTransformer; none reads, writes or evaluates.
NUMPY_FUNCTIONS = """
    abs all amax amin any argmax argmin argsort around array asarray atleast_1d atleast_2d
    ascontiguousarray clip column_stack concatenate convolve corrcoef cov cumprod cumsum diff
    digitize dot expand_dims fix flip hstack interp isin isneginf isposinf ix_ matmul max mean
    median min nan_to_num nanmax nanmean nanmedian nanmin nanstd nansum nanvar norm percentile prod
    ptp quantile ravel real reshape roll round sort split squeeze stack std sum tile trace
    transpose unique var vstack where zeros_like ones_like
""".split()  # noqa: SIM905
# Values of dtype parameters and the like.
PLAIN_REFS = {
    "builtins": "bool bytes complex dict float frozenset int list object set str tuple",
    "numpy": """bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32
        float64 longdouble complex64 complex128 str_ bytes_ object_ intp number floating integer
        ndarray generic""",
    "pandas": "Index RangeIndex StringDtype",
    "pandas.arrays": "ArrowStringArray StringArray",
    "pandas.core.indexes.base": "Index",
    "pandas.core.indexes.range": "RangeIndex",
    "sklearn.feature_extraction.text": "strip_accents_ascii strip_accents_unicode strip_tags",
    "sklearn.feature_selection._univariate_selection":
        "chi2 f_classif f_oneway f_regression r_regression",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.neighbors._ball_tree": "BallTree BallTree32 BallTree64",
    "sklearn.neighbors._kd_tree": "KDTree KDTree32 KDTree64",
}  # fmt: skip
# Plain values that pickles call for: their arguments are checked in constructors.py.
CALLS = {
    "builtins": "bytearray bytes complex frozenset range set slice",
    "collections": "OrderedDict defaultdict",
    "datetime": "date datetime time timedelta timezone",
    "sklearn.neighbors._ball_tree": "newObj",
    "pandas": "StringDtype",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas.core.indexes.base": "_new_Index",
    "pyarrow.lib": "_restore_array py_buffer type_for_alias",
    "sklearn.neighbors._kd_tree": "newObj",
}
# Modules whose own classes are parts of fitted models: their constructors are never run.
PART_MODULES = """
    sklearn._loss.link sklearn._loss.loss sklearn.calibration sklearn.cluster._birch
    sklearn.cluster._bisect_k_means sklearn.compose._column_transformer sklearn.ensemble._gb_losses
    sklearn.ensemble._hist_gradient_boosting.binning
    sklearn.ensemble._hist_gradient_boosting.gradient_boosting
    sklearn.ensemble._hist_gradient_boosting.predictor sklearn.gaussian_process._gpc
    sklearn.gaussian_process.kernels sklearn.model_selection._search sklearn.model_selection._split
    sklearn.multiclass sklearn.neural_network._stochastic_optimizers sklearn.utils._bunch
    sklearn.utils._metadata_requests
""".split()  # noqa: SIM905
# Classes compiled from Cython that rebuild themselves by a call with plain numbers.
NATIVE_MODULES = """
    sklearn._loss._loss sklearn.linear_model._sgd_fast sklearn.metrics._dist_metrics
""".split()  # noqa: SIM905

LIBRARIES = (
    "category_encoders", "feature_engine", "imblearn.combine", "imblearn.ensemble",
    "imblearn.metrics.pairwise", "imblearn.over_sampling", "imblearn.pipeline",
    "imblearn.under_sampling", "lightgbm", "xgboost",
)  # fmt: skip
# A table in a model file: its parts index memory unchecked and take any attribute. What is on the
# list of them was put there by hand, and is made by building.py.
BARRED_MODULES = ("pandas._libs.internals", "pandas.core.internals")
# Apply what their parameters name, or call it.
BARRED_NAMES = {
    ("feature_engine.creation.math_features", "MathFeatures"),
    ("feature_engine.creation.relative_features", "RelativeFeatures"),
    ("feature_engine.timeseries.forecasting.window_features", "WindowFeatures"),
    ("feature_engine.timeseries.forecasting.expanding_window_features", "ExpandingWindowFeatures"),
}

UFUNCS = "scipy.special._ufuncs"  # where scipy before 1.15 kept all of them
BARRED_METRICS = (
    "_", "check_", "distance_metrics", "gen_", "get_", "kernel_metrics", "make_",
    "pairwise_distances_chunked", "plot_",
)  # fmt: skip
BARRED_PARTS = (
    "ArrayAPI", "Base", "CalibrationDisplay", "CyLossFunction", "LossFunction", "Metadata",
    "Method", "Mixin", "Parameter", "RequestMethod", "RouterMapping", "_MetadataRequester",
    "_RepeatedSplits", "_Unsupported",
)  # fmt: skip

Roles = dict[tuple[str, str], set[str]]


def main() -> None:
    """Rewrite the list as what it is plus what is found here."""
    roles, notes = read(LIST)
    for key, more in found():
        barred = key in BARRED_NAMES or key[0].startswith(BARRED_MODULES)
        if not barred and (not is_danger(*key) or key[0] == "builtins"):
            roles.setdefault(key, set()).update(more)
    lines = [line(key, roles[key], notes.get(key, review(*key))) for key in sorted(roles)]
    LIST.write_text(HEADER + "\n".join(lines) + "\n", "utf-8")
    print(f"{len(lines)} names")


def read(path: Path) -> tuple[Roles, dict[tuple[str, str], str]]:
    """Read a list with the notes on its lines."""
    roles: Roles = {}
    notes = {}
    for text in path.read_text("utf-8").splitlines():
        words, _, note = text.partition("#")
        if words.split():
            module, name, allowed = words.split()
            roles[module, name] = set(allowed.split(","))
            if note:
                notes[module, name] = note.strip()
    return roles, notes


def line(key: tuple[str, str], roles: set[str], note: str) -> str:
    """Write one line of the list."""
    words = f"{key[0]} {key[1]} {','.join(sorted(roles))}"
    return f"{words}  # {note}" if note else words


def review(module: str, name: str) -> str:
    """Name the special methods, written in Python, that a class brings on its own."""
    try:
        thing = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return ""
    own = [
        special
        for special in SPECIAL
        for cls in getattr(thing, "__mro__", ())
        if cls not in REVIEWED_BASES and inspect.isfunction(vars(cls).get(special))
    ]
    return f"REVIEW {', '.join(sorted(set(own)))}" if own else ""


def found() -> Iterator[tuple[tuple[str, str], set[str]]]:
    """Give every name with the roles it needs, of all the sources below."""
    for module in ("_csr", "_csc"):
        for kind in ("matrix", "array"):
            yield (f"scipy.sparse.{module}", f"{module[1:]}_{kind}"), {"new", "ref"}
    for table, role in ((PLAIN_REFS, "ref"), (CALLS, "call")):
        for module, names in table.items():
            for name in names.split():
                yield (module, name), {"ref", role}
    yield from functions()
    yield from classes()
    for thing in fitted():
        yield from globals_of(thing)


def functions() -> Iterator[tuple[tuple[str, str], set[str]]]:
    """Give pure functions: ufuncs, array functions, metrics, pairwise kernels."""
    import sklearn.metrics
    import sklearn.metrics.pairwise

    things = [getattr(np, name, None) for name in NUMPY_FUNCTIONS]
    for module, inner in ((np, "numpy._core._multiarray_umath"), (scipy.special, UFUNCS)):
        for name, thing in vars(module).items():
            if isinstance(thing, np.ufunc):
                things.append(thing)
                yield (module.__name__, name), {"ref"}
                yield (inner, name), {"ref"}
    for module in (sklearn.metrics, sklearn.metrics.pairwise):
        for name, thing in vars(module).items():
            if is_metric(name, thing):
                things.append(thing)
    for thing in things:
        yield from globals_of(thing)


def is_metric(name: str, thing: object) -> bool:
    """Tell a function of arrays from factories, plots and helpers."""
    return (
        isinstance(thing, types.FunctionType)
        and thing.__module__.startswith("sklearn.metrics.")
        and not name.startswith(BARRED_METRICS)
    )


def classes() -> Iterator[tuple[tuple[str, str], set[str]]]:
    """Give all estimators, and the classes of which fitted estimators are made."""
    for _, cls in all_estimators():
        yield (cls.__module__, cls.__name__), {"new", "ref"}
    for cls in stranger_classes():
        yield (cls.__module__, cls.__name__), {"new", "ref"}
    for name in PART_MODULES + NATIVE_MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        for cls in vars(module).values():
            if is_part(cls, name):
                yield (name, cls.__name__), {"new", "ref"} if name in PART_MODULES else {"ref"}
        for word, thing in vars(module).items() if name in NATIVE_MODULES else ():
            if is_native_loss(name, thing):
                yield (name, word), {"call", "ref"}
                yield (name, f"__pyx_unpickle_{word}"), {"call", "ref"}
            elif word == "newObj":
                yield (name, word), {"call", "ref"}


def is_part(thing: object, module: str) -> bool:
    """Tell a class that models are made of from mixins, bases and helpers beside it."""
    return (
        inspect.isclass(thing)
        and thing.__module__ == module
        and not inspect.isabstract(thing)
        and not thing.__name__.startswith(BARRED_PARTS)
        and not thing.__name__.endswith(("Mixin", "ArrayAPI"))
    )


def is_native_loss(module: str, thing: object) -> bool:
    """Tell a class whose instances pickle as a call of the class itself."""
    reduces = getattr(thing, "__reduce__", None) is not object.__reduce__
    return is_part(thing, module) and reduces and "_dist_metrics" not in module


def fitted() -> Iterator[object]:
    """Give every estimator fitted on small data, and plain parts of models."""
    random = np.random.default_rng(0)
    yield from (np.random.RandomState(0), random, np.random.SeedSequence(1))
    yield from (np.float64(1), np.ma.masked_array([1.0], [True]), np.array(["a"], object))
    yield from (np.random.Generator(kind(0)) for kind in (np.random.Philox, np.random.SFC64))
    yield np.random.Generator(np.random.PCG64DXSM(0))
    for estimator in chain(instances(), strangers()):
        if fit(estimator, random) is not None:
            yield estimator


def strangers() -> Iterator[BaseEstimator]:
    """Construct the estimators of other libraries, where they are installed."""
    for cls in stranger_classes():
        with contextlib.suppress(Exception):
            yield cls()


def stranger_classes() -> Iterator[type]:
    """Give every estimator that one of the libraries defines."""
    for library in LIBRARIES:
        try:
            importlib.import_module(library)
        except ImportError:
            print("without", library)
            continue
        package = library.partition(".")[0]
        for name, module in sorted(sys.modules.items()):
            if name.partition(".")[0] != package or "dask" in name or "test" in name:
                continue
            for cls in list(vars(module).values()):
                if is_part(cls, name) and issubclass(cls, BaseEstimator):
                    yield cls


def instances() -> Iterator[BaseEstimator]:
    """Construct every estimator that can be; parameters as scikit-learn's own tests choose them."""
    for _, cls in all_estimators():
        try:
            from sklearn.utils._test_common.instance_generator import _construct_instances
        except ImportError:
            from sklearn.utils.estimator_checks import _construct_instance as _one

            _construct_instances = lambda cls, one=_one: [one(cls)]  # noqa: E731
        try:
            yield from _construct_instances(cls)
        except (Exception, SystemExit):
            print("cannot construct", cls.__name__)


def fit(estimator: BaseEstimator, random: np.random.Generator) -> object:
    """Fit on whichever small data an estimator accepts; return its rows, None if it takes none."""
    table = random.random((40, 4))
    classes = (random.random(40) < 0.3).astype(int)
    words = np.array(["a", "b", "c"], object)[random.integers(0, 3, (40, 2))]
    texts = [f"word{n % 7} other{n % 3} thing" for n in range(40)]
    tables = [
        (table, classes), (words, classes), (table, classes.astype(float) + 0.5), (table, table),
        (texts, classes), ([{"a": n} for n in range(40)], classes),
        (table, np.eye(2)[classes].astype(int)), (classes, None),
        (table[:, 0], classes), (random.random((40, 6, 6)), None),
    ]  # fmt: skip
    for rows, target in tables:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(rows, target) if target is not None else estimator.fit(rows)
        except (Exception, NotFittedError):
            continue
        return rows
    print("cannot fit", type(estimator).__name__)
    return None


def globals_of(thing: object) -> Iterator[tuple[tuple[str, str], set[str]]]:
    """Give the names in a thing's pickles of all protocols."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thing.pkl"
        for protocol in (0, 2, 5):
            try:
                path.write_bytes(pickle.dumps(thing, protocol))
                verdicts = inspect_pickle(path)
            except Exception as error:
                print(f"cannot pickle {thing!r:.60}: {error!r:.200}")
                continue
            for verdict in verdicts:
                module, name = canonical(verdict.module, verdict.name, 4)
                if not module.startswith("scipy.stats"):
                    yield (module, name), set(verdict.roles)


if __name__ == "__main__":
    main()
