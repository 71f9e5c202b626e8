"""Boosted trees in their libraries' own files, where the libraries are installed."""

import io
import json
import pickle
import re
import shlex
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lime_cli.errors import MissingDependency, ModelError
from lime_cli.models import booster_files
from lime_cli.models.booster_files import Unfit, check_lightgbm
from lime_cli.models.boosters import read_no_files
from lime_cli.models.model_file import ModelFile, format_of
from lime_cli.models.pickles import tripwire
from lime_cli.models.pickles.loading import unpickle
from lime_cli.models.predictor import looked_at
from lime_cli.models.xgboost_trees import _COUNT, check_xgboost
from lime_cli.tabular.row import Table

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).astype(np.float32)
TWO = (X[:, 0] > 0).astype(int)
THREE = np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])
TABLE = Table(("u", "v", "w"), tuple(X.T))
FRAME = pd.DataFrame(X, columns=TABLE.names)


def loaded(path, **choices):
    return ModelFile(str(path), **choices).load()


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_xgboost_classifiers_give_their_probabilities(tmp_path, suffix, y):
    xgboost = pytest.importorskip("xgboost")
    fitted = xgboost.XGBClassifier(n_estimators=4).fit(FRAME, y)
    path = tmp_path / f"m.{suffix}"
    fitted.save_model(path)
    assert format_of(path) == "xgboost"
    model = loaded(path)
    assert model.input.columns == TABLE.names
    assert model.predict(TABLE) == pytest.approx(fitted.predict_proba(FRAME), abs=1e-6)
    assert model.identity.format == "xgboost"
    assert model.identity.targets == tuple(map(str, range(y.max() + 1)))
    assert model.probabilities
    assert model.warnings == ()


def test_an_xgboost_regressor_is_a_regression(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    fitted = xgboost.XGBRegressor(n_estimators=4).fit(X, X[:, 0])
    fitted.save_model(tmp_path / "m.json")
    model = loaded(tmp_path / "m.json")
    assert model.input.n_columns == 3
    assert model.predict(TABLE)[:, 0] == pytest.approx(fitted.predict(X), abs=1e-6)
    assert model.identity.task == "regression"


@pytest.mark.parametrize("objective", ["multi:softmax", "multi:softprob"])
def test_an_xgboost_booster_that_names_classes_is_asked_for_probabilities(tmp_path, objective):
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(X, THREE)
    booster = xgboost.train({"objective": objective, "num_class": 3}, data, 4)
    said = ["probabilities_behind"] if objective == "multi:softmax" else []
    booster.save_model(tmp_path / "m.ubj")
    model = loaded(tmp_path / "m.ubj")
    values = model.predict(TABLE)
    assert [one.code for one in model.warnings] == said
    assert values.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (values.argmax(axis=1) == THREE).mean() > 0.8


def test_xgboost_logits_are_margins(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train({"objective": "binary:logitraw"}, xgboost.DMatrix(X, TWO), 4)
    booster.save_model(tmp_path / "m.ubj")
    model = loaded(tmp_path / "m.ubj")
    raw = booster.predict(xgboost.DMatrix(X))
    assert model.predict(TABLE) == pytest.approx(np.stack([-raw, raw], axis=1))
    assert [one.code for one in model.warnings] == ["decision_values", "log_odds"]
    probable = loaded(tmp_path / "m.ubj", activation="sigmoid")
    chances = 1 / (1 + np.exp(-raw))
    assert probable.predict(TABLE) == pytest.approx(np.stack([1 - chances, chances], axis=1))


@pytest.mark.parametrize("suffix", [".pkl", ".json", ".ubj"])
def test_a_classifier_of_logits_is_the_same_in_every_file(tmp_path, suffix):
    xgboost = pytest.importorskip("xgboost")
    from sklearn.pipeline import make_pipeline

    fitted = xgboost.XGBClassifier(objective="binary:logitraw", n_estimators=4).fit(FRAME, TWO)
    path = tmp_path / f"m{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps(make_pipeline("passthrough", fitted)))
    else:
        fitted.save_model(path)
    raw = fitted.predict(FRAME, output_margin=True)
    model = loaded(path)
    assert model.predict(TABLE) == pytest.approx(np.stack([-raw, raw], axis=1), abs=1e-6)
    assert [one.code for one in model.warnings] == ["decision_values", "log_odds"]
    probable = loaded(path, activation="sigmoid")
    chances = 1 / (1 + np.exp(-raw))
    assert probable.predict(TABLE) == pytest.approx(np.stack([1 - chances, chances], axis=1))


def test_a_pickled_xgboost_booster_is_asked_like_its_file(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, TWO), 4)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(booster))
    model = loaded(tmp_path / "m.pkl", trust=True)
    assert model.predict(TABLE)[:, 1] == pytest.approx(booster.predict(xgboost.DMatrix(X)))


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_lightgbm_classifiers_give_their_probabilities(tmp_path, y):
    lightgbm = pytest.importorskip("lightgbm")
    fitted = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(FRAME, y)
    fitted.booster_.save_model(tmp_path / "m.txt")
    assert format_of(tmp_path / "m.txt") == "lightgbm"
    model = loaded(tmp_path / "m.txt")
    assert model.input.columns == TABLE.names
    assert model.predict(TABLE) == pytest.approx(fitted.predict_proba(FRAME))
    assert model.probabilities


