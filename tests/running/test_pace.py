"""A batch keeps its work every few seconds, however slow the model, and in parts of any size comes
to the same bytes.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys

import pytest

from lime_cli import files
from lime_cli.running import batch
from lime_cli.running.batch import GROWTH, SOON, Pace, Slice
from lime_cli.running.job import Outcome, Work
from lime_cli.running.ledger import part_of
from lime_cli.sources import Source
from tests.conftest import ROOT
from tests.running.test_batch import WORDS, leftovers

LOANS = ("explain", "tabular", "sample_models/loans.pkl", "sample_data/loans.csv")
ZOO = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
TEXT = ("explain", "text", "sample_models/reviews.onnx")


def sources(n):
    return tuple(Source(f"{i}", "rows.csv", i) for i in range(n))


def took(seconds, n=1, failed=0):
    """Return outcomes that took so long together, told by the first of them."""
    found = [Outcome(one, b"", error="InputError" if i < failed else None)
             for i, one in enumerate(sources(n))]  # fmt: skip
    return [found[0]._replace(seconds=seconds), *found[1:]]


def at_speed(seconds_of, n):
    """Return how many of n sources go together, time after time, where each takes its seconds."""
    pace, sizes, start = Pace(), [], 0
    whole = Slice(0, 0, sources(n))
    for one in pace.cut(whole.part(i, 256) for i in range(0, n, 256)):
        size = len(one.sources)
        assert (one.first, one.sources) == (start, sources(n)[start : start + size])
        pace.learn(took(sum(map(seconds_of, range(start, start + size))), size))
        sizes.append(size)
        start += size
    assert start == n
    return sizes


def test_sources_of_a_fast_model_soon_go_together_by_the_hundred():
    assert at_speed(lambda _: 0.002, 256) == [1, 4, 16, 64, 171]


@pytest.mark.parametrize("seconds", [0.25, 0.5, 1.0, 3.0, 60.0])
def test_sources_of_a_slow_model_go_together_as_far_as_they_are_soon_done(seconds):
    sizes = at_speed(lambda _: seconds, 64)
    assert max(sizes) == max(1, int(SOON / seconds))
    assert len(sizes) <= 64 / max(sizes) + 3


def test_a_model_that_becomes_slow_is_noticed_at_once():
    sizes = at_speed(lambda i: 0.01 if i < 256 else 2.0, 768)
    assert sizes == [1, 4, 16, 64, 171, 256, *[2] * 128]


def test_sources_that_fail_at_once_hurry_nobody():
    pace = Pace()
    pace.learn(took(2.0))
    for _ in range(9):
        pace.learn(took(0.0, 2, failed=2))
    assert pace.n == 2
    pace.learn(took(2.0, 2, failed=1))
    assert pace.n == 2


def test_where_nothing_was_ever_explained_failures_tell_the_speed():
    pace = Pace()
    pace.learn(took(0.0, failed=1))
    assert pace.n == GROWTH
    pace.learn(took(0.5, failed=1))
    assert pace.n == GROWTH
    pace.learn(took(60.0, failed=1))
    assert pace.n == 1


def test_the_end_of_a_slice_slows_nobody_down():
    pace = Pace()
    for n in (1, 4, 16, 64, 3):
        pace.learn(took(0.001 * n, n))
    assert pace.n == 256


def together(monkeypatch, n):
    """Have so many sources go together, whatever they take: a number, or one by chance."""
    monkeypatch.setattr(Pace, "learn", lambda *_: None)
    size = n if isinstance(n, int) else property(lambda _: n.randint(1, 9))
    monkeypatch.setattr(Pace, "n", size, raising=False)
    monkeypatch.setattr(Pace, "__init__", lambda _: None)


def summary(folder):
    """Return the summary without what earlier batches of this process may have spared this one."""
    found = json.loads((folder / "summary.json").read_text())
    return {key: found[key] for key in found if key not in ("timing", "model_calls")}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (LOANS, "--samples 64"),
        (LOANS, "--samples auto --max-samples 256"),
        (LOANS, "--samples 64 --features 3 --refit"),
        (LOANS, "--samples 64 --surrogate tree"),
        (LOANS, "--samples 64 --kernel shapley"),
        (ZOO, "--samples 64 --like-lime"),
    ],
)
def test_no_byte_depends_on_how_many_rows_go_together(
    limex, tmp_path, monkeypatch, command, options
):
    command = (*command, "--row", "0-70", *options.split(), "-q", "-o")
    for n in (256, 64, 7, 1):
        together(monkeypatch, n)
        done = limex(*command, tmp_path / f"{n}")
        assert done.code == 0, done.err
    whole = (tmp_path / "256" / "explanations.jsonl").read_bytes()
    assert whole.count(b"\n") == 72
    for n in (64, 7, 1):
        assert (tmp_path / f"{n}" / "explanations.jsonl").read_bytes() == whole
        assert summary(tmp_path / f"{n}") == summary(tmp_path / "256")


def test_results_come_in_order_whatever_goes_together(limex, monkeypatch):
    together(monkeypatch, 5)
    command = (*ZOO, "--samples", 64, "--row", "3-25", "-f", "jsonl")
    rows = limex(*command, "-j", 2).out.splitlines()
    assert [json.loads(one)["instance"]["id"] for one in rows] == [f"{n}" for n in range(3, 26)]
    assert limex(*command, "--threads", 1).out.splitlines() == rows


def test_whatever_is_cut_broken_and_mended_the_end_is_the_same(limex, tmp_path, monkeypatch):
    """Batches stop at any operation on a file, in parts of any size, while inputs change."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    texts, out, chance = tmp_path / "texts", tmp_path / "out", random.Random(0)
    texts.mkdir()
    good = {texts / f"{n:02d}.txt": f"{WORDS[n % 4]}, say {n}".encode() for n in range(30)}
    for path, words in good.items():
        path.write_bytes(words)
    command = (*TEXT, texts, "--samples", 32, "-q", "-o")
    assert limex(*command, tmp_path / "whole").code == 0
    whole = (tmp_path / "whole" / "explanations.jsonl").read_bytes()
    together(monkeypatch, chance)
    for turn in range(12):
        left, broken = chance.randint(1, 60), chance.sample(sorted(good), 2 * (turn % 3))

        def fail(operation, path):
            nonlocal left
            left -= 1
            if not left:
                raise OSError(5, "input/output error", str(path))

        for path in broken:
            path.write_bytes(b"\xff")
        monkeypatch.setattr(files, "before", fail)
        retry = ("--retry-failed",) if chance.random() < 0.5 else ()
        assert limex(*command, out, *retry).code in (0, 5, 6)
        for path in broken:
            path.write_bytes(good[path])
    monkeypatch.setattr(files, "before", lambda operation, path: None)
    assert limex(*command, out, "--retry-failed").code == 0
    assert (out / "explanations.jsonl").read_bytes() == whole
    assert summary(out)["explained"] == 30
    assert leftovers(out) == []


