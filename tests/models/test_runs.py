"""What C unpickles is what plain unpickling gives, and nothing that the rules refuse."""

from __future__ import annotations

import io
import itertools
import pickle
import pickletools
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.models import walking
from lime_cli.models.pickles import repeats, runs
from lime_cli.models.pickles.building import Builder
from lime_cli.models.pickles.loading import inspect_pickle, unpickle
from lime_cli.models.pickles.policy import AllowList, Refused
from lime_cli.models.pickles.sizes import Damaged
from lime_cli.models.pickles.states import check_model

WORDS = [f"word{n * 7919:x}" for n in range(9000)]
SCALARS = list(np.arange(9000) * 7)


@pytest.fixture(autouse=True)
def small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_LEAST_FILE", 0)


def built(content: bytes) -> object:
    return Builder(io.BytesIO(content), len(content), AllowList()).load()


def alike(one: Any, other: Any) -> bool:
    """Compare values and their kinds, in order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return alike(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other or one != one


MIXED = [*WORDS[:700], *range(-300, 400), None, True, 2.5, *WORDS[:900], 1 << 40, "", "ü" * 90]

HELD: dict[str, Callable[[], object]] = {
    "words": lambda: WORDS,
    "words and numbers": lambda: dict(zip(WORDS, range(9000), strict=True)),
    "words and scalars": lambda: dict(zip(WORDS, SCALARS, strict=True)),
    "scalars": lambda: SCALARS,
    "small scalars": lambda: [*np.arange(900, dtype=np.float32), *np.zeros(900, bool)],
    "the same words twice": lambda: [WORDS, dict(zip(WORDS, range(9000), strict=True)), WORDS],
    "all kinds": lambda: [MIXED, tuple(MIXED[::-1]), dict.fromkeys(MIXED, "x"), MIXED],
    "long words": lambda: [f"{n} " * 90 for n in range(900)],
    "in order": lambda: OrderedDict(zip(WORDS, range(9000), strict=True)),
    "numbers as keys": lambda: {n: word for n, word in enumerate(WORDS)},  # noqa: C416
    "pairs": lambda: list(itertools.pairwise(WORDS)),
    "sets": lambda: [set(WORDS[:900]), frozenset(WORDS)],
    "objects": lambda: np.array([*WORDS[:2000], *WORDS[:2000]], object).tolist(),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", HELD)
def test_runs_give_what_plain_unpickling_gives(name: str, protocol: int) -> None:
    content = pickle.dumps(HELD[name](), protocol)
    assert alike(built(content), pickle.loads(content))


def test_runs_in_pickles_in_joblib_files_are_numbered_anew(tmp_path: Path) -> None:
    words = np.array([*WORDS, *WORDS[::2]], object)
    held = {"one": words, "vocabulary": dict(zip(WORDS, SCALARS, strict=True)), "two": words}
    joblib.dump(held, tmp_path / "m")
    loaded: Any = unpickle(tmp_path / "m")
    assert alike(loaded["vocabulary"], held["vocabulary"])
    assert all(np.array_equal(loaded[name], words) for name in ("one", "two"))


def short(word: str, memo: bytes = b"\x94") -> bytes:
    data = word.encode()
    return b"\x8c" + bytes([len(data)]) + data + memo


def test_what_comes_after_a_run_finds_its_words_by_their_numbers() -> None:
    run = b"".join(map(short, WORDS[:300]))
    content = b"\x80\x04(" + run + b"h\x00h\xffj\x2b\x01\x00\x00]\x94h\x00aj\x2c\x01\x00\x00t."
    assert alike(built(content), pickle.loads(content))


def test_a_word_that_comes_twice_is_numbered_twice() -> None:
    pairs = b"".join(short(word) + b"K\x01" for word in [*WORDS[:200], *WORDS[:50]])
    again = b"".join(short(word) + b"K\x02" for word in WORDS[100:300])
    numbers = b"j\xfa\0\0\0j\xfb\0\0\0h\x03j\xff\0\0\0"
    content = b"\x80\x04(}\x94(" + pairs + b"u(" + again + b"u" + numbers + b"\x94h\x05t."
    assert alike(built(content), pickle.loads(content))


def test_what_comes_before_a_run_keeps_its_place() -> None:
    pairs = b"".join(short(word) + b"K\x01" for word in WORDS[:200])
    before = b"".join(short(word) + short("x") for word in ("one", WORDS[7]))
    for content in (
        b"\x80\x04}\x94(" + before + pairs + b"u.",
        b"\x80\x04}\x94(" + before + b"\x95" + bytes(8) + pairs + b"u.",
        b"\x80\x04](" + before + b"\x95" + bytes(8) + pairs + b"e.",
    ):
        assert alike(built(content), pickle.loads(content.replace(b"\x95" + bytes(8), b"")))


RUN = b"".join(map(short, WORDS[:300]))

DAMAGED = {
    "no words": b"\x80\x04(" + RUN[:-20].replace(b"word", b"\xff\xfe\xfd\xfc") + b"t.",
    "no such number": b"\x80\x04(" + RUN + b"j\xff\xff\x00\x00t.",
    "cut short": b"\x80\x04(" + RUN[:-7],
    "too much is taken": b"\x80\x04(" + RUN + b"t\x86.",
    "half a pair": b"\x80\x04}(" + RUN[:-1].replace(b"\x94", b"\x94K\x01") + b"\x94u.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_run_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(DAMAGED[name])
    with pytest.raises(ModelError, match=r"m\.pkl: (is damaged|is cut short)"):
        unpickle(tmp_path / "m.pkl")


@pytest.mark.parametrize("high", [b"\x10\x00", b"\xff\x7f", b"\x00\x01"])
def test_a_number_far_beyond_the_file_is_refused(high: bytes) -> None:
    content = b"\x80\x03(" + b"".join(
        b"X\x05\0\0\0%5dr" % n + n.to_bytes(2, "little") + high for n in range(300)
    )
    stream = io.BytesIO(content + b"t.")
    for one in (stream, io.BufferedReader(stream)):  # run as a whole, and piece by piece
        one.seek(0)
        with pytest.raises(Refused, match="beyond the size of the file"):  # room for all smaller
            Builder(one, len(content) + 2, AllowList()).load()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["words and numbers", "words and scalars", "forest"])
def test_a_frame_that_ends_beyond_the_file_is_cut_short(
    repeating: dict[str, Any], name: str, seed: int
) -> None:
    content = pickle.dumps(repeating[name] if name in repeating else HELD[name](), 4)
    dice = random.Random(seed)
    starts = [at for _, _, at in pickletools.genops(content)][2:]
    at = dice.choice(starts[len(starts) // 2 :] if seed % 2 else starts)
    left = len(content) - at
    for length in (left + 1, 1 << 40, (1 << 64) - 1):
        beyond = b"%b\x95%b%b" % (content[:at], length.to_bytes(8, "little"), content[at:])
        for stream in (io.BytesIO(beyond), io.BufferedReader(io.BytesIO(beyond))):
            with pytest.raises(EOFError):
                Builder(stream, len(beyond), AllowList()).load()
    within = b"%b\x95%b%b" % (content[:at], left.to_bytes(8, "little"), content[at:])
    assert outcome(within, by_repeats=True) == outcome(content, by_repeats=True)


CALLS = b"".join(
    b"h\x00h\x01C\x08" + n.to_bytes(8, "little") + b"\x94\x86\x94R\x94" for n in range(99)
)
F8 = b"cnumpy\ndtype\n\x8c\x02f8\x89\x88\x87R"
STATE = b"(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


@pytest.mark.parametrize(
    "start",
    [
        b"cnumpy\nfloat64\n\x94" + F8 + STATE + b"\x94",  # a class, and no helper of pickling
        b"cbuiltins\nbytes\n\x94" + F8 + STATE + b"\x94",  # which may be called, by others
        b"cnumpy._core.multiarray\nscalar\n\x94" + F8 + b"\x94",  # a dtype that is not finished
        b"cnumpy._core.multiarray\nscalar\n\x94" + F8.replace(b"f8", b"O8") + b"\x94",
        b"cnumpy._core.multiarray\nscalar\n\x94" + F8.replace(b"f8", b"f4") + STATE + b"\x94",
        b"cnumpy._core.multiarray\nscalar\n\x94\x8c\x02f8\x94",
        b"\x8c\x02f8\x94" + F8 + STATE + b"\x94",
        b"cnumpy\nadd\n\x94" + F8 + STATE + b"\x94",  # which may stand as a value
        b"cposix\nsystem\n\x94\x8c\x02id\x94",
    ],
)
def test_a_run_calls_nothing_that_may_not_be_called(start: bytes) -> None:
    with pytest.raises(Refused):
        built(b"\x80\x04" + start + b"(" + CALLS + b"t.")


def test_a_run_of_calls_is_inspected_as_it_is_loaded(tmp_path: Path) -> None:
    content = (
        b"\x80\x04cnumpy._core.multiarray\nscalar\n\x94" + F8 + STATE + b"\x94(" + CALLS + b"t."
    )
    values = built(content)
    assert alike(values, pickle.loads(content.replace(b"numpy._core", NUMPY_CORE)))
    path = tmp_path / "m.pkl"
    path.write_bytes(content)
    assert [(one.name, one.roles) for one in inspect_pickle(path) if one.name == "scalar"] == [
        ("scalar", {"ref", "call"})
    ]


@pytest.mark.parametrize("around", [WORDS[:500], []])
def test_keys_that_are_made_to_be_slow_do_not_hide_in_a_run(around: list[str]) -> None:
    slow = [1.5 * 2.0 ** (61 * n) for n in range(-16, 16)]  # all of one hash
    assert len(set(map(hash, slow))) == 1
    steps = pickle.dumps([dict.fromkeys([*around, *slow], 1) for _ in range(40)], 4)
    with pytest.raises(Refused, match="made to be slow"):
        built(steps)


@pytest.mark.parametrize("seed", range(40))
def test_random_steps_give_what_plain_unpickling_gives(seed: int) -> None:
    dice = random.Random(seed)
    put = dice.choice([0, 1])
    steps, n = [], 0
    for _ in range(dice.choice([400, 2000])):
        kind = dice.random()
        if kind < 0.5:
            word = dice.choice(WORDS)
            steps.append(short(word, b"\x94" if not put else b"r" + n.to_bytes(4, "little")))
            n += 1
        elif kind < 0.8:
            steps.append(dice.choice([b"K\x94", b"M\x94\x94", b"J\x94\x94\x94\xff", b"N", b"\x88"]))
        elif kind < 0.95 and n:
            steps.append(b"j" + dice.randrange(n).to_bytes(4, "little"))
        else:
            steps.append(dice.choice([b"]", b")", b"(l", b"(t", b"\x95" + bytes(8), b"C\x02\x94u"]))
    content = b"\x80\x04(" + b"".join(steps) + b"t."
    assert alike(built(content), pickle.loads(content.replace(b"\x95" + bytes(8), b"")))


def test_untrusted_names_after_a_run_are_found(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x04(" + RUN + b"cos\nsystem\n" + short("id") + b"\x85Rt.")
    with pytest.raises(UntrustedModel, match=r"os\.system"):
        unpickle(path)


TABLE = np.random.default_rng(0).random((80, 4))
CLASSES = (TABLE.sum(1) > 2).astype(int)
REPEATING: dict[str, Any] = {
    "forest": ExtraTreesClassifier(20, max_depth=3, random_state=0),
    "forest of values": RandomForestRegressor(20, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=20, max_depth=2, random_state=0),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5),
    "bagging": BaggingClassifier(n_estimators=20, random_state=0),
    "isolation": IsolationForest(n_estimators=20, random_state=0),
    "several classes": HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5),
    "losses": BaggingClassifier(SGDClassifier(), n_estimators=16, random_state=0),
    "boosting in bags": BaggingClassifier(
        GradientBoostingClassifier(n_estimators=2, max_depth=2), n_estimators=12, random_state=0
    ),
    "bins": BaggingClassifier(
        make_pipeline(
            KBinsDiscretizer(3, encode="ordinal", strategy="uniform", subsample=None), GaussianNB()
        ),
        n_estimators=16,
        random_state=0,
    ),
    "networks": BaggingClassifier(
        MLPClassifier((2,), n_iter_no_change=2, tol=1e9), n_estimators=12
    ),
    "one versus the rest": OneVsRestClassifier(LogisticRegression()),
    "neighbours": BaggingClassifier(KNeighborsClassifier(), n_estimators=12, random_state=0),
    "histogram boosting in bags": BaggingClassifier(
        HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=3), n_estimators=10
    ),
    "several kinds in turn": VotingClassifier(
        [
            (f"model{n}", (LogisticRegression(), DecisionTreeClassifier(), GaussianNB())[n % 3])
            for n in range(24)
        ]
    ),
    "pipelines": BaggingClassifier(
        make_pipeline(
            make_column_transformer((StandardScaler(), [0, 1]), (MinMaxScaler(), [2, 3])),
            RandomForestClassifier(3, max_depth=2),
        ),
        n_estimators=16,
        random_state=0,
    ),
    "calibrated": BaggingClassifier(
        CalibratedClassifierCV(LogisticRegression(), cv=2),
        n_estimators=16,
        random_state=0,
    ),
    "named": VotingClassifier(
        [
            (f"model{n}", make_pipeline(StandardScaler(), LogisticRegression(C=n + 1)))
            for n in range(16)
        ]
    ),
}


@pytest.fixture(scope="module")
def repeating() -> dict[str, Any]:
    classes = {"several classes": np.arange(80) % 3, "one versus the rest": np.arange(80) % 16}
    return {name: model.fit(TABLE, classes.get(name, CLASSES)) for name, model in REPEATING.items()}


def framed(content: bytes, dice: random.Random) -> bytes:
    """Have frames begin before many instructions; what they say of their lengths is not read."""
    starts = [at for _, _, at in pickletools.genops(content)][2:]
    pieces, last = [], 0
    for at in sorted(dice.sample(starts, len(starts) // dice.choice([20, 100, 400]))):
        pieces.append(content[last:at])
        last = at
    return (b"\x95" + bytes(8)).join([*pieces, content[last:]])


def outcome(content: bytes, *, by_repeats: bool) -> object:
    """Return what comes of a file: its content written again, or why there is none."""
    builder = Builder(io.BytesIO(content), len(content), AllowList())
    if not by_repeats:
        builder.repeats = None
    try:
        loaded = builder.load()
        check_model(loaded, *builder.made)
    except Exception as error:
        return type(error) if isinstance(error, Refused | Damaged) else Exception
    try:
        return pickle.dumps(loaded)
    except Exception as error:  # what loads need not be what was written
        return type(error)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", REPEATING)
def test_objects_that_repeat_are_what_they_are_one_by_one(
    repeating: dict[str, Any], name: str, protocol: int
) -> None:
    content = pickle.dumps(repeating[name], protocol)
    assert outcome(content, by_repeats=True) == outcome(content, by_repeats=False)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", REPEATING)
def test_frames_begin_anywhere_in_objects_that_repeat(
    repeating: dict[str, Any], name: str, seed: int
) -> None:
    content = pickle.dumps(repeating[name], 3 + seed % 3)
    within = framed(content, random.Random(seed))
    assert outcome(within, by_repeats=True) == outcome(content, by_repeats=False)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["words and numbers", "words and scalars", "several", "twice"])
def test_frames_begin_anywhere_in_words(name: str, seed: int) -> None:
    dice = random.Random(seed)
    several = [{f"{word}{at}": at for word in WORDS[at:][:2500]} for at in (0, 3000, 1)]
    content = pickle.dumps({"several": several, "twice": several}.get(name) or HELD[name](), 4)
    if name == "twice":  # the dictionary before gets the items of the next ones
        content = content.replace(b"u}\x94(", b"uN\x940(").replace(b"1K\x01", b"0K\x00")
    n_numbers = sum(code.name == "MEMOIZE" for code, _, _ in pickletools.genops(content))
    gets = [b"j%b" % dice.randrange(n_numbers).to_bytes(4, "little") for _ in range(50)]
    content = b"%b(%bt\x86." % (content[:-1], b"".join(gets))
    within = framed(content, dice)
    assert alike(built(within), pickle.loads(content))
    assert alike(built(content), pickle.loads(content))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", REPEATING)
def test_c_makes_objects_that_repeat(
    repeating: dict[str, Any], name: str, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, create = [], Builder.create
    monkeypatch.setattr(Builder, "create", lambda *args: made.append(args) or create(*args))
    built(pickle.dumps(repeating[name], protocol))
    assert len(made) < (40 if protocol > 3 else 64)  # where numbers are said, after the first 256


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("several", [False, True])
def test_c_makes_arrays_that_repeat(
    several: bool, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = [np.arange(n, dtype=np.int64) for n in range(3, 160)]
    held = [arrays[n : n + 4] for n in range(0, 157, 4)] if several else arrays
    made, make = [], Builder.make
    monkeypatch.setattr(Builder, "make", lambda *args: made.append(args) or make(*args))
    loaded: Any = built(pickle.dumps(held, protocol))
    n_texts = len(arrays) if protocol == 2 else 0  # in which protocol 2 writes bytes
    assert len(made) < (12 if protocol > 3 else 64) + n_texts
    flat = [one for part in loaded for one in part] if several else loaded
    assert [one.tolist() for one in flat] == [one.tolist() for one in arrays]
    assert not any(np.shares_memory(one, other) for one, other in itertools.pairwise(flat))


@pytest.mark.parametrize("seed", range(90))
def test_damaged_repetitions_end_as_they_do_one_by_one(
    repeating: dict[str, Any], seed: int
) -> None:
    dice = random.Random(seed)
    content = bytearray(
        pickle.dumps(repeating[dice.choice([*REPEATING])], dice.choice([2, 3, 4, 5]))
    )
    codes = b"h)\x81\x94}(KMJNubRt\x85\x86\x87CB\x96]ae0qrX\x95"
    for _ in range(dice.choice([1, 1, 3])):
        place, other = (dice.randrange(len(content) // 3, len(content)) for _ in "ab")
        kind = dice.choice(["byte", "code", "cut", "codes", "moved"])
        n = dice.choice([2, 9, 40, 200])
        if kind in ("byte", "code"):
            content[place] = dice.randrange(256) if kind == "byte" else dice.choice(codes)
        elif kind == "cut":
            del content[place : place + n]
        elif kind == "codes":
            content[place:place] = bytes(dice.choices(codes, k=3))
        else:
            content[place : place + n] = content[other : other + n]
    ends = [outcome(bytes(content), by_repeats=one) for one in (True, False)]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["named", "pipelines", "several classes", "boosting in bags"])
def test_parts_of_what_repeats_are_known_as_others_are(
    repeating: dict[str, Any], name: str, protocol: int
) -> None:
    """Those of older files lack what newer versions look for, and are given it."""
    content = pickle.dumps(repeating[name], protocol)
    builder = Builder(io.BytesIO(content), len(content), AllowList())
    loaded = builder.load()
    made = {id(one) for one in builder.made}
    inside = [one for one in walking.objects(loaded) if isinstance(one, BaseEstimator)]
    assert inside
    assert made >= {id(one) for one in inside}
    assert len(made) == len(builder.made)


def test_a_tree_of_another_count_than_its_nodes_is_no_repetition(
    repeating: dict[str, Any],
) -> None:
    forest = repeating["forest"]
    content = bytearray(pickle.dumps(forest, 4))
    n_nodes = bytes([forest.estimators_[-1].tree_.node_count])
    count = content.rindex(b"K" + n_nodes + b"h")  # a name follows the count, and not the axis
    content[count + 1] += 1
    assert outcome(bytes(content), by_repeats=True) is Damaged


def test_bytes_of_an_array_that_c_made_are_not_shared_with_another() -> None:
    models = [DummyRegressor() for _ in range(12)]
    for n, model in enumerate(models):
        model.constant_ = np.arange(200.0) + n
    content = pickle.dumps(models, 4)
    steps = [code.name for code, _, _ in pickletools.genops(content)]
    codes = list(pickletools.genops(content))
    end = max(n for n, name in enumerate(steps) if name == "BINBYTES")
    start = max(n for n in range(end) if steps[n : n + 2] == ["BINGET", "BINGET"])
    numbered = steps[: end + 2].count("MEMOIZE") - 1
    again = content[codes[start][2] : codes[end][2]].replace(b"\x94", b"")
    again += b"h%ctb" % numbered
    assert content[-2:] == b"e."
    loaded: Any = built(content[:-2] + again + b"e.")
    assert np.array_equal(loaded[-1], models[-1].constant_)
    assert not np.shares_memory(loaded[-1], loaded[-2].constant_)


def test_a_number_given_twice_hides_no_call() -> None:
    """C must not call what had a number before that of the function that was checked."""
    before = b"\x80\x04cnumpy\nadd\nq\x00" + F8 + STATE + b"q\x01(" + RUN.replace(b"\x94", b"")
    again = b"tcnumpy._core.multiarray\nscalar\nq\x000(" + CALLS + b"t."
    first = b"(" + b"".join(b"h\x00" for _ in range(600)) + b"t0"
    content = before + b"t0" + first + again[1:]
    assert alike(built(content), pickle.loads(content.replace(b"numpy._core", NUMPY_CORE)))


def _text(words: str) -> bytes:
    return b"\x8c%c%b\x94" % (len(words), words.encode())


def test_bytes_of_arrays_are_no_instructions_of_what_repeats() -> None:
    """joblib writes them behind the instruction that fills what describes the array."""
    wrapper = _text("joblib.numpy_pickle") + _text("NumpyArrayWrapper") + b"\x93\x94"
    dtype = _text("numpy") + _text("dtype") + b"\x93\x94" + _text("u1") + b"\x89\x88\x87\x94R\x94"
    dtype += b"(K\x03" + _text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b"
    said = _text("shape") + b"K\x40\x85\x94" + _text("order") + _text("C") + _text("dtype")
    array = b"h\x02)\x81\x94}\x94(" + said + b"h\x08ub" + b"\x94" * 64  # all of which number
    many = b"N" + b"\x94" * 230 + b"0"
    loaded: Any = built(b"\x80\x04" + wrapper + dtype + b"0" + many + b"]\x94(" + array * 9 + b"e.")
    assert [type(one) for one in loaded] == [np.ndarray] * 9


def test_columns_with_gaps_repeat_in_a_table() -> None:
    model = DummyRegressor()
    model.seen_ = pd.DataFrame({f"c{n}": pd.array([n, None], dtype="Int64") for n in range(9)})
    loaded: Any = built(pickle.dumps(model))
    assert loaded.seen_.equals(model.seen_)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_what_is_nested_is_not_learned_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    n_levels = 400
    head = _text("sklearn.dummy") + _text("DummyRegressor") + b"\x93\x94"
    start = b"h\x02)\x81}" + _text("constant")
    numbers = b"](" + b"K\x01" * 20_000 + b"e"
    content = b"\x80\x04" + head + start * n_levels + numbers + b"sb" * n_levels + b"."
    builder = Builder(io.BytesIO(content), len(content), AllowList())
    assert builder.repeats is not None
    monkeypatch.setattr(repeats, "_Class", partial(repeats._Class, tries=n_levels))  # has many
    builder.load()
    assert builder.repeats.n_steps < 2 * repeats._MOST_STEPS


@pytest.mark.parametrize("pieces", range(1, 5))
def test_objects_alone_in_lists_keep_their_lists(pieces: int) -> None:
    """Each is in a list, or several are, beside something else, or in the list before."""
    made = [DummyRegressor(quantile=n) for n in range(40)]
    match pieces:
        case 1:
            held: Any = [[one] for one in made]
        case 2:
            held = [made[n : n + pieces] for n in range(0, 40, pieces)]
        case 3:
            held = [[one, None] if n % 5 == 3 else [one] for n, one in enumerate(made)]
        case _:
            held = [[one] for one in made[:20]] + made[20:]
            held[5] = [held[4], *held[5]]
    content = pickle.dumps([held, held[7]], 4)
    ends = [outcome(content, by_repeats=one) for one in (True, False)]
    assert ends[0] == ends[1] == pickle.dumps(pickle.loads(content))


HEAD = (
    b"\x80\x04"
    + _text("sklearn.dummy")
    + _text("DummyRegressor")
    + b"\x93\x940"
    + _text("n_")
    + b"0"
)
"""A class is number 2, the name of an attribute number 3."""

OBJECT = b"h\x02)\x81\x94}\x94h\x03K%csb"

FRAME = b"\x95" + bytes(8)

PADS = b"N\x940"


def objects(*numbers: int, way: bytes = OBJECT) -> bytes:
    return b"".join(way % n for n in numbers)


def _class(name: str) -> bytes:
    return _text("sklearn.dummy") + _text(name) + b"\x93\x940"


NUMPY_CORE = np.array(0).__reduce__()[0].__module__.rpartition(".")[0].encode()
"""As the installed NumPy calls it, for plain loading beside ours."""

ARRAYS = (
    b"\x80\x04c" + NUMPY_CORE + b".multiarray\n_reconstruct\n\x940cnumpy\nndarray\n\x940"
    b"C\x01b\x940"
    + _text("numpy")
    + _text("dtype")
    + b"\x93\x94"
    + _text("u1")
    + b"\x89\x88\x87\x94R\x94"
    b"(K\x03" + _text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b0"
)
"""The function is number 0, the class 1, the letter 2, the dtype 8."""

ARRAY = b"h\x00h\x01K\x00\x85\x94h\x02\x87\x94R\x94(K\x01K\x03\x85\x94h\x08\x89C\x03abc\x94t\x94b"


def arrays(change: bytes = b"", by: bytes = b"", *, n: int = 12, at: int = 8) -> bytes:
    """Many arrays, of which one has something else."""
    each = [ARRAY] * n
    each[at] = ARRAY.replace(change, by, 1)
    return ARRAYS + b"]\x94(" + b"".join(each) + b"e."


def lists(gap: bytes, around: bytes = b"]\x94(%be", *, first: bytes = b"]\x94(") -> bytes:
    """Lists of three objects, with something between two of them."""
    inside = b"e]\x94(".join([objects(1, 2, 3)] * 4)
    return HEAD + around % (first + inside + b"e" + gap + b"]\x94(" + inside + b"e") + b"."


NUMBERED = pickle.dumps([(f"n{n}", DummyRegressor(quantile=n)) for n in range(90)], 3)
"""Protocol 3 says every number, after the first 256 in four bytes."""


def numbered(otherwise: bytes, after: bytes = b"}") -> bytes:
    """Objects with names, of which the last number after something is given otherwise."""
    at = NUMBERED.rindex(after + b"r") + len(after)
    number = int.from_bytes(NUMBERED[at + 1 : at + 5], "little")
    return NUMBERED[:at] + otherwise.replace(b"#", b"%d" % number) + NUMBERED[at + 5 :]


def pairs(change: bytes = b"", by: bytes = b"", around: bytes = b"]\x94(%be") -> bytes:
    """Pairs of a name and an object, of which one is otherwise."""
    each = [_text(f"n{n}") + OBJECT % n + b"\x86\x94" for n in range(12)]
    each[8] = each[8].replace(change, by, 1)
    return HEAD + around % b"".join(each) + b"."


_SCALAR = (
    b"\x80\x04c" + NUMPY_CORE + b".multiarray\nscalar\n\x940" + F8 + b"\x94" + STATE + b"0"
    + _text("sklearn.dummy") + _text("DummyRegressor") + b"\x93\x940" + _text("n_") + b"0"
)  # fmt: skip
"""The function is number 0, the dtype 1, a class 4, the name of an attribute 5."""

_WITH_SCALAR = b"h\x04)\x81\x94}\x94h\x05h\x00h\x01C\x08%8d\x94\x86\x94R\x94sb"


def scalars(change: bytes = b"", by: bytes = b"") -> bytes:
    """Objects with a scalar each, of which one has another."""
    each = [_WITH_SCALAR % n for n in range(12)]
    each[8] = each[8].replace(change, by, 1)
    return _SCALAR + b"]\x94(" + b"".join(each) + b"e."


OWN = b"h\x02)\x81\x94}\x94h\x03]\x94h%csb"
"""An object with a list that it asks for again, or for what else has that number."""


def owning(place: int, *, each: int = 3) -> bytes:
    """Objects that ask for one of their numbers, and one that asks for another of its own."""
    asked = [5 + each * n for n in range(12)]
    asked[8] += place
    way = OWN.replace(b"]\x94h%csb", b"(N]\x94h%ctsb")
    return HEAD + b"]\x94(" + b"".join(way % one for one in (n + 2 for n in asked)) + b"e."


def named(*words: bytes) -> bytes:
    """Objects that each hold a list of a word that was there before."""
    before = b"".join(map(_text, ("one", "two"))) + b"]\x940}\x9400" + b"0"
    way = b"h\x02)\x81\x94}\x94h\x03]\x94(%bNesb"
    return HEAD + before + b"]\x94(" + b"".join(way % word for word in words) + b"e."


def of_objects(content: bytes) -> bytes:
    """Arrays of objects in place of bytes."""
    for old, new in (
        (_text("u1"), _text("O8")),
        (b"K\x00t\x94b0", b"K\x3ft\x94b0"),
        (b"C\x03abc", b"](K\x01K\x02Ne"),
    ):
        content = content.replace(old, new)
    return content


_LOSS = HEAD + b"csklearn.linear_model._sgd_fast\nHinge\n\x940]\x94("

_WITH_LOSS = b"h\x02)\x81\x94}\x94h\x03h\x04G\x3f\xf0\0\0\0\0\0\0\x85\x94R\x94sb"


def losses(change: bytes = b"", by: bytes = b"", then: bytes = b"") -> bytes:
    """Objects with a loss each, of which one is otherwise; the last loss is number 53."""
    each = [_WITH_LOSS] * 12
    each[8] = _WITH_LOSS.replace(change, by, 1)
    return _LOSS + b"".join(each) + then + b"e."


def drawing(change: bytes = b"", by: bytes = b"") -> bytes:
    """Objects with a source of random numbers each, of which the last stands elsewhere."""
    models = [DummyRegressor(quantile=np.random.RandomState(n)) for n in range(12)]
    head, place, tail = pickle.dumps(models, 4).rpartition(b"M\x70\x02u")
    return head + place.replace(change, by) + tail


def near(change: bytes = b"", by: bytes = b"") -> bytes:
    """Models with a search tree each, of which the last has something else."""
    models = [KNeighborsClassifier(1).fit(TABLE[:6] + n, [0, 1] * 3) for n in range(9)]
    content = pickle.dumps(models, 4)
    place = content.rindex(change, 0, len(content) - 2)
    return content[:place] + by + content[place + len(change) :]


def ranges(change: bytes = b"", by: bytes = b"") -> bytes:
    """Objects with a range each, alone between others, of which one is otherwise."""
    each = [b"h\x02)\x81\x94}\x94h\x03h\x04K\x05\x85\x94R\x94sb"] * 12
    each[8] = each[8].replace(change, by, 1)
    return HEAD + b"cbuiltins\nrange\n\x940]\x94(" + b"N".join(each) + b"e."


def in_turn(change: bytes = b"", by: bytes = b"", between: bytes = b"") -> bytes:
    """Objects of two classes by turns, of which one is otherwise."""
    ways = OBJECT, OBJECT.replace(b"h\x02", b"h\x06")
    each = [ways[n % 2] % n for n in range(16)]
    each[13] = each[13].replace(change, by, 1)
    head = HEAD + _class("DummyClassifier") + _text("two") + b"0"
    return head + b"]\x94(" + between.join(each) + b"e."


_SIZES = b"K\x1eK\x01K\x01K\x00K\x00K\x00K\x00"
"""Of a search tree: rows in a leaf, levels, nodes, and what was counted."""

MANY = b"".join(b"\x8c\x04w%03dN" % n for n in range(999)).replace(b"N", b"\x94N")

CRAFTED: dict[str, bytes] = {
    "arguments that end like none": HEAD + PADS * 37 + b"K\x07\x85\x94" + b"0" + PADS * 62
    + _class("DummyRegressor") + b"]\x94("
    + objects(*range(12), way=OBJECT.replace(b"h\x02)", b"h\x68h\x29")) + b"e.",
    "another class midway": HEAD + _class("DummyClassifier") + b"]\x94(" + objects(*range(9))
    + objects(1, way=OBJECT.replace(b"h\x02", b"h\x06")) + objects(*range(9)) + b"e.",
    "another key midway": HEAD + _text("fit") + b"0]\x94(" + objects(*range(9))
    + objects(1, way=OBJECT.replace(b"h\x03", b"h\x04")) + objects(*range(9)) + b"e.",
    "a key with two underscores": HEAD + _text("__class__") + b"0]\x94(" + objects(*range(9))
    + objects(1, way=OBJECT.replace(b"h\x03", b"h\x04")) + b"e.",
    "two frames in a row": HEAD + b"]\x94(" + objects(*range(9))
    + objects(1, way=OBJECT.replace(b"}", FRAME + FRAME + b"}")) + b"e.",
    "a frame before a class": HEAD + b"]\x94(" + FRAME.join(objects(n) for n in range(12)) + b"e.",
    "a frame after a class": HEAD + b"]\x94("
    + objects(*range(12), way=OBJECT.replace(b")", FRAME + b")", 1)) + b"e.",
    "a frame that is a key": HEAD + b"]\x94(" + objects(*range(9))
    + objects(1, way=OBJECT.replace(b"h\x03", b"\x8c\x09" + FRAME + b"\x94")) + b"e.",
    "a frame before the end": HEAD + b"]\x94(" + objects(*range(12)) + FRAME + b"e.",
    "a frame that is cut short": HEAD + b"]\x94(" + objects(*range(9)) + OBJECT[:6] + b"\x95\x00",
    "no end": HEAD + b"]\x94(" + objects(*range(12)),
    "no end in a list": lists(b"")[:-40],
    "lists": lists(b""),
    "a list of something else between": lists(b"]\x94(K\x01K\x02e"),
    "a list that is there already": lists(b"h\x04(", b"]\x94(%be"),
    "a list that ends twice": lists(b"e"),
    "a list into itself": HEAD + b"]\x94(h\x04(" + objects(*range(9)) + b"ee.",
    "a list in a set": lists(b"", b"\x8f\x94(%b\x90"),
    "lists in a tuple": lists(b"", b"(%bt\x94"),
    "lists on the bottom of the stack": lists(b"", b"%b", first=b"]\x94("),
    "a tuple for the first list": lists(b"", first=b")("),
    "a dictionary for the first list": lists(b"", first=b"}\x94("),
    "an object for the first list": lists(b"", first=objects(1) + b"("),
    "something before in the first list": lists(b"", first=b"]\x94(K\x05N"),
    "half a list": HEAD + b"]\x94(]\x94(" + objects(*range(9)) + b"e]\x94("
    + objects(1, 2) + b"t\x85e.",
    "a number out of order": numbered(b"r\xf7\1\0\0"),
    "a number of another": numbered(b"r\x01\0\0\0"),
    "a number in one byte": numbered(b"q\x01"),
    "a number as text": numbered(b"p#\n"),
    "a number by the other instruction": numbered(b"\x94"),
    "no number": numbered(b""),
    "a number of a name": numbered(b"r\x01\0\0\0", b"n89"),
    "a number of a name as text": numbered(b"p#\n", b"n88"),
    "a number of a pair": numbered(b"r\x01\0\0\0", b"\x86"),
    "a pair without a number": numbered(b"", b"\x86"),
    "pairs": pairs(),
    "a name that was there": pairs(_text("n8"), b"h\x03"),
    "a name that is a number": pairs(_text("n8"), b"K\x07"),
    "a name that is a list": pairs(_text("n8"), b"]\x94"),
    "a name in four bytes": pairs(_text("n8"), b"X\4\0\0\0name\x94"),
    "a name in eight bytes": pairs(_text("n8"), b"\x8d\4\0\0\0\0\0\0\0name\x94"),
    "a name in bytes": pairs(_text("n8"), b"C\2n8\x94"),
    "a name that is broken": pairs(b"n8", b"\xff\xfe"),
    "half a letter for a name": pairs(b"\2n8", b"\3\xed\xa0\x80"),
    "a name that is too long": pairs(b"\x8c\2n8", b"X\xff\xff\xff\xffn8"),
    "a name without a number": pairs(b"n8\x94", b"n8"),
    "a name with a frame": pairs(b"\x8c\2n8", FRAME + b"\x8c\2n8"),
    "a pair with a frame": pairs(b"b\x86", b"b" + FRAME + b"\x86"),
    "three for a pair": pairs(b"\x86", b"N\x87"),
    "one for a pair": pairs(b"\x86", b"\x85"),
    "a pair of pairs": pairs(b"\x86", b"\x86\x86"),
    "pairs on the bottom of the stack": pairs(around=b"%b"),
    "pairs for items": pairs(around=b"}\x94(%bu"),
    "names and objects for items": pairs(around=b"}\x94(%bu").replace(b"\x86\x94", b""),
    "pairs that are cut short": pairs()[:-40],
    "arrays": arrays(),
    "an array of another shape": arrays(b"K\x03\x85", b"K\x02\x85"),
    "an array of less than nothing": arrays(b"K\x03\x85", b"J\xff\xff\xff\xff\x85"),
    "an array of endless length": arrays(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"),
    "an array of no length": arrays(b"K\x03\x85", b"N\x85"),
    "an array of a truth value": arrays(b"K\x03\x85", b"\x88\x85"),
    "an array of a broken length": arrays(b"K\x03\x85", b"G@\x08\0\0\0\0\0\0\x85"),
    "an array that begins full": arrays(b"K\x00\x85", b"K\x03\x85"),
    "an array of another letter": arrays(b"h\x02\x87", b"C\x01d\x94\x87"),
    "an array of the same letter": arrays(b"h\x02\x87", b"C\x01b\x94\x87"),
    "an array of a dtype for a class": arrays(b"h\x01K", b"h\x05K"),
    "an array by its class": arrays(b"h\x00h\x01", b"h\x01h\x01"),
    "an array of bytes of another": arrays(b"C\x03abc\x94", b"h\x0f"),
    "an array in the other order": arrays(b"\x89C", b"\x88C"),
    "an array of another version": arrays(b"(K\x01K\x03", b"(K\x09K\x03"),
    "an array in itself": arrays(b"C\x03abc\x94", b"h\x0c"),
    "an array that is never filled": arrays(b"t\x94b", b"t\x940"),
    "an array that is filled twice": arrays(b"t\x94b", b"t\x94bh\x10b"),
    "arrays of objects": of_objects(arrays()),
    "an array of objects of another shape": of_objects(arrays(b"K\x03\x85", b"K\x04\x85")),
    "an array of objects without any": of_objects(arrays(b"C\x03abc\x94", b"]\x94")),
    "an array of more objects": of_objects(arrays(b"C\x03abc", b"](NNNNe")),
    "an array of bytes for objects": of_objects(arrays(b"abc", b"abd")),
    "an array of other objects": of_objects(arrays(b"C\x03abc", b"](K\x01\x88Ne")),
    "losses": losses(),
    "a loss of another number": losses(b"\x3f", b"\x40"),
    "a loss of a word": losses(b"G\x3f\xf0\0\0\0\0\0\0", b"h\x03"),
    "a loss that is filled": losses(b"R\x94", b"R\x94}b"),
    "a loss that is filled later": losses(then=b"h\x35}b"),
    "a source of numbers": drawing(),
    "a source of numbers beyond its last": drawing(b"M\x70\x02", b"M\x71\x02"),
    "a source of numbers before its first": drawing(b"M\x70\x02", b"J\xff\xff\xff\xff"),
    "a source of numbers between two": drawing(b"M\x70\x02", b"G\x3f\xf8\0\0\0\0\0\0"),
    "ranges": ranges(),
    "a range of more numbers than memory has": ranges(b"K\x05", b"J\xff\xff\xff\x7f"),
    "a range of no number": ranges(b"K\x05", b"N"),
    "a range of another function": ranges(b"h\x04", b"h\x02"),
    "a range with a frame": ranges(b"R", FRAME + b"R"),
    "search trees": near(),
    "a search tree of more nodes": near(_SIZES, b"K\x1eK\x01K\x02" + _SIZES[6:]),
    "a search tree of nodes in a large number": near(_SIZES, _SIZES[:4] + b"\x8a\1\1" + _SIZES[6:]),
    "a search tree of a word": near(_SIZES, b"\x8c\x01x" + _SIZES[2:]),
    "a search tree with one part less": near(_SIZES, _SIZES[2:]),
    "a search tree of a row that is none": near(np.arange(6).tobytes(), np.arange(1, 7).tobytes()),
    "a search tree of fewer rows": near(b"K\x06K\x04\x86", b"K\x04K\x06\x86"),
    "a search tree that is filled twice": near(b"Nt\x94b", b"Nt\x94b}b"),
    "a distance of another power": near(b"G@\0\0\0\0\0\0\0", b"G@\1\0\0\0\0\0\0"),
    "a distance of no power": near(b"G@\0\0\0\0\0\0\0", b"N"),
    "a distance of a number for a power": near(b"G@\0\0\0\0\0\0\0", b"K\2"),
    "objects of classes in turn": in_turn(),
    "a word for a class": in_turn(b"h\x06", b"h\x07"),
    "another class in turn": in_turn(b"h\x06", b"h\x02"),
    "a list for a class": in_turn(b"h\x06", b"]\x94"),
    "an object for a class": in_turn(b"h\x06", b"h\x09"),
    "a class in four bytes": in_turn(b"h\x06", b"j\6\0\0\0"),
    "a class of arguments": in_turn(b")", b"K\1\x85"),
    "frames before classes in turn": in_turn(between=FRAME),
    "pairs of frames before classes in turn": in_turn(between=FRAME + FRAME),
    "scalars": scalars(),
    "a scalar of fewer bytes": scalars(b"C\x08       8", b"C\x078888888"),
    "a scalar of more bytes": scalars(b"C\x08       8", b"C\x09888888888"),
    "a scalar of bytes as text": scalars(b"C\x08       8", b"X\x08\0\0\0       8"),
    "a scalar of a bytearray": scalars(b"C\x08       8", b"\x96\x08" + bytes(7) + b" " * 8),
    "a scalar of another type": scalars(b"h\x01", b"h\x04"),
    "own numbers": owning(0),
    "own numbers of another kind": owning(-1),
    "own numbers that come later": owning(1),
    "own numbers of one before": owning(-3),
    "words": named(*[b"h\x04", b"h\x05"] * 6),
    "a word that is a list": named(*[b"h\x04", b"h\x05"] * 5, b"h\x06"),
    "a word that is a class": named(*[b"h\x04", b"h\x05"] * 5, b"h\x02"),
    "a word that is its object": named(*[b"h\x04", b"h\x05"] * 5, b"h\x2a"),
    "a word that is an object before": named(*[b"h\x04", b"h\x05"] * 5, b"h\x09", b"h\x04"),
    "a word that is nothing": named(*[b"h\x04", b"h\x05"] * 5, b"h\xfe"),
    "items for no dictionary": HEAD + b"]\x94(" + MANY + b"u.",
    "items for a number": HEAD + b"K\x01(" + MANY + b"u.",
    "items for an object": HEAD + OBJECT % 1 + b"(" + MANY + b"u.",
    "items without a mark": HEAD + b"}\x94(" + MANY + b"uu.",
    "items and half an item": HEAD + b"}\x94(" + MANY + b"u(" + MANY + b"\x8c\x01x\x94u.",
    "items twice": HEAD + b"}\x94(" + MANY + b"u(" + MANY + b"u.",
    "items, then none": HEAD + b"}\x94(" + MANY + b"u(u(u(u.",
    "items, then a list as a key": HEAD + b"}\x94(" + MANY + b"u(]K\x01u.",
    "items, then an object as a key": HEAD + b"}\x94(" + MANY + b"u(" + OBJECT % 1 + b"K\x01u.",
    "items of an ordered dictionary": b"\x80\x04ccollections\nOrderedDict\n)R("
    + MANY + b"u(" + MANY + b"u.",
    "items with a frame in the midst": HEAD + b"}\x94(" + MANY[:-1] + FRAME + b"Nu(" + MANY + b"u.",
    "items with a frame for a value": HEAD + b"}\x94(" + MANY[:-1] + FRAME + b"u.",
    "items for a state": HEAD + b"h\x02)\x81\x94}\x94(" + MANY + b"u(" + MANY + b"ub.",
    "items for a state with a name": HEAD + b"h\x02)\x81\x94}\x94(" + MANY + b"u("
    + MANY + _text("fit") + b"Nub.",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_repetitions_end_as_they_do_one_by_one(name: str) -> None:
    content = CRAFTED[name]
    ends = [outcome(content, by_repeats=one) for one in (True, False)]
    assert ends[0] == ends[1]
    if isinstance(ends[0], bytes):
        assert ends[0] == pickle.dumps(pickle.loads(content))


def _listed(numbers: Iterable[int], then: bytes, *, start: bytes) -> bytes:
    """A list of words with these numbers; the list is number 0, a tuple number 1."""
    words = (
        b"X\4\0\0\0%04dr%b" % (i, number.to_bytes(4, "little")) for i, number in enumerate(numbers)
    )
    return start + b"]q\0K\x07\x85q\x010(" + b"".join(words) + then + b"e."


@pytest.mark.parametrize("start", [b"\x80\2", b"\x80\3"])
@pytest.mark.parametrize(
    ("numbers", "then"),
    [
        (range(2, 3000), b"h\1h\x42"),
        ([*range(2, 1000), 1, *range(1000, 3000)], b"h\1h\x42"),
        ([*range(2, 1000), 0, *range(1000, 3000)], b"h\1h\0"),
        ([*range(2, 1000), 66, *range(1000, 3000)], b"h\x42h\1"),
        ([*range(2, 3000), 1], b"h\1K\5\x85\x94h\1j\xb7\x0b\0\0"),
        ([*range(2, 1000), *range(1001, 3000)], b"h\1j\xe9\3\0\0"),
        ([*range(2, 3000)], b"K\5\x85q\x42h\x42K\6\x85\x94j\xb8\x0b\0\0"),
        ([*range(2, 3000), *range(2, 3000)], b"h\1h\x42"),
    ],
    ids=["in order", "of a tuple", "of the list", "of a word", "at the end", "left out",
         "taken afterwards", "all twice"],
)  # fmt: skip
def test_a_number_given_again_stands_for_the_last(
    numbers: Sequence[int], then: bytes, start: bytes
) -> None:
    content = _listed(numbers, then, start=start)
    assert alike(built(content), pickle.loads(content))


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_numbers_of_one_pickle_mean_nothing_in_another(tmp_path: Path) -> None:
    """joblib writes a pickle within: in it the number of a class may be that of another."""
    wrapper = _text("joblib.numpy_pickle") + _text("NumpyArrayWrapper") + b"\x93\x94"
    dtype = _text("numpy") + _text("dtype") + b"\x93\x94" + _text("O8") + b"\x89\x88\x87\x94R\x94"
    dtype += b"(K\x03" + _text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ft\x94b"
    said = _text("shape") + b"K\x09\x85\x94" + _text("order") + _text("C") + _text("dtype")
    other = HEAD.replace(b"\x0eDummyRegressor", b"\x0fDummyClassifier")
    nested = other + b"]\x94(" + objects(*range(9)) + b"e."
    outer = HEAD + b"]\x94(" + objects(*range(9)) + b"e" + wrapper + b")\x81}(" + said
    loaded: Any = built(outer + dtype + b"ub" + nested + b"\x86.")
    kinds = [type(one).__name__ for part in loaded for one in part]
    assert kinds == ["DummyRegressor"] * 9 + ["DummyClassifier"] * 9


def test_classes_of_one_pickle_need_no_number_in_another() -> None:
    ones, others = ([kind() for _ in range(12)] for kind in (DummyRegressor, DummyClassifier))
    for one, other in zip(ones, others, strict=True):
        one.constant_, other.prior_ = one.quantile, [other]
    turns = [model for pair in zip(ones, others, strict=True) for model in pair]
    stream = io.BytesIO()
    joblib.dump([np.array([*held, None], object) for held in (turns, ones, others, turns)], stream)
    loaded: Any = built(stream.getvalue())
    kinds = [[type(model) for model in held[:-1]] for held in loaded]
    assert kinds == [[type(model) for model in held] for held in (turns, ones, others, turns)]


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
@pytest.mark.slow
def test_the_end_of_a_large_number_is_no_number_of_a_class() -> None:
    """Seven million things must be numbered before the last bytes of one can look like ``h``."""
    number = 0x680000
    head = b"\x80\x04csklearn.dummy\nDummyClassifier\n\x940" + _text("n_") + b"0"
    way = OBJECT.replace(b"h\x02", b"j%b" % number.to_bytes(4, "little")).replace(
        b"h\x03", b"h\x01"
    )
    many = PADS * (number - 4) + _class("DummyRegressor")
    loaded: Any = built(head + many + b"]\x94(" + objects(*range(9), way=way) + b"e.")
    assert {type(one) for one in loaded} == {DummyRegressor}
