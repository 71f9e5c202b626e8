"""``limex inspect``: what a model file is, without running it, and how limex would use it."""

import json
import pickle
import shutil
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from tests.models import malicious
from tests.models.test_onnx import token_model
from tests.test_architecture import loaded_by

MODELS = (
    "zoo_mlp.onnx",
    "cancer_forest.onnx",
    "diabetes.onnx",
    "reviews.onnx",
    "scenes.onnx",
)


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline with two columns and two classes, in a file."""
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.array(["no", "yes"] * 30)
    return saved(tmp_path / "pipeline.pkl", make_pipeline(StandardScaler(), clf()).fit(X, y))


def clf():
    return LogisticRegression()


def saved(path, model):
    path.write_bytes(pickle.dumps(model))
    return path


def report(result, code=0):
    assert result.code == code, result.err
    return json.loads(result.out)


class Stranger:
    """A class that no list knows."""


@pytest.fixture
def stranger(tmp_path):
    """A pickle of a class that no list knows."""
    return saved(tmp_path / "stranger.pkl", Stranger())


def test_sparse_rows_are_told_of_and_written_down_and_read_again(limex, tmp_path):
    rows = csr_matrix(np.eye(6)[np.arange(60) % 6])
    model = saved(tmp_path / "model.pkl", SVC().fit(rows, np.arange(60) % 2))
    assert "  given       sparse rows (CSR)\n" in limex("inspect", model, "--write-config").out
    assert 'input-form = "sparse"' in (tmp_path / "model.pkl.toml").read_text("utf-8")
    lines = [",".join("abcdef"), *(",".join(str(int(i == j)) for i in range(6)) for j in range(6))]
    (tmp_path / "rows.csv").write_text("\n".join(lines + lines[1:] * 9), "utf-8")
    explained = limex("explain", "tabular", model, tmp_path / "rows.csv", "--row", "0")
    assert explained.code == 0, explained.err
    found = report(limex("inspect", model, "-f", "json"))
    assert (found["input"]["form"], found["options"]["input-form"]) == ("sparse", "sparse")


SPARSE_ONLY = """
class Counting:
    classes_, n_features_in_ = ["no", "yes"], 3
    def predict_proba(self, X):
        import numpy
        share = X.tocsr().getnnz(axis=1) / 3
        return numpy.column_stack([1 - share, share])
