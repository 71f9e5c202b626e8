"""Text models in folders: the same numbers as their own tokenizer and onnxruntime give."""

import json

import numpy as np
import pytest

from lime_cli.errors import InputError, MissingDependency, ModelError, SettingsError
from lime_cli.models.model_file import ModelFile, located
from lime_cli.models.onnx.export import Export
from lime_cli.sources import Source
from lime_cli.texts.modality import TextModality
from tests.models import exports
from tests.models.exports import TEXTS, export, logits, softmax

pytest.importorskip("tokenizers")


@pytest.mark.parametrize("place", ["", "onnx"])
@pytest.mark.parametrize("kind", exports.KINDS)
def test_a_folder_is_a_model_that_answers_as_its_owner_s_tools_do(tmp_path, kind, place):
    folder = export(tmp_path / "m", kind, place)
    model = ModelFile(str(folder)).load()
    expected = softmax(logits(folder, TEXTS, place=place))
    assert model.predict(list(TEXTS)) == pytest.approx(expected, abs=1e-6)
    assert model.identity.targets == ("a", "b", "c")
    assert dict(model.identity.options)["activation"] == "softmax"
    assert model.probabilities
    assert model.warnings == ()


def test_the_graph_of_a_folder_named_by_itself_finds_what_lies_beside_it(tmp_path):
    folder = export(tmp_path / "m", place="onnx")
    graph = ModelFile(str(folder / "onnx" / "model.onnx")).load()
    named = ModelFile(str(folder / "onnx" / "model.onnx"), tokenizer=str(folder)).load()
    expected = softmax(logits(folder, TEXTS, place="onnx"))
    for model in (graph, named):
        assert model.predict(list(TEXTS)) == pytest.approx(expected, abs=1e-6)
        assert model.identity.targets == ("a", "b", "c")


@pytest.mark.parametrize(
    ("config", "n_labels", "names", "read"),
    [
        ({"problem_type": "multi_label_classification"}, 3, ("a", "b", "c"), "sigmoid"),
        (
            {"architectures": ["RobertaForMultiLabelSequenceClassification"]},
            3,
            ("a", "b", "c"),
            "sigmoid",
        ),
        ({"problem_type": "regression"}, 1, ("a",), "none"),
        (
            {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
            1,
            ("a",),
            "none",
        ),
        (
            {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
            1,
            ("a",),
            "none",
        ),
        (
            {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}},
            1,
            ("not a", "a"),
            "one",
        ),
        (
            {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
            3,
            ("a", "b", "c"),
            "softmax",
        ),
        ({"function_to_apply": "sigmoid"}, 3, ("a", "b", "c"), "softmax"),
        ({}, 1, ("not a", "a"), "one"),
        ({"id2label": ""}, 2, ("LABEL_0", "LABEL_1"), "softmax"),
        ({"architectures": ["BertModel"], "id2label": ""}, 2, ("0", "1"), "none"),
    ],
)
def test_the_problem_type_says_what_becomes_of_logits(tmp_path, config, n_labels, names, read):
    folder = export(tmp_path / "m", config=config, n_labels=n_labels)
    model = ModelFile(str(folder)).load()
    values, raw = model.predict(list(TEXTS)), logits(folder, TEXTS)
    chance = 1 / (1 + np.exp(-raw))
    expected = {
        "softmax": softmax(raw),
        "sigmoid": chance,
        "none": raw,
        "one": np.hstack([1 - chance, chance]),
    }
    assert values == pytest.approx(expected[read], abs=1e-6)
    assert model.identity.targets == names


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"id2label": {"0": "LABEL_0"}}, True),
        ({"id2label": "", "num_labels": 1}, True),
        ({}, False),
        ({"id2label": {"0": "LABEL_0"}, "problem_type": "multi_label_classification"}, False),
        (
            {
                "id2label": {"0": "LABEL_0"},
                "sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"},
            },
            False,
        ),
    ],
)
def test_a_score_that_means_nothing_may_be_no_probability(tmp_path, config, said):
    """A reward model's configuration says as little as a classifier's of one label."""
    folder = export(tmp_path / "m", config=config, n_labels=1)
    model = ModelFile(str(folder)).load()
    assert model.predict(list(TEXTS)).shape == (len(TEXTS), 2)
    assert ["--activation none" in one.message for one in model.warnings] == [True] * said
    model = ModelFile(str(folder), activation="none").load()
    assert model.predict(list(TEXTS)) == pytest.approx(logits(folder, TEXTS), abs=1e-5)
    assert (len(model.identity.targets), model.warnings) == (1, ())


