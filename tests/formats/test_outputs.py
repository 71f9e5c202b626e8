"""Files and pipes: formats by their names, letters as they are, one line for what fails."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from lime_cli.engine.explanation import Interval
from lime_cli.formats.canvas import SMALL, Canvas
from lime_cli.formats.chart import ticks
from lime_cli.formats.wording import ASCII, bars_of, numbers_for
from tests.formats.test_html import Reader
from tests.formats.test_json import explanation, written

REVIEW = ("explain", "text", "sample_models/reviews.onnx", "--samples", 32)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".jpg", "JPEG"), (".jpeg", "JPEG"), (".JPG", "JPEG"), (".webp", "WEBP"), (".png", "PNG")],
)
@pytest.mark.parametrize(
    "what",
    [
        (*REVIEW, "--text", "a good film"),
        ("explain", "image", "sample_models/scenes.onnx", "sample_data/scene.png",
         "--samples", 20),
    ],
    ids=["chart", "overlay"],
)  # fmt: skip
def test_pictures_are_drawn_as_their_names_say(limex, tmp_path, what, suffix, kind):
    if what[1] == "text":
        pytest.importorskip("matplotlib")
    path = tmp_path / f"a{suffix}"
    done = limex(*what, "-o", path)
    assert done.code == 0, done.err
    with Image.open(path) as image:
        assert image.format == kind
        size = image.size
    assert limex(*what, "-o", tmp_path / "b.png").code == 0
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == size


SHORT = (*REVIEW, "--text", "a good film", "--radius", 0.4)


@pytest.mark.parametrize(
    ("chosen", "name", "begins", "said"),
    [
        ("table", "a.png", b"text ", "not a png file; leave out -f, or end the name in .txt"),
        ("jsonl", "a.json", b"{", "not a json file; leave out -f, or end the name in .jsonl"),
        ("svg", "a.HTML", b"<svg", "not a html file; leave out -f, or end the name in .svg"),
        ("parquet", "a.txt", b"PAR1", "not a table file; leave out -f, or end the name in .par"),
        ("json", "a.txt", b"{", ""),
        ("csv", "a.data", b"instance", ""),
        ("html", "a.htm", b"<!doctype", ""),
    ],
)
def test_a_format_that_the_name_contradicts_is_told(limex, tmp_path, chosen, name, begins, said):
    if chosen == "parquet":
        pytest.importorskip("pyarrow")
    done = limex(*SHORT, "-f", chosen, "-o", tmp_path / name)
    told = [line for line in done.err.splitlines() if "overrides the suffix" in line]
    assert (done.code, len(told)) == (0, bool(said)), done.err
    assert said in "".join(told)
    assert (tmp_path / name).read_bytes().lstrip().lower().startswith(begins.lower())
    done = limex(*SHORT, "-f", chosen, "-o", tmp_path / name, "--force", "-q")
    assert "suffix" not in done.err


def test_a_folder_may_be_named_like_a_file(limex, tmp_path):
    done = limex(*SHORT, "-f", "svg", "-o", f"{tmp_path}/out.html/")
    assert done.code == 0
    assert "suffix" not in done.err


@pytest.mark.parametrize("place", [0, 1])
def test_an_input_s_name_that_is_too_long_is_one_line(limex, place):
    names = [REVIEW[2], "mail.txt"]
    names[place] = "é" * 130 + (".txt" if place else ".joblib")
    done = limex("explain", "text", *names)
    assert done.code == 3
    assert done.err == f"limex: {'é' * 20}...: is too long for the name of a file; check it\n"


def test_a_name_that_is_too_long_is_one_line(limex, tmp_path):
    for name in ("a" * 300 + ".json", "é" * 130 + ".json"):
        done = limex(*REVIEW, "--text", "a good film", "-o", tmp_path / name)
        assert done.code == 5
        assert done.err.count("\n") == 1
        assert "a file's may have 255; choose a shorter one" in done.err


TEXT = "とても良い映画 good film très réussi हिन्दी فيلم 😀"


def test_letters_of_every_script_go_through_a_pipe_of_utf_8(limex):
    out = limex(*REVIEW, "--text", TEXT).out
    for word in ("映", "très", "réussi", "हिन्दी", "فيلم", "😀"):
        assert word in out
    assert "\\u" not in out
    assert "━" not in out  # drawn plainly all the same


def test_control_characters_are_spelled_out_all_the_same(limex):
    out = limex(*REVIEW, "--text", "good\x1b[31m film très").out
    assert "\x1b" not in out
    assert "très" in out


@pytest.mark.parametrize("scale", [1e-12, 3.2e-4, 4.7e-6, 0.02, 7.0, 123456.0, 1.5e9])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_numbers_of_an_axis_keep_apart(scale, width):
    weight = explanation().surrogates[0].weights[0]
    small = weight._replace(weight=scale, interval=Interval(scale / 2, scale))
    header = bars_of([small], scale, (width, 10), ASCII).header()
    ends = header.split("weight")[0].split()
    assert ends in (["0"], [ends[0], "0", ends[-1]])
    if len(ends) == 3:
        low, high = (float(ends[i].replace(",", "")) for i in (0, 2))
        assert -low == high == pytest.approx(scale, rel=0.06)


@pytest.mark.parametrize(
    "limits",
    [(-1e-6, 4e-6), (0.62, 1.01), (-190.0, 12.5), (0, 7e9), (0, 9.9e6), (0, 9.9e8), (3, 4)],
)
def test_ticks_are_round_between_the_limits_and_keep_apart(limits):
    pytest.importorskip("matplotlib")
    canvas, (low, high) = Canvas(8.0, measured=True), limits
    found = list(ticks(limits))
    assert (3 if high < 1e7 else 2) <= len(found) <= 7
    assert all(low <= place <= high for place, _ in found)
    for place, said in found:
        number = float(said.replace("−", "-").replace(",", ""))
        assert number == pytest.approx(place, rel=1e-6, abs=1e-12)
    inches = 3.0 / (high - low)  # of a chart with long names
    for (first, said), (second, other) in pairwise(found):
        half = (canvas.measure(said, SMALL) + canvas.measure(other, SMALL)) / 2
        assert half < inches * (second - first)


@pytest.mark.parametrize(
    ("numbers", "errors", "scale", "said"),
    [
        ((0.2136, -0.0341, -2e-15), (), 0.0, ("+0.214", "−0.034", "0.000")),
        ((0.2136, -0.0341), (0.016,), 0.0, ("+0.214", "−0.034")),
        ((0.2136, -0.0341), (4e-5,), 0.0, ("+0.21360", "−0.03410")),
        ((0.2136,), (1e-17,), 0.0, ("+0.214",)),
        ((-2e-15, 3e-16), (), 0.5, ("0.00", "0.00")),
        ((999999.6, -1000000.4), (), 0.0, ("+1,000,000", "−1,000,000")),
        ((1234567.8, 3.0), (), 0.0, ("+1,234,568", "+3")),
        ((-0.4, 123.4), (0.2,), 0.0, ("−0.4", "+123.4")),
        ((3e-7, -2e-8), (), 0.0, ("+3.00e−07", "−2.00e−08")),
        ((0.0,), (), 0.0, ("0.00",)),
    ],
)
def test_numbers_for_writes_numbers_alike_with_one_minus_and_no_sign_at_0(
    numbers, errors, scale, said
):
    form = numbers_for(numbers, errors=errors, scale=scale)
    assert tuple(map(form.signed, numbers)) == said
    assert tuple(map(form.plain, numbers)) == tuple(one.lstrip("+") for one in said)


@pytest.mark.parametrize("kind", ["html", "svg", "table", "md"])
@pytest.mark.parametrize("size", [1e-9, 1.0, 999_999.7, 1e6, 3e9])
def test_no_view_mixes_notations_or_minus_signs(kind, size):
    one = explanation()
    surrogate = one.surrogates[0]
    weights = [w._replace(weight=-w.weight * size, interval=None) for w in surrogate.weights]
    surrogate = replace(
        surrogate,
        weights=(*weights, weights[0]._replace(weight=-2e-17 * size)),
        model_prediction=-2.0 * size,
        intercept=-1.5 * size,
        local_prediction=-1.5 * size + sum(w.weight for w in weights),
    )
    one = replace(one, surrogates=(surrogate,), model=one.model._replace(task="regression"))
    page = written(kind, [one]).decode()
    shown = "".join(Reader(page.encode()).texts) if kind in ("html", "svg") else page
    exponents = re.findall(r"\d\.\d+e[+−-]\d+", shown)
    assert bool(exponents) == (size < 1e-4)
    assert not re.findall(r"[+−-]0(?:\.0+)?(?![\d.])", shown)
    assert re.search("−[1-9]", shown)
    if kind != "html":  # whose style has hyphens before digits
        assert not re.search(r"[ >(|]-\d", shown)


@pytest.mark.parametrize(
    "text",
    ["The music is far too loud", "worst area = 741.6 (686.5 to 1084]", "很好看的电影", "Im"],
)
def test_widths_that_are_estimated_are_about_those_of_the_font(text):
    pytest.importorskip("matplotlib")
    if text.isascii():
        found, true = (Canvas(8.0, one).measure(text, 10) for one in (False, True))
        assert found == pytest.approx(true, rel=0.08)
    assert Canvas(8.0, False).measure(text, 10) > 0


def test_a_batch_that_failed_says_so_however_quiet_it_is(limex, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a good film")
    (tmp_path / "in" / "b.txt").write_text(" ")
    words = (*REVIEW, tmp_path / "in", "-o", tmp_path / "out", "-q")
    done = limex(*words)
    assert done.code == 6
    assert done.err.count("\n") == 1
    assert "1 of 2 failed" in done.err


def test_a_column_that_is_not_there_is_one_error(limex, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("id,text\n" + "".join(f"{i},a good film\n" for i in range(50)))
    done = limex(*REVIEW, table, "--column", "texts", "--all", "-f", "jsonl")
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert "lacks column 'texts'; did you mean 'text'?" in done.err


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_a_table_is_not_read_as_one_text(limex, tmp_path, name):
    table = tmp_path / name
    rows = [("1", "a good film"), ("2", "a bad film")]
    if name == "t.jsonl":
        table.write_text("".join(json.dumps({"id": a, "text": b}) + "\n" for a, b in rows))
    else:
        gap = "," if name == "t.csv" else "\t"
        table.write_text(f"id{gap}text\n" + "".join(f"{a}{gap}{b}\n" for a, b in rows))
    done = limex(*REVIEW, table)
    assert done.code == 3
    assert (
        "is a table, not a text; name the column that holds the texts: --column NAME, one of id, "
        "text" in done.err
    )
    assert limex(*REVIEW, table, "--column", "text", "--row", 0, "-f", "json").code == 0


ONE_COLUMN = {
    "one.csv": "film\na good film\na bad film\n",
    "one.jsonl": '{"film": "a good film"}\n{"film": "a bad film"}\n',
    "list.json": '[{"film": "a good film"}, {"film": "a bad film"}]',
    "object.json": '{"film": "a good film"}',
}


@pytest.mark.parametrize("name", list(ONE_COLUMN))
def test_a_table_of_one_column_is_not_read_as_one_text(limex, tmp_path, name):
    (tmp_path / name).write_text(ONE_COLUMN[name])
    done = limex(*REVIEW, tmp_path / name)
    assert (done.code, "--column NAME, one of film" in done.err) == (3, True)
    done = limex(*REVIEW, tmp_path / name, "--column", "film", "--row", 0, "-f", "json")
    assert done.code == 0
    alone = limex(*REVIEW, "--text", "a good film", "-f", "json")
    assert json.loads(done.out)["outputs"] == json.loads(alone.out)["outputs"]


def test_an_object_in_a_column_is_not_read_as_a_text(limex, tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": {"text": "a good film"}}\n{"a": "a bad film"}\n')
    done = limex(*REVIEW, tmp_path / "t.jsonl", "--column", "a", "--row", 0)
    assert done.code == 3
    assert "t.jsonl: line 1: column 'a' holds an object, not a text" in done.err
    assert "--column a.text" in done.err
    assert limex(*REVIEW, tmp_path / "t.jsonl", "--column", "a", "--row", 1).code == 0


NESTED = {"review": {"body": {"en": "a good film"}, "stars": 5}, "a.b": "a bad film", "c": "odd"}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("review.body.en", "a good film"),
        ("a.b", "a bad film"),
        ("review.body", "holds an object, not a text; name what is in it: --column review.body.en"),
        ("review.stars", "column 'review.stars' holds int 5, no text"),
        ("review.title", "column 'review.title' holds nothing, no text"),
        ("c.d", "column 'c.d' holds nothing, no text"),
        ("d.e", "lacks column 'd.e'"),
    ],
)
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_a_column_of_json_may_name_what_is_in_an_object(limex, tmp_path, column, expected, name):
    held = [NESTED, {**NESTED, "a.b": "a dull film"}]
    lines = "\n".join(map(json.dumps, held))
    (tmp_path / name).write_text(lines if name == "t.jsonl" else json.dumps(held))
    done = limex(*REVIEW, tmp_path / name, "--column", column, "--row", 0, "-f", "json")
    if "film" not in expected:
        assert (done.code, expected in done.err) == (3, True), done.err
        return
    alone = limex(*REVIEW, "--text", expected, "-f", "json")
    assert json.loads(done.out)["outputs"] == json.loads(alone.out)["outputs"]


@pytest.mark.parametrize("words", ['["a good film", "a bad one"]', '"a good film"', '"a"\n"b"\n'])
def test_strings_in_json_are_not_read_as_one_text(limex, tmp_path, words):
    (tmp_path / "t.json").write_text(words)
    done = limex(*REVIEW, tmp_path / "t.json")
    assert (done.code, "holds strings in JSON, not a text" in done.err) == (3, True)


def test_prose_has_no_column_to_name(limex, tmp_path):
    (tmp_path / "t.txt").write_text("a good film, and a great one\n")
    done = limex(*REVIEW, tmp_path / "t.txt", "--column", "text")
    assert done.code == 3
    assert done.err.endswith("; or leave --column out if the file is one text\n")


def test_prose_whatever_its_name_is_read(limex, tmp_path):
    (tmp_path / "t.csv").write_text("a good film\nand a great one\n")
    assert limex(*REVIEW, tmp_path / "t.csv").code == 0


@pytest.mark.parametrize(
    ("source", "own", "words"),
    [
        ("r001.txt", "r001.txt", 'r001.txt, "spam": odd'),
        ("a.txt", "in/a.txt", 'in/a.txt, "spam": odd'),
        ("people.csv", "17", 'people.csv 17, "spam": odd'),
        ("", "", "odd"),
    ],
)
def test_a_finding_names_its_place_once(source, own, words):
    from lime_cli.tools.check.measure import Finding, said

    assert said(Finding("kind", "p.toml:3", source, own, "spam" * bool(source), "odd")) == words


CASE = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "84")


def test_a_record_holds_what_the_model_says_of_the_instance(limex):
    import onnxruntime
    import pandas as pd

    record = json.loads(limex(*CASE, "--samples", "128", "-f", "json").out)
    session = onnxruntime.InferenceSession("sample_models/zoo_mlp.onnx")
    table = pd.read_csv("sample_data/zoo.csv")
    row = table.iloc[[84]]
    names = [one.name for one in session.get_inputs()]
    if len(names) == 1:
        columns = [one for one in table.columns if one not in ("animal", "class")]
        fed = {names[0]: row[columns].to_numpy(np.float32)}
    else:
        kinds = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
        fed = {one.name: row[[one.name]].to_numpy(kinds[one.type]) for one in session.get_inputs()}
    said = session.run(None, fed)[-1]
    truth = (
        [said[0][name] for name in record["model"]["targets"]]
        if isinstance(said, list)
        else said[0]
    )
    assert record["outputs"] == pytest.approx([float(one) for one in truth], abs=1e-6)
    assert record["outputs"][record["targets"][0]["index"]] == pytest.approx(
        record["targets"][0]["model_prediction"]
    )


@pytest.mark.parametrize("form", ["table", "md", "html"])
def test_every_view_names_the_other_classes(limex, form):
    record = json.loads(limex(*CASE, "--samples", "128", "-f", "json").out)
    drawn = limex(*CASE, "--samples", "128", "-f", form).out
    order = np.argsort(record["outputs"])[::-1]
    second = record["model"]["targets"][order[1]]
    value = record["outputs"][order[1]]
    if form == "html":
        row = re.search(rf"<tr><th[^>]*>{second}</th>.*?</tr>", drawn)
        assert row
        assert f">{value:.1%}<" in row[0]
    else:
        assert f"{second} {value:.3f}" in drawn
    assert "2 more" in " ".join(drawn.split())


def test_two_classes_and_numbers_have_none(limex):
    loans = ("explain", "tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "1")
    assert "other classes" not in limex(*loans, "--samples", "128").out
