"""From Python: models and data in memory, the same explanations as on the command line."""

import json
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import lime_cli
from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.options.keywords import keyworded
from tests.conftest import ROOT

MODELS, DATA = ROOT / "sample_models", ROOT / "sample_data"
ZOO = (str(MODELS / "zoo_mlp.onnx"), str(DATA / "zoo.csv"))
REVIEWS, SCENES = str(MODELS / "reviews.onnx"), str(MODELS / "scenes.onnx")

pytestmark = pytest.mark.filterwarnings("ignore::lime_cli.LimexWarning")

FRAME = pd.DataFrame(
    {
        "age": np.arange(120) % 47 + 18.0,
        "city": ["Oslo", "Bergen", "Narvik"] * 40,
        "rent": np.where(np.arange(120) % 5 == 0, np.nan, np.arange(120) % 11),
    }
)
RICH = np.where((FRAME["age"] > 40) ^ (FRAME["city"] == "Oslo"), "yes", "no")


def pipeline():
    columns = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    return make_pipeline(columns, RandomForestClassifier(20, random_state=0)).fit(FRAME, RICH)


def without_places(record):
    """Return a record without what depends on where model and data come from."""
    plain = json.loads(json.dumps(record))
    for part, key in (
        ("model", "format"),
        ("model", "digest"),
        ("instance", "source"),
        ("background", "source"),
    ):
        (plain[part] or {}).pop(key, None)
    for key in ("hash", "environment"):
        plain.pop(key)
    return plain


def printed(limex, *arguments):
    """Return what the command line prints."""
    return json.loads(limex("explain", *arguments, "-f", "json", "-q").out)


def test_paths_give_the_very_record_of_the_command_line(limex):
    found = lime_cli.explain(*ZOO, row=84)
    assert isinstance(found, lime_cli.Explanation)
    expected = printed(limex, "tabular", *ZOO, "--row", "84")
    assert found.record == expected
    assert found.to_json() == json.dumps(expected, indent=2) + "\n"


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({}, []),
        ({"target": "bird", "samples": 512}, ["--target", "bird", "--samples", "512"]),
        (
            {"target": ["bird", "mammal"], "features": 4, "seed": 3},
            ["--target", "bird", "--target", "mammal", "--features", "4", "--seed", "3"],
        ),
        ({"drop": ["animal", "class"], "fixed": "legs"}, ["--fixed", "legs"]),
        (
            {"group": {"body": ["hair", "feathers"]}, "samples": 300.0 and 300},
            ["--group", "body=hair,feathers", "--samples", "300"],
        ),
        ({"like_lime": True, "samples": 400}, ["--like-lime", "--samples", "400"]),
        ({"kernel_width": 0.5, "bins": "decile"}, ["--kernel-width", "0.5", "--bins", "decile"]),
        ({"id": "lion", "id_column": "animal"}, ["--id", "lion", "--id-column", "animal"]),
    ],
)
def test_a_data_frame_gives_what_its_file_gives_for_options_of_the_same_names(
    limex, options, typed
):
    frame = pd.read_csv(ZOO[1])
    if "id" not in options:
        options, typed = {"row": 84, **options}, ["--row", "84", *typed]
    if "drop" in options:
        typed = [*typed, "--drop", "animal,class"]
    found = lime_cli.explain(ZOO[0], frame, **options)
    one = found[0] if isinstance(found, lime_cli.Explanations) else found
    assert without_places(one.record) == without_places(printed(limex, "tabular", *ZOO, *typed))


def test_a_live_estimator_gives_what_its_file_gives_and_stays_as_it_is(tmp_path, limex):
    model = pipeline().set_params(randomforestclassifier__n_jobs=2)
    joblib.dump(model, tmp_path / "m.joblib")
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    table = ("tabular", tmp_path / "m.joblib", tmp_path / "t.csv", "--row", "7")
    found = lime_cli.explain(model, FRAME, row=7)
    assert without_places(found.record) == without_places(printed(limex, *table))
    assert model[-1].n_jobs == 2
    assert found.record["model"]["format"] == "live"
    assert found.prediction == model.predict_proba(FRAME.iloc[[7]]).max()


