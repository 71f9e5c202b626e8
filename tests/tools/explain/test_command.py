"""``limex explain`` from the shell: results on stdout, words on stderr, exit codes."""

import csv
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.samples import readable

ZOO = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
REVIEW = ("explain", "text", "sample_models/reviews.onnx", "sample_data/review.txt")
SCENE = ("explain", "image", "sample_models/scenes.onnx", "sample_data/scene.png")


def record(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def weights(found, target=0):
    return {one["name"]: one["weight"] for one in found["targets"][target]["components"]}


def test_an_animal_is_explained_as_a_table(limex):
    result = limex(*ZOO, "--row", "84")
    assert (result.code, result.err) == (0, "")
    assert 'class "mammal": the model predicts 0.99' in result.out
    assert "milk = 1" in result.out
    assert "\x1b" not in result.out


def test_a_pickle_and_its_onnx_twin_explain_alike(limex, tmp_path):
    ours = weights(record(limex(*ZOO, "--row", "84", "-f", "json")))
    model = readable("zoo_mlp.pkl", tmp_path)
    pickled = ("explain", "tabular", model, "sample_data/zoo.csv")
    assert weights(record(limex(*pickled, "--row", "84", "-f", "json"))) == pytest.approx(
        ours, abs=1e-4
    )


def test_a_review_is_explained_with_places_in_the_text(limex, data):
    found = record(limex(*REVIEW, "-f", "json"))
    text = (data / "review.txt").read_text()
    for component in found["targets"][0]["components"]:
        for start, end in component["where"]["spans"]:
            assert text[start:end] == component["name"]
    assert found["targets"][0]["name"] == "positive"


def test_a_scene_is_explained_by_the_superpixels_on_its_object(limex, tmp_path):
    sys.path.insert(0, str(ROOT / "sample_models"))
    from scenes import SCENE_OBJECT

    found = record(limex(*SCENE, "-f", "json"))
    target = found["targets"][0]
    assert target["name"] == SCENE_OBJECT.label
    x, y = target["components"][0]["where"]["centroid"]
    assert SCENE_OBJECT.left <= x <= SCENE_OBJECT.right
    assert SCENE_OBJECT.top <= y <= SCENE_OBJECT.bottom
    result = limex(*SCENE, "-o", tmp_path / "overlay.png")
    assert (result.code, result.out) == (0, "")
    assert "wrote" in result.err
    with Image.open(tmp_path / "overlay.png") as image:
        assert image.width >= 256


@pytest.mark.parametrize("case", [(*ZOO, "--row", "84"), REVIEW, SCENE])
def test_the_same_command_gives_the_same_bytes(limex, case):
    first, again = limex(*case, "-f", "json"), limex(*case, "-f", "json")
    assert first.out == again.out
    assert first.code == 0


def test_two_processes_give_the_same_bytes():
    command = [sys.executable, "-m", "lime_cli", *REVIEW, "-f", "json"]
    first, again = (
        subprocess.run(command, capture_output=True, cwd=ROOT, check=True).stdout for _ in range(2)
    )
    assert first == again


def test_a_file_under_another_name_gives_the_same_weights(limex, tmp_path, data):
    (tmp_path / "other.txt").write_bytes((data / "review.txt").read_bytes())
    moved = ("explain", "text", "sample_models/reviews.onnx", tmp_path / "other.txt", "-f", "json")
    assert weights(record(limex(*moved))) == weights(record(limex(*REVIEW, "-f", "json")))


@pytest.mark.parametrize("case", [(*ZOO, "--row", "84"), REVIEW, (*SCENE, "--samples", "200")])
def test_any_batch_size_gives_the_same_weights(limex, case):
    first = weights(record(limex(*case, "-f", "json")))
    again = weights(record(limex(*case, "-f", "json", "--batch-size", "37")))
    assert again == pytest.approx(first, abs=1e-9)


def test_a_row_alone_is_the_row_among_others(limex):
    alone = record(limex(*ZOO, "--row", "84", "-f", "json"))
    lines = limex(*ZOO, "--row", "3,80-90", "-f", "jsonl").out.splitlines()
    among = [json.loads(line) for line in lines]
    assert len(among) == 12
    assert next(one for one in among if one["instance"]["id"] == "84") == alone


def test_reordered_columns_and_a_byte_order_mark_change_nothing(limex, tmp_path, data):
    with (data / "zoo.csv").open() as stream:
        rows = [row[::-1] for row in csv.reader(stream)]
    with (tmp_path / "zoo.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows(rows)
    again = limex("explain", "tabular", ZOO[2], tmp_path / "zoo.csv", "--row", "84", "-f", "json")
    assert again.out == limex(*ZOO, "--row", "84", "-f", "json").out


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (["all"], {"amphibian", "bird", "bug", "fish", "invertebrate", "mammal", "reptile"}),
        (["bird"], {"bird"}),
        (["1"], {"bird"}),
        (["predicted", "bird"], {"mammal", "bird"}),
    ],
)
def test_targets_are_chosen_by_name_index_and_word(limex, target, names):
    options = [word for one in target for word in ("--target", one)]
    found = record(limex(*ZOO, "--row", "84", "-f", "json", *options))
    assert {one["name"] for one in found["targets"]} == names