def test_a_lightgbm_regressor_is_a_regression(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    fitted = lightgbm.LGBMRegressor(n_estimators=4, verbose=-1).fit(X, X[:, 0])
    fitted.booster_.save_model(tmp_path / "m.txt")
    model = loaded(tmp_path / "m.txt")
    assert (model.input.columns, model.input.n_columns) == (None, 3)
    assert model.predict(TABLE)[:, 0] == pytest.approx(fitted.predict(X))
    assert model.identity.task == "regression"


CITIES = np.array(["Oslo", "Rome", "Bern"], object)[RNG.integers(0, 3, 120)]
MIXED = pd.DataFrame({"u": X[:, 0].astype(float), "city": CITIES})
MIXED_TABLE = Table(("u", "city"), (X[:, 0].astype(float), CITIES))
AT_HOME = (CITIES == "Oslo").astype(int)


def test_lightgbm_s_categories_are_given_as_words(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    frame = MIXED.astype({"city": "category"})
    fitted = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(frame, AT_HOME)
    fitted.booster_.save_model(tmp_path / "m.txt")
    values = loaded(tmp_path / "m.txt").predict(MIXED_TABLE)
    assert values == pytest.approx(fitted.predict_proba(frame))


def test_xgboost_s_categories_are_given_as_words(tmp_path):
    xgboost = pytest.importorskip("xgboost", minversion="3.1")
    frame = MIXED.astype({"city": "category"})
    fitted = xgboost.XGBClassifier(n_estimators=4, enable_categorical=True).fit(frame, AT_HOME)
    fitted.save_model(tmp_path / "m.ubj")
    values = loaded(tmp_path / "m.ubj").predict(MIXED_TABLE)
    assert values == pytest.approx(fitted.predict_proba(frame), abs=1e-6)


@pytest.mark.parametrize("y", [TWO, THREE, np.array(["no", "yes"])[TWO]], ids=["2", "3", "words"])
def test_catboost_classifiers_give_their_probabilities(tmp_path, y):
    catboost = pytest.importorskip("catboost")
    quiet = {"verbose": 0, "allow_writing_files": False}
    fitted = catboost.CatBoostClassifier(iterations=4, **quiet).fit(FRAME, y)
    fitted.save_model(str(tmp_path / "m.cbm"))
    assert format_of(tmp_path / "m.cbm") == "catboost"
    model = loaded(tmp_path / "m.cbm")
    assert model.input.columns == TABLE.names
    assert model.predict(TABLE) == pytest.approx(fitted.predict_proba(FRAME))
    assert model.identity.targets == tuple(map(str, fitted.classes_))


def test_a_plain_catboost_says_that_its_probabilities_are_not_what_it_predicts(tmp_path):
    catboost = pytest.importorskip("catboost")
    fitted = catboost.CatBoost(
        {"loss_function": "MultiClass", "iterations": 4, "verbose": 0, "allow_writing_files": False}
    ).fit(FRAME, THREE)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(fitted))
    model = loaded(tmp_path / "m.pkl")
    assert model.predict(TABLE) == pytest.approx(
        fitted.predict(FRAME, prediction_type="Probability")
    )
    assert "probabilities_behind" in [one.code for one in model.warnings]


@pytest.mark.parametrize("save", ["m.cbm", "m.pkl"])
@pytest.mark.parametrize("written", [str, lambda one: str(np.array(one)), lambda one: f"({one})"])
def test_catboost_s_texts_and_embeddings_are_read_out_of_cells(tmp_path, save, written):
    catboost = pytest.importorskip("catboost")
    n = len(FRAME)
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(n, 3)).round(2).tolist()
    words = [" ".join(rng.choice(["hot", "cold", "noisy", "left"], 3)) for _ in range(n)]
    held = {"note": words, "x": X[:, 0], "vector": [np.array(one) for one in vectors]}
    y = [int("noisy" in one) for one in words]
    fitted = catboost.CatBoostClassifier(
        iterations=4,
        verbose=0,
        allow_writing_files=False,
        text_features=["note"],
        embedding_features=["vector"],
    ).fit(pd.DataFrame(held), y)
    if save == "m.cbm":
        fitted.save_model(str(tmp_path / save))
    else:
        (tmp_path / save).write_bytes(pickle.dumps(fitted))
    cells = np.array([written(one) for one in vectors], object)
    table = Table(("note", "x", "vector"), (np.array(words, object), X[:, 0], cells))
    found = loaded(tmp_path / save).predict(table)
    assert found == pytest.approx(fitted.predict_proba(pd.DataFrame(held)))


