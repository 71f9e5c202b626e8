"""Runs that C unpickles give what plain unpickling gives, and nothing that the rules refuse."""

from __future__ import annotations

import io
import itertools
import pickle
import random
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.models.pickles import runs
from lime_cli.models.pickles.building import Builder
from lime_cli.models.pickles.loading import inspect_pickle, unpickle
from lime_cli.models.pickles.policy import AllowList, Refused

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
def test_a_number_far_beyond_the_file_costs_no_memory(high: bytes) -> None:
    content = b"\x80\x03(" + b"".join(
        b"X\x05\0\0\0%5dr" % n + n.to_bytes(2, "little") + high for n in range(300)
    )
    assert built(content + b"t.") == tuple(f"{n:5}" for n in range(300))


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
    assert alike(values, pickle.loads(content))
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