def test_what_is_typed_wins_over_what_the_folder_says(tmp_path):
    folder = export(tmp_path / "m")
    model = ModelFile(str(folder), activation="none", classes=("x", "y", "z")).load()
    assert model.predict(list(TEXTS)) == pytest.approx(logits(folder, TEXTS), abs=1e-5)
    assert model.identity.targets == ("x", "y", "z")


@pytest.mark.parametrize(
    ("kind", "choices", "limit"),
    [
        ("bert", {"tokens": {"model_max_length": 16}}, 16),
        ("bert", {"tokens": {"model_max_length": 1e30}}, 64),
        ("roberta", {}, 64),
        ("bert", {"change": lambda one: one.enable_truncation(12)}, 12),
        ("bert", {"change": lambda one: one.enable_truncation(12),
                  "tokens": {"model_max_length": 20}}, 20),
        ("bert", {"config": {"max_position_embeddings": ""}}, 64),
        ("bert", {"config": {"max_position_embeddings": ""}, "positions": 48}, 48),
        ("bert", {"shape": ("batch", 20)}, 20),
        ("bert", {"shape": (1, 20)}, 20),
        ("bert", {"config": {"position_biased_input": False},
                  "tokens": {"model_max_length": 30}}, 30),
    ],
)  # fmt: skip
def test_texts_are_cut_where_their_owner_would_cut_them(tmp_path, kind, choices, limit):
    folder = export(tmp_path / "m", kind, **choices)
    model = ModelFile(str(folder)).load()
    assert model.input.max_tokens == limit
    if "shape" not in choices:
        expected = softmax(logits(folder, TEXTS, limit))
        assert model.predict(list(TEXTS)) == pytest.approx(expected, abs=1e-6)
    shorter = ModelFile(str(folder), max_tokens=9).load()
    if "shape" not in choices and "change" not in choices:
        expected = softmax(logits(folder, TEXTS, 9))
        assert shorter.predict(list(TEXTS)) == pytest.approx(expected, abs=1e-6)


def bert_said(**said):
    return {"tokenizer_class": "BertTokenizer", **said}


def normalized(**choices):
    from tokenizers import normalizers

    return lambda one: setattr(one, "normalizer", normalizers.BertNormalizer(**choices))


def spaced(one):
    from tokenizers import pre_tokenizers

    one.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)


def marked(one):
    from tokenizers import processors

    numbers = [("</s>", one.token_to_id("</s>"))]
    one.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=numbers)


def unmarked(one):
    from tokenizers import processors

    one.post_processor = processors.TemplateProcessing("$A", special_tokens=[])