def test_catboost_takes_words_and_regressions(tmp_path):
    catboost = pytest.importorskip("catboost")
    quiet = {"verbose": 0, "allow_writing_files": False}
    fitted = catboost.CatBoostRegressor(iterations=4, cat_features=["city"], **quiet)
    fitted.fit(MIXED, X[:, 0] + AT_HOME)
    fitted.save_model(str(tmp_path / "m.cbm"))
    model = loaded(tmp_path / "m.cbm")
    assert model.predict(MIXED_TABLE)[:, 0] == pytest.approx(fitted.predict(MIXED))
    assert model.identity.task == "regression"


@pytest.mark.parametrize(
    ("library", "content"),
    [
        ("xgboost", b'{"learner": {'),
        ("lightgbm", b"tree\nversion=v4\nnum_class=1\n"),
        ("catboost", b"CBM1\x00\x00\x00\x00"),
    ],
)
def test_a_library_that_is_missing_is_named_with_the_line_that_installs_it(
    tmp_path, monkeypatch, library, content
):
    (tmp_path / "m").write_bytes(content)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependency, match=rf"pip install 'limex\[{library}\]'"):
        loaded(tmp_path / "m")


@pytest.mark.parametrize(
    ("library", "content"),
    [("xgboost", b'{"learner": {'), ("catboost", b"CBM1\x00\x00\x00\x00")],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path, library, content):
    pytest.importorskip(library)
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelError, match=rf"^m: ({library} cannot load it|is damaged)"):
        loaded(tmp_path / "m")


LIGHTGBM = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=binary sigmoid:1
feature_names=a b c
feature_infos=[0:1] [0:1] [0:1]
tree_sizes=1

Tree=0
num_leaves=4
num_cat=0
split_feature=0 1 2
split_gain=1 1 1
threshold=0.5 0.5 0.5
decision_type=2 2 2
left_child=1 -1 -3
right_child=2 -2 -4
leaf_value=0.1 0.2 0.3 0.4

end of trees

