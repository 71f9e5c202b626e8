"""Python callables as models, and the probe that looks at their first answers."""

import asyncio
import io
import os
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import lime_cli
from lime_cli.errors import ModelError, PredictionError, SettingsError
from lime_cli.models.failures import failure
from lime_cli.models.model_file import PYTHON_PREFIX, ModelFile, ModelInput
from lime_cli.models.predictor import quiet, rows
from lime_cli.tabular.row import Table
from tests.models import python_functions

PLACE = "py:tests.models.python_functions:"
TABLE = Table(("age", "height"), (np.array([20.0, 30.0, 70.0]), np.array([1.8, 1.7, 1.6])))
AGES = Table(("age",), (np.array([-20.0, 0.0, 70.0]),))


def loaded(name, **choices):
    return ModelFile(PLACE + name, **choices).load()


def codes(model):
    return [one.code for one in model.warnings if not one.code.endswith("_assumed")]


def test_an_object_s_classes_are_named_as_a_function_s_are():
    model = loaded("stranger")
    assert model.identity.targets == ("poor", "good")
    found = model.predict(TEXTS)
    assert found == pytest.approx(np.array(python_functions.stranger.predict_proba(TEXTS)))


def test_a_function_s_attributes_name_its_classes_and_columns():
    model = loaded("chance")
    assert model.input.columns == ("age",)
    values = model.predict(AGES)
    assert model.identity.targets == ("young", "old")
    assert (model.identity.task, model.identity.format) == ("classification", "python")
    assert values[1].tolist() == [0.5, 0.5]
    assert values.sum(axis=1) == pytest.approx(1)


def test_a_function_of_one_number_is_a_regression():
    model = loaded("total")
    assert model.predict(TABLE)[:, 0] == pytest.approx([21.8, 31.7, 71.6])
    assert (model.identity.task, model.warnings) == ("regression", ())


def test_texts_and_pictures_go_in_as_they_are():
    assert loaded("lengths").predict(["a" * 10, "a" * 30])[:, 0] == pytest.approx([0.5, 0.75])
    images = np.random.default_rng(0).random((2, 4, 4, 3)).astype(np.float32)
    expected = images.mean(axis=(1, 2, 3))
    assert loaded("brightness").predict(images)[:, 0] == pytest.approx(expected)


def test_a_fitted_model_in_a_module_is_asked_like_one_in_a_file():
    model = loaded("fitted")
    table = Table(("a", "b"), (np.array([3.0, -3.0]), np.array([0.0, 0.0])))
    assert model.predict(table)[:, 1].round() == pytest.approx([1, 0])
    assert model.identity.targets == ("False", "True")


def test_what_a_function_prints_goes_to_standard_error(capsys):
    assert loaded("squeezed").predict(TABLE).tolist() == [[0.2, 0.8]] * 3
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_no_control_characters_that_a_model_prints(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with quiet():
        print("\x1b]0;title\x07", "\x1b[31mred\x1b[0m", end="\r")
        sys.stdout.writelines(["\x9b2J", "a\tb\n"])
    assert terminal.getvalue() == "\\x1b]0;title\\x07 \x1b[31mred\x1b[0m\r\\x9b2Ja\tb\n"


def test_threads_that_overlap_leave_standard_output_where_it_was(capfd):
    inside, over = threading.Event(), threading.Event()

    def earlier():
        with quiet():
            inside.set()
            over.wait()

    def later():
        inside.wait()
        with quiet():
            over.set()
            first.join()

    first, second = (threading.Thread(target=one) for one in (earlier, later))
    for one in (first, second):
        one.start()
    second.join()
    print("of Python")
    os.write(1, b"of C")
    assert capfd.readouterr().out == "of Python\nof C"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("py:tests.models.python_functions", "write py:tests.models:python_functions"),
        ("py:functions", "does not name a function; write py:package.module:function"),
        (
            PLACE + "Service.predict",
            r"a method of the class Service; make an object of it in the "
            r"module, service = Service\(\), and explain py:tests.*:service.predict",
        ),
        (PLACE + "nothing", r"has no nothing; it has .*brightness"),
        (PLACE + "number", "number is a int, not a function"),
        (PLACE + "unfitted", "is not fitted"),
        ("py:no_such_module:f", "no module no_such_module"),
    ],
)
def test_what_cannot_be_called_is_refused(name, message):
    with pytest.raises(ModelError, match=message) as caught:
        ModelFile(name).load()
    assert str(caught.value).startswith(name)


