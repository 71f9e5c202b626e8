"""The form of a model's input: data frame, array or sparse rows; as said, fitted or answered."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM
from sklearn.utils import all_estimators

from lime_cli.errors import PredictionError, SettingsError
from lime_cli.models.fitted import BY_NUMBERS, PASSING
from lime_cli.models.input_forms import handed
from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.row import Table

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.random((80, 6)) * (RANDOM.random((80, 6)) < 0.4)
CLASSES = (ROWS.sum(axis=1) > 1).astype(int)
NAMES = tuple("abcdef")
TABLE = Table(NAMES, tuple(ROWS[:9].T))

OWN = '''
from sklearn.base import BaseEstimator, ClassifierMixin
class Counting(ClassifierMixin, BaseEstimator):
    """Answers to matrices of counts only, as they come from a vectoriser."""
    def fit(self, X, y):
        self.classes_ = sorted(set(y))
        self.n_features_in_ = X.shape[1]
        return self
    def predict_proba(self, X):
        import numpy
        share = X.tocsr().getnnz(axis=1) / X.shape[1]
        return numpy.column_stack([1 - share, share])
class Refusing(Counting):
    def predict_proba(self, X):
        raise ValueError("it is closed")
class Dated(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = [0, 1]
        return self
    def predict_proba(self, X):
        import numpy
        share = X["day"].dt.month.to_numpy() / 12
        return numpy.column_stack([1 - share, share])
class Priced(Dated):
    def predict_proba(self, X):
        import numpy
        share = 1 / X["price"].str.replace(",", "").astype(float).to_numpy()
        return numpy.column_stack([1 - share, share])
class Framed(Counting):
    def predict_proba(self, X):
        import numpy
        share = X["a"].to_numpy()
        return numpy.column_stack([1 - share, share])
'''


def saved(folder, model, **options):
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    return ModelFile(str(path), **options)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the user's with models that take one form only."""
    (tmp_path / "own_forms.py").write_text(OWN, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("own_forms")
    del sys.modules["own_forms"]


FITTED_SPARSE = [
    SVC(),
    SVC(kernel="linear"),
    NuSVC(nu=0.2),
    SVR(),
    OneClassSVM(),
    KNeighborsClassifier(),
    KNeighborsRegressor(),
    KernelRidge(),
    GridSearchCV(SVC(), {"C": [1, 2]}, cv=2),
]


@pytest.mark.parametrize("model", FITTED_SPARSE, ids=lambda one: type(one).__name__)
def test_a_model_that_kept_sparse_rows_is_given_sparse_rows(tmp_path, model):
    model.fit(csr_matrix(ROWS), CLASSES)
    loaded = saved(tmp_path, model).load()
    method = getattr(model, loaded.method)
    assert loaded.input.form == "sparse"
    expected = np.asarray(method(csr_matrix(ROWS[:9])))
    assert np.array_equal(loaded.predict(TABLE)[:, -1], expected.reshape(9, -1)[:, -1])


@pytest.mark.parametrize(
    "model",
    [
        SVC(),
        KNeighborsClassifier(),
        LogisticRegression(),
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), SVC()),
    ],
    ids=["SVC", "KNeighbors", "LogisticRegression", "encoded SVC"],
)
def test_a_model_fitted_on_arrays_is_given_arrays(tmp_path, model):
    assert saved(tmp_path, model.fit(ROWS, CLASSES)).load().input.form is None


@pytest.mark.parametrize("form", ["auto", "array", "frame", "sparse"])
def test_a_pipeline_fitted_on_sparse_rows_answers_alike_in_every_form(tmp_path, form):
    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression()).fit(
        csr_matrix(ROWS), CLASSES
    )
    loaded = saved(tmp_path, model, input_form=form).load()
    expected = model.predict_proba(csr_matrix(ROWS[:9]))
    assert loaded.predict(TABLE) == pytest.approx(expected, abs=1e-12)
    assert loaded.input.form == (None if form == "auto" else form)
    assert not loaded.warnings


