"""Files that are made to take all time or memory: refused in one line, never to be trusted."""

from __future__ import annotations

import pickle
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, CompoundKernel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from lime_cli.errors import ModelError
from lime_cli.models.pickles import states
from lime_cli.models.pickles.loading import inspect_pickle, unpickle, unpickle_any
from lime_cli.models.pickles.policy import Bomb, Refused
from lime_cli.models.pickles.sizes import Damaged

RANDOM = np.random.default_rng(0)
X = RANDOM.random((60, 4))
Y = (X[:, 0] > 0.5).astype(int)


class Made:
    """Pickles as a call of any function, with any state."""

    def __init__(self, function: Callable[..., object], *args: object, state: object = None):
        self.made = (function, args, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made


def changed(model: Any, **state: Any) -> Any:
    model = model.fit(X, Y)
    model.__dict__.update(state)
    return model


def many(model: Any, name: str, n: int) -> Any:
    model = changed(model)
    return changed(model, **{name: [getattr(model, name)[0]] * n})


def doubled(n: int) -> Any:
    model = LogisticRegression().fit(X, Y)
    for _ in range(n):
        outer = VotingClassifier([("a", LogisticRegression())]).fit(X, Y)
        outer.estimators_ = [model, model]
        model = outer
    return model


def its_own_part() -> Any:
    model = VotingClassifier([("a", LogisticRegression())]).fit(X, Y)
    model.estimators_ = [Pipeline([("a", StandardScaler()), ("b", model)])]
    return model


def kernels(n: int, twice: Callable[[Any], Any] = lambda one: one + one) -> Any:
    model = GaussianProcessRegressor(RBF()).fit(X, Y)
    for _ in range(n):
        model.kernel_ = twice(model.kernel_)
    return model


WORDS = b"".join(b"\x8c\x05w%04d\x94" % n for n in range(3000))


def nothings(kind: str, shape: tuple[int, ...]) -> Made:
    from numpy._core.multiarray import _reconstruct

    state = (1, shape, np.dtype(kind), False, b"")
    return Made(_reconstruct, np.ndarray, (0,), b"b", state=state)


def nested(n: int) -> tuple[Any, ...]:
    key: tuple[Any, ...] = (1, 2)
    for _ in range(n):
        key = (key, key)
    return key


def classes(held: object) -> Any:
    return changed(LogisticRegression(), classes_=held)


def dumped(make: Callable[[], object]) -> Callable[[], bytes]:
    return lambda: pickle.dumps(make(), 4)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "members": (
        dumped(lambda: many(VotingClassifier([("a", LogisticRegression())]), "estimators_", 10**6)),
        "more members",
    ),
    "trees": (
        dumped(lambda: many(RandomForestClassifier(2), "estimators_", 200_000)),
        "more members",
    ),
    "bags": (
        dumped(lambda: many(BaggingClassifier(n_estimators=2), "estimators_", 10**6)),
        "more members",
    ),
    "steps": (
        dumped(
            lambda: changed(
                Pipeline([("s", StandardScaler()), ("l", LogisticRegression())]),
                steps=[("s", StandardScaler().fit(X))] * 200_000,
            )
        ),
        "more members",
    ),
    "columns": (
        dumped(
            lambda: changed(
                ColumnTransformer([("s", StandardScaler(), [0])]),
                transformers_=[("s", StandardScaler().fit(X), [0])] * 200_000,
            )
        ),
        "more members",
    ),
    "members of members": (dumped(lambda: doubled(25)), "an endless number of combinations"),
    "a part of itself": (dumped(its_own_part), "a part of itself"),
    "kernels of kernels": (dumped(lambda: kernels(40)), "an endless number of combinations"),
    "kernels in lists": (
        dumped(lambda: kernels(20, lambda one: CompoundKernel([one, one, one]))),
        "an endless number of combinations",
    ),
    "a number beyond the file": (
        lambda: b"\x80\x04Nr\xf0\xff\xff\x7f0]\x94(%be." % WORDS,
        "numbers its objects beyond",
    ),
    "a number beyond all files": (
        lambda: b"\x80\x04Np99999999999\n0]\x94(%be." % WORDS,
        "numbers its objects beyond",
    ),
    "keys in keys": (dumped(lambda: [{nested(18): 1} for _ in range(3)]), "as a key"),
    "keys again and again": (
        dumped(lambda: [{key: 1} for key in [nested(8)] * 20_000]),
        "made to be slow",
    ),
    "a set of keys": (dumped(lambda: frozenset([nested(17)])), "as a key"),
    "a range": (dumped(lambda: classes(range(10**12))), "more numbers than any model"),
    "a range the other way": (dumped(lambda: classes(range(0, -(10**15), -3))), "more numbers"),
    "texts of nothing": (dumped(lambda: classes(nothings("S0", (2**40,)))), "an array of None"),
    "blanks of nothing": (
        dumped(lambda: classes(nothings("V0", (2**20, 2**20)))),
        "an array of None",
    ),
    "letters of nothing": (dumped(lambda: classes(nothings("U0", (2**50,)))), "an array of None"),
    "marks": (lambda: b"\x80\x04" + b"(" * 10**6 + b".", "nests containers too deeply"),
    "marks and values": (lambda: b"\x80\x04" + b"(K\x01" * 10**5 + b".", "nests containers"),
    "marks in words": (lambda: b"(" * 10**5 + b"l.", "nests containers too deeply"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(name: str, tmp_path: Path) -> None:
    make, gist = BOMBS[name]
    path = tmp_path / "m.pkl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(make())
    with pytest.raises(ModelError, match=rf"m\.pkl: .*{gist}") as caught:
        unpickle(path)
    assert "trust" not in caught.value.hint


@pytest.mark.parametrize("name", ["keys in keys", "marks", "keys again and again"])
def test_inspecting_a_bomb_does_not_let_it_off(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(BOMBS[name][0]())
    with pytest.raises(ModelError) as caught:
        inspect_pickle(path)
    assert "trust" not in caught.value.hint


def test_ensembles_of_ensembles_load(tmp_path: Path) -> None:
    model = BaggingClassifier(RandomForestClassifier(5), n_estimators=5).fit(X, Y)
    held = {(n, (n, "x")): n for n in range(3000)}
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"model": model, "held": held, "range": range(10**6)}))
    loaded: Any = unpickle(path)
    assert np.array_equal(loaded["model"].predict_proba(X), model.predict_proba(X))
    assert loaded["held"] == held


