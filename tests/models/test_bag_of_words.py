"""Word counts built from masks are the vectorizer's own, in every setting and on every text."""

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC

from lime_cli.engine import explain
from lime_cli.engine.model import Identity
from lime_cli.engine.texts import Texts
from lime_cli.models import bag_of_words
from lime_cli.models.bag_of_words import bags_of
from lime_cli.models.model_file import ModelFile
from lime_cli.settings import Settings
from lime_cli.texts.modality import TextModality

TEXTS = [
    "The well-known film isn't good, it's bad; a naïve café!",
    "A truly AWFUL film -- not good, not bad. 3.14 stars (of 5)",
    "good good bad films, e-mail re-run of good bad films",
    "这部电影非常好看,我很喜欢。真的很好看!",
    "U.S.A. élève cafe\u0301s snake_case ΑΣ x ΣΑΣ İstanbul Straße",
    "line one\n\tline two\r\n  line\u00a0three",
]
SETTINGS = [
    {},
    {"ngram_range": (1, 2)},
    {"ngram_range": (2, 3)},
    {"binary": True, "ngram_range": (1, 3)},
    {"stop_words": "english"},
    {"stop_words": ["good"], "ngram_range": (1, 2)},
    {"lowercase": False},
    {"strip_accents": "unicode"},
    {"strip_accents": "ascii", "ngram_range": (1, 2)},
    {"token_pattern": r"(?u)\b\w+\b"},
    {"token_pattern": r"\S+"},
    {"token_pattern": r"[a-z']+"},
    {"token_pattern": r"(?u)\b(\w)\w+\b"},
    {"token_pattern": r"(?u)\w+|[^\w\s]", "ngram_range": (1, 2)},
    {"dtype": np.float32},
]
TFIDF = [{"norm": None}, {"norm": "l1"}, {"sublinear_tf": True}, {"use_idf": False}]
HASHED = [{"n_features": 16}, {"n_features": 8, "binary": True}, {"alternate_sign": False}]
CASES = [
    *((CountVectorizer, one) for one in SETTINGS),
    *((TfidfVectorizer, one) for one in SETTINGS + TFIDF),
    *((HashingVectorizer, {"n_features": 4096, **one}) for one in SETTINGS + HASHED),
]
WAYS = [
    {"unit": "word"},
    {"unit": "word", "merge_repeats": False, "mask": "UNK"},
    {"unit": "char"},
    {"unit": "sentence", "mask": "no film"},
    {"unit": r"regex:\S+"},
]


