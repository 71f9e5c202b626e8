"""Files that hold more than a model, or something else: opened, or told what to do."""

import gzip
import os
import pickle
import re
import shlex
import subprocess
import sys
import types
import zipfile
from datetime import datetime, timezone

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    LabelEncoder,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

from lime_cli.errors import ModelError, PredictionError
from lime_cli.models import model_file
from lime_cli.models.model_file import VECTORIZERS, ModelFile, format_of, pickles_beside
from lime_cli.models.pickles import loading
from lime_cli.models.pickles.beside import TRIED, opened_beside
from lime_cli.tabular.row import Table

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
FITTED = LogisticRegression().fit(X, Y)
TABLE = Table(("u", "v", "w"), tuple(X.T))


def saved(tmp_path, held):
    joblib.dump(held, tmp_path / "m.joblib")
    return str(tmp_path / "m.joblib")


@pytest.mark.parametrize(
    ("held", "key", "beside"),
    [
        ({"model": FITTED, "features": ["u"]}, "model", ""),
        ({"model": FITTED, "at": datetime(2024, 5, 1, tzinfo=timezone.utc)}, "model", "'at'"),
        (["scaled", FITTED], "1", "'0'"),
        ((FITTED, {"note": 1}), "0", "'1'"),
        ({"v1": {"clf": FITTED}, "clf": FITTED}, "v1.clf", "'v1'"),
        ({7: FITTED}, "7", ""),
        ({"model": FITTED, "towns": LabelEncoder().fit(["a", "b"])}, "model", "'towns'"),
    ],
    ids=["dict", "dated", "list", "tuple", "nested", "number", "labels"],
)
def test_the_only_model_of_a_container_is_taken_and_a_key_says_the_same(
    tmp_path, held, key, beside
):
    path = saved(tmp_path, held)
    found = ModelFile(path).load()
    assert np.array_equal(found.predict(TABLE), FITTED.predict_proba(X))
    assert [one.code for one in found.warnings] == ["taken_from"] * bool(beside)
    assert all(f"; {beside} beside it is not applied" in one.message for one in found.warnings)
    model = ModelFile(path, key=key).load()
    assert np.array_equal(model.predict(TABLE), FITTED.predict_proba(X))


def test_of_several_models_one_is_to_be_named(tmp_path):
    path = saved(tmp_path, {"old": FITTED, "new": SCALED})
    with pytest.raises(ModelError, match="holds a dict: old, new; use --key old or --key new"):
        ModelFile(path).load()
    with pytest.raises(ModelError, match=r"holds a dict: model, step; use --key model"):
        ModelFile(saved(tmp_path, {"model": FITTED, "step": Step()}), trust=True).load()


class Step:
    """Transforms rows, and does not say of how many columns."""

    def transform(self, X):
        return 2 * X


NAMES = ["w", "u", "v"]


@pytest.mark.parametrize(
    ("beside", "columns"),
    [
        ({"features": NAMES}, NAMES),
        ({"feature_columns": np.array(NAMES, object)}, NAMES),
        ({"cols": pd.Index(NAMES), "categorical_columns": ["u"]}, NAMES),
        ({"names": tuple(NAMES)}, NAMES),
        ((NAMES,), NAMES),
        ({"features": ["u", "v"]}, None),
        ({"features": NAMES, "columns": NAMES[::-1]}, None),
        ({"letters": NAMES, "names": NAMES[::-1]}, None),
        ({"features": ["u", "u", "v"]}, None),
    ],
)
def test_columns_beside_a_model_without_names_are_its_own(tmp_path, beside, columns):
    held = (FITTED, *beside) if isinstance(beside, tuple) else {"model": FITTED, **beside}
    found = ModelFile(saved(tmp_path, held)).load()
    assert found.input.columns == (None if columns is None else tuple(columns))
    assert ("columns_beside" in [one.code for one in found.warnings]) == (columns is not None)


def test_columns_beside_a_model_that_names_its_own_do_not_count(tmp_path):
    named = LogisticRegression().fit(pd.DataFrame(X, columns=["u", "v", "w"]), Y)
    found = ModelFile(saved(tmp_path, {"model": named, "features": NAMES})).load()
    assert found.input.columns == ("u", "v", "w")


SCALER = StandardScaler().fit(5 * X + 3)
SCALED = LogisticRegression().fit(SCALER.transform(5 * X + 3), Y)
BUNDLES = {
    "dict": {"model": SCALED, "scaler": SCALER, "features": ["u", "v", "w"]},
    "tuple": (SCALER, SCALED),
    "three": {"imputer": SimpleImputer().fit(X), "scaler": SCALER, "model": SCALED},
    "wider": {
        "poly": PolynomialFeatures().fit(X),
        "model": LogisticRegression().fit(PolynomialFeatures().fit_transform(X), Y),
    },
}


@pytest.mark.parametrize("name", list(BUNDLES))
def test_transformers_beside_the_only_model_are_applied_before_it(tmp_path, name):
    held = BUNDLES[name]
    parts = list(held.values() if isinstance(held, dict) else held)
    model = next(one for one in parts if hasattr(one, "predict"))
    rows = X
    for one in parts:
        rows = one.transform(rows) if hasattr(one, "transform") else rows
    found = ModelFile(saved(tmp_path, held)).load()
    assert found.predict(TABLE) == pytest.approx(model.predict_proba(rows))
    codes = [one.code for one in found.warnings]
    assert codes == ["chained", *["columns_beside"] * (name == "dict")]
    assert "--key" in found.warnings[0].message


def test_words_go_through_the_vectorizer_beside_the_model(tmp_path):
    texts = ["a good film", "a bad film", "good", "bad"]
    vectorizer = TfidfVectorizer().fit(texts)
    model = LogisticRegression().fit(vectorizer.transform(texts), [1, 0, 1, 0])
    found = ModelFile(saved(tmp_path, {"model": model, "vectorizer": vectorizer})).load()
    expected = model.predict_proba(vectorizer.transform(texts))
    assert found.predict(texts) == pytest.approx(expected)