@pytest.mark.parametrize("place", ["{}.py", "./{}.py", "in_{}/{}.py", "{here}/{}.py", "../{}.py"])
def test_a_function_may_be_named_by_its_file(tmp_path, monkeypatch, place):
    name, here = f"by_file_{len(place)}", tmp_path / "here"
    path = here / place.format(name, name, here=here)
    path.parent.mkdir(parents=True, exist_ok=True)
    here.mkdir(exist_ok=True)
    path.write_text("def half(texts): return [[0.5, 0.5] for _ in texts]")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", list(sys.path))
    model = ModelFile(f"py:{place.format(name, name, here=here)}:half").load()
    assert model.predict(["a", "b"]).tolist() == [[0.5, 0.5]] * 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("py:gone.py:f", "there is no file gone.py; write py:"),
        ("py:json.py:f", "another module that is called json; rename the file"),
        ("./own.py:f", "write py:own.py:f$"),
        ("py:own.py", "write py:own.py:NAME$"),
        ("inner/own.py", "write py:inner/own.py:NAME$"),
    ],
)
def test_a_file_whose_function_cannot_be_called_is_refused(tmp_path, monkeypatch, name, message):
    (tmp_path / "here" / "inner").mkdir(parents=True)
    for one in ("here/json.py", "here/own.py", "here/inner/own.py"):
        (tmp_path / one).write_text("def f(texts): return [[0.5, 0.5] for _ in texts]")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ModelError, match=message):
        ModelFile(name).load()


def test_a_function_that_leaves_the_program_does_not():
    with pytest.raises(PredictionError, match=r"called exit \(3\)"):
        loaded("leaves").predict(TABLE)


@pytest.mark.parametrize(
    "kind", ["GeneratorExit", "KeyboardInterrupt", "Panic(BaseException)", "SystemExit"]
)
@pytest.mark.parametrize("where", ["", "    "])
def test_whatever_a_function_raises_is_one_line(tmp_path, kind, where):
    name, _, base = kind.partition("(")
    made = f"class {kind}: pass\n" if base else ""
    function = f"def predict(rows):\n    raise {name}('\x1b[31mno')\n"
    code = made + (function if where else f"{function}\nraise {name}('no')\n")
    (tmp_path / "raising.py").write_text(code)
    (tmp_path / "x.csv").write_text("a,b\n" + "1,2\n3,4\n5,7\n9,1\n" * 50)
    command = ["-m", "lime_cli", "explain", "tabular", "py:raising:predict", "x.csv", "--row", "1"]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(__import__("pathlib").Path(__file__).parents[2]), "PATH": ""},
    )
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (4, "", 1), done.stderr
    assert lines[0].startswith("limex: py:raising:predict: ")
    assert "\x1b" not in lines[0]


