"""Loading pickles: ordinary models load and predict the same; nothing else gets anywhere."""

from __future__ import annotations

import contextlib
import copyreg
import gzip
import os
import pickle
import pickletools
import random
import subprocess
import sys
import warnings
import weakref
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any
from zoneinfo import ZoneInfo

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.metrics import f1_score, get_scorer, get_scorer_names, make_scorer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.models.content import Content
from lime_cli.models.pickles import archive, loading, tripwire
from lime_cli.models.pickles.archive import looks_pickled
from lime_cli.models.pickles.constructors import fill_dtype, make_dtype
from lime_cli.models.pickles.loading import Trust, inspect_pickle, unpickle, unpickle_any
from lime_cli.models.pickles.policy import LIST, AllowList, Refused, is_danger, listed
from tests.models import live, malicious

try:
    from sklearn.frozen import FrozenEstimator
except ImportError:  # before scikit-learn 1.6 nothing stood for it

    def FrozenEstimator(estimator: Any) -> Any:
        return estimator


RANDOM = np.random.default_rng(0)
TABLE = RANDOM.random((60, 4))
CLASSES = (TABLE[:, 0] + TABLE[:, 1] > 1).astype(int)
VALUES = TABLE[:, 0] * 2 + TABLE[:, 2]
WORDS = np.array(["good", "bad"], object)[CLASSES]
TEXTS = [f"{word} film number{n % 5}" for n, word in enumerate(WORDS)]
MIXED = np.column_stack([TABLE.astype(object), WORDS])
GOOD_LOOKS = frozenset({"ref", "new", "call"})

