"""Many components: the ones worth a fit are found, in bounded time and memory."""

import json
import resource
import subprocess
import sys

import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.engine.screening import MOST, allowed, screen
from lime_cli.settings import Settings
from tests.conftest import ROOT, FunctionModel, MaskInstance


def test_all_components_are_fitted_where_they_are_not_many():
    some = np.zeros((MOST, 3), bool)
    assert screen(some, np.ones(3), np.zeros((1, 3))).tolist() == list(range(MOST))


def test_the_components_that_go_along_with_an_answer_are_chosen():
    rng = np.random.default_rng(0)
    masks = rng.random((2_000, 1_500)) < 0.5
    answers = np.stack([masks[:, 7] - 2.0 * masks[:, 1_400], 1e-6 * masks[:, 900]])
    chosen = screen(masks.T, rng.random(2_000), answers)
    assert len(chosen) == MOST
    assert (np.diff(chosen) > 0).all()
    assert {7, 900, 1_400} <= set(chosen.tolist())


@pytest.mark.parametrize("answers", [np.ones((1, 50)), np.zeros((2, 50))])
def test_answers_and_components_that_do_not_vary_are_no_trouble(answers):
    assert len(screen(np.ones((800, 50), bool), np.ones(50), answers)) == MOST
    assert len(screen(np.ones((800, 50), bool), np.zeros(50), answers)) == MOST


def test_weights_are_of_the_components_they_belong_to():
    weights = np.zeros(1_200)
    weights[[3, 700, 1_150]] = 4.0, -3.0, 2.0
    model = FunctionModel(lambda masks: masks @ weights)
    (found,) = explain([MaskInstance(1_200)], model, Settings(samples=2_048, features=3))
    (surrogate,) = found.surrogates
    assert {one.component: round(one.weight, 6) for one in surrogate.weights} == {
        3: 4.0,
        700: -3.0,
        1_150: 2.0,
    }
    assert "screened" in [one.code for one in found.caveats]


def test_samples_stop_doubling_where_their_components_are_many():
    assert allowed(65_536, 500)
    assert allowed(4_096, 4_000)
    assert not allowed(8_192, 4_000)


MODEL = """
import numpy as np

def linear(table):
    weights = np.zeros(table.shape[1])
    weights[:4] = 8, -6, 4, 2
    return table.to_numpy(float) @ weights
"""


def test_a_wide_table_is_explained_in_little_time_and_memory(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "wide_model.py").write_text(MODEL, "utf-8")
    lines = [",".join(f"x{j}" for j in range(2_000))]
    lines += [",".join(f"{one:.2f}" for one in rng.normal(size=2_000)) for _ in range(100)]
    (tmp_path / "wide.csv").write_text("\n".join(lines), "utf-8")
    words = ["explain", "tabular", "py:wide_model:linear", str(tmp_path / "wide.csv"), "--row", "0"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(
        [sys.executable, "-m", "lime_cli", *words, "-f", "json", "--features", "4"],
        capture_output=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak == before or peak < 1_500_000
    record = json.loads(done.stdout)
    columns = {one["where"]["column"] for one in record["targets"][0]["components"]}
    assert {"x0", "x1"} <= columns
    assert "screened" in [one["code"] for one in record["warnings"]]