def run_in(folder, code):
    done = subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-I", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(__import__("pathlib").Path(__file__).parents[2]), "PATH": ""},
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs python -P")
def test_a_module_of_this_folder_is_found_but_hides_no_installed_one(tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    (tmp_path / "mine.py").write_text("import numpy\n\ndef f(texts):\n    return numpy.ones(2)\n")
    code = (
        "from lime_cli.models.model_file import ModelFile\n"
        "print(ModelFile('py:mine:f').load().predict(['a', 'b']).tolist())"
    )
    assert run_in(tmp_path, code).strip() == "[[1.0], [1.0]]"


def test_only_onnx_models_take_a_tokenizer_or_run_on_a_graphics_card():
    with pytest.raises(SettingsError, match="--tokenizer"):
        loaded("total", tokenizer="t.json")
    with pytest.raises(SettingsError, match="--provider"):
        loaded("total", provider="cuda")


def test_a_model_that_is_not_the_same_twice_is_said_to_be_so():
    model = loaded("noisy")
    assert codes(model) == []
    model.predict(TABLE)
    assert codes(model) == ["not_deterministic"]


def test_a_model_whose_answers_depend_on_the_batch_is_asked_row_by_row():
    model = loaded("centred")
    assert model.predict(TABLE)[:, 0].tolist() == [0.0, 0.0, 0.0]
    assert codes(model) == ["batch_dependent"]
    assert model.predict(TABLE)[:, 0].tolist() == [0.0, 0.0, 0.0]


def test_equal_rows_prove_nothing_and_the_probe_goes_on():
    model = loaded("centred", threads=2)  # another file, so loaded anew
    same = rows(TABLE, [0, 0, 0])
    assert model.predict(same)[:, 0].tolist() == [0.0, 0.0, 0.0]
    assert codes(model) == []
    model.predict(TABLE)
    assert codes(model) == ["batch_dependent"]


def test_a_model_that_takes_no_single_row_is_asked_in_batches():
    model = loaded("never_alone")
    assert model.predict(TABLE)[:, 0].tolist() == [20.0, 30.0, 70.0]
    assert codes(model) == []


def test_a_sound_model_is_probed_once(monkeypatch):
    from tests.models import python_functions

    sizes = []

    def counted(frame):
        sizes.append(len(frame))
        return python_functions.total(frame)

    monkeypatch.setattr(python_functions, "counted", counted, raising=False)
    model = loaded("counted")
    for _ in range(3):
        model.predict(TABLE)
    assert sizes == [3, 2, 2, 1, 1, 3, 3]


def test_a_function_has_no_file_whose_digest_could_be_checked():
    with pytest.raises(SettingsError, match="--sha256"):
        loaded("total", sha256="00")


@pytest.mark.parametrize("kind", ["pickle", "skops", "onnx", "xgboost", "catboost"])
def test_a_file_that_is_missing_is_told_whatever_format_it_should_have(tmp_path, kind):
    for choices in ({}, {"sha256": "00"}):
        with pytest.raises(ModelError, match="no such file"):
            ModelFile(str(tmp_path / "m"), format=kind, **choices).load()


IMAGES = np.full((2, 9, 8, 3), 0.5, np.float32)

TEXTS = ["a", "a text of some more words", "", "a very long text " * 9, "b"]


@pytest.mark.parametrize("name", python_functions.ANSWERS)
def test_whatever_a_library_answers_with_is_read(name):
    model = loaded(name)
    expected = python_functions.scores_of(TEXTS)
    assert model.predict(TEXTS) == pytest.approx(expected, abs=1e-6)
    assert model.predict(TEXTS[:1]) == pytest.approx(expected[:1], abs=1e-6)
    said = [one.message for one in model.warnings]
    assert any("its first part" in one for one in said) == (name.startswith("pair"))


def test_a_function_may_empty_what_it_is_given():
    texts = list(TEXTS)
    expected = python_functions.scores_of(TEXTS)
    assert loaded("emptied").predict(texts) == pytest.approx(expected, abs=1e-6)
    assert texts == TEXTS


def test_what_is_printed_past_python_goes_to_standard_error_too(capfd):
    loaded("printed_in_c").predict(TEXTS)
    found = capfd.readouterr()
    assert (found.out, found.err[:10]) == ("", "no result\n")


@pytest.mark.parametrize(
    "name",
    [
        "later",
        "awaitable",
        "later_for_one",
        "awaitable_for_each",
        "later_after_a_failure",
        "row_after_row",
    ],
)
def test_an_asynchronous_function_is_waited_for(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loaded(name).predict(TEXTS) == pytest.approx(python_functions.scores_of(TEXTS))


@pytest.mark.parametrize("name", ["later", "awaitable_for_each"])
def test_where_an_event_loop_runs_a_thread_waits_for_an_asynchronous_function(name):
    async def inside():
        with pytest.raises(PredictionError, match=r"an event loop runs here .* asyncio\.to_thread"):
            loaded(name).predict(TEXTS)
        return await asyncio.to_thread(loaded(name).predict, TEXTS)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(inside()) == pytest.approx(python_functions.scores_of(TEXTS))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("table_as_array", False),
        ("table_as_typed_array", False),
        ("table_as_lists", False),
        ("row_as_list", True),
        ("table_as_frame_later", False),
    ],
)
def test_a_function_gets_a_table_as_its_annotation_says(name, said):
    model = loaded(name)
    for _ in range(2):
        assert model.predict(TABLE)[:, 0] == pytest.approx([18.2, 28.3, 68.4])
    assert codes(model) == ["one_by_one"] * said


@pytest.mark.parametrize(
    "name", ["of_any_list_as_fasttext", "of_any_list_as_zero_shot", "best_of_any_list"]
)
@pytest.mark.parametrize("n", [1, 5])
def test_one_answer_by_label_to_a_list_is_told_how_one_text_is_annotated(name, n):
    words = rf"one answer for {n} inputs?, .* annotate it: def {name}\(text: str\)"
    with pytest.raises(PredictionError, match=words):
        loaded(name).predict([f"{one} and more" for one in TEXTS[:n]])


def test_a_function_of_one_text_is_told_that_it_is_given_a_list():
    model = loaded("first_alone")
    model.predict(TEXTS[:1])
    words = r"returned shape \(1, 3\) for 5 inputs, not \(5, k\); .*: def first_alone\(texts: str\)"
    with pytest.raises(PredictionError, match=words):
        model.predict(TEXTS)


