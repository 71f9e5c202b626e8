"""Two rows of one table, and two kernels: parts that add up, error bars of the difference."""

import json
from math import hypot

import numpy as np
import pytest

from lime_cli.records.reading import read_entries
from lime_cli.tools.compare.rows import two_rows

ZOO = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
FEW = ("--target", "mammal", "--samples", "256", "-q")


def explained(limex, path, *words):
    assert limex(*ZOO, *FEW, "--force", "-o", path, *words).code == 0
    return path


def test_columns_rest_and_gap_add_up_to_the_difference_of_the_predictions(limex, tmp_path):
    path = explained(limex, tmp_path / "rows.jsonl", "--row", "84,3", "--features", "6")
    (found,) = two_rows(read_entries(str(path)), ("84", "3"), str(path))
    total = sum(term.difference for term in found.terms) + found.rest + found.gap
    assert total == pytest.approx(found.difference, abs=1e-12)
    first, second = map(json.loads, path.read_text().splitlines())
    assert found.difference == pytest.approx(
        first["targets"][0]["model_prediction"] - second["targets"][0]["model_prediction"]
    )
    for term in found.terms:
        assert term.paired
        assert term.difference == pytest.approx(term.weights[0] - term.weights[1])


def test_the_paired_error_is_that_of_the_difference_over_seeds(limex, tmp_path):
    """The standard deviation over seeds is the truth; errors taken for unrelated are too wide."""
    differences, paired, unrelated = [], [], []
    for seed in range(16):
        words = ("--row", "84,3", "--seed", seed, "--radius", "0.25", "--selection", "none")
        path = explained(limex, tmp_path / "rows.jsonl", *words)
        (found,) = two_rows(read_entries(str(path)), ("84", "3"), str(path))
        terms = sorted(found.terms)
        differences.append([term.difference for term in terms])
        records = [json.loads(line)["targets"][0] for line in path.read_text().splitlines()]
        by_name = [{c["where"]["column"]: c for c in record["components"]} for record in records]
        both = [[side[term.feature] for side in by_name] for term in terms]
        unrelated.append([hypot(*(one["std_error"] for one in pair)) for pair in both])
        for term, pair in zip(terms, both, strict=True):
            dot = sum(a * b for a, b in zip(*(one["blocks"] for one in pair), strict=True)) / 1e6
            a, b = (one["std_error"] for one in pair)
            error = np.sqrt(a**2 + b**2 - 2 * dot * a * b)
            paired.append(error)
            factor = max((one["interval"][1] - one["weight"]) / one["std_error"] for one in pair)
            assert term.interval[1] - term.difference == pytest.approx(factor * error, rel=1e-6)
    truth = np.sqrt(np.mean(np.var(differences, axis=0, ddof=1)))
    assert np.sqrt(np.mean(np.square(paired))) == pytest.approx(truth, rel=0.3)
    assert np.sqrt(np.mean(np.square(unrelated))) > 1.1 * truth


def test_rows_that_do_not_share_their_samples_are_not_paired(limex, tmp_path):
    lines = [
        explained(limex, tmp_path / "a.jsonl", "--row", row, "--seed", seed).read_text().strip()
        for row, seed in (("3", 0), ("84", 1))
    ]
    both = tmp_path / "both.jsonl"
    both.write_text("\n".join(json.dumps(json.loads(one)) for one in lines) + "\n")
    (found,) = two_rows(read_entries(str(both)), ("84", "3"), str(both))
    assert found.terms
    assert not any(term.paired for term in found.terms)
    said = limex("compare", both, "--rows", "84,3").out
    assert "unpaired: the rows do not share their samples" in said


@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "html", "svg", "png"])
def test_every_format_shows_two_rows(limex, tmp_path, form):
    path = explained(limex, tmp_path / "rows.jsonl", "--row", "84,3")
    out = tmp_path / "out"
    assert limex("compare", path, "--rows", "84, 3", "-f", form, "-o", out).code == 0
    if form != "png":
        text = out.read_text()
        assert "milk" in text
        assert "<script" not in text


