"""Columns of a model that are parts of a table's dates: as its owner took them."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from lime_cli.errors import InputError
from lime_cli.tabular.schema import Schema
from tests.tabular import asking

RANDOM = np.random.default_rng(3)
N = 120
WHEN = pd.Series(pd.date_range("2019-12-20 03:10", periods=N, freq="73h"))
ISO = "%Y-%m-%d %H:%M:%S"


def answers(tmp_path, table, model, **options):
    found, fitted = asking.answers(tmp_path, table, model, **options)
    return found[:, 0], fitted


ACCESSORS = {
    "dayofweek": "day_of_week",
    "weekday": "day_of_week",
    "dayofyear": "day_of_year",
}


def of(when, names):
    """Take parts of dates as their owner does, by the accessors of pandas."""
    found = {}
    for name in names:
        plain = re.sub("[_ ]|sold|pickup|journey|sale|created|timestamp", "", name.casefold())
        if plain == "isweekend":
            found[name] = (when.dt.day_of_week >= 5).astype(int)
        elif plain in ("week", "weekofyear"):
            found[name] = when.dt.isocalendar().week.astype(int)
        else:
            found[name] = getattr(when.dt, ACCESSORS.get(plain, plain))
    return pd.DataFrame(found)


NAMES = [
    ["hour", "dayofweek", "quarter", "month", "year", "dayofyear"],
    ["Year", "Month", "Day"],
    ["sold_month", "sold_weekday", "is_weekend", "WeekOfYear"],
    ["day_of_week"],
    ["minute", "hour"],
]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("form", [ISO, "%Y-%m-%dT%H:%M", "%d/%m/%Y %H:%M", "%b %d, %Y %H:%M"])
@pytest.mark.parametrize("kind", [LinearRegression(), RandomForestRegressor(5, random_state=0)])
def test_parts_of_dates_are_taken_as_pandas_counts_them(tmp_path, names, form, kind):
    columns = of(WHEN, names).assign(size=RANDOM.normal(size=N).round(3))
    model = kind.fit(columns, columns @ np.arange(1, columns.shape[1] + 1))
    table = pd.DataFrame({"sold": WHEN.dt.strftime(form), "size": columns["size"], "price": 1})
    found, fitted = answers(tmp_path, table, model)
    assert found == pytest.approx(model.predict(columns))
    said = {one.code: one.message for one in fitted.fitted_warnings}
    assert "taken from the dates of 'sold'" in said["date_parts"]
    assert {one.name for one in fitted.fitted_background.features} == {*columns}
    assert fitted.ignored() == ("price",)


def test_a_form_that_a_person_says_is_taken(tmp_path):
    when = WHEN.where(WHEN.dt.day <= 12).ffill().bfill()
    columns = of(when, ["month", "day"])
    model = LinearRegression().fit(columns, columns["month"])
    table = pd.DataFrame({"sold": when.dt.strftime("%d/%m/%Y"), "price": 1})
    with pytest.raises(InputError, match="lacks columns 'month', 'day'"):
        answers(tmp_path, table, model)
    schema = Schema(dates=(("sold", "%d/%m/%Y"),))
    assert answers(tmp_path, table, model, schema=schema)[0] == pytest.approx(
        model.predict(columns)
    )


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("pickup_datetime", ["pickup_hour", "pickup_weekday"]),
        ("Date_of_Journey", ["Journey_day", "Journey_month"]),
        ("saledate", ["saleYear", "saleMonth", "saleDayofweek"]),
        ("created at", ["created hour", "created month"]),
        ("timestamp", ["hour", "timestamp_month"]),
    ],
)
def test_parts_may_be_called_after_their_column(tmp_path, column, names):
    columns = of(WHEN, names)
    model = LinearRegression().fit(columns, columns.sum(axis=1))
    table = pd.DataFrame({column: WHEN.dt.strftime(ISO), "returned": WHEN.dt.strftime("%d.%m.")})
    assert answers(tmp_path, table, model)[0] == pytest.approx(model.predict(columns))
    other = table.assign(dropoff_time="2021-03-01")
    if column == "pickup_datetime":
        assert answers(tmp_path, other, model)[0] == pytest.approx(model.predict(columns))


LACKING = {
    "a part that says little alone": (["year"], {}),
    "dates in two columns": (["month", "hour"], {"bought": WHEN.dt.strftime(ISO)}),
    "another column is lacking": (["month", "hour", "temp"], {}),
}


@pytest.mark.parametrize("name", LACKING)
def test_where_parts_are_in_doubt_columns_are_lacking(tmp_path, name):
    names, more = LACKING[name]
    parts = of(WHEN, [one for one in names if one != "temp"])
    columns = parts.assign(**{one: 1.0 for one in names if one == "temp"})
    model = LinearRegression().fit(columns, columns.iloc[:, 0])
    with pytest.raises(InputError, match="lacks column"):
        answers(tmp_path, pd.DataFrame({"sold": WHEN.dt.strftime(ISO), **more}), model)


def test_numbers_that_no_part_has_are_another_column(tmp_path):
    columns = pd.DataFrame({"month": RANDOM.integers(1, 90, N), "hour": WHEN.dt.hour})
    model = RandomForestRegressor(5, random_state=0).fit(columns, columns["month"])
    with pytest.raises(InputError, match="lacks columns"):
        answers(tmp_path, pd.DataFrame({"sold": WHEN.dt.strftime(ISO)}), model)


def test_a_missing_date_has_no_parts(tmp_path):
    from sklearn.ensemble import HistGradientBoostingRegressor

    when = WHEN.mask(RANDOM.random(N) < 0.1)
    columns = of(when, ["month", "hour"])
    model = HistGradientBoostingRegressor(max_iter=5).fit(columns, RANDOM.normal(size=N))
    found, _ = answers(tmp_path, pd.DataFrame({"sold": when.dt.strftime(ISO)}), model)
    assert found == pytest.approx(model.predict(columns))


DAYS = {
    "ordinal": lambda when: when.map(pd.Timestamp.toordinal),
    "days": lambda when: (when - pd.Timestamp("1970-01-01")).dt.days,
    "seconds": lambda when: (when - pd.Timestamp("1970-01-01")).dt.total_seconds(),
    "nanoseconds": lambda when: when.astype("datetime64[ns]").astype("int64"),
    "digits": lambda when: when.dt.strftime("%Y%m%d").astype(int),
}


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("form", [ISO, "%d/%m/%Y %H:%M:%S"])
def test_dates_are_the_numbers_that_are_as_large_as_those_of_the_trees(tmp_path, name, form):
    when = WHEN.dt.floor("s")
    columns = pd.DataFrame({"sold": DAYS[name](when), "size": RANDOM.normal(size=N)})
    model = RandomForestRegressor(5, random_state=0).fit(columns, np.arange(N) + columns["size"])
    table = pd.DataFrame({"sold": when.dt.strftime(form), "size": columns["size"]})
    found, fitted = answers(tmp_path, table, model)
    assert found == pytest.approx(model.predict(columns))
    assert "date_parts" in {one.code for one in fitted.fitted_warnings}


def test_dates_of_a_model_of_no_such_numbers_stay_words(tmp_path):
    columns = pd.DataFrame({"sold": np.arange(N), "size": RANDOM.normal(size=N)})
    model = RandomForestRegressor(5, random_state=0).fit(columns, np.arange(N))
    table = pd.DataFrame({"sold": WHEN.dt.strftime(ISO), "size": columns["size"]})
    with pytest.raises(InputError, match="holds dates such as"):
        answers(tmp_path, table, model)