def test_a_function_that_wants_other_images_is_told_what_it_is_given():
    words = (
        r"AssertionError: float32\); it gets 2 x 9 x 8 x 3 numbers of type float32, from 0.5 to 0.5"
    )
    with pytest.raises(PredictionError, match=words):
        loaded("bytes_only").predict(IMAGES)
    with pytest.raises(PredictionError, match="it gets 2 x 3 x 9 x 8 numbers"):
        loaded("bytes_only", layout="NCHW").predict(IMAGES)


GIVEN = {
    "list": (lambda one: one.lower(), TEXTS, "it gets a list of texts"),
    "strings": (lambda one: re.sub("a", "b", one), TEXTS, "it gets a list of texts"),
    "cells": (
        lambda one: [len(x.encode()) for x in one.columns[0].tolist()],
        Table(("a",), (np.array([1, 2]),)),
        "--strings COLUMN gives it those of a column as text",
    ),
    "images": (lambda one: one.convert("L"), np.zeros((2, 4, 4, 3)), "def f(image: Image.Image)"),
    "path": (
        lambda one: Image.open(one),
        np.zeros((2, 4, 4, 3)),
        "def one(image: Image.Image): image.save('one.png'); return f('one.png')",
    ),
    "bytes": (
        lambda one: Image.open(io.BytesIO(one)),
        np.zeros((2, 4, 4, 3)),
        "image.save(file := io.BytesIO(), 'PNG'); return f(file.getvalue())",
    ),
    "batch": (
        lambda one: Image.fromarray(np.uint8(one)),
        np.zeros((2, 4, 4, 3)),
        "one image at a time, def all(images): return [f(image) for image in images]",
    ),
    "index": (
        lambda one: one.names.lower(),
        Table(("Unnamed: 0",), (np.zeros(2),)),
        "--drop 'Unnamed: 0' leaves it out",
    ),
    "array": (lambda one: one[:, 0], Table(("a",), (np.zeros(2),)), "--input-form array gives it"),
}


@pytest.mark.parametrize("name", list(GIVEN))
def test_a_function_that_expects_something_else_is_told_what_it_is_given(name):
    function, inputs, words = GIVEN[name]
    path = f"{PYTHON_PREFIX}m:f"
    with pytest.raises((AttributeError, TypeError, OSError, pd.errors.InvalidIndexError)) as error:
        function(inputs if name != "array" else pd.DataFrame({"a": [0.0]}))
    assert words in failure(path, error.value, inputs, is_function=True).hint


def test_a_function_of_pillow_s_images_that_fails_is_told_of_those():
    given = ModelInput("m", kind="image")
    said = failure(
        "py:m:f", IndexError("a"), np.zeros((2, 4, 6, 3)), given=given, is_function=True
    ).hint
    assert "Pillow's images, by its annotation, 6 x 4 pixels in RGB" in said
    assert "--layout" not in said


@pytest.mark.parametrize(
    "name", ["listed", "listed_of_one", "by_dictionary", "ranked_by_text", "decoded"]
)
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[::-1]])
def test_scores_go_by_their_labels_whatever_their_order(name, texts):
    model = loaded(name, threads=len(texts[0]) + 1)
    found = model.predict(texts)
    expected = python_functions.scores_of(texts)
    names = model.identity.targets
    columns = [python_functions.LABELS.index(one) for one in names]
    assert found == pytest.approx(expected[:, columns])
    assert model.predict(texts[3:]) == pytest.approx(expected[3:, columns])
    if name == "listed":
        assert names == ("LABEL_2", "LABEL_9", "LABEL_10")
    given = loaded(name, classes=("LABEL_9", "LABEL_2", "LABEL_10"))
    found = given.predict(texts)
    columns = [python_functions.LABELS.index(one) for one in given.identity.targets]
    assert found == pytest.approx(expected[:, columns])


def test_the_best_label_alone_is_not_enough():
    with pytest.raises(PredictionError, match=r"py:tests.*some labels only; .*top_k=None"):
        loaded("best_alone").predict(TEXTS)
    model = loaded("best_alone", threads=3)
    model.predict(TEXTS[:1])
    with pytest.raises(PredictionError, match="top_k=None"):
        model.predict(TEXTS[3:4])


def test_one_label_is_a_probability_of_two_classes():
    model = loaded("one_label")
    found = model.predict(TEXTS)
    assert found[:, 1] == pytest.approx(python_functions.scores_of(TEXTS)[:, 1])
    assert model.identity.targets == ("not toxic", "toxic")


