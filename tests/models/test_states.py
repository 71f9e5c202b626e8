"""What an allowed object may hold: nothing that acts when asked, no size that does not fit."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.cluster import Birch, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.gaussian_process.kernels import RBF
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import (
    linear_kernel,
    pairwise_distances,
    pairwise_distances_argmin_min,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import ClassifierChain
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MultiLabelBinarizer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
)
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.models.model_file import ModelFile
from lime_cli.models.pickles.loading import unpickle
from lime_cli.models.walking import objects

RANDOM = np.random.default_rng(0)
X = RANDOM.random((60, 4))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)
THREE = np.digitize(X[:, 0], [0.3, 0.6])
TEXTS = [f"{'good' if one else 'bad'} film number{n % 5}" for n, one in enumerate(Y)]

Model = Any


def stack(members: list[Any], methods: list[Any]) -> Model:
    """Give a stack of models as an attacker writes one, attribute by attribute."""
    model = StackingClassifier([("a", LogisticRegression())])
    model.__dict__.update(
        estimators_=members, stack_method_=methods, final_estimator_=LogisticRegression().fit(X, Y),
        passthrough=False, classes_=np.array([0, 1]), _label_encoder=None, n_features_in_=4,
    )  # fmt: skip
    return model


def with_state(model: Model, **state: Any) -> Model:
    model.__dict__.update(state)
    return model


def fitted(model: Model, target: Any = Y) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, target)


def constant_path(path: str) -> list[tuple[str, Model]]:
    """Give steps of a pipeline that turn every input into a path."""
    dummy = DummyClassifier(strategy="constant", constant=np.array([path], object))
    with_state(
        dummy, n_outputs_=1, n_classes_=1, classes_=np.array([path], object),
        class_prior_=np.array([1.0]), _strategy="constant", sparse_output_=False,
    )  # fmt: skip
    return [("c", stack([dummy], ["predict"])), ("m", FunctionTransformer(func=np.max))]


CONTENT = np.array([b"anything"], "S8")


def imputer(rounds: Any = None) -> Model:
    model = fitted(IterativeImputer(tol=100, random_state=0))
    return model if rounds is None else with_state(model, imputation_sequence_=rounds)


ACTING: dict[str, Callable[[], Model]] = {
    # the reproducers
    "a pipeline that keeps files, asked to fit": lambda: Pipeline(
        [*constant_path("x"), ("w", stack([Pipeline([("z", LogisticRegression())])], ["fit"]))]
    ),
    "an array asked to write a file": lambda: Pipeline(
        [*constant_path("marker"), ("w", stack([CONTENT], ["tofile"]))]
    ),
    "an array in a stack": lambda: stack([CONTENT], ["tofile"]),
    "memory": lambda: Pipeline([("z", fitted(LogisticRegression()))], memory="cache"),
    "an imputer that asks an array": lambda: imputer([(0, np.arange(1, 4), CONTENT)]),
    "an imputer that asks a function": lambda: imputer([(0, np.arange(1, 4), np.max)]),
    "an imputer of other rounds": lambda: imputer([CONTENT]),
    # neighbours: other methods, other attributes, other places
    "fit_predict": lambda: stack([fitted(LogisticRegression())], ["fit_predict"]),
    "a method in an array": lambda: stack(
        [fitted(LogisticRegression())], np.array(["fit"], object)
    ),
    "set_params": lambda: stack([fitted(LogisticRegression())], ["set_params"]),
    "a dunder": lambda: stack([fitted(LogisticRegression())], ["__init__"]),
    "a chain": lambda: with_state(
        fitted(ClassifierChain(LogisticRegression()), np.c_[Y, Y[::-1]]), chain_method_="fit"
    ),
    "a chain's choice": lambda: with_state(
        fitted(ClassifierChain(LogisticRegression()), np.c_[Y, Y[::-1]]), chain_method=["fit"]
    ),
    "a getter of importances": lambda: with_state(
        fitted(SelectFromModel(LogisticRegression())), importance_getter="__class__.fit"
    ),
    "a function of importances": lambda: with_state(
        fitted(SelectFromModel(LogisticRegression())), importance_getter=np.max
    ),
    "a method replaced": lambda: with_state(fitted(LogisticRegression()), predict_proba=np.max),
    "a method of a conditional kind replaced": lambda: with_state(
        fitted(GridSearchCV(LogisticRegression(), {}, cv=2)), predict_proba=np.max
    ),
    "a private method replaced": lambda: with_state(
        fitted(VotingClassifier([("a", LogisticRegression())], voting="soft")),
        _collect_probas=np.max,
    ),
    "a class as a function": lambda: FunctionTransformer(func=np.ndarray),
    "a kernel as a function": lambda: FunctionTransformer(func=RBF()),
    "a class among members": lambda: stack([LogisticRegression], ["predict"]),
    "an array as a step": lambda: Pipeline([("a", CONTENT), ("b", fitted(LogisticRegression()))]),
    "a function as a step": lambda: Pipeline([("a", np.max), ("b", fitted(LogisticRegression()))]),
    "a vote of arrays": lambda: with_state(
        fitted(VotingClassifier([("a", LogisticRegression())])), estimators_=[CONTENT]
    ),
    "a bag of arrays": lambda: with_state(
        fitted(BaggingClassifier(n_estimators=2)), estimators_=np.array([CONTENT, None], object)
    ),
    "an array behind many": lambda: with_state(
        fitted(VotingClassifier([("a", LogisticRegression())])),
        estimators_=[*[None] * 99_000, CONTENT],
    ),
    "a part of columns that is an array": lambda: with_state(
        fitted(ColumnTransformer([("a", OneHotEncoder(), [0])])),
        transformers_=[("a", CONTENT, [0])],
    ),
    "a part of other columns that is an array": lambda: FeatureUnion(
        [
            (name, with_state(fitted(ColumnTransformer([("a", "drop", [0])])), transformers_=held))
            for name, held in (("a", []), ("b", [("b", CONTENT, [0])]), ("c", []))
        ]
    ),
    "a tree for each column that is an array": lambda: with_state(
        fitted(LogisticRegression()), binner_dict_={"a": CONTENT}
    ),
    "the best of a search": lambda: with_state(
        fitted(GridSearchCV(LogisticRegression(), {}, cv=2)), best_estimator_=CONTENT
    ),
    "an argument to write into": lambda: FunctionTransformer(
        func=np.add, kw_args={"x2": 1.0, "out": X}
    ),
    "a partial that hands out an array": lambda: FunctionTransformer(partial(np.reshape, X)),
    "a partial that writes into its input": lambda: FunctionTransformer(partial(np.add, 1, 2)),
    "a partial that writes, of one input": lambda: FunctionTransformer(partial(np.negative, 1)),
    "a class for a partial": lambda: FunctionTransformer(
        partial(np.asarray, dtype=LogisticRegression)
    ),
    "a class for a function": lambda: FunctionTransformer(
        pairwise_distances, kw_args={"metric": LogisticRegression}
    ),
    "an array's class for a function": lambda: FunctionTransformer(
        pairwise_distances, kw_args={"metric": np.ndarray}
    ),
    "a class in a dictionary": lambda: with_state(
        fitted(LogisticRegression()), by_name={"a": LogisticRegression}
    ),
    "a masked array": lambda: with_state(
        fitted(LogisticRegression()), coef_=np.ma.masked_array(np.ones((1, 4)), [[0, 0, 0, 1]])
    ),
    "a masked array in a report that is also used": lambda: shared_report(),
    "an array interface among pairs": lambda: Pairs(
        TreePredictor, [("__array_interface__", {}), ("nodes", None)]
    ),
    "an array interface among pairs of a model": lambda: Pairs(
        LogisticRegression, (("__array_struct__", 7), ("coef_", None))
    ),
    "an array interface in slots": lambda: Pairs(
        LogisticRegression, ({"coef_": None}, {"__array_interface__": {}})
    ),
}  # fmt: skip
"""Models that would act, or whose parts would, if they were asked."""


def shared_report() -> Model:
    search = fitted(GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2))
    hidden = search.cv_results_["param_C"]
    search.best_estimator_.coef_ = np.ma.masked_array(search.best_estimator_.coef_)
    assert type(hidden) is np.ma.MaskedArray
    return search


class Pairs:
    """Pickles as an object of a class whose state is no dictionary."""

    def __init__(self, cls: type, state: Any) -> None:
        self.cls, self.state = cls, state

    def __reduce__(self) -> Any:
        return self.cls.__new__, (self.cls,), self.state

    def as_pickle(self, protocol: int) -> bytes:
        name = f"c{self.cls.__module__}\n{self.cls.__name__}\n".encode()
        state = pickle.dumps(self.state, protocol)[2:-1]
        return b"\x80\x02" + name + b")\x81" + state + b"b."


def written(model: Model, path: Path, protocol: int = 2) -> Path:
    content = (
        model.as_pickle(protocol) if isinstance(model, Pairs) else pickle.dumps(model, protocol)
    )
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ACTING)
def test_a_model_that_would_act_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(ACTING[name](), tmp_path / "m.pkl")
    with pytest.raises(UntrustedModel, match=r"^m\.pkl: is not safe to load"):
        unpickle(path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_array_that_says_that_it_is_made_of_its_like_is_walked_to_its_end() -> None:
    masked = np.ma.masked_array(["a", LogisticRegression()], [0, 1], object)
    masked._baseclass = np.ma.MaskedArray  # type: ignore[attr-defined]
    found = list(islice(objects(masked), 100))
    assert len(found) < 100
    assert any(isinstance(one, LogisticRegression) for one in found)


IN_SKOPS = [
    "an array asked to write a file", "an array in a stack", "memory", "fit_predict",
    "a chain", "a getter of importances", "a method replaced", "an array as a step",
    "a vote of arrays", "a masked array",
]  # fmt: skip


@pytest.mark.parametrize("name", IN_SKOPS)
def test_a_model_of_skops_that_would_act_is_refused(name: str, tmp_path: Path) -> None:
    sio = pytest.importorskip("skops.io")
    sio.dump(ACTING[name](), tmp_path / "m.skops")
    with pytest.raises(ModelError, match=r"^m\.skops: is (not safe to load|damaged)"):
        ModelFile(str(tmp_path / "m.skops")).load()


def test_an_array_interface_is_refused_before_skops_sets_it(tmp_path: Path) -> None:
    sio = pytest.importorskip("skops.io")
    model = fitted(LogisticRegression())
    model.intercept_ = with_state(LogisticRegression(), __array_interface__={"shape": (1,)})
    sio.dump(model, tmp_path / "m.skops")
    with pytest.raises(UntrustedModel, match="sets __array_interface__"):
        ModelFile(str(tmp_path / "m.skops")).load()


def machine(target: Any = THREE, sparse: bool = False, **state: Any) -> Model:
    rows = scipy.sparse.csr_matrix(X) if sparse else X
    return with_state(SVC().fit(rows, target), **state)


def boosting(**state: Any) -> Model:
    return with_state(fitted(GradientBoostingClassifier(n_estimators=2), THREE), **state)


def histogram(change: Callable[[Model], None]) -> Model:
    model = fitted(HistGradientBoostingClassifier(max_iter=2))
    change(model)
    return model


def tree(**state: Any) -> Model:
    return with_state(fitted(DecisionTreeClassifier()), **state)


def without(model: Model, name: str) -> Model:
    del model.__dict__[name]
    return model


def masked_nodes() -> Model:
    model = fitted(HistGradientBoostingClassifier(max_iter=2))
    predictor = model._predictors[0][0]
    predictor.nodes = np.ma.masked_array(predictor.nodes)
    return model


def neighbours(**state: Any) -> Model:
    return with_state(fitted(KNeighborsClassifier(algorithm="brute")), **state)


def vocabulary(**words: Any) -> Model:
    model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(TEXTS, Y)
    model[0].vocabulary_.update(words)
    return model


def encoder(**state: Any) -> Model:
    return make_pipeline(
        with_state(OneHotEncoder().fit(THREE[:, None]), **state), fitted(LogisticRegression())
    )


def rare(places: list[int], indices: object = np.array([1, 2])) -> Model:
    """Give an encoder that puts its rare categories elsewhere."""
    return encoder(
        _infrequent_enabled=True, _infrequent_indices=[indices], _n_features_outs=[2],
        _default_to_infrequent_mappings=[np.array(places)],
    )  # fmt: skip


def bounded(kind: str, n: int) -> Model:
    """Give neighbours in a tree whose nodes have so many bounds."""
    model = fitted(KNeighborsClassifier(algorithm=kind, leaf_size=5))
    make, given, state = model._tree.__reduce__()
    bounds = np.resize(state[3], (n, *state[3].shape[1:]))
    return with_state(model, _tree=Remade(make, given, (*state[:3], bounds, *state[4:])))


def by_columns(name: str) -> Model:
    model = machine(sparse=True)
    return with_state(model, **{name: scipy.sparse.csc_matrix(getattr(model, name))})


def products(**state: Any) -> Model:
    return with_state(PolynomialFeatures().fit(X), **state)


def splines(**state: Any) -> Model:
    model = fitted(SplineTransformer())
    spline = model.bsplines_[0]
    kept = {"t": spline.t, "c": spline.c, "k": spline.k, "extrapolate": True, "axis": 0}
    return Pairs(type(spline), {**kept, **state})


def by_category(model: Model) -> None:
    nodes = model._predictors[0][0].nodes
    nodes["is_categorical"], nodes["bitset_idx"] = 1, 3


class Remade:
    """Pickles as what a function returns, with a state."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> Any:
        return self.parts


