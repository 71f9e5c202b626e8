"""``--cache``: what a model said to the samples of a table is kept, and checked."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from lime_cli import files
from lime_cli.errors import OutputError
from lime_cli.models.model_file import ModelFile, _load
from lime_cli.models.predictor import Predictor
from lime_cli.records.record import record_of
from lime_cli.running.job import Job, _prepared, run
from lime_cli.settings import Settings
from lime_cli.tabular.modality import TabularModality
from tests.conftest import ROOT

MODEL = ModelFile(str(ROOT / "sample_models/zoo_mlp.onnx"))
ZOO = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "84")


@pytest.fixture
def asked(monkeypatch):
    """Count the rows that models are asked about."""
    counts = []
    ask = Predictor.predict

    def counted(self, inputs):
        counts.append(len(inputs))
        return ask(self, inputs)

    monkeypatch.setattr(Predictor, "predict", counted)
    return counts


def records(folder, model=MODEL, **choices):
    """Explain two rows in what could be a new process."""
    _prepared.cache_clear()
    _load.cache_clear()
    modality = TabularModality(str(ROOT / "sample_data/zoo.csv"), rows="3,84")
    settings = Settings(**{"samples": 256, **choices})
    job = Job(model, modality, settings, tuple(modality.sources()), folder and str(folder))
    return [record_of(one.explanation) for one in run(job)]


def test_the_next_run_asks_about_the_rows_only_and_gives_the_same_records(tmp_path, asked):
    plain = records(None)
    without = sum(asked)
    first = records(tmp_path)
    del asked[:]
    assert records(tmp_path) == first == plain
    assert 0 < sum(asked) <= 256 < without


def test_going_on_with_more_samples_asks_for_those_only(tmp_path, asked):
    records(tmp_path)
    del asked[:]
    wider = records(tmp_path, samples=512)
    assert sum(asked) <= 256 + 512
    assert wider == records(None, samples=512)


@pytest.mark.parametrize(
    ("model", "choices"),
    [
        (MODEL, {"seed": 1}),
        (MODEL, {"samples": 128}),
        (MODEL, {"design": "random"}),
        (ModelFile(MODEL.path, task="regression"), {}),
    ],
    ids=["seed", "samples", "design", "options of the model"],
)
def test_another_question_is_another_entry(tmp_path, model, choices):
    records(tmp_path)
    assert records(tmp_path, model, **choices) == records(None, model, **choices)
    assert len(list(tmp_path.iterdir())) == 2


def test_choices_that_change_no_sample_share_the_entry(tmp_path):
    records(tmp_path)
    records(tmp_path, features=3, targets=("all",), kernel_width=None)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", ["cut", "zeros", "text", "empty", "edited", "renamed"])
def test_a_damaged_entry_is_made_again_with_a_warning(tmp_path, limex, caplog, damage):
    first = limex(*ZOO, "-f", "json", "--cache", tmp_path)
    (entry,) = tmp_path.iterdir()
    whole = entry.read_bytes()
    spoil(entry, damage)
    _prepared.cache_clear()
    again = limex(*ZOO, "-f", "json", "--cache", tmp_path)
    assert (again.code, again.out) == (0, first.out)
    assert caplog.text.count("is damaged; the model is asked again") == 1
    assert entry.stat().st_size == len(whole)
    _prepared.cache_clear()
    assert limex(*ZOO, "-f", "json", "--cache", tmp_path).out == first.out
    assert caplog.text.count("is damaged") == 1


def spoil(entry: Path, damage: str) -> None:
    whole = entry.read_bytes()
    if damage == "edited":
        with np.load(entry) as file:
            arrays = dict(file)
        arrays["predictions"] = arrays["predictions"] + 1e-3
        np.savez(entry, **arrays)
    elif damage == "renamed":
        with np.load(entry) as file:
            arrays = dict(file)
        arrays["answers"] = arrays.pop("predictions")
        np.savez(entry, **arrays)
    else:
        half = len(whole) // 2
        cut = {"cut": whole[:half], "text": b"no answers", "empty": b""}
        entry.write_bytes(cut.get(damage, whole[:half] + bytes(len(whole) - half)))


def test_an_entry_holds_no_pickle_and_nothing_unfinished_is_left(tmp_path):
    records(tmp_path)
    (entry,) = tmp_path.iterdir()
    assert entry.suffix == ".npz"
    with np.load(entry, allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= set("uif")


def test_a_model_that_changes_its_mind_is_not_kept(tmp_path, monkeypatch):
    drift = np.random.default_rng(0)
    answer = Predictor._answer
    monkeypatch.setattr(
        Predictor, "_answer", lambda self, inputs: answer(self, inputs) * drift.uniform(0.5, 1)
    )
    records(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_function_is_refused_for_what_it_says_hangs_on_more_than_a_file(tmp_path, limex):
    function = "py:tests.models.python_functions:leaves"
    loans = ("sample_data/loans.csv", "--row", "1")
    result = limex("explain", "tabular", function, *loans, "--cache", tmp_path)
    assert result.code == 2
    assert "more than its file" in result.err


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, limex):
    (tmp_path / "file").write_text("")
    result = limex(*ZOO, "--cache", tmp_path / "file" / "cache")
    assert result.code == 5
    assert result.err.count("\n") == 1
    assert "--cache" in result.err


@pytest.mark.parametrize("operation", ["open", "write", "fsync", "replace"])
def test_a_write_that_fails_leaves_nothing_behind(operation, tmp_path, monkeypatch):
    def full(begun, path):
        if begun == operation:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "before", full)
    with pytest.raises(OutputError, match=r"the disk is full.*make room"):
        records(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_option_stays_out_of_the_record(tmp_path, limex):
    found = json.loads(limex(*ZOO, "-f", "json", "--cache", tmp_path).out)
    assert "cache" not in json.dumps(found["settings"])
