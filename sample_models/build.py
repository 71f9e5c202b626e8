"""Build the sample models and the generated sample tables, each from a fixed seed."""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MODELS = Path(__file__).resolve().parent
DATA = MODELS.parent / "sample_data"
WORD = "[a-zA-Z']+"
CITIES = ["Austin", "Boston", "Denver", "San José", "Seattle", "Washington, DC"]


def frame(name: str) -> pd.DataFrame:
    """Read one sample table."""
    return pd.read_csv(DATA / f"{name}.csv", encoding="utf-8")


def zoo_data() -> tuple[Any, Any]:
    """Return the animals' features and classes, the squirrel left out."""
    table = frame("zoo")
    table = table[table["animal"] != "squirrel"]
    return table.drop(columns=["animal", "class"]), table["class"].to_numpy(dtype=str)


def cancer_data() -> tuple[Any, Any]:
    """Return the tumours' measures and diagnoses."""
    table = frame("breast_cancer")
    return table.drop(columns="diagnosis"), table["diagnosis"].to_numpy(dtype=str)


def diabetes_data() -> tuple[Any, Any]:
    """Return the patients' measures and the progression of their diabetes."""
    table = frame("diabetes")
    return table.drop(columns="progression"), table["progression"].to_numpy(dtype=float)


def loans_data() -> tuple[Any, Any]:
    """Return the loan requests and the answers to them."""
    table = frame("loans")
    return table.drop(columns="approved"), table["approved"].to_numpy(dtype=str)


def reviews_data() -> tuple[Any, Any]:
    """Return the texts and labels of the reviews."""
    table = frame("reviews")
    return table["text"].tolist(), table["label"].to_numpy(dtype=str)


def loans_model() -> Pipeline:
    """Make the untrained loans pipeline, which takes strings and missing values."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["age", "income", "loan_amount", "months"]),
            ("words", words, ["employment", "city"]),
            ("flags", "passthrough", ["owns_home"]),
        ]
    )
    return Pipeline(
        [("columns", columns), ("model", LogisticRegression(tol=1e-8, solver="newton-cholesky"))]
    )


def reviews_model() -> Pipeline:
    """Make the untrained text pipeline, which keeps case as ONNX then needs no locale."""
    words = TfidfVectorizer(lowercase=False, token_pattern=WORD, max_df=0.07)
    model = LogisticRegression(C=10.0, tol=1e-8, solver="newton-cholesky")
    return Pipeline([("words", words), ("model", model)])


class Sample(NamedTuple):
    """Say how one scikit-learn sample is made and stored."""

    file: str
    data: Callable[[], tuple[Any, Any]]
    model: Callable[[], Any]
    twin: bool = True


SAMPLES = {
    "zoo_mlp": Sample(
        "zoo_mlp.pkl",
        zoo_data,
        lambda: MLPClassifier((25,), alpha=0.25, max_iter=1500, random_state=0),
    ),
    "cancer_forest": Sample(
        "cancer_forest.joblib",
        cancer_data,
        lambda: RandomForestClassifier(50, max_depth=5, min_samples_leaf=3, random_state=0),
    ),
    "diabetes": Sample(
        "diabetes.pkl",
        diabetes_data,
        lambda: GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=0),
    ),
    "loans": Sample("loans.pkl", loans_data, loans_model, twin=False),
    "reviews": Sample("reviews.pkl", reviews_data, reviews_model),
}


def fit(name: str) -> Any:
    """Train one scikit-learn sample."""
    sample = SAMPLES[name]
    return sample.model().fit(*sample.data())


def rebuild(name: str, folder: Path) -> Path:
    """Train one scikit-learn sample under the installed version and store it in a folder."""
    model, path = fit(name), Path(folder) / SAMPLES[name].file
    if path.suffix == ".joblib":
        joblib.dump(model, path, compress=3, protocol=4)
    else:
        path.write_bytes(pickle.dumps(model, protocol=4))
    return path


def write_twin(name: str, folder: Path) -> Path:
    """Write the ONNX form of one scikit-learn sample with its names in the metadata."""
    import onnx
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    model, (features, _) = fit(name), SAMPLES[name].data()
    notes: dict[str, str] = {}
    options: dict[int, dict[str, Any]] = {}
    if hasattr(model, "classes_"):
        notes["limex.classes"] = json.dumps([str(label) for label in model.classes_])
        options[id(model)] = {"zipmap": False}
    if isinstance(features, pd.DataFrame):
        notes["limex.features"] = json.dumps(list(features.columns))
        given = [("features", FloatTensorType([None, features.shape[1]]))]
    else:
        given = [("text", StringTensorType([None, 1]))]
        options[id(model[0])] = {"tokenexp": WORD}
    proto = to_onnx(
        model, initial_types=given, options=options, target_opset={"": 17, "ai.onnx.ml": 3}
    )
    onnx.helper.set_model_props(proto, notes)
    once = {entry.domain: entry.version for entry in proto.opset_import}
    del proto.opset_import[:]
    proto.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in once.items())
    path = folder / f"{name}.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def write_table(table: pd.DataFrame, name: str) -> None:
    """Write one sample table as CSV."""
    table.to_csv(DATA / f"{name}.csv", index=False, encoding="utf-8", lineterminator="\n")


def write_cancer() -> None:
    """Write scikit-learn's breast cancer data with words for the diagnosis."""
    bunch = load_breast_cancer(as_frame=True)
    names = np.asarray(bunch.target_names)
    write_table(bunch.data.assign(diagnosis=names[bunch.target]), "breast_cancer")


