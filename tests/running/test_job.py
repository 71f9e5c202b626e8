"""Outcomes: what a worker hands back is what the formats write."""

import io
import json

from lime_cli.errors import InputError
from lime_cli.formats import Look
from lime_cli.models.model_file import ModelFile
from lime_cli.registry import FORMATS, MODALITIES
from lime_cli.running.job import Explained, Job, Work, complete, failed, run
from lime_cli.settings import Settings
from lime_cli.sources import Source
from tests.conftest import ROOT


def job() -> Job:
    modality = MODALITIES["tabular"](path=str(ROOT / "sample_data" / "zoo.csv"), rows="0,3")
    model = ModelFile(str(ROOT / "sample_models" / "zoo_mlp.onnx"))
    return Job(model, modality, Settings(samples=256), tuple(modality.sources()))


def test_a_line_is_what_the_jsonl_format_writes():
    outcomes = list(complete(Work(0, job())))
    for outcome, explained in zip(outcomes, run(job()), strict=True):
        assert isinstance(explained, Explained)
        stream = io.BytesIO()
        FORMATS["jsonl"]([explained.explanation], stream, Look())
        assert outcome.line == stream.getvalue()
        assert outcome.error is None
        assert outcome.samples == explained.explanation.samples


def test_a_failure_is_a_line_that_names_file_row_and_reason():
    outcome = failed(Source("7", "people.csv", 7), InputError("people.csv: line 9", "mend it"))
    assert outcome.error == "InputError"
    assert json.loads(outcome.line) == {
        "schema": {"name": "limex/failure", "number": 1},
        "instance": {"id": "7", "source": "people.csv", "row": 7},
        "error": {"kind": "InputError", "message": "people.csv: line 9", "hint": "mend it"},
    }