def in_each_other_s_way(n: int = 120_000, size: int = 1 << 20) -> list[bytes]:
    """Write numbers of which some take all places where a dictionary looks for the others."""
    places = [1]
    while len(places) < n:
        places.append((5 * places[-1] + 1) % size)
    return [b"\x8a\x08" + one.to_bytes(8, "little") for one in [*places, *range(1, size * n, size)]]


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1000, 7, 120_000])
def test_numbers_in_each_other_s_way_are_refused_though_no_two_hashes_are_equal(
    at_once: int, tmp_path: Path
) -> None:
    numbers = in_each_other_s_way()
    groups = (numbers[at : at + at_once] for at in range(0, len(numbers), at_once))
    steps = b"".join(b"(%bu" % b"N".join([*one, b""]) for one in groups)
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04}%b." % steps)
    with pytest.raises(ModelError, match="made to be slow"):
        unpickle(tmp_path / "m.pkl")


def test_many_honest_numbers_are_no_bomb(tmp_path: Path) -> None:
    held = [{n * 64: n for n in range(200_000)}, {n / 4 for n in range(50_000)}]
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(held, 4))
    assert unpickle_any(tmp_path / "m.pkl") == held


class Named(NamedTuple):
    """A pair that has what a model has, and is looked into all the same."""

    name: Any
    predict: Any


class Listed(list[Any]):
    def transform(self) -> None: ...


def members(dice: random.Random, made: list[Any], depth: int) -> Any:
    """Return a model or what may hold some, new or one that was made before."""
    kind = dice.randrange(24)
    if depth > 4 or kind < 6:
        return dice.choice([None, "drop", True, LogisticRegression(), StandardScaler(), *made])
    if kind == 6 and dice.random() < 0.3:
        return dice.choice([1, 2.5, b"a", np.zeros(2), len, LogisticRegression, np.str_("a")])
    inside = [members(dice, made, depth + 1) for _ in range(dice.choice([0, 1, 2, 3]))]
    match kind:
        case 7 | 8 | 9:
            one: Any = VotingClassifier(inside)
            one.__dict__.update(dice.sample([("estimators_", inside[::-1]), ("le_", None)], 1))
        case 10 | 11 | 12:
            one = Pipeline(inside)
        case 13:
            one = ColumnTransformer([("a", part, [0]) for part in inside])
        case 14:
            one = dict(enumerate(inside))
        case 15:
            one = Bunch(**{f"m{n}": part for n, part in enumerate(inside)})
        case 16:
            one = np.empty(len(inside), object)
            one[:] = inside
        case 17:
            one = Named(*[*inside, None, None][:2])
        case 18:
            one = Listed(inside)
        case 19:
            one = [*inside, *inside]
            if dice.random() < 0.1:
                one.append(one)
        case 20 | 21:
            one = inside
        case _:
            one = tuple(inside)
    made.append(one)
    return one


@pytest.mark.parametrize("seed", range(4))
def test_members_are_checked_many_at_a_time_as_one_by_one(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, heard = random.Random(seed), set()
    for name, most in {"_FEW_CALLS": 20, "_MOST_CALLS": 40, "_MOST_MEMBERS": 9}.items():
        monkeypatch.setattr(states, name, most)
    for _ in range(60):
        made: list[Any] = []
        roots = [VotingClassifier(members(dice, made, 0)), *made]
        dice.shuffle(roots)
        ends = []
        for one_by_one in (False, True):
            with monkeypatch.context() as patch:
                if one_by_one:
                    patch.setattr(states, "_are_models", lambda *_: False)
                    patch.setattr(states, "_ask_few", lambda *_: False)
                try:
                    ends.append(states.check_model(*roots))
                except (Refused, Damaged) as error:
                    ends.append(type(error))
        assert ends[0] == ends[1]
        heard.add(ends[0])
    assert heard >= {None, Refused, Bomb}