def test_a_key_leaves_the_transformers_out_and_that_is_said(tmp_path):
    found = ModelFile(saved(tmp_path, BUNDLES["dict"]), key="model").load()
    assert found.predict(TABLE) == pytest.approx(SCALED.predict_proba(X))
    assert [one.code for one in found.warnings] == ["not_applied"]


def test_parts_that_do_not_fit_each_other_are_told(tmp_path):
    held = {"model": SCALED, "scaler": StandardScaler().fit(X[:, :2])}
    with pytest.raises(ModelError, match=r"'scaler', 'model'; save them as one pipeline; or .*py:"):
        ModelFile(saved(tmp_path, held)).load()


def test_a_key_that_is_not_there_lists_those_that_are(tmp_path):
    path = saved(tmp_path, {"model": FITTED, "features": ["u"]})
    with pytest.raises(ModelError, match="without 'modle'; it has model, features"):
        ModelFile(path, key="modle").load()
    with pytest.raises(ModelError, match="under 'features' is a list, which cannot predict"):
        ModelFile(path, key="features").load()


class Service:
    """An object around a model, as deployments have it."""

    def __init__(self, model):
        self.model = model
        self.version = 3


def test_an_object_opens_by_the_name_of_its_attribute(tmp_path):
    path = saved(tmp_path, Service(FITTED))
    with pytest.raises(ModelError, match="Service: model, version; use --key model"):
        ModelFile(path, trust=True).load()
    assert ModelFile(path, trust=True, key="model").load().predict(TABLE).shape == (60, 2)


def test_a_search_is_its_best_model(tmp_path):
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2)
    model = ModelFile(saved(tmp_path, search.fit(X, Y))).load()
    assert np.array_equal(model.predict(TABLE), search.predict_proba(X))


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (
            LogisticRegression(),
            r"is not fitted \(LogisticRegression\); call fit before it is saved",
        ),
        (make_pipeline(StandardScaler(), LogisticRegression()), "is not fitted"),
        (GridSearchCV(LogisticRegression(), {}), "is not fitted"),
        (StandardScaler().fit(X), "StandardScaler, which transforms inputs and cannot predict"),
        (TfidfVectorizer().fit(["a good film"]), "TfidfVectorizer, which transforms"),
        (make_pipeline(StandardScaler()).fit(X), "which transforms .* --transformer "),
        ({"note": "none"}, "holds a dict, not a model"),
        ({}, "holds a dict, not a model"),
        (7, "holds an int, not a model"),
        (np.ones(3), "holds a numpy array, not a model"),
        (np.array([FITTED], object), "holds a numpy array, not a model"),
    ],
    ids=lambda one: type(one).__name__ if not isinstance(one, str) else "",
)
def test_what_is_no_model_gets_a_sentence_of_its_own(tmp_path, held, message):
    with pytest.raises(ModelError, match=message) as caught:
        ModelFile(saved(tmp_path, held)).load()
    assert str(caught.value).startswith("m.joblib: ")
    assert "\n" not in str(caught.value)


def test_a_clustering_votes_for_the_group_it_names(tmp_path):
    fitted = KMeans(3, n_init=1, random_state=0).fit(X)
    model = ModelFile(saved(tmp_path, fitted)).load()
    assert np.array_equal(model.predict(TABLE).argmax(axis=1), fitted.predict(X))
    assert model.identity.targets == ("0", "1", "2")
    assert [one.code for one in model.warnings] == ["coarse_output"]


def test_columns_that_hold_missing_values_are_named(tmp_path):
    model = ModelFile(saved(tmp_path, LinearRegression().fit(X, X[:, 0]))).load()
    broken = Table(TABLE.names, (TABLE.columns[0], np.full(60, np.nan), TABLE.columns[2]))
    with pytest.raises(ModelError, match=r"does not accept missing values \(column 'v'\)"):
        model.predict(broken)


ZIPS = {
    "PyTorch": ["archive/data.pkl", "archive/data/0"],
    "Keras": ["config.json", "model.weights.h5"],
    "H2O": ["model.ini", "trees/t00_000.bin"],
    "zip archive without": ["notes.txt"],
}


@pytest.mark.parametrize("word", ZIPS)
def test_archives_of_other_frameworks_say_how_to_export(tmp_path, word):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        for name in ZIPS[word]:
            archive.writestr(name, "x")
    with pytest.raises(ModelError, match=rf"^m\.pt: is an? .*{word}"):
        format_of(tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "is a Keras file; export it"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 40, "is a TensorFlow Lite model; convert it"),
        (b'\x10\0\0\0\0\0\0\0{"a": 1}      ', "is a safetensors file"),
        (b'<?xml version="1.0"?><PMML version="4.4">', "is a PMML document"),
        (b"PK\x03\x04" + b"\0" * 40, "is cut short"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, r"is not a model file \(it looks like a PNG image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (
            b"booster[0]:\n0:[a<1] yes=1",
            r"a dump of an XGBoost .*: model\.save_model\('model.json'",
        ),
        (b'[\n  { "nodeid": 0, "depth": 0', "a dump of an XGBoost model"),
        (b'{"name": "tree", "version": "v4"', r"a dump of a LightGBM .*booster_\.save_model"),
        (b'{\n  "version": "1.0",\n  "truncation": null', "is not a model file"),
        (b'{"input": "double"}', "is not a model file .*; or explain a function .*py:module"),
    ],
)
def test_other_files_are_told_apart_by_their_first_bytes(tmp_path, content, message):
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        format_of(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m.mlmodel", "is a Core ML model; export the model"),
        ("m.pb", r"is a TensorFlow graph; convert it: python -m tf2onnx\.convert --graphdef"),
        ("m.engine", "is a TensorRT engine; explain the ONNX model"),
        ("m.cpp", "is source code; save the model that it was made from"),
        ("m.bentomodel", "is an archive of BentoML; unpack it"),
        ("m.rds", "is an R object; explain a function"),
        ("preprocessor_config.json", "beside a model of Hugging Face's, not the model; name /"),
    ],
)
def test_what_only_a_suffix_tells_is_named(tmp_path, name, message):
    packed = gzip.compress(b"RDX3\nX\n" + bytes(range(256)))
    heads = {"m.mlmodel": b"\x08\x04\x12\x10", "m.rds": packed, "m.bentomodel": packed}
    (tmp_path / name).write_bytes(heads.get(name, b"\n\x40\n\x0b"))
    with pytest.raises(ModelError, match=message):
        format_of(tmp_path / name)


