"""Models in memory of every library answer as their library does, and stay as they are."""

import warnings
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lime_cli
from lime_cli.errors import ModelError, PredictionError
from lime_cli.models.model_file import ModelFile

pytestmark = pytest.mark.filterwarnings("ignore")

RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "size": RANDOM.normal(size=200),
        "kind": RANDOM.choice(["a", "b", "c"], 200),
        "age": RANDOM.integers(0, 90, 200),
    }
)
LABELS = np.where((ROWS["size"] > 0) ^ (ROWS["kind"] == "a"), "yes", "no")
CATEGORIES = ROWS.astype({"kind": "category"})


def xgboost_classifier(codes):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=20, enable_categorical=True, n_jobs=2)
    return model.fit(CATEGORIES, codes)


def lightgbm_classifier(codes):
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=2).fit(CATEGORIES, codes)


def catboost_classifier(codes):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(20, verbose=0, cat_features=["kind"], train_dir=None)
    return model.fit(ROWS, codes)


BOOSTERS = {
    "xgboost": xgboost_classifier,
    "lightgbm": lightgbm_classifier,
    "catboost": catboost_classifier,
}


@pytest.mark.parametrize("library", BOOSTERS)
@pytest.mark.parametrize("wrapped", [True, False], ids=["estimator", "booster"])
def test_a_live_booster_predicts_what_its_library_predicts(library, wrapped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where CatBoost writes
    codes = (LABELS == "yes").astype(int)
    model = BOOSTERS[library](codes)
    frame = ROWS if library == "catboost" else CATEGORIES
    expected = model.predict_proba(frame.iloc[[9]])[0]
    before = getattr(model, "n_jobs", None)
    thing = model
    if not wrapped:
        thing = {"xgboost": "get_booster", "lightgbm": "booster_"}.get(library)
        if thing is None:
            pytest.skip("CatBoost has one class")
        thing = getattr(model, thing)
        thing = thing() if callable(thing) else thing
    found = lime_cli.explain(thing, frame, row=9, target=["0", "1"], samples=256)
    assert found.record["outputs"] == pytest.approx(expected.tolist(), abs=1e-6)
    assert getattr(model, "n_jobs", None) == before
    assert found.record["model"]["format"] == "live"


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_live_booster_gives_what_its_pickle_gives(library, tmp_path):
    model = BOOSTERS[library]((LABELS == "yes").astype(int))
    joblib.dump(model, tmp_path / "m.joblib")
    ROWS.to_csv(tmp_path / "t.csv", index=False)
    filed = lime_cli.explain(tmp_path / "m.joblib", tmp_path / "t.csv", row=9, samples=256)
    live = lime_cli.explain(model, CATEGORIES, row=9, samples=256)
    assert live.record["targets"] == filed.record["targets"]
    assert live.record["background"]["digest"] == filed.record["background"]["digest"]


def network(*layers):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch, torch.nn.Sequential(*(one(torch.nn) for one in layers))


def test_a_live_torch_module_is_asked_in_evaluation_mode_and_left_in_training():
    torch, model = network(
        lambda nn: nn.Linear(3, 8), lambda nn: nn.Dropout(0.5), lambda nn: nn.Linear(8, 2)
    )
    table = ROWS.assign(kind=(ROWS["kind"] == "a").astype(float))
    found = lime_cli.explain(
        model, table, row=4, activation="softmax", classes=["no", "yes"], samples=256
    )
    assert model.training
    assert model[1].training
    row = torch.tensor(table.iloc[[4]].to_numpy(), dtype=torch.float32)
    model.eval()
    expected = torch.softmax(model(row), 1)[0].tolist()
    assert found.record["outputs"] == pytest.approx(expected, rel=1e-6)
    assert found.targets[0] in ("no", "yes")
    digest = found.record["model"]["digest"]
    with torch.no_grad():
        model[0].bias += 1
    other = lime_cli.explain(model, table, row=4, activation="softmax", samples=64)
    assert other.record["model"]["digest"] != digest


def test_a_live_torch_module_that_takes_token_ids_is_refused_texts_with_what_to_write():
    _, model = network(lambda nn: nn.Embedding(9, 4), lambda nn: nn.Flatten())
    with pytest.raises(
        PredictionError, match=r"fails on texts \(TypeError.*def f\(texts\): return"
    ):
        lime_cli.explain(model, "a good film", modality="text")


def test_of_a_tuple_of_a_live_torch_module_the_first_part_is_the_prediction():
    torch, _ = network()

    class Two(torch.nn.Module):
        def forward(self, rows):
            return rows.softmax(1), rows * 9

    table = ROWS.assign(kind=1.0)
    with pytest.warns(lime_cli.LimexWarning, match="returns a tuple; its first part"):
        found = lime_cli.explain(Two(), table, row=4, samples=64)
    row = torch.tensor(table.iloc[[4]].to_numpy(), dtype=torch.float32)
    assert found.record["outputs"] == pytest.approx(row.softmax(1)[0].tolist(), abs=1e-6)


def test_a_live_torch_module_that_takes_texts_is_given_them():
    torch, _ = network()

    class Counting(torch.nn.Module):
        def forward(self, texts):
            return torch.tensor([[float(len(one)), 9.0] for one in texts]).softmax(1)

    found = lime_cli.explain(Counting(), "a good film", modality="text", samples=32)
    expected = torch.tensor([[11.0, 9.0]]).softmax(1)[0].tolist()
    assert found.record["outputs"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_live_torch_module_is_given_images_as_its_first_layer_takes_them(channels):
    torch, model = network(
        lambda nn: nn.Conv2d(channels, 4, 3),
        lambda nn: nn.AdaptiveAvgPool2d(1),
        lambda nn: nn.Flatten(),
        lambda nn: nn.Linear(4, 2),
    )
    image = RANDOM.integers(0, 255, (24, 24, 3), np.uint8)
    if channels == 1:
        image[:] = image[:, :, :1]
    found = lime_cli.explain(
        model, image, activation="softmax", preprocess="unit", segmenter="grid", samples=64
    )
    pixels = torch.tensor(image.transpose(2, 0, 1)[None, :channels] / 255, dtype=torch.float32)
    expected = torch.softmax(model(pixels), 1)[0].tolist()
    assert found.record["outputs"] == pytest.approx(expected, abs=1e-6)


def test_a_torch_module_that_is_given_words_says_which_column_holds_them():
    _, model = network(lambda nn: nn.Linear(3, 2))
    with pytest.raises(lime_cli.LimexError, match="in column 'kind', which holds words"):
        lime_cli.explain(model, ROWS, row=4)


def keras_model(*layers):
    import os

    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    return keras.Sequential([one(keras.layers) for one in layers])


@pytest.mark.slow
def test_a_live_keras_model_predicts_tables_and_images():
    model = keras_model(lambda one: one.Input((3,)), lambda one: one.Dense(2, activation="softmax"))
    table = ROWS.assign(kind=(ROWS["kind"] == "a").astype(float))
    found = lime_cli.explain(model, table, row=4, samples=256)
    expected = model.predict(table.iloc[[4]].to_numpy("float32"), verbose=0)[0]
    assert found.record["outputs"] == pytest.approx(expected.tolist(), abs=1e-6)
    model = keras_model(
        lambda one: one.Input((16, 16, 3)),
        lambda one: one.Conv2D(4, 3),
        lambda one: one.GlobalAveragePooling2D(),
        lambda one: one.Dense(2, activation="softmax"),
    )
    image = RANDOM.integers(0, 255, (16, 16, 3), np.uint8)
    found = lime_cli.explain(model, image, preprocess="unit", segmenter="grid", samples=64)
    expected = model.predict((image[None] / 255).astype("float32"), verbose=0)[0]
    assert found.record["outputs"] == pytest.approx(expected.tolist(), abs=1e-6)


def language_model():
    """Return a tiny transformer for two classes and its tokenizer, untrained."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "wonderful", "boring", "film", "not"]
    held = Tokenizer(models.WordLevel({one: i for i, one in enumerate(words)}, "[UNK]"))
    held.pre_tokenizer = pre_tokenizers.Whitespace()
    held.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=held,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=8,
    )
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        id2label={0: "bad", 1: "good"},
        label2id={"bad": 0, "good": 1},
        initializer_range=1.0,
    )
    return transformers, transformers.BertForSequenceClassification(config).eval(), tokenizer


@pytest.mark.slow
def test_live_transformers_say_what_their_pipeline_says():
    transformers, model, tokenizer = language_model()
    pipeline = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    text = "not a wonderful film"
    expected = {one["label"]: one["score"] for one in pipeline(text, top_k=None)}
    for found in (
        lime_cli.explain(pipeline, text, samples=64),
        lime_cli.explain(model, text, tokenizer=tokenizer, samples=64),
    ):
        assert found.record["model"]["targets"] == ["bad", "good"]
        outputs = dict(zip(("bad", "good"), found.record["outputs"], strict=True))
        assert outputs == pytest.approx(expected, abs=1e-5)
        assert {one.name for one in found.weights} <= set(text.split())
    long = "a wonderful film " * 10
    cut = lime_cli.explain(model, long, tokenizer=tokenizer, each_position=True, samples=64)
    assert "text_cut" in dict(cut.coded_warnings)
    with pytest.raises(ModelError, match=r"its tokenizer; .*give tokenizer"):
        lime_cli.explain(model, text)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (3, "is an int, which cannot predict"),
        ({"model": 1}, "is a dict, which cannot predict"),
        (lime_cli.Explainer, "is the class Explainer"),
    ],
)
def test_what_is_no_model_is_told_so(thing, said):
    with pytest.raises(ModelError, match=said):
        lime_cli.explain(thing, ROWS, row=3)


def test_the_digest_of_a_function_is_that_of_its_source_and_what_it_closes_over():
    from lime_cli.models.python import digest_of_object

    def closing(over):
        return lambda rows: rows["size"].to_numpy() > over

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert digest_of_object(closing(1)) == digest_of_object(closing(1))
        assert digest_of_object(closing(1)) != digest_of_object(closing(2))
        assert digest_of_object(np.sum) != digest_of_object(np.mean)


def saved_language_model(folder, problem=None, n_labels=2, safe=True):
    """Save a tiny transformer; return its pipeline."""
    transformers, model, tokenizer = language_model()
    names = dict(enumerate(("bad", "good", "odd")[:n_labels]))
    model.config.update({"problem_type": problem, "id2label": names})
    model = transformers.BertForSequenceClassification(model.config).eval()
    model.save_pretrained(folder, safe_serialization=safe)
    tokenizer.save_pretrained(folder)
    return transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "n_labels", "safe"),
    [
        (None, 2, True),
        (None, 3, False),
        ("multi_label_classification", 3, True),
        ("regression", 1, True),
        (None, 1, True),
    ],
)
def test_a_folder_of_weights_says_what_its_pipeline_says(tmp_path, problem, n_labels, safe):
    pipeline = saved_language_model(tmp_path / "m", problem, n_labels, safe)
    model = ModelFile(str(tmp_path / "m")).load()
    texts = ["not a wonderful film", "boring", "a film not " * 9, "wonderful 😀", "فيلم"]
    for text in texts:
        expected = {
            one["label"]: one["score"] for one in pipeline(text, top_k=None, truncation=True)
        }
        found = model.predict([text])[0]
        if n_labels == 1:
            assert found[-1] == pytest.approx(expected["bad"], abs=1e-5)
        else:
            said = dict(zip(model.identity.targets, found.tolist(), strict=True))
            assert said == pytest.approx(expected, abs=1e-5)
    together = model.predict(texts)
    alone = np.concatenate([model.predict([one]) for one in texts])
    assert together == pytest.approx(alone, abs=1e-6, rel=1e-6)
    assert model.identity.format == "transformers"
    reading = model.input.reading(texts[2])
    assert (reading.n_tokens, reading.n_seen) == (29, 8)
    assert texts[2][slice(*reading.seen)] == "a film not a film not"


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "function"), [("regression", None), (None, "none")])
def test_a_pipeline_s_score_is_explained_as_itself(tmp_path, problem, function):
    """A score from 0 to 1 is no probability either where others lie beyond."""
    pipeline = saved_language_model(tmp_path / "m", problem, 1)
    if function:
        pipeline = type(pipeline)(
            task=pipeline.task,
            model=pipeline.model,
            tokenizer=pipeline.tokenizer,
            function_to_apply=function,
        )
    for text in ("not a wonderful film", "boring"):
        found = lime_cli.explain(pipeline, text, samples=64)
        assert found.prediction == pytest.approx(pipeline(text)[0]["score"], abs=1e-5)
        assert found.record["model"]["targets"] == ["bad"]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [5, 8])
def test_a_folder_of_weights_cuts_texts_where_it_is_told_to(tmp_path, limit):
    pipeline = saved_language_model(tmp_path / "m")
    model = ModelFile(str(tmp_path / "m"), max_tokens=limit).load()
    text = "a film not " * 9
    expected = pipeline(text, top_k=None, truncation=True, max_length=limit)
    found = dict(zip(model.identity.targets, model.predict([text])[0].tolist(), strict=True))
    assert found == pytest.approx({one["label"]: one["score"] for one in expected}, abs=1e-5)


@pytest.mark.slow
def test_a_folder_of_weights_sees_images_as_its_processor_does(tmp_path):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from PIL import Image

    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=8, initializer_range=0.5,
        id2label={0: "cat", 1: "dog", 2: "bird"},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    model.save_pretrained(tmp_path / "m")
    processor.save_pretrained(tmp_path / "m")
    image = Image.fromarray(RANDOM.integers(0, 255, (50, 70, 3), np.uint8))
    image.save(tmp_path / "a.png")
    logits = model(**processor(image, return_tensors="pt")).logits.detach().numpy()[0]
    expected = np.exp(logits) / np.exp(logits).sum()
    found = lime_cli.explain(
        str(tmp_path / "m"), str(tmp_path / "a.png"), modality="image", segmenter="grid", samples=32
    )
    assert found.record["model"]["targets"] == ["cat", "dog", "bird"]
    assert found.record["outputs"] == pytest.approx(expected.tolist(), abs=2e-3)


@pytest.mark.slow
def test_a_folder_of_weights_without_classes_is_refused(tmp_path):
    _, model, tokenizer = language_model()
    model.bert.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    with pytest.raises(ModelError, match="is BertModel, which does not tell classes apart"):
        ModelFile(str(tmp_path / "m")).load()


@pytest.mark.slow
def test_a_folder_of_weights_is_inspected(limex, tmp_path):
    saved_language_model(tmp_path / "m")
    found = limex("inspect", tmp_path / "m")
    assert found.code == 0, found.err
    assert "2: bad, good" in found.out
    assert "limex explain text" in found.out


@pytest.mark.slow
def test_a_tokenizer_that_has_nothing_to_pad_with_is_asked_text_by_text():
    _, model, tokenizer = language_model()
    text = "not a wonderful film a boring film"
    expected = lime_cli.explain(model, text, tokenizer=tokenizer, samples=64).record["outputs"]
    tokenizer.pad_token = None
    found = lime_cli.explain(model, text, tokenizer=tokenizer, samples=64).record["outputs"]
    assert found == pytest.approx(expected, abs=1e-6)


PROCESSORS = (
    "BeitImageProcessor", "BitImageProcessor", "CLIPImageProcessor", "ConvNextImageProcessor",
    "DeiTImageProcessor", "EfficientFormerImageProcessor", "EfficientNetImageProcessor",
    "LevitImageProcessor", "MobileNetV2ImageProcessor", "MobileViTImageProcessor",
    "PoolFormerImageProcessor", "PvtImageProcessor", "SegformerImageProcessor",
    "SiglipImageProcessor", "ViTHybridImageProcessor", "ViTImageProcessor",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSORS)
def test_an_image_processor_is_read_as_it_works(tmp_path, name):
    transformers = pytest.importorskip("transformers")
    from PIL import Image

    from lime_cli.images.modality import ImageModality
    from lime_cli.models.onnx.export import Export

    kind = getattr(transformers, name, None)
    if kind is None or kind.__module__.endswith("_fast"):
        pytest.skip("this version has only one that needs torchvision")
    grid = np.mgrid[:90, :140].sum(axis=0) / 9
    image = np.stack([np.sin(grid + i) * 120 + 128 for i in range(3)], axis=-1).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    for choices in ({}, {"do_normalize": False}, {"resample": 1}):
        processor = kind(**{**_small(kind), **choices})
        expected = processor(Image.fromarray(image), return_tensors="np")["pixel_values"][0]
        given = Export(processor=processor.to_dict()).pixels
        assert given is not None
        assert given.unread == ()
        modality = ImageModality((str(tmp_path / "a.png"),), segmenter="grid", given=given)
        sized = replace(modality, size=given.size)
        found = sized.read(next(sized.sources())).original()[0]
        assert np.abs(found - expected.transpose(1, 2, 0)).mean() < 0.01 * np.ptp(expected)


def _small(kind):
    """Return sides for an image processor as its own defaults spell them."""
    usual = kind()
    crop = getattr(usual, "crop_size", None)
    sides = {"shortest_edge": 48} if "shortest_edge" in usual.size else {"height": 48, "width": 48}
    return {"size": sides, **({"crop_size": {"height": 48, "width": 48}} if crop else {})}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": False}),
        ("bert", {"tokenizer_class": "DistilBertTokenizer", "strip_accents": False}),
        ("bert", {"tokenizer_class": "ElectraTokenizer", "tokenize_chinese_chars": False}),
        ("roberta", {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}),
        ("roberta", {"tokenizer_class": "GPTNeoXTokenizer", "truncation_side": "left"}),
    ],
)  # fmt: skip
def test_texts_become_the_tokens_of_the_transformers_library(tmp_path, kind, said):
    transformers = pytest.importorskip("transformers")
    if transformers.__version__.startswith("5"):
        pytest.skip("it makes tokenizers otherwise")
    import onnxruntime

    from tests.models.exports import export, softmax

    unknown = {"unk_token": "[UNK]" if kind == "bert" else "<unk>"}
    folder = export(tmp_path / "m", kind, tokens={"model_max_length": 12, **unknown, **said})
    owner = transformers.AutoTokenizer.from_pretrained(folder)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    texts = ["Great FILM", "naïve Café 電影", "a fantastic film but the ending was awful", "é"]
    expected = []
    for text in texts:
        ids = np.array([owner(text, truncation=True)["input_ids"]], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        expected.append(softmax(session.run(None, feeds)[0])[0])
    found = ModelFile(str(folder)).load().predict(texts)
    assert found == pytest.approx(np.array(expected), abs=1e-6)


class Searched(BaseEstimator):
    """A search for a model of either kind, with the methods of both."""

    def __init__(self, problem="regression"):
        self.problem = problem

    def fit(self, X, y):
        regresses = self.problem == "regression"
        self._estimator_type = "regressor" if regresses else "classifier"
        self.best_ = (Ridge() if regresses else LogisticRegression()).fit(X, y)
        self.classes_ = getattr(self.best_, "classes_", None)
        return self

    def predict(self, X):
        return self.best_.predict(X)

    def predict_proba(self, X):
        assert self.problem == "classification", "predict_proba() only for classification."
        return self.best_.predict_proba(X)


@pytest.mark.parametrize(
    ("problem", "wrapped"),
    [
        ("regression", lambda search: search),
        ("regression", lambda search: make_pipeline(StandardScaler(), search)),
        ("regression", lambda search: GridSearchCV(search, {}, scoring="r2", cv=2)),
        ("classification", lambda search: search),
    ],
    ids=["alone", "pipeline", "grid", "classifier"],
)
def test_a_model_of_either_kind_is_asked_as_what_it_calls_itself(problem, wrapped):
    numbers = ROWS[["size", "age"]]
    asked = 3.0 * ROWS["size"] - ROWS["age"] if problem == "regression" else LABELS
    model = wrapped(Searched(problem)).fit(numbers, asked)
    rows = numbers.iloc[[4, 9]]
    truth = model.predict(rows)[:, None] if problem == "regression" else model.predict_proba(rows)
    found = [one.record for one in lime_cli.explain(model, numbers, rows=[4, 9], samples=64)]
    assert np.array([one["outputs"] for one in found]) == pytest.approx(truth, rel=1e-9)
    assert {one["model"]["task"] for one in found} == {problem}