def write_diabetes() -> None:
    """Write scikit-learn's diabetes data in the units of the original."""
    bunch = load_diabetes(as_frame=True, scaled=False)
    write_table(bunch.data.assign(progression=bunch.target), "diabetes")


def write_loans(count: int = 400) -> None:
    """Draw loan requests, and answer them by a noisy rule."""
    rng = np.random.default_rng(7)
    age = rng.integers(19, 78, count)
    work = np.where(rng.random(count) < 0.2, "self-employed", "salaried")
    work = np.where((age < 27) & (rng.random(count) < 0.6), "student", work)
    work = np.where((age > 62) & (rng.random(count) < 0.8), "retired", work)
    usual = pd.Series(work).map({"student": 14, "retired": 31, "salaried": 52, "self-employed": 47})
    income = (usual.to_numpy() * rng.lognormal(0, 0.35, count)).round(1) * 1000
    amount = (rng.lognormal(9.4, 0.7, count) / 500).round().clip(2) * 500
    months, home = rng.choice([12, 24, 36, 48, 60], count), rng.random(count) < age / 90
    share = amount / months * 12 / income
    score = 2.0 - 5.0 * share + 0.9 * home + (income - 40000) / 25000
    score += np.where(work == "self-employed", -0.8, 0.0) + rng.logistic(0, 0.35, count)
    table = pd.DataFrame({"age": age, "income": income.astype(int), "employment": work})
    table = table.astype({"age": "Int64", "income": "Int64"})
    for column, missing in (("age", 0.05), ("income", 0.07), ("employment", 0.04)):
        table[column] = table[column].mask(rng.random(count) < missing)
    table["city"], table["owns_home"] = rng.choice(CITIES, count), home
    table["loan_amount"], table["months"] = amount.astype(int), months
    table["approved"] = np.where(score > 1.3, "yes", "no")
    write_table(table, "loans")


TABLES = {"cancer_forest": write_cancer, "diabetes": write_diabetes, "loans": write_loans}


def build(name: str) -> None:
    """Make one sample with the table that it learns from, and print its score."""
    if name in ("scenes", "scene"):
        import scenes

        scenes.write_scene(DATA / "scene.png")
        if name == "scenes":
            import scenes_network

            scenes_network.write_network(MODELS / "scenes.onnx")
        return
    if name in TABLES:
        TABLES[name]()
    paths = [rebuild(name, MODELS)]
    if SAMPLES[name].twin:
        paths.append(write_twin(name, MODELS))
    score = cross_val_score(SAMPLES[name].model(), *SAMPLES[name].data(), cv=5).mean()
    sizes = ", ".join(f"{path.name} {path.stat().st_size:,} bytes" for path in paths)
    print(f"{name}: {sizes}; score over 5 folds {score:.4f}")


def main() -> None:
    """Build the samples named on the command line, or all of them."""
    names = [*SAMPLES, "scenes", "scene"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}")
    given = parser.parse_args().names
    for name in given:
        if name not in names:
            parser.error(f"no sample is called {name}; there are {', '.join(names)}")
    for name in given or names[:-1]:
        build(name)


if __name__ == "__main__":
    main()
