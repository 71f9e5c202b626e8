"""A row alone is asked about along with its samples, and gets what a batch of rows gets."""

import numpy as np

from lime_cli.engine import ask_shared, explain
from lime_cli.engine.instance import Identity
from lime_cli.records.record import record_of
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema

WORDS = ("red", "blue", "green")
SETTINGS = Settings(samples=512)


def row(number=2.5, count=3, colour="red"):
    values = np.random.default_rng(3).normal(size=200).round(2).tolist()
    cells = [(str(value), str(i % 30), WORDS[i % 3]) for i, value in enumerate(values)]
    names = ("number", "count", "colour")
    background = build_background(Cells("t.csv", names, tuple(cells), range(200)), names, Schema())
    return RowInstance(Source("0", "t.csv", 0), background, (number, count, colour), ())


class Listening:
    """Keeps what it was asked."""

    caveats = ()
    probabilities = False
    identity = Identity("function", "", "regression", ("y",))

    def __init__(self):
        self.asked = []

    def predict(self, table):
        self.asked.append(table)
        numbers, counts, colours = table.columns
        return (numbers * (colours == "red") + counts)[:, None].astype(float)


def test_a_row_alone_takes_one_call_with_the_row_first():
    model = Listening()
    (found,) = explain([row()], model, SETTINGS)
    (table,) = model.asked
    assert [column[0] for column in table.columns] == [2.5, 3, "red"]
    assert 400 < len(table.columns[0]) <= 513  # equal samples are asked about once
    assert found.surrogates[0].model_prediction == 5.5


def test_a_row_alone_gets_what_it_gets_beside_others():
    (alone,) = explain([row()], Listening(), SETTINGS)
    beside, _ = explain([row(), row(0.1, 4, "blue")], Listening(), SETTINGS)
    assert record_of(alone) == record_of(beside)


def test_a_value_that_samples_cannot_hold_is_asked_alone():
    model = Listening()
    (found,) = explain([row(count=3.5)], model, SETTINGS)
    samples = model.asked[-1].columns[1]
    assert samples.dtype.kind == "i"
    assert found.surrogates[0].model_prediction == 6.0


def test_samples_that_are_known_are_not_asked_again():
    model, known = Listening(), {}
    ask_shared(row(), model, SETTINGS, known)
    n_before = len(model.asked)
    list(explain([row()], model, SETTINGS, known))
    assert [len(table.columns[0]) for table in model.asked[n_before:]] == [256]
