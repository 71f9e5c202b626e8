"""Tokenizers as the transformers library makes them: of a ``tokenizer.json`` with what
``tokenizer_config.json`` says otherwise, and of the vocabularies of older exports, ``vocab.txt`` of
BERT and its kind, ``vocab.json`` with ``merges.txt`` of GPT-2 and RoBERTa.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lime_cli.errors import InputError
from lime_cli.files import from_json
from lime_cli.models.onnx.export import Export

WORDS, PIECES, MERGES = "vocab.txt", "vocab.json", "merges.txt"

LIKE_BERT = (
    "", "bert", "distilbert", "electra", "mobilebert", "squeezebert", "convbert", "layoutlm",
    "tinybert", "nystromformer",
)  # fmt: skip
"""Kinds of models whose ``vocab.txt`` holds word pieces of BERT's kind."""

LIKE_ROBERTA = ("roberta", "longformer", "bart", "led", "ibert", "data2vec-text")
"""Kinds of models that put marks around a text of GPT-2's byte pairs."""

LIKE_GPT2 = ("gpt2", "gpt_neo", "gptj")

GENERIC = ("", "PreTrainedTokenizer", "PreTrainedTokenizerFast")
"""Classes of tokenizers that leave the normalizer as it is."""

OF_WORDS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
"""Keys of tokenizer_config.json, and what BERT's normalizer calls them."""

AS_JSON_CHINESE = (
    "MPNetTokenizer", "RoFormerTokenizer", "LayoutLMv2Tokenizer", "SplinterTokenizer",
)  # fmt: skip
"""Classes that take no notice of ``tokenize_chinese_chars``."""

MARKED = {
    "LlamaTokenizer": True,
    "CodeLlamaTokenizer": True,
    "GemmaTokenizer": True,
    "CohereTokenizer": True,
    "GPTNeoXTokenizer": False,
}
"""Classes that put marks around a text as ``add_bos_token`` and ``add_eos_token`` say; whether the
first is the usual one.
"""


def is_made(export: Export) -> bool:
    """Tell whether the vocabulary beside a graph is one of those that limex knows to read."""
    path, kind = Path(export.slow), str(export.config.get("model_type") or "")
    if path.name == WORDS:
        return kind in LIKE_BERT
    known = kind in (*LIKE_ROBERTA, *LIKE_GPT2)
    return path.name == PIECES and known and (path.parent / MERGES).is_file()


def made(export: Export) -> Any:
    """Make the tokenizer; raise InputError for a vocabulary that is damaged."""
    path = Path(export.slow)
    try:
        return _of_words(path, export) if path.name == WORDS else _of_bytes(path, export)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not a vocabulary ({error})", "save the tokenizer again: save_pretrained"
        ) from None


def configured(found: Any, export: Export) -> Any:
    """Return a tokenizer.json's tokenizer, changed where tokenizer_config.json says otherwise."""
    said = export.tokens
    kind = str(said.get("tokenizer_class") or "").removesuffix("Fast")
    whole = json.loads(found.to_str())
    changed = {name: said[key] for key, name in OF_WORDS.items() if key in said}
    if kind in AS_JSON_CHINESE:
        changed.pop("handle_chinese_chars", None)
    if kind not in GENERIC and (whole["normalizer"] or {}).get("type") == "BertNormalizer":
        whole["normalizer"].update(changed)
    spaced = said.get("add_prefix_space")
    if isinstance(spaced, bool) and "add_prefix_space" in (whole["pre_tokenizer"] or {}):
        whole["pre_tokenizer"]["add_prefix_space"] = spaced
    found = found.from_str(json.dumps(whole))
    if kind in MARKED:
        _mark(found, export, MARKED[kind])
    _add(found, said.get("added_tokens_decoder"))
    return found


def _mark(found: Any, export: Export, usual: bool) -> None:
    """Put the mark of the beginning, that of the end, both or none around texts."""
    from tokenizers import processors

    start, end = _marks(export, ("bos", "<s>"), ("eos", "</s>"))
    begins = [start] if export.tokens.get("add_bos_token", usual) else []
    ends = [end] if export.tokens.get("add_eos_token", False) else []
    numbers = [(one, found.token_to_id(one)) for one in (*begins, *ends)]
    if all(number is not None for _, number in numbers):
        order = [*begins, "$A", *ends]
        found.post_processor = processors.TemplateProcessing(order, special_tokens=numbers)


def _add(found: Any, decoder: Any) -> None:
    """Add the tokens that only tokenizer_config.json lists."""
    from tokenizers import AddedToken

    known = {str(one) for one in found.get_added_tokens_decoder().values()}
    listed = decoder.items() if isinstance(decoder, dict) else ()
    for _, one in sorted((int(key), one) for key, one in listed if str(key).isdecimal()):
        if isinstance(one, dict) and one.get("content") not in (*known, None):
            flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
            held = {name: bool(one[name]) for name in flags if name in one}
            found.add_tokens([AddedToken(str(one["content"]), **held)])


def _of_words(path: Path, export: Export) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    lines = path.read_text("utf-8").split("\n")
    while lines and not lines[-1]:
        lines.pop()
    vocabulary = {line.removesuffix("\r"): i for i, line in enumerate(lines)}
    said = export.tokens
    unknown, start, end = _marks(export, ("unk", "[UNK]"), ("cls", "[CLS]"), ("sep", "[SEP]"))
    found = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    found.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(said.get("tokenize_chinese_chars", True)),
        strip_accents=said.get("strip_accents"),
        lowercase=bool(said.get("do_lower_case", True)),
    )
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pad, mask = _marks(export, ("pad", "[PAD]"), ("mask", "[MASK]"))
    return _marked(found, (unknown, pad, start, end, mask), f"{start} $A {end}", (start, end))


def _of_bytes(path: Path, export: Export) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = from_json(path.read_text("utf-8"))
    lines = (path.parent / MERGES).read_text("utf-8").split("\n")
    halves = [line.partition(" ") for line in lines if line and not line.startswith("#version")]
    merges = [(first, second.strip()) for first, _, second in halves]
    found = Tokenizer(models.BPE(vocabulary, merges, fuse_unk=False))
    spaced = bool(export.tokens.get("add_prefix_space", False))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    if export.config["model_type"] in LIKE_GPT2:
        (end,) = _marks(export, ("eos", "<|endoftext|>"))
        return _marked(found, (end,), "$A", ())
    start, end = _marks(export, ("cls", "<s>"), ("sep", "</s>"))
    others = _marks(export, ("pad", "<pad>"), ("unk", "<unk>"), ("mask", "<mask>"))
    return _marked(found, (start, end, *others), f"{start} $A {end}", (start, end))


def _marks(export: Export, *known: tuple[str, str]) -> list[str]:
    """Return special tokens by their names, the usual one where the export names none."""
    return [export.special(f"{name}_token") or usual for name, usual in known]


def _marked(found: Any, marks: tuple[str, ...], order: str, around: tuple[str, ...]) -> Any:
    """Let marks in a text stand for themselves, and put those of a text around it."""
    from tokenizers import AddedToken, processors

    known = [one for one in dict.fromkeys(marks) if found.token_to_id(one) is not None]
    found.add_special_tokens([AddedToken(one, normalized=False) for one in known])
    if around:
        numbers = [(one, found.token_to_id(one)) for one in around]
        if any(number is None for _, number in numbers):
            raise ValueError(f"it lacks {' or '.join(around)}")
        found.post_processor = processors.TemplateProcessing(order, special_tokens=numbers)
    return found
