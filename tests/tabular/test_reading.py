"""Cells reach a model as it was fitted on them: missing words, blanks, codes, spelled numbers."""

import io
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import lime_cli
from lime_cli.errors import InputError, LimexError, SettingsError
from lime_cli.models.model_file import ModelFile
from lime_cli.tables.dialect import Dialect
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.schema import Schema, parse_dates

RANDOM = np.random.default_rng(0)
N = 60
SIZE = RANDOM.normal(size=N).round(3)
LABELS = (SIZE + RANDOM.normal(size=N) > 0).astype(int)


class Case:
    """A model, a file, and what limex makes of both."""

    def __init__(self, folder, words, model, fitted_on, name="kind", pickles=True, **options):
        self.path = folder / "rows.csv"
        lines = [f"{size},{word}" for size, word in zip(SIZE, words, strict=True)]
        self.path.write_text("\n".join([f"size,{name}", *lines]) + "\n", "utf-8")
        self.model = model.fit(fitted_on, LABELS)
        self.expected = self.model.predict_proba(fitted_on)
        where = folder / "model.pkl"
        where.write_bytes(pickle.dumps(model))
        own = type(model).__module__.startswith("tests.")
        self.loaded = ModelFile(str(where), trust=own).load()
        table = TabularModality(str(self.path), **options)
        self.modality = table.fitted(self.loaded.input._replace(takes=self.loaded.takes))

    @property
    def rows(self):
        return [self.modality.read(source) for source in self.modality.sources()]

    @property
    def answers(self):
        codes = np.zeros((1, 2), np.int32)
        return np.vstack([self.loaded.predict(one.model_inputs(codes)) for one in self.rows])

    @property
    def codes(self):
        return [one.code for one in self.modality.fitted_warnings if "background" not in one.code]


def encoded(encoder, number="size"):
    parts = (StandardScaler(), [number]), (encoder, ["kind"])
    return make_pipeline(make_column_transformer(*parts), LogisticRegression())


def choice(*words):
    return RANDOM.choice(words, N).tolist()


IMPUTERS = {
    "constant": lambda: SimpleImputer(strategy="constant", fill_value="none"),
    "word": lambda: SimpleImputer(strategy="constant", fill_value="NULL"),
    "frequent": lambda: SimpleImputer(strategy="most_frequent"),
}


@pytest.mark.parametrize("spelling", ["NA", "None", "nan", "n/a", "#N/A N/A"])
@pytest.mark.parametrize("imputer", list(IMPUTERS))
def test_words_that_pandas_reads_as_missing_are_missing_to_a_python_model(
    tmp_path, spelling, imputer
):
    words = choice("Gd", "TA", spelling)
    kind = pd.Series([np.nan if one == spelling else one for one in words], dtype=object)
    encoder = make_pipeline(IMPUTERS[imputer](), OneHotEncoder(handle_unknown="ignore"))
    case = Case(tmp_path, words, encoded(encoder), pd.DataFrame({"size": SIZE, "kind": kind}))
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == ["read_as_missing"]
    assert spelling in case.modality.fitted_warnings[-1].message
    assert "--read-as plain" in case.modality.fitted_warnings[-1].message


def test_a_word_that_an_encoder_knows_is_no_missing_value(tmp_path):
    words = choice("Oslo", "NA")
    frame = pd.DataFrame({"size": SIZE, "kind": words})
    case = Case(tmp_path, words, encoded(OneHotEncoder()), frame)
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == []


@pytest.mark.parametrize("mark", ["?", "-", "--", " ? ", "unknown", "Missing"])
def test_marks_are_missing_where_the_model_fills_gaps_and_knows_other_words(tmp_path, mark):
    words = choice("Private", "Gov", mark)
    kind = pd.Series([np.nan if one == mark else one for one in words], dtype=object)
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    case = Case(tmp_path, words, encoded(encoder), pd.DataFrame({"size": SIZE, "kind": kind}))
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == ["read_as_missing"]