FRAME = pd.DataFrame(ROWS + 0.1, columns=list(NAMES))
MIXED = FRAME.assign(b=(10 * FRAME["b"]).astype(np.int64), e=(7 * FRAME["e"]).astype(np.int64))
WHOLE = (10 * FRAME).astype(np.int64)
NEEDED = {
    "AdaBoostClassifier": {"n_estimators": 4},
    "BaggingClassifier": {"estimator": LogisticRegression(), "max_features": 0.5},
    "CalibratedClassifierCV": {"estimator": LogisticRegression(), "cv": 3},
    "GridSearchCV": {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1.0]}},
    "IterativeImputer": {"max_iter": 2},
    "OneVsRestClassifier": {"estimator": LogisticRegression()},
    "RandomizedSearchCV": {
        "estimator": make_pipeline(StandardScaler(), LogisticRegression()),
        "param_distributions": {"logisticregression__C": [0.1, 1.0]},
        "n_iter": 2,
    },
    "SelectFromModel": {"estimator": LogisticRegression()},
    "SelectKBest": {"k": 3},
    "SplineTransformer": {"n_knots": 4},
    "VotingClassifier": {
        "voting": "soft",
        "estimators": [("a", LogisticRegression()), ("b", GaussianNB())],
    },
    "VotingRegressor": {"estimators": [("a", LinearRegression()), ("b", KNeighborsRegressor())]},
}


def read(frame: pd.DataFrame) -> tuple[pd.DataFrame, Table]:
    """Return a data frame of columns of its own, as of a file, and the same table for a model."""
    columns = {one: frame[one].to_numpy().copy() for one in NAMES}
    return pd.DataFrame(columns), Table(NAMES, tuple(columns.values()))


def of_numbers() -> list[str]:
    return sorted({*BY_NUMBERS, *PASSING} - {"_CalibratedClassifier"})


@pytest.fixture(scope="module")
def estimators():
    """All that scikit-learn has, by name."""
    return dict(all_estimators())


@pytest.mark.filterwarnings("ignore")  # of few rows and few steps
@pytest.mark.parametrize("name", of_numbers())
def test_numbers_of_a_data_frame_give_the_same_bits_as_the_data_frame(tmp_path, estimators, name):
    for frame in (FRAME, MIXED, WHOLE):
        model = estimators[name](**NEEDED.get(name, {}))
        if hasattr(model, "transform") and not hasattr(model, "predict"):
            model = make_pipeline("passthrough", model, LogisticRegression())
        loaded = saved(tmp_path, model.fit(frame, 1 + CLASSES)).load()
        asked, table = read(frame.iloc[:31])
        assert isinstance(handed(table, None, loaded.input), np.ndarray)
        expected = np.asarray(getattr(model, loaded.method)(asked)).reshape(31, -1)
        assert np.array_equal(loaded.predict(table)[:, -1], expected[:, -1])


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(ColumnTransformer([("s", StandardScaler(), ["c"])]), LogisticRegression()),
        make_pipeline(FunctionTransformer(), StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler().set_output(transform="pandas"), LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=3, categorical_features=["a"]),
        VotingClassifier(
            [("a", LogisticRegression()), ("b", make_pipeline(FunctionTransformer(), SVC()))],
        ),
    ],
    ids=["columns", "function", "frames handed on", "categories", "one of two"],
)
def test_a_model_that_may_look_at_names_is_given_a_data_frame(tmp_path, model):
    loaded = saved(tmp_path, model.fit(WHOLE, CLASSES)).load()
    asked, table = read(WHOLE)
    assert isinstance(handed(table, None, loaded.input), pd.DataFrame)
    expected = np.asarray(getattr(model, loaded.method)(asked)).reshape(80, -1)
    assert np.array_equal(loaded.predict(table)[:, -1], expected[:, -1])


def test_a_part_that_was_fitted_on_other_names_refuses_them_as_ever(tmp_path):
    model = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(FRAME, CLASSES)
    model.best_estimator_.feature_names_in_ = np.array(NAMES[::-1], object)
    asked, table = read(FRAME)
    with pytest.raises(ValueError, match="in the same order"):
        model.predict_proba(asked)
    with pytest.raises(PredictionError, match="in the same order"):
        saved(tmp_path, model).load().predict(table)


def test_columns_in_another_order_are_no_model_s_numbers(tmp_path):
    loaded = saved(tmp_path, LogisticRegression().fit(FRAME, CLASSES)).load()
    turned = Table(NAMES[::-1], tuple(FRAME[one].to_numpy() for one in NAMES[::-1]))
    with pytest.raises(PredictionError, match="in the same order"):
        loaded.predict(turned)
    as_said = saved(tmp_path, LogisticRegression().fit(FRAME, CLASSES), input_form="frame").load()
    table = Table(NAMES, tuple(FRAME[one].to_numpy() for one in NAMES))
    assert isinstance(handed(table, as_said.input.form, as_said.input), pd.DataFrame)


