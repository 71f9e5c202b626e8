"""skops files: what is on the list loads, everything else is named."""

import io
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
    path = rewritten(tmp_path, lambda held: held.update(coef_=WRITTEN[name]))
    with pytest.raises(UntrustedModel, match=r"(calls a class|attributes in no dictionary)"):
        ModelFile(path).load()


def rewritten(tmp_path, change, **entries):
    """Save a model whose description is changed by its attributes, with other entries beside it."""
    fitted = make_pipeline(FunctionTransformer(np.tanh), LogisticRegression()).fit(X, Y)
    path = saved(tmp_path, fitted)
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
        rest = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    model = next(one for one in _nodes(schema) if one["__class__"] == "LogisticRegression")
    change(model["content"]["content"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in {"schema.json": json.dumps(schema), **rest, **entries}.items():
            archive.writestr(entry, content)
    return path


CALLS = {
    "a class is called": node("ConstructorFromReduceNode", *PLACE, plain([])),
    "a class is called as a loss": node(
        "LossNode", *PLACE, plain({}), __reduce__={"args": plain([])}
    ),
    "a class is called as a helper": node(
        "ConstructorFromReduceNode", "sklearn.neighbors._kd_tree", "newObj", plain([])
    ),
    "a class is called as random numbers": node("RandomStateNode", *PLACE, plain({})),
    "a class is called as a generator": node(
        "RandomGeneratorNode", *PLACE, {"bit_generator": plain({}), "seed_seq": plain({})}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_description_that_calls_a_class_with_what_is_in_it_is_refused(tmp_path, name):
    if "generator" in name:
        kind = node("DictNode", "builtins", "dict", {"bit_generator": plain("PCG64")})
        kind["key_types"] = node("ListNode", "builtins", "list", [])
        CALLS[name]["content"]["bit_generator"] = kind
    path = rewritten(tmp_path, lambda held: held.update(coef_=CALLS[name]))
    with pytest.raises(UntrustedModel, match=r"calls sklearn\.\S+ with what is in the file"):
        ModelFile(path).load()


def test_a_booster_that_names_a_file_is_not_made(tmp_path):
    pytest.importorskip("xgboost")
    words = [plain(None), plain([]), plain(str(tmp_path / "absent.json"))]
    args = node("TupleNode", "builtins", "tuple", words)
    made = node("ConstructorFromReduceNode", "xgboost.core", "Booster", args)
    path = rewritten(tmp_path, lambda held: held.update(coef_=made))
    with pytest.raises(UntrustedModel, match=r"calls xgboost\.core\.Booster"):
        ModelFile(path).load()


def one_number(held, second):
    """Describe pairs and then, under their number, something else, where attributes are due."""
    pairs = node("TupleNode", "builtins", "tuple", [plain(["a", 1])], __id__=7)
    kernel = node("ObjectNode", "sklearn.gaussian_process.kernels", "RBF", second)
    held.update(C=pairs, coef_=kernel)


NO_KEYS = node("ListNode", "builtins", "list", [])
SECOND = {
    "a dictionary": node("DictNode", "builtins", "dict", {}, key_types=NO_KEYS, __id__=7),
    "nothing": {**plain(None), "__id__": 7},
    "a reference": node("CachedNode", "builtins", "tuple", "null", __id__=7),
}


@pytest.mark.parametrize("name", SECOND)
def test_two_things_of_one_number_are_refused(tmp_path, name):
    path = rewritten(tmp_path, lambda held: one_number(held, SECOND[name]))
    with pytest.raises(UntrustedModel, match="several things under one number") as raised:
        ModelFile(path).load()
    assert "--trust" not in raised.value.hint


@pytest.mark.parametrize(
    "second", [{"__id__": 7, "content": "null"}, {"__loader__": "DictNode", "__id__": 7}]
)
def test_a_thing_that_is_described_in_part_is_damaged(tmp_path, second):
    path = rewritten(tmp_path, lambda held: one_number(held, second))
    with pytest.raises(ModelError, match="is damaged: a thing that is described in part"):
        ModelFile(path).load()


def test_things_in_things_in_all_combinations_are_refused_at_once(tmp_path):
    inner = node("ListNode", "builtins", "list", [], __id__=1)
    for number in range(2, 60):
        again = node("ListNode", "builtins", "list", [], __id__=number - 1)
        inner = node("ListNode", "builtins", "list", [inner, again], __id__=number)
    path = rewritten(tmp_path, lambda held: held.update(coef_=inner))
    with pytest.raises(UntrustedModel, match="several things under one number"):
        ModelFile(path).load()


def test_an_entry_that_is_read_often_counts_as_often(tmp_path):
    def often(held):
        reads = [
            node("NdArrayNode", "numpy", "ndarray", None, type="numpy", file="z.npy", __id__=n)
            for n in range(1, 50)
        ]
        held["coef_"] = node("ListNode", "builtins", "list", reads)

    path = rewritten(tmp_path, often, **{"z.npy": bytes(1 << 20)})
    with pytest.raises(ModelError, match="expands beyond 32 MiB"):
        ModelFile(path).load()


def test_a_matrix_that_is_packed_twice_counts_unpacked(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("data.npy", bytes(40 << 20))
    matrix = node(
        "SparseMatrixNode", "scipy.sparse._csr", "csr_matrix", None, type="scipy", file="s.npz"
    )
    path = rewritten(
        tmp_path, lambda held: held.update(coef_=matrix), **{"s.npz": packed.getvalue()}
    )
    with pytest.raises(ModelError, match="expands beyond 32 MiB"):
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