def test_a_mark_that_stands_for_a_gap_in_words_does_so_in_numbers(tmp_path):
    words = choice("Private", "Gov", "?")
    kind = pd.Series([np.nan if one == "?" else one for one in words], dtype=object)
    spelled = [str(one) if i % 7 else "?" for i, one in enumerate(SIZE)]
    size = pd.Series([np.nan if one == "?" else float(one) for one in spelled])
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    parts = (make_pipeline(SimpleImputer(), StandardScaler()), ["size"]), (encoder, ["kind"])
    frame = pd.DataFrame({"size": size, "kind": kind})
    model = make_pipeline(make_column_transformer(*parts), LogisticRegression()).fit(frame, LABELS)
    pd.DataFrame({"size": spelled, "kind": words}).to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    with pytest.warns(lime_cli.LimexWarning):
        found = lime_cli.explain(
            str(tmp_path / "m.pkl"), str(tmp_path / "d.csv"), rows=["0-20"], samples=64
        )
    assert "columns 'size', 'kind' is" in dict(found[0].coded_warnings)["read_as_missing"]
    answers = [one.record["outputs"] for one in found]
    assert answers == [pytest.approx(row) for row in model.predict_proba(frame[:21])]


@pytest.mark.parametrize("mark", ["?", "-", "."])
@pytest.mark.parametrize("strategy", ["mean", "most_frequent"])
def test_a_mark_among_numbers_is_missing_where_the_model_fills_those(tmp_path, mark, strategy):
    size = pd.Series([one if i % 7 else np.nan for i, one in enumerate(SIZE)])
    frame = pd.DataFrame({"size": size, "other": SIZE[::-1]})
    model = make_pipeline(SimpleImputer(strategy=strategy), LogisticRegression())
    model.fit(frame, LABELS)
    found, codes = asked(tmp_path, model, frame.assign(size=size.map(str).replace("nan", mark)))
    assert found == pytest.approx(model.predict_proba(frame[:21]))
    assert "read_as_missing" in codes


UNITS = {
    "behind": "{:.1f} kmpl",
    "close": "{:.0f}CC",
    "percent": "{:.2f} %",
    "money": "${:.2f}",
    "euros": "€ {:.0f}",
}


@pytest.mark.parametrize("unit", UNITS)
def test_numbers_with_units_are_read_or_a_person_is_asked(tmp_path, unit):
    cells = [UNITS[unit].format(abs(one) * 100) for one in SIZE]
    numbers = pd.Series(cells).str.extract(r"([\d.]+)")[0].astype(float)
    model = LogisticRegression().fit(pd.DataFrame({"size": numbers, "other": SIZE}), LABELS)
    table, options = pd.DataFrame({"size": cells, "other": SIZE}), {}
    if unit == "percent":  # a hundredth, or not
        table.to_csv(tmp_path / "d.csv", index=False)
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
        loaded = ModelFile(str(tmp_path / "m.pkl")).load()
        with pytest.raises(LimexError, match="numeric size gives it the numbers alone"):
            TabularModality(str(tmp_path / "d.csv")).fitted(loaded.asked)
        options = {"numeric": ["size"]}
    found, codes = asked(tmp_path, model, table, **options)
    assert found == pytest.approx(
        model.predict_proba(pd.DataFrame({"size": numbers, "other": SIZE})[:21])
    )
    assert "read_unitless" in codes


def asked(folder, model, table, **options):
    """Return what a saved model answers to the first rows of a table, and the warnings' codes."""
    (folder / "m.pkl").write_bytes(pickle.dumps(model))
    table.to_csv(folder / "d.csv", index=False)
    with pytest.warns(lime_cli.LimexWarning):
        found = lime_cli.explain(
            str(folder / "m.pkl"), str(folder / "d.csv"), rows=["0-20"], samples=64, **options
        )
    codes = [code for code, _ in found[0].coded_warnings]
    return np.array([one.record["outputs"] for one in found]), codes


@pytest.mark.parametrize("encoder", [OneHotEncoder(handle_unknown="ignore"), OneHotEncoder()])
def test_a_mark_that_the_model_knows_or_has_no_gap_for_is_a_word(tmp_path, encoder):
    words = choice("+", "-")
    fitted_on = words if encoder.handle_unknown == "error" else ["+"] * N
    frame = pd.DataFrame({"size": SIZE, "kind": fitted_on})
    case = Case(tmp_path, words, encoded(encoder), frame)
    shown = frame.assign(kind=words)
    assert case.answers == pytest.approx(case.model.predict_proba(shown))