@pytest.mark.parametrize(
    "row",
    [
        FRAME.iloc[7],
        FRAME.iloc[7].to_dict(),
        FRAME.iloc[[7]],
        [FRAME.iloc[7].to_dict()],
        list(FRAME.iloc[7]),
    ],
    ids=["series", "dict", "frame", "records", "list"],
)
def test_a_row_is_explained_however_it_is_given(row):
    model = pipeline()
    explainer = lime_cli.Explainer(model, FRAME, seed=1)
    whole = lime_cli.explain(model, FRAME, background=FRAME, row=7, seed=1)
    assert explainer.explain(row).record["targets"] == whole.record["targets"]


def test_rows_are_called_by_the_index_of_their_frame():
    frame = FRAME.set_index(pd.Index([f"p{i}" for i in range(len(FRAME))]))
    found = lime_cli.explain(pipeline(), frame.iloc[[5, 9]], background=frame, samples=64)
    assert [one.id for one in found] == ["p5", "p9"]


def test_labels_of_an_index_choose_rows():
    model, labels = pipeline(), [f"p{i}" for i in range(len(FRAME))]
    frame = FRAME.set_index(pd.Index(labels))
    one = lime_cli.explain(model, frame, id="p7", background=frame, samples=64, target="yes")
    assert one.id == "p7"
    assert one.prediction == pytest.approx(model.predict_proba(frame.loc[["p7"]])[0, 1])
    several = lime_cli.explain(model, frame, ids=["p9", "p3"], background=frame, samples=64)
    assert [found.id for found in several] == ["p9", "p3"]
    with pytest.raises(SettingsError, match=r"index of the data frame has no 'p999'"):
        lime_cli.explain(model, frame, id="p999", background=frame)
    twice = pd.concat([frame, frame])
    with pytest.raises(InputError, match=r"there are 2 instances; pass a list"):
        lime_cli.explain(model, twice, id="p7", background=frame, samples=64)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"id": "p7", "row": 3}, "rows are chosen twice; give one of row, id, where and all"),
        ({"ids": ["p7"], "where": "age > 40"}, "rows are chosen twice"),
        ({"id": "p7", "ids": ["p8"]}, "ids and id: mean the same; give one of them"),
        ({"row": 7, "rows": "8-9"}, "rows and row: mean the same"),
        ({"zzz": 1}, "no such option; limex explain --help-all lists options"),
    ],
)
def test_a_choice_of_rows_is_made_once(options, said):
    frame = FRAME.set_index(pd.Index([f"p{i}" for i in range(len(FRAME))]))
    with pytest.raises(SettingsError) as caught:
        lime_cli.explain(pipeline(), frame, background=frame, samples=64, **options)
    assert said in str(caught.value)


def test_an_option_that_is_none_is_not_given():
    frame = FRAME.set_index(pd.Index([f"p{i}" for i in range(len(FRAME))]))
    given = {"background": frame, "samples": 64}
    one = lime_cli.explain(pipeline(), frame, id=None, ids="p7", all=False, **given)
    assert one.id == "p7"
    found = lime_cli.explain(pipeline(), frame.iloc[[5]], id=None, **given)
    assert [one.id for one in found] == ["p5"]


def test_a_truth_value_names_a_class():
    names = FRAME[["age"]]
    model = LogisticRegression().fit(names, RICH == "yes")
    found = lime_cli.explain(model, names.iloc[3], background=names, target=True, samples=64)
    assert (found.target, found.prediction) == (
        "True",
        pytest.approx(model.predict_proba(names.iloc[[3]])[0, 1]),
    )


@pytest.mark.parametrize("white", [1.0, 16.0, 255.0, np.uint8(255)])
def test_a_function_is_given_the_own_numbers_of_an_image(white):
    def bright(images):
        return images[:, :8, :8].mean(axis=(1, 2, 3)) / float(white)

    image = np.zeros((32, 32, 3), np.asarray(white).dtype)
    image[:8, :8] = white
    image[8:, 8:] = white / 4
    found = lime_cli.explain(bright, image, samples=64)
    assert found.prediction == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20, 1e37])