def test_a_saved_model_s_folder_says_how_to_convert_it(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"is a TensorFlow SavedModel; convert it: .*tf2onnx"):
        format_of(tmp_path)


def test_a_folder_of_spark_says_how_to_convert_it(tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "part-00000").write_text('{"class":"org.apache.spark.ml"}')
    with pytest.raises(ModelError, match=r"is a Spark ML model; convert it .*; or .*py:module"):
        format_of(tmp_path)


@pytest.mark.parametrize("suffix", [".onnx", ".skops", ".cbm", ".ubj"])
def test_a_name_that_promises_another_format_is_refused(tmp_path, suffix):
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(FITTED))
    with pytest.raises(ModelError, match=rf"named \{suffix} but its content is a pickle"):
        format_of(tmp_path / f"m{suffix}")


def test_a_forest_of_several_answers_can_be_narrowed_to_one(tmp_path):
    both = np.stack([np.array(["no", "yes"])[Y], np.array(["a", "b"])[(X[:, 1] > 0) * 1]], axis=1)
    fitted = RandomForestClassifier(5, random_state=0).fit(X, both)
    path = saved(tmp_path, fitted)
    model = ModelFile(path).load()
    assert model.predict(TABLE) == pytest.approx(np.hstack(fitted.predict_proba(X)))
    assert model.identity.targets == ("0: no", "0: yes", "1: a", "1: b")
    second = ModelFile(path, output="1").load()
    assert second.predict(TABLE) == pytest.approx(fitted.predict_proba(X)[1])
    assert second.identity.targets == ("a", "b")
    assert second.probabilities
    with pytest.raises(ModelError, match="has no output 2; it gives 2"):
        ModelFile(path, output="2").load()


OTHERS = {
    "transformers.pipelines.text_classification.TextClassificationPipeline": "joblib.load("
    "'clf.pkl').save_pretrained('clf')\"; then optimum-cli export onnx --model clf clf-onnx, and "
    "explain clf-onnx",
    "transformers.models.bert.modeling_bert.BertModel": "save_pretrained('clf')",
    "setfit.modeling.SetFitModel": "py:module:function",
    "spacy.lang.en.English": "py:module:function",
    "keras.src.models.sequential.Sequential": "model.export('model.onnx', format='onnx')",
    "torch.nn.modules.container.Sequential": "torch.onnx.export",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_pickle_of_another_library_names_the_way_to_explain_it(tmp_path, monkeypatch, name):
    module, _, attribute = name.rpartition(".")
    parts = module.split(".")
    for i in range(len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[: i + 1]), types.ModuleType(parts[i]))
    kind = type(attribute, (), {"__module__": module, "predict": lambda self, inputs: inputs})
    setattr(sys.modules[module], attribute, kind)
    path = tmp_path / "clf.pkl"
    path.write_bytes(pickle.dumps(kind()))
    for file in (ModelFile(str(path)), ModelFile(str(path), trust=True)):
        if file.trust and parts[0] not in ("transformers",):
            continue  # what its owner trusts is asked, if it can predict
        with pytest.raises(ModelError) as caught:
            file.load()
        library = parts[0]
        assert f"holds a {library} model, which limex does not run" in str(caught.value)
        assert OTHERS[name] in str(caught.value)


def test_a_pickle_of_another_library_that_does_something_else_is_judged_by_that(
    tmp_path, monkeypatch
):
    module = types.ModuleType("transformers")
    monkeypatch.setitem(sys.modules, "transformers", module)

    class Pipeline:
        def __reduce__(self):
            return os.system, ("echo",)

    path = tmp_path / "clf.pkl"
    module.Pipeline = type("Pipeline", (), {"__module__": "transformers"})
    path.write_bytes(pickle.dumps([module.Pipeline(), Pipeline()]))
    with pytest.raises(ModelError, match=r"uses os\.system"):
        ModelFile(str(path)).load()


@pytest.mark.parametrize("name", ["scaler.pkl", "StandardScaler.joblib", "preprocessor.sav"])
def test_a_scaler_in_a_file_beside_the_model_is_told_with_what_applies_it(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    rows = 5 + 3 * X
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression().fit(scaler.transform(rows), Y)
    joblib.dump(scaler, name)
    joblib.dump(model, "model.pkl")
    said = {one.code: one.message for one in ModelFile("model.pkl").load().warnings}
    typed = shlex.split(said["not_applied"].rpartition("add ")[2])
    found = ModelFile("model.pkl", transformers=tuple(typed[1::2])).load()
    table = Table(TABLE.names, tuple(rows.T))
    assert found.predict(table) == pytest.approx(model.predict_proba(scaler.transform(rows)))
    assert "not_applied" not in [one.code for one in found.warnings]


NAMED = pd.DataFrame(X, columns=[*TABLE.names])
WORDS = pd.Series(["low", "high", "mid"] * len(X)).iloc[: len(X)]


def some_scaled():
    rows, first = 5 + 3 * NAMED, [*NAMED.columns[:1]]
    scaler = StandardScaler().fit(rows[first])
    return {"scaler": scaler}, rows.assign(**{first[0]: scaler.transform(rows[first])[:, 0]}), rows


def coded():
    encoder = LabelEncoder().fit(WORDS)
    fed = NAMED.assign(level=encoder.transform(WORDS))
    return {"label_encoders": {"level": encoder}}, fed, NAMED.assign(level=WORDS.to_numpy())


def coded_and_scaled():
    encoders, fed, rows = coded()
    scaler = StandardScaler().fit(fed)
    scaled = pd.DataFrame(scaler.transform(fed), columns=fed.columns)
    return {**encoders, "scaler": scaler}, scaled, rows


@pytest.mark.parametrize("beside", [some_scaled, coded, coded_and_scaled])
def test_files_beside_a_model_that_names_its_columns_are_told_with_what_applies_them(
    tmp_path, monkeypatch, beside
):
    monkeypatch.chdir(tmp_path)
    parts, fed, rows = beside()
    model = LogisticRegression().fit(fed, Y)
    for name, one in parts.items():
        joblib.dump(one, f"{name}.pkl")
    joblib.dump(model, "model.pkl")
    said = {one.code: one.message for one in ModelFile("model.pkl").load().warnings}
    typed = shlex.split(said["not_applied"].rpartition("add ")[2])
    found = ModelFile("model.pkl", transformers=tuple(typed[1::2])).load()
    table = Table((*rows.columns,), tuple(rows[one].to_numpy() for one in rows))
    assert found.predict(table) == pytest.approx(model.predict_proba(fed))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("scaler", StandardScaler().fit(NAMED.add_prefix("of another "))),
        ("scaler", StandardScaler().fit(NAMED.assign(more=1.0))),
        ("label_encoders", {"of another": LabelEncoder().fit(WORDS)}),
    ],
    ids=["other columns", "one more", "other words"],
)
def test_files_beside_a_model_that_take_other_columns_are_not_told(tmp_path, name, other):
    joblib.dump(other, tmp_path / f"{name}.pkl")
    joblib.dump(LogisticRegression().fit(NAMED, Y), tmp_path / "model.pkl")
    said = [one.code for one in ModelFile(str(tmp_path / "model.pkl")).load().warnings]
    assert "not_applied" not in said