def test_reading_can_be_said(tmp_path):
    words = choice("Gd", "TA", "NA")
    kind = pd.Series([np.nan if one == "NA" else one for one in words], dtype=object)
    frame = pd.DataFrame({"size": SIZE, "kind": kind})
    encoder = OneHotEncoder(handle_unknown="ignore")
    plain = Case(tmp_path, words, encoded(encoder), frame, dialect=Dialect(reading="plain"))
    assert plain.codes == ["unknown_category"]
    assert "kind 'NA' (" in plain.modality.fitted_warnings[-1].message
    told = Case(tmp_path, words, encoded(encoder), frame, dialect=Dialect(reading="pandas"))
    assert told.answers == pytest.approx(told.expected)
    assert told.codes == []


def test_more_words_for_missing_leave_a_column_numbers(tmp_path):
    words = [*map(str, RANDOM.integers(0, 99, N - 2)), "n/a", "#NA"]
    number = pd.Series([np.nan if one in ("n/a", "#NA") else float(one) for one in words])
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    case = Case(tmp_path, words, model, pd.DataFrame({"size": SIZE, "kind": number}))
    assert case.answers == pytest.approx(case.expected)


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_blanks_after_the_comma_go_where_the_model_does_not_have_them(tmp_path, encoder):
    words = choice("Graduate", "Not Graduate")
    frame = pd.DataFrame({"size": SIZE, "kind": words})
    case = Case(tmp_path, [f" {one}" for one in words], encoded(encoder), frame)
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == ["read_stripped"]


def test_blanks_that_the_model_has_stay(tmp_path):
    words = [f" {one}" for one in choice("Graduate", "Not Graduate")]
    frame = pd.DataFrame({"size": SIZE, "kind": words})
    case = Case(tmp_path, words, encoded(OneHotEncoder()), frame)
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == []


def test_blanks_can_be_left_out_by_hand(tmp_path):
    words = choice("a", "b")
    frame = pd.DataFrame({"size": SIZE, "kind": words})
    dialect = Dialect(strip=True)
    spaced = [f" {one} " for one in words]
    case = Case(tmp_path, spaced, encoded(OneHotEncoder()), frame, dialect=dialect)
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == []


SPELLINGS = {
    "zeros": (["01067", "01069", "20095"], ["01067", "01069", "20095"]),
    "zeros lost": (["01067", "01069", "20095"], ["1067", "1069", "20095"]),
    "point": (["1.0", "2.0", "3.0"], ["1", "2", "3"]),
    "point known": (["1", "2", "3"], ["1.0", "2.0", "3.0"]),
}


@pytest.mark.parametrize("case", list(SPELLINGS))
def test_numbers_are_words_as_the_encoder_knows_them(tmp_path, case):
    spelled, known = SPELLINGS[case]
    places = RANDOM.integers(0, 3, N)
    frame = pd.DataFrame({"size": SIZE, "kind": np.array(known, object)[places]})
    words = [spelled[i] for i in places]
    found = Case(tmp_path, words, encoded(OneHotEncoder(handle_unknown="ignore")), frame)
    assert found.answers == pytest.approx(found.expected)
    assert "unknown_category" not in found.codes


