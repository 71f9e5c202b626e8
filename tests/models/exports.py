"""Small text models in folders, as Hugging Face's exporters leave them, and what their owners say.

Every network looks up a vector for each token and for its place, bends their sum, takes the mean
over the tokens and ends in logits: enough for cuts, masks, places and padding to matter.
"""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

TEXTS = (
    "a great film",
    "a great film but the ending was awful and boring",
    "A",
    "...",
    "great 😀 film 👨‍👩‍👧 awful",
    "فيلم رائع جدا",
    "naïve café über film",
    "awful " * 120,
)

CORPUS = [
    "a great film but the ending was awful and boring",
    "the film was really awful, the actors were great",
    "not a bad film at all 😀 naïve café über",
    "فيلم رائع جدا ولم أندم",
] * 4

WIDTH = 8


def wordpiece():
    """A tokenizer like BERT's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def byte_pairs():
    """A tokenizer like RoBERTa's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def unigram():
    """A tokenizer like those of XLM-R and T5."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return made


KINDS = {"bert": wordpiece, "roberta": byte_pairs, "xlnet": unigram}


@cache
def trained(kind):
    """Return a tokenizer as JSON: training breaks ties by chance."""
    return KINDS[kind]().to_str()


def graph(
    path,
    n_words,
    n_labels=3,
    names=("input_ids", "attention_mask"),
    positions=64,
    offset=0,
    masked=True,
    shape=("batch", "sequence"),
    table="embeddings.position_embeddings.weight",
):
    """Write a network whose inputs are ``names``: ids first, then whatever takes a mask."""
    rng = np.random.default_rng(7)
    weights = {
        "embeddings.word_embeddings.weight": rng.normal(size=(n_words, WIDTH)),
        table: rng.normal(size=(positions, WIDTH)),
        "classifier.weight": rng.normal(size=(WIDTH, n_labels)),
    }
    kept = [numpy_helper.from_array(one.astype(np.float32), name) for name, one in weights.items()]
    whole = {
        "zero": 0, "one": 1, "offset": offset, "axis1": [1], "axis2": [2], "second": 1,
    }  # fmt: skip
    kept += [numpy_helper.from_array(np.array(one, np.int64), name) for name, one in whole.items()]
    node = helper.make_node
    nodes = [
        node("Gather", ["embeddings.word_embeddings.weight", names[0]], ["words"]),
        node("Shape", [names[0]], ["size"]),
        node("Gather", ["size", "second"], ["length"]),
        node("Range", ["zero", "length", "one"], ["counted"]),
        node("Add", ["counted", "offset"], ["own_places"]),
    ]
    placed = next((name for name in names if "pos" in name), "own_places")
    nodes += [
        node("Gather", [table, placed], ["places"]),
        node("Add", ["words", "places"], ["sum"]),
        node("Tanh", ["sum"], ["bent"]),
    ]
    mask = next((name for name in names if "mask" in name), None)
    if mask and masked:
        nodes += [
            node("Cast", [mask], ["share"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["share", "axis2"], ["shares"]),
            node("Mul", ["bent", "shares"], ["kept"]),
            node("ReduceSum", ["kept", "axis1"], ["total"], keepdims=0),
            node("ReduceSum", ["shares", "axis1"], ["count"], keepdims=0),
            node("Div", ["total", "count"], ["pooled"]),
        ]
    else:
        nodes.append(node("ReduceMean", ["bent"], ["pooled"], axes=[1], keepdims=0))
    nodes.append(node("MatMul", ["pooled", "classifier.weight"], ["logits"]))
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64, shape[:1] if "length" in name else shape
        )
        for name in names
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [shape[0], n_labels])
    made = helper.make_graph(nodes, "g", inputs, [logits], kept)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(model.SerializeToString())
    return str(path)


def export(folder, kind="bert", place="", config=(), tokens=(), change=None, **choices):
    """Write a whole export; return its folder. ``change`` is given the tokenizer."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(trained(kind))
    if change is not None:
        change(tokenizer)
    behind = 2 if kind == "roberta" else 0
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    choices.setdefault("offset", behind)
    choices.setdefault("positions", 64 + behind)
    n_labels = choices.setdefault("n_labels", 3)
    graph(folder / place / "model.onnx", tokenizer.get_vocab_size(), **choices)
    said = {
        "model_type": kind,
        "architectures": [f"{kind.title()}ForSequenceClassification"],
        "id2label": {str(i): name for i, name in enumerate("abcdef"[:n_labels])},
        "max_position_embeddings": choices["positions"],
        "pad_token_id": 1 if behind else 0,
        **dict(config),
    }
    (folder / "config.json").write_text(json.dumps({k: v for k, v in said.items() if v != ""}))
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(tokens)))
    return folder


def logits(folder, texts, limit=64, place="", **fed):
    """What tokenizers and onnxruntime say of each text alone; ``fed`` names further inputs."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if limit != 64 or tokenizer.truncation is None:
        tokenizer.enable_truncation(limit)
    session = onnxruntime.InferenceSession(str(folder / place / "model.onnx"))
    found = []
    for text in texts:
        one = tokenizer.encode(text)
        rows = {"ids": one.ids, "mask": one.attention_mask, "types": one.type_ids}
        names = fed or {
            each.name: {"input_ids": "ids", "attention_mask": "mask"}.get(each.name, "types")
            for each in session.get_inputs()
        }
        feeds = {name: np.array([rows[part]], np.int64) for name, part in names.items()}
        found.append(session.run(None, feeds)[0][0])
    return np.array(found, np.float64)


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