def test_a_model_that_refuses_dense_rows_is_given_sparse_ones_and_that_is_said(tmp_path, own):
    model = own.Counting().fit(csr_matrix(ROWS), CLASSES)
    file = saved(tmp_path, model, trust_modules=("own_forms",))
    loaded = file.load()
    expected = model.predict_proba(csr_matrix(ROWS[:9]))
    assert np.array_equal(loaded.predict(TABLE), expected)
    assert loaded.input.form == "sparse"
    assert [one.code for one in loaded.warnings] == ["sparse_only"]
    with pytest.raises(PredictionError, match="tocsr"):
        ModelFile(file.path, trust_modules=("own_forms",), input_form="array").load().predict(TABLE)


def test_a_model_that_refuses_both_says_why_it_refused_dense_rows(tmp_path, own):
    model = own.Refusing().fit(ROWS, CLASSES)
    loaded = saved(tmp_path, model, trust_modules=("own_forms",)).load()
    with pytest.raises(PredictionError, match="ValueError: it is closed"):
        loaded.predict(TABLE)
    assert loaded.input.form is None


def test_a_model_without_names_that_wants_a_data_frame_gets_one_when_told(tmp_path, own):
    model = own.Framed().fit(ROWS, CLASSES)
    file = saved(tmp_path, model, trust_modules=("own_forms",), input_form="frame")
    assert np.array_equal(file.load().predict(TABLE)[:, 1], ROWS[:9, 0])


def test_a_model_that_refuses_arrays_gets_a_data_frame_and_that_is_said(tmp_path, own):
    file = saved(tmp_path, own.Framed().fit(ROWS, CLASSES), trust_modules=("own_forms",))
    loaded = file.load()
    assert np.array_equal(loaded.predict(TABLE)[:, 1], ROWS[:9, 0])
    assert [one.code for one in loaded.warnings] == ["as_frame"]
    assert "a, b, c, d, e, f; --drop" in loaded.warnings[0].message


@pytest.mark.parametrize("time", ["", " 00:00:00", "T12:30"])
def test_a_model_that_refuses_dates_as_text_gets_dates(tmp_path, own, time):
    days = [f"2024-{month:02d}-03{time}" for month in (2, 7, 11)]
    table = Table(("day", "x"), (np.array([*days], object), np.zeros(3)))
    loaded = saved(tmp_path, own.Dated().fit(ROWS, CLASSES), trust_modules=("own_forms",)).load()
    assert loaded.predict(table)[:, 1] == pytest.approx(np.array([2, 7, 11]) / 12)
    assert [one.code for one in loaded.warnings] == ["as_dates"]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_clusters_of_single_precision_are_given_such_numbers(tmp_path, named, scaled):
    rows = pd.DataFrame(ROWS.astype(np.float32), columns=NAMES) if named else np.float32(ROWS)
    steps = [StandardScaler()] * scaled
    model = make_pipeline(*steps, KMeans(3, n_init=1, random_state=0)).fit(rows)
    loaded = saved(tmp_path, model).load()
    table = Table(NAMES, tuple(ROWS.T))
    assert np.array_equal(loaded.predict(table).argmax(axis=1), model.predict(rows))
    assert loaded.warnings[0].code == "single_precision"


def test_what_the_model_wants_does_not_hang_on_the_rows_it_fails_on(tmp_path):
    model = LogisticRegression().fit(csr_matrix(ROWS), CLASSES)
    loaded = saved(tmp_path, model).load()
    holes = Table(NAMES, tuple(np.full(2, np.nan) for _ in NAMES))
    with pytest.raises(PredictionError, match="missing values"):
        loaded.predict(holes)
    assert loaded.input.form is None
    assert np.array_equal(loaded.predict(TABLE), model.predict_proba(ROWS[:9]))


def test_words_do_not_go_into_sparse_rows(tmp_path):
    model = SVC().fit(csr_matrix(ROWS), CLASSES)
    words = Table(NAMES, (np.array(["x", "y"], object), *(np.zeros(2) for _ in NAMES[1:])))
    with pytest.raises(
        PredictionError, match=r"model\.pkl: is given sparse rows, .* the words of column 'a'"
    ):
        saved(tmp_path, model, input_form="sparse").load().predict(words)


def test_truth_and_gaps_go_into_sparse_rows_as_numbers(tmp_path, own):
    file = ModelFile("py:own_forms_asked:ask", input_form="sparse")
    (tmp_path / "own_forms_asked.py").write_text(
        "def ask(rows):\n    return rows.sum(axis=1)\n", "utf-8"
    )
    columns = (np.array([True, False], object), np.array([True, True]), np.array([2, 3]))
    predictions = file.load().predict(Table(("a", "b", "c"), columns))
    assert predictions[:, 0].tolist() == [4, 4]