def density(weights: Any) -> Model:
    model = fitted(KernelDensity())
    make, given, state = model.tree_.__reduce__()
    return with_state(model, tree_=Remade(make, given, (*state[:12], weights)))


def chance(kind: str, change: dict[str, Any]) -> Model:
    """Give a model that draws, whose random numbers are not where they say."""
    source = getattr(np.random, kind)(0)
    state = {**source.state, **change}
    if isinstance(change.get("state"), dict):
        state["state"] = {**source.state["state"], **change["state"]}
    make, given, rest = source.__reduce__()
    rest = (state, *rest[1:]) if isinstance(rest, tuple) else state
    drawn = Remade(np.random._pickle.__generator_ctor, (Remade(make, given, rest),))
    return with_state(fitted(DummyClassifier(strategy="stratified")), random_state=drawn)


UNFIT: dict[str, Callable[[], Model]] = {
    "one weight": lambda: machine(_dual_coef_=np.zeros((1, 1))),
    "one weight, two classes": lambda: machine(Y, _dual_coef_=np.zeros((1, 1))),
    "a negative count": lambda: machine(_n_support=np.array([-5, 2, 60], np.int32)),
    "counts of more than there are": lambda: machine(_n_support=np.array([900, 1, 1], np.int32)),
    "an offset too few": lambda: machine(_intercept_=np.zeros(1)),
    "no offset": lambda: machine(_intercept_=np.zeros(0)),
    "a chance too few": lambda: machine(_probA=np.zeros(1), _probB=np.zeros(1)),
    "support beyond the rows": lambda: machine(support_=np.full(40, 10**6, np.int32)),
    "vectors of another width": lambda: machine(support_vectors_=np.zeros((3, 900))),
    "more classes than there are": lambda: machine(classes_=np.arange(9)),
    "no width": lambda: without(without(machine(), "n_features_in_"), "shape_fit_"),
    "another width": lambda: machine(n_features_in_=90),
    "sparse weights too few": lambda: machine(
        sparse=True, _dual_coef_=scipy.sparse.csr_matrix(np.zeros((1, 1)))
    ),
    "an outlier detector of few weights": lambda: with_state(
        OneClassSVM().fit(X), _dual_coef_=np.zeros((1, 2))
    ),
    "a tree without a width": lambda: without(tree(), "n_features_in_"),
    "a tree of an old width": lambda: without(tree(n_features_=1), "n_features_in_"),
    "a tree of a text for a width": lambda: tree(n_features_in_="4"),
    "a forest of something else": lambda: with_state(
        fitted(RandomForestClassifier(2)), estimators_=[fitted(LogisticRegression())]
    ),
    "stages of another size": lambda: boosting(n_trees_per_iteration_=1),
    "stages in a row": lambda: with_state(boosting(), estimators_=boosting().estimators_.ravel()),
    "stages of other trees": lambda: with_state(
        boosting(), estimators_=np.array([[tree()] * 3], object)
    ),
    "stages that a loss of other classes begins": lambda: boosting(
        _loss=fitted(GradientBoostingClassifier(n_estimators=1))._loss
    ),
    "no stages": lambda: boosting(estimators_=np.empty((0, 3), object)),
    "sets of categories that are too small": lambda: histogram(
        lambda model: with_state(
            model._predictors[0][0], raw_left_cat_bitsets=np.zeros((1, 1), np.uint32)
        )
    ),
    "a tree of no nodes": lambda: histogram(
        lambda model: with_state(
            model._predictors[1][0], nodes=model._predictors[1][0].nodes[:0].copy()
        )
    ),
    "a set of categories beyond the last": lambda: histogram(by_category),
    "weights of a density too few": lambda: density(np.ones(1)),
    "no weights of a density": lambda: density(np.ones(0)),
    "weights of a density in columns": lambda: density(np.ones((60, 2))),
    "neighbours of more rows": lambda: neighbours(n_samples_fit_=10**9),
    "words in no columns": lambda: with_state(HashingVectorizer(), n_features=0),
    "words in negative columns": lambda: with_state(FeatureHasher(), n_features=-1),
    "words in too many columns": lambda: with_state(FeatureHasher(), n_features=2**40),
    "words in endless columns": lambda: with_state(FeatureHasher(), n_features=float("inf")),
    "random numbers beyond the drawn": lambda: chance("MT19937", {"state": {"pos": 10**9}}),
    "random numbers beyond the drawn, after others": lambda: with_state(
        chance("MT19937", {"state": {"pos": 10**9}}), others=[np.random.default_rng(0)] * 2
    ),
    "random numbers before the drawn": lambda: chance("MT19937", {"state": {"pos": -5}}),
    "random numbers of another kind": lambda: chance("Philox", {"buffer_pos": -(10**8)}),
    "random numbers of another kind, beyond": lambda: chance("Philox", {"buffer_pos": 5}),
    "bins of fewer columns": lambda: histogram(
        lambda model: with_state(model._bin_mapper, is_categorical_=np.zeros(1, np.uint8))
    ),
    "rounds of another size": lambda: histogram(
        lambda model: with_state(model, n_trees_per_iteration_=3)
    ),
    "a tree hidden among numbers": lambda: with_state(
        fitted(VotingClassifier([("a", DecisionTreeClassifier())])),
        estimators_=[without(tree(), "n_features_in_")] + [None] * 100_001,
    ),
    "neighbours of unknown classes": lambda: neighbours(_y=np.full(60, 10**6)),
    "neighbours of negative classes": lambda: neighbours(_y=np.full(60, -3)),
    "nearest neighbours with a different number of columns": lambda: neighbours(n_features_in_=2),
    "norms of neighbours": lambda: neighbours(
        effective_metric_params_={"Y_norm_squared": np.zeros(1)}
    ),
    "centres of another width": lambda: with_state(
        fitted(KMeans(2)), cluster_centers_=np.zeros((2, 900))
    ),
    "norms of centres": lambda: with_state(
        fitted(Birch(n_clusters=2)), _subcluster_norms=np.zeros(1)
    ),
    "a word beyond the last column": lambda: vocabulary(good=10**6),
    "a word before the first column": lambda: vocabulary(good=-7),
    "a word without a column": lambda: vocabulary(good="7"),
    "an encoder of fewer columns": lambda: encoder(_n_features_outs=[1]),
    "more products than are filled": lambda: products(n_output_features_=16),
    "products of which none is counted": lambda: products(n_output_features_=None, _max_degree=0),
    "products of a degree that is not said": lambda: products(_min_degree=None),
    "products of a huge degree": lambda: products(degree=900, _max_degree=900),
    "products of a word": lambda: products(interaction_only="False"),
    "more columns than any table": lambda: with_state(
        fitted(LogisticRegression()), n_features_in_=10**12
    ),
    "a linear model without intercepts": lambda: with_state(
        fitted(LogisticRegression()), intercept_=np.zeros(0)
    ),
    "a constant of nothing": lambda: with_state(
        DummyRegressor().fit(X, Y), constant_=np.zeros((0, 1))
    ),
    "a constant of no output": lambda: with_state(DummyRegressor().fit(X, Y), n_outputs_=0),
    "columns without end": lambda: with_state(
        fitted(LogisticRegression()), n_features_in_=float("inf")
    ),
    "an encoder that drops what it does not have": lambda: encoder(
        drop_idx_=np.array([9], object),
        _drop_idx_after_grouping=np.array([9], object),
        _n_features_outs=[2],
    ),
    "an encoder that drops before the first": lambda: encoder(
        _drop_idx_after_grouping=np.array([-1], object), _n_features_outs=[2]
    ),
    "an encoder of numbers in no order": lambda: encoder(categories_=[np.array([2, 0, 1])]),
    "an encoder of one number twice": lambda: encoder(categories_=[np.array([0, 1, 1])]),
    "an encoder of truths in no order": lambda: encoder(categories_=[np.array([1, 0, 2]) > 0]),
    "an encoder of gaps among numbers": lambda: encoder(categories_=[np.array([0.0, np.nan, 1.0])]),
    "rare categories in no column": lambda: rare([5, 5, 0]),
    "rare categories before the first column": lambda: rare([-1, 0, 0]),
    "rare categories of too few": lambda: rare([0]),
    "rare categories that nothing counts": lambda: rare([0, 1, 1], None),
    "a label beyond the last column": lambda: with_state(
        MultiLabelBinarizer().fit([["a"], ["b"]]), _cached_dict={"a": 10**7, "b": 1}
    ),
    "a label before the first column": lambda: with_state(
        MultiLabelBinarizer().fit([["a"], ["b"]]), _cached_dict={"a": -(10**6), "b": 1}
    ),
    "a search tree of one bound": lambda: bounded("kd_tree", 1),
    "a search tree of three bounds": lambda: bounded("kd_tree", 3),
    "balls without a centre": lambda: bounded("ball_tree", 0),
    "numbers that are split by category": lambda: histogram(
        lambda model: model._predictors[0][0].nodes.__setitem__("is_categorical", 1)
    ),
    "vectors by columns": lambda: by_columns("support_vectors_"),
    "weights of vectors by columns": lambda: by_columns("_dual_coef_"),
    "a kernel with no value for each pair": lambda: with_state(
        fitted(SVC(kernel=linear_kernel)), kernel=pairwise_distances_argmin_min
    ),
    "a spline of a negative degree": lambda: splines(k=-5),
    "a spline of a huge degree": lambda: splines(k=10**6),
    "a spline without knots": lambda: splines(t=np.zeros(2)),
    "a spline of few weights": lambda: splines(c=np.zeros((1, 1))),
}
"""Models whose numbers would lead compiled code outside of its arrays."""


