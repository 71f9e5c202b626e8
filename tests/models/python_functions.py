"""Functions that tests explain as ``py:tests.models.python_functions:NAME``."""

import os
import sys
import time
import zlib
from collections import namedtuple
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas
from PIL import Image
from sklearn.linear_model import LogisticRegression

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))

fitted = LogisticRegression().fit(X, X[:, 0] > 0)
unfitted = LogisticRegression()
number = 7


def chance(frame):
    """One probability from a data frame's column."""
    return 1 / (1 + np.exp(-frame["age"] / 10))


chance.classes = ("young", "old")
chance.features = ("age",)


def total(frame):
    return frame.to_numpy(float).sum(axis=1)


def lengths(texts):
    n = np.array([len(text) for text in texts], float)
    return np.stack([n / (n + 10), 10 / (n + 10)], axis=1)


def brightness(images):
    return images.mean(axis=(1, 2, 3))


def noisy(frame):
    return RNG.normal(size=len(frame))


def centred(frame):
    """An answer that depends on what else is in the batch."""
    values = frame.to_numpy(float)[:, 0]
    return values - values.mean()


def never_alone(frame):
    if len(frame) < 2:
        raise ValueError("needs two rows")
    return frame.to_numpy(float)[:, 0]


def leaves(frame):
    sys.exit(3)


def squeezed(frame):
    print("predicting")
    return [[0.2, 0.8]] * len(frame)


def rough(texts):
    """A number from 0 to 1 that has nothing to do with the words' meaning."""
    return np.array([zlib.crc32(text.encode()) / 2**32 for text in texts])


def slow(texts):
    """Two milliseconds a text."""
    time.sleep(0.002 * len(texts))
    return rough(texts)


class Tensor:
    """What PyTorch hands out: numpy cannot read it before it is detached and on the processor."""

    def __init__(self, values, stage=0):
        self.values, self.stage = np.asarray(values, np.float32), stage

    shape = property(lambda self: self.values.shape)
    dtype = "torch.float32"

    def __len__(self):
        return len(self.values)

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return Tensor(self.values, 1)

    def cpu(self):
        assert self.stage == 1
        return Tensor(self.values, 2)

    def numpy(self):
        assert self.stage == 2
        return self.values


def scores_of(texts):
    """(n, 3) probabilities of texts, that of the second class the length's."""
    n = np.array([min(len(text), 50) for text in texts], float) / 60
    return np.stack([(1 - n) * 0.7, n, (1 - n) * 0.3], axis=1)


LABELS = ("LABEL_10", "LABEL_9", "LABEL_2")


def listed(texts):
    """As a transformers pipeline with top_k=None: the best label first."""
    rows = [
        [{"label": label, "score": score} for label, score in zip(LABELS, row, strict=True)]
        for row in scores_of(texts).tolist()
    ]
    return [sorted(row, key=lambda one: -one["score"]) for row in rows]


def by_dictionary(texts):
    return [{one["label"]: one["score"] for one in row} for row in listed(texts)]


def ranked_by_text(texts):
    """As fastText's labels and numbers, text by text."""
    return [([x["label"] for x in r], np.array([x["score"] for x in r])) for r in listed(texts)]


def listed_of_one(text: str):
    """As some transformers pipelines answer to one text: a list of its labels in a list."""
    return listed([text])


def decoded(texts):
    """As Keras decodes predictions: (id, label, score)."""
    rows = listed(texts)
    return [[(f"n{i}", one["label"], one["score"]) for i, one in enumerate(row)] for row in rows]


def best_alone(texts):
    return [row[0] for row in listed(texts)]


def one_label(texts):
    return [{"label": "toxic", "score": row[1]} for row in scores_of(texts).tolist()]


class _Output:
    def __init__(self, logits):
        self.logits = logits


Scores = namedtuple("Scores", "a b c")

ANSWERS = {
    "tensor": lambda p: Tensor(p),
    "tensors": lambda p: [Tensor(row) for row in p],
    "pair_of_one": lambda p: (Tensor(p),),
    "pair": lambda p: (Tensor(p), np.zeros((len(p), 2, 7))),
    "pair_of_matrices": lambda p: (p, np.zeros((len(p), 7))),
    "generator": lambda p: (row for row in p),
    "mapped": lambda p: map(list, p),
    "output": lambda p: _Output(Tensor(p)),
    "rows": lambda p: tuple(map(tuple, p)),
    "arrays": lambda p: list(p),
    "printed_in_c": lambda p: (os.write(1, b"no result\n"), p)[1],
    "named_tuples": lambda p: [Scores(*row) for row in p],
    "columns": lambda p: {"a": p[:, 0], "b": list(p[:, 1]), "c": p[:, 2]},
    "logits_among_others": lambda p: {"features": np.ones((len(p), 7)), "logits": Tensor(p)},
    "probs_among_logits": lambda p: {"logits": p * 9, "probs": p},
    "without_the_axis_of_one": lambda p: p[0] if len(p) == 1 else p,
}


def emptied(texts):
    found = scores_of(texts)
    del texts[:]
    return found