TABULAR: dict[str, BaseEstimator] = {
    "logistic": LogisticRegression(),
    "sgd": SGDClassifier(loss="modified_huber", random_state=0),
    "svc": SVC(probability=False),
    "linear svc": LinearSVC(),
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(5, random_state=0),
    "forest of a generator": RandomForestClassifier(3, random_state=np.random.RandomState(0)),
    "extra trees": ExtraTreesClassifier(5, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=3),
    "ada boost": AdaBoostClassifier(n_estimators=3),
    "bagging": BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0),
    "isolation forest": IsolationForest(n_estimators=5, max_features=0.5, random_state=0),
    "neighbours in a tree": KNeighborsClassifier(algorithm="kd_tree"),
    "neighbours in a ball": KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"),
    "naive bayes": GaussianNB(),
    "discriminant": LinearDiscriminantAnalysis(),
    "gaussian process": GaussianProcessClassifier(1.0 * RBF() + WhiteKernel()),
    "dummy": DummyClassifier(),
    "network": MLPClassifier((3,), max_iter=400, random_state=0, tol=0.1),
    "one against the rest": OneVsRestClassifier(LogisticRegression()),
    "calibrated": CalibratedClassifierCV(LinearSVC(), cv=2),
    "isotonic": CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=2),
    "voting": VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft"),
    "stacking": StackingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], cv=2),
    "frozen": FrozenEstimator(LogisticRegression().fit(TABLE, CLASSES)),
    "clusters": KMeans(2, random_state=0),
    "search": GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
    "search with a scorer": GridSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, scoring=make_scorer(f1_score)
    ),
    "random search": RandomizedSearchCV(
        LogisticRegression(), {"C": scipy.stats.uniform(0.1, 2)}, n_iter=2, cv=2, random_state=0
    ),
    "functions": make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
    "bins": make_pipeline(KBinsDiscretizer(3), LogisticRegression()),
    "union": make_pipeline(
        FeatureUnion([("a", PCA(2)), ("b", SelectKBest(f_classif, k=2))]), LogisticRegression()
    ),
    "polynomials": make_pipeline(SimpleImputer(), PolynomialFeatures(2), LogisticRegression()),
}  # fmt: skip
VALUED: dict[str, BaseEstimator] = {
    "linear": LinearRegression(),
    "poisson": PoissonRegressor(),
    "forest of values": RandomForestRegressor(3, random_state=0),
    "boosted values": GradientBoostingRegressor(n_estimators=3, random_state=0),
    "histogram of values": HistGradientBoostingRegressor(loss="absolute_error", max_iter=3),
    "neighbouring values": KNeighborsRegressor(),
    "process of values": GaussianProcessRegressor(Matern()),
    "transformed target": TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
    "several outputs": MultiOutputRegressor(Ridge()),
    "quantiles": make_pipeline(QuantileTransformer(n_quantiles=10), Ridge()),
}
TEXTUAL: dict[str, BaseEstimator] = {
    "counts": make_pipeline(CountVectorizer(), MultinomialNB()),
    "tf-idf": make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()),
    "hashes": make_pipeline(HashingVectorizer(n_features=16), SGDClassifier(random_state=0)),
}


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[BaseEstimator, Any]]:
    """Give every model fitted, with rows to predict."""
    fitted: dict[str, tuple[BaseEstimator, Any]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model in TABULAR.items():
            fitted[name] = model.fit(TABLE, CLASSES), TABLE
        for name, model in VALUED.items():
            target = np.column_stack([VALUES, VALUES]) if "outputs" in name else VALUES
            fitted[name] = model.fit(TABLE, target), TABLE
        for name, model in TEXTUAL.items():
            fitted[name] = model.fit(TEXTS, WORDS), TEXTS
        columns = ColumnTransformer([("n", StandardScaler(), [0, 1]), ("w", OneHotEncoder(), [4])])
        fitted["columns"] = make_pipeline(columns, LogisticRegression()).fit(MIXED, CLASSES), MIXED
    return fitted


def predictions(model: Any, rows: Any) -> np.ndarray:
    method = getattr(model, "predict_proba", None) or model.predict
    return np.asarray(method(rows))


@pytest.mark.parametrize(
    ("name", "other"), [(b"\x0aallow_mmap", b"\x04read"), (b"\x05order", b"\x05ordre")]
)
def test_an_array_that_joblib_itself_cannot_read_is_refused(
    name: bytes, other: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(LinearRegression().fit(TABLE, VALUES), path)
    path.write_bytes(path.read_bytes().replace(name, other))
    with pytest.raises((AttributeError, TypeError)):
        joblib.load(path)
    with pytest.raises(ModelError, match="not described as joblib does"):
        unpickle(path)


def test_searches_load_whatever_they_scored_by(tmp_path: Path) -> None:
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2).fit(TABLE, VALUES)
    path = tmp_path / "model.pkl"
    for name in get_scorer_names():
        search.set_params(scoring=name)
        search.scorer_ = get_scorer(name)
        path.write_bytes(pickle.dumps(search))
        found = unpickle(path)
        assert np.array_equal(found.predict(TABLE), search.predict(TABLE)), name


@pytest.mark.parametrize("protocol", range(6))
def test_models_load_from_every_protocol(models: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    for name, (model, rows) in models.items():
        path.write_bytes(pickle.dumps(model, protocol))
        same = np.array_equal(predictions(unpickle(path), rows), predictions(model, rows))
        assert same, name


@pytest.mark.parametrize(
    "compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str
)
def test_models_load_from_joblib_however_packed(models: Any, compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    chosen = models if compress in (0, 3) else dict(list(models.items())[::4])
    for name, (model, rows) in chosen.items():
        joblib.dump(model, path, compress=compress)
        same = np.array_equal(predictions(unpickle(path), rows), predictions(model, rows))
        assert same, name


def test_a_file_too_large_to_keep_is_unpacked_as_it_is_read(
    models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "KEPT_BYTES", 1000)
    model, rows = models["forest"]
    joblib.dump(model, tmp_path / "m.joblib", compress=3)
    loaded = unpickle(tmp_path / "m.joblib")
    assert np.array_equal(predictions(loaded, rows), predictions(model, rows))


def test_a_search_loses_its_distributions_and_nothing_else(models: Any, tmp_path: Path) -> None:
    model, _ = models["random search"]
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    loaded: Any = unpickle(path)
    assert type(loaded.param_distributions["C"]).__name__ == "Inert"
    assert loaded.best_params_ == model.best_params_


def test_selectors_and_big_endian_arrays_load(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    kept = {"array": np.arange(3, dtype=">f8"), "selector": make_column_selector("a")}
    kept["columns"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    joblib.dump(kept, path)
    loaded: Any = unpickle(path)
    assert loaded["array"].tolist() == [0, 1, 2]
    assert loaded["array"].dtype.isnative
    assert np.array_equal(loaded["columns"], kept["columns"])


PADDED = {"a": (np.dtype("i8"), 0), "b": (np.dtype("u1"), 8)}
HELD = {"a": (np.dtype("O"), 0), "b": (np.dtype("i4"), 8)}


def stated(fields: dict[str, Any], flags: int) -> np.dtype:
    """Give a dtype the state of a file that another numpy may have written."""
    found = make_dtype(("V16", False, True))
    fill_dtype(found, (3, "|", None, ("a", "b"), fields, 16, 8, flags))
    return found


@pytest.mark.parametrize("flags", [16, 144, -112, 272, 400])
def test_flags_of_a_dtype_are_those_of_this_numpy_whichever_wrote_them(flags: int) -> None:
    layout = {"names": ["a", "b"], "formats": ["i8", "u1"], "offsets": [0, 8], "itemsize": 16}
    aligned = bool(flags & 128)
    assert stated(PADDED, flags).flags == np.dtype(layout, align=aligned).flags  # type: ignore[call-overload]


@pytest.mark.parametrize("flags", [27, 155, -101, 283, 411])
def test_a_dtype_that_holds_objects_says_so_to_this_numpy(flags: int) -> None:
    found = stated(HELD, flags)
    assert found.hasobject
    assert np.zeros(2, found).copy().tolist() == [(0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("fields", "flags"), [(HELD, 16), (HELD, 26), (PADDED, 17), (PADDED, 27), (PADDED, 16.0)]
)
def test_flags_that_no_numpy_writes_are_refused(fields: dict[str, Any], flags: int) -> None:
    with pytest.raises(Refused, match="forged flags"):
        stated(fields, flags)


def test_fields_of_a_dtype_do_not_change_with_what_they_were_read_from() -> None:
    """numpy keeps the dictionary of fields, and reads memory where it says."""
    fields = dict(PADDED)
    found = stated(fields, 16)
    fields["b"] = np.dtype("u1"), 1 << 28
    assert found.fields["b"] == (np.dtype("u1"), 8)


def test_a_dtype_that_is_not_aligned_may_not_say_so() -> None:
    with pytest.raises(Refused, match="damaged fields"):
        stated({"a": (np.dtype("u1"), 0), "b": (np.dtype("i8"), 1)}, 144)


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Write every live payload: its file and the marker it would make."""
    folder = tmp_path_factory.mktemp("payloads")
    files = {}
    for n, (name, make) in enumerate(malicious.payloads().items()):
        path, marker = folder / f"{n}.pkl", folder / f"marker{n}"
        path.write_bytes(make(marker))
        files[name] = path, marker
    return files


@pytest.mark.parametrize("name", malicious.payloads())
def test_a_payload_is_refused_and_never_runs(armed: Any, name: str) -> None:
    path, marker = armed[name]
    verdicts = inspect_pickle(path)
    with pytest.raises(ModelError, match=path.name):
        unpickle(path)
    assert not marker.exists()
    assert all(v.allowed for v in verdicts) == (name == "a distribution of scipy")


@pytest.mark.skipif(sys.platform == "win32", reason="the payloads use a POSIX shell")
def test_every_payload_is_live_under_plain_loading(tmp_path: Path) -> None:
    markers = {}
    for n, (name, make) in enumerate(malicious.payloads().items()):
        marker = tmp_path / f"marker{n}"
        (tmp_path / f"{n}.pkl").write_bytes(make(marker))
        markers[name] = marker
    paths = [str(path) for path in tmp_path.glob("*.pkl")]
    subprocess.run([sys.executable, live.__file__, *paths], check=True, cwd=tmp_path, timeout=120)
    assert [name for name, marker in markers.items() if not marker.exists()] == []


@pytest.mark.parametrize("name", malicious.BROKEN_RULES)
def test_a_broken_rule_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(malicious.BROKEN_RULES[name])
    with pytest.raises(
        ModelError, match=r"model\.pkl: (is not safe|needs 1 name|not a model file)"
    ):
        unpickle(path)


def test_the_tripwire_stops_what_the_list_would_let_pass(
    armed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {"roles": lambda *_: GOOD_LOOKS}
    monkeypatch.setattr(
        "lime_cli.models.pickles.loading.AllowList",
        lambda _=(): type("P", (), {**everything, "modules": ()})(),
    )
    monkeypatch.setattr(
        "lime_cli.models.pickles.building.call", lambda _, function, args: function(*args)
    )
    stopped = 0
    for name in ("os.popen", "posix.system", "builtins.exec", "numpy.savetxt", "runpy.run_path"):
        path, marker = armed[name]
        with pytest.raises(UntrustedModel, match=r"it tries \S+ while it is loaded"):
            unpickle(path)
        stopped += not marker.exists()
    assert stopped == 5


def test_a_swallowed_alarm_still_counts(tmp_path: Path) -> None:
    def swallow() -> None:
        with contextlib.suppress(tripwire.Alarm):
            (tmp_path / "x").write_text("x")

    with pytest.raises(tripwire.Alarm, match="open"), tripwire.armed():
        swallow()
    assert not (tmp_path / "x").exists()


def test_inspecting_imports_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02cmycorp_absent.features\nCleaner\n)\x81}b.")
    verdicts = inspect_pickle(path)
    assert [(v.module, v.name, v.allowed) for v in verdicts] == [
        ("mycorp_absent.features", "Cleaner", False)
    ]
    assert verdicts[0].roles == {"ref", "new"}


NO_TRUST = Trust()


def said(path: Path, trust: Trust = NO_TRUST) -> tuple[type, str, str]:
    with pytest.raises(ModelError) as caught:
        unpickle(path, trust)
    return type(caught.value), caught.value.message, caught.value.hint


def test_unknown_names_are_listed_with_the_way_to_trust_them(tmp_path: Path) -> None:
    path = tmp_path / "churn.pkl"
    path.write_bytes(b"\x80\x02cmycorp.features\nCleaner\n)\x81}b.")
    kind, message, hint = said(path)
    assert kind is UntrustedModel
    assert message == "churn.pkl: needs 1 name limex does not know: mycorp.features.Cleaner"
    assert hint == (
        "if you trust this file: --trust, or only this module: --trust-module mycorp.features"
    )


@pytest.mark.parametrize(
    "name", ["statsmodels.regression.linear_model OLS", "lightgbm.extra Odd", "sklearn.odd Odd"]
)
def test_a_module_alone_is_not_advised_where_that_does_not_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(f"\x80\x02c{name.replace(' ', chr(10))}\n)\x81}}b.".encode("latin-1"))
    assert "--trust-module" not in said(path)[2]


def test_a_known_danger_is_named(armed: Any) -> None:
    path, _ = armed["os.system, protocol 4"]
    kind, message, hint = said(path)
    assert kind is UntrustedModel
    assert message == f"{path.name}: is not safe to load: it uses os.system"
    assert hint == f"look inside: limex inspect {path.name}; load it anyway: --trust"


def test_a_trusted_module_is_loaded_and_only_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limex_house.py").write_text(
        "from os import system\nclass Cleaner:\n    def predict(self, rows):\n        return rows\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "model.pkl"
    trust = Trust(modules=("limex_house", "os"))
    path.write_bytes(b"\x80\x02climex_house\nCleaner\n)\x81}b.")
    assert type(unpickle(path, trust)).__name__ == "Cleaner"
    assert "limex_house.Cleaner" in said(path)[1]
    path.write_bytes(b"\x80\x02climex_house\nsystem\nX\x04\x00\x00\x00true\x85R.")
    assert "which only imported it" in said(path, trust)[1]
    path.write_bytes(malicious.FILES["os.system, protocol 2"](tmp_path / "marker"))
    assert "uses os.system" in said(path, trust)[1]
    assert not (tmp_path / "marker").exists()


def test_trust_in_everything_loads_everything(tmp_path: Path) -> None:
    path, marker = tmp_path / "model.pkl", tmp_path / "marker"
    path.write_bytes(malicious.dumps({"a": malicious.Call(exec, malicious.code(marker))}))
    assert unpickle(path, Trust(everything=True)) == {"a": None}
    assert marker.exists()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("protocol", [2, 5])
def test_what_dill_wrote_of_the_training_script_is_loaded_where_it_is_trusted(
    protocol: int, packed: bool, tmp_path: Path
) -> None:
    dill = pytest.importorskip("dill")
    code = (lambda rows: rows * 2).__code__
    doubles = FunctionType(code, vars(sys.modules["__main__"]), "doubles")
    doubles.__module__ = "__main__"
    path, content = tmp_path / "model.pkl", dill.dumps(FunctionTransformer(doubles), protocol)
    path.write_bytes(gzip.compress(content) if packed else content)
    assert "dill._dill._create_function" in said(path, Trust())[1]
    found = unpickle(path, Trust(everything=True))
    assert isinstance(found, FunctionTransformer)
    assert found.transform(np.array([[1.0, 3.0]])).tolist() == [[2.0, 6.0]]


@pytest.mark.parametrize("trust", [Trust(), Trust(everything=True)], ids=["list", "trust"])
def test_a_class_of_the_training_script_is_explained(trust: Trust, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02c__main__\nCleaner\n)\x81}b.")
    _, message, hint = said(path, trust)
    assert message == "model.pkl: needs Cleaner, which was defined in the training script"
    assert hint.startswith("move it to a module")


@pytest.mark.parametrize("everything", [False, True])
def test_a_missing_module_is_named(everything: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02cmycompany_absent.features\nCleaner\n)\x81}b.")
    trust = Trust(everything=everything, modules=("mycompany_absent.features",))
    _, message, hint = said(path, trust)
    assert "needs mycompany_absent" in message
    assert "install the package" in hint


def test_a_class_of_another_scikit_learn_names_the_version(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "model.pkl"
    state = pickle.dumps({"_sklearn_version": "1.4.2"}, 2)[2:-1]
    path.write_bytes(
        b"\x80\x02csklearn.linear_model._base\nLinearRegression\n)\x81" + state + b"b."
    )
    monkeypatch.delattr("sklearn.linear_model._base.LinearRegression")
    _, message, hint = said(path)
    assert "was written by scikit-learn 1.4.2 and needs sklearn.linear_model._base" in message
    assert "pip install limex scikit-learn==1.4.2" in hint


def test_an_older_scikit_learn_is_a_warning(models: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    import sklearn

    data = pickle.dumps(models["functions"][0], 2)
    now = sklearn.__version__.encode()
    path.write_bytes(data.replace(now, b"0" * (len(now) - 2) + b".1"))
    with pytest.warns(UserWarning, match="unpickle estimator"):
        unpickle(path)


@pytest.mark.parametrize(
    ("content", "gist"),
    [
        (b"", "not a model file: it is empty"),
        (b"\0" * 100, "not a model file: it holds zero bytes"),
        (b"age,city\n31,Oslo\n", "not a model file: it looks like text"),
        (b"cat\ndog\nfish\n", "not a model file: it looks like text"),
        (b"PK\x03\x04" + b"\0" * 50, "not a model file: it looks like a zip archive"),
        (b"\x89PNG\r\n", "not a model file: it looks like a PNG image"),
        (bytes(range(200, 256)), "not a model file: its first bytes are of no known format"),
        (pickle.dumps(np.zeros(3)), "holds a numpy array, not a model"),
        (pickle.dumps([1, "a"]), r"holds a list of 2 \(int, str\), not a model"),
        (pickle.dumps(None), "holds nothing, not a model"),
        (b"\x80\x04\xff\xff\xff", "is damaged"),
    ],
)
def test_what_is_no_model_is_told(content: bytes, gist: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"^model\.pkl: " + gist):
        unpickle(path)


@pytest.mark.parametrize("how", ["pickle", "joblib", "zlib", "gzip", "bz2", "xz"])
def test_a_file_cut_short_says_so(models: Any, how: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    if how == "pickle":
        path.write_bytes(pickle.dumps(models["forest"][0]))
    else:
        joblib.dump(models["forest"][0], path, compress=0 if how == "joblib" else (how, 3))
    whole = path.read_bytes()
    for part in (0.4, 0.97):
        path.write_bytes(whole[: int(len(whole) * part)])
        size = f"{path.stat().st_size:,}"
        assert said(path)[1] == f"model.pkl: is cut short ({size} bytes)"


def test_a_missing_file_and_a_folder_are_model_errors(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in said(tmp_path / "none.pkl")[1]
    assert "cannot be read" in said(tmp_path)[1]


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    path = tmp_path / "model.joblib"
    joblib.dump(np.zeros(1 << 20), path, compress=9)
    assert "expands beyond" in said(path)[1]
    assert "--trust" not in said(path)[2]


def test_a_small_file_may_not_become_a_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 18)
    path = tmp_path / "model.joblib"
    joblib.dump(np.zeros(1 << 17), path, compress=("gzip", 9))
    assert path.stat().st_size * archive.MOST_TIMES < 1 << 20
    assert "expands beyond" in said(path)[1]
    assert "--trust" not in said(path)[2]
    joblib.dump(np.random.default_rng(0).random(1 << 17), path, compress=("gzip", 9))
    assert "holds a numpy array" in said(path)[1]


def test_few_bytes_may_not_become_instructions_that_take_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl.gz"
    with gzip.open(path, "wb", 6) as file:
        file.write(b"\x80\x04")
        for _ in range(40):
            file.write(b"N0" * (1 << 19))
        file.write(b"N.")
    _, text, hint = said(path)
    assert "expands beyond 32 MiB" in text
    assert "unpack the file" in hint


def test_lengths_beyond_the_end_ask_for_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    for opcode in (b"\x8e", b"\x8d", b"\x96"):
        path.write_bytes(b"\x80\x05" + opcode + (1 << 40).to_bytes(8, "little") + b"x")
        assert "is cut short" in said(path)[1]


def change_nodes(tree: Any, column: str, value: int) -> None:
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    inner = np.flatnonzero(state["nodes"]["left_child"] != -1)
    state["nodes"][column][inner[0]] = value
    tree.__setstate__(state)


@pytest.mark.parametrize(
    ("column", "value"),
    [("feature", 900), ("feature", -3), ("left_child", 10**6), ("right_child", 0)],
)
def test_a_tree_that_points_outside_is_damaged(column: str, value: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = RandomForestClassifier(2, random_state=0).fit(TABLE, CLASSES)
    change_nodes(model.estimators_[1].tree_, column, value)
    path.write_bytes(pickle.dumps(model))
    assert "is damaged: a decision tree" in said(path)[1]


def test_a_tree_whose_branches_meet_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = RandomForestClassifier(2, random_state=0).fit(TABLE, CLASSES)
    tree = model.estimators_[1].tree_
    change_nodes(tree, "right_child", int(tree.children_left[0]))
    path.write_bytes(pickle.dumps(model))
    assert "is damaged: a decision tree with branches that join" in said(path)[1]


@pytest.mark.parametrize("place", [0, 400])
def test_a_tree_deeper_than_it_says_is_damaged(place: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    noise = RANDOM.random(60) > 0.5
    model = RandomForestClassifier(401, random_state=0).fit(TABLE, noise)
    tree = model.estimators_[place].tree_
    tree.__setstate__({**tree.__getstate__(), "max_depth": tree.max_depth - 1})
    path.write_bytes(pickle.dumps(model))
    assert "is damaged: a decision tree deeper than it says" in said(path)[1]


def test_a_tree_without_any_nodes_is_no_reason_to_crash(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = DecisionTreeClassifier().fit(TABLE, CLASSES)
    model.tree_ = Tree(4, np.array([2]), 1)
    path.write_bytes(pickle.dumps({"model": model}))
    with contextlib.suppress(ModelError):
        unpickle(path)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_a_search_tree_that_points_outside_is_damaged(algorithm: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = KNeighborsClassifier(algorithm=algorithm).fit(TABLE, CLASSES)
    state = list(model._tree.__getstate__())
    state[1] = np.asarray(state[1]) + 1000
    model._tree.__setstate__(tuple(state))
    path.write_bytes(pickle.dumps(model))
    assert "is damaged: a search tree" in said(path)[1]


def test_a_sparse_matrix_that_points_outside_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = KNeighborsClassifier().fit(scipy.sparse.csr_matrix(TABLE), CLASSES)
    model._fit_X.indices[0] = 10**6
    path.write_bytes(pickle.dumps(model))
    assert "is damaged" in said(path)[1]


@pytest.mark.parametrize("protocol", range(6))
def test_columns_taken_from_a_table_load(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    table = pd.DataFrame({"a": TABLE[:, 0], "b": TABLE[:, 1], "word": WORDS})
    numbers = table.select_dtypes("number").columns
    columns = ColumnTransformer(
        [("n", StandardScaler(), numbers), ("w", OneHotEncoder(), ["word"])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, CLASSES)
    path.write_bytes(pickle.dumps(model, protocol))
    assert np.array_equal(predictions(unpickle(path), table), predictions(model, table))


BERLIN = ZoneInfo("Europe/Berlin")
DAY = pd.Timestamp("2020-01-31")

FRAME = pd.DataFrame(
    {
        "whole": [3, 1, 2],
        "words": ["x", "y", "x"],
        "number": [1.5, np.nan, 2.0],
        "kind": pd.Categorical(["u", "v", "u"]),
        "rank": pd.Categorical([2, 1, 2], ordered=True),
        "day": pd.to_datetime(["2020-01-01", "2021-02-03", None]),
        "gaps": pd.array([1, None, 3], dtype="Int64"),
        "share": pd.array([0.5, None, 1.0], dtype="Float64"),
        "flag": pd.array([True, None, False], dtype="boolean"),
        "truth": [True, False, True],
        "mixed": np.array([1, "a", None], object),
    }
)

FRAMES = {
    "all kinds": FRAME,
    "one kind": FRAME[["whole"]],
    "named rows": FRAME.set_index("words"),
    "rows in another order": FRAME.loc[[2, 0, 1]],
    "every second row": FRAME.iloc[::2],
    "no rows": FRAME.iloc[:0],
    "no columns": FRAME[[]],
    "a series": FRAME["number"],
    "a series of categories": FRAME["kind"],
    "a series of moments": FRAME["day"],
    "a series with gaps": FRAME["gaps"],
    "an encoder's mapping": pd.Series([1.0, 2.0], index=["u", np.nan], name="kind"),
    "rows of days": FRAME.set_index(pd.date_range("2020-01-01", periods=3, name="when")),
    "rows of hours of a zone": FRAME.set_index(pd.date_range("2020-03-29", periods=3, tz=BERLIN)),
    "rows of months": FRAME.set_index(pd.period_range("2020-01", periods=3, freq="M")),
    "rows of durations": FRAME.set_index(pd.timedelta_range("1 day", periods=3)),
    "rows of ranges": FRAME.set_index(pd.interval_range(0, 3, closed="left")),
    "rows of categories": FRAME.set_index("kind"),
    "rows of numbers with gaps": FRAME.set_index("gaps"),
    "rows of levels": FRAME.set_index(["words", "day", "number"]),
    "columns of levels": FRAME.groupby("words")[["whole", "number"]].agg(["mean", "max"]),
    "columns of days": pd.DataFrame(np.eye(3), columns=pd.date_range("2020-01-01", periods=3)),
    "bins": pd.DataFrame({"bin": pd.cut(pd.Series([1.0, 5.0, np.nan]), [0, 2, 6])}),
    "bins of days": pd.DataFrame({"bin": pd.cut(FRAME["day"], 2)}),
    "ranges": pd.DataFrame({"held": pd.interval_range(0, 3)}),
    "hours of a zone": pd.DataFrame({"at": pd.date_range("2020-03-29", periods=3, tz=BERLIN)}),
    "hours of UTC": pd.DataFrame({"at": pd.to_datetime(["2020-01-01T12:00Z", None])}),
    "quarters": pd.DataFrame({"at": pd.period_range("2020Q1", periods=3, freq="Q")}),
    "words with gaps": pd.DataFrame({"c": pd.array(["é", None], dtype="string[python]")}),
    "words of pyarrow": pd.DataFrame({"c": pd.array(["é", None], dtype="string[pyarrow]")}),
    "numbers of pyarrow": pd.DataFrame({"c": pd.array([1, None], dtype="int64[pyarrow]")}),
    "truth of pyarrow": pd.DataFrame({"c": pd.array([True, None], dtype="bool[pyarrow]")}),
    "moments of pyarrow": pd.DataFrame(
        {"c": pd.array([DAY, None], dtype="timestamp[us][pyarrow]")}
    ),
    "moments as objects": pd.DataFrame({"c": pd.Series([DAY, None, 1], dtype=object)}),
    "amounts": pd.DataFrame({"c": [Decimal("1.50"), Decimal("-2")]}),
}


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("name", list(FRAMES))
def test_data_frames_load_as_they_were(name: str, protocol: int, tmp_path: Path) -> None:
    held, path = FRAMES[name], tmp_path / "frame.pkl"
    for write in (pickle.dump, joblib.dump):
        with path.open("wb") as stream:
            write({"held": [held, held]}, stream, protocol=protocol)
        packed = loading._packed(Content(path))
        one, other = loading._load(packed, AllowList())["held"]  # type: ignore[index]
        equal = "series" if isinstance(held, pd.Series) else "frame"
        getattr(pd.testing, f"assert_{equal}_equal")(one, held, check_freq=False)
        assert one is other


@pytest.mark.parametrize("write", [pickle.dump, joblib.dump])
def test_what_was_read_of_a_file_is_let_go(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Remembered(loading.Builder):  # type: ignore[misc, name-defined]
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(weakref.ref(self))

    monkeypatch.setattr(loading, "Builder", Remembered)
    with (tmp_path / "m.pkl").open("wb") as stream:
        write(RandomForestClassifier(3).fit(TABLE, CLASSES), stream)
    with tripwire.uncollected():
        loaded = loading._load(loading._packed(Content(tmp_path / "m.pkl")), AllowList())
        assert loaded.predict(TABLE).shape == (60,)  # type: ignore[attr-defined]
        assert [one() for one in made] == [None]


class Forged:
    """Pickles as whatever it is told to."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> Any:
        return self.parts


def _block(values: Any, places: Any) -> Forged:
    from pandas._libs.internals import _unpickle_block

    return Forged(_unpickle_block, (values, places, 2))


NUMBERS = np.arange(6.0).reshape(2, 3)

DAMAGED = {
    "a column too many": lambda: {"_mgr": _manager(_block(np.ones((3, 3)), slice(0, 3)))},
    "a column too few": lambda: {"_mgr": _manager(_block(NUMBERS[:1], slice(0, 1)))},
    "places outside": lambda: {"_mgr": _manager(_block(NUMBERS, np.array([0, 9])))},
    "columns of a list": lambda: {"_mgr": _manager(_block([[1, 2, 3]], slice(0, 1)))},
    "rows of another length": lambda: {"_mgr": _manager(_block(NUMBERS[:, :2], slice(0, 2)))},
    "no manager": lambda: {"_mgr": NUMBERS},
    "no block": lambda: {"_mgr": _manager(NUMBERS)},
    "a column twice": lambda: {"_mgr": _manager(_block(NUMBERS, np.array([0, 0])))},
    "attributes": lambda: {"to_numpy": 1},
}


def _manager(*blocks: Any) -> Forged:
    return Forged(type(FRAME._mgr), (blocks, [pd.Index(["a", "b"]), pd.RangeIndex(3)]))


@pytest.mark.parametrize("case", list(DAMAGED))
def test_a_damaged_data_frame_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    frame = Forged(copyreg._reconstructor, (pd.DataFrame, object, None), DAMAGED[case]())  # type: ignore[attr-defined]
    path.write_bytes(pickle.dumps({"frame": frame}))
    assert "data frame" in said(path)[1]


def _index(kind: type, **parts: Any) -> Forged:
    return Forged(pd.core.indexes.base._new_Index, (kind, parts))


def _levels(codes: Any, level: Any = None, names: Any = ("a",)) -> Forged:
    levels = [pd.Index(["u", "v"]) if level is None else level]
    return _index(pd.MultiIndex, levels=levels, codes=[codes], names=list(names))


def _backed(kind: type, numbers: Any, dtype: Any) -> Forged:
    from pandas._libs.arrays import __pyx_unpickle_NDArrayBacked as unpickle_backed

    checksum = pd.array(["a"], dtype="string[python]").__reduce__()[1][1]
    return Forged(unpickle_backed, (kind, checksum, None), (dtype, numbers))


def _periods(*numbers: int, freq: str = "M") -> Forged:
    return _backed(pd.arrays.PeriodArray, np.array(numbers, "i8"), pd.PeriodDtype(freq))


def _zoned(zone: Any) -> Forged:
    dtype = Forged(
        copyreg._reconstructor,  # type: ignore[attr-defined]
        (pd.DatetimeTZDtype, object, None),
        {"unit": "ns", "tz": zone},
    )
    return _backed(pd.arrays.DatetimeArray, np.zeros(3, "M8[ns]"), dtype)


def _zone(method: str, *args: Any) -> Forged:
    class Method(Forged):
        def __call__(self) -> None:
            """Pickle takes what can be called only."""

    return Forged(Method(getattr, (ZoneInfo, method)), args)


def _arrow(kind: str, *buffers: bytes | None, n: int = 3) -> Forged:
    import pyarrow as pa

    held = [one if one is None else pa.py_buffer(one) for one in buffers]
    return Forged(pa.lib._restore_array, ((pa.lib.type_for_alias(kind), n, 0, 0, held, [], None),))


WORDS_DTYPE = pd.StringDtype("python")


def _words(*state: Any) -> Forged:
    parts = _backed(pd.arrays.StringArray, None, None).parts
    filled = (*parts[:2], state[::-1]) if state else parts[:2]
    return _index(pd.Index, data=Forged(*filled))


BROKEN = {
    "levels with codes outside": (lambda: _levels(np.array([0, 1, 2])), "a damaged index"),
    "levels with codes far below": (lambda: _levels(np.array([0, 1, -2])), "a damaged index"),
    "levels with codes of fractions": (lambda: _levels(np.array([0.0, 1.0])), "a damaged index"),
    "levels that are none": (lambda: _levels(np.zeros(3, int), "uv"), "a damaged index"),
    "levels without names": (lambda: _levels(np.zeros(3, int), names=()), "a damaged index"),
    "an index of a class of models": (
        lambda: _index(LogisticRegression, data=np.zeros(3)),
        "a damaged index",
    ),
    "an index of a model": (
        lambda: _index(pd.Index, data=LogisticRegression()),
        "as a column of a data frame",
    ),
    "an index without end": (lambda: _index(pd.RangeIndex, stop=1 << 70), "a damaged index"),
    "ranges of objects": (
        lambda: Forged(
            pd.core.indexes.interval._new_IntervalIndex,
            (pd.IntervalIndex, {"left": OBJECTS, "right": OBJECTS, "closed": "left"}),
        ),
        "a damaged index",
    ),
    "periods after all years": (
        lambda: _index(pd.PeriodIndex, data=_periods(1 << 62)),
        "holds periods of years that do not exist",
    ),
    "periods before all years": (
        lambda: _index(pd.PeriodIndex, data=_periods(-(1 << 62), freq="D")),
        "holds periods of years that do not exist",
    ),
    "periods of fractions": (
        lambda: _index(
            pd.PeriodIndex,
            data=_backed(pd.arrays.PeriodArray, np.zeros(3), pd.PeriodDtype("M")),
        ),
        "holds a column of periods without any",
    ),
    "a zone outside of zones": (
        lambda: _zoned(_zone("_unpickle", "../../../../etc/passwd", True)),
        "names an unknown time zone",
    ),
    "a zone by its path": (
        lambda: _zoned(_zone("_unpickle", "/etc/localtime", True)),
        "names an unknown time zone",
    ),
    "a zone that is a folder": (
        lambda: _zoned(_zone("_unpickle", "Europe", True)),
        "names an unknown time zone",
    ),
    "a zone of a file": (lambda: _zoned(_zone("from_file", "x")), "uses builtins.getattr"),
    "a zone that is none": (
        lambda: _index(pd.DatetimeIndex, data=_zoned("UTC")),
        "a damaged time zone",
    ),
    "a moment of no unit": (
        lambda: Forged(pd._libs.tslibs.timestamps._unpickle_timestamp, (0, None, None, 99)),
        "passes an unsafe argument to",
    ),
    "an amount without end": (lambda: Forged(Decimal, ("1e999999999",)), "an unsafe argument to"),
    "numbers of pyarrow of words": (lambda: _arrow("int64", None, b"", b""), "an unsafe argument"),
    "nested lists of pyarrow": (lambda: _arrow("month_day_nano_interval", None, b""), "an unsafe"),
    "numbers of pyarrow cut short": (lambda: _arrow("int64", None, b"1234"), "damaged words"),
    "words of pyarrow that end outside": (
        lambda: _arrow("string", None, np.array([0, 1, 2, 99], "i4").tobytes(), b"abc"),
        "damaged words",
    ),
    "words of none": (lambda: _words(None, WORDS_DTYPE), "column of a data frame"),
    "words of numbers": (lambda: _words(np.zeros(3), WORDS_DTYPE), "damaged"),
    "words never filled": (lambda: _words(), "column of a data frame"),
    "how far days lie apart": (lambda: pd.offsets.Day(2), "part of a data frame outside of one"),
}
OBJECTS = pd.Index([[1], [2], [3]], dtype=object)


@pytest.mark.parametrize("case", list(BROKEN))
def test_broken_parts_of_data_frames_are_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    part, gist = BROKEN[case]
    path.write_bytes(pickle.dumps({"part": part()}, 4))
    assert gist in said(path)[1]


def test_a_part_of_a_data_frame_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = LogisticRegression().fit(TABLE, CLASSES)
    model.held = _manager(_block(NUMBERS, slice(0, 2)))
    path.write_bytes(pickle.dumps(model))
    assert "holds a part of a data frame outside of one" in said(path)[1]


def test_categories_that_are_no_index_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    state = {"categories": "ab", "ordered": False}
    dtype = Forged(copyreg._reconstructor, (pd.CategoricalDtype, object, None), state)  # type: ignore[attr-defined]
    path.write_bytes(pickle.dumps({"dtype": dtype}))
    assert "holds damaged categories" in said(path)[1]


def test_a_memory_that_keeps_no_files_loads_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = make_pipeline(StandardScaler(), LogisticRegression(), memory=joblib.Memory(None))
    model.fit(TABLE, CLASSES)
    path.write_bytes(pickle.dumps(model))
    assert np.array_equal(predictions(unpickle(path), TABLE), predictions(model, TABLE))
    model.memory = joblib.Memory(tmp_path / "cache", verbose=0)
    path.write_bytes(pickle.dumps(model))
    assert "is not safe to load" in said(path)[1]
    model.memory = joblib.Memory(None)
    model.memory.location = str(tmp_path / "other")
    path.write_bytes(pickle.dumps(model))
    assert "keeps files, by a Memory of joblib's" in said(path)[1]
    assert not (tmp_path / "other").exists()


def test_partials_of_listed_functions_load(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    cut = FunctionTransformer(partial(np.clip, a_min=0.2, a_max=0.8))
    model = make_pipeline(cut, LogisticRegression()).fit(TABLE, CLASSES)
    path.write_bytes(pickle.dumps(model))
    assert np.array_equal(predictions(unpickle(path), TABLE), predictions(model, TABLE))


def _partial(function: Any, *state: Any) -> Forged:
    return Forged(partial, (function,), state)


PARTIALS = {
    "a function that is not listed": (lambda: partial(os.system, "true"), "uses os.system"),
    "a class": (lambda: partial(np.ndarray, 3), "passes an unsafe argument to"),
    "a method of a model": (
        lambda: partial(LogisticRegression().fit, TABLE),
        "uses builtins.getattr",
    ),
    "an array to write into": (
        lambda: partial(np.add, out=np.zeros(3)),
        "changes its own arguments",
    ),
    "a function as an argument": (lambda: partial(np.clip, np.max), "to a constructor"),
    "another function in its state": (
        lambda: _partial(np.clip, np.max, (), {}, None),
        "a damaged partial",
    ),
    "attributes": (lambda: _partial(np.clip, np.clip, (), {}, {"a": 1}), "a damaged partial"),
}


@pytest.mark.parametrize("case", list(PARTIALS))
def test_no_other_partial_loads(case: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    make, gist = PARTIALS[case]
    path.write_bytes(pickle.dumps({"model": FunctionTransformer(), "f": make()}))
    assert gist in said(path)[1]


SHOUTED = ["the good, the bad", "THE UGLY", " and so on"]


@pytest.mark.parametrize("function", [str.lower, str.casefold, str.strip, str.upper])
def test_methods_of_words_load_as_preprocessors(function: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = TfidfVectorizer(preprocessor=function, lowercase=False).fit(SHOUTED)
    path.write_bytes(pickle.dumps(model))
    assert (unpickle(path).transform(SHOUTED) != model.transform(SHOUTED)).nnz == 0


@pytest.mark.parametrize("how", ["tokenizer", "analyzer"])
def test_texts_split_by_a_method_of_words_load(how: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = TfidfVectorizer(**{how: str.split}, token_pattern=None).fit(SHOUTED)
    path.write_bytes(pickle.dumps(model))
    assert (unpickle(path).transform(SHOUTED) != model.transform(SHOUTED)).nnz == 0


@pytest.mark.parametrize(
    ("held", "name"),
    [
        (str, "format"),
        (str, "format_map"),
        (str, "__class__"),
        (str, "__subclasses__"),
        (str, "translate"),
        ("{0.__class__}", "format"),
        ("a", "__class__"),
        (list, "append"),
        (bytes, "decode"),
        (np.ndarray, "tofile"),
        (dict, "lower"),
    ],
)
def test_no_other_attribute_is_taken(held: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(
        pickle.dumps({"model": FunctionTransformer(), "f": Forged(getattr, (held, name))})
    )
    assert "uses builtins.getattr" in said(path)[1]


def test_getattr_itself_is_never_a_value(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"f": getattr}))
    with pytest.raises(Refused, match="getattr"):
        unpickle(path)["f"](np, "fromfile")


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"out", b"K\x05"), (b"out", b"]"), (b"where", b"}"), (b"where", b"cnumpy\nmax\n")],
)
def test_a_partial_that_is_changed_after_it_is_filled_is_refused(
    name: bytes, value: bytes, tmp_path: Path
) -> None:
    content = pickle.dumps(FunctionTransformer(partial(np.add, 1.0)), 4)
    numbers, named = -1, 0
    for step, _, at in pickletools.genops(content):
        numbers += step.name == "MEMOIZE"
        named = numbers if content[at - 1 : at] == b"}" and step.name == "MEMOIZE" else named
        if step.name == "BUILD":
            change = b"h%c\x8c%c%b%bs0" % (named, len(name), name, value)
            content = content[: at + 1] + change + content[at + 1 :]
            break
    assert list(pickle.loads(content).func.keywords) == [name.decode()]
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    assert "is not safe to load" in said(path)[1]


def test_words_that_point_outside_their_letters_are_damaged(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")

    class Forged:
        def __reduce__(self):
            ends = np.array([0, 2**40, 2**41], np.int64)
            buffers = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"ab")]
            whole = (pa.large_string(), 2, 0, 0, buffers, [], None)
            return pa.lib._restore_array, (whole,)

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"columns": Forged()}))
    assert "contains damaged words of a table" in said(path)[1]


@pytest.mark.parametrize("change", [{1: -2}, {4: []}, {5: [None]}, {6: "x"}])
def test_words_of_another_shape_are_refused(change: dict[int, object], tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")

    class Forged:
        def __reduce__(self):
            ends = pa.py_buffer(np.array([0, 1, 2], np.int64).tobytes())
            parts = [pa.large_string(), 2, 0, 0, [None, ends, pa.py_buffer(b"ab")], [], None]
            for place, value in change.items():
                parts[place] = value
            return pa.lib._restore_array, (tuple(parts),)

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"columns": Forged()}))
    assert "passes an unsafe argument to pyarrow.lib._restore_array" in said(path)[1]