FOREIGN = [
    ("category_encoders", "TargetEncoder", {"cols": ["kind"]}),
    ("category_encoders", "OrdinalEncoder", {"cols": ["kind"]}),
    ("category_encoders", "WOEEncoder", {"cols": ["kind"]}),
    ("category_encoders", "CatBoostEncoder", {"cols": ["kind"]}),
    ("category_encoders", "BinaryEncoder", {"cols": ["kind"]}),
    ("category_encoders", "CountEncoder", {"cols": ["kind"]}),
    ("feature_engine.encoding", "MeanEncoder", {"variables": ["kind"]}),
    ("feature_engine.encoding", "OneHotEncoder", {"variables": ["kind"]}),
    ("feature_engine.encoding", "CountFrequencyEncoder", {"variables": ["kind"]}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("module", "name", "options"), FOREIGN, ids=[one[1] for one in FOREIGN])
def test_codes_are_words_to_encoders_of_other_libraries(tmp_path, module, name, options):
    library = pytest.importorskip(module)
    words = choice("01067", "01069", "3")
    frame = pd.DataFrame({"size": SIZE, "kind": words})
    model = make_pipeline(getattr(library, name)(**options), LogisticRegression())
    case = Case(tmp_path, words, model, frame)
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == []


HASHED = {
    "whole numbers": (["7", "8", "9"], {"cols": ["kind"]}, None, []),
    "zeros lost": (["01067", "04109", "80331"], {"cols": ["kind"]}, None, ["hashed_as_read"]),
    "numbers with gaps": (["7", "8", ""], {"cols": ["kind"]}, None, ["hashed_as_read"]),
    "truth values": (["TRUE", "FALSE"], {"cols": ["kind"]}, None, ["hashed_as_read"]),
    "points": (["7.50", "8.25"], {"cols": ["kind"]}, None, ["hashed_as_read"]),
    "words": (["a", "b", "c"], {"cols": ["kind"]}, None, []),
    "words that spell numbers": (["01067", "04109", "80331"], {}, str, []),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", list(HASHED))
def test_hashing_encoders_get_numbers_as_pandas_reads_them(tmp_path, case):
    encoders = pytest.importorskip("category_encoders")
    kinds, options, dtype, codes = HASHED[case]
    words = choice(*kinds)
    table = pd.DataFrame({"size": SIZE, "kind": words})
    frame = pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=dtype and {"kind": dtype})
    hashing = encoders.HashingEncoder(n_components=4, max_process=1, **options)
    found = Case(tmp_path, words, make_pipeline(hashing, LogisticRegression()), frame)
    assert found.answers == pytest.approx(found.expected)
    assert found.codes == codes


@pytest.mark.filterwarnings("ignore")
def test_hashing_encoders_get_values_as_spelled_where_a_person_says_so(tmp_path):
    encoders = pytest.importorskip("category_encoders")
    words = choice("01067", "04109", "80331")
    frame = pd.DataFrame({"size": SIZE, "kind": words})
    hashing = encoders.HashingEncoder(cols=["kind"], n_components=4, max_process=1)
    model = make_pipeline(hashing, LogisticRegression())
    found = Case(tmp_path, words, model, frame, schema=Schema(strings=("kind",)))
    assert found.answers == pytest.approx(found.expected)
    assert found.codes == []
    warned = Case(tmp_path, words, model, frame)
    assert warned.codes == ["hashed_as_read"]
    odd = next(word for word in words if word != "80331")
    assert f"'{int(odd)}' for '{odd}'" in warned.modality.fitted_warnings[-1].message


def test_levels_that_the_model_does_not_know_are_named_with_their_share(tmp_path):
    words = choice("a", "b", "c")
    frame = pd.DataFrame({"size": SIZE, "kind": ["a" if one == "c" else one for one in words]})
    case = Case(tmp_path, words, encoded(OneHotEncoder(handle_unknown="ignore")), frame)
    assert case.codes == ["unknown_category"]
    assert "kind 'c' (" in case.modality.fitted_warnings[-1].message


@pytest.mark.parametrize(
    ("word", "encoder"),
    [
        ("missing", OneHotEncoder(handle_unknown="ignore")),
        ("Unknown", OrdinalEncoder()),
        ("nan", OneHotEncoder()),
        ("<NA>", OrdinalEncoder()),
        ("None", OneHotEncoder(handle_unknown="ignore")),
    ],
    ids=["missing", "Unknown", "nan", "<NA>", "None"],
)
def test_gaps_are_the_one_word_that_the_model_has_for_them(tmp_path, word, encoder):
    words = choice("a", "b", "c", "")
    owned = pd.DataFrame({"size": SIZE, "kind": [one or word for one in words]})
    case = Case(tmp_path, words, encoded(encoder), owned)
    assert case.codes == ["gaps_filled"]
    assert case.answers == pytest.approx(case.expected)
    kept = Case(tmp_path, words, encoded(encoder), owned, schema=Schema(strings=("kind",)))
    assert "unknown_category" in kept.codes
    assert "gaps_filled" not in kept.codes


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("a", "b", ""), ("a", "b", "missing", "unknown")),
        (("a", "missing", ""), ("a", "missing", "b")),
        (("a", "b", ""), ("a", "b", "no")),
    ],
    ids=["two", "there", "not for gaps"],
)
def test_gaps_of_which_nothing_tells_are_said_to_be_unknown(tmp_path, words, known):
    owned = pd.DataFrame({"size": SIZE, "kind": choice(*known)})
    model = encoded(OneHotEncoder(handle_unknown="ignore"))
    assert Case(tmp_path, choice(*words), model, owned).codes == ["unknown_category"]


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_words_are_read_in_the_case_that_the_model_knows(tmp_path, change):
    words = choice("Rome", "oslo", "PARIS")
    owned = pd.DataFrame({"size": SIZE, "kind": [change(one) for one in words]})
    case = Case(tmp_path, words, encoded(OrdinalEncoder()), owned)
    assert case.codes == [{"lower": "read_lowered", "upper": "read_raised"}[change.__name__]]
    assert case.answers == pytest.approx(case.expected)


