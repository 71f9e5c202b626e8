"""Rows of a table together: the same bytes alone, in a batch of any size, in any order."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.engine.explaining import _settle
from lime_cli.engine.instance import Identity
from lime_cli.engine.neighbourhood import ask_originals
from lime_cli.records.record import record_of
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema


def table(n_rows, n_columns, seed=0):
    """Return rows of numbers, of a few levels, and of words."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n_rows, n_columns - 2)).round(3)
    words = rng.choice(["red", "blue", "green"], n_rows)
    few = rng.integers(0, 3, n_rows)
    return [(*map(str, numbers[i].tolist()), str(few[i]), str(words[i])) for i in range(n_rows)]


def instances(n_columns=9, n=40):
    cells_of = table(300, n_columns)
    names = tuple(f"c{j}" for j in range(n_columns))
    cells = Cells("t.csv", names, tuple(cells_of), tuple(range(2, 302)))
    background = build_background(cells, names, Schema())
    return [
        RowInstance(
            Source(str(i), "t.csv", i),
            background,
            (*map(float, row[:-2]), int(row[-2]), row[-1]),
            (),
        )
        for i, row in enumerate(cells_of[:n])
    ]


@dataclass
class Classifier:
    """Three probabilities, row by row, so that no call's size shows in an answer."""

    flat: bool = False
    caveats = ()
    probabilities = True
    identity = Identity("function", "", "classification", ("a", "b", "c"))

    def predict(self, inputs):
        numbers = np.stack([column.astype(float) for column in inputs.columns[:-1]], axis=1)
        red = inputs.columns[-1] == "red"
        first = np.tanh(numbers[:, 0] + numbers[:, 1] * numbers[:, 2]) + red * numbers[:, 3]
        second = np.sin(numbers[:, 4]) + 0.3 * numbers[:, -1]
        logits = np.stack([first, second, np.zeros(len(red))], axis=1) * (not self.flat)
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def records(rows, settings, model=None):
    return {
        one.subject.id: record_of(one) for one in explain(rows, model or Classifier(), settings)
    }


PLAIN = {"assist": "off"}
CHOICES = [
    {**PLAIN, "samples": 512},
    {**PLAIN, "samples": 509},
    {**PLAIN, "samples": 256, "max_samples": 4096},
    {**PLAIN, "samples": 512, "targets": ("all",)},
    {**PLAIN, "samples": 512, "targets": ("predicted", "b")},
    {**PLAIN, "samples": 512, "selection": "none"},
    {**PLAIN, "samples": 512, "selection": "forward", "penalty": 1.0},
    {**PLAIN, "samples": 512, "selection": "highest", "features": 3},
    {**PLAIN, "samples": 512, "selection": "none", "penalty": 0.001, "penalty_kind": "lasso"},
    {**PLAIN, "samples": 512, "design": "random"},
    {"samples": 512, "assist": "on"},
    {"samples": 256, "max_samples": 512, "targets": ("predicted", "b")},
    {**PLAIN, "samples": 512, "kernel_width": 0.02},
    {**PLAIN, "samples": 128, "surrogate": "tree", "features": 4},
]


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_a_row_alone_in_a_batch_and_in_any_order_gives_the_same_record(choices):
    rows, settings = instances(), Settings(**choices)
    together = records(rows, settings)
    assert records(rows[::-1], settings) == together
    for some in (rows[:1], rows[7:8], rows[3:5], rows[11:28:3], rows[33:]):
        found = records(some, settings)
        assert found == {one.source.id: together[one.source.id] for one in some}


@pytest.mark.parametrize("n_columns", [3, 30, 60])
def test_tables_of_any_width_give_the_same_record_alone(n_columns):
    rows = [replace(one, source=one.source) for one in instances(max(8, n_columns), 70)]
    settings = Settings(samples=600)
    together = records(rows, settings)
    for i in (0, 31, 32, 69):
        assert records([rows[i]], settings)[str(i)] == together[str(i)]


@pytest.mark.parametrize("choices", CHOICES[:-1], ids=str)
def test_a_lot_of_rows_gives_the_weights_of_the_plain_sums(choices):
    rows, settings, model = instances(n=5), Settings(**choices), Classifier()
    originals = ask_originals(rows, model, settings)
    for row, original, explanation in zip(
        rows, originals, explain(rows, model, settings), strict=True
    ):
        plain = _settle(row, original, model, settings, {})
        assert explanation.stop == plain.stop
        assert explanation.samples == plain.summary.n
        assert explanation.effective_samples == pytest.approx(plain.summary.effective_samples)
        for ours, theirs in zip(explanation.surrogates, plain.surrogates, strict=True):
            for name in ("intercept", "local_prediction", "fidelity", "fit_r2"):
                assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-9)
            assert [one.component for one in ours.weights] == [
                one.component for one in theirs.weights
            ]
            for one, other in zip(ours.weights, theirs.weights, strict=True):
                assert one.weight == pytest.approx(other.weight, abs=1e-9)
                assert one.std_error == pytest.approx(other.std_error, abs=1e-9)
                assert (one.rank_range, one.selected) == (other.rank_range, other.selected)


def test_rows_in_the_same_bins_share_their_sums_and_differ_by_their_own_prediction():
    (row,) = instances(n=1)
    twin = replace(row, source=Source("twin", "t.csv", 1))
    found = records([row, twin], Settings(samples=512))
    assert found["0"]["targets"] == found["twin"]["targets"]


def test_only_rows_that_need_more_samples_get_more():
    rows, settings = instances(), Settings(samples=256, max_samples=4096, tolerance=0.1)
    counts = {record["samples"] for record in records(rows, settings).values()}
    assert len(counts) > 1


def test_a_flat_response_of_rows_is_flat():
    for record in records(instances(n=3), Settings(samples=512), Classifier(flat=True)).values():
        (target,) = record["targets"]
        assert target["components"] == []
        assert target["fidelity"] is None
        assert target["intercept"] == pytest.approx(1 / 3, abs=1e-12)
        assert "flat_response" in {one["code"] for one in record["warnings"]}