def test_the_top_targets_come_by_falling_prediction(limex):
    found = record(limex(*ZOO, "--row", "84", "-f", "json", "--target", "top:3"))
    predictions = [one["model_prediction"] for one in found["targets"]]
    assert len(predictions) == 3
    assert predictions == sorted(predictions, reverse=True)


def test_a_raw_table_with_words_and_gaps_goes_into_a_pipeline(limex, tmp_path):
    model = readable("loans.pkl", tmp_path)
    result = limex(
        "explain", "tabular", model, "sample_data/loans.csv", "--row", "0-9", "-f", "jsonl"
    )
    assert result.code == 0, result.err
    found = [json.loads(line) for line in result.out.splitlines()]
    assert {one["targets"][0]["name"] for one in found} <= {"yes", "no"}
    assert any("=" in name for one in found for name in weights(one))


def test_a_regression_is_explained_in_its_own_unit(limex):
    model = ("explain", "tabular", "sample_models/diabetes.onnx", "sample_data/diabetes.csv")
    found = record(limex(*model, "--row", "10", "-f", "json"))
    assert found["model"]["task"] == "regression"
    assert found["targets"][0]["name"] == "prediction"
    assert found["targets"][0]["model_prediction"] > 25


def test_bins_and_features_are_obeyed(limex):
    model = (
        "explain",
        "tabular",
        "sample_models/cancer_forest.onnx",
        "sample_data/breast_cancer.csv",
    )
    found = record(limex(*model, "--row", "3", "-f", "json", "--features", "4", "--bins", "decile"))
    assert len(found["targets"][0]["components"]) == 4
    found = record(
        limex(*model, "--row", "3", "-f", "json", "--bins", "entropy", "--label", "diagnosis")
    )
    assert found["targets"][0]["fidelity"] > 0.9


def test_standard_input_and_text_options_work(limex, monkeypatch):
    words = (
        "explain",
        "text",
        "sample_models/reviews.onnx",
        "--text",
        "A wonderful, wonderful film",
        "-f",
        "json",
    )
    merged = record(limex(*words))
    assert [
        len(one["where"]["spans"])
        for one in merged["targets"][0]["components"]
        if one["name"] == "wonderful"
    ] == [2]
    each = record(limex(*words, "--each-position", "--mask", "UNK"))
    assert [one["name"] for one in each["targets"][0]["components"]].count("wonderful") == 2


def test_several_texts_go_into_lines_and_a_broken_one_costs_only_itself(limex, tmp_path):
    (tmp_path / "a.txt").write_text("A wonderful film")
    (tmp_path / "b.txt").write_bytes(b"\xff\xe9")
    (tmp_path / "c.txt").write_text("A dull film")
    result = limex("explain", "text", "sample_models/reviews.onnx", tmp_path, "-f", "jsonl")
    assert result.code == 6
    assert [json.loads(line)["instance"]["id"] for line in result.out.splitlines()] == [
        "a.txt",
        "c.txt",
    ]
    assert "b.txt: is not UTF-8" in result.err


def test_an_existing_file_is_kept_unless_forced(limex, tmp_path):
    path = tmp_path / "out.json"
    path.write_text("precious")
    refused = limex(*REVIEW, "-o", path)
    assert refused.code == 5
    assert path.read_text() == "precious"
    assert limex(*REVIEW, "-o", path, "--force").code == 0
    assert json.loads(path.read_text())["schema"]["number"] == 2
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