def test_words_that_differ_by_case_stay_apart(tmp_path):
    words = choice("a", "A", "b")
    owned = pd.DataFrame({"size": SIZE, "kind": words})
    case = Case(tmp_path, words, encoded(OrdinalEncoder()), owned)
    assert case.codes == []
    assert case.answers == pytest.approx(case.expected)


def test_columns_can_be_kept_as_text(tmp_path):
    words = choice("007", "12")
    frame = pd.DataFrame({"size": SIZE, "kind": words})
    case = Case(tmp_path, words, encoded(OneHotEncoder()), frame, schema=Schema(strings=("kind",)))
    assert case.answers == pytest.approx(case.expected)
    with pytest.raises(SettingsError, match=r"--strings: rows\.csv has no column 'none'"):
        Case(tmp_path, words, encoded(OneHotEncoder()), frame, schema=Schema(strings=("none",)))


class Monthly(ClassifierMixin, BaseEstimator):
    """Takes the months of its dates, and nothing that is no date."""

    def fit(self, X, y):
        self.inner = LogisticRegression().fit(self._numbers(X), y)
        self.classes_ = self.inner.classes_
        return self

    def predict_proba(self, X):
        return self.inner.predict_proba(self._numbers(X))

    def _numbers(self, X):
        return np.column_stack([X["size"], X["kind"].dt.month, X["kind"].dt.hour])


DAYS = pd.Series(pd.date_range("2020-01-02", periods=N, freq="D"))
WRITTEN = {
    "iso": "%Y-%m-%d",
    "with an hour": "%Y-%m-%d %H:%M",
    "american": "%m/%d/%Y",
    "german": "%d.%m.%Y",
    "british": "%d/%m/%Y",
    "digits": "%Y%m%d",
    "in words": "%d %b %Y",
}


@pytest.mark.parametrize("said", [False, True], ids=["guessed", "said"])
@pytest.mark.parametrize("form", list(WRITTEN.values()), ids=list(WRITTEN))
def test_dates_reach_the_model_as_pandas_reads_them(tmp_path, form, said):
    frame = pd.DataFrame({"size": SIZE, "kind": DAYS})
    words = DAYS.dt.strftime(form).tolist()
    schema = Schema(dates=(("kind", form if said else ""),))
    case = Case(tmp_path, words, Monthly(), frame, schema=schema)
    assert case.answers == pytest.approx(case.expected)
    assert case.modality.fitted_background.skipped[0].reason == "a date"


def test_dates_vary_where_they_are_compared_by_the_day(tmp_path):
    frame = pd.DataFrame({"size": SIZE, "kind": DAYS})
    schema = Schema(dates=(("kind", ""),), numeric=("kind",))
    words = DAYS.dt.strftime("%d.%m.%Y").tolist()
    case = Case(tmp_path, words, Monthly(), frame, schema=schema)
    assert case.answers == pytest.approx(case.expected)
    assert len(case.rows[0].components) == 2


