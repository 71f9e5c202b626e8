"""``--transformer``: what its owner applies before a model is applied, whatever file it is in."""

import hashlib
import json
import pickle
import re
import shlex

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    LabelBinarizer,
    LabelEncoder,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)

from lime_cli import Explainer, LimexWarning
from lime_cli.errors import LimexError, SettingsError, UntrustedModel
from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.row import Table

rng = np.random.default_rng(0)
N = 90
PEOPLE = pd.DataFrame(
    {
        "age": rng.normal(50, 10, N),
        "fare": rng.normal(30, 9, N),
        "rooms": rng.integers(1, 6, N).astype(float),
        "city": rng.choice(["Oslo", "Rome", "Paris"], N),
        "job": rng.choice(["baker", "nurse"], N),
    }
)
NUMBERS, WORDS = ["age", "fare", "rooms"], ["city", "job"]
NUMERIC = PEOPLE[NUMBERS]
LIKED = (PEOPLE.age + PEOPLE.fare + 5 * (PEOPLE.city == "Rome") > 82).astype(int).to_numpy()


def saved(folder, model, **parts):
    """Save a model, and what stands before it under names of files; return the model's file."""
    paths = []
    for name, one in parts.items():
        paths.append(str(folder / f"{name}.pkl"))
        joblib.dump(one, paths[-1])
    joblib.dump(model, folder / "model.pkl")
    return ModelFile(str(folder / "model.pkl"), transformers=tuple(paths))


def predicted(file, rows):
    table = Table(tuple(rows.columns), tuple(rows[one].to_numpy() for one in rows))
    return file.load().predict(table)


def words_of(file):
    return {one.code: one.message for one in file.load().warnings}


def refused(file):
    with pytest.raises(LimexError) as caught:
        file.load()
    return f"{caught.value.message}; {caught.value.hint}"


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        MinMaxScaler(),
        PCA(2),
        PolynomialFeatures(2),
        KNNImputer(),
        KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf")
        if "quantile_method" in KBinsDiscretizer().get_params()
        else KBinsDiscretizer(3),
        TargetEncoder(),
        LinearDiscriminantAnalysis(),
        make_pipeline(SimpleImputer(), StandardScaler()),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("named", [True, False], ids=["named", "array"])
def test_transformer_is_applied_before_the_model_as_its_owner_applies_it(
    tmp_path, transformer, named
):
    rows = NUMERIC if named else NUMERIC.to_numpy()
    fed = transformer.fit(rows, LIKED).transform(rows)
    model = LogisticRegression(max_iter=5000).fit(fed, LIKED)
    file = saved(tmp_path, model, scaler=transformer)
    assert predicted(file, NUMERIC) == pytest.approx(model.predict_proba(fed), abs=1e-9)
    assert words_of(file)["chained"] == "'scaler.pkl' is applied before 'model.pkl'"
    assert file.load().input.columns == (tuple(NUMBERS) if named else None)


@pytest.mark.parametrize("suffix", ["pkl", "joblib", "skops"])
def test_transformer_may_be_a_pickle_a_joblib_or_a_skops_file(tmp_path, suffix):
    scaler = StandardScaler().fit(NUMERIC)
    fed = scaler.transform(NUMERIC)
    model = LogisticRegression().fit(fed, LIKED)
    path = tmp_path / f"scaler.{suffix}"
    if suffix == "skops":
        pytest.importorskip("skops.io").dump(scaler, path)
    elif suffix == "pkl":
        path.write_bytes(pickle.dumps(scaler))
    else:
        joblib.dump(scaler, path, compress=3)
    file = saved(tmp_path, model)._replace(transformers=(str(path),))
    assert predicted(file, NUMERIC) == pytest.approx(model.predict_proba(fed), abs=1e-9)