def test_one_column_from_0_to_1_says_how_it_is_read():
    model = loaded("column")
    assert model.predict(TEXTS)[:, 0] == pytest.approx(python_functions.scores_of(TEXTS)[:, 1])
    assert ["--task classification" in one.message for one in model.warnings] == [True]
    model = loaded("column", task="classification")
    assert model.predict(TEXTS)[:, 1] == pytest.approx(python_functions.scores_of(TEXTS)[:, 1])
    assert model.warnings == ()


def test_the_layout_that_is_said_is_what_a_function_gets():
    images = np.random.default_rng(0).random((2, 5, 4, 3)).astype(np.float32)
    found = loaded("channels_first", layout="NCHW").predict(images)
    assert found[:, 0] == pytest.approx(images[..., 0].mean(axis=(1, 2)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fails_late", r"\(python_functions\.py:\d+: KeyError: 'logits'\)"),
        ("fails_twice", r"\(python_functions\.py:\d+: Broken\)"),
        ("fails_remotely", r"ConnectionError: HTTPSConnectionPool: Max retries exceeded"),
        ("returns_nothing", "returned nothing, not numbers; does the function end in return"),
    ],
)
def test_what_goes_wrong_in_a_function_is_one_line_with_its_own_words(name, words):
    with pytest.raises(PredictionError, match=words) as caught:
        loaded(name).predict(TEXTS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("of_a_column", TEXTS, r"begin with texts = pandas.DataFrame\(\{'COLUMN': texts\}\)"),
        ("of_a_series", TEXTS, r"begin with texts = pandas.Series\(texts\)"),
        ("described", TEXTS, "DataFrame whose column 'text' holds no numbers.*; the function must"),
        ("reported", TEXTS, "'0.9'.*not numbers; the function must"),
        ("convolved", IMAGES, "--layout NCHW puts the channels first"),
        ("channels_first", IMAGES, "--layout NCHW puts the channels first"),
        ("in_tensors", IMAGES, r"images = torch\.from_numpy\(images\)"),
        ("of_floats", IMAGES.astype(np.uint8), "--preprocess unit gives it float32 from 0 to 1"),
        ("of_letters", TEXTS, r"'list' object has no attribute 'lower'"),
        ("of_lines", ["one", "two\nlines"], r"texts = \[' '\.join\(one\.splitlines\(\)\)"),
        ("two_tables", TEXTS, "returned dict, not numbers; the function must"),
        ("of_short_texts", TEXTS, r"ValueError: too long\)$"),
        ("in_json", TEXTS, "words .*not numbers; the function must .*: json.loads"),
    ],
)
def test_what_a_function_mistakes_its_input_or_its_answer_for_is_said(name, inputs, words):
    with pytest.raises(PredictionError, match=words):
        loaded(name).predict(inputs)


ONE_AT_A_TIME = {
    "of_one_text": [[len(one), 1] for one in TEXTS],
    "of_one_text_in_a_row": [[len(one), 1] for one in TEXTS],
    "of_one_text_as_fasttext": [[1 / (2 + len(one)), 1 - 1 / (2 + len(one))] for one in TEXTS],
    "of_one_text_as_zero_shot": [[1 / (2 + len(one)), 1 - 1 / (2 + len(one))] for one in TEXTS],
    "of_one_text_as_a_number": [[float(len(one))] for one in TEXTS],
    "of_one_text_by_class": [[len(one), 1] for one in TEXTS],
}


@pytest.mark.parametrize("name", list(ONE_AT_A_TIME))
def test_a_function_of_one_text_is_called_with_one_at_a_time(name):
    model = loaded(name)
    assert model.predict(TEXTS) == pytest.approx(np.array(ONE_AT_A_TIME[name]))
    assert model.predict(TEXTS[::-1]) == pytest.approx(np.array(ONE_AT_A_TIME[name][::-1]))
    assert "one_by_one" in [one.code for one in model.warnings]


@pytest.mark.parametrize("n", [1, len(TEXTS)])
def test_a_function_whose_text_is_annotated_gets_one_at_a_time_from_the_beginning(n):
    model = loaded("of_one_text_by_its_annotation")
    assert model.input.kind == "text"
    found = model.predict(TEXTS[:n])
    assert found[:, 0].tolist() == [len(one) for one in TEXTS[:n]]


