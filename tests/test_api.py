"""From Python limex is an iterator over the same explanations as on the command line."""

import json

import pytest

import lime_cli
from lime_cli.errors import ModelError
from lime_cli.records.record import record_of
from lime_cli.running.executor import Workers
from lime_cli.running.job import Explained, Failed
from lime_cli.settings import Settings
from tests.conftest import ROOT

MODELS, DATA = ROOT / "sample_models", ROOT / "sample_data"
ZOO = (str(MODELS / "zoo_mlp.onnx"), str(DATA / "zoo.csv"))


def test_a_row_is_explained_as_the_command_line_does(limex):
    (found,) = lime_cli.explain_tabular(*ZOO, rows="84")
    assert isinstance(found, Explained)
    printed = json.loads(limex("explain", "tabular", *ZOO, "--row", "84", "-f", "json", "-q").out)
    assert record_of(found.explanation)["hash"] == printed["hash"]


def test_rows_come_one_after_the_other_without_reading_them_all():
    found = lime_cli.explain_tabular(*ZOO, settings=Settings(samples=128))
    first = next(found)
    assert isinstance(first, Explained)
    assert first.source.row == 0
    assert first.explanation.surrogates[0].weights
    assert sum(isinstance(one, Explained) for one in found) == 100


def test_workers_give_the_same_in_the_same_order():
    settings = Settings(samples=128)
    texts = [str(DATA / "review.txt"), str(DATA / "SOURCES.md")]
    model = str(MODELS / "reviews.onnx")
    here = list(lime_cli.explain_text(model, *texts, settings=settings, workers=Workers()))
    there = list(
        lime_cli.explain_text(model, *texts, settings=settings, workers=Workers("local", 2))
    )
    assert [one.source.id for one in there] == [one.source.id for one in here]
    for one, other in zip(here, there, strict=True):
        assert isinstance(one, Explained)
        assert isinstance(other, Explained)
        assert record_of(one.explanation)["targets"] == record_of(other.explanation)["targets"]


@pytest.mark.parametrize("workers", [None, Workers("local", 1)])
def test_what_cannot_be_explained_comes_back_in_its_place(tmp_path, workers):
    (tmp_path / "a.png").write_bytes((DATA / "scene.png").read_bytes()[:300])
    (tmp_path / "b.png").write_bytes((DATA / "scene.png").read_bytes())
    found = list(
        lime_cli.explain_image(
            str(MODELS / "scenes.onnx"),
            str(tmp_path),
            settings=Settings(samples=64),
            workers=workers,
        )
    )
    assert isinstance(found[0], Failed)
    assert "a.png" in found[0].error.message
    assert isinstance(found[1], Explained)


def test_a_model_is_loaded_and_predicts(tmp_path):
    model = lime_cli.load_model(ZOO[0])
    assert model.identity.targets[0] == "amphibian"
    with pytest.raises(ModelError):
        lime_cli.load_model(str(tmp_path / "none.onnx"))


def test_the_command_line_does_without_the_interface():
    assert "explain_tabular" in dir(lime_cli) or lime_cli.explain_tabular
    with pytest.raises(AttributeError):
        lime_cli.nothing  # noqa: B018