CONFIGURED = {
    "case kept": ("bert", bert_said(do_lower_case=False), normalized(lowercase=False)),
    "accents kept": (
        "bert", bert_said(strip_accents=False), normalized(strip_accents=False, lowercase=True),
    ),
    "Chinese together": (
        "bert", bert_said(tokenize_chinese_chars=False),
        normalized(handle_chinese_chars=False, lowercase=True),
    ),
    "of no kind": (
        "bert", {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False},
        lambda one: None,
    ),
    "a blank before": ("roberta", {"add_prefix_space": True}, spaced),
    "Chinese of MPNet": (
        "bert", {"tokenizer_class": "MPNetTokenizer", "tokenize_chinese_chars": False,
                 "do_lower_case": True},
        lambda one: None,
    ),
    "no mark": ("roberta", {"tokenizer_class": "GPTNeoXTokenizer"}, unmarked),
    "an end and no beginning": (
        "roberta",
        {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False, "add_eos_token": True},
        marked,
    ),
    "a token more": (
        "bert", {"added_tokens_decoder": {"3": {"content": "[SEP]", "special": True},
                                          "119": {"content": "fantastic", "normalized": True}}},
        lambda one: one.add_tokens(["fantastic"]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONFIGURED)
def test_a_tokenizer_is_changed_where_its_configuration_says_otherwise(tmp_path, kind):
    tokenizer, said, change = CONFIGURED[kind]
    texts = ["Great FILM", "naïve Café 電影 was", "a fantastic film", "film"]
    folder = export(tmp_path / "said", tokenizer, tokens={"model_max_length": 60, **said})
    same = export(tmp_path / "same", tokenizer, change=change, tokens={"model_max_length": 60})
    (folder / "model.onnx").write_bytes((same / "model.onnx").read_bytes())
    expected = softmax(logits(same, texts, 60))
    assert ModelFile(str(folder)).load().predict(texts) == pytest.approx(expected, abs=1e-6)


def test_too_few_tokens_are_refused(limex, tmp_path):
    folder = export(tmp_path / "m")
    with pytest.raises(SettingsError, match=r"--max-tokens 2: the tokenizer adds 2.*give 3"):
        ModelFile(str(folder), max_tokens=2).load()
    words = ("explain", "text", folder, "--text", "a film", "--max-tokens", 2)
    assert limex(*words).code == 2


def instance(folder, text, **choices):
    modality = TextModality(text=text, **choices)
    model = ModelFile(str(folder)).load()
    return modality.fitted(model.input).read(Source("--text", "--text")), model


def test_words_that_the_model_never_sees_are_skipped_and_said(tmp_path):
    folder = export(tmp_path / "m", tokens={"model_max_length": 12})
    text = "the film " * 5 + "was really awful and boring"
    found, model = instance(folder, text)
    assert {one.name for one in found.components} == {"the", "film"}
    assert [one.name for one in found.skipped] == ["was", "really", "awful", "and", "boring"]
    (warning,) = found.warnings
    assert warning.code == "text_cut"
    assert "the model gets 12 and does not see the text after 'film'" in warning.message
    assert "--max-tokens" in warning.message
    masks = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    samples = list(found.model_inputs(masks))
    assert all("awful" not in one and "was" not in one for one in samples)
    assert model.predict(samples)[0] == pytest.approx(model.predict([text])[0], abs=1e-6)


def test_a_word_that_is_cut_in_the_middle_is_seen(tmp_path):
    folder = export(tmp_path / "m", tokens={"model_max_length": 6})
    text = "a great filmwasgreat boring boring"
    found, model = instance(folder, text)
    assert [one.name for one in found.components] == ["a", "great", "filmwasgreat"]
    whole = found.model_inputs(np.ones((1, 3), int))
    assert model.predict(list(whole)) == pytest.approx(model.predict([text]), abs=1e-6)


def test_a_text_cut_on_its_left_is_seen_from_its_end(tmp_path):
    folder = export(tmp_path / "m", change=lambda one: one.enable_truncation(7, direction="left"))
    found, _ = instance(folder, "boring boring boring a great film was awful")
    assert [one.name for one in found.components] == ["a", "great", "film", "was", "awful"]
    assert [one.name for one in found.skipped] == ["boring"]
    assert "before 'a'" in found.warnings[0].message


def test_many_unseen_words_are_one_line(tmp_path):
    folder = export(tmp_path / "m", tokens={"model_max_length": 6})
    text = "a great film was " + " ".join(f"word{i}" for i in range(300))
    found, _ = instance(folder, text)
    (skipped,) = found.skipped
    assert skipped.name == f"characters 16-{len(text)}"


def test_stretches_of_a_long_text_are_those_that_the_model_sees(tmp_path):
    folder = export(tmp_path / "m")
    text = ". ".join(f"the film was {i} great" for i in range(100))
    found, _ = instance(folder, text, unit="auto", merge_repeats=False)
    ends = [span[1] for one in found.components for span in one.where.spans]
    assert max(ends) < 400 < len(text)
    assert {one.code for one in found.warnings} == {"text_cut"}


def test_a_text_that_fits_says_nothing(tmp_path):
    folder = export(tmp_path / "m", tokens={"model_max_length": 12})
    found, _ = instance(folder, "a great film")
    assert (found.warnings, found.skipped, "seen" in found.subject.facts) == ((), (), False)


@pytest.mark.parametrize(
    "names",
    [
        ("ids", "mask"),
        ("input_ids", "input_mask", "segment_ids"),
        ("input_word_ids:0", "input_mask:0", "input_type_ids:0"),
        ("input_ids", "attention_mask", "position_ids"),
        ("tokens",),
        ("anything",),
        ("input_ids", "lengths"),
        ("text", "text_lengths"),
        ("sequence", "attention_mask"),
    ],
)
def test_inputs_are_filled_by_the_names_in_use(tmp_path, names):
    folder = export(tmp_path / "m", names=names)
    plain = export(tmp_path / "plain", names=("input_ids", "attention_mask"))
    model = ModelFile(str(folder)).load()
    expected = softmax(logits(plain, TEXTS))
    assert model.predict(list(TEXTS)) == pytest.approx(expected, abs=1e-6)


def test_an_input_that_no_tokenizer_fills_is_named(tmp_path):
    folder = export(tmp_path / "m", names=("input_ids", "speaker"))
    with pytest.raises(ModelError, match=r"does not fill its input 'speaker'.*py:module"):
        ModelFile(str(folder)).load()


def test_the_places_of_a_model_like_roberta_begin_behind_its_padding(tmp_path):
    names = ("input_ids", "attention_mask", "position_ids")
    folder = export(tmp_path / "m", "roberta", names=names)
    plain = export(tmp_path / "plain", "roberta")
    expected = softmax(logits(plain, TEXTS))
    assert ModelFile(str(folder)).load().predict(list(TEXTS)) == pytest.approx(expected, abs=1e-6)


def test_folders_that_hold_no_model_or_several_say_what_to_do(limex, tmp_path):
    with pytest.raises(ModelError, match=r"a folder with a model\.onnx"):
        located(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "vocab.txt").write_text("a")
    with pytest.raises(ModelError, match=r"weights .* without their config\.json; copy it"):
        located(str(tmp_path))
    folder = export(tmp_path / "m")
    (folder / "model.onnx").rename(folder / "one.onnx")
    assert located(str(folder)) == str(folder / "one.onnx")
    (folder / "two.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"holds 2 models; name one of them: one\.onnx, two\.onnx"):
        located(str(folder))
    assert limex("inspect", tmp_path / "m").code == 4
    assert limex("explain", "text", tmp_path, "--text", "a").code == 4


def test_a_tokenizer_that_is_not_one_file_is_named_with_the_line_that_saves_it(tmp_path):
    folder = export(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_text("a")
    with pytest.raises(SettingsError, match=r"spiece\.model is not enough.*save_pretrained"):
        ModelFile(str(folder)).load()
    (folder / "spiece.model").unlink()
    with pytest.raises(SettingsError, match="name its tokenizer with --tokenizer"):
        ModelFile(str(folder)).load()


def older(folder, kind):
    """Put the vocabulary in the place of an export's tokenizer.json; return its first file."""
    from tokenizers import Tokenizer

    Tokenizer.from_file(str(folder / "tokenizer.json")).model.save(str(folder))
    (folder / "tokenizer.json").rename(folder.parent / "kept.json")
    return folder / ("vocab.txt" if kind == "bert" else "vocab.json")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    ("kind", "config"),
    [("bert", {}), ("bert", {"model_type": "distilbert"}), ("bert", {"model_type": ""}),
     ("roberta", {})],
)  # fmt: skip
def test_a_vocabulary_makes_the_tokenizer_that_it_was_saved_from(tmp_path, kind, config, named):
    folder = export(tmp_path / "m", kind, config=config)
    expected = softmax(logits(folder, TEXTS))
    vocabulary = older(folder, kind)
    model = ModelFile(str(folder), tokenizer=str(vocabulary) if named else None).load()
    assert model.predict(list(TEXTS)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("tokens", "same"), [({"do_lower_case": False}, False), ({"do_lower_case": True}, True)]
)
def test_a_vocabulary_is_read_as_its_configuration_says(tmp_path, tokens, same):
    folder = export(tmp_path / "m", tokens=tokens)
    older(folder, "bert")
    found = ModelFile(str(folder)).load().predict(["A GREAT Film", "a great film"])
    assert (found[0] == pytest.approx(found[1])) is same


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("bert", {"model_type": "mpnet"}, r"vocab\.txt is not enough"),
        ("roberta", {"model_type": "clip"}, r"vocab\.json is not enough"),
    ],
)
def test_a_vocabulary_of_another_kind_is_not_guessed(tmp_path, kind, config, words):
    folder = export(tmp_path / "m", kind, config=config)
    older(folder, kind)
    with pytest.raises(SettingsError, match=words):
        ModelFile(str(folder)).load()


@pytest.mark.parametrize("content", ["a\nb\n", "", "\ud800"])
def test_a_damaged_vocabulary_is_named(tmp_path, content):
    folder = export(tmp_path / "m")
    older(folder, "bert").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"vocab\.txt: is not a vocabulary"):
        ModelFile(str(folder)).load()