class Counted:
    """Pickles as an array of objects that says its own shape."""

    def __init__(self, held: object, *shape: int, kind: Any = "O", masked: bool = False) -> None:
        made = np.ma.masked_array([None], [0], object) if masked else np.array([None])
        self.make, self.args, state = made.__reduce__()
        state = [*state]
        state[1], state[2], state[4] = shape, np.dtype(kind), held
        self.state = tuple(state)

    def __reduce__(self) -> Any:
        return self.make, self.args, self.state


FEW = {
    "fewer": lambda: Counted([1.5], 3),
    "none": lambda: Counted([]),
    "more": lambda: Counted([1, 2], 1),
    "none of many": lambda: Counted([], 1 << 20),
    "fewer in two axes": lambda: Counted([1, 2, 3], 2, 2),
    "fewer in fields": lambda: Counted([], 2, kind=[("a", "O"), ("b", "i4")]),
    "fewer behind a mask": lambda: Counted([1], 3, masked=True),
    "in a dictionary": lambda: Counted({0: 1}, 1),
    "negative": lambda: Counted([1, 2], -1, -2),
}
"""Arrays of objects of which numpy would read those that are not there."""


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", FEW)
def test_an_array_without_its_objects_is_damaged(name: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"held": FEW[name](), "more": [1] * 9000}, protocol))
    assert "is damaged" in said(path)[1]


