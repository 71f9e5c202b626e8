"""Words that CatBoost knows by their hashes only: told by what it answers to them."""

import pickle

import numpy as np
import pandas as pd
import pytest

from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.row import Table
from lime_cli.tabular.schema import Schema

RANDOM = np.random.default_rng(5)
N = 300
BIG = 2**53 + 1 + 2 * RANDOM.integers(0, 3, N)
FRAME = pd.DataFrame(
    {
        "x": RANDOM.normal(size=N),
        "zip": RANDOM.choice(["01067", "04109", "80331"], N).astype(object),
        "flag": RANDOM.choice([True, False], N),
        "big": BIG,
        "n": pd.Series(RANDOM.choice([1.0, 2.0, 3.0], N)).where(RANDOM.random(N) > 0.1),
        "town": pd.Series(RANDOM.choice(["Rome", "Oslo", "NA"], N), dtype=object).where(
            RANDOM.random(N) > 0.1
        ),
        "kind": RANDOM.choice([" a", "b ", " c"], N).astype(object),
    }
)
SIZE = FRAME["x"] + (FRAME["zip"] == "01067") + FRAME["flag"] + FRAME["big"] % 3
SIZE += FRAME["n"].fillna(5) + (FRAME["town"] == "Rome") + (FRAME["kind"] == " a")
LABELS = (SIZE + RANDOM.normal(0, 0.3, N) > 6).astype(int)


def of(name, change):
    return lambda: FRAME[["x", name]].assign(**{name: change(FRAME[name])})


def gaps_as(word, words=("NA",)):
    return lambda column: column.where(~column.isin(words)).fillna(word)


OWNERS = {
    "codes as words": (of("zip", str_ := lambda one: one.map(str)), []),
    "codes as numbers": (of("zip", lambda one: one.astype(int)), []),
    "true as it is": (of("flag", lambda one: one), []),
    "true as a word": (of("flag", str_), []),
    "ids beyond 2^53": (of("big", lambda one: one), []),
    "numbers with a point": (of("n", str_), []),
    "gaps as -1": (of("n", lambda one: one.fillna(-1).astype(int)), ["gaps_filled"]),
    "gaps as the word 0": (
        of("n", lambda one: one.fillna(0).astype(int).map(str)),
        ["gaps_filled"],
    ),
    "gaps as missing": (of("town", gaps_as("missing")), ["gaps_filled"]),
    "gaps as Unknown": (of("town", gaps_as("Unknown")), ["gaps_filled"]),
    "gaps as NA": (of("town", gaps_as("NA")), ["gaps_filled"]),
    "gaps as nan": (of("town", gaps_as("nan")), []),
    "gaps apart from NA": (of("town", gaps_as("missing", ())), ["gaps_filled"]),
    "gaps as nobody would": (of("town", gaps_as("blank!")), ["unknown_category"]),
    "blanks": (of("kind", lambda one: one), []),
    "without blanks": (of("kind", lambda one: one.str.strip()), ["read_stripped"]),
}


def fitted(folder, owned, kind="cbm"):
    catboost = pytest.importorskip("catboost")
    quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    names = [name for name in owned if name != "x"]
    model = catboost.CatBoostClassifier(iterations=8, cat_features=names, **quiet)
    model.fit(owned, LABELS)
    path = folder / f"m.{kind}"
    if kind == "cbm":
        model.save_model(path)
    else:
        path.write_bytes(pickle.dumps(model))
    FRAME.assign(y=LABELS).to_csv(folder / "d.csv", index=False)
    return path, model


def answers(path, table, **options):
    loaded = ModelFile(str(path)).load()
    given = TabularModality(str(table), **options).fitted(loaded.asked)
    rows = [given.read(source) for source in given.sources()]
    inputs = [one.model_inputs(np.zeros((1, len(one.components)), np.int32)) for one in rows]
    return loaded.predict(Table.joined(inputs)), [one.code for one in given.fitted_warnings]


PICKLED = ("codes as words", "true as it is", "gaps as -1", "gaps as missing")


@pytest.mark.parametrize(
    ("name", "kind"), [*((one, "cbm") for one in OWNERS), *((one, "pkl") for one in PICKLED)]
)
def test_words_are_spelled_as_the_model_answers_to_them(tmp_path, name, kind):
    own, said = OWNERS[name]
    path, model = fitted(tmp_path, own(), kind)
    found, codes = answers(path, tmp_path / "d.csv")
    assert {*said} <= {*codes}
    assert ("unknown_category" in codes) == ("unknown_category" in said)
    true = model.predict_proba(own())
    known = np.ones(N, bool)
    if name == "gaps as nobody would":  # said, as nothing tells
        known = ~FRAME["town"].isin([None, np.nan, "NA"]).to_numpy()
    assert found[known] == pytest.approx(true[known], abs=1e-9)


def test_all_columns_at_once(tmp_path):
    owned = FRAME[["x", "zip", "flag", "n", "town", "kind"]].assign(
        n=FRAME["n"].fillna(-1).astype(int),
        town=gaps_as("missing")(FRAME["town"]),
        kind=FRAME["kind"].str.strip(),
    )
    path, model = fitted(tmp_path, owned)
    found, _ = answers(path, tmp_path / "d.csv")
    assert found == pytest.approx(model.predict_proba(owned), abs=1e-9)


def test_what_a_person_says_of_a_column_is_not_asked_about(tmp_path):
    owned = OWNERS["gaps as missing"][0]()
    path, model = fitted(tmp_path, owned)
    found, codes = answers(path, tmp_path / "d.csv", schema=Schema(strings=("town",)))
    assert "gaps_filled" not in codes
    as_nan = owned.replace({"town": {"missing": "nan"}})
    assert found == pytest.approx(model.predict_proba(as_nan), abs=1e-9)