def test_a_damaged_configuration_is_named(tmp_path):
    folder = export(tmp_path / "m")
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: is damaged"):
        ModelFile(str(folder)).load()


def test_a_configuration_of_something_else_says_nothing(tmp_path):
    folder = export(tmp_path / "m")
    (folder / "config.json").write_text('{"port": 8080, "max_position_embeddings": 3}')
    model = ModelFile(str(folder)).load()
    assert model.input.max_tokens == 64
    assert model.predict(list(TEXTS)) == pytest.approx(logits(folder, TEXTS), abs=1e-5)


def test_names_with_gaps_are_no_names():
    assert Export(config={"id2label": {"0": "a", "2": "c"}}).classes is None
    assert Export(config={"id2label": {"1": "b", "0": "a"}}).classes == ("a", "b")
    assert Export(config={"id2label": ["a"]}).classes is None
    assert Export(config={"label2id": {"b": 1, "a": 0}}).classes == ("a", "b")
    assert Export(config={"label2id": {"b": 1, "a": 1}}).classes is None
    assert Export(config={"label2id": {"b": 1, "a": [0]}}).classes is None


def test_a_folder_is_explained_and_inspected_on_the_command_line(limex, tmp_path):
    folder = export(tmp_path / "m", place="onnx", tokens={"model_max_length": 8})
    words = ("explain", "text", folder, "--text", "the film was great and awful really")
    words = (*words, "--target", "b", "--samples", 64, "-f", "json")
    record = json.loads(limex(*words).out)
    assert record["model"]["targets"] == ["a", "b", "c"]
    assert record["model"]["options"]["activation"] == "softmax"
    assert record["warnings"][0]["code"] == "text_cut"
    assert record["instance"]["facts"]["seen"] == [0, len("the film was great and awful")]
    raw = logits(folder, ["the film was great and awful really"], 8, place="onnx")
    prediction = record["targets"][0]["model_prediction"]
    assert prediction == pytest.approx(softmax(raw)[0, 1], abs=1e-6)


