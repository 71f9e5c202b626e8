"""Models in folders: of MLflow, the flavour's file and the columns of the signature; of
transformers, the weights.
"""

import os
import pickle
import sys
from contextlib import nullcontext
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import lime_cli
from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.models.checkpoints import check_weights
from lime_cli.models.model_file import ModelFile, columns_beside, located
from lime_cli.tabular.row import Table

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(80, 3))
Y = (X[:, 0] - X[:, 2] > 0).astype(int)
MODEL = LogisticRegression().fit(X, Y)

SKLEARN = """\
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
"""
SIGNATURE = """\
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}, {"type": "double",
    "name": "the b", "required": true}, {"type": "double", "name": "it''s c", "required":
    true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
"""
DOUBLE = (
    'signature:\n  inputs: "[{\\"type\\": \\"double\\", \\"name\\": \\"a\\"}, '
    '{\\"name\\": \\"the b\\\n'
    '    \\"}, {\\"name\\": \\"gr\\xF6\\xDFe\\"}]"\n'
)
TENSORS = """\
signature:
  inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}]'
"""


def explained(path, table):
    with pytest.warns(lime_cli.LimexWarning):
        return lime_cli.explain(str(path), str(table), row=5, samples=64)


def folder(path, words, name="model.pkl", content=None):
    path.mkdir()
    (path / "MLmodel").write_text(words, "utf-8")
    (path / name).write_bytes(pickle.dumps(MODEL) if content is None else content)
    return path


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        (SIGNATURE, ("a", "the b", "it's c")),
        (DOUBLE, ("a", "the b", "größe")),
        (TENSORS, None),
        ("", None),
        ('signature:\n  inputs: "a\\q"\n', None),
        (f"signature:\n  inputs: '{'[' * 100_000}'\n", None),
    ],
    ids=["single", "double", "tensors", "none", "damaged", "deep"],
)
def test_the_signature_names_the_columns(tmp_path, words, columns):
    path = folder(tmp_path / "m", SKLEARN + words)
    assert columns_beside(str(path / "model.pkl")) == columns
    for named in (path, path / "model.pkl"):
        assert ModelFile(str(named)).load().input.columns == columns


def test_columns_go_to_the_model_in_the_order_of_the_signature(tmp_path):
    path = folder(tmp_path / "m", SKLEARN + SIGNATURE)
    frame = pd.DataFrame(X, columns=["a", "the b", "it's c"])
    frame.assign(id=7)[["it's c", "id", "the b", "a"]].to_csv(tmp_path / "d.csv", index=False)
    found = explained(path, tmp_path / "d.csv")
    assert found.record["outputs"] == pytest.approx(MODEL.predict_proba(X[5:6])[0])
    assert "by_position" not in dict(found.coded_warnings)


def test_a_model_of_its_own_columns_keeps_them(tmp_path):
    named = LogisticRegression().fit(pd.DataFrame(X, columns=["u", "v", "w"]), Y)
    path = folder(tmp_path / "m", SKLEARN + SIGNATURE, content=pickle.dumps(named))
    assert ModelFile(str(path)).load().input.columns == ("u", "v", "w")


@pytest.mark.parametrize("place", ["artifacts/model", "artifacts"])
def test_the_only_model_of_a_run_is_found_in_its_folder(tmp_path, place):
    run = tmp_path / "0a1b"
    (run / place).parent.mkdir(parents=True)
    folder(run / place, SKLEARN + SIGNATURE)
    found = ModelFile(str(run)).load()
    assert found.input.columns == ("a", "the b", "it's c")
    table = Table(found.input.columns, tuple(X.T))
    assert np.array_equal(found.predict(table), MODEL.predict_proba(X))


def test_of_several_models_of_a_run_one_is_to_be_named(tmp_path):
    (tmp_path / "artifacts").mkdir()
    for name in ("model", "second"):
        folder(tmp_path / "artifacts" / name, SKLEARN)
    with pytest.raises(ModelError, match=r"holds 2 models; name one of them: artifacts.model, "):
        ModelFile(str(tmp_path)).load()