model = Counting()
"""


def test_a_model_that_refuses_all_but_sparse_rows_is_told_of(limex, tmp_path, monkeypatch):
    (tmp_path / "sparse_only.py").write_text(SPARSE_ONLY, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("sparse_only")
    path = saved(tmp_path / "model.pkl", module.model)
    result = limex("inspect", path, "--trust-module", "sparse_only")
    assert "  given       sparse rows (CSR)\n" in result.out, result.err
    found = limex("inspect", path, "--trust-module", "sparse_only", "--input-form", "array")
    assert "no answer" in found.out


def test_sparse_rows_for_a_column_of_words_are_one_line(limex, tmp_path):
    model = saved(tmp_path / "model.pkl", clf().fit(np.eye(2), [0, 1]))
    (tmp_path / "rows.csv").write_text("a,b\n" + "x,1\ny,2\n" * 60, "utf-8")
    said = ("explain", "tabular", model, tmp_path / "rows.csv", "--row", "0")
    result = limex(*said, "--input-form", "sparse")
    line = "limex: model.pkl: is given sparse rows, which cannot hold the words of column 'a'; "
    hint = "use --input-form frame or array, or leave the column out with --drop"
    assert (result.code, result.err.splitlines()) == (4, [line + hint])


def test_a_pickle_is_described_on_a_page(limex, pipeline):
    result = limex("inspect", pipeline)
    assert (result.code, result.err) == (0, "")
    for words in (
        "pipeline.pkl  pickle",
        "written by  scikit-learn",
        "model       Pipeline",
        "standardscaler      StandardScaler",
        "classes     2: no, yes",
        "called by   predict_proba: classification, 2 probabilities",
        f"explain it  limex explain tabular {pipeline} DATA.csv --row 0",
        "may be loaded         sklearn.pipeline.Pipeline",
    ):
        assert words in result.out


def test_an_onnx_model_is_described_on_a_page(limex):
    result = limex("inspect", "sample_models/scenes.onnx")
    assert (result.code, result.err) == (0, "")
    for words in (
        "written by  pytorch",
        "IR 8",
        "opset       ai.onnx 17",
        "input       image: float [batch, 3, 96, 96]",
        "output      probabilities: float [batch, 5]",
        "limex.preprocess: unit",
        "--layout NCHW",
        "--preprocess unit",
        "--size 96",
    ):
        assert words in result.out


def test_the_dry_run_tells_parts_and_classes_without_loading(limex, pipeline):
    found = report(limex("inspect", pipeline, "--no-load", "-f", "json"))
    assert [one["kind"].rpartition(".")[2] for one in found["pickle"]["steps"]] == [
        "Pipeline",
        "StandardScaler",
        "LogisticRegression",
    ]
    assert found["classes"] == ["no", "yes"]
    assert found["input"]["n_columns"] == 2
    assert (found["modality"], found["probe"], found["loadable"]) == ("tabular", None, True)


@pytest.mark.parametrize("protocol", range(6))
def test_columns_and_classes_are_read_under_every_protocol(limex, tmp_path, protocol):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    model = LogisticRegression().fit(X, np.array(["x", "x", "y", "y"]))
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model, protocol))
    found = report(limex("inspect", tmp_path / "m.pkl", "--no-load", "-f", "json"))
    if protocol > 2:  # before, bytes were written as text, which stays unread
        assert found["classes"] == ["x", "y"]
    assert found["input"]["columns"] == ["a", "b"]


def test_a_joblib_file_is_read_with_its_arrays(limex, tmp_path):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    joblib.dump(LogisticRegression().fit(X, ["x", "x", "y", "y"]), tmp_path / "m.joblib", 3)
    found = report(limex("inspect", tmp_path / "m.joblib", "--no-load", "-f", "json"))
    assert (found["classes"], found["input"]["columns"]) == (["x", "y"], ["a", "b"])
    assert found["packing"] == "zlib"


def test_the_report_is_the_same_twice_and_plain_ascii(limex, pipeline):
    first, again = (limex("inspect", pipeline, "-f", "json").out for _ in range(2))
    assert first == again
    assert first.isascii()
    assert list(json.loads(first)) == [
        *("schema", "limex", "file", "format", "packing", "bytes", "sha256", "loadable", "refusal"),
        *("modality", "input", "classes", "names", "pickle", "onnx", "booster", "probe", "options"),
        *("to_say", "check"),
    ]


def test_a_file_with_unknown_names_is_reported_and_refused(limex, stranger):
    result = limex("inspect", stranger)
    assert (result.code, result.err.count("\n")) == (4, 1)
    assert (
        "needs 1 name limex does not know: tests.tools.inspect.test_command.Stranger" in result.err
    )
    assert "NOT KNOWN             tests.tools.inspect.test_command.Stranger" in result.out
    assert "explain it" not in result.out


def test_refusals_are_worded_as_explain_words_them(limex, stranger):
    ours = limex("inspect", stranger).err
    assert limex("explain", "tabular", stranger, "sample_data/zoo.csv", "--row", "1").err == ours


def test_a_trusted_module_is_marked_so(limex, stranger):
    trusting = ("--trust-module", "tests.tools.inspect.test_command", "--no-load", "-f", "json")
    found = report(limex("inspect", stranger, *trusting))
    assert found["names"][0]["verdict"] == "trusted"
    loaded = limex("inspect", stranger, "--trust")
    assert (loaded.code, "has no predict" in loaded.err) == (4, True)


@pytest.mark.parametrize("name", malicious.payloads())
def test_hostile_pickles_are_named_and_never_run(limex, tmp_path, name):
    marker, path = tmp_path / "marker", tmp_path / "model.pkl"
    path.write_bytes(malicious.payloads()[name](marker))
    result = limex("inspect", path, "-f", "json")
    assert (result.code, result.err.count("\n")) == (4, 1), result.err
    assert "limex inspect" not in result.err
    found = json.loads(result.out)
    assert found["loadable"] is False
    assert not marker.exists()


def test_a_dangerous_name_is_marked(limex, tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    result = limex("inspect", tmp_path / "m.pkl")
    assert "DANGER                os.system (call, ref)" in result.out
    assert result.err.startswith("limex: m.pkl: is not safe to load: it uses os.system")


@pytest.mark.parametrize(
    "content", [b"", b"hello, this is text\n", b"\x89PNG\r\n", b"\x80\x04\x95"]
)
def test_what_is_no_model_is_still_measured(limex, tmp_path, content):
    (tmp_path / "m.pkl").write_bytes(content)
    result = limex("inspect", tmp_path / "m.pkl")
    assert (result.code, result.err.count("\n")) == (4, 1)
    assert f"{len(content):,} bytes" in result.out


@pytest.mark.parametrize("path", ["no/such/file.pkl", "sample_models"])
def test_no_file_is_no_report(limex, path):
    result = limex("inspect", path)
    assert (result.code, result.out, result.err.count("\n")) == (4, "", 1)


def test_errors_may_be_json(limex, stranger):
    result = limex("--json-errors", "inspect", stranger)
    assert json.loads(result.err)["exit_code"] == 4


def test_steering_characters_are_spelled_out(limex, tmp_path):
    model = LogisticRegression().fit([[0.0], [1.0]], ["a\x1b[31m", "b"])
    result = limex("inspect", saved(tmp_path / "m.pkl", model))
    assert "\x1b" not in result.out
    assert "a\\x1b[31m" in result.out


def test_made_up_rows_may_not_fit_and_real_ones_do(limex, tmp_path, samples, data):
    from tests.test_samples import build

    path = build.rebuild("loans", tmp_path)
    made_up = report(limex("inspect", path, "-f", "json"))
    real = report(limex("inspect", path, "--data", data / "loans.csv", "-f", "json"))
    assert real["probe"]["targets"] == made_up["probe"]["targets"] == ["no", "yes"]


def test_a_model_that_does_not_take_made_up_rows_is_no_failure(limex, tmp_path):
    from sklearn.preprocessing import OneHotEncoder

    X = np.array([["red"], ["blue"]] * 20, dtype=object)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(X, [0, 1] * 20)
    path = saved(tmp_path / "m.pkl", model)
    result = limex("inspect", path)
    assert result.code == 0, result.err
    assert "no answer   made-up rows do not fit the model; name real ones with --data" in result.out
    (tmp_path / "d.csv").write_text("colour\n" + "red\nblue\n" * 30)
    assert report(limex("inspect", path, "--data", tmp_path / "d.csv", "-f", "json"))["probe"][
        "task"
    ]


@pytest.mark.parametrize("name", MODELS)
def test_a_written_sidecar_changes_no_explanation(limex, tmp_path, samples, name):
    from tests.options.test_config import settings

    inputs = {
        "zoo_mlp.onnx": ("tabular", "zoo.csv", "--row", "84"),
        "cancer_forest.onnx": ("tabular", "breast_cancer.csv", "--row", "3"),
        "diabetes.onnx": ("tabular", "diabetes.csv", "--row", "3"),
        "reviews.onnx": ("text", "review.txt"),
        "scenes.onnx": ("image", "scene.png"),
    }
    modality, data, *rest = inputs[name]
    shutil.copyfile(samples / name, tmp_path / name)
    call = ("explain", modality, tmp_path / name, f"sample_data/{data}", *rest, "-f", "json")
    call = (*call, "--samples", "100")
    before = limex(*call)
    written = limex("inspect", tmp_path / name, "--write-config")
    assert f"limex: wrote {tmp_path / name}.toml\n" == written.err
    after = limex(*call)
    assert settings(after) == settings(before)
    assert after.out == before.out
    assert "options from" in after.err


def test_a_sidecar_is_not_replaced_without_force(limex, tmp_path, samples):
    model = shutil.copyfile(samples / "scenes.onnx", tmp_path / "m.onnx")
    (tmp_path / "m.onnx.toml").write_text("seed = 7\n")
    result = limex("inspect", model, "--write-config")
    assert (result.code, "exists already" in result.err) == (5, True)
    assert (tmp_path / "m.onnx.toml").read_text() == "seed = 7\n"
    assert limex("inspect", model, "--write-config", "--force").code == 0
    assert 'preprocess = "unit"' in (tmp_path / "m.onnx.toml").read_text()


def test_what_was_said_is_written_too(limex, tmp_path, samples):
    model = shutil.copyfile(samples / "scenes.onnx", tmp_path / "m.onnx")
    said = ("--activation", "softmax", "--model-output", "0", "--classes", "a,b,c,d,e")
    assert limex("inspect", model, *said, "--write-config").code == 0
    options = report(limex("inspect", model, "-f", "json"))["options"]
    assert (options["activation"], options["model-output"]) == ("softmax", "0")
    assert options["classes"] == ["a", "b", "c", "d", "e"]


def test_a_refused_model_gets_no_sidecar(limex, stranger):
    assert limex("inspect", stranger, "--write-config").code == 4
    assert not stranger.with_name("stranger.pkl.toml").exists()


def test_strange_class_names_survive_the_sidecar(limex, tmp_path):
    names = ['a "quoted" one', "tench, Tinca tinca", "back\\slash", "naïve 😀", "x\x7f\n"]
    model = LogisticRegression().fit([[i] for i in range(5)], names)
    path = saved(tmp_path / "m.pkl", model)
    assert limex("inspect", path, "--write-config").code == 0
    found = report(limex("inspect", path, "-f", "json"))
    assert found["probe"]["targets"] == sorted(names)


def test_inspecting_uses_the_model_options_of_the_sidecar(limex, tmp_path, samples):
    model = shutil.copyfile(samples / "reviews.onnx", tmp_path / "m.onnx")
    said = 'classes = ["bad", "good"]\nformat = "json"\nseed = 1\nagainst = "bad"\n'
    (tmp_path / "m.onnx.toml").write_text(said)  # of which inspect has --check-against instead
    result = limex("inspect", model)
    assert "classes     2: bad, good" in result.out
    assert "options from" in result.err


def test_a_model_agrees_with_its_export(limex, tmp_path, samples, data):
    from tests.test_samples import build

    pickled = build.rebuild("zoo_mlp", tmp_path)
    call = ("--check-against", samples / "zoo_mlp.onnx", "--data", data / "zoo.csv")
    found = report(limex("inspect", pickled, *call, "-f", "json"))["check"]
    assert (found["agree"], found["rows"], found["by_name"]) == (True, 100, True)
    assert max(found["differences"].values()) < 1e-5
    strict = limex("inspect", pickled, *call, "--tolerance", "0", "--rows", "7")
    assert (strict.code, strict.err) == (1, "")
    assert "DIFFER on 7 rows within 0" in strict.out


def test_texts_and_pictures_are_checked_too(limex, tmp_path, samples, data):
    from tests.test_samples import build

    pickled = build.rebuild("reviews", tmp_path)
    call = ("inspect", pickled, "--check-against", samples / "reviews.onnx", "--data")
    assert limex(*call, data / "reviews.csv", "--column", "text").code == 0
    assert limex(*call, data / "review.txt").code == 0
    unsaid = limex(*call, data / "reviews.csv")
    assert (unsaid.code, "--column" in unsaid.err) == (2, True)
    wrong = limex(*call, data / "reviews.csv", "--column", "words")
    assert (wrong.code, "no column 'words'" in wrong.err) == (3, True)
    scenes = samples / "scenes.onnx"
    images = ("inspect", scenes, "--check-against", scenes, "--data", data / "scene.png")
    assert limex(*images).code == 0


def test_two_other_models_differ(limex, tmp_path, data):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    one = saved(tmp_path / "one.pkl", LinearRegression().fit(X, X[:, 0]))
    two = saved(tmp_path / "two.pkl", LinearRegression().fit(X, X[:, 1]))
    rows = "\n".join(f"{a},{b}" for a, b in X)
    (tmp_path / "d.csv").write_text(f"a,b\n{rows}\n")
    result = limex("inspect", one, "--check-against", two, "--data", tmp_path / "d.csv")
    assert result.code == 1
    assert "beyond" in result.out
    three = saved(tmp_path / "three.pkl", LinearRegression().fit(X, X))
    wide = limex("inspect", one, "--check-against", three, "--data", tmp_path / "d.csv")
    assert (wide.code, "1 outputs" in wide.err, wide.err.count("\n")) == (4, True, 1)


@pytest.mark.parametrize(
    "wrong",
    [("--check-against", "x.onnx"), ("--check-against", "x", "--data", "d", "--no-load")],
)
def test_a_check_needs_rows_and_two_models(limex, pipeline, wrong):
    assert limex("inspect", pipeline, *wrong).code == 2


def test_looking_at_an_onnx_file_loads_little():
    loaded = loaded_by("inspect", "sample_models/zoo_mlp.onnx")
    assert "onnxruntime" in loaded
    assert not loaded & {"sklearn", "pandas", "skimage", "scipy"}
    assert "sklearn" in sys.modules


def test_looking_at_a_pickle_imports_nothing_it_names(tmp_path):
    loaded = loaded_by("inspect", "sample_models/loans.pkl", "--no-load")
    assert not loaded & {"sklearn", "pandas", "onnxruntime"}


def test_class_names_of_impossible_characters_are_left_out(limex, tmp_path):
    data = pickle.dumps(LogisticRegression().fit([[0.0], [1.0]], np.array(["xx", "yy"])), 4)
    assert b"x\0\0\0x\0\0\0" in data
    (tmp_path / "m.pkl").write_bytes(data.replace(b"x\0\0\0x\0\0\0", b"x\0\xff\xffx\0\0\0"))
    found = report(limex("inspect", tmp_path / "m.pkl", "--no-load", "-f", "json"))
    assert (found["classes"], found["input"]["n_columns"]) == (None, 1)


def test_another_digest_than_the_one_given_is_told(limex, pipeline):
    found = report(limex("inspect", pipeline, "-f", "json"))
    assert limex("inspect", pipeline, "--sha256", found["sha256"]).code == 0
    other = limex("inspect", pipeline, "--sha256", "0" * 64, "--no-load")
    assert (other.code, "its digest is not the one given" in other.err) == (4, True)
    assert found["sha256"] in other.out


def test_damaged_onnx_files_are_told_in_one_line(limex, tmp_path, samples):
    whole = (samples / "zoo_mlp.onnx").read_bytes()
    for place in range(0, 400, 7):
        path = tmp_path / f"{place}.onnx"
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        result = limex("inspect", path, "--no-load")
        assert result.code in (0, 4), result.err
        assert result.err.count("\n") == (result.code == 4)


def test_a_graph_of_token_ids_is_reported_and_asks_for_its_tokenizer(limex, tmp_path):
    path = token_model(tmp_path / "ids.onnx", "length")
    result = limex("inspect", path)
    assert result.code == 4
    assert "limex explain text" in result.out
    assert "name its tokenizer with --tokenizer" in result.err


BOOSTERS = {
    "xgb.json": ("XGBClassifier", {}, "two", "binary:logistic", ["0", "1"]),
    "xgb.ubj": ("XGBClassifier", {}, "three", "multi:softprob", ["0", "1", "2"]),
    "xgb_poisson.ubj": (
        "XGBRegressor",
        {"objective": "count:poisson"},
        "two",
        "count:poisson",
        None,
    ),
    "xgb_dart.json": ("XGBClassifier", {"booster": "dart"}, "two", "binary:logistic", ["0", "1"]),
    "lightgbm.txt": ("LGBMClassifier", {}, "words", "multiclass num_class:3", ["0", "1", "2"]),
    "lightgbm_tweedie.txt": ("LGBMRegressor", {"objective": "tweedie"}, "two", "tweedie", None),
    "catboost.cbm": ("CatBoostClassifier", {}, "words", "MultiClass", ["a", "b", "c"]),
    "catboost_rmse.cbm": ("CatBoostRegressor", {}, "two", "RMSE", None),
}


@pytest.mark.parametrize("named", [True, False], ids=["named", "array"])
@pytest.mark.parametrize("name", list(BOOSTERS))
def test_a_booster_s_file_is_read_without_its_library(limex, tmp_path, monkeypatch, name, named):
    kind, options, label, objective, classes = BOOSTERS[name]
    package = {"X": "xgboost", "L": "lightgbm", "C": "catboost"}[kind[0]]
    library = pytest.importorskip(package)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)))
    frame.columns = ["age", "größe", "fare/£"]
    thirds = np.arange(60) % 3
    labels = {"two": thirds % 2, "three": thirds, "words": np.array(["a", "b", "c"])[thirds]}
    quiet = {"lightgbm": {"verbose": -1}, "xgboost": {}}.get(
        package, {"verbose": 0, "allow_writing_files": False}
    )
    model = getattr(library, kind)(n_estimators=3, **quiet, **options)
    model.fit(frame if named else frame.to_numpy(), labels[label])
    getattr(model, "booster_", model).save_model(str(tmp_path / name))
    monkeypatch.setitem(sys.modules, package, None)
    found = limex("inspect", tmp_path / name, "--no-load", "-f", "json")
    report = json.loads(found.out)
    assert report["booster"] == {"objective": objective}
    assert report["classes"] == classes
    assert report["input"]["columns"] == (list(frame) if named else None)
    assert report["input"]["n_columns"] == 3
    assert "objective" in limex("inspect", tmp_path / name, "--no-load").out


@pytest.mark.parametrize(
    "content", [b"tree\nversion=v4\n", b'{"learner": {}}', b"CBM1\0\0\0\0\x09"]
)
def test_a_damaged_booster_says_nothing_of_itself(limex, tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    report = json.loads(limex("inspect", tmp_path / "m", "--no-load", "-f", "json").out)
    assert report["booster"] is None


def test_one_row_is_enough_to_ask_a_model_about(limex, tmp_path):
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": ["x", "y", "x", "y"]})
    encoder = make_column_transformer((OneHotEncoder(), ["b"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression()).fit(rows, [0, 1, 0, 1])
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    rows[:1].to_csv(tmp_path / "d.csv", index=False)
    told = limex("inspect", tmp_path / "m.pkl", "--data", tmp_path / "d.csv")
    assert told.code == 0, told.err
    assert "predict_proba" in told.out