def test_a_function_that_answers_once_to_a_batch_is_called_with_batches_of_one():
    model = loaded("of_the_first_text")
    assert model.predict(TEXTS[:1]).tolist() == [[len(TEXTS[0]), 1]]
    assert model.predict(TEXTS).tolist() == [[len(one), 1] for one in TEXTS]
    assert "one_by_one" in [one.code for one in model.warnings]


def test_a_function_that_answers_to_a_text_and_to_a_list_of_it_differently_is_refused():
    words = r"shape \(1, 2\) for 5 inputs.*: def of_the_first_letter_too\(texts: str\)"
    with pytest.raises(PredictionError, match=words):
        loaded("of_the_first_letter_too").predict(TEXTS)


@pytest.mark.parametrize("name", ["flat_of_one_text", "flat_of_the_first", "flat_of_texts"])
def test_a_flat_row_for_a_batch_is_that_of_one_input(name):
    model = loaded(name)
    assert model.predict(TEXTS).tolist() == [[len(one), 1] for one in TEXTS]
    assert "one_by_one" in [one.code for one in model.warnings]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flat_of_a_word", r"shape \(2,\) for 5 inputs, not \(5, k\); it must return a row"),
        ("raveled", r"shape \(15,\) for 5 inputs, not \(5, 3\); it must return a row"),
    ],
)
def test_a_flat_row_that_may_mean_either_is_refused(name, words):
    with pytest.raises(PredictionError, match=words):
        loaded(name).predict(TEXTS)


def test_a_flat_row_for_a_batch_of_images_is_that_of_one_or_refused():
    images = np.random.default_rng(0).random((5, 9, 8, 3)).astype(np.float32)
    found = loaded("flat_of_one_image").predict(images)
    assert found[:, 0] == pytest.approx(images.mean(axis=(1, 2, 3)), abs=1e-6)
    words = r"shape \(2,\) for 5 .*explain def f\(images\): return \[flat_of_a_corner\(image\) for"
    with pytest.raises(PredictionError, match=words):
        loaded("flat_of_a_corner").predict(images)


@pytest.mark.parametrize("name", ["one_picture", "one_picture_at_most", "pictures"])
def test_a_function_whose_image_is_annotated_gets_pillow_s(name):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3), np.uint8)
    model = loaded(name)
    assert (model.input.kind, model.input.preprocess) == ("image", "raw")
    first = [Image.fromarray(one) for one in pixels]
    luma = [[one.convert("L").getpixel((0, 0)), 5, 6] for one in first]
    colours = [[*one.getpixel((0, 0)), 1][: 3 + ("most" in name)] for one in first]
    expected = luma if name == "one_picture" else colours
    assert model.predict(pixels.astype(np.float32)).tolist() == expected
    with pytest.raises(PredictionError, match="leave out --preprocess"):
        model.predict((pixels / 255).astype(np.float32))
    with pytest.raises(SettingsError, match=r"--layout NCHW: .* leave it out"):
        loaded(name, layout="NCHW").input  # noqa: B018


@pytest.mark.parametrize("name", ["decided", "decided_by_failing", "listed_decisions"])
def test_of_a_label_its_index_and_probabilities_the_last_are_used(name):
    pixels = np.random.default_rng(1).integers(2, 256, (3, 6, 5, 3)).astype(np.float32)
    found = loaded(name).predict(pixels)
    assert found == pytest.approx(pixels[:, 0, 0] / 1_000)


def test_of_another_tuple_the_line_says_what_to_return():
    pixels = np.random.default_rng(1).integers(2, 256, (3, 6, 5, 3)).astype(np.float32)
    with pytest.raises(PredictionError, match=r"; return \(\.\.\.\)\[2\] in place of \(\.\.\.\)"):
        loaded("several_decided").predict(pixels)
    found = loaded("several_decided_without_them").predict(pixels)
    assert found == pytest.approx(pixels[:, 0, 0] / 1_000)


ROWS = Table(
    ("age", "city", "bonus"),
    (np.array([30.0, 5, 6]), np.array(["Oslo", "Rome", "Oslo"], object), np.ones(3)),
)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("row_as_dictionary", False),
        ("rows_as_dictionaries", False),
        ("row_by_failing", True),
        ("row_by_attributes", True),
        ("cells_by_name", False),
        ("rows_served", False),
        ("rows_served.predict", False),
    ],
)
def test_a_function_of_one_row_or_of_its_cells_is_asked_row_by_row(name, said):
    model = loaded(name)
    for _ in range(2):
        assert model.predict(ROWS).tolist() == [[31], [5], [7]]
    assert ("one_by_one" in [one.code for one in model.warnings]) == said


