"""A model's file is opened once: what is hashed is what is loaded, whatever takes its name."""

from __future__ import annotations

import os
import pickle
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lime_cli.errors import ModelError
from lime_cli.models import content as contents
from lime_cli.models.content import Content
from lime_cli.models.model_file import LOADERS, ModelFile
from lime_cli.models.onnx.graph import read_graph

RANDOM = np.random.default_rng(0)
X = RANDOM.random((60, 3))
HONEST = LogisticRegression().fit(X, X[:, 0] > 0.5)
OTHER = LogisticRegression().fit(X, X[:, 0] < 0.5)


def pickled(model: Any, path: Path) -> Path:
    path.write_bytes(pickle.dumps(model))
    return path


def packed(model: Any, path: Path) -> Path:
    joblib.dump(model, path, compress=3)
    return path


def in_skops(model: Any, path: Path) -> Path:
    pytest.importorskip("skops.io").dump(model, path)
    return path


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    ("form", "write"), [("pickle", pickled), ("joblib", packed), ("skops", in_skops)]
)
def test_a_file_that_takes_the_name_afterwards_is_not_loaded(
    form: str, write: Any, trust: bool, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kept:
        monkeypatch.setattr(contents, "KEPT_BYTES", 10)
    path = write(HONEST, tmp_path / "m")
    other = write(OTHER, tmp_path / "other")
    digest = sha256(path.read_bytes()).hexdigest()
    plain = Content.digest

    def raced(self: Content) -> str:
        found = plain(self)
        if other.exists():
            other.replace(path)
        return found

    monkeypatch.setattr(Content, "digest", raced)
    model = ModelFile(str(path), form, sha256=digest, trust=trust).load()
    predictions = model.predict(X)
    assert np.array_equal(predictions, HONEST.predict_proba(X))
    assert model.identity.digest == digest
    assert not other.exists()


def test_another_digest_is_refused(tmp_path: Path) -> None:
    path = pickled(HONEST, tmp_path / "m.pkl")
    with pytest.raises(ModelError, match="its digest is not the one given"):
        ModelFile(str(path), sha256="0" * 64).load()


@pytest.mark.parametrize("kept", [True, False])
def test_several_read_it_at_a_time(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kept:
        monkeypatch.setattr(contents, "KEPT_BYTES", 10)
    path = tmp_path / "m"
    data = os.urandom(3 << 20)
    path.write_bytes(data)
    content = Content(path)
    with content.open() as one, content.open() as two:
        assert one.read(1000) == two.read(1000) == content.head(1000) == data[:1000]
        one.seek(-10, os.SEEK_END)
        assert one.read() == data[-10:]
        assert two.read() == data[1000:]
    assert content.read() == data
    assert content.digest_in_thread()() == content.digest() == sha256(data).hexdigest()
    assert content.digest_in_thread()() == sha256(data).hexdigest()


def test_loaders_take_what_was_opened(tmp_path: Path) -> None:
    path = pickled(HONEST, tmp_path / "m.pkl")
    content = Content(path)
    pickled(OTHER, tmp_path / "new").replace(path)
    model = LOADERS["pickle"](ModelFile(str(path)), content)
    assert np.array_equal(model.predict(X), HONEST.predict_proba(X))


def outside(where: str, tmp_path: Path) -> Path:
    """Write a graph whose external weights hide in a function's default, or where it trains."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = onnx.TensorProto(name="w", data_type=kinds.FLOAT, dims=[1])
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret.bin")
    x, y = (helper.make_tensor_value_info(name, kinds.FLOAT, [1, 1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    if where == "a function":
        function = model.functions.add(name="f", domain="ai.onnx")
        function.attribute_proto.append(helper.make_attribute("value", weights))
    else:
        training = model.training_info.add()
        inner = training.algorithm if where == "an algorithm" else training.initialization
        inner.initializer.append(weights)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("where", ["a function", "an algorithm", "an initialization"])
def test_weights_outside_are_found_wherever_they_hide(where: str, tmp_path: Path) -> None:
    path = outside(where, tmp_path)
    assert read_graph(path).external == ["../secret.bin"]
    with pytest.raises(ModelError, match="its weights point outside its folder"):
        ModelFile(str(path)).load()