for _name, _change in ANSWERS.items():
    globals()[_name] = lambda texts, change=_change: change(scores_of(texts))


def column(texts):
    return scores_of(texts)[:, 1:2]


def fails_late(texts):
    for _text in texts:
        yield [1.0]
        raise KeyError("logits")


def fails_remotely(texts):
    raise ConnectionError(
        "HTTPSConnectionPool: Max retries\nexceeded with url: https://me:pass1@api.example.com/v1?"
        "api_key=ABCDEF123&q=1 Authorization: Bearer abcdef0123456789 token='hf_abcdefghijkl'"
    )


class Broken(Exception):
    def __str__(self):
        raise ValueError


def fails_twice(texts):
    raise Broken


def returns_nothing(texts):
    scores_of(texts)


class Service:
    def predict(self, texts):
        return scores_of(texts)


def bytes_only(images):
    assert images.dtype == np.uint8, images.dtype
    return images.mean(axis=(1, 2, 3))


def channels_first(images):
    assert images.shape[1] == 3, images.shape
    assert images.flags.c_contiguous
    return images[:, 0].mean(axis=(1, 2))


def two_numbers(texts):
    return tuple(map(tuple, scores_of(texts)[:, 1:] / 2))


async def later(texts):
    return scores_of(texts)


def awaitable(texts):
    return later(texts)


async def later_for_one(text: str):
    return scores_of([text])[0]


def awaitable_for_each(texts):
    return [later_for_one(one) for one in texts]


async def later_after_a_failure(text):
    return scores_of([text.strip()])[0]


async def row_after_row(texts):
    for one in texts:
        yield scores_of([one])[0]


def first_alone(texts):
    """As a function of one text answers to many."""
    return scores_of(texts[:1])


def of_a_column(texts):
    return [[len(one)] for one in texts["text"]]


def of_a_series(texts):
    return texts.str.len()


def drawn(images):
    return [float(Image.fromarray(one).getpixel((0, 0))[0]) for one in images]


def drawn_alone(image):
    assert image.ndim == 3, "expects one image"
    return float(Image.fromarray(image).getpixel((0, 0))[0])


def drawn_in_bytes(image):
    return [float(Image.fromarray(np.uint8(image)).getpixel((0, 0))[0])]


def subtracting(images):
    images -= 1
    return images.mean(axis=(1, 2, 3)).tolist()


def convolved(images):
    n = images.shape[1]
    raise RuntimeError(f"expected input[1, {n}, 8, 3] to have 3 channels, but got {n} channels")


def described(texts):
    return pandas.DataFrame({"p": [0.5 for _ in texts], "text": list(texts)})


def reported(texts):
    return [{"class": "spam", "p": "0.9"} for _ in texts]


def of_one_text(text):
    return [len(text.lower()), 1]


def of_one_text_in_a_row(text):
    return np.array([of_one_text(text)])


def of_one_text_as_fasttext(text):
    score = 1 / (2 + len(text.lower()))
    return ("a", "b") if score > 0.5 else ("b", "a"), np.sort([score, 1 - score])[::-1]


def of_one_text_as_zero_shot(text):
    labels, scores = of_one_text_as_fasttext(text)
    return {"sequence": text, "labels": list(labels), "scores": scores.tolist()}


def of_any_list_as_fasttext(text):
    return of_one_text_as_fasttext("a" * len(text))


def of_any_list_as_zero_shot(text):
    return of_one_text_as_zero_shot("a" * len(text))


def best_of_any_list(text):
    labels, scores = of_any_list_as_fasttext(text)
    return {"label": labels[0], "score": scores[0]}


def of_one_text_as_a_number(text):
    return float(len(text.lower()))


def of_one_text_by_class(text):
    return {"length": len(text.lower()), "one": 1}


def of_letters(text):
    return [[ord(letter), 1] for letter in text.lower()]


def top_one(texts):
    return [[{"label": "spam", "score": 1 / (2 + len(one))}] for one in texts]


def of_one_image(image):
    assert image.ndim == 3, "expects one image"
    return image.mean(axis=(0, 1))


def of_lines(texts):
    """As fastText fails on a text of several lines."""
    if any("\n" in one for one in texts):
        raise ValueError("predict processes one line at a time (remove '\\n')")
    return scores_of(texts)


def two_tables(texts):
    return {"features": np.ones((len(texts), 7)), "mask": np.ones((len(texts), 2))}


def of_short_texts(texts):
    if any(len(one) > 5 for one in texts):
        raise ValueError("too long")
    return [[len(one), 1.0] for one in texts]


def in_tensors(images):
    kind = type(images).__name__
    raise TypeError(f"conv2d() received - got (numpy.{kind}, Tensor), but expected (Tensor input)")


def in_json(texts):
    return [f'{{"pos": {len(one)}}}' for one in texts]


def ranked(texts):
    found = ({"b": 1 / (2 + len(one)), "a": 1 - 1 / (2 + len(one))} for one in texts)
    orders = (sorted(one.items(), key=lambda pair: -pair[1]) for one in found)
    return [
        {"sequence": "", "labels": list(a), "scores": list(b)} for a, b in map(_columns, orders)
    ]


