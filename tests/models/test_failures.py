"""Why a model does not answer: one sentence, what explains it first."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from lime_cli.errors import ModelError, PredictionError
from lime_cli.models.failures import failure
from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.row import Table

X = np.random.default_rng(0).normal(size=(40, 2))
TABLE = Table(("a", "b"), tuple(X[:3].T))
TEXTS = ["a good film", "a bad film", "good", "bad", "good film", "bad film"]


def saved(path, model):
    path.write_bytes(pickle.dumps(model))
    return str(path)


@pytest.fixture
def older(tmp_path, monkeypatch):
    """A pipeline of another scikit-learn, whose imputer lacks what this one looks for."""
    fitted = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, X[:, 0] > 0)
    del fitted[0].statistics_
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.1.3")
        return saved(tmp_path / "m.pkl", fitted)


def test_a_gap_of_versions_comes_first_with_the_line_that_mends_it(older):
    running = sklearn.__version__
    with pytest.raises(PredictionError) as caught:
        ModelFile(older).load().predict(TABLE)
    said = str(caught.value)
    assert said.startswith(
        f"m.pkl: was saved by scikit-learn 1.1.3, running {running}, and fails here ("
    )
    assert "limex runs with scikit-learn 1.3.2 or newer: export the model to ONNX" in said


def test_inspect_says_the_same(limex, tmp_path, older):
    done = limex("inspect", older)
    assert "was saved by scikit-learn 1.1.3" in done.out
    assert "made-up rows" not in done.out
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n3,4\n")
    done = limex("inspect", older, "--data", rows)
    assert done.code == 4
    assert "export the model to ONNX where 1.1.3 is installed" in done.err


def test_inspect_says_that_a_model_is_not_fitted(limex, tmp_path):
    path = saved(tmp_path / "m.pkl", make_pipeline(SimpleImputer(), LogisticRegression()))
    out = limex("inspect", path)
    assert "not fitted" in out.out + out.err
    assert "made-up rows" not in out.out


@pytest.mark.parametrize("kind", [MultinomialNB, LogisticRegression])
def test_a_classifier_of_vectors_that_is_given_texts(limex, tmp_path, kind):
    words = TfidfVectorizer()
    fitted = kind().fit(words.fit_transform(TEXTS), [1, 0, 1, 0, 1, 0])
    path = saved(tmp_path / "m.pkl", fitted)
    done = limex("explain", "text", path, "--text", "a good film")
    assert done.code == 4
    assert "takes 3 numbers, not a text; save the vectorizer and the model as one" in done.err
    both = saved(tmp_path / "both.pkl", {"vectorizer": words, "model": fitted})
    done = limex("explain", "text", both, "--key", "model", "--text", "a good film")
    assert "takes 3 numbers, not a text" in done.err


def test_a_value_that_an_encoder_does_not_know_names_its_column():
    rows = Table(("day", "size"), (np.array(["1 May", "2 May"], object), np.array([1.0, 2.0])))
    encoder = make_column_transformer((OneHotEncoder(), [0]), remainder="passthrough")
    encoder.fit(np.array([["1 May", 1.0], ["3 May", 2.0]], object))
    with pytest.raises(ValueError) as caught:
        encoder.transform(np.array([["1 May", 1.0], ["2 May", 2.0]], object))
    found = failure("m.pkl", caught.value, rows)
    assert found.message == "m.pkl: the model does not know '2 May' in column 'day'"
    assert found.hint.startswith("--fixed day keeps")
    one = Table(("day", "size"), (np.array(["2 May"], object), np.array([2.0])))
    assert "--fixed" not in failure("m.pkl", caught.value, one).hint


def test_token_ids_without_names_say_what_fills_them(limex, tmp_path):
    from onnx import TensorProto, helper

    from tests.models.test_onnx import saved as graph
    from tests.models.test_onnx import value

    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["y"], axes=[1], keepdims=1),
    ]
    ends = value("x", ["batch", "seq_len"], TensorProto.INT64), value("y", ["batch", 1])
    path = graph(tmp_path / "m.onnx", nodes, ends[:1], ends[1:], opset=13)
    done = limex("explain", "text", path, "--text", "a good film")
    assert done.code == 4
    assert "token ids" in done.err
    assert "--tokenizer" in done.err
    assert ModelFile(path).load().predict(Table(("a", "b"), (np.array([1]), np.array([3])))) == 2


def test_no_message_holds_two_lines():
    error = failure("m.pkl", RuntimeError("one\ntwo\n\nthree"), ["a"])
    assert isinstance(error, ModelError)
    assert str(error) == "m.pkl: the model failed on its input (RuntimeError: one two three)"
