"""Words that a model takes as numbers: numbered as it was, where the table's answers tell how."""

import pickle
import re
import shlex

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import lime_cli
from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.models.model_file import ModelFile
from lime_cli.tables.dialect import Dialect
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.row import Table
from lime_cli.tabular.schema import Schema, parse_maps
from tests.tabular.asking import answers

RANDOM = np.random.default_rng(5)
N = 240
FRAME = pd.DataFrame(
    {
        "sex": RANDOM.choice(["male", "female"], N),
        "smoker": RANDOM.choice(["yes", "no"], N),
        "size": RANDOM.choice(["small", "medium", "large"], N),
        "stops": RANDOM.choice(["non-stop", "1 stop", "2 stops"], N),
        "month": RANDOM.choice(["January", "March", "July", "December"], N),
        "home": RANDOM.choice(["own", "rent", "free", "other"], N),
        "age": RANDOM.integers(18, 65, N),
    }
)
MAPS = {
    "sex": {"male": 0, "female": 1},
    "smoker": {"yes": 1, "no": 0},
    "size": {"small": 0, "medium": 1, "large": 2},
    "stops": {"non-stop": 0, "1 stop": 1, "2 stops": 2},
    "month": {"January": 1, "March": 3, "July": 7, "December": 12},
    "home": {"rent": 0, "free": 1, "other": 2, "own": 3},
}


def coded(frame, maps):
    return frame.assign(**{name: frame[name].map(codes) for name, codes in maps.items()})


def codes_of(fitted):
    return [one.code for one in fitted.fitted_warnings]


@pytest.mark.parametrize("names", [["sex"], ["smoker", "sex"], ["size"], ["stops"], ["month"]])
@pytest.mark.parametrize("kind", [RandomForestRegressor(10, random_state=0), LinearRegression()])
def test_words_are_numbered_as_the_true_values_tell(tmp_path, names, kind):
    columns = coded(FRAME, {name: MAPS[name] for name in names})[["age", *names]]
    price = columns @ np.arange(1, len(names) + 2) * 3 + RANDOM.normal(0, 0.5, N)
    model = kind.fit(columns, price)
    found, fitted = answers(tmp_path, FRAME.assign(price=price), model)
    assert found[:, 0] == pytest.approx(model.predict(columns))
    assert "words_numbered" in codes_of(fitted)
    assert {one.name for one in fitted.fitted_background.features} == {"age", *names}


@pytest.mark.parametrize(
    ("true", "label"),
    [
        (["no", "yes"], "bought"),
        (["bad", "good"], "risk"),
        ([0, 1], "y"),
        (["good", "bad"], "turned"),
    ],
)
def test_classes_tell_too(tmp_path, true, label):
    columns = coded(FRAME, {one: MAPS[one] for one in ("sex", "smoker")})[["sex", "age", "smoker"]]
    cold = ((columns["sex"] == 1) & (columns["smoker"] == 1)).astype(int)
    model = RandomForestClassifier(20, random_state=0).fit(columns, cold)
    table = FRAME.assign(**{label: np.array(true)[cold]})
    found, _ = answers(tmp_path, table, model)
    assert found == pytest.approx(model.predict_proba(columns))


def test_a_column_of_predictions_tells_exactly(tmp_path):
    columns = coded(FRAME, MAPS)[["home", "sex", "age"]]
    model = LogisticRegression(max_iter=500).fit(columns, columns["home"] > 1)
    predicted = model.predict_proba(columns)
    found, fitted = answers(tmp_path, FRAME.assign(p=predicted[:, 1]), model)
    assert found == pytest.approx(predicted)
    assert "'p'" in next(str(w) for w in fitted.fitted_warnings if w.code == "words_numbered")


def test_an_encoder_that_went_through_all_columns_is_recognized(tmp_path):
    names = ["home", "month", "smoker"]
    columns = FRAME[[*names, "age"]].copy()
    for one in names:
        columns[one] = LabelEncoder().fit_transform(columns[one])
    price = columns["home"] * 9 + columns["month"] * 7 + columns["smoker"] * 0.001
    model = LinearRegression().fit(columns, price)
    noisy = (price + RANDOM.normal(0, 1, N)).round(3)
    found, _ = answers(tmp_path, FRAME.assign(price=noisy), model)
    assert found[:, 0] == pytest.approx(model.predict(columns))