def _columns(pairs):
    return zip(*pairs, strict=True)


def places(texts):
    return [len(one) % 3 for one in texts]


class Stranger:
    classes = ("poor", "good")

    def predict_proba(self, texts):
        return [[1 / (2 + len(one)), 1 - 1 / (2 + len(one))] for one in texts]


stranger = Stranger()


def of_one_text_by_its_annotation(text: str):
    """Takes anything for a text, as VADER does."""
    return float(len(str(text)))


def of_the_first_text(texts):
    """A row for the first one alone, whatever else is in the list."""
    assert isinstance(texts, list)
    return [[len(texts[0]), 1]]


def of_the_first_letter_too(texts):
    """Takes a text for a list of letters."""
    return [[len(texts[0]), 1]]


def best_label(text: str):
    """A label and its score, no others."""
    return ("long", 0.9) if len(text) > 12 else ("short", 0.8)


def flat_of_one_text(text):
    """As of one text, given to a program that answers to lists too."""
    return [len("".join(text)), 1]


def flat_of_the_first(texts):
    assert isinstance(texts, list)
    return [len(texts[0]), 1]


def flat_of_texts(texts: list[str]):
    return (len(texts[0]), 1)


def flat_of_a_word(text):
    """The list of a text holds no word of it."""
    return [float("a" in text), 1]


def raveled(texts):
    return scores_of(texts).ravel()


def one_picture(picture: "Image.Image"):
    return picture.convert("L").getpixel((0, 0)), picture.width, picture.height


def decided(picture: Image.Image):
    """As fastai decides: the label, its index, the probabilities."""
    chances = np.array(picture.getpixel((0, 0))) / 1_000
    return "abc"[chances.argmax()], chances.argmax(), chances


def decided_by_failing(picture):
    assert picture.ndim == 3
    return decided(Image.fromarray(picture.astype(np.uint8)))


def listed_decisions(pictures: list[Image.Image]):
    return [decided(one) for one in pictures]


def several_decided(picture: Image.Image):
    """As fastai decides on several labels: those, whether each is one, the probabilities."""
    _, _, chances = decided(picture)
    return ["b"], chances > 0.1, chances


def several_decided_without_them(picture: Image.Image):
    return (*several_decided(picture), 1)[2]


def one_picture_at_most(picture: Image.Image | None = None):
    return [*picture.getpixel((0, 0)), 1]


def pictures(drawn: list[Image.Image]):
    return np.array([one.getpixel((0, 0)) for one in drawn])


def row_as_dictionary(row: dict[str, object]) -> float:
    return float(row["age"] + 1 if row["city"] == "Oslo" else row["age"])


def table_as_array(rows: np.ndarray):
    return rows[:, 0] - rows[:, 1]


def table_as_typed_array(rows: npt.NDArray[np.float64]):
    return table_as_array(rows)


def table_as_lists(rows: list[list[float]]):
    assert type(rows[0]) is list
    return [age - height for age, height in rows]


def row_as_list(row: Sequence[float]):
    return row[0] - row[1] * 1.0


async def table_as_frame_later(table: pandas.DataFrame):
    return (table["age"] - table["height"]).to_numpy()


def rows_as_dictionaries(rows: "list[dict]"):
    return [row_as_dictionary(row) for row in rows]


def row_by_failing(row):
    return {"p": row["age"] + 1 if row["city"] == "Oslo" else row["age"]}


def row_by_attributes(row):
    return row.age + 1 if row.city == "Oslo" else row.age


def cells_by_name(city, age, bonus=1.0):
    return age + bonus if city == "Oslo" else age


class OfRows:
    """What programs that serve a model hold: a method that answers with a dictionary."""

    def predict(self, rows):
        return {"prediction": np.where(rows["city"] == "Oslo", rows["age"] + 1, rows["age"])}


rows_served = OfRows()


def resized_pixels(images):
    """What rounds bytes and not floats."""
    half = images[:, 0, :, 0] / np.float32(2)
    return np.floor(half) if images.dtype == np.uint8 else half


def annotated_bytes(images: "npt.NDArray[np.uint8]"):
    return resized_pixels(images)


def annotated_bytes_alone(img: npt.NDArray[np.uint8]):
    return resized_pixels_alone(img)


def resized_pixels_alone(img):
    """The same of one image."""
    assert img.ndim == 3, "expects one image"
    return {f"class {n}": one for n, one in enumerate(resized_pixels(img[None])[0].tolist())}


def resized_pixels_of_one(img):
    """The same, as a number, that answers once to several."""
    return resized_pixels(img[None] if img.ndim == 3 else img[:1])[0, :1]


def halved_pixels(images):
    return images[:, 0, :, 0] / 2.0


def of_floats(images):
    """As a network of PyTorch."""
    if images.dtype == np.uint8:
        raise RuntimeError("Input type (unsigned char) and bias type (float) should be the same")
    return images.mean(axis=(1, 2))


def flat_of_one_image(image):
    return [image.mean(), 1 - image.mean()]


def flat_of_a_corner(image):
    return [image[:4, :4].mean(), 1]