def test_dates_that_may_be_read_in_two_ways_are_told(tmp_path):
    days = pd.Series(pd.to_datetime([f"2020-{1 + i % 12:02d}-{1 + i % 11:02d}" for i in range(N)]))
    frame = pd.DataFrame({"size": SIZE, "kind": days})
    words = days.dt.strftime("%m/%d/%Y").tolist()
    schema = Schema(dates=(("kind", ""),))
    case = Case(tmp_path, words, Monthly(), frame, schema=schema)
    assert case.answers == pytest.approx(case.expected)
    assert case.codes[0] == "dates_read"
    other = case.modality.fitted_warnings[1].message.split("'kind=")[1].split("'")[0]
    assert other == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("words", "form", "message"),
    [
        (["soon"] * N, "", "'kind': 'soon' is not a date; say how it is written"),
        (["01.02.2020"] * (N - 1) + ["x"], "", "line 61, 'kind': 'x' is not a date written as"),
        (["01.02.2020"] * N, "%Y/%m/%d", "line 2, 'kind': '01.02.2020' is not a date written as"),
    ],
)
def test_what_is_no_date_is_named_with_its_line(tmp_path, words, form, message):
    frame = pd.DataFrame({"size": SIZE, "kind": DAYS})
    with pytest.raises(InputError, match=re.escape(message)):
        Case(tmp_path, words, Monthly(), frame, schema=Schema(dates=(("kind", form),)))


def test_a_format_may_hold_a_comma():
    typed = ["since", "until=%b %d", "%Y", "other"]
    assert parse_dates(typed) == (("since", ""), ("until", "%b %d, %Y"), ("other", ""))
    with pytest.raises(SettingsError, match="names no column"):
        parse_dates(["=%d"])


@pytest.mark.parametrize("mark", ["?", " ?"])
def test_a_mark_that_is_a_category_of_the_model_stays_whatever_fills_gaps(tmp_path, mark):
    words = choice(" Private", " Gov", mark)
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    case = Case(tmp_path, words, encoded(encoder), pd.DataFrame({"size": SIZE, "kind": words}))
    assert case.answers == pytest.approx(case.expected)
    assert case.codes == []


def money(folder, spell, rows, separator=";", model=None):
    """Return a model of two columns of numbers, and a table that spells them in its own way."""
    frame = pd.DataFrame({"sales": rows, "n": np.arange(len(rows)) * 613 % 4099 + 1000})
    model = (model or make_pipeline(StandardScaler(), LogisticRegression())).fit(
        frame, np.arange(len(rows)) % 3 == 0
    )
    path, where = folder / "d.csv", folder / "m.pkl"
    frame.map(spell).to_csv(path, index=False, sep=separator)
    where.write_bytes(pickle.dumps(model))
    return ModelFile(str(where)).load(), model.predict_proba(frame), path


def german(number):
    return f"{number:,}".translate(str.maketrans(",.", ".,"))


def first_answer(table, loaded):
    fitted = table.fitted(loaded.asked)
    row = fitted.read(next(iter(fitted.sources())))
    return loaded.predict(row.model_inputs(np.zeros((1, 2), np.int32)))


SALES = (np.arange(60) * 137.25 % 9000 + 20).round(2)


@pytest.mark.parametrize(
    ("spell", "separator"),
    [
        (german, ";"),
        (lambda number: f"{number:,}", ","),
        (lambda number: f"{number}".replace(".", ","), ";"),
        (lambda number: f"{number:,}".replace(",", "\u00a0").replace(".", ","), "\t"),
        (lambda number: f"{number:,}".replace(",", "'"), ","),
        (lambda number: f"${number:,}", ","),
        (lambda number: f"{number} km", ","),
        (lambda number: german(number) + " \u20ac", ";"),
    ],
)
def test_numbers_in_the_only_spelling_they_can_have_are_read(tmp_path, spell, separator):
    loaded, true, path = money(tmp_path, spell, SALES, separator)
    table = TabularModality(str(path), dialect=Dialect(separator)).fitted(loaded.asked)
    codes = np.zeros((1, 2), np.int32)
    inputs = [table.read(source).model_inputs(codes) for source in table.sources()]
    assert np.vstack([loaded.predict(one) for one in inputs]) == pytest.approx(true)
    assert {"numbers_read", "read_unitless"} & {one.code for one in table.fitted_warnings}