@pytest.mark.parametrize("name", UNFIT)
def test_a_model_whose_sizes_do_not_fit_is_damaged(name: str, tmp_path: Path) -> None:
    path = written(UNFIT[name](), tmp_path / "m.pkl", 4)
    with pytest.raises(ModelError, match=r"^m\.pkl: is damaged"):
        unpickle(path)


@pytest.mark.parametrize("begins", ["two classes", "one row", "a table"])
def test_boosting_looks_at_the_answers_that_it_begins_with(begins: str, tmp_path: Path) -> None:
    """Compiled code adds to them as if there was one for each class of each row."""
    one_row = FunctionTransformer(np.max, kw_args={"axis": 0, "keepdims": True})
    other = {
        "two classes": fitted(DummyClassifier()),
        "one row": Pipeline([("a", one_row), ("b", fitted(LogisticRegression(), THREE))]),
        "a table": with_state(fitted(DummyClassifier(), THREE), class_prior_=np.ones(2) / 2),
    }[begins]  # fmt: skip
    model: Any = unpickle(written(boosting(init_=other), tmp_path / "m.pkl", 4))
    with pytest.raises(ValueError, match="a model that the boosting relies on"):
        model.predict_proba(X)


@pytest.mark.skipif(
    not hasattr(HistGradientBoostingClassifier, "_preprocess_X"), reason="scikit-learn before 1.4"
)
@pytest.mark.parametrize(
    "before", [SelectKBest(k=1), FunctionTransformer(np.ravel)], ids=["fewer", "flat"]
)
def test_boosting_by_histograms_looks_at_the_columns_that_it_is_given(
    before: Model, tmp_path: Path
) -> None:
    """Compiled code takes as many from every row as its trees know of."""
    model = histogram(lambda model: with_state(model, _preprocessor=before.fit(X, Y)))
    loaded: Any = unpickle(written(model, tmp_path / "m.pkl", 4))
    with pytest.raises(ValueError, match="a model that the boosting relies on"):
        loaded.predict_proba(X)