def test_the_rows_that_failed_are_done_again_without_many_others(limex, tmp_path, monkeypatch):
    together(monkeypatch, 4)
    rows = (ROOT / "sample_data" / "loans.csv").read_text().splitlines()[:41]
    table = tmp_path / "rows.csv"
    table.write_text("\n".join([*rows[:18], rows[18] + ",1,2,3", *rows[19:]]) + "\n")
    background = ("--background", "sample_data/loans.csv")
    command = (*LOANS[:3], table, "--all", *background, "--samples", 64, "-o", tmp_path / "out")
    assert limex(*command).code == 6
    asked = []

    def handed_out(first, job, *rest):
        asked.extend(one.row for one in job.sources)
        return Work(first, job, *rest)

    monkeypatch.setattr(batch, "Work", handed_out)
    assert limex(*command, "--retry-failed").code == 6
    assert asked == [16, 17, 18, 19]


MODEL = """
import os, signal, time
import numpy as np
from lime_cli.running import batch

batch.SOON = 0.4


def takes_its_time(rows):
    if len(rows) > 32:  # a row with its samples
        with open("rows", "a") as told:
            told.write(f"{os.getpid()}\\n")
        number = int(os.environ.get("SIGNAL", "0"))
        if number and len(open("rows").readlines()) == 14:
            os.killpg(0, number)
        time.sleep(0.1)
    p = 1 / (1 + np.exp(-np.asarray(rows, float) @ [1.0, -2.0, 0.5]))
    return np.stack([p, 1 - p], axis=1)
"""


@pytest.fixture
def slow(tmp_path):
    """Start a batch of rows that take a tenth of a second at least, in parts of 0.4 seconds."""
    (tmp_path / "slowly.py").write_text(MODEL)
    chance = random.Random(1)
    rows = [",".join(f"{chance.gauss(0, 1):.3f}" for _ in range(3)) for _ in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")

    def explain(out, *options, number=0):
        words = ["explain", "tabular", "py:slowly:takes_its_time", "rows.csv"]
        words += ["--row", "0-23"]
        words += ["--samples", "64", "-o", out, *options]
        done = subprocess.run(
            [sys.executable, "-m", "lime_cli", *words],
            cwd=tmp_path,
            env={**os.environ, "SIGNAL": str(int(number)), "PYTHONPATH": f"{ROOT}"},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            check=False,
        )
        assert (tmp_path / "rows").exists(), done.stderr
        asked = (tmp_path / "rows").read_text().splitlines()
        (tmp_path / "rows").unlink()
        return done.returncode, done.stderr, asked

    return explain


def kept(folder):
    """Count the instances in each part of a batch."""
    parts = [part_of(one.read_bytes()) for one in sorted(folder.glob(".limex/part-*"))]
    return [one.lines.count(b"\n") for one in parts]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_end_at_any_time_costs_a_few_seconds_of_a_slow_model(slow, tmp_path, number):
    assert slow("whole")[0] == 0
    code, said, asked = slow("out", number=number)
    assert code == (130 if number == signal.SIGINT else -number), said
    n = kept(tmp_path / "out")
    assert sum(n) > 0
    assert max(n) <= 4
    if number == signal.SIGINT:
        assert re.findall(r"out: kept (\d+) of 24; run the same command again", said) == [
            str(sum(n))
        ]
    else:
        assert len(asked) == 14
        assert 14 - sum(n) <= 4
    code, said, asked = slow("out")
    assert (code, len(asked)) == (0, 24 - sum(n)), said
    assert f"out: continues; {sum(n)} are done" in said
    results = [tmp_path / one / "explanations.jsonl" for one in ("whole", "out")]
    assert results[0].read_bytes() == results[1].read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")
def test_every_worker_gets_its_share_of_a_short_table(slow, tmp_path):
    assert slow("here")[0] == 0
    code, said, asked = slow("out", "-j", "3")
    assert code == 0, said
    assert (len(asked), len({*asked})) == (24, 3)
    results = [tmp_path / one / "explanations.jsonl" for one in ("here", "out")]
    assert results[0].read_bytes() == results[1].read_bytes()