@pytest.mark.parametrize("format_name", ["xgboost", "lightgbm", "catboost"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "array"])
def test_transformer_stands_before_boosters_in_files_of_their_own(tmp_path, format_name, named):
    library = pytest.importorskip(format_name)
    scaler = StandardScaler().fit(NUMERIC)
    fed = scaler.transform(NUMERIC)
    fed = pd.DataFrame(fed, columns=NUMBERS) if named else fed
    name = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier"}
    quiet = {"xgboost": {}, "lightgbm": {"verbose": -1}, "catboost": {"verbose": 0}}[format_name]
    kind = getattr(library, name.get(format_name, "CatBoostClassifier"))
    model = kind(n_estimators=10, **quiet).fit(fed, LIKED)
    file = saved(tmp_path, model, scaler=scaler)
    truth = model.predict_proba(fed)[:, 1]
    assert predicted(file, NUMERIC)[:, -1] == pytest.approx(truth, abs=1e-9)
    own = tmp_path / {"xgboost": "m.json", "lightgbm": "m.txt", "catboost": "m.cbm"}[format_name]
    getattr(model, "booster_", model).save_model(str(own))
    found = predicted(file._replace(path=str(own)), NUMERIC)[:, -1]
    assert found == pytest.approx(truth, abs=1e-6)


def dummies(encoder):
    columns = encoder.get_feature_names_out()
    return pd.DataFrame(encoder.transform(PEOPLE[WORDS]).toarray(), columns=columns)


def scaled(rows, scaler):
    return rows.assign(**pd.DataFrame(scaler.transform(rows[NUMBERS]), columns=NUMBERS))


def some_columns():
    scaler = StandardScaler().fit(NUMERIC[["fare"]])
    return {"scaler": scaler}, NUMERIC.assign(fare=scaler.transform(NUMERIC[["fare"]])[:, 0])


def columns_in_another_order():
    turned = NUMERIC[["fare", "age", "rooms"]]
    scaler = StandardScaler().fit(turned)
    fed = pd.DataFrame(scaler.transform(turned), columns=turned.columns)
    return {"scaler": scaler}, fed[NUMBERS]


def names_from_the_model():
    scaler = StandardScaler().fit(NUMERIC.to_numpy())
    return {"scaler": scaler}, pd.DataFrame(scaler.transform(NUMERIC.to_numpy()), columns=NUMBERS)


def dummies_and_scaled():
    encoder, scaler = OneHotEncoder().fit(PEOPLE[WORDS]), StandardScaler().fit(NUMERIC)
    fed = pd.concat([scaled(NUMERIC, scaler), dummies(encoder)], axis=1)
    return {"encoder": encoder, "scaler": scaler}, fed


def dummies_all_scaled():
    encoder = OneHotEncoder().fit(PEOPLE[WORDS])
    fed = pd.concat([NUMERIC, dummies(encoder)], axis=1)
    scaler = StandardScaler().fit(fed)
    return {"encoder": encoder, "scaler": scaler}, scaler.transform(fed)


def ordinals_all_scaled():
    encoder = OrdinalEncoder().fit(PEOPLE[WORDS])
    fed = PEOPLE.assign(**pd.DataFrame(encoder.transform(PEOPLE[WORDS]), columns=WORDS))
    scaler = StandardScaler().fit(fed)
    return {"encoder": encoder, "scaler": scaler}, scaler.transform(fed)


def side_by_side():
    encoder, scaler = OneHotEncoder().fit(PEOPLE[WORDS]), StandardScaler().fit(NUMERIC)
    parts = [scaler.transform(NUMERIC), encoder.transform(PEOPLE[WORDS]).toarray()]
    return {"scaler": scaler, "encoder": encoder}, np.hstack(parts)


def preprocessed():
    both = make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(), WORDS))
    made = both.fit_transform(PEOPLE)
    made = made.toarray() if hasattr(made, "toarray") else made
    pca = PCA(3).fit(made)
    return {"preprocessor": both, "pca": pca}, pca.transform(made)


def label_encoders():
    encoders = {name: LabelEncoder().fit(PEOPLE[name]) for name in WORDS}
    codes = {name: one.transform(PEOPLE[name]) for name, one in encoders.items()}
    return {"encoders": encoders}, PEOPLE.assign(**codes)


def an_encoder_a_file():
    encoders, fed = label_encoders()
    return {f"{name}_encoder": one for name, one in encoders["encoders"].items()}, fed