def test_inspect_writes_what_it_found_so_that_explain_needs_nothing_else(limex, tmp_path):
    folder = export(tmp_path / "m", tokens={"model_max_length": 8})
    done = limex("inspect", folder, "--write-config")
    assert done.code == 0, done.out
    assert "limex explain text" in done.out
    said = (folder / "model.onnx.toml").read_text()
    assert 'tokenizer = "tokenizer.json"' in said
    assert 'activation = "softmax"' in said
    assert "max-tokens = 8" in said
    assert 'classes = ["a", "b", "c"]' in said
    done = limex("explain", "text", folder, "--text", "a film", "--samples", 20, "-f", "json")
    assert json.loads(done.out)["model"]["targets"] == ["a", "b", "c"]


def test_inspect_keeps_a_tokenizer_that_was_named(limex, tmp_path):
    folder = export(tmp_path / "m")
    (folder / "tokens").mkdir()
    (folder / "tokenizer.json").rename(folder / "tokens" / "t.json")
    named = folder / "tokens" / "t.json"
    assert limex("inspect", folder, "--tokenizer", named, "--write-config").code == 0
    assert 'tokenizer = "tokens/t.json"' in (folder / "model.onnx.toml").read_text()
    assert limex("explain", "text", folder, "--text", "a film", "--samples", 20).code == 0


GRAPHS = {
    "masked": {},
    "no mask": {"names": ("input_ids",)},
    "a mask of which no notice is taken": {"masked": False},
    "token types": {"names": ("input_ids", "attention_mask", "token_type_ids")},
    "fixed padding": {
        "names": ("input_ids",), "change": lambda one: one.enable_padding(length=24),
    },
    "padding to eights": {
        "names": ("input_ids",), "change": lambda one: one.enable_padding(pad_to_multiple_of=8),
    },
    "left padding": {"masked": False, "change": lambda one: one.enable_padding(direction="left")},
    "fixed length": {"shape": ("batch", 24)},
    "fixed batch": {"shape": (4, 24)},
    "one at a time": {"shape": (1, "sequence")},
}  # fmt: skip