def test_pictures_are_flattened_into_sparse_rows(tmp_path):
    model = LogisticRegression().fit(csr_matrix(ROWS), CLASSES)
    images = ROWS[:4].reshape(4, 2, 3, 1).astype(np.float32)
    predictions = saved(tmp_path, model, input_form="sparse").load().predict(images)
    expected = model.predict_proba(csr_matrix(ROWS[:4].astype(np.float32)))
    assert predictions == pytest.approx(expected, abs=1e-9)


def test_pictures_are_no_data_frames(tmp_path):
    model = LogisticRegression().fit(ROWS, CLASSES)
    with pytest.raises(SettingsError, match="--input-form frame: images have no columns"):
        saved(tmp_path, model, input_form="frame").load().predict(np.zeros((1, 2, 3, 1)))


@pytest.mark.parametrize("form", ["array", "sparse"])
def test_texts_have_no_other_form(tmp_path, form):
    model = LogisticRegression().fit(ROWS, CLASSES)
    with pytest.raises(SettingsError, match=f"--input-form {form}: texts have none"):
        saved(tmp_path, model, input_form=form).load().predict(["a text"])


def test_an_onnx_graph_says_itself_what_it_is_given(samples):
    file = ModelFile(str(samples / "scenes.onnx"), input_form="sparse")
    with pytest.raises(SettingsError, match="an ONNX graph determines its own input"):
        file.load()


@pytest.mark.parametrize("native", [False, True], ids=["estimator", "booster"])
def test_xgboost_reads_the_zeros_of_sparse_rows_as_missing(tmp_path, native):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=9, max_depth=3).fit(csr_matrix(ROWS), CLASSES)
    path = tmp_path / ("model.ubj" if native else "model.pkl")
    if native:
        model.save_model(path)
    else:
        path.write_bytes(pickle.dumps(model))
    dense, sparse = (
        ModelFile(str(path), input_form=form).load().predict(TABLE)[:, 1]
        for form in ("array", "sparse")
    )
    assert sparse == pytest.approx(model.predict_proba(csr_matrix(ROWS[:9]))[:, 1], abs=1e-6)
    assert dense == pytest.approx(model.predict_proba(ROWS[:9])[:, 1], abs=1e-6)
    assert not np.allclose(dense, sparse)


@pytest.mark.parametrize("package", ["lightgbm", "catboost"])
def test_boosters_of_other_libraries_take_sparse_rows(tmp_path, package):
    library = pytest.importorskip(package)
    path = tmp_path / "model.txt"
    if package == "lightgbm":
        kind = library.LGBMClassifier(n_estimators=9, min_child_samples=5, verbose=-1)
        model = kind.fit(csr_matrix(ROWS), CLASSES)
        model.booster_.save_model(path)
    else:
        model = library.CatBoostClassifier(iterations=9, verbose=0, allow_writing_files=False)
        model.fit(csr_matrix(ROWS), CLASSES)
        path = path.with_suffix(".cbm")
        model.save_model(path)
    predictions = ModelFile(str(path), input_form="sparse").load().predict(TABLE)
    assert predictions == pytest.approx(model.predict_proba(csr_matrix(ROWS[:9])), abs=1e-9)


def test_what_one_table_decided_decides_nothing_for_another(tmp_path, own):
    model = saved(tmp_path, own.Framed().fit(ROWS, CLASSES), trust=True).load()
    assert model.predict(TABLE).shape == (9, 2)
    assert [one.code for one in model.warnings] == ["as_frame"]
    other = Table(("a", *"uvwxy"), TABLE.columns)
    assert model.predict(other)[:, 1] == pytest.approx(TABLE.columns[0])
    with pytest.raises(PredictionError, match="KeyError: 'a'"):
        model.predict(Table(tuple("uvwxyz"), TABLE.columns))


@pytest.mark.parametrize(
    ("cells", "option"),
    [(["1.2.2020", "3.4.2020"], "--dates day"), (["Feb 1, 2020", "soon"], "--dates COLUMN")],
)
def test_a_model_that_wants_dates_names_the_option(tmp_path, own, cells, option):
    model = saved(tmp_path, own.Dated().fit(ROWS, CLASSES), trust=True).load()
    with pytest.raises(PredictionError) as caught:
        model.predict(Table(("day",), (np.array(cells, object),)))
    assert caught.value.hint == f"use {option}"


def test_a_model_that_wants_words_names_the_option(tmp_path, own):
    model = saved(tmp_path, own.Priced().fit(ROWS, CLASSES), trust=True).load()
    with pytest.raises(PredictionError) as caught:
        model.predict(Table(("price",), (np.array([1200.0, 3400.0]),)))
    assert caught.value.hint == "use --strings price"
