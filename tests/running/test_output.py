"""Where results go, and ``--save-samples``: what an instance was explained by, as arrays."""

import json
import os
import stat
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from lime_cli.models.model_file import ModelFile
from lime_cli.running.job import Job, call_counter, run
from lime_cli.running.output import whole
from lime_cli.settings import Settings
from lime_cli.texts.modality import TextModality
from tests.conftest import ROOT

ROW = ("tabular", "sample_models/cancer_forest.joblib", "sample_data/breast_cancer.csv", "--row", 3)
REVIEW = ("text", "sample_models/reviews.onnx", "sample_data/review.txt")
SCENE = ("image", "sample_models/scenes.onnx", "sample_data/scene.png", "--samples", 200)


def saved(limex, path, *call):
    result = limex("explain", *call, "--save-samples", path, "-f", "json")
    assert result.code == 0, result.err
    assert f"wrote {path}" in result.err
    with np.load(path) as archive:
        return json.loads(result.out), dict(archive)


@pytest.mark.parametrize("call", [ROW, REVIEW, SCENE, (*ROW, "--bins", "none")])
def test_the_weights_are_those_of_least_squares_on_the_samples(limex, tmp_path, call):
    record, kept = saved(limex, tmp_path / "s.npz", *call, "--radius", "0.3", "--samples", "1024")
    (target,) = record["targets"]
    names = kept["components"].tolist()
    Z = np.column_stack([np.ones(len(kept["weights"])), kept["interpretable"]])
    answers = kept["predictions"][:, kept["targets"].tolist().index(target["name"])]
    roots = np.sqrt(kept["weights"])
    fitted = np.linalg.lstsq(Z * roots[:, None], answers * roots, rcond=None)[0]
    for one in target["components"]:
        plain = fitted[1 + names.index(one["name"])]
        # control variates take noise away first, where weights leave much that they do not explain
        near = 1e-6 if call[0] == "text" else 8 * one["std_error"]
        assert one["weight"] == pytest.approx(plain, abs=near)
    assert answers[0] == target["model_prediction"]
    assert (kept["interpretable"][0] == 1).all()
    assert len(kept["weights"]) == 1 + record["samples"]


def test_nothing_more_is_asked_for_them():
    modality = TextModality((str(ROOT / "sample_data" / "review.txt"),))
    file = ModelFile(str(ROOT / "sample_models" / "reviews.onnx"))
    job = Job(file, modality, Settings(samples=300), tuple(modality.sources()))
    call_counts, seen = call_counter(job), []
    list(run(job))
    without = call_counts()
    list(run(job, lambda *one: seen.append(one)))
    assert call_counts() == without
    assert len(seen[0][1].weights) == 301


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        (
            (*ROW, "--save-samples", "s.csv"),
            2,
            "--save-samples: s.csv is not an NPZ file; name it FILE.npz",
        ),
        ((*ROW, "--save-samples", "s.npz", "--like-lime"), 2, "--like-lime keeps no samples"),
        ((*ROW, "--save-samples", "s.npz", "-j", 1), 2, "holds the samples of one instance"),
        ((*ROW[:-1], "3-4", "--save-samples", "s.npz"), 2, "holds the samples of one instance"),
        ((*ROW, "--save-samples", "no/s.npz"), 5, "there is no folder no"),
        ((*ROW, "--save-samples", "old.npz"), 5, "old.npz: exists already"),
    ],
)
def test_samples_that_cannot_be_kept_are_refused(limex, tmp_path, monkeypatch, call, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.npz").write_bytes(b"")
    call = [str(ROOT / one) if str(one).startswith("sample_") else one for one in call]
    result = limex("explain", *call)
    assert (result.code, said in result.err) == (code, True), result.err
    assert [one.name for one in tmp_path.iterdir()] == ["old.npz"]


@pytest.mark.parametrize("name", ["a.gif", "a.pdf", "a.feather", "a.yaml"])
def test_a_suffix_without_a_format_is_refused_with_the_list(limex, tmp_path, name):
    command = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    path = tmp_path / name
    result = limex(*command, "--row", "3", "-o", path)
    assert (result.code, path.exists()) == (2, False)
    assert f"{path}: there is no format {path.suffix} for this result; end the name" in result.err
    lines = tmp_path / "lines.jsonl"
    assert limex(*command, "--row", "3", "--samples", "16", "-o", lines).code == 0
    result = limex("summarize", lines, "-o", path)
    assert (result.code, path.exists()) == (2, False)
    assert f"there is no format {path.suffix} for this result" in result.err
    assert limex(*command, "--row", "3", "--samples", "16", "-o", path, "-f", "json").code == 0


FOUR = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "3-6")


@pytest.mark.parametrize(
    ("name", "folder"), [("a.pdf", False), ("a.gif", False), ("a.v2", True), ("a", True)]
)
def test_a_folder_is_not_named_like_a_file_of_another_kind(limex, tmp_path, name, folder):
    path = tmp_path / name
    result = limex(*FOUR, "--samples", "16", "-o", path)
    assert (result.code, path.is_dir()) == ((0, True) if folder else (2, False))
    assert ("there is no format" in result.err) != folder


def test_standard_output_may_be_called_by_a_mark(limex, tmp_path, monkeypatch):
    plain = limex("explain", *ROW, "--samples", "64", "-f", "csv")
    marked = limex("explain", *ROW, "--samples", "64", "-f", "csv", "-o", "-")
    assert (marked.code, marked.out) == (0, plain.out)
    profile = limex("profile", "sample_data/zoo.csv", "-o", "-")
    assert (profile.code, "columns" in json.loads(profile.out)) == (0, True)
    assert not Path("-").exists()


def test_a_pipe_or_device_is_written_to_and_never_replaced(limex, tmp_path):
    pipe, log, link = tmp_path / "pipe", tmp_path / "log", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for name in (pipe, link):
        found = []
        reader = Thread(target=lambda kept=found: kept.append(pipe.read_text()))
        reader.start()
        result = limex("explain", *ROW, "--samples", "64", "-f", "csv", "-o", name)
        reader.join()
        assert result.code == 0, result.err
        assert found == [limex("explain", *ROW, "--samples", "64", "-f", "csv").out]
        assert stat.S_ISFIFO(pipe.stat().st_mode)
    log.write_text("held\n")
    with log.open("ab") as stream, whole(f"/dev/fd/{stream.fileno()}") as out:
        out.write(b"more\n")
    assert log.read_text() == "held\nmore\n"