def encoders_and_a_list():
    encoders, fed = label_encoders()
    return {**encoders, "columns": list(fed.columns)}, fed.to_numpy(float)


def several_in_a_file():
    both, fed = preprocessed()
    return {"preprocessing": both}, fed


@pytest.mark.parametrize(
    "made",
    [
        some_columns,
        columns_in_another_order,
        names_from_the_model,
        dummies_and_scaled,
        dummies_all_scaled,
        ordinals_all_scaled,
        side_by_side,
        preprocessed,
        label_encoders,
        an_encoder_a_file,
        encoders_and_a_list,
        several_in_a_file,
    ],
)
def test_transformers_are_put_together_as_their_owner_put_them(tmp_path, made):
    parts, fed = made()
    model = RandomForestClassifier(20, random_state=0).fit(fed, LIKED)
    file = saved(tmp_path, model, **parts)
    rows = PEOPLE if {*WORDS} & {*(file.load().input.columns or ())} else NUMERIC
    assert predicted(file, rows) == pytest.approx(model.predict_proba(fed), abs=1e-9)
    assert "chained" in words_of(file)


def test_what_a_transformer_makes_is_dense_where_the_model_takes_nothing_else(tmp_path):
    encoder = OneHotEncoder().fit(PEOPLE[WORDS])
    fed = encoder.transform(PEOPLE[WORDS]).toarray()
    model = GaussianNB().fit(fed, LIKED)
    file = saved(tmp_path, model, encoder=encoder)
    assert predicted(file, PEOPLE[WORDS]) == pytest.approx(model.predict_proba(fed), abs=1e-9)


def test_a_label_encoder_of_the_target_names_the_classes(tmp_path):
    scaler, naming = StandardScaler().fit(NUMERIC), LabelEncoder().fit(["no", "yes"])
    model = LogisticRegression().fit(scaler.transform(NUMERIC), LIKED)
    file = saved(tmp_path, model, scaler=scaler, encoder=naming)
    predicted(file, NUMERIC)
    assert file.load().identity.targets == ("no", "yes")
    assert "'encoder.pkl'" in words_of(file)["classes_assumed"]


def test_a_scaler_of_the_target_is_applied_backwards(tmp_path):
    ahead, behind = StandardScaler().fit(NUMERIC), StandardScaler().fit(NUMERIC[["fare"]].values)
    model = LinearRegression().fit(
        ahead.transform(NUMERIC[NUMBERS]), behind.transform(NUMERIC[["fare"]].values)[:, 0]
    )
    file = saved(tmp_path, model, scaler_x=ahead, scaler_y=behind)
    truth = behind.inverse_transform(np.c_[model.predict(ahead.transform(NUMERIC))])
    assert predicted(file, NUMERIC) == pytest.approx(truth, abs=1e-9)


COMMENTS = ["good film", "bad film", "good one", "bad one", "dull film", "one good bad film"]
PRAISED = ["yes", "no", "yes", "no", "no", "yes"]


@pytest.mark.parametrize(
    ("steps", "model"),
    [
        ([TfidfVectorizer()], LogisticRegression()),
        ([TfidfVectorizer()], GaussianNB()),
        ([HashingVectorizer(n_features=32)], LogisticRegression()),
        ([CountVectorizer(), TfidfTransformer(), TruncatedSVD(2)], GaussianNB()),
        ([make_union(CountVectorizer(), TfidfVectorizer())], GaussianNB()),
    ],
    ids=["one", "dense", "hashed", "three", "union"],
)
def test_a_vectorizer_named_with_transformer_makes_a_model_of_texts(tmp_path, steps, model):
    fed = make_pipeline(*steps).fit_transform(COMMENTS)
    fed = fed.toarray() if hasattr(fed, "toarray") else fed
    model.fit(fed, PRAISED)
    file = saved(tmp_path, model, **{f"part{i}": one for i, one in enumerate(steps)})
    found = file.load()
    assert found.input.kind in ("text", None)
    assert found.predict(COMMENTS) == pytest.approx(model.predict_proba(fed), abs=1e-9)