@pytest.mark.parametrize("name", ["resized_pixels", "halved_pixels"])
def test_a_function_that_answers_to_bytes_otherwise_is_said_to_get_floats(name):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3)).astype(np.float32)
    model = loaded(name)
    for images in (pixels + 0.25, pixels, pixels):
        assert model.predict(images) == pytest.approx(images[:, 0, :, 0] / 2)
    said = [one.message for one in model.warnings if one.code == "as_bytes"]
    assert len(said) == (name == "resized_pixels")
    assert all("images.astype('uint8')" in one for one in said)


@pytest.mark.parametrize("name", ["annotated_bytes", "annotated_bytes_alone"])
def test_a_function_whose_bytes_are_annotated_gets_bytes(name):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3), np.uint8)
    model = loaded(name)
    assert model.input.preprocess == "raw"
    found = model.predict(pixels.astype(np.float32))
    assert found.tolist() == (pixels[:, 0, :, 0] // 2).tolist()
    assert codes(model) == ["one_by_one"] * ("alone" in name)
    with pytest.raises(PredictionError, match="leave out --preprocess"):
        model.predict((pixels / 255).astype(np.float32))


@pytest.mark.parametrize("name", ["resized_pixels_alone", "resized_pixels_of_one"])
def test_a_function_of_one_image_that_answers_to_bytes_otherwise_is_said_to(name):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3)).astype(np.float32)
    model = loaded(name)
    assert model.predict(pixels[:1])[0, 0] == pixels[0, 0, 0, 0] / 2
    said = {one.code: one.message for one in model.warnings}
    assert "img = img.astype('uint8')" in said["as_bytes"]
    assert model.predict(pixels)[:, 0].tolist() == (pixels[:, 0, 0, 0] / 2).tolist()


def test_a_label_with_its_score_alone_says_nothing_of_other_labels():
    texts = ["short", "this one is long"]
    model = loaded("best_label")
    assert model.predict(texts[:1]).shape == (1, 2)
    assert "output_assumed" in [one.code for one in model.warnings]
    with pytest.raises(PredictionError, match=r"some labels only|same outputs"):
        model.predict(texts)
    with pytest.raises(PredictionError, match="some labels only"):
        loaded("best_label").predict(texts)


def test_a_function_of_one_image_is_called_with_one_at_a_time():
    model = loaded("of_one_image")
    assert model.predict(IMAGES) == pytest.approx(IMAGES.mean(axis=(1, 2)))
    assert "one_by_one" in [one.code for one in model.warnings]


def test_a_function_of_one_pillow_image_gets_one_of_bytes():
    images = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3))
    model = loaded("drawn_alone")
    found = model.predict((images / 255).astype(np.float32))
    assert found[:, 0].tolist() == images[:, 0, 0, 0].tolist()
    assert {"one_by_one", "as_bytes"} <= {one.code for one in model.warnings}


def test_a_function_that_draws_one_image_is_called_with_one_at_a_time():
    images = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3)).astype(np.float32)
    model = loaded("drawn_in_bytes")
    assert model.predict(images)[:, 0].tolist() == images[:, 0, 0, 0].tolist()
    assert codes(model) == ["one_by_one"]


def test_a_function_of_a_path_is_told_how_to_make_files_of_images():
    with pytest.raises(ModelError, match=r"path of an image, .*image\.save\('one\.png'\)"):
        loaded("later_for_one").input.require("image")


@pytest.mark.parametrize("white", [1, 255])
def test_a_function_of_pillow_images_gets_bytes(white):
    images = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3))
    model = loaded("drawn")
    found = model.predict((images * (white / 255)).astype(np.float32))
    assert found[:, 0].tolist() == images[:, 0, 0, 0].tolist()
    assert "as_bytes" in [one.code for one in model.warnings]
    dark = np.zeros((1, 6, 5, 3), np.float32)  # whose range alone tells nothing
    dark[0, 0, 0] = 1
    assert model.predict(dark)[0, 0] == (255 if white == 1 else 1)


def test_what_a_function_writes_into_its_images_is_not_seen_again():
    images = np.random.default_rng(1).random((3, 6, 5, 3)).astype(np.float32)
    kept, model = images.copy(), loaded("subtracting")
    assert model.predict(images)[:, 0] == pytest.approx(images.mean(axis=(1, 2, 3)) - 1)
    assert (images == kept).all()
    assert model.warnings == ()