@pytest.mark.parametrize("kind", GRAPHS)
def test_what_a_text_is_answered_does_not_depend_on_what_is_beside_it(tmp_path, kind):
    folder = export(tmp_path / "m", **GRAPHS[kind])
    texts = [" ".join(text.split()[:n]) for text in TEXTS for n in range(1, 12)]
    model = ModelFile(str(folder)).load()
    alone = np.concatenate([model.predict([text]) for text in texts])
    assert model.predict(texts) == pytest.approx(alone, abs=1e-6)
    assert model.predict(texts[::-1])[::-1] == pytest.approx(alone, abs=1e-6)
    assert model.warnings == ()


def test_padding_that_the_tokenizer_s_file_asks_for_is_kept(tmp_path):
    names = ("input_ids",)
    folder = export(tmp_path / "m", names=names, change=lambda one: one.enable_padding(length=24))
    expected = softmax(logits(folder, ["a great film"]))
    bare = softmax(logits(export(tmp_path / "bare", names=names), ["a great film"]))
    model = ModelFile(str(folder)).load()
    assert model.predict(["a great film"]) == pytest.approx(expected, abs=1e-6)
    assert abs(expected - bare).max() > 0.05


def explained(limex, folder, text, *more):
    words = ("explain", "text", folder, "--text", text, "--samples", 128, "-f", "json", *more)
    done = limex(*words)
    assert done.code == 0, done.err
    return {one["name"]: one["weight"] for one in json.loads(done.out)["targets"][0]["components"]}


@pytest.mark.parametrize("kind", ["masked", "no mask", "a mask of which no notice is taken"])
def test_the_size_of_a_batch_changes_no_weight(limex, tmp_path, kind):
    folder = export(tmp_path / "m", **GRAPHS[kind])
    text = "a great film but the ending was awful and boring"
    alone = explained(limex, folder, text, "--batch-size", 1)
    for more in ((), ("--batch-size", 7)):
        assert explained(limex, folder, text, *more) == pytest.approx(alone, abs=1e-6)


@pytest.fixture
def calls(monkeypatch):
    """Note the shape of the ids in every call of a session."""
    from lime_cli.models.onnx.session import Session

    found = []
    predict = Session._get

    def noted(self, output, feeds):
        found.append(feeds["input_ids"].shape)
        return predict(self, output, feeds)

    monkeypatch.setattr(Session, "_get", noted)
    return found


@pytest.mark.parametrize("names", [("input_ids", "attention_mask"), ("input_ids",)])
def test_calls_hold_about_a_thousand_tokens_and_hardly_any_padding(tmp_path, calls, names):
    folder = export(tmp_path / "m", names=names, positions=600)
    rng = np.random.default_rng(0)
    words = ["the", "film", "was", "great"]
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(1, 500, 256)]
    model = ModelFile(str(folder)).load()
    model.predict(texts[:2])
    calls.clear()
    model.predict(texts)
    sizes = [n * length for n, length in calls]
    tokens = sum(len(text.split()) + 2 for text in texts)
    assert max(sizes) <= 1_024
    assert sum(sizes) <= 1.05 * tokens
    if len(names) == 2:
        assert len(calls) < 128


def test_few_texts_of_different_lengths_are_not_padded_to_the_longest(tmp_path, calls):
    model = ModelFile(str(export(tmp_path / "m", positions=600))).load()
    texts = [" ".join(["film"] * n) for n in (48, 118, 248, 398, 498)]
    model.predict(texts[:2])
    calls.clear()
    model._predict_once(texts)
    assert calls == [(1, 50), (1, 120), (1, 250), (1, 400), (1, 500)]


def test_memory_for_the_inputs_of_a_call_is_counted_in_tokens_times_width(tmp_path):
    folder = export(tmp_path / "m", config={"hidden_size": 1_000})
    found, _ = instance(folder, "a great film")
    assert found.input_bytes == 5 * 1_000 * 4
    found, _ = instance(export(tmp_path / "n", config={}), "great " * 300)
    assert found.input_bytes >= 64 * exports.WIDTH * 4


def test_a_text_that_is_too_long_for_a_graph_that_does_not_say_it(limex, tmp_path):
    folder = export(
        tmp_path / "m", config={"max_position_embeddings": ""}, positions=40, table="places.w"
    )
    model = ModelFile(str(folder)).load()
    assert model.input.max_tokens is None
    done = limex("explain", "text", folder, "--text", "great " * 60)
    assert done.code == 4
    assert "texts of 62 tokens may be too long for it: --max-tokens 512, say" in done.err
    assert done.err.count("\n") == 1
    assert explained(limex, folder, "great film " * 30, "--max-tokens", 40)


