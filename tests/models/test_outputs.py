"""Whatever a model answers becomes (n, k) numbers with names."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.special import softmax
from sklearn.svm import SVC, LinearSVC

from lime_cli.errors import InputError, ModelError, PredictionError
from lime_cli.models.model_file import ModelFile
from lime_cli.models.outputs import Stated, as_matrix, decide_outputs, written_out
from lime_cli.tabular.row import Table

CLASSIFIER = Stated(task="classification")
PROBABILITIES = np.array([[0.2, 0.8], [0.6, 0.4]])


def settled(raw, stated=None, **choices):
    return decide_outputs(raw, ModelFile("m.onnx", **choices), "m.onnx", stated or Stated())


def read(raw, stated=None, **choices):
    n = raw.shape[0] if hasattr(raw, "shape") else len(raw)
    return settled(raw, stated, **choices).read(raw, n)


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


BY_CLASS = [{"no": 0.2, "yes": 0.8}, {"no": 0.6, "yes": 0.4}]
ROWS = [[0.2, 0.8], [0.6, 0.4]]
RANKED = [[0.8, 0.2], [0.6, 0.4]]
BEST = ["yes", "no"]
OF_SERVICES = {
    "mapping": (
        [{"predicted_class": b, "probabilities": p} for b, p in zip(BEST, BY_CLASS, strict=True)],
        "",
    ),
    "other name": (
        [{"label": b, "chances": p} for b, p in zip(BEST, BY_CLASS, strict=True)],
        "chances",
    ),
    "with a number": (
        [{"label": b, "confidence": max(p), "scores": p} for b, p in zip(BEST, ROWS, strict=True)],
        "",
    ),
    "mmpretrain": (
        [
            {
                "pred_label": int(b == "yes"),
                "pred_score": max(p),
                "pred_scores": np.array(p),
                "pred_class": b,
            }
            for b, p in zip(BEST, ROWS, strict=True)
        ],
        "",
    ),
    "of two": ([{"logits": np.log(p).tolist(), "probs": p, "label": "a"} for p in ROWS], "probs"),
    "with names": (
        [
            {"classes": [b, {"yes": "no", "no": "yes"}[b]], "scores": p, "top": b}
            for b, p in zip(BEST, RANKED, strict=True)
        ],
        "",
    ),
    "with places and names": (
        [
            {"ids": [i, 1 - i], "classes": [b, ("no", "yes")[1 - i]], "scores": p}
            for i, b, p in zip([1, 0], BEST, RANKED, strict=True)
        ],
        "scores",
    ),
    "pairs": (
        [
            {"text": "a", "predictions": [{"label": k, "score": v} for k, v in p.items()]}
            for p in BY_CLASS
        ],
        "",
    ),
    **{
        f"{label} and {score}": (
            {
                "id": "",
                "predictions": [
                    [{score: v, "tagId": i, label: k} for i, (k, v) in enumerate(p.items())]
                    for p in BY_CLASS
                ],
            },
            "",
        )
        for label, score in [
            ("tagName", "probability"),
            ("label", "confidence"),
            ("class", "score"),
        ]
    },
    "list of answers": ({"model": "v1", "predictions": BY_CLASS}, ""),
    "list of services": (
        {"results": [{"label": b, "scores": p} for b, p in zip(BEST, BY_CLASS, strict=True)]},
        "",
    ),
}


@pytest.mark.parametrize("name", list(OF_SERVICES))
def test_of_a_service_s_answers_the_part_with_a_number_for_each_class_is_read(name):
    raw, said = OF_SERVICES[name]
    outputs = settled(written_out(raw), Stated(column=True), classes=("no", "yes"))
    assert outputs.read(written_out(raw), 2) == pytest.approx(PROBABILITIES)
    assert outputs.targets == ("no", "yes")
    assert [f"part {said!r}" in one.message for one in outputs.warnings] == [True] * bool(said)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"a": [0.2, 0.8], "b": [0.5, 0.5], "label": "x"}, r"'a' or 'b' .*\[one\['a'\] for one in"),
        ({"indices": [1, 0], "scores": [0.8, 0.2]}, r"'indices' or 'scores' may be .*return what"),
        ({"label": "yes", "confidence": 0.8}, r"\{'label': 'yes'.*; the function .* top_k=None"),
        ({"label": "yes", "p": None}, r"\{'label': 'yes'.*; the function .* top_k=None"),
    ],
)
def test_a_service_s_answer_without_such_a_part_is_told_what_to_return(one, words):
    with pytest.raises(PredictionError, match=words):
        settled([one, one], Stated(column=True))


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


def test_a_score_that_is_called_by_its_one_label_is_explained_as_itself():
    raw = np.array([[-1.292], [0.4]])
    for stated in (Stated("classification", ("LABEL_0",)), Stated(None, ("LABEL_0",), logit=True)):
        outputs = settled(raw, stated, activation="none")
        assert (outputs.task, outputs.targets) == ("regression", ("LABEL_0",))
        assert outputs.read(raw, 2) == pytest.approx(raw)
        assert outputs.warnings == ()
    chance = settled(np.array([[0.4]]), Stated("classification", ("a",), independent=True))
    assert chance.targets == ("not a", "a")


@pytest.mark.parametrize(
    ("raw", "stated", "words"),
    [
        (np.array([-0.3, 1.4]), Stated(column=True), "decision value"),
        (np.array([-0.3, 1.4]), Stated(logit=True), "decision value"),
        (np.array([0.3, 0.4]), Stated(logit=True), "a probability"),
        (np.array([0.3, 0.4]), Stated(column=True), None),
        (np.array([0.3, 0.4]), Stated("classification", logit=True), None),
        (np.array([-0.3, 1.4]), Stated(margins=True), None),
    ],
)
def test_one_output_of_named_classes_names_what_makes_a_probability(raw, stated, words):
    outputs = settled(raw, stated, classes=("fake", "real"))
    assert outputs.targets == ("fake", "real")
    assert bool(outputs.warnings) == bool(words)
    for one in outputs.warnings:
        assert words in one.message
        assert "--activation sigmoid" in one.message
        assert "--task regression" in one.message


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
    with pytest.raises(PredictionError, match="1 predictions for 2 inputs"):
        outputs.read(PROBABILITIES[:1], 2)
    with pytest.raises(PredictionError, match="returned 3 outputs, and before that 2"):
        outputs.read(np.ones((2, 3)), 2)
    with pytest.raises(PredictionError, match="not numbers"):
        as_matrix(["yes", "no"], "m")
    with pytest.raises(PredictionError, match="returned shape"):
        as_matrix(np.ones((2, 3, 4)), "m")


def test_every_shape_rule_is_named_when_it_is_used():
    assert settled([{"no": 0.2, "yes": 0.8}]).rule.startswith("dictionaries by class")
    assert settled(PROBABILITIES).rule == "probabilities"


def test_labels_come_first_and_probabilities_second():
    raw = (np.array(["yes", "no"]), PROBABILITIES)
    outputs = settled(raw, CLASSIFIER)
    assert outputs.read(raw, 2) == pytest.approx(PROBABILITIES)
    assert outputs.rule.startswith("labels come first")
    named = settled((*raw, np.array(["no", "yes"])), CLASSIFIER)
    assert named.targets == ("no", "yes")


def test_several_answers_of_two_classes_each_are_labels_that_may_hold_together():
    raw = [PROBABILITIES, np.array([[0.1, 0.9], [0.7, 0.3]])]
    outputs = settled(raw, Stated("classification", groups=(("0", "1"), ("0", "1"))))
    assert outputs.read(raw, 2) == pytest.approx(np.array([[0.8, 0.9], [0.4, 0.3]]))
    assert (outputs.targets, outputs.probabilities) == (("0", "1"), False)
    assert outputs.reading == "independent"


def test_several_answers_of_named_classes_stand_side_by_side():
    raw = [PROBABILITIES, np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1]])]
    stated = Stated("classification", groups=(("no", "yes"), ("a", "b", "c")))
    assert settled(raw, stated).targets == ("0: no", "0: yes", "1: a", "1: b", "1: c")
    assert settled(raw, stated).read(raw, 2) == pytest.approx(np.hstack(raw))


def test_bytes_are_divided_by_255():
    raw = np.array([[51, 204], [255, 0]], np.uint8)
    assert read(raw) == pytest.approx(np.array([[0.2, 0.8], [1, 0]]))
    found = settled(raw)
    assert found.probabilities
    assert ["divided by 255" in one.message for one in found.warnings] == [True]
    assert settled(raw / 255).warnings == ()
    dark = np.array([[0, 1]], np.uint8)  # the first answer says how all are read
    assert found.read(dark, 1) == pytest.approx(dark / 255)


def test_bytes_that_name_one_class_of_each_row_are_not_divided():
    raw = np.eye(3, dtype=np.uint8)[[2, 0]]
    found = settled(raw)
    assert found.read(raw, 2).tolist() == raw.tolist()
    assert (found.probabilities, found.warnings) == (True, ())
    with pytest.raises(PredictionError, match="bytes above 1, and before that 0 and 1"):
        found.read(raw * 200, 2)


@pytest.mark.parametrize("shape", [(2, 2, 1, 1), (2, 1, 2), (2, 1, 1, 2)])
def test_axes_of_length_one_are_dropped_wherever_they_stand(shape):
    assert read(PROBABILITIES.reshape(shape)) == pytest.approx(PROBABILITIES)


def test_a_data_frame_names_its_outputs():
    frame = pd.DataFrame(PROBABILITIES, columns=["no", "yes"])
    assert settled(frame).targets == ("no", "yes")
    assert read(frame) == pytest.approx(PROBABILITIES)


def test_a_sparse_matrix_is_written_out():
    assert read(csr_matrix(np.eye(3)), CLASSIFIER) == pytest.approx(np.eye(3))


def test_logarithms_of_probabilities_are_undone_and_said():
    raw = np.log(np.array([[0.2, 0.8], [0.6, 0.4]]))
    outputs = settled(raw)
    assert outputs.read(raw, 2) == pytest.approx(PROBABILITIES)
    assert outputs.probabilities
    assert [one.code for one in outputs.warnings] == ["log_probabilities"]
    certain = np.array([[-np.inf, 0.0]])
    assert outputs.read(certain, 1) == pytest.approx(np.array([[0.0, 1.0]]))


def test_negative_logits_are_no_logarithms():
    outputs = settled(np.array([[-3.0, -1.0], [-2.0, -5.0]]))
    assert (outputs.reading, outputs.probabilities) == ("scores", False)
    (warning,) = outputs.warnings
    assert warning.code == "activation_assumed"
    assert "--activation softmax" in warning.message
    said = settled(np.array([[-3.0, -1.0]]), activation="none")
    assert (said.reading, said.warnings) == ("scores", ())


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_probabilities_that_become_flatter_are_said(activation):
    warned = settled(PROBABILITIES, activation=activation).warnings
    assert [one.code for one in warned] == ["already_probabilities"]
    assert f"--activation {activation}, which flattens" in warned[0].message
    logits = settled(np.array([[-3.0, 4.0], [0.2, 0.3]]), activation=activation)
    assert logits.warnings == ()


@pytest.mark.parametrize(
    "answer",
    [
        pd.Series(PROBABILITIES.tolist()),
        pd.Series(list(PROBABILITIES)),
        (None, PROBABILITIES),
        (None, None, PROBABILITIES),
    ],
    ids=["series of lists", "series of arrays", "no loss", "nothing twice"],
)
def test_rows_in_a_series_and_behind_nothing_are_read(answer):
    found = written_out(answer)
    assert settled(found, Stated(column=True)).read(found, 2) == pytest.approx(PROBABILITIES)


def test_labels_that_may_hold_together_need_not_sum_to_one():
    raw = np.array([[0.9, 0.8, 0.1], [0.2, 0.2, 0.2]])
    outputs = settled(raw, CLASSIFIER)
    assert (outputs.reading, outputs.probabilities) == ("independent", False)
    certain = settled(np.array([[0.5, 0.5]]), Stated("classification", independent=True))
    assert (certain.reading, certain.probabilities) == ("independent", False)


def test_margins_between_every_two_classes_are_counted_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)), rng.integers(0, 4, 80)
    pairs = SVC(decision_function_shape="ovo").fit(X, y)
    expected = SVC(decision_function_shape="ovr").fit(X, y).decision_function(X)
    stated = Stated("classification", tuple("0123"), margins=True, pairs=True)
    raw = pairs.decision_function(X)
    assert raw.shape == (80, 6)
    assert read(raw, stated) == pytest.approx(expected)


def test_labels_are_votes_and_called_coarse():
    stated = Stated("classification", ("a", "b", "c"), labels=True)
    outputs = settled(np.array(["c", "a"]), stated)
    assert outputs.read(np.array(["c", "a"]), 2).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert [one.code for one in outputs.warnings] == ["coarse_output"]


def test_words_without_known_classes_ask_for_them():
    with pytest.raises(PredictionError, match=r"returned words .'yes'.*--classes"):
        settled(np.array(["yes", "no"]))
    outputs = settled(np.array(["yes", "no"]), classes=("no", "yes"))
    assert outputs.read(np.array(["yes", "no"]), 2).tolist() == [[0, 1], [1, 0]]


def test_one_output_that_turns_out_to_be_no_probability_is_refused():
    outputs = settled(np.array([0.5, 0.5]), CLASSIFIER)
    with pytest.raises(PredictionError, match=r"looked like a probability.*--activation sigmoid"):
        outputs.read(np.array([3.0, 0.5]), 2)


def test_a_regression_of_one_or_several_outputs_is_read_as_it_is():
    assert settled(np.array([0.3, 0.7]), Stated("regression")).targets == ("prediction",)
    assert read(np.ones((2, 3)) * 0.2, Stated("regression")).tolist() == [[0.2] * 3] * 2


NETWORK = Stated(table=True)


@pytest.mark.parametrize(
    ("raw", "task", "code"),
    [
        ([[3.2, -1.0], [0.4, 7.0]], "regression", "task_assumed"),
        ([[0.2, 0.9], [0.5, 0.1]], "classification", "not_probabilities"),
        ([[0.2, 0.8], [0.5, 0.5]], "classification", None),
        ([[-1.6, -0.2], [-0.7, -0.7]], "regression", "task_assumed"),
        ([[np.log(0.2), np.log(0.8)]], "classification", "log_probabilities"),
        ([[3.2], [0.4]], "regression", None),
    ],
)
def test_a_network_of_tables_answers_with_numbers_unless_they_look_like_shares(raw, task, code):
    outputs = settled(np.array(raw), NETWORK)
    assert outputs.task == task
    assert [one.code for one in outputs.warnings] == ([code] if code else [])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[0.5, 0.4]], "0.9, not 1"),
        ([[0.5, 0.501953]], "1.002, not 1"),
        ([[0.5, 0.5], [0.5, 0.49]], "0.99, not 1"),
    ],
)
def test_a_sum_is_told_with_as_many_digits_as_show_that_it_is_not_one(rows, told):
    (found,) = settled(np.array(rows)).warnings
    assert f"sum to {told}; each is read as" in found.message


def test_many_outputs_and_those_called_scores_are_of_classes():
    assert settled(np.eye(11) * 3 - 1, NETWORK).task == "classification"
    assert settled(np.array([[3.2, -1.0]])).task == "classification"
    said = settled(np.array([[3.2, -1.0]]), NETWORK, task="classification")
    assert (said.task, said.reading) == ("classification", "scores")
    assert settled(np.array([[3.2, -1.0]]), NETWORK, activation="softmax").probabilities


@pytest.mark.parametrize("width", [1 << 18, (1 << 18) + 1, 10**6])
def test_more_outputs_than_anybody_can_look_at_are_refused(width):
    raw = np.zeros((2, width), np.float32)
    if width == 1 << 18:
        assert as_matrix(raw, "m.onnx")[0].shape == raw.shape
        return
    with pytest.raises(PredictionError, match=rf"returned {width:,} outputs per input"):
        as_matrix(raw, "m.onnx")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (np.float32(0.25), [[0.25]]),
        (np.array([0.25]), [[0.25]]),
        (np.array([0.2, 0.3, 0.5]), [[0.2, 0.3, 0.5]]),
        (np.array([[0.2, 0.3, 0.5]]), [[0.2, 0.3, 0.5]]),
    ],
)
def test_a_graph_that_drops_the_axis_of_one_input_is_read(raw, expected):
    values, _ = as_matrix(raw, "m.onnx", Stated(output="y"), 1)
    assert values.tolist() == pytest.approx(np.array(expected))


FASTTEXT = (
    [("__label__b", "__label__a", "__label__c"), ("__label__c", "__label__a", "__label__b")],
    [np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.06, 0.04])],
)


@pytest.mark.parametrize("kind", [tuple, list, np.array])
def test_labels_beside_their_numbers_are_read_in_the_order_of_the_labels(kind):
    labels, numbers = FASTTEXT
    raw = ([kind(row) for row in labels], np.array(numbers) if kind is np.array else numbers)
    values, output = as_matrix(raw, "py:m:f", Stated(column=True), 2)
    assert values.tolist() == [[0.3, 0.5, 0.2], [0.06, 0.04, 0.9]]
    assert output.names == ("__label__a", "__label__b", "__label__c")


def test_the_best_label_beside_its_number_is_not_enough():
    raw = ([("a",), ("b",)], [np.array([0.9]), np.array([0.8])])
    with pytest.raises(PredictionError, match="scores of some labels only") as caught:
        as_matrix(raw, "py:m:f", Stated(column=True), 2)
    assert "of fastText, k=-1" in caught.value.hint


def test_two_lists_of_rows_are_no_labels():
    raw = ([[0.1, 0.9], [0.2, 0.8]], [[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(PredictionError):
        as_matrix(raw, "py:m:f", Stated(column=True), 2)


@pytest.mark.parametrize(
    "raw",
    [
        [[[0.2, 0.8]], [[0.6, 0.4]]],
        [[[0.2], [0.8]], [[0.6], [0.4]]],
        np.array([[[0.2, 0.8]], [[0.6, 0.4]]]),
    ],
)
def test_rows_in_a_list_of_their_own_are_rows(raw):
    values, _ = as_matrix(raw, "py:m:f", Stated(column=True), 2)
    assert values.tolist() == PROBABILITIES.tolist()


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_numbers_of_named_classes_are_votes(kind):
    raw = np.array([2, 0, 1], kind)
    found = settled(raw, Stated(labels=True), classes=("cat", "dog", "owl"))
    assert found.targets == ("cat", "dog", "owl")
    assert found.read(raw, 3).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert "coarse_output" in [one.code for one in found.warnings]
    with pytest.raises(PredictionError, match="beyond the 3 named"):
        found.read(np.array([3]), 1)


def test_numbers_of_classes_that_nobody_named_ask_for_their_names():
    with pytest.raises(PredictionError, match="the number of a class and no scores") as caught:
        settled(np.array([2, 0]), Stated(labels=True))
    assert "--classes" in caught.value.hint
    assert settled(np.array([2, 0]), Stated(labels=True), task="regression").task == "regression"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decision_values_become_probabilities_when_asked(tmp_path, n_classes):
    values = np.random.default_rng(0).normal(size=(90, 2))
    labels = np.digitize(values[:, 0], np.linspace(-0.5, 0.5, n_classes - 1))
    model = LinearSVC(dual="auto").fit(values, labels)
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model))
    activation = "sigmoid" if n_classes == 2 else "softmax"
    found = ModelFile(str(path), activation=activation).load()
    scores = model.decision_function(values)
    chances = 1 / (1 + np.exp(-scores))
    true = np.stack([1 - chances, chances], axis=1) if n_classes == 2 else softmax(scores, axis=1)
    assert found.predict(Table(("a", "b"), tuple(values.T))) == pytest.approx(true)
    assert found.probabilities


@pytest.mark.parametrize(
    "raw",
    [
        [[("b", 0.7), ("a", 0.3)], [("a", 0.6), ("b", 0.4)]],
        [[("a", np.float32(0.3)), ("b", np.float32(0.7))], [("b", 0.4), ("a", 0.6)]],
        {"labels": ["b", "a"], "probs": np.array([[0.3, 0.7], [0.6, 0.4]])},
        {"probs": [[0.3, 0.7], [0.6, 0.4]], "took": 0.2},
    ],
)
def test_what_stands_beside_the_numbers_of_a_function_is_told_from_them(raw):
    values, _ = as_matrix(raw, "py:m:f", Stated(column=True), 2)
    assert values == pytest.approx(np.array([[0.3, 0.7], [0.6, 0.4]]), abs=1e-6)


@pytest.mark.parametrize("kind", [list, np.array])
def test_places_of_named_classes_are_votes(kind):
    function = Stated(column=True)
    names = ("cat", "dog", "owl")
    found = decide_outputs(kind([2, 0]), ModelFile("py:m:f", classes=names), "f", function, 2)
    assert found.read(kind([1, 2]), 2).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert found.targets == names
    with pytest.raises(InputError, match="3 names for 2 classes"):
        decide_outputs([0.5, 0.1], ModelFile("py:m:f", classes=names), "f", function, 2)


ANSWERS = """
def one(rows):
    return rows["a"] - 0.2 * rows["b"]

def shares(rows):
    return abs(rows[["a", "b"]].to_numpy()) % 1
"""


@pytest.mark.parametrize("function", ["one", "shares"])
def test_what_is_said_of_a_function_s_answer_does_not_depend_on_the_row_before(
    limex, tmp_path, function
):
    file = tmp_path / f"answers_{function}.py"
    file.write_text(ANSWERS)
    rows = np.random.default_rng(3).normal(size=(60, 3)).round(3)
    rows[:4, :2] = [[0.5, 0.1], [2.0, 0.3], [-1.0, 0.7], [0.9, 0.4]]
    np.savetxt(tmp_path / "rows.csv", rows, "%g", ",", header="a,b,c", comments="")
    model, table = f"py:{file}:{function}", tmp_path / "rows.csv"
    command = ("explain", "tabular", model, table, "--samples", 64, "-f", "jsonl", "-q")
    several = limex(*command, "--row", "0-3")
    assert several.code == 0, several.err
    together = several.out.splitlines()
    assert together == [limex(*command, "--row", row).out.strip() for row in range(4)]
    said = ["probability of a class" in line for line in together]
    assert said == [function == "one" and row in (0, 3) for row in range(4)]