@pytest.mark.parametrize("flat", [False, True])
def test_numbers_of_any_size_reach_a_function(scale, flat):
    image = np.full((32, 32, 3), -scale)
    image[:16] = -scale if flat else scale

    def upper(images):
        return images[:, :16].astype(float).mean(axis=(1, 2, 3)) / scale

    found = lime_cli.explain(upper, image, samples=64)
    assert found.prediction == pytest.approx(-1 if flat else 1)


def test_numbers_that_float32_cannot_hold_are_refused():
    with pytest.raises(InputError, match=r"image: holds pixels beyond those of float32"):
        lime_cli.explain(len, np.linspace(-1e300, 1e300, 3072).reshape(32, 32, 3), samples=64)


def test_rows_are_called_by_a_range_that_does_not_begin_at_0():
    frame = FRAME.set_index(pd.RangeIndex(500, 620))
    found = lime_cli.explain(pipeline(), frame, rows=[1, 2], samples=64)
    assert [one.id for one in found] == ["501", "502"]


def test_a_row_and_a_background_need_not_both_have_names():
    names = FRAME[["age"]].assign(year=FRAME["age"] + 2)
    model = LogisticRegression().fit(names.to_numpy(), RICH)
    whole = lime_cli.explain(model, names, row=3, samples=64, seed=2)
    for row, background in (
        (names.iloc[3], names.to_numpy()),
        (names.to_numpy()[3], names),
        (names.to_numpy()[3], names.to_numpy()),
    ):
        found = lime_cli.explain(model, row, background=background, samples=64, seed=2)
        ours, theirs = found.weights, whole.weights
        assert [one.weight for one in ours] == [one.weight for one in theirs]


def asked_with(frame):
    """Return a model that keeps what it is given."""
    seen = []

    def model(inputs):
        seen.append(inputs)
        return np.stack([np.asarray(inputs)[:, 0].astype(float) > 40] * 2, axis=1) * [1, -1] + [
            0,
            1,
        ]

    return model, seen


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.astype({"age": np.float32, "city": "category"}),
        FRAME.rename(columns={"age": 0, "city": 1, "rent": 2}),
        FRAME.assign(day=pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(120), "D")),
        FRAME.assign(rent=FRAME["rent"].astype("Int64")),
    ],
    ids=["category", "numbered", "dates", "nullable"],
)
def test_a_function_is_given_a_frame_of_the_types_that_its_owner_has(frame):
    model, seen = asked_with(frame)
    lime_cli.explain(model, frame, row=3, samples=64)
    for inputs in seen:
        assert list(inputs.columns) == list(frame.columns)
        assert list(inputs.dtypes) == list(frame.dtypes)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_a_function_of_arrays_is_given_arrays_of_its_owners_type(dtype):
    array = np.stack([np.arange(90) % 30, np.arange(90) % 7], axis=1).astype(dtype)
    model, seen = asked_with(array)
    found = lime_cli.explain(model, array[4], background=array, samples=64)
    assert found.record["instance"]["facts"]["values"] == {"0": 4, "1": 4}
    assert {one.dtype for one in seen} == {np.dtype(dtype)}


def test_a_bound_method_is_asked_as_the_output_of_its_model():
    model = RandomForestRegressor(10, random_state=0).fit(FRAME[["age"]], FRAME["age"])
    found = lime_cli.explain(model.predict, FRAME[["age"]], row=0, samples=64)
    assert found.record["model"]["task"] == "regression"
    logistic = LogisticRegression().fit(FRAME[["age"]], RICH)
    margins = lime_cli.explain(logistic.decision_function, FRAME[["age"]], row=0, samples=64)
    assert margins.prediction in (
        -logistic.decision_function(FRAME[["age"]])[0],
        logistic.decision_function(FRAME[["age"]])[0],
    )