COMMENTS = ["good film", "bad film", "good one", "bad one", "dull film", "one good bad film"]
PRAISED = ["yes", "no", "yes", "no", "no", "yes"]
COUNTS, WEIGHTS = CountVectorizer().fit(COMMENTS), TfidfVectorizer().fit(COMMENTS)
SCALES = TfidfTransformer().fit(COUNTS.transform(COMMENTS))
CHOICE = SelectKBest(chi2, k=3).fit(WEIGHTS.transform(COMMENTS), PRAISED)
SHORT = TruncatedSVD(2, random_state=0).fit(WEIGHTS.transform(COMMENTS))
BESIDE = {
    "vectorizer.pkl": [WEIGHTS],
    "tfidf.joblib": [WEIGHTS],
    "cv_transform.pkl": [COUNTS],
    "tranform.pkl": [COUNTS],
    "count_vect.pkl tfidf_transformer.pkl": [COUNTS, SCALES],
    "vectorizer.pkl selector.pkl": [WEIGHTS, CHOICE],
    "tfidf_vectorizer.sav svd.sav": [WEIGHTS, SHORT],
    "union_vectorizer.pkl": [FeatureUnion([("counts", COUNTS), ("weights", WEIGHTS)])],
    "vectorizer_pipeline.pkl": [make_pipeline(COUNTS, SCALES)],
}


def behind(steps, names, folder, held=lambda one: one):
    """Save a model fitted behind ``steps`` and, by ``names``, these; return its pipeline."""
    model = LogisticRegression().fit(make_pipeline(*steps).transform(COMMENTS), PRAISED)
    joblib.dump(model, folder / "model.pkl")
    for name, one in zip(names, steps, strict=True):
        joblib.dump(held(one), folder / name)
    return make_pipeline(*steps, model)


@pytest.mark.parametrize("names", list(BESIDE))
def test_a_vectorizer_beside_a_model_is_applied_before_it(tmp_path, names):
    whole = behind(BESIDE[names], names.split(), tmp_path)
    found = ModelFile(str(tmp_path / "model.pkl")).load()
    assert found.predict(COMMENTS) == pytest.approx(whole.predict_proba(COMMENTS))
    (said,) = found.warnings
    assert said.code == "chained"
    assert all(repr(name) in said.message for name in names.split())
    assert "vectorizer" in dict(found.identity.options)


@pytest.mark.parametrize("held", [lambda one: (None, one), lambda one: {"vec": one, "n": 3}])
def test_a_vectorizer_beside_a_model_may_lie_in_a_file_of_several_things(tmp_path, held):
    whole = behind([WEIGHTS], ["vectorizer.pkl"], tmp_path, held)
    found = ModelFile(str(tmp_path / "model.pkl")).load()
    assert found.predict(COMMENTS) == pytest.approx(whole.predict_proba(COMMENTS))


def test_a_model_that_takes_no_sparse_matrix_gets_a_dense_one(tmp_path):
    rows = COUNTS.transform(COMMENTS).toarray()
    model = GaussianNB().fit(rows, PRAISED)
    joblib.dump(COUNTS, tmp_path / "cv.pkl")
    joblib.dump(model, tmp_path / "model.pkl")
    found = ModelFile(str(tmp_path / "model.pkl")).load()
    assert found.predict(COMMENTS) == pytest.approx(model.predict_proba(rows))


def test_another_vectorizer_makes_another_model(tmp_path):
    path = ModelFile(str(tmp_path / "model.pkl"))
    behind([WEIGHTS], ["vectorizer.pkl"], tmp_path)
    first = path.load()
    assert first.predict(COMMENTS).shape == (6, 2)
    other = TfidfVectorizer(sublinear_tf=True, norm="l1").fit(COMMENTS)
    whole = behind([other], ["vectorizer.pkl"], tmp_path)
    second = path.load()
    assert second.predict(COMMENTS) == pytest.approx(whole.predict_proba(COMMENTS))
    assert first.identity.options != second.identity.options