parameters:
[boosting: gbdt]
[data: ]
end of parameters
"""

DAMAGED_TREES = {
    "left_child=1 -1 -3": [
        "left_child=9999 -1 -3", "left_child=99999999999 -1 -3", "left_child=-9 -1 -3",
        "left_child=0 -1 -3", "left_child=1 0 -3", "left_child=1 -1", "left_child=1 -1 -2",
        "left_child=1 -1 x", "left_child=2 -1 -3", "left_child=",
    ],
    "right_child=2 -2 -4": ["right_child=-4 -2 -4", "right_child=3 -2 -4", "right_child=1 -2 -4"],
    "split_feature=0 1 2": ["split_feature=0 1 3", "split_feature=0 -1 2", "split_feature=0 1"],
    "num_leaves=4": [
        "num_leaves=1", "num_leaves=400", "num_leaves=-4", "num_leaves=0", "num_leaves=9" * 9,
    ],
    "num_class=1": ["num_class=100000000", "num_class=-1", "num_class=" + "9" * 40],
    "max_feature_idx=2": ["max_feature_idx=900000000", "max_feature_idx=1"],
    "num_tree_per_iteration=1": ["num_tree_per_iteration=7", "num_tree_per_iteration=100000000"],
    "leaf_value=0.1 0.2 0.3 0.4": ["leaf_value=0.1 0.2 0.3", "leaf_value="],
    "threshold=0.5 0.5 0.5": ["threshold=0.5", "threshold=0.5 0.5 0.5 0.5"],
    "decision_type=2 2 2": ["decision_type=1 2 2", "decision_type=2 2"],
    "objective=binary sigmoid:1": [
        "objective=multiclass num_class:100000", "objective=multiclass", "objective=",
        "objective=multiclassova num_class:2",
    ],
    "split_gain=1 1 1": ["split_gain=1 1", "split_gain=x 1 1", "left_child=0 0 0"],
    "num_cat=0": ["num_cat=0\nnum_cat=0", " num_cat=0", "num_cat=2"],
    "Tree=0\n": ["Tree=0\n\n", "Tree=0 \nTree=1\n", "Tree=0\n left_child=9 9 9\n"],
    "\n\nend of": ["\nis_linear=1\n\nend of", "\nshrinkage=x\n\nend of", *(
        f"\nis_linear=1\nleaf_const=1 1 1 1\nnum_features={n}\nleaf_features={columns}\n"
        f"leaf_coeff={weights}\n\nend of"
        for n, columns, weights in (
            ("1 0 0 0", "3", "1"), ("1 0 0 0", "-1", "1"), ("9 0 0 0", "1", "1"),
            ("1 0 0 0", "1", "1 1"), ("-1 2 0 0", "1", "1"), ("1 0 0", "1", "1"),
        )
    )],
    "tree_sizes=1": ["tree_sizes=1 999999999", "tree_sizes=", "tree_sizes=x"],
    "end of trees": [""],
    "end of parameters": ["", "end of"],
    "[boosting: gbdt]": ["[boosting]", "boosting: gbdt", "[boosting: gbdt"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("good", "bad"), [(good, bad) for good, all_bad in DAMAGED_TREES.items() for bad in all_bad]
)
def test_trees_of_lightgbm_whose_parts_do_not_fit_are_damaged(good, bad):
    check_lightgbm(LIGHTGBM)
    with pytest.raises(Unfit, match="boosted trees"):
        check_lightgbm(LIGHTGBM.replace(good, bad))


def test_places_of_trees_are_counted_in_bytes():
    one, rest = LIGHTGBM.replace("=a b c", "=ä b c").split("\n\nend of")
    tree = one[one.index("Tree=0") :] + "\n\n"
    several = one.replace("tree_sizes=1", f"tree_sizes={len(tree)} {len(tree)}")
    check_lightgbm(f"{several}\n\n{tree.replace('Tree=0', 'Tree=1')}end of{rest}")
    with pytest.raises(Unfit, match="positions do not match"):
        check_lightgbm(f"{several}\n\n\n{tree.replace('Tree=0', 'Tree=1')}end of{rest}")


def xgboost_tree(**parts):
    nodes = {
        "left_children": [1, -1, 3, -1, -1], "right_children": [2, -1, 4, -1, -1],
        "parents": [2147483647, 0, 0, 2, 2], "split_indices": [0, 0, 1, 0, 0],
        "split_conditions": [0.5, 1, 0.5, 2, 3], "split_type": [0, 0, 1, 0, 0],
        "default_left": [0, 0, 1, 0, 0], "base_weights": [0, 1, 0, 2, 3], "categories": [0, 2],
        "categories_nodes": [2], "categories_segments": [0], "categories_sizes": [2], "id": 0,
        "tree_param": {"num_nodes": "5", "num_feature": "2", "size_leaf_vector": "1"},
    }  # fmt: skip
    return {**nodes, **parts}


def xgboost_model(tree=(), model=(), said=(), **booster):
    trees = {
        "trees": [xgboost_tree(**dict(tree))], "tree_info": [0], "iteration_indptr": [0, 1],
        "gbtree_model_param": {"num_trees": "1", "num_parallel_tree": "1"}, **dict(model),
    }  # fmt: skip
    said = {"num_feature": "2", "num_class": "0", "num_target": "1", "base_score": "5E-1"} | dict(
        said
    )
    held = {"name": "gbtree", "model": trees, **booster}
    objective = {"name": "binary:logistic", "softmax_multiclass_param": {"num_class": "0"}}
    learner = {"gradient_booster": held, "learner_model_param": said, "objective": objective}
    return {"learner": learner, "version": [3, 2, 0]}


UNFIT_TREES = [
    *({"left_children": [n, -1, 3, -1, -1]} for n in (10**6, 5, 0, 2, -2, 2.5)),
    {"left_children": [1, -1, 3, -1]}, {"left_children": [1, -1, 0, -1, -1]},
    {"right_children": [1, -1, 4, -1, -1]}, {"right_children": [-1, -1, 4, -1, -1]},
    {"parents": [2147483647, 9, 0, 2, 2]}, {"parents": [7, 0, 0, 2, 2]},
    {"split_indices": [2, 0, 1, 0, 0]}, {"split_indices": [-1, 0, 1, 0, 0]},
    {"split_indices": [2147483647, 0, 1, 0, 0]}, {"split_conditions": [0.5]},
    {"default_left": []}, {"tree_param": {"num_nodes": "0"}}, {"tree_param": {"num_nodes": "-1"}},
    {"tree_param": {"num_nodes": "5", "size_leaf_vector": "-1"}},
    {"tree_param": {"num_nodes": "5", "size_leaf_vector": "7"}}, {"id": 3}, {"id": "x"},
    {"categories": [0]}, {"categories": [0, -2]}, {"categories": [0, 1 << 30]},
    {"categories_nodes": [1]}, {"categories_nodes": [0, 2]}, {"categories_segments": [-1]},
    {"categories_sizes": [9]}, {"categories_sizes": [-1]}, {"split_type": [0, 0, 1]},
    {"categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": []},
]  # fmt: skip

UNFIT_MODELS = [
    *({"tree": one} for one in UNFIT_TREES),
    *({"model": {"tree_info": one}} for one in ([1], [-1], [], [0, 0], "x")),
    *({"model": {"iteration_indptr": one}} for one in ([0, 2], [1, 1], [0, 9, 1], [0])),
    {"model": {"gbtree_model_param": {"num_trees": "2", "num_parallel_tree": "1"}}},
    {"model": {"gbtree_model_param": {"num_trees": "1", "num_parallel_tree": "0"}}},
    {"model": {"trees": []}}, {"model": {"trees": {}}}, {"model": {"trees": None}},
    {"model": {"cats": {"enc": [{"values": [1]}]}}},
    {"model": {"cats": {"feature_segments": [0, 1, 9]}}},
    {"said": {"num_feature": "1"}}, {"said": {"num_class": "3"}}, {"said": {"num_class": "x"}},
    {"said": {"base_score": "[1,2,3]"}}, {"name": "dart", "gbtree": None},
    {"name": "gblinear", "model": {"weights": [1.0]}},
]  # fmt: skip


@pytest.mark.parametrize("parts", UNFIT_MODELS, ids=str)
def test_trees_of_xgboost_whose_parts_do_not_fit_are_damaged(parts):
    check_xgboost(json.dumps(xgboost_model()).encode())
    with pytest.raises(Unfit, match="boosted trees"):
        check_xgboost(json.dumps(xgboost_model(**parts)).encode())


def test_a_model_that_cannot_tell_of_itself_is_damaged():
    told = r"^m: is damaged: it cannot be looked at \(KeyError: 'a'"
    with pytest.raises(ModelError, match=told), looked_at("m"):
        raise KeyError("a")


@pytest.mark.parametrize(
    "content",
    [
        b"{", b'{"learner": 1}', b"[" * 100_000, b'{"a":' * 100_000, b"{}", b"{U\x01aZU\x01aZ}",
        b'{"learner": {}, "learner": {}}', b"{U\x07learner[$Z#L" + b"\x7f" * 8, b"{[$d",
        b"{U\x07learnerS" + b"L\xff" * 8, b"{" + b"U\x01a{" * 100_000, b"{U\x01a[#l\x7f\0\0\0",
    ],
)  # fmt: skip
def test_what_is_no_model_of_xgboost_is_damaged(content):
    with pytest.raises(Unfit, match="boosted trees"):
        check_xgboost(content if content[:1] == b"{" else b'{"learner":' + content)


def kinds_of_xgboost():
    xgboost = pytest.importorskip("xgboost")
    few = {"n_estimators": 3, "max_depth": 3}
    words = FRAME[["v"]].assign(kind=pd.Categorical(RNG.integers(0, 9, len(FRAME))))
    categories = {"enable_categorical": True, "max_cat_to_onehot": 1}
    targets = np.c_[X[:, 0], X[:, 1]]
    return [
        xgboost.XGBClassifier(**few, tree_method="exact", gamma=1.0).fit(X, THREE),
        xgboost.XGBClassifier(**few, booster="dart").fit(X, THREE),
        xgboost.XGBClassifier(n_estimators=3, booster="gblinear").fit(X, THREE),
        xgboost.XGBRFClassifier(**few).fit(X, TWO),
        xgboost.XGBClassifier(**few, **categories).fit(words, THREE),
        xgboost.XGBRegressor(**few, multi_strategy="multi_output_tree").fit(X, targets),
        xgboost.XGBRegressor(**few).fit(X, targets),
        xgboost.XGBRanker(**few).fit(X, THREE, qid=np.arange(120) // 20),
    ]


def test_trees_that_xgboost_wrote_fit():
    for model in kinds_of_xgboost():
        booster = model.get_booster()
        for content in (booster.save_raw("json"), booster.save_raw("ubj"), pickled(booster)):
            check_xgboost(content)


def pickled(booster):
    return booster.__getstate__()["handle"]


@pytest.mark.parametrize("save", ["pickle", "skops"])
def test_a_tree_of_xgboost_that_leads_outside_is_damaged_in_any_file(save, tmp_path):
    xgboost = pytest.importorskip("xgboost")
    sio = pytest.importorskip("skops.io")
    model = xgboost.XGBClassifier(n_estimators=2).fit(X, TWO)
    content = pickle.dumps(model) if save == "pickle" else sio.dumps(model)
    path = tmp_path / f"m.{save}"
    path.write_bytes(content)
    assert loaded(path).predict(TABLE) == pytest.approx(model.predict_proba(X), abs=1e-6)
    mark = b"left_children[$l#L"

    def damaged(data):
        at = data.index(mark) + len(mark) + 8
        return data[:at] + (10**6).to_bytes(4, "big") + data[at + 4 :]

    path.write_bytes(damaged(content) if save == "pickle" else rezipped(content, mark, damaged))
    with pytest.raises(ModelError, match="is damaged: boosted trees"):
        loaded(path)


def rezipped(content, mark, change):
    """Change those entries of an archive in which a mark stands."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if mark in data else data)
    return out.getvalue()


