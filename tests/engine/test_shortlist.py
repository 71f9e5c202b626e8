"""Rows of wide tables: the shortlist gives what the whole Gram matrix gives."""

import numpy as np
import pytest

from lime_cli.engine import explain, rows, shortlist
from lime_cli.engine.instance import Identity
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema

D = 120


def wide(n=12, d=D):
    values = np.random.default_rng(5).normal(size=(300, d)).round(3)
    names = tuple(f"c{j}" for j in range(d))
    spelled = tuple(tuple(map(str, row)) for row in values.tolist())
    background = build_background(
        Cells("t.csv", names, spelled, tuple(range(300))), names, Schema()
    )
    return [
        RowInstance(Source(str(i), "t.csv", i), background, tuple(values[i].tolist()), ())
        for i in range(n)
    ]


class Bent:
    """Answers by a few columns, and their products."""

    caveats = ()
    probabilities = False
    identity = Identity("function", "", "regression", ("low", "high"))

    def __init__(self, used):
        self.used = used

    def predict(self, table):
        x = np.stack(table.columns, axis=1)
        slopes = np.random.default_rng(1).normal(size=self.used)
        low = x[:, : self.used] @ slopes + x[:, 0] * x[:, 1]
        return np.stack([low, np.tanh(low) + x[:, self.used]], axis=1)


class Alike(Bent):
    """Answers every row alike, however many come with it."""

    def __init__(self):
        super().__init__(3)

    def predict(self, table):
        first, second, third, *_ = table.columns
        return np.stack([first + second * third, np.tanh(third)], axis=1)


def weights_of(explanations):
    return [
        [(w.component, w.weight, w.std_error, w.selected) for w in one.weights]
        + [one.intercept, one.fidelity, one.fit_r2]
        for found in explanations
        for one in found.surrogates
    ]


def flat(found):
    return np.array([x for one in found for row in one for x in np.atleast_1d(row)], float)


@pytest.mark.parametrize("spare", [-8, 8])
@pytest.mark.parametrize(
    "choice",
    [{"samples": 1024}, {"samples": 2048, "design": "random"}, {"samples": 512, "penalty": 2.0}],
)
def test_a_shortlist_gives_what_the_whole_matrix_gives(monkeypatch, spare, choice):
    settings = Settings(features=6, targets=("all",), assist="off", **choice)
    monkeypatch.setattr(shortlist, "SPARE", spare)
    assert shortlist.length_of(D, 2, settings) == 2 * (12 + spare)
    lost = []
    looked = rows._fitted

    def watched(some, *asked):
        found = looked(some, *asked)
        lost.extend(one is None for one in found if asked[-1])
        return found

    monkeypatch.setattr(rows, "_fitted", watched)
    shortly = weights_of(explain(wide(), Bent(6), settings))
    assert len(lost) == 12
    assert any(lost) or spare > 0, "a list that is too short must be noticed"
    assert not all(lost) or spare < 0, "one of a fair length does for some"
    monkeypatch.setattr(rows, "length_of", lambda d, k, settings: None)
    wholly = weights_of(explain(wide(), Bent(6), settings))
    np.testing.assert_allclose(flat(shortly), flat(wholly), rtol=1e-9, atol=1e-11)


def test_rows_of_a_wide_table_get_the_same_numbers_alone_and_together():
    settings = Settings(features=6, samples=512, assist="off")
    together = weights_of(explain(wide(), Alike(), settings))
    alone = [one for row in wide() for one in weights_of(explain([row], Alike(), settings))]
    assert together == alone


@pytest.mark.parametrize(
    ("d", "k", "settings", "length"),
    [
        (200, 1, Settings(features=10), 28),
        (84, 1, Settings(features=10), 28),
        (83, 1, Settings(features=10), None),
        (200, 1, Settings(features=10, selection="forward"), None),
        (200, 1, Settings(features=100), None),
        (200, 3, Settings(features=10), None),
    ],
)
def test_shortlists_are_for_paths_to_few_of_many(d, k, settings, length):
    assert shortlist.length_of(d, k, settings) == length