def test_a_closed_pipe_is_no_failure_worth_words():
    command = f"{sys.executable} -m lime_cli {' '.join(ZOO)} --row 0-100 --samples 64 -f jsonl"
    command += " | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, cwd=ROOT, check=False
    )
    assert done.returncode in (0, 141)
    assert done.stderr == b"" or b"warning" in done.stderr
    assert json.loads(done.stdout)


def test_a_full_device_is_told_in_one_line():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lime_cli", *REVIEW],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr.decode().count("\n") == 1
    assert b"standard output" in done.stderr


@pytest.mark.parametrize(
    ("closed", "code", "out", "said"),
    [
        ("<&-", 0, "wonderful", ""),
        ("2>&-", 0, "wonderful", ""),
        (">&-", 5, "", "limex: standard output: cannot be written (Bad file descriptor)"),
    ],
)
def test_a_shell_may_close_the_standard_streams(closed, code, out, said):
    words = (
        f"explain text sample_models/reviews.onnx --text 'a wonderful film' --samples 64 {closed}"
    )
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m lime_cli {words}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert out in done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_ascii_terminal_gets_ascii(limex):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lime_cli",
            "explain",
            "text",
            "sample_models/reviews.onnx",
            "--text",
            "Grüße, a wonderful film",
        ],
        capture_output=True,
        cwd=ROOT,
        check=True,
        env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PATH": "/usr/bin"},
    )
    assert done.stdout.isascii()
    assert b"wonderful" in done.stdout


@pytest.mark.parametrize("place", [0, 1, 2, 3, 5])
def test_errors_come_as_json_when_asked_wherever_that_stands(limex, place):
    words = ["explain", "text", "none.onnx", "--text", "words"]
    result = limex(*words[:place], "--json-errors", *words[place:])
    assert result.code == 4
    assert json.loads(result.err)["message"] == "none.onnx: no such file"


