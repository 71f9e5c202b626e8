"""``--log mlflow`` puts a result into a run: the one that the environment names, or a new one."""

import csv
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")

ROOT = Path(__file__).parents[2]

ZOO = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
COMMON = ("--drop", "animal,class", "--samples", "128", "--log", "mlflow")

LOOK = """
import json, mlflow
from pathlib import Path
found = []
for run in mlflow.search_runs(search_all_experiments=True, output_format="list"):
    here = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=""))
    files = {str(one.relative_to(here)): one.read_text("utf-8", "replace")
             for one in here.rglob("*") if one.is_file()}
    found.append({"id": run.info.run_id, "metrics": run.data.metrics, "tags": run.data.tags,
                  "params": run.data.params, "files": files})
print(json.dumps(found))
"""


@pytest.fixture
def tracked(tmp_path):
    """A function that runs Python where MLflow keeps its runs in a folder of its own."""
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    beside = {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "1"}

    def call(*words, **more):
        environment = {**os.environ, **beside, **more}
        paths = [str(ROOT / one) if str(one).startswith("sample_") else str(one) for one in words]
        return subprocess.run(
            [sys.executable, *paths],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    return call


def runs(tracked):
    done = tracked("-c", LOOK)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.slow
def test_weights_page_and_figures_of_one_explanation_are_in_a_run(tracked):
    done = tracked("-m", "lime_cli", *ZOO, "--row", "3", *COMMON, "-f", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    (run,) = runs(tracked)
    assert f"logged run {run['id']} of experiment 0" in done.stderr
    files = run["files"]
    weights = list(csv.DictReader(files["limex/weights.csv"].splitlines()))
    components = record["targets"][0]["components"]
    assert [float(one["weight"]) for one in weights] == [one["weight"] for one in components]
    assert json.loads(files["limex/explanations.jsonl"])["targets"] == record["targets"]
    assert files["limex/explanations.html"].startswith("<!DOCTYPE html>")
    assert "limex/figures/00000.png" in files
    target = record["targets"][0]
    assert run["metrics"]["limex.prediction"] == target["model_prediction"]
    assert run["metrics"]["limex.fidelity_mean"] == target["fidelity"]
    assert run["metrics"]["limex.gap_max"] == abs(target["gap"])
    assert run["tags"]["limex.model_digest"] == record["model"]["digest"]


@pytest.mark.slow
def test_a_batch_joins_the_run_that_trained_the_model(tracked, tmp_path):
    begun = tracked(
        "-c",
        "import mlflow\nwith mlflow.start_run() as r:\n"
        "  mlflow.log_param('depth', 3); print(r.info.run_id)",
    )
    training = begun.stdout.strip().splitlines()[-1]
    words = (*ZOO, "--row", "3-6", *COMMON, "-o", "out", "-f", "html")
    done = tracked("-m", "lime_cli", *words, MLFLOW_RUN_ID=training)
    assert done.returncode == 0, done.stderr
    (run,) = runs(tracked)
    assert (run["id"], run["params"]) == (training, {"depth": "3"})
    lines = (tmp_path / "out" / "explanations.jsonl").read_text().splitlines()[1:]
    fidelities = [json.loads(line)["targets"][0]["fidelity"] for line in lines]
    assert run["metrics"]["limex.instances"] == len(fidelities) == 4
    assert run["metrics"]["limex.fidelity_mean"] == pytest.approx(statistics.fmean(fidelities))
    assert {"limex/index.html", "limex/explanations.jsonl", "limex/weights.csv"} <= set(
        run["files"]
    )


def test_several_instances_need_a_folder(limex):
    result = limex(*ZOO, "--row", "3-4", *COMMON, "-f", "jsonl")
    assert result.code == 2
    assert "--log: takes a folder for several instances or workers; name it: -o DIR" in result.err


def test_a_sidecar_cannot_log(limex, tmp_path, samples):
    model = tmp_path / "m.onnx"
    model.write_bytes((samples / "zoo_mlp.onnx").read_bytes())
    (tmp_path / "m.toml").write_text('log = "mlflow"\n')
    (tmp_path / "m.onnx.toml").write_text('log = "mlflow"\n')
    result = limex("explain", "tabular", model, "sample_data/zoo.csv", "--row", "3")
    assert result.code == 2
    assert "log" in result.err


@pytest.mark.slow
def test_a_server_that_is_not_there_is_one_line(tracked):
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = tracked("-m", "lime_cli", *ZOO, "--row", "3", *COMMON, "-f", "json", "-q", **nowhere)
    assert done.returncode == 5
    assert done.stderr.startswith("limex: --log mlflow: MlflowException: ")
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["targets"]


def test_without_mlflow_the_line_that_installs_it_is_named(limex, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    result = limex(*ZOO, "--row", "3", *COMMON, "-f", "json", "-q")
    assert (result.code, result.out) == (2, "")
    assert "pip install 'limex[mlflow]'" in result.err