def test_arrays_of_objects_load_however_many_axes_they_have(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    whole = np.array([None, "a", 1.5, (2,), b"x", 9], object)
    held = [whole, whole.reshape(2, 3), whole.reshape(3, 2).T, whole[:0], whole[0:1].reshape(())]
    for protocol in range(6):
        path.write_bytes(pickle.dumps(held, protocol))
        for one, other in zip(unpickle_any(path), held, strict=True):
            assert one.shape == other.shape
            assert one.tolist() == other.tolist()


@pytest.mark.parametrize("flags", ["(I00\nI01\nI00\n", "(S'x'\n", "(N"])
def test_a_type_of_numbers_is_made_as_numpy_makes_it(flags: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"(cnumpy\ndtype\n(S'f8'\n" + flags[1:].encode() + b"tRl.")
    assert "is not safe to load" in said(path)[1]


def test_a_tree_of_more_columns_than_its_forest_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = RandomForestClassifier(2, random_state=0).fit(TABLE, CLASSES)
    model.n_features_in_ = 1
    path.write_bytes(pickle.dumps(model))
    assert "a decision tree of 4 columns for 1" in said(path)[1]


@pytest.mark.parametrize(("column", "value"), [("feature_idx", 900), ("left", 10**6), ("right", 0)])
def test_a_histogram_tree_that_points_outside_is_damaged(
    column: str, value: int, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    model = HistGradientBoostingClassifier(max_iter=2).fit(TABLE, CLASSES)
    model._predictors[1][0].nodes[column][0] = value
    path.write_bytes(pickle.dumps(model))
    assert "is damaged: a decision tree" in said(path)[1]


@pytest.mark.parametrize("source", ["filename", "file"])
def test_a_vectoriser_that_opens_files_is_refused(source: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(TEXTS, WORDS)
    model[0].input = source
    path.write_bytes(pickle.dumps(model))
    assert "reads the files that its input names" in said(path)[1]


def test_a_class_in_place_of_a_function_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(FunctionTransformer(np.ndarray)))
    assert "calls a class, ndarray, as a function" in said(path)[1]


def test_a_function_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(FunctionTransformer(np.fromfile)))
    assert "uses numpy.fromfile" in said(path)[1]


def test_the_list_holds_no_danger_and_nothing_unreviewed() -> None:
    assert "REVIEW" not in LIST.read_text("utf-8")
    plain = {"builtins", "copyreg", "joblib.memory", "joblib.numpy_pickle"}
    assert [key for key in listed() if is_danger(*key) and key[0] not in plain] == []
    builtin = {name for module, name in listed() if module == "builtins"}
    assert not builtin & {"eval", "exec", "map", "open", "type", "vars", "print"}
    assert all(roles <= GOOD_LOOKS and "ref" in roles for roles in listed().values())


def test_only_these_may_be_called() -> None:
    called = {module for (module, _), roles in listed().items() if "call" in roles}
    assert called == {
        "_codecs", "builtins", "collections", "copyreg", "datetime", "decimal", "numpy",
        "numpy._core.multiarray", "numpy._core.numeric", "numpy.ma.core", "numpy.random._pickle",
        "numpy.random.bit_generator", "pandas", "pandas._libs.arrays", "pandas._libs.internals",
        "pandas._libs.interval", "pandas._libs.tslibs.nattype", "pandas._libs.tslibs.timestamps",
        "pandas.core.dtypes.dtypes", "pandas.core.indexes.base", "pandas.core.indexes.datetimes",
        "pandas.core.indexes.interval", "pandas.core.indexes.period",
        "pandas.core.indexes.timedeltas", "pandas.core.internals.managers", "functools",
        "pyarrow.lib", "pytz", "sklearn._loss._loss", "sklearn.linear_model._sgd_fast",
        "sklearn.metrics._dist_metrics", "sklearn.neighbors._ball_tree",
        "sklearn.neighbors._kd_tree", "sklearn.tree._tree", "zoneinfo",
    }  # fmt: skip


def test_first_bytes_tell_a_pickle(tmp_path: Path) -> None:
    for protocol in range(6):
        for thing in ({"a": 1}, [1], LogisticRegression(), (1, 2)):
            assert looks_pickled(pickle.dumps(thing, protocol)[:64])
    for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
        joblib.dump(LogisticRegression(), tmp_path / "m", compress=compress)
        assert looks_pickled((tmp_path / "m").read_bytes()[:64])
    for head in (
        b"",
        b"a,b\n1,2\n",
        b"PK\x03\x04",
        b"\x89PNG",
        b"\x08\x07\x12\x04",
        b"xylophone\n",
    ):
        assert not looks_pickled(head)


SLOW = 2**61 - 1


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({n * SLOW: 0 for n in range(1, 3000)}, 4),
        pickle.dumps({n * SLOW: 0 for n in range(1, 3000)}, 0),
        pickle.dumps({n * SLOW for n in range(1, 3000)}, 4),
        pickle.dumps(frozenset(n * SLOW for n in range(1, 3000)), 4),
        pickle.dumps({n * SLOW for n in range(1, 3000)}, 2),
        pickle.dumps({(n * SLOW, 1): 0 for n in range(1, 3000)}, 4),
        pickle.dumps([{n * SLOW: 0, (n + 5000) * SLOW: 0} for n in range(1, 3000)], 4),
    ],
    ids=["dict", "one by one", "set", "frozenset", "set by a call", "tuples", "many dicts"],
)
def test_keys_that_are_made_to_be_slow_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(content)
    with pytest.raises(UntrustedModel, match="contains keys that are made to be slow"):
        unpickle(path)