@pytest.fixture
def bad(tmp_path):
    """A folder of inputs that cannot be used."""
    png = (ROOT / "sample_data" / "scene.png").read_bytes()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "words.pkl").write_text("these are words\n")
    (tmp_path / "words.txt").write_text(" \n")
    (tmp_path / "cut.png").write_bytes(png[: len(png) // 2])
    (tmp_path / "zoo.csv").write_text("animal,hair\nmouse,1\n")
    (tmp_path / "array.pkl").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")
    (tmp_path / "cut.onnx").write_bytes(
        (ROOT / "sample_models" / "scenes.onnx").read_bytes()[:2000]
    )
    return tmp_path


TABLE = "explain tabular sample_models/zoo_mlp.onnx"
BAD = [
    ("explain tabular none.pkl sample_data/zoo.csv --row 1", 4, "none.pkl: no such file"),
    ("explain tabular BAD/empty sample_data/zoo.csv --row 1", 4, "empty: is empty"),
    (
        "explain tabular BAD/words.pkl sample_data/zoo.csv --row 1",
        4,
        "words.pkl: is not a model file",
    ),
    ("explain tabular BAD/array.pkl sample_data/zoo.csv --row 1", 4, "array.pkl: holds a list"),
    (
        "explain tabular BAD/evil.pkl sample_data/zoo.csv --row 1",
        4,
        "evil.pkl: is not safe to load: it uses",
    ),
    (
        "explain image BAD/cut.onnx sample_data/scene.png",
        4,
        "cut.onnx: is not an ONNX model, or is cut short",
    ),
    (f"{TABLE} none.csv --row 1", 3, "none.csv: no such file"),
    (f"{TABLE} BAD/empty --row 1", 3, "empty: is empty"),
    (f"{TABLE} BAD/zoo.csv --row 0", 3, "zoo.csv: lacks columns 'feathers', 'eggs'"),
    (f"{TABLE} sample_data/zoo.csv --row 900", 2, "--row 900: zoo.csv has rows 0-100"),
    (f"{TABLE} sample_data/zoo.csv --row x", 2, "--row x: is not a list of rows"),
    (f"{TABLE} sample_data/zoo.csv", 2, "choose rows with --row"),
    (
        f"{TABLE} sample_data/zoo.csv --row 1 --target mamal",
        2,
        "no output 'mamal'; did you mean mammal?",
    ),
    (f"{TABLE} sample_data/zoo.csv --row 1 --target 7", 2, "7 is out of range"),
    (f"{TABLE} sample_data/zoo.csv --row 1 --samples 15", 2, "--samples: 15 is not valid"),
    (f"{TABLE} sample_data/zoo.csv --row 1 --samples many", 2, "neither auto nor a number"),
    (f"{TABLE} sample_data/zoo.csv --row 1 --penalty foo:1", 2, "--penalty: foo: is not valid"),
    (f"{TABLE} sample_data/zoo.csv --row 1 --bins some", 2, "--bins: 'some' is not valid"),
    (f"{TABLE} sample_data/zoo.csv --row 1 --classes a,b", 3, "2 names for 7 classes"),
    (
        f"{TABLE} sample_data/zoo.csv --row 1-2 -f json",
        2,
        "2 instances do not fit into one json file",
    ),
    (f"{TABLE} sample_data/zoo.csv --row 1 -o BAD/none/x.json", 5, "there is no folder"),
    (f"{TABLE} sample_data/zoo.csv --row 1 -o BAD", 5, "is a folder"),
    (f"{TABLE} sample_data/zoo.csv --rwo 1", 2, "--rwo"),
    ("explain text sample_models/reviews.onnx BAD/empty", 3, "empty: there is no text"),
    ("explain text sample_models/reviews.onnx BAD/words.txt", 3, "words.txt: there is no text"),
    ("explain text sample_models/reviews.onnx none.txt", 3, "none.txt: no such file"),
    ("explain text sample_models/reviews.onnx", 2, "there is no input"),
    ("explain text sample_models/reviews.onnx --text !?", 3, "no words to vary"),
    ("explain image sample_models/scenes.onnx BAD/cut.png", 3, "cut.png: "),
    ("explain image sample_models/scenes.onnx BAD/words.txt", 3, "words.txt: "),
    ("explain image sample_models/scenes.onnx none.png", 3, "none.png: no such file"),
    ("explain image sample_models/scenes.onnx sample_data/scene.png --size 64", 2, "--size"),
    ("explain image sample_models/scenes.onnx sample_data/scene.png --fill plaid", 2, "--fill"),
    ("explain image sample_models/reviews.onnx sample_data/scene.png", 4, "reviews.onnx: "),
    (
        "explain text sample_models/scenes.onnx sample_data/review.txt",
        4,
        "takes an image, not a text",
    ),
    (
        "explain tabular sample_models/scenes.onnx sample_data/zoo.csv --row 1",
        4,
        "takes an image, not a table",
    ),
    ("explain nothing", 2, "limex explain requires an input"),
    ("colour", 2, "limex has no command 'colour'; see limex --help"),
]


@pytest.mark.parametrize(("line", "code", "message"), BAD, ids=[line for line, _, _ in BAD])
def test_a_bad_input_gets_one_line_and_its_exit_code(limex, bad, monkeypatch, line, code, message):
    result = limex(*(word.replace("BAD", str(bad)) for word in line.split()))
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("limex: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert "Traceback" not in result.err
    assert not (ROOT / "marker").exists()


PLACE = "py:tests.models.python_functions:"
TEXT = "explain", "text", "--text", " ".join(f"word{i}" for i in range(30)), "-f", "json"


def test_a_slow_model_is_asked_as_long_as_there_is_time(limex):
    began = time.monotonic()
    record = json.loads(limex(*TEXT, PLACE + "slow", "--time-limit", "1.2").out)
    assert time.monotonic() - began < 6
    assert record["stop"] == "time"
    assert record["samples"] in (256, 384, 512, 768)
    (warning,) = [one for one in record["warnings"] if one["code"] == "unresolved_top"]
    assert "raise --time-limit" in warning["message"]


def test_the_first_samples_are_asked_whatever_the_limit(limex):
    record = json.loads(limex(*TEXT, PLACE + "rough", "--time-limit", "0.000001").out)
    assert (record["stop"], record["samples"]) == ("time", 256)


def test_a_limit_that_ends_nothing_changes_no_byte(limex):
    case = (*TEXT, PLACE + "rough", "--max-samples", "512")
    assert limex(*case).out == limex(*case, "--time-limit", "600").out


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_limit_that_is_no_time_is_refused(limex, seconds):
    result = limex(*TEXT, PLACE + "rough", "--time-limit", seconds)
    assert result.code == 2
    assert result.err.startswith("limex: ")
    assert "--time-limit" in result.err