def test_the_score_of_one_label_alone_is_said_to_be_that():
    model = loaded("top_one")
    assert model.predict(TEXTS)[:, -1] == pytest.approx([1 / (2 + len(one)) for one in TEXTS])
    (said,) = [one.message for one in model.warnings if one.code == "output_assumed"]
    assert "'spam'" in said
    assert "top_k=None" in said


def test_a_network_s_dictionary_is_read_by_the_name_of_its_predictions():
    torch = pytest.importorskip("torch")

    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last = torch.nn.Linear(3, 2)

        def forward(self, rows):
            return {"features": rows, "logits": self.last(rows)}

    network, row = Named().eval(), np.float32([[0.5, -1, 2]])
    truth = network(torch.tensor(row))["logits"].detach().numpy()[0]
    rest = np.random.default_rng(0).normal(size=(99, 3))
    table = pd.DataFrame(np.vstack([row, rest]).astype(np.float32), columns=list("abc"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lime_cli.LimexWarning)
        found = lime_cli.explain(network, table, row=0, samples=256)
    assert found.record["outputs"] == pytest.approx(truth.tolist(), abs=1e-6)


def test_ranked_labels_are_put_in_one_order():
    model = loaded("ranked")
    expected = [[1 - 1 / (2 + len(one)), 1 / (2 + len(one))] for one in TEXTS]
    assert model.predict(TEXTS) == pytest.approx(np.array(expected))
    assert model.identity.targets == ("a", "b")


def test_whole_numbers_may_be_those_of_classes():
    model = loaded("places")
    model.predict(TEXTS)
    assert [one.code for one in model.warnings] == ["task_assumed"]
    model = loaded("places", classes=("a", "b", "c"))
    assert model.predict(TEXTS).sum(axis=1).tolist() == [1.0] * len(TEXTS)


def test_what_may_be_secret_in_the_words_of_an_exception_stays_there():
    with pytest.raises(PredictionError) as caught:
        loaded("fails_remotely").predict(TEXTS)
    for secret in ("pass1", "ABCDEF123", "abcdef0123456789", "hf_abcdefghijkl"):
        assert secret not in str(caught.value)
    assert "https://***@api.example.com/v1?***" in str(caught.value)


@pytest.mark.parametrize("name", ["functions.py", "functions.py:total"])
def test_a_file_of_python_is_no_model_but_holds_functions(tmp_path, name):
    (tmp_path / "functions.py").write_text("def total(frame): ...")
    hint = "write py:.*functions.py:" + ("total" if ":" in name else "NAME")
    with pytest.raises(ModelError, match=hint):
        ModelFile(str(tmp_path / name)).load()


def test_two_rows_of_two_numbers_are_rows():
    model = loaded("two_numbers")
    found = model.predict(TEXTS[1:3])
    assert found == pytest.approx(python_functions.scores_of(TEXTS[1:3])[:, 1:] / 2)


@pytest.mark.parametrize(("limit", "told"), [(1, 1), (7, 4), (16, 16), (32, 32)])
def test_a_function_of_small_batches_is_told_the_size_that_it_takes(limit, told):
    def few(texts):
        if len(texts) > limit:
            raise RuntimeError("max_batch_size")
        return [[len(text) / 99, 1 - len(text) / 99] for text in texts]

    text = "one two three four five six seven"
    with pytest.raises(lime_cli.LimexError, match=f"batch_size={told} gives it no more"):
        lime_cli.explain(few, text, samples=100)
    found = lime_cli.explain(few, text, samples=100, batch_size=told)
    assert found.record["outputs"] == pytest.approx(few([text])[0])


def test_a_function_that_fails_on_one_input_is_told_of_no_size():
    def choosy(texts):
        if any("three" not in text for text in texts):
            raise RuntimeError("no three")
        return [[len(text) / 99] for text in texts]

    with pytest.raises(lime_cli.LimexError, match=r"failed on its input \(RuntimeError: no three"):
        lime_cli.explain(choosy, "one two three four", samples=64)


LIVE = {
    "texts": (lambda texts: texts.astype(str), "one two", "it gets a list of texts, not a column"),
    "layout": (
        lambda images: 1 / (images.shape[1] == 3),
        np.zeros((3, 20, 24)),
        "it gets 1 x 20 x 24 x 3 numbers of type float32, from 0 to 0; layout, channels, size",
    ),
}


@pytest.mark.parametrize("name", list(LIVE))
def test_a_live_function_is_told_what_it_is_given_too(name):
    function, data, words = LIVE[name]
    with pytest.raises(lime_cli.LimexError, match=re.escape(words.replace("\\", ""))):
        lime_cli.explain(function, data, samples=32)