SCALER = StandardScaler().fit(NUMERIC)
MODEL = LogisticRegression().fit(SCALER.transform(NUMERIC), LIKED)


@pytest.mark.parametrize(
    ("parts", "model", "said"),
    [
        (
            {"scaler": StandardScaler().fit(NUMERIC[["age"]])},
            MODEL,
            r"scaler.pkl: was fitted on 1 column \(age\) and makes 1; model.pkl was fitted on 3 "
            r"columns; .*--transformer columns.joblib",
        ),
        (
            {"scaler": StandardScaler().fit(NUMERIC.assign(more=1))},
            MODEL,
            r"was fitted on 4 columns \(age, fare, rooms, more\).*save both as one pipeline",
        ),
        (
            {"scaler": StandardScaler().fit(NUMERIC.rename(columns={"age": "years"}))},
            LogisticRegression().fit(NUMERIC, LIKED),
            r"was fitted on 3 columns \(years, fare, rooms\) .* \(age, fare, rooms\)",
        ),
        ({"scaler": StandardScaler()}, MODEL, "scaler.pkl: the transformer is not fitted"),
        ({"scaler": MODEL}, MODEL, "transforms nothing; give it as MODEL"),
        ({"scaler": [1, 2]}, MODEL, "scaler.pkl: holds a list, which transforms nothing"),
        (
            {"encoder": LabelEncoder().fit(["a", "b", "c"]), "scaler": SCALER},
            MODEL,
            "encoder.pkl: holds a sklearn LabelEncoder, which fits neither",
        ),
        (
            {"labels": LabelBinarizer().fit(["a", "b"]), "scaler": SCALER},
            MODEL,
            "labels.pkl: holds a sklearn LabelBinarizer, which fits neither",
        ),
        (
            {"encoders": {"city": LabelEncoder().fit(["a"])}},
            MODEL,
            "encodes 'city', and model.pkl does not name its columns",
        ),
    ],
    ids=[
        "some",
        "more",
        "others",
        "unfitted",
        "a model",
        "a list",
        "of nothing",
        "binary",
        "nameless",
    ],
)
def test_a_transformer_that_does_not_fit_is_refused_with_what_it_was_fitted_on(
    tmp_path, parts, model, said
):
    assert re.search(said, refused(saved(tmp_path, model, **parts)))


def test_the_order_in_which_transformers_fit_is_told_and_works(tmp_path):
    pca = PCA(2).fit(SCALER.transform(NUMERIC))
    fed = pca.transform(SCALER.transform(NUMERIC))
    model = LogisticRegression().fit(fed, LIKED)
    file = saved(tmp_path, model, pca=pca, scaler=SCALER)
    typed = shlex.split(refused(file).rpartition("in this one: ")[2])
    assert typed[::2] == ["--transformer"] * 2
    file = file._replace(transformers=tuple(typed[1::2]))
    assert predicted(file, NUMERIC) == pytest.approx(model.predict_proba(fed), abs=1e-9)


class Hostile:
    """Runs code when it is loaded."""

    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("held", [Hostile(), {"scaler": Hostile()}], ids=["alone", "inside"])
def test_a_transformer_that_may_not_be_loaded_is_refused_as_a_model_is(tmp_path, held, capfd):
    with pytest.raises(UntrustedModel, match=r"scaler\.pkl: is not safe to load"):
        saved(tmp_path, MODEL, scaler=held).load()
    assert "run" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("scalr.pkl", "no such file; did you mean .*scaler.pkl"),
        (".", "is a folder"),
        ("people.csv", "is not a model file.*--transformer takes a pickle, joblib or skops file"),
    ],
)
def test_a_file_that_is_no_transformer_is_told(tmp_path, name, said):
    file = saved(tmp_path, MODEL, scaler=SCALER)
    (tmp_path / "people.csv").write_text("age,fare\n1,2\n")
    assert re.search(said, refused(file._replace(transformers=(str(tmp_path / name),))))