def texts_of(text, seed=0, n=60, **way):
    modality = TextModality(text=text, **way)
    instance = modality.read(next(modality.sources()))
    rng = np.random.default_rng(seed)
    masks = rng.random((n, len(instance.components))) < rng.random((n, 1))
    masks[n // 2] = False
    return instance.model_inputs(masks.astype(np.int64))


def pipeline(vectorizer, *steps):
    return make_pipeline(vectorizer, *(steps or [LogisticRegression()])).fit(TEXTS, [0, 1] * 3)


@pytest.mark.parametrize(("kind", "options"), CASES, ids=lambda one: getattr(one, "__name__", one))
def test_answers_are_those_to_the_strings_to_the_last_bit(kind, options):
    model = pipeline(kind(**options))
    bags = bags_of(model, "predict_proba")
    for text in TEXTS:
        for way in WAYS:
            texts = texts_of(text, **way)
            predictions = bags.predict(texts)
            np.testing.assert_array_equal(predictions, model.predict_proba(texts.strings))
            again = Texts(texts.pieces, ~texts.masks)
            np.testing.assert_array_equal(bags.predict(again), model.predict_proba(again.strings))
    assert bags.written == 0
    assert bags.built == len(TEXTS) * len(WAYS)


@given(
    st.text(st.sampled_from("aAbßé1 .,'-_\n\u0301ΣİЖ我好"), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["word", "char", "lime-word", "line"]),
    st.sampled_from([(1, 1), (1, 2), (2, 2)]),
)
def test_any_text_is_counted_as_the_vectorizer_counts_it(text, seed, unit, sizes):
    modality = TextModality(text=text, unit=unit)
    try:
        modality.read(next(modality.sources()))
    except Exception:
        return
    vectorizer = HashingVectorizer(n_features=512, ngram_range=sizes, strip_accents="unicode")
    model = pipeline(vectorizer)
    texts = texts_of(text, seed, 24, unit=unit)
    predictions = bags_of(model, "predict_proba").predict(texts)
    np.testing.assert_array_equal(predictions, model.predict_proba(texts.strings))


@pytest.mark.parametrize(
    ("steps", "method"),
    [
        ([TfidfTransformer(), LinearSVC(dual="auto")], "decision_function"),
        ([TruncatedSVD(2, random_state=0), RandomForestClassifier(5, random_state=0)], "predict"),
        ([Ridge()], "predict"),
    ],
)
def test_the_steps_behind_are_asked_as_ever(steps, method):
    model = pipeline(CountVectorizer(), *steps)
    texts = texts_of(TEXTS[0])
    predictions = bags_of(model, method).predict(texts)
    np.testing.assert_array_equal(predictions, getattr(model, method)(texts.strings))


def test_a_search_is_asked_by_its_best_pipeline():
    search = GridSearchCV(
        make_pipeline(TfidfVectorizer(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1.0]},
        cv=2,
    ).fit(TEXTS, [0, 1] * 3)
    texts = texts_of(TEXTS[1])
    predictions = bags_of(search, "predict_proba").predict(texts)
    np.testing.assert_array_equal(predictions, search.predict_proba(texts.strings))


@pytest.mark.parametrize(
    "first",
    [
        TfidfVectorizer(analyzer="char"),
        TfidfVectorizer(analyzer=str.split),
        TfidfVectorizer(tokenizer=str.split, token_pattern=None),
        TfidfVectorizer(preprocessor=str.upper),
        TfidfVectorizer(strip_accents=str.strip),
        FeatureUnion([("words", TfidfVectorizer())]),
    ],
    ids=["char", "analyzer", "tokenizer", "preprocessor", "accents", "union"],
)
def test_what_is_not_recognised_is_asked_by_strings(first):
    assert bags_of(pipeline(first), "predict_proba") is None


def test_an_unfitted_pipeline_and_a_lone_estimator_are_not_recognised():
    assert bags_of(make_pipeline(TfidfVectorizer(), LogisticRegression()), "predict_proba") is None
    assert bags_of(LogisticRegression(), "predict_proba") is None


def test_tokens_across_blanks_are_found_out_and_the_text_goes_the_long_way():
    model = pipeline(CountVectorizer(token_pattern=r"\w+ \w+"))
    bags = bags_of(model, "predict_proba")
    assert bags.predict(texts_of(TEXTS[1])) is None
    assert bags.predict(texts_of(TEXTS[3])) is not None
    assert (bags.built, bags.written) == (1, 1)
    assert bags.manner.endswith("1 of 2 texts")


def test_too_many_variants_are_spelled_out(monkeypatch):
    monkeypatch.setattr(bag_of_words, "MANY_VARIANTS", 20)
    bags = bags_of(pipeline(CountVectorizer()), "predict_proba")
    assert bags.predict(texts_of(TEXTS[3], n=500)) is None
    long = "漢" * 70
    assert bags.predict(texts_of(long, merge_repeats=False)) is None


@pytest.mark.parametrize("samples", [{"samples": 300}, {"samples": 64, "max_samples": 512}])
def test_explanations_are_the_same_to_the_last_bit(tmp_path, samples):
    model = pipeline(TfidfVectorizer(ngram_range=(1, 2)))
    joblib.dump(model, tmp_path / "m.joblib")
    loaded = ModelFile(str(tmp_path / "m.joblib")).load()

    class Spelled:
        warnings, probabilities, identity = (), True, Identity("", "", "classification", ("0", "1"))

        def predict(self, inputs):
            return model.predict_proba(list(inputs))

    modality = TextModality(text=TEXTS[1])
    instance = modality.read(next(modality.sources()))
    chosen = Settings(**samples)
    one, other = (next(explain([instance], method, chosen)) for method in (loaded, Spelled()))
    assert one.surrogates == other.surrogates
    assert loaded.manner == ("word counts of the samples built from their masks: 1 of 1 texts")