@pytest.mark.parametrize(
    ("spell", "hint"),
    [
        (lambda number: f"{number / 1000:.3f}".replace(".", ","), "--thousands ','"),
        (lambda number: f"{number:.0f}%", "--numeric sales,n"),
        (lambda number: f"{number:.0f}k", "--numeric sales,n"),
        (lambda number: f"{number:.0f}" + (" km" if number % 2 else " mi"), "--numeric"),
    ],
    ids=["thousands or decimals", "percent", "thousands", "two units"],
)
def test_what_may_mean_two_numbers_is_asked_for(tmp_path, spell, hint):
    loaded, _, path = money(tmp_path, spell, np.arange(1001, 1061) * 1.0, ";")
    with pytest.raises(LimexError, match=re.escape(hint)):
        first_answer(TabularModality(str(path), dialect=Dialect(";")), loaded)


def test_words_that_the_model_cuts_itself_stay_words(tmp_path):
    path = tmp_path / "d.csv"
    cells = [f"{size * 1000 + 9000:,.2f}" for size in SIZE]
    pd.DataFrame({"price": cells, "size": SIZE}).to_csv(path, index=False)
    frame = pd.read_csv(path)
    parts = (OneHotEncoder(handle_unknown="ignore"), ["price"]), (StandardScaler(), ["size"])
    model = make_pipeline(make_column_transformer(*parts), LogisticRegression()).fit(frame, LABELS)
    where = tmp_path / "m.pkl"
    where.write_bytes(pickle.dumps(model))
    loaded = ModelFile(str(where)).load()
    found = first_answer(TabularModality(str(path)), loaded)
    assert found == pytest.approx(model.predict_proba(frame[:1]))


@pytest.mark.parametrize(
    ("spell", "times", "said"),
    [
        (lambda number: f"{number:.0f}k", 1_000, "multiplied"),
        (
            lambda number: f"{number:.0f}K" if number % 2 else f"{number / 1000:.3f}M",
            1_000,
            "multiplied",
        ),
        (lambda number: f"${number:.0f} K", 1_000, "multiplied"),
        (lambda number: f"${number:.0f}M", 1_000_000, "multiplied"),
        (lambda number: f"{number:.0f} K", 1, "unitless"),
    ],
    ids=["k", "K and M", "$ K", "M", "kelvin"],
)
def test_thousands_and_millions_of_a_numeric_column_are_multiplied(tmp_path, spell, times, said):
    *_, path = money(tmp_path, spell, SALES.round(), ";")
    frame = pd.DataFrame({"sales": SALES.round(), "n": np.arange(60) * 613 % 4099 + 1000}) * times
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, np.arange(60) % 3 == 0)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    loaded = ModelFile(str(tmp_path / "m.pkl")).load()
    schema = Schema(numeric=("sales", "n"))
    table = TabularModality(str(path), schema=schema, dialect=Dialect(";")).fitted(loaded.asked)
    codes = np.zeros((1, 2), np.int32)
    inputs = [table.read(source).model_inputs(codes) for source in table.sources()]
    found = np.vstack([loaded.predict(one) for one in inputs])
    assert found == pytest.approx(model.predict_proba(frame))
    assert f"read_{said}" in {one.code for one in table.fitted_warnings}


@pytest.mark.parametrize("numeric", [(), ("sales", "n")])
def test_numbers_in_parentheses_are_negative(tmp_path, numeric):
    def spell(number):
        return f"({-number:,})" if number < 0 else f"{number:,}"

    loaded, true, path = money(tmp_path, spell, (SALES - 4000).round(2))
    dialect = Dialect(";", thousands="," if numeric else None)
    table = TabularModality(str(path), schema=Schema(numeric=numeric), dialect=dialect)
    table, codes = table.fitted(loaded.asked), np.zeros((1, 2), np.int32)
    inputs = [table.read(source).model_inputs(codes) for source in table.sources()]
    assert np.vstack([loaded.predict(one) for one in inputs]) == pytest.approx(true)
