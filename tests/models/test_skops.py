"""skops files: what is on the list loads, everything else is named."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from lime_cli.errors import MissingDependency, ModelError, UntrustedModel
from lime_cli.models.model_file import ModelFile, format_of
from lime_cli.models.skops import _nodes
from lime_cli.tabular.row import Table

sio = pytest.importorskip("skops.io")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])]
TABLE = Table(("u", "v", "w"), tuple(X.T))


class Own(LogisticRegression):
    """A class of nobody's list."""


def saved(tmp_path, model, name="m.skops"):
    sio.dump(model, tmp_path / name)
    return str(tmp_path / name)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        RandomForestClassifier(3, random_state=0),
        HistGradientBoostingClassifier(max_iter=3),
    ],
    ids=lambda one: type(one).__name__,
)
def test_models_of_the_list_predict_as_before(tmp_path, estimator):
    fitted = estimator.fit(X, Y)
    path = saved(tmp_path, fitted)
    assert format_of(tmp_path / "m.skops") == "skops"
    model = ModelFile(path).load()
    assert np.array_equal(model.predict(TABLE), fitted.predict_proba(X))
    assert model.identity.format == "skops"
    assert model.identity.targets == ("a", "b", "c")


def test_a_pipeline_over_words_gets_its_frame(tmp_path):
    frame = pd.DataFrame({"u": X[:, 0], "city": np.array(["Oslo", "Rome"])[RNG.integers(0, 2, 90)]})
    columns = ColumnTransformer([("word", OneHotEncoder(), ["city"])], remainder="passthrough")
    fitted = make_pipeline(columns, LogisticRegression()).fit(frame, Y)
    model = ModelFile(saved(tmp_path, fitted)).load()
    table = Table(("u", "city"), (X[:, 0], frame["city"].to_numpy(object)))
    assert model.predict(table) == pytest.approx(fitted.predict_proba(frame))


def test_a_class_that_is_not_on_the_list_is_named_with_the_ways_on(tmp_path):
    path = saved(tmp_path, Own().fit(X, Y))
    with pytest.raises(UntrustedModel, match=r"needs 1 name .*Own.*--trust-module") as caught:
        ModelFile(path).load()
    assert str(caught.value).startswith("m.skops: ")
    for choices in ({"trust": True}, {"trust_modules": (Own.__module__,)}):
        assert ModelFile(path, **choices).load().predict(TABLE).shape == (90, 3)


def test_a_method_tied_to_an_object_is_refused(tmp_path):
    scaler = StandardScaler().fit(X)
    tied = make_pipeline(FunctionTransformer(scaler.transform), LogisticRegression()).fit(X, Y)
    with pytest.raises(
        UntrustedModel, match=r"is not safe to load: it binds arguments to a function"
    ):
        ModelFile(saved(tmp_path, tied)).load()


def test_a_function_of_the_system_is_refused_even_with_its_module_trusted(tmp_path):
    fitted = make_pipeline(FunctionTransformer(np.tanh), LogisticRegression()).fit(X, Y)
    path = saved(tmp_path, fitted)
    assert ModelFile(path).load().predict(TABLE).shape == (90, 3)
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
        rest = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    node = next(one for one in _nodes(schema) if one["__class__"] == "tanh")
    node.update(__class__="system", __module__="os")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, content in rest.items():
            archive.writestr(name, content)
    with pytest.raises(UntrustedModel, match=r"os\.system"):
        ModelFile(path, trust_modules=("os",)).load()


def plain(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
    }


def node(loader, module, name, content, **more):
    return dict(
        __class__=name, __module__=module, __loader__=loader, content=content, is_json=False, **more
    )


FORGED = {"__array_interface__": {"shape": [4], "typestr": "<f8", "data": [65, False]}}
PLACE = "sklearn.linear_model._logistic", "LogisticRegression"
WRITTEN = {
    "attributes as text": node("ObjectNode", *PLACE, plain(FORGED)),
    "attributes in a list": node(
        "ObjectNode", *PLACE, node("ListNode", "builtins", "list", [plain(FORGED)])
    ),
    "attributes in pairs": node(
        "ObjectNode", *PLACE, node("TupleNode", "builtins", "tuple", [plain(["a", 1])])
    ),
    "a class that is called with items": node("ListNode", *PLACE, [plain(1)]),
    "a set of another class": node("SetNode", *PLACE, [plain(1)]),
    "a dictionary of another class": node(
        "DictNode", *PLACE, {}, key_types=node("ListNode", "builtins", "list", [])
    ),
    "a function that is called with items": node("ListNode", "numpy", "tanh", [plain(1)]),
    "a function that is called with an array": node(
        "NdArrayNode", "scipy.special", "expit", [], type="json", shape=plain([1])
    ),
    "keys of another class": node(
        "DictNode", "builtins", "dict", {"a": plain(1)},
        key_types=node("ListNode", "builtins", "list", [node("TypeNode", *PLACE, None)]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_a_description_that_calls_a_class_or_sets_unseen_attributes_is_refused(tmp_path, name):
    fitted = make_pipeline(FunctionTransformer(np.tanh), LogisticRegression()).fit(X, Y)
    path = saved(tmp_path, fitted)
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
        rest = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    model = next(one for one in _nodes(schema) if one["__class__"] == "LogisticRegression")
    model["content"]["content"]["coef_"] = WRITTEN[name]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for entry, content in rest.items():
            archive.writestr(entry, content)
    with pytest.raises(UntrustedModel, match=r"(calls a class|attributes in no dictionary)"):
        ModelFile(path).load()


def test_texts_named_as_files_are_refused(tmp_path):
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression())
    fitted.fit(["good film", "bad film"] * 3, [1, 0] * 3)
    fitted[0].set_params(input="filename")
    with pytest.raises(ModelError, match=r"^m\.skops: "):
        ModelFile(saved(tmp_path, fitted)).load()


def test_a_file_that_expands_too_far_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path, LogisticRegression().fit(X, Y))
    monkeypatch.setattr("lime_cli.models.skops.MAX_BYTES", 100)
    with pytest.raises(ModelError, match="expands beyond"):
        ModelFile(path).load()


def test_a_small_file_may_not_become_a_large_one(tmp_path):
    fitted = LogisticRegression().fit(X, Y)
    fitted.coef_ = np.zeros((3, 1 << 21))
    sio.dump(fitted, tmp_path / "m.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    with pytest.raises(ModelError, match="expands beyond 32 MiB"):
        ModelFile(str(tmp_path / "m.skops")).load()


def test_a_file_cut_short_is_told(tmp_path):
    path = saved(tmp_path, LogisticRegression().fit(X, Y))
    content = (tmp_path / "m.skops").read_bytes()
    (tmp_path / "m.skops").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"^m\.skops: is cut short"):
        ModelFile(path).load()


def test_a_description_that_means_nothing_is_told(tmp_path):
    for content in ("{", json.dumps({"__loader__": "Strange", "__class__": "x"})):
        with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
            archive.writestr("schema.json", content)
        with pytest.raises(ModelError, match=r"^m\.skops: is damaged"):
            ModelFile(str(tmp_path / "m.skops"), threads=len(content)).load()


def test_without_the_library_the_line_that_installs_it_is_named(tmp_path, monkeypatch):
    path = saved(tmp_path, LogisticRegression().fit(X, Y))
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    with pytest.raises(MissingDependency, match=r"pip install 'limex\[skops\]'"):
        ModelFile(path).load()