TEXTS = ["a wonderful film", "a terrible, boring film", "wonderful acting in a boring film"] * 8


def test_texts_are_explained_as_on_the_command_line(limex):
    one = lime_cli.explain(REVIEWS, "Not a wonderful film")
    typed = ("text", REVIEWS, "--text", "Not a wonderful film")
    assert one.record["targets"] == printed(limex, *typed)["targets"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0, 1] * 8)
    several = lime_cli.explain(model, pd.Series(TEXTS[:3], index=["a", "b", "c"]))
    assert [one.id for one in several] == ["a", "b", "c"]
    for text, found in zip(TEXTS, several, strict=False):
        assert found.record == lime_cli.explain(model, [text])[0].record | {
            key: found.record[key] for key in ("instance", "hash")
        }
        assert found.prediction == pytest.approx(model.predict_proba([text]).max())


def test_images_are_explained_from_arrays_and_pillow_and_paths(limex, tmp_path):
    path = DATA / "scene.png"
    with Image.open(path) as opened:
        image = opened.copy()
    from_path = lime_cli.explain(SCENES, path, samples=64)
    typed = ("image", SCENES, path, "--samples", "64")
    assert from_path.record == printed(limex, *typed)
    for given in (image, np.asarray(image)):
        found = lime_cli.explain(SCENES, given, samples=64)
        assert found.record["targets"] == from_path.record["targets"]
    both = lime_cli.explain(SCENES, np.stack([np.asarray(image)] * 2), samples=64)
    assert [one.id for one in both] == ["image 0", "image 1"]
    np.save(tmp_path / "scene.npy", np.asarray(image))
    saved = printed(limex, "image", SCENES, tmp_path / "scene.npy", "--samples", "64")
    assert both[0].record["instance"]["digest"] == saved["instance"]["digest"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel_widht": 0.5}, "kernel_widht: there is no such option; did you mean kernel_width"),
        ({"samples": "many"}, "samples"),
        ({"samples": 5.5}, "samples"),
        ({"samples": 1}, "samples: 1 is not valid; give a whole number, at least 16"),
        ({"kernel": "gauss"}, "kernel"),
        ({"refit": "yes"}, "refit: 'yes' is not valid; give True or False"),
        ({"target": "unicorn"}, "unicorn"),
        ({"fixed": "wings"}, "fixed: zoo.csv has no column 'wings'"),
        ({"output": "x.png"}, "output: there is no such option"),
        ({"tolerance": [1, 2]}, "tolerance: is a list; give one value"),
        ({"row": 1000}, "row=1000: "),
    ],
)
def test_what_an_option_cannot_be_is_told_in_one_line_under_pythons_name(options, said):
    with pytest.raises(lime_cli.LimexError) as caught:
        lime_cli.explain(*ZOO, **{"row": 3, **options})
    assert said in str(caught.value)
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "data", "error", "said"),
    [
        (object(), FRAME, ModelError, "cannot predict"),
        (RandomForestClassifier(), FRAME, ModelError, "not fitted"),
        (RandomForestClassifier, FRAME, ModelError, "class RandomForestClassifier"),
        (lambda rows: None, FRAME, lime_cli.LimexError, "returned nothing"),
        (ZOO[0], FRAME, InputError, "lacks columns 'hair'"),
        (ZOO[0], 3, SettingsError, "limex cannot tell"),
        (REVIEWS, FRAME, ModelError, "expects 1 columns"),
        (SCENES, "nothing.png", InputError, "no such file"),
        (ZOO[0], "nothing.csv", InputError, "no such file"),
        (REVIEWS, "nothing.txt", InputError, "no such file"),
        (REVIEWS, "mails/nothing", InputError, "no such file"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(model, data, error, said):
    with pytest.raises(error) as caught:
        lime_cli.explain(model, data, samples=64)
    assert said in str(caught.value)
    assert "--" not in str(caught.value)


def test_a_kind_of_input_that_there_is_none_of_is_told_so():
    with pytest.raises(SettingsError, match="modality: there is no 'table'; give one of tabular"):
        lime_cli.explain(pipeline(), FRAME, modality="table")


def test_a_single_row_needs_a_background():
    with pytest.raises(SettingsError, match="background"):
        lime_cli.explain(pipeline(), FRAME.iloc[3])
    with pytest.raises(SettingsError, match="background"):
        lime_cli.Explainer(pipeline(), modality="tabular")


def test_instances_that_fail_stand_beside_those_that_are_explained():
    model = LogisticRegression().fit(FRAME[["age"]], RICH)
    rows = [{"age": 30}, {"age": "old"}, {"age": 50}]
    with pytest.warns(lime_cli.LimexWarning, match="1 of the instances failed"):
        found = lime_cli.explain(model, rows, background=FRAME[["age"]], samples=64)
    assert [one.id for one in found] == ["0", "2"]
    assert [one.id for one in found.failed] == ["1"]
    assert "'old' is not a number" in str(found.failed[0].error)
    with pytest.raises(InputError, match="'old' is not a number"):
        lime_cli.Explainer(model, FRAME[["age"]]).explain(rows[1])


def test_what_must_be_known_is_a_warning_once(recwarn):
    warnings.simplefilter("always")
    explainer = lime_cli.Explainer(pipeline(), FRAME, samples=64)
    row = FRAME.iloc[3].to_dict() | {"age": 99.0}
    for _ in range(3):
        found = explainer.explain(row)
    told = [str(one.message) for one in recwarn if one.category is lime_cli.LimexWarning]
    assert sum("[outside_background]" in one for one in told) == 1
    assert any("age = 99" in one for one in found.warnings)
    assert recwarn.list[0].filename == __file__


def test_nothing_is_printed_but_progress_that_is_asked_for(capfd):
    lime_cli.explain(pipeline(), FRAME, row=3, samples=64)
    lime_cli.explain(pipeline(), FRAME, rows=[3, 4], samples=64)
    assert capfd.readouterr() == ("", "")
    lime_cli.explain(pipeline(), FRAME, rows=[3, 4], samples=64, progress="json")
    out, err = capfd.readouterr()
    assert out == ""
    assert json.loads(err.splitlines()[-1])["done"] == 2


def test_workers_explain_what_lies_in_files():
    rows = lime_cli.explain(*ZOO, rows="3,10-12", samples=128)
    shared = lime_cli.explain(*ZOO, rows="3,10-12", samples=128, jobs=1)
    assert [one.record for one in shared] == [one.record for one in rows]
    with pytest.raises(SettingsError, match="stays in this process"):
        lime_cli.explain(pipeline(), FRAME, jobs=2)
    with pytest.raises(SettingsError, match="cannot be stopped; add jobs=1"):
        lime_cli.explain(*ZOO, row=3, item_timeout=5)


def test_weights_and_others_add_up_to_the_local_prediction():
    model = pipeline()
    found = lime_cli.explain(model, FRAME.iloc[3], background=FRAME, samples=128, features=1)
    assert found.others
    total = found.intercept + sum(part.weight for part in found.weights) + found.others
    assert total == pytest.approx(found.local_prediction, abs=1e-12)


def test_several_explanations_are_saved_as_one_image(tmp_path):
    several = lime_cli.explain(pipeline(), FRAME, rows=[1, 2, 3], background=FRAME, samples=64)
    several.save(tmp_path / "three.png")
    assert np.array_equal(Image.open(tmp_path / "three.png"), several.plot())
    several.save(tmp_path / "three.svg")
    assert (tmp_path / "three.svg").read_bytes().lstrip().startswith(b"<")
    with pytest.raises(SettingsError, match="do not fit into one webp file"):
        several.save(tmp_path / "three.webp")
    with pytest.raises(SettingsError, match="is a folder"):
        several.save(f"{tmp_path}/")


def test_an_explanation_is_looked_at_computed_with_saved_and_read_again(tmp_path):
    found = lime_cli.explain(*ZOO, row=84, target=["bird", "mammal"], samples=512)
    one = found
    assert one.targets == ("bird", "mammal")
    frame = one.to_frame()
    assert set(frame["target"]) == {"bird", "mammal"}
    assert list(frame["weight"][: len(one.weights)]) == [w.weight for w in one.weights]
    assert "bird" in str(one)
    assert repr(one).startswith("<Explanation of 84: 'bird'")
    assert one.gap == pytest.approx(one.prediction - one.local_prediction)
    with pytest.raises(SettingsError, match="fish"):
        one.weights_of("fish")
    for suffix in ("json", "jsonl", "html", "csv", "md", "png", "svg"):
        one.save(tmp_path / f"one.{suffix}")
        assert (tmp_path / f"one.{suffix}").stat().st_size > 100
    again = lime_cli.read(tmp_path / "one.json")
    assert [each.record for each in again] == [one.record]
    with pytest.raises(SettingsError, match="xlsm"):
        one.save(tmp_path / "one.xlsm")
    assert one.plot().size[0] > 300


def test_explanations_are_a_sequence_with_a_page_a_frame_and_a_picture(tmp_path):
    found = lime_cli.explain(*ZOO, rows=range(4), samples=128)
    assert [one.id for one in found] == ["0", "1", "2", "3"]
    assert found[1:3][0].id == "1"
    assert set(found.to_frame()["instance"]) == {"0", "1", "2", "3"}
    assert found.plot().size[0] > 300
    assert len(found.to_json().splitlines()) == 4
    found.save(tmp_path / "all.jsonl")
    assert [one.record for one in lime_cli.read(tmp_path / "all.jsonl")] == [
        one.record for one in found
    ]
    with pytest.raises(SettingsError, match="do not fit into one jpg file"):
        found.save(tmp_path / "all.jpg")


@pytest.mark.parametrize("several", [False, True])
def test_the_html_has_no_script_and_styles_nothing_but_itself(several):
    options = {"rows": [3, 4]} if several else {"row": 3}
    page = lime_cli.explain(*ZOO, samples=128, **options)._repr_html_()
    assert page.startswith('<div class="limex">')
    assert page.endswith("</div>")
    assert page.count("<div") == page.count("</div>")
    for forbidden in ("<script", "javascript:", " onclick", "<html", "<body", ":root", "body{"):
        assert forbidden not in page
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert set(style.partition("{")[0].split(".")) == {"", "limex"}
    assert style.count("{") == style.count("}")
    assert "prefers-color-scheme:dark" in style.replace(" ", "")
    assert "background:var(--ground)" in style


def test_the_interface_is_listed_and_nothing_else():
    assert set(dir(lime_cli)) == set(lime_cli.__all__)
    for name in lime_cli.__all__:
        assert getattr(lime_cli, name) is not None
    with pytest.raises(AttributeError, match=r"use lime_cli\.explain"):
        lime_cli.explain_tabular  # noqa: B018
    with pytest.raises(AttributeError):
        lime_cli.nothing  # noqa: B018


def test_the_digest_of_a_live_model_is_the_same_in_another_process():
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import lime_cli, tests.test_api as t\n"
        "print(lime_cli.explain(t.pipeline(), t.FRAME, row=3, samples=64)"
        ".record['model']['digest'])"
    )
    another = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    own = lime_cli.explain(pipeline(), FRAME, row=3, samples=64).record["model"]["digest"]
    assert another.stdout == own + "\n"
    other = lime_cli.explain(
        RandomForestClassifier(3).fit(FRAME[["age"]], RICH), FRAME[["age"]], row=3, samples=64
    )
    assert other.record["model"]["digest"] != own


USER = """
import lime_cli
from lime_cli import Explainer, Explanation, Explanations

explainer = Explainer(object(), [[1.0, 2.0]], samples=64)
one: Explanation = explainer.explain({"age": 3})
many: Explanations = explainer.explain_many([[1.0, 2.0]])
width: int = one.plot().size[0]
weights: dict[str, float] = {part.name: part.weight for part in one.weights}
text: str = many[0].to_json() + many.to_json()
either = lime_cli.explain(object(), [[1.0]], target="bird")
either.save("page.html")
for found in many:
    fidelity: float | None = found.fidelity
"""


def test_code_over_the_interface_passes_a_strict_type_checker(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "wrong.py").write_text("import lime_cli\nlime_cli.explian\n")
    flags = ["--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache")]
    out, err, code = api.run([*flags, str(tmp_path / "user.py")])
    assert (code, err) == (0, ""), out
    assert "explian" in api.run([*flags, str(tmp_path / "wrong.py")])[0]


