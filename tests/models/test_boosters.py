"""Boosted trees in their libraries' own files, where the libraries are installed."""

import pickle
import re
import sys

import numpy as np
import pandas as pd
import pytest

from lime_cli.errors import MissingDependency, ModelError
from lime_cli.models.booster_files import _COUNT, Unfit, check_lightgbm, check_xgboost
from lime_cli.models.model_file import ModelFile, format_of
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
    booster.save_model(tmp_path / "m.ubj")
    values = loaded(tmp_path / "m.ubj").predict(TABLE)
    assert values.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (values.argmax(axis=1) == THREE).mean() > 0.8


def test_xgboost_logits_are_margins(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train({"objective": "binary:logitraw"}, xgboost.DMatrix(X, TWO), 4)
    booster.save_model(tmp_path / "m.ubj")
    model = loaded(tmp_path / "m.ubj")
    raw = booster.predict(xgboost.DMatrix(X))
    assert model.predict(TABLE) == pytest.approx(np.stack([-raw, raw], axis=1))
    assert [one.code for one in model.warnings] == ["decision_values"]


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
    with pytest.raises(ModelError, match=rf"^m: {library} cannot load it"):
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
"""

DAMAGED_TREES = {
    "left_child=1 -1 -3": [
        "left_child=9999 -1 -3", "left_child=99999999999 -1 -3", "left_child=-9 -1 -3",
        "left_child=0 -1 -3", "left_child=1 0 -3", "left_child=1 -1", "left_child=1 -1 -2",
        "left_child=1 -1 x", "left_child=2 -1 -3", "left_child=",
    ],
    "right_child=2 -2 -4": ["right_child=-4 -2 -4", "right_child=3 -2 -4", "right_child=1 -2 -4"],
    "split_feature=0 1 2": ["split_feature=0 1 3", "split_feature=0 -1 2", "split_feature=0 1"],
    "num_leaves=4": ["num_leaves=400", "num_leaves=-4", "num_leaves=0", "num_leaves=9" * 9],
    "num_class=1": ["num_class=100000000", "num_class=-1", "num_class=" + "9" * 40],
    "max_feature_idx=2": ["max_feature_idx=900000000", "max_feature_idx=1"],
    "num_tree_per_iteration=1": ["num_tree_per_iteration=7", "num_tree_per_iteration=100000000"],
    "leaf_value=0.1 0.2 0.3 0.4": ["leaf_value=0.1 0.2 0.3", "leaf_value="],
    "threshold=0.5 0.5 0.5": ["threshold=0.5", "threshold=0.5 0.5 0.5 0.5"],
    "decision_type=2 2 2": ["decision_type=1 2 2", "decision_type=2 2"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("good", "bad"), [(good, bad) for good, all_bad in DAMAGED_TREES.items() for bad in all_bad]
)
def test_trees_of_lightgbm_whose_parts_do_not_fit_are_damaged(good, bad):
    check_lightgbm(LIGHTGBM)
    with pytest.raises(Unfit, match="boosted trees"):
        check_lightgbm(LIGHTGBM.replace(good, bad))


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
    (tmp_path / "m.txt").write_text(found)
    with pytest.raises(ModelError, match=r"m\.txt: is damaged: boosted trees whose branches"):
        loaded(tmp_path / "m.txt")


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_counts_that_xgboost_wrote_fit(suffix):
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.XGBClassifier(n_estimators=3).fit(FRAME, THREE).get_booster()
    raw = bytes(booster.save_raw(suffix))
    check_xgboost(raw)
    assert len(list(_COUNT.finditer(raw))) >= 3