def test_a_file_of_findings_explains_the_exit_code(limex, tmp_path):
    old, new = (
        explained(limex, tmp_path / f"{seed}.json", "--row", "84", "--seed", seed) for seed in "01"
    )
    (tmp_path / "p.toml").write_text("[quality]\nmin_effective_samples = 1e9\n")
    for words in (
        ("compare", old, new, "--max-change", "0"),
        ("check", old, "--policy", tmp_path / "p.toml"),
    ):
        done = limex(*words, "-o", tmp_path / "found.json")
        assert (done.code, limex(*words).err) == (1, "")
        assert done.err.endswith("limex: 1 finding: the exit code is 1\n")
        assert limex(*words, "-o", tmp_path / "found.json", "--force", "-q").err == ""
        (tmp_path / "found.json").unlink()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--rows", "84,9999"), 3, "has no instance '9999'; it has 84, 3"),
        (("--rows", "84"), 2, "'84' is not two rows; name two, such as 3,17"),
        (("--rows", "84,84"), 2, "is not two rows"),
        (("--rows", "84,3", "--max-flips", "0"), 2, "without --max-flips"),
        ((), 2, "requires NEW"),
    ],
)
def test_what_is_no_pair_is_refused_in_a_line(limex, tmp_path, words, code, said):
    path = explained(limex, tmp_path / "rows.jsonl", "--row", "84,3")
    done = limex("compare", path, *words)
    assert done.code == code
    assert done.err.count("\n") == 1
    assert said in done.err


def test_rows_with_no_target_in_common_say_how_to_explain_them(limex, tmp_path):
    path = tmp_path / "rows.jsonl"
    words = ("--row", "84,11", "--samples", "64", "-q", "-o", path)
    assert limex(*ZOO, *words).code == 0
    done = limex("compare", path, "--rows", "84,11")
    assert done.code == 3
    assert "the rows explain mammal and bird, no target in common" in done.err


def test_results_with_other_names_of_classes_are_told_apart(limex, tmp_path):
    zoo = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    words = (*zoo, "--row", "84", "--samples", "64", "-q", "-o")
    for name, classes in (("old", "a,b,c,d,e,f,g"), ("new", "t,u,v,w,x,y,z")):
        done = limex(*words, tmp_path / f"{name}.json", "--classes", classes)
        assert done.code == 0, done.err
    done = limex("compare", tmp_path / "old.json", tmp_path / "new.json")
    assert "the two results have different classes ('a', 'b'" in done.err
    assert "with the same --classes" in done.err


CASE = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "3")


def test_sides_of_different_kernels_are_told_of(limex, tmp_path):
    wide, near = tmp_path / "wide.json", tmp_path / "near.json"
    assert limex(*CASE, "--samples", "64", "--radius", "0.5", "-o", wide).code == 0
    assert limex(*CASE, "--samples", "64", "--radius", "0.1", "-o", near).code == 0
    said = limex("compare", wide, near).err
    assert "different kernels (product, radius 0.5 and product, radius 0.1)" in said
    assert "different" not in limex("compare", wide, wide).err


def test_sides_of_different_engines_are_told_of(limex, tmp_path):
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    assert limex(*CASE, "--samples", "64", "-o", new).code == 0
    record = json.loads(new.read_text())
    record["schema"]["number"], record["limex"] = 1, "0.1.0"
    old.write_text(json.dumps(record))
    assert "different engines (versions 0.1.0 and" in limex("compare", old, new).err


def test_what_single_precision_rounds_away_is_no_change(limex, tmp_path):
    limex(
        "explain",
        "text",
        "sample_models/reviews.onnx",
        "--text",
        "Not a wonderful film",
        "-o",
        tmp_path / "old.jsonl",
    )  # few words: every sample there is, and no error
    record = json.loads((tmp_path / "old.jsonl").read_text())
    for target in record["targets"]:
        for one in target["components"]:
            if one.get("weight"):
                one["weight"] *= 1 + 3e-8
                if one.get("interval"):
                    one["interval"] = [end * (1 + 3e-8) for end in one["interval"]]
    (tmp_path / "new.jsonl").write_text(json.dumps(record) + "\n")
    done = limex("compare", tmp_path / "old.jsonl", tmp_path / "new.jsonl")
    assert "no change beyond the error bars" in done.out, done.out + done.err
    assert "inf" not in done.out