UNCLEAR = {
    "two fit": ([WEIGHTS], ["vectorizer.pkl"], {"count_vectorizer.pkl": COUNTS}),
    "none fits": ([WEIGHTS], ["features.pkl"], {"vectorizer.pkl": CountVectorizer().fit(["a bb"])}),
    "two lie between": (
        [COUNTS], ["vectorizer.pkl"], {"tfidf.pkl": SCALES, "scaler.pkl": MaxAbsScaler().fit(
            COUNTS.transform(COMMENTS))}
    ),
    "what lies between does not fit": (
        [COUNTS], ["vectorizer.pkl"], {"svd.pkl": SHORT}
    ),
    "not on the list": ([WEIGHTS], ["features.pkl"], {"vectorizer.pkl": datetime.now}),
}  # fmt: skip


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("name", list(UNCLEAR))
def test_nothing_beside_a_model_is_applied_where_it_is_not_clear_what(tmp_path, name, trust):
    steps, names, more = UNCLEAR[name]
    behind(steps, names, tmp_path)
    for file, one in more.items():
        joblib.dump(one, tmp_path / file)
    with pytest.raises(PredictionError, match=r"takes \d numbers, not a text") as caught:
        ModelFile(str(tmp_path / "model.pkl"), trust=trust).load().predict(COMMENTS)
    assert "--transformer" in caught.value.hint


@pytest.mark.parametrize("trust", [False, True])
def test_a_file_beside_a_model_runs_nothing_however_much_the_model_is_trusted(tmp_path, trust):
    behind([WEIGHTS], ["features.pkl"], tmp_path)
    mark = tmp_path / "mark"
    for name in ("vectorizer.pkl", "label_encoder.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Writes(str(mark))))
    with pytest.raises(PredictionError):
        ModelFile(str(tmp_path / "model.pkl"), trust=trust).load().predict(COMMENTS)
    assert not mark.exists()


class Writes:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["label_encoder.pkl", "le_final.joblib", "encoder.pkl"])
def test_an_encoder_of_labels_beside_a_model_of_texts_names_its_classes(tmp_path, name):
    encoder = LabelEncoder()
    labels = encoder.fit_transform(["praise", "blame", "none"])
    texts = ["good film", "bad film", "dull film"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels)
    joblib.dump(encoder, tmp_path / name)
    path = saved(tmp_path, model)
    found = ModelFile(path).load()
    assert found.predict(texts) == pytest.approx(model.predict_proba(texts))
    assert found.identity.targets == ("blame", "none", "praise")
    (said,) = found.warnings
    assert (said.code, repr(name) in said.message) == ("classes_assumed", True)
    named = ModelFile(path, classes=("a", "b", "c")).load()
    assert (named.warnings, named.predict(texts).shape) == ((), (3, 3))
    assert named.identity.targets == ("a", "b", "c")