def test_pictures_of_shap_are_drawn_from_explanations():
    shap = pytest.importorskip("shap")
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    explainer = lime_cli.Explainer(pipeline(), FRAME, target="yes", samples=256)
    many = explainer.explain_many(FRAME.head(12))
    one = many[0].to_shap()
    assert one.base_values + one.values.sum() == pytest.approx(many[0].local_prediction)
    table = many.to_shap()
    assert table.values.shape == (12, 3)
    sums = table.base_values + table.values.sum(axis=1)
    assert sums == pytest.approx([each.local_prediction for each in many])
    assert list(table.data[0][:2]) == [18.0, "Oslo"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for draw in (
            lambda: shap.plots.waterfall(one, show=False),
            lambda: shap.plots.bar(one, show=False),
            lambda: shap.plots.beeswarm(table, show=False),
            lambda: shap.plots.heatmap(table, show=False),
        ):
            draw()
            assert plt.gcf().axes
            plt.close("all")


def test_a_file_of_options_beside_a_model_is_told_of(tmp_path):
    model = tmp_path / "zoo.onnx"
    model.write_bytes((ROOT / "sample_models" / "zoo_mlp.onnx").read_bytes())
    (tmp_path / "zoo.onnx.toml").write_text("target = 'bird'\n")
    with pytest.warns(lime_cli.LimexWarning, match=r"options from .*zoo\.onnx\.toml"):
        found = lime_cli.explain(model, DATA / "zoo.csv", row=3, samples=64)
    assert found.record["targets"][0]["name"] == "bird"


def test_plots_and_options_of_images_are_refused_for_rows_and_texts():
    one = lime_cli.explain("sample_models/reviews.onnx", "A wonderful film", samples=16)
    assert repr(one).startswith("<Explanation of text: 'positive'")
    with pytest.raises(lime_cli.LimexError, match="style: is an option of image overlays"):
        one.plot(style="heat")
    with pytest.raises(lime_cli.LimexError, match="segmenter: is an option for images only"):
        lime_cli.explain("sample_models/reviews.onnx", "A wonderful film", segmenter="grid")
    with pytest.raises(lime_cli.LimexError, match=r"\.foo for this result; .*, or give format"):
        one.save("one.foo")


@pytest.mark.parametrize(
    ("said", "in_python"),
    [
        ("raise --samples, or set --radius", "raise samples, or set radius"),
        ("try larger ones, such as --segments 21", "try larger ones, such as segments=21"),
        ("with --bins none 0.69", 'with bins="none" 0.69'),
        ("--group auto keeps them together", 'group="auto" keeps them together'),
        ("--kernel-width 0.5, or --fill #ffffff", 'kernel_width=0.5, or fill="#ffffff"'),
        ("use limex explain text", 'use modality="text"'),
        ("--preprocess changes it", "preprocess changes it"),
    ],
)
def test_sentences_name_options_as_python_has_them(said, in_python):
    assert keyworded(said) == in_python


@pytest.mark.parametrize("held", [list, pd.Series])
def test_missing_texts_among_others_fail_alone(held):
    texts = held(["A wonderful film", None, float("nan"), "A boring film"])
    several = lime_cli.explain("sample_models/reviews.onnx", texts, samples=16)
    assert len(several) == 2
    assert ["no text" in str(one.error) for one in several.failed] == [True, True]