def test_many_keys_that_only_look_alike_load(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    whole = {**{n: n for n in range(-9000, 9000)}, **{n + 0.5: n for n in range(9000)}}
    held = {"whole": whole, "pairs": {(n, -n): n for n in range(9000)}}
    held["many"] = [{-1: 0, -2: 1, 0: 2, None: 4} for _ in range(3000)]
    path.write_bytes(pickle.dumps(held))
    assert unpickle(path) == held


def test_words_that_look_like_parts_of_python_load(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    texts = ["__init__ of __class__", "def __array_interface__"] * 3
    words = CountVectorizer(token_pattern=r"\S+")
    model = make_pipeline(words, MultinomialNB()).fit(texts, [0, 1] * 3)
    path.write_bytes(pickle.dumps(model))
    assert np.array_equal(predictions(unpickle(path), texts), predictions(model, texts))


def programs(seed: int) -> Iterator[bytes]:
    """Give random programs over allowed names, more often sensible than not."""
    dice = random.Random(seed)
    names = list(listed())
    callable_names = [key for key, roles in listed().items() if "call" in roles]
    text = b"X\x02\x00\x00\x00f8 X\x06\x00\x00\x00latin1 X\x00\x00\x00\x00".split(b" ")
    state = b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"
    inputs = b"}X\x05\x00\x00\x00inputX\x08\x00\x00\x00filenames"
    plain = [*b"N K\x01 ] } ) C\x01b K\x00\x85 \x89".split(b" "), *text, state, inputs]
    steps = b")\x81 )R b \x85 \x86 \x87 R \x81 s a ( t 0 \x94 h\x00 h\x01 u e }b \x90 \x91".split(
        b" "
    )
    while True:
        program = [b"\x80", bytes([dice.choice([2, 4])])]
        for _ in range(dice.randint(3, 14)):
            pool = dice.random()
            if pool < 0.35:
                module, name = dice.choice(callable_names if dice.random() < 0.5 else names)
                program.append(f"c{module}\n{name}\n".encode())
            else:
                program.append(dice.choice(plain if pool < 0.65 else steps))
        yield b"".join([*program, b"."])


MANY = int(os.environ.get("TESTS_PROGRAMS", "20000"))
"""Random programs of the slow test; 100,000 were looked at."""


@pytest.mark.parametrize("count", [400, pytest.param(MANY, marks=pytest.mark.slow)])
def test_random_programs_of_allowed_names_do_nothing_but_build(count: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    generator = programs(seed=1)
    said_so = [_outcome(path, next(generator)) for _ in range(count)]
    assert not [words for words in said_so if "it tries" in words]
    assert sum(not words or "not a model" in words for words in said_so) > 10


def _outcome(path: Path, program: bytes) -> str:
    """Load a program; give what limex says of it, nothing if it loads."""
    path.write_bytes(program)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unpickle(path)
    except ModelError as error:
        return error.message
    return ""


def test_a_module_that_is_trusted_is_found_in_this_folder(tmp_path):
    (tmp_path / "own_cleaning.py").write_text("def clean(text):\n    return text.lower()\n")
    code = (
        "import sys, pickle; sys.path.insert(0, '')\n"
        "import own_cleaning\n"
        "from sklearn.feature_extraction.text import CountVectorizer\n"
        "from sklearn.naive_bayes import MultinomialNB\n"
        "from sklearn.pipeline import make_pipeline\n"
        "m = make_pipeline(CountVectorizer(preprocessor=own_cleaning.clean), MultinomialNB())\n"
        "pickle.dump(m.fit(['a good day', 'a bad day'], ['g', 'b']), open('m.pkl', 'wb'))\n"
    )
    root = str(__import__("pathlib").Path(__file__).parents[2])
    kept = {"PYTHONPATH": root, "PYTHONSAFEPATH": "1", "PATH": ""}
    for words in (
        ["-c", code],
        ["-m", "lime_cli", "explain", "text", "m.pkl", "--text", "GOOD", "--trust-module",
         "own_cleaning", "-q"],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=kept, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
