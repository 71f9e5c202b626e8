"""Whatever a model answers becomes (n, k) numbers with names."""

import numpy as np
import pytest

from lime_cli.errors import InputError, ModelError, PredictionError
from lime_cli.models import ModelFile
from lime_cli.models.outputs import Stated, as_matrix, settle

CLASSIFIER = Stated(task="classification")
PROBABILITIES = np.array([[0.2, 0.8], [0.6, 0.4]])


def settled(raw, stated=None, **choices):
    return settle(raw, ModelFile("m.onnx", **choices), "m.onnx", stated or Stated())


def read(raw, stated=None, **choices):
    return settled(raw, stated, **choices).read(raw, len(raw))


@pytest.mark.parametrize(
    "raw",
    [
        PROBABILITIES,
        PROBABILITIES.astype(np.float32).tolist(),
        PROBABILITIES[:, :, None, None],
        [{"no": 0.2, "yes": 0.8}, {"no": 0.6, "yes": 0.4}],
    ],
    ids=["array", "lists", "trailing axes", "dictionaries"],
)
def test_probabilities_of_two_classes_are_read_as_they_are(raw):
    outputs = settled(raw)
    assert outputs.task == "classification"
    assert outputs.probabilities
    assert outputs.read(raw, 2) == pytest.approx(PROBABILITIES)


def test_dictionaries_carry_the_class_names():
    assert settled([{"no": 0.2, "yes": 0.8}]).targets == ("no", "yes")


@pytest.mark.parametrize("raw", [np.array([0.8, 0.4]), np.array([[0.8], [0.4]])])
def test_one_probability_is_read_with_its_complement(raw):
    outputs = settled(raw, CLASSIFIER)
    assert outputs.targets == ("0", "1")
    assert outputs.read(raw, 2) == pytest.approx(PROBABILITIES)


def test_one_margin_is_read_with_its_negative():
    stated = Stated("classification", ("no", "yes"), margins=True)
    raw = np.array([0.5, 0.9])
    assert read(raw, stated) == pytest.approx(np.array([[-0.5, 0.5], [-0.9, 0.9]]))
    assert not settled(raw, stated).probabilities


@pytest.mark.parametrize("raw", [np.array([0.3, 12.0]), np.array([[0.3], [12.0]])])
def test_one_number_without_classes_is_a_regression(raw):
    outputs = settled(raw)
    assert (outputs.task, outputs.targets) == ("regression", ("prediction",))
    assert outputs.read(raw, 2)[:, 0] == pytest.approx([0.3, 12.0])


def test_several_outputs_of_a_regression_keep_their_places():
    assert settled(np.ones((2, 3)), task="regression").targets == (
        "output 0",
        "output 1",
        "output 2",
    )


def test_logits_become_probabilities_when_asked():
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0]])
    assert not settled(logits).probabilities
    assert read(logits, activation="softmax") == pytest.approx(np.array([[0.25, 0.75], [1.0, 0.0]]))
    assert read(np.array([np.log(3.0)]), activation="sigmoid") == pytest.approx(
        np.array([[0.25, 0.75]])
    )


def test_names_of_another_number_are_refused_with_both_numbers():
    with pytest.raises(InputError, match=r"m\.onnx: 3 names for 2 classes"):
        settled(PROBABILITIES, classes=("a", "b", "c"))
    with pytest.raises(ModelError, match=r"m\.onnx: 3 names for 2 classes"):
        settled(PROBABILITIES, Stated("classification", ("a", "b", "c")))


def test_names_given_win_over_names_carried():
    assert settled([{"no": 0.2, "yes": 0.8}], classes=("n", "y")).targets == ("n", "y")


def test_broken_answers_are_refused_with_their_count():
    outputs = settled(PROBABILITIES)
    with pytest.raises(PredictionError, match="NaN or infinity for 1 of 2"):
        outputs.read(np.array([[np.nan, 1], [0.5, 0.5]]), 2)
    with pytest.raises(PredictionError, match="1 answers for 2 inputs"):
        outputs.read(PROBABILITIES[:1], 2)
    with pytest.raises(PredictionError, match="3 outputs instead of 2"):
        outputs.read(np.ones((2, 3)), 2)
    with pytest.raises(PredictionError, match="not numbers"):
        as_matrix(["yes", "no"], "m")
    with pytest.raises(PredictionError, match="in shape"):
        as_matrix(np.ones((2, 3, 4)), "m")