def test_transformer_is_refused_where_nothing_can_be_put_before_the_model(tmp_path):
    file = saved(tmp_path, MODEL, scaler=SCALER)._replace(path="py:math:sin")
    with pytest.raises(SettingsError, match="nothing is put before a function"):
        file.load()


@pytest.fixture
def folder(limex, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, MODEL, scaler=SCALER)
    NUMERIC.to_csv("people.csv", index=False)
    return tmp_path


ASKED = ("explain", "tabular", "model.pkl", "people.csv", "--row", "3", "-f", "json")
TRUTH = MODEL.predict_proba(SCALER.transform(NUMERIC))[3].max()


def test_a_record_with_transformer_has_the_table_s_columns_and_the_file_s_digest(limex, folder):
    found = json.loads(limex(*ASKED, "--transformer", "scaler.pkl").out)
    digest = hashlib.sha256((folder / "scaler.pkl").read_bytes()).hexdigest()
    assert found["model"]["options"] == {"transformer": digest}
    assert found["targets"][0]["model_prediction"] == pytest.approx(TRUTH, abs=1e-9)
    assert [*found["instance"]["facts"]["values"]] == NUMBERS
    assert "chained" in [one["code"] for one in found["warnings"]]


def test_what_not_applied_advises_works_when_it_is_typed(limex, folder):
    said = limex(*ASKED[:-2]).out
    typed = re.search("add (--transformer +[^ ]+)", " ".join(said.split()))[1].split()
    found = json.loads(limex(*ASKED, *typed).out)
    assert found["targets"][0]["model_prediction"] == pytest.approx(TRUTH, abs=1e-9)
    assert "not_applied" not in [one["code"] for one in found["warnings"]]


def test_a_batch_is_not_continued_with_another_transformer_under_the_same_name(limex, folder):
    line = (*ASKED[:4], "--row", "1-2", "-o", "out", "--transformer", "scaler.pkl")
    assert limex(*line).code == 0
    joblib.dump(StandardScaler().fit(2 * NUMERIC), "scaler.pkl")
    found = limex(*line)
    assert found.code == 5
    assert "holds a different run (transformers" in found.err


def test_inspect_transformer_asks_both_and_writes_both_to_the_sidecar(limex, folder):
    found = limex("inspect", "model.pkl", "--transformer", "scaler.pkl", "--write-config")
    assert "explain it  limex explain tabular model.pkl DATA.csv --row 0 --transformer" in found.out
    assert 'transformer = ["scaler.pkl"]' in (folder / "model.pkl.toml").read_text()
    record = json.loads(limex(*ASKED).out)
    assert record["targets"][0]["model_prediction"] == pytest.approx(TRUTH, abs=1e-9)


@pytest.mark.parametrize("spelled", ['"../scaler.pkl"', '["../scaler.pkl"]'])
def test_a_sidecar_names_no_transformer_outside_its_folder(limex, folder, spelled):
    (folder / "model.pkl.toml").write_text(f"transformer = {spelled}\n")
    found = limex(*ASKED)
    assert found.code == 2
    assert "../scaler.pkl lies outside the folder of the model; use --transformer" in found.err


def test_trust_does_not_reach_a_transformer_that_only_a_sidecar_names(limex, folder):
    joblib.dump(Hostile(), "scaler.pkl")
    (folder / "model.pkl.toml").write_text('transformer = "scaler.pkl"\n')
    found = limex(*ASKED, "--trust")
    assert found.code == 2
    assert "--trust covers only files that are typed; type --transformer scaler.pkl" in found.err
    assert "run" not in found.out


def test_explainer_takes_transformer_with_a_file_and_a_pipeline_with_a_model(folder):
    explainer = Explainer("model.pkl", background=NUMERIC, transformer="scaler.pkl")
    with pytest.warns(LimexWarning, match="is applied before"):
        found = explainer.explain(NUMERIC.iloc[3])
    assert found.prediction == pytest.approx(TRUTH, abs=1e-9)
    with pytest.raises(SettingsError, match="belongs to a model in a file"):
        Explainer(MODEL, background=NUMERIC, transformer="scaler.pkl").explain(NUMERIC.iloc[3])