def test_encoders_of_labels_that_do_not_tell_which_is_meant_are_told_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ["good film", "bad film", "dull film"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1, 2])
    for words in ("abc", "uvw"):
        joblib.dump(LabelEncoder().fit(list(words)), f"label_encoder_{words}.pkl")
    joblib.dump(model, "model.pkl")
    (said,) = ModelFile("model.pkl").load().warnings
    assert (said.code, "called 0 to 2" in said.message) == ("classes_assumed", True)
    typed = shlex.split(re.search("(python -c .*) prints", said.message)[1])
    done = subprocess.run([sys.executable, *typed[1:]], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "a,b,c"
    (tmp_path / "label_encoder_uvw.pkl").unlink()
    (tmp_path / "label_encoder_abc.pkl").write_bytes(
        b"cos\ngetcwd\n(tR."
    )  # which that line would run
    (said,) = ModelFile("model.pkl", threads=1).load().warnings
    assert "it was not loaded: limex inspect label_encoder_abc.pkl" in said.message
    assert "python -c" not in said.message


@pytest.mark.parametrize(
    ("called", "names"),
    [("label_encoder", ["blame", "praise"]), ("le", ["blame", "praise"]),
     ("gender", ["blame", "praise"]), ("target_encoder", ["a", "b", "c"])],
)  # fmt: skip
def test_an_encoder_of_labels_in_the_file_names_the_classes_that_it_numbered(
    tmp_path, called, names
):
    texts, numbers = ["good film", "bad film", "good one"], [1, 0, 1]
    vectorizer, encoder = TfidfVectorizer().fit(texts), LabelEncoder().fit(names)
    model = LogisticRegression().fit(vectorizer.transform(texts), numbers)
    held = {"vectorizer": vectorizer, "model": model, called: encoder}
    found = ModelFile(saved(tmp_path, held)).load()
    found.predict(texts)
    told = [one.message for one in found.warnings if one.code == "classes_assumed"]
    named = called != "gender" and len(names) == 2
    assert found.identity.targets == (("blame", "praise") if named else ("0", "1"))
    assert [f"as {called!r} of the file has them" in one for one in told] == [True] * named
    typed = ModelFile(saved(tmp_path, held), classes=("x", "y")).load()
    typed.predict(texts)
    assert typed.identity.targets == ("x", "y")


def test_files_of_other_names_beside_a_model_are_none_of_its_business(tmp_path):
    joblib.dump(StandardScaler().fit(X), tmp_path / "other.pkl")
    assert ModelFile(saved(tmp_path, FITTED)).load().warnings == ()


FRAME = pd.DataFrame(
    {
        "u": X[:, 0],
        "v": X[:, 1],
        "sex": RNG.choice(["male", "female"], 60),
        "port": RNG.choice(["S", "C", "Q"], 60),
    }
)
SCALER = StandardScaler().fit(FRAME[["u", "v"]])
ENCODER = OneHotEncoder().fit(FRAME[["sex", "port"]])
DROPPING = OneHotEncoder(drop="first", sparse_output=False).fit(FRAME[["sex"]])
PARTS = {"scaler": SCALER, "encoder": ENCODER, "dropping": DROPPING}


@pytest.mark.parametrize(
    "order",
    [["scaler", "encoder"], ["encoder", "scaler"], ["dropping", "scaler"], ["dropping", "encoder"]],
    ids=",".join,
)
def test_parts_that_were_stacked_by_hand_are_put_side_by_side_in_the_order_said(tmp_path, order):
    made = []
    for one in order:
        held = PARTS[one].transform(FRAME[list(PARTS[one].feature_names_in_)])
        made.append(held.toarray() if hasattr(held, "toarray") else held)
    rows = np.hstack(made)
    model = LogisticRegression().fit(rows, Y)
    path = saved(tmp_path, {**{one: PARTS[one] for one in order}, "model": model})
    with pytest.raises(ModelError, match=f"side by side: --key {','.join(order)},model"):
        ModelFile(path).load()
    found = ModelFile(path, key=",".join([*order, "model"])).load()
    names = found.input.columns
    table = Table(names, tuple(np.array(FRAME[one]) for one in names))
    assert found.predict(table) == pytest.approx(model.predict_proba(rows))
    (said,) = [one.message for one in found.warnings if one.code == "chained"]
    assert "in the order of --key; the model does not tell whether it was fitted so" in said


@pytest.mark.parametrize("first", ["encoder", "numbers"])
@pytest.mark.parametrize("listed", [["v", "u"], ["sex", "v", "port", "u"]], ids=["rest", "all"])
def test_columns_that_lie_beside_an_encoder_are_taken_as_they_are(tmp_path, first, listed):
    order = [first, *({"encoder", "numbers"} - {first})]
    encoded = ENCODER.transform(FRAME[["sex", "port"]]).toarray()
    own = {"encoder": encoded, "numbers": FRAME[["v", "u"]]}
    rows = np.hstack([own[one] for one in order])
    model = LogisticRegression().fit(rows, Y)
    path = saved(tmp_path, {"encoder": ENCODER, "model": model, "numbers": listed})
    with pytest.raises(ModelError, match="side by side: --key encoder,numbers,model"):
        ModelFile(path).load()
    found = ModelFile(path, key=",".join([*order, "model"])).load()
    names = found.input.columns
    table = Table(names, tuple(np.array(FRAME[one]) for one in names))
    assert found.predict(table) == pytest.approx(model.predict_proba(rows))


@pytest.mark.parametrize("key", ["model,scaler", "scaler,model", "encoder,encoder,model"])
def test_parts_that_do_not_make_the_model_s_columns_are_told(tmp_path, key):
    rows = np.hstack([SCALER.transform(FRAME[["u", "v"]]), DROPPING.transform(FRAME[["sex"]])])
    held = {"scaler": SCALER, "encoder": ENCODER, "model": LogisticRegression().fit(rows, Y)}
    with pytest.raises(ModelError, match="side by side are the columns of the parts those"):
        ModelFile(saved(tmp_path, held), key=key).load()


@pytest.mark.parametrize(
    "used",
    [["encoder"], ["dropping"], ["encoder", "scaler"]],
    ids=",".join,
)
def test_an_encoder_whose_columns_the_model_names_is_applied(tmp_path, used):
    parts = {one: PARTS[one] for one in used}
    rows = FRAME[["v", "u"]].copy()
    for one in parts.values():
        held = one.transform(FRAME[list(one.feature_names_in_)])
        held = held.toarray() if hasattr(held, "toarray") else held
        for name, column in zip(one.get_feature_names_out(), held.T, strict=True):
            rows[name] = column
    model = LogisticRegression().fit(rows, Y)
    found = ModelFile(saved(tmp_path, {**parts, "model": model})).load()
    names = found.input.columns
    assert {*names} <= {*FRAME}
    table = Table(names, tuple(np.array(FRAME[one]) for one in names))
    assert found.predict(table) == pytest.approx(model.predict_proba(rows))
    assert "chained" in [one.code for one in found.warnings]


ROWS = pd.DataFrame(X, columns=["u", "v", "w"])
COST = pd.DataFrame({"cost": 50 + 9 * X[:, 0] + X[:, 1]})
OF_COST = StandardScaler().fit(COST)
OF_ROWS = StandardScaler().fit(X)
OF_NAMED = StandardScaler().fit(ROWS)
OF_NAMED_ROWS = OF_NAMED.transform(ROWS)
SCALED_COST = OF_COST.transform(COST)
SCALED_BY = LogisticRegression().fit(OF_ROWS.transform(X), Y)
REDUCED = PCA(2, random_state=0).fit(OF_ROWS.transform(X))
COSTS = LinearRegression().fit(OF_ROWS.transform(X), OF_COST.transform(COST))
ON_TWO = Ridge().fit(REDUCED.transform(OF_ROWS.transform(X)), OF_COST.transform(COST).ravel())
PLAIN = Ridge().fit(X, MinMaxScaler().fit_transform(COST).ravel())
OF_TARGET = {
    "named": ({"model": COSTS, "x_scaler": OF_ROWS, "y_scaler": OF_COST}, COSTS, OF_ROWS),
    "first": ({"scaler_y": OF_COST, "scaler_X": OF_ROWS, "model": COSTS}, COSTS, OF_ROWS),
    "alone": ({"model": PLAIN, "target_scaler": MinMaxScaler().fit(COST)}, PLAIN, None),
    "reduced": (
        {"s": OF_ROWS, "pca": REDUCED, "model": ON_TWO, "label_scaler": OF_COST},
        ON_TWO,
        make_pipeline(OF_ROWS, REDUCED),
    ),
    "array": (
        {"sc_X": OF_ROWS, "sc_y": StandardScaler().fit(COST.values), "svr": COSTS},
        COSTS,
        OF_ROWS,
    ),
    "its column": (
        {"a": OF_NAMED, "b": OF_COST, "model": LinearRegression().fit(OF_NAMED_ROWS, SCALED_COST)},
        LinearRegression().fit(OF_NAMED_ROWS, SCALED_COST),
        OF_NAMED,
    ),
}


@pytest.mark.parametrize("name", OF_TARGET)
def test_a_scaler_of_the_target_beside_a_regression_is_undone(tmp_path, name):
    held, model, before = OF_TARGET[name]
    found = ModelFile(saved(tmp_path, held)).load()
    rows = X if before is None else before.transform(X if name != "its column" else ROWS)
    scaler = MinMaxScaler().fit(COST.values) if name == "alone" else OF_COST
    own = scaler.inverse_transform(model.predict(rows).reshape(-1, 1))
    assert found.predict(TABLE) == pytest.approx(own)
    said = " ".join(one.message for one in found.warnings)
    assert "is applied backwards to what" in said


def test_a_scaler_of_one_column_is_not_taken_for_one_of_a_class(tmp_path):
    one = X[:, :1]
    scaler = StandardScaler().fit(one)
    model = LogisticRegression().fit(scaler.transform(one), Y)
    found = ModelFile(saved(tmp_path, {"model": model, "label_scaler": scaler})).load()
    table = Table(("u",), (X[:, 0],))
    assert found.predict(table) == pytest.approx(model.predict_proba(scaler.transform(one)))


def test_parts_that_were_fitted_on_arrays_get_the_columns_that_lie_beside_them(tmp_path):
    numbers = StandardScaler().fit(FRAME[["u", "v"]].to_numpy())
    words = OneHotEncoder(sparse_output=False).fit(FRAME[["sex", "port"]].to_numpy())
    rows = np.hstack(
        [
            numbers.transform(FRAME[["u", "v"]].values),
            words.transform(FRAME[["sex", "port"]].values),
        ]
    )
    model = LogisticRegression().fit(rows, Y)
    parts = {"scaler": numbers, "ohe": words, "model": model}
    lists = {"num_cols": ["u", "v"], "cat_cols": ["sex", "port"]}
    path = saved(tmp_path, {**parts, **lists})
    with pytest.raises(ModelError, match="side by side: --key scaler,ohe,model"):
        ModelFile(path).load()
    found = ModelFile(path, key="scaler,ohe,model").load()
    table = Table(tuple(FRAME), tuple(np.array(FRAME[one]) for one in FRAME))
    names = found.input.columns
    table = Table(names, tuple(np.array(FRAME[one]) for one in names))
    assert found.predict(table) == pytest.approx(model.predict_proba(rows))
    with pytest.raises(ModelError, match=r"one pipeline; or explain a function .*py:module:"):
        ModelFile(saved(tmp_path, parts)).load()


def test_models_deeper_in_a_file_are_named_with_what_fits_before_them(tmp_path):
    wider = LogisticRegression().fit(np.hstack([X, X]), Y)
    held = {"models": {"lr": SCALED_BY, "two": {"wide": wider}}, "scaler": OF_ROWS, "best": "lr"}
    path = saved(tmp_path, held)
    with pytest.raises(ModelError) as caught:
        ModelFile(path).load()
    assert "--key scaler,models.lr or --key models.two.wide" in str(caught.value)
    found = ModelFile(path, key="scaler,models.lr").load()
    assert found.predict(TABLE) == pytest.approx(SCALED_BY.predict_proba(OF_ROWS.transform(X)))
    alone = ModelFile(path, key="models.lr").load()
    assert "--key scaler,models.lr applies it first" in alone.warnings[0].message


@pytest.mark.parametrize("kind", [list, tuple, lambda folds: dict(enumerate(folds))])
def test_the_models_of_folds_are_explained_together(tmp_path, kind):
    folds = [LogisticRegression(C=10.0**i).fit(X[i::3], Y[i::3]) for i in range(3)]
    path = saved(tmp_path, kind(folds))
    with pytest.raises(ModelError, match="--key mean explains the mean of what they predict"):
        ModelFile(path).load()
    found = ModelFile(path, key="mean").load()
    own = np.mean([one.predict_proba(X) for one in folds], axis=0)
    assert found.predict(TABLE) == pytest.approx(own)
    assert found.identity.targets == ("0", "1")


def test_only_models_that_are_alike_have_a_mean(tmp_path):
    other = LogisticRegression().fit(X, Y + 1)
    path = saved(tmp_path, [FITTED, other])
    with pytest.raises(ModelError) as caught:
        ModelFile(path).load()
    assert "--key mean" not in str(caught.value)
    with pytest.raises(ModelError, match="without 'mean'"):
        ModelFile(path, key="mean").load()


@pytest.mark.parametrize("beside", [{"threshold": 0.3}, {"log_target": True}, {"inverse": "exp"}])
def test_what_is_applied_after_a_chain_is_said_to_be_left_out(tmp_path, beside):
    held = {"model": SCALED_BY, "scaler": OF_ROWS, **beside, "auc": 0.9, "log": ""}
    (_, said) = ModelFile(saved(tmp_path, held)).load().warnings
    (name,) = beside
    assert said.code == "not_applied"
    assert said.message.startswith(f"{name!r} beside the model is not applied to what it predicts")


SHARES = FITTED.predict_proba(X)[:, 1]
CALIBRATORS = {
    "isotonic": IsotonicRegression(out_of_bounds="clip").fit(SHARES, 1 - Y),
    "platt": LogisticRegression().fit(SHARES[:, None], 1 - Y),
}


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("name", CALIBRATORS)
def test_what_calibrates_a_classifier_beside_it_is_applied_after_it(tmp_path, name, scaled):
    calibrator = CALIBRATORS[name]
    model, before = (SCALED_BY, {"scaler": OF_ROWS}) if scaled else (FITTED, {})
    held = {"model": model, f"{name}_calibrator": calibrator, **before}
    found = ModelFile(saved(tmp_path, held)).load()
    shares = model.predict_proba(OF_ROWS.transform(X) if scaled else X)[:, 1]
    if name == "isotonic":
        own = calibrator.predict(shares)
    else:
        own = calibrator.predict_proba(shares[:, None])[:, 1]
    assert found.predict(TABLE) == pytest.approx(np.stack([1 - own, own], axis=1))
    assert f"'{name}_calibrator' is applied to the prob" in found.warnings[-1].message


@pytest.mark.parametrize("machine", [LinearSVC(dual=True), SVC()], ids=["linear", "kernel"])
def test_what_calibrates_decision_values_is_applied_to_them(tmp_path, machine):
    model = clone(machine).fit(X, Y)
    values = model.decision_function(X)[:, None]
    calibrator = LogisticRegression().fit(values, Y)
    found = ModelFile(saved(tmp_path, {"svm": model, "platt": calibrator})).load()
    assert found.predict(TABLE) == pytest.approx(calibrator.predict_proba(values))
    assert "'platt' is applied to the decision values of 'svm'" in found.warnings[-1].message


def test_a_model_that_is_called_mean_is_itself(tmp_path):
    other = LogisticRegression(C=1e-3).fit(X, Y)
    path = saved(tmp_path, {"models": {"mean": FITTED, "other": other}})
    found = ModelFile(path, key="models.mean").load()
    assert found.predict(TABLE) == pytest.approx(FITTED.predict_proba(X))


def test_tables_beside_a_model_are_no_part_of_it(tmp_path):
    held = {"model": FITTED, "X_train": ROWS, "y_train": pd.Series(Y)}
    found = ModelFile(saved(tmp_path, held)).load()
    assert np.array_equal(found.predict(TABLE), FITTED.predict_proba(X))
    assert "'X_train' and 'y_train' beside it are not applied" in found.warnings[0].message


def test_the_models_of_a_cross_validation_have_a_mean(tmp_path):
    done = cross_validate(LogisticRegression(), X, Y, cv=3, return_estimator=True)
    path = saved(tmp_path, done)
    with pytest.raises(
        ModelError, match=r"--key estimator\.2 or --key estimator\.mean, their mean"
    ):
        ModelFile(path).load()
    own = np.mean([one.predict_proba(X) for one in done["estimator"]], axis=0)
    assert ModelFile(path, key="estimator.mean").load().predict(TABLE) == pytest.approx(own)


def test_a_scaler_of_one_number_that_fits_nowhere_else_is_that_of_the_target(tmp_path):
    of_target = StandardScaler().fit(COST.values)
    model = Ridge().fit(OF_ROWS.transform(X), of_target.transform(COST.values).ravel())
    found = ModelFile(saved(tmp_path, (OF_ROWS, of_target, model))).load()
    own = of_target.inverse_transform(model.predict(OF_ROWS.transform(X))[:, None])
    assert found.predict(TABLE) == pytest.approx(own)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_booster_behind_a_scaler_answers_as_its_own(tmp_path, library):
    package = pytest.importorskip(library)
    rows = OF_ROWS.transform(X)
    if library == "xgboost":
        matrix = package.DMatrix(rows, Y)
        booster = package.train({"objective": "binary:logistic"}, matrix, 3)
        own = booster.predict(package.DMatrix(rows))
    else:
        said = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 3}
        booster = package.train(said, package.Dataset(rows, Y), 3)
        own = booster.predict(rows)
    found = ModelFile(saved(tmp_path, {"model": booster, "scaler": OF_ROWS})).load()
    assert found.predict(TABLE) == pytest.approx(np.stack([1 - own, own], axis=1), abs=1e-6)


