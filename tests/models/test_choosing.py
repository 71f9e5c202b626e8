"""Of several outputs of a graph, the one that is a prediction."""

import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lime_cli.errors import PredictionError
from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.row import Table
from tests.models.test_onnx import saved, value

TABLE = Table(("a", "b"), (np.array([0.3, -1.2]), np.array([2.0, 0.5])))
X = np.stack(TABLE.columns, axis=1)
W = np.array([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0]], np.float32)
LOGITS = X @ W
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def heads(path, outputs):
    """A graph that gives each of ``outputs``, pairs of a name and what it is."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["shares"], axis=1),
        helper.make_node("Concat", ["x", "x", "x"], ["wide"], axis=1),
        helper.make_node("Unsqueeze", ["wide", "axis"], ["deep"]),
        helper.make_node("Concat", ["deep", "deep"], ["deeper"], axis=1),
        helper.make_node("ArgMax", ["raw"], ["best"], axis=1, keepdims=0),
        helper.make_node("ReduceMean", ["raw"], ["lost"], keepdims=0),
        helper.make_node("Mul", ["raw", "two"], ["other"]),
        # bent, so that a name alone says what it is
        helper.make_node("Exp", ["raw"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "axis"], ["total"], keepdims=1),
        helper.make_node("Div", ["powers", "total"], ["ratios"]),
        *(helper.make_node("Identity", [what], [name]) for name, what in outputs),
    ]
    shapes = {
        "raw": ["n", 3], "shares": ["n", 3], "wide": ["n", 6], "deeper": ["n", 2, 6],
        "best": ["n"], "lost": [], "other": ["n", 3], "ratios": ["n", 3],
    }  # fmt: skip
    ends = [
        value(name, shapes[what], TensorProto.INT64 if what == "best" else TensorProto.FLOAT)
        for name, what in outputs
    ]
    kept = [
        numpy_helper.from_array(W, "w"),
        numpy_helper.from_array(np.array([1]), "axis"),
        numpy_helper.from_array(np.float32(2), "two"),
    ]
    return saved(path, nodes, [value("x", ["n", 2])], ends, kept)


@pytest.mark.parametrize(
    ("outputs", "chosen"),
    [
        ([("embedding", "wide"), ("probs", "shares")], "probs"),
        ([("last_hidden_state", "deeper"), ("logits", "raw")], "logits"),
        ([("features", "wide"), ("aux_logits", "other"), ("logits", "raw")], "logits"),
        ([("loss", "lost"), ("logits", "raw")], "logits"),
        ([("logits", "raw"), ("probabilities", "shares")], "probabilities"),
        ([("1201", "wide"), ("1202", "shares")], "1202"),
        ([("out1", "other"), ("out2", "ratios")], "out2"),
        ([("pooler_output", "wide"), ("score", "raw")], "score"),
        ([("Identity", "wide"), ("Identity_1", "raw"), ("Identity_2", "deeper")], "Identity"),
        ([("attention_probs", "deeper"), ("output", "raw")], "output"),
    ],
)
def test_the_output_that_is_a_prediction_is_chosen_and_said(tmp_path, outputs, chosen):
    path = heads(tmp_path / "m.onnx", outputs)
    model = ModelFile(path).load()
    what = dict(outputs)[chosen]
    expected = {"shares": PROBABILITIES, "ratios": PROBABILITIES, "raw": LOGITS}.get(what)
    found = model.predict(TABLE)
    assert model.method == chosen
    if expected is not None:
        assert found == pytest.approx(expected, abs=1e-5)
    said = next(one for one in model.warnings if "--model-output" in one.message)
    assert said.code == "output_assumed"
    assert f"{chosen!r} is explained, of " in said.message
    assert all(name in said.message for name, what in outputs if what != "best")
    assert not any(
        "--model-output" in one.message for one in ModelFile(path, output="0").load().warnings
    )


def test_the_number_of_names_tells_outputs_apart(tmp_path):
    path = heads(tmp_path / "m.onnx", [("out1", "wide"), ("out2", "raw")])
    model = ModelFile(path, classes=("a", "b", "c")).load()
    assert model.predict(TABLE) == pytest.approx(LOGITS, abs=1e-5)


def test_labels_beside_one_output_of_numbers_leave_nothing_to_assume(tmp_path):
    path = heads(tmp_path / "m.onnx", [("label", "best"), ("probabilities", "shares")])
    model = ModelFile(path).load()
    assert model.predict(TABLE) == pytest.approx(PROBABILITIES, abs=1e-6)
    assert model.warnings == ()


def test_an_answer_in_boxes_names_the_other_outputs(tmp_path):
    path = heads(tmp_path / "m.onnx", [("boxes", "deeper"), ("scores", "shares")])
    model = ModelFile(path, output="boxes").load()
    with pytest.raises(PredictionError, match=r"--model-output: scores; or .*py:module:name"):
        model.predict(TABLE)


def test_a_single_logit_is_a_number_that_names_its_activation(tmp_path):
    node = helper.make_node("ReduceMean", ["x"], ["logit"], axes=[1], keepdims=1)
    path = saved(
        tmp_path / "m.onnx", [node], [value("x", ["n", 2])], [value("logit", ["n", 1])], opset=13
    )
    model = ModelFile(path).load()
    assert model.predict(TABLE)[:, 0] == pytest.approx(X.mean(axis=1))
    assert ["--activation sigmoid" in one.message for one in model.warnings] == [True]
    chance = ModelFile(path, activation="sigmoid").load()
    assert chance.predict(TABLE)[:, 1] == pytest.approx(1 / (1 + np.exp(-X.mean(axis=1))))
    assert chance.warnings == ()


def test_logits_name_what_makes_probabilities_of_them(tmp_path):
    path = heads(tmp_path / "m.onnx", [("logits", "raw")])
    model = ModelFile(path).load()
    model.predict(TABLE)
    assert ["--activation softmax" in one.message for one in model.warnings] == [True]
    sure = ModelFile(path, activation="softmax").load()
    assert sure.predict(TABLE) == pytest.approx(PROBABILITIES, abs=1e-6)
    assert sure.warnings == ()


def test_outputs_that_do_not_sum_to_one_are_said_to_be_read_one_by_one(tmp_path):
    module = tmp_path / "limex_half.py"
    module.write_text("def f(texts): return [[0.497, 0.5, 0.5] for _ in texts]\n")
    sys.path.insert(0, str(tmp_path))
    try:
        model = ModelFile("py:limex_half:f").load()
        model.predict(["a"])
    finally:
        sys.path.remove(str(tmp_path))
    said = {one.code: one.message for one in model.warnings}
    assert "sum to 1.5, not 1; each is read as a separate probability" in said["not_probabilities"]


@pytest.mark.parametrize(
    ("name", "what", "said"),
    [
        ("sentence_embedding", "raw", True),
        ("last_hidden_state", "raw", True),
        ("pooler_output", "wide", True),
        ("model/features", "wide", True),
        ("logits", "raw", False),
        ("embedding_scores", "raw", False),
        ("pooled", "shares", False),
    ],
)
def test_a_vector_that_stands_for_the_input_is_said_to_be_one(tmp_path, name, what, said):
    model = ModelFile(heads(tmp_path / "m.onnx", [(name, what)])).load()
    model.predict(TABLE)
    warned = [one for one in model.warnings if "stands for the input" in one.message]
    assert bool(warned) is said
    assert all(repr(name) in one.message and one.code == "embedding" for one in warned)