def test_boosting_by_histograms_encodes_its_categories_as_before(tmp_path: Path) -> None:
    rows = np.c_[THREE, X]
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(rows, Y)
    loaded: Any = unpickle(written(model, tmp_path / "m.pkl", 4))
    assert np.array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


@pytest.mark.parametrize(
    "model",
    [
        OneHotEncoder(min_frequency=15, drop="first"),
        OneHotEncoder(max_categories=2, handle_unknown="infrequent_if_exist"),
        OneHotEncoder(drop="if_binary"),
        OneHotEncoder(categories=[["b", "a", "c"]]),
    ],
    ids=str,
)
def test_encoders_of_every_kind_load(model: Model, tmp_path: Path) -> None:
    rows = np.array(list("aab" * 10 + "c" * 3), object)[:, None]
    loaded: Any = unpickle(written(model.fit(rows), tmp_path / "m.pkl", 4))
    assert (loaded.transform(rows) != model.transform(rows)).nnz == 0


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_an_imputer_that_asks_a_model_for_each_column_loads(protocol: int, tmp_path: Path) -> None:
    rows = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    model = make_pipeline(IterativeImputer(tol=100, random_state=0), LogisticRegression())
    model.fit(rows, Y)
    loaded: Any = unpickle(written(model, tmp_path / "m.pkl", protocol))
    assert np.array_equal(loaded.predict_proba(rows), model.predict_proba(rows))
    triplet = loaded[0].imputation_sequence_[0]
    assert triplet.estimator is triplet[2]