def test_a_model_s_file_in_a_file_is_written_out_by_the_command_that_is_named(
    tmp_path, monkeypatch
):
    path = saved(tmp_path, {"model_bytes": pickle.dumps(FITTED), "version": "1.2"})
    with pytest.raises(
        ModelError, match="holds the file of a pickle under 'model_bytes'"
    ) as caught:
        ModelFile(path).load()
    monkeypatch.chdir(tmp_path)
    _, *command = shlex.split(str(caught.value).partition("explain that: ")[2])
    subprocess.run([sys.executable, *command], check=True, timeout=600)
    assert np.array_equal(ModelFile("model.pkl").load().predict(TABLE), FITTED.predict_proba(X))
    words = "tree\nversion=v4\nnum_class=1\n" + "x" * 600
    with pytest.raises(ModelError, match=r"the file of a LightGBM model .*open.*model.txt"):
        ModelFile(saved(tmp_path, {"model_str": words})).load()


@pytest.mark.parametrize(
    ("model", "way"),
    [
        (DBSCAN().fit(X), "save a classifier that was fitted on its labels"),
        (LocalOutlierFactor().fit(X), "fit it with novelty=True"),
    ],
)
def test_what_labels_only_its_own_rows_says_what_to_save_instead(tmp_path, model, way):
    with pytest.raises(ModelError, match=f"labels only the rows that it was fitted on; {way}"):
        ModelFile(saved(tmp_path, model)).load()