def test_a_booster_in_skops_is_checked_before_its_library_reads_it(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    sio = pytest.importorskip("skops.io")
    model = lightgbm.LGBMClassifier(n_estimators=2, min_child_samples=3, verbose=-1).fit(X, TWO)
    mark = b"num_leaves="
    content = rezipped(sio.dumps(model), mark, lambda data: data.replace(mark, b"num_leafs="))
    (tmp_path / "m.skops").write_bytes(content)
    with pytest.raises(ModelError, match="is damaged: boosted trees"):
        loaded(tmp_path / "m.skops")


@pytest.mark.parametrize("held", [None, 65, 1.5, [1, 2], np.zeros(9, "u1")], ids=type)
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_booster_of_anything_but_what_its_library_wrote_is_damaged(library, held, tmp_path):
    pytest.importorskip(library)
    state = {"handle": held} if library == "xgboost" else {"_handle": held, "handle": "tree"}
    place = {"xgboost": b"cxgboost.core", "lightgbm": b"clightgbm.basic"}[library]
    program = b"\x80\x02" + place + b"\nBooster\n)\x81" + pickle.dumps(state, 2)[2:-1] + b"b."
    (tmp_path / "m.pkl").write_bytes(program)
    with pytest.raises(ModelError, match="is damaged: a booster without its trees"):
        loaded(tmp_path / "m.pkl")


@pytest.mark.filterwarnings("ignore:.*Text file input")
def test_xgboost_opens_no_file_that_a_step_before_it_names(tmp_path):
    """Compiled code opens it, unseen: so the name must not get there."""
    xgboost = pytest.importorskip("xgboost")
    table = tmp_path / "table.csv"
    np.savetxt(table, X, delimiter=",")
    model = xgboost.XGBClassifier(n_estimators=2).fit(X, TWO)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    held = unpickle(tmp_path / "m.pkl")
    loaded(tmp_path / "m.pkl")
    for name in (f"{table}?format=csv", str(table).encode(), table):
        with pytest.raises(tripwire.Alarm), tripwire.predicting():
            held.predict_proba(name)
    read_no_files()
    with tripwire.predicting():
        assert np.array_equal(held.predict_proba(X), model.predict_proba(X))
    with pytest.raises(xgboost.core.XGBoostError, match="nowhere"):  # not watched, it looks
        xgboost.DMatrix(f"{tmp_path}/nowhere?format=libsvm")


@pytest.mark.parametrize(
    "content",
    [
        b'{"num_class":"1000000000"}',
        b'{ "num_class" : "123456789012345678901234567890" }',
        b'{"num_feature": 999999999}',
        b'"num_class":"-3"',
        b"{L\0\0\0\0\0\0\0\x09num_classSL\0\0\0\0\0\0\0\x0a1000000000",
        b"{i\x09num_classSi\x0a1000000000",
        b'{"num_trees":"900000000"}',
        b'{"num_target":"900000000"}',
    ],
)
def test_xgboost_models_of_more_than_there_is_are_damaged(content):
    with pytest.raises(Unfit, match="boosted trees that say num_"):
        check_xgboost(content)


@pytest.mark.parametrize("more", [{}, {"boosting_type": "dart"}, {"linear_tree": True}])
@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_trees_that_lightgbm_wrote_fit(y, more, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    kinds = pd.Categorical(y + 3 * RNG.integers(0, 5, len(FRAME)))
    rows = FRAME[["v"]].assign(kind=kinds)
    few = {"n_estimators": 4, "min_child_samples": 3, "min_data_per_group": 1, "cat_smooth": 0.1}
    model = lightgbm.LGBMClassifier(**few, max_cat_to_onehot=1, verbose=-1, **more)
    text = model.fit(rows, y).booster_.model_to_string()
    check_lightgbm(text)
    assert "num_cat=1" in text
    model.booster_.save_model(tmp_path / "m.txt")
    found = re.sub("left_child=-?[0-9]+", "left_child=9999", (tmp_path / "m.txt").read_text())
    found = re.sub("tree_sizes=.*\n", "", found)  # which would tell as well
    (tmp_path / "m.txt").write_text(found)
    with pytest.raises(ModelError, match=r"m\.txt: is damaged: boosted trees with branches"):
        loaded(tmp_path / "m.txt")


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_counts_that_xgboost_wrote_fit(suffix):
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.XGBClassifier(n_estimators=3).fit(FRAME, THREE).get_booster()
    raw = bytes(booster.save_raw(suffix))
    check_xgboost(raw)
    assert len(list(_COUNT.finditer(raw))) >= 3


HEAD = [0.5, 3, 0, 0, 0, 2, 1, 1, 1]
NODES = [(-1, 1, 2, 1, 0), (1 << 31, -1, -1, 0, 0), (0, -1, -1, 0, 0)]
"""A root that asks column 1, and two leaves: parent, left, right, column, value."""


def in_binary(head=HEAD, nodes=NODES, trees=(2, 1), groups=(0, 0), n_nodes=None):
    """Write trees as XGBoost wrote them up to release 3.0."""

    def word(text):
        return struct.pack("<Q", len(text)) + text

    low = (1 << 32) - 1
    packed = b"".join(struct.pack("<5I", *(part & low for part in node)) for node in nodes)
    said = struct.pack("<6i", 1, len(nodes) if n_nodes is None else n_nodes, 0, 0, 3, 1)
    tree = said.ljust(148, b"\0") + packed + bytes(16 * len(nodes))
    return b"".join((
        b"binf",
        struct.pack("<fIiiiIIIi", *head).ljust(136, b"\0"),
        word(b"reg:squarederror"),
        word(b"gbtree"),
        struct.pack("<ii", *trees).ljust(160, b"\0"),
        tree * 2,
        struct.pack("<2i", *groups),
    ))  # fmt: skip


def put(place, *node):
    return {"nodes": [node if n == place else one for n, one in enumerate(NODES)]}


@pytest.mark.parametrize(
    "changed",
    [
        put(0, -1, 1, 3, 1, 0),
        put(0, -1, 1, 1, 1, 0),
        put(0, -1, 0, 2, 1, 0),
        put(0, -1, -7, 2, 1, 0),
        put(0, -1, 1, 2, 3, 0),
        put(1, 0, 2, 2, 0, 0),
        put(1, 17, -1, -1, 0, 0),
        {"n_nodes": 0},
        {"n_nodes": 4},
        {"n_nodes": -1},
        {"n_nodes": 1 << 30},
        {"trees": (1 << 30, 1)},
        {"trees": (1, 1)},
        {"trees": (-1, 1)},
        {"groups": (0, 1)},
        {"groups": (-1, 0)},
        {"head": [0.5, 1, *HEAD[2:]]},
        {"head": [0.5, 3, -1, *HEAD[3:]]},
        {"head": [0.5, 3, 1 << 30, *HEAD[3:]]},
        {"head": [0.5, 3, 0, 1, *HEAD[4:]]},
    ],
)
def test_the_binary_format_of_xgboost_is_checked_like_the_others(changed):
    check_xgboost(in_binary())
    check_xgboost(b"CONFIG-offset:" + struct.pack("<q", 700) + in_binary() + b"{}")
    with pytest.raises(Unfit, match="boosted trees"):
        check_xgboost(in_binary(**changed))


@pytest.mark.parametrize("cut", [3, 4, 100, 141, 200, 400, 500, 700])
def test_a_cut_of_the_binary_format_is_damaged(cut):
    with pytest.raises(Unfit, match="boosted trees"):
        check_xgboost(in_binary()[:cut])


def of_catboost(path, grow="SymmetricTree", y=TWO):
    catboost = pytest.importorskip("catboost")
    said = {"iterations": 4, "depth": 3, "verbose": 0, "allow_writing_files": False}
    model = catboost.CatBoostClassifier(grow_policy=grow, random_seed=0, **said).fit(X, y)
    model.save_model(path)
    return Path(path).read_bytes()


def at_number(content, vector, n):
    """Return where a .cbm file keeps a number of a vector of its trees."""
    trees = booster_files._Buffer(content[8:]).root().table(1)
    return 8 + trees._target(vector) + 4 + 4 * n


SPLITS, SIZES, STARTS, STEPS, LEAVES, BINS = 1, 2, 3, 10, 11, 17


@pytest.mark.parametrize("grow", ["SymmetricTree", "Depthwise", "Lossguide"])
@pytest.mark.parametrize("several", [False, True])
def test_trees_that_catboost_wrote_fit(grow, several, tmp_path):
    booster_files.check_catboost(of_catboost(tmp_path / "m.cbm", grow, THREE if several else TWO))


@pytest.mark.parametrize(
    ("grow", "vector", "n", "value"),
    [
        ("SymmetricTree", SPLITS, 0, 9999),
        ("SymmetricTree", SPLITS, 1, -1),
        ("SymmetricTree", SIZES, 0, 30),
        ("SymmetricTree", SIZES, 1, -3),
        ("SymmetricTree", STARTS, 1, 1 << 20),
        ("SymmetricTree", BINS, 0, 0x0100FFFF),
        ("Lossguide", SPLITS, 0, 1 << 30),
        ("Lossguide", STEPS, 0, 0x7FFF0001),
        ("Lossguide", STEPS, 0, 0x00017FFF),
        ("Depthwise", LEAVES, -1, 0x7FFFFFFF),
        ("Depthwise", LEAVES, -1, 1000),
    ],
)
@pytest.mark.parametrize("save", ["cbm", "pkl", "skops"])
def test_trees_of_catboost_that_lead_outside_are_damaged(grow, vector, n, value, save, tmp_path):
    path = tmp_path / f"m.{save}"
    good = of_catboost(tmp_path / "good.cbm", grow)
    model = pytest.importorskip("catboost").CatBoostClassifier().load_model(blob=good)
    kept = good if save == "cbm" else model.__getstate__()["__model"]
    trees = booster_files._Buffer(kept[8:]).root().table(1)
    at = at_number(kept, vector, n % len(trees.numbers(vector, "<u4")))
    bad = kept[:at] + (value & 0xFFFFFFFF).to_bytes(4, "little") + kept[at + 4 :]
    if save == "skops":
        sio = pytest.importorskip("skops.io")
        path.write_bytes(rezipped(sio.dumps(model), kept, lambda data: data.replace(kept, bad)))
    else:
        path.write_bytes(bad if save == "cbm" else pickle.dumps(model).replace(kept, bad))
    with pytest.raises(ModelError, match=r"is damaged: .*boosted trees"):
        loaded(path)


@pytest.mark.parametrize("words", [False, True], ids=["numbers", "words"])
def test_a_catboost_model_in_json_is_told_with_the_command_that_converts_it(tmp_path, words):
    catboost = pytest.importorskip("catboost")
    frame = FRAME.assign(w=np.where(X[:, 0] > 0, "a", "b")) if words else FRAME
    names = ["w"] if words else []
    pool = catboost.Pool(frame, cat_features=names)
    fitted = catboost.CatBoostClassifier(
        iterations=4, verbose=0, cat_features=names, allow_writing_files=False
    )
    fitted.fit(frame, np.array(["hi", "lo"])[TWO])
    path = tmp_path / "a model.json"
    fitted.save_model(path, format="json", pool=pool)
    with pytest.raises(ModelError) as caught:
        loaded(path)
    command = shlex.split(caught.value.hint.partition("explain that: ")[2])
    subprocess.run([sys.executable, *command[1:]], check=True)
    again = catboost.CatBoostClassifier().load_model(tmp_path / "a model.cbm")
    assert again.predict_proba(frame) == pytest.approx(fitted.predict_proba(frame))
    assert [*again.classes_] == ["hi", "lo"]
