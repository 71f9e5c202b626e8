"""Every warning appears where it is due, and not where it is not."""

import json
import pickle
import re
import warnings

import numpy as np
import pytest
import sklearn
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import lime_cli
from lime_cli.console import Console
from tests.conftest import ROOT

PLACE = "py:tests.warned:"
WORDS = [f"w{i}" for i in range(12)]
CLEAN = ("gentle", "--target", "yes")

TEXTS = {
    "flat_response": ("flat",),
    "low_fidelity": ("rough",),
    "few_effective_samples": (*CLEAN, "--samples", "20"),
    "radius_not_converged": ("rough", "--samples", "64"),
    "unresolved_top": ("rough", "--max-samples", "256"),
    "large_gap": ("brittle",),
    "few_components": ("of_one_word",),
    "one_component": (*CLEAN, "--text", "w3"),
    "not_probabilities": ("margins",),
    "saturated": ("certain",),
    "ties_at_top": ("undecided",),
    "coarse_output": ("labels", "--classes", "no,yes"),
    "not_deterministic": ("noisy",),
    "batch_dependent": ("of_the_batch",),
    "log_probabilities": ("logarithms",),
    "dropped_samples": ("of_gaps", "--drop-failed", "60%"),
}
"""What is asked of a text of twelve words when the warning is due."""

ROWS = {
    "unseen_category": "7,Rome",
    "outside_background": "99,Oslo",
}
"""The row that is explained."""

MODELS = {
    "version_gap": lambda fitted: pickle.dumps(fitted).replace(
        sklearn.__version__.encode(), b"0" * len(sklearn.__version__)
    ),
    "decision_values": lambda fitted: pickle.dumps(
        LinearSVC(dual=True).fit([[0.0, 1], [1, 0], [2, 1]], [0, 1, 1])
    ),
}
"""What becomes of the file of a model."""


def codes(result):
    assert result.code == 0, result.err
    return {one["code"] for one in json.loads(result.out)["warnings"]}


def of_text(limex, function, *options):
    text = () if "--text" in options else ("--text", " ".join(WORDS))
    return codes(limex("explain", "text", PLACE + function, *text, *options, "-f", "json"))


@pytest.mark.parametrize("code", TEXTS)
def test_a_warning_on_a_text_is_given_where_it_is_due(limex, code):
    assert code in of_text(limex, *TEXTS[code])


def test_a_clean_text_has_no_warning(limex):
    assert of_text(limex, *CLEAN) == set()


@pytest.fixture
def table(limex, tmp_path):
    """Explain a row of age and town: the codes of its warnings."""
    (tmp_path / "train.csv").write_text(
        "age,town\n" + "".join(f"{i % 40},{('Oslo', 'Bergen', 'Bodo')[i % 3]}\n" for i in range(90))
    )

    def call(row, *options):
        (tmp_path / "new.csv").write_text(f"age,town\n{row}\n")
        model = (PLACE + "age", tmp_path / "new.csv", "--row", "0")
        options = options or ("--background", tmp_path / "train.csv")
        return codes(limex("explain", "tabular", *model, *options, "-f", "json"))

    return call


@pytest.mark.parametrize("code", ROWS)
def test_a_warning_on_a_row_is_given_where_it_is_due(table, code):
    assert code in table(ROWS[code])


def test_a_clean_row_has_no_warning(table):
    assert table("7,Oslo") == set()


def test_a_background_that_is_the_input_is_told_of(limex, tmp_path, table):
    case = ("explain", "tabular", PLACE + "age", tmp_path / "train.csv", "--row", "0", "-f", "json")
    assert codes(limex(*case)) == {"background_is_input"}
    assert codes(limex(*case, "--background", tmp_path / "train.csv")) == set()


@pytest.mark.parametrize("code", [*MODELS, None])
def test_a_warning_on_a_file_is_given_where_it_is_due(limex, tmp_path, code):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    fitted = LogisticRegression().fit(X, X[:, 0] + 0.7 * X[:, 1] > 0.3)
    changed = MODELS[code](fitted) if code else pickle.dumps(fitted)
    (tmp_path / "model.pkl").write_bytes(changed)
    np.savetxt(tmp_path / "train.csv", X, delimiter=",", header="a,b", comments="")
    data = (tmp_path / "train.csv", "--row", "3", "--background", tmp_path / "train.csv")
    found = codes(limex("explain", "tabular", tmp_path / "model.pkl", *data, "-f", "json"))
    assert code in found if code else found == {"by_position"}
    assert "not_probabilities" not in found  # of decision values that is said already


def test_a_picture_of_frames_and_a_guessed_scale_are_told_of(limex, tmp_path):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)) for _ in range(2)]
    frames[0].save(tmp_path / "many.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "one.png")
    case = ("explain", "image", PLACE + "brightness", "--segments", "8", "-f", "json")
    done = limex(*case, tmp_path / "many.gif")
    assert codes(done) >= {"first_frame", "preprocessing_assumed"}
    assert re.search(r"--size changes it \[\w+\]\n.*--preprocess changes it.* \[\w+\]\n", done.err)
    clean = codes(limex(*case, tmp_path / "one.png", "--preprocess", "unit", "--size", "24x24"))
    assert not clean & {"first_frame", "preprocessing_assumed"}


@pytest.mark.parametrize(
    ("found", "alone", "shown"),
    [
        (["a", "b", "a"], True, ["a [c]", "b [c] (3 times in all)"]),
        (["a", "b"], False, ["a [c]", "b [c]"]),
        (["a", "a"], False, ["a [c] (2 times)"]),
        (['"x" is 1', '"y" is 2.5'], True, ['"x" is 1 [c]', '"y" is 2.5 [c]']),
        (['"x" is 1', '"y" is 2.5'], False, ['"x" is 1 [c] (2 times)']),
        (["a.png is b", "c.jpg is b"], False, ["a.png is b [c] (2 times)"]),
        (list("abcdefg"), True, [*(f"{one} [c]" for one in "abcd"), "e [c] (7 times in all)"]),
    ],
)
def test_different_sentences_of_a_code_are_each_shown(capsys, found, alone, shown):
    Console().warn([("c", one) for one in found], alone)
    assert capsys.readouterr().err.splitlines() == [f"limex: warning: {one}" for one in shown]


def bright(pixels):
    return pixels.mean(axis=(1, 2, 3))[:, None]


def test_python_warns_of_different_sentences_of_a_code_once():
    explainer = lime_cli.Explainer(bright, segments=8, samples=64)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8))
    with pytest.warns(lime_cli.LimexWarning) as first:
        explainer.explain(image)
    said = [str(one.message) for one in first if "preprocessing_assumed" in str(one.message)]
    assert len(said) == 2
    assert "size changes it" in said[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer.explain(image)


def test_every_warning_of_the_engine_is_in_the_tables():
    source = (ROOT / "lime_cli" / "engine" / "warnings.py").read_text("utf-8")
    written = set(re.findall(r'CodedWarning\(\s*"(\w+)"', source))
    assert written
    assert written <= {*TEXTS, *ROWS, *MODELS}