def test_only_a_few_plain_files_beside_a_model_are_opened(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(model_file, "MOST_BESIDE", 9)
    (tmp_path / "large_vectorizer.pkl").write_bytes(b"0123456789")
    for name in ("scaler.pkl", "vectorizer.pkl", "model.pkl"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder_vectorizer.pkl").mkdir()
    (tmp_path / "zero_vectorizer.pkl").symlink_to("/dev/zero")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "a_vectorizer.pkl")
    assert pickles_beside(str(tmp_path / "model.pkl"), VECTORIZERS) == ("vectorizer.pkl",)
    opened = []
    for n in range(30):
        (tmp_path / f"scaler{n}.pkl").write_bytes(b"")

    def load(path):
        opened.append(path.name)
        return CountVectorizer().fit(["a word"]) if path.name == "vectorizer.pkl" else None

    opened_beside(ModelFile(str(tmp_path / "model.pkl")), load)
    assert len(opened) <= 2 * TRIED


def test_what_lies_beside_a_model_is_read_once_even_if_it_is_refused(tmp_path, monkeypatch) -> None:
    read, unpickle = [], loading.unpickle_any

    def counted(path, *trust):
        read.append(path.name)
        return unpickle(path, *trust)

    joblib.dump(CountVectorizer().fit(["one word"]), tmp_path / "vectorizer.pkl")
    joblib.dump(pow, tmp_path / "tfidf_vectorizer.pkl")
    joblib.dump(StandardScaler().fit(X), tmp_path / "scaler.pkl")
    monkeypatch.setattr(loading, "unpickle_any", counted)
    path = saved(tmp_path, FITTED)
    assert "not_applied" in [one.code for one in ModelFile(path).load().warnings]
    assert sorted(read) == ["m.joblib", "scaler.pkl", "tfidf_vectorizer.pkl", "vectorizer.pkl"]