def test_other_columns_stay_words(tmp_path):
    columns = FRAME[["home", "sex", "age"]].assign(sex=FRAME["sex"].map(MAPS["sex"]))
    price = (columns["home"] == "own") * 50 + columns["sex"] * 30 + columns["age"]
    encoder = make_column_transformer((OneHotEncoder(), ["home"]), remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(columns, price)
    found, _ = answers(tmp_path, FRAME.assign(price=price), model)
    assert found[:, 0] == pytest.approx(model.predict(columns))


def fitted_on_sex(**columns):
    coded_ = coded(FRAME, MAPS)[["sex", "size", "age"]].assign(**columns)
    return coded_, DecisionTreeClassifier(random_state=0).fit(
        coded_, coded_["sex"] + coded_["size"]
    )


def test_where_nothing_tells_the_option_is_named_and_leads_on(tmp_path):
    columns, model = fitted_on_sex()
    with pytest.raises(InputError) as caught:
        answers(tmp_path, FRAME, model)
    words = "--map 'sex=female:?,male:?' --map 'size=large:?,medium:?,small:?'"
    assert "takes numbers in columns 'sex', 'size', which hold words" in str(caught.value)
    assert words in str(caught.value)
    for one in shlex.split(words)[1::2]:  # as printed, they are no answer
        with pytest.raises(SettingsError, match="instead of a number"):
            parse_maps((one,))
    maps = parse_maps(("sex=male:0,female:1", "size=small:0,medium:1,large:2"))
    found, fitted = answers(tmp_path, FRAME, model, schema=Schema(maps=maps))
    assert found == pytest.approx(model.predict_proba(columns))
    assert "words_numbered" not in codes_of(fitted)


@pytest.mark.parametrize("mark", ["missing", "n.a.", "(null)", "not known", "nil"])
def test_a_word_among_numbers_is_said_to_be_a_missing_value_and_that_leads_on(tmp_path, mark):
    frame = pd.DataFrame({"size": RANDOM.choice([1.0, 2.0, 3.0], N), "age": FRAME["age"]})
    frame.loc[::9, "size"] = np.nan
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(frame, FRAME["sex"])
    table = frame.assign(size=[mark if one != one else str(one) for one in frame["size"]])
    with pytest.raises(InputError) as caught:
        answers(tmp_path, table, model)
    assert f"among them stands {mark!r}" in str(caught.value)
    option = shlex.join(["--na-values", mark])
    assert option in str(caught.value)
    found, _ = answers(tmp_path, table, model, dialect=Dialect(na_values=(mark,)))
    assert found == pytest.approx(model.predict_proba(frame))


def test_the_numbers_in_words_and_units_beside_them_are_advised(tmp_path):
    frame = FRAME[["stops", "sex"]].assign(rate=[f"{i % 97}%" for i in range(N)])
    columns = coded(frame, {name: MAPS[name] for name in ("stops", "sex")})
    columns["rate"] = frame["rate"].str.rstrip("%").astype(int)
    model = LinearRegression().fit(columns, columns["stops"])
    with pytest.raises(InputError) as caught:
        answers(tmp_path, frame, model)
    assert "--map 'stops=1 stop:?,2 stops:?,non-stop:?'" in str(caught.value)
    assert "--numeric rate" in str(caught.value)
    maps = parse_maps(("stops=non-stop:0,1 stop:1,2 stops:2", "sex=male:0,female:1"))
    found, _ = answers(tmp_path, frame, model, schema=Schema(maps=maps, numeric=("rate",)))
    assert found[:, 0] == pytest.approx(model.predict(columns))


def test_a_column_that_does_not_count_is_asked_for(tmp_path):
    columns, _ = fitted_on_sex()
    model = LinearRegression().fit(columns, columns["size"] * 5)
    model.coef_[0] = 0.01
    table = FRAME.assign(price=(columns["size"] * 5 + RANDOM.normal(0, 1, N)).round(2))
    with pytest.raises(InputError) as caught:
        answers(tmp_path, table, model)
    assert "--map 'sex=female:?,male:?'" in str(caught.value)
    assert "--map 'size=" not in str(caught.value)
    found, _ = answers(
        tmp_path, table, model, schema=Schema(maps=parse_maps(("sex=male:0,female:1",)))
    )
    assert found[:, 0] == pytest.approx(model.predict(columns))


def test_an_answer_that_the_model_does_not_fit_tells_nothing(tmp_path):
    _, model = fitted_on_sex()
    for other in (RANDOM.normal(size=N), RANDOM.integers(0, 4, N)):
        with pytest.raises(InputError, match="--map 'sex="):
            answers(tmp_path, FRAME.assign(other=other), model)


def test_a_word_without_a_number_is_told(tmp_path):
    _, model = fitted_on_sex()
    maps = parse_maps(("sex=male:0,female:1", "size=small:0,medium:1"))
    with pytest.raises(InputError, match="holds 'large', to which --map gives no number") as caught:
        answers(tmp_path, FRAME, model, schema=Schema(maps=maps))
    assert "--map 'size=small:0,medium:1,large:?'" in str(caught.value)


@pytest.mark.parametrize(
    "codes",
    [
        {"small": 1, "medium": 2, "large": 4},
        {"small": 0, "medium": 2, "large": 5},
        {"small": 10, "medium": 20, "large": 30},
        {"small": -1, "medium": 0, "large": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "kind", [DecisionTreeRegressor(max_depth=5, random_state=0), LinearRegression()]
)
def test_numbers_that_nobody_would_think_of_are_asked_for(tmp_path, codes, kind):
    columns = FRAME[["size", "age"]].assign(size=FRAME["size"].map(codes))
    price = columns["size"] * 9 + columns["age"] / 9 + RANDOM.normal(0, 0.5, N)
    with pytest.raises(InputError, match=r"--map 'size=large:\?,medium:\?,small:\?'"):
        answers(tmp_path, FRAME.assign(price=price.round(2)), kind.fit(columns, price))


def test_two_words_of_a_model_that_is_off_by_as_much_everywhere_are_not_guessed(tmp_path):
    columns = coded(FRAME, {"sex": MAPS["sex"]})[["sex", "age"]]
    model = LinearRegression().fit(columns, columns["sex"] * 20 + columns["age"])
    table = FRAME.assign(price=columns["sex"] * 20 + columns["age"] + 45)
    with pytest.raises(InputError, match=r"--map 'sex=female:\?,male:\?'"):
        answers(tmp_path, table, model)


def test_words_and_numbers_in_another_spelling_are_read_together(tmp_path):
    columns = coded(FRAME, {one: MAPS[one] for one in ("sex", "size")})[["sex", "size"]]
    columns["income"] = (FRAME["age"] * 1017.25).round(2)
    price = columns["income"] / 100 + columns["sex"] * 300 + columns["size"] * 200
    price += RANDOM.normal(0, 20, N)
    model = LinearRegression().fit(columns, price)
    german = str.maketrans(",.", ".,")
    table = FRAME.assign(
        income=[f"{one:,.2f} \u20ac".translate(german) for one in columns["income"]],
        price=[f"{one:,.2f}".translate(german) for one in price],
    )
    found, fitted = answers(tmp_path, table, model)
    assert found[:, 0] == pytest.approx(model.predict(columns))
    assert {"numbers_read", "words_numbered"} <= {*codes_of(fitted)}


@pytest.mark.parametrize(
    "written", ["${:,.2f}", "{:.2f} EUR", "{:,.1f}", "\u00a3{:.0f}"], ids=ascii
)
def test_true_values_with_a_unit_tell_too(tmp_path, written):
    columns = coded(FRAME, {one: MAPS[one] for one in ("sex", "size")})[["age", "sex", "size"]]
    price = 2000 + columns @ [10, 700, 300] + RANDOM.normal(0, 20, N)
    model = LinearRegression().fit(columns, price)
    found, fitted = answers(tmp_path, FRAME.assign(price=price.map(written.format)), model)
    assert found[:, 0] == pytest.approx(model.predict(columns))
    assert "words_numbered" in codes_of(fitted)


@pytest.mark.parametrize("place", [0, 3], ids=["first", "last"])
@pytest.mark.parametrize("name", ["Result", "res (y, n)"])
def test_of_a_table_by_position_the_column_that_is_predicted_is_left_out(tmp_path, place, name):
    values = RANDOM.normal(size=(N, 3)).round(3)
    true = (values[:, 0] + values[:, 2] > 0).astype(int)
    model = LogisticRegression().fit(values, true)
    table = pd.DataFrame(values, columns=["a", "b", "c"])
    table.insert(place, name, np.array(["no", "yes"])[true])
    found, fitted = answers(tmp_path, table, model)
    assert found == pytest.approx(model.predict_proba(values))
    assert "answers_left_out" in codes_of(fitted)


@pytest.mark.parametrize("numbered", [False, True], ids=["nameless", "numbered"])
@pytest.mark.parametrize("more", [[], ["Unnamed: 0"]], ids=["", "index"])
@pytest.mark.parametrize("feature", ["house_id", "quality"])
def test_what_is_called_as_an_id_or_as_answers_is_given_where_another_column_is_predicted(
    tmp_path, feature, more, numbered
):
    values = pd.DataFrame(RANDOM.integers(0, 50, (N, 3)), columns=[feature, "a", "b"])
    price = values @ [1.0, 7.0, 3.0] + RANDOM.normal(0, 20, N)
    given = values.set_axis(["f0", "f1", "f2"], axis=1) if numbered else values.to_numpy()
    model = LinearRegression().fit(given, price)
    table = values.assign(price=price.round(3))
    for name in more:
        table.insert(0, name, np.arange(N))
    found, fitted = answers(tmp_path, table, model)
    assert found[:, 0] == pytest.approx(model.predict(given))
    assert "answers_left_out" in codes_of(fitted)


@pytest.mark.parametrize(
    ("spare", "numbered"), [("house_id", False), ("quality", False), ("quality", True)]
)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_what_is_called_as_an_id_or_as_answers_is_left_out_where_no_other_is_predicted(
    tmp_path, spare, place, numbered
):
    values = pd.DataFrame(RANDOM.integers(0, 50, (N, 3)), columns=["a", "b", "c"])
    price = values @ [1.0, 7.0, 3.0] + RANDOM.normal(0, 20, N)
    given = values.set_axis(["f0", "f1", "f2"], axis=1) if numbered else values.to_numpy()
    model = LinearRegression().fit(given, price)
    table = values.copy()
    table.insert(place, spare, np.arange(N) if spare == "house_id" else price.round(3))
    found, _ = answers(tmp_path, table, model)
    assert found[:, 0] == pytest.approx(model.predict(given))


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("named", [False, True])
def test_of_a_table_without_names_the_answers_are_left_out(tmp_path, place, named):
    values = pd.DataFrame(RANDOM.normal(size=(N, 3)).round(3), columns=["a", "b", "c"])
    true = (values["a"] > 0).astype(int)
    model = LogisticRegression().fit(values if named else values.to_numpy(), true)
    table = values.copy()
    table.insert(place, "label", np.array(["no", "yes"])[true])
    first = map(str, table.iloc[0])
    found, fitted = answers(tmp_path, table.iloc[1:].set_axis(list(first), axis=1), model)
    wanted = values if named else values.to_numpy()
    assert found == pytest.approx(model.predict_proba(wanted))
    assert {"header_missing", "by_position", "answers_left_out"} <= {*codes_of(fitted)}


@pytest.mark.parametrize(("id_", "label"), [(0, 1), (0, 4), (4, 3)])
@pytest.mark.parametrize("named", [False, True])
def test_of_a_table_without_names_an_id_may_be_left_out_with_the_answers(
    tmp_path, id_, label, named
):
    values = pd.DataFrame(RANDOM.normal(size=(N, 3)).round(3), columns=["a", "b", "c"])
    true = (values["a"] > 0).astype(int)
    model = LogisticRegression().fit(values if named else values.to_numpy(), true)
    table = values.copy()
    ids, words = np.arange(N) * 7 % 1009, np.array(["no", "yes"])[true]
    for place, name, held in sorted([(id_, "id", ids), (label, "label", words)]):
        table.insert(place, name, held)
    table = table.iloc[:, [*range(5)]]
    first = list(map(str, table.iloc[0]))
    found, fitted = answers(tmp_path, table.iloc[1:].set_axis(first, axis=1), model)
    assert found == pytest.approx(model.predict_proba(values if named else values.to_numpy()))
    assert "answers_left_out" in codes_of(fitted)


@pytest.mark.parametrize(
    "typed",
    ["label,b,a,c", "2,1,3", "1,2,3", "c,b,a"],
    ids=["names", "numbers", "numbers in another order", "as many names as the model has"],
)
@pytest.mark.parametrize("named", [True, False])
def test_columns_of_a_table_without_names_are_called_or_chosen(tmp_path, typed, named):
    values = pd.DataFrame(RANDOM.normal(size=(N, 3)).round(3), columns=["a", "b", "c"])
    model = LinearRegression().fit(values if named else values.to_numpy(), values @ [1, 2, 3])
    table = values[["b", "a", "c"]]
    table.insert(0, "label", RANDOM.choice(["x", "y"], N))
    path, where = tmp_path / "d.csv", tmp_path / "m.pkl"
    table.to_csv(path, index=False, header=False)
    where.write_bytes(pickle.dumps(model))
    loaded = ModelFile(str(where)).load()
    schema = Schema(order=tuple(typed.split(",")))
    given = TabularModality(str(path), schema=schema, dialect=Dialect(header=False))
    by_name = typed.startswith("label")
    if typed == "c,b,a":
        with pytest.raises((ModelError, InputError, SettingsError)):
            given.fitted(loaded.asked)
        return
    fitted = given.fitted(loaded.asked)
    rows = [fitted.read(source) for source in fitted.sources()]
    inputs = [one.model_inputs(np.zeros((1, len(one.components)), np.int32)) for one in rows]
    places = [2, 1, 3] if named else [1, 2, 3]
    places = places if by_name else [int(one) for one in typed.split(",")]
    chosen = table.iloc[:, places].set_axis(["a", "b", "c"], axis=1)
    wanted = model.predict(chosen if named else chosen.to_numpy())
    assert loaded.predict(Table.joined(inputs))[:, 0] == pytest.approx(wanted)


def test_of_a_table_by_position_no_column_is_left_out_that_the_model_does_not_predict(tmp_path):
    values = RANDOM.normal(size=(N, 4)).round(3)
    model = LogisticRegression().fit(values[:, :3], values[:, 0] > 0)
    table = pd.DataFrame(values, columns=["a", "b", "c", "d, e"])
    with pytest.raises(ModelError, match="--drop '\"d, e\"' leaves out"):
        answers(tmp_path, table, model)
    found, _ = answers(tmp_path, table, model, drop=("d, e",))
    assert found == pytest.approx(model.predict_proba(values[:, :3]))


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("sex=female:0,male:1", ("sex", (("female", 0), ("male", 1)))),
        ("a b=x, y:1,z:-0.5", ("a b", (("x, y", 1), ("z", -0.5)))),
        ("t=12:30:2,nan:0", ("t", (("12:30", 2), ("nan", 0)))),
    ],
)
def test_maps_are_parsed(typed, found):
    assert parse_maps((typed,)) == (found,)


@pytest.mark.parametrize(
    "typed", ["sex", "sex=", "=a:1", "sex=female", "sex=female:x", "sex=a:1,b"]
)
def test_maps_that_give_no_number_are_told(typed):
    with pytest.raises(SettingsError, match="write --map 'sex=female:0,male:1'"):
        parse_maps((typed,))


def among_numbers(mark, kind):
    age = FRAME["age"].mask(RANDOM.random(N) < 0.2)
    filled = FRAME[["month"]].assign(month=FRAME["month"].map(MAPS["month"]), age=age.fillna(31.5))
    price = filled["month"] + filled["age"] + RANDOM.normal(0, 0.5, N)
    model = {
        "linear": LinearRegression(),
        "forest": RandomForestRegressor(9, random_state=0),
        "imputer": make_pipeline(SimpleImputer(), LinearRegression()),  # a person's number wins
    }[kind].fit(filled, price)
    cells = age.map(lambda one: mark if one != one else f"{one:.1f}").astype(object)
    return FRAME[["month"]].assign(age=cells), model, model.predict(filled)


@pytest.mark.parametrize("kind", ["linear", "forest", "imputer"])
@pytest.mark.parametrize("mark", ["", "?", "NA", "n.a.", "not known, yet", " "])
def test_what_stands_among_numbers_is_given_one(tmp_path, mark, kind):
    table, model, true = among_numbers(mark, kind)
    maps = parse_maps((f"age={mark.strip()}:31.5", "month=January:1,March:3,July:7,December:12"))
    found, fitted = answers(tmp_path, table, model, schema=Schema(maps=maps))
    assert found[:, 0] == pytest.approx(true)
    assert "read_as_missing" not in codes_of(fitted)
    (age,) = (one for one in fitted.fitted_background.features if one.name == "age")
    assert not age.gaps
    assert 31.5 in age.values.tolist()


def test_a_number_is_given_in_the_spelling_of_the_table(tmp_path):
    table, model, true = among_numbers("?", "forest")
    table["age"] = table["age"].str.replace(".", ",")
    maps = parse_maps(("age=?:31.5", "month=January:1,March:3,July:7,December:12"))
    said = {"schema": Schema(maps=maps), "dialect": Dialect(decimal=",")}
    found, _ = answers(tmp_path, table, model, **said)
    assert found[:, 0] == pytest.approx(true)


def test_a_gap_among_words_is_given_a_number(tmp_path):
    table = FRAME[["sex", "age"]].assign(sex=FRAME["sex"].mask(RANDOM.random(N) < 0.2))
    columns = table.assign(sex=table["sex"].map(MAPS["sex"]).fillna(2))
    model = DecisionTreeRegressor(random_state=0).fit(columns, columns["sex"] * 9 + columns["age"])
    maps = parse_maps(("sex=male:0,female:1,:2",))
    found, _ = answers(tmp_path, table, model, schema=Schema(maps=maps))
    assert found[:, 0] == pytest.approx(model.predict(columns))


def test_numbers_for_some_numbers_are_asked_for_all(tmp_path):
    _, model = fitted_on_sex()
    maps = parse_maps(("age=18:1",))
    with pytest.raises(InputError, match=r"'age' holds '.*', to which --map gives no number"):
        answers(tmp_path, coded(FRAME, MAPS), model, schema=Schema(maps=maps))


@pytest.mark.parametrize("mark", ["?", "", "n.a."])
@pytest.mark.parametrize("n", [N, N - 1])
def test_a_refused_cell_among_numbers_is_filled_as_it_says(tmp_path, mark, n):
    table = FRAME[["size", "age"]].head(n)
    table = table.assign(age=table["age"].astype(float).mask(RANDOM.random(n) < 0.2))
    sizes = table["size"].map(MAPS["size"])
    filled = table.assign(size=sizes, age=table["age"].fillna(table["age"].median()))
    model = LinearRegression().fit(filled, filled["size"] + filled["age"])
    given = table.assign(age=[mark if one != one else f"{one:g}" for one in table["age"]])
    schema = Schema(maps=parse_maps(("size=small:0,medium:1,large:2",)))
    with pytest.raises((InputError, ModelError)) as caught:
        answers(tmp_path, given, model, schema=schema)
    words = shlex.split(str(caught.value))
    typed = words[words.index("--map") + 1].rstrip(",")
    schema = Schema(maps=(*schema.maps, *parse_maps((typed,))))
    found, _ = answers(tmp_path, given, model, schema=schema)
    assert found[:, 0] == pytest.approx(model.predict(filled))


@pytest.mark.parametrize("typed", ["age=:N", "age=?:N", "sex=male:?,female:1"])
def test_a_number_that_was_left_open_is_asked_for(typed):
    with pytest.raises(SettingsError, match=r"has [?N] instead of a number"):
        parse_maps((typed,))


def test_a_column_that_the_model_is_not_given_is_told(tmp_path):
    _, model = fitted_on_sex()
    with pytest.raises(SettingsError, match=r"--map: .* not given a column 'home'"):
        answers(tmp_path, FRAME, model, schema=Schema(maps=parse_maps(("home=own:1",))))


@pytest.mark.parametrize(
    ("said", "near"),
    [
        ({"maps": (("sx", (("male", 0.0), ("female", 1.0))),)}, "sex"),
        ({"groups": (("both", ("sex", "sizes")),)}, "size"),
        ({"texts": ("Sex",)}, "sex"),
        ({"numeric": ("agge",)}, "age"),
        ({"dates": (("agee", "%d.%m.%Y"),)}, "age"),
    ],
    ids=["--map", "--group", "--text-column", "--numeric", "--dates"],
)
@pytest.mark.parametrize("spelled", ["plain", "separator", "broken"])
def test_a_mistyped_column_is_told_before_any_cell_is_read(tmp_path, said, near, spelled):
    _, model = fitted_on_sex()
    table = FRAME if spelled != "separator" else FRAME.assign(age=FRAME["age"] + 0.5)
    path, where = tmp_path / "d.csv", tmp_path / "m.pkl"
    mark = {"sep": ";", "decimal": ","} if spelled == "separator" else {}
    table.to_csv(path, index=False, **mark)
    if spelled == "broken":
        path.write_text(path.read_text() + '"never closed\n')
    where.write_bytes(pickle.dumps(model))
    asked = ModelFile(str(where)).load().asked
    with pytest.raises(SettingsError, match=f"has no column .*; did you mean '{near}'"):
        TabularModality(str(path), schema=Schema(**said)).fitted(asked)


def test_columns_may_be_named_as_the_table_has_them(tmp_path):
    columns, model = fitted_on_sex()
    model.fit(columns.rename(columns={"size": "the_size"}), model.predict(columns))
    table = FRAME.rename(columns={"size": "the size"})
    maps = parse_maps(("sex=male:0,female:1", "the size=small:0,medium:1,large:2"))
    schema = Schema(maps=maps, groups=(("both", ("sex", "the size")),), fixed=("age",))
    found, fitted = answers(tmp_path, table, model, schema=schema)
    assert found == pytest.approx(
        model.predict_proba(columns.rename(columns=lambda one: one.replace("size", "the_size")))
    )
    assert fitted.fitted_background.names == ("both",) or "both" in fitted.fitted_background.names


@pytest.mark.parametrize("label", [False, True])
@pytest.mark.parametrize(
    "model", [RandomForestClassifier(9, random_state=0), DecisionTreeClassifier(max_depth=5)]
)
def test_shares_of_rows_are_taken_where_they_alone_fit_a_model_s_trees(tmp_path, model, label):
    place = np.array(["north", "south", "east"])[
        1 * (np.arange(N) % 10 > 1) + (np.arange(N) % 10 > 4)
    ]
    share = pd.Series(place).map(pd.Series(place).value_counts(normalize=True))
    given = pd.DataFrame({"place": share, "age": FRAME["age"]})
    true = (share == share.median()) ^ (RANDOM.random(N) < 0.1)
    model.fit(given, true)
    beside = {"y": true * 1} if label else {}
    found, fitted = answers(tmp_path, given.assign(place=place, **beside), model)
    assert found == pytest.approx(model.predict_proba(given))
    said = {one.code: one.message for one in fitted.fitted_warnings}["words_numbered"]
    assert "what the model compares them with" in said
    assert "--map" in said


def test_codes_behind_a_scaler_are_found_by_the_answers(tmp_path):
    given = coded(FRAME[["size", "age"]], {"size": MAPS["size"]})
    true = given["size"] * 3 + given["age"] / 9
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(given, true)
    found, _ = answers(tmp_path, FRAME[["size", "age"]].assign(y=true), model)
    assert found.ravel() == pytest.approx(model.predict(given))


def test_encoders_beside_the_model_are_named_before_the_numbers_are_asked_for(tmp_path):
    encoders = {name: LabelEncoder().fit(FRAME[name]) for name in ("sex", "size")}
    fed = FRAME[["sex", "size", "age"]].copy()
    for name, one in encoders.items():
        fed[name] = one.transform(fed[name])
    joblib.dump(encoders, tmp_path / "label_encoders.pkl")
    model = LogisticRegression().fit(fed, FRAME["age"] > 40)
    joblib.dump(model, tmp_path / "model.pkl")
    rows = tmp_path / "rows.csv"
    FRAME[["sex", "size", "age"]].to_csv(rows, index=False)
    with pytest.raises(InputError, match="which hold words") as error:
        lime_cli.explain(str(tmp_path / "model.pkl"), str(rows), row=0)
    assert "'label_encoders.pkl' beside the model" in error.value.hint
    assert "or replace each ? by the number" in error.value.hint


@pytest.mark.parametrize("words", [["home"], ["home", "size"]])
def test_a_model_of_as_many_numbers_as_a_table_has_is_told_their_names(tmp_path, words):
    table = FRAME[[*words, "age"]].assign(pay=RANDOM.normal(size=N), rate=RANDOM.normal(size=N))
    numbers = table[["age", "pay", "rate"]].to_numpy()
    model = LinearRegression().fit(numbers, numbers.sum(axis=1))
    table = table.assign(note=FRAME["month"]).assign(until="x")
    with pytest.raises(ModelError) as caught:
        answers(tmp_path, table, model)
    typed = re.search(r"--columns (\S+?)[;,]? ", str(caught.value))[1].rstrip(";")
    found, _ = answers(tmp_path, table, model, schema=Schema(order=tuple(typed.split(","))))
    assert found[:, 0] == pytest.approx(model.predict(numbers))


BESIDE = {
    "other names": lambda one, two, model: {"model": model, "enc1": one, "enc2": two},
    "alike": lambda one, two, model: {"model": model, "le_gender": one, "le_where": two},
    "a list": lambda one, two, model: {"model": model, "encoders": [one, two]},
    "a tuple": lambda one, two, model: (model, one, two),
    "another dictionary": lambda one, two, model: {"m": model, "le": {"g": one, "where": two}},
}


@pytest.mark.parametrize("name", BESIDE)
def test_encoders_beside_a_model_number_the_words_that_they_know(tmp_path, name):
    columns = ["sex", "home", "age"]
    one, two = (LabelEncoder().fit(FRAME[column]) for column in columns[:2])
    coded_ = FRAME[columns].assign(sex=one.transform(FRAME.sex), home=two.transform(FRAME.home))
    model = LinearRegression().fit(coded_, coded_ @ [3, 2, 1])
    found, fitted = answers(tmp_path, FRAME[columns], BESIDE[name](one, two, model))
    assert found[:, 0] == pytest.approx(model.predict(coded_))
    assert "words_numbered" in codes_of(fitted)


@pytest.mark.parametrize("other", [["a", "b"], ["free", "other", "own", "rent", "tent"]])
def test_encoders_of_other_words_or_of_the_same_in_two_orders_number_nothing(tmp_path, other):
    coded_ = FRAME[["home", "age"]].assign(home=LabelEncoder().fit_transform(FRAME.home))
    model = LinearRegression().fit(coded_, coded_ @ [3, 1])
    beside = [LabelEncoder().fit(other)]
    if len(other) > 2:
        beside += [LabelEncoder().fit(FRAME.home)]
    with pytest.raises(InputError, match="--map 'home="):
        answers(tmp_path, FRAME[["home", "age"]], {"model": model, "encoders": beside})


@pytest.mark.parametrize(("key", "assumed"), [("le_where", False), ("target_encoder", True)])
def test_one_of_several_encoders_of_columns_names_no_classes(tmp_path, key, assumed):
    one, two = (LabelEncoder().fit(FRAME[column]) for column in ("sex", "home"))
    coded_ = FRAME[["sex", "home"]].assign(sex=one.transform(FRAME.sex))
    coded_["home"] = two.transform(FRAME.home)
    true = (coded_["home"] > 1).astype(int)
    held = {"model": LogisticRegression().fit(coded_, true), "le_gender": one, key: two}
    held |= {key: LabelEncoder().fit(["no", "yes"])} if assumed else {}
    where = tmp_path / "m.pkl"
    where.write_bytes(pickle.dumps(held))
    said = {one.code for one in ModelFile(str(where)).load().warnings}
    assert ("classes_assumed" in said) == assumed