def test_a_batch_is_not_continued_with_another_tokenizer(limex, tmp_path):
    folder = export(tmp_path / "m")
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "in" / name).write_text("a great film")
    words = ("explain", "text", folder, tmp_path / "in", "--samples", 16, "-o", tmp_path / "out")
    assert limex(*words).code == 0
    assert limex(*words).code == 0
    config = json.loads((folder / "config.json").read_text())
    other = {**config, "id2label": {"0": "x", "1": "y", "2": "z"}}
    (folder / "config.json").write_text(json.dumps(other))
    done = limex(*words)
    assert done.code == 5
    assert "config.json" in done.err


def test_weights_of_the_transformers_library_say_how_to_export_them(tmp_path, monkeypatch):
    import zipfile

    folder = tmp_path / "bert"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    for name in ("pytorch_model.bin", "model.safetensors"):
        path = str(folder / name)
        with pytest.raises(ModelError) as caught:
            ModelFile(path).load()
        assert "optimum-cli" not in str(caught.value)
    (folder / "config.json").write_text("{}")
    import lime_cli.models.checkpoints as checkpoints

    monkeypatch.setattr(checkpoints, "find_spec", lambda name: None)
    said = r"limex\[transformers\].*optimum-cli export onnx --model .*bert .*bert-onnx"
    for path in (folder, folder / "pytorch_model.bin", folder / "model.safetensors"):
        with pytest.raises(MissingDependency, match=said):
            ModelFile(str(path), threads=2).load()


@pytest.mark.parametrize("axis", ["sequence", "other"])
def test_numbers_for_each_token_are_called_that(tmp_path, axis):
    from onnx import TensorProto, helper

    folder = export(tmp_path / "m")
    node = helper.make_node("Cast", ["input_ids"], ["start_logits"], to=TensorProto.FLOAT)
    ends = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"]),
        helper.make_tensor_value_info("start_logits", TensorProto.FLOAT, ["batch", axis]),
    ]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="gives numbers for each token, not for the text"):
        ModelFile(str(folder)).load().predict(["a good film", "a film that was not so good"])


def test_a_pipeline_of_spacy_is_called_that(tmp_path):
    for name in ("config.cfg", "meta.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=r"is a spaCy pipeline; .*doc\.cats for doc in nlp\.pipe"):
        ModelFile(str(tmp_path)).load()


def test_a_sidecar_names_no_file_outside_its_folder(limex, tmp_path):
    folder = export(tmp_path / "m", place="onnx")
    assert limex("inspect", folder, "--write-config").code == 0
    said = (folder / "onnx" / "model.onnx.toml").read_text()
    assert "tokenizer" not in said
    assert 'activation = "softmax"' in said
    assert limex("explain", "text", folder, "--text", "a film", "--samples", 20).code == 0
    (folder / "tokenizer.json").rename(tmp_path / "t.json")
    named = ("--tokenizer", tmp_path / "t.json")
    assert limex("inspect", folder, *named, "--write-config", "--force").code == 0
    assert '# tokenizer = "../../t.json"' in (folder / "onnx" / "model.onnx.toml").read_text()
    words = ("explain", "text", folder, "--text", "a film", "--samples", 20)
    assert limex(*words, *named).code == 0


def test_weights_alone_are_called_what_they_are_whatever_their_length(tmp_path):
    for n in (40, 120, 93, 95, 128):  # the first byte of some is one of a pickle's
        head = b'{"__metadata__":{"format":"pt"}}'.ljust(n)
        (tmp_path / "w.safetensors").write_bytes(n.to_bytes(8, "little") + head)
        with pytest.raises(ModelError, match="is a safetensors file: weights without a model"):
            ModelFile(str(tmp_path / "w.safetensors"), threads=n).load()


def test_a_vocabulary_of_an_own_program_is_no_tokenizer_of_transformers(tmp_path):
    folder = export(tmp_path / "m")
    for one in [*folder.glob("*token*.json"), folder / "config.json"]:
        one.unlink()
    (folder / "vocab.json").write_text(json.dumps({"a": 1, "great": 2, "film": 3}))
    with pytest.raises(SettingsError) as caught:
        ModelFile(str(folder / "model.onnx")).load()
    assert "vocab.json does not say how texts are split" in caught.value.hint
    assert "py:module:function" in caught.value.hint
    assert "AutoTokenizer" not in caught.value.hint