def test_a_round_of_an_imputer_has_three_parts(tmp_path: Path) -> None:
    place = b"csklearn.impute._iterative\n_ImputerTriplet\n"
    (tmp_path / "m.pkl").write_bytes(b"\x80\x02" + place + b"K\x01K\x02\x86\x81.")
    with pytest.raises(UntrustedModel, match="of other parts than it has"):
        unpickle(tmp_path / "m.pkl")


def test_labels_that_were_already_looked_up_load(tmp_path: Path) -> None:
    model = MultiLabelBinarizer().fit([["a"], ["b", "c"]])
    expected = model.transform([["c"]])
    loaded: Any = unpickle(written(model, tmp_path / "m.pkl", 4))
    assert np.array_equal(loaded.transform([["c"]]), expected)


@pytest.mark.parametrize("target", [Y, THREE], ids=["two", "three"])
@pytest.mark.parametrize("init", [None, "zero", LogisticRegression()], ids=str)
def test_boosting_begins_as_before(target: Any, init: Any, tmp_path: Path) -> None:
    model = fitted(GradientBoostingClassifier(n_estimators=2, init=init), target)
    loaded: Any = unpickle(written(model, tmp_path / "m.pkl", 4))
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_arrays_share_no_bytes(tmp_path: Path) -> None:
    """Or one of them could be changed behind the back of a check, through another."""
    content, other = bytes(8000), bytearray(8000)
    empty, read = np.zeros(2).__reduce__()[0], np.zeros(2).__reduce_ex__(5)[0]
    kinds = np.dtype("f8"), np.dtype("i4")
    arrays = [
        *(Remade(empty, (np.ndarray, (0,), b"b"), (1, (1000,), np.dtype(kind), False, content))
          for kind in ("f8", "i8")),
        *(Remade(read, (other, kind, (8000 // kind.itemsize,), "C")) for kind in kinds),
        Remade(read, (content, kinds[0], (1000,), "C")),
    ]  # fmt: skip
    model = with_state(fitted(LogisticRegression()), kept=arrays)
    kept = unpickle(written(model, tmp_path / "m.pkl", 5)).kept  # type: ignore[attr-defined]
    assert [len(one) for one in kept] == [1000, 1000, 1000, 2000, 1000]
    pairs = ((a, b) for i, a in enumerate(kept) for b in kept[:i])
    assert not any(np.shares_memory(a, b) for a, b in pairs)


def test_masked_nodes_are_refused(tmp_path: Path) -> None:
    path = written(masked_nodes(), tmp_path / "m.pkl", 4)
    with pytest.raises(ModelError, match="MaskedArray"):
        unpickle(path)


@pytest.mark.parametrize("change", ["vec", "mat", "power", "masked"])
def test_a_damaged_distance_of_a_search_tree_is_refused(change: str, tmp_path: Path) -> None:
    model = fitted(KNeighborsClassifier(algorithm="ball_tree", metric="seuclidean",
                                        metric_params={"V": np.ones(4)}))  # fmt: skip
    state = model._tree.__getstate__()
    power, weights, matrix = state[11].__getstate__()
    forged = {
        "vec": (power, np.ones(1), matrix),
        "mat": (power, weights, np.ones((1, 9))),
        "power": ("2", weights, matrix),
        "masked": (power, np.ma.masked_array(weights), matrix),
    }[change]
    path = tmp_path / "m.pkl"
    with path.open("wb") as file:
        Forger(file, type(state[11]), forged).dump(model)
    with pytest.raises(ModelError, match=r"^m\.pkl: is (damaged|not safe)"):
        unpickle(path)


class Forger(pickle.Pickler):
    """Gives objects of one class another state."""

    def __init__(self, file: Any, cls: type, state: Any) -> None:
        super().__init__(file, 4)
        self.cls, self.state = cls, state

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is not self.cls:
            return NotImplemented
        return (*thing.__reduce__()[:2], self.state)


def test_more_members_than_any_model_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lime_cli.models.pickles.states._MOST_MEMBERS", 5)
    path = written(fitted(BaggingClassifier(n_estimators=6)), tmp_path / "m.pkl")
    with pytest.raises(ModelError, match=r"^m\.pkl: is damaged"):
        unpickle(path)


def test_a_search_keeps_its_report_of_masked_arrays(tmp_path: Path) -> None:
    search = fitted(GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2))
    loaded: Any = unpickle(written(search, tmp_path / "m.pkl"))
    assert type(loaded.cv_results_["param_C"]) is np.ma.MaskedArray
    assert np.array_equal(loaded.predict_proba(X), search.predict_proba(X))


def test_inspect_says_what_a_state_would_do_and_not_to_inspect(tmp_path: Path, limex: Any) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(make_pipeline(LogisticRegression(), memory="kept")))
    result = limex("inspect", str(path))
    assert result.code == 4
    assert "keeps files, by the attribute memory of a Pipeline; load it anyway" in result.err
    assert "limex inspect" not in result.err