@pytest.mark.parametrize("flavour", ["xgboost", "lightgbm", "catboost"])
def test_boosters_in_folders_answer_as_their_own(tmp_path, flavour):
    package = pytest.importorskip(flavour)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    if flavour == "xgboost":
        model, name = package.XGBClassifier(n_estimators=4).fit(frame, Y), "model.ubj"
    elif flavour == "lightgbm":
        model, name = package.LGBMClassifier(n_estimators=4, verbose=-1).fit(frame, Y), "model.lgb"
    else:
        quiet = {"verbose": 0, "allow_writing_files": False}
        model, name = package.CatBoostClassifier(iterations=4, **quiet).fit(frame, Y), "model.cb"
    words = f"flavors:\n  {flavour}:\n    data: {name}\n    model_class: x\n"
    path = folder(tmp_path / "m", words, name, b"")
    getattr(model, "booster_", model).save_model(str(path / name))
    frame.to_csv(tmp_path / "d.csv", index=False)
    found = explained(path, tmp_path / "d.csv")
    expected = model.predict_proba(frame[5:6])[0]
    assert found.record["outputs"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "gist"),
    [
        ("flavors:\n  pytorch:\n    model_data: data\n", "does not run .pytorch."),
        ("flavors:\n  python_function:\n    python_model: python_model.pkl\n", "python_function"),
        ("flavors:\n  sklearn:\n    pickled_model: ../model.pkl\n", "does not run .sklearn."),
        ("flavors:\n  sklearn:\n    pickled_model: gone.pkl\n", "does not run .sklearn."),
    ],
)
def test_other_flavours_are_named_with_the_way_on(tmp_path, words, gist):
    path = folder(tmp_path / "m", words, "python_model.pkl")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(MODEL))
    with pytest.raises(ModelError, match=gist) as caught:
        ModelFile(str(path)).load()
    assert "mlflow.pyfunc.load_model" in caught.value.hint


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_said_beside_a_model_is_read_out_of_plain_files_alone(tmp_path, kind):
    """A pipe would make limex wait, and a device read, for ever."""
    path = tmp_path / "MLmodel"
    if kind == "folder":
        path.mkdir()
    elif sys.platform == "win32":
        pytest.skip("has neither")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(MODEL))
    assert columns_beside(str(tmp_path / "model.pkl")) is None
    assert ModelFile(str(tmp_path / "model.pkl")).load().input.n_columns == 3


@pytest.mark.parametrize(
    ("torch", "files", "refused"),
    [
        ("2.5.1+cpu", ["pytorch_model.bin"], True),
        ("2.5.1", ["pytorch_model.bin", "model.safetensors"], False),
        ("2.5.1", ["pytorch_model.bin", "other.safetensors"], True),
        ("2.5.1", ["adapter_model.bin", "model.safetensors"], True),
        ("2.5.1", ["pytorch_model.bin", "model.safetensors.index.json"], False),
        ("2.13.0", ["pytorch_model.bin"], False),
    ],
)
def test_weights_in_a_pickle_need_a_torch_that_runs_none_of_it(
    tmp_path, monkeypatch, torch, files, refused
):
    monkeypatch.setattr(metadata, "version", lambda name: torch)
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UntrustedModel, match="could run code") if refused else nullcontext():
        check_weights(tmp_path)


def test_a_folder_of_checkpoints_names_the_last_of_them(tmp_path):
    for step in (500, 1000):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"name one of them: .*checkpoint-1000$"):
        ModelFile(str(tmp_path)).load()


@pytest.mark.parametrize("main", [None, "a1"])
def test_a_repository_of_the_hub_s_cache_names_its_snapshot(tmp_path, main):
    for commit in ("a1", "b2"):
        (tmp_path / "snapshots" / commit).mkdir(parents=True)
        (tmp_path / "snapshots" / commit / "config.json").write_text("{}")
    (tmp_path / "refs").mkdir()
    if main:
        (tmp_path / "refs" / "main").write_text(main)
    with pytest.raises(ModelError, match=rf"name the snapshot in it: .*{main or 'b2'}$"):
        ModelFile(str(tmp_path)).load()


def test_an_adapter_without_its_model_is_told_what_merges_them(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"an adapter without its model; .*merge_and_unload\(\)"):
        ModelFile(str(tmp_path)).load()


def test_a_graph_goes_before_what_lies_deeper(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    flavour = "flavors:\n  sklearn:\n    pickled_model: model.pkl\n"
    folder(tmp_path / "model", flavour)
    assert located(str(tmp_path)) == str(tmp_path / "net.onnx")
    (tmp_path / "net.onnx").unlink()
    assert located(str(tmp_path)) == str(tmp_path / "model" / "model.pkl")
