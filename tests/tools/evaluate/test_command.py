"""``limex evaluate`` from the shell: what it reports, what it asks the model, what it refuses."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from lime_cli.engine.model import Identity
from lime_cli.models.model_file import ModelFile
from lime_cli.records.record import record_of
from lime_cli.registry import MODALITIES
from lime_cli.running.job import Explained, Job, run
from lime_cli.settings import Settings
from lime_cli.tools.evaluate.measure import DRAWS, ORDERS, replicated
from tests.conftest import ROOT
from tests.samples import readable

ZOO = ("evaluate", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
REVIEW = ("evaluate", "text", "sample_models/reviews.onnx", "sample_data/review.txt")
SCENE = ("evaluate", "image", "sample_models/scenes.onnx", "sample_data/scene.png")
FEW = ("--samples", "128", "--seeds", "3")


def record(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_a_row_is_judged_in_a_table_that_fits_the_page(limex):
    result = limex(*ZOO, "--row", "84")
    assert (result.code, result.err) == (0, "")
    for words in ('class "mammal": the model predicts 0.992', "held out", "VSI", "CSI", "milk = 1"):
        assert words in result.out
    assert "for each of seeds 0-9" in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    assert "\x1b" not in result.out


@pytest.mark.parametrize("fixed", [(), ("--radius", "0.1")])
def test_radii_that_seeds_choose_are_counted_where_they_differ(limex, fixed):
    words = (*ZOO[1:], "--row", "84", "--samples", "512", *fixed)
    alone = [record(limex("explain", *words, "--seed", n, "-f", "json")) for n in range(6)]
    radii = Counter(one["targets"][0]["kernel"]["radius"] for one in alone)
    page = " ".join(limex("evaluate", *words, "--seeds", 6).out.split())
    listed = ", ".join(f"{radius:g} ({n})" for radius, n in radii.most_common())
    assert (len(radii) == 1) == bool(fixed)
    assert (f"the seeds chose different radii, {listed};" in page) == (len(radii) > 1)
    told = record(limex("evaluate", *words, "--seeds", 6, "-f", "json"))["targets"][0]
    assert told["radius"] == [one["targets"][0]["kernel"]["radius"] for one in alone]


@pytest.mark.parametrize("case", [(*ZOO, "--row", "84"), REVIEW, SCENE])
def test_every_modality_is_judged_with_the_same_keys_and_the_same_bytes_each_time(limex, case):
    result = limex(*case, *FEW, "-f", "json")
    found = record(result)
    assert found["schema"] == {"name": "limex/evaluation", "number": 2}
    assert found["seeds"] == [0, 1, 2]
    assert found["samples"] == [128] * 3
    (target,) = found["targets"]
    assert list(target)[3:] == [
        "held_out_fidelity",
        "fidelity",
        "vsi",
        "csi",
        "jaccard",
        "error_ratio",
        "components",
        "curves",
        "radius",
        "radii",
    ]
    assert target["held_out_fidelity"]["mean"] <= 1
    assert [one["k"] for one in target["jaccard"]] == [3, 5, 10]
    for one in target["components"]:
        assert list(one)[:3] == ["name", "value", "where"]
        assert one["selected"] in (pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0)
    assert limex(*case, *FEW, "-f", "json").out == result.out


def test_the_first_seed_is_the_one_of_the_command_line(limex):
    found = record(limex(*ZOO, "--row", "84", *FEW, "--seed", "5", "-f", "json"))
    assert found["seeds"] == [5, 6, 7]
    assert found["settings"]["seed"] == 5


def test_a_pickle_is_judged_like_its_onnx_twin(limex, tmp_path):
    ours = record(limex(*ZOO, "--row", "84", *FEW, "-f", "json"))
    model = readable("zoo_mlp.pkl", tmp_path)
    pickled = ("evaluate", "tabular", model, "sample_data/zoo.csv", "--row", "84")
    theirs = record(limex(*pickled, *FEW, "-f", "json"))
    for one, other in zip(ours["targets"], theirs["targets"], strict=True):
        assert other["held_out_fidelity"]["mean"] == pytest.approx(
            one["held_out_fidelity"]["mean"], abs=1e-4
        )


def test_several_rows_and_targets_come_one_to_a_line(limex):
    result = limex(*ZOO, "--row", "3,84", "--target", "top:2", *FEW, "-f", "jsonl", "-q")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert (result.code, result.err) == (0, "")
    assert [one["instance"]["id"] for one in found] == ["3", "84"]
    assert [len(one["targets"]) for one in found] == [2, 2]
    alone = record(limex(*ZOO, "--row", "84", "--target", "top:2", *FEW, "-f", "json"))
    assert found[1] == alone


@pytest.mark.parametrize("case", [(*ZOO, "--row", "84"), REVIEW, SCENE])
def test_a_width_at_which_nothing_is_masked_names_a_radius_that_works(limex, case):
    result = limex(*case, *FEW, "--kernel-width", "0.001")
    assert result.code == 2
    assert "no sample differs from the instance" in result.err
    radius = result.err.split("--radius ")[1].split(",")[0]
    assert limex(*case, *FEW, "--radius", radius).code == 0


def test_the_curves_are_drawn(limex, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.png"
    assert limex(*REVIEW, *FEW, "-o", path).code == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_file_is_written_in_the_format_of_its_suffix(limex, tmp_path):
    path = tmp_path / "verdict.json"
    result = limex(*REVIEW, *FEW, "-o", path)
    assert (result.code, result.out) == (0, "")
    assert json.loads(path.read_text())["instance"]["id"] == "review.txt"
    assert limex(*REVIEW, *FEW, "-o", path).code == 5


def test_one_bad_input_of_several_leaves_the_others_judged(limex, data, tmp_path):
    good, bad = tmp_path / "a.txt", tmp_path / "b.txt"
    good.write_text((data / "review.txt").read_text())
    bad.write_text("")
    result = limex(*REVIEW[:3], good, bad, *FEW, "-f", "jsonl", "-q")
    assert result.code == 6
    assert len(result.out.splitlines()) == 1
    (line,) = result.err.splitlines()
    assert line.startswith("limex: b.txt: ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((*ZOO, "--row", "84", "--seeds", "1"), 2, "--seeds"),
        ((*ZOO, "--row", "84", "--like-lime"), 2, "--like-lime: only limex's own"),
        ((*ZOO, "--row", "9999"), 2, "zoo.csv has rows 0-"),
        ((*ZOO, "--row", "1,2", "-f", "json"), 2, "use -f jsonl"),
        ((*ZOO, "--row", "84", "-f", "md"), 2, "'md' is not one of"),
        ((*ZOO, "--row", "3,84", "-f", "png"), 2, "2 instances do not fit into one png file"),
        ((*ZOO, "--row", "84", "--target", "unicorn"), 2, "no output 'unicorn'"),
        ((*REVIEW[:3], "missing.txt"), 3, "missing.txt"),
        ((*ZOO[:2], "missing.onnx", ZOO[3], "--row", "84"), 4, "missing.onnx"),
        ((*ZOO[:2], "README.md", ZOO[3], "--row", "84"), 4, "README.md"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_line(limex, arguments, code, words):
    result = limex(*arguments)
    assert (result.code, result.out) == (code, "")
    (line,) = result.err.splitlines()
    assert line.startswith("limex: ")
    assert words in line


SOURCES = {
    "tabular": ("zoo_mlp.onnx", {"path": "sample_data/zoo.csv", "rows": "3,84"}, 2),
    "text": ("reviews.onnx", {"inputs": ("sample_data/review.txt",)}, 1),
    "image": ("scenes.onnx", {"inputs": ("sample_data/scene.png",)}, 1),
}


@pytest.fixture(params=SOURCES)
def job(request, monkeypatch):
    """Return a job of a modality that goes on until the weights are settled."""
    monkeypatch.chdir(ROOT)
    name, options, _ = SOURCES[request.param]
    modality = MODALITIES[request.param](**options)
    settings = Settings(samples=64, max_samples=256, seed=2)
    file = ModelFile(f"sample_models/{name}")
    return Job(file, modality, settings, tuple(modality.sources()))


def test_the_explanations_judged_are_those_that_explain_gives(job):
    judged = list(replicated(job, 2))
    for i in range(2):
        settings = Settings(samples=64, max_samples=256, seed=2 + i)
        again = run(Job(job.model, job.modality, settings, job.sources))
        for one, explained in zip(judged, again, strict=True):
            assert isinstance(explained, Explained)
            replicate = one.replicates[i]
            expected = replace(explained.explanation, made_of="")  # names no file
            assert record_of(replicate.explanation) == record_of(expected)
            assert len(replicate.neighbourhood.weights) == explained.explanation.samples + 1


def test_the_model_is_asked_as_often_as_explaining_with_every_seed_asks(job, monkeypatch):
    model = job.model.load()
    assert isinstance(model.identity, Identity)
    kind, method = type(model), []
    predict = kind.predict

    def counted(self, inputs):
        answers = predict(self, inputs)
        method.append(len(answers))
        return answers

    monkeypatch.setattr(kind, "predict", counted)
    for i in range(2):
        settings = Settings(samples=64, max_samples=256, seed=2 + i)
        list(run(Job(job.model, job.modality, settings, job.sources)))
    explaining, asked_first = sum(method), method[0]
    method.clear()
    found = list(replicated(job, 2))
    draws = DRAWS if len(job.sources) > 1 else 1
    points = sum(len(curve.removed) for one in found for curve in one.curves)
    curves = (2 + ORDERS) * draws * points
    # an image, and the image without its superpixels, are asked about once to judge the fill
    explaining -= 2 * len(job.sources) if hasattr(job.modality, "fill") else 0
    # whether the model knows the answers in the table is asked about once
    explaining -= asked_first if hasattr(job.modality, "background") else 0
    assert sum(method) == explaining + curves


def test_a_folder_of_drawings_is_no_advice_where_none_is_written(limex):
    assert limex(*ZOO, "--row", "3,84", "-f", "png").err.endswith("png file; use -f jsonl\n")
