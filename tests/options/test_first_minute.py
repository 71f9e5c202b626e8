"""The first minute: nothing typed, words mistyped, the kind of input forgotten, one row."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lime_cli.errors import SettingsError
from lime_cli.options.kinds import guess
from lime_cli.tools.explain import explain
from lime_cli.version import __version__
from tests.conftest import ROOT

ZOO = ("sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")


@pytest.mark.parametrize(
    "words", [(), ("explain",), ("evaluate",), ("help",), ("help", "explain", "tabular")]
)
def test_a_command_without_arguments_prints_its_help(limex, words):
    result = limex(*words)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Usage: limex")
    helped = [*(one for one in words if one != "help"), "--help"]
    assert result.out == limex(*helped).out


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("explian",), "explain"),
        (("summarise", "out"), "summarize"),
        (("sumarize", "out"), "summarize"),
        (("compar",), "compare"),
        (("explain", "tabluar", "m.pkl", "d.csv"), "tabular"),
        (("explain", "txt", "m.pkl", "d.txt"), "text"),
        (("explain", "images", "m.pkl", "d.png"), "image"),
        (("evaluate", "tabluar"), "tabular"),
        (("explain", "tabular", *ZOO, "--rwo", "3"), "--row"),
        (("explain", *ZOO, "--rwo", "3"), "--row"),
        (("explain", "tabular", *ZOO, "--fromat=json"), "--format"),
        (("compare", "--max-filps", "3"), "--max-flips"),
        (("--versoin",), "--version"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_a_mistyped_word_gets_the_one_that_was_meant(limex, words, meant):
    result = limex(*words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.endswith(f"; did you mean {meant}?\n")


def test_a_word_like_no_command_is_sent_to_the_help(limex):
    assert limex("qqq").err == "limex: limex has no command 'qqq'; see limex --help\n"


def test_version_has_a_short_form(limex):
    assert limex("-V").out == limex("--version").out == f"limex {__version__}\n"


EXPLAINED = [
    ((*ZOO, "--row", "3"), "tabular", ""),
    (("--row", "3", *ZOO), "tabular", ""),
    (("sample_models/reviews.onnx", "sample_data/review.txt"), "text", ""),
    (("sample_models/reviews.onnx", "--text", "A wonderful film"), "text", ""),
    (("sample_models/scenes.onnx", "sample_data/scene.png"), "image", ""),
]


@pytest.mark.parametrize(("words", "modality", "assumed"), EXPLAINED)
def test_the_kind_of_input_may_be_left_out(limex, words, modality, assumed):
    given = (*words, "--samples", "64", "-f", "json")
    short, long = limex("explain", *given), limex("explain", modality, *given)
    assert short.code == 0, short.err
    assert short.out == long.out
    assert re.findall(r"limex: assumed: (.*?);", short.err) == [assumed] * bool(assumed)
    assert limex("explain", *given, "-q").err == ""


CONTENTS = {
    "rows.data": (b"5.1,3.5,setosa\n4.9,3.0,setosa\n", "tabular"),
    "rows.tsv": (b"a\tb\n1\t2\n", "tabular"),
    "rows.csv.gz": (b"\x1f\x8b\x08", "tabular"),
    "rows.parquet": (b"PAR1....", "tabular"),
    "mail": (b"Dear all,\nthe meeting is off.\n", "text"),
    "one.txt": (b"A film", "text"),
    "photo": (b"\xff\xd8\xff\xe0JFIF", "image"),
    "scan.tif": (b"II*\x00....", "image"),
    "array.npy": (b"\x93NUMPY", "image"),
    "grey.npy": (b"\x93NUMPY{'descr': '|u1', 'shape': (8, 8, 1), }", "image"),
    "rows.npy": (b"\x93NUMPY{'descr': '<f8', 'shape': (300, 4), }", "tabular"),
    "pic": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image"),
    "rows.txt": (b"a;b\n1;2\n3;4\n", None),
    "bytes": (b"\x00\x01\x02", None),
    "empty": (b"", None),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_the_kind_of_a_file_is_told_by_its_bytes_and_its_name(tmp_path, name):
    content, modality = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    arguments = ("m.pkl", str(tmp_path / name))
    if modality is not None:
        assert guess(arguments, explain.commands).modality == modality
        return
    with pytest.raises(SettingsError, match="cannot tell which kind of input") as refused:
        guess(arguments, explain.commands)
    for one in explain.commands:
        assert f"limex explain {one}" in refused.value.hint


def test_rows_of_an_array_are_explained(limex, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(80, 3))
    model = LogisticRegression().fit(numbers, numbers[:, 0] > 0)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "rows.npy", numbers)
    words = (tmp_path / "m.pkl", tmp_path / "rows.npy", "--row", "3", "--samples", "64")
    short, long = (limex("explain", *kind, *words, "-f", "json") for kind in ((), ("tabular",)))
    assert (short.code, short.out) == (0, long.out), short.err
    assert "assumed: rows.npy is a table" in short.err
    (target,) = json.loads(short.out)["targets"]
    assert target["model_prediction"] == pytest.approx(model.predict_proba(numbers[3:4]).max())


@pytest.mark.parametrize(
    ("names", "modality"),
    [(("a.png", "b.jpg"), "image"), (("a.txt",), "text"), (("a.txt", "b.png"), None)],
)
def test_the_kind_of_a_folder_is_that_of_its_files(tmp_path, names, modality):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    arguments = ("m.onnx", str(tmp_path))
    if modality:
        assert guess(arguments, explain.commands).modality == modality
    else:
        with pytest.raises(SettingsError):
            guess(arguments, explain.commands)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--row", "3", "--segments", "5"), "no kind of input has all of --row, --segments"),
        (("m.pkl",), "limex explain requires an input"),
        (("m.pkl", "-"), "-: limex cannot tell which kind of input it is"),
    ],
)
def test_what_cannot_be_guessed_is_asked(typed, said):
    with pytest.raises(SettingsError, match=re.escape(said)):
        guess(typed, explain.commands)


def test_a_table_of_one_row_needs_no_row(limex, data, tmp_path):
    one = tmp_path / "one.csv"
    one.write_text("".join((data / "zoo.csv").read_text().splitlines(keepends=True)[:2]))
    rest = ("--background", data / "zoo.csv", "--samples", "64", "-f", "json")
    short = limex("explain", "tabular", ZOO[0], one, *rest)
    assert short.code == 0, short.err
    typed = limex("explain", "tabular", ZOO[0], one, *rest, "--row", "0")
    assert json.loads(short.out)["hash"] == json.loads(typed.out)["hash"]


def test_a_table_of_more_rows_asks_which(limex):
    result = limex("explain", "tabular", *ZOO)
    assert result.code == 2
    assert "zoo.csv has more than one row" in result.err
    assert "--row 17" in result.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("explain", "image", "m.onnx", "p.png", "--segmenter", "slik"), 2, "did you mean slic?"),
        (("explain", "text", "m.onnx", "--text", "a", "-f", "pgn"), 2, "did you mean png?"),
        (("explain", "text", "m.onnx", "--text", "a", "--selection", "forwrd"), 2, "mean forward?"),
        (("explain", "tabular"), 2, "limex explain tabular requires MODEL; see limex explain"),
        (
            ("explain", "tabular", *ZOO, "--segmenter", "grid"),
            2,
            "limex explain image has it",
        ),
        (("check", "out/"), 2, "limex check requires --policy; see limex check --help"),
        (("explain", "tabular", *ZOO, "--row"), 2, "--row requires a value"),
        (("explain", "tabular", *ZOO, "--samples", "few"), 2, "--samples: 'few' is neither"),
        (
            ("explain", "tabular", ZOO[0], "sample_data/scene.png"),
            3,
            "scene.png: is an image, not a table; use limex explain image",
        ),
        (
            ("explain", "image", "sample_models/scenes.onnx", ZOO[1]),
            3,
            "zoo.csv: is a table, not an image; use limex explain tabular",
        ),
        (
            ("evaluate", "image", "sample_models/scenes.onnx", ZOO[1]),
            3,
            "zoo.csv: is a table, not an image; use limex evaluate tabular",
        ),
        (
            ("explain", "text", "sample_models/reviews.onnx", "sample_data/scene.png"),
            3,
            "scene.png: is an image, not a text; use limex explain image",
        ),
        (
            ("explain", "image", "sample_models/loans.pkl", "sample_data/scene.png"),
            4,
            "takes a table of 7 columns, not an image; use limex explain tabular",
        ),
        (
            ("explain", "image", "sample_models/reviews.onnx", "sample_data/scene.png"),
            4,
            "takes a text, not an image; use limex explain text",
        ),
        (("inspect", "py:json:dumps"), 4, "only its answers tell something; limex explain py:json"),
        (("evaluate", *ZOO, "--samples", "64"), 2, "zoo.csv has more than one row"),
        (("explain", "text", ZOO[0], ""), 2, "INPUT: the path is empty; see limex explain text"),
        (("explain", ZOO[0], ""), 2, "INPUT: the path is empty; see limex explain --help"),
        (("explain", "tabular", "", ZOO[1]), 2, "MODEL: the path is empty"),
        (("explain", "tabular", *ZOO, "--background", ""), 2, "--background: the path is empty"),
        (("explain", "tabular", *ZOO, "-o", ""), 2, "--output: the path is empty"),
        (("compare", "old.json", ""), 2, "NEW: the path is empty"),
        (("check", "out/", "--policy", ""), 2, "--policy: the path is empty"),
        (
            ("explain", "tabular", *ZOO, "--row", "3", "-o", "b.html", "--output=a.json"),
            2,
            "limex: -o is given twice, b.html and a.json; type -o a.json, and then limex render "
            "a.json -o b.html\n",
        ),
        (
            ("explain", "text", "m.onnx", "a.txt", "-o", "a b.html", "-o", "c.md", "-o", "c.md"),
            2,
            "given twice, a b.html and c.md; type -o 'a b.jsonl', and then limex render "
            "'a b.jsonl' -o 'a b.html'\n",
        ),
        *(
            ((*words, "-o", "a.html", "-o", "b.json"), 2, "-o is given twice, a.html and b.json; ")
            for words in (
                ("evaluate", "text", "m.onnx", "a.txt"),
                ("render", "r.json"),
                ("summarize", "r.json"),
                ("compare", "r.json", "s.json"),
                ("check", "r.json", "--policy", "p.toml"),
                ("profile", ZOO[1]),
                ("convert", ZOO[0]),
                ("demo",),
            )
        ),
        (
            ("explain", *ZOO, "--row", "3", "--row", "7-9"),
            2,
            "limex: --row is given twice, 3 and 7-9; type --row 3,7-9\n",
        ),
        (
            ("profile", ZOO[1], "-o", "p", "--drop", "hair,milk", "--drop=eggs", "--drop=tail"),
            2,
            "--drop is given 3 times, hair,milk, eggs and tail; type --drop hair,milk,eggs,tail\n",
        ),
    ],
)
def test_a_refusal_says_what_to_type_instead(limex, words, code, said):
    result = limex(*words)
    assert result.code == code
    assert said in result.err
    assert "Invalid value" not in result.err


def test_nothing_is_assumed_of_a_file_that_is_not_there(limex):
    result = limex("explain", ZOO[0], "zo.csv", "--target", "bird")
    assert (result.code, result.err) == (
        3,
        "limex: zo.csv: no such file; check the path of the table\n",
    )


def test_a_mistyped_file_is_named_as_it_may_be_meant(limex):
    for words in (
        ("explain", "tabular", "sample_models/zoo_mpl.onnx", ZOO[1], "--row", "3"),
        ("inspect", "sample_models/zoo_mpl.onnx"),
    ):
        result = limex(*words)
        assert result.code == 4
        assert result.err.endswith("no such file; did you mean sample_models/zoo_mlp.onnx?\n")
    result = limex("explain", ZOO[0], "sample_data/zoo.cvs", "--row", "3")
    assert (
        result.err
        == "limex: sample_data/zoo.cvs: no such file; did you mean sample_data/zoo.csv?\n"
    )


def test_a_pipeline_of_texts_is_not_given_rows(limex, tmp_path):
    from joblib import dump
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    texts = ["a good film", "a bad film"] * 4
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=2)
    dump(search.fit(texts, ["good", "bad"] * 4), tmp_path / "m.joblib")
    (tmp_path / "t.csv").write_text(
        "id,text\n" + "".join(f"{i},{t}\n" for i, t in enumerate(texts))
    )
    refused = limex("explain", tmp_path / "m.joblib", tmp_path / "t.csv", "--row", "1")
    assert refused.code == 4
    assert "takes a text, not a table; use limex explain text, with --column" in refused.err
    words = ("explain", "text", tmp_path / "m.joblib", tmp_path / "t.csv", "--column", "text")
    assert limex(*words, "--row", "1").code == 0


def test_a_text_that_begins_as_some_image_files_do_is_a_text(tmp_path):
    for words in ("BMW makes cars.", "GIF89 is not a word, and MM is no unit."):
        (tmp_path / "t").write_text(words)
        assert guess(("m.onnx", str(tmp_path / "t")), explain.commands).modality == "text"


def completed(*words, **variables):
    """Return what the shell would offer for the last word."""
    line = " ".join(("limex", *words))
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words)), "_LIMEX_COMPLETE": "bash_complete"}
    code = "import sys; sys.argv[0] = 'limex'; from lime_cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, **asked, **variables},
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.split()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("expl",), ["explain"]),
        (("explain", "t"), ["tabular", "text"]),
        (("explain", "tabular", *ZOO, "--target", "m"), ["mammal"]),
        (("explain", "tabular", *ZOO, "--target", "p"), ["predicted"]),
        (
            ("explain", "tabular", "sample_models/zoo_mlp.pkl", ZOO[1], "--target", "b"),
            ["bird", "bug"],
        ),
        (("explain", "tabular", *ZOO, "--classes", "x,y", "--target", "x"), ["x"]),
        (("explain", "tabular", *ZOO, "--id-column", "an"), ["animal"]),
        (("explain", "tabular", *ZOO, "--drop", "hair,fe"), ["hair,feathers"]),
        (("explain", "tabular", *ZOO, "--where", "tai"), ["tail"]),
        (("explain", "text", "m.pkl", "sample_data/reviews.csv", "--column", "t"), ["text"]),
        (("explain", "tabular", "m.pkl", "nothing.csv", "--drop", "a"), []),
        (("explain", "tabular", ZOO[1], ZOO[1], "--target", "m"), []),
    ],
    ids=lambda value: " ".join(value),
)
def test_the_shell_offers_columns_and_classes(words, offered):
    assert completed(*words) == offered


@pytest.mark.parametrize(
    ("said", "offered"),
    [
        ('["able", "ab\\u001b]0;b\\u0007", "ab\\nplain,abc", "ab\\u202eb"]', ["able"]),
        ("[" * 100_000, []),
        ("5", []),
        ('[["able"], {"a": 1}, null]', []),
    ],
    ids=["names of controls", "lists in lists", "a number", "no names"],
)
def test_the_shell_offers_no_more_than_names_of_a_hostile_model(tmp_path, said, offered):
    onnx = pytest.importorskip("onnx")
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2]) for name in "xy"
    ]
    node = onnx.helper.make_node("Softmax", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:])
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, {"limex.classes": said})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    words = ("explain", "tabular", str(tmp_path / "m.onnx"), ZOO[1], "--target", "ab")
    assert completed(*words) == offered


def test_force_color_colours_standard_output_and_no_file(limex, monkeypatch, tmp_path):
    given = ("explain", "tabular", *ZOO, "--row", "3", "--samples", "64")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in limex(*given).out
    limex(*given, "-o", tmp_path / "a.txt")
    assert "\x1b[" not in (tmp_path / "a.txt").read_text()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in limex(*given).out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("LIMEX_SAMPELS", "is not a variable of limex; did you mean LIMEX_SAMPLES?"),
        ("LIMEX_KERNELWIDTH", "is not a variable of limex; did you mean LIMEX_KERNEL_WIDTH?"),
        ("LIMEX_0123456789", "is not a variable of limex; limex explain --help-all lists options"),
        ("LIMEX_TRUST", "has no effect; use --trust on the command line"),
    ],
)
def test_a_variable_that_means_nothing_is_told(limex, monkeypatch, name, told):
    monkeypatch.setenv(name, "1")
    given = ("explain", "tabular", *ZOO, "--row", "3", "--samples", "64", "-f", "json")
    result = limex(*given)
    assert (result.code, f"limex: warning: {name} {told}\n" in result.err) == (0, True)
    assert limex(*given, "-q").err == ""


@pytest.fixture
def project(tmp_path, samples, monkeypatch):
    """A project with a model in a folder, to work in; a way to write its pyproject.toml."""
    inside = tmp_path / "models"
    inside.mkdir()
    for source in (samples / "zoo_mlp.onnx", ROOT / "sample_data/zoo.csv"):
        shutil.copyfile(source, inside / source.name)
    monkeypatch.chdir(inside)
    return lambda text: (tmp_path / "pyproject.toml").write_text(text)


ANIMAL = ("explain", "tabular", "zoo_mlp.onnx", "zoo.csv", "--row", "84", "-f", "json")


def test_a_project_has_options_in_its_pyproject_below_the_sidecar(limex, project, tmp_path):
    project(
        '[project]\nname = "zoo"\n\n[tool.limex]\nsamples = 300\nseed = 7\n'
        '[tool.limex.tabular]\nbackground = "models/zoo.csv"\nfeatures = 3\n'
        '[tool.limex.text]\nunit = "char"\n[tool.other]\nx = 1\n'
    )
    result = limex(*ANIMAL)
    assert result.code == 0, result.err
    record = json.loads(result.out)
    used = record["settings"]
    assert (used["samples"], used["seed"], used["features"]) == (300, 7, 3)
    assert f"options from {tmp_path / 'pyproject.toml'}" in result.err
    (tmp_path / "models/zoo_mlp.onnx.toml").write_text("seed = 8\n")
    used = json.loads(limex(*ANIMAL).out)["settings"]
    assert (used["samples"], used["seed"]) == (300, 8)
    assert json.loads(limex(*ANIMAL, "--no-config").out)["settings"]["seed"] == 0
    typed = limex(*ANIMAL, "--config", tmp_path / "pyproject.toml")
    assert json.loads(typed.out)["settings"]["seed"] == 7


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jobs = 3", "pyproject.toml:2: jobs cannot be set in pyproject.toml"),
        ("trust = true", "pyproject.toml:2: trust cannot be set in an options file"),
        ('output = "x.json"', "pyproject.toml:2: output cannot be set in an options file"),
        ("sed = 3", "pyproject.toml:2: unknown option 'sed'; did you mean 'seed'?"),
        ("[tool.limex.tabluar]", "pyproject.toml:2: unknown table [tabluar]"),
        ('background = "/etc/passwd"', "background: /etc/passwd lies outside the folder"),
        ("seed = ", "pyproject.toml:2: is not TOML"),
    ],
)
def test_a_wrong_pyproject_is_told_by_its_line(limex, project, line, said):
    project(f"[tool.limex]\n{line}\n")
    result = limex(*ANIMAL)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


@pytest.mark.parametrize("text", ["[tool.ruff]\nline-length = 100\n", "[tool.limex", ""])
def test_a_pyproject_without_the_table_is_left_alone(limex, project, text):
    project(text if text != "[tool.limex" else "not = [toml\n")
    result = limex(*ANIMAL)
    assert result.code == 0, result.err
    assert "pyproject" not in result.err


HUGE = {"transformers"}
"""Extras of gigabytes, which only those need who have them for their models."""


def test_the_extra_all_holds_every_extra_of_users():
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = set(re.search(r"\[(.*)\]", extras["all"][0])[1].split(","))
    assert listed == set(extras) - {"all", "test", "dev", "docs", "samples", "browser", *HUGE}
