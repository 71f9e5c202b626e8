"""Models whose states were changed: they answer as plain loading has it, or are refused.

``python -m tests.models.mutating --count 10000 --seed 0`` tells how many of each there were. Every
model is asked in a process of its own, so that one that native code cannot bear ends only that.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import os
import pickle
import random
import resource
import signal
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli.errors import LimexError
from lime_cli.models.pickles import tripwire
from lime_cli.models.pickles.loading import unpickle
from lime_cli.models.sklearn import limit_threads
from lime_cli.models.walking import attributes, objects
from tests.models.test_friction import pipelines, predictions, same

SECONDS = 20
ROOM = 3 << 30
"""Bytes that a model may take."""
LARGE = 1 << 26
"""Bytes of answers that are compared by their digest: some have millions of columns."""
REFUSED, SAME, RAISED, UNNEEDED, WRONG, ALARM, DIED, LATE = range(8)
NAMES = "refused", "same", "both raise", "unneeded", "WRONG", "ALARM", "died", "late"
"""Unneeded is an answer without what plain loading stumbles over: what a search drew from."""


def mutated(model: Any, dice: random.Random) -> Any:
    """Change a copy of a model in one to three places: swap, resize, retype, drop."""
    changed = copy.deepcopy(model)
    for _ in range(dice.choice((1, 1, 2, 3))):
        holders = [one for one in objects(changed) if vars_of(one) and not is_native(one)]
        holder = dice.choice(holders)
        held = vars_of(holder)
        name = dice.choice(list(held))
        others = vars_of(dice.choice(holders))
        match dice.randrange(5):
            case 0:
                held[name] = others[dice.choice(list(others))]
            case 1:
                del held[name]
            case 2:
                held[name] = resized(held[name], dice)
            case 3:
                held[name] = retyped(held[name], dice)
            case 4:
                held[name] = dice.choice((None, 0, -1, 10**9, "x", [], {}, np.zeros(0), 1.5, True))
    return changed


def is_native(one: Any) -> bool:
    """Tell an object that frees an address which it keeps, in this process too."""
    return type(one).__module__ in ("xgboost.core", "lightgbm.basic")


def vars_of(one: Any) -> dict[str, Any]:
    found = getattr(one, "__dict__", None)
    return found if isinstance(found, dict) and not isinstance(one, type) else {}


def resized(value: Any, dice: random.Random) -> Any:
    if isinstance(value, np.ndarray) and value.size:
        flat = value.ravel()
        n = dice.choice((0, 1, max(value.size - 1, 0), value.size + 3))
        return dice.choice((np.resize(flat, n), value[:-1] if value.ndim else flat, value[None]))
    if isinstance(value, (list, tuple, str)) and len(value):
        return value[:-1] if dice.random() < 0.5 else value * 2
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return dice.choice((value + 1, value * 1000, -value, 0))
    return None


def retyped(value: Any, dice: random.Random) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        kind = dice.choice(("f4", "f8", "i4", "i8", "i2", "u1", "O", "U8", "c16"))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return value.astype(kind)
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value)) if dice.random() < 0.5 else np.array(value, object)
    return str(value)


def tried(content: bytes, rows: Any, path: Path, model: Any) -> int:
    """Load and ask in a child; return how that went beside plain unpickling in another.

    ``model`` is what was changed.
    """
    path.write_bytes(content)
    ours, code = asked(lambda: unpickle(path), rows, guarded=True)
    if code:
        return LATE if code == signal.SIGALRM else DIED
    if ours in ("refused", "alarm"):
        return REFUSED if ours == "refused" else ALARM
    plain, code = asked(lambda: pickle.loads(content), rows, guarded=False)
    if code:
        return SAME if ours == "raised" else DIED
    if plain == "raised" and ours != "raised":
        before, _ = asked(lambda: model, rows, guarded=False)
        return UNNEEDED if same(pickle.loads(ours), pickle.loads(before)) else WRONG
    if ours == "raised":
        return RAISED if plain == ours else WRONG
    if ours == plain:  # which may be objects that compare themselves to no end
        return SAME
    return SAME if same(pickle.loads(ours), pickle.loads(plain)) else WRONG


def asked(load: Any, rows: Any, *, guarded: bool) -> tuple[Any, int]:
    """Return pickled answers, or a word for what happened, and the signal that ended the child."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))  # some ask for 10**9 columns
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        with os.fdopen(writer, "wb") as out:
            pickle.dump(said(load, rows, guarded), out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        found = stream.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return (pickle.loads(found) if not code and found else None), -code


def said(load: Any, rows: Any, guarded: bool) -> Any:
    warnings.simplefilter("ignore")
    try:
        model = load()
        limit_threads(model, 1)
    except LimexError:
        return "refused"
    except Exception:
        return "raised"
    try:
        if guarded:
            with tripwire.predicting():
                found = predictions(model, rows)
        else:
            found = predictions(model, rows)
    except tripwire.Alarm:
        return "alarm"
    except Exception:
        return "raised"
    if isinstance(found, str):
        return "alarm" if found == "Alarm" else "raised"
    content = pickle.dumps(found)
    return content if len(content) < LARGE else pickle.dumps(hashlib.sha256(content).digest())


def trials(count: int, seed: int, path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield name, outcome and content of one changed model after the other."""
    dice = random.Random(seed)
    models = [one for one in pipelines() if attributes(one[1])]
    n = 0
    while n < count:
        name, model, rows = dice.choice(models)
        try:
            content = pickle.dumps(mutated(model, dice), 4)
        except Exception:
            continue  # cannot be pickled, or copied, by anybody
        n += 1
        yield name, tried(content, rows, path, model), content


def main() -> None:
    """Try so many; keep what went wrong and exit with 1."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (2 * ROOM, 2 * ROOM))  # a change may be endless, too
    counts: Counter[int] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="limex-mutated-"))
    for name, outcome, content in trials(given.count, given.seed, folder / "m.pkl"):
        counts[outcome] += 1
        if counts.total() % 500 == 0:
            print(counts.total(), flush=True)
        if outcome >= WRONG:
            kept = folder / f"{counts.total()}-{NAMES[outcome]}.pkl"
            kept.write_bytes(content)
            print(f"{NAMES[outcome]}: {name}: {kept}", flush=True)
    print(", ".join(f"{counts[n]} {NAMES[n]}" for n in sorted(counts)))
    raise SystemExit(any(counts[n] for n in (WRONG, ALARM, DIED)))


if __name__ == "__main__":
    main()
